//! What listens on this machine outside of the walls, by every kind of address: no command may come to it.

use std::{
    io::ErrorKind,
    net::{TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
};

use super::bench::Bench;

/// Python, started without the user's site packages.
pub const PYTHON: &str = "/usr/bin/python3 -I -c ";

/// TCP, UDP, a socket file and an abstract name, in this order.
pub struct Doors {
    tcp: TcpListener,
    udp: UdpSocket,
    file: UnixListener,
    named: UnixListener,
    name: String,
}

impl Doors {
    /// The socket file is `$OUT/s`.
    pub fn open(bench: &Bench) -> Doors {
        let name = format!("walls-{}", bench.out.path().file_name().unwrap().to_str().unwrap());
        let doors = Doors {
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            file: UnixListener::bind(bench.out.path().join("s")).unwrap(),
            named: UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(),
            name,
        };
        doors.tcp.set_nonblocking(true).unwrap();
        doors.udp.set_nonblocking(true).unwrap();
        doors.file.set_nonblocking(true).unwrap();
        doors.named.set_nonblocking(true).unwrap();
        doors
    }

    pub fn tcp_port(&self) -> u16 {
        self.tcp.local_addr().unwrap().port()
    }

    /// A line of Python for each that comes to it.
    pub fn acts(&self) -> [String; 4] {
        let (tcp, udp, name) = (self.tcp_port(), self.udp.local_addr().unwrap().port(), &self.name);
        [
            format!("import socket; socket.create_connection(('127.0.0.1', {tcp}), 2)"),
            format!("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {udp}))"),
            "import socket; socket.socket(socket.AF_UNIX).connect('$OUT/s')".into(),
            format!("import socket; socket.socket(socket.AF_UNIX).connect('\\0{name}')"),
        ]
    }

    /// Which of them somebody came to since this was asked last.
    pub fn reached(&self) -> [bool; 4] {
        let mut bytes = [0u8; 16];
        let (tcp, udp) = (self.tcp.accept().map(drop), self.udp.recv(&mut bytes).map(drop));
        [tcp, udp, self.file.accept().map(drop), self.named.accept().map(drop)]
            .map(|seen| !seen.is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
    }
}

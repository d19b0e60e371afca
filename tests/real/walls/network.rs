//! No way out, a loopback of one's own.

use std::fs;

use super::{
    bench::*,
    doors::{Doors, PYTHON},
};

#[tokio::test]
async fn programs_of_this_machine_cannot_be_reached() {
    let bench = Bench::new().await;
    let doors = Doors::open(&bench);
    for (number, act) in doors.acts().iter().enumerate() {
        let text = format!("{PYTHON}\"{act}\"");
        let walled = bench.sh(&text).await;
        // UDP has no handshake: the packet is sent, on the private loopback.
        assert!(!walled.ok() || number == 1, "{act}: {walled:?}");
        assert_eq!(doors.reached(), [false; 4], "{act}");
        let free = unwalled(&bench.filled(&text), &bench.path("w"));
        assert!(free.status.success(), "{act} does not work without walls either: {free:?}");
        assert_eq!(doors.reached(), std::array::from_fn(|i| i == number), "{act}");
    }
}

/// Prints the name of the error for each kind of socket, `made` where there was none.
const SOCKETS: &str = r"
import errno, socket
kinds = {'netlink': (16, 3, 0), 'packet': (17, 3, 0), 'vsock': (40, 1, 0), 'crypto': (38, 5, 0), 'bluetooth': (31, 3, 0),
         'raw': (2, 3, 1), 'raw6': (10, 3, 58), 'ping': (2, 2, 1), 'mptcp': (2, 1, 262), 'sctp': (2, 1, 132), 'dccp': (2, 6, 33),
         'smc': (43, 1, 0), 'xdp': (44, 3, 0), 'tcp': (2, 1, 0), 'tcp6': (10, 1, 6), 'udp': (2, 2, 17), 'unix': (1, 5, 0)}
for name, (family, kind, protocol) in kinds.items():
    try:
        socket.socket(family, kind, protocol).close()
        print(name, 'made')
    except OSError as e:
        print(name, errno.errorcode[e.errno])
";

#[tokio::test]
async fn only_plain_sockets_can_be_made() {
    let bench = Bench::new().await;
    put(&bench.path("w"), "sockets.py", SOCKETS);
    let seen = bench.must("/usr/bin/python3 -I sockets.py").await;
    let expected = "netlink EAFNOSUPPORT\npacket EAFNOSUPPORT\nvsock EAFNOSUPPORT\ncrypto EAFNOSUPPORT\nbluetooth EAFNOSUPPORT\n\
                    raw EPERM\nraw6 EPERM\nping EPROTONOSUPPORT\nmptcp EPROTONOSUPPORT\nsctp EPROTONOSUPPORT\ndccp EPERM\n\
                    smc EAFNOSUPPORT\nxdp EAFNOSUPPORT\ntcp made\ntcp6 made\nudp made\nunix made\n";
    assert_eq!(seen, expected);
    let free = String::from_utf8(unwalled("/usr/bin/python3 -I sockets.py", &bench.path("w")).stdout).unwrap();
    assert!(free.contains("netlink made") && free.contains("unix made"), "{free}");
}

const SERVERS: &str = r"
import asyncio, os, socket, threading
listener = socket.create_server(('127.0.0.1', 0))
threading.Thread(target=lambda: listener.accept()[0].sendall(b'hello'), daemon=True).start()
assert socket.create_connection(listener.getsockname()).recv(5) == b'hello'
a, b = socket.socketpair()
a.send(b'x'); assert b.recv(1) == b'x'
named = socket.socket(socket.AF_UNIX); named.bind('own.sock'); named.listen()
socket.socket(socket.AF_UNIX).connect('own.sock')
async def main():
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=lambda: loop.call_soon_threadsafe(done.set)).start()
    await asyncio.wait_for(done.wait(), 5)
asyncio.run(main())
everywhere = socket.create_server(('0.0.0.0', 18999))
print('served')
";

#[tokio::test]
async fn a_loopback_of_ones_own_works() {
    let bench = Bench::new().await;
    put(&bench.path("w"), "servers.py", SERVERS);
    assert_eq!(bench.must("/usr/bin/python3 -I servers.py").await, "served\n");
    assert!(!fs::exists(bench.path("w/own.sock")).unwrap());
}

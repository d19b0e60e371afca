//! No way out, a loopback of one's own.

use std::fs;

use countersign::seams::Level;

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
         'smc': (43, 1, 0), 'xdp': (44, 3, 0), 'packets': (2, 5, 0), 'packets6': (10, 5, 0), 'tcp': (2, 1, 0), 'tcp6': (10, 1, 6),
         'udp': (2, 2, 17), 'unix': (1, 5, 0)}
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
                    smc EAFNOSUPPORT\nxdp EAFNOSUPPORT\npackets EPERM\npackets6 EPERM\ntcp made\ntcp6 made\nudp made\nunix made\n";
    assert_eq!(seen, expected);
    // Control: what this kernel has, it makes without walls; of the others only the filter's own word is seen.
    let free = String::from_utf8(unwalled("/usr/bin/python3 -I sockets.py", &bench.path("w")).stdout).unwrap();
    let root: &[&str] = if rustix::process::geteuid().is_root() { &["packet", "raw", "raw6"] } else { &[] };
    let mptcp: &[&str] = if fs::exists("/proc/sys/net/mptcp").unwrap() { &["mptcp"] } else { &[] };
    for kind in [&["netlink", "unix", "tcp", "udp"], root, mptcp].concat() {
        assert!(free.lines().any(|line| line == format!("{kind} made")), "{kind}: {free}");
    }
}

/// A pair is made of sockets of a family, as any socket is.
#[tokio::test]
async fn pairs_are_of_unix_sockets_only() {
    let pairs = "/usr/bin/python3 -I -c \"
import errno, socket
for name, family, kind in (('inet', 2, 1), ('netlink', 16, 3), ('tipc', 30, 4), ('crypto', 38, 5), ('vsock', 40, 1), ('unix', 1, 1)):
    try: socket.socketpair(family, kind); print(name, 'made')
    except OSError as e: print(name, errno.errorcode[e.errno])\"";
    let expected = "inet EPERM\nnetlink EPERM\ntipc EPERM\ncrypto EPERM\nvsock EPERM\nunix made\n";
    for level in [Level::L3, Level::L2, Level::L1] {
        let bench = Bench::forced(level).await;
        assert_eq!(bench.must(pairs).await, expected, "{level}");
    }
    // Control: the kernel itself says other words, or makes them.
    let free = String::from_utf8(unwalled(pairs, std::path::Path::new("/")).stdout).unwrap();
    assert!(!free.contains("EPERM") && free.ends_with("unix made\n"), "{free}");
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

#[tokio::test]
async fn sockets_are_hidden_whatever_their_name_is() {
    let folder = visible();
    // Named by a program that stands in the folder; with bytes that are no text; with a line end; moved once they are ready.
    let holder = "import os, socket, sys
names = [b'plain', b'./from-here', b'/proc/self/cwd/by-proc', b'no\\xfftext', b'two\\nlines', b'datagrams', b'made', b'made-here']
held = []
for name in names:
    held.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if name == b'datagrams' else socket.SOCK_STREAM))
    held[-1].bind(sys.argv[1].encode() + b'/' + name if name in (b'plain', b'made') else name)
    if name != b'datagrams': held[-1].listen()
    if name.startswith(b'made'): os.rename(name, b'moved-' + name)
print('ready', flush=True)
sys.stdin.read()";
    let mut python = std::process::Command::new("/usr/bin/python3");
    python.args(["-I", "-c", holder]).arg(folder.path()).current_dir(folder.path());
    let mut python = python.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Read::read_exact(python.stdout.as_mut().unwrap(), &mut [0u8; 6]).unwrap();
    let bench = Bench::new().await;
    let reach = format!(
        "/usr/bin/python3 -I -c \"
import os, socket, sys
for name in os.listdir(b'{}'):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try: socket.socket(socket.AF_UNIX, kind).connect(b'{}/' + name); print(name)
        except OSError: pass\"",
        folder.path().display(),
        folder.path().display()
    );
    assert_eq!(bench.must(&reach).await, "");
    // Control: without walls each of them is reached.
    let free = unwalled(&reach, folder.path());
    assert_eq!(String::from_utf8_lossy(&free.stdout).lines().count(), 8, "{free:?}");
    drop(python.stdin.take());
    python.wait().unwrap();
}

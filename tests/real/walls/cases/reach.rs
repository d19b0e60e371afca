//! Ways out: addresses, sockets of this machine, and other ways to the same files.

use std::{
    fs,
    io::ErrorKind,
    net::{Ipv4Addr, TcpStream},
    os::unix::net::UnixListener,
    path::PathBuf,
    time::Duration,
};

use countersign::seams::Level;

use super::{super::bench::*, Scene};

/// Answers whatever comes to it on the loopback, and says what it was.
const SERVER: &str = r#"
import socket, sys, threading
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('127.0.0.1', 4753))
def letters():
    while True:
        sender = udp.recvfrom(512)[1]
        print('letter', flush=True)
threading.Thread(target=letters, daemon=True).start()
listener = socket.create_server(('127.0.0.1', 4780))
print('ready', flush=True)
while True:
    peer = listener.accept()[0]
    peer.settimeout(0.2)
    try:
        heard = peer.recv(64)
    except TimeoutError:
        heard = b''
    print('heard', heard[:4], flush=True)
    peer.sendall(b'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n')
    peer.close()
"#;

/// By line of the catalogue: what must not get out, the same tool to the loopback inside, and what is heard there.
const OUT: &[(&str, &str, &str, &str)] = &[
    ("F01", "curl -sS http://127.0.0.1:$PORT", "curl -sS http://127.0.0.1:4780", "heard b'GET "),
    ("F02", "curl -sS https://example.com", "curl -sS http://localhost:4780", "heard b'GET "),
    ("F02", "wget -q -t 1 http://192.0.2.1/", "wget -q -O- http://localhost:4780/", "heard b'GET "),
    ("F02", "nc -z 1.1.1.1 80", "nc -z 127.0.0.1 4780", "heard b''"),
    ("F02", "ssh -o BatchMode=yes example.com true", "ssh -o BatchMode=yes -p 4780 127.0.0.1 true; true", "heard b'SSH-"),
    ("F02", "exec 3<>/dev/tcp/1.1.1.1/80", "exec 3<>/dev/tcp/127.0.0.1/4780", "heard b''"),
    ("F02", "exec 3<>/dev/tcp/192.168.1.1/80", "exec 3<>/dev/tcp/localhost/4780", "heard b''"),
    ("F03", "getent ahosts example.com", "getent ahosts localhost", ""),
    ("F03", "dig +tries=1 +time=1 @8.8.8.8 example.com", "dig +tries=1 +time=1 -p 4753 @127.0.0.1 example.com; true", "letter"),
    ("F04", "echo x > /dev/udp/8.8.8.8/53", "echo x > /dev/udp/127.0.0.1/4753", "letter"),
];

pub fn ids() -> impl Iterator<Item = &'static str> {
    OUT.iter().map(|(id, ..)| *id)
}

#[tokio::test]
async fn tools_that_reach_out_fail_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let scene = Scene::open(|root, _| put(root, "w/server.py", SERVER)).await;
    for (id, act, inside, heard) in OUT {
        let act = act.replace("$PORT", &port);
        let usual = scene.walled("true").await.outcome.duration;
        let walled = scene.walled(&act).await;
        assert!(!walled.ok(), "{id} {act}: {walled:?}");
        // Whoever waits for an answer waits longer, however busy the machine is.
        let took = walled.outcome.duration;
        assert!(took < Duration::from_secs(3) + 2 * usual, "{id} {act} took {took:?}, nothing takes {usual:?}");
        assert_eq!(listener.accept().map(drop).map_err(|e| e.kind()), Err(ErrorKind::WouldBlock), "{id} {act}");
        // Control: to a server behind the same walls.
        let text = format!(
            "rm -f said; /usr/bin/python3 -I server.py > said & until grep -qs ready said; do sleep 0.01; done; \
             {inside} && for n in $(seq 1000); do grep -qF \"{heard}\" said && break; sleep 0.01; done; cat said"
        );
        let said = scene.must(&text).await;
        assert!(said.contains(heard), "{id} {inside}: {said}");
    }
    assert!(scene.freely(&format!("curl -sS -m 1 http://127.0.0.1:{port}; true")).ok());
    assert!(listener.accept().is_ok(), "the control");
}

#[tokio::test]
async fn what_a_command_listens_on_cannot_be_reached_from_here() {
    let scene = Scene::open(|_, _| {}).await;
    // The suite may run a second time beside this, as an ordinary user.
    let port = if rustix::process::geteuid().is_root() { 18_998 } else { 18_997 };
    let reach = || TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_millis(200)).is_ok();
    assert!(!reach(), "something else listens there");
    let text = format!(
        "$PROBE listen && /usr/bin/python3 -I -c \"import socket, time\nserver = socket.create_server(('0.0.0.0', {port}))\n\
         socket.create_connection(('127.0.0.1', {port}))\nprint('reached from inside', flush=True)\ntime.sleep(0.5)\""
    );
    let knock = async {
        while !reach() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let ran = tokio::select! {
        ran = scene.walled(&text) => ran,
        () = knock => panic!("it is reached from here"),
    };
    assert!(ran.ok() && ran.output == "reached from inside\n", "{ran:?}");
    // Control: from here such a server is reached.
    let _server = std::net::TcpListener::bind(("0.0.0.0", port)).unwrap();
    assert!(reach());
}

#[tokio::test]
async fn sockets_of_the_users_programs_are_out_of_reach_wherever_they_lie() {
    for level in [Level::L3, Level::L2, Level::L1] {
        let Some(scene) = Scene::at(level).await else { continue };
        fs::create_dir_all(scene.path("home/notes/run")).unwrap();
        let name = scene.filled("$NAME");
        let mut places: Vec<PathBuf> = vec![
            scene.out().join("docker.sock"),
            scene.path("home/.ssh/agent"),
            // In folders that commands see.
            scene.path("home/notes/run/agent"),
            scene.path("home/.cargo/bin/agent"),
            scene.path("w/agent"),
            format!("/tmp/{name}").into(),
            format!("/var/tmp/{name}").into(),
        ];
        if rustix::process::geteuid().is_root() {
            places.push(format!("/run/{name}").into());
        }
        for place in places {
            let listener = UnixListener::bind(&place).unwrap();
            listener.set_nonblocking(true).unwrap();
            let act = format!("curl -sS -m 1 --unix-socket {} http://docker/_ping", place.display());
            let walled = scene.walled(&act).await;
            assert!(!walled.ok(), "{level} {act}: {walled:?}");
            assert_eq!(listener.accept().map(drop).map_err(|e| e.kind()), Err(ErrorKind::WouldBlock), "{level} {act}");
            scene.freely(&act);
            assert!(listener.accept().is_ok(), "{act} reaches nobody without walls either");
            fs::remove_file(place).unwrap();
        }
    }
}

/// A second way to the same folder, made by somebody with a mount.
#[tokio::test]
async fn an_alias_of_the_workspace_shows_the_same_files_read_only() {
    let scene = Scene::new();
    fs::create_dir(scene.out().join("alias")).unwrap();
    let run = |command: &str| {
        let home = "XDG_CONFIG_HOME=$HOME/c XDG_STATE_HOME=$HOME/s XDG_CACHE_HOME=$CACHE";
        let exe = exe().display().to_string();
        scene.freely(&format!(
            "unshare -Urm bash -c 'mount --bind . $OUT/alias && {home} exec {exe} sandbox run -w . -- \"{command}\"'"
        ))
    };
    let before = scene.picture("");
    let read = run("cat $OUT/alias/a.txt a.txt; ls $OUT/alias $OUT/alias/.. | sort | xargs");
    assert!(read.ok() && read.output.starts_with("alpha\nalpha\n"), "{}", read.output);
    for act in
        ["echo x >> $OUT/alias/a.txt", "rm $OUT/alias/d/b.txt", "touch $OUT/alias/new", "cat $OUT/alias/../home/.ssh/id_test"]
    {
        let walled = run(act);
        assert!(!walled.ok(), "{act}: {}", walled.output);
    }
    let both = run("echo x >> a.txt; cat a.txt $OUT/alias/a.txt");
    assert!(both.output.starts_with("alpha\nx\nalpha\n"), "{}", both.output);
    let after: Vec<String> = scene.picture("").into_iter().filter(|line| !line.contains("/home")).collect();
    assert!(after.iter().all(|line| before.contains(line)), "{after:?}");
    let free = scene.freely("unshare -Urm bash -c 'mount --bind . $OUT/alias && echo x >> $OUT/alias/a.txt'; cat a.txt");
    assert_eq!(free.output, "alpha\nx\n", "the control");
}

//! The way out: what a command with a list of hosts reaches through the proxy, and that nothing else leads out.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{IpAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use countersign::{
    path::WsPath,
    sandbox::{
        LinuxSandbox, SandboxPaths,
        net::{Caps, Network, Resolve},
    },
    seams::{Command, Connection, ConnectionNews, Level, NetTerms, OutputSink, SandboxSession, Shadow},
};
use tokio_util::sync::CancellationToken;

use super::{bench::*, doors::PYTHON};

/// A resolver that knows a few names, and counts how often it is asked.
#[derive(Default)]
pub struct Names {
    known: BTreeMap<&'static str, Vec<IpAddr>>,
    pub asked: AtomicUsize,
}

impl Names {
    pub fn of(known: &[(&'static str, &[&str])]) -> Arc<Names> {
        let known = known.iter().map(|(name, all)| (*name, all.iter().map(|one| one.parse().unwrap()).collect()));
        Arc::new(Names { known: known.collect(), asked: AtomicUsize::new(0) })
    }
}

#[async_trait::async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.known.get(host).cloned().ok_or_else(|| std::io::Error::other("no such name"))
    }
}

/// A server on this machine's loopback that answers every request with `answer` and keeps what it was sent.
pub struct Site {
    pub port: u16,
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub fn new(answer: &'static [u8]) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || answer_one(stream, answer, &kept));
            }
        });
        Site { port, requests }
    }

    pub fn page() -> Site {
        Site::new(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nserved")
    }

    pub fn host(&self, name: &str) -> String {
        format!("{name}:{}", self.port)
    }

    /// The rule of a user that lets connections lead here.
    pub fn private(&self) -> String {
        self.host("127.0.0.1")
    }

    pub fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

fn answer_one(mut stream: TcpStream, answer: &[u8], kept: &Mutex<Vec<String>>) {
    let mut bytes = Vec::new();
    let mut buffer = [0u8; 4096];
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => bytes.extend_from_slice(&buffer[..length]),
            _ => break,
        }
    }
    kept.lock().unwrap().push(String::from_utf8_lossy(&bytes).into_owned());
    let _ = stream.write_all(answer);
}

/// A bench whose names are these, and whose user's rules name these addresses.
pub async fn bench(names: Arc<Names>, private: Vec<String>, caps: Caps) -> Bench {
    Bench::reaching(Network { resolver: names, caps }, |_, spec| spec.net.private = private).await
}

/// The sentences of all refusals.
pub fn refusals(news: &[Connection]) -> Vec<&str> {
    let why = |one: &'_ Connection| matches!(one.news, ConnectionNews::Refused(_));
    news.iter()
        .filter(|one| why(one))
        .map(|one| match &one.news {
            ConnectionNews::Refused(why) => why.as_str(),
            _ => unreachable!(),
        })
        .collect()
}

/// Speaks to the proxy in raw bytes and prints its answer.
const SPEAK: &str = r#"
import os, socket, sys
proxy = os.environ['http_proxy'].rsplit(':', 1)
s = socket.create_connection(('127.0.0.1', int(proxy[1])), 5)
s.sendall(sys.argv[1].encode().decode('unicode_escape').encode('latin-1'))
s.settimeout(20)
answer = b''
while chunk := s.recv(65536):
    answer += chunk
sys.stdout.write(answer.decode('latin-1').replace('\r', ''))
"#;

/// The answer of the proxy to these bytes.
pub async fn speak(bench: &Bench, bytes: &str, network: &[String]) -> Ran {
    put(&bench.path("w"), "speak.py", SPEAK);
    bench.net(&format!("/usr/bin/python3 -I speak.py '{bytes}'"), network).await
}

#[tokio::test]
async fn a_named_host_is_reached_and_written_down() {
    let site = Site::page();
    let bench = bench(Names::of(&[("files.test", &["127.0.0.1"])]), vec![site.private()], Caps::default()).await;
    let host = site.host("files.test");
    let ran = bench.net(&format!("curl -sS --max-time 20 http://{host}/a?b=c"), std::slice::from_ref(&host)).await;
    assert!(ran.ok() && ran.output == "served", "{ran:?}");
    let requests = site.taken();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(request.starts_with(&format!("GET /a?b=c HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n")), "{request}");
    assert!(!request.to_lowercase().contains("proxy"), "{request}");
    let [opened, closed] = ran.news.as_slice() else { panic!("{:?}", ran.news) };
    assert_eq!((opened.host.as_str(), opened.port, opened.number), ("files.test", site.port, 1));
    assert_eq!(opened.news, ConnectionNews::Opened(site.private()));
    let ConnectionNews::Closed { sent, received, why: None } = &closed.news else { panic!("{closed:?}") };
    assert_eq!((*sent, *received), (request.len() as u64, 63));
    // Without a list the same session has no way out at all, nor anything that listens.
    let none = bench.sh(&format!("env | grep -i proxy; cat /proc/net/tcp | wc -l; curl -sS --max-time 5 http://{host}/")).await;
    assert!(!none.ok() && none.output.starts_with("1\n"), "{none:?}");
    assert!(site.taken().is_empty());
}

/// Keeps news waiting, and notes what the site has been sent by then.
struct Slow {
    requests: Arc<Mutex<Vec<String>>>,
    early: Vec<String>,
    opened: usize,
}

impl OutputSink for Slow {
    fn output(&mut self, _: &[u8]) {}

    fn connection(&mut self, connection: &Connection) {
        if let ConnectionNews::Opened(_) = connection.news {
            self.opened += 1;
            // A byte on loopback would have come by then.
            std::thread::sleep(Duration::from_millis(100));
            self.early.extend(self.requests.lock().unwrap().clone());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_told_of_before_a_byte_goes_on() {
    let site = Site::page();
    let bench = bench(Names::of(&[("files.test", &["127.0.0.1"])]), vec![site.private()], Caps::default()).await;
    let host = site.host("files.test");
    let text = format!("curl -sS --max-time 20 http://{host}/");
    let command = Command { text, cwd: WsPath::root(), timeout: Duration::from_secs(60), network: vec![host] };
    let mut slow = Slow { requests: site.requests.clone(), early: Vec::new(), opened: 0 };
    let outcome = bench.session.run(command, &Shadow::default(), &mut slow, &CancellationToken::new()).await.unwrap();
    assert_eq!((outcome.exit, slow.opened, site.taken().len()), (Some(0), 1, 1));
    assert!(slow.early.is_empty(), "{:?}", slow.early);
}

/// Resolves after a while, so that whoever asked has hung up when the server is reached.
struct Late(Arc<Names>);

#[async_trait::async_trait]
impl Resolve for Late {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.0.resolve(host).await
    }
}

/// A server that a command made us connect to is on record, whatever became of it.
#[tokio::test]
async fn a_tunnel_that_is_given_up_is_told_of_as_well() {
    let quiet = TcpListener::bind("127.0.0.1:0").unwrap();
    quiet.set_nonblocking(true).unwrap();
    let port = quiet.local_addr().unwrap().port();
    let names = Names::of(&[("open.test", &["127.0.0.1"])]);
    let network = Network { resolver: Arc::new(Late(names)), caps: Caps::default() };
    let private = vec![format!("127.0.0.1:{port}")];
    let bench = Bench::reaching(network, |_, spec| spec.net.private = private).await;
    let named = [format!("open.test:{port}")];
    let ask = format!(
        "import os, socket, struct, sys, time
s = socket.create_connection(('127.0.0.1', int(os.environ['http_proxy'].rsplit(':', 1)[1])), 5)
s.sendall(b'CONNECT open.test:{port} HTTP/1.1\\r\\n\\r\\n')
time.sleep(0.1)
"
    );
    // It resets the connection before it is answered; and it is over while its tunnel waits for a hello.
    let resets =
        format!("{ask}s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close(); time.sleep(1)");
    let is_over = format!("{ask}s.recv(4096); os._exit(0)");
    for act in [resets, is_over] {
        put(&bench.path("w"), "act.py", &act);
        let ran = bench.net("/usr/bin/python3 -I act.py", &named).await;
        assert!(ran.ok() && quiet.accept().is_ok(), "{act}: {ran:?}");
        let refused = refusals(&ran.news);
        assert!(refused.len() == 1 && refused[0].contains("hung up before"), "{act}: {ran:?}");
    }
}

#[tokio::test]
async fn nothing_but_the_exact_host_and_port_is_open() {
    let site = Site::page();
    let names = Names::of(&[
        ("open.test", &["127.0.0.1"]),
        ("malicious-open.test", &["127.0.0.1"]),
        ("a.open.test", &["127.0.0.1"]),
        ("localhost", &["127.0.0.1"]),
    ]);
    let bench = bench(names.clone(), vec![site.private()], Caps::default()).await;
    let port = site.port;
    let named = [site.host("open.test")];
    for target in [
        "127.0.0.1:22",
        "[::1]:22",
        "[::ffff:127.0.0.1]:80",
        "0x7f.1:80",
        "127.1:80",
        "2130706433:80",
        "open.test:22",
        "open.test:443",
        &format!("malicious-open.test:{port}"),
        &format!("a.open.test:{port}"),
        &format!("open.test.:{port}"),
        &format!("open.test:0{port}"),
        &format!("open.test@127.0.0.1:{port}"),
        &format!("open.test%00.evil:{port}"),
        &format!("localhost:{port}"),
        &format!("127.0.0.1:{port}"),
        "open.test",
        "*",
        ":",
    ] {
        let tunnel = speak(&bench, &format!(r"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"), &named).await;
        let plain = speak(&bench, &format!(r"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n"), &named).await;
        for ran in [&tunnel, &plain] {
            assert!(ran.output.starts_with("HTTP/1.1 403") || ran.output.starts_with("HTTP/1.1 400"), "{target}: {ran:?}");
            assert!(ran.output.contains("There is no other way out of here."), "{target}: {ran:?}");
            assert_eq!(refusals(&ran.news).len(), 1, "{target}: {ran:?}");
        }
    }
    assert_eq!(names.asked.load(Ordering::Relaxed), 0, "a name was resolved that nobody may reach");
    assert_eq!(site.taken(), Vec::<String>::new());
    let fine = speak(&bench, &format!(r"GET http://OPEN.test:{port}/ HTTP/1.1\r\nHost: open.test:{port}\r\n\r\n"), &named).await;
    assert!(fine.output.ends_with("served"), "{fine:?}");
    assert_eq!(names.asked.load(Ordering::Relaxed), 1, "resolved once, and the answer is what is dialled");
}

#[tokio::test]
async fn a_refusal_says_what_is_allowed_and_what_to_do() {
    let bench = bench(Names::of(&[]), Vec::new(), Caps::default()).await;
    let ran = bench.net("curl -sS --max-time 20 http://other.test/", &["open.test:443".into()]).await;
    assert!(ran.output.contains("other.test:80 is not among the hosts that this command was allowed (open.test:443)"), "{ran:?}");
    assert!(ran.output.contains("Name it in the command's network list, so that the user is asked"), "{ran:?}");
    let unknown = bench.net("curl -sS --max-time 20 http://open.test/", &["open.test:80".into()]).await;
    assert!(unknown.output.contains("open.test cannot be resolved"), "{unknown:?}");
    assert!(matches!(&unknown.news[..], [Connection { news: ConnectionNews::Failed(_), .. }]), "{unknown:?}");
}

#[tokio::test]
async fn names_that_lead_to_this_machine_or_its_neighbours_stay_closed() {
    let site = Site::page();
    let addresses: [(&str, &str); 14] = [
        ("loopback.test", "127.0.0.1"),
        ("loopback-other.test", "127.9.9.9"),
        ("loopback6.test", "::1"),
        ("mapped.test", "::ffff:127.0.0.1"),
        ("any.test", "0.0.0.0"),
        ("any6.test", "::"),
        ("metadata.test", "169.254.169.254"),
        ("private10.test", "10.0.0.1"),
        ("private172.test", "172.31.255.255"),
        ("private192.test", "192.168.1.1"),
        ("local6.test", "fd00::1"),
        ("link6.test", "fe80::1"),
        ("multicast.test", "224.0.0.251"),
        ("translated.test", "64:ff9b::a00:1"),
    ];
    let known: Vec<(&'static str, Vec<&str>)> = addresses.iter().map(|(name, address)| (*name, vec![*address])).collect();
    let known: Vec<(&'static str, &[&str])> = known.iter().map(|(name, all)| (*name, all.as_slice())).collect();
    let names = Names::of(&known);
    let closed = bench(names.clone(), Vec::new(), Caps::default()).await;
    for (name, address) in addresses {
        let host = site.host(name);
        let ran = closed.net(&format!("curl -sS --max-time 20 http://{host}/"), std::slice::from_ref(&host)).await;
        assert!(ran.output.contains("closed unless a rule of the user's policy names"), "{name} {address}: {ran:?}");
        assert_eq!(refusals(&ran.news).len(), 1, "{name}: {ran:?}");
    }
    // An address that a command got approved stays closed as well: only the policy's own rule opens it.
    let literal = site.private();
    let ran = closed.net(&format!("curl -sS --noproxy '' --max-time 20 http://{literal}/"), std::slice::from_ref(&literal)).await;
    assert!(ran.output.contains("a loopback address: closed unless a rule"), "{ran:?}");
    assert_eq!(site.taken(), Vec::<String>::new());
    // The controls: the user's rule names the address with this port.
    let open = bench(names, vec![literal.clone()], Caps::default()).await;
    let host = site.host("loopback.test");
    assert_eq!(open.net(&format!("curl -sS http://{host}/"), &[host]).await.output, "served");
    let text = format!("curl -sS http://{literal}/");
    assert_eq!(open.net(&text, std::slice::from_ref(&literal)).await.output, "served");
    let other_port = "loopback.test:9".to_owned();
    let ran = open.net("curl -sS http://loopback.test:9/", &[other_port]).await;
    assert!(ran.output.contains("127.0.0.1:9, a loopback address"), "{ran:?}");
}

#[tokio::test]
async fn of_several_addresses_only_the_permitted_one_is_dialled() {
    let site = Site::page();
    let names = Names::of(&[("mixed.test", &["10.0.0.1", "127.0.0.1", "169.254.169.254"])]);
    let bench = bench(names, vec![site.private()], Caps::default()).await;
    let host = site.host("mixed.test");
    let ran = bench.net(&format!("curl -sS --max-time 20 http://{host}/"), &[host]).await;
    assert_eq!(ran.output, "served");
    assert_eq!(ran.news[0].news, ConnectionNews::Opened(site.private()));
}

#[tokio::test]
async fn beside_the_proxy_there_is_no_way_out() {
    let site = Site::page();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let bench = bench(Names::of(&[("open.test", &["127.0.0.1"])]), vec![site.private()], Caps::default()).await;
    let (tcp_port, udp_port) = (site.port, udp.local_addr().unwrap().port());
    let host = site.host("open.test");
    let named = std::slice::from_ref(&host);
    let acts = [
        // The server itself, past the proxy; names; other protocols.
        format!("curl -sS --noproxy '*' --max-time 5 http://127.0.0.1:{tcp_port}/"),
        format!("curl -sS --noproxy '*' --max-time 5 http://{host}/"),
        format!("wget -q --no-proxy -T 5 -t 1 -O - http://127.0.0.1:{tcp_port}/"),
        format!("nc -z -w 5 127.0.0.1 {tcp_port}"),
        "ssh -o BatchMode=yes -o ConnectTimeout=5 -o StrictHostKeyChecking=no -p 22 192.0.2.1 true".into(),
        "exec 3<>/dev/tcp/1.1.1.1/80".into(),
        "getent ahosts open.test".into(),
        "dig +time=1 +tries=1 @8.8.8.8 open.test".into(),
        // The proxy's own port at a foreign host.
        "exec 3<>/dev/tcp/8.8.8.8/${http_proxy##*:}".into(),
        format!("{PYTHON}\"import socket; socket.socket(2, 1, 262).connect(('127.0.0.1', {tcp_port}))\""),
        format!("{PYTHON}\"import socket; s = socket.socket(); s.sendto(b'x', 0x20000000, ('127.0.0.1', {tcp_port}))\""),
        format!("{PYTHON}\"import socket; s = socket.socket(2, 2); s.connect(('8.8.8.8', 53)); s.send(b'x')\""),
        format!(
            "{PYTHON}\"import socket; s = socket.socket(2, 2); s.connect(('127.0.0.1', {udp_port})); s.send(b'x'); s.send(b'x'); s.recv(1)\""
        ),
        "curl -sS --max-time 5 --proxy http://192.0.2.1:3128 http://open.test/".into(),
    ];
    for act in &acts {
        let ran = bench.net(act, named).await;
        assert!(!ran.ok(), "{act}: {ran:?}");
        assert!(ran.outcome.duration.as_secs() < 10, "{act}: {ran:?}");
        assert!(ran.news.is_empty(), "{act}: {ran:?}");
        assert_eq!(site.taken(), Vec::<String>::new(), "{act}");
        assert!(udp.recv(&mut [0; 8]).is_err(), "{act}");
    }
    // The controls: each tool there works through the proxy, or on the loopback inside.
    for act in [format!("curl -sS http://{host}/"), format!("wget -q -T 10 -t 1 -O - http://{host}/")] {
        assert_eq!(bench.net(&act, named).await.output, "served", "{act}");
    }
    for act in
        ["nc -z 127.0.0.1 ${http_proxy##*:}", "exec 3<>/dev/tcp/127.0.0.1/${http_proxy##*:}", "getent ahosts localhost", "dig -v"]
    {
        assert!(bench.net(act, named).await.ok(), "{act}");
    }
    let inner = "import socket; a = socket.socket(2, 2); a.bind(('127.0.0.1', 0)); b = socket.socket(2, 2); b.sendto(b'x', a.getsockname()); assert a.recv(1) == b'x'";
    assert!(bench.net(&format!("{PYTHON}\"{inner}\""), named).await.ok());
    assert_eq!(site.taken().len(), 2);
}

#[tokio::test]
async fn a_command_with_network_holds_nothing_of_the_servers() {
    let site = Site::page();
    let bench = bench(Names::of(&[("open.test", &["127.0.0.1"])]), vec![site.private()], Caps::default()).await;
    let host = site.host("open.test");
    let named = std::slice::from_ref(&host);
    let open = "fd=3; while [ $fd -lt 200 ]; do [ -e /proc/self/fd/$fd ] && readlink /proc/$$/fd/$fd; fd=$((fd + 1)); done; true";
    let ran = bench.net(open, named).await;
    assert_eq!((ran.ok(), ran.output.as_str()), (true, ""), "{ran:?}");
    // One thing listens on its loopback, and that is nobody else's: another command at the same time does not find it.
    let listens = "/usr/bin/python3 -I -c \"print(sum(line.split()[3] == '0A' for line in open('/proc/net/tcp')))\"";
    assert_eq!(bench.net(listens, named).await.output, "1\n");
    // It waits behind the walls with a tunnel open; the end of the command closes the server's side of it.
    let quiet = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = quiet.local_addr().unwrap().port();
    let other =
        Bench::reaching(Network { resolver: Names::of(&[("quiet.test", &["127.0.0.1"])]), caps: Caps::default() }, |_, spec| {
            spec.net.private = vec![format!("127.0.0.1:{port}")]
        })
        .await;
    let watch = std::thread::spawn(move || {
        let (mut stream, _) = quiet.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).map(|_| all.len())
    });
    let leave = format!("(curl -sS http://quiet.test:{port}/ & ) ; sleep 0.5; exit 7");
    let ran = other.net(&leave, &[format!("quiet.test:{port}")]).await;
    assert_eq!(ran.outcome.exit, Some(7), "{ran:?}");
    assert!(matches!(ran.news.last().unwrap().news, ConnectionNews::Closed { sent: 50.., received: 0, why: None }), "{ran:?}");
    assert!(watch.join().unwrap().is_ok_and(|length| length > 50));
}

#[tokio::test]
async fn in_the_clear_only_reading_is_passed_on() {
    let site = Site::page();
    let bench = bench(Names::of(&[("open.test", &["127.0.0.1"])]), vec![site.private()], Caps::default()).await;
    let host = site.host("open.test");
    let named = std::slice::from_ref(&host);
    for (request, status) in [
        (format!(r"POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\r\nx"), 403),
        (format!(r"DELETE http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"), 403),
        (format!(r"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\nabc"), 403),
        (format!(r"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 411),
        (format!(r"GET http://{host}/ HTTP/1.1\r\nHost: other.test\r\n\r\n"), 400),
        (format!(r"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nHost: other.test\r\n\r\n"), 400),
        (format!(r"GET https://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400),
        (format!(r"GET http://user@{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400),
        (r"GET / HTTP/1.1\r\nHost: open.test\r\n\r\n".to_owned(), 400),
        (r"\x16\x03\x01\x00\x05hello\r\n\r\n".to_owned(), 400),
        (format!(r"GET http://{host}/{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "a".repeat(40_000)), 431),
    ] {
        let ran = speak(&bench, &request, named).await;
        let first = &request[..request.len().min(120)];
        assert!(ran.output.starts_with(&format!("HTTP/1.1 {status}")), "{first}: {ran:?}");
        assert_eq!(refusals(&ran.news).len(), 1, "{first}: {ran:?}");
    }
    assert_eq!(site.taken(), Vec::<String>::new());
    let head = format!(
        r"HEAD http://{host}/ HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: Basic eDp5\r\nConnection: x-own\r\nX-Own: 1\r\nX-HTTP-Method-Override: DELETE\r\nX-Kept: 2\r\n\r\nGET http://{host}/second HTTP/1.1\r\n\r\n"
    );
    assert!(speak(&bench, &head, named).await.output.starts_with("HTTP/1.1 200"));
    let requests = site.taken();
    let [request] = requests.as_slice() else { panic!("a second request was passed on: {requests:?}") };
    assert!(request.starts_with("HEAD / HTTP/1.1\r\n") && request.contains("X-Kept: 2"), "{request}");
    for gone in ["X-Own", "Basic", "second", "DELETE"] {
        assert!(!request.contains(gone), "{gone} in {request}");
    }
}

#[tokio::test]
async fn a_rule_of_the_users_opens_more_methods_of_one_host() {
    let site = Site::page();
    let names = Names::of(&[("open.test", &["127.0.0.1"]), ("other.test", &["127.0.0.1"])]);
    let (host, other) = (site.host("open.test"), site.host("other.test"));
    let network = Network { resolver: names, caps: Caps::default() };
    let (private, methods) = (vec![site.private()], vec![(host.clone(), "POST".to_owned())]);
    let bench = Bench::reaching(network, |_, spec| spec.net = NetTerms { private, methods }).await;
    let named = [host.clone(), other.clone()];
    let post = |to: &str| format!("curl -sS --max-time 20 --data-binary @a.txt http://{to}/");
    assert_eq!(bench.net(&post(&host), &named).await.output, "served");
    let request = site.taken().concat();
    assert!(request.starts_with("POST / HTTP/1.1\r\n") && request.contains("Content-Length: 6"), "{request}");
    for (act, why) in [(post(&other), "and this is POST to"), (format!("curl -sS -X PUT http://{host}/"), "and this is PUT to")] {
        assert!(bench.net(&act, &named).await.output.contains(why), "{act}");
    }
    // What follows the body is no second request.
    let two = format!(
        r"POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\nhiPOST http://{host}/second HTTP/1.1\r\n\r\n"
    );
    assert!(speak(&bench, &two, &named).await.output.ends_with("served"));
    assert!(!site.taken().concat().contains("second"));
    // Nor is the body, whose length no header takes away.
    let body =
        format!(r"POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: content-length\r\nContent-Length: 2\r\n\r\nhi");
    assert!(speak(&bench, &body, &named).await.output.ends_with("served"));
    let request = site.taken().concat();
    assert!(request.contains("Content-Length: 2\r\n"), "{request}");
}

#[tokio::test]
async fn walls_without_a_network_of_their_own_run_no_command_that_wants_one() {
    let root = folders();
    let sandbox = sandbox(root.path());
    for level in [Level::L2, Level::L1] {
        let session = sandbox.open_at(&spec(&root.path().join("w")), level).unwrap();
        let text = "echo ran > ran; echo ran".to_owned();
        let timeout = std::time::Duration::from_secs(5);
        let command = Command { text, cwd: WsPath::root(), timeout, network: vec!["open.test:443".into()] };
        let mut sink = Collect::default();
        let error = session.run(command, &Shadow::default(), &mut sink, &CancellationToken::new()).await.unwrap_err();
        assert!(error.step == "network" && error.why.contains(&format!("at level {level}")), "{error}");
        assert_eq!(sink.text(), "");
    }
}

/// Whom TLS may trust is passed on where commands can see the file, and only to those with network.
#[tokio::test]
async fn the_servers_trust_is_passed_on_where_it_can_be_seen() {
    let (root, out) = (folders(), visible());
    for path in ["home/notes/ca.pem", "home/hidden.pem", "w/ca.pem"] {
        put(root.path(), path, "certificate\n");
    }
    put(out.path(), "ca.pem", "certificate\n");
    let at = |path: &str| root.path().join(path).display().to_string();
    let mut variables = environment(&root.path().join("home"));
    let shown = out.path().join("ca.pem").display().to_string();
    variables.extend([
        ("SSL_CERT_FILE".to_owned(), shown),
        // Shown by `home_read`.
        ("NODE_EXTRA_CA_CERTS".to_owned(), at("home/notes/ca.pem")),
        ("CURL_CA_BUNDLE".to_owned(), at("home/hidden.pem")),
        ("REQUESTS_CA_BUNDLE".to_owned(), at("w/ca.pem")),
    ]);
    let paths = SandboxPaths { exe: exe(), cache: root.path().join("cache") };
    let session = LinuxSandbox::with_environment(paths, variables).open_here(&spec(&root.path().join("w"))).unwrap();
    let bench = Bench::of(root, out, Box::new(session));
    let text = "cat $SSL_CERT_FILE $NODE_EXTRA_CA_CERTS < /dev/null; echo ${CURL_CA_BUNDLE-none} ${REQUESTS_CA_BUNDLE-none}";
    let ran = bench.net(text, &["open.test:443".into()]).await;
    assert_eq!(ran.output, "certificate\ncertificate\nnone none\n", "{ran:?}");
    assert_eq!(bench.must("echo ${SSL_CERT_FILE-none}").await, "none\n");
}

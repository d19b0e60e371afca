//! Tunnels: real TLS passes through untouched, and only to the host that its hello names.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use countersign::{sandbox::net::Caps, seams::ConnectionNews};

use super::{
    bench::*,
    proxy::{Names, bench, refusals},
};

/// A web server with TLS: certificate for `tls.test` and `other.test`, made for this test.
struct Secure {
    process: Child,
    port: u16,
    /// Where commands can read the certificate.
    folder: tempfile::TempDir,
}

const SERVER: &str = r"
import http.server, ssl, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header('Content-Length', '6'); self.end_headers(); self.wfile.write(b'secure')
    def log_message(self, *a): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Page)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + '/cert', sys.argv[1] + '/key')
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
";

impl Secure {
    fn new() -> Secure {
        let folder = visible();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=tls.test", "-addext", "subjectAltName=DNS:tls.test,DNS:other.test"])
            .args(["-keyout", &at("key"), "-out", &at("cert")])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        put(folder.path(), "server.py", SERVER);
        let mut server = Command::new("/usr/bin/python3");
        server.args(["-I", &at("server.py")]).arg(folder.path());
        let mut process = server.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(process.stdout.take().unwrap()), &mut line).unwrap();
        Secure { process, port: line.trim().parse().unwrap(), folder }
    }

    fn certificate(&self) -> String {
        Path::new(self.folder.path()).join("cert").display().to_string()
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn names() -> std::sync::Arc<Names> {
    Names::of(&[("tls.test", &["127.0.0.1"]), ("other.test", &["127.0.0.1"])])
}

#[tokio::test]
async fn tls_passes_to_the_host_that_its_hello_names() {
    let secure = Secure::new();
    let port = secure.port;
    let bench = bench(names(), vec![format!("127.0.0.1:{port}")], Caps::default()).await;
    let named = [format!("tls.test:{port}")];
    let curl = format!("curl -sS --max-time 20 --cacert {}", secure.certificate());
    let fine = bench.net(&format!("{curl} https://tls.test:{port}/"), &named).await;
    assert_eq!((fine.ok(), fine.output.as_str()), (true, "secure"), "{fine:?}");
    assert!(matches!(&fine.news[0].news, ConnectionNews::Opened(at) if at == &format!("127.0.0.1:{port}")), "{fine:?}");
    assert!(matches!(fine.news[1].news, ConnectionNews::Closed { sent: 200.., received: 200.., why: None }), "{fine:?}");
    // The tunnel is to the approved host, the hello asks for its neighbour at the same address.
    let fronted = format!("{curl} --connect-to other.test:{port}:tls.test:{port} https://other.test:{port}/");
    let ran = bench.net(&fronted, &named).await;
    assert!(!ran.ok() && !ran.output.contains("secure"), "{ran:?}");
    assert_eq!(refusals(&ran.news), ["the tunnel is to tls.test, and its TLS hello asks for other.test"], "{ran:?}");
    // The control: that neighbour answers where it is named.
    let both = bench.net(&format!("{curl} https://other.test:{port}/"), &[format!("other.test:{port}")]).await;
    assert_eq!(both.output, "secure", "{both:?}");
    // Other clients, and two at once.
    let text = format!(
        "cat > get.py <<'END'
import ssl, sys, urllib.request
print(urllib.request.urlopen('https://tls.test:{port}/', context=ssl.create_default_context(cafile=sys.argv[1])).read().decode())
END
/usr/bin/python3 -I get.py {cert} & wait; wget -q -O - --ca-certificate={cert} https://tls.test:{port}/",
        cert = secure.certificate()
    );
    assert_eq!(bench.net(&text, &named).await.output, "secure\nsecure");
}

#[tokio::test]
async fn a_tunnel_without_an_honest_hello_carries_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = std::thread::spawn(move || {
        let mut all = Vec::new();
        for stream in listener.incoming().take(4) {
            let _ = std::io::Read::read_to_end(&mut stream.unwrap(), &mut all);
        }
        all
    });
    let bench = bench(names(), vec![format!("127.0.0.1:{port}")], Caps::default()).await;
    let named = [format!("tls.test:{port}")];
    put(
        &bench.path("w"),
        "tunnel.py",
        "
import os, socket, ssl, sys
s = socket.create_connection(('127.0.0.1', int(os.environ['http_proxy'].rsplit(':', 1)[1])), 5)
s.sendall(f'CONNECT tls.test:{sys.argv[2]} HTTP/1.1\\r\\n\\r\\n'.encode())
assert s.recv(4096).startswith(b'HTTP/1.1 200')
context = ssl._create_unverified_context()
if sys.argv[1] == 'nameless': context.wrap_socket(s)
if sys.argv[1] == 'named': context.wrap_socket(s, server_hostname='tls.test')
if sys.argv[1] == 'clear': s.sendall(b'GET / HTTP/1.1\\r\\nHost: tls.test\\r\\n\\r\\n')
if sys.argv[1] == 'mute': s.shutdown(socket.SHUT_WR)
print(s.recv(100))
",
    );
    for (how, why) in [
        ("nameless", "names no host"),
        ("clear", "what the command sends is no TLS; a tunnel carries TLS only"),
        ("mute", "the command hung up before its TLS hello was whole"),
    ] {
        let ran = bench.net(&format!("/usr/bin/python3 -I tunnel.py {how} {port}"), &named).await;
        let refused = refusals(&ran.news);
        assert!(refused.len() == 1 && refused[0].contains(why), "{how}: {ran:?}");
        if how != "nameless" {
            // The alert of TLS, and nothing else.
            assert!(ran.output.contains(r"b'\x15\x03\x03\x00\x02\x02p'"), "{how}: {ran:?}");
        }
    }
    // The control: an honest one reaches the server whole.
    let honest = bench.net(&format!("timeout 2 /usr/bin/python3 -I tunnel.py named {port}"), &named).await;
    assert!(refusals(&honest.news).is_empty(), "{honest:?}");
    let bytes = seen.join().unwrap();
    assert!(bytes.starts_with(&[22, 3, 1]) && bytes.windows(8).any(|part| part == b"tls.test"), "{bytes:?}");
}

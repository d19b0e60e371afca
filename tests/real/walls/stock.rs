//! Package registries on the loopback of this machine: small, real in what cargo, npm and pip ask of them, in the clear.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use sha2::{Digest, Sha256};

use super::bench::{put, unwalled};

/// One server with all three registries; it ends with the test's process.
pub struct Stock {
    /// `127.0.0.1:port`
    pub host: String,
    /// What was asked for.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Stock {
    /// A crate `adder`, an npm package `tiny` and a wheel `pytiny`, each of version 1.0.0.
    pub fn open() -> Stock {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let pages = pages(&host);
        let log = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut head = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let first = head.next().unwrap_or_default();
                head.take_while(|line| !line.is_empty()).for_each(drop);
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let (status, kind, body) = match pages.get(&path) {
                    Some((kind, body)) => ("200 OK", *kind, body.as_slice()),
                    None => ("404 Not Found", "text/plain", &b"not here"[..]),
                };
                log.lock().unwrap().push(path);
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
            }
        });
        Stock { host, asked }
    }

    /// Makes a home's package managers use it, as their users would.
    pub fn serve(&self, home: &Path) {
        let host = &self.host;
        put(
            home,
            ".cargo/config.toml",
            &format!(
                "[source.crates-io]\nreplace-with = \"stock\"\n[source.stock]\nregistry = \"sparse+http://{host}/index/\"\n"
            ),
        );
        put(home, ".npmrc", &format!("registry=http://{host}/npm/\n"));
        put(home, ".config/pip/pip.conf", &format!("[global]\nindex-url = http://{host}/simple/\n"));
    }

    /// How often something whose path holds `part` was asked for.
    pub fn times(&self, part: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|path| path.contains(part)).count()
    }
}

type Pages = BTreeMap<String, (&'static str, Vec<u8>)>;

fn pages(host: &str) -> Pages {
    let place = tempfile::tempdir().unwrap();
    let (json, bytes) = ("application/json", "application/octet-stream");
    let mut pages = Pages::new();
    let mut page = |path: &str, kind: &'static str, body: Vec<u8>| drop(pages.insert(path.to_owned(), (kind, body)));

    let root = place.path();
    put(root, "adder-1.0.0/Cargo.toml", "[package]\nname = \"adder\"\nversion = \"1.0.0\"\nedition = \"2021\"\n");
    put(root, "adder-1.0.0/src/lib.rs", "pub fn add(a: u32, b: u32) -> u32 { a + b }\n");
    let packed = made("tar czf - adder-1.0.0", root);
    let entry = serde_json::json!({
        "name": "adder", "vers": "1.0.0", "deps": [], "features": {}, "yanked": false, "cksum": sha256(&packed),
    });
    let config = serde_json::json!({"dl": format!("http://{host}/crates")});
    page("/index/config.json", json, config.to_string().into_bytes());
    page("/index/ad/de/adder", "text/plain", format!("{entry}\n").into_bytes());
    page("/crates/adder/1.0.0/download", bytes, packed);

    put(root, "package/package.json", "{\"name\": \"tiny\", \"version\": \"1.0.0\", \"main\": \"index.js\"}\n");
    put(root, "package/index.js", "module.exports = 42;\n");
    made("tar czf tiny.tgz package && echo", root);
    let digest =
        "import base64, hashlib; print(base64.b64encode(hashlib.sha512(open('tiny.tgz', 'rb').read()).digest()).decode())";
    let digest = String::from_utf8(made(&format!("/usr/bin/python3 -c \"{digest}\""), root)).unwrap();
    let dist = serde_json::json!({
        "tarball": format!("http://{host}/npm/tiny/-/tiny-1.0.0.tgz"), "integrity": format!("sha512-{}", digest.trim()),
    });
    let version = serde_json::json!({"name": "tiny", "version": "1.0.0", "main": "index.js", "dist": dist});
    let about = serde_json::json!({"name": "tiny", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}});
    page("/npm/tiny", json, about.to_string().into_bytes());
    page("/npm/tiny/-/tiny-1.0.0.tgz", bytes, made("cat tiny.tgz", root));

    put(root, "pytiny/__init__.py", "ANSWER = 42\n");
    let about = "Metadata-Version: 2.1\nName: pytiny\nVersion: 1.0.0\n";
    put(root, "pytiny-1.0.0.dist-info/METADATA", about);
    put(
        root,
        "pytiny-1.0.0.dist-info/WHEEL",
        "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    );
    put(
        root,
        "pytiny-1.0.0.dist-info/RECORD",
        "pytiny/__init__.py,,\npytiny-1.0.0.dist-info/METADATA,,\npytiny-1.0.0.dist-info/WHEEL,,\npytiny-1.0.0.dist-info/RECORD,,\n",
    );
    let packed = made("/usr/bin/python3 -m zipfile -c /dev/stdout pytiny pytiny-1.0.0.dist-info | cat", root);
    let name = "pytiny-1.0.0-py3-none-any.whl";
    let links =
        format!("<!DOCTYPE html><html><body><a href=\"/files/{name}#sha256={}\">{name}</a></body></html>", sha256(&packed));
    page("/simple/pytiny/", "text/html", links.into_bytes());
    page(&format!("/files/{name}"), bytes, packed);
    pages
}

fn made(text: &str, folder: &Path) -> Vec<u8> {
    let made = unwalled(text, folder);
    assert!(made.status.success() && !made.stdout.is_empty(), "{text}: {made:?}");
    made.stdout
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

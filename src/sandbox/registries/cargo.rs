//! Cargo: the registries of its configuration, the one that it knows by itself, and the hosts from which their crates are
//! downloaded, as far as its own copies of the indexes tell.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use toml::Table;

use super::{Found, address, asked::Asker, small_file};

/// How long cargo may take to ask for its index.
const PATIENCE: Duration = Duration::from_secs(10);
/// Sources that stand for one another; more are a circle.
const MOST_STEPS: usize = 16;
/// The longest request line that is read, bytes.
const LONGEST: u64 = 4096;

/// `home` is cargo's own folder.
pub(super) async fn found(home: &Path, asker: &Asker) -> Result<Found, String> {
    let text = ["config.toml", "config"].iter().find_map(|name| small_file(home.join(name))).unwrap_or_default();
    let config: Table = text.parse().map_err(|_| format!("{} is no TOML", home.join("config.toml").display()))?;
    let mut found = Found::default();
    let mut indexes: Vec<String> = tables(&config, "registries").filter_map(|(_, one)| text_of(one, "index")).collect();
    match replaced(&config) {
        Replaced::By(address) => indexes.push(address),
        Replaced::Local => {}
        Replaced::Not => match own_index(asker).await {
            Ok(host) => {
                downloads(home, &host, &mut found);
                found.hosts.push(host);
            }
            Err(why) => found.note(why),
        },
    }
    for index in indexes {
        found.address(&index);
        if let Ok(Some(host)) = address::host_of(&index) {
            downloads(home, &host, &mut found);
        }
    }
    Ok(found)
}

/// What stands for the registry that cargo knows by itself.
enum Replaced {
    Not,
    By(String),
    /// A folder: nothing is fetched.
    Local,
}

fn replaced(config: &Table) -> Replaced {
    let mut name = "crates-io".to_owned();
    for _ in 0..MOST_STEPS {
        let source = table(config, "source", &name);
        match source.and_then(|source| text_of(source, "replace-with")) {
            Some(next) => name = next,
            None => {
                let address = source.and_then(|source| text_of(source, "registry"));
                let named = || table(config, "registries", &name).and_then(|one| text_of(one, "index"));
                return match address.or_else(named) {
                    Some(address) => Replaced::By(address),
                    None if name == "crates-io" => Replaced::Not,
                    None => Replaced::Local,
                };
            }
        }
    }
    Replaced::Local
}

fn table<'a>(config: &'a Table, of: &str, name: &str) -> Option<&'a Table> {
    config.get(of)?.as_table()?.get(name)?.as_table()
}

fn tables<'a>(config: &'a Table, of: &str) -> impl Iterator<Item = (&'a String, &'a Table)> {
    config.get(of).and_then(toml::Value::as_table).into_iter().flatten().filter_map(|(name, one)| Some((name, one.as_table()?)))
}

fn text_of(table: &Table, key: &str) -> Option<String> {
    table.get(key)?.as_str().map(str::to_owned)
}

#[derive(Deserialize)]
struct IndexConfig {
    dl: String,
}

/// The host of the crates of an index that was used before. A name is enough: the folder's bears no port.
fn downloads(home: &Path, index: &str, found: &mut Found) {
    let name = index.rsplit_once(':').map_or(index, |(name, _)| name);
    let of_index = |folder: &PathBuf| {
        let folder = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        folder.rsplit_once('-').is_some_and(|(host, hash)| host == name && hash.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let folders = fs::read_dir(home.join("registry/index")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut told = false;
    for folder in folders.filter(of_index) {
        let config = small_file(folder.join("config.json"));
        if let Some(config) = config.and_then(|text| serde_json::from_str::<IndexConfig>(&text).ok()) {
            told = true;
            // Templates stand in the path, never in the host, of an address that can be named beforehand.
            found.address(&config.dl);
        }
    }
    if !told {
        found.note(format!("{name} was not used here yet, so the host of its crates is not known"));
    }
}

/// The registry that cargo has built in: what it asks for when it is sent to a listener of ours, which lets nothing through.
async fn own_index(asker: &Asker) -> Result<String, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| format!("no listener for cargo's question: {e}"))?;
    let proxy = listener.local_addr().map_err(|e| format!("no listener for cargo's question: {e}"))?;
    let folder = asker.folder();
    let manifest = "[package]\nname = \"asking\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\na = \"*\"\n";
    fs::write(folder.join("Cargo.toml"), manifest).map_err(|e| e.to_string())?;
    fs::write(folder.join("lib.rs"), "").map_err(|e| e.to_string())?;
    let mut cargo = asker.command("cargo", &["fetch"])?;
    cargo.env("CARGO_HOME", folder.join("home")).env("CARGO_HTTP_PROXY", format!("http://{proxy}")).env("CARGO_NET_RETRY", "0");
    let mut cargo = cargo.spawn().map_err(|e| format!("cargo: {e}"))?;
    let answer = tokio::select! {
        asked = question(&listener) => asked,
        ended = cargo.wait() => Err(format!("cargo asks for no index ({})", ended.map_or_else(|e| e.to_string(), |s| s.to_string()))),
        () = tokio::time::sleep(PATIENCE) => Err("cargo did not ask for its index in time".to_owned()),
    };
    let _ = cargo.kill().await;
    answer
}

/// The host of the first request: `CONNECT host:port`, or `GET http://host/...`.
async fn question(listener: &TcpListener) -> Result<String, String> {
    let lost = |e: std::io::Error| format!("cargo's question was not understood: {e}");
    let (mut stream, _) = listener.accept().await.map_err(lost)?;
    let mut line = String::new();
    let (reader, mut writer) = stream.split();
    BufReader::new(tokio::io::AsyncReadExt::take(reader, LONGEST)).read_line(&mut line).await.map_err(lost)?;
    let _ = writer.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    let target = line.split(' ').nth(1).unwrap_or_default();
    let address = if line.starts_with("CONNECT ") { format!("https://{target}") } else { target.to_owned() };
    address::host_of(&address)?.ok_or_else(|| "cargo's question names no host".to_owned())
}

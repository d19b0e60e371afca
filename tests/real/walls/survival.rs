//! Nothing survives: a killed server leaves no process and no mount, and no shadow and no control group once the next one has
//! started.

use std::{
    collections::BTreeSet,
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use countersign::seams::Level;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::bench::*;

/// Processes whose command line has `marker` as a word.
fn alive(marker: &str) -> usize {
    let lines = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).split(['\0', ' ']).any(|word| word == marker)).count()
}

/// Wall processes whose mounts name this folder.
fn wall_processes(cache: &Path) -> usize {
    let mounts = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let line = fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let stage = line.split('\0').rfind(|word| !word.is_empty()).is_some_and(|word| ["keeper", "process-1"].contains(&word));
        fs::read_to_string(entry.path().join("mountinfo")).ok().filter(|_| stage)
    });
    mounts.filter(|mounts| mounts.contains(&cache.display().to_string())).count()
}

/// The user namespace of a process, a name that no other has.
fn users_of(process: impl std::fmt::Display) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/ns/user")).ok()
}

/// Processes in a user namespace.
fn living_in(users: &Path) -> usize {
    let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    all.filter(|process| users_of(process).is_some_and(|own| own == users)).count()
}

/// Control groups of sessions, wherever such are mounted.
fn groups() -> BTreeSet<PathBuf> {
    let (mut found, mut left) = (BTreeSet::new(), vec![PathBuf::from("/sys/fs/cgroup")]);
    while let Some(folder) = left.pop() {
        for entry in
            fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()))
        {
            if entry.file_name().to_string_lossy().starts_with("countersign-") {
                found.insert(entry.path());
            }
            left.push(entry.path());
        }
    }
    found
}

fn shadows(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("shadow-")).collect()
}

/// A project and a home, and the product over them.
struct Product {
    root: tempfile::TempDir,
    project: tempfile::TempDir,
}

impl Product {
    fn new(project: tempfile::TempDir) -> Product {
        let root = tempfile::Builder::new().prefix("killed-").tempdir().unwrap();
        fs::create_dir_all(root.path().join("home/runtime")).unwrap();
        put(project.path(), "file", "x\n");
        Product { root, project }
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    fn cache(&self) -> PathBuf {
        self.home().join(".cache/countersign")
    }

    /// `sandbox run` of a command, at a level that the kernel makes the highest.
    fn run(&self, level: Level, arguments: &[&str]) -> Server {
        let line = if level == Level::L3 { format!("exec {} \"$@\"", exe().display()) } else { below(level, &exe()) };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &line, "sh"]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.home());
        command.env("XDG_RUNTIME_DIR", self.home().join("runtime"));
        command.current_dir(self.project.path()).args(["sandbox", "run"]).args(arguments);
        Server(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// What a server left that is no more: gone once the next one has run.
    fn swept(&self, level: Level) {
        let left = shadows(&self.cache());
        assert!(!left.is_empty(), "the killed one had a shadow");
        swept_by(&left, || assert!(self.run(level, &["--", "sleep 1"]).0.wait().unwrap().success()));
        assert!(soon(|| !left.iter().any(|shadow| shadow.exists())), "{left:?}");
        assert_eq!(fs::read_dir(self.home().join("runtime")).unwrap().count(), 0);
        assert!(!fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&self.root.path().display().to_string()));
    }
}

/// Starts servers until these shadows are gone, ten at most. One sweeps beside its work: where it ends before, it leaves the rest
/// to the next, its own shadow too where that takes long.
fn swept_by(left: &[PathBuf], next: impl Fn()) {
    for _ in 0..10 {
        next();
        if !left.iter().any(|shadow| shadow.exists()) {
            return;
        }
    }
}

/// Killed at the latest when the test ends.
struct Server(std::process::Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_killed_with_a_connection_open_leaves_nothing() {
    let product = Product::new(tempfile::Builder::new().prefix("killed-").tempdir().unwrap());
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = upstream.local_addr().unwrap().to_string();
    let before = groups();
    let command = format!("sleep 987652 & curl -sS http://{host}/ & wait");
    let server = product.run(Level::L3, &["--net", &host, "--", &command]);
    let (mut stream, _) = upstream.accept().unwrap();
    let mut request = [0u8; 4];
    stream.read_exact(&mut request).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nbegun").unwrap();
    assert!(alive("987652") > 0 && wall_processes(&product.cache()) >= 2);
    let begun = Instant::now();
    drop(server);
    // Its connection has ended with it, at this end too.
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).map_err(|error| assert_eq!(error.kind(), ErrorKind::ConnectionReset));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(soon(|| alive("987652") == 0 && wall_processes(&product.cache()) == 0), "a process outlives its server");
    product.swept(Level::L3);
    assert!(soon(|| groups().is_subset(&before)), "{:?}", groups());
}

/// A self-test that is cut short leaves its folder, with a copy of a program in it, to the next server.
#[test]
fn a_self_test_that_is_killed_leaves_nothing() {
    let product = Product::new(tempfile::Builder::new().prefix("killed-").tempdir().unwrap());
    let checks = || -> Vec<PathBuf> {
        let entries = fs::read_dir(product.cache()).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("check-")).collect()
    };
    let mut command = Command::new(exe());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", product.home());
    command.args(["sandbox", "check"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Server(command.spawn().unwrap());
    assert!(soon(|| checks().iter().any(|check| check.join("workspace").exists())), "it works in a folder");
    drop(server);
    let left = checks();
    assert!(!left.is_empty());
    swept_by(&left, || assert!(product.run(Level::L3, &["--", "sleep 1"]).0.wait().unwrap().success()));
    assert!(soon(|| checks().is_empty()), "{:?}", checks());
}

#[test]
fn a_server_killed_while_it_copies_leaves_nothing() {
    let product = Product::new(tempfile::tempdir_in("/dev/shm").unwrap());
    // The level is found out first.
    assert!(product.run(Level::L1, &["--", "true"]).0.wait().unwrap().success());
    let large = product.project.path().join("z-large");
    fs::File::create(&large).unwrap().set_len(8 << 30).unwrap();
    let server = product.run(Level::L1, &["--", "sleep 987653"]);
    let copies = || {
        let shadows = shadows(&product.cache()).into_iter().map(|shadow| shadow.join("workspace"));
        let copies = shadows.flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten());
        copies.filter(|copy| fs::metadata(copy.path().join("z-large")).is_ok_and(|about| about.len() > 0)).count()
    };
    assert!(soon(|| copies() == 1), "it copies");
    let users = users_of(server.0.id()).unwrap();
    assert!(living_in(&users) >= 2, "the server and its keeper");
    drop(server);
    assert!(soon(|| living_in(&users) == 0), "a process outlives its server");
    fs::remove_file(large).unwrap();
    product.swept(Level::L1);
}

#[test]
fn a_killed_server_leaves_nothing() {
    let root = tempfile::Builder::new().prefix("killed-").tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    for name in ["project", "home"] {
        fs::create_dir(at(name)).unwrap();
    }
    put(root.path(), "project/file", "x\n");
    let cache = at("home/.cache/countersign");
    let script = |name: &str, command: &str| {
        let call = json!({"content": [{"type": "tool_use", "id": "c", "name": "run", "input": {"command": command}}]});
        let end = json!({"content": [{"type": "text", "text": "done"}]});
        put(root.path(), name, &format!("{call}\n{end}\n"));
        format!("script:{}", at(name).display())
    };
    let binary = |arguments: &[&str]| {
        let mut command = Command::new(exe());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", at("home"));
        command.current_dir(at("project")).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    assert!(binary(&["trust", "add", "."]).status().unwrap().success());
    let before = groups();
    let long = "seq 200000; setsid sleep 987651 & (sleep 987651 &); head -c 1M /dev/zero > big; sleep 987651";
    let model = script("long", long);
    let mut server = binary(&["ask", "go", "--accept", "none", "--model", &model]).spawn().unwrap();
    assert!(soon(|| alive("987651") == 3), "{} of 3 are there", alive("987651"));
    assert!(wall_processes(&cache) >= 2 && !shadows(&cache).is_empty());
    kill_process(Pid::from_raw(i32::try_from(server.id()).unwrap()).unwrap(), Signal::KILL).unwrap();
    server.wait().unwrap();
    assert!(soon(|| alive("987651") == 0 && wall_processes(&cache) == 0), "a process outlives its server");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&root.path().display().to_string()), "a mount outlives its server");

    // The next one finds what is left of the shadow, its outputs and its control group, and removes it.
    let left = shadows(&cache);
    assert!(!left.is_empty());
    let model = script("short", "sleep 3");
    swept_by(&left, || assert!(binary(&["ask", "go", "--accept", "none", "--model", &model]).status().unwrap().success()));
    assert!(soon(|| !left.iter().any(|shadow| shadow.exists())), "{left:?}");
    assert!(soon(|| groups().is_subset(&before)), "{:?}", groups());
}

/// A program that ends with its command leaves nothing to a next one.
#[test]
fn a_large_shadow_is_gone_with_the_program() {
    let product = Product::new(tempfile::Builder::new().prefix("killed-").tempdir().unwrap());
    let make =
        "/usr/bin/python3 -I -c \"import os\nos.mkdir('m')\nfor i in range(40000): os.close(os.open('m/%d' % i, os.O_CREAT))\"";
    assert!(product.run(Level::L3, &["--", make]).0.wait().unwrap().success());
    assert_eq!(shadows(&product.cache()), Vec::<PathBuf>::new());
}

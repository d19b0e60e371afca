//! Nothing survives: a killed server leaves no process and no mount, and no shadow and no control group once the next one has
//! started.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

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
    // It sweeps beside its work: one that ends at once leaves the rest to the next, its own shadow too where that takes long.
    let model = script("short", "sleep 3");
    assert!(binary(&["ask", "go", "--accept", "none", "--model", &model]).status().unwrap().success());
    assert!(soon(|| !left.iter().any(|shadow| shadow.exists())), "{left:?}");
    assert!(soon(|| groups().is_subset(&before)), "{:?}", groups());
}

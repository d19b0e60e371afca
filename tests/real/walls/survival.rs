//! Nothing survives: a killed server leaves no process, no mount and no control group at once, and no shadow once the next one
//! has started; fifty commands at once leave nothing at all.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use countersign::seams::{Sandbox, SandboxSession, Shadow};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio_util::sync::CancellationToken;

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
    assert!(!shadows(&cache).is_empty());
    let model = script("short", "true");
    assert!(binary(&["ask", "go", "--accept", "none", "--model", &model]).status().unwrap().success());
    assert!(soon(|| shadows(&cache).is_empty()), "{:?}", shadows(&cache));
    assert!(soon(|| groups().is_subset(&before)), "{:?}", groups());
}

/// Alone in its process, so that nobody else's files are counted.
#[test]
fn fifty_commands_at_once_leave_nothing() {
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let ran = alone.args(["--exact", "walls::survival::fifty_alone", "--ignored"]).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
}

/// What this process and the machine hold: open files, mounts, children.
fn held(cache: &Path) -> (usize, usize, usize, usize, usize) {
    let files = fs::read_dir("/proc/self/fd").unwrap().count();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    let us = format!("PPid:\t{}", std::process::id());
    let statuses =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok());
    let children = statuses.filter(|status| status.lines().any(|line| line == us)).count();
    (files, mounts, children, shadows(cache).len(), groups().len())
}

#[tokio::test]
#[ignore = "fifty_commands_at_once_leave_nothing runs it by itself"]
async fn fifty_alone() {
    let root = folders();
    let (cache, sandbox) = (root.path().join("cache"), sandbox(root.path()));
    let session = async || sandbox.open(spec(&root.path().join("w"))).await.unwrap();
    let run = async |session: &dyn SandboxSession, text: &str| {
        let command = countersign::seams::Command {
            text: text.into(),
            cwd: ws(""),
            timeout: std::time::Duration::from_secs(120),
            network: Vec::new(),
        };
        let mut said = Collect::default();
        let ended = session.run(command, &Shadow::default(), &mut said, &CancellationToken::new()).await.unwrap();
        (ended.exit, said.text())
    };
    // What is made once stays: runtime, pools.
    run(&*session().await, "true").await;
    assert!(soon(|| held(&cache).2 == 0 && shadows(&cache).is_empty()));
    let before = held(&cache);
    let fifty = (0..50).map(|number| async move {
        let session = session().await;
        let text =
            format!("echo {number} > mine; sleep 0.2 & mkdir -p /tmp/t; cat mine; seq 20000 | tail -n 1; wait; exit {number}");
        run(&*session, &text).await
    });
    let ended = futures_util::future::join_all(fifty).await;
    for (number, (exit, text)) in (0..).zip(ended) {
        assert_eq!((exit, text), (Some(number), format!("{number}\n20000\n")));
    }
    assert!(soon(|| held(&cache) == before), "before {before:?}, after {:?}", held(&cache));
}

//! A workspace with a walled session over it, and the same commands without walls.

use std::{
    path::{Path, PathBuf},
    process::Command as Process,
    time::{Duration, Instant},
};

use countersign::{
    path::WsPath,
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::{Command, Outcome, OutputSink, Sandbox, SandboxSession, SandboxSpec, Shadow},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

pub struct Silent;

impl OutputSink for Silent {
    fn output(&mut self, _: &[u8]) {}
}

/// Folders on a real disk: where temporary ones stand in memory, a shadow would cost less.
pub fn folders() -> TempDir {
    let folders = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::create_dir(folders.path().join("workspace")).unwrap();
    folders
}

pub fn sandbox(folders: &Path) -> LinuxSandbox {
    let exe = std::env::var("COUNTERSIGN_BENCH_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_countersign").to_owned());
    LinuxSandbox::new(SandboxPaths { exe: exe.into(), cache: folders.join("cache") })
}

pub fn spec(folder: PathBuf) -> SandboxSpec {
    SandboxSpec {
        folder,
        env_allow: Vec::new(),
        home_read: Vec::new(),
        memory: 1 << 30,
        processes: 512,
        cpu: 600,
        file_size: 1 << 30,
        tmp_size: 1 << 28,
        shadow_size: 1 << 32,
        ..SandboxSpec::default()
    }
}

pub fn command(text: &str) -> Command {
    Command { text: text.into(), cwd: WsPath::root(), timeout: Duration::from_secs(60), network: Vec::new() }
}

/// A session and the folders that it needs.
pub struct Walls {
    pub runtime: Runtime,
    pub session: Box<dyn SandboxSession>,
    pub folders: TempDir,
}

impl Walls {
    pub fn new() -> Self {
        let folders = folders();
        let runtime = runtime();
        let session = runtime.block_on(sandbox(folders.path()).open(spec(folders.path().join("workspace")))).unwrap();
        Walls { runtime, session, folders }
    }

    pub fn run(&self, text: &str) -> Outcome {
        self.reach(text, &[])
    }

    /// The same with a way out to these hosts.
    pub fn reach(&self, text: &str, hosts: &[&str]) -> Outcome {
        let command = Command { network: hosts.iter().map(|host| (*host).to_owned()).collect(), ..command(text) };
        let run = async { self.session.run(command, &Shadow::default(), &mut Silent, &CancellationToken::new()).await };
        let outcome = self.runtime.block_on(run).unwrap();
        assert_eq!(outcome.exit, Some(0), "{text}");
        outcome
    }
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The time that something takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    let done = work();
    let took = begun.elapsed();
    drop(done);
    took
}

/// The floor: `posix_spawn` of the program.
pub fn plain() {
    ends_well(Process::new("/bin/true"));
}

/// The same by way of a shell, as commands are run: with the language that they are given.
pub fn bash(text: &str) -> Process {
    let mut bash = Process::new("/bin/bash");
    bash.args(["--noprofile", "--norc", "-c", text]).env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
    bash
}

pub fn ends_well(mut process: Process) {
    assert!(process.status().unwrap().success());
}

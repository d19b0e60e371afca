//! What the walls cost: `/bin/true` started plainly, through a shell, and behind every wall, cold and warm.
//!
//! `cargo bench --bench sandbox` (the wall process is the image of the bench profile). Compare medians of one call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::{process::Command as Process, time::Duration};

use countersign::{
    path::WsPath,
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::{Command, OutputSink, Sandbox, SandboxSession, SandboxSpec, Shadow},
};
use divan::Bencher;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Between two commands, as long as a model takes at the very least.
const PAUSE: Duration = Duration::from_millis(20);

fn main() {
    divan::main();
}

struct Silent;
impl OutputSink for Silent {
    fn output(&mut self, _: &[u8]) {}
}

struct Walls {
    runtime: Runtime,
    _folders: TempDir,
    session: Box<dyn SandboxSession>,
}

impl Walls {
    fn new() -> Self {
        let folders = tempfile::tempdir().unwrap();
        let folder = folders.path().join("workspace");
        std::fs::create_dir(&folder).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let paths = SandboxPaths { exe: env!("CARGO_BIN_EXE_countersign").into(), cache: folders.path().join("cache") };
        let spec = SandboxSpec {
            folder,
            env_allow: Vec::new(),
            home_read: Vec::new(),
            memory: 1 << 30,
            processes: 512,
            file_size: 1 << 30,
            tmp_size: 1 << 28,
            shadow_size: 1 << 32,
        };
        let session = runtime.block_on(LinuxSandbox::new(paths).open(spec)).unwrap();
        Walls { runtime, _folders: folders, session }
    }

    fn run(&self, text: &str) {
        let command = Command { text: text.into(), cwd: WsPath::root(), timeout: Duration::from_secs(10) };
        let outcome = self
            .runtime
            .block_on(async { self.session.run(command, &Shadow::default(), &mut Silent, &CancellationToken::new()).await });
        assert_eq!(outcome.unwrap().exit, Some(0));
    }
}

/// The floor: posix_spawn of `/bin/true`.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn posix_spawn() {
    assert!(Process::new("/bin/true").status().unwrap().success());
}

/// The same program by way of a shell, as commands are run.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn bash() {
    assert!(Process::new("/bin/bash").args(["--noprofile", "--norc", "-c", "/bin/true"]).status().unwrap().success());
}

/// Every wall, the second command of a session and later ones, without a pause: what the next one needs is still being made.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn warm_back_to_back(bencher: Bencher<'_, '_>) {
    let walls = Walls::new();
    walls.run("/bin/true");
    bencher.bench_local(|| walls.run("/bin/true"));
}

/// The same after as long a pause as the quickest model makes.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn warm(bencher: Bencher<'_, '_>) {
    let walls = Walls::new();
    walls.run("/bin/true");
    bencher.with_inputs(|| std::thread::sleep(PAUSE)).bench_local_values(|()| walls.run("/bin/true"));
}

/// The first command of a session, with the making of its shadow and its keeper.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn cold(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| ()).bench_local_values(|()| {
        let walls = Walls::new();
        walls.run("/bin/true");
        walls
    });
}

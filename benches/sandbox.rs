//! What the walls cost: `/bin/true` started plainly, through a shell, and behind every wall, cold and warm.
//!
//! `cargo bench --bench sandbox` (the wall process is the image of the bench profile). Compare medians of one call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::{process::Command as Process, sync::Arc, time::Duration};

use countersign::{
    event::TaskId,
    path::WsPath,
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::{Command, OutputSink, Sandbox, SandboxSession, SandboxSpec, Shadow, Workspace},
    workspace::{Folder, LocalDesk, TaskWorkspace, World},
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
    folders: TempDir,
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
            packages: None,
            net: Default::default(),
        };
        let session = runtime.block_on(LinuxSandbox::new(paths).open(spec)).unwrap();
        Walls { runtime, folders, session }
    }

    fn run(&self, text: &str) {
        let command = Command { text: text.into(), cwd: WsPath::root(), timeout: Duration::from_secs(10), network: Vec::new() };
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

/// A session in which 100 files of the workspace stand changed by a command; the shadow's answer is the list.
fn with_changes() -> (Walls, TaskWorkspace, Vec<String>) {
    let walls = Walls::new();
    let folder = walls.folders.path().join("workspace");
    std::fs::create_dir(folder.join("src")).unwrap();
    for n in 0..100 {
        let text: String = (0..100).map(|line| format!("line {line} of file {n}\n")).collect();
        std::fs::write(folder.join(format!("src/f{n}.txt")), text).unwrap();
    }
    walls.run("sed -i 's/^line 50 /LINE 50 /' src/*.txt");
    let world = Arc::new(World::new(Folder::open(&folder).unwrap(), None, None));
    let workspace = TaskWorkspace::new(TaskId("t".into()), Arc::new(LocalDesk::default()), world, Arc::new(|_: &WsPath, _| None));
    (walls, workspace, (0..100).map(|n| format!("src/f{n}.txt")).collect())
}

/// Reading 100 changed files back and comparing them with what the task saw: all between a command's end and its hunks but
/// the listing of the upper layer.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn changes_compared_100(bencher: Bencher<'_, '_>) {
    let (walls, workspace, changed) = with_changes();
    bencher.bench_local(|| {
        walls.runtime.block_on(async {
            let mut began = workspace.moment().await.unwrap();
            // The files were written a moment ago, and long before the command began for all that matters here.
            began.at = std::time::SystemTime::now();
            let paths = workspace.unignored(changed.clone()).await;
            walls.session.written(paths.clone(), 0).await;
            let written = walls.session.written(paths, 1 << 20).await;
            assert_eq!(workspace.merges(began, written).await.unwrap().merges.len(), 100);
        });
    });
}

/// A command that changes nothing where 100 changed files stand: against `walled`, the price of listing them.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn walled_over_100_changes(bencher: Bencher<'_, '_>) {
    let (walls, ..) = with_changes();
    bencher.bench_local(|| walls.run("/bin/true"));
}

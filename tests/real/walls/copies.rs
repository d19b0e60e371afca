//! The copy that stands in for an overlay: told while it is made, given up when nobody waits for it, and made once.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use countersign::{
    path::WsPath,
    sandbox::LinuxSession,
    seams::{Command, Copying, Level, Outcome, OutputSink, SandboxSession, Shadow, Stopped},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::bench::*;

/// Takes seconds to be copied, and no room where it stands.
const LARGE: &str = "z-large";

/// Stops the command when it hears how far the copy is.
#[derive(Default)]
struct Stopper {
    cancel: CancellationToken,
    at: Option<Instant>,
    told: Vec<Copying>,
}

impl OutputSink for Stopper {
    fn output(&mut self, _: &[u8]) {}

    fn copying(&mut self, copying: Copying) {
        self.told.push(copying);
        self.at.get_or_insert_with(Instant::now);
        self.cancel.cancel();
    }
}

/// A workspace with a large file, and a session whose copy lies on another file system: no blocks can be shared.
struct Slow {
    session: LinuxSession,
    workspace: TempDir,
    root: Folders,
}

impl Slow {
    fn new() -> Slow {
        let (root, workspace) = (folders(), tempfile::tempdir_in("/dev/shm").unwrap());
        put(workspace.path(), "a.txt", "alpha\n");
        File::create(workspace.path().join(LARGE)).unwrap().set_len(8 << 30).unwrap();
        let session = sandbox(root.path()).open_at(&spec(workspace.path()), Level::L1).unwrap();
        Slow { workspace, root, session }
    }

    async fn run(&self, text: &str, sink: &mut dyn OutputSink, cancel: &CancellationToken) -> Outcome {
        self.run_over(&Shadow::default(), text, sink, cancel).await
    }

    async fn run_over(&self, shadow: &Shadow, text: &str, sink: &mut dyn OutputSink, cancel: &CancellationToken) -> Outcome {
        let command = Command { text: text.into(), cwd: WsPath::root(), timeout: Duration::from_secs(60), network: Vec::new() };
        self.session.run(command, shadow, sink, cancel).await.unwrap()
    }

    fn cache(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    /// Where the copy of a file lies; `None` before there is any.
    fn copy_of(&self, name: &str) -> Option<PathBuf> {
        let shadows = fs::read_dir(self.cache()).unwrap().map(|entry| entry.unwrap().path());
        let shadow = shadows.into_iter().find(|path| path.is_dir())?;
        Some(shadow.join("workspace").join(self.workspace.path().file_name().unwrap()).join(name))
    }
}

#[tokio::test]
async fn a_long_copy_is_told_and_stops_within_a_second() {
    let slow = Slow::new();
    let mut stopper = Stopper::default();
    let cancel = stopper.cancel.clone();
    let begun = Instant::now();
    let stopped = slow.run("echo ran > ran", &mut stopper, &cancel).await;
    assert_eq!((stopped.stopped, stopped.exit), (Some(Stopped::Cancelled), None), "{stopped:?}");
    assert!(stopper.at.is_some_and(|at| at.elapsed() < Duration::from_secs(1)), "{:?}", begun.elapsed());
    assert!(stopper.told.iter().all(|told| *told == Copying { done: 1, all: 2 }), "{:?}", stopper.told);
    assert_eq!(stopper.told[0].to_string(), "copying the workspace: 1 of 2 files");

    // The next command goes on with what is there already.
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let copied = inode(&slow.copy_of("a.txt").unwrap());
    fs::remove_file(slow.workspace.path().join(LARGE)).unwrap();
    let mut ran = Collect::default();
    let outcome = slow.run("cat a.txt; ls", &mut ran, &CancellationToken::new()).await;
    assert_eq!((outcome.exit, ran.text()), (Some(0), "alpha\na.txt\n".into()));
    assert_eq!(outcome.changed, Vec::<String>::new());
    assert_eq!(inode(&slow.copy_of("a.txt").unwrap()), copied);
    let Slow { session, root, .. } = slow;
    drop(session);
    assert!(gets_empty(&root.path().join("cache")), "folders are left");
}

#[tokio::test]
async fn a_copy_ends_with_a_run_that_is_dropped_and_leaves_nothing() {
    let slow = Slow::new();
    let (mut sink, never) = (Stopper::default(), CancellationToken::new());
    let has_begun = async {
        while !slow.copy_of(LARGE).is_some_and(|large| fs::metadata(large).is_ok_and(|about| about.len() > 0)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        outcome = slow.run("true", &mut sink, &never) => panic!("it was copied too fast: {outcome:?}"),
        () = has_begun => {}
    }
    let (cache, Slow { session, root: _root, .. }) = (slow.cache(), slow);
    drop(session);
    let begun = Instant::now();
    // Off this thread: the copy's own needs nothing of the runtime.
    assert!(tokio::task::spawn_blocking(move || gets_empty(&cache)).await.unwrap(), "folders are left");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// The holes of a file have no blocks that could be reckoned with: the copy ends when its disk is nearly full.
#[test]
fn a_copy_of_holes_leaves_room_on_its_disk() {
    let root = folders();
    let line = "mount -t tmpfs -o size=300m none cache && echo 0 > /proc/sys/user/max_user_namespaces && \
                exec \"$0\" sandbox run --workspace w -- cat a.txt";
    let ran = || {
        let mut unshare = std::process::Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", line]).arg(exe()).current_dir(root.path());
        unshare.env("HOME", root.path().join("home")).env("XDG_CACHE_HOME", root.path().join("cache"));
        let output = unshare.output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, said) = ran();
    assert!(code == Some(0) && said.starts_with("alpha\n"), "{code:?} {said}");
    File::create(root.path().join("w").join(LARGE)).unwrap().set_len(8 << 30).unwrap();
    let (code, said) = ran();
    assert!(code == Some(3) && said.contains("copy of the workspace") && said.contains("MiB left"), "{code:?} {said}");
}

#[tokio::test]
async fn later_commands_cost_only_what_changed() {
    let bench = Bench::forced(Level::L1).await;
    for number in 0..300 {
        put(&bench.path("w"), &format!("many/{}/{number}", number % 7), &format!("{number}\n"));
    }
    // The time of its last change tells a file that was made anew: the number of one that is gone is given away again.
    let look = "find . -type f -printf '%P %i %C@\\n' | sort";
    let first = bench.must(look).await;
    assert_eq!(first.lines().count(), 302);
    assert_eq!(bench.must(look).await, first);
    put(&bench.path("w"), "many/3/3", "another\n");
    put(&bench.path("w"), "many/new", "new\n");
    fs::remove_file(bench.path("w/many/4/4")).unwrap();
    let later = bench.must(look).await;
    let differ = later.lines().filter(|line| !first.lines().any(|before| before == *line));
    let differ: Vec<&str> = differ.map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(differ, ["many/3/3", "many/new"]);
    assert_eq!(later.lines().count(), 302);
}

/// What was to be replaced when the copy was given up is not taken for what it was before.
#[tokio::test]
async fn a_copy_that_was_given_up_forgets_what_it_took_away() {
    let slow = Slow::new();
    let large = slow.workspace.path().join(LARGE);
    fs::remove_file(&large).unwrap();
    put(slow.workspace.path(), "zz.txt", "disk\n");
    let (over, never) = (shadow([typed("zz.txt", "typed\n")]), CancellationToken::new());
    let mut said = Collect::default();
    slow.run_over(&over, "cat zz.txt", &mut said, &never).await;
    File::create(&large).unwrap().set_len(8 << 30).unwrap();
    let mut stopper = Stopper::default();
    let cancel = stopper.cancel.clone();
    let stopped = slow.run("true", &mut stopper, &cancel).await;
    assert_eq!(stopped.stopped, Some(Stopped::Cancelled));
    fs::remove_file(&large).unwrap();
    let outcome = slow.run_over(&over, "cat zz.txt", &mut said, &never).await;
    assert_eq!((said.text().as_str(), outcome.changed.as_slice()), ("typed\ntyped\n", &[][..]));
}

/// Ends the copy of the large file, and takes away a link that was still to be copied.
struct Vanishing<'a>(Collect, &'a Path);

impl OutputSink for Vanishing<'_> {
    fn output(&mut self, bytes: &[u8]) {
        self.0.output(bytes);
    }

    fn copying(&mut self, _: Copying) {
        let _ = fs::remove_file(self.1.join("zz-lock"));
        File::options().write(true).open(self.1.join(LARGE)).unwrap().set_len(0).unwrap();
    }
}

#[tokio::test]
async fn a_link_that_is_gone_before_it_is_copied_is_no_failure() {
    let slow = Slow::new();
    std::os::unix::fs::symlink("user@host.1234", slow.workspace.path().join("zz-lock")).unwrap();
    std::os::unix::fs::symlink("a.txt", slow.workspace.path().join("zz-stays")).unwrap();
    let mut sink = Vanishing(Collect::default(), slow.workspace.path());
    let outcome = slow.run("ls; readlink zz-stays", &mut sink, &CancellationToken::new()).await;
    assert_eq!((outcome.exit, sink.0.text().as_str()), (Some(0), "a.txt\nz-large\nzz-stays\na.txt\n"), "{outcome:?}");
}

#[tokio::test]
async fn a_submodule_has_its_own_repository() {
    let bench = Bench::forced(Level::L1).await;
    let git = "git -c user.name=A -c user.email=a@example.com -c protocol.file.allow=always";
    let made = format!(
        "git init -q part && echo s > part/s && git -C part add . && {git} -C part commit -qm part && git init -q w && cd w && \
         {git} submodule -q add ../part parts/one && git add . && {git} commit -qm whole"
    );
    let made = unwalled(&made, &bench.path(""));
    assert!(made.status.success(), "{made:?}");
    let asks = "git -C parts/one log --format=%s; echo more >> parts/one/s; git -C parts/one status --porcelain; git status --porcelain; \
                git -C parts/one -c user.name=A -c user.email=a@example.com commit -qam walled; git -C parts/one log --format=%s";
    let ran = bench.sh(asks).await;
    assert_eq!((ran.output.as_str(), ran.outcome.git), ("part\n M s\n M parts/one\nwalled\npart\n", true), "{ran:?}");
    assert_eq!(ran.outcome.changed, ["parts/one/s"]);
    let log = unwalled("git -C parts/one log --format=%s", &bench.path("w"));
    assert_eq!(log.stdout, b"part\n", "the user's is as it was");
}

//! Fifty commands at once, each of a session of its own; and that nothing of them is left.

use std::{
    fs,
    path::Path,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use countersign::seams::{Sandbox, SandboxSession, Shadow};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    figures::{Samples, number, ratio, times},
    walls::{Silent, bash, command, folders, sandbox, spec, timed},
};

const ROUNDS: usize = 5;
const AT_ONCE: usize = 50;

pub fn measure() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folders = folders();
    let sandbox = Arc::new(sandbox(folders.path()));
    let (mut plain, mut first, mut later) = (Samples::default(), Samples::default(), Samples::default());
    runtime.block_on(sandbox.level());
    // What proved the level goes behind the scenes: counted in, it would hide as much that is left later.
    sleep(Duration::from_secs(1));
    let before = Left::now(&folders.path().join("cache"));
    for _ in 0..ROUNDS {
        plain.add(timed(without_walls));
        runtime.block_on(async {
            let begun = Instant::now();
            let mut running = JoinSet::new();
            for _ in 0..AT_ONCE {
                let (sandbox, spec) = (sandbox.clone(), spec(folders.path().join("workspace")));
                running.spawn(async move {
                    let session = sandbox.open(spec).await.unwrap();
                    run(session.as_ref()).await;
                    session
                });
            }
            let sessions = running.join_all().await;
            first.add(begun.elapsed());
            let begun = Instant::now();
            let mut running = JoinSet::new();
            for session in sessions {
                running.spawn(async move {
                    run(session.as_ref()).await;
                    session
                });
            }
            let sessions = running.join_all().await;
            later.add(begun.elapsed());
            drop(sessions);
        });
    }
    times("50 x bash with `/bin/true` at once, no walls", &plain, None);
    times("  behind every wall, each the first of its session", &first, None);
    times("  each the second of its session", &later, None);
    ratio("  the second, over bash", &later, &plain, None);
    let after = Left::soon_like(&before, &folders.path().join("cache"));
    number("processes left", (after.processes - before.processes) as f64, "", Some(0.0));
    number("mounts left", (after.mounts - before.mounts) as f64, "", Some(0.0));
    number("open files left", (after.files - before.files) as f64, "", Some(0.0));
    number("folders left", (after.folders - before.folders) as f64, "", Some(0.0));
}

async fn run(session: &dyn SandboxSession) {
    let outcome = session.run(command("/bin/true"), &Shadow::default(), &mut Silent, &CancellationToken::new()).await;
    assert_eq!(outcome.unwrap().exit, Some(0));
}

fn without_walls() {
    let start = |_| bash("/bin/true").spawn().unwrap();
    let running: Vec<_> = (0..AT_ONCE).map(start).collect();
    running.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
}

/// What there is of this process, and below its folder of shadows.
#[derive(PartialEq)]
struct Left {
    processes: i64,
    mounts: i64,
    files: i64,
    folders: i64,
}

impl Left {
    fn now(cache: &Path) -> Left {
        let count = |folder: &Path| fs::read_dir(folder).map_or(0, |entries| entries.count() as i64);
        let children = fs::read_dir("/proc/self/task").unwrap().flatten();
        let children = children.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        Left {
            processes: children.map(|line| line.split_whitespace().count() as i64).sum(),
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count() as i64,
            files: count(Path::new("/proc/self/fd")),
            folders: count(cache),
        }
    }

    /// Sessions end behind the scenes.
    fn soon_like(before: &Left, cache: &Path) -> Left {
        let begun = Instant::now();
        loop {
            let now = Left::now(cache);
            if now == *before || begun.elapsed() > Duration::from_secs(10) {
                return now;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

//! L1: what the copy of a large tree costs, beside what `cp` needs for the same; and what later commands cost over it.

use std::{
    fs,
    path::Path,
    process::Command as Process,
    time::{Duration, Instant},
};

use countersign::seams::{Copying, Level, OutputSink, SandboxSession, Shadow};
use tokio_util::sync::CancellationToken;

use super::{
    figures::{Samples, ratio, times},
    first::{FILES, grow},
    walls::{Silent, command, ends_well, folders, runtime, sandbox, spec, timed},
};

const ROUNDS: usize = 3;
const LATER: usize = 5;

pub fn measure() {
    let folders = folders();
    let workspace = folders.path().join("workspace");
    grow(&workspace);
    let [mut plain, mut linked, mut first, mut same, mut changed, mut stopped] = [0; 6].map(|_| Samples::default());
    for round in 0..ROUNDS {
        plain.add(copied(&workspace, &folders.path().join("copy"), &["-a", "--reflink=auto"]));
        linked.add(copied(&workspace, &folders.path().join("copy"), &["-al"]));
        let runtime = runtime();
        let session = sandbox(folders.path()).open_at(&spec(workspace.clone()), Level::L1).unwrap();
        let run = || {
            let run =
                async { session.run(command("/bin/true"), &Shadow::default(), &mut Silent, &CancellationToken::new()).await };
            assert_eq!(runtime.block_on(run).unwrap().exit, Some(0));
        };
        first.add(timed(run));
        for later in 0..LATER {
            same.add(timed(run));
            (0..100)
                .for_each(|n| fs::write(workspace.join(format!("d0/e{n}/f0.txt")), format!("{round}.{later}\n")).unwrap_or(()));
            changed.add(timed(run));
        }
        drop(session);
        stopped.add(until_stopped(folders.path()));
    }
    times(&format!("`cp -a --reflink=auto` of {FILES} files"), &plain, None);
    times("  `cp -al`: hard links, which no shadow may be", &linked, None);
    times("first command at L1, the copy made", &first, None);
    ratio("  over `cp -a`", &first, &plain, None);
    times("  a later one, nothing changed", &same, None);
    times("  a later one, 100 files changed", &changed, None);
    times("  from Stop to its end, while it is copied", &stopped, Some(1000.0));
}

fn copied(from: &Path, to: &Path, how: &[&str]) -> Duration {
    let mut cp = Process::new("cp");
    cp.args(how).arg(from).arg(to);
    let took = timed(|| ends_well(cp));
    fs::remove_dir_all(to).unwrap();
    took
}

/// Stops when it is first told.
struct Stop(CancellationToken, Option<Instant>);

impl OutputSink for Stop {
    fn output(&mut self, _: &[u8]) {}

    fn copying(&mut self, _: Copying) {
        self.1.get_or_insert_with(Instant::now);
        self.0.cancel();
    }
}

fn until_stopped(folders: &Path) -> Duration {
    let session = sandbox(folders).open_at(&spec(folders.join("workspace")), Level::L1).unwrap();
    let mut stop = Stop(CancellationToken::new(), None);
    let cancel = stop.0.clone();
    let outcome = runtime().block_on(session.run(command("/bin/true"), &Shadow::default(), &mut stop, &cancel)).unwrap();
    // A machine that copies it within the second has nothing to stop.
    let ended = stop.1.map_or(Duration::ZERO, |at| at.elapsed());
    assert!(outcome.stopped.is_some() || ended == Duration::ZERO);
    ended
}

//! Changes found: what a command costs more where 100 changed files stand, and what reading them back costs.

use std::{
    sync::Arc,
    thread::sleep,
    time::{Duration, SystemTime},
};

use countersign::seams::Workspace;
use countersign::{
    event::TaskId,
    path::WsPath,
    workspace::{Folder, LocalDesk, TaskWorkspace, World},
};

use super::{
    figures::{Samples, number, times},
    walls::{Walls, timed},
};

const ROUNDS: usize = 100;
const FILES: usize = 100;
/// Before a command, so that its process 1 waits.
const PAUSE: Duration = Duration::from_millis(20);

pub fn measure() {
    let (clean, changed) = (Walls::new(), Walls::new());
    let files = fill(&changed);
    clean.run("/bin/true");
    let (mut without, mut with, mut compared) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        sleep(PAUSE);
        without.add(timed(|| clean.run("/bin/true")));
        sleep(PAUSE);
        with.add(timed(|| assert_eq!(changed.run("/bin/true").changed.len(), FILES)));
        compared.add(timed(|| compare(&changed, &files)));
    }
    times("a command that changes nothing", &without, None);
    times("  where 100 changed files stand", &with, None);
    let more = (with.median().as_secs_f64() - without.median().as_secs_f64()) * 1e3;
    number("100 changed files listed", more, "ms", Some(10.0));
    times("100 changed files read back and compared", &compared, Some(10.0));
}

/// A hundred files of a hundred lines, each changed by a command; and a workspace to compare them with.
fn fill(walls: &Walls) -> (TaskWorkspace, Vec<String>) {
    let folder = walls.folders.path().join("workspace");
    std::fs::create_dir(folder.join("src")).unwrap();
    for n in 0..FILES {
        let text: String = (0..100).map(|line| format!("line {line} of file {n}\n")).collect();
        std::fs::write(folder.join(format!("src/f{n}.txt")), text).unwrap();
    }
    walls.run("sed -i 's/^line 50 /LINE 50 /' src/*.txt");
    let world = Arc::new(World::new(Folder::open(&folder).unwrap(), None, None));
    let workspace = TaskWorkspace::new(TaskId("t".into()), Arc::new(LocalDesk::default()), world, Arc::new(|_: &WsPath, _| None));
    (workspace, (0..FILES).map(|n| format!("src/f{n}.txt")).collect())
}

/// All between a command's end and its hunks but the listing of the upper layer.
fn compare(walls: &Walls, (workspace, changed): &(TaskWorkspace, Vec<String>)) {
    walls.runtime.block_on(async {
        let mut began = workspace.moment().await.unwrap();
        // The files were written a moment ago, and long before the command began for all that matters here.
        began.at = SystemTime::now();
        let paths = workspace.unignored(changed.clone()).await;
        walls.session.written(paths.clone(), 0).await;
        let written = walls.session.written(paths, 1 << 20).await;
        assert_eq!(workspace.merges(began, written).await.unwrap().merges.len(), FILES);
    });
}

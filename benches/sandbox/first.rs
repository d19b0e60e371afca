//! The first command of a session: its shadow, its keeper and its walls from nothing; and whether the size of the tree
//! matters to that.

use std::{fs, path::Path};

use countersign::seams::{Sandbox, SandboxSession, Shadow};
use tokio_util::sync::CancellationToken;

use super::{
    figures::{Samples, ratio, times},
    walls::{Silent, command, folders, plain, runtime, sandbox, spec, timed},
};

const ROUNDS: usize = 40;
/// A large repository.
pub const FILES: usize = 78_000;
const IN_A_FOLDER: usize = 50;

pub fn measure() {
    let folders = folders();
    let (mut floor, mut first) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        floor.add(timed(plain));
        first.add(timed(|| session(folders.path(), |_| ()).1));
    }
    times("first command of a session, shadow and keeper made", &first, Some(25.0));
    ratio("  over `posix_spawn`", &first, &floor, None);
}

/// The same in an empty folder and in one with a large tree.
pub fn measure_tree() {
    let (empty, large) = (folders(), folders());
    grow(&large.path().join("workspace"));
    let [mut opened, mut grown_opened, mut ran, mut grown_ran] = [0; 4].map(|_| Samples::default());
    for _ in 0..ROUNDS {
        for (place, opened, ran) in [(&empty, &mut opened, &mut ran), (&large, &mut grown_opened, &mut grown_ran)] {
            let mut stood = None;
            let took = timed(|| session(place.path(), |at| stood = Some(at)).1);
            opened.add(stood.unwrap());
            ran.add(took);
        }
    }
    times("session open in an empty folder: shadow made, keeper started", &opened, Some(10.0));
    times(&format!("  over {FILES} files"), &grown_opened, Some(10.0));
    times("its first command there", &ran, Some(25.0));
    times(&format!("  over {FILES} files"), &grown_ran, Some(25.0));
    ratio("first command, large tree over empty folder", &grown_ran, &ran, None);
}

/// Opens a session below `folders` and runs `true` in it. The session is the caller's to drop, so that its end is in no figure.
fn session(folders: &Path, opened: impl FnOnce(std::time::Duration)) -> (tokio::runtime::Runtime, Box<dyn SandboxSession>) {
    let begun = std::time::Instant::now();
    let runtime = runtime();
    let session = runtime.block_on(sandbox(folders).open(spec(folders.join("workspace")))).unwrap();
    opened(begun.elapsed());
    let outcome = runtime
        .block_on(async { session.run(command("/bin/true"), &Shadow::default(), &mut Silent, &CancellationToken::new()).await });
    assert_eq!(outcome.unwrap().exit, Some(0));
    (runtime, session)
}

pub fn grow(folder: &Path) {
    for number in 0..FILES {
        let (inner, file) = (number / IN_A_FOLDER, number % IN_A_FOLDER);
        let within = folder.join(format!("d{}/e{inner}", inner / IN_A_FOLDER));
        if file == 0 {
            fs::create_dir_all(&within).unwrap();
        }
        fs::write(within.join(format!("f{file}.txt")), format!("file {number}\n")).unwrap();
    }
}

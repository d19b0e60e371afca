//! The disk side of a workspace against a real file system, hostile ones included.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use countersign::{path::WsPath, workspace::Folder};
use rustix::fs::{RenameFlags, renameat_with};
use tempfile::TempDir;

mod disk;
mod listing;
mod search;
mod view;
mod world;
mod write;

/// A folder with something secret beside it.
struct Tree {
    _temp: TempDir,
    root: PathBuf,
    outside: PathBuf,
    folder: Folder,
}

impl Tree {
    /// A tree of these files below the workspace folder.
    fn of(files: &[(&str, &str)]) -> Tree {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path().canonicalize().unwrap();
        let (root, outside) = (base.join("workspace"), base.join("outside"));
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("secret.txt"), "OUTSIDE").unwrap();
        for (name, text) in files {
            put(&root.join(name), text.as_bytes());
        }
        let folder = Folder::open(&root).unwrap();
        Tree { _temp: temp, root, outside, folder }
    }

    fn link(&self, target: impl AsRef<Path>, name: &str) {
        let link = self.root.join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
    }

    /// Lets two names change places all the time until it is done.
    fn swap(&self, one: &str, other: &str, done: &AtomicBool) {
        let root = fs::File::open(&self.root).unwrap();
        for round in 0_u32.. {
            if done.load(Ordering::Relaxed) {
                return;
            }
            renameat_with(&root, one, &root, other, RenameFlags::EXCHANGE).unwrap();
            // Long enough for a few calls to fall between two swaps; now and then also where the machine is busy.
            thread::sleep(Duration::from_micros(if round % 64 < 62 { 20 } else { 5000 }));
        }
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.root.join(name)).unwrap()
    }
}

/// Rounds of a race: so many, and on until both sides have had their turn, for a minute at most.
fn rounds(least: u32, met: impl Fn() -> bool) -> impl Iterator<Item = u32> {
    let began = Instant::now();
    (0..).take_while(move |round| *round < least || (!met() && began.elapsed() < Duration::from_secs(60)))
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn at(path: &str) -> WsPath {
    if path.is_empty() { WsPath::root() } else { WsPath::parse(path).unwrap() }
}

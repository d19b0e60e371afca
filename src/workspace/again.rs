//! Files that changed on disk behind the editor: what a task read or proposes to change is looked at again, by its metadata
//! first. Editors tell of such changes too, but not all do, and not of all files.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use rustix::fs::Stat;

use super::{
    desk::{Beneath, Unopened},
    disk::Folder,
};
use crate::path::WsPath;

/// Most files that are looked at in one round.
const MOST: usize = 2_000;

/// Everything by which a changed file is told from an unchanged one without reading it. `None` where nothing stands.
type Look = Option<[u64; 6]>;

/// What the files were when they were last looked at.
#[derive(Debug, Default)]
pub(super) struct Looks(Mutex<BTreeMap<WsPath, Look>>);

impl Looks {
    /// The task reads this file now: later changes are news.
    pub fn note(&self, folder: &Folder, path: &WsPath) {
        let now = look(folder, path);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), now);
    }

    /// What stands now at those of the paths where something else stood before. A file with hunks is read the first time too.
    pub fn changed(&self, folder: &Folder, unopened: Vec<Unopened>) -> Vec<(WsPath, Option<Beneath>)> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Vec::new();
        for Unopened { path, has_hunks } in unopened.into_iter().take(MOST) {
            let now = look(folder, &path);
            let before = known.insert(path.clone(), now);
            if before.map_or(has_hunks, |before| before != now) {
                changed.push((path.clone(), beneath(folder, &path)));
            }
        }
        changed
    }
}

/// What the disk holds at a path; `None` when there is no file, or none that can be read.
pub fn beneath(folder: &Folder, path: &WsPath) -> Option<Beneath> {
    Some(folder.read(path).ok()?.beneath())
}

fn look(folder: &Folder, path: &WsPath) -> Look {
    // A link counts as what it leads to: that is what is read.
    let real = folder.resolve(path).ok()?;
    let Stat { st_dev, st_ino, st_size, st_mtime, st_mtime_nsec, st_ctime_nsec, .. } = folder.stat(&real).ok()??;
    let bits = |number: i64| number.cast_unsigned();
    Some([st_dev, st_ino, bits(st_size), bits(st_mtime), st_mtime_nsec, st_ctime_nsec])
}

//! Single files outside the workspace that commands find replaced by a rebuilt text, or empty and unreadable.
//!
//! Mounted while process 1 waits, where they are known by then. A mask goes when its file is replaced from outside (`passwd`), and
//! other mounts may have come over it: so each is looked at once more, last before the command, and renewed where it is gone.

use std::{
    borrow::Cow,
    collections::HashMap,
    ffi::OsStr,
    fs::{self, Metadata},
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::CWD,
    mount::{OpenTreeFlags, open_tree},
};

use super::{
    Failure, Step,
    mounts::{SMALL, attach, tmpfs},
};
use crate::sandbox::plan::{Ground, Plan};

const STEP: &str = "hidden files";
/// Where process 1 keeps what it mounts over them.
const OWN: &str = "/run/countersign";

/// What was mounted over them: device and inode of what is to be found at each path.
#[derive(Default)]
pub(super) struct Hidden(HashMap<PathBuf, (u64, u64)>);

impl Hidden {
    /// Replaces and masks what is known ahead of the command.
    pub(super) fn raise(ground: &Ground) -> Result<Hidden, Failure> {
        fs::DirBuilder::new().mode(0o700).create(OWN).step(STEP)?;
        write(&nothing(), 0, "")?;
        for (number, (_, text)) in ground.replaced.iter().enumerate() {
            write(&own("ahead", number), 0o444, text)?;
        }
        let mut hidden = Hidden::default();
        hidden.all_of(ground)?;
        Ok(hidden)
    }

    /// Sees to it that all of it stands, replaces what has another text now, and masks what has come up since.
    pub(super) fn complete(&mut self, ground: &Ground, plan: &Plan) -> Result<(), Failure> {
        self.all_of(ground)?;
        for (number, (path, text)) in plan.replaced.iter().enumerate() {
            let own = own("now", number);
            write(&own, 0o444, text)?;
            let path = end_of(path);
            if fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
                self.over(&path, &own)?;
            }
        }
        plan.masked.iter().try_for_each(|path| self.mask(path))
    }

    fn all_of(&mut self, ground: &Ground) -> Result<(), Failure> {
        for (number, (path, _)) in ground.replaced.iter().enumerate() {
            let path = end_of(path);
            if self.uncovered(&path).is_some_and(|found| found.is_file()) {
                self.over(&path, &own("ahead", number))?;
            }
        }
        ground.masked.iter().try_for_each(|path| self.mask(path))
    }

    fn mask(&mut self, path: &OsStr) -> Result<(), Failure> {
        let path = Path::new(path);
        let Some(found) = self.uncovered(path) else { return Ok(()) };
        if found.is_dir() {
            tmpfs(path, SMALL, "000")?;
            self.note(path)
        } else if !found.is_symlink() {
            self.over(path, &nothing())
        } else {
            Ok(())
        }
    }

    /// What stands at a path, if that is not what was mounted there.
    fn uncovered(&self, path: &Path) -> Option<Metadata> {
        let found = fs::symlink_metadata(path).ok()?;
        (self.0.get(path) != Some(&identity(&found))).then_some(found)
    }

    /// Mounts a file of our own over a path.
    fn over(&mut self, path: &Path, own: &Path) -> Result<(), Failure> {
        let detached = open_tree(CWD, own, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC).step(STEP)?;
        attach(&detached, path, STEP)?;
        self.note(path)
    }

    fn note(&mut self, path: &Path) -> Result<(), Failure> {
        let found = fs::symlink_metadata(path).map_err(|e| format!("{}: {e}", path.display())).step(STEP)?;
        self.0.insert(path.to_owned(), identity(&found));
        Ok(())
    }
}

/// Where a configuration file is that may be a link: what is read by its name is the other file.
fn end_of(path: &Path) -> Cow<'_, Path> {
    let end = fs::read_link(path).and_then(|_| path.canonicalize());
    end.map_or(Cow::Borrowed(path), Cow::Owned)
}

/// Holds a text that stands in for a file's.
fn own(kind: &str, number: usize) -> PathBuf {
    Path::new(OWN).join(format!("{kind}-{number}"))
}

/// Stands for every masked file.
fn nothing() -> PathBuf {
    Path::new(OWN).join("nothing")
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).step(STEP)?;
    file.write_all(text.as_bytes()).step(STEP)
}

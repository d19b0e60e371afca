//! Where the repository is: found once without git, compared before every operation.

#![allow(clippy::disallowed_methods)] // reads `.git` files and identities of directories

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::path::WsPath;
use crate::seams::VcsError;

use super::words::{fail, fail_hint};

/// A repository as the folder showed it. Two finds that differ in anything mean that somebody exchanged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    folder: PathBuf,
    /// Top of the working tree.
    pub top: PathBuf,
    /// The workspace folder below `top`, `/`-separated; empty when it is the top.
    prefix: String,
    /// HEAD and index stand here.
    pub git_dir: PathBuf,
    /// Objects, refs and configuration stand here; the same as `git_dir` except in a linked worktree.
    pub common: PathBuf,
    /// Device and inode of top, git directory and common directory.
    marks: [(u64, u64); 3],
}

impl Place {
    pub fn find(folder: &Path) -> Result<Place, VcsError> {
        let folder = fs::canonicalize(folder).map_err(|error| fail(format!("{}: {error}", folder.display())))?;
        let none = || fail_hint(format!("{} is in no git repository", folder.display()), "run `git init` there first");
        let top = folder.ancestors().find(|dir| fs::symlink_metadata(dir.join(".git")).is_ok()).ok_or_else(none)?.to_owned();
        let prefix =
            folder.strip_prefix(&top).ok().and_then(Path::to_str).ok_or_else(|| fail("the folder's name is not UTF-8"))?;
        let damaged = |what: &str| fail(format!("{} is no complete git repository: {what}", top.join(".git").display()));
        let dot_git = top.join(".git");
        let pointed = if fs::metadata(&dot_git).is_ok_and(|meta| meta.is_file()) {
            let text = short_file(&dot_git).ok_or_else(|| damaged("its .git file cannot be read"))?;
            let target = text.strip_prefix("gitdir:").ok_or_else(|| damaged("its .git file names no directory"))?;
            top.join(target.trim())
        } else {
            dot_git
        };
        let git_dir = fs::canonicalize(pointed).map_err(|_| damaged("its git directory is missing"))?;
        let common = match fs::symlink_metadata(git_dir.join("commondir")) {
            Ok(_) => {
                let text = short_file(&git_dir.join("commondir")).ok_or_else(|| damaged("commondir cannot be read"))?;
                fs::canonicalize(git_dir.join(text.trim())).map_err(|_| damaged("its common directory is missing"))?
            }
            Err(_) => git_dir.clone(),
        };
        if !fs::metadata(git_dir.join("HEAD")).is_ok_and(|meta| meta.is_file()) {
            return Err(damaged("HEAD is missing"));
        }
        for part in ["objects", "refs"] {
            if !common.join(part).is_dir() {
                return Err(damaged(&format!("{part} is missing")));
            }
        }
        let mark = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).map_err(|_| damaged("it vanished"));
        let marks = [mark(&top)?, mark(&git_dir)?, mark(&common)?];
        Ok(Place { prefix: prefix.to_owned(), folder, top, git_dir, common, marks })
    }

    /// Refuses when `.git` is not what it was at the start.
    pub fn check(&self) -> Result<(), VcsError> {
        match Place::find(&self.folder) {
            Ok(now) if now == *self => Ok(()),
            _ => Err(fail_hint(
                format!("the repository of {} was exchanged since the start", self.folder.display()),
                "look at its .git, then restart the server",
            )),
        }
    }

    /// A workspace path as the repository names it.
    pub fn in_repo(&self, path: &WsPath) -> String {
        match (self.prefix.is_empty(), path.is_root()) {
            (true, _) => path.as_str().to_owned(),
            (false, true) => self.prefix.clone(),
            (false, false) => format!("{}/{path}", self.prefix),
        }
    }

    /// A merge, rebase or the like that has been begun and not ended: a plain commit would lose half of it.
    pub fn unfinished(&self) -> Option<&'static str> {
        let states = [
            ("MERGE_HEAD", "merge"),
            ("rebase-merge", "rebase"),
            ("rebase-apply", "rebase"),
            ("CHERRY_PICK_HEAD", "cherry-pick"),
            ("REVERT_HEAD", "revert"),
            ("BISECT_LOG", "bisect"),
        ];
        states.iter().find(|(name, _)| fs::symlink_metadata(self.git_dir.join(name)).is_ok()).map(|(_, what)| *what)
    }
}

/// A file of at most 4 KiB as text.
fn short_file(path: &Path) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    (meta.is_file() && meta.len() <= 4096).then(|| fs::read_to_string(path).ok())?
}

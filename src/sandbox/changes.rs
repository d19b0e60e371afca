//! What commands changed: a scan of the overlay's upper layer.
//!
//! It owns the shadow's folders, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    collections::VecDeque,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::getxattr;

use crate::seams::{CACHE_TAG, FILLED};

/// The most paths that are listed; a build writes tens of thousands, and nobody reads them.
pub(super) const MOST: usize = 10_000;

/// An entry of an upper layer, relative to it, `/`-separated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub path: String,
    pub is: Is,
    /// See [`stamp`].
    pub stamp: u64,
}

/// What an entry of an upper layer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// Something was written: a file, or what is no file.
    Written,
    /// The command deleted what stood here.
    Gone,
    /// A folder that hides whatever the layers beneath have there.
    Opaque,
    /// A folder whose files are nobody's work, or the file in it that says so.
    Filled,
}

/// Set to `y` on a folder of an upper layer, it hides what the layers beneath have there.
pub(super) const OPAQUE: &str = "user.overlay.opaque";

/// Whether a folder of an upper layer hides what lies beneath it.
pub(super) fn is_opaque(folder: &Path) -> bool {
    let mut value = [0u8; 4];
    getxattr(folder, OPAQUE, &mut value[..]).is_ok_and(|length| &value[..length] == b"y")
}

/// What an upper layer says.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Everything but folders that were only entered, in name order; where there are more than [`MOST`], those nearest to the
    /// root. Git's own folders are left out at any depth: what a command does to them vanishes.
    pub listed: Vec<Change>,
    /// There are more.
    pub unlisted: bool,
    /// Another number when something in git's own folders was written, but for the index: reading commands refresh that. 0
    /// when nothing was.
    pub git: u64,
    /// Everything in git's own folders, the index included; up to [`MOST`].
    pub in_git: Vec<String>,
}

/// The changes that lie in `upper`, over the workspace folder.
pub(super) fn of(upper: &Path, beneath: &Path) -> io::Result<Changes> {
    let (mut found, mut git) = (Vec::new(), Vec::new());
    open_up(upper, &fs::metadata(upper)?);
    let mut folders = VecDeque::from([(upper.to_owned(), String::new())]);
    while let Some((folder, prefix)) = folders.pop_front() {
        if found.len() == MOST {
            break;
        }
        let entries = match fs::read_dir(&folder) {
            // A command went deeper than a path can be long; what it put in there is its own affair.
            Err(_) if !prefix.is_empty() => {
                found.push(Change { path: prefix, is: Is::Written, stamp: 0 });
                continue;
            }
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == ".git" {
                git.push(entry.path());
                continue;
            }
            if found.len() == MOST {
                continue;
            }
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let about = entry.metadata()?;
            let stamp = stamp(&about);
            if about.is_dir() {
                open_up(&entry.path(), &about);
                if let Some(named) = filled(upper, beneath, &path) {
                    found.push(Change { path: named, is: Is::Filled, stamp });
                    continue;
                }
                if is_opaque(&entry.path()) {
                    found.push(Change { path: path.clone(), is: Is::Opaque, stamp });
                }
                folders.push_back((entry.path(), path));
            } else {
                found.push(Change { path, is: if is_whiteout(&about) { Is::Gone } else { Is::Written }, stamp });
            }
        }
    }
    let unlisted = found.len() == MOST;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    // Names that are not UTF-8 may be shown alike.
    found.dedup_by(|a, b| a.path == b.path);
    let (git, in_git) = written(upper, git);
    Ok(Changes { listed: found, unlisted, git, in_git })
}

/// Whether package managers or builds fill this folder of `upper`, which may be many times what everything else is: then the
/// path by which it is listed, which whoever asks for sources leaves out.
pub(super) fn filled(upper: &Path, beneath: &Path, path: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let tag = format!("{path}/{CACHE_TAG}");
    if upper.join(&tag).is_file() {
        return Some(tag);
    }
    (FILLED.contains(&name) || beneath.join(&tag).is_file()).then(|| path.to_owned())
}

/// Gives the owner all rights to a folder, where a command took some away: the server looks into it, and takes out of it and
/// puts into it what the user's side says.
pub(super) fn open_up(folder: &Path, about: &fs::Metadata) {
    if about.mode() & 0o700 != 0o700 {
        // Where that fails, whoever looks into it finds out.
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(about.mode() & 0o7777 | 0o700));
    }
}

/// A number for what stands in these folders, whatever the order in which they are read, and the files; up to [`MOST`] are
/// looked at.
fn written(upper: &Path, mut left: Vec<PathBuf>) -> (u64, Vec<String>) {
    let (mut sum, mut seen) = (0u64, Vec::new());
    while let Some(path) = left.pop() {
        let Ok(about) = path.symlink_metadata() else { continue };
        if about.is_dir() {
            left.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
            continue;
        }
        if seen.len() == MOST {
            break;
        }
        seen.extend(path.strip_prefix(upper).map(|path| path.to_string_lossy().into_owned()));
        if path.file_name().is_some_and(|name| name == "index" || name == "index.lock") {
            continue;
        }
        let mut hasher = DefaultHasher::new();
        (&path, stamp(&about)).hash(&mut hasher);
        sum = sum.wrapping_add(hasher.finish());
    }
    (sum, seen)
}

/// Another one when something else stands there.
pub(super) fn stamp(about: &fs::Metadata) -> u64 {
    let mut stamp = DefaultHasher::new();
    // The kernel makes all deletions of one command one file with many names, and its time changes with each of them.
    if !is_whiteout(about) {
        (about.ino(), about.ctime(), about.ctime_nsec(), about.size()).hash(&mut stamp);
    }
    stamp.finish()
}

/// How an overlay remembers a deletion: a character device with the number 0.
pub(super) fn is_whiteout(about: &fs::Metadata) -> bool {
    about.file_type().is_char_device() && about.rdev() == 0
}

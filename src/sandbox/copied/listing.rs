//! What of the workspace folder is copied, and what is linked to: the files that git would know or add are copied, with small
//! ignored ones; ignored folders are linked to, but for build outputs, which commands make anew.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::{self, Metadata},
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ignore::{WalkBuilder, WalkState};

use super::progress::Progress;
use crate::seams::CACHE_TAG;

/// Folders of version control, which the walk never enters.
const VERSION_CONTROL: [&str; 4] = [".git", ".hg", ".jj", ".svn"];
/// Ignored folders that builds write, where they do not say so themselves.
const OUTPUTS: [&str; 18] = [
    "target",
    "build",
    "_build",
    "dist",
    "out",
    "bin",
    "obj",
    "coverage",
    "htmlcov",
    "tmp",
    "log",
    "logs",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".next",
    ".gradle",
];
/// An ignored file up to this size is copied, so that commands may change it; a larger one is linked to. Bytes.
const SMALL: u64 = 1 << 20;
/// More threads than this gain nothing on one disk.
const THREADS: usize = 8;

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, Eq)]
pub(super) struct Mark {
    pub size: u64,
    pub mode: u32,
    time: (i64, i64),
    change: (i64, i64),
    inode: (u64, u64),
    /// Bytes on the disk. No part of the state: the disk gives blocks out late, and takes some back, while the file is the same.
    pub takes: u64,
}

impl PartialEq for Mark {
    fn eq(&self, other: &Mark) -> bool {
        let state = |mark: &Mark| (mark.size, mark.mode, mark.time, mark.change, mark.inode);
        state(self) == state(other)
    }
}

impl Mark {
    pub(super) fn of(about: &Metadata) -> Mark {
        Mark {
            size: about.len(),
            mode: about.mode(),
            time: (about.mtime(), about.mtime_nsec()),
            change: (about.ctime(), about.ctime_nsec()),
            inode: (about.dev(), about.ino()),
            takes: (about.blocks() * 512).max(4096),
        }
    }
}

/// How something of the workspace comes into the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    File(Mark),
    /// A symbolic link, as it is.
    Symlink(Mark),
    Folder,
    /// A folder or file that the ignore rules leave out, readable in its own place.
    Ignored,
}

/// Entries by path below `folder`, `/`-separated.
pub(super) type Listing = BTreeMap<OsString, Found>;

/// Lists the folder. What cannot be read is left out, as commands of this user could not read it either.
///
/// # Errors
/// When it is not wanted any more.
pub(super) fn of(folder: &Path, progress: &Progress) -> io::Result<Listing> {
    let in_git = folder.ancestors().any(|dir| dir.join(".git").exists());
    let walk = WalkBuilder::new(folder)
        .hidden(false)
        .require_git(in_git)
        .parents(in_git)
        .threads(threads())
        .filter_entry(|entry| !is_version_control(entry.file_name()))
        .build_parallel();
    let all = Mutex::new(Listing::new());
    walk.run(|| {
        let mut own = Share { to: &all, found: Vec::new() };
        Box::new(move |entry| {
            if progress.is_given_up() {
                return WalkState::Quit;
            }
            let Ok(entry) = entry else { return WalkState::Continue };
            if let (Some(path), Ok(about)) = (below(folder, entry.path()), entry.path().symlink_metadata()) {
                own.found.extend(found(&about).map(|found| (path, found)));
            }
            WalkState::Continue
        })
    });
    let mut listing = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    add_ignored(folder, &mut listing, progress)?;
    Ok(listing)
}

/// As many threads as the machine has, within reason.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(THREADS)
}

/// One thread's finds, handed over when it ends.
struct Share<'a> {
    to: &'a Mutex<Listing>,
    found: Vec<(OsString, Found)>,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.to.lock().unwrap_or_else(PoisonError::into_inner).extend(self.found.drain(..));
    }
}

fn found(about: &Metadata) -> Option<Found> {
    let kind = about.file_type();
    match () {
        () if kind.is_dir() => Some(Found::Folder),
        () if kind.is_symlink() => Some(Found::Symlink(Mark::of(about))),
        () if kind.is_file() => Some(Found::File(Mark::of(about))),
        () => None,
    }
}

/// The names that the walk left out of the folders that it entered.
fn add_ignored(folder: &Path, listing: &mut Listing, progress: &Progress) -> io::Result<()> {
    let entered: Vec<OsString> =
        listing.iter().filter(|(_, found)| **found == Found::Folder).map(|(path, _)| path.clone()).collect();
    for parent in std::iter::once(OsString::new()).chain(entered) {
        progress.wanted()?;
        for entry in fs::read_dir(folder.join(&parent)).into_iter().flatten().flatten() {
            let path = join(&parent, &entry.file_name());
            if is_version_control(&entry.file_name()) || listing.contains_key(&path) {
                continue;
            }
            let Ok(about) = entry.metadata() else { continue };
            let kind = about.file_type();
            let how = match () {
                () if kind.is_dir() && is_output(&entry.path()) => continue,
                () if kind.is_dir() => Found::Ignored,
                () if kind.is_symlink() => Found::Symlink(Mark::of(&about)),
                () if kind.is_file() && about.len() <= SMALL => Found::File(Mark::of(&about)),
                () if kind.is_file() => Found::Ignored,
                // Sockets of other programs, pipes, devices.
                () => continue,
            };
            listing.insert(path, how);
        }
    }
    Ok(())
}

/// Whether builds write this ignored folder.
fn is_output(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| OUTPUTS.iter().any(|output| name == *output)) || folder.join(CACHE_TAG).is_file()
}

fn is_version_control(name: &OsStr) -> bool {
    VERSION_CONTROL.iter().any(|known| name == *known)
}

/// `parent/name`, and `name` alone at the root.
pub(super) fn join(parent: &OsStr, name: &OsStr) -> OsString {
    if parent.is_empty() {
        return name.to_owned();
    }
    let mut path = parent.to_owned();
    path.push("/");
    path.push(name);
    path
}

/// The part of a path below the folder; `None` for the folder itself.
fn below(folder: &Path, path: &Path) -> Option<OsString> {
    let rest = path.as_os_str().as_bytes().strip_prefix(folder.as_os_str().as_bytes())?;
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    (!rest.is_empty()).then(|| OsStr::from_bytes(rest).to_owned())
}

/// The folders above a path, outermost first, without the root.
pub(super) fn above(path: &OsStr) -> Vec<OsString> {
    let folders = Path::new(path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    let mut folders: Vec<OsString> = folders.map(|folder| folder.as_os_str().to_owned()).collect();
    folders.reverse();
    folders
}

/// Where a path of the listing stands below `root`.
pub(super) fn at(root: &Path, path: &OsStr) -> PathBuf {
    if path.is_empty() { root.to_owned() } else { root.join(path) }
}

//! Where the secret files are, so that commands find them empty. The walk knows no ignore rules: a `.env` in an ignored
//! folder is a secret as well. Only version control's own folders are left out; the walls treat those themselves.
//!
//! The first walk reads every folder. Later ones ask each folder for its change time, which the kernel sets whenever a name
//! in it comes, goes or changes, and read again only those where it moved: no watcher, no limit, nothing missed.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, OFlags, ResolveFlags, Stat},
    io::Errno,
};

use crate::{path::WsPath, seams::WorkspaceError};

use super::{
    disk::{Folder, open_at, told},
    walk::VERSION_CONTROL,
};

/// A change time younger than this does not vouch for the content: the clock of files ticks in steps.
const SETTLED: Duration = Duration::from_millis(100);
/// More folders than this are not walked; the walk fails then, and with it the command.
const MOST: usize = 1_000_000;

/// The folders as they were last seen.
#[derive(Debug, Default)]
pub(super) struct Masks {
    seen: HashMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Device, inode and change time; `None` when it was too fresh to be trusted.
    stamp: Option<Stamp>,
    folders: Vec<String>,
    secrets: Vec<WsPath>,
    /// The inodes of all files in it.
    files: Vec<u64>,
}

type Stamp = (u64, u64, i64, i64);

impl Masks {
    /// Every file (or link) of the workspace whose name `secret` knows, sorted. Names that are not UTF-8 are no secrets.
    ///
    /// # Errors
    /// `Io` when a folder cannot be read: what is in it is not known then.
    pub(super) fn find(&mut self, folder: &Folder, secret: &dyn Fn(&WsPath) -> bool) -> Result<Vec<WsPath>, WorkspaceError> {
        let mut before = std::mem::take(&mut self.seen);
        let (mut left, mut found) = (vec![String::new()], Vec::new());
        while let Some(path) = left.pop() {
            if self.seen.len() >= MOST {
                let why = format!("it has more than {MOST} folders, too many to look for secret files");
                return Err(WorkspaceError::Io { path: WsPath::root(), why });
            }
            let Some(seen) = look(folder, &path, before.remove(&path), secret)? else { continue };
            found.extend_from_slice(&seen.secrets);
            left.extend(seen.folders.iter().map(|name| join(&path, name)));
            self.seen.insert(path, seen);
        }
        found.sort();
        Ok(found)
    }
}

impl Masks {
    /// The files with one of these inodes, in the folders as [`Masks::find`] saw them; of whatever device.
    pub(super) fn with_inodes(&self, folder: &Folder, inodes: &HashSet<u64>) -> Vec<WsPath> {
        let mut found = Vec::new();
        for (path, _) in self.seen.iter().filter(|(_, seen)| seen.files.iter().any(|inode| inodes.contains(inode))) {
            let name = if path.is_empty() { "." } else { path };
            let opened = open_at(folder.dir(), name, OFlags::RDONLY | OFlags::DIRECTORY, ResolveFlags::NO_SYMLINKS);
            let entries = opened.ok().and_then(|fd| Dir::new(fd).ok()).into_iter().flatten().flatten();
            let those = entries.filter(|entry| inodes.contains(&entry.ino()));
            found.extend(those.filter_map(|entry| WsPath::from_disk(&join(path, entry.file_name().to_str().ok()?))));
        }
        found
    }
}

/// A folder as it stands; `None` when it is gone.
fn look(
    folder: &Folder,
    path: &str,
    before: Option<Seen>,
    secret: &dyn Fn(&WsPath) -> bool,
) -> Result<Option<Seen>, WorkspaceError> {
    let name = if path.is_empty() { "." } else { path };
    let failed = |errno| told(&WsPath::from_disk(path).unwrap_or_else(WsPath::root), errno);
    if let Some(before) = before.filter(|before| before.stamp.is_some()) {
        match rustix::fs::statat(folder.dir(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if before.stamp == Some(stamp(&stat)) => return Ok(Some(before)),
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    let fd = match open_at(folder.dir(), name, OFlags::RDONLY | OFlags::DIRECTORY, ResolveFlags::NO_SYMLINKS) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        // What this user cannot read, their commands cannot read either.
        Err(Errno::ACCESS | Errno::PERM) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    let stat = rustix::fs::fstat(&fd).map_err(failed)?;
    let mut seen =
        Seen { stamp: settled(&stat).then(|| stamp(&stat)), folders: Vec::new(), secrets: Vec::new(), files: Vec::new() };
    for entry in Dir::new(fd).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(entry_name) = entry.file_name().to_str() else { continue };
        if matches!(entry_name, "." | "..") || VERSION_CONTROL.contains(&entry_name) {
            continue;
        }
        let full = join(path, entry_name);
        if kind(folder, &full, entry.file_type()) == FileType::Directory {
            seen.folders.push(entry_name.to_owned());
            continue;
        }
        seen.files.push(entry.ino());
        if let Some(full) = WsPath::from_disk(&full).filter(|path| secret(path)) {
            seen.secrets.push(full);
        }
    }
    Ok(Some(seen))
}

/// Some file systems do not tell the kind of an entry with its name.
fn kind(folder: &Folder, path: &str, told: FileType) -> FileType {
    if told != FileType::Unknown {
        return told;
    }
    let stat = rustix::fs::statat(folder.dir(), path, AtFlags::SYMLINK_NOFOLLOW);
    stat.map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
}

fn settled(stat: &Stat) -> bool {
    let changed = Duration::new(stat.st_ctime.max(0) as u64, stat.st_ctime_nsec as u32);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    changed + SETTLED < now
}

fn stamp(stat: &Stat) -> Stamp {
    (stat.st_dev, stat.st_ino, stat.st_ctime, stat.st_ctime_nsec as i64)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

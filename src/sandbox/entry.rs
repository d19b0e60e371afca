//! One entry of a shadow's layer: a file with its mode, or the mark that a path is gone.
//!
//! It owns the shadow's folders, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{borrow::Cow, fs, io, os::unix::fs::PermissionsExt, path::Path};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use sha2::{Digest, Sha256};

/// A digest of kind, mode and content.
pub(super) type Stamp = [u8; 32];

/// What stands, or shall stand, at a path.
pub(super) enum Entry<'a> {
    File {
        content: Cow<'a, [u8]>,
        mode: u32,
    },
    /// An overlay's whiteout: nothing is seen here, whatever the layers beneath have.
    Gone,
}

impl Entry<'_> {
    pub(super) fn stamp(&self) -> Stamp {
        let mut digest = Sha256::new();
        match self {
            Entry::File { content, mode } => {
                digest.update(mode.to_le_bytes());
                digest.update(content);
            }
            Entry::Gone => digest.update(b"gone"),
        }
        digest.finalize().into()
    }
}

/// The file at `path`; a link is not followed.
pub(super) fn read(path: &Path) -> io::Result<Entry<'static>> {
    let about = path.symlink_metadata()?;
    if !about.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(Entry::File { content: fs::read(path)?.into(), mode: about.permissions().mode() & 0o7777 })
}

/// The permission bits of a file, or those of a new one.
pub(super) fn mode_on_disk(path: &Path) -> u32 {
    fs::metadata(path).map_or(0o644, |found| found.permissions().mode() & 0o7777)
}

/// Puts an entry where nothing stands yet.
pub(super) fn write(target: &Path, entry: &Entry<'_>) -> io::Result<()> {
    match entry {
        Entry::File { content, mode } => {
            fs::write(target, content)?;
            fs::set_permissions(target, fs::Permissions::from_mode(*mode))
        }
        Entry::Gone => Ok(mknodat(CWD, target, FileType::CharacterDevice, Mode::empty(), 0)?),
    }
}

/// Removes whatever stands at `path`, if anything does.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => {
            open_up(path);
            fs::remove_dir_all(path)
        }
        Ok(_) => fs::remove_file(path),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Gives the owner all rights on a folder and every folder below it.
fn open_up(folder: &Path) {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

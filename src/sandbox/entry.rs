//! One entry of a shadow's layer: a file with its mode, or the mark that a path is gone.
//!
//! It owns the shadow's folders, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    borrow::Cow,
    ffi::{CStr, CString},
    fs, io,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, chmodat, mknodat, openat, renameat, unlinkat},
    io::Errno,
};
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

/// More than any text has, bytes: a command can make a file of any length out of nothing.
const LARGEST: u64 = 64 << 20;

/// The file at `path`; a link is not followed.
pub(super) fn read(path: &Path) -> io::Result<Entry<'static>> {
    let about = path.symlink_metadata()?;
    if !about.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if about.len() > LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
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

/// Removes whatever stands at `path`, if anything does, also from a folder whose owner may not write to it: the scan after a
/// command opens those up, but stops at a bound, and the proof of a mount goes before it.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match (removed(path), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::PermissionDenied => {
            let about = folder.symlink_metadata()?;
            if !about.is_dir() {
                return Err(error);
            }
            fs::set_permissions(folder, fs::Permissions::from_mode(about.permissions().mode() & 0o7777 | 0o700))?;
            removed(path)
        }
        (removed, _) => removed,
    }
}

fn removed(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => remove_folder(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes a folder and all in it, whatever rights a command took away and however deep it went: what lies in a folder is moved
/// up to the top before it is looked into. So no path grows too long, and neither stack nor open files grow with the depth.
fn remove_folder(top: &Path) -> io::Result<()> {
    let _ = fs::set_permissions(top, fs::Permissions::from_mode(0o700));
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top_folder = openat(CWD, top, how, Mode::empty())?;
    let mut left: Vec<CString> = Vec::new();
    clear(&top_folder, |name| {
        chmodat(&top_folder, name, Mode::RWXU, AtFlags::empty())?;
        left.push(name.to_owned());
        Ok(())
    })?;
    // Names that no command can have used.
    let (own, mut moved) = (uuid::Uuid::now_v7(), 0u64);
    while let Some(name) = left.pop() {
        let folder = openat(&top_folder, &name, how, Mode::empty())?;
        clear(&folder, |inner| {
            moved += 1;
            let up = CString::new(format!("{own}-{moved}")).map_err(|_| Errno::INVAL)?;
            // Its owner must be able to write to it, for it gets another folder above it.
            chmodat(&folder, inner, Mode::RWXU, AtFlags::empty())?;
            renameat(&folder, inner, &top_folder, &up)?;
            left.push(up);
            Ok(())
        })?;
        unlinkat(&top_folder, &name, AtFlags::REMOVEDIR)?;
    }
    fs::remove_dir(top)
}

/// Removes what stands in a folder; folders that are not empty are handed on.
fn clear(folder: &OwnedFd, mut full: impl FnMut(&CStr) -> Result<(), Errno>) -> Result<(), Errno> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        match unlinkat(folder, name, AtFlags::empty()) {
            // What POSIX and Linux say of a folder.
            Err(Errno::ISDIR | Errno::PERM) => match unlinkat(folder, name, AtFlags::REMOVEDIR) {
                Err(Errno::NOTEMPTY | Errno::EXIST) => full(name)?,
                removed => removed?,
            },
            removed => removed?,
        }
    }
    Ok(())
}

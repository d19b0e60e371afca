//! One file, brought into the copy: its own bytes (shared on the disk where the file system can), mode and modification time.
//! Never a hard link: what is written into that is written to the user's file.

use std::{
    fs::{self, File, FileTimes, OpenOptions, Permissions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink},
    path::Path,
};

use rustix::fs::{OFlags, StatVfs, fstatvfs, ioctl_ficlone};

use super::{listing::Mark, progress::Progress};

/// The state of the source as it was copied, and of the copy.
pub(super) struct Placed {
    pub source: Mark,
    pub copy: Mark,
}

/// Copied between two looks at whether it is still wanted and has room, bytes.
const PIECE: u64 = 8 << 20;

/// What a copy must leave free on its disk, bytes.
pub(super) const LEFT: u64 = 256 << 20;

/// What is free on a disk, bytes.
pub(super) fn room(disk: &StatVfs) -> u64 {
    disk.f_bavail.saturating_mul(disk.f_frsize)
}

/// Copies a regular file to a path where nothing stands. `None` when it is gone, or is no such file any more.
///
/// # Errors
/// What cannot be read becomes an empty file that nobody may read; other errors are those of the copy.
pub(super) fn file(from: &Path, to: &Path, progress: &Progress) -> io::Result<Option<Placed>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or(0)).open(from);
    let source = match opened {
        Ok(source) => source,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return unreadable(from, to).map(Some),
        Err(_) if !from.symlink_metadata().is_ok_and(|about| about.is_file()) => return Ok(None),
        Err(error) => return Err(error),
    };
    let about = source.metadata()?;
    if !about.is_file() {
        return Ok(None);
    }
    let copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    if ioctl_ficlone(&copy, &source).is_err() {
        while io::copy(&mut (&source).take(PIECE), &mut &copy)? == PIECE {
            progress.wanted()?;
            // Its holes have no blocks that anybody could have reckoned with.
            let room = room(&fstatvfs(&copy)?);
            if room < LEFT {
                return Err(io::Error::new(io::ErrorKind::StorageFull, format!("its disk has {} MiB left", room >> 20)));
            }
        }
    }
    // Rights of another user's are not taken over.
    copy.set_permissions(Permissions::from_mode(about.mode() & 0o777))?;
    copy.set_times(FileTimes::new().set_modified(about.modified()?))?;
    Ok(Some(Placed { source: Mark::of(&about), copy: Mark::of(&copy.metadata()?) }))
}

fn unreadable(from: &Path, to: &Path) -> io::Result<Placed> {
    let source = Mark::of(&from.symlink_metadata()?);
    Ok(Placed { source, copy: nothing(to)? })
}

/// An empty file that nobody may read.
pub(super) fn nothing(to: &Path) -> io::Result<Mark> {
    let file = File::create_new(to)?;
    file.set_permissions(Permissions::from_mode(0o0))?;
    Ok(Mark::of(&file.metadata()?))
}

/// Copies a symbolic link; one that leads into the workspace by its whole path leads into the copy then. `None` when it is gone,
/// or is no link any more: editors lock files by links that come and go.
pub(super) fn link(from: &Path, to: &Path, folder: &Path, copy: &Path) -> io::Result<Option<Mark>> {
    let target = match fs::read_link(from) {
        Ok(target) => target,
        Err(_) if !from.symlink_metadata().is_ok_and(|about| about.is_symlink()) => return Ok(None),
        Err(error) => return Err(error),
    };
    let moved = target.strip_prefix(folder).ok().map(|rest| copy.join(rest));
    symlink(moved.unwrap_or(target), to)?;
    to.symlink_metadata().map(|about| Some(Mark::of(&about)))
}

/// Whether two files hold the same bytes and may be executed by the same people.
pub(in crate::sandbox) fn equal(one: &Path, other: &Path) -> io::Result<bool> {
    let (a, b) = (one.symlink_metadata()?, other.symlink_metadata()?);
    if a.is_symlink() && b.is_symlink() {
        return Ok(fs::read_link(one)? == fs::read_link(other)?);
    }
    if !a.is_file() || !b.is_file() || a.len() != b.len() || a.mode() & 0o777 != b.mode() & 0o777 {
        return Ok(false);
    }
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut left, mut right) = (vec![0u8; 1 << 16], vec![0u8; 1 << 16]);
    loop {
        let length = fill(&mut one, &mut left)?;
        if length != fill(&mut other, &mut right)? || left[..length] != right[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match io::Read::read(file, &mut buffer[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

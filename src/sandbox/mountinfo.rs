//! The kernel's table of mounts, and what it says of folders that can be seen at more than one place.
//!
//! It reads `/proc` and looks at these folders, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    ffi::OsString,
    fs, io,
    os::unix::{ffi::OsStringExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

/// One line of the table.
#[derive(Debug)]
pub(super) struct Mount {
    /// The file system, by its numbers.
    pub device: Vec<u8>,
    /// What of the file system is mounted.
    pub root: PathBuf,
    pub target: PathBuf,
    /// Of this mount, separated by commas.
    pub options: Vec<u8>,
}

/// Mounts of the calling process, in the order in which they were made.
pub(super) fn table() -> io::Result<Vec<Mount>> {
    Ok(fs::read("/proc/self/mountinfo")?.split(|byte| *byte == b'\n').filter_map(mount).collect())
}

/// `36 35 98:0 /root /target rw,noatime ...`
fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(2);
    let device = fields.next()?.to_vec();
    let (root, target) = (unescape(fields.next()?), unescape(fields.next()?));
    Some(Mount { device, root, target, options: fields.next()?.to_vec() })
}

/// The other places of these folders: where another mount shows the same file system from a folder above them.
pub(super) fn aliases<'a>(folders: impl Iterator<Item = &'a Path>) -> Vec<PathBuf> {
    let table = table().unwrap_or_default();
    let mut found = Vec::new();
    for folder in folders {
        // Of mounts at the same place the last one is seen.
        let holder =
            table.iter().filter(|mount| folder.starts_with(&mount.target)).max_by_key(|mount| mount.target.iter().count());
        let Some(holder) = holder else { continue };
        let inside = folder.strip_prefix(&holder.target).map(|below| holder.root.join(below)).unwrap_or_default();
        let others = table.iter().filter(|mount| mount.device == holder.device);
        let places = others.filter_map(|mount| Some(mount.target.join(inside.strip_prefix(&mount.root).ok()?)));
        found.extend(places.filter(|place| place != folder && is_same(place, folder)));
    }
    found
}

fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| fs::symlink_metadata(path).map(|about| (about.dev(), about.ino()));
    identity(one).is_ok_and(|one| identity(other).is_ok_and(|other| one == other))
}

/// The kernel writes blank, tab, newline and backslash of a path as `\ooo`.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u8::from_str_radix(d, 8).ok());
        match (byte, digits) {
            (b'\\', Some(decoded)) => {
                bytes.push(decoded);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

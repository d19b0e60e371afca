//! What commands changed: a scan of the overlay's upper layer.
//!
//! It owns the shadow's folders, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

/// The most paths that are listed; a build writes tens of thousands, and nobody reads them.
pub(super) const MOST: usize = 10_000;

/// An entry of an upper layer, relative to it, `/`-separated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub path: String,
    /// The command deleted what stood here.
    pub gone: bool,
}

/// Everything below `upper` but folders that were only entered, in name order, at most [`MOST`]. Git's own folders are left
/// out at any depth: what a command does to them vanishes.
pub(super) fn of(upper: &Path) -> io::Result<Vec<Change>> {
    let mut found = Vec::new();
    let mut folders = vec![(upper.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            // A command took the rights away; what it put in there before is its own affair.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                found.push(Change { path: prefix, gone: false });
                continue;
            }
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == ".git" || found.len() == MOST {
                continue;
            }
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let about = entry.metadata()?;
            if about.is_dir() {
                folders.push((entry.path(), path));
            } else {
                found.push(Change { path, gone: is_whiteout(&about) });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// How an overlay remembers a deletion: a character device with the number 0.
pub(super) fn is_whiteout(about: &fs::Metadata) -> bool {
    about.file_type().is_char_device() && about.rdev() == 0
}

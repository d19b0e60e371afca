//! What commands wrote, read back; and what became hunks of it, moved from `upper` to `layer`: from then on it is the
//! proposal's, and goes when the user rejects it.
//!
//! It owns the shadow's folders, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::Path,
};

use rustix::fs::removexattr;

use super::{
    changes::{OPAQUE, is_opaque, is_whiteout, stamp},
    entry::{Entry, read, remove, write},
    shadow::{ShadowFolders, above},
};
use crate::{
    path::WsPath,
    seams::{Found, Written},
};

impl ShadowFolders {
    /// What commands wrote at paths that `changed` named; files up to `most` bytes each with their content.
    pub(super) fn written(&self, paths: &[String], most: u64) -> Vec<Written> {
        paths.iter().map(|path| self.written_at(path, most)).collect()
    }

    fn written_at(&self, path: &str, most: u64) -> Written {
        let there = WsPath::from_disk(path).and_then(|path| self.in_upper(&path));
        let about = there.as_ref().and_then(|there| there.symlink_metadata().ok());
        let (Some(there), Some(about)) = (there, about) else {
            // A name that is not UTF-8 is found under another one.
            return Written { path: path.to_owned(), found: Found::Other("not readable under this name"), stamp: 0 };
        };
        let found = if is_whiteout(&about) { Found::Gone } else { found(&there, &about, most) };
        Written { path: path.to_owned(), found, stamp: stamp(&about) }
    }

    /// Moves what commands did at these paths to the layer, modification times and all. The next `sync` says whether the
    /// proposal still has it.
    pub(super) fn take(&mut self, paths: &[WsPath]) -> io::Result<()> {
        let mut emptied = BTreeSet::new();
        for path in paths {
            self.uncover(path)?;
            let Some(there) = self.in_upper(path) else { continue };
            let (entry, moves) = match there.symlink_metadata() {
                Ok(about) if is_whiteout(&about) => (Entry::Gone, true),
                Ok(about) if about.is_file() => (read(&there)?, true),
                // The file went, which is in the proposal; the folder in its place is not.
                Ok(about) if about.is_dir() => (Entry::Gone, false),
                // Nothing that was merged.
                _ => continue,
            };
            let folder = self.folder.clone();
            self.folders_above(&folder, path)?;
            let target = self.layer().join(path.as_str());
            remove(&target)?;
            if moves {
                fs::rename(&there, &target)?;
                emptied.extend(above(path));
            } else {
                write(&target, &entry)?;
            }
            self.stamps.insert(path.clone(), entry.stamp());
        }
        // Folders that hold nothing more say nothing: the layer has its own.
        for folder in emptied.iter().rev() {
            let _ = fs::remove_dir(self.upper().join(folder.as_str()));
        }
        Ok(())
    }

    /// Makes folders above `path` that hide everything beneath them hide each name of it by its own mark, so that one of the
    /// marks can go.
    pub(super) fn uncover(&self, path: &WsPath) -> io::Result<()> {
        for parent in above(path) {
            let there = self.upper().join(parent.as_str());
            match there.symlink_metadata() {
                Ok(about) if is_whiteout(&about) => {
                    remove(&there)?;
                    fs::create_dir(&there)?;
                    let mode = fs::metadata(self.folder.join(parent.as_str())).map_or(0o755, |about| about.mode() & 0o7777);
                    fs::set_permissions(&there, fs::Permissions::from_mode(mode | 0o700))?;
                    self.mark_all(&parent)?;
                }
                Ok(about) if about.is_dir() && is_opaque(&there) => {
                    self.mark_all(&parent)?;
                    removexattr(&there, OPAQUE)?;
                }
                Ok(about) if about.is_dir() => {}
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Marks every name that the layers beneath have in `folder`, and that commands did not write anew, as gone.
    fn mark_all(&self, folder: &WsPath) -> io::Result<()> {
        let mut names: BTreeSet<OsString> = BTreeSet::new();
        for root in [&self.folder, &self.layer()] {
            let lower = root.join(folder.as_str());
            if !lower.symlink_metadata().is_ok_and(|about| about.is_dir()) {
                continue;
            }
            for entry in fs::read_dir(lower)? {
                names.insert(entry?.file_name());
            }
        }
        for name in names {
            let there = self.upper().join(folder.as_str()).join(name);
            if there.symlink_metadata().is_err() {
                write(&there, &Entry::Gone)?;
            } else if there.symlink_metadata()?.is_dir() {
                // What the layers beneath have in it was hidden with all the rest.
                rustix::fs::setxattr(&there, OPAQUE, b"y", rustix::fs::XattrFlags::empty())?;
            }
        }
        Ok(())
    }
}

/// What stands at a path, a file of at most `most` bytes with its content; nothing is followed.
pub(super) fn found(there: &Path, about: &Metadata, most: u64) -> Found {
    let kind = about.file_type();
    match () {
        () if kind.is_dir() => Found::Folder,
        () if kind.is_symlink() => Found::Other("a symbolic link"),
        () if kind.is_fifo() => Found::Other("a pipe"),
        () if kind.is_socket() => Found::Other("a socket"),
        () if !kind.is_file() => Found::Other("a device"),
        () if about.permissions().mode() & 0o6000 != 0 => Found::Other("runs with another user's rights"),
        () if about.size() > most => Found::Large(about.size()),
        () => match content(there, most) {
            Ok(content) => Found::File { content, mode: about.permissions().mode() & 0o7777 },
            Err(_) => Found::Other("not readable"),
        },
    }
}

/// The bytes of a file of at most `most`.
fn content(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut content)?;
    Ok(content)
}

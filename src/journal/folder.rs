//! Where the journal's files stand, and that nobody else can read them. This module owns their creation, so the ban on direct
//! file access is lifted here.
#![allow(clippy::disallowed_methods)]

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Stem of the file for events that belong to no session.
pub(super) const SERVER: &str = "server";

/// The journal's folder below a state folder.
pub(super) fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("journal")
}

/// Whether `id` can be a session's file name: it comes from command lines and editors, and must not lead anywhere else.
pub(super) fn is_session_id(id: &str) -> bool {
    (1..=100).contains(&id.len())
        && id != SERVER
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !id.starts_with('-')
}

/// Makes the journal's folder (0700), or closes one that others could enter.
pub(super) fn prepare(state_dir: &Path) -> io::Result<PathBuf> {
    let folder = folder(state_dir);
    match fs::metadata(&folder) {
        Ok(meta) if meta.mode() & 0o077 != 0 => fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?,
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            File::open(state_dir)?.sync_all()?;
        }
        Err(error) => return Err(error),
    }
    Ok(folder)
}

/// Opens a regular file of the journal for reading and writing, creating it (0600) if it is not there; whether it did. A new
/// name is on disk after [`sync_names`].
pub(super) fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    let (file, new) = match options.clone().create_new(true).open(path) {
        Ok(file) => (file, true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (options.create(true).open(path)?, false),
        Err(error) => return Err(error),
    };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if meta.mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok((file, new))
}

/// The names beside `path` are on disk when this returns.
pub(super) fn sync_names(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

//! Who writes a session: a lock file beside it. While its writer lives it is locked; a clean end removes it; one that is there
//! unlocked is what a crash leaves. Deletes its own files, so the ban on direct file access is lifted here.
#![allow(clippy::disallowed_methods)]

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::folder;

/// The right to write one session's file; given back when dropped.
pub(super) struct SessionLock {
    path: PathBuf,
    _file: File,
}

impl SessionLock {
    /// Takes the lock; `None` when another living server has it.
    pub fn take(folder: &Path, stem: &str) -> io::Result<Option<SessionLock>> {
        let path = folder.join(format!("{stem}.lock"));
        loop {
            // Its name gets to the disk with that of the session's file, at the first sync.
            let (file, _) = folder::open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Its last owner may have removed the name between our open and our lock.
            if file.metadata()?.nlink() > 0 {
                return Ok(Some(SessionLock { path, _file: file }));
            }
        }
    }

    /// The session ended cleanly: nothing will need recovery.
    pub fn clear(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Stems of all sessions that have a lock file, living or crashed.
pub(super) fn stems(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".lock"))
            && folder::is_session_id(stem)
        {
            found.push(stem.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

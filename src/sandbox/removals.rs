//! The end of shadows: in the background, since a build's output may be large and nobody waits for it.
//!
//! A lock beside each shadow is held while its session lives. What the end of a process cuts short, or a kill leaves behind,
//! has a lock that nobody holds, and is swept by the next server.
//!
//! It owns the shadow's folders, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{entry::remove, group};

/// Extension of the lock file beside a shadow.
const LOCK: &str = "lock";

/// Extension of a lock that is not held yet, and the age at which nobody will hold it any more.
const UNHELD: &str = "new";
const OLD: Duration = Duration::from_secs(60);

/// How long the end of the sandbox waits for removals under way: enough for a small shadow, not felt by anyone.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long a killed process 1 may take to be gone.
const LINGERING: Duration = Duration::from_secs(5);

/// The lock file of a shadow.
pub(super) fn lock_of(root: &Path) -> PathBuf {
    root.with_extension(LOCK)
}

/// Makes the lock of a new shadow, held. It gets its name only then: a lock that a sweep can see is never one to be taken yet.
pub(super) fn lock(root: &Path) -> io::Result<File> {
    let unnamed = root.with_extension(UNHELD);
    let lock = File::options().write(true).create(true).truncate(true).mode(0o600).open(&unnamed)?;
    lock.lock()?;
    fs::rename(&unnamed, lock_of(root))?;
    Ok(lock)
}

/// Removes a shadow whose process 1 may be at its last breath, still making folders in it. `false` leaves it to the next sweep.
fn removed(root: &Path) -> bool {
    let deadline = Instant::now() + LINGERING;
    while remove(root).is_err() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Notes the control group of a shadow's session beside it.
pub(super) fn note_group(root: &Path, group: &Path) -> io::Result<()> {
    fs::write(lock_of(root), group.as_os_str().as_encoded_bytes())
}

/// Ends what a session's control group holds, and the group.
fn end_group(lock: &Path) {
    if let Ok(group) = fs::read_to_string(lock)
        && !group.is_empty()
    {
        group::remove(Path::new(&group));
    }
}

/// Removals under way.
#[derive(Debug, Default)]
pub(super) struct Removals(Mutex<Vec<JoinHandle<()>>>);

impl Removals {
    /// Removes a shadow; its lock file goes last.
    pub(super) fn start(&self, root: PathBuf, lock: Option<File>) {
        self.run(move || {
            end_group(&lock_of(&root));
            if removed(&root) {
                let _ = fs::remove_file(lock_of(&root));
            }
            drop(lock);
        });
    }

    /// Removes the shadows below `cache` that no living server holds.
    pub(super) fn sweep(&self, cache: PathBuf) {
        self.run(move || {
            for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
                let path = entry.path();
                let age = entry.metadata().ok().and_then(|about| about.modified().ok()?.elapsed().ok());
                if path.extension().is_some_and(|extension| extension == UNHELD) && age.is_some_and(|age| age > OLD) {
                    let _ = fs::remove_file(&path);
                }
                let is_lock = path.extension().is_some_and(|extension| extension == LOCK);
                // Held until all of it is gone.
                let Some(_held) = File::open(&path).ok().filter(|lock| is_lock && lock.try_lock().is_ok()) else { continue };
                end_group(&path);
                // Whose lock is gone nobody finds any more.
                if removed(&path.with_extension("")) {
                    let _ = fs::remove_file(&path);
                }
            }
        });
    }

    /// Waits for those that are under way.
    pub(super) fn wait(&self, most: Duration) {
        let deadline = Instant::now() + most;
        let under_way = || self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|removal| !removal.is_finished());
        while under_way() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn run(&self, work: impl FnOnce() + Send + 'static) {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|removal| !removal.is_finished());
        // Without a thread the shadow stays until the next sweep.
        under_way.extend(thread::Builder::new().spawn(work));
    }
}

impl Drop for Removals {
    fn drop(&mut self) {
        self.wait(PATIENCE);
    }
}

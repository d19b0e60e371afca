//! The bound on what commands leave in the shadow: many files, each below the limit of one, must not fill the disk.
//!
//! The file system's own counters are looked at often, since that costs nothing; the files are added up only when the
//! counters grew enough to matter, and now and then in case something else shrank meanwhile.

use std::{
    fs,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::fs::{StatVfs, fstatvfs};

use crate::sandbox::plan::Report;

/// Growth after which the files are added up, where the limit does not ask for less, bytes.
const STEP: u64 = 64 << 20;
/// The same for the number of files.
const STEP_FILES: u64 = 10_000;
/// What the smallest file is counted as, bytes: it takes an inode and a name.
const LEAST: u64 = 4096;
/// The files are added up this often, and never for more than a twentieth of the time.
const PERIOD: Duration = Duration::from_secs(10);
/// A file system with less room than this, and than a fiftieth of it, is nearly full, bytes.
const FLOOR: u64 = 512 << 20;

/// Watches one command.
pub(super) struct Disk {
    upper: OwnedFd,
    /// Where fetched packages land, if this command may fetch.
    packages: Option<OwnedFd>,
    /// Bytes; 0 is no limit of ours.
    limit: u64,
    /// What lay there when the command began, where an earlier one was ended for it, bytes: this one may be what deletes it.
    found: u64,
    begun: Used,
    /// As of the last time that files were added up.
    last: Used,
    due: Instant,
}

#[derive(Clone, Copy, Default)]
struct Used {
    bytes: u64,
    files: u64,
}

impl Used {
    fn of(now: &StatVfs) -> Used {
        Used {
            bytes: now.f_blocks.saturating_sub(now.f_bfree).saturating_mul(now.f_frsize),
            files: now.f_files.saturating_sub(now.f_ffree),
        }
    }

    fn more_than(&self, before: &Used, bytes: u64, files: u64) -> bool {
        self.bytes.saturating_sub(before.bytes) > bytes || self.files.saturating_sub(before.files) > files
    }
}

impl Disk {
    /// `upper` is where commands' files land, `packages` where those of caches do: on the same file system. `exceeded`: an earlier
    /// command of the session was ended for what lies there.
    pub(super) fn new(upper: OwnedFd, packages: Option<OwnedFd>, limit: u64, exceeded: bool) -> Disk {
        let begun = fstatvfs(&upper).map(|now| Used::of(&now)).unwrap_or_default();
        let mut disk = Disk { upper, packages, limit, found: 0, begun, last: begun, due: Instant::now() + PERIOD };
        if exceeded {
            disk.found = disk.size().0;
        }
        disk
    }

    /// Whether the command must end for it.
    pub(super) fn over(&mut self) -> Option<Report> {
        let now = fstatvfs(&self.upper).ok()?;
        let used = Used::of(&now);
        // Whoever fills it: a command that goes on writing does not help. One that writes little may go on.
        if nearly_full(&now) && used.more_than(&self.begun, STEP, STEP_FILES) {
            return Some(Report::Disk);
        }
        let step = STEP.min(self.limit / 4);
        if self.limit == 0 || !(used.more_than(&self.last, step, STEP_FILES) || Instant::now() >= self.due) {
            return None;
        }
        let begun = Instant::now();
        let (mut bytes, locked) = self.size();
        if locked {
            // Where it cannot be looked into, the file system's growth has to do.
            bytes += used.bytes.saturating_sub(self.begun.bytes);
        }
        (self.last, self.due) = (used, Instant::now() + PERIOD.max(begun.elapsed() * 20));
        (bytes > self.limit.max(self.found)).then_some(Report::Shadow)
    }

    /// What the shadow takes, and whether a command locked some of its folders.
    fn size(&self) -> (u64, bool) {
        let (mut bytes, mut locked) = (0u64, false);
        let roots = [Some(&self.upper), self.packages.as_ref()].into_iter().flatten();
        let mut folders: Vec<PathBuf> = roots.map(|root| PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()))).collect();
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else {
                locked = true;
                continue;
            };
            for entry in entries.flatten() {
                let Ok(about) = entry.metadata() else { continue };
                if about.is_dir() {
                    folders.push(entry.path());
                }
                bytes += (about.blocks() * 512 / about.nlink().max(1)).max(LEAST);
            }
        }
        (bytes, locked)
    }
}

fn nearly_full(now: &StatVfs) -> bool {
    let (room, all) = (now.f_bavail.saturating_mul(now.f_frsize), now.f_blocks.saturating_mul(now.f_frsize));
    room < FLOOR.min(all / 50) || now.f_files > 0 && now.f_favail < now.f_files / 100
}

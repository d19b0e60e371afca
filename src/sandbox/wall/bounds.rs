//! Bounds that a command can come to without being ended for it: private folders that are full. They are told, so that a
//! failure can be explained.

use std::{
    collections::HashSet,
    fs,
    io::Write,
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
};

use rustix::fs::statvfs;

use super::{send, usage::counted};
use crate::{
    policy::Level,
    sandbox::plan::{Ground, Met, Report},
};

/// Watches one command, and tells each bound once.
#[derive(Clone)]
pub(super) struct Bounds {
    folders: Vec<PathBuf>,
    /// Where the kernel counts processes that it did not let start, and how many it had when the command began.
    unborn: Option<(PathBuf, u64)>,
    told: HashSet<Met>,
}

impl Bounds {
    pub(super) fn new(ground: &Ground) -> Bounds {
        let shared = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from);
        // Without namespaces these are the machine's.
        let shared = shared.into_iter().filter(|_| ground.level >= Level::L2);
        let mut seen = HashSet::new();
        let mut folders: Vec<PathBuf> = shared.chain([ground.home.clone()]).collect();
        // A home below /tmp is no file system of its own.
        folders.retain(|path| fs::metadata(path).is_ok_and(|found| found.is_dir() && seen.insert(found.dev())));
        let events = ground.group.as_ref().map(|group| group.join("pids.events"));
        let unborn = events.and_then(|events| counted(&events, "max ").map(|count| (events, count)));
        Bounds { folders, unborn, told: HashSet::new() }
    }

    /// Looks, and tells the server what it did not tell before.
    pub(super) fn tell(&mut self, server: &mut UnixStream) {
        let full = self.folders.iter().filter(|folder| is_full(folder)).map(|folder| Met::Full(folder.clone()));
        let unborn = self.unborn.as_ref().filter(|(events, before)| counted(events, "max ").is_some_and(|now| now > *before));
        for met in full.chain(unborn.map(|_| Met::Processes)) {
            if self.told.insert(met.clone()) {
                let _ = send(server, &Report::Reached(met)).and_then(|()| server.flush());
            }
        }
    }
}

fn is_full(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|room| room.f_blocks > 0 && (room.f_bavail == 0 || room.f_files > 0 && room.f_favail == 0))
}

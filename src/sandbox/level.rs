//! A proof of the walls that outlives its server: the first task of the next one need not run the probe again.
//!
//! It is remembered until the next boot, for one user, one build, one place of shadows, one container or none, and as long as the
//! machine's switches for namespaces stand as they stood. It is a forecast and no wall: a command whose walls cannot be put up is refused whatever
//! stands here, and that ends the memory. What tells people how strong the walls are never asks it.
//!
//! It owns that file, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::policy::Level;

const NAME: &str = "level.json";
const LARGEST: u64 = 16384;

/// Switches that take namespaces away from users, or give them back.
const SWITCHES: [&str; 7] = [
    "user/max_user_namespaces",
    "user/max_mnt_namespaces",
    "user/max_pid_namespaces",
    "user/max_net_namespaces",
    "kernel/unprivileged_userns_clone",
    "kernel/apparmor_restrict_unprivileged_userns",
    "kernel/unprivileged_userns_apparmor_policy",
];

/// The file, and what must be the same for it to count.
#[derive(Debug)]
pub(super) struct Memory {
    file: PathBuf,
    key: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    key: Vec<String>,
    level: Level,
    detail: String,
}

impl Memory {
    /// The memory of walls made by these programs, with shadows below `cache`; `None` where this machine does not tell enough.
    pub(super) fn of(cache: &Path, programs: &[&Path]) -> Option<Memory> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let system = rustix::system::uname();
        let place = fs::metadata(cache).ok()?;
        let mut key = vec![
            env!("CARGO_PKG_VERSION").to_owned(),
            boot.trim().to_owned(),
            system.release().to_string_lossy().into_owned(),
            system.version().to_string_lossy().into_owned(),
            rustix::process::geteuid().as_raw().to_string(),
            format!("{}:{}", place.dev(), rustix::fs::statfs(cache).ok()?.f_type),
        ];
        // A container of the same user may share the home, and grants less.
        for namespace in ["user", "mnt"] {
            let link = fs::read_link(Path::new("/proc/self/ns").join(namespace)).ok()?;
            key.push(link.to_string_lossy().into_owned());
        }
        key.extend(SWITCHES.map(|name| {
            let value = fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap_or_default();
            format!("{name} {}", value.trim())
        }));
        for program in programs {
            let about = fs::metadata(program).ok()?;
            let (seconds, nanos) = (about.mtime(), about.mtime_nsec());
            key.push(format!("{} {}:{} {} {seconds}.{nanos}", program.display(), about.dev(), about.ino(), about.size()));
        }
        Some(Memory { file: cache.join(NAME), key })
    }

    /// What the proof said, if there was one.
    pub(super) fn recall(&self) -> Option<(Level, String)> {
        let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).ok()?;
        let file = File::options().read(true).custom_flags(no_follow).open(&self.file).ok()?;
        let about = file.metadata().ok()?;
        let ours = about.is_file() && about.uid() == rustix::process::geteuid().as_raw() && about.mode() & 0o077 == 0;
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).ok().filter(|_| ours)?;
        let remembered: Remembered = serde_json::from_str(&text).ok()?;
        (remembered.key == self.key && remembered.level > Level::L0).then_some((remembered.level, remembered.detail))
    }

    /// Remembers a proof. Where that fails, the next server proves again.
    pub(super) fn note(&self, level: Level, detail: &str) {
        let unnamed = self.file.with_extension(format!("{}.new", uuid::Uuid::now_v7()));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed)?;
            serde_json::to_writer(&mut file, &Remembered { key: self.key.clone(), level, detail: detail.to_owned() })?;
            file.flush()?;
            fs::rename(&unnamed, &self.file)
        };
        if write().is_err() {
            let _ = fs::remove_file(&unnamed);
        }
    }
}

/// The walls below `cache` failed: no earlier proof counts.
pub(super) fn forget(cache: &Path) {
    let _ = fs::remove_file(cache.join(NAME));
}

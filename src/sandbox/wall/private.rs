//! What every command has for itself: `/proc`, `/dev`, empty folders over what is none of its business, and in them what it
//! may see after all.
//!
//! The order matters: what shall stay visible is cloned (a clone inherits read-only) before the covers hide it.

use std::{
    fs,
    os::{
        fd::OwnedFd,
        unix::fs::{MetadataExt, symlink},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{StatVfsMountFlags, fstatvfs},
    mount::{MountFlags, mount, mount_remount},
};

use super::{
    Failure, STALE, Step,
    mounts::{SMALL, attach, clones, make_folder, make_target, tmpfs},
};
use crate::sandbox::plan::Ground;

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// The covers, as they stood when they were put up: the device of each, none where there was nothing to cover.
pub(super) struct Covers(Vec<(PathBuf, Option<u64>)>);

impl Covers {
    /// The kernel takes a mount away when somebody outside removes or replaces the folder beneath it. Between the making of
    /// process 1 and its command that may happen; afterwards, what comes to stand there is read-only at least.
    pub(super) fn still_stand(&self) -> Result<(), Failure> {
        let moved = |(path, device): &&(PathBuf, Option<u64>)| device_of(path) != *device;
        match self.0.iter().find(moved) {
            None => Ok(()),
            Some((path, _)) => Err(format!("{} was replaced from outside", path.display())).step(STALE),
        }
    }
}

fn device_of(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|found| found.dev())
}

/// Puts it all up.
pub(super) fn raise(ground: &Ground) -> Result<Covers, Failure> {
    let shown = clones(&ground.shown)?;
    let devices = clones(&DEVICES.map(|name| Path::new("/dev").join(name)))?;
    // Of the new process namespace. Writable until the limits are set, see `seal_proc`.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).step("private /proc")?;
    let mut covers = Vec::with_capacity(ground.covered.len());
    for folder in &ground.covered {
        // One that is gone from the machine needs no cover; should it come back, `still_stand` sees it.
        let device = if folder.is_dir() { Some(cover(folder, ground)?) } else { None };
        covers.push((folder.clone(), device));
    }
    private_dev(devices, ground)?;
    make_folder(&ground.home)?;
    for (path, clone) in shown {
        // What it was cloned from was made read-only by the keeper; a mount that it overlooked must not be written through.
        if !fstatvfs(&clone).step("visible folders")?.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(format!("{} is not read-only", path.display())).step("visible folders");
        }
        make_target(&path, &clone)?;
        attach(&clone, &path, "visible folders")?;
    }
    for (path, text) in &ground.copies {
        make_folder(path.parent().unwrap_or(path))?;
        fs::write(path, text).map_err(|e| format!("{}: {e}", path.display())).step("private configuration")?;
    }
    make_folder(&ground.folder)?;
    Ok(Covers(covers))
}

/// The devices of the private `/dev`, to be written by commands.
pub(super) fn devices() -> Vec<PathBuf> {
    DEVICES.iter().map(|name| Path::new("/dev").join(name)).filter(|path| path.exists()).collect()
}

/// Makes the private `/proc` read-only: a server run by root is not asked for rights by `/proc/sys`.
pub(super) fn seal_proc() -> Result<(), Failure> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY | MountFlags::BIND;
    mount_remount("/proc", flags, "").step("private /proc")
}

fn cover(folder: &Path, ground: &Ground) -> Result<u64, Failure> {
    if ["/tmp", "/var/tmp"].iter().any(|shared| folder == Path::new(shared)) {
        return tmpfs(folder, ground.limits.tmp_size, "1777");
    }
    tmpfs(folder, if ground.home.starts_with(folder) { ground.limits.tmp_size } else { SMALL }, "755")
}

/// A `/dev` with the harmless devices, terminals of its own and private shared memory.
fn private_dev(devices: Vec<(PathBuf, OwnedFd)>, ground: &Ground) -> Result<(), Failure> {
    let step = "private /dev";
    tmpfs(Path::new("/dev"), SMALL, "755")?;
    for (path, clone) in devices {
        make_target(&path, &clone)?;
        attach(&clone, &path, step)?;
    }
    for folder in ["/dev/pts", "/dev/shm"] {
        make_folder(Path::new(folder))?;
    }
    let terminals = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("devpts", "/dev/pts", "devpts", terminals, Some(c"newinstance,ptmxmode=0666,mode=620")).step(step)?;
    tmpfs(Path::new("/dev/shm"), ground.limits.tmp_size, "1777")?;
    let links = [
        ("pts/ptmx", "/dev/ptmx"),
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
    ];
    links.into_iter().try_for_each(|(to, link)| symlink(to, link)).step(step)?;
    let flags = MountFlags::RDONLY | MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
    mount_remount("/dev", flags, "").step(step)
}

//! The package managers' caches: what commands with network fetched in this session, over the user's own caches, which nobody
//! writes to. Writable for the command that fetches, read-only for those after it.
//!
//! Where no command fetched, nothing is mounted: the user's caches are visible as they are.

use std::{
    fs,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
    },
};

use super::{Failure, Step, mounts};
use crate::sandbox::{
    packages::{FOLDER, UPPER, WORK},
    plan::{Ground, Plan},
};

const STEP: &str = "package caches";

/// The session's folder of fetched packages, opened before covers lie over it.
pub(super) struct Packages(OwnedFd);

impl Packages {
    /// Opens what holds it: it need not be there itself before a command fetches.
    pub(super) fn open(ground: &Ground) -> Result<Packages, Failure> {
        let holder = open(CWD, &ground.packages).map_err(|e| format!("{}: {e}", ground.packages.display())).step(STEP)?;
        Ok(Packages(holder))
    }

    /// Mounts the caches that the plan names. Those that the command may write to, and what is written there.
    pub(super) fn mount(&self, plan: &Plan) -> Result<(Vec<OwnedFd>, Option<OwnedFd>), Failure> {
        let Some(packages) = &plan.packages else { return Ok((Vec::new(), None)) };
        let mut caches = Vec::new();
        for (number, cache) in packages.caches.iter().enumerate() {
            let own = Path::new(FOLDER).join(number.to_string());
            let over = self.over(&own, cache, packages.writable);
            caches.push(over.map_err(|e| format!("{}: {e}", cache.display())).step(STEP)?);
        }
        if !packages.writable {
            return Ok((Vec::new(), None));
        }
        Ok((caches, Some(open(&self.0, Path::new(FOLDER)).step(STEP)?)))
    }

    fn over(&self, own: &Path, cache: &Path, writable: bool) -> Result<OwnedFd, String> {
        let words = |failure: Failure| failure.why;
        let upper = open(&self.0, &own.join(UPPER)).map_err(|e| e.to_string())?;
        // The user's own cache as it is visible here, read-only; or an empty folder.
        mounts::make_folder(cache).map_err(words)?;
        let below = open(CWD, cache).map_err(|e| e.to_string())?;
        let set = |overlay: &OwnedFd, key: &str, fd: &OwnedFd| fsconfig_set_string(overlay, key, named(fd));
        let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(|e| e.to_string())?;
        // Both are used up by the kernel when the overlay is made.
        let mut work = None;
        let mut make = || -> Result<OwnedFd, Errno> {
            if writable {
                let folder = openat(&self.0, own.join(WORK), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
                // See the shadow's own overlay.
                let _ = fs::remove_dir_all(Path::new(&named(&folder)).join("work/incompat"));
                set(&overlay, "lowerdir+", &below)?;
                set(&overlay, "upperdir", &upper)?;
                set(&overlay, "workdir", work.insert(folder))?;
                fsconfig_set_flag(&overlay, "volatile")?;
            } else {
                set(&overlay, "lowerdir+", &upper)?;
                set(&overlay, "lowerdir+", &below)?;
            }
            fsconfig_set_flag(&overlay, "userxattr")?;
            fsconfig_create(&overlay)?;
            let read_only = if writable { MountAttrFlags::empty() } else { MountAttrFlags::MOUNT_ATTR_RDONLY };
            let flags = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID | read_only;
            fsmount(&overlay, FsMountFlags::FSMOUNT_CLOEXEC, flags)
        };
        let tree = make().map_err(|e| e.to_string())?;
        mounts::attach(&tree, cache, STEP).map_err(words)?;
        Ok(tree)
    }
}

fn open(at: impl std::os::fd::AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    openat(at, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn named(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

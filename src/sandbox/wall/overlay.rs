//! The shadow: an overlay over the workspace folder, mounted at the folder's own path, so that absolute paths, modification
//! times and build caches hold.
//!
//! It is made and proved while process 1 waits, but nothing of the workspace is looked up in it before the command comes: what
//! changes on the disk in between is seen as it is then.
//!
//! Layers are named by descriptors (`/proc/self/fd/N`): commas, colons, newlines and 4,000-byte paths are then nothing
//! special, and tmpfs may cover the places where they lie. `volatile`, because unmounting any other overlay syncs the whole
//! file system.

use std::{
    fs,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, StatVfsMountFlags, fstat, fstatvfs, openat, renameat, statat, unlinkat},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
    },
};

use super::{Failure, STALE, Step, mounts};
use crate::sandbox::plan::{Ground, PROOF, Plan};

const STEP: &str = "shadow of the workspace";

/// The folders that the overlay is made of, opened before covers lie over them.
pub(super) struct Layers {
    layer: OwnedFd,
    folder: OwnedFd,
    upper: OwnedFd,
    work: OwnedFd,
}

impl Layers {
    /// Opens them by the paths of the ground.
    pub(super) fn open(ground: &Ground) -> Result<Layers, Failure> {
        let (layer, folder) = (open(&ground.layer)?, open(&ground.folder)?);
        Ok(Layers { layer, folder, upper: open(&ground.upper)?, work: open(&ground.work)? })
    }

    /// Makes the overlay and, where that is wanted, proves it; it is not attached anywhere yet.
    pub(super) fn make(self, prove: bool) -> Result<Overlay, Failure> {
        // A volatile overlay that was not unmounted cleanly refuses to be mounted again; the whole shadow is thrown away with
        // the session, so what the mark warns of (a crash of the machine) cannot be met here. All of the work folder goes, since
        // the kernel would remove the rest itself.
        let _ = fs::remove_dir_all(Path::new(&named(&self.work)).join("work"));
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).step(STEP)?;
        for lower in [&self.layer, &self.folder] {
            fsconfig_set_string(&context, "lowerdir+", named(lower)).step(STEP)?;
        }
        fsconfig_set_string(&context, "upperdir", named(&self.upper)).step(STEP)?;
        fsconfig_set_string(&context, "workdir", named(&self.work)).step(STEP)?;
        fsconfig_set_flag(&context, "userxattr").step(STEP)?;
        fsconfig_set_flag(&context, "volatile").step(STEP)?;
        let mode = fstat(&self.upper).step(STEP)?.st_mode;
        fsconfig_create(&context).step(STEP)?;
        let flags = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
        let mount = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags).step(STEP)?;
        if fstatvfs(&mount).step(STEP)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err("it cannot be written").step(STEP);
        }
        if prove {
            self.prove(&mount)?;
        }
        Ok(Overlay { mount, folder: self.folder, upper: self.upper, mode })
    }

    /// A shadow over a foreign owner's folder, or on a file system without the needed attributes, mounts without an error and
    /// then cannot be written. So: make a file, and rename and delete one of a lower layer. Nothing is left of it.
    fn prove(&self, shadow: &OwnedFd) -> Result<(), Failure> {
        let (old, new) = (PROOF, format!("{PROOF}-new"));
        let create = |folder: &OwnedFd, name: &str| {
            let how = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            openat(folder, name, how, Mode::RUSR).map(drop)
        };
        let sweep = || {
            let files = [(&self.upper, old), (&self.upper, &new), (&self.layer, old)];
            files.into_iter().try_for_each(|(folder, name)| match unlinkat(folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(format!("{name} cannot be removed: {error}")).step(STEP),
            })
        };
        // Of a proof that was ended half-way.
        sweep()?;
        create(&self.layer, old).map_err(|e| format!("a lower layer cannot be written: {e}")).step(STEP)?;
        create(shadow, &new).map_err(|e| format!("it cannot be written: {e}")).step(STEP)?;
        renameat(shadow, old, shadow, &new).map_err(|e| format!("files in it cannot be renamed: {e}")).step(STEP)?;
        if statat(shadow, old, AtFlags::SYMLINK_NOFOLLOW).err() != Some(Errno::NOENT) {
            return Err("files of the workspace cannot be deleted in it").step(STEP);
        }
        unlinkat(shadow, &new, AtFlags::empty()).map_err(|e| format!("files in it cannot be deleted: {e}")).step(STEP)?;
        sweep()
    }
}

/// An overlay that no command has looked into.
pub(super) struct Overlay {
    mount: OwnedFd,
    folder: OwnedFd,
    upper: OwnedFd,
    /// Of the upper folder: the one thing that the kernel has taken a copy of.
    mode: u32,
}

impl Overlay {
    /// The folder where commands' files land.
    pub(super) fn into_upper(self) -> OwnedFd {
        self.upper
    }

    /// Its root folder, to make rules for it.
    pub(super) fn root(&self) -> &OwnedFd {
        &self.mount
    }

    /// Attaches it, if what it is made of is still what the plan means.
    pub(super) fn attach(&self, plan: &Plan, at: &Path) -> Result<(), Failure> {
        let now = fstat(&self.folder).step(STEP)?;
        if (now.st_dev, now.st_ino) != plan.folder {
            return Err("the workspace folder was replaced from outside").step(STALE);
        }
        if fstat(&self.upper).step(STEP)?.st_mode != self.mode {
            return Err("the workspace folder has other rights now").step(STALE);
        }
        mounts::attach(&self.mount, at, STEP)
    }
}

fn open(folder: &Path) -> Result<OwnedFd, Failure> {
    openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| format!("{}: {e}", folder.display()))
        .step(STEP)
}

fn named(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

//! The shadow: an overlay over the workspace folder, mounted at the folder's own path, so that absolute paths, modification
//! times and build caches hold.
//!
//! What it is made of is looked at, and the kernel's half of it made, while process 1 waits; it becomes a mount, and names in it
//! are looked up, only when the command comes. So what changes on the disk in between is seen as it is then.
//!
//! Layers are named by descriptors (`/proc/self/fd/N`): commas, colons, newlines and 4,000-byte paths are then nothing
//! special, and tmpfs may cover the places where they lie. `volatile`, because unmounting any other overlay syncs the whole
//! file system.

use std::{
    fs,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, StatVfsMountFlags, fstat, fstatvfs, openat, renameat, statat, unlinkat},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
    },
};

use super::{Failure, STALE, Step};
use crate::sandbox::plan::{Ground, Plan};

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

    /// Makes the overlay; it is no mount yet.
    pub(super) fn make(self) -> Result<Overlay, Failure> {
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
        Ok(Overlay { context, folder: self.folder, upper: self.upper, mode })
    }
}

/// An overlay that nobody has looked into.
pub(super) struct Overlay {
    context: OwnedFd,
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

    /// Makes it a mount and proves that it can be written; it is not attached anywhere yet.
    pub(super) fn mount(&self, plan: &Plan) -> Result<OwnedFd, Failure> {
        let now = fstat(&self.folder).step(STEP)?;
        if (now.st_dev, now.st_ino) != plan.folder {
            return Err("the workspace folder was replaced from outside").step(STALE);
        }
        if fstat(&self.upper).step(STEP)?.st_mode != self.mode {
            return Err("the workspace folder has other rights now").step(STALE);
        }
        let flags = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
        let shadow = fsmount(&self.context, FsMountFlags::FSMOUNT_CLOEXEC, flags).step(STEP)?;
        prove(&shadow, plan.proof.as_deref())?;
        Ok(shadow)
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

/// A shadow over a foreign owner's folder, or on a file system without the needed attributes, mounts without an error and
/// then cannot be written. So once a session: make a file, and rename and delete one of a lower layer. After that, the kernel's
/// word on whether it is read-only has to do.
fn prove(shadow: impl AsFd, lower_file: Option<&str>) -> Result<(), Failure> {
    let shadow = shadow.as_fd();
    let Some(old) = lower_file else {
        return match fstatvfs(shadow).step(STEP)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
            true => Err("it cannot be written").step(STEP),
            false => Ok(()),
        };
    };
    const NEW: &str = ".countersign-proof-new";
    let create = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    drop(openat(shadow, NEW, create, Mode::RUSR).map_err(|e| format!("it cannot be written: {e}")).step(STEP)?);
    renameat(shadow, old, shadow, NEW).map_err(|e| format!("files in it cannot be renamed: {e}")).step(STEP)?;
    if statat(shadow, old, AtFlags::SYMLINK_NOFOLLOW).err() != Some(Errno::NOENT) {
        return Err("files of the workspace cannot be deleted in it").step(STEP);
    }
    unlinkat(shadow, NEW, AtFlags::empty()).map_err(|e| format!("files in it cannot be deleted: {e}")).step(STEP)
}

//! The shadow: an overlay over the workspace folder, mounted at the folder's own path, so that absolute paths, modification
//! times and build caches hold.
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
    fs::{AtFlags, CWD, Mode, OFlags, fstat, openat, renameat, statat, unlinkat},
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

    /// The folder where commands' files land.
    pub(super) fn into_upper(self) -> OwnedFd {
        self.upper
    }

    /// Makes the overlay and proves that it can be written; it is not attached anywhere yet.
    pub(super) fn mount(&self, plan: &Plan) -> Result<OwnedFd, Failure> {
        let now = fstat(&self.folder).step(STEP)?;
        if (now.st_dev, now.st_ino) != plan.folder {
            return Err("the workspace folder was replaced from outside").step(STALE);
        }
        // A volatile overlay that was not unmounted cleanly refuses to be mounted again; the whole shadow is thrown away with
        // the session, so what the mark warns of (a crash of the machine) cannot be met here.
        let _ = fs::remove_dir_all(Path::new(&named(&self.work)).join("work/incompat"));
        let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).step(STEP)?;
        for lower in [&self.layer, &self.folder] {
            fsconfig_set_string(&overlay, "lowerdir+", named(lower)).step(STEP)?;
        }
        fsconfig_set_string(&overlay, "upperdir", named(&self.upper)).step(STEP)?;
        fsconfig_set_string(&overlay, "workdir", named(&self.work)).step(STEP)?;
        fsconfig_set_flag(&overlay, "userxattr").step(STEP)?;
        fsconfig_set_flag(&overlay, "volatile").step(STEP)?;
        fsconfig_create(&overlay).step(STEP)?;
        let flags = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
        let shadow = fsmount(&overlay, FsMountFlags::FSMOUNT_CLOEXEC, flags).step(STEP)?;
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
/// then cannot be written. So: make a file, and once a session rename and delete one of a lower layer.
fn prove(shadow: impl AsFd, lower_file: Option<&str>) -> Result<(), Failure> {
    let shadow = shadow.as_fd();
    const NEW: &str = ".countersign-proof-new";
    let create = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    drop(openat(shadow, NEW, create, Mode::RUSR).map_err(|e| format!("it cannot be written: {e}")).step(STEP)?);
    if let Some(old) = lower_file {
        renameat(shadow, old, shadow, NEW).map_err(|e| format!("files in it cannot be renamed: {e}")).step(STEP)?;
        if statat(shadow, old, AtFlags::SYMLINK_NOFOLLOW).err() != Some(Errno::NOENT) {
            return Err("files of the workspace cannot be deleted in it").step(STEP);
        }
    }
    unlinkat(shadow, NEW, AtFlags::empty()).map_err(|e| format!("files in it cannot be deleted: {e}")).step(STEP)
}

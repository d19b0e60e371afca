//! Mounting, as the other files of the walls need it.

use std::{
    fs,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::CWD,
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string, fsmount,
        fsopen, move_mount, open_tree,
    },
};

use super::{Failure, Step};

/// Room for sockets, locks and the like in folders that are not meant for data, bytes.
pub(super) const SMALL: u64 = 16 << 20;

/// Detached copies of what stands at these paths; what does not exist is left out.
pub(super) fn clones(paths: &[PathBuf]) -> Result<Vec<(PathBuf, OwnedFd)>, Failure> {
    let how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let mut found = Vec::with_capacity(paths.len());
    for path in paths {
        match open_tree(CWD, path, how) {
            Ok(clone) => found.push((path.clone(), clone)),
            Err(Errno::NOENT | Errno::ACCESS | Errno::NOTDIR) => {}
            Err(error) => return Err(format!("{}: {error}", path.display())).step("visible folders"),
        }
    }
    Ok(found)
}

/// An empty file system of at most `size` bytes, 0 for no limit of ours, over `target`. Its device number, taken from the file
/// system itself: what stands at the path may be another by then.
pub(super) fn tmpfs(target: &Path, size: u64, mode: &str) -> Result<u64, Failure> {
    let step = "private folders";
    let empty = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).step(step)?;
    if size > 0 {
        fsconfig_set_string(&empty, "size", size.to_string()).step(step)?;
    }
    fsconfig_set_string(&empty, "mode", mode).step(step)?;
    fsconfig_create(&empty).step(step)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
    let tree = fsmount(&empty, FsMountFlags::FSMOUNT_CLOEXEC, flags).step(step)?;
    attach(&tree, target, step)?;
    Ok(rustix::fs::fstat(&tree).step(step)?.st_dev)
}

/// Puts a detached mount where it belongs.
pub(super) fn attach(tree: &OwnedFd, at: &Path, step: &'static str) -> Result<(), Failure> {
    move_mount(tree, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(|e| format!("{}: {e}", at.display()))
        .step(step)
}

pub(super) fn make_folder(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(|e| format!("{}: {e}", path.display())).step("private folders")
}

/// Something to mount on: a folder for a folder, an empty file for anything else.
pub(super) fn make_target(path: &Path, tree: &OwnedFd) -> Result<(), Failure> {
    if rustix::fs::fstat(tree).is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir()) {
        return make_folder(path);
    }
    make_folder(path.parent().unwrap_or(path))?;
    if path.exists() {
        return Ok(());
    }
    fs::write(path, "").map_err(|e| format!("{}: {e}", path.display())).step("private folders")
}

//! What the keeper holds for a session: a user namespace of one user, and a mount namespace in which every file system is
//! read-only but for the session's shadow. The namespaces of commands are copies of it.

use std::{fs, path::Path};

use nix::sched::{CloneFlags, unshare};
use rustix::{
    io::Errno,
    mount::{MountFlags, MountPropagationFlags, mount_bind, mount_change, mount_remount},
};

use super::{Failure, Step};
use crate::sandbox::{
    mountinfo::{self, Mount},
    plan::Ground,
};

/// Lays it. The process must have one thread.
pub(super) fn lay(ground: &Ground) -> Result<(), Failure> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).step("namespaces")?;
    // The user stays who they are, and nobody else exists.
    fs::write("/proc/self/setgroups", "deny").step("user map")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).step("user map")?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).step("user map")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).step("private mounts")?;
    // A mount of its own, since an overlay refuses an upper layer that is reached through a read-only one.
    mount_bind(&ground.shadow, &ground.shadow)
        .map_err(|e| format!("{}: {e}", ground.shadow.display()))
        .step("shadow of the workspace")?;
    read_only(ground)
}

/// Remounts every mount read-only and without devices, keeping the flags that the user namespace has locked. What commands will
/// find covered is left out, but for mounts that something in it is shown from, such as a home on a disk of its own.
fn read_only(ground: &Ground) -> Result<(), Failure> {
    let table = mountinfo::table().step("read-only file systems")?;
    let is_shown = |target: &Path| ground.shown.iter().any(|shown| shown.starts_with(target) || target.starts_with(shown));
    let left_out = |target: &Path| {
        target.starts_with("/proc")
            || target.starts_with(&ground.shadow)
            || ground.covered.iter().any(|cover| target.starts_with(cover)) && !is_shown(target)
    };
    // The mount that holds the devices; a node of one that lies elsewhere opens nothing.
    let devices = table.iter().map(|mount| &mount.target).filter(|target| Path::new("/dev").starts_with(target));
    let devices = devices.max_by_key(|target| target.iter().count()).cloned().unwrap_or_default();
    for Mount { target, options, .. } in table {
        if left_out(&target) {
            continue;
        }
        let mut flags =
            options.split(|byte| *byte == b',').fold(MountFlags::RDONLY | MountFlags::BIND, |flags, option| flags | flag(option));
        if target != devices && !target.starts_with("/dev") {
            flags |= MountFlags::NODEV;
        }
        match mount_remount(&target, flags, "") {
            // Below another mount, or in a folder that this user may not enter: commands cannot get there either.
            Ok(()) | Err(Errno::NOENT | Errno::ACCESS | Errno::INVAL) => {}
            Err(error) => return Err(format!("{}: {error}", target.display())).step("read-only file systems"),
        }
    }
    Ok(())
}

fn flag(option: &[u8]) -> MountFlags {
    match option {
        b"nosuid" => MountFlags::NOSUID,
        b"nodev" => MountFlags::NODEV,
        b"noexec" => MountFlags::NOEXEC,
        b"relatime" => MountFlags::RELATIME,
        b"noatime" => MountFlags::NOATIME,
        b"nodiratime" => MountFlags::NODIRATIME,
        _ => MountFlags::empty(),
    }
}

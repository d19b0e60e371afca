//! What the keeper holds for a session: a user namespace of one user, and a mount namespace in which every file system is
//! read-only but for the session's shadow. The namespaces of commands are copies of it.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use nix::sched::{CloneFlags, unshare};
use rustix::{
    io::Errno,
    mount::{MountFlags, MountPropagationFlags, mount_bind, mount_change, mount_remount},
};

use super::{Failure, Step};
use crate::sandbox::plan::Ground;

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

/// Remounts every mount read-only, keeping the flags that the user namespace has locked. What commands will find covered is
/// left out, but for mounts that something in it is shown from, such as a home on a disk of its own.
fn read_only(ground: &Ground) -> Result<(), Failure> {
    let table = fs::read("/proc/self/mountinfo").step("read-only file systems")?;
    let is_shown = |target: &Path| ground.shown.iter().any(|shown| shown.starts_with(target) || target.starts_with(shown));
    let left_out = |target: &Path| {
        target.starts_with("/proc")
            || target.starts_with(&ground.shadow)
            || ground.covered.iter().any(|cover| target.starts_with(cover)) && !is_shown(target)
    };
    for line in table.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ').skip(4);
        let (Some(target), Some(options)) = (fields.next(), fields.next()) else { continue };
        let target = unescape(target);
        if left_out(&target) {
            continue;
        }
        let flags =
            options.split(|byte| *byte == b',').fold(MountFlags::RDONLY | MountFlags::BIND, |flags, option| flags | flag(option));
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

/// The kernel writes blank, tab, newline and backslash of a path as `\ooo`.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u8::from_str_radix(d, 8).ok());
        match (byte, digits) {
            (b'\\', Some(decoded)) => {
                bytes.push(decoded);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

//! The mounts of a command: everything read-only, private empty folders over what is none of its business, the shadow over
//! the workspace.
//!
//! The order matters. The overlay is made first, since its upper layer must still be writable; then everything becomes
//! read-only; then what shall stay visible is cloned (a clone inherits read-only) before the covers hide it.

use std::{
    ffi::{CString, OsString},
    fs,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStringExt, fs::DirBuilderExt, fs::OpenOptionsExt, fs::symlink},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::CWD,
    io::Errno,
    mount::{MountFlags, MoveMountFlags, OpenTreeFlags, mount, mount_remount, move_mount, open_tree},
};

use super::{Failure, Step, overlay};
use crate::sandbox::plan::Plan;

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Room for sockets, locks and the like in folders that are not meant for data, bytes.
const SMALL: u64 = 16 << 20;
/// Where process 1 keeps its own files while it mounts.
const OWN: &str = "/run/countersign";

/// Puts up all mounts. Afterwards the process stands in the new world, with capabilities still in force.
pub(super) fn raise(plan: &Plan) -> Result<(), Failure> {
    let shadow = overlay::make(plan)?;
    read_only(&plan.covered)?;
    let shown = clones(&plan.shown)?;
    let devices = clones(&DEVICES.map(|name| Path::new("/dev").join(name)))?;
    private_proc()?;
    for folder in &plan.covered {
        cover(folder, plan)?;
    }
    private_dev(devices, plan)?;
    make_folder(&plan.home)?;
    for (path, clone) in shown {
        make_target(&path, &clone)?;
        attach(&clone, &path, "visible folders")?;
    }
    for (path, text) in &plan.copies {
        make_folder(path.parent().unwrap_or(path))?;
        fs::write(path, text).map_err(|e| format!("{}: {e}", path.display())).step("private configuration")?;
    }
    make_folder(&plan.folder)?;
    attach(&shadow, &plan.folder, "shadow of the workspace")?;
    hide(plan)
}

/// The devices of the private `/dev`, to be written by commands.
pub(super) fn devices() -> Vec<PathBuf> {
    DEVICES.iter().map(|name| Path::new("/dev").join(name)).filter(|path| path.exists()).collect()
}

/// Remounts every mount read-only, keeping the flags that the user namespace has locked. What will be covered is left out.
fn read_only(covered: &[PathBuf]) -> Result<(), Failure> {
    let table = fs::read("/proc/self/mountinfo").step("read-only file systems")?;
    for line in table.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ').skip(4);
        let (Some(target), Some(options)) = (fields.next(), fields.next()) else { continue };
        let target = unescape(target);
        if target.starts_with("/proc") || covered.iter().any(|cover| target.starts_with(cover)) {
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

/// Detached copies of what stands at these paths; what does not exist is left out.
fn clones(paths: &[PathBuf]) -> Result<Vec<(PathBuf, OwnedFd)>, Failure> {
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

/// `/proc` of the new process namespace, read-only: a server run by root is not asked for rights by `/proc/sys`.
fn private_proc() -> Result<(), Failure> {
    // Writable until the limits are set, see `seal_proc`.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).step("private /proc")
}

/// Makes the private `/proc` read-only; the last of the mounts.
pub(super) fn seal_proc() -> Result<(), Failure> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY | MountFlags::BIND;
    mount_remount("/proc", flags, "").step("private /proc")
}

fn cover(folder: &Path, plan: &Plan) -> Result<(), Failure> {
    if ["/tmp", "/var/tmp"].iter().any(|shared| folder == Path::new(shared)) {
        return tmpfs(folder, plan.limits.tmp_size, "1777");
    }
    tmpfs(folder, if plan.home.starts_with(folder) { plan.limits.tmp_size } else { SMALL }, "755")
}

fn tmpfs(target: &Path, size: u64, mode: &str) -> Result<(), Failure> {
    let size = if size == 0 { String::new() } else { format!("size={size},") };
    let options = CString::new(format!("{size}mode={mode}")).step("private folders")?;
    mount("tmpfs", target, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))
        .map_err(|e| format!("{}: {e}", target.display()))
        .step("private folders")
}

/// A `/dev` with the harmless devices, terminals of its own and private shared memory.
fn private_dev(devices: Vec<(PathBuf, OwnedFd)>, plan: &Plan) -> Result<(), Failure> {
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
    tmpfs(Path::new("/dev/shm"), plan.limits.tmp_size, "1777")?;
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

/// Replaces files by rebuilt texts, and masks those that must not be read or connected to.
fn hide(plan: &Plan) -> Result<(), Failure> {
    let step = "hidden files";
    fs::DirBuilder::new().mode(0o700).create(OWN).step(step)?;
    let own = |name: &str, mode: u32, text: &str| -> Result<OwnedFd, Failure> {
        let path = Path::new(OWN).join(name);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).step(step)?;
        std::io::Write::write_all(&mut file, text.as_bytes()).step(step)?;
        open_tree(CWD, &path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC).step(step)
    };
    for (number, (path, text)) in plan.replaced.iter().enumerate() {
        if fs::symlink_metadata(path).is_ok_and(|m| m.is_file()) {
            attach(&own(&number.to_string(), 0o444, text)?, path, step)?;
        }
    }
    for (number, path) in plan.masked.iter().enumerate() {
        let Ok(found) = fs::symlink_metadata(path) else { continue };
        if found.is_dir() {
            tmpfs(path, SMALL, "000")?;
        } else if !found.is_symlink() {
            attach(&own(&format!("m{number}"), 0, "")?, path, step)?;
        }
    }
    Ok(())
}

fn attach(tree: &OwnedFd, at: &Path, step: &'static str) -> Result<(), Failure> {
    move_mount(tree, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(|e| format!("{}: {e}", at.display()))
        .step(step)
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(|e| format!("{}: {e}", path.display())).step("private folders")
}

/// Something to mount on: a folder for a folder, an empty file for anything else.
fn make_target(path: &Path, tree: &OwnedFd) -> Result<(), Failure> {
    if rustix::fs::fstat(tree).is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir()) {
        return make_folder(path);
    }
    make_folder(path.parent().unwrap_or(path))?;
    if path.exists() {
        return Ok(());
    }
    fs::write(path, "").map_err(|e| format!("{}: {e}", path.display())).step("private folders")
}

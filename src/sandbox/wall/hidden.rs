//! Single files outside the workspace that commands find replaced by a rebuilt text, or empty and unreadable.

use std::{
    fs,
    io::Write,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::Path,
};

use rustix::{
    fs::CWD,
    mount::{OpenTreeFlags, open_tree},
};

use super::{
    Failure, Step,
    mounts::{SMALL, attach, tmpfs},
};
use crate::sandbox::plan::Plan;

const STEP: &str = "hidden files";
/// Where process 1 keeps what it mounts over them.
const OWN: &str = "/run/countersign";

/// Replaces and masks. Done last before the command, since a mask goes when its file is replaced from outside (`passwd`).
pub(super) fn hide(plan: &Plan) -> Result<(), Failure> {
    fs::DirBuilder::new().mode(0o700).create(OWN).step(STEP)?;
    for (number, (path, text)) in plan.replaced.iter().enumerate() {
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_file()) {
            attach(&own(&number.to_string(), 0o444, text)?, path, STEP)?;
        }
    }
    let nothing = own("nothing", 0, "")?;
    for path in &plan.masked {
        let Ok(found) = fs::symlink_metadata(path) else { continue };
        if found.is_dir() {
            tmpfs(path, SMALL, "000")?;
        } else if !found.is_symlink() {
            attach(&again(&nothing)?, path, STEP)?;
        }
    }
    Ok(())
}

/// Another mount of the same file.
fn again(mount: &OwnedFd) -> Result<OwnedFd, Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(mount, "", flags).step(STEP)
}

/// A detached mount of one file.
fn own(name: &str, mode: u32, text: &str) -> Result<OwnedFd, Failure> {
    let path = Path::new(OWN).join(name);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).step(STEP)?;
    file.write_all(text.as_bytes()).step(STEP)?;
    open_tree(CWD, &path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC).step(STEP)
}

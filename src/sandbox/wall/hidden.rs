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
            let own = Path::new(OWN).join(number.to_string());
            write(&own, 0o444, text)?;
            attach(&detached(&own)?, path, STEP)?;
        }
    }
    let nothing = Path::new(OWN).join("nothing");
    write(&nothing, 0, "")?;
    for path in plan.masked.iter().map(Path::new) {
        let Ok(found) = fs::symlink_metadata(path) else { continue };
        if found.is_dir() {
            tmpfs(path, SMALL, "000")?;
        } else if !found.is_symlink() {
            attach(&detached(&nothing)?, path, STEP)?;
        }
    }
    Ok(())
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).step(STEP)?;
    file.write_all(text.as_bytes()).step(STEP)
}

/// A detached mount of one file.
fn detached(path: &Path) -> Result<OwnedFd, Failure> {
    open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC).step(STEP)
}

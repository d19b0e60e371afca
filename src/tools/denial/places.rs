//! Which wall stands at a path, by what the walls know of themselves.

use std::path::{Component, Path, PathBuf};

use crate::seams::Facts;

/// What a path is to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Its own affair: an error there has nothing to do with walls.
    Workspace,
    /// A socket that other programs listen on.
    Socket,
    /// Empty and unreadable.
    Masked,
    /// A rebuilt copy without credentials.
    Rebuilt,
    /// A toolchain or a cache of the home, visible and read-only.
    Shown,
    /// The private home, or what else is nobody's business.
    Home,
    /// `/tmp` and its like: private, gone with the command.
    Temporary,
    /// `/run`: services of the machine.
    Services,
    /// `/proc` and `/sys`.
    Kernel,
    /// `/dev`.
    Devices,
    /// Whatever else: as the user sees it, read-only.
    Elsewhere,
}

/// A path as it was printed, absolute and without `..`; `None` where it is none.
pub(super) fn absolute(written: &str, facts: &Facts) -> Option<PathBuf> {
    let path = match written.strip_prefix("~/") {
        Some(below) => facts.home.join(below),
        None => PathBuf::from(written),
    };
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    // One folder under two names on every machine of today.
    let plain = plain.strip_prefix("/var/run").map(|below| Path::new("/run").join(below)).unwrap_or(plain);
    let plain = own(&plain, facts).unwrap_or(plain);
    plain.is_absolute().then_some(plain)
}

/// Where the person has what a command sees at another place.
pub(super) fn own(path: &Path, facts: &Facts) -> Option<PathBuf> {
    let (below, own) = facts.moved.iter().find_map(|(seen, own)| Some((path.strip_prefix(seen).ok()?, own)))?;
    Some(if below.as_os_str().is_empty() { own.clone() } else { own.join(below) })
}

/// What stands there.
pub(super) fn place(path: &Path, facts: &Facts) -> Place {
    let below = |folders: &[PathBuf]| folders.iter().any(|folder| path.starts_with(folder));
    let name = path.file_name().map_or("", |name| name.to_str().unwrap_or_default());
    if path.starts_with(&facts.spec.folder) {
        return Place::Workspace;
    }
    if name.ends_with(".sock") || path.starts_with("/tmp/ssh-") || name == "S.gpg-agent" {
        return Place::Socket;
    }
    if below(&facts.masked) {
        return Place::Masked;
    }
    if facts.rebuilt.iter().any(|copy| copy == path) {
        return Place::Rebuilt;
    }
    if below(&facts.shown) {
        return Place::Shown;
    }
    let at = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    if at(&["/tmp", "/var/tmp", "/dev/shm"]) && !path.starts_with(&facts.home) {
        return Place::Temporary;
    }
    if at(&["/run"]) {
        return Place::Services;
    }
    if below(&facts.covered) || path.starts_with(&facts.home) {
        return Place::Home;
    }
    match () {
        () if at(&["/proc", "/sys"]) => Place::Kernel,
        () if at(&["/dev"]) => Place::Devices,
        () => Place::Elsewhere,
    }
}

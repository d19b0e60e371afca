//! Files with several names (hard links). What is secret under one name is secret under the others as well; and which files of
//! the folder have names elsewhere is told to whoever asks.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ignore::WalkState;

use crate::path::WsPath;

use super::{
    disk::Folder,
    walk::{Deadline, below, walk},
};

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// Files of a home that hold credentials.
const FILES: [&str; 10] = [
    ".netrc",
    ".git-credentials",
    ".npmrc",
    ".pypirc",
    ".aws/credentials",
    ".config/gh/hosts.yml",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".docker/config.json",
    ".kube/config",
];
/// Folders of a home whose files are keys, but for those of `PUBLIC`.
const FOLDERS: [&str; 2] = [".ssh", ".gnupg"];
const PUBLIC: [&str; 3] = ["config", "known_hosts", "authorized_keys"];

/// The longest look for files with other names.
const TIME: Duration = Duration::from_secs(2);

/// The credential files of a home that have other names, wherever those are.
pub(super) fn credentials(home: &Path) -> HashSet<Identity> {
    let within = |folder: &str| fs::read_dir(home.join(folder)).into_iter().flatten().flatten().map(|entry| entry.path());
    let keys = FOLDERS.into_iter().flat_map(within).filter(|path| !is_public(path));
    let files = FILES.iter().map(|file| home.join(file)).chain(keys);
    let about = files.filter_map(|file| fs::metadata(file).ok());
    about.filter(|about| about.is_file() && about.nlink() > 1).map(|about| (about.dev(), about.ino())).collect()
}

fn is_public(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.extension().is_some_and(|extension| extension == "pub") || PUBLIC.contains(&name)
}

/// The files that the ignore rules do not leave out and that have other names, sorted; and whether all were looked at.
pub fn linked(folder: &Folder) -> (Vec<WsPath>, bool) {
    let (found, deadline) = (Mutex::new(Vec::new()), Deadline::after(TIME));
    walk(folder, &WsPath::root(), None).run(|| {
        Box::new(|entry| {
            if deadline.passed() {
                return WalkState::Quit;
            }
            let Ok(entry) = entry else { return WalkState::Continue };
            if entry.file_type().is_some_and(|kind| kind.is_file())
                && entry.metadata().is_ok_and(|about| about.nlink() > 1)
                && let Some(path) = below(folder, entry.path()).and_then(|path| WsPath::from_disk(path.to_str()?))
            {
                found.lock().unwrap_or_else(PoisonError::into_inner).push(path);
            }
            WalkState::Continue
        })
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort();
    (found, !deadline.passed())
}

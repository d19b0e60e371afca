//! Git in the copy: a repository of its own that borrows the objects of the user's. What git writes there vanishes with the
//! copy; the configuration is rebuilt, hooks stay behind.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::listing::{Found, Listing, Mark, at, join};
use crate::sandbox::git;

/// Of a repository's folder, what is none of a command's business or is made anew.
const LEFT_OUT: [&str; 8] = ["objects", "hooks", "config", "config.worktree", "worktrees", "lfs", "gitdir", "commondir"];

/// Reflogs lie below such a folder.
const LOGS: &[u8] = b"/logs/";

/// The copies of files have other inodes and change times, and git must not read all of them for that.
const SETTINGS: &str = "[core]\n\ttrustctime = false\n\tcheckStat = minimal\n";

/// What stands in for the repository.
#[derive(Default)]
pub(super) struct Repository {
    /// Entries of the copy, with where their text comes from.
    pub files: BTreeMap<OsString, PathBuf>,
    pub listing: Listing,
    /// Rebuilt configuration and pointers to objects.
    pub texts: BTreeMap<OsString, String>,
    /// Folders of objects that commands must be let read.
    pub objects: Vec<PathBuf>,
    /// The user's: the repository itself, and those of its submodules.
    whole: Vec<PathBuf>,
}

/// The repository of a workspace folder; empty where it has none, or one that lies elsewhere and does not name it in turn.
pub(super) fn of(folder: &Path) -> Repository {
    let mut found = Repository::default();
    let own = folder.join(".git");
    match own.symlink_metadata() {
        Ok(about) if about.is_dir() => {
            found.add(&own, OsStr::new(".git"), true);
            found.point(folder);
        }
        Ok(about) if about.is_file() => {
            if let Some(linked) = git::linked(folder) {
                // What is the work tree's alone comes over what all have in common.
                found.add(&linked.common, OsStr::new(".git"), true);
                found.add(&linked.own, OsStr::new(".git"), false);
            }
        }
        _ => {}
    }
    found
}

impl Repository {
    /// Adds the files of `from` as `to`; where it is a whole repository, its configuration and objects as well.
    fn add(&mut self, from: &Path, to: &OsStr, whole: bool) {
        self.listing.insert(to.to_owned(), Found::Folder);
        let is_repository = from.join("HEAD").is_file() && from.join("objects").is_dir();
        if whole && is_repository {
            self.whole.push(from.to_owned());
            // A line of that file has no way to hold a line end.
            let objects = from.join("objects");
            if !objects.as_os_str().as_bytes().contains(&b'\n') {
                let text = format!("{}\n", objects.display());
                self.texts.insert(join(to, OsStr::new("objects/info/alternates")), text);
                self.objects.push(objects);
            }
            let text = fs::read_to_string(from.join("config")).unwrap_or_default();
            self.texts.insert(join(to, OsStr::new("config")), git::rebuilt(&text) + SETTINGS);
        }
        for entry in fs::read_dir(from).into_iter().flatten().flatten() {
            let (name, Ok(about)) = (entry.file_name(), entry.metadata()) else { continue };
            let lock = Path::new(&name).extension().is_some_and(|extension| extension == "lock");
            if lock || (is_repository || !whole) && LEFT_OUT.iter().any(|left| name == *left) {
                continue;
            }
            let path = join(to, &name);
            if about.is_dir() {
                self.add(&entry.path(), &path, whole);
            } else if about.is_file() {
                let is_log = path.as_bytes().windows(LOGS.len()).any(|part| part == LOGS);
                if let Some(text) = is_log.then(|| git::reflog(&entry.path())).flatten() {
                    self.texts.insert(path, text);
                } else {
                    self.listing.insert(path.clone(), Found::File(Mark::of(&about)));
                    self.files.insert(path, entry.path());
                }
            }
        }
    }

    /// Adds the files by which the work trees of submodules find their repositories.
    fn point(&mut self, folder: &Path) {
        for own in &self.whole {
            let text = fs::read_to_string(own.join("config")).unwrap_or_default();
            let tree = text.lines().find_map(|line| line.trim().strip_prefix("worktree")?.trim_start().strip_prefix('='));
            let Some(tree) = tree.and_then(|tree| own.join(tree.trim()).canonicalize().ok()) else { continue };
            let Ok(below) = tree.strip_prefix(folder) else { continue };
            let pointer = tree.join(".git");
            // By its whole path it would lead out of the copy.
            let leads_in = fs::read_to_string(&pointer).is_ok_and(|text| text.starts_with("gitdir: .."));
            if let Ok(about) = pointer.symlink_metadata()
                && about.is_file()
                && leads_in
            {
                let path = join(below.as_os_str(), OsStr::new(".git"));
                self.listing.insert(path.clone(), Found::File(Mark::of(&about)));
                self.files.insert(path, pointer);
            }
        }
    }

    /// Where the bytes of an entry come from.
    pub(super) fn source(&self, folder: &Path, path: &OsStr) -> PathBuf {
        self.files.get(path).cloned().unwrap_or_else(|| at(folder, path))
    }
}

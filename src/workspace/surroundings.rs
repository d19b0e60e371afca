//! What the policy asks of the world around a command or a path. One for each workspace folder, shared by its tasks.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use globset::{GlobBuilder, GlobMatcher};
use rustix::fs::{Dir, FileType, Stat};

use crate::{
    path::WsPath,
    policy::{Resolved, Secret, Surroundings},
    seams::WorkspaceError,
};

use super::{
    disk::Folder,
    gitfiles::{self, Indexes},
    links,
    masks::Masks,
};

/// Names that one shell glob gives at most, and entries that are looked at for it.
const NAMES: usize = 1_000;
const LOOKS: usize = 50_000;

/// Says of a path, and whether git tracks it, whether it is secret (`Policy::path_class`). What is secret at all does not
/// depend on git; whether commands find it does.
pub type Secrecy = Arc<dyn Fn(&WsPath, bool) -> Option<Secret> + Send + Sync>;

/// A workspace folder with what is known of it.
pub struct World {
    folder: Folder,
    home: Option<PathBuf>,
    config_home: Option<PathBuf>,
    indexes: Mutex<Indexes>,
    masks: Mutex<Masks>,
}

impl World {
    /// The world around a folder; `home` and `config_home` (`XDG_CONFIG_HOME`) are where the user's gitconfig is.
    pub fn new(folder: Folder, home: Option<PathBuf>, config_home: Option<PathBuf>) -> Self {
        World { folder, home, config_home, indexes: Mutex::default(), masks: Mutex::default() }
    }

    /// The folder's files.
    pub fn disk(&self) -> &Folder {
        &self.folder
    }

    /// The entries of a folder that one component of a glob names.
    fn expand(&self, dir: &WsPath, part: &str, looks: &mut usize) -> Vec<WsPath> {
        let Some(matcher) = component(part) else {
            let path = dir.join(part);
            return self.folder.stat(&path).ok().flatten().map(|_| path).into_iter().collect();
        };
        let Some(entries) = self.folder.open_dir(dir).ok().and_then(|fd| Dir::new(fd).ok()) else { return Vec::new() };
        let dots = part.starts_with('.');
        let mut found = Vec::new();
        for entry in entries.flatten().take(LOOKS.saturating_sub(*looks)) {
            *looks += 1;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let shown = !matches!(name, "." | "..") && (dots || !name.starts_with('.'));
            if shown && matcher.is_match(name) {
                found.push(dir.join(name));
            }
        }
        found
    }

    /// The files that commands must find empty: what `secrecy` keeps from them, wherever it lies, what links of such names
    /// lead to, and other names of such a file or of a credential file of the home.
    ///
    /// # Errors
    /// [`WorkspaceError`] when the folder cannot be walked.
    pub fn masked(&self, secrecy: &dyn Fn(&WsPath, bool) -> Option<Secret>) -> Result<Vec<WsPath>, WorkspaceError> {
        let hides = |path: &WsPath, tracked| secrecy(path, tracked).is_some_and(|secret| secret.hide_from_commands);
        let candidate = |path: &WsPath| hides(path, false);
        let mut masks = self.masks.lock().unwrap_or_else(PoisonError::into_inner);
        let found = masks.find(&self.folder, &candidate)?;
        let mut masked = Vec::with_capacity(found.len());
        let mut named = self.home.as_deref().map(links::credentials).unwrap_or_default();
        for path in found {
            if !hides(&path, self.tracked(&path)) {
                continue;
            }
            // A link is masked at the file that it leads to; one that leads out has nothing to show in the walls.
            let Ok(real) = self.folder.resolve(&path) else { continue };
            let Some(stat) = self.file(&real) else { continue };
            named.extend((stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino)));
            masked.push(real);
        }
        if !named.is_empty() {
            let inodes = named.iter().map(|(_, inode)| *inode).collect();
            let names = masks.with_inodes(&self.folder, &inodes).into_iter();
            masked.extend(names.filter(|name| self.file(name).is_some_and(|stat| named.contains(&(stat.st_dev, stat.st_ino)))));
        }
        masked.sort();
        masked.dedup();
        Ok(masked)
    }

    fn file(&self, path: &WsPath) -> Option<Stat> {
        let stat = self.folder.stat(path).ok().flatten();
        stat.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    }
}

impl Surroundings for World {
    fn resolve(&self, path: &WsPath) -> Resolved {
        self.folder.resolve(path).map_or(Resolved::Outside, Resolved::Inside)
    }

    fn tracked(&self, path: &WsPath) -> bool {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        indexes.tracks(&self.folder.absolute(path))
    }

    fn git_alias(&self, name: &str) -> Option<String> {
        gitfiles::alias(self.folder.root(), self.home.as_deref(), self.config_home.as_deref(), name)
    }

    /// As bash expands `*`, `?` and `[...]` without options: files and folders below the workspace, sorted, at most 1,000.
    fn glob(&self, pattern: &str, cwd: &WsPath) -> Vec<WsPath> {
        let (start, pattern) = match pattern.strip_prefix('/') {
            None => (cwd.clone(), pattern),
            Some(_) => match Path::new(pattern).strip_prefix(self.folder.root()).ok().and_then(Path::to_str) {
                Some(rest) => (WsPath::root(), rest),
                None => return Vec::new(),
            },
        };
        let mut found = vec![start];
        let mut looks = 0;
        for part in pattern.split('/').filter(|part| !matches!(*part, "" | ".")) {
            found = match part {
                ".." => found.iter().filter_map(WsPath::parent).collect(),
                part => found.iter().flat_map(|dir| self.expand(dir, part, &mut looks)).take(NAMES).collect(),
            };
        }
        found.sort();
        found.dedup();
        found
    }

    fn folder(&self) -> &str {
        // A folder whose path is not UTF-8 is not opened.
        self.folder.root().to_str().unwrap_or_default()
    }
}

/// One component of a shell glob; `None` when it has no special character.
fn component(part: &str) -> Option<GlobMatcher> {
    if !part.contains(['*', '?', '[']) {
        return None;
    }
    let mut glob = part.to_owned();
    while glob.contains("**") {
        glob = glob.replace("**", "*");
    }
    let built = GlobBuilder::new(&glob).literal_separator(true).backslash_escape(true).build();
    Some(built.ok()?.compile_matcher())
}

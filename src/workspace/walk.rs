//! Walking the folder as ripgrep does: ignore rules, hidden files shown, never into version control's own folders.
//!
//! The walk itself goes by names. A folder that is swapped for a symbolic link at that very moment may show names from
//! elsewhere; contents are opened through the folder's handle only and can never come from there.

use std::{
    collections::HashMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::Path,
    time::{Duration, Instant},
};

use ignore::{
    WalkBuilder, WalkParallel,
    gitignore::{Gitignore, GitignoreBuilder},
};

use crate::{
    path::{WsPath, hidden},
    seams::WorkspaceError,
};

use super::disk::Folder;

/// More threads than this gain nothing on one disk.
const THREADS: usize = 8;
/// Folders in which version control keeps its own files.
pub(super) const VERSION_CONTROL: [&str; 4] = [".git", ".hg", ".jj", ".svn"];

/// A walk below `under`, which must be a resolved folder; `depth` counts levels below it.
pub(super) fn walk(folder: &Folder, under: &WsPath, depth: Option<usize>) -> WalkParallel {
    // In a repository the rules of the folders above count up to its root, as for git. Outside of one they do not: a
    // `.gitignore` in the home folder would hide everything.
    let in_git = folder.root().ancestors().any(|dir| dir.join(".git").exists());
    WalkBuilder::new(folder.absolute(under))
        .hidden(false)
        .require_git(in_git)
        .parents(in_git)
        .max_depth(depth)
        .threads(threads())
        .filter_entry(|entry| !VERSION_CONTROL.iter().any(|name| entry.file_name() == *name))
        .build_parallel()
}

/// As many threads as the machine has, within reason.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(THREADS)
}

/// The part of a found path below the folder's root; `None` for the root itself.
pub(super) fn below<'a>(folder: &Folder, found: &'a Path) -> Option<&'a Path> {
    // Walks begin at the root, so its bytes begin each path; comparing components costs more than the rest of a listing.
    let rest = found.as_os_str().as_bytes().strip_prefix(folder.root().as_os_str().as_bytes())?;
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    (!rest.is_empty()).then(|| Path::new(OsStr::from_bytes(rest)))
}

/// Whether a name can be shown as it is.
pub(super) fn plain(name: &str) -> bool {
    name.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || !name.chars().any(hidden)
}

/// The ignore rules for single paths, of files that need not be on the disk: the same files of rules count as for a walk.
pub(super) struct Rules<'a> {
    folder: &'a Folder,
    /// By folder below the root; `None` where no rules are.
    read: HashMap<String, Option<Gitignore>>,
    /// In a repository: those of folders above the root, then git's own; each with the root's path as they see it.
    outer: Vec<(String, Gitignore)>,
}

impl<'a> Rules<'a> {
    /// Rules that are read as they are needed.
    pub(super) fn new(folder: &'a Folder) -> Self {
        Rules { folder, read: HashMap::new(), outer: outer(folder.root()) }
    }

    /// Whether a file (`/`-separated path below the folder) is left out, itself or through a folder above it. The rules of the
    /// deepest folder that says anything decide.
    pub(super) fn ignore(&mut self, path: &str) -> bool {
        let mut above = path;
        while let Some(dir) = above.rsplit_once('/').map(|(dir, _)| dir).or((!above.is_empty()).then_some("")) {
            let below = path[dir.len()..].trim_start_matches('/');
            let folder = self.folder;
            let rules = self.read.entry(dir.to_owned()).or_insert_with(|| rules_of(&folder.root().join(dir)));
            match rules.as_ref().map(|rules| rules.matched_path_or_any_parents(below, false)) {
                Some(found) if found.is_ignore() => return true,
                Some(found) if found.is_whitelist() => return false,
                _ => above = dir,
            }
        }
        let ends: Vec<usize> = path.match_indices('/').map(|(end, _)| end).chain([path.len()]).collect();
        for (prefix, rules) in &self.outer {
            // Of the path and the folders above it, up to the root: that was opened, whatever the rules say of it.
            let said = ends.iter().rev().map(|end| {
                let whole = if prefix.is_empty() { path[..*end].to_owned() } else { format!("{prefix}/{}", &path[..*end]) };
                rules.matched(whole, *end < path.len())
            });
            if let Some(found) = said.into_iter().find(|found| !found.is_none()) {
                return found.is_ignore();
            }
        }
        false
    }
}

fn outer(root: &Path) -> Vec<(String, Gitignore)> {
    let Some(top) = root.ancestors().find(|dir| dir.join(".git").exists()) else { return Vec::new() };
    let prefix = |dir: &Path| root.strip_prefix(dir).ok().and_then(Path::to_str).unwrap_or_default().to_owned();
    let above = root.ancestors().skip(1).take_while(|dir| dir.starts_with(top));
    let mut outer: Vec<(String, Gitignore)> = above.filter_map(|dir| Some((prefix(dir), rules_of(dir)?))).collect();
    let mut exclude = GitignoreBuilder::new("");
    exclude.add(top.join(".git/info/exclude"));
    let own = [exclude.build().ok(), Some(GitignoreBuilder::new("").build_global().0)];
    outer.extend(own.into_iter().flatten().map(|rules| (prefix(top), rules)));
    outer
}

fn rules_of(dir: &Path) -> Option<Gitignore> {
    // Without a root, globs are matched against paths below `dir`.
    let mut builder = GitignoreBuilder::new("");
    for name in [".gitignore", ".ignore"] {
        // A file that is not there has no rules.
        builder.add(dir.join(name));
    }
    builder.build().ok().filter(|rules| !rules.is_empty())
}

/// A gitignore-style glob that selects files; one without a slash matches at any depth, `!` selects everything else.
pub(super) struct Glob {
    matcher: Gitignore,
    under: WsPath,
    inverted: bool,
}

impl Glob {
    /// Reads a glob; one with a slash counts from `under` or from the workspace folder.
    ///
    /// # Errors
    /// `BadPattern` when it is no glob.
    pub(super) fn new(written: &str, under: &WsPath) -> Result<Self, WorkspaceError> {
        let (inverted, glob) = match written.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        let bad = |why: String| WorkspaceError::BadPattern(format!("{written:?} is not a glob: {why}"));
        let mut builder = GitignoreBuilder::new("");
        // A leading "#" would be a comment.
        let escaped = if glob.starts_with('#') { format!("\\{glob}") } else { glob.to_owned() };
        builder.add_line(None, &escaped).map_err(|e| bad(e.to_string()))?;
        let matcher = builder.build().map_err(|e| bad(e.to_string()))?;
        if matcher.is_empty() {
            return Err(bad("it is empty".into()));
        }
        Ok(Glob { matcher, under: under.clone(), inverted })
    }

    /// Whether a file (path below the workspace folder) is selected, itself or through a folder above it.
    pub(super) fn selects(&self, path: &Path) -> bool {
        let hit = |path: &Path| self.matcher.matched_path_or_any_parents(path, false).is_ignore();
        let found = hit(path) || (!self.under.is_root() && path.strip_prefix(self.under.as_str()).is_ok_and(hit));
        found != self.inverted
    }
}

/// The moment at which a walk gives up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    /// That far from now.
    pub(super) fn after(time: Duration) -> Self {
        Deadline(Instant::now() + time)
    }

    /// Whether it is over.
    pub(super) fn passed(self) -> bool {
        Instant::now() >= self.0
    }
}

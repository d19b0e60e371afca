//! Names in the folder, with the task's own new and deleted files. Sorted by path, so that the same folder gives the same
//! bytes; when there are too many, the upper levels stay, because they tell most.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ignore::{DirEntry, WalkState};

use crate::{
    path::{WsPath, hidden},
    seams::{ListQuery, Listed, Listing, WorkspaceError},
};

use super::{
    disk::Folder,
    overlay::{Over, Overlay},
    walk::{Deadline, Glob, below, walk},
};

/// A walk stops here: a folder with more names is listed by parts.
const MOST: usize = 500_000;
const TIME: Duration = Duration::from_secs(10);

/// Lists what is below a folder. A folder is named only when nothing in it is; symbolic links are named, not followed.
///
/// # Errors
/// [`WorkspaceError`] when `under` is no folder of the workspace or the glob is none.
pub fn list(folder: &Folder, overlay: &Overlay, query: &ListQuery) -> Result<Listing, WorkspaceError> {
    let under = folder.resolve(&query.under)?;
    let glob = query.glob.as_deref().map(|glob| Glob::new(glob, &under)).transpose()?;
    let selects = |path: &Path| glob.as_ref().is_none_or(|glob| glob.selects(path));
    let mut found = match folder.open_dir(&under) {
        Ok(_) => on_disk(folder, &under, query.depth, &|path, is_dir| if is_dir { glob.is_none() } else { selects(path) }),
        // A folder may exist in the overlay alone.
        Err(WorkspaceError::NotFound { .. }) if overlay.keys().any(|path| path != &under && path.is_within(&under)) => {
            BTreeMap::new()
        }
        Err(error) => return Err(error),
    };
    for (path, over) in overlay.iter().filter(|(path, _)| path.is_within(&under) && selects(Path::new(path.as_str()))) {
        let note = match over {
            Over::Text { note, .. } => Some(*note),
            Over::Gone => Some("deleted"),
        };
        add(&mut found, &under, path, query.depth, note, glob.is_none());
    }
    Ok(select(found, query.limit))
}

type Found = BTreeMap<String, Listed>;

fn on_disk(folder: &Folder, under: &WsPath, depth: Option<usize>, selects: &(dyn Fn(&Path, bool) -> bool + Sync)) -> Found {
    let (count, deadline) = (AtomicUsize::new(0), Deadline::after(TIME));
    let all = Mutex::new(BTreeMap::new());
    walk(folder, under, depth).run(|| {
        let mut mine = Batch { all: &all, entries: Vec::new() };
        let (count, selects) = (&count, selects);
        Box::new(move |entry| {
            let Ok(entry) = entry else { return WalkState::Continue };
            let seen = count.fetch_add(1, Ordering::Relaxed);
            if seen > MOST || (seen % 1024 == 0 && deadline.passed()) {
                return WalkState::Quit;
            }
            if entry.depth() > 0
                && let Some(path) = below(folder, entry.path())
            {
                let kind = entry.file_type();
                let is_dir = kind.is_some_and(|kind| kind.is_dir());
                if selects(path, is_dir) {
                    mine.entries.push((path.to_string_lossy().into_owned(), is_dir, note(&entry)));
                }
            }
            WalkState::Continue
        })
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What one thread found; handed over when it is done.
struct Batch<'a> {
    all: &'a Mutex<Found>,
    entries: Vec<(String, bool, Option<&'static str>)>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.entries.drain(..).map(|(path, is_dir, note)| (path.clone(), Listed { path, is_dir, note }));
        all.extend(entries);
    }
}

fn note(entry: &DirEntry) -> Option<&'static str> {
    match entry.file_type() {
        Some(kind) if kind.is_symlink() => Some("symlink"),
        Some(kind) if !kind.is_file() && !kind.is_dir() => Some("not a regular file"),
        _ if entry.file_name().to_str().is_none_or(|name| name.chars().any(hidden)) => Some("its name cannot be used"),
        _ => None,
    }
}

/// Adds an overlaid file, or the folder at the last level that holds it.
fn add(found: &mut Found, under: &WsPath, path: &WsPath, depth: Option<usize>, note: Option<&'static str>, folders: bool) {
    let skip = if under.is_root() { 0 } else { under.as_str().split('/').count() };
    let parts: Vec<&str> = path.as_str().split('/').collect();
    let levels = parts.len() - skip;
    match depth {
        Some(depth) if levels > depth => {
            if folders && depth > 0 && note != Some("deleted") {
                let path = parts[..skip + depth].join("/");
                found.entry(path.clone()).or_insert(Listed { path, is_dir: true, note: None });
            }
        }
        _ => {
            let entry = Listed { path: path.as_str().to_owned(), is_dir: false, note };
            found.insert(entry.path.clone(), entry);
        }
    }
}

/// The upper levels first until the limit, then by path; without the folders whose contents are named.
fn select(found: Found, limit: usize) -> Listing {
    let all = found.len();
    let mut entries: Vec<Listed> = found.into_values().collect();
    if all > limit {
        entries.sort_by_cached_key(|entry| (entry.path.matches('/').count(), entry.path.clone()));
        entries.truncate(limit);
        entries.sort_by(|a, b| a.path.cmp(&b.path));
    }
    let more = all - entries.len();
    let spoken: Vec<bool> = entries
        .iter()
        .enumerate()
        .map(|(at, entry)| entry.is_dir && names_something_in(&entries[at + 1..], &entry.path))
        .collect();
    let mut spoken = spoken.into_iter();
    entries.retain(|_| !spoken.next().unwrap_or(false));
    entries.iter_mut().for_each(|entry| entry.path = shown(&entry.path));
    Listing { entries, more }
}

/// Whether a folder's content follows it in a sorted list (`a-b` stands between `a` and `a/b`).
fn names_something_in(rest: &[Listed], folder: &str) -> bool {
    let inside = format!("{folder}/");
    let at = rest.partition_point(|entry| entry.path < inside);
    rest.get(at).is_some_and(|entry| entry.path.starts_with(&inside))
}

/// A name as one line of visible characters.
pub(super) fn shown(path: &str) -> String {
    if path.chars().any(hidden) {
        path.chars().map(|c| if hidden(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
    } else {
        path.to_owned()
    }
}

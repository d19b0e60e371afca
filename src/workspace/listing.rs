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
    walk::{Deadline, Glob, below, plain, walk},
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
            Found::new()
        }
        Err(error) => return Err(error),
    };
    for (path, over) in overlay.iter().filter(|(path, _)| path.is_within(&under) && selects(Path::new(path.as_str()))) {
        let note = match over {
            Over::Text { note, .. } => *note,
            Over::Gone => Some("deleted"),
        };
        if let Some(entry) = overlaid(&under, path, query.depth, note, glob.is_none()) {
            merge(&mut found, entry);
        }
    }
    Ok(select(found, query.limit))
}

/// Sorted by path.
type Found = Vec<Listed>;

fn on_disk(folder: &Folder, under: &WsPath, depth: Option<usize>, selects: &(dyn Fn(&Path, bool) -> bool + Sync)) -> Found {
    let (count, deadline) = (AtomicUsize::new(0), Deadline::after(TIME));
    let all = Mutex::new(Found::new());
    walk(folder, under, depth).run(|| {
        let mut mine = Batch { all: &all, entries: Vec::new() };
        let (count, selects) = (&count, selects);
        Box::new(move |entry| {
            let Ok(entry) = entry else { return WalkState::Continue };
            let seen = count.fetch_add(1, Ordering::Relaxed);
            if seen > MOST || ((seen + 1) % 1024 == 0 && deadline.passed()) {
                return WalkState::Quit;
            }
            if entry.depth() > 0
                && let Some(path) = below(folder, entry.path())
            {
                let kind = entry.file_type();
                let is_dir = kind.is_some_and(|kind| kind.is_dir());
                if selects(path, is_dir) {
                    let path = path.to_string_lossy().into_owned();
                    mine.entries.push(Listed { path, is_dir, note: note(&entry) });
                }
            }
            WalkState::Continue
        })
    });
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    all
}

/// What one thread found; handed over when it is done.
struct Batch<'a> {
    all: &'a Mutex<Found>,
    entries: Found,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.entries);
    }
}

fn note(entry: &DirEntry) -> Option<&'static str> {
    match entry.file_type() {
        Some(kind) if kind.is_symlink() => Some("symlink"),
        Some(kind) if !kind.is_file() && !kind.is_dir() => Some("not a regular file"),
        _ if !entry.file_name().to_str().is_some_and(plain) => Some("its name cannot be used"),
        _ => None,
    }
}

/// An overlaid file, or the folder at the last level that holds it.
fn overlaid(under: &WsPath, path: &WsPath, depth: Option<usize>, note: Option<&'static str>, folders: bool) -> Option<Listed> {
    let skip = if under.is_root() { 0 } else { under.as_str().split('/').count() };
    let parts: Vec<&str> = path.as_str().split('/').collect();
    match depth {
        Some(depth) if parts.len() - skip > depth => {
            let shown = folders && depth > 0 && note != Some("deleted");
            shown.then(|| Listed { path: parts[..skip + depth].join("/"), is_dir: true, note: None })
        }
        _ => Some(Listed { path: path.as_str().to_owned(), is_dir: false, note }),
    }
}

/// Puts an overlaid entry in its place; a folder that is there already stays as it is.
fn merge(found: &mut Found, entry: Listed) {
    match found.binary_search_by(|other| other.path.cmp(&entry.path)) {
        Ok(_) if entry.is_dir => {}
        Ok(at) => found[at] = entry,
        Err(at) => found.insert(at, entry),
    }
}

/// The upper levels first until the limit; without the folders whose contents are named.
fn select(found: Found, limit: usize) -> Listing {
    let all = found.len();
    let mut entries = if all > limit { upper_levels(found, limit) } else { found };
    let more = all - entries.len();
    let told: Vec<bool> =
        (0..entries.len()).map(|at| entries[at].is_dir && names_something_in(&entries[at + 1..], &entries[at].path)).collect();
    let mut told = told.into_iter();
    entries.retain(|_| !told.next().unwrap_or(false));
    entries.iter_mut().for_each(|entry| entry.path = shown(&entry.path));
    Listing { entries, more }
}

/// `limit` entries: the levels that fit, and of the next one those that come first.
fn upper_levels(mut found: Found, limit: usize) -> Found {
    let level = |entry: &Listed| entry.path.bytes().filter(|byte| *byte == b'/').count();
    let mut sizes = BTreeMap::new();
    found.iter().for_each(|entry| *sizes.entry(level(entry)).or_insert(0) += 1);
    let mut left = limit;
    let last = sizes.into_iter().find(|(_, size)| {
        let fits = *size <= left;
        left -= if fits { *size } else { 0 };
        !fits
    });
    let last = last.map_or(usize::MAX, |(level, _)| level);
    found.retain(|entry| match level(entry).cmp(&last) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        std::cmp::Ordering::Equal => {
            let fits = left > 0;
            left -= usize::from(fits);
            fits
        }
    });
    found
}

/// Whether a folder's content follows it in a sorted list (`a-b` stands between `a` and `a/b`).
fn names_something_in(rest: &[Listed], folder: &str) -> bool {
    let inside = format!("{folder}/");
    let at = rest.partition_point(|entry| entry.path < inside);
    rest.get(at).is_some_and(|entry| entry.path.starts_with(&inside))
}

/// A name as one line of visible characters.
pub(super) fn shown(path: &str) -> String {
    if plain(path) {
        return path.to_owned();
    }
    path.chars().map(|c| if hidden(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

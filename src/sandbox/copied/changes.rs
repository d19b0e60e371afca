//! What commands changed in the copy: a scan of it, against what was put there. Where the state of a file differs, its bytes
//! decide.

use std::{
    collections::{BTreeSet, VecDeque},
    ffi::{OsStr, OsString},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::ffi::OsStrExt,
    path::Path,
};

use super::{
    CopiedShadow, Known, Side,
    listing::{Mark, above, at, join},
    place,
};
use crate::{
    sandbox::{
        changes::{MOST, filled, open_up, stamp},
        entry, taken,
    },
    seams::{Found, Written},
};

/// See [`CopiedShadow::changed`].
pub(super) fn of(shadow: &CopiedShadow) -> io::Result<(Vec<String>, bool, u64)> {
    // A command may have taken the rights of the folder away.
    open_up(&shadow.copy, &shadow.copy.symlink_metadata()?);
    let (mut changed, mut seen, mut git) = (Vec::new(), BTreeSet::new(), Vec::new());
    let mut closed = BTreeSet::new();
    let mut folders = VecDeque::from([OsString::new()]);
    while let Some(folder) = folders.pop_front() {
        let entries = match fs::read_dir(at(&shadow.copy, &folder)) {
            // A command went deeper than a path can be long; what it put in there is its own affair.
            Err(_) if !folder.is_empty() => {
                if changed.len() < MOST {
                    changed.push(folder.clone());
                }
                closed.insert(folder);
                continue;
            }
            entries => entries?,
        };
        for entry in entries {
            let (entry, full) = (entry?, changed.len() >= MOST);
            let name = entry.file_name();
            let path = join(&folder, &name);
            if name == ".git" {
                git.push(path);
                continue;
            }
            let Ok(about) = entry.metadata() else { continue };
            let known = shadow.known.get(&path);
            seen.insert(path.clone());
            if about.is_dir() {
                open_up(&entry.path(), &about);
                if known.is_some_and(|known| !matches!(known.side, Side::Folder | Side::Gone)) && !full {
                    changed.push(path.clone());
                }
                // Folders that are the user's are looked through in any case: something may be missing in them.
                let is_users = known.is_some_and(|known| known.side == Side::Folder);
                let filled =
                    if is_users { None } else { path.to_str().and_then(|path| filled(&shadow.copy, &shadow.folder, path)) };
                match filled {
                    Some(named) if !full => changed.push(named.into()),
                    Some(_) => {}
                    None if known.is_some() || !full => folders.push_back(path),
                    None => {}
                }
            } else if !full && !known.is_some_and(|known| is_same(shadow, &path, known, &Mark::of(&about))) {
                changed.push(path);
            }
        }
    }
    let missing = shadow.known.iter().filter(|(path, known)| known.side != Side::Gone && !seen.contains(*path));
    let mut gone = BTreeSet::new();
    for (path, _) in missing.filter(|(path, _)| !is_git(path)) {
        if above(path).iter().any(|parent| closed.contains(parent)) {
            continue;
        }
        // A folder stands for everything that was in it; where something else stands in its place, that was named already.
        let parents = above(path);
        match parents.iter().find(|parent| !at(&shadow.copy, parent).symlink_metadata().is_ok_and(|about| about.is_dir())) {
            Some(parent) if seen.contains(parent) => {}
            Some(parent) => drop(gone.insert(parent.clone())),
            None => drop(gone.insert(path.clone())),
        }
    }
    // An empty folder is nothing that anybody would propose to delete.
    let is_file = |path: &OsString| below(shadow, path).any(|(_, known)| known.copy.is_some());
    let room = MOST.saturating_sub(changed.len());
    changed.extend(gone.into_iter().filter(is_file).take(room));
    let unlisted = changed.len() >= MOST;
    let mut changed: Vec<String> = changed.into_iter().map(|path| path.to_string_lossy().into_owned()).collect();
    changed.sort();
    // Names that are not UTF-8 may be shown alike.
    changed.dedup();
    Ok((changed, unlisted, in_git(shadow, git)))
}

/// What the user's side has at a path and below it.
fn below<'a>(shadow: &'a CopiedShadow, path: &'a OsStr) -> impl Iterator<Item = (&'a OsString, &'a Known)> {
    // `a-b` stands between `a` and `a/b`.
    let alike = shadow.known.range(path.to_owned()..).take_while(|(other, _)| other.as_bytes().starts_with(path.as_bytes()));
    alike.filter(move |(other, _)| Path::new(other).starts_with(path))
}

/// A number for the files in git's folders that are not as they were put there, whatever the order in which they are read; up to
/// [`MOST`] are looked at. Reading commands refresh the index.
fn in_git(shadow: &CopiedShadow, mut left: Vec<OsString>) -> u64 {
    let (mut sum, mut looked) = (0u64, 0);
    let gone = |path: &OsStr| shadow.real(path).is_none_or(|there| there.symlink_metadata().is_err());
    for (path, _) in below(shadow, OsStr::new(".git")).filter(|(path, known)| known.copy.is_some() && gone(path)) {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        sum = sum.wrapping_add(hasher.finish());
    }
    while let Some(path) = left.pop() {
        let there = at(&shadow.copy, &path);
        let Ok(about) = there.symlink_metadata() else { continue };
        if about.is_dir() {
            left.extend(fs::read_dir(&there).into_iter().flatten().flatten().map(|entry| join(&path, &entry.file_name())));
            continue;
        }
        let is_index = Path::new(&path).file_name().is_some_and(|name| name == "index" || name == "index.lock");
        let as_put = shadow.known.get(&path).is_some_and(|known| known.copy == Some(Mark::of(&about)));
        looked += 1;
        if looked > MOST {
            break;
        }
        if !is_index && !as_put {
            sum = sum.wrapping_add(stamp(&about));
        }
    }
    sum
}

/// See [`CopiedShadow::written`].
pub(super) fn written(shadow: &CopiedShadow, path: &str, most: u64) -> Written {
    let key = OsString::from(path);
    let there = shadow.real(&key).unwrap_or_else(|| at(&shadow.copy, &key));
    match shadow.real(&key).map(|there| there.symlink_metadata()) {
        Some(Ok(about)) => {
            let found = taken::found(&there, &about, most);
            Written { path: path.to_owned(), found, stamp: stamp(&about) }
        }
        _ if shadow.known.range(key.clone()..).next().is_some_and(|(other, _)| Path::new(other).starts_with(path)) => {
            Written { path: path.to_owned(), found: Found::Gone, stamp: 0 }
        }
        // A name that is not UTF-8 is found under another one.
        _ => Written { path: path.to_owned(), found: Found::Other("not readable under this name"), stamp: 0 },
    }
}

/// Whether the copy of a path is as it was put there.
fn is_same(shadow: &CopiedShadow, path: &OsStr, known: &Known, now: &Mark) -> bool {
    let Some(before) = &known.copy else { return false };
    if before == now {
        return true;
    }
    let (here, there) = (at(&shadow.folder, path), at(&shadow.copy, path));
    match &known.side {
        // What stood on the disk is known only as long as it stands there.
        Side::Disk(mark) => {
            here.symlink_metadata().is_ok_and(|about| Mark::of(&about) == *mark) && place::equal(&here, &there).unwrap_or(false)
        }
        Side::Text(stamp) => entry::read(&there).is_ok_and(|entry| entry.stamp() == *stamp),
        // Nobody may read what it holds, commands and their results included.
        Side::Hidden | Side::Linked | Side::Folder | Side::Gone => false,
    }
}

fn is_git(path: &OsStr) -> bool {
    Path::new(path).iter().any(|part| part == ".git")
}

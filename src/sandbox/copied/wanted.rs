//! What the copy must hold, from all that the user's side says: the disk, over it buffers and hunks, over these the secrets that
//! are hidden.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt,
    path::Path,
};

use super::{
    Synced,
    listing::{self, Found, Mark, above, at, join},
    progress::Progress,
    repository::{self, Repository},
};
use crate::{
    sandbox::entry::{Entry, mode_on_disk},
    seams::Shadow,
};

/// One path of it.
pub(super) enum Wanted<'a> {
    Disk(Mark),
    Symlink(Mark),
    Text(Entry<'a>),
    Folder,
    /// Not copied: a link leads to it.
    Linked,
    Hidden,
    Gone,
}

pub(super) struct Wants<'a> {
    pub entries: BTreeMap<OsString, Wanted<'a>>,
    pub repository: Repository,
    pub synced: Synced,
}

/// # Errors
/// When it is not wanted any more.
pub(super) fn of<'a>(folder: &Path, shadow: &'a Shadow, progress: &Progress) -> io::Result<Wants<'a>> {
    let mut repository = repository::of(folder);
    let mut entries = BTreeMap::new();
    for (path, found) in listing::of(folder, progress)?.into_iter().chain(std::mem::take(&mut repository.listing)) {
        let wanted = match found {
            Found::File(mark) => Wanted::Disk(mark),
            Found::Symlink(mark) => Wanted::Symlink(mark),
            Found::Folder => Wanted::Folder,
            Found::Ignored => Wanted::Linked,
        };
        // A submodule may lie where nothing is copied.
        if above(&path).last().is_none_or(|parent| matches!(entries.get(parent), Some(Wanted::Folder))) {
            entries.insert(path, wanted);
        }
    }
    for (path, text) in std::mem::take(&mut repository.texts) {
        entries.insert(path, Wanted::Text(Entry::File { content: text.into_bytes().into(), mode: 0o644 }));
    }
    for file in shadow.files.iter().filter(|file| !file.path.is_root()) {
        let path = OsString::from(file.path.as_str());
        unlink_above(folder, &mut entries, &path);
        let wanted = match &file.content {
            Some(content) => {
                let mode = file.mode.unwrap_or_else(|| mode_on_disk(&at(folder, &path)));
                Wanted::Text(Entry::File { content: content.into(), mode })
            }
            None => Wanted::Gone,
        };
        entries.insert(path, wanted);
    }
    let mut synced = Synced { objects: std::mem::take(&mut repository.objects), ..Synced::default() };
    for secret in shadow.masked.iter().filter(|path| !path.is_root()) {
        let path = OsString::from(secret.as_str());
        if !entries.contains_key(&path) && at(folder, &path).symlink_metadata().is_err() {
            continue;
        }
        synced.hidden.push(secret.to_string());
        if above(&path).iter().any(|parent| matches!(entries.get(parent), Some(Wanted::Linked))) {
            synced.secret.push(at(folder, &path));
        } else {
            entries.insert(path, Wanted::Hidden);
        }
    }
    let linked = entries.iter().filter(|(_, wanted)| matches!(wanted, Wanted::Linked)).map(|(path, _)| at(folder, path));
    synced.linked = linked.collect();
    Ok(Wants { entries, repository, synced })
}

/// Makes folders above a path that are linked to folders of the copy, whose entries are linked to in turn: then the path can
/// have a text of its own.
fn unlink_above(folder: &Path, entries: &mut BTreeMap<OsString, Wanted<'_>>, path: &OsStr) {
    for parent in above(path) {
        if !matches!(entries.get(&parent), Some(Wanted::Linked)) {
            continue;
        }
        for entry in fs::read_dir(at(folder, &parent)).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if !name.as_bytes().is_empty() && entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_file()) {
                entries.insert(join(&parent, &name), Wanted::Linked);
            }
        }
        entries.insert(parent, Wanted::Folder);
    }
}

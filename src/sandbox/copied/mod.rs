//! The shadow where no overlay can be mounted: a copy of the workspace, kept warm. Between commands a scan of the disk brings
//! over what changed there, and the buffers and hunks as they stand.
//!
//! One rule, as for the overlay: the newest text of the user's side wins. Where what the disk, a buffer or a hunk says of a
//! path changed since the last command, what commands did there is dropped; paths that nobody touched keep it.
//!
//! Commands may have put links anywhere in the copy. Nothing here follows one: folders above a path are looked at first. No
//! command runs meanwhile.
//!
//! It owns the shadow's folders and reads the workspace, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

mod changes;
mod listing;
mod place;
mod progress;
mod reach;
mod repository;
mod wanted;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use self::{
    listing::{Mark, above, at},
    place::Placed,
    wanted::{Wanted, Wants},
};
use super::{
    entry::{self, Stamp},
    removals::{self, Removals},
};
use crate::{
    path::WsPath,
    seams::{Shadow, Written},
};

pub(super) use {
    place::equal,
    progress::Progress,
    reach::{Reach, place_of},
};

/// What the user's side said of a path when the copy was last brought up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Side {
    /// A file or symbolic link of the disk.
    Disk(Mark),
    /// A text that the disk does not have.
    Text(Stamp),
    Folder,
    /// A link to what is not copied.
    Linked,
    /// A secret: an empty file that nobody may read.
    Hidden,
    /// Deleted by the proposal.
    Gone,
}

#[derive(Clone, Debug)]
struct Known {
    side: Side,
    /// The state of the copy as it was put there; none for what is no file.
    copy: Option<Mark>,
}

/// The copied shadow of one session; its folders go when it is dropped.
#[derive(Debug)]
pub(super) struct CopiedShadow {
    root: PathBuf,
    /// Held while the session lives: what nobody holds is swept.
    lock: Option<fs::File>,
    removals: Arc<Removals>,
    /// The workspace folder.
    folder: PathBuf,
    /// Where commands see it.
    copy: PathBuf,
    known: BTreeMap<OsString, Known>,
}

/// What the copy does not hold, and commands must be told or let read.
#[derive(Debug, Default)]
pub(super) struct Synced {
    /// Secret files that are hidden now.
    pub hidden: Vec<String>,
    /// Folders and files of the workspace that are readable in their own place.
    pub linked: Vec<PathBuf>,
    /// Secret files in them.
    pub secret: Vec<PathBuf>,
    /// Where git's objects lie.
    pub objects: Vec<PathBuf>,
}

impl CopiedShadow {
    /// Makes its folders below `cache` (0700); nothing is copied yet.
    pub(super) fn create(cache: &Path, folder: &Path, removals: Arc<Removals>) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(cache)?;
        let root = cache.join(format!("shadow-{}", uuid::Uuid::now_v7()));
        let lock = removals::lock(&root)?;
        fs::DirBuilder::new().mode(0o700).create(&root)?;
        let copy = root.join("workspace").join(folder.file_name().unwrap_or(OsStr::new("root")));
        let this = CopiedShadow { root, lock: Some(lock), removals, folder: folder.to_owned(), copy, known: BTreeMap::new() };
        fs::create_dir_all(&this.copy)?;
        Ok(this)
    }

    /// Holds all of it.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where commands see the workspace.
    pub(super) fn copy(&self) -> &Path {
        &self.copy
    }

    /// The private home of the next command.
    pub(super) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// The private folder for its temporary files.
    pub(super) fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// What the copy takes as the user's side put it there, bytes.
    pub(super) fn takes(&self) -> u64 {
        self.known.values().map(|known| known.copy.map_or(4096, |mark| mark.takes)).sum()
    }

    /// Brings the copy to what disk and `shadow` say.
    ///
    /// # Errors
    /// What a file of the copy could not be written for, its path in front; or that it was given up. The next call goes on
    /// where this one ended.
    pub(super) fn sync(&mut self, shadow: &Shadow, progress: &Progress) -> io::Result<Synced> {
        let Wants { entries, repository, synced } = wanted::of(&self.folder, shadow, progress)?;
        let left: Vec<OsString> = self.known.keys().filter(|path| !entries.contains_key(*path)).rev().cloned().collect();
        for path in left {
            self.leave(&path)?;
        }
        let mut copies = Vec::new();
        let mut folders = BTreeSet::new();
        for (path, wanted) in &entries {
            progress.wanted()?;
            if self.stands(path, wanted) {
                continue;
            }
            self.make_way(path, wanted, &mut folders)?;
            // Should this end half-way, nothing stands there.
            self.known.remove(path);
            match wanted {
                Wanted::Disk(_) | Wanted::Symlink(_) => copies.push((path, repository.source(&self.folder, path), wanted)),
                _ => {
                    let known = self.put(path, wanted)?;
                    self.known.insert(path.clone(), known);
                }
            }
        }
        self.room_for(
            copies.iter().filter_map(|(.., wanted)| if let Wanted::Disk(mark) = wanted { Some(mark.takes) } else { None }).sum(),
        )?;
        progress.begin(copies.len());
        let (copied, all) = self.copy_all(&copies, progress);
        self.known.extend(copied);
        all.map(|()| synced)
    }

    /// What commands changed, in name order; where there are more than the session lists, those nearest to the root. Whether
    /// there are; and a number for what they wrote to git's own folders, but for the index; 0 when nothing.
    pub(super) fn changed(&self) -> io::Result<(Vec<String>, bool, u64)> {
        changes::of(self)
    }

    /// What commands left at paths that `changed` named; files up to `most` bytes each with their content.
    pub(super) fn written(&self, paths: &[String], most: u64) -> Vec<Written> {
        paths.iter().map(|path| changes::written(self, path, most)).collect()
    }

    /// These paths are the proposal's from now on; the next `sync` says whether it still has them.
    pub(super) fn take(&mut self, paths: &[WsPath]) -> io::Result<()> {
        for path in paths.iter().filter(|path| !path.is_root()) {
            let key = OsString::from(path.as_str());
            let there = self.real(&key).filter(|there| there.symlink_metadata().is_ok());
            let known = match there {
                Some(there) if there.symlink_metadata()?.is_file() => {
                    let copy = Some(Mark::of(&there.symlink_metadata()?));
                    Known { side: Side::Text(entry::read(&there)?.stamp()), copy }
                }
                // The file went, which is in the proposal; a folder in its place is not.
                Some(there) if !there.symlink_metadata()?.is_dir() => continue,
                _ => Known { side: Side::Gone, copy: None },
            };
            self.known.insert(key, known);
        }
        Ok(())
    }

    /// Where a path stands in the copy, if the folders above it are folders.
    fn real(&self, path: &OsStr) -> Option<PathBuf> {
        let is_folder = |parent: &OsString| at(&self.copy, parent).symlink_metadata().is_ok_and(|about| about.is_dir());
        above(path).iter().all(is_folder).then(|| at(&self.copy, path))
    }

    /// Whether the user's side says what it said before.
    fn stands(&mut self, path: &OsStr, wanted: &Wanted<'_>) -> bool {
        let Some(known) = self.known.get_mut(path) else { return false };
        match (&known.side, wanted) {
            (Side::Disk(before), Wanted::Disk(now) | Wanted::Symlink(now)) => before == now,
            // Saved: no change. The copy keeps its time, and what commands did to it.
            (Side::Text(before), Wanted::Disk(now)) => {
                let same = entry::read(&at(&self.folder, path)).is_ok_and(|entry| entry.stamp() == *before);
                if same {
                    known.side = Side::Disk(*now);
                }
                same
            }
            (Side::Text(before), Wanted::Text(entry)) => *before == entry.stamp(),
            (Side::Folder, Wanted::Folder) | (Side::Linked, Wanted::Linked) => true,
            (Side::Hidden, Wanted::Hidden) | (Side::Gone, Wanted::Gone) => true,
            _ => false,
        }
    }

    /// A path that the user's side no longer has.
    fn leave(&mut self, path: &OsStr) -> io::Result<()> {
        let known = self.known.remove(path);
        let Some(there) = self.real(path) else { return Ok(()) };
        match known.map(|known| known.side) {
            // What commands made in it stays.
            Some(Side::Folder) => drop(fs::remove_dir(&there)),
            Some(Side::Gone) | None => {}
            Some(_) => entry::remove(&there).map_err(|e| named(&there, &e))?,
        }
        // A folder above it that was made for it alone would be one that nobody made.
        let made = above(path).into_iter().rev().take_while(|parent| !self.known.contains_key(parent));
        made.map(|parent| fs::remove_dir(at(&self.copy, &parent))).take_while(Result::is_ok).for_each(drop);
        Ok(())
    }

    /// Makes folders above a path and takes away what stands at it. `made` are folders that were seen to.
    fn make_way(&self, path: &OsStr, wanted: &Wanted<'_>, made: &mut BTreeSet<OsString>) -> io::Result<()> {
        for parent in above(path) {
            if made.contains(&parent) {
                continue;
            }
            make_folder(&at(&self.copy, &parent), &at(&self.folder, &parent))?;
            made.insert(parent);
        }
        let there = at(&self.copy, path);
        let is_folder = there.symlink_metadata().is_ok_and(|about| about.is_dir());
        if matches!(wanted, Wanted::Folder) && is_folder {
            return Ok(());
        }
        made.remove(path);
        entry::remove(&there).map_err(|e| named(&there, &e))
    }

    /// Puts what is no copy of a file.
    fn put(&self, path: &OsStr, wanted: &Wanted<'_>) -> io::Result<Known> {
        let (there, here) = (at(&self.copy, path), at(&self.folder, path));
        let mark = || there.symlink_metadata().map(|about| Some(Mark::of(&about)));
        let put = || -> io::Result<Known> {
            Ok(match wanted {
                Wanted::Text(text) => {
                    entry::write(&there, text)?;
                    Known { side: Side::Text(text.stamp()), copy: mark()? }
                }
                Wanted::Hidden => Known { side: Side::Hidden, copy: Some(place::nothing(&there)?) },
                Wanted::Linked => {
                    std::os::unix::fs::symlink(&here, &there)?;
                    Known { side: Side::Linked, copy: mark()? }
                }
                Wanted::Folder => {
                    make_folder(&there, &here)?;
                    Known { side: Side::Folder, copy: None }
                }
                Wanted::Gone | Wanted::Disk(_) | Wanted::Symlink(_) => Known { side: Side::Gone, copy: None },
            })
        };
        put().map_err(|e| named(&there, &e))
    }

    /// Copies files and links, several at a time: what was copied, and whether that is all.
    fn copy_all(
        &self,
        copies: &[(&OsString, PathBuf, &Wanted<'_>)],
        progress: &Progress,
    ) -> (Vec<(OsString, Known)>, io::Result<()>) {
        let done = Mutex::new(Vec::with_capacity(copies.len()));
        let share = copies.len().div_ceil(listing::threads()).max(64);
        let all: io::Result<()> = thread::scope(|scope| {
            let work = |part: &[(&OsString, PathBuf, &Wanted<'_>)]| -> io::Result<()> {
                let mut own = Vec::with_capacity(part.len());
                let copied = part.iter().try_for_each(|(path, from, wanted)| {
                    progress.wanted()?;
                    own.extend(self.copy_one(path, from, wanted, progress)?.map(|known| ((*path).clone(), known)));
                    progress.one();
                    Ok(())
                });
                done.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
                copied
            };
            let workers: Vec<_> = copies.chunks(share).map(|part| scope.spawn(move || work(part))).collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(io::Error::other("a copy ended early"))))
        });
        (done.into_inner().unwrap_or_else(PoisonError::into_inner), all)
    }

    fn copy_one(&self, path: &OsStr, from: &Path, wanted: &Wanted<'_>, progress: &Progress) -> io::Result<Option<Known>> {
        let to = at(&self.copy, path);
        let copied = match wanted {
            Wanted::Symlink(source) => place::link(from, &to, &self.folder, &self.copy)
                .map(|copy| copy.map(|copy| Known { side: Side::Disk(*source), copy: Some(copy) })),
            _ => place::file(from, &to, progress)
                .map(|placed| placed.map(|Placed { source, copy }| Known { side: Side::Disk(source), copy: Some(copy) })),
        };
        copied.map_err(|e| {
            // Half a file is nothing that anybody wrote.
            let _ = fs::remove_file(&to);
            named(&to, &e)
        })
    }

    /// # Errors
    /// When the disk would be nearly full after that.
    fn room_for(&self, bytes: u64) -> io::Result<()> {
        let room = place::room(&rustix::fs::statvfs(&self.root)?);
        if bytes.saturating_add(place::LEFT) <= room {
            return Ok(());
        }
        let [needed, room] = [bytes >> 20, room >> 20];
        Err(io::Error::other(format!("it needs {needed} MiB and {} has {room} MiB left", self.root.display())))
    }
}

impl Drop for CopiedShadow {
    fn drop(&mut self) {
        self.removals.start(self.root.clone(), self.lock.take());
    }
}

/// A folder with the mode of its original, whatever stands there.
fn make_folder(there: &Path, original: &Path) -> io::Result<()> {
    if there.symlink_metadata().is_ok_and(|about| about.is_dir()) {
        return Ok(());
    }
    let mode = fs::metadata(original).map_or(0o755, |about| about.permissions().mode() & 0o777);
    let make = || {
        entry::remove(there)?;
        fs::create_dir(there)?;
        // Its owner must be able to fill it.
        fs::set_permissions(there, fs::Permissions::from_mode(mode | 0o700))
    };
    make().map_err(|e| named(there, &e))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

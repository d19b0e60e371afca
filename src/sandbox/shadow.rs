//! A session's shadow on disk: `layer` (what the user typed and the task staged), `upper` (what commands wrote), `work`.
//!
//! The newest text of the user's side wins: where the content of a path in `layer` changed since the last command, what an
//! earlier command wrote there is dropped; so it is where the disk changed beneath it. Paths that nobody touched keep what
//! commands wrote. A file of `layer` is written only when its content differs, so that its modification time tells build tools
//! the truth.
//!
//! It owns the shadow's folders, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{XattrFlags, removexattr, setxattr},
    io::Errno,
};

use super::{
    changes::{self, Change, Changes, Is, OPAQUE, is_opaque, is_whiteout, stamp},
    copied::equal,
    entry::{Entry, Stamp, mode_on_disk, read, remove, write},
    removals::{self, Removals},
};
use crate::{
    path::WsPath,
    seams::{Shadow, ShadowFile},
};

/// Tells whether the file system knows such attributes.
const PROBE: &str = "user.countersign.probe";

/// The shadow of one session; its folders go when it is dropped.
#[derive(Debug)]
pub(super) struct ShadowFolders {
    root: PathBuf,
    /// Held while the session lives: what nobody holds is swept.
    lock: Option<fs::File>,
    removals: Arc<Removals>,
    /// What the layer holds, by path.
    pub(super) stamps: BTreeMap<WsPath, Stamp>,
    /// What the last command left in `upper`, by path, but for what the layer holds as well.
    noted: BTreeMap<String, Noted>,
    /// The workspace folder, once it is known.
    pub(super) folder: PathBuf,
}

/// Something that commands wrote.
#[derive(Clone, Copy, Debug)]
struct Noted {
    /// Its stamp, and that of what the disk has there.
    stamp: u64,
    beneath: u64,
    /// It holds what the disk holds.
    same: bool,
}

impl ShadowFolders {
    /// Makes the folders below `cache` (0700).
    pub(super) fn create(cache: &Path, removals: Arc<Removals>) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(cache)?;
        let root = cache.join(format!("shadow-{}", uuid::Uuid::now_v7()));
        let lock = removals::lock(&root)?;
        fs::DirBuilder::new().mode(0o700).create(&root)?;
        let (stamps, noted) = Default::default();
        let this = ShadowFolders { root, lock: Some(lock), removals, stamps, noted, folder: PathBuf::new() };
        for folder in [this.layer(), this.upper(), this.work()] {
            fs::DirBuilder::new().mode(0o755).create(folder)?;
        }
        Ok(this)
    }

    /// Holds all of it.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn layer(&self) -> PathBuf {
        self.root.join("layer")
    }

    pub(super) fn upper(&self) -> PathBuf {
        self.root.join("upper")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// Brings `layer` to what `shadow` says, with `rebuilt` configuration over the disk's; the secret files hidden now.
    pub(super) fn sync(&mut self, folder: &Path, shadow: &Shadow, rebuilt: &[(WsPath, String)]) -> io::Result<Vec<String>> {
        self.mirror_root(folder)?;
        self.folder = folder.to_owned();
        let mut wanted: BTreeMap<WsPath, Entry<'_>> = BTreeMap::new();
        for ShadowFile { path, content, mode } in &shadow.files {
            let entry = match content {
                Some(content) => Entry::File {
                    content: content.into(),
                    mode: mode.unwrap_or_else(|| mode_on_disk(&folder.join(path.as_str()))),
                },
                None => Entry::Gone,
            };
            wanted.insert(path.clone(), entry);
        }
        wanted.remove(&WsPath::root());
        for (path, text) in rebuilt {
            wanted.insert(path.clone(), Entry::File { content: text.as_bytes().into(), mode: 0o644 });
        }
        let hidden: Vec<&WsPath> = shadow
            .masked
            .iter()
            .filter(|path| !path.is_root())
            .filter(|path| wanted.contains_key(*path) || folder.join(path.as_str()).symlink_metadata().is_ok())
            .collect();
        for path in &hidden {
            // Nobody may read it, and there is nothing to be read.
            wanted.insert((*path).clone(), Entry::File { content: Cow::Borrowed(&[]), mode: 0 });
        }
        let left: Vec<WsPath> = self.stamps.keys().filter(|path| !wanted.contains_key(*path)).cloned().collect();
        for path in left {
            self.leave(folder, &path)?;
        }
        self.give_way()?;
        for (path, entry) in &wanted {
            self.place(folder, path, entry)?;
        }
        Ok(hidden.into_iter().map(ToString::to_string).collect())
    }

    /// What commands changed, without what is equal to the user's own text; a folder where it took the place of something.
    /// Whether there is more; and the number for what they wrote to git's own folders.
    pub(super) fn changed(&mut self) -> io::Result<(Vec<String>, bool, u64)> {
        // A command may have taken the rights of the folder away.
        self.mirror_root(&self.folder)?;
        let (mut paths, mut noted, mut replaced) = (Vec::new(), BTreeMap::new(), HashSet::new());
        let Changes { listed, unlisted, git, in_git } = changes::of(&self.upper(), &self.folder)?;
        for change in listed {
            let same = match WsPath::from_disk(&change.path).and_then(|path| self.stamps.get(&path)) {
                Some(stamp) => read(&self.upper().join(&change.path)).is_ok_and(|entry| entry.stamp() == *stamp),
                None if change.is == Is::Opaque => {
                    let beneath = |root: &Path| root.join(&change.path).symlink_metadata().is_ok();
                    !beneath(&self.folder) && !beneath(&self.layer())
                }
                None if change.is == Is::Filled => false,
                None => {
                    let note = self.note(&change);
                    noted.insert(change.path.clone(), note);
                    // With a folder that was made anew stands all that is in it: the rest of what it held went.
                    note.same && !change.path.match_indices('/').any(|(end, _)| replaced.contains(&change.path[..end]))
                }
            };
            if same {
                continue;
            }
            if change.is == Is::Opaque {
                replaced.insert(change.path.clone());
            }
            paths.push(change.path);
        }
        for path in in_git {
            let beneath = self.beneath(&path);
            noted.insert(path, Noted { stamp: 0, beneath, same: false });
        }
        self.noted = noted;
        Ok((paths, unlisted, git))
    }

    /// What is to be known of something that commands wrote; bytes are compared when it, or the disk, was changed.
    fn note(&self, change: &Change) -> Noted {
        let (stamp, beneath) = (change.stamp, self.beneath(&change.path));
        let before = self.noted.get(&change.path).filter(|noted| (noted.stamp, noted.beneath) == (stamp, beneath));
        let (here, there) = (self.folder.join(&change.path), self.upper().join(&change.path));
        let equal = || mode_on_disk(&here) == mode_on_disk(&there) && equal(&here, &there).unwrap_or(false);
        let same = before.map_or_else(|| change.is == Is::Written && equal(), |noted| noted.same);
        Noted { stamp, beneath, same }
    }

    /// The stamp of what the disk has at a path; a folder is a folder, whatever is in it.
    fn beneath(&self, path: &str) -> u64 {
        match self.folder.join(path).symlink_metadata() {
            Ok(about) if about.is_dir() => 1,
            Ok(about) => stamp(&about),
            Err(_) => 0,
        }
    }

    /// Drops what commands wrote where the disk was changed since.
    fn give_way(&mut self) -> io::Result<()> {
        let newer = |(path, noted): &(&String, &Noted)| self.beneath(path) != noted.beneath;
        let newer: Vec<String> = self.noted.iter().filter(newer).map(|(path, _)| path.clone()).collect();
        for path in newer {
            self.noted.remove(&path);
            if let Some(path) = WsPath::from_disk(&path).filter(|path| !self.stamps.contains_key(path)) {
                self.forget_written(&path)?;
            }
        }
        Ok(())
    }

    /// What commands did to a path, or to it with a folder above it, was never done.
    fn forget_written(&self, path: &WsPath) -> io::Result<()> {
        self.uncover(path)?;
        if let Some(there) = self.in_upper(path) {
            remove(&there)?;
            remove_empty(&self.upper(), path);
        }
        Ok(())
    }

    /// The layer hides the folder's own mode; so it takes it over.
    pub(super) fn mirror_root(&self, folder: &Path) -> io::Result<()> {
        // A folder that its owner may not write gets a shadow all the same, and that one must take what is laid into it.
        let mode = fs::metadata(folder)?.permissions().mode() & 0o7777 | 0o700;
        for root in [self.layer(), self.upper()] {
            // Each time it is set, the disk has something to write.
            if fs::metadata(&root)?.permissions().mode() & 0o7777 != mode {
                fs::set_permissions(root, fs::Permissions::from_mode(mode))?;
            }
        }
        Ok(())
    }

    /// Puts one path into the layer unless it stands there already.
    fn place(&mut self, folder: &Path, path: &WsPath, entry: &Entry<'_>) -> io::Result<()> {
        let stamp = entry.stamp();
        if self.stamps.get(path) == Some(&stamp) {
            return Ok(());
        }
        let target = self.layer().join(path.as_str());
        self.folders_above(folder, path)?;
        remove(&target)?;
        write(&target, entry)?;
        self.win(path, entry)?;
        self.stamps.insert(path.clone(), stamp);
        Ok(())
    }

    /// A path that the user's side no longer has: saved, or given up. Where the disk now says the same, commands' work stays.
    fn leave(&mut self, folder: &Path, path: &WsPath) -> io::Result<()> {
        remove(&self.layer().join(path.as_str()))?;
        // An empty one would be a folder that nobody made.
        remove_empty(&self.layer(), path);
        let on_disk = read(&folder.join(path.as_str())).map(|entry| entry.stamp());
        let before = self.stamps.remove(path);
        if on_disk.ok() == before { Ok(()) } else { self.forget_written(path) }
    }

    /// Where `path` stands in `upper`, if its folders do. Commands wrote them: a link among them may lead anywhere, and is
    /// never followed.
    pub(super) fn in_upper(&self, path: &WsPath) -> Option<PathBuf> {
        let real = |parent: &WsPath| self.upper().join(parent.as_str()).symlink_metadata().is_ok_and(|found| found.is_dir());
        above(path).iter().all(real).then(|| self.upper().join(path.as_str()))
    }

    /// Folders of the layer above `path`, with the modes of those on disk.
    pub(super) fn folders_above(&self, folder: &Path, path: &WsPath) -> io::Result<()> {
        for parent in above(path) {
            let target = self.layer().join(parent.as_str());
            if target.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                continue;
            }
            remove(&target)?;
            fs::create_dir(&target)?;
            // As the root: also where the disk lets nobody write.
            let mode = fs::metadata(folder.join(parent.as_str())).map_or(0o755, |found| found.permissions().mode() & 0o7777);
            fs::set_permissions(&target, fs::Permissions::from_mode(mode | 0o700))?;
        }
        Ok(())
    }

    /// Makes what commands wrote give way to the layer at `path`.
    fn win(&self, path: &WsPath, entry: &Entry<'_>) -> io::Result<()> {
        // Once a folder is opaque, everything below it must stand in `upper` itself.
        let mut opaque = false;
        for parent in above(path) {
            let there = self.upper().join(parent.as_str());
            match there.symlink_metadata() {
                Ok(found) if found.is_dir() => {
                    opaque |= is_opaque(&there);
                }
                // The folder was deleted: it comes back with nothing but this path in it.
                Ok(found) if is_whiteout(&found) => {
                    remove(&there)?;
                    self.folder_in_upper(&parent)?;
                    setxattr(&there, OPAQUE, b"y", XattrFlags::empty())?;
                    opaque = true;
                }
                Ok(_) if opaque => {
                    remove(&there)?;
                    self.folder_in_upper(&parent)?;
                }
                Ok(_) => return remove(&there),
                Err(_) if opaque => self.folder_in_upper(&parent)?,
                Err(_) => return Ok(()),
            }
        }
        let there = self.upper().join(path.as_str());
        remove(&there)?;
        // Below an opaque folder the layers beneath are not seen.
        if opaque && let Entry::File { .. } = entry { write(&there, entry) } else { Ok(()) }
    }
    /// A folder of `upper` with the mode that it has in the layer.
    fn folder_in_upper(&self, path: &WsPath) -> io::Result<()> {
        let there = self.upper().join(path.as_str());
        fs::create_dir(&there)?;
        fs::set_permissions(there, fs::metadata(self.layer().join(path.as_str()))?.permissions())
    }
    /// Whether this file system can hold an upper layer, found out by doing: whiteouts and user attributes.
    pub(super) fn probe(&self) -> Result<(), String> {
        let file = self.root.join("probe");
        let tried = write(&file, &Entry::Gone);
        let _ = fs::remove_file(&file);
        tried.map_err(|e| format!("no whiteouts on the file system of {}: {e}", self.root.display()))?;
        match setxattr(self.upper(), PROBE, b"y", XattrFlags::empty()) {
            Ok(()) => removexattr(self.upper(), PROBE).map_err(|e| format!("{}: {e}", self.root.display())),
            Err(Errno::NOTSUP) => Err(format!("no user attributes on the file system of {}", self.root.display())),
            Err(error) => Err(format!("{}: {error}", self.root.display())),
        }
    }
}

impl Drop for ShadowFolders {
    fn drop(&mut self) {
        self.removals.start(self.root.clone(), self.lock.take());
    }
}

/// Removes the folders above a path that hold nothing.
fn remove_empty(root: &Path, path: &WsPath) {
    let _ = above(path).iter().rev().try_for_each(|parent| fs::remove_dir(root.join(parent.as_str())));
}

/// The folders above a path, outermost first, without the root.
pub(super) fn above(path: &WsPath) -> Vec<WsPath> {
    let mut above: Vec<WsPath> =
        std::iter::successors(path.parent(), WsPath::parent).filter(|folder| !folder.is_root()).collect();
    above.reverse();
    above
}

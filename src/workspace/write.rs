//! The few changes that a client without an editor makes to the user's files, after the user accepted them. Each is made
//! beneath the folder's handle, one component at a time, and only where exactly the expected bytes stand: the new file is
//! exchanged with the old one, the old one is looked at once more, and put back when it is not what was expected. So no
//! one's change is lost, and no swapped symbolic link leads out.

use std::{
    fs::File,
    io::{Read, Write},
};

use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Stat, Uid},
    io::Errno,
};
use uuid::Uuid;

use crate::{path::WsPath, seams::WorkspaceError};

use super::disk::{Folder, io_error, open_at, told};

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file that was really changed: a symbolic link inside the folder is followed and stays a link.
    pub path: WsPath,
    /// What the user should know besides, one sentence each.
    pub notes: Vec<String>,
}

impl Folder {
    /// Replaces the content of a file, or makes a new one (`before` is `None`; missing folders are made). Mode and, where
    /// possible, owner are kept. The content is on the disk when this returns.
    ///
    /// # Errors
    /// `Moved` when the file does not hold exactly `before`, `Exists` when a new one stands there already, and what opening
    /// a file may fail with. The file is as it was then.
    pub fn write_atomically(&self, path: &WsPath, before: Option<&[u8]>, bytes: &[u8]) -> Result<Written, WorkspaceError> {
        let real = self.resolve(path)?;
        let place = Place::open(self, &real, before.is_none())?;
        let Some(before) = before else {
            let temp = Temp::create(&place, bytes, None)?;
            place.rename_new(&temp.name, &place)?;
            place.sync()?;
            return Ok(Written { path: real, notes: Vec::new() });
        };
        let old = place.expect(before)?;
        let temp = Temp::create(&place, bytes, Some(&old.stat))?;
        place.exchange(&temp, &old.stat, before)?;
        place.sync()?;
        let mut notes = old.notes(&real);
        if real != *path {
            notes.push(format!("{path} is a symbolic link; the file it leads to, {real}, was changed"));
        }
        Ok(Written { path: real, notes })
    }

    /// Deletes a file that holds exactly `before`.
    ///
    /// # Errors
    /// `Moved` when it holds something else, or what opening a file may fail with. The file is as it was then.
    pub fn delete(&self, path: &WsPath, before: &[u8]) -> Result<Written, WorkspaceError> {
        let real = self.resolve_parent(path)?;
        let place = Place::open(self, &real, false)?;
        let old = place.expect(before)?;
        // Moved aside first: what is deleted is what was looked at, even if another file takes the name meanwhile.
        let aside = Place { name: temp_name(), dir: place.dir.try_clone().map_err(|e| io_error(path, &e))?, path: real.clone() };
        place.rename_new(&place.name, &aside)?;
        if aside.expect(before).is_err() {
            aside.rename_new(&aside.name, &place)?;
            return Err(WorkspaceError::Moved(real));
        }
        aside.unlink()?;
        place.sync()?;
        Ok(Written { notes: old.notes(&real), path: real })
    }

    /// Gives a file that holds exactly `before` another name; missing folders are made, nothing is replaced.
    ///
    /// # Errors
    /// `Moved`, `Exists` for the new name, or what opening a file may fail with. Nothing was changed then.
    pub fn rename(&self, from: &WsPath, to: &WsPath, before: &[u8]) -> Result<Written, WorkspaceError> {
        let (from, to) = (self.resolve_parent(from)?, self.resolve_parent(to)?);
        let place = Place::open(self, &from, false)?;
        let old = place.expect(before)?;
        let target = Place::open(self, &to, true)?;
        place.rename_new(&place.name, &target)?;
        if target.expect(before).is_err() {
            target.rename_new(&target.name, &place)?;
            return Err(WorkspaceError::Moved(from));
        }
        target.sync()?;
        place.sync()?;
        Ok(Written { path: to, notes: old.notes(&from) })
    }

    /// Makes the folders that a file of this path needs.
    ///
    /// # Errors
    /// What opening a folder may fail with; one on the way may be a file.
    pub fn make_parents(&self, path: &WsPath) -> Result<(), WorkspaceError> {
        Place::open(self, &self.resolve_parent(path)?, true).map(drop)
    }

    /// Makes a file executable for everybody who may read it, or for nobody. Only where it is not so already (`Moved`); its
    /// content is not looked at. A symbolic link is refused.
    ///
    /// # Errors
    /// What opening a file may fail with. Nothing was changed then.
    pub fn set_executable(&self, path: &WsPath, executable: bool) -> Result<Written, WorkspaceError> {
        let real = self.resolve_parent(path)?;
        let place = Place::open(self, &real, false)?;
        let (fd, stat) = place.open_file()?;
        if (stat.st_mode & 0o100 != 0) == executable {
            return Err(WorkspaceError::Moved(real));
        }
        let mode = if executable { stat.st_mode | (stat.st_mode & 0o444) >> 2 | 0o100 } else { stat.st_mode & !0o111 };
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode & 0o7777)).map_err(|e| told(&real, e))?;
        rustix::fs::fsync(&fd).map_err(|e| told(&real, e))?;
        let others = u64::from(stat.st_nlink as u32).saturating_sub(1);
        let note = || format!("{real} has {others} more hard link(s); the mode is theirs too");
        Ok(Written { notes: (others > 0).then(note).into_iter().collect(), path: real })
    }

    /// The path with the links of its folders followed and its own name as it is.
    fn resolve_parent(&self, path: &WsPath) -> Result<WsPath, WorkspaceError> {
        let parent = path.parent().ok_or_else(|| WorkspaceError::IsDir(path.clone()))?;
        Ok(self.resolve(&parent)?.join(path.file_name()))
    }
}

/// One name in an open folder.
struct Place {
    dir: OwnedFd,
    name: String,
    path: WsPath,
}

/// A file that held what was expected.
struct Old {
    stat: Stat,
}

impl Old {
    fn notes(&self, path: &WsPath) -> Vec<String> {
        let others = u64::from(self.stat.st_nlink as u32).saturating_sub(1);
        let note = || format!("{path} had {others} more hard link(s); the file under the other name(s) keeps the old text");
        (others > 0).then(note).into_iter().collect()
    }
}

impl Place {
    /// Goes down from the folder's handle without following any link; `make` creates missing folders.
    fn open(folder: &Folder, path: &WsPath, make: bool) -> Result<Place, WorkspaceError> {
        let parent = path.parent().ok_or_else(|| WorkspaceError::IsDir(path.clone()))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut dir = open_at(folder.dir(), ".", flags, ResolveFlags::empty()).map_err(|e| told(path, e))?;
        for part in parent.as_str().split('/').filter(|part| !part.is_empty()) {
            let down = || open_at(&dir, part, flags, ResolveFlags::NO_SYMLINKS);
            let next = match down() {
                Err(Errno::NOENT) if make => {
                    match rustix::fs::mkdirat(&dir, part, Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(errno) => return Err(told(path, errno)),
                    }
                    down()
                }
                other => other,
            };
            dir = next.map_err(|errno| match errno {
                // It was no link a moment ago.
                Errno::LOOP => WorkspaceError::Moved(path.clone()),
                Errno::NOTDIR if make => {
                    WorkspaceError::Io { path: path.clone(), why: format!("{part} is a file, not a folder") }
                }
                other => told(path, other),
            })?;
        }
        Ok(Place { dir, name: path.file_name().to_owned(), path: path.clone() })
    }

    /// The file here, if it is a regular one and no symbolic link.
    fn open_file(&self) -> Result<(OwnedFd, Stat), WorkspaceError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = open_at(&self.dir, &self.name, flags, ResolveFlags::NO_SYMLINKS).map_err(|errno| match errno {
            Errno::LOOP => WorkspaceError::Io { path: self.path.clone(), why: "it is a symbolic link".into() },
            Errno::NXIO => WorkspaceError::Special(self.path.clone()),
            other => told(&self.path, other),
        })?;
        let stat = rustix::fs::fstat(&fd).map_err(|e| told(&self.path, e))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((fd, stat)),
            FileType::Directory => Err(WorkspaceError::IsDir(self.path.clone())),
            _ => Err(WorkspaceError::Special(self.path.clone())),
        }
    }

    /// The file here, if it is a regular one that holds exactly `before`.
    fn expect(&self, before: &[u8]) -> Result<Old, WorkspaceError> {
        let (fd, stat) = self.open_file()?;
        let mut found = Vec::with_capacity(before.len() + 1);
        let most = before.len() as u64 + 1;
        File::from(fd).take(most).read_to_end(&mut found).map_err(|e| io_error(&self.path, &e))?;
        if found == before { Ok(Old { stat }) } else { Err(WorkspaceError::Moved(self.path.clone())) }
    }

    /// Moves a name of this folder to a place where nothing stands.
    fn rename_new(&self, name: &str, to: &Place) -> Result<(), WorkspaceError> {
        match rustix::fs::renameat_with(&self.dir, name, &to.dir, &to.name, RenameFlags::NOREPLACE) {
            // File systems without the flag: a hard link refuses an existing name as well.
            Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::linkat(&self.dir, name, &to.dir, &to.name, AtFlags::empty())
                .and_then(|()| rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())),
            other => other,
        }
        .map_err(|errno| told(&to.path, errno))
    }

    /// Puts the new file here and takes the old one away, if the old one is still what it was.
    fn exchange(&self, temp: &Temp<'_>, old: &Stat, before: &[u8]) -> Result<(), WorkspaceError> {
        let swap = || rustix::fs::renameat_with(&self.dir, &temp.name, &self.dir, &self.name, RenameFlags::EXCHANGE);
        let moved = || WorkspaceError::Moved(self.path.clone());
        match swap() {
            Ok(()) => {}
            Err(Errno::NOENT) => return Err(moved()),
            // File systems without the flag: the last look was a moment ago, no closer one can be had.
            Err(Errno::INVAL | Errno::NOSYS) => {
                self.expect(before)?;
                return rustix::fs::renameat(&self.dir, &temp.name, &self.dir, &self.name).map_err(|e| told(&self.path, e));
            }
            Err(errno) => return Err(told(&self.path, errno)),
        }
        let out = Place {
            dir: self.dir.try_clone().map_err(|e| io_error(&self.path, &e))?,
            name: temp.name.clone(),
            path: self.path.clone(),
        };
        if out.expect(before).is_ok_and(|now| same_file(&now.stat, old)) {
            return Ok(());
        }
        // Somebody else's file came out: it goes back. What comes out then must be ours, else it is kept as well.
        swap().map_err(|e| told(&self.path, e))?;
        if out.expect(temp.bytes).is_ok_and(|now| same_file(&now.stat, &temp.stat)) {
            return Err(moved());
        }
        temp.keep.set(true);
        let why = format!("others were changing it at the same time; one of their versions is kept as {}", temp.name);
        Err(WorkspaceError::Io { path: self.path.clone(), why })
    }

    fn unlink(&self) -> Result<(), WorkspaceError> {
        rustix::fs::unlinkat(&self.dir, &self.name, AtFlags::empty()).map_err(|e| told(&self.path, e))
    }

    fn sync(&self) -> Result<(), WorkspaceError> {
        match rustix::fs::fsync(&self.dir) {
            // Some file systems cannot sync a folder.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(told(&self.path, errno)),
        }
    }
}

/// A new file beside its place; gone when dropped, unless it was renamed away or is to be kept.
struct Temp<'a> {
    place: &'a Place,
    name: String,
    bytes: &'a [u8],
    stat: Stat,
    keep: std::cell::Cell<bool>,
}

impl<'a> Temp<'a> {
    /// Writes and syncs `bytes`; `like` is the file whose owner and mode it takes.
    fn create(place: &'a Place, bytes: &'a [u8], like: Option<&Stat>) -> Result<Self, WorkspaceError> {
        let failed = |errno: Errno| told(&place.path, errno);
        let name = temp_name();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(if like.is_some() { 0o600 } else { 0o666 });
        let fd = rustix::fs::openat(&place.dir, &name, flags, mode).map_err(failed)?;
        let mut file = File::from(fd);
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        let temp = Temp { place, name, bytes, stat, keep: false.into() };
        file.write_all(bytes).map_err(|e| io_error(&place.path, &e))?;
        if let Some(like) = like {
            if (like.st_uid, like.st_gid) != (stat.st_uid, stat.st_gid) {
                // An ordinary user cannot give files away; the content counts more than the owner.
                let _ = rustix::fs::fchown(&file, Some(Uid::from_raw(like.st_uid)), Some(Gid::from_raw(like.st_gid)));
            }
            rustix::fs::fchmod(&file, Mode::from_raw_mode(like.st_mode & 0o7777)).map_err(failed)?;
        }
        rustix::fs::fsync(&file).map_err(failed)?;
        Ok(temp)
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if !self.keep.get() {
            // After a plain rename there is nothing left to remove.
            let _ = rustix::fs::unlinkat(&self.place.dir, &self.name, AtFlags::empty());
        }
    }
}

fn temp_name() -> String {
    format!(".countersign-{}.tmp", Uuid::now_v7().simple())
}

fn same_file(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

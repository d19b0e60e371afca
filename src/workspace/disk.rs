//! The handle of a workspace folder. Every open goes through `openat2` with `RESOLVE_BENEATH`: the kernel itself refuses a
//! path that leaves the folder, whatever is swapped for a symbolic link meanwhile. Nothing is checked by name first and
//! opened by name afterwards.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{FileType, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};

use crate::{
    path::WsPath,
    proposal::{Beneath, Blob},
    seams::{FileKind, WorkspaceError},
};

use super::decode::{Decoded, decode};

/// The largest file that is read at once, bytes.
pub const READ_LIMIT: u64 = 16 << 20;
/// As many symbolic links as the kernel follows.
const LINKS: usize = 40;
/// `openat2` asks to be called again when something was renamed under it; a storm of renames must not end in an error.
const ATTEMPTS: usize = 1_000;

/// An open workspace folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Folder {
    root: Arc<Path>,
    dir: Arc<OwnedFd>,
}

/// A regular file as it was read from the disk.
#[derive(Clone, Debug)]
pub struct OnDisk {
    pub bytes: Vec<u8>,
    /// Unix permission bits.
    pub mode: u32,
    /// Number of names (hard links) that the file has.
    pub links: u64,
}

impl OnDisk {
    /// The text of the bytes.
    pub fn decode(&self) -> Decoded {
        decode(&self.bytes)
    }

    /// Whether its owner may execute it.
    pub fn executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    /// What a proposal can lie over.
    pub fn beneath(&self) -> Beneath {
        let decoded = self.decode();
        match decoded.kind {
            FileKind::Text => Beneath { executable: Some(self.executable()), ..Beneath::text(decoded.text, decoded.bom) },
            FileKind::NotUtf8 | FileKind::Binary => Beneath::blob(Blob::of(&self.bytes), Some(self.executable())),
        }
    }
}

impl Folder {
    /// Opens a folder; symbolic links on the way to it are followed once, here.
    ///
    /// # Errors
    /// [`WorkspaceError`] when it is no folder, cannot be opened, or its path is not UTF-8.
    pub fn open(path: &Path) -> Result<Self, WorkspaceError> {
        let io = |why: String| WorkspaceError::Io { path: WsPath::root(), why: format!("{}: {why}", path.display()) };
        let root = path.canonicalize().map_err(|e| io(e.to_string()))?;
        if root.to_str().is_none() {
            return Err(io("the folder's path is not UTF-8".into()));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(&root, flags, Mode::empty()).map_err(|e| io(io::Error::from(e).to_string()))?;
        Ok(Folder { root: root.into(), dir: Arc::new(dir) })
    }

    /// The canonical path of the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The absolute path of a name in the folder, to show or to hand to an editor; not for opening.
    pub fn absolute(&self, path: &WsPath) -> PathBuf {
        if path.is_root() { self.root.to_path_buf() } else { self.root.join(path.as_str()) }
    }

    /// Reads a regular file of at most [`READ_LIMIT`] bytes.
    ///
    /// # Errors
    /// [`WorkspaceError`]; `NotFound` without near names.
    pub fn read(&self, path: &WsPath) -> Result<OnDisk, WorkspaceError> {
        self.read_up_to(path, READ_LIMIT)
    }

    /// Reads a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// [`WorkspaceError`]; `NotFound` without near names.
    pub fn read_up_to(&self, path: &WsPath, limit: u64) -> Result<OnDisk, WorkspaceError> {
        let (file, stat) = self.open_file(path)?;
        let too_big = |size| WorkspaceError::TooBig { path: path.clone(), size, limit };
        if stat.st_size as u64 > limit {
            return Err(too_big(stat.st_size as u64));
        }
        let mut bytes = Vec::with_capacity(stat.st_size as usize + 1);
        // The file may grow while it is read.
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| io_error(path, &e))?;
        if bytes.len() as u64 > limit {
            return Err(too_big(bytes.len() as u64));
        }
        Ok(OnDisk { bytes, mode: stat.st_mode & 0o7777, links: u64::from(stat.st_nlink as u32) })
    }

    /// Opens a regular file for reading, without waiting for a fifo's other end.
    ///
    /// # Errors
    /// [`WorkspaceError`]; `NotFound` without near names.
    pub fn open_file(&self, path: &WsPath) -> Result<(File, Stat), WorkspaceError> {
        let fd = match self.open_beneath(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
            Err(Failed::Errno(Errno::NXIO)) => return Err(WorkspaceError::Special(path.clone())),
            other => other.map_err(|e| e.told(path))?,
        };
        let stat = rustix::fs::fstat(&fd).map_err(|e| io_error(path, &e.into()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((File::from(fd), stat)),
            FileType::Directory => Err(WorkspaceError::IsDir(path.clone())),
            _ => Err(WorkspaceError::Special(path.clone())),
        }
    }

    /// What stands at a path, links followed beneath the folder. `None` when there is nothing.
    ///
    /// # Errors
    /// [`WorkspaceError`] for anything but absence.
    pub fn stat(&self, path: &WsPath) -> Result<Option<Stat>, WorkspaceError> {
        match self.open_beneath(path, OFlags::PATH) {
            Ok(fd) => rustix::fs::fstat(&fd).map(Some).map_err(|e| io_error(path, &e.into())),
            Err(Failed::Errno(Errno::NOENT | Errno::NOTDIR)) => Ok(None),
            Err(failed) => Err(failed.told(path)),
        }
    }

    /// Opens a folder beneath this one for reading its names or working in it.
    ///
    /// # Errors
    /// [`WorkspaceError`]; `NotFound` when it is missing or no folder.
    pub(super) fn open_dir(&self, path: &WsPath) -> Result<OwnedFd, WorkspaceError> {
        self.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(|e| e.told(path))
    }

    /// The real name beneath the folder of a path, with symbolic links followed; the part that does not exist yet is kept
    /// as written. It answers questions about names; whoever opens the result still opens beneath the folder.
    ///
    /// # Errors
    /// `Outside` when a link leads out; `Io` for a circle of links or a name that is not UTF-8.
    pub fn resolve(&self, path: &WsPath) -> Result<WsPath, WorkspaceError> {
        let mut done: Vec<String> = Vec::new();
        let mut left: VecDeque<String> = parts(path.as_str()).collect();
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            if part == ".." {
                done.pop().ok_or_else(|| WorkspaceError::Outside(path.clone()))?;
                continue;
            }
            done.push(part);
            let target = match rustix::fs::readlinkat(&self.dir, done.join("/"), Vec::new()) {
                Ok(target) => target,
                // Not a link, or nothing there: the name stays.
                Err(_) => continue,
            };
            links += 1;
            if links > LINKS {
                return Err(circle(path));
            }
            let target = target.to_str().map_err(|_| WorkspaceError::Outside(path.clone()))?;
            done.pop();
            let inner = if target.starts_with('/') {
                done.clear();
                let inner = Path::new(target).strip_prefix(&self.root).map_err(|_| WorkspaceError::Outside(path.clone()))?;
                inner.to_str().unwrap_or_default()
            } else {
                target
            };
            parts(inner).rev().for_each(|part| left.push_front(part));
        }
        match done.is_empty() {
            true => Ok(WsPath::root()),
            false => WsPath::from_disk(&done.join("/")).ok_or_else(|| WorkspaceError::Outside(path.clone())),
        }
    }

    /// The handle itself, for walks that go down by handles.
    pub(super) fn dir(&self) -> &OwnedFd {
        &self.dir
    }

    fn open_beneath(&self, path: &WsPath, flags: OFlags) -> Result<OwnedFd, Failed> {
        let name = if path.is_root() { "." } else { path.as_str() };
        match open_at(&self.dir, name, flags, ResolveFlags::empty()) {
            // An absolute link is refused by the kernel even where it points back into the folder.
            Err(Errno::XDEV) => {
                let real = self.resolve(path).map_err(Failed::Told)?;
                let name = if real.is_root() { "." } else { real.as_str() };
                open_at(&self.dir, name, flags, ResolveFlags::NO_SYMLINKS).map_err(|errno| match errno {
                    // The link changed between the two looks.
                    Errno::LOOP | Errno::XDEV => Failed::Told(WorkspaceError::Outside(path.clone())),
                    other => Failed::Errno(other),
                })
            }
            other => other.map_err(Failed::Errno),
        }
    }
}

/// `openat2` beneath a handle, repeated while the tree is being renamed under it.
pub(super) fn open_at(dir: impl AsFd, name: &str, flags: OFlags, more: ResolveFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | more;
    let mut last = Errno::AGAIN;
    for _ in 0..ATTEMPTS {
        match rustix::fs::openat2(&dir, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(errno @ (Errno::AGAIN | Errno::INTR)) => last = errno,
            other => return other,
        }
    }
    Err(last)
}

/// Why an open failed: as the kernel said it, or already in words.
enum Failed {
    Errno(Errno),
    Told(WorkspaceError),
}

impl Failed {
    fn told(self, path: &WsPath) -> WorkspaceError {
        match self {
            Failed::Told(error) => error,
            Failed::Errno(errno) => told(path, errno),
        }
    }
}

/// A kernel error about a path in the model's words.
pub(super) fn told(path: &WsPath, errno: Errno) -> WorkspaceError {
    match errno {
        Errno::NOENT | Errno::NOTDIR => WorkspaceError::NotFound { path: path.clone(), near: Vec::new() },
        Errno::XDEV => WorkspaceError::Outside(path.clone()),
        Errno::LOOP => circle(path),
        Errno::ISDIR => WorkspaceError::IsDir(path.clone()),
        Errno::EXIST => WorkspaceError::Exists(path.clone()),
        Errno::NOSYS => WorkspaceError::Io { path: path.clone(), why: "this kernel has no openat2 (Linux 5.6 or newer)".into() },
        other => io_error(path, &other.into()),
    }
}

pub(super) fn io_error(path: &WsPath, error: &io::Error) -> WorkspaceError {
    WorkspaceError::Io { path: path.clone(), why: error.to_string() }
}

fn circle(path: &WsPath) -> WorkspaceError {
    WorkspaceError::Io { path: path.clone(), why: "its symbolic links lead in a circle".into() }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = String> + '_ {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned)
}

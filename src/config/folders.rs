//! Where the user's files stand (XDG base directories), and how they are read and made. Owns these folders, so the ban on direct
//! file access is lifted here.
#![allow(clippy::disallowed_methods)]

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::{ConfigError, Environment};

/// Largest file that is read as configuration, policy or prompt, bytes.
const LARGEST: u64 = 1024 * 1024;

/// The three folders of one user. They need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// `config.toml`, `policy.toml`, `anthropic.key`, `tasks/`.
    pub config: PathBuf,
    /// Journal, trust, grants.
    pub state: PathBuf,
    /// Shadows.
    pub cache: PathBuf,
}

impl Folders {
    /// The folders by XDG, below the home where XDG says nothing.
    ///
    /// # Errors
    /// [`ConfigError`] when neither is set.
    pub fn of(environment: &Environment) -> Result<Folders, ConfigError> {
        let folder = |variable: &str, below_home: &str| {
            let base = environment.folder(variable).or_else(|| environment.home().map(|home| home.join(below_home)));
            base.map(|base| base.join("countersign")).ok_or_else(|| {
                ConfigError::plain(format_args!("neither {variable} nor HOME names a folder (an absolute path); set HOME"))
            })
        };
        Ok(Folders {
            config: folder("XDG_CONFIG_HOME", ".config")?,
            state: folder("XDG_STATE_HOME", ".local/state")?,
            cache: folder("XDG_CACHE_HOME", ".cache")?,
        })
    }
}

/// Makes a folder that only its owner can enter (0700), with its parents.
///
/// # Errors
/// When the folder cannot be made.
pub fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file so that a reader sees the old or the new text, never a part: temporary file, sync, rename. 0600.
///
/// # Errors
/// When it cannot be written; the old text stands then.
pub fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    let parent = path.parent().ok_or_else(|| io::Error::other("a file needs a folder"))?;
    make_private(parent)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", uuid::Uuid::now_v7().simple()));
    let temporary = path.with_file_name(name);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()
    });
    let written = written.and_then(|()| fs::rename(&temporary, path)).and_then(|()| File::open(parent)?.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Reads one of the user's own files as text; `None` when it is not there.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    match options.open(path) {
        Ok(file) => text(path, file).map(|(text, _)| Some(text)),
        Err(error) if absent(&error) => Ok(None),
        Err(error) => Err(ConfigError::of(path, error)),
    }
}

/// Who owns a file, and its permission bits.
pub(super) struct Owner {
    pub uid: u32,
    pub mode: u32,
}

/// Like [`read`], with the owner of what was read.
pub(super) fn read_owned(path: &Path) -> Result<Option<(String, Owner)>, ConfigError> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed());
    match options.open(path) {
        Ok(file) => text(path, file).map(Some),
        Err(error) if absent(&error) => Ok(None),
        Err(error) => Err(ConfigError::of(path, error)),
    }
}

/// Reads a file of a workspace: no link on the way is followed, and nothing but a regular file of bounded size is read.
pub(super) fn read_beneath(root: &Path, relative: &str) -> Result<Option<String>, ConfigError> {
    let shown = root.join(relative);
    let folder = match File::open(root) {
        Ok(folder) => folder,
        Err(error) => return Err(ConfigError::of(root, error)),
    };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(&folder, relative, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty(), resolve) {
        Ok(fd) => text(&shown, File::from(fd)).map(|(text, _)| Some(text)),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
        Err(rustix::io::Errno::LOOP) => Err(ConfigError::of(&shown, "is reached by a symbolic link; put a real file there")),
        Err(error) => Err(ConfigError::of(&shown, io::Error::from(error))),
    }
}

/// Names of the `.md` files in a folder, sorted; none when the folder is not there.
pub(super) fn markdown(folder: &Path) -> Result<Vec<String>, ConfigError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(ConfigError::of(folder, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| ConfigError::of(folder, error))?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn text(path: &Path, file: File) -> Result<(String, Owner), ConfigError> {
    let meta = file.metadata().map_err(|error| ConfigError::of(path, error))?;
    if !meta.is_file() {
        return Err(ConfigError::of(path, "is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| ConfigError::of(path, error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(ConfigError::of(path, "is larger than 1 MiB, the most that is read here"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, Owner { uid: meta.uid(), mode: meta.mode() })),
        Err(error) => {
            let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|&&b| b == b'\n').count();
            Err(ConfigError { file: Some(path.to_owned()), line: Some(line), message: "is not UTF-8".to_owned() })
        }
    }
}

//! Proposals on disk: `proposals/` in the state folder, for the time after a restart or a crash. One file holds what a
//! proposal has pending (`.json`), another what was accepted of it (`.accepted`), since the two change at different times.
//!
//! Several servers share the folder. Each holds a lock file while it lives; what belongs to a server that is gone may be taken
//! over by one that has the folder open. A file is read only when it is the user's own, 0600, of bounded size and well-formed.
//! Owns these files, so the ban on direct file access is lifted here.
#![allow(clippy::disallowed_methods)]

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::{
    config::folders::{make_private, write_private},
    event::{HunkId, SessionId},
    proposal::{history::SavedHistory, saved::SavedProposal},
};

use super::hover::Story;

/// Version of the files.
const VERSION: u32 = 1;
/// Largest file that is written or read, bytes.
const LARGEST: u64 = 32 * 1024 * 1024;
/// Most files that are looked at.
const MOST: usize = 256;
/// Most proposals of a folder that are taken over for their accepted hunks alone; the newest count.
const MOST_ACCEPTED: usize = 32;
/// Files that nobody came back for, and what was accepted, are removed after this time.
const OLD: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// What one file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    v: u32,
    /// The server that wrote it.
    owner: String,
    pub session: SessionId,
    pub title: String,
    /// Canonical path of the workspace folder.
    pub folder: PathBuf,
    pub proposal: SavedProposal,
    /// In a file of its own, where `proposal` has no files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

/// What was accepted of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    pub history: SavedHistory,
    /// What is told about the accepted lines.
    pub stories: Vec<(HunkId, Story)>,
    /// When it last changed, seconds since 1970.
    pub at: u64,
}

impl Kept {
    /// Where it is kept. Ids of proposals are unique in a server only.
    fn name(&self) -> String {
        name(&self.session, &self.proposal.id, if self.accepted.is_some() { ACCEPTED } else { PENDING })
    }

    /// Whether it is about accepted hunks that are too old to be of use.
    fn is_past(&self) -> bool {
        self.accepted.as_ref().is_some_and(|accepted| now().saturating_sub(accepted.at) > OLD.as_secs())
    }

    /// Whether names and numbers look as a server writes them; they become file names and ids here.
    fn is_fine(&self) -> bool {
        let word = |text: &str| text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        self.v == VERSION
            && uuid::Uuid::parse_str(&self.session.0).is_ok()
            && uuid::Uuid::parse_str(&self.owner).is_ok()
            && number(&self.proposal.id.0, 'p').is_some()
            && number(self.proposal.task.0.split('-').next().unwrap_or_default(), 't').is_some()
            && word(&self.proposal.task.0)
            && self.title.chars().count() <= 60
            && !self.title.chars().any(char::is_control)
            && (self.accepted.is_none() || self.proposal.files.is_empty())
    }
}

/// Endings of the two files.
const PENDING: &str = "json";
const ACCEPTED: &str = "accepted";

fn name(session: &SessionId, proposal: impl std::fmt::Display, ending: &str) -> String {
    format!("{session}.{proposal}.{ending}")
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// The number of an id such as `p12`.
pub fn number(id: &str, letter: char) -> Option<u64> {
    let digits = id.strip_prefix(letter).filter(|digits| digits.len() <= 12)?;
    digits.parse().ok()
}

/// The folder, as one server uses it.
pub struct Shelf {
    folder: PathBuf,
    owner: String,
    /// Held while the server lives.
    lock: Option<File>,
}

impl Shelf {
    /// The shelf below the state folder. Nothing is touched yet.
    pub fn below(state: &Path) -> Shelf {
        Shelf { folder: state.join("proposals"), owner: uuid::Uuid::now_v7().to_string(), lock: None }
    }

    /// Writes what a proposal has pending, by temporary file and rename.
    ///
    /// # Errors
    /// When it cannot be written or is too large.
    pub fn put(&mut self, session: SessionId, title: String, folder: PathBuf, proposal: SavedProposal) -> io::Result<()> {
        self.live()?;
        self.write(&Kept { v: VERSION, owner: self.owner.clone(), session, title, folder, proposal, accepted: None })
    }

    /// Writes what was accepted of a proposal, in the same way. `about` has its ids and no files.
    ///
    /// # Errors
    /// As for [`Shelf::put`].
    pub fn put_accepted(
        &mut self,
        session: SessionId,
        title: String,
        folder: PathBuf,
        about: SavedProposal,
        (history, stories): (SavedHistory, Vec<(HunkId, Story)>),
    ) -> io::Result<()> {
        self.live()?;
        let accepted = Some(Accepted { history, stories, at: now() });
        self.write(&Kept { v: VERSION, owner: self.owner.clone(), session, title, folder, proposal: about, accepted })
    }

    fn write(&self, kept: &Kept) -> io::Result<()> {
        let text = serde_json::to_vec(kept)?;
        if text.len() as u64 > LARGEST {
            // Better none than one that does not fit what is pending.
            gone(fs::remove_file(self.folder.join(kept.name())))?;
            return Err(io::Error::other("it is too large to be kept"));
        }
        write_private(&self.folder.join(kept.name()), &text)
    }

    /// Removes what a proposal has pending.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(&self, session: &SessionId, proposal: impl std::fmt::Display) -> io::Result<()> {
        gone(fs::remove_file(self.folder.join(name(session, proposal, PENDING))))
    }

    /// Removes what was accepted of a proposal.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove_accepted(&self, session: &SessionId, proposal: impl std::fmt::Display) -> io::Result<()> {
        gone(fs::remove_file(self.folder.join(name(session, proposal, ACCEPTED))))
    }

    /// Takes over what servers left that are gone, for these folders; removes what is old.
    ///
    /// # Errors
    /// When the shelf itself cannot be used. What is wrong with single files goes to the log.
    pub fn take_over(&mut self, folders: &[PathBuf]) -> io::Result<Vec<Kept>> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        self.live()?;
        let _claim = self.claim()?;
        let mut found = Vec::new();
        let mut names: Vec<String> = fs::read_dir(&self.folder)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| [PENDING, ACCEPTED, "tmp"].iter().any(|ending| name.ends_with(&format!(".{ending}"))))
            .collect();
        // Session ids begin with the time: the newest first.
        names.sort_by(|a, b| b.cmp(a));
        for name in names.into_iter().take(MOST) {
            let path = self.folder.join(&name);
            if is_old(&path) {
                let _ = fs::remove_file(&path);
                continue;
            }
            if name.ends_with(".tmp") {
                continue;
            }
            let kept = match read(&path) {
                Ok(kept) if kept.is_fine() && kept.name() == name && kept.is_past() => {
                    let _ = fs::remove_file(&path);
                    continue;
                }
                Ok(kept) if kept.is_fine() && kept.name() == name => kept,
                Ok(_) => {
                    tracing::warn!(file = %path.display(), "changes are not restored: the file's names are not right");
                    continue;
                }
                Err(error) => {
                    tracing::warn!(file = %path.display(), %error, "changes are not restored");
                    continue;
                }
            };
            if kept.owner == self.owner || !folders.contains(&kept.folder) || self.lives(&kept.owner) {
                continue;
            }
            let kept = Kept { owner: self.owner.clone(), ..kept };
            self.write(&kept)?;
            found.push(kept);
        }
        Ok(self.together(found))
    }

    /// The two files of a proposal as one. Of proposals without pending hunks only the newest of each folder stay.
    fn together(&self, found: Vec<Kept>) -> Vec<Kept> {
        let (accepted, mut whole): (Vec<Kept>, Vec<Kept>) = found.into_iter().partition(|kept| kept.accepted.is_some());
        let mut alone: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for kept in accepted {
            let same = |other: &&mut Kept| {
                (&other.session, &other.folder, &other.proposal.id) == (&kept.session, &kept.folder, &kept.proposal.id)
            };
            if let Some(other) = whole.iter_mut().find(same) {
                other.proposal.last = other.proposal.last.max(kept.proposal.last);
                other.accepted = kept.accepted;
                continue;
            }
            let count = alone.entry(kept.folder.clone()).or_default();
            *count += 1;
            if *count <= MOST_ACCEPTED {
                whole.push(kept);
            } else if let Err(error) = self.remove_accepted(&kept.session, &kept.proposal.id) {
                tracing::warn!(%error, "accepted changes of long ago cannot be removed");
            }
        }
        whole
    }

    /// Gives the server's own lock back.
    pub fn leave(&mut self) {
        if self.lock.take().is_some() {
            let _ = fs::remove_file(self.lock_of(&self.owner));
        }
    }

    /// Shows other servers that this one lives.
    fn live(&mut self) -> io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        make_private(&self.folder)?;
        let about = fs::symlink_metadata(&self.folder)?;
        if !about.is_dir() || about.uid() != us() || about.mode() & 0o077 != 0 {
            return Err(io::Error::other(format!("{} must be a folder of yours with mode 0700", self.folder.display())));
        }
        let _claim = self.claim()?;
        let file = open_lock(&self.lock_of(&self.owner), true)?;
        file.lock()?;
        self.lock = Some(file);
        Ok(())
    }

    /// Taking over and coming to life happen one at a time.
    fn claim(&self) -> io::Result<File> {
        let file = open_lock(&self.folder.join("claim.lock"), true)?;
        file.lock()?;
        Ok(file)
    }

    /// Whether the server of this id lives; the lock of one that does not is removed.
    fn lives(&self, owner: &str) -> bool {
        let path = self.lock_of(owner);
        match open_lock(&path, false).map(|file| file.try_lock()) {
            Ok(Err(TryLockError::WouldBlock)) => true,
            Ok(Ok(())) => {
                let _ = fs::remove_file(path);
                false
            }
            Ok(Err(TryLockError::Error(_))) => true,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    fn lock_of(&self, owner: &str) -> PathBuf {
        self.folder.join(format!("{owner}.lock"))
    }
}

fn open_lock(path: &Path, create: bool) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    OpenOptions::new().read(true).write(true).create(create).truncate(false).mode(0o600).custom_flags(flags).open(path)
}

fn read(path: &Path) -> io::Result<Kept> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || about.uid() != us() || about.mode() & 0o077 != 0 {
        return Err(io::Error::other("it must be a file of yours with mode 0600"));
    }
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("it is too large"));
    }
    Ok(serde_json::from_slice(&text)?)
}

fn is_old(path: &Path) -> bool {
    let written = fs::symlink_metadata(path).and_then(|about| about.modified());
    written.is_ok_and(|written| SystemTime::now().duration_since(written).is_ok_and(|age| age > OLD))
}

/// What is not there is removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

//! One chain on disk: continue it where it ends, append, sync. A torn end is moved aside, never overwritten. Owns these files,
//! so the ban on direct file access is lifted here.
#![allow(clippy::disallowed_methods)]

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{
    folder::{self, SERVER},
    record::{Draft, FORMAT, GENESIS, Link, digest},
    recover::Torn,
    writer::Entry,
};
use crate::event::{Actor, Event, Scope, SessionId};

/// An open chain.
pub(super) struct ChainFile {
    path: PathBuf,
    file: File,
    /// Whose it is; `None` is the file that several servers write, each for the time of one append.
    session: Option<SessionId>,
    /// Offset behind the last line that we know.
    end: u64,
    /// Its number and digest.
    seq: u64,
    head: String,
    dirty: bool,
    /// The file's name may not be on disk yet.
    new: bool,
    /// A torn end that was moved aside and is not yet told in the chain.
    torn: Option<Torn>,
}

impl ChainFile {
    /// Opens or creates the chain, and moves a torn end aside. The caller holds the lock of a session.
    pub fn open(folder: &Path, session: Option<SessionId>) -> io::Result<ChainFile> {
        let path = folder.join(format!("{}.jsonl", session.as_ref().map_or(SERVER, |session| &session.0)));
        let (file, new) = folder::open(&path)?;
        let mut chain =
            ChainFile { path, file, session, end: 0, seq: 0, head: GENESIS.to_owned(), dirty: false, new, torn: None };
        chain.locked(ChainFile::settle)?;
        Ok(chain)
    }

    /// Appends the entries as lines, all or nothing as far as the disk allows. A torn end that was moved aside is told before
    /// them, and returned.
    pub fn append(&mut self, entries: &[Entry], user: &str) -> io::Result<Option<Torn>> {
        self.locked(|chain| {
            if chain.session.is_none() {
                chain.settle()?;
            }
            let note = chain.torn.as_ref().map(|torn| chain.note(torn));
            let (mut seq, mut head) = (chain.seq, chain.head.clone());
            let mut lines = Vec::with_capacity(entries.len() * 512);
            for entry in note.iter().chain(entries) {
                seq += 1;
                let start = lines.len();
                let ts = format!("{:.3}", entry.at);
                let draft = Draft {
                    v: FORMAT,
                    seq,
                    ts: &ts,
                    scope: &entry.scope,
                    actor: entry.actor,
                    user,
                    event: &entry.event,
                    prev: &head,
                };
                serde_json::to_writer(&mut lines, &draft)?;
                head = digest(&lines[start..]);
                lines.push(b'\n');
            }
            if let Err(error) = chain.file.write_all_at(&lines, chain.end) {
                // Take back what was written of it, so that the chain stays whole; if that fails too, the end reads as torn.
                let _ = chain.file.set_len(chain.end);
                return Err(error);
            }
            chain.end += lines.len() as u64;
            (chain.seq, chain.head, chain.dirty) = (seq, head, true);
            Ok(chain.torn.take())
        })
    }

    /// Everything written so far is on disk when this returns.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            if self.new {
                folder::sync_names(&self.path)?;
                self.new = false;
            }
            self.dirty = false;
        }
        Ok(())
    }

    fn locked<T>(&mut self, work: impl FnOnce(&mut ChainFile) -> io::Result<T>) -> io::Result<T> {
        if self.session.is_some() {
            return work(self);
        }
        loop {
            self.file.lock()?;
            if self.file.metadata()?.nlink() > 0 {
                break;
            }
            // Removed by a purge since we opened it: go on in the new file.
            (self.file, self.new) = folder::open(&self.path)?;
            self.end = u64::MAX;
        }
        let result = work(self);
        self.file.unlock()?;
        result
    }

    /// Learns where the chain ends if it is not where we left it.
    fn settle(&mut self) -> io::Result<()> {
        let len = self.file.metadata()?.len();
        if len != self.end {
            let tail = Tail::find(&self.file, len)?;
            if tail.end < len {
                self.torn = Some(self.move_aside(tail.end, len)?);
            }
            (self.end, self.seq, self.head) = (tail.end, tail.seq, tail.head);
        }
        Ok(())
    }

    /// What the chain itself says about its torn end.
    fn note(&self, torn: &Torn) -> Entry {
        let name = torn.moved_to.file_name().unwrap_or_default().to_string_lossy();
        let event = Event::RecoveryUnknown {
            what: format!("torn end of {} bytes, moved to {name}", torn.bytes),
            digest: torn.sha256.clone(),
        };
        let scope = Scope { session: self.session.clone(), ..Scope::default() };
        Entry { at: jiff::Timestamp::now(), actor: Actor::Server, scope, event }
    }

    /// Copies `from..to` to a file of its own, synced, before it is cut off.
    fn move_aside(&self, from: u64, to: u64) -> io::Result<Torn> {
        let mut bytes = vec![0; usize::try_from(to - from).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, from)?;
        let (moved_to, mut aside) = new_aside(&self.path)?;
        aside.write_all(&bytes)?;
        aside.sync_all()?;
        if let Some(parent) = self.path.parent() {
            File::open(parent)?.sync_all()?;
        }
        self.file.set_len(from)?;
        self.file.sync_all()?;
        Ok(Torn { file: self.path.clone(), bytes: bytes.len() as u64, sha256: digest(&bytes), moved_to })
    }
}

/// `<name>.torn-N`, the first N that is free.
fn new_aside(path: &Path) -> io::Result<(PathBuf, File)> {
    for n in 1..=9999_u32 {
        let candidate = path.with_extension(format!("torn-{n}"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&candidate) {
            Ok(file) => return Ok((candidate, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("thousands of torn ends stand beside it; look at them and move them away"))
}

/// The last whole line of a file.
struct Tail {
    end: u64,
    seq: u64,
    head: String,
}

impl Tail {
    /// Walks back from the end over what is not a whole line of ours (a crash can leave half a line, or blocks of zeros).
    fn find(file: &File, len: u64) -> io::Result<Tail> {
        let mut end = newline_before(file, len)?.map_or(0, |at| at + 1);
        while end > 0 {
            let start = newline_before(file, end - 1)?.map_or(0, |at| at + 1);
            let mut line = vec![0; usize::try_from(end - 1 - start).map_err(io::Error::other)?];
            file.read_exact_at(&mut line, start)?;
            if let Ok(link) = serde_json::from_slice::<Link>(&line) {
                return Ok(Tail { end, seq: link.seq, head: digest(&line) });
            }
            end = start;
        }
        Ok(Tail { end: 0, seq: 0, head: GENESIS.to_owned() })
    }
}

/// Offset of the last newline in `0..end`.
fn newline_before(file: &File, end: u64) -> io::Result<Option<u64>> {
    const BLOCK: u64 = 8192;
    let mut block = [0; BLOCK as usize];
    let mut upper = end;
    while upper > 0 {
        let lower = upper.saturating_sub(BLOCK);
        let part = &mut block[..(upper - lower) as usize];
        file.read_exact_at(part, lower)?;
        if let Some(at) = part.iter().rposition(|&b| b == b'\n') {
            return Ok(Some(lower + at as u64));
        }
        upper = lower;
    }
    Ok(None)
}

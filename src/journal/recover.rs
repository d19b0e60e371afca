//! What a crash left behind, looked at before anything new is written: torn ends are moved aside, and every intent without an
//! outcome gets a `recovery.unknown`. Nothing is ever run again.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    file::ChainFile,
    intents::Intents,
    lock::{self, SessionLock},
    read::lines,
    record::Record,
    writer::Entry,
};
use crate::event::{Actor, Event, SessionId, TaskId};

/// Bytes at the end of a file that were no whole line, kept in a file of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    pub file: PathBuf,
    pub bytes: u64,
    pub sha256: String,
    pub moved_to: PathBuf,
}

/// An intent whose outcome nobody knows: the server ended between the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    pub session: SessionId,
    pub task: Option<TaskId>,
    /// `tool NAME` or `effect NAME`.
    pub what: String,
    /// Digest of the effect, or of the tool's input.
    pub digest: String,
}

/// Everything that the recovery of this start found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub torn: Vec<Torn>,
    pub unknown: Vec<Unknown>,
    /// Sessions whose files could not be recovered, with the reason. Their lock files stay: the next start tries again.
    pub failed: Vec<(SessionId, String)>,
}

/// Recovers every session whose writer is gone without having said so.
pub(super) fn recover(folder: &Path, user: &str) -> io::Result<Recovered> {
    let mut found = Recovered::default();
    for stem in lock::stems(folder)? {
        if let Err(error) = session(folder, &stem, user, &mut found) {
            found.failed.push((SessionId(stem), error.to_string()));
        }
    }
    Ok(found)
}

fn session(folder: &Path, stem: &str, user: &str, found: &mut Recovered) -> io::Result<()> {
    let Some(lock) = SessionLock::take(folder, stem)? else { return Ok(()) };
    let path = folder.join(format!("{stem}.jsonl"));
    let mut chain = ChainFile::open(folder, Some(SessionId(stem.to_owned())))?;
    let mut intents = Intents::default();
    for line in lines(&path)? {
        let line = line?;
        // Only these kinds open or close an intent; bodies need not be parsed.
        if [&b"\"tool."[..], b"\"effect.", b"\"recovery."].iter().any(|mark| contains(&line.bytes, mark))
            && let Ok(record) = Record::parse(&line.bytes)
        {
            intents.note(&record.scope, &record.event);
        }
    }
    let mut entries = Vec::new();
    for (scope, what, digest) in intents.open() {
        let event = Event::RecoveryUnknown { what: what.to_owned(), digest: digest.to_owned() };
        entries.push(Entry { at: jiff::Timestamp::now(), actor: Actor::Server, scope: scope.clone(), event });
        found.unknown.push(Unknown {
            session: SessionId(stem.to_owned()),
            task: scope.task.clone(),
            what: what.to_owned(),
            digest: digest.to_owned(),
        });
    }
    found.torn.extend(chain.append(&entries, user)?);
    chain.sync()?;
    lock.clear()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

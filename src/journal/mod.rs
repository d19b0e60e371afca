//! The journal: hash-chained JSON lines on disk, one file a session, written by one thread (docs/journal.md).
//!
//! `file` is one chain on disk, `lock` who writes it, `writer` the thread with its group commit, `recover` what a crash left
//! behind, `intents` which intents have no outcome, `read` and `verify` the way back. Opening costs nothing: folder, thread
//! and recovery come with the first event.

mod file;
mod folder;
mod intents;
mod lock;
mod read;
mod record;
mod recover;
mod verify;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use tokio::sync::oneshot;

pub use read::{Line, Lines, ReadError, Summary, lines, read_session, session_path, sessions};
pub use record::{GENESIS, Record, digest};
pub use recover::{Recovered, Torn, Unknown};
pub use verify::{Bad, FileReport, Report, verify};

use crate::{
    event::{Actor, Event, Scope},
    seams::{Journal, JournalError},
};
pub use writer::user_name;
use writer::{Entry, Message, Writer};

/// The journal on disk below a state folder. Dropping the last handle writes and syncs what is queued.
pub struct FileJournal {
    state_dir: PathBuf,
    writer: OnceLock<Result<Writer, String>>,
}

impl FileJournal {
    /// Prepares the journal in `state_dir/journal`. Touches no disk: that happens with the first event.
    ///
    /// # Errors
    /// [`JournalError`] when `state_dir` is not absolute: the record would depend on where the program was started.
    pub fn open(state_dir: &Path) -> Result<Arc<FileJournal>, JournalError> {
        if !state_dir.is_absolute() {
            return Err(JournalError(format!("the state folder {} is not an absolute path", state_dir.display())));
        }
        Ok(Arc::new(FileJournal { state_dir: state_dir.to_owned(), writer: OnceLock::new() }))
    }

    /// What earlier runs left unfinished: runs the recovery if no event did yet, and returns what it found.
    ///
    /// # Errors
    /// [`JournalError`] when the journal is broken.
    pub async fn recovered(&self) -> Result<Recovered, JournalError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Recovered(reply));
        answer.await.map_err(|_| gone())?
    }

    /// Returns when everything appended so far is on disk. A server calls it before it leaves.
    ///
    /// # Errors
    /// [`JournalError`] when something could not be written or synced.
    pub async fn flush(&self) -> Result<(), JournalError> {
        if self.writer.get().is_none() {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        self.send(Message::Flush(reply));
        answer.await.map_err(|_| gone())?
    }

    fn send(&self, message: Message) {
        match self.writer.get_or_init(|| Writer::start(&self.state_dir)) {
            Ok(writer) => writer.send(message),
            Err(why) => message.refuse(&JournalError(why.clone())),
        }
    }

    fn entry(actor: Actor, scope: &Scope, event: Event) -> Entry {
        Entry { at: jiff::Timestamp::now(), actor, scope: scope.clone(), event }
    }
}

#[async_trait::async_trait]
impl Journal for FileJournal {
    fn append(&self, actor: Actor, scope: &Scope, event: Event) {
        self.send(Message::Append(Self::entry(actor, scope, event), None));
    }

    async fn append_durable(&self, actor: Actor, scope: &Scope, event: Event) -> Result<(), JournalError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Append(Self::entry(actor, scope, event), Some(reply)));
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        if let Some(Ok(writer)) = self.writer.take() {
            writer.finish();
        }
    }
}

/// The writer's thread ended without an answer: a bug, and treated like a broken disk.
fn gone() -> JournalError {
    JournalError("its writer stopped; restart the server".to_owned())
}

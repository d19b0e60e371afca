//! The thread that writes: takes what is queued, appends it file by file, syncs once for everybody who waits (group commit).
//! After a failed write or sync nothing is written any more and every durable append fails: a record with a hole is no record.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use super::{
    file::ChainFile,
    folder::{self, SERVER},
    intents::Intents,
    lock::SessionLock,
    recover::{Recovered, recover},
};
use crate::{
    event::{Actor, Event, Scope, SessionId},
    seams::JournalError,
};

/// Most messages taken in one round.
const BATCH: usize = 256;
/// Most session files held open; idle ones are closed beyond that and reopened when needed.
const OPEN_FILES: usize = 64;

type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

/// An event on its way to the disk, with the time at which it happened.
pub(super) struct Entry {
    pub at: jiff::Timestamp,
    pub actor: Actor,
    pub scope: Scope,
    pub event: Event,
}

/// What the thread is asked to do.
#[expect(clippy::large_enum_variant, reason = "nearly every message is the large one")]
pub(super) enum Message {
    Append(Entry, Option<Reply<()>>),
    Flush(Reply<()>),
    Recovered(Reply<Recovered>),
}

impl Message {
    /// Answers whoever waits that it cannot be done.
    pub fn refuse(self, error: &JournalError) {
        match self {
            Message::Append(_, None) => {}
            Message::Append(_, Some(reply)) | Message::Flush(reply) => {
                let _ = reply.send(Err(error.clone()));
            }
            Message::Recovered(reply) => {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}

/// Handle of the thread.
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub fn start(state_dir: &Path) -> Result<Writer, String> {
        let (queue, messages) = mpsc::channel();
        let state_dir = state_dir.to_owned();
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || Files::open(&state_dir).run(&messages))
            .map_err(|error| format!("its thread does not start: {error}"))?;
        Ok(Writer { queue, thread })
    }

    pub fn send(&self, message: Message) {
        if let Err(mpsc::SendError(message)) = self.queue.send(message) {
            message.refuse(&super::gone());
        }
    }

    /// Lets the thread write what is queued, and waits for its end.
    pub fn finish(self) {
        drop(self.queue);
        if self.thread.join().is_err() {
            tracing::error!("the journal's writer panicked");
        }
    }
}

/// One session's file, or the server's.
struct Open {
    chain: ChainFile,
    lock: Option<SessionLock>,
    intents: Intents,
    /// Round in which it was last written.
    used: u64,
}

/// The state of the thread.
struct Files {
    folder: PathBuf,
    user: String,
    open: BTreeMap<String, Open>,
    recovered: Recovered,
    round: u64,
    /// The first error of the disk: nothing is written after it.
    broken: Option<JournalError>,
}

impl Files {
    fn open(state_dir: &Path) -> Files {
        let mut files = Files {
            folder: folder::folder(state_dir),
            user: user_name(),
            open: BTreeMap::new(),
            recovered: Recovered::default(),
            round: 0,
            broken: None,
        };
        match folder::prepare(state_dir).and_then(|folder| recover(&folder, &files.user)) {
            Ok(recovered) => files.recovered = recovered,
            Err(error) => {
                let path = files.folder.clone();
                files.fail(&path, &error);
            }
        }
        files
    }

    fn run(mut self, messages: &mpsc::Receiver<Message>) {
        while let Ok(first) = messages.recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(next) = messages.try_recv()
            {
                batch.push(next);
            }
            self.round(batch);
        }
        self.close();
    }

    fn round(&mut self, batch: Vec<Message>) {
        self.round += 1;
        let mut entries: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        let mut waiting: Vec<(Option<String>, Reply<()>)> = Vec::new();
        let mut asking: Vec<Reply<Recovered>> = Vec::new();
        for message in batch {
            match message {
                Message::Append(entry, reply) => {
                    let stem = match &entry.scope.session {
                        None => SERVER.to_owned(),
                        Some(session) if folder::is_session_id(&session.0) => session.0.clone(),
                        Some(session) => {
                            let error = JournalError(format!("{:?} is not a session id", session.0));
                            tracing::error!("{error}");
                            Message::Append(entry, reply).refuse(&error);
                            continue;
                        }
                    };
                    if let Some(reply) = reply {
                        waiting.push((Some(stem.clone()), reply));
                    }
                    entries.entry(stem).or_default().push(entry);
                }
                Message::Flush(reply) => waiting.push((None, reply)),
                Message::Recovered(reply) => asking.push(reply),
            }
        }
        // Refusals of one session (another server has it); a failed disk is `broken` and concerns everybody.
        let mut refused: BTreeMap<String, JournalError> = BTreeMap::new();
        for (stem, entries) in entries {
            if let Err(error) = self.append(&stem, &entries) {
                tracing::error!("{error}");
                refused.insert(stem, error);
            }
        }
        if waiting.iter().any(|(stem, _)| stem.is_none()) {
            self.sync(|_| true);
        } else if !waiting.is_empty() {
            // Nobody waits for the other files: each sync is a wait for the disk.
            self.sync(|open| waiting.iter().any(|(stem, _)| stem.as_deref() == Some(open)));
        }
        for (stem, reply) in waiting {
            let refusal = stem.and_then(|stem| refused.get(&stem)).or(self.broken.as_ref());
            let _ = reply.send(refusal.map_or(Ok(()), |error| Err(error.clone())));
        }
        for reply in asking {
            let _ = reply.send(self.broken.as_ref().map_or_else(|| Ok(self.recovered.clone()), |error| Err(error.clone())));
        }
        self.close_idle();
    }

    fn append(&mut self, stem: &str, entries: &[Entry]) -> Result<(), JournalError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let path = self.folder.join(format!("{stem}.jsonl"));
        if !self.open.contains_key(stem) {
            let session = (stem != SERVER).then(|| SessionId(stem.to_owned()));
            let lock = if session.is_some() { Some(self.lock(stem)?) } else { None };
            let chain = ChainFile::open(&self.folder, session).map_err(|error| self.fail(&path, &error))?;
            let open = Open { chain, lock, intents: Intents::default(), used: 0 };
            self.open.insert(stem.to_owned(), open);
        }
        let Some(open) = self.open.get_mut(stem) else { return Err(super::gone()) };
        open.used = self.round;
        for entry in entries {
            open.intents.note(&entry.scope, &entry.event);
        }
        match open.chain.append(entries, &self.user) {
            Ok(torn) => self.recovered.torn.extend(torn),
            Err(error) => return Err(self.fail(&path, &error)),
        }
        Ok(())
    }

    fn lock(&mut self, stem: &str) -> Result<SessionLock, JournalError> {
        match SessionLock::take(&self.folder, stem) {
            Ok(Some(lock)) => Ok(lock),
            Ok(None) => Err(JournalError(format!("session {stem} is being written by another server; close it there first"))),
            Err(error) => {
                let path = self.folder.join(format!("{stem}.lock"));
                Err(self.fail(&path, &error))
            }
        }
    }

    /// Brings the files with these stems onto the disk.
    fn sync(&mut self, wanted: impl Fn(&str) -> bool) {
        if self.broken.is_some() {
            return;
        }
        let files = self.open.iter_mut().filter(|(stem, _)| wanted(stem));
        let failed =
            files.map(|(stem, open)| (stem, open.chain.sync())).find_map(|(stem, synced)| Some((stem.clone(), synced.err()?)));
        if let Some((stem, error)) = failed {
            let path = self.folder.join(format!("{stem}.jsonl"));
            self.fail(&path, &error);
        }
    }

    /// Notes the first failure for good.
    fn fail(&mut self, path: &Path, error: &io::Error) -> JournalError {
        let error =
            JournalError(format!("{}: {error}; nothing runs until this is repaired and the server restarted", path.display()));
        tracing::error!("{error}");
        self.broken.get_or_insert(error).clone()
    }

    fn close_idle(&mut self) {
        while self.open.len() > OPEN_FILES {
            let idle = self.open.iter().filter(|(stem, open)| open.intents.is_empty() && *stem != SERVER);
            let Some(stem) = idle.min_by_key(|(_, open)| open.used).map(|(stem, _)| stem.clone()) else { return };
            self.sync(|open| open == stem);
            if let Some(open) = self.open.remove(&stem) {
                self.close_one(&stem, open);
            }
        }
    }

    fn close(&mut self) {
        self.sync(|_| true);
        for (stem, open) in std::mem::take(&mut self.open) {
            self.close_one(&stem, open);
        }
    }

    /// A session with open intents, or one that may have a hole, keeps its lock file: the next start looks at it.
    fn close_one(&self, stem: &str, open: Open) {
        if self.broken.is_none()
            && open.intents.is_empty()
            && let Some(lock) = open.lock
            && let Err(error) = lock.clear()
        {
            tracing::warn!("the lock file of session {stem} stays: {error}");
        }
    }
}

/// Name of the operating system's user, or its number where it has no name.
pub fn user_name() -> String {
    let uid = nix::unistd::getuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

//! Hunks outlive the server: they are written a moment after they change, never while the user waits. Pending ones come back
//! where they still fit; accepted ones can be taken back and committed where the text still holds them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tower_lsp::lsp_types::MessageType;

use super::{
    actor::Actor,
    commands::{Ask, Mode},
    effective::effective_policy,
    hover::Story,
    input::Input,
    kept::{Accepted, Kept, Shelf, number},
    outbox::Weight,
    review::{Observed, observe},
    task::{Asked, State, Task},
};
use crate::{
    config::TrustStore,
    event::{Actor as By, Event, HunkId, ProposalId, SessionId, StopReason},
    path::WsPath,
    proposal::{Beneath, Proposal, Record, history::SavedHistory, saved::SavedProposal},
    seams::Journal,
};

/// Pause between a change and its being written.
const PAUSE: Duration = Duration::from_millis(300);

/// One proposal that a server left, with what the disk holds at its paths.
pub struct Left {
    pub folder: usize,
    /// Hunks that were kept, before the policy took any out.
    hunks: usize,
    pub kept: Kept,
    pub observed: Observed,
}

/// What is to be done on disk, in order.
enum Work {
    Put {
        session: SessionId,
        title: String,
        folder: PathBuf,
        proposal: Box<Proposal>,
    },
    /// What was accepted; nothing else of the proposal is looked at.
    PutAccepted {
        session: SessionId,
        title: String,
        folder: PathBuf,
        proposal: Box<Proposal>,
        committed: Vec<(HunkId, WsPath)>,
        stories: Told,
    },
    Remove(SessionId, ProposalId),
    /// Everything before is done.
    Flush(oneshot::Sender<()>),
}

/// What is told about accepted hunks.
type Told = Vec<(HunkId, Story)>;

/// What changes whenever accepted hunks do.
type Stamp = (usize, Option<HunkId>, usize);

/// Keeps hunks for a restart.
pub struct Keeper {
    shelf: Arc<Mutex<Shelf>>,
    work: mpsc::UnboundedSender<Work>,
    /// Taken by the writer when the first work comes.
    waiting: Option<mpsc::UnboundedReceiver<Work>>,
    scheduled: bool,
    /// The revision of each proposal that was last looked at.
    seen: BTreeMap<ProposalId, u64>,
    /// The accepted hunks of each proposal that were last looked at.
    accepted: BTreeMap<ProposalId, Stamp>,
}

impl Keeper {
    /// A keeper below the state folder.
    pub fn below(state: &std::path::Path) -> Keeper {
        let (work, waiting) = mpsc::unbounded_channel();
        let shelf = Arc::new(Mutex::new(Shelf::below(state)));
        Keeper { shelf, work, waiting: Some(waiting), scheduled: false, seen: BTreeMap::new(), accepted: BTreeMap::new() }
    }

    fn send(&mut self, work: Work) {
        if let Some(waiting) = self.waiting.take() {
            tokio::spawn(write(self.shelf.clone(), waiting));
        }
        let _ = self.work.send(work);
    }
}

async fn write(shelf: Arc<Mutex<Shelf>>, mut work: mpsc::UnboundedReceiver<Work>) {
    while let Some(work) = work.recv().await {
        let shelf = shelf.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
            match work {
                Work::Put { session, title, folder, proposal } => match SavedProposal::of(&proposal) {
                    Some(saved) => shelf.put(session, title, folder, saved),
                    None => shelf.remove(&session, &proposal.id),
                },
                Work::PutAccepted { session, title, folder, proposal, committed, stories } => {
                    let is_committed =
                        |record: &Record| committed.iter().any(|(hunk, path)| *hunk == record.hunk && *path == record.path);
                    let (id, task, last) = (proposal.id.clone(), proposal.task.clone(), proposal.ids.last());
                    let about = SavedProposal { id, task, last, files: Vec::new() };
                    match SavedHistory::of(&proposal, is_committed) {
                        Some(history) => shelf.put_accepted(session, title, folder, about, (history, stories)),
                        None => shelf.remove_accepted(&session, &proposal.id),
                    }
                }
                Work::Remove(session, proposal) => {
                    shelf.remove(&session, &proposal).and_then(|()| shelf.remove_accepted(&session, &proposal))
                }
                Work::Flush(done) => {
                    shelf.leave();
                    let _ = done.send(());
                    Ok(())
                }
            }
        });
        match done.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "changes are not kept for a restart"),
            Err(error) => tracing::error!(%error, "changes are not kept for a restart"),
        }
    }
}

impl Actor {
    /// Writes soon what has changed.
    pub fn schedule_keeping(&mut self) {
        if !self.setup.keep_pending || std::mem::replace(&mut self.keeper.scheduled, true) {
            return;
        }
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            tokio::time::timeout(PAUSE, std::future::pending::<()>()).await.ok();
            let _ = mailbox.send(Input::Keep);
        });
    }

    /// Writes at once what has changed.
    pub fn keep_now(&mut self) {
        if self.setup.keep_pending {
            self.keep();
        }
    }

    /// Writes what has changed since the last time.
    pub fn keep(&mut self) {
        self.keeper.scheduled = false;
        let mut work = Vec::new();
        for (_, folder) in self.folders.iter() {
            for proposal in folder.desk.proposals() {
                let Some(task) = self.tasks.get(&proposal.task) else { continue };
                let stamp = folder.desk.accepted_stamp(proposal);
                let known = self.keeper.accepted.insert(proposal.id.clone(), stamp.clone()).unwrap_or_default();
                if known != stamp {
                    // Before what is pending, so that a crash in between loses nothing that was accepted.
                    let mut accepted = Proposal::new(proposal.id.clone(), proposal.task.clone());
                    accepted.accepted.clone_from(&proposal.accepted);
                    accepted.ids = proposal.ids.clone();
                    let hunks = proposal.accepted.iter().map(|record| &record.hunk);
                    work.push(Work::PutAccepted {
                        session: task.session.clone(),
                        title: task.title.clone(),
                        folder: folder.canonical.clone(),
                        committed: folder.desk.committed_of(&proposal.id),
                        stories: self.stories.of(&proposal.id, hunks),
                        proposal: Box::new(accepted),
                    });
                }
                let before = self.keeper.seen.insert(proposal.id.clone(), proposal.revision);
                let nothing_yet = before.is_none() && proposal.files.is_empty();
                if before == Some(proposal.revision) || nothing_yet {
                    continue;
                }
                work.push(Work::Put {
                    session: task.session.clone(),
                    title: task.title.clone(),
                    folder: folder.canonical.clone(),
                    proposal: Box::new(proposal.undecided()),
                });
            }
        }
        work.into_iter().for_each(|work| self.keeper.send(work));
    }

    /// Writes the rest; the receiver hears when it is on disk.
    pub fn keep_all(&mut self) -> oneshot::Receiver<()> {
        let (done, kept) = oneshot::channel();
        if self.setup.keep_pending {
            self.keep();
            self.keeper.send(Work::Flush(done));
        }
        kept
    }

    /// Looks for hunks of servers that are gone, in the open folders that are trusted.
    pub fn look_for_kept(&self) {
        if !self.setup.keep_pending {
            let _ = self.mailbox.send(Input::Left(Vec::new()));
            return;
        }
        let roots: Vec<(usize, PathBuf)> = self.folders.iter().map(|(index, folder)| (index, folder.canonical.clone())).collect();
        let (setup, shelf, mailbox) = (self.setup.clone(), self.keeper.shelf.clone(), self.mailbox.clone());
        let trusted_by_client = self.client.trusted;
        tokio::spawn(async move {
            let look = move || {
                let store = TrustStore::new(&setup.folders);
                let trusted = |root: &PathBuf| trusted_by_client || store.is_trusted(root).unwrap_or(false);
                let roots: Vec<(usize, PathBuf)> = roots.into_iter().filter(|(_, root)| trusted(root)).collect();
                let open: Vec<PathBuf> = roots.iter().map(|(_, root)| root.clone()).collect();
                let found = shelf.lock().unwrap_or_else(PoisonError::into_inner).take_over(&open);
                let found = found.inspect_err(|error| tracing::warn!(%error, "kept changes cannot be read")).unwrap_or_default();
                let of = |kept: Kept| {
                    let (index, root) = roots.iter().find(|(_, root)| *root == kept.folder)?.clone();
                    let hunks = kept.proposal.files.iter().map(|file| file.hunks.len()).sum();
                    Some((index, root.clone(), hunks, judged(&setup, &root, kept)))
                };
                found.into_iter().filter_map(of).collect::<Vec<_>>()
            };
            let mut all = Vec::new();
            for (folder, root, hunks, kept) in tokio::task::spawn_blocking(look).await.unwrap_or_default() {
                let accepted = kept.accepted.iter().flat_map(|accepted| accepted.history.paths());
                let paths: BTreeSet<WsPath> = kept.proposal.paths().chain(accepted).cloned().collect();
                let observed = observe(root, paths.into_iter().collect()).await;
                all.push(Left { folder, hunks, kept, observed });
            }
            let _ = mailbox.send(Input::Left(all));
        });
    }

    /// Puts what servers left back on the desks, where it still fits.
    pub fn on_left(&mut self, mut all: Vec<Left>) {
        // In their order, so that the newest task is the newest again.
        all.sort_by_key(|left| (number(&left.kept.proposal.id.0, 'p'), left.kept.session.clone()));
        let found = !all.is_empty();
        let (mut total, mut restored) = (0, 0);
        for left in all {
            total += left.hunks;
            restored += self.restore(left);
        }
        if self.client.rich {
            // An editor goes on showing what the server before this one proposed until it hears what is left of it.
            let ids: Vec<&ProposalId> =
                self.folders.iter().flat_map(|(_, folder)| folder.desk.proposals().map(|proposal| &proposal.id)).collect();
            self.out.own("countersign/restored", json!({"proposals": ids}), Weight::Needed);
        }
        if !found {
            return;
        }
        self.display.touch_all();
        self.schedule_refresh();
        self.schedule_keeping();
        if total == 0 {
            // Accepted hunks are there when they are asked for; nobody needs to be told.
            return;
        }
        let noun = if total == 1 { "change" } else { "changes" };
        let said = if restored == total {
            format!("countersign: {total} pending {noun} from before the restart, to review as before.")
        } else {
            format!(
                "countersign: {restored} of {total} pending {noun} could be restored; the files have changed under the others."
            )
        };
        self.out.message(MessageType::INFO, &said);
    }

    /// The number of pending hunks that are back.
    fn restore(&mut self, left: Left) -> usize {
        let Left { folder: index, kept, observed, .. } = left;
        let Kept { session, title, mut proposal, accepted, .. } = kept;
        let (records, stories) = records(accepted, proposal.last);
        // What was accepted just before a crash may still stand as pending too.
        proposal.files.iter_mut().for_each(|file| {
            file.hunks.retain(|hunk| !records.iter().any(|(record, _)| record.hunk == hunk.id));
        });
        let before = proposal.id.clone();
        let ids = [number(&proposal.id.0, 'p'), proposal.task.0.split('-').next().and_then(|id| number(id, 't'))];
        self.counter = ids.into_iter().flatten().fold(self.counter, u64::max);
        if self.folders.iter().any(|(_, folder)| folder.desk.proposal(&proposal.id).is_some()) {
            self.counter += 1;
            proposal.id = ProposalId(format!("p{}", self.counter));
        }
        let Some(folder) = self.folders.get_mut(index) else { return 0 };
        let now = |path: &WsPath| {
            let disk = || observed.iter().find(|(seen, _)| seen == path).and_then(|(_, now)| now.clone());
            let open = folder.desk.buffer(path).map(|buffer| buffer.text.clone());
            let mode = || disk().and_then(|now| now.executable);
            open.map(|text| Beneath { executable: mode(), ..Beneath::from(text) }).or_else(disk)
        };
        let mut found = match proposal.restore(now) {
            Ok(found) => found,
            Err(why) => {
                tracing::warn!(session = %session, why, "pending changes are not restored");
                return 0;
            }
        };
        let (id, task, count) = (found.proposal.id.clone(), found.proposal.task.clone(), found.hunks);
        let committed: Vec<(HunkId, WsPath)> =
            records.iter().filter(|(_, committed)| *committed).map(|(one, _)| (one.hunk.clone(), one.path.clone())).collect();
        records.into_iter().for_each(|(record, _)| found.proposal.remember(record));
        // The same task may have proposed in another folder too.
        let sibling = self.tasks.get(&task).is_some_and(|known| known.session == session && known.folder != index);
        if (self.tasks.contains_key(&task) && !sibling) || !folder.desk.restore(found.proposal) {
            return 0;
        }
        folder.desk.accepted_before(&id, &committed, &observed);
        stories.into_iter().for_each(|(hunk, story)| self.stories.add((id.clone(), hunk), story));
        // What is written from now on replaces what was there, or removes it.
        self.keeper.seen.insert(id.clone(), u64::MAX);
        if id != before {
            self.keeper.send(Work::Remove(session.clone(), before));
        } else if let Some(proposal) = folder.desk.proposal(&id) {
            self.keeper.accepted.insert(id.clone(), folder.desk.accepted_stamp(proposal));
        }
        if sibling {
            self.after_text(index);
            return count;
        }
        let ask = Ask { prompt: Some(title.clone()), ..Ask::default() };
        let asked = Asked { ask, prompt_name: "ask".to_owned(), mode: None, iterations: self.setup.max_iterations };
        let ids = (task.clone(), session.clone(), id.clone());
        let mut restored = Task {
            state: State::Ended(StopReason::EndTurn),
            summary: "restored after a restart of the server; what came before stands in the journal".to_owned(),
            ..Task::new(ids, index, asked, title, Mode::Edit)
        };
        restored.log("\n\nThe server was started anew; what came before stands in the journal.\n");
        for (path, hunk, why) in &found.dropped {
            restored.log(&format!("\nChange {hunk} of {path} could not be restored: {why}.\n"));
            tracing::info!(%path, %hunk, why, "a pending change could not be restored");
        }
        self.tasks.insert(task.clone(), restored);
        let notes = &mut self.sessions.entry(session).or_default().notes;
        let note = "(The server was started anew: what was said and done before in this conversation is not known here.)";
        if !notes.iter().any(|known| known == note) {
            notes.push(note.to_owned());
        }
        let scope = self.scope(&task);
        for (path, hunk, why) in found.dropped {
            let (path, why) = (path.as_str().to_owned(), format!("not restored after a restart: {why}"));
            self.journal.append(By::Server, &scope, Event::HunkStale { proposal: id.clone(), hunk, path, why });
        }
        self.after_text(index);
        count
    }
}

/// The accepted hunks of a file, each with whether a commit holds it, and what is told about them.
fn records(accepted: Option<Accepted>, last: u32) -> (Vec<(Record, bool)>, Told) {
    let Some(Accepted { history, stories, .. }) = accepted else { return Default::default() };
    match history.restore(last) {
        Ok(records) => (records, stories),
        Err(why) => {
            tracing::warn!(why, "accepted changes are not restored");
            Default::default()
        }
    }
}

/// What the policy of now says about the kept hunks: what it forbids is left out, what steers tools stands apart.
fn judged(setup: &super::Setup, root: &std::path::Path, mut kept: Kept) -> Kept {
    let policy = effective_policy(setup, root, true).policy;
    let forbidden = |path: &WsPath| {
        let class = policy.path_class(path, true);
        class.never_write || class.secret.is_some()
    };
    kept.proposal.files.retain(|file| {
        let fine = !forbidden(&file.path) && !file.to.as_ref().is_some_and(forbidden);
        if !fine {
            tracing::warn!(path = %file.path, "pending changes of a file that the policy forbids are not restored");
        }
        fine
    });
    if let Some(Accepted { history, .. }) = &mut kept.accepted {
        let gone: BTreeSet<HunkId> =
            history.records.iter().filter(|record| forbidden(&record.path)).map(|record| record.hunk.clone()).collect();
        history.ends.retain(|path, _| !forbidden(path));
        history.records.retain(|record| !gone.contains(&record.hunk) && !forbidden(&record.path));
    }
    for file in &mut kept.proposal.files {
        let steers = policy.path_class(&file.path, true).steering
            || file.to.as_ref().is_some_and(|to| policy.path_class(to, true).steering);
        file.hunks.iter_mut().for_each(|hunk| hunk.apart |= steers);
    }
    kept
}

//! An acceptance, step by step: it is recorded, sent as one versioned edit, and believed only when the text shows it. What the
//! editor cannot do, the server does itself: files before that, modes after it.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};
use tower_lsp::lsp_types::{ApplyWorkspaceEditParams, ApplyWorkspaceEditResponse, MessageType, request::ApplyWorkspaceEdit};

use super::{
    actor::Actor,
    edit::workspace_edit,
    hands::{self, Done, Part},
    input::{Input, Reply},
    observing::{self, Observed, closed_paths, observe, unopened_of},
    saving::Outcome,
    undo,
};
use crate::{
    event::{Actor as By, Event, HunkId, ProposalId, TaskId},
    path::WsPath,
    proposal::{FileOp, HunkState},
    seams::{Journal, JournalError},
    text::Text,
    workspace::desk::{Plan, Settled, Taken, Undo},
};

/// Longest wait for the client's text to show an accepted hunk, from the client's answer on; and where it is told only when idle.
const PATIENCE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];
/// Longest wait for the answer itself, from the edit being sent: an editor on a busy machine takes seconds to create a file.
const UNANSWERED: Duration = Duration::from_secs(10);

/// A step of an acceptance that is done elsewhere.
pub enum Landed {
    /// The intent is on disk, or could not be written.
    /// What the disk holds of its files that are not open was read meanwhile.
    Intent { job: u64, written: Result<(), JournalError>, observed: Observed },
    /// The client answered, or will not. What the disk holds where no document is open was read after that.
    Answered { job: u64, answer: Result<ApplyWorkspaceEditResponse, String>, observed: Observed },
    /// The wait is over.
    Deadline { job: u64, observed: Observed },
    /// What the server did itself, and what the disk holds since.
    Performed { job: u64, part: Part, digest: String, done: Vec<Done>, observed: Observed },
    /// What the disk holds of a task's files, so that its accepted hunks can be taken back.
    Looked { folder: usize, task: TaskId, observed: Observed, reply: Reply<Value> },
}

/// One acceptance.
struct Job {
    id: u64,
    folder: usize,
    proposal: ProposalId,
    /// As asked; what of it is being applied stands in the plan.
    hunks: Vec<HunkId>,
    reply: Option<Reply<Value>>,
    /// Of the part in work.
    plan: Option<Plan>,
    /// The edit is on its way to the client.
    sent: bool,
    retried: bool,
    /// What the client said when it refused.
    refusal: Option<String>,
    /// Files that were clean or not open before.
    clean: Vec<WsPath>,
    /// It takes accepted hunks back.
    undo: Option<Undo>,
    /// Hunks that a part is done with.
    tried: Vec<HunkId>,
    /// How the parts so far ended.
    settled: Settled,
    /// Files that the editor changed.
    edited: Vec<WsPath>,
    /// Files that the editor created.
    created: Vec<WsPath>,
    /// What the server did itself, in words.
    did: Vec<String>,
    /// Why the server could not do something.
    unable: Option<String>,
}

impl Job {
    /// Kind of the effect in the journal, and what it is about.
    fn effect(&self) -> (&'static str, Value) {
        match &self.undo {
            None => ("accept", json!({"proposal": self.proposal, "hunks": self.hunks})),
            Some(undo) => ("undo", undo::detail(undo)),
        }
    }

    /// The hunks that no part is done with.
    fn left(&self) -> Vec<HunkId> {
        self.hunks.iter().filter(|hunk| !self.tried.contains(hunk)).cloned().collect()
    }

    /// Books how a part ended; its hunks are done with.
    fn book(&mut self, settled: Settled) {
        let refused = settled.refused.iter().map(|(hunk, _)| hunk);
        self.tried.extend(settled.accepted.iter().map(|taken| &taken.hunk).chain(refused).cloned());
        self.settled.accepted.extend(settled.accepted);
        self.settled.refused.extend(settled.refused);
    }
}

/// Acceptances, one at a time: the second is planned on what the first left.
#[derive(Default)]
pub struct Review {
    jobs: VecDeque<Job>,
    numbers: u64,
    /// Files that edits without a version are on their way for, each with the acceptance: the client has not answered.
    unanswered: Vec<(u64, usize, WsPath)>,
}

impl Review {
    /// Whether an edit of ours is on its way to the client.
    pub fn is_busy(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Whether an edit of this file that carries no version may still be applied, however late.
    fn may_still_change(&self, folder: usize, path: &WsPath) -> bool {
        self.unanswered.iter().any(|(_, index, known)| *index == folder && known == path)
    }
}

impl Actor {
    /// Puts an acceptance behind those that wait.
    pub(super) fn line_up(
        &mut self,
        folder: usize,
        proposal: ProposalId,
        hunks: Vec<HunkId>,
        undo: Option<Undo>,
        reply: Reply<Value>,
    ) {
        self.review.numbers += 1;
        self.review.jobs.push_back(Job {
            id: self.review.numbers,
            folder,
            proposal,
            hunks,
            reply: Some(reply),
            plan: None,
            sent: false,
            retried: false,
            refusal: None,
            clean: Vec::new(),
            undo,
            tried: Vec::new(),
            settled: Settled::default(),
            edited: Vec::new(),
            created: Vec::new(),
            did: Vec::new(),
            unable: None,
        });
        if self.review.jobs.len() == 1 {
            self.record_intent();
        }
    }

    /// First step: the intent is on disk before the edit is sent (law 4).
    fn record_intent(&mut self) {
        let Some(job) = self.review.jobs.front() else { return };
        let Some(folder) = self.folders.get(job.folder) else { return };
        let task = folder.desk.proposal(&job.proposal).map(|proposal| proposal.task.clone());
        let scope = task.map(|task| self.scope(&task)).unwrap_or_default();
        let (effect, detail) = job.effect();
        let digest = Text::new(&detail.to_string()).sha256();
        let event = Event::EffectStart { effect: effect.to_owned(), digest, detail };
        let (journal, mailbox, id) = (self.journal.clone(), self.mailbox.clone(), job.id);
        let (root, unopened) = (folder.canonical.clone(), unopened_of(folder, &job.proposal));
        tokio::spawn(async move {
            let (written, observed) = tokio::join!(journal.append_durable(By::Human, &scope, event), observe(root, unopened));
            let _ = mailbox.send(Input::Landed(Landed::Intent { job: id, written, observed }));
        });
    }

    /// A step of the acceptance in work is done.
    pub fn on_landed(&mut self, landed: Landed) {
        let current = self.review.jobs.front().map(|job| job.id);
        let sent = self.review.jobs.front().filter(|job| job.sent).map(|job| job.id);
        if let Landed::Answered { job, .. } = &landed {
            self.review.unanswered.retain(|(of, ..)| of != job);
        }
        match landed {
            Landed::Intent { job, written, observed } if current == Some(job) => match written {
                Ok(()) => {
                    self.take_disk(observed);
                    self.use_hands(Part::First);
                }
                Err(error) => self.end(Some(&error.to_string())),
            },
            Landed::Performed { job, part, digest, done, observed } if current == Some(job) => {
                self.on_performed(part, digest, done, observed);
            }
            Landed::Answered { job, answer, observed } if sent == Some(job) => self.on_answer(answer, observed),
            Landed::Deadline { job, observed } if sent == Some(job) => self.edited(observed, None),
            Landed::Looked { folder, task, observed, reply } => self.on_looked(folder, &task, observed, reply),
            Landed::Intent { .. } | Landed::Performed { .. } | Landed::Answered { .. } | Landed::Deadline { .. } => {}
        }
    }

    /// Nobody need have told what another program did to a file that is not open: an edit is planned on what stands there now.
    fn take_disk(&mut self, observed: Observed) {
        let Some(job) = self.review.jobs.front() else { return };
        let Some(folder) = self.folders.get_mut(job.folder) else { return };
        for (path, now) in observed {
            // The target of a move only matters when something stands there.
            let known = folder.desk.proposal(&job.proposal).is_some_and(|proposal| proposal.files.contains_key(&path));
            if folder.desk.buffer(&path).is_none() && (known || now.is_some()) {
                folder.desk.disk_changed(&path, now);
            }
        }
        self.after_text_of_current();
    }

    /// Before and after the editor's part: what the server does itself. Its intent is on disk first, too.
    fn use_hands(&mut self, part: Part) {
        let Some(job) = self.review.jobs.front_mut() else { return };
        let Some(folder) = self.folders.get_mut(job.folder) else { return };
        let mut mine = job.left();
        mine.retain(|hunk| hands::part(folder, &job.proposal, hunk, &self.client) == part);
        let plan = if mine.is_empty() { None } else { folder.desk.plan(&job.proposal, &mine).ok() };
        let Some(mut plan) = plan else { return self.after_hands(part) };
        job.book(Settled { refused: std::mem::take(&mut plan.refused), ..Settled::default() });
        if plan.files.is_empty() {
            return self.after_hands(part);
        }
        let deeds = hands::deeds(folder, &plan);
        let detail = hands::detail(&job.proposal, &deeds);
        let digest = Text::new(&detail.to_string()).sha256();
        let (id, root) = (job.id, folder.canonical.clone());
        let task = folder.desk.proposal(&job.proposal).map(|proposal| proposal.task.clone());
        job.plan = Some(plan);
        let scope = task.map(|task| self.scope(&task)).unwrap_or_default();
        let (journal, mailbox) = (self.journal.clone(), self.mailbox.clone());
        let event = Event::EffectStart { effect: "disk".to_owned(), digest: digest.clone(), detail };
        tokio::spawn(async move {
            let (done, observed) = match journal.append_durable(By::Server, &scope, event).await {
                Ok(()) => hands::perform(root, deeds).await,
                Err(error) => (hands::undone(&deeds, &error.to_string()), Vec::new()),
            };
            let _ = mailbox.send(Input::Landed(Landed::Performed { job: id, part, digest, done, observed }));
        });
        self.after_text_of_current();
    }

    fn on_performed(&mut self, part: Part, digest: String, done: Vec<Done>, observed: Observed) {
        let Some(job) = self.review.jobs.front_mut() else { return };
        let Some(folder) = self.folders.get_mut(job.folder) else { return };
        let hunks = job.plan.take().map(|plan| plan.hunks).unwrap_or_default();
        let fine: Vec<HunkId> = done.iter().filter(|done| done.result.is_ok()).map(|done| done.hunk.clone()).collect();
        let mut settled = folder.desk.settle_done(&job.proposal, &hunks, observed, &fine).unwrap_or_default();
        for (hunk, why) in &mut settled.refused {
            let said = done.iter().find(|done| done.hunk == *hunk).and_then(|done| done.result.as_ref().err());
            let said = said.map_or("it was done, and undone by somebody else", String::as_str);
            *why = format!("{said}; it is pending again");
            job.unable.get_or_insert_with(|| why.clone());
        }
        let accepted = |hunk: &HunkId| settled.accepted.iter().any(|taken| taken.hunk == *hunk);
        let mut notes = Vec::new();
        for done in done.into_iter().filter(|done| accepted(&done.hunk)) {
            job.did.extend(done.result);
            notes.extend(done.notes);
            if let Some(image) = done.image {
                folder.desk.keep_image(&job.proposal, &done.hunk, image);
            }
        }
        let names = |taken: &[Taken]| taken.iter().map(|taken| taken.hunk.clone()).collect::<Vec<_>>();
        let rows: Vec<Value> = settled.refused.iter().map(|(hunk, why)| json!({"hunk": hunk, "why": why})).collect();
        let detail = json!({"done": names(&settled.accepted), "refused": rows});
        let task = folder.desk.proposal(&job.proposal).map(|proposal| proposal.task.clone());
        let ok = settled.refused.is_empty();
        job.book(settled);
        self.after_text_of_current();
        let scope = task.map(|task| self.scope(&task)).unwrap_or_default();
        self.record(By::Server, &scope, Event::EffectResult { effect: "disk".to_owned(), digest, ok, detail });
        notes.iter().for_each(|note| self.out.message(MessageType::INFO, note));
        self.after_hands(part);
    }

    fn after_hands(&mut self, part: Part) {
        match part {
            Part::First => self.send_edit(),
            Part::Editor | Part::Last => self.end(None),
        }
    }

    /// The editor's part: plan on the text as it is now, and send.
    fn send_edit(&mut self) {
        let (client, mailbox) = (self.client.clone(), self.mailbox.clone());
        self.refuse_twice();
        let Some(job) = self.review.jobs.front_mut() else { return };
        let Some(folder) = self.folders.get_mut(job.folder) else { return };
        let mut hunks = job.left();
        hunks.retain(|hunk| hands::part(folder, &job.proposal, hunk, &client) != Part::Last);
        let plan = match folder.desk.plan(&job.proposal, &hunks) {
            Ok(plan) => plan,
            Err(error) => return self.end(Some(&error.to_string())),
        };
        job.clean.retain(|path| !plan.files.iter().any(|file| file.path == *path));
        let clean = |path: &WsPath| folder.desk.buffer(path).is_none_or(|buffer| !buffer.unsaved());
        job.clean.extend(plan.files.iter().filter(|file| clean(&file.path)).flat_map(observing::places).cloned());
        let edit = workspace_edit(folder, &plan, &client);
        let closed = closed_paths(folder, &plan);
        let is_undo = job.undo.is_some();
        let (number, index, root) = (job.id, job.folder, folder.canonical.clone());
        let nothing = plan.files.is_empty();
        let unversioned = plan.files.iter().filter(|file| file.version.is_none() && !file.edits.is_empty());
        let unversioned: Vec<WsPath> = unversioned.map(|file| file.path.clone()).collect();
        job.plan = Some(plan);
        job.sent = true;
        let edit = match edit {
            Ok(edit) if !nothing => edit,
            Ok(_) => return self.edited(Vec::new(), None),
            Err(why) => return self.edited(Vec::new(), Some(why)),
        };
        self.review.unanswered.extend(unversioned.into_iter().map(|path| (number, index, path)));
        let label = if is_undo { "Take the agent's changes back" } else { "Accept the agent's change" };
        let params = ApplyWorkspaceEditParams { label: Some(label.to_owned()), edit };
        let answer = self.out.request::<ApplyWorkspaceEdit>(params);
        let patience = PATIENCE[usize::from(client.silent_while_waiting)];
        tokio::spawn(async move {
            let mut answer = std::pin::pin!(answer);
            if let Ok(answer) = tokio::time::timeout(UNANSWERED, &mut answer).await {
                let answer = answer.map_err(|error| error.message.into_owned());
                let observed = observe(root.clone(), closed.clone()).await;
                let _ = mailbox.send(Input::Landed(Landed::Answered { job: number, answer, observed }));
                tokio::time::timeout(patience, std::future::pending::<()>()).await.ok();
                let observed = observe(root, closed).await;
                let _ = mailbox.send(Input::Landed(Landed::Deadline { job: number, observed }));
                return;
            }
            let observed = observe(root.clone(), closed.clone()).await;
            let _ = mailbox.send(Input::Landed(Landed::Deadline { job: number, observed }));
            // Later it only tells that nothing more is to come.
            let answer = answer.await.map_err(|error| error.message.into_owned());
            let _ = mailbox.send(Input::Landed(Landed::Answered { job: number, answer, observed: Vec::new() }));
        });
        self.after_text_of_current();
    }

    /// An edit without a version is not made twice: of the first nobody knows whether it is still to come.
    fn refuse_twice(&mut self) {
        let Some(job) = self.review.jobs.front() else { return };
        let Some(folder) = self.folders.get(job.folder) else { return };
        let why = |id: HunkId| {
            let path = folder.desk.hunk(&job.proposal, &id).ok()?.0;
            let twice = folder.desk.buffer(path).is_none() && self.review.may_still_change(job.folder, path);
            let why = || format!("your editor has not answered the last edit of {path} yet; open the file, then accept again");
            twice.then(|| (id, why()))
        };
        let refused = job.left().into_iter().filter_map(why).collect();
        if let Some(job) = self.review.jobs.front_mut() {
            job.book(Settled { accepted: Vec::new(), refused });
        }
    }

    fn after_text_of_current(&mut self) {
        if let Some(folder) = self.review.jobs.front().map(|job| job.folder) {
            self.after_text(folder);
        }
    }

    /// What the client says is a hint; the text decides.
    fn on_answer(&mut self, answer: Result<ApplyWorkspaceEditResponse, String>, observed: Observed) {
        let Some(job) = self.review.jobs.front_mut() else { return };
        match answer {
            Ok(answer) if answer.applied => {
                // A file that is not open has been read after the answer: nothing more will come for it.
                if let Some(folder) = self.folders.get_mut(job.folder) {
                    for (path, now) in &observed {
                        let deleted = || job.plan.as_ref().is_some_and(|plan| observing::deletes(plan, path));
                        if folder.desk.buffer(path).is_none() && (now.is_some() || deleted()) {
                            folder.desk.disk_changed(path, now.clone());
                        }
                    }
                }
                self.after_text_of_current();
                let front = self.review.jobs.front().and_then(|job| Some((job.folder, job.plan.as_ref()?)));
                if front.is_some_and(|(at, plan)| {
                    self.folders.get(at).is_some_and(|folder| observing::moves_are_done(folder, plan, &observed))
                }) {
                    return self.edited(observed, None);
                }
                self.check_landed();
                self.answer_early();
            }
            Ok(answer) => {
                self.refused(answer.failure_reason.unwrap_or_else(|| "the editor refused the edit".to_owned()), observed)
            }
            Err(why) => self.refused(format!("the editor answered an error: {why}"), observed),
        }
    }

    /// A client that is silent until its command is answered is answered before the comparison, which still decides.
    fn answer_early(&mut self) {
        let Some(job) = self.review.jobs.front_mut().filter(|job| job.sent && self.client.silent_while_waiting) else { return };
        if let Some(reply) = job.reply.take() {
            let _ = reply.send(Ok(json!({"accepted": [], "refused": [], "waiting": job.hunks})));
        }
    }

    /// The client refused: once more on the text as it is now, when that has moved; else it is over.
    fn refused(&mut self, why: String, observed: Observed) {
        let Some(job) = self.review.jobs.front_mut() else { return };
        let moved = job.plan.as_ref().is_some_and(|plan| {
            let folder = self.folders.get(job.folder);
            plan.files.iter().any(|file| {
                folder
                    .and_then(|folder| folder.desk.buffer(&file.path))
                    .is_some_and(|buffer| Some(buffer.version) != file.version)
            })
        });
        if moved && !std::mem::replace(&mut job.retried, true) {
            let (id, hunks) = (job.proposal.clone(), job.plan.take().map(|plan| plan.hunks).unwrap_or_default());
            if let Some(folder) = self.folders.get_mut(job.folder) {
                // What did land stays accepted; the rest is pending and planned anew.
                let settled = folder.desk.settle(&id, &hunks, observed).unwrap_or_default();
                job.edited.extend(settled.accepted.iter().map(|taken| taken.path.clone()));
                job.book(Settled { accepted: settled.accepted, refused: Vec::new() });
            }
            self.after_text_of_current();
            return self.send_edit();
        }
        job.refusal = Some(why);
        self.edited(observed, None);
    }

    /// Ends the wait as soon as everything that is being applied stands in the text.
    pub fn check_landed(&mut self) {
        let Some(job) = self.review.jobs.front().filter(|job| job.sent) else { return };
        let Some(plan) = &job.plan else { return };
        let Some(folder) = self.folders.get(job.folder) else { return };
        let Some(proposal) = folder.desk.proposal(&job.proposal) else { return };
        let waiting = plan.hunks.iter().any(|id| proposal.hunk(id).is_some_and(|(_, hunk)| hunk.state == HunkState::Applying));
        if !waiting {
            self.edited(Vec::new(), None);
        }
    }

    /// Ends the editor's part. `error`: why nothing was sent.
    fn edited(&mut self, observed: Observed, error: Option<String>) {
        let Some(job) = self.review.jobs.front_mut() else { return };
        let Some(folder) = self.folders.get_mut(job.folder) else { return };
        job.sent = false;
        let Some(plan) = job.plan.take() else { return };
        let mut settled = folder.desk.settle(&job.proposal, &plan.hunks, observed).unwrap_or_default();
        let said = error.or(job.refusal.take());
        if let Some(said) = said {
            settled.refused.iter_mut().for_each(|(_, why)| why.clone_from(&said));
        }
        settled.refused.splice(..0, plan.refused);
        let moved = plan.files.iter().filter(|file| matches!(file.op, FileOp::Move { .. })).flat_map(observing::places);
        job.edited.extend(settled.accepted.iter().map(|taken| &taken.path).chain(moved).cloned());
        job.created.extend(plan.files.iter().filter(|file| file.op == FileOp::Create).map(|file| file.path.clone()));
        job.book(settled);
        self.after_text_of_current();
        self.use_hands(Part::Last);
    }

    /// Last step: record, answer, show. `error`: why nothing was begun.
    fn end(&mut self, error: Option<&str>) {
        let Some(mut job) = self.review.jobs.pop_front() else { return };
        let Some(folder) = self.folders.get_mut(job.folder) else { return };
        let mut refused = std::mem::take(&mut job.settled.refused);
        if let Some(why) = error {
            refused.extend(job.left().into_iter().map(|hunk| (hunk, why.to_owned())));
        }
        let task = folder.desk.proposal(&job.proposal).map(|proposal| proposal.task.clone());
        let accepted: Vec<&HunkId> = job.settled.accepted.iter().map(|taken| &taken.hunk).collect();
        let rows: Vec<Value> = refused.iter().map(|(hunk, why)| json!({"hunk": hunk, "why": why})).collect();
        let (effect, detail) = job.effect();
        let digest = Text::new(&detail.to_string()).sha256();
        let answer = match &job.undo {
            None => json!({"accepted": accepted, "refused": rows}),
            Some(undo) => undo::answer(folder, undo, &refused),
        };
        let ok = !accepted.is_empty();
        let result = Event::EffectResult { effect: effect.to_owned(), digest, ok, detail: answer.clone() };
        let scope = task.map(|task| self.scope(&task)).unwrap_or_default();
        self.after_text(job.folder);
        self.record(By::Server, &scope, result);
        // Not a moment later: what was accepted must be there to be taken back after a crash.
        self.keep_now();
        self.after_acceptance(Outcome {
            folder: job.folder,
            what: if job.undo.is_some() { "Taken back" } else { "Accepted" },
            edited: std::mem::take(&mut job.edited),
            created: std::mem::take(&mut job.created),
            clean: std::mem::take(&mut job.clean),
            did: std::mem::take(&mut job.did),
        });
        if job.undo.is_some() {
            self.say_undone(&answer);
        } else if let Some(why) = job.unable.as_ref().or(refused.first().map(|(_, why)| why).filter(|_| accepted.is_empty())) {
            self.out.message(MessageType::WARNING, &format!("Not accepted: {why}."));
        }
        if let Some(reply) = job.reply.take() {
            let _ = reply.send(Ok(answer));
        }
        self.schedule_refresh();
        if !self.review.jobs.is_empty() {
            self.record_intent();
        }
    }
}

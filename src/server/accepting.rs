//! An acceptance, step by step: it is recorded, the editor applies it ([`super::applying`]), and it is believed only when the
//! text shows it. What the editor cannot do, the server does itself: files before that, modes after it. The command is answered
//! within two seconds; what the editor makes later than that counts all the same ([`super::late`]).

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};
use tower_lsp::lsp_types::{ApplyWorkspaceEditResponse, MessageType};

use super::{
    actor::Actor,
    hands::{self, Done, Part},
    input::{Input, Reply},
    late::{Errand, Late},
    observing::{Observed, observe, unopened_of},
    saving::Outcome,
    undo,
};
use crate::{
    event::{Actor as By, Event, HunkId, ProposalId, Scope, TaskId},
    path::WsPath,
    seams::{Journal, JournalError},
    text::Text,
    workspace::desk::{Plan, Settled, Taken, Undo},
};

/// The command is answered within two seconds, whatever the editor does.
const ANSWERED: Duration = Duration::from_millis(1900);
/// Told to the user, and to the client, when an acceptance has to wait for another one that long.
const BUSY: &str = "your editor is still busy with the change before it; accept again when that is through";
/// The same when the journal takes that long.
const SLOW: &str = "the disk is slow, and nothing was begun; accept again";
/// The same when the server itself takes that long.
const AT_WORK: &str = "it is still being written; you are told when it is done";

/// A step of an acceptance that is done elsewhere.
pub enum Landed {
    /// The intent is on disk, or could not be written.
    /// What the disk holds of its files that are not open was read meanwhile.
    Intent { job: u64, written: Result<(), JournalError>, observed: Observed },
    /// The client refused an edit, however late: known before the disk is read, so that an acceptance after it knows it, too.
    Refused { edit: u64 },
    /// The client answered an edit, however late, or will not. What the disk holds where no document is open was read after that.
    Answered { edit: u64, answer: Result<ApplyWorkspaceEditResponse, String>, observed: Observed },
    /// The wait for an edit's text is over; `over`: it was long enough after its answer.
    Deadline { edit: u64, observed: Observed, over: bool },
    /// The command has to be answered now.
    Overdue { job: u64 },
    /// Hunks have landed that no command waits for any more.
    Late,
    /// What the server did itself, and what the disk holds since.
    Performed { job: u64, part: Part, digest: String, done: Vec<Done>, observed: Observed },
    /// What the disk holds of a task's files, so that its accepted hunks can be taken back.
    Looked { folder: usize, task: TaskId, observed: Observed, reply: Reply<Value> },
}

/// One acceptance.
pub(super) struct Job {
    pub id: u64,
    pub folder: usize,
    pub proposal: ProposalId,
    /// As asked; what of it is being applied stands in the plan.
    pub hunks: Vec<HunkId>,
    pub reply: Option<Reply<Value>>,
    /// The intent is on its way to the journal.
    recorded: bool,
    /// Of the part in work.
    pub plan: Option<Plan>,
    /// The hunks of that plan, until what became of them is booked.
    pub working: Vec<HunkId>,
    /// Number of the edit that is on its way to the client.
    pub sent: Option<u64>,
    /// What the client said to the first edit, when another one was made for the text of then.
    pub retried: Option<String>,
    /// Hunks of the first edit that were left out of that one: nothing in it would tell the client that it is for an old text.
    pub behind: Vec<HunkId>,
    /// What the disk held of their files when the client had answered that one.
    pub disk: Observed,
    /// What the client said when it refused.
    pub refusal: Option<String>,
    /// Files that were clean or not open before.
    pub clean: Vec<WsPath>,
    /// It takes accepted hunks back.
    pub undo: Option<Undo>,
    /// Hunks that a part is done with.
    tried: Vec<HunkId>,
    /// How the parts so far ended.
    settled: Settled,
    /// Files that the editor changed.
    pub edited: Vec<WsPath>,
    /// Files that the editor created.
    pub created: Vec<WsPath>,
    /// What the server did itself, in words.
    did: Vec<String>,
    /// Why the server could not do something.
    unable: Option<String>,
}

impl Job {
    /// The effect in the journal: its kind, its digest, and what it is about.
    pub fn effect(&self) -> (&'static str, String, Value) {
        let (kind, detail) = match &self.undo {
            None => ("accept", json!({"proposal": self.proposal, "hunks": self.hunks})),
            Some(undo) => ("undo", undo::detail(undo)),
        };
        (kind, Text::new(&detail.to_string()).sha256(), detail)
    }

    /// The hunks that no part is done with.
    pub fn left(&self) -> Vec<HunkId> {
        self.hunks.iter().filter(|hunk| !self.tried.contains(hunk)).cloned().collect()
    }

    /// Books how a part ended; its hunks are done with.
    pub fn book(&mut self, settled: Settled) {
        let refused = settled.refused.iter().map(|(hunk, _)| hunk);
        self.tried.extend(settled.accepted.iter().map(|taken| &taken.hunk).chain(refused).cloned());
        self.settled.accepted.extend(settled.accepted);
        self.settled.refused.extend(settled.refused);
    }
}

/// Acceptances, one at a time: the second is planned on what the first left.
#[derive(Default)]
pub struct Review {
    pub(super) jobs: VecDeque<Job>,
    /// Numbers acceptances and edits.
    numbers: u64,
    /// Edits that the editor was given and that may still be made, however late.
    pub(super) errands: Vec<Errand>,
    /// What has landed that no command waits for any more, and is to be told and saved.
    pub(super) late: Vec<Late>,
}

impl Review {
    /// Whether an edit of ours is on its way to the client.
    pub fn is_busy(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Of an acceptance or an edit.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
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
        let id = self.review.number();
        self.review.jobs.push_back(Job {
            id,
            folder,
            proposal,
            hunks,
            reply: Some(reply),
            recorded: false,
            plan: None,
            working: Vec::new(),
            sent: None,
            retried: None,
            behind: Vec::new(),
            disk: Observed::new(),
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
        self.answer_in_time(id);
        if self.review.jobs.len() == 1 {
            self.record_intent();
        }
    }

    /// From now on the acceptance has so long.
    pub(super) fn answer_in_time(&self, job: u64) {
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            tokio::time::timeout(ANSWERED, std::future::pending::<()>()).await.ok();
            let _ = mailbox.send(Input::Landed(Landed::Overdue { job }));
        });
    }

    /// The time is over. What was not begun is left; what the editor has goes on without a command that waits for it.
    fn on_overdue(&mut self, job: u64) {
        let Some(at) = self.review.jobs.iter().position(|known| known.id == job) else { return };
        let known = &mut self.review.jobs[at];
        if known.sent.is_some() {
            return self.give_up_waiting();
        }
        if known.plan.is_none() {
            let Some(job) = self.review.jobs.remove(at) else { return };
            self.conclude(job, Some(if at == 0 { SLOW } else { BUSY }));
            if at == 0 && !self.review.jobs.is_empty() {
                self.record_intent();
            }
            return;
        }
        if let Some(reply) = known.reply.take() {
            let rows: Vec<Value> = known.left().iter().map(|hunk| json!({"hunk": hunk, "why": AT_WORK})).collect();
            let _ = reply.send(Ok(json!({"accepted": [], "refused": rows})));
        }
    }

    /// First step: the intent is on disk before the edit is sent (law 4).
    fn record_intent(&mut self) {
        let Some(job) = self.review.jobs.front_mut() else { return };
        job.recorded = true;
        let Some(job) = self.review.jobs.front() else { return };
        let Some(folder) = self.folders.get(job.folder) else { return };
        let scope = self.scope_of(job.folder, &job.proposal);
        let (effect, digest, detail) = job.effect();
        let event = Event::EffectStart { effect: effect.to_owned(), digest, detail };
        let (journal, mailbox, id) = (self.journal.clone(), self.mailbox.clone(), job.id);
        let (root, unopened) = (folder.canonical.clone(), unopened_of(folder, &job.proposal));
        let unprepared = hands::unprepared(folder, &job.proposal, &job.hunks, &self.client);
        tokio::spawn(async move {
            let intent = journal.append_durable(By::Human, &scope, event);
            let (written, observed) = tokio::join!(intent, observe(root.clone(), unopened));
            if written.is_ok() && !unprepared.is_empty() {
                hands::prepare(root, unprepared).await;
            }
            let _ = mailbox.send(Input::Landed(Landed::Intent { job: id, written, observed }));
        });
    }

    /// A step of the acceptance in work is done.
    pub fn on_landed(&mut self, landed: Landed) {
        let current = self.review.jobs.front().map(|job| job.id);
        let sent = self.review.jobs.front().and_then(|job| job.sent);
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
            Landed::Refused { edit } => self.review.answered(edit, false),
            Landed::Answered { edit, answer, observed } => {
                self.review.answered(edit, matches!(&answer, Ok(answer) if answer.applied));
                match sent == Some(edit) {
                    true => self.on_answer(answer, observed),
                    false => self.on_late_answer(edit, answer, observed),
                }
            }
            Landed::Deadline { edit, observed, over } => {
                self.review.waited(edit, over);
                match sent == Some(edit) {
                    true => self.edited(observed, None),
                    false => self.settle_errand(edit, observed),
                }
            }
            Landed::Overdue { job } => self.on_overdue(job),
            Landed::Late => self.on_late(),
            Landed::Looked { folder, task, observed, reply } => self.on_looked(folder, &task, observed, reply),
            Landed::Intent { .. } | Landed::Performed { .. } => {}
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
    pub(super) fn use_hands(&mut self, part: Part) {
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
        let proposal = job.proposal.clone();
        job.working.clone_from(&plan.hunks);
        job.plan = Some(plan);
        let at = job.folder;
        let scope = self.scope_of(at, &proposal);
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
        job.plan = None;
        let hunks = job.working.clone();
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
        let (at, proposal) = (job.folder, job.proposal.clone());
        let ok = settled.refused.is_empty();
        job.book(settled);
        self.after_text_of_current();
        let scope = self.scope_of(at, &proposal);
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

    /// The scope of a proposal's events.
    pub(super) fn scope_of(&self, folder: usize, id: &ProposalId) -> Scope {
        let proposal = self.folders.get(folder).and_then(|folder| folder.desk.proposal(id));
        proposal.map(|proposal| self.scope(&proposal.task)).unwrap_or_default()
    }

    pub(super) fn after_text_of_current(&mut self) {
        if let Some(folder) = self.review.jobs.front().map(|job| job.folder) {
            self.after_text(folder);
        }
    }

    /// The acceptance in work is over, and the next one begins. `error`: why nothing was begun.
    pub(super) fn end(&mut self, error: Option<&str>) {
        let Some(job) = self.review.jobs.pop_front() else { return };
        self.conclude(job, error);
        if !self.review.jobs.is_empty() {
            self.record_intent();
        }
    }

    /// Last step: record, answer, show.
    fn conclude(&mut self, mut job: Job, error: Option<&str>) {
        let open = self.review.leave(&job);
        let scope = self.scope_of(job.folder, &job.proposal);
        let Some(folder) = self.folders.get_mut(job.folder) else { return };
        let mut refused = std::mem::take(&mut job.settled.refused);
        if let Some(why) = error {
            refused.extend(job.left().into_iter().map(|hunk| (hunk, why.to_owned())));
        }
        let accepted: Vec<&HunkId> = job.settled.accepted.iter().map(|taken| &taken.hunk).collect();
        let rows: Vec<Value> = refused.iter().map(|(hunk, why)| json!({"hunk": hunk, "why": why})).collect();
        let (effect, digest, _) = job.effect();
        let answer = match &job.undo {
            None => json!({"accepted": accepted, "refused": rows}),
            Some(undo) => undo::answer(folder, undo, &refused, open),
        };
        let ok = !accepted.is_empty();
        let result = Event::EffectResult { effect: effect.to_owned(), digest, ok, detail: answer.clone() };
        self.after_text(job.folder);
        if job.recorded {
            self.record(By::Server, &scope, result);
        }
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
        self.forget_errands();
        self.schedule_refresh();
    }
}

//! Accepting and rejecting. An acceptance is recorded, sent as one versioned edit, and believed only when the text shows it.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};
use tower_lsp::{
    jsonrpc,
    lsp_types::{ApplyWorkspaceEditParams, ApplyWorkspaceEditResponse, MessageType, Url, request::ApplyWorkspaceEdit},
};

use super::{
    actor::{Actor, unknown},
    commands::{Explainable, Review as Args, failed, invalid},
    documents,
    edit::workspace_edit,
    folders::Folder,
    input::{Input, Reply},
    prompting::{Opened, Purpose},
    undo,
};
use crate::{
    config,
    event::{Actor as By, Event, HunkId, ProposalId, TaskId},
    path::WsPath,
    proposal::{FileOp, HunkState, Proposal},
    seams::{Journal, JournalError},
    text::Text,
    workspace::{
        self,
        desk::{Beneath, Plan, Settled, Undo},
    },
};

/// Longest wait for the client's text to show an accepted hunk, from the edit being sent; and where it is told only when idle.
const PATIENCE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];

/// A step of an acceptance that is done elsewhere.
pub enum Landed {
    /// The intent is on disk, or could not be written.
    /// What the disk holds of its files that are not open was read meanwhile.
    Intent { job: u64, written: Result<(), JournalError>, observed: Observed },
    /// The client answered, or will not. What the disk holds where no document is open was read after that.
    Answered { job: u64, answer: Result<ApplyWorkspaceEditResponse, String>, observed: Observed },
    /// The wait is over.
    Deadline { job: u64, observed: Observed },
    /// What the disk holds of a task's files, so that its accepted hunks can be taken back.
    Looked { folder: usize, task: TaskId, observed: Observed, reply: Reply<Value> },
}

pub(super) type Observed = Vec<(WsPath, Option<Beneath>)>;

/// One acceptance.
struct Job {
    id: u64,
    folder: usize,
    proposal: ProposalId,
    /// As asked; what of it is being applied stands in the plan.
    hunks: Vec<HunkId>,
    reply: Option<Reply<Value>>,
    plan: Option<Plan>,
    sent: bool,
    retried: bool,
    /// What the client said when it refused.
    refusal: Option<String>,
    /// Files that were clean or not open before.
    clean: Vec<WsPath>,
    /// It takes accepted hunks back.
    undo: Option<Undo>,
}

impl Job {
    /// Kind of the effect in the journal, and what it is about.
    fn effect(&self) -> (&'static str, Value) {
        match &self.undo {
            None => ("accept", json!({"proposal": self.proposal, "hunks": self.hunks})),
            Some(undo) => ("undo", undo::detail(undo)),
        }
    }
}

/// Acceptances, one at a time: the second is planned on what the first left.
#[derive(Default)]
pub struct Review {
    jobs: VecDeque<Job>,
    numbers: u64,
}

impl Review {
    /// Whether an edit of ours is on its way to the client.
    pub fn is_busy(&self) -> bool {
        !self.jobs.is_empty()
    }
}

impl Actor {
    /// `accept`
    pub fn on_accept(&mut self, args: Args, reply: Reply<Value>) {
        if !self.client.apply_edit {
            let _ = reply.send(Err(failed(
                "your editor does not take edits from a server (workspace/applyEdit), so nothing can be accepted",
            )));
            return;
        }
        let whole = self.whole(&args);
        if !whole.is_empty() {
            return self.accept_whole(whole, reply);
        }
        let (folder, hunks) = match self.chosen(&args, true) {
            Ok(chosen) => chosen,
            Err(error) => {
                let _ = reply.send(Err(error));
                return;
            }
        };
        self.line_up(folder, args.proposal, hunks, None, reply);
    }

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
        });
        if self.review.jobs.len() == 1 {
            self.record_intent();
        }
    }

    /// The folder of a proposal, and the hunks that an accept or reject means. Accepting many leaves out those that stand apart.
    pub(super) fn chosen(&self, args: &Args, accepting: bool) -> jsonrpc::Result<(usize, Vec<HunkId>)> {
        let (folder, proposal) = self
            .folders
            .iter()
            .find_map(|(index, folder)| Some((index, folder.desk.proposal(&args.proposal)?)))
            .ok_or_else(|| unknown("proposal", &args.proposal))?;
        let path = match &args.uri {
            None => None,
            Some(uri) => {
                let found = self.folders.path_in(folder, uri).filter(|path| proposal.files.contains_key(path));
                Some(found.ok_or_else(|| invalid(format!("`uri`: proposal {} has no hunks in {uri}", args.proposal)))?)
            }
        };
        let hunks = match &args.hunks {
            Some(ids) if ids.is_empty() => return Err(invalid("`hunks`: it is empty; leave it out to mean all")),
            Some(ids) => {
                let known = |id: &HunkId| proposal.hunk(id).is_some() || proposal.closed.contains_key(id);
                if let Some(id) = ids.iter().find(|id| !known(id)) {
                    return Err(invalid(format!("`hunks`: there is no hunk {id} in proposal {}", args.proposal)));
                }
                ids.clone()
            }
            None => many(proposal, path.as_ref(), accepting),
        };
        Ok((folder, hunks))
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
        match landed {
            Landed::Intent { job, written, observed } if current == Some(job) => match written {
                Ok(()) => {
                    self.take_disk(observed);
                    self.send_edit();
                }
                Err(error) => self.finish(Vec::new(), Some(&error.to_string())),
            },
            Landed::Answered { job, answer, observed } if current == Some(job) => self.on_answer(answer, observed),
            Landed::Deadline { job, observed } if current == Some(job) => self.finish(observed, None),
            Landed::Looked { folder, task, observed, reply } => self.on_looked(folder, &task, observed, reply),
            Landed::Intent { .. } | Landed::Answered { .. } | Landed::Deadline { .. } => {}
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

    /// Second step: plan on the text as it is now, and send.
    fn send_edit(&mut self) {
        let (client, mailbox) = (self.client.clone(), self.mailbox.clone());
        let Some(job) = self.review.jobs.front_mut() else { return };
        let Some(folder) = self.folders.get_mut(job.folder) else { return };
        let plan = match folder.desk.plan(&job.proposal, &job.hunks) {
            Ok(plan) => plan,
            Err(error) => return self.finish(Vec::new(), Some(&error.to_string())),
        };
        job.clean = plan
            .files
            .iter()
            .filter(|file| folder.desk.buffer(&file.path).is_none_or(|buffer| !buffer.unsaved()))
            .map(|file| file.path.clone())
            .collect();
        let edit = workspace_edit(folder, &plan, &client);
        let closed = closed_paths(folder, &plan);
        let (number, root) = (job.id, folder.canonical.clone());
        let nothing = plan.files.is_empty();
        job.plan = Some(plan);
        job.sent = true;
        let edit = match edit {
            Ok(edit) if !nothing => edit,
            Ok(_) => return self.finish(Vec::new(), None),
            Err(why) => return self.finish(Vec::new(), Some(&why)),
        };
        let label = if job.undo.is_some() { "Take the agent's changes back" } else { "Accept the agent's change" };
        let params = ApplyWorkspaceEditParams { label: Some(label.to_owned()), edit };
        let answer = self.out.request::<ApplyWorkspaceEdit>(params);
        let patience = PATIENCE[usize::from(client.silent_while_waiting)];
        let (root2, closed2, mailbox2) = (root.clone(), closed.clone(), mailbox.clone());
        tokio::spawn(async move {
            let answer = answer.await.map_err(|error| error.message.into_owned());
            let observed = observe(root2, closed2).await;
            let _ = mailbox2.send(Input::Landed(Landed::Answered { job: number, answer, observed }));
        });
        tokio::spawn(async move {
            tokio::time::timeout(patience, std::future::pending::<()>()).await.ok();
            let observed = observe(root, closed).await;
            let _ = mailbox.send(Input::Landed(Landed::Deadline { job: number, observed }));
        });
        self.after_text_of_current();
    }

    fn after_text_of_current(&mut self) {
        if let Some(folder) = self.review.jobs.front().map(|job| job.folder) {
            self.after_text(folder);
        }
    }

    /// Third step: what the client says is a hint; the text decides.
    fn on_answer(&mut self, answer: Result<ApplyWorkspaceEditResponse, String>, observed: Observed) {
        let Some(job) = self.review.jobs.front_mut() else { return };
        match answer {
            Ok(answer) if answer.applied => {
                // A file that is not open has been read after the answer: nothing more will come for it.
                if let Some(folder) = self.folders.get_mut(job.folder) {
                    for (path, now) in observed {
                        if now.is_some() && folder.desk.buffer(&path).is_none() {
                            folder.desk.disk_changed(&path, now);
                        }
                    }
                }
                self.after_text_of_current();
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
                let _ = folder.desk.settle(&id, &hunks, observed);
            }
            self.after_text_of_current();
            return self.send_edit();
        }
        job.refusal = Some(why);
        self.finish(observed, None);
    }

    /// Ends the wait as soon as everything that is being applied stands in the text.
    pub fn check_landed(&mut self) {
        let Some(job) = self.review.jobs.front().filter(|job| job.sent) else { return };
        let Some(plan) = &job.plan else { return };
        let Some(folder) = self.folders.get(job.folder) else { return };
        let Some(proposal) = folder.desk.proposal(&job.proposal) else { return };
        let waiting = plan.hunks.iter().any(|id| proposal.hunk(id).is_some_and(|(_, hunk)| hunk.state == HunkState::Applying));
        if !waiting {
            self.finish(Vec::new(), None);
        }
    }

    /// Last step: settle, record, answer, show.
    fn finish(&mut self, observed: Observed, error: Option<&str>) {
        let Some(mut job) = self.review.jobs.pop_front() else { return };
        let Some(folder) = self.folders.get_mut(job.folder) else { return };
        let plan = job.plan.take();
        let hunks = plan.as_ref().map(|plan| plan.hunks.clone()).unwrap_or_default();
        let settled = folder.desk.settle(&job.proposal, &hunks, observed).unwrap_or_default();
        let mut refused = plan.map(|plan| plan.refused).unwrap_or_default();
        let said = job.refusal.take();
        refused.extend(settled.refused.iter().map(|(hunk, why)| (hunk.clone(), said.clone().unwrap_or_else(|| why.clone()))));
        if let Some(why) = error {
            refused = job.hunks.iter().map(|hunk| (hunk.clone(), why.to_owned())).collect();
        }
        let task = folder.desk.proposal(&job.proposal).map(|proposal| proposal.task.clone());
        let accepted: Vec<&HunkId> = settled.accepted.iter().map(|taken| &taken.hunk).collect();
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
        self.after_acceptance(job.folder, &settled, &job.clean, if job.undo.is_some() { "Taken back" } else { "Accepted" });
        if job.undo.is_some() {
            self.say_undone(&answer);
        } else if let Some((_, why)) = refused.first().filter(|_| accepted.is_empty()) {
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

    /// Saves what the client can save; others are told once which files are not saved.
    fn after_acceptance(&mut self, index: usize, settled: &Settled, clean: &[WsPath], what: &str) {
        let mut paths: Vec<&WsPath> = settled.accepted.iter().map(|taken| &taken.path).collect();
        paths.dedup();
        let Some(folder) = self.folders.get(index) else { return };
        let wanted: Vec<&WsPath> = match self.setup.config.review.save {
            config::Save::Never => Vec::new(),
            config::Save::Clean => paths.iter().copied().filter(|path| clean.contains(path)).collect(),
            config::Save::All => paths.clone(),
        };
        if self.client.rich {
            let uris: Vec<Url> = wanted.iter().filter_map(|path| folder.uri(path)).collect();
            if !uris.is_empty() {
                drop(self.out.request::<SaveRequest>(json!({"uris": uris})));
            }
        } else if !paths.is_empty() {
            let place = if self.folders.beside(index).is_empty() { String::new() } else { format!("{}/", folder.name) };
            let names: Vec<String> = paths.iter().map(|path| format!("{place}{path}")).collect();
            self.out.message(MessageType::INFO, &format!("{what}; not saved yet: {}", names.join(", ")));
        }
    }

    /// `reject`
    pub fn on_reject(&mut self, args: Args) -> jsonrpc::Result<Value> {
        let whole = self.whole(&args);
        if !whole.is_empty() {
            return self.reject_whole(whole, args.reason.as_deref());
        }
        let (index, hunks) = self.chosen(&args, false)?;
        let folder = self.folders.get_mut(index).ok_or_else(|| unknown("proposal", &args.proposal))?;
        let rejection =
            folder.desk.reject(&args.proposal, &hunks, args.reason.as_deref()).map_err(|error| invalid(error.to_string()))?;
        self.after_text(index);
        self.schedule_refresh();
        let rejected: Vec<&HunkId> = rejection.rejected.iter().map(|taken| &taken.hunk).collect();
        let refused: Vec<Value> = rejection.refused.iter().map(|(hunk, why)| json!({"hunk": hunk, "why": why})).collect();
        Ok(json!({"rejected": rejected, "refused": refused}))
    }

    /// `rejectWithReason`: a document for the reason.
    pub fn on_reject_with_reason(&mut self, hunks: Explainable) -> jsonrpc::Result<Value> {
        let args = Args { proposal: hunks.proposal.clone(), hunks: Some(hunks.hunks.clone()), uri: None, reason: None };
        self.chosen(&args, false)?;
        let text = documents::reason_document(&hunks.hunks.iter().map(|hunk| hunk.0.as_str()).collect::<Vec<_>>().join(", "));
        let uri = self
            .open_prompt("reason", &text, Purpose::Reject(hunks), Opened { take_focus: true, words: "Say why." })
            .map_err(|error| failed(format!("the document cannot be written: {error}")))?;
        Ok(json!({"document": uri}))
    }
}

/// The hunks of a file or of all; accepting leaves out those that stand apart and those that are stale.
fn many(proposal: &Proposal, path: Option<&WsPath>, accepting: bool) -> Vec<HunkId> {
    proposal
        .files
        .iter()
        .filter(|(file, _)| path.is_none_or(|path| path == *file))
        .flat_map(|(_, file)| file.all())
        .filter(|hunk| !accepting || (!hunk.apart && hunk.state == HunkState::Pending))
        .map(|hunk| hunk.id.clone())
        .collect()
}

/// Paths of a proposal that no document is open for.
fn unopened_of(folder: &Folder, id: &ProposalId) -> Vec<WsPath> {
    let files = folder.desk.proposal(id).into_iter().flat_map(|proposal| proposal.files.iter());
    let paths = files.flat_map(|(path, file)| {
        let target = if let FileOp::Move { to } = &file.op { Some(to) } else { None };
        target.into_iter().chain([path])
    });
    paths.filter(|path| folder.desk.buffer(path).is_none()).cloned().collect()
}

/// Paths of a plan that no document is open for, targets of moves included.
fn closed_paths(folder: &Folder, plan: &Plan) -> Vec<WsPath> {
    let mut paths = Vec::new();
    for file in &plan.files {
        paths.push(file.path.clone());
        if let FileOp::Move { to } = &file.op {
            paths.push(to.clone());
        }
    }
    paths.retain(|path| folder.desk.buffer(path).is_none());
    paths
}

/// What the disk holds at these paths.
pub(super) async fn observe(root: std::path::PathBuf, paths: Vec<WsPath>) -> Observed {
    if paths.is_empty() {
        return Vec::new();
    }
    let look = move || {
        // Without its folder no file is there.
        let folder = workspace::Folder::open(&root).ok();
        let now = |path: &WsPath| workspace::beneath(folder.as_ref()?, path);
        paths.into_iter().map(|path| (now(&path), path)).map(|(now, path)| (path, now)).collect()
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

/// `countersign/save`: rich clients save these files.
enum SaveRequest {}

impl tower_lsp::lsp_types::request::Request for SaveRequest {
    type Params = Value;
    type Result = Value;
    const METHOD: &'static str = "countersign/save";
}

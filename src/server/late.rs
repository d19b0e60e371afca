//! Edits that the editor was given and had not answered when the command was. Each may still be made, minutes later too: what
//! lands then is accepted, recorded and saved like any other, and is not asked for twice meanwhile.

use std::time::Duration;

use serde_json::json;
use tower_lsp::lsp_types::{ApplyWorkspaceEditResponse, MessageType};

use super::{
    accepting::{Job, Review},
    actor::Actor,
    folders::Folder,
    input::Input,
    observing::{self, Observed, closed_paths, observe},
    retrying,
    review::Landed,
    saving::Outcome,
};
use crate::{
    event::{Actor as By, Event, HunkId, ProposalId},
    path::WsPath,
    proposal::{FileOp, HunkState, PlannedFile},
    workspace::desk::{Plan, Undo},
};

/// From a late change on, so long is waited for others of the same edit, before it is told and saved.
const GATHER: Duration = Duration::from_millis(150);
/// So long the pieces of an edit may take that come before its answer.
const PIECES: Duration = Duration::from_secs(2);

/// One edit that the editor was given.
#[derive(Debug)]
pub(super) struct Errand {
    pub edit: u64,
    job: u64,
    folder: usize,
    proposal: ProposalId,
    /// Kind and digest of the effect in the journal.
    effect: (&'static str, String),
    hunks: Vec<HunkId>,
    /// The files that it changes, and whether it may be made again: it names a version of the text, by which a client knows it
    /// for an old one, or has none.
    files: Vec<(WsPath, bool)>,
    /// Those that it deletes.
    deletes: Vec<WsPath>,
    /// Those that no document was open for.
    closed: Vec<WsPath>,
    /// What the disk is asked for.
    pub looks: Vec<WsPath>,
    /// Those that were clean or not open before, as long as the user does not type in them.
    clean: Vec<WsPath>,
    created: Vec<WsPath>,
    undo: Option<Undo>,
    pub answered: bool,
    /// It was refused, or its text has had the time to follow the answer.
    pub over: bool,
    /// Its command is answered: what becomes of it is told without one.
    late: bool,
    /// A look at what came of it is on its way.
    looked_at: bool,
}

/// A hunk that landed when no command waited for it any more.
pub(super) struct Late {
    folder: usize,
    proposal: ProposalId,
    hunk: HunkId,
    path: WsPath,
}

/// Whether a client knows by this version of the text that an edit is an old one. Neovim never looks at version 0.
pub(super) fn names_version(version: Option<i32>, versions: bool) -> bool {
    versions && version.is_some_and(|version| version > 0)
}

impl Errand {
    /// The edit `number` of this acceptance.
    pub fn of(number: u64, job: &Job, plan: &Plan, versions: bool, folder: &Folder) -> Errand {
        let (kind, digest, _) = job.effect();
        let named = |file: &PlannedFile| file.edits.is_empty() || names_version(file.version, versions);
        let files = plan.files.iter().flat_map(|file| observing::places(file).map(move |path| (path.clone(), named(file))));
        let created = plan.files.iter().filter(|file| file.op == FileOp::Create);
        Errand {
            edit: number,
            job: job.id,
            folder: job.folder,
            proposal: job.proposal.clone(),
            effect: (kind, digest),
            hunks: plan.hunks.clone(),
            files: files.collect(),
            deletes: observing::deletions(plan),
            closed: closed_paths(folder, plan),
            looks: [observing::looked_at(folder, plan), retrying::places(folder, job)].concat(),
            clean: job.clean.clone(),
            created: created.map(|file| file.path.clone()).collect(),
            undo: job.undo.clone(),
            answered: false,
            over: false,
            late: false,
            looked_at: false,
        }
    }

    fn covers(&self, folder: usize, path: &WsPath) -> bool {
        self.folder == folder && self.files.iter().any(|(known, _)| known == path)
    }

    /// Whether nothing of it can come any more that would have to be told apart from what the user does.
    fn is_over(&self, folder: &Folder) -> bool {
        let left = || {
            let proposal = folder.desk.proposal(&self.proposal);
            self.hunks.iter().any(|hunk| proposal.is_some_and(|proposal| proposal.hunk(hunk).is_some()))
        };
        self.late && self.over && (self.undo.is_some() || !left())
    }
}

impl Review {
    /// The client answered this edit.
    pub(super) fn answered(&mut self, edit: u64, applied: bool) {
        if let Some(errand) = self.errands.iter_mut().find(|errand| errand.edit == edit) {
            (errand.answered, errand.over) = (true, !applied);
        }
    }

    /// Its text was waited for.
    pub(super) fn waited(&mut self, edit: u64, over: bool) {
        self.errands.iter_mut().filter(|errand| errand.edit == edit).for_each(|errand| errand.over |= over);
    }

    /// The acceptance is over. Whether the client may still make something of it.
    pub(super) fn leave(&mut self, job: &Job) -> bool {
        let mut of_job = self.errands.iter_mut().filter(|errand| errand.job == job.id);
        of_job.by_ref().fold(false, |open, errand| {
            errand.late = true;
            open | !errand.over
        })
    }

    /// Whether the client may be making an edit of this file right now.
    pub fn awaits(&self, folder: usize, path: &WsPath) -> bool {
        self.errands.iter().any(|errand| !errand.answered && errand.covers(folder, path))
    }

    /// Why no other edit of this file is sent: one may still be made, or may be made and not told yet, and nothing tells the client
    /// that it is old.
    pub(super) fn why_not_again(&self, at: usize, folder: &Folder, path: &WsPath) -> Option<String> {
        let unnamed = |errand: &&Errand| errand.files.iter().any(|(known, named)| known == path && !named);
        let awaited = |errand: &Errand| {
            let mut found = errand.hunks.iter().filter_map(|id| folder.desk.hunk(&errand.proposal, id).ok());
            found.any(|(known, _, hunk)| known == path && hunk.is_on_its_way())
        };
        let of_file = self.errands.iter().filter(|errand| errand.late && errand.covers(at, path) && unnamed(errand));
        let mut open = of_file.filter(|errand| !errand.answered || (!errand.over && awaited(errand)));
        let errand = open.next()?;
        if errand.answered {
            return Some(format!(
                "your editor says that it made the last edit of {path}, and its text does not show it yet; accept again in a moment"
            ));
        }
        // The editor takes one edit after the other: of a document that it opened since, the first is older.
        let may_open = errand.closed.contains(path) && !errand.created.contains(path);
        let next = match (may_open, folder.desk.buffer(path).is_some()) {
            (true, true) => return None,
            (true, false) => "open the file and accept again",
            (false, _) => "start the server again, which loses no change",
        };
        Some(format!(
            "your editor has not answered the last edit of {path} yet; if it still makes it, that counts as accepted, if not, {next}"
        ))
    }
}

impl Actor {
    /// What the disk holds where no document is open, read after the client said that it had applied: nothing more comes there.
    pub(super) fn take_answered(&mut self, at: usize, deletes: &[WsPath], observed: &Observed) {
        let Some(folder) = self.folders.get_mut(at) else { return };
        for (path, now) in observed {
            if folder.desk.buffer(path).is_none() && (now.is_some() || deletes.contains(path)) {
                folder.desk.disk_changed(path, now.clone());
            }
        }
        self.after_text(at);
    }

    /// The client answered an edit when no command waited for it any more.
    pub(super) fn on_late_answer(&mut self, edit: u64, answer: Result<ApplyWorkspaceEditResponse, String>, observed: Observed) {
        let Some(errand) = self.review.errands.iter().find(|errand| errand.edit == edit) else { return };
        let why = match answer {
            Ok(answer) if answer.applied => None,
            Ok(answer) => Some(answer.failure_reason.unwrap_or_else(|| "the editor refused the edit".to_owned())),
            Err(why) => Some(format!("the editor answered an error: {why}")),
        };
        let Some(why) = why else {
            let (folder, deletes) = (errand.folder, errand.deletes.clone());
            self.say_rejected(edit);
            // Open documents show it in a moment; then it is settled.
            return self.take_answered(folder, &deletes, &observed);
        };
        let waits = self.waits(edit);
        self.settle_errand(edit, observed);
        if waits {
            self.out.message(MessageType::WARNING, &format!("Not accepted: {why}."));
        }
    }

    /// Whether the user still waits for a hunk of this edit, which no other acceptance has in hand.
    fn waits(&self, edit: u64) -> bool {
        let Some(errand) = self.review.errands.iter().find(|errand| errand.edit == edit) else { return false };
        let proposal = self.folders.get(errand.folder).and_then(|folder| folder.desk.proposal(&errand.proposal));
        let pending = |hunk: &HunkId| proposal.and_then(|proposal| proposal.hunk(hunk)).is_some_and(|(_, hunk)| hunk.is_live());
        errand.hunks.iter().any(|hunk| pending(hunk) && !self.is_in_work(&errand.proposal, hunk))
    }

    fn is_in_work(&self, proposal: &ProposalId, hunk: &HunkId) -> bool {
        self.review.jobs.front().is_some_and(|job| job.proposal == *proposal && job.working.contains(hunk))
    }

    /// The user decided otherwise before the client said that it had made it.
    fn say_rejected(&self, edit: u64) {
        let Some(errand) = self.review.errands.iter().find(|errand| errand.edit == edit) else { return };
        let Some(proposal) = self.folders.get(errand.folder).and_then(|folder| folder.desk.proposal(&errand.proposal)) else {
            return;
        };
        let closed = errand.hunks.iter().filter_map(|hunk| proposal.closed.get(hunk));
        if let Some(closed) = closed.into_iter().find(|closed| closed.state == HunkState::Rejected) {
            let path = &closed.path;
            let said = format!(
                "Your editor made a change of {path} after you had rejected it. Undo it there: for countersign it is yours."
            );
            self.out.message(MessageType::WARNING, &said);
        }
    }

    /// The wait for an edit is over that no command waits for: what of it did not land is pending, or stale.
    pub(super) fn settle_errand(&mut self, edit: u64, observed: Observed) {
        let Some(errand) = self.review.errands.iter_mut().find(|errand| errand.edit == edit && errand.late) else { return };
        errand.looked_at = false;
        let (at, proposal) = (errand.folder, errand.proposal.clone());
        let hunks: Vec<HunkId> = errand.hunks.clone().into_iter().filter(|hunk| !self.is_in_work(&proposal, hunk)).collect();
        let Some(folder) = self.folders.get_mut(at) else { return };
        let _ = folder.desk.settle(&proposal, &hunks, observed);
        self.after_text(at);
        self.take_back_late(at);
        self.schedule_refresh();
        self.forget_errands();
    }

    pub(super) fn forget_errands(&mut self) {
        let folders = &self.folders;
        self.review.errands.retain(|errand| !folders.get(errand.folder).is_some_and(|folder| errand.is_over(folder)));
    }

    /// A hunk was seen in the text. When no command waits for it, it is told and saved a moment later.
    pub(super) fn note_landed(&mut self, folder: usize, proposal: &ProposalId, hunk: &HunkId, path: &WsPath) {
        if self.is_in_work(proposal, hunk) {
            return;
        }
        self.gather();
        self.review.late.push(Late { folder, proposal: proposal.clone(), hunk: hunk.clone(), path: path.clone() });
    }

    fn gather(&self) {
        if self.review.late.is_empty() {
            let mailbox = self.mailbox.clone();
            tokio::spawn(async move {
                tokio::time::timeout(GATHER, std::future::pending::<()>()).await.ok();
                let _ = mailbox.send(Input::Landed(Landed::Late));
            });
        }
    }

    /// Something became of a file; `unsaved` tells of the moment before a change of its document, `landed` how many hunks had
    /// landed late by then.
    pub(super) fn on_stirred(&mut self, at: usize, path: &WsPath, unsaved: Option<bool>, landed: usize) {
        if !self.review.errands.iter().any(|errand| errand.late && errand.covers(at, path)) {
            return;
        }
        let Some(folder) = self.folders.get(at) else { return };
        let came = self.review.late.len() > landed;
        // Nothing but the agent's change: what the user types is theirs to save.
        let alone = folder.desk.is_as_landed(path);
        let mut looks = Vec::new();
        for errand in self.review.errands.iter_mut().filter(|errand| errand.late && errand.covers(at, path)) {
            if let Some(unsaved) = unsaved {
                let clean = alone && (!unsaved || errand.clean.contains(path));
                errand.clean.retain(|known| known != path);
                errand.clean.extend(clean.then(|| path.clone()));
            }
            if !errand.answered && !came && !std::mem::replace(&mut errand.looked_at, true) {
                looks.push((errand.edit, errand.looks.clone()));
            }
        }
        // A piece of the edit, or the user's typing: a little later it is known which.
        for (edit, paths) in looks {
            let (root, mailbox) = (folder.canonical.clone(), self.mailbox.clone());
            tokio::spawn(async move {
                tokio::time::timeout(PIECES, std::future::pending::<()>()).await.ok();
                let observed = observe(root, paths).await;
                let _ = mailbox.send(Input::Landed(Landed::Deadline { edit, observed, over: false }));
            });
        }
    }

    /// What landed late is recorded, told and saved, as if its command had waited for it.
    pub(super) fn on_late(&mut self) {
        let late = std::mem::take(&mut self.review.late);
        let mut left = late.as_slice();
        while let Some(first) = left.first() {
            let end = left.iter().position(|one| (one.folder, &one.proposal) != (first.folder, &first.proposal));
            let (these, rest) = left.split_at(end.unwrap_or(left.len()));
            left = rest;
            self.conclude_late(these);
        }
        self.keep_now();
        self.forget_errands();
    }

    /// The same of one proposal.
    fn conclude_late(&mut self, these: &[Late]) {
        let Some(Late { folder: at, proposal, .. }) = these.first() else { return };
        let scope = self.scope_of(*at, proposal);
        let of = |errand: &&Errand| errand.folder == *at && errand.proposal == *proposal && errand.late;
        let errands: Vec<&Errand> = self.review.errands.iter().filter(of).collect();
        for errand in &errands {
            let hunks: Vec<&HunkId> = these.iter().map(|one| &one.hunk).filter(|hunk| errand.hunks.contains(hunk)).collect();
            if !hunks.is_empty() {
                let (effect, digest) = (errand.effect.0.to_owned(), errand.effect.1.clone());
                let detail = json!({"accepted": hunks, "refused": [], "late": true});
                self.record(By::Server, &scope, Event::EffectResult { effect, digest, ok: true, detail });
            }
        }
        let edited: Vec<WsPath> = these.iter().map(|one| one.path.clone()).collect();
        let known = |list: fn(&Errand) -> &Vec<WsPath>| -> Vec<WsPath> {
            let all = errands.iter().flat_map(|errand| list(errand));
            all.filter(|path| edited.contains(path)).cloned().collect()
        };
        let (created, clean) = (known(|errand| &errand.created), known(|errand| &errand.clean));
        self.say_after_all(Outcome { folder: *at, what: "Accepted after all", edited, created, clean, did: Vec::new() });
        self.schedule_refresh();
    }

    /// The user was told the contrary before.
    fn say_after_all(&self, outcome: Outcome) {
        // Others are told which files are not saved.
        if self.client.rich {
            let mut names: Vec<&str> = outcome.edited.iter().map(WsPath::as_str).collect();
            names.sort_unstable();
            names.dedup();
            self.out.message(MessageType::INFO, &format!("{}: {}.", outcome.what, names.join(", ")));
        }
        self.after_acceptance(outcome);
    }

    /// Accepted hunks that an edit took back when no command waited for it any more.
    fn take_back_late(&mut self, at: usize) {
        let Some(folder) = self.folders.get_mut(at) else { return };
        let mut outcomes = Vec::new();
        for errand in self.review.errands.iter().filter(|errand| errand.late && errand.folder == at) {
            let Some(undo) = &errand.undo else { continue };
            let gone = folder.desk.undone(undo, !errand.over);
            if !gone.is_empty() {
                let edited = gone.into_iter().map(|taken| taken.path).collect();
                let (created, clean) = (errand.created.clone(), errand.clean.clone());
                outcomes.push(Outcome { folder: at, what: "Taken back after all", edited, created, clean, did: Vec::new() });
            }
        }
        if !outcomes.is_empty() {
            self.keep_now();
        }
        outcomes.into_iter().for_each(|outcome| self.say_after_all(outcome));
    }
}

//! The editor's part of an acceptance: one versioned edit, its answer, and the text, which decides.

use std::time::Duration;

use serde_json::json;
use tower_lsp::lsp_types::{ApplyWorkspaceEditParams, ApplyWorkspaceEditResponse, request::ApplyWorkspaceEdit};

use super::{
    actor::Actor,
    edit::workspace_edit,
    hands::{self, Part},
    input::Input,
    late::Errand,
    observing::{self, Observed, observe},
    review::Landed,
};
use crate::{
    event::HunkId,
    path::WsPath,
    proposal::{FileOp, HunkState},
    workspace::desk::Settled,
};

/// Longest wait for the client's text to show an accepted hunk, from the client's answer on; and where it is told only when idle.
const PATIENCE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];
/// Why a hunk is pending again that the editor may still make.
const UNANSWERED: &str = "your editor has not answered yet; if it still makes the change, that counts as accepted";
/// The same where it has answered.
const UNSEEN: &str =
    "your editor says that it made the change, and its text does not show it yet; when it does, that counts as accepted";

impl Actor {
    /// The editor's part: plan on the text as it is now, and send.
    pub(super) fn send_edit(&mut self) {
        let (client, mailbox) = (self.client.clone(), self.mailbox.clone());
        self.refuse_twice();
        let edit_number = self.review.number();
        let Some(job) = self.review.jobs.front_mut() else { return };
        let Some(folder) = self.folders.get_mut(job.folder) else { return };
        let mut hunks = job.left();
        hunks.retain(|hunk| hands::part(folder, &job.proposal, hunk, &client) != Part::Last);
        hunks.retain(|hunk| !job.behind.contains(hunk));
        // An earlier edit of them, which the client makes no more once this one is made: both name a version.
        let _ = folder.desk.settle(&job.proposal, &hunks, Vec::new());
        let plan = match folder.desk.plan(&job.proposal, &hunks) {
            Ok(plan) => plan,
            Err(error) => return self.end(Some(&error.to_string())),
        };
        job.clean.retain(|path| !plan.files.iter().any(|file| file.path == *path));
        let clean = |path: &WsPath| folder.desk.buffer(path).is_none_or(|buffer| !buffer.unsaved());
        job.clean.extend(plan.files.iter().filter(|file| clean(&file.path)).flat_map(observing::places).cloned());
        let edit = workspace_edit(folder, &plan, &client);
        let is_undo = job.undo.is_some();
        let (number, root) = (job.id, folder.canonical.clone());
        let nothing = plan.files.is_empty();
        let errand = Errand::of(edit_number, job, &plan, client.document_changes, folder);
        let looks = errand.looks.clone();
        let untimed = job.reply.is_none();
        job.working = [plan.hunks.as_slice(), &job.behind].concat();
        job.plan = Some(plan);
        job.sent = Some(edit_number);
        let edit = match edit {
            Ok(edit) if !nothing => edit,
            Ok(_) => return self.edited(Vec::new(), None),
            Err(why) => return self.edited(Vec::new(), Some(why)),
        };
        self.review.errands.push(errand);
        if untimed {
            self.answer_in_time(number);
        }
        let label = if is_undo { "Take the agent's changes back" } else { "Accept the agent's change" };
        let params = ApplyWorkspaceEditParams { label: Some(label.to_owned()), edit };
        let answer = self.out.request::<ApplyWorkspaceEdit>(params);
        let patience = PATIENCE[usize::from(client.silent_while_waiting)];
        tokio::spawn(async move {
            let told = |landed| drop(mailbox.send(Input::Landed(landed)));
            // However late.
            let answer = answer.await.map_err(|error| error.message.into_owned());
            let applied = matches!(&answer, Ok(answer) if answer.applied);
            if !applied {
                told(Landed::Refused { edit: edit_number });
            }
            let observed = observe(root.clone(), looks.clone()).await;
            told(Landed::Answered { edit: edit_number, answer, observed });
            if applied {
                tokio::time::timeout(patience, std::future::pending::<()>()).await.ok();
                let observed = observe(root, looks).await;
                told(Landed::Deadline { edit: edit_number, observed, over: true });
            }
        });
        self.after_text_of_current();
    }

    /// The command has to be answered now: what the texts and the disk show at this moment is what it is answered by.
    pub(super) fn give_up_waiting(&mut self) {
        let Some(job) = self.review.jobs.front() else { return };
        let (Some(edit), Some(folder)) = (job.sent, self.folders.get(job.folder)) else { return };
        let Some(errand) = self.review.errands.iter().find(|errand| errand.edit == edit) else { return };
        if errand.answered && self.client.silent_while_waiting {
            return;
        }
        let (root, looks, mailbox) = (folder.canonical.clone(), errand.looks.clone(), self.mailbox.clone());
        tokio::spawn(async move {
            let observed = observe(root, looks).await;
            let _ = mailbox.send(Input::Landed(Landed::Deadline { edit, observed, over: false }));
        });
    }

    /// Where nothing keeps the client from making an edit twice, it is not sent again while the first may still be made.
    fn refuse_twice(&mut self) {
        let Some(job) = self.review.jobs.front() else { return };
        let Some(folder) = self.folders.get(job.folder) else { return };
        let why = |id: HunkId| {
            let path = folder.desk.hunk(&job.proposal, &id).ok()?.0;
            let why = self.review.why_not_again(job.folder, folder, path)?;
            Some((id, why))
        };
        let refused = job.left().into_iter().filter_map(why).collect();
        if let Some(job) = self.review.jobs.front_mut() {
            job.book(Settled { accepted: Vec::new(), refused });
        }
    }

    /// What the client says is a hint; the text decides.
    pub(super) fn on_answer(&mut self, answer: Result<ApplyWorkspaceEditResponse, String>, observed: Observed) {
        let Some(job) = self.review.jobs.front_mut() else { return };
        match answer {
            Ok(answer) if answer.applied => {
                if !job.behind.is_empty() {
                    job.disk.clone_from(&observed);
                }
                let (at, deletes) = (job.folder, job.plan.as_ref().map(observing::deletions).unwrap_or_default());
                self.take_answered(at, &deletes, &observed);
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
        let Some(job) = self.review.jobs.front_mut().filter(|job| job.sent.is_some() && self.client.silent_while_waiting) else {
            return;
        };
        if let Some(reply) = job.reply.take() {
            let _ = reply.send(Ok(json!({"accepted": [], "refused": [], "waiting": job.hunks})));
        }
    }

    /// Ends the wait as soon as everything that is being applied stands in the text.
    pub fn check_landed(&mut self) {
        let Some(job) = self.review.jobs.front().filter(|job| job.sent.is_some()) else { return };
        let Some(plan) = &job.plan else { return };
        let Some(folder) = self.folders.get(job.folder) else { return };
        let Some(proposal) = folder.desk.proposal(&job.proposal) else { return };
        let waiting = plan.hunks.iter().any(|id| proposal.hunk(id).is_some_and(|(_, hunk)| hunk.state == HunkState::Applying));
        // What is left out of this edit goes on when it is answered.
        if !waiting && (job.behind.is_empty() || self.review.is_answered(job.sent)) {
            self.edited(Vec::new(), None);
        }
    }

    /// Ends the editor's part. `error`: why nothing was sent.
    pub(super) fn edited(&mut self, observed: Observed, error: Option<String>) {
        let answered = self.review.is_answered(self.review.jobs.front().and_then(|job| job.sent));
        let Some(job) = self.review.jobs.front_mut() else { return };
        let Some(folder) = self.folders.get_mut(job.folder) else { return };
        let Some(plan) = job.plan.take() else { return };
        let sent = job.sent.take();
        if !job.behind.is_empty() && !observed.is_empty() {
            job.disk.clone_from(&observed);
        }
        let open = self.review.errands.iter().find(|errand| Some(errand.edit) == sent && !errand.over);
        let why = open.map(|errand| if errand.answered { UNSEEN } else { UNANSWERED });
        let settled = match why.is_some() {
            true => folder.desk.suspend(&job.proposal, &plan.hunks, observed),
            false => folder.desk.settle(&job.proposal, &plan.hunks, observed),
        };
        let mut settled = settled.unwrap_or_default();
        let said = error.or(job.refusal.take());
        let made = answered && said.is_none() && settled.refused.is_empty();
        let proposal = folder.desk.proposal(&job.proposal);
        for (hunk, said) in &mut settled.refused {
            let on_its_way = proposal.and_then(|proposal| proposal.hunk(hunk)).is_some_and(|(_, hunk)| hunk.is_on_its_way());
            if let Some(why) = why.filter(|_| on_its_way) {
                *said = why.to_owned();
            }
        }
        if let Some(said) = said {
            settled.refused.iter_mut().for_each(|(_, why)| why.clone_from(&said));
        }
        settled.refused.splice(..0, plan.refused);
        let moved = plan.files.iter().filter(|file| matches!(file.op, FileOp::Move { .. })).flat_map(observing::places);
        job.edited.extend(settled.accepted.iter().map(|taken| &taken.path).chain(moved).cloned());
        job.created.extend(plan.files.iter().filter(|file| file.op == FileOp::Create).map(|file| file.path.clone()));
        job.book(settled);
        self.after_text_of_current();
        if !self.send_rest(made) {
            self.use_hands(Part::Last);
        }
    }
}

//! Acceptance in two halves, plan and settlement, and rejection.

use std::sync::Arc;

use super::{Beneath, Desk, DeskError, DeskEvent, What, news, undo::MOST_KEPT};
use crate::{
    event::{HunkId, ProposalId},
    path::WsPath,
    proposal::{Beside, FileOp, FileProposal, Happened, Hunk, HunkKind, HunkState, Landed, PlannedFile},
    text::Text,
};

/// What the editor is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    pub proposal: ProposalId,
    pub files: Vec<PlannedFile>,
    /// Hunks that cannot be accepted, each with the reason.
    pub refused: Vec<(HunkId, String)>,
    /// The hunks that are being applied now: those to settle.
    pub hunks: Vec<HunkId>,
}

/// One hunk that the user's text holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub hunk: HunkId,
    pub path: WsPath,
}

/// How an acceptance ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    pub accepted: Vec<Taken>,
    /// What is pending again or stale, each with the reason.
    pub refused: Vec<(HunkId, String)>,
}

/// How a rejection ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    pub rejected: Vec<Taken>,
    pub refused: Vec<(HunkId, String)>,
}

impl Desk {
    /// Plans the acceptance of hunks and marks them as applying, until they land or are settled.
    ///
    /// # Errors
    /// [`DeskError::NoProposal`]. Hunks that cannot be accepted are named in the plan.
    pub fn plan(&mut self, id: &ProposalId, hunks: &[HunkId]) -> Result<Plan, DeskError> {
        let proposal = self.proposals.get(id).ok_or_else(|| DeskError::NoProposal(id.clone()))?;
        let (mut chosen, mut refused) = (Vec::new(), Vec::new());
        for hunk in hunks {
            let why = match proposal.hunk(hunk) {
                Some((path, _)) if self.is_taken(id, path) => Some("another change of this file is being accepted".to_owned()),
                Some((_, found)) => not_pending(found),
                None => Some(self.decided(id, hunk)),
            };
            match why {
                Some(why) => refused.push((hunk.clone(), why)),
                None if chosen.contains(hunk) => {}
                None => chosen.push(hunk.clone()),
            }
        }
        let (mut files, mut seen) = (Vec::new(), Vec::new());
        if let Some(proposal) = self.proposals.get_mut(id) {
            for (path, file) in &mut proposal.files {
                let version = self.buffers.get(path).map(|buffer| buffer.version);
                if let Some(planned) = file.plan(path, version, &chosen) {
                    seen.push(path.clone());
                    files.push(planned);
                }
            }
            proposal.revision += 1;
            let task = proposal.task.clone();
            seen.iter().for_each(|path| self.moved(id, task.clone(), path));
        }
        Ok(Plan { proposal: id.clone(), files, refused, hunks: chosen })
    }

    /// Ends the wait for `hunks` of a plan. `observed` is what the disk holds now at the paths that are not open, the target
    /// of a move included; `None` where there is no file. A hunk is accepted only when the user's text holds it.
    ///
    /// # Errors
    /// [`DeskError::NoProposal`].
    pub fn settle(
        &mut self,
        id: &ProposalId,
        hunks: &[HunkId],
        observed: Vec<(WsPath, Option<Beneath>)>,
    ) -> Result<Settled, DeskError> {
        self.settle_done(id, hunks, observed, &[])
    }

    /// The editor has not answered: `hunks` of a plan that did not land are pending again, and stay on their way until they are
    /// settled.
    ///
    /// # Errors
    /// [`DeskError::NoProposal`].
    pub fn suspend(
        &mut self,
        id: &ProposalId,
        hunks: &[HunkId],
        observed: Vec<(WsPath, Option<Beneath>)>,
    ) -> Result<Settled, DeskError> {
        self.end_wait(id, hunks, observed, &[], true)
    }

    /// The same as [`Desk::settle`] where the server itself has done `done` of them on the disk: a document that the editor still shows under a
    /// name that is gone does not stand in the way.
    ///
    /// # Errors
    /// [`DeskError::NoProposal`].
    pub fn settle_done(
        &mut self,
        id: &ProposalId,
        hunks: &[HunkId],
        observed: Vec<(WsPath, Option<Beneath>)>,
        done: &[HunkId],
    ) -> Result<Settled, DeskError> {
        self.end_wait(id, hunks, observed, done, false)
    }

    fn end_wait(
        &mut self,
        id: &ProposalId,
        hunks: &[HunkId],
        observed: Vec<(WsPath, Option<Beneath>)>,
        done: &[HunkId],
        suspended: bool,
    ) -> Result<Settled, DeskError> {
        if !self.proposals.contains_key(id) {
            return Err(DeskError::NoProposal(id.clone()));
        }
        self.settle_moves(id, hunks, &observed, done);
        for (path, now) in &observed {
            self.disk_changed(path, now.clone());
        }
        let paths: Vec<WsPath> = self.proposals[id].files.keys().cloned().collect();
        let applies = |hunk: &Hunk| hunk.is_on_its_way() && hunks.contains(&hunk.id);
        for path in paths {
            let Some(file) = self.file_mut(id, &path) else { continue };
            if file.live().any(applies) {
                let mut happened = Vec::new();
                if file.live().any(|hunk| applies(hunk) && hunk.kind == HunkKind::Delete && done.contains(&hunk.id)) {
                    file.vanish(&mut happened);
                }
                // A document may still be shown for a file that was gone, and comes back.
                let written = observed.iter().find(|(seen, _)| *seen == path).and_then(|(_, now)| now.as_ref());
                if let Some(now) = written.filter(|now| now.blob.is_none())
                    && file.live().any(|hunk| applies(hunk) && hunk.kind == HunkKind::Create && done.contains(&hunk.id))
                {
                    file.appear(&now.text, &mut happened);
                }
                match suspended {
                    true => file.suspend(hunks),
                    false => file.settle(hunks, &mut happened),
                }
                self.book(id, &path, happened);
            }
        }
        self.revision += 1;
        let mut settled = Settled::default();
        for hunk in hunks {
            let closed = self.proposals[id].closed.get(hunk).filter(|closed| closed.state == HunkState::Accepted);
            match closed {
                Some(closed) => settled.accepted.push(Taken { hunk: hunk.clone(), path: closed.path.clone() }),
                None => settled.refused.push((hunk.clone(), self.why_not(id, hunk))),
            }
        }
        Ok(settled)
    }

    /// Rejects live or stale hunks for good. A hunk that is being accepted is refused.
    ///
    /// # Errors
    /// [`DeskError::NoProposal`].
    pub fn reject(&mut self, id: &ProposalId, hunks: &[HunkId], reason: Option<&str>) -> Result<Rejection, DeskError> {
        if !self.proposals.contains_key(id) {
            return Err(DeskError::NoProposal(id.clone()));
        }
        let mut outcome = Rejection::default();
        for hunk in &self.with_modes(id, hunks) {
            let Some(proposal) = self.proposals.get_mut(id) else { continue };
            let task = proposal.task.clone();
            let beneath = proposal.hunk(hunk).map(|(path, _)| &proposal.files[path]);
            let mode = beneath.and_then(|file| file.executable);
            let beneath = beneath.map(|file| file.exists.then(|| file.base.clone()));
            let Some((path, gone)) = proposal.reject(hunk) else {
                outcome.refused.push((hunk.clone(), self.why_not(id, hunk)));
                continue;
            };
            proposal.revision += 1;
            if let Some(watch) = self.watches.get_mut(&task) {
                watch.tell(news::rejected(&path, hunk, reason));
            }
            let what = What::Rejected { hunk: hunk.clone(), reason: reason.map(str::to_owned) };
            self.events.push(DeskEvent { proposal: id.clone(), task: task.clone(), path: path.clone(), what });
            self.moved(id, task, &path);
            self.compare_checked(&path, None, beneath.as_ref().map(Option::as_ref));
            if gone.kind == HunkKind::Mode {
                self.compare_checked_mode(&path, Some(mode.unwrap_or(false)));
            }
            outcome.rejected.push(Taken { hunk: hunk.clone(), path });
        }
        self.revision += 1;
        Ok(outcome)
    }

    /// Keeps the bytes of a file that is not text and that the server deleted, so that this can be taken back.
    pub fn keep_image(&mut self, id: &ProposalId, hunk: &HunkId, image: Arc<[u8]>) {
        if let Some(proposal) = self.proposals.get_mut(id) {
            proposal.keep_image(hunk, image, MOST_KEPT);
        }
    }

    /// The accepted hunks of a proposal, by file in the order of acceptance: whole texts before and after.
    pub fn accepted(&self, id: &ProposalId) -> Vec<(WsPath, Vec<(Text, Text)>)> {
        let mut files: Vec<(WsPath, Vec<(Text, Text)>)> = Vec::new();
        for record in self.proposals.get(id).iter().flat_map(|proposal| &proposal.accepted) {
            let pair = (record.before.clone(), record.after.clone());
            match files.iter_mut().find(|(path, _)| *path == record.path) {
                Some((_, pairs)) => pairs.push(pair),
                None => files.push((record.path.clone(), vec![pair])),
            }
        }
        files
    }

    /// The hunks, and before each creation of a file the change of that file's mode, which means nothing without it.
    fn with_modes(&self, id: &ProposalId, hunks: &[HunkId]) -> Vec<HunkId> {
        let files = || self.proposals.get(id).into_iter().flat_map(|proposal| proposal.files.values());
        let mut all = Vec::new();
        for hunk in hunks {
            let mode = files().find_map(|file| file.mode_of_created(hunk)).cloned();
            all.extend(mode.into_iter().chain([hunk.clone()]).filter(|id| !all.contains(id)).collect::<Vec<_>>());
        }
        all
    }

    /// A move landed when the file is gone from its old place and stands at the new one.
    fn settle_moves(&mut self, id: &ProposalId, hunks: &[HunkId], observed: &[(WsPath, Option<Beneath>)], done: &[HunkId]) {
        let moving = |hunk: &Hunk| hunk.kind == HunkKind::Move && hunk.is_on_its_way() && hunks.contains(&hunk.id);
        let row = |(from, file): (&WsPath, &FileProposal)| {
            let hunk = file.live().find(|hunk| moving(hunk))?.id.clone();
            let FileOp::Move { to } = &file.op else { return None };
            Some((hunk, from.clone(), to.clone(), file.exists, file.beside()))
        };
        let moves: Vec<(HunkId, WsPath, WsPath, bool, Beside)> = self.proposals[id].files.iter().filter_map(row).collect();
        for (hunk, from, to, exists, beside) in moves {
            let seen = |path: &WsPath| observed.iter().find(|(seen, _)| seen == path).map(|(_, now)| now.as_ref());
            let shown = self.buffers.contains_key(&from) && !done.contains(&hunk);
            let left = !shown && seen(&from).map_or(!exists, |now| now.is_none());
            let opened = self.buffers.get(&to).map(|buffer| Beneath::from(buffer.text.clone()));
            let (true, Some(there)) = (left, opened.or(seen(&to).flatten().cloned())) else { continue };
            let Some(proposal) = self.proposals.get_mut(id) else { continue };
            let Some((mut hunk, base)) = proposal.rename(&from, &to) else { continue };
            hunk.state = HunkState::Accepted;
            self.provenance.rename(&from, &to, &base);
            self.provenance.replace(&to, None, Some(&there.text));
            let empty = Text::default();
            let comes = (Beside::default(), beside.clone());
            proposal.accept(&to, &Landed { hunk: hunk.clone(), before: empty.clone(), after: base.clone(), beside: comes });
            let goes = Landed { hunk, before: base, after: empty, beside: (beside, Beside::default()) };
            let mut happened = vec![Happened::Landed(Box::new(goes))];
            self.book(id, &from, std::mem::take(&mut happened));
            if let Some(file) = self.file_mut(id, &to) {
                match &there.blob {
                    Some(blob) => file.appear_bytes(blob, &mut happened),
                    None => file.appear(&there.text, &mut happened),
                }
            }
            self.remember_origins(id, &to, &happened, &there.text);
            self.book(id, &to, happened);
        }
    }

    /// Whether another proposal is changing this file right now.
    fn is_taken(&self, id: &ProposalId, path: &WsPath) -> bool {
        let others = self.proposals.values().filter(|proposal| proposal.id != *id);
        others
            .filter_map(|proposal| proposal.files.get(path))
            .any(|file| file.live().any(|hunk| hunk.state == HunkState::Applying))
    }

    fn why_not(&self, id: &ProposalId, hunk: &HunkId) -> String {
        match self.proposals.get(id).and_then(|proposal| proposal.hunk(hunk)) {
            Some((_, found)) => {
                not_pending(found).unwrap_or_else(|| "the editor did not take it; it is pending again".to_owned())
            }
            None => self.decided(id, hunk),
        }
    }

    fn decided(&self, id: &ProposalId, hunk: &HunkId) -> String {
        match self.proposals.get(id).and_then(|proposal| proposal.closed.get(hunk)) {
            Some(closed) if closed.state == HunkState::Accepted => "it was accepted before".to_owned(),
            Some(_) => "it was rejected before".to_owned(),
            None => "there is no such hunk in this proposal any more".to_owned(),
        }
    }
}

/// Why a hunk that exists cannot be decided now.
fn not_pending(hunk: &Hunk) -> Option<String> {
    match hunk.state {
        HunkState::Pending => None,
        HunkState::Applying => Some("it is being accepted".to_owned()),
        _ => Some(hunk.why.map_or_else(|| "it is stale".to_owned(), |why| format!("it is stale: {why}"))),
    }
}

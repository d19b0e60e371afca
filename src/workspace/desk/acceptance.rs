//! Acceptance in two halves, plan and settlement, and rejection.

use super::{Beneath, Desk, DeskError, DeskEvent, What, news};
use crate::{
    event::{HunkId, ProposalId},
    path::WsPath,
    proposal::{FileOp, Hunk, HunkKind, HunkState, Landed, PlannedFile},
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
        if !self.proposals.contains_key(id) {
            return Err(DeskError::NoProposal(id.clone()));
        }
        self.settle_moves(id, hunks, &observed);
        for (path, now) in observed {
            self.disk_changed(&path, now);
        }
        let paths: Vec<WsPath> = self.proposals[id].files.keys().cloned().collect();
        for path in paths {
            let Some(file) = self.file_mut(id, &path) else { continue };
            if file.live().any(|hunk| hunk.state == HunkState::Applying && hunks.contains(&hunk.id)) {
                let mut happened = Vec::new();
                file.settle(hunks, &mut happened);
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
        for hunk in hunks {
            let Some(proposal) = self.proposals.get_mut(id) else { continue };
            let task = proposal.task.clone();
            let beneath = proposal.hunk(hunk).map(|(path, _)| &proposal.files[path]);
            let beneath = beneath.map(|file| file.exists.then(|| file.base.clone()));
            let Some((path, _)) = proposal.reject(hunk) else {
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
            outcome.rejected.push(Taken { hunk: hunk.clone(), path });
        }
        self.revision += 1;
        Ok(outcome)
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

    /// A move landed when the file is gone from its old place and stands at the new one.
    fn settle_moves(&mut self, id: &ProposalId, hunks: &[HunkId], observed: &[(WsPath, Option<Beneath>)]) {
        let moving = |hunk: &Hunk| hunk.kind == HunkKind::Move && hunk.state == HunkState::Applying && hunks.contains(&hunk.id);
        let moves: Vec<(WsPath, WsPath, bool)> = self.proposals[id]
            .files
            .iter()
            .filter(|(_, file)| file.live().any(moving))
            .filter_map(|(from, file)| match &file.op {
                FileOp::Move { to } => Some((from.clone(), to.clone(), file.exists)),
                _ => None,
            })
            .collect();
        for (from, to, exists) in moves {
            let seen = |path: &WsPath| observed.iter().find(|(seen, _)| seen == path).map(|(_, now)| now.as_ref());
            let left = !self.buffers.contains_key(&from) && seen(&from).map_or(!exists, |now| now.is_none());
            let there = self.buffers.get(&to).map(|buffer| &buffer.text).or(seen(&to).flatten().map(|now| &now.text)).cloned();
            let (true, Some(there)) = (left, there) else { continue };
            let Some(proposal) = self.proposals.get_mut(id) else { continue };
            let Some((mut hunk, base)) = proposal.rename(&from, &to) else { continue };
            hunk.state = HunkState::Accepted;
            self.provenance.rename(&from, &to, &base);
            self.provenance.replace(&to, None, Some(&there));
            let empty = Text::default();
            proposal.accept(&to, &Landed { hunk: hunk.clone(), before: empty.clone(), after: base.clone() });
            let mut happened = vec![crate::proposal::Happened::Landed(Box::new(Landed { hunk, before: base, after: empty }))];
            self.book(id, &from, std::mem::take(&mut happened));
            if let Some(file) = self.file_mut(id, &to) {
                file.appear(&there, &mut happened);
            }
            self.remember_origins(id, &to, &happened, &there);
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

//! Which accepted hunks a commit holds.

use super::{Desk, undo::MOST_KEPT};
use crate::{
    event::{HunkId, ProposalId, TaskId},
    path::WsPath,
    proposal::{HunkKind, Record},
    seams::Accepted,
};

/// What stands accepted and in no commit.
#[derive(Clone, Debug, Default)]
pub struct Uncommitted {
    /// By file, in order of acceptance.
    pub files: Vec<(WsPath, Vec<Accepted>)>,
    /// The hunks that these come from.
    pub hunks: Vec<(ProposalId, HunkId, WsPath)>,
}

/// An accepted hunk as a commit takes it.
fn accepted(record: &Record) -> Accepted {
    let (before, after) = &record.beside;
    let mode = if record.kind == HunkKind::Mode { after.executable } else { None };
    match (mode, &before.blob, &after.blob) {
        (Some(executable), ..) => Accepted::Mode { executable },
        (None, None, None) => Accepted::Text { before: record.before.to_string(), after: record.after.to_string() },
        (None, before, after) => {
            let sha256 = |blob: &Option<_>| blob.as_ref().map(|blob: &crate::proposal::Blob| blob.sha256.clone());
            Accepted::Bytes { before: sha256(before), after: sha256(after) }
        }
    }
}

impl Desk {
    /// What was accepted of these tasks' hunks (`None`: of all) and no commit holds yet.
    pub fn uncommitted(&self, tasks: Option<&[TaskId]>) -> Uncommitted {
        let mut found = Uncommitted::default();
        let mine = |task: &TaskId| tasks.is_none_or(|tasks| tasks.contains(task));
        for proposal in self.proposals().filter(|proposal| mine(&proposal.task)) {
            for record in &proposal.accepted {
                let hunk = (proposal.id.clone(), record.hunk.clone(), record.path.clone());
                if record.forgotten || self.committed.contains(&hunk) {
                    continue;
                }
                let pair = accepted(record);
                match found.files.iter_mut().find(|(path, _)| *path == record.path) {
                    Some((_, pairs)) => pairs.push(pair),
                    None => found.files.push((record.path.clone(), vec![pair])),
                }
                found.hunks.push(hunk);
            }
        }
        found
    }

    /// These hunks stand in a commit.
    pub fn commit(&mut self, hunks: Vec<(ProposalId, HunkId, WsPath)>) {
        let proposals: Vec<ProposalId> = hunks.iter().map(|(proposal, ..)| proposal.clone()).collect();
        self.committed.extend(hunks);
        proposals.iter().for_each(|id| self.bound(id));
    }

    /// Keeps what is remembered of a task's accepted hunks within its bound. What no commit holds is always kept, because a
    /// commit is made of it.
    pub(super) fn bound(&mut self, id: &ProposalId) {
        if let Some(proposal) = self.proposals.get_mut(id) {
            let committed = &self.committed;
            proposal.bound(MOST_KEPT, |record| committed.contains(&(id.clone(), record.hunk.clone(), record.path.clone())));
        }
    }
}

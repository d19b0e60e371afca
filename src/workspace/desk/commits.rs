//! Which accepted hunks a commit holds.

use super::Desk;
use crate::{
    event::{HunkId, ProposalId, TaskId},
    path::WsPath,
};

/// What stands accepted and in no commit.
#[derive(Clone, Debug, Default)]
pub struct Uncommitted {
    /// By file: whole texts before and after, in order of acceptance.
    pub files: Vec<(WsPath, Vec<(String, String)>)>,
    /// The hunks that these come from.
    pub hunks: Vec<(ProposalId, HunkId, WsPath)>,
}

impl Desk {
    /// What was accepted of these tasks' hunks (`None`: of all) and no commit holds yet.
    pub fn uncommitted(&self, tasks: Option<&[TaskId]>) -> Uncommitted {
        let mut found = Uncommitted::default();
        let mine = |task: &TaskId| tasks.is_none_or(|tasks| tasks.contains(task));
        for proposal in self.proposals.values().filter(|proposal| mine(&proposal.task)) {
            for record in &proposal.accepted {
                let hunk = (proposal.id.clone(), record.hunk.clone(), record.path.clone());
                if self.committed.contains(&hunk) {
                    continue;
                }
                let pair = (record.before.to_string(), record.after.to_string());
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
        self.committed.extend(hunks);
    }
}

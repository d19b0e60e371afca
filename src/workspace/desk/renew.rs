//! Proposing a stale hunk anew, on the user's lines.

use super::{Desk, DeskError, news};
use crate::{
    event::{HunkId, ProposalId},
    proposal::NotRenewed,
};

/// Why a hunk is not proposed anew. The sentence is for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewError {
    #[error(transparent)]
    Missing(#[from] DeskError),
    #[error(transparent)]
    NotRenewed(#[from] NotRenewed),
}

impl Desk {
    /// Puts a pending hunk in place of a stale one where its change and the user's go together; the answer is the new hunk's
    /// id. The task is told.
    ///
    /// # Errors
    /// [`RenewError`]; nothing changes then, and the stale hunk stays.
    pub fn renew(&mut self, id: &ProposalId, hunk: &HunkId) -> Result<HunkId, RenewError> {
        let path = self.hunk(id, hunk)?.0.clone();
        let missing = || DeskError::NoProposal(id.clone());
        let proposal = self.proposals.get_mut(id).ok_or_else(missing)?;
        let file = proposal.files.get_mut(&path).ok_or_else(missing)?;
        let renewed = file.renew(hunk, &mut proposal.ids)?;
        proposal.revision += 1;
        self.revision += 1;
        let task = proposal.task.clone();
        if let Some(watch) = self.watches.get_mut(&task) {
            watch.tell(news::renewed(&path, hunk, &renewed.id));
        }
        self.moved(id, task, &path);
        Ok(renewed.id)
    }
}

//! Whether accepted hunks wait for a commit, and committed ones for a push. Cheap: menus ask for it.

use super::Desk;

impl Desk {
    /// Whether something accepted stands in no commit.
    pub fn has_uncommitted(&self) -> bool {
        self.proposals().any(|proposal| {
            proposal.accepted.iter().any(|record| {
                !record.forgotten && !self.committed.contains(&(proposal.id.clone(), record.hunk.clone(), record.path.clone()))
            })
        })
    }

    /// Whether a commit was made since the last push.
    pub fn has_unpushed(&self) -> bool {
        self.committed.len() > self.pushed
    }

    /// Everything that was committed has been pushed.
    pub fn pushed(&mut self) {
        self.pushed = self.committed.len();
    }
}

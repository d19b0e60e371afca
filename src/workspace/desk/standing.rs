//! Whether accepted hunks wait for a commit, and committed ones for a push. Cheap: menus ask for it.

use super::Desk;

impl Desk {
    /// Whether something accepted stands in no commit, and not all of that was taken back by hand.
    pub fn has_uncommitted(&self) -> bool {
        let keys = self.proposals().flat_map(|proposal| {
            let records = proposal.accepted.iter().filter(|record| !record.forgotten);
            records.map(|record| (proposal.id.clone(), record.hunk.clone(), record.path.clone()))
        });
        let mut waiting = keys.filter(|key| !self.committed.contains(key)).peekable();
        if waiting.peek().is_none() {
            return false;
        }
        let undone = self.undone_by_hand();
        waiting.any(|key| !undone.contains(&key))
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

//! A stale hunk proposed anew: its change, made to the lines as the user has them now.

use std::ops::Range;

use super::{FileProposal, Hunk, HunkKind, HunkState, Ids, stage::anchor};
use crate::{
    event::HunkId,
    text::{self, Edit, Text, seams_hold, whole_lines},
};

/// Why a hunk cannot be proposed anew. The sentence is for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRenewed {
    #[error("there is no such hunk")]
    Unknown,
    #[error("the hunk still fits; it need not be proposed again")]
    Live,
    #[error("it is about the whole file, not about lines of it; ask the agent again")]
    WholeFile,
    #[error("the file is gone")]
    Gone,
    #[error("your edit and the hunk change the same words; ask the agent again, or edit by hand")]
    Clash,
    #[error("your text has this change already; reject the hunk to put it away")]
    Done,
}

impl FileProposal {
    /// The edit of the base that makes a stale hunk's change to what the user made of its lines, with the user's own changes
    /// of them kept.
    ///
    /// # Errors
    /// [`NotRenewed`] where that is not clean.
    pub fn renewed(&self, id: &HunkId) -> Result<Edit, NotRenewed> {
        let hunk = self.hunk(id).ok_or(NotRenewed::Unknown)?;
        if hunk.state != HunkState::Stale {
            return Err(NotRenewed::Live);
        }
        if hunk.kind != HunkKind::Lines {
            return Err(NotRenewed::WholeFile);
        }
        if !self.exists {
            return Err(NotRenewed::Gone);
        }
        let window = self.window(hunk);
        let ours = self.base.slice(window.clone());
        let (before, behind) = &hunk.anchor;
        let (old, new) = (format!("{before}{}{behind}", hunk.old), format!("{before}{}{behind}", hunk.new));
        let merged = text::merged(&old, &ours, &new).ok_or(NotRenewed::Clash)?;
        let changes = text::hunks(&Text::new(&ours), &Text::new(&merged));
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return Err(NotRenewed::Done) };
        // One hunk it was, and one it stays.
        let inner = first.range.start..last.range.end;
        let new = merged[inner.start..merged.len() - (ours.len() - inner.end)].to_owned();
        let range = window.start + inner.start..window.start + inner.end;
        let free = |live: &Hunk| match range.is_empty() || live.range.is_empty() {
            true => live.range.end < range.start || range.end < live.range.start,
            false => live.range.end <= range.start || range.end <= live.range.start,
        };
        let fits = self.hunks.iter().all(|live| live.kind == HunkKind::Lines && free(live));
        if fits && seams_hold(&self.base, &range, &new) { Ok(Edit { range, new }) } else { Err(NotRenewed::Clash) }
    }

    /// Puts a new pending hunk in place of a stale one; the answer is the new hunk.
    ///
    /// # Errors
    /// As [`FileProposal::renewed`]; nothing changes then.
    pub fn renew(&mut self, id: &HunkId, ids: &mut Ids) -> Result<Hunk, NotRenewed> {
        let Edit { range, new } = self.renewed(id)?;
        let stale = self.remove(id).ok_or(NotRenewed::Unknown)?;
        let old = self.base.slice(range.clone());
        let anchor = if old.is_empty() { anchor(&self.base, range.start) } else { Default::default() };
        let mut hunk = Hunk { id: ids.next_id(), outer: range.clone(), sent: false, range, old, new, anchor, ..stale };
        hunk.turn_pending();
        self.insert(hunk.clone());
        Ok(hunk)
    }

    /// The whole lines of the base that stand for the hunk's old lines and, around an insertion, for the two next to it.
    fn window(&self, hunk: &Hunk) -> Range<usize> {
        let base = &self.base;
        let Range { mut start, mut end } = whole_lines(base, &hunk.range);
        let (before, behind) = &hunk.anchor;
        // What of the neighbours the user left as it was stands outside of what was edited.
        let above = base.line_start(base.line_of(start.saturating_sub(1)));
        if !before.is_empty() && base.holds(&(above..start), before) {
            start = above;
        }
        let below = base.line_start(base.line_of(end) + 1);
        if !behind.is_empty() && base.holds(&(end..below), behind) {
            end = below;
        }
        start..end
    }
}

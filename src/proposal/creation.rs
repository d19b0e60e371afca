//! The creation of a file whose name has a document without text: somebody opened it to look at what will be there. That is
//! in nobody's way; the creation takes its place.

use super::{FileOp, FileProposal, Happened, Hunk, HunkKind, Why};
use crate::text::Text;

/// Whether a text holds nothing: editors put a line break into documents of files that are not there.
pub(super) fn is_blank(text: &Text) -> bool {
    text.is_empty() || ["\n", "\r\n"].iter().any(|blank| text.holds(&(0..text.len()), blank))
}

impl Hunk {
    /// A creation takes the place of all of a document without text.
    pub(super) fn cover(&mut self, blank: &Text) {
        self.range = 0..blank.len();
        self.outer = self.range.clone();
    }

    /// Whether what it replaces stands at its place.
    pub(super) fn fits(&self, text: &Text) -> bool {
        match self.kind {
            HunkKind::Create => self.range == (0..text.len()) && is_blank(text),
            _ => text.holds(&self.range, &self.old),
        }
    }
}

impl FileProposal {
    /// A creation that something stood in the way of is pending again where there is nothing, or a document without text.
    pub(super) fn revive_creation(&mut self, out: &mut Vec<Happened>) {
        let waits = |hunk: &Hunk| hunk.kind == HunkKind::Create && hunk.why == Some(Why::Exists);
        if !self.hunks.is_empty() || self.mover.is_some() || self.bytes.is_some() || !is_blank(&self.base) {
            return;
        }
        if let Some(at) = self.stale.iter().rposition(waits) {
            let mut hunk = self.stale.remove(at);
            hunk.turn_pending();
            hunk.cover(&self.base);
            out.push(Happened::Revived(hunk.id.clone()));
            self.op = FileOp::Create;
            self.hunks.push(hunk);
        }
    }
}

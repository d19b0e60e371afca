//! What the editor is to do when hunks are accepted.

use super::{FileOp, FileProposal, Hunk, HunkKind};
use crate::{
    event::HunkId,
    path::WsPath,
    text::{Edit, Text},
};

/// The part of an acceptance that is about one file.
#[derive(Clone, Debug)]
pub struct PlannedFile {
    pub path: WsPath,
    /// Version of the open buffer that the edits are made for; `None` when the file is not open.
    pub version: Option<i32>,
    /// The text that the edits' offsets belong to.
    pub base: Text,
    /// One edit a hunk, ascending and disjoint; an edit at the place where another begins comes first.
    pub edits: Vec<(HunkId, Edit)>,
    /// A create comes before the edits; a delete stands alone; a move comes after them.
    pub op: FileOp,
    /// The file's text afterwards; `None` when it is deleted.
    pub expected: Option<Text>,
}

impl FileProposal {
    /// Marks the pending hunks among `ids` as applying and says what is to be done; `None` when there is none.
    pub fn plan(&mut self, path: &WsPath, version: Option<i32>, ids: &[HunkId]) -> Option<PlannedFile> {
        let mut chosen = Vec::new();
        let mut op = FileOp::Edit;
        for hunk in self.mover.iter_mut().chain(&mut self.hunks).filter(|hunk| ids.contains(&hunk.id)) {
            hunk.turn_applying();
            match hunk.kind {
                HunkKind::Lines => {}
                // An open buffer of that name, or an empty file, needs the text only.
                HunkKind::Create if self.exists => {}
                _ => op = self.op.clone(),
            }
            chosen.push(hunk.clone());
        }
        if chosen.is_empty() {
            return None;
        }
        let lines = chosen.into_iter().filter(|hunk| matches!(hunk.kind, HunkKind::Lines | HunkKind::Create));
        let edits: Vec<(HunkId, Edit)> = lines.map(|hunk: Hunk| (hunk.id.clone(), hunk.edit())).collect();
        let bare: Vec<Edit> = edits.iter().map(|(_, edit)| edit.clone()).collect();
        let expected = (op != FileOp::Delete).then(|| self.base.edited_by(&bare));
        Some(PlannedFile { path: path.clone(), version, base: self.base.clone(), edits, op, expected })
    }
}

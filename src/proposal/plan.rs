//! What the editor is to do when hunks are accepted.

use super::{Blob, Bytes, FileOp, FileProposal, Hunk, HunkKind};
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
    /// Set when the file on disk is not text.
    pub blob: Option<Blob>,
    /// What a file that is not text is created with.
    pub bytes: Option<Bytes>,
    /// Whether the file is to be made executable, or not.
    pub executable: Option<bool>,
    /// Every hunk of the file that is being applied.
    pub hunks: Vec<HunkId>,
}

impl FileProposal {
    /// Marks the pending hunks among `ids` as applying and says what is to be done; `None` when there is none.
    pub fn plan(&mut self, path: &WsPath, version: Option<i32>, ids: &[HunkId]) -> Option<PlannedFile> {
        let mut chosen = Vec::new();
        let mut op = FileOp::Edit;
        for hunk in self.mover.iter_mut().chain(&mut self.hunks).chain(&mut self.mode) {
            if !ids.contains(&hunk.id) {
                continue;
            }
            hunk.turn_applying();
            match hunk.kind {
                HunkKind::Lines | HunkKind::Mode => {}
                // An open buffer of that name, or an empty file, needs the text only.
                HunkKind::Create if self.exists => {}
                _ => op = self.op.clone(),
            }
            chosen.push(hunk.clone());
        }
        if chosen.is_empty() {
            return None;
        }
        let hunks = chosen.iter().map(|hunk: &Hunk| hunk.id.clone()).collect();
        let executable = chosen.iter().find_map(Hunk::executable);
        let lines = chosen.into_iter().filter(|hunk| matches!(hunk.kind, HunkKind::Lines | HunkKind::Create));
        let edits: Vec<(HunkId, Edit)> = lines.map(|hunk: Hunk| (hunk.id.clone(), hunk.edit())).collect();
        let bare: Vec<Edit> = edits.iter().map(|(_, edit)| edit.clone()).collect();
        let expected = (op != FileOp::Delete).then(|| self.base.edited_by(&bare));
        let (path, base) = (path.clone(), self.base.clone());
        let (blob, bytes) = (self.blob.clone(), self.bytes.clone());
        Some(PlannedFile { path, version, base, edits, op, expected, blob, bytes, executable, hunks })
    }
}

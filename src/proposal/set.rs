//! All pending edits of one task, and the record of what became of the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Beside, FileOp, FileProposal, Hunk, HunkKind, HunkState, Landed};
use crate::{
    event::{CallId, HunkId, ProposalId, TaskId},
    path::WsPath,
    text::Text,
};

/// An accepted hunk, as the user's text took it: the whole text of the file before and after.
#[derive(Clone, Debug)]
pub struct Record {
    pub path: WsPath,
    pub hunk: HunkId,
    pub call: CallId,
    pub kind: HunkKind,
    /// Where the hunk's text begins, bytes; the same in both texts.
    pub start: usize,
    /// Bytes of the hunk's text before and after.
    pub lengths: (usize, usize),
    pub before: Text,
    pub after: Text,
    /// What the file was before and after beside its text.
    pub beside: (Beside, Beside),
    /// The bytes of a deleted file that is not text, as long as there is room for them.
    pub image: Option<Arc<[u8]>>,
    /// The texts are not kept any more: they took too much room, and a commit holds them.
    pub forgotten: bool,
}

/// A hunk that is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub path: WsPath,
    /// Accepted or rejected.
    pub state: HunkState,
}

/// The proposal of one task.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub id: ProposalId,
    pub task: TaskId,
    /// Goes up whenever a hunk comes, goes, moves or changes its state.
    pub revision: u64,
    /// By the path of what lies beneath: a moved file stands under its old name until the move is accepted.
    pub files: BTreeMap<WsPath, FileProposal>,
    /// Accepted hunks in the order in which the user's text took them.
    pub accepted: Vec<Record>,
    /// Accepted and rejected hunks.
    pub closed: BTreeMap<HunkId, Closed>,
    pub ids: Ids,
    /// It takes accepted hunks back: lives for one edit, is neither shown nor committed.
    pub is_undo: bool,
}

/// Hands out hunk ids, each once: `h1`, `h2`...
#[derive(Clone, Debug, Default)]
pub struct Ids(u32);

impl Ids {
    /// Goes on after this number.
    pub fn after(last: u32) -> Ids {
        Ids(last)
    }

    /// Number of the last id that was handed out.
    pub fn last(&self) -> u32 {
        self.0
    }

    /// The next unused id.
    pub fn next_id(&mut self) -> HunkId {
        self.0 += 1;
        HunkId(format!("h{}", self.0))
    }
}

impl Proposal {
    /// An empty proposal.
    pub fn new(id: ProposalId, task: TaskId) -> Self {
        let (files, accepted, closed, ids) = Default::default();
        Proposal { id, task, revision: 0, files, accepted, closed, ids, is_undo: false }
    }

    /// The same without the record of what is decided.
    pub fn undecided(&self) -> Proposal {
        Proposal {
            revision: self.revision,
            files: self.files.clone(),
            ids: self.ids.clone(),
            ..Proposal::new(self.id.clone(), self.task.clone())
        }
    }

    /// The hunk of this id that is still live or stale, with the path of its file.
    pub fn hunk(&self, id: &HunkId) -> Option<(&WsPath, &Hunk)> {
        self.files.iter().find_map(|(path, file)| file.hunk(id).map(|hunk| (path, hunk)))
    }

    /// The path beneath the file that the proposal moves to `to`.
    pub fn moved_to(&self, to: &WsPath) -> Option<&WsPath> {
        self.files.iter().find(|(_, file)| matches!(&file.op, FileOp::Move { to: target } if target == to)).map(|(path, _)| path)
    }

    /// Records a hunk that landed.
    pub fn accept(&mut self, path: &WsPath, landed: &Landed) {
        let hunk = &landed.hunk;
        self.closed.insert(hunk.id.clone(), Closed { path: path.clone(), state: HunkState::Accepted });
        self.accepted.push(Record {
            path: path.clone(),
            hunk: hunk.id.clone(),
            call: hunk.call.clone(),
            kind: hunk.kind,
            start: hunk.range.start,
            lengths: if hunk.kind == HunkKind::Mode { (0, 0) } else { (hunk.old.len(), hunk.new.len()) },
            before: landed.before.clone(),
            after: landed.after.clone(),
            beside: landed.beside.clone(),
            image: None,
            forgotten: false,
        });
    }

    /// Keeps the bytes of a deleted file that is not text, and forgets those of older ones beyond `most` bytes in all.
    pub fn keep_image(&mut self, hunk: &HunkId, image: Arc<[u8]>, most: usize) {
        if let Some(record) = self.accepted.iter_mut().rfind(|record| record.hunk == *hunk) {
            record.image = Some(image);
        }
        let mut total = 0;
        for record in self.accepted.iter_mut().rev() {
            total += record.image.as_ref().map_or(0, |image| image.len());
            if total > most {
                record.image = None;
            }
        }
    }

    /// Records a hunk that was accepted before a restart.
    pub fn remember(&mut self, record: Record) {
        self.closed.insert(record.hunk.clone(), Closed { path: record.path.clone(), state: HunkState::Accepted });
        self.accepted.push(record);
    }

    /// Forgets the texts of the oldest accepted hunks that `may` be forgotten until the rest takes at most `most` bytes:
    /// the changed texts, and one whole text for each file.
    pub fn bound(&mut self, most: usize, may: impl Fn(&Record) -> bool) {
        let mut files = BTreeSet::new();
        let sizes: Vec<usize> = self
            .accepted
            .iter()
            .map(|record| {
                let whole = if files.insert(&record.path) { record.before.len().max(record.after.len()) } else { 0 };
                whole.max(record.lengths.0 + record.lengths.1)
            })
            .collect();
        let mut total: usize = sizes.iter().sum();
        for (record, size) in self.accepted.iter_mut().zip(sizes) {
            if total <= most {
                return;
            }
            if may(record) {
                (record.before, record.after, record.forgotten) = (Text::default(), Text::default(), true);
                record.lengths = (0, 0);
                total -= size;
            }
        }
    }

    /// Takes a live or stale hunk out of its file as rejected; the file goes with its last hunk. A hunk that is being
    /// applied is the editor's at that moment and stays.
    pub fn reject(&mut self, id: &HunkId) -> Option<(WsPath, Hunk)> {
        let (path, hunk) = self.hunk(id)?;
        if hunk.state == HunkState::Applying {
            return None;
        }
        let path = path.clone();
        let mut hunk = self.files.get_mut(&path)?.remove(id)?;
        hunk.state = HunkState::Rejected;
        self.closed.insert(id.clone(), Closed { path: path.clone(), state: HunkState::Rejected });
        self.tidy(&path);
        Some((path, hunk))
    }

    /// Forgets a file without hunks.
    pub fn tidy(&mut self, path: &WsPath) {
        if self.files.get(path).is_some_and(FileProposal::is_empty) {
            self.files.remove(path);
        }
    }

    /// The move of `path` landed: its hunks lie over `to` now. The answer is the move's hunk and the text that moved.
    pub fn rename(&mut self, path: &WsPath, to: &WsPath) -> Option<(Hunk, Text)> {
        let mut file = self.files.remove(path)?;
        let mover = file.mover.take();
        file.op = FileOp::Edit;
        file.exists = true;
        let base = file.base.clone();
        self.files.insert(to.clone(), file);
        mover.map(|mover| (mover, base))
    }
}

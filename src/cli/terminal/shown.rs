//! A proposal as `countersign/proposal` tells it.

use serde::Deserialize;

use crate::{
    event::{HunkId, ProposalId},
    path::WsPath,
    proposal::{HunkKind, HunkState, Receipt, mode_of},
    text::Point,
};

/// All hunks of one task.
#[derive(Clone, Debug, Deserialize)]
pub struct Proposal {
    pub proposal: ProposalId,
    pub files: Vec<File>,
    #[serde(default)]
    pub receipts: Vec<Checked>,
}

/// What one check said.
#[derive(Clone, Debug, Deserialize)]
pub struct Checked {
    #[serde(flatten)]
    pub receipt: Receipt,
    /// Whether the text is still exactly the one that it ran on.
    pub fresh: bool,
}

/// One file of it.
#[derive(Clone, Debug, Deserialize)]
pub struct File {
    pub uri: String,
    pub path: WsPath,
    pub op: Op,
    pub hunks: Vec<Hunk>,
    /// Where a move leads.
    pub to: Option<String>,
    /// Set when it is no text.
    pub binary: Option<Binary>,
}

/// A file that is no text.
#[derive(Clone, Debug, Deserialize)]
pub struct Binary {
    pub sha256: String,
    /// Size and digest for people.
    pub words: String,
}

/// What happens to the file as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    Edit,
    Create,
    Delete,
    Move,
}

/// One change.
#[derive(Clone, Debug, Deserialize)]
pub struct Hunk {
    pub id: HunkId,
    pub kind: HunkKind,
    pub range: Span,
    pub old_text: String,
    pub new_text: String,
    pub state: HunkState,
    /// Accepted by itself only.
    pub steering: bool,
    /// What becomes of the file's mode.
    pub mode: Option<Mode>,
}

/// A change of a file's mode, as git writes modes.
#[derive(Clone, Debug, Deserialize)]
pub struct Mode {
    pub old: String,
    pub new: String,
}

/// A range of the file's present text.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Span {
    pub start: Point,
    pub end: Point,
}

impl Proposal {
    /// How many hunks wait for a decision.
    pub fn pending(&self) -> usize {
        self.files.iter().map(|file| file.pending().count()).sum()
    }

    /// The file and hunk of an id, as they are now.
    pub fn find(&self, id: &HunkId) -> Option<(&File, &Hunk)> {
        self.files.iter().find_map(|file| Some((file, file.hunks.iter().find(|hunk| hunk.id == *id)?)))
    }
}

impl Hunk {
    /// Whether this hunk is about the file as a whole.
    pub fn is_whole(&self) -> bool {
        self.kind != HunkKind::Lines
    }
}

impl File {
    /// Its hunks that wait for a decision.
    pub fn pending(&self) -> impl Iterator<Item = &Hunk> {
        self.hunks.iter().filter(|hunk| hunk.state == HunkState::Pending)
    }

    /// Whether the pending hunks make it executable, or not.
    pub fn executable(&self) -> Option<bool> {
        self.pending().find_map(|hunk| mode_of(&hunk.mode.as_ref()?.new))
    }
}

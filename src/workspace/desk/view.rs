//! What a task sees where it is not what the disk holds.

use super::{Buffer, Desk};
use crate::{
    event::TaskId,
    path::WsPath,
    proposal::{FileOp, FileProposal, Hunk, Proposal},
    seams::Source,
    text::Text,
};

/// A file as a task sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Text {
        text: Text,
        source: Source,
    },
    /// A file that is not text and that the task moved here: its bytes stand at `at` on the disk.
    Bytes {
        at: WsPath,
    },
    /// The task deleted it or moved it away.
    Gone,
}

/// A file whose text differs, or may differ, from the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    pub path: WsPath,
    /// `None` when the task deleted the file or moved it away; empty where it is not text.
    pub text: Option<Text>,
    /// Where its bytes stand on the disk when it is not text.
    pub at: Option<WsPath>,
    /// Set when the task makes it executable, or not.
    pub executable: Option<bool>,
    /// Whether the file on disk begins with a byte order mark; `None` when that was never told.
    pub bom: Option<bool>,
    pub source: Source,
}

impl Overlay {
    /// The bytes that the file would have on disk. `bom` says whether it begins with a byte order mark there when the desk
    /// was never told.
    pub fn bytes(&self, bom: bool) -> Option<Vec<u8>> {
        const MARK: &str = "\u{feff}";
        self.text.as_ref().map(|text| {
            let text = text.to_string();
            let marked = self.bom.unwrap_or(bom) && !text.starts_with(MARK);
            if marked { [MARK.as_bytes(), text.as_bytes()].concat() } else { text.into_bytes() }
        })
    }
}

/// A file that is not open and that a task knows or proposes to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    pub path: WsPath,
    pub has_hunks: bool,
}

impl Desk {
    /// The files to look at again on disk for `task`: all with hunks, whosever they are, and those that the task has read.
    pub fn unopened(&self, task: &TaskId) -> Vec<Unopened> {
        let mut found = std::collections::BTreeMap::new();
        found.extend(self.watches.get(task).into_iter().flat_map(|watch| watch.paths()).map(|path| (path, false)));
        found.extend(self.proposals.values().flat_map(|proposal| proposal.files.keys()).map(|path| (path, true)));
        let closed = found.into_iter().filter(|(path, _)| !self.buffers.contains_key(*path));
        closed.map(|(path, has_hunks)| Unopened { path: path.clone(), has_hunks }).collect()
    }

    /// The file as `task` sees it (`None`: as one without a proposal does) when the desk knows better than the disk.
    pub fn view(&self, task: Option<&TaskId>, path: &WsPath) -> Option<Seen> {
        if let Some(proposal) = task.and_then(|task| self.proposal_of(task)) {
            if let Some((from, file)) = proposal.moved_to(path).and_then(|from| Some((from, proposal.files.get(from)?)))
                && let Some(text) = file.staged()
            {
                return Some(match file.blob {
                    Some(_) => Seen::Bytes { at: from.clone() },
                    None => Seen::Text { text, source: Source::Proposed },
                });
            }
            if let Some(file) = proposal.files.get(path).filter(|file| file.live().next().is_some()) {
                match file.staged().filter(|_| !is_moved(file)) {
                    // Its bytes are those of the disk.
                    Some(_) if file.blob.is_some() => return None,
                    Some(text) => return Some(Seen::Text { text, source: Source::Proposed }),
                    None => return Some(Seen::Gone),
                }
            }
        }
        let buffer = self.buffers.get(path)?;
        Some(Seen::Text { text: buffer.text.clone(), source: source(buffer) })
    }

    /// All files whose text for `task` is not the disk's, as far as the desk knows, by path.
    pub fn overlay(&self, task: Option<&TaskId>) -> Vec<Overlay> {
        let mut found: std::collections::BTreeMap<&WsPath, Overlay> = self
            .buffers
            .iter()
            .filter(|(_, buffer)| !buffer.is_on_disk())
            .map(|(path, buffer)| {
                let text = Some(buffer.text.clone());
                let over =
                    Overlay { path: path.clone(), text, at: None, executable: None, bom: buffer.bom, source: source(buffer) };
                (path, over)
            })
            .collect();
        for (path, file) in task.and_then(|task| self.proposal_of(task)).iter().flat_map(|proposal: &&Proposal| &proposal.files) {
            if file.live().next().is_none() {
                continue;
            }
            let executable = file.live().find_map(Hunk::executable);
            let mut put = |at: &WsPath, place, text: Option<Text>| {
                let there = text.is_some();
                let bytes = (there && file.blob.is_some()).then(|| at.clone());
                let executable = executable.filter(|_| there);
                let (bom, source) = (file.bom, Source::Proposed);
                found.insert(place, Overlay { path: place.clone(), text, at: bytes, executable, bom, source });
            };
            match &file.op {
                FileOp::Move { to } => {
                    put(path, path, None);
                    put(path, to, file.staged());
                }
                _ => put(path, path, file.staged()),
            }
        }
        found.into_values().collect()
    }
}

fn is_moved(file: &FileProposal) -> bool {
    matches!(file.op, FileOp::Move { .. })
}

fn source(buffer: &Buffer) -> Source {
    Source::Buffer { version: buffer.version, unsaved: buffer.unsaved() }
}

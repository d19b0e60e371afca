//! A proposal's accepted hunks as plain values, to be kept over a restart: so that they can still be taken back or committed.
//!
//! Each is kept as what it changed, on what was there after the one before it in the same file, so that many hunks of a large
//! file take little more room than the file. Nothing that is read back is believed: the changes must fit, and lead to a text
//! with the right hash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Beside, HunkKind, Proposal, Record};
use crate::{
    event::{CallId, HunkId},
    path::WsPath,
    text::{self, Edit, Text},
};

/// Most hunks that are read back.
const MOST: usize = 16 * 1024;

/// The accepted hunks of one proposal, in the order in which the user's text took them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedHistory {
    pub records: Vec<SavedRecord>,
    /// SHA-256 of each file's text after its last hunk, lower-case hex.
    pub ends: BTreeMap<WsPath, String>,
}

/// One accepted hunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedRecord {
    pub path: WsPath,
    pub hunk: HunkId,
    pub call: CallId,
    pub kind: HunkKind,
    /// As in [`Record`].
    pub start: usize,
    pub lengths: (usize, usize),
    /// What happened to the file's text since its hunk before this one; since nothing, for the first.
    pub since: Vec<Edit>,
    /// What the hunk itself did.
    pub did: Vec<Edit>,
    /// What the file was before and after beside its text.
    #[serde(default)]
    pub beside: (Beside, Beside),
    pub forgotten: bool,
    /// Whether a commit holds it.
    pub committed: bool,
}

impl SavedHistory {
    /// The accepted hunks; `None` when there are none. `committed` tells which of them a commit holds.
    pub fn of(proposal: &Proposal, committed: impl Fn(&Record) -> bool) -> Option<SavedHistory> {
        let mut texts: BTreeMap<&WsPath, &Text> = BTreeMap::new();
        let empty = Text::default();
        let mut records = Vec::with_capacity(proposal.accepted.len());
        for record in &proposal.accepted {
            let (mut since, mut did) = (Vec::new(), Vec::new());
            if !record.forgotten {
                let known = texts.insert(&record.path, &record.after).unwrap_or(&empty);
                since = delta(known, &record.before);
                let edit = Edit {
                    range: record.start..record.start + record.lengths.0,
                    new: record.after.slice(record.start..record.start + record.lengths.1),
                };
                did = match record.before.edited(&edit) == record.after {
                    true => vec![edit],
                    false => delta(&record.before, &record.after),
                };
            }
            records.push(SavedRecord {
                path: record.path.clone(),
                hunk: record.hunk.clone(),
                call: record.call.clone(),
                kind: record.kind,
                start: record.start,
                lengths: record.lengths,
                since,
                did,
                beside: record.beside.clone(),
                forgotten: record.forgotten,
                committed: committed(record),
            });
        }
        let ends = texts.into_iter().map(|(path, text)| (path.clone(), text.sha256())).collect();
        (!records.is_empty()).then_some(SavedHistory { records, ends })
    }

    /// Every file that it is about.
    pub fn paths(&self) -> impl Iterator<Item = &WsPath> {
        self.records.iter().map(|record| &record.path)
    }

    /// The records again, each with whether a commit holds it. `last` is the number of the last hunk id that was handed out.
    ///
    /// # Errors
    /// A sentence when the values cannot come from a proposal: nothing is restored then.
    pub fn restore(self, last: u32) -> Result<Vec<(Record, bool)>, &'static str> {
        if self.records.len() > MOST {
            return Err("it holds too many accepted changes");
        }
        let mut texts: BTreeMap<WsPath, Text> = BTreeMap::new();
        let mut found = Vec::with_capacity(self.records.len());
        for saved in self.records {
            let number = saved.hunk.0.strip_prefix('h').and_then(|number| number.parse::<u32>().ok());
            if number.is_none_or(|number| number == 0 || number > last) {
                return Err("the ids of its accepted changes are not in order");
            }
            if saved.path.is_root() {
                return Err("it names no file");
            }
            let (mut before, mut after) = (Text::default(), Text::default());
            if !saved.forgotten {
                let known = texts.get(&saved.path).cloned().unwrap_or_default();
                before = applied(&known, &saved.since).ok_or("its changes do not fit each other")?;
                after = applied(&before, &saved.did).ok_or("its changes do not fit each other")?;
                texts.insert(saved.path.clone(), after.clone());
            }
            if !stands(&before, saved.start, saved.lengths.0) || !stands(&after, saved.start, saved.lengths.1) {
                return Err("its changes do not fit each other");
            }
            let record = Record {
                path: saved.path,
                hunk: saved.hunk,
                call: saved.call,
                kind: saved.kind,
                start: saved.start,
                lengths: saved.lengths,
                before,
                after,
                beside: saved.beside,
                image: None,
                forgotten: saved.forgotten,
            };
            found.push((record, saved.committed));
        }
        let hashes: BTreeMap<WsPath, String> = texts.into_iter().map(|(path, text)| (path, text.sha256())).collect();
        if hashes == self.ends { Ok(found) } else { Err("its texts do not have the hashes that they should have") }
    }
}

/// The edits from one text to the other.
fn delta(from: &Text, to: &Text) -> Vec<Edit> {
    if from == to {
        return Vec::new();
    }
    let edits = text::changes(from, to);
    if from.edited_by(&edits) == *to { edits } else { vec![Edit { range: 0..from.len(), new: to.to_string() }] }
}

/// The text after these edits, if they are ascending, disjoint and within it.
fn applied(text: &Text, edits: &[Edit]) -> Option<Text> {
    let mut reached = 0;
    for edit in edits {
        let in_order = reached <= edit.range.start && edit.range.start <= edit.range.end;
        if !in_order || !stands(text, edit.range.start, edit.range.len()) {
            return None;
        }
        reached = edit.range.end;
    }
    Some(text.edited_by(edits))
}

/// Whether these bytes are whole characters of the text.
fn stands(text: &Text, start: usize, length: usize) -> bool {
    let range = start.checked_add(length).map(|end| start..end);
    range.is_some_and(|range| range.end <= text.len() && text.holds(&range, &text.slice(range.clone())))
}

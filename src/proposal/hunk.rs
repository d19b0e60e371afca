//! One hunk: whole lines to be replaced by whole lines.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

use super::mode_of;
use crate::{
    event::{CallId, HunkId},
    text::{Edit, Text, whole_lines},
};

/// Where a hunk stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HunkState {
    /// Waits for the user.
    Pending,
    /// Accepted by the user and sent to the editor; not yet seen in the text.
    Applying,
    /// Seen in the user's text.
    Accepted,
    Rejected,
    /// The user changed the same lines; both texts are kept.
    Stale,
}

/// What accepting a hunk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HunkKind {
    /// Replaces lines of an existing file.
    Lines,
    /// Creates the file with `new` as its text.
    Create,
    /// Deletes the file, whose text is `old`.
    Delete,
    /// Moves the file; both texts are empty.
    Move,
    /// Makes the file executable, or not: the texts are its modes as git writes them.
    Mode,
}

/// Why a hunk is stale. Displays as the end of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    Edited,
    Gone,
    Exists,
    Partly,
    /// The file has the mode already.
    Same,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Edited => "the user edited the same lines",
            Why::Gone => "the file is gone",
            Why::Exists => "the file exists now",
            Why::Partly => "only a part of it was taken over",
            Why::Same => "the file has this mode already",
        })
    }
}

/// Replace the lines `old` at `range` of the base text by the lines `new`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// Unique in its proposal, never used again.
    pub id: HunkId,
    pub kind: HunkKind,
    /// Bytes of the base text. While stale: where the lines were, with what the user made of them.
    pub range: Range<usize>,
    pub old: String,
    pub new: String,
    pub state: HunkState,
    /// Set while stale.
    pub why: Option<Why>,
    /// Accepted by its own id only (the policy asks, or the file steers tools).
    pub apart: bool,
    /// The tool call that made it.
    pub call: CallId,
    /// While it is on its way: `range` grown over everything that was edited at its ends too.
    pub(super) outer: Range<usize>,
    /// It was given to the editor once: its text may still come, however late.
    pub(super) sent: bool,
    /// While pending: the editor has it and has not answered yet, so that it may come at any moment, in pieces too.
    pub(super) awaited: bool,
    /// Of an insertion, which has no lines of its own to be known by: the lines before and behind its place.
    pub(super) anchor: (String, String),
}

impl Hunk {
    /// The edit of the base text that this hunk is.
    pub fn edit(&self) -> Edit {
        Edit { range: self.range.clone(), new: self.new.clone() }
    }

    /// What a mode hunk makes of the file.
    pub fn executable(&self) -> Option<bool> {
        (self.kind == HunkKind::Mode).then(|| mode_of(&self.new)).flatten()
    }

    /// Whether it counts in the staged text.
    pub fn is_live(&self) -> bool {
        matches!(self.state, HunkState::Pending | HunkState::Applying)
    }

    /// Whether the editor may be making it right now.
    pub fn is_on_its_way(&self) -> bool {
        self.state == HunkState::Applying || (self.state == HunkState::Pending && self.awaited)
    }

    /// Where the hunk belongs within `range` of `text`: the one place where its old lines stand, or, for an insertion, the one
    /// place between the two lines that it was made between.
    pub(super) fn place_in(&self, text: &Text, range: &Range<usize>) -> Option<Range<usize>> {
        const FAR: usize = 64 * 1024;
        if range.len() > FAR { None } else { self.only_place_in(text, range) }
    }

    /// The same, or where else it belongs within the lines that the range touches: what repeats itself has no single place, and
    /// so the rest of the first or the last line may have been read as standing outside.
    pub(super) fn place_about(&self, text: &Text, range: &Range<usize>) -> Option<Range<usize>> {
        self.place_in(text, range).or_else(|| self.place_in(text, &whole_lines(text, range)))
    }

    /// As [`Hunk::place_in`], however long the range is.
    pub(super) fn only_place_in(&self, text: &Text, range: &Range<usize>) -> Option<Range<usize>> {
        let (before, behind) = &self.anchor;
        let between = |at: usize| {
            let start = at.checked_sub(before.len());
            let follows = start.is_some_and(|start| {
                text.holds(&(start..at), before) && (start == 0 || (!before.is_empty() && text.is_line_start(start)))
            });
            follows && text.holds(&(at..at + behind.len()), behind) && (!behind.is_empty() || at == text.len())
        };
        let stands = |at: &usize| {
            let end = at + self.old.len();
            end <= range.end && text.holds(&(*at..end), &self.old) && (!self.old.is_empty() || between(*at))
        };
        let lines = text.line_of(range.start)..=text.line_of(range.end);
        let mut places = lines.map(|line| text.line_start(line)).filter(|at| range.start <= *at).filter(stands);
        let place = places.next()?;
        places.next().is_none().then(|| place..place + self.old.len())
    }

    pub(super) fn turn_stale(&mut self, why: Why) {
        self.state = HunkState::Stale;
        self.why = Some(why);
        self.awaited = false;
    }

    pub(super) fn turn_pending(&mut self) {
        self.state = HunkState::Pending;
        self.why = None;
        self.awaited = false;
    }

    pub(super) fn turn_applying(&mut self) {
        self.state = HunkState::Applying;
        self.sent = true;
        self.awaited = false;
        self.outer = self.range.clone();
    }
}

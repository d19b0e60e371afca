//! Which lines of the user's text the agent wrote and the user accepted, for as long as they stand.
//!
//! Ranges of whole lines follow every edit like hunks do. An edit takes away exactly the lines that it changes: of the lines
//! it touches, those that are at the start or at the end as they were keep their origin. What is not open is followed by
//! comparing what the disk held with what it holds.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{Beneath, Desk};
use crate::{
    event::{CallId, HunkId, ProposalId, TaskId},
    path::WsPath,
    proposal::{Happened, HunkKind, Landed, taken_back},
    text::{self, Edit, Text},
};

/// Most ranges that are followed in one folder; the oldest acceptance is forgotten first.
const MOST: usize = 4096;

/// Where an accepted line comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub task: TaskId,
    pub proposal: ProposalId,
    pub hunk: HunkId,
    pub call: CallId,
}

#[derive(Debug)]
struct Span {
    /// Bytes of the present text, from a line's start.
    range: Range<usize>,
    origin: Arc<Origin>,
    number: u64,
}

#[derive(Debug, Default)]
struct Followed {
    spans: Vec<Span>,
    /// The text while no document is open for it.
    closed: Option<Text>,
}

/// All accepted lines of a folder.
#[derive(Debug, Default)]
pub(super) struct Provenance {
    files: BTreeMap<WsPath, Followed>,
    numbers: u64,
}

impl Provenance {
    pub fn follows(&self, path: &WsPath) -> bool {
        self.files.contains_key(path)
    }

    /// Moves the ranges along one edit.
    pub fn step(&mut self, path: &WsPath, before: &Text, edit: &Edit, after: &Text) {
        let Some(file) = self.files.get_mut(path) else { return };
        let Untouched { head, tail } = untouched(before, edit, after);
        let delta = edit.new.len() as isize - edit.range.len() as isize;
        let mut spans = Vec::with_capacity(file.spans.len());
        for span in file.spans.drain(..) {
            let first = span.range.start..span.range.end.min(head);
            let last = span.range.start.max(tail).saturating_add_signed(delta)..span.range.end.saturating_add_signed(delta);
            for range in [first, last] {
                if range.start < range.end {
                    spans.push(Span { range, origin: span.origin.clone(), number: span.number });
                }
            }
        }
        file.spans = spans;
        self.tidy(path);
    }

    /// A hunk landed in the text `now`.
    pub fn land(&mut self, path: &WsPath, origin: Origin, landed: &Landed, now: &Text) {
        let start = landed.hunk.range.start;
        let mut range = start..start + landed.hunk.new.len();
        if landed.after != *now {
            // Other hunks landed in the same moment.
            for edit in text::changes(&landed.after, now).iter().rev() {
                let Some(moved) = text::carry(&range, edit) else { return };
                range = moved;
            }
        }
        if range.is_empty() || range.end > now.len() {
            return;
        }
        self.numbers += 1;
        let span = Span { range, origin: Arc::new(origin), number: self.numbers };
        self.files.entry(path.clone()).or_default().spans.push(span);
        while self.files.values().map(|file| file.spans.len()).sum::<usize>() > MOST {
            let Some(oldest) = self.files.values().flat_map(|file| &file.spans).map(|span| span.number).min() else { return };
            for file in self.files.values_mut() {
                file.spans.retain(|span| span.number != oldest);
            }
            self.files.retain(|_, file| !file.spans.is_empty());
        }
    }

    /// A range of the text `now` comes from a hunk that was accepted before a restart.
    pub fn place(&mut self, path: &WsPath, origin: Origin, range: Range<usize>, now: &Text, open: bool) {
        let size = self.files.values().map(|file| file.spans.len()).sum::<usize>();
        if range.is_empty() || range.end > now.len() || size >= MOST {
            return;
        }
        self.numbers += 1;
        let file = self.files.entry(path.clone()).or_default();
        file.spans.push(Span { range, origin: Arc::new(origin), number: self.numbers });
        if !open {
            file.closed = Some(now.clone());
        }
    }

    /// The file has another text as a whole; `None`: it is gone. `open` is the text of its document so far.
    pub fn replace(&mut self, path: &WsPath, open: Option<&Text>, now: Option<&Text>) {
        let Some(file) = self.files.get_mut(path) else { return };
        let (Some(now), Some(before)) = (now, open.cloned().or_else(|| file.closed.take())) else {
            self.files.remove(path);
            return;
        };
        file.closed = Some(now.clone());
        let mut text = before.clone();
        for edit in text::changes(&before, now).iter().rev() {
            let after = text.edited(edit);
            self.step(path, &text, edit, &after);
            text = after;
        }
    }

    /// No document is open for the file any more; this was its text.
    pub fn close(&mut self, path: &WsPath, text: &Text) {
        if let Some(file) = self.files.get_mut(path) {
            file.closed = Some(text.clone());
        }
    }

    /// The file has another name.
    pub fn rename(&mut self, from: &WsPath, to: &WsPath, text: &Text) {
        if let Some(mut file) = self.files.remove(from) {
            file.closed = Some(text.clone());
            self.files.insert(to.clone(), file);
        }
    }

    fn tidy(&mut self, path: &WsPath) {
        if self.files.get(path).is_some_and(|file| file.spans.is_empty()) {
            self.files.remove(path);
        }
    }
}

/// What an edit leaves alone of a text, in the offsets before it: everything before `head`, everything from `tail` on. Both
/// are ends of lines.
struct Untouched {
    head: usize,
    tail: usize,
}

fn untouched(before: &Text, edit: &Edit, after: &Text) -> Untouched {
    let lines_of = |text: &Text, range: Range<usize>| {
        let (first, last) = (text.line_of(range.start), text.line_of(range.end));
        let lines = (first..=last).map(|line| text.slice(text.line_start(line)..text.line_start(line + 1))).collect::<Vec<_>>();
        (text.line_start(first), lines)
    };
    let (start, old) = lines_of(before, edit.range.clone());
    let (_, new) = lines_of(after, edit.range.start..edit.range.start + edit.new.len());
    // A last line without an end is the same line when it gets one.
    let same = |(old, new): &(&String, &String)| old.trim_end_matches(['\n', '\r']) == new.trim_end_matches(['\n', '\r']);
    let firsts = old.iter().zip(&new).take_while(same).count();
    let most = old.len().min(new.len()) - firsts;
    let lasts = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
    let length = |lines: &[String]| lines.iter().map(String::len).sum::<usize>();
    Untouched { head: start + length(&old[..firsts]), tail: start + length(&old[..old.len() - lasts]) }
}

impl Desk {
    /// Where the line that begins at `offset` comes from; `None` for lines that the user wrote, or changed since.
    pub fn origin(&self, path: &WsPath, offset: usize) -> Option<&Origin> {
        let file = self.provenance.files.get(path)?;
        file.spans.iter().rev().find(|span| span.range.contains(&offset)).map(|span| span.origin.as_ref())
    }

    /// Hunks of a restored proposal that still stand as they were accepted leave their lines. `observed` is what the disk
    /// holds at the paths that are not open.
    pub(super) fn restore_origins(&mut self, id: &ProposalId, observed: &[(WsPath, Option<Beneath>)]) {
        let Some(proposal) = self.proposals.get(id) else { return };
        let task = proposal.task.clone();
        let mut found = Vec::new();
        for record in proposal.accepted.iter().filter(|record| !record.forgotten) {
            let Some(now) = self.text_now(&record.path, observed) else { continue };
            let whole = 0..now.len();
            let range = match record.kind {
                HunkKind::Lines => taken_back(record, &now).ok().map(|reverse| reverse.edit.range),
                HunkKind::Create => (now == record.after).then_some(whole),
                HunkKind::Delete | HunkKind::Move | HunkKind::Mode => None,
            };
            let Some(range) = range else { continue };
            let (hunk, call) = (record.hunk.clone(), record.call.clone());
            found.push((record.path.clone(), Origin { task: task.clone(), proposal: id.clone(), hunk, call }, range, now));
        }
        for (path, origin, range, now) in found {
            let open = self.buffers.contains_key(&path);
            self.provenance.place(&path, origin, range, &now, open);
        }
    }

    /// Accepted hunks among what happened to a file leave their lines in its text `now`.
    pub(super) fn remember_origins(&mut self, id: &ProposalId, path: &WsPath, happened: &[Happened], now: &Text) {
        // What an undo puts back was there before the agent came.
        let Some(proposal) = self.proposals.get(id).filter(|proposal| !proposal.is_undo) else { return };
        let task = proposal.task.clone();
        for what in happened {
            let Happened::Landed(landed) = what else { continue };
            let (hunk, call) = (landed.hunk.id.clone(), landed.hunk.call.clone());
            self.provenance.land(path, Origin { task: task.clone(), proposal: id.clone(), hunk, call }, landed, now);
            if !self.buffers.contains_key(path) {
                self.provenance.close(path, now);
            }
        }
    }
}

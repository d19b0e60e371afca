//! The pending edits of one file, and how they follow the text beneath them.

use std::{mem, ops::Range};

use super::{Beneath, Beside, Blob, Bytes, Hunk, HunkKind, HunkState, Step, Why, creation::is_blank};
use crate::{
    event::HunkId,
    path::WsPath,
    text::{Edit, Encoding, Point, Text, by_lines, carry, grow, seams_hold},
};

/// What happens to the file itself when everything is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOp {
    Edit,
    Create,
    Delete,
    Move { to: WsPath },
}

/// A hunk that was seen in the user's text, with the whole texts before and after it.
#[derive(Clone, Debug)]
pub struct Landed {
    pub hunk: Hunk,
    pub before: Text,
    pub after: Text,
    /// What the file was and is beside its text.
    pub beside: (Beside, Beside),
}

/// What became of a hunk while the text beneath changed.
#[derive(Clone, Debug)]
pub enum Happened {
    Stale(HunkId, Why),
    /// A stale hunk's lines are as they were again (undo).
    Revived(HunkId),
    Landed(Box<Landed>),
}

/// The hunks of one file over its base. Live hunks are sorted and disjoint; where two start together the empty one is first.
#[derive(Clone, Debug)]
pub struct FileProposal {
    /// The truth beneath: the buffer, or the disk when the file is not open.
    pub base: Text,
    pub op: FileOp,
    /// Whether the file on disk begins with a byte order mark; `None` when it was never read.
    pub bom: Option<bool>,
    /// Whether the file is there without the proposal.
    pub exists: bool,
    /// Whether the file on disk is executable; `None` when it was never looked at, or is not there.
    pub executable: Option<bool>,
    /// The file on disk is not text: `base` is empty, and no hunk is about lines.
    pub blob: Option<Blob>,
    /// What the creation of a file that is not text puts there.
    pub bytes: Option<Bytes>,
    pub(super) hunks: Vec<Hunk>,
    /// The move itself, beside its text hunks.
    pub(super) mover: Option<Hunk>,
    /// The change of the mode, beside whatever else there is.
    pub(super) mode: Option<Hunk>,
    pub(super) stale: Vec<Hunk>,
}

impl FileProposal {
    /// No hunks yet, over a file that is there.
    pub fn over(base: Text, bom: Option<bool>) -> Self {
        FileProposal {
            base,
            op: FileOp::Edit,
            bom,
            exists: true,
            executable: None,
            blob: None,
            bytes: None,
            hunks: Vec::new(),
            mover: None,
            mode: None,
            stale: Vec::new(),
        }
    }

    /// No hunks yet, over a file as it was read.
    pub fn of(now: Beneath) -> Self {
        let Beneath { text, bom, executable, blob } = now;
        FileProposal { executable, blob, ..FileProposal::over(text, Some(bom)) }
    }

    /// No hunks yet, for a file that is not there.
    pub fn absent() -> Self {
        FileProposal { exists: false, op: FileOp::Create, bom: Some(false), ..FileProposal::over(Text::default(), None) }
    }

    /// The hunks that wait or are being applied: the move first, then in document order, the mode last.
    pub fn live(&self) -> impl Iterator<Item = &Hunk> {
        self.mover.iter().chain(&self.hunks).chain(&self.mode)
    }

    /// All hunks that the user may still see: the live ones, then the stale ones.
    pub fn all(&self) -> impl Iterator<Item = &Hunk> {
        self.live().chain(&self.stale)
    }

    /// The hunk of this id.
    pub fn hunk(&self, id: &HunkId) -> Option<&Hunk> {
        self.all().find(|hunk| hunk.id == *id)
    }

    /// Whether nothing is left to decide or to show.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Whether there is a file with the live hunks, under whichever name.
    pub fn stands(&self) -> bool {
        let deleted = self.hunks.iter().any(|hunk| hunk.kind == HunkKind::Delete);
        !deleted && (self.exists || self.hunks.iter().any(|hunk| hunk.kind == HunkKind::Create))
    }

    /// The file's text with its live hunks, empty when it is not text; `None` when the proposal deletes it, or it is gone.
    pub fn staged(&self) -> Option<Text> {
        self.stands().then(|| self.base.edited_by(&self.hunks.iter().map(Hunk::edit).collect::<Vec<_>>()))
    }

    /// Whether the file is executable with the live hunks; `None` when nobody knows.
    pub fn staged_executable(&self) -> Option<bool> {
        self.mode.as_ref().and_then(Hunk::executable).or(self.executable)
    }

    /// The change of the mode of a file that does not come to be without the creation `id`.
    pub fn mode_of_created(&self, id: &HunkId) -> Option<&HunkId> {
        let creates = |hunk: &Hunk| hunk.kind == HunkKind::Create && hunk.id == *id;
        let mode = self.mode.as_ref().filter(|mode| mode.state == HunkState::Pending && !self.exists);
        mode.filter(|_| self.hunks.iter().any(creates)).map(|mode| &mode.id)
    }

    /// What the file is now beside its text.
    pub fn beside(&self) -> Beside {
        Beside { blob: self.blob.clone(), executable: self.executable }
    }

    /// Length in bytes of the staged text of a file that is only edited; cheap, since the text is not made.
    pub fn staged_len(&self) -> Option<usize> {
        let grown: usize = self.hunks.iter().map(|hunk| hunk.new.len()).sum();
        let shrunk: usize = self.hunks.iter().map(|hunk| hunk.range.len()).sum();
        (self.exists && self.op == FileOp::Edit && self.blob.is_none()).then(|| (self.base.len() + grown).saturating_sub(shrunk))
    }

    /// Moves the base on by one step; hunks shift, land, turn stale or come back.
    pub fn step(&mut self, step: &Step, out: &mut Vec<Happened>) {
        let before = mem::replace(&mut self.base, step.after.clone());
        // What an editor reports of an acceptance is taken at its word.
        let awaited = self.hunks.iter().any(Hunk::is_on_its_way);
        let edit = if awaited { step.edit.clone() } else { by_lines(&before, &step.edit, &step.after) };
        let landing = |hunk: &Hunk| hunk.is_live() && Some(&hunk.id) == step.landed.as_ref();
        if let Some(at) = self.hunks.iter().position(landing) {
            let hunk = self.hunks.remove(at);
            self.land(hunk, before, out);
        }
        let near = self.follow_stale(&edit);
        let mut at = 0;
        while at < self.hunks.len() {
            let hunk = &mut self.hunks[at];
            if step.landed.is_some() && hunk.is_on_its_way() {
                // Known to be another hunk's edit: it says nothing about this one.
                hunk.range = carry(&hunk.range, &edit).unwrap_or_else(|| grow(&hunk.range, &edit));
                hunk.outer = carry(&hunk.outer, &edit).unwrap_or_else(|| grow(&hunk.outer, &edit));
                at += 1;
                continue;
            }
            match follow(hunk, &edit, &self.base, self.bytes.is_none()) {
                Fate::Lives => at += 1,
                Fate::Turns(why) => {
                    let hunk = self.hunks.remove(at);
                    self.turn_stale(hunk, why, out);
                }
                Fate::Lands => {
                    let hunk = self.hunks.remove(at);
                    let before = self.base.edited(&Edit { range: hunk.range.clone(), new: hunk.old.clone() });
                    self.land(hunk, before, out);
                }
            }
        }
        // An insertion may have gone behind what was typed at its place, and so behind another one.
        if !self.hunks.is_sorted_by_key(|hunk| hunk.range.start) {
            self.hunks.sort_by_key(|hunk| hunk.range.start);
        }
        if !near.is_empty() {
            self.revive(|hunk| hunk.why == Some(Why::Edited) && near.contains(&hunk.id), out);
        }
        self.revive_creation(out);
    }

    /// The file went away beneath the proposal. While its move is being accepted that is awaited, and decided by `settle`.
    pub fn vanish(&mut self, out: &mut Vec<Happened>) {
        self.exists = false;
        if self.mover.as_ref().is_some_and(Hunk::is_on_its_way) {
            return;
        }
        for mut hunk in mem::take(&mut self.hunks) {
            match hunk.kind {
                HunkKind::Create => {
                    if !hunk.is_on_its_way() {
                        // A document without text was closed.
                        self.base = Text::default();
                        (hunk.range, hunk.outer) = (0..0, 0..0);
                    }
                    self.hunks.push(hunk);
                }
                // However late: the editor was told to.
                HunkKind::Delete if hunk.state == HunkState::Applying || hunk.sent => {
                    let before = self.base.clone();
                    self.base = Text::default();
                    self.land(hunk, before, out);
                }
                _ => self.turn_stale(hunk, Why::Gone, out),
            }
        }
        self.block_move(Why::Gone, out);
        (self.blob, self.executable) = (None, None);
        if self.hunks.is_empty() && self.stale.iter().all(|hunk| hunk.kind == HunkKind::Create) {
            self.base = Text::default();
            self.revive_creation(out);
        }
        if !self.hunks.iter().any(|hunk| hunk.kind == HunkKind::Create)
            && let Some(mode) = self.mode.take()
        {
            self.turn_stale(mode, Why::Gone, out);
        }
    }

    /// The pending move cannot be done any more. Where the editor may be doing it right now, that is decided by `settle`.
    pub fn block_move(&mut self, why: Why, out: &mut Vec<Happened>) {
        if let Some(mover) = self.mover.take_if(|mover| mover.state == HunkState::Pending && !mover.is_on_its_way()) {
            self.op = FileOp::Edit;
            self.turn_stale(mover, why, out);
        }
    }

    /// The file is there, with this text: it came back, or changed as a whole.
    pub fn appear(&mut self, text: &Text, out: &mut Vec<Happened>) {
        let mut returned = !mem::replace(&mut self.exists, true);
        if self.blob.take().is_some() {
            returned = true;
            // Another file altogether, whatever the lengths of the texts say.
            self.drop_text_hunks(out);
        }
        let steps = self.landed_exactly(text).unwrap_or_else(|| self.landed_among(text));
        for step in &steps {
            self.step(step, out);
        }
        if returned {
            self.revive(|hunk| hunk.why == Some(Why::Gone), out);
        }
    }

    /// The file is there, and is not text: it came back, or changed as a whole.
    pub fn appear_bytes(&mut self, blob: &Blob, out: &mut Vec<Happened>) {
        self.exists = true;
        let before = self.blob.replace(blob.clone());
        if before.as_ref() == Some(blob) {
            return;
        }
        let comes = |hunk: &Hunk| hunk.kind == HunkKind::Create && hunk.state == HunkState::Applying;
        if self.bytes.as_ref().is_some_and(|bytes| bytes.blob == *blob)
            && let Some(at) = self.hunks.iter().position(comes)
        {
            let hunk = self.hunks.remove(at);
            self.land(hunk, Text::default(), out);
            return;
        }
        let edit = Edit { range: 0..self.base.len(), new: String::new() };
        self.step(&Step { edit, after: Text::default(), landed: None }, out);
        self.drop_text_hunks(out);
    }

    /// Hunks over a text that is not there any more.
    fn drop_text_hunks(&mut self, out: &mut Vec<Happened>) {
        for hunk in mem::take(&mut self.hunks) {
            let why = if hunk.kind == HunkKind::Create { Why::Exists } else { Why::Edited };
            self.turn_stale(hunk, why, out);
        }
    }

    /// The file's mode on the disk. The change of the mode lands by it when it is being accepted, and is pointless when the
    /// user made it.
    pub fn follow_mode(&mut self, executable: bool, out: &mut Vec<Happened>) {
        let before = self.beside();
        self.executable = Some(executable);
        let made = |hunk: &mut Hunk| hunk.executable() == Some(executable);
        if let Some(hunk) = self.mode.take_if(made) {
            match hunk.state {
                HunkState::Applying => {
                    let beside = (before, self.beside());
                    let hunk = Hunk { state: HunkState::Accepted, ..hunk };
                    let (before, after) = Default::default();
                    out.push(Happened::Landed(Box::new(Landed { hunk, before, after, beside })));
                }
                _ => self.turn_stale(hunk, Why::Same, out),
            }
        }
        let pointed = |hunk: &Hunk| hunk.kind == HunkKind::Mode && hunk.executable() == Some(!executable);
        if self.mode.is_none()
            && let Some(at) = self.stale.iter().rposition(pointed)
        {
            let mut hunk = self.stale.remove(at);
            hunk.turn_pending();
            out.push(Happened::Revived(hunk.id.clone()));
            self.mode = Some(hunk);
        }
    }

    /// Nobody waits any more for applying hunks among `ids`, and yet the editor may still be making them: pending again, each
    /// is awaited until it is settled.
    pub fn suspend(&mut self, ids: &[HunkId]) {
        let all = self.mover.iter_mut().chain(&mut self.hunks).chain(&mut self.mode);
        for hunk in all.filter(|hunk| hunk.state == HunkState::Applying && ids.contains(&hunk.id)) {
            hunk.turn_pending();
            hunk.awaited = true;
        }
    }

    /// Ends the wait for hunks among `ids` that are on their way: what did not land is pending again, or stale when its lines
    /// are gone.
    pub fn settle(&mut self, ids: &[HunkId], out: &mut Vec<Happened>) {
        let mut at = 0;
        while at < self.hunks.len() {
            let hunk = &mut self.hunks[at];
            if !hunk.is_on_its_way() || !ids.contains(&hunk.id) {
                at += 1;
            } else if hunk.fits(&self.base) && seams_hold(&self.base, &hunk.range, &hunk.new) {
                hunk.turn_pending();
                at += 1;
            } else {
                let hunk = self.hunks.remove(at);
                self.turn_stale(hunk, Why::Partly, out);
            }
        }
        let waits = |hunk: &&mut Hunk| hunk.is_on_its_way() && ids.contains(&hunk.id);
        if let Some(mode) = self.mode.as_mut().filter(waits) {
            mode.turn_pending();
        }
        if let Some(mover) = self.mover.as_mut().filter(waits) {
            mover.turn_pending();
            if !self.exists {
                self.vanish(out);
            }
        }
    }

    /// The points of a hunk's first and last position in the base text.
    pub fn points(&self, hunk: &Hunk, encoding: Encoding) -> (Point, Point) {
        (self.base.point(hunk.range.start, encoding), self.base.point(hunk.range.end, encoding))
    }

    /// Takes a hunk out for good (rejected); its text leaves the staged text.
    pub fn remove(&mut self, id: &HunkId) -> Option<Hunk> {
        if let Some(mover) = self.mover.take_if(|mover| mover.id == *id) {
            self.op = FileOp::Edit;
            return Some(mover);
        }
        if let Some(mode) = self.mode.take_if(|mode| mode.id == *id) {
            return Some(mode);
        }
        let list = if self.stale.iter().any(|hunk| hunk.id == *id) { &mut self.stale } else { &mut self.hunks };
        let at = list.iter().position(|hunk| hunk.id == *id)?;
        let hunk = list.remove(at);
        if hunk.kind == HunkKind::Delete {
            self.op = FileOp::Edit;
        }
        Some(hunk)
    }

    fn land(&mut self, mut hunk: Hunk, before: Text, out: &mut Vec<Happened>) {
        hunk.state = HunkState::Accepted;
        if hunk.kind != HunkKind::Lines {
            self.op = FileOp::Edit;
        }
        self.exists = hunk.kind != HunkKind::Delete;
        let after = if self.exists { self.beside() } else { Beside::default() };
        let before_it = if hunk.kind == HunkKind::Create { Beside::default() } else { self.beside() };
        let beside = (before_it, after);
        // Of a document without text nothing is to come back.
        let before = if hunk.kind == HunkKind::Create { Text::default() } else { before };
        out.push(Happened::Landed(Box::new(Landed { hunk, before, after: self.base.clone(), beside })));
    }

    fn turn_stale(&mut self, mut hunk: Hunk, why: Why, out: &mut Vec<Happened>) {
        if matches!(hunk.kind, HunkKind::Create | HunkKind::Delete) {
            self.op = FileOp::Edit;
        }
        hunk.turn_stale(why);
        out.push(Happened::Stale(hunk.id.clone(), why));
        self.stale.push(hunk);
    }

    /// Stale hunks keep track of their place, so that undoing the edit that made one stale can bring it back. The answer
    /// are those that the edit touches.
    fn follow_stale(&mut self, edit: &Edit) -> Vec<HunkId> {
        let base = &self.base;
        let mut near = Vec::new();
        for hunk in &mut self.stale {
            let grown = grow(&hunk.range, edit);
            if edit.range.end < hunk.range.start || hunk.range.end < edit.range.start {
                hunk.range = grown;
                continue;
            }
            near.push(hunk.id.clone());
            hunk.range = hunk.place_about(base, &grown).unwrap_or(grown);
        }
        near
    }

    /// Makes stale hunks pending again whose old lines stand untouched at their place and which overlap no live hunk.
    fn revive(&mut self, may: impl Fn(&Hunk) -> bool, out: &mut Vec<Happened>) {
        let mut at = 0;
        while at < self.stale.len() {
            let hunk = &self.stale[at];
            let range = hunk.range.clone();
            let free = self
                .hunks
                .iter()
                .all(|live| live.kind == HunkKind::Lines && (live.range.end <= range.start || range.end <= live.range.start));
            let placed = hunk.why == Some(Why::Gone) || hunk.place_in(&self.base, &range).is_some();
            let lines = hunk.kind == HunkKind::Lines;
            if may(hunk)
                && lines
                && free
                && placed
                && self.base.holds(&range, &hunk.old)
                && seams_hold(&self.base, &range, &hunk.new)
            {
                let mut hunk = self.stale.remove(at);
                hunk.turn_pending();
                out.push(Happened::Revived(hunk.id.clone()));
                self.insert(hunk);
            } else {
                at += 1;
            }
        }
    }

    /// Puts a live hunk in its place.
    pub(super) fn insert(&mut self, hunk: Hunk) {
        let start = hunk.range.start;
        let at =
            self.hunks.partition_point(|live| live.range.start < start || (live.range.start == start && live.range.is_empty()));
        self.hunks.insert(at, hunk);
    }
}

enum Fate {
    Lives,
    Turns(Why),
    Lands,
}

/// Carries one live hunk over an edit that made the text `after`. `text`: a file that it creates is text.
fn follow(hunk: &mut Hunk, edit: &Edit, after: &Text, text: bool) -> Fate {
    let applying = hunk.is_on_its_way();
    match hunk.kind {
        HunkKind::Create if !applying && text && is_blank(after) => {
            hunk.cover(after);
            return Fate::Lives;
        }
        HunkKind::Create if !applying => return Fate::Turns(Why::Exists),
        HunkKind::Delete => return Fate::Turns(Why::Edited),
        _ => {}
    }
    let reach = if applying { &hunk.outer } else { &hunk.range };
    if edit.range.start > reach.end {
        return Fate::Lives;
    }
    if edit.range.end < reach.start {
        hunk.range = grow(&hunk.range, edit);
        hunk.outer = if applying { grow(&hunk.outer, edit) } else { hunk.range.clone() };
        return Fate::Lives;
    }
    if applying { follow_applying(hunk, edit, after) } else { follow_pending(hunk, edit, after) }
}

fn follow_pending(hunk: &mut Hunk, edit: &Edit, after: &Text) -> Fate {
    let Some(range) = carry(&hunk.range, edit) else {
        hunk.range = grow(&hunk.range, edit);
        return Fate::Turns(Why::Edited);
    };
    let inserted = edit.range.is_empty() && edit.range.start == range.start;
    let here = |range: &Range<usize>| hunk.place_in(after, range).is_some();
    // Typed right where lines are to be inserted: they go behind it where they are between their neighbours there, and only there.
    let behind = Some(grow(&range, edit).end).filter(|_| inserted && hunk.old.is_empty()).map(|end| end..end);
    hunk.range = behind.filter(|behind| here(behind) && !here(&range)).unwrap_or(range);
    if seams_hold(after, &hunk.range, &hunk.new) { Fate::Lives } else { Fate::Turns(Why::Edited) }
}

/// While applying, edits inside are the editor's work; at the ends they may be, or the user's typing.
fn follow_applying(hunk: &mut Hunk, edit: &Edit, after: &Text) -> Fate {
    let inside = hunk.outer.start <= edit.range.start && edit.range.end <= hunk.outer.end;
    let carried = carry(&hunk.range, edit);
    if !inside && carried.is_none() {
        hunk.range = grow(&hunk.range, edit);
        return Fate::Turns(Why::Edited);
    }
    hunk.range = carried.unwrap_or_else(|| grow(&hunk.range, edit));
    hunk.outer = grow(&hunk.outer, edit);
    let (inner, outer) = (&hunk.range, &hunk.outer);
    let readings = [inner.clone(), outer.clone(), outer.start..inner.end, inner.start..outer.end];
    match readings.into_iter().find(|range| after.holds(range, &hunk.new)) {
        Some(range) => {
            hunk.range = range;
            Fate::Lands
        }
        None => Fate::Lives,
    }
}

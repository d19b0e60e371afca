//! Staging: putting the model's changes of one file into its hunks.

use std::ops::Range;

use super::{
    Bytes, FileOp, FileProposal, Hunk, HunkKind, HunkState, Ids, Why,
    compose::{Part, compose},
    creation::is_blank,
    mode_word,
};
use crate::{
    event::{CallId, HunkId},
    path::WsPath,
    text::{self, Edit, Text, carry, grow, seams_hold},
};

/// The user's acceptance of a hunk that this change would touch is under way; it takes moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hunk at this place is being accepted")]
pub struct Busy;

/// Where new hunks come from.
pub struct Origin<'a> {
    pub call: &'a CallId,
    /// New hunks are accepted by their own id only.
    pub apart: bool,
    pub ids: &'a mut Ids,
}

impl Origin<'_> {
    fn hunk(&mut self, kind: HunkKind, range: Range<usize>, old: String, new: String) -> Hunk {
        Hunk {
            id: self.ids.next_id(),
            kind,
            outer: range.clone(),
            sent: false,
            awaited: false,
            range,
            old,
            new,
            state: HunkState::Pending,
            why: None,
            apart: self.apart,
            call: self.call.clone(),
            anchor: Default::default(),
        }
    }
}

impl FileProposal {
    /// Makes `to` the staged text. Hunks that this does not touch stay as they are; stale hunks under new ones are dropped.
    ///
    /// # Errors
    /// [`Busy`] when it touches a hunk that is being accepted; nothing changes then.
    pub fn stage_text(&mut self, to: &Text, origin: &mut Origin<'_>) -> Result<(), Busy> {
        if self.op == FileOp::Create {
            return self.stage_create(to, origin);
        }
        let now = self.staged().ok_or(Busy)?;
        let parts = compose(&self.hunks, &self.base, &now, to);
        let kept: Vec<usize> = parts.iter().filter_map(|part| if let Part::Keep(at) = part { Some(*at) } else { None }).collect();
        if self.hunks.iter().enumerate().any(|(at, hunk)| hunk.state == HunkState::Applying && !kept.contains(&at)) {
            return Err(Busy);
        }
        let hunks = parts.into_iter().map(|part| match part {
            Part::Keep(at) => self.hunks[at].clone(),
            Part::New { edit, from } => {
                let old = self.base.slice(edit.range.clone());
                let apart = self.hunks[from].iter().any(|hunk| hunk.apart);
                let anchor = if old.is_empty() { anchor(&self.base, edit.range.start) } else { Default::default() };
                let mut hunk = Hunk { anchor, ..origin.hunk(HunkKind::Lines, edit.range, old, edit.new) };
                hunk.apart |= apart;
                self.stale.retain(|stale| hunk.range.end < stale.range.start || stale.range.end < hunk.range.start);
                hunk
            }
        });
        self.hunks = hunks.collect();
        Ok(())
    }

    /// Puts the change from `from` to `to`, made while the staged text became what it is now, on top of it. Where the two
    /// contradict each other the hunk is stale from the start; the answer are those.
    ///
    /// # Errors
    /// [`Busy`] as for [`FileProposal::stage_text`].
    pub fn stage_merged(&mut self, from: &Text, to: &Text, origin: &mut Origin<'_>) -> Result<Vec<HunkId>, Busy> {
        let now = self.staged().ok_or(Busy)?;
        let (fits, contradicted) = parted(from, to, &now);
        let stale: Vec<Hunk> = contradicted
            .into_iter()
            .map(|(Edit { range, new }, place)| {
                let old = from.slice(range);
                let place = self.beneath_staged(place.start)..self.beneath_staged(place.end);
                let mut hunk = origin.hunk(HunkKind::Lines, place, old, new);
                hunk.turn_stale(Why::Edited);
                hunk
            })
            .collect();
        if fits != now {
            self.stage_text(&fits, origin)?;
        }
        let ids = stale.iter().map(|hunk| hunk.id.clone()).collect();
        self.stale.extend(stale);
        Ok(ids)
    }

    /// Where a place of the staged text is in the base; within a hunk, its start.
    fn beneath_staged(&self, mut at: usize) -> usize {
        for hunk in self.hunks.iter().filter(|hunk| hunk.kind == HunkKind::Lines) {
            let start = hunk.range.start;
            if at < start + hunk.new.len() {
                return at.min(start);
            }
            at = at - hunk.new.len() + hunk.range.len();
        }
        at.min(self.base.len())
    }

    /// Makes the file one that the proposal creates with this text.
    ///
    /// # Errors
    /// [`Busy`] as for [`FileProposal::stage_text`].
    pub fn stage_create(&mut self, text: &Text, origin: &mut Origin<'_>) -> Result<(), Busy> {
        if self.hunks.iter().any(|hunk| hunk.state == HunkState::Applying) {
            return Err(Busy);
        }
        let new = text.to_string();
        if self.hunks.iter().any(|hunk| hunk.kind == HunkKind::Create && hunk.new == new) {
            return Ok(());
        }
        let apart = self.hunks.iter().any(|hunk| hunk.apart);
        let mut hunk = origin.hunk(HunkKind::Create, 0..0, String::new(), new);
        if is_blank(&self.base) {
            hunk.cover(&self.base);
        }
        hunk.apart |= apart;
        self.op = FileOp::Create;
        self.bytes = None;
        self.hunks = vec![hunk];
        Ok(())
    }

    /// Makes the file one that the proposal creates with these bytes, which are not text.
    ///
    /// # Errors
    /// [`Busy`] as for [`FileProposal::stage_text`].
    pub fn stage_bytes(&mut self, bytes: Bytes, origin: &mut Origin<'_>) -> Result<(), Busy> {
        self.stage_create(&Text::default(), origin)?;
        self.bytes = Some(bytes);
        Ok(())
    }

    /// Makes the proposal delete the file; its text hunks, a move and a change of the mode are dropped.
    ///
    /// # Errors
    /// [`Busy`] as for [`FileProposal::stage_text`].
    pub fn stage_delete(&mut self, origin: &mut Origin<'_>) -> Result<(), Busy> {
        if self.live().any(|hunk| hunk.state == HunkState::Applying) {
            return Err(Busy);
        }
        let old = self.base.to_string();
        let mut hunk = origin.hunk(HunkKind::Delete, 0..old.len(), old, String::new());
        hunk.apart |= self.live().any(|hunk| hunk.apart);
        self.op = FileOp::Delete;
        (self.mover, self.mode) = (None, None);
        self.stale.clear();
        self.hunks = vec![hunk];
        Ok(())
    }

    /// Makes the proposal move the file to `to`, text hunks and all; `None` takes a move back.
    ///
    /// # Errors
    /// [`Busy`] when a move is being accepted.
    pub fn stage_move(&mut self, to: Option<WsPath>, origin: &mut Origin<'_>) -> Result<(), Busy> {
        if self.mover.as_ref().is_some_and(|hunk| hunk.state == HunkState::Applying) {
            return Err(Busy);
        }
        let apart = self.mover.take().is_some_and(|hunk| hunk.apart);
        self.op = FileOp::Edit;
        if let Some(to) = to {
            let mut hunk = origin.hunk(HunkKind::Move, 0..0, String::new(), String::new());
            hunk.apart |= apart;
            self.mover = Some(hunk);
            self.op = FileOp::Move { to };
        }
        Ok(())
    }
}

impl FileProposal {
    /// Makes the file executable or not, beside whatever else the proposal does to it. A file whose mode nobody knows is
    /// taken for one that is not executable.
    ///
    /// # Errors
    /// [`Busy`] when a change of the mode is being accepted.
    pub fn stage_mode(&mut self, executable: bool, origin: &mut Origin<'_>) -> Result<(), Busy> {
        if self.mode.as_ref().is_some_and(|hunk| hunk.state == HunkState::Applying) {
            return Err(Busy);
        }
        if self.mode.as_ref().and_then(Hunk::executable) == Some(executable) {
            return Ok(());
        }
        let apart = self.mode.take().is_some_and(|hunk| hunk.apart);
        self.stale.retain(|stale| stale.kind != HunkKind::Mode);
        let now = self.executable.unwrap_or(false);
        if now != executable {
            let (old, new) = (mode_word(now).to_owned(), mode_word(executable).to_owned());
            let mut hunk = origin.hunk(HunkKind::Mode, 0..0, old, new);
            hunk.apart |= apart;
            self.mode = Some(hunk);
        }
        Ok(())
    }
}

/// The lines before and behind a line start.
pub(super) fn anchor(text: &Text, at: usize) -> (String, String) {
    let line = text.line_of(at);
    let before = line.checked_sub(1).map(|before| text.slice(text.line_start(before)..at));
    (before.unwrap_or_default(), text.slice(at..text.line_start(line + 1)))
}

/// `to`, which was made from `from`, made from `now` instead; `None` where both changed the same lines.
pub fn transplant(from: &Text, to: &Text, now: &Text) -> Option<Text> {
    if from == now {
        return Some(to.clone());
    }
    let theirs = text::changes(from, now);
    let mut moved = Vec::new();
    for hunk in text::line_changes(from, to) {
        let mut range = hunk.range;
        for edit in theirs.iter().rev() {
            range = carry(&range, edit)?;
        }
        moved.push(Edit { range, new: hunk.new });
    }
    moved.iter().all(|edit| seams_hold(now, &edit.range, &edit.new)).then(|| now.edited_by(&moved))
}

/// An edit that cannot be made any more, with the place where the text stands that contradicts it.
type Contradicted = (Edit, Range<usize>);

/// `now` with those changes from `from` to `to` that it leaves room for, and the others.
fn parted(from: &Text, to: &Text, now: &Text) -> (Text, Vec<Contradicted>) {
    let theirs = text::changes(from, now);
    let (mut fit, mut contradicted) = (Vec::new(), Vec::new());
    for hunk in text::line_changes(from, to) {
        let (mut carried, mut place) = (Some(hunk.range.clone()), hunk.range.clone());
        for edit in theirs.iter().rev() {
            carried = carried.and_then(|range| carry(&range, edit));
            place = grow(&place, edit);
        }
        match carried.filter(|range| seams_hold(now, range, &hunk.new)) {
            Some(range) => fit.push(Edit { range, new: hunk.new }),
            None if now.holds(&place, &hunk.new) => {}
            None => contradicted.push((hunk, place)),
        }
    }
    (now.edited_by(&fit), contradicted)
}

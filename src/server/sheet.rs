//! The lines of one file between the user's text, which the editor's language servers see, and the same with the task's pending
//! hunks, which the task sees.

use std::ops::Range;

use crate::{
    event::{HunkId, TaskId},
    path::WsPath,
    proposal::{FileOp, HunkKind},
    seams::{InsightError, Line, Place},
    text::{Encoding, Point, Text},
    workspace::desk::Desk,
};

/// A pending replacement of lines.
struct Piece {
    hunk: HunkId,
    /// Bytes of the user's text.
    range: Range<usize>,
    /// Bytes of the new text.
    len: usize,
    /// Lines that it adds.
    grown: isize,
}

/// The pending hunks of one file.
pub struct Sheet {
    base: Text,
    pieces: Vec<Piece>,
    /// The file as a whole is made, deleted or moved by this hunk.
    whole: Option<HunkId>,
}

impl Sheet {
    /// The pending hunks of a task over a file; `None` when there are none.
    pub fn of(desk: &Desk, task: &TaskId, path: &WsPath) -> Option<Sheet> {
        let file = desk.proposal_of(task)?.files.get(path)?;
        file.live().next()?;
        let breaks = |text: &str| Text::new(text).lines() as isize;
        let lines = file.live().filter(|hunk| hunk.kind == HunkKind::Lines);
        let pieces = lines.map(|hunk| Piece {
            hunk: hunk.id.clone(),
            range: hunk.range.clone(),
            len: hunk.new.len(),
            grown: breaks(&hunk.new) - breaks(&hunk.old),
        });
        let whole = file.live().find(|hunk| hunk.kind != HunkKind::Lines).map(|hunk| hunk.id.clone());
        Some(Sheet { base: file.base.clone(), pieces: pieces.collect(), whole })
    }

    /// A line of the user's text as the task has it.
    pub fn line(&self, at: Point, encoding: Encoding) -> Line {
        if let Some(hunk) = &self.whole {
            return Line::Under(hunk.clone());
        }
        let offset = self.base.offset(at, encoding);
        let mut line = self.base.line_of(offset) as isize;
        for piece in self.pieces.iter().take_while(|piece| piece.range.start <= offset) {
            if piece.range.contains(&offset) {
                return Line::Under(piece.hunk.clone());
            }
            line += piece.grown;
        }
        Line::At(line.unsigned_abs() + 1)
    }

    /// The byte of the user's text at a byte of the task's.
    fn beneath(&self, offset: usize) -> Result<usize, InsightError> {
        let mut grown = 0isize;
        for piece in &self.pieces {
            let start = piece.range.start.saturating_add_signed(grown);
            if offset < start {
                break;
            }
            if offset < start + piece.len {
                return Err(InsightError::Pending(piece.hunk.clone()));
            }
            grown += piece.len as isize - piece.range.len() as isize;
        }
        Ok(offset.saturating_add_signed(-grown))
    }
}

/// A zero-based line of the user's text as the task has it, with or without hunks over it.
pub fn line(sheet: Option<&Sheet>, at: Point, encoding: Encoding) -> Line {
    sheet.map_or_else(|| Line::At(at.line as usize + 1), |sheet| sheet.line(at, encoding))
}

/// Where the editor finds a place that the task names.
///
/// # Errors
/// [`InsightError`] when only pending hunks made it, or the text is not the task's any more.
pub fn point(desk: &Desk, task: &TaskId, of: &Place, encoding: Encoding) -> Result<Point, InsightError> {
    is_there(desk, task, &of.path)?;
    let changed = || InsightError::Moved(of.path.clone());
    if let Some(sheet) = Sheet::of(desk, task, &of.path) {
        let staged = desk.proposal_of(task).and_then(|proposal| proposal.files.get(&of.path)?.staged());
        if staged.as_ref() != Some(&of.text) {
            return Err(changed());
        }
        return Ok(sheet.base.point(sheet.beneath(of.offset)?, encoding));
    }
    match desk.buffer(&of.path) {
        Some(buffer) if buffer.text != of.text => Err(changed()),
        _ => Ok(of.text.point(of.offset, encoding)),
    }
}

/// Whether the editor has the file at all under the name that the task knows.
///
/// # Errors
/// [`InsightError::NotThere`]
pub fn is_there(desk: &Desk, task: &TaskId, path: &WsPath) -> Result<(), InsightError> {
    let Some(proposal) = desk.proposal_of(task) else { return Ok(()) };
    let file = proposal.files.get(path).filter(|file| file.live().next().is_some());
    let made = file.is_some_and(|file| !file.exists || matches!(file.op, FileOp::Move { .. }));
    if made || proposal.moved_to(path).is_some() { Err(InsightError::NotThere(path.clone())) } else { Ok(()) }
}

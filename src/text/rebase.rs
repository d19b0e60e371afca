//! What becomes of a range of bytes when the text around it is edited.
//!
//! A range of whole lines survives an edit when none of its bytes is replaced and it still begins and ends where lines do.
//! Everything here is about one edit; several edits go one after the other.

use std::ops::Range;

use super::{Edit, Text};

/// Where `range` is after `edit`, or `None` when the edit reaches into it. What is inserted at its start goes before it, at
/// its end behind it; behind an empty range when it is inserted right there, so that the range stays with what precedes it.
pub fn carry(range: &Range<usize>, edit: &Edit) -> Option<Range<usize>> {
    if edit.range.start >= range.end {
        return Some(range.clone());
    }
    (edit.range.end <= range.start).then(|| after(range.start, edit)..after(range.end, edit))
}

/// Where `range` is after `edit`, grown over everything that the edit touches of it, its ends included.
pub fn grow(range: &Range<usize>, edit: &Edit) -> Range<usize> {
    if edit.range.end < range.start {
        after(range.start, edit)..after(range.end, edit)
    } else if edit.range.start > range.end {
        range.clone()
    } else {
        range.start.min(edit.range.start)..after(range.end.max(edit.range.end), edit)
    }
}

/// `range` grown to the whole lines that it touches.
pub fn whole_lines(text: &Text, range: &Range<usize>) -> Range<usize> {
    let end = if text.is_line_start(range.end) { range.end } else { text.line_start(text.line_of(range.end) + 1) };
    text.line_start(text.line_of(range.start))..end
}

/// Whether whole lines `new` can stand in place of `range` of `text` without gluing lines together at either end.
pub fn seams_hold(text: &Text, range: &Range<usize>, new: &str) -> bool {
    let at_end = range.end >= text.len();
    let begins = text.is_line_start(range.start);
    let ends = at_end || text.is_line_start(range.end);
    let closed = at_end || new.is_empty() || new.ends_with(['\n', '\r']);
    begins && ends && closed && !makes_crlf(text, range, new)
}

/// A lone `\r` and a lone `\n` that come to stand side by side would turn into one line break.
fn makes_crlf(text: &Text, range: &Range<usize>, new: &str) -> bool {
    let before = range.start.checked_sub(1).and_then(|at| text.byte(at)) == Some(b'\r');
    let behind = text.byte(range.end) == Some(b'\n');
    if new.is_empty() { before && behind } else { (before && new.starts_with('\n')) || (behind && new.ends_with('\r')) }
}

/// How far the replaced range of an edit may be pushed either way without changing what it does: a deleted or inserted
/// run that repeats its surroundings has no single place. `limit` bounds the steps each way.
pub fn slack(text: &Text, edit: &Edit, limit: usize) -> Range<usize> {
    let (mut start, mut end) = (edit.range.start, edit.range.end);
    let run = if edit.new.is_empty() {
        text.slice(edit.range.clone())
    } else if edit.range.is_empty() {
        edit.new.clone()
    } else {
        return start..end;
    };
    if run.is_empty() {
        return start..end;
    }
    let run = run.as_bytes();
    let back =
        (1..=limit.min(start)).take_while(|step| text.byte(start - step) == Some(run[run.len() - 1 - (step - 1) % run.len()]));
    start -= back.count();
    let forth = (0..limit).take_while(|step| text.byte(end + step) == Some(run[step % run.len()]));
    end += forth.count();
    start..end
}

/// The same edit, read as whole lines that come or go where it can be: a line that begins or ends like the next one may be
/// reported from the middle of both. The nearest such place, the upper one of two, and so the same for an edit and its undo.
pub fn by_lines(before: &Text, edit: &Edit, after: &Text) -> Edit {
    const FAR: usize = 512;
    let (start, gone) = (edit.range.start, edit.new.is_empty());
    let (text, length) = match (gone, edit.range.is_empty()) {
        (true, _) => (before, edit.range.len()),
        (false, true) => (after, edit.new.len()),
        (false, false) => return edit.clone(),
    };
    let run = Edit { range: start..start + length, new: String::new() };
    if !text.slice(run.range.clone()).contains(['\n', '\r']) {
        return edit.clone();
    }
    let reach = slack(text, &run, FAR);
    let lines =
        |at: &usize| reach.start <= *at && at + length <= reach.end && text.is_line_start(*at) && text.is_line_start(at + length);
    match (0..=FAR).flat_map(|by| [start.checked_sub(by), Some(start + by)]).flatten().find(lines) {
        Some(at) if gone => Edit { range: at..at + length, ..edit.clone() },
        Some(at) => Edit { range: at..at, new: text.slice(at..at + length) },
        None => edit.clone(),
    }
}

/// The same edits, in the places that editors have: some keep the last line break apart from the lines, and put what is inserted
/// behind it into a line too many. There it goes before the last break. `edits` are ascending and disjoint.
pub fn for_editors(text: &Text, mut edits: Vec<Edit>) -> Vec<Edit> {
    let end = text.len();
    let tail = text.slice(end.saturating_sub(2)..end);
    let of = |text: &str| ["\r\n", "\n"].into_iter().find(|kind| text.ends_with(kind));
    if let [before @ .., last] = edits.as_mut_slice()
        && last.range == (end..end)
        && let Some(kind) = of(&tail)
    {
        let at = end - kind.len();
        let above = before.last().map(|edit| edit.range.end);
        if of(&last.new) == Some(kind) && above.is_none_or(|above| above < at) {
            last.range = at..at;
            last.new.truncate(last.new.len() - kind.len());
            last.new.insert_str(0, kind);
        } else if above.is_none_or(|above| above <= at) {
            // Two insertions at one place have no order for some.
            last.range = at..end;
            last.new.insert_str(0, kind);
        }
    }
    edits
}

fn after(at: usize, edit: &Edit) -> usize {
    at - edit.range.len() + edit.new.len()
}

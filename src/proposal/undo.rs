//! Taking an accepted hunk back out of a text that the user has edited since.

use std::ops::Range;

use super::Record;
use crate::text::{self, Edit, Text, carry, grow, seams_hold, slack};

/// The edit that takes a hunk back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverse {
    pub edit: Edit,
    pub after: Text,
}

/// What takes the lines of `record` back out of `now`. Where the user edited them since, or may have (a repetition has no
/// single reading), the error is their range in `now`.
///
/// # Errors
/// See above.
pub fn taken_back(record: &Record, now: &Text) -> Result<Reverse, Range<usize>> {
    let accepted = record.start..record.start + record.lengths.1;
    let old = record.before.slice(record.start..record.start + record.lengths.0);
    let since = text::changes(&record.after, now);
    let place = since.iter().rev().try_fold(accepted.clone(), |range, edit| {
        if is_touched(&record.after, &accepted, edit) { None } else { carry(&range, edit) }
    });
    let place = place.filter(|range| seams_hold(now, range, &old));
    let Some(range) = place else {
        return Err(since.iter().rev().fold(accepted, |range, edit| grow(&range, edit)));
    };
    let edit = Edit { range, new: old };
    Ok(Reverse { after: now.edited(&edit), edit })
}

/// Whether `edit` reaches into `range` of `text`, or could as well be read as reaching into it.
fn is_touched(text: &Text, range: &Range<usize>, edit: &Edit) -> bool {
    let distance = edit.range.start.abs_diff(range.end).min(edit.range.end.abs_diff(range.start));
    let mut reach = slack(text, edit, distance + 1);
    if text.is_line_start(edit.range.start) && (text.is_line_start(edit.range.end) || edit.range.is_empty()) {
        // Whole lines: they can only be other lines, not parts of two.
        let first = text.line_start(text.line_of(reach.start));
        let next = if first == reach.start { first } else { text.line_start(text.line_of(reach.start) + 1) };
        reach = next.min(edit.range.start)..text.line_start(text.line_of(reach.end)).max(edit.range.end);
    }
    let at_point = range.is_empty() && reach.start <= range.start && range.start <= reach.end;
    at_point || carry(range, &Edit { range: reach, new: String::new() }).is_none()
}

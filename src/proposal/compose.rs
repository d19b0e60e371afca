//! A new staged text over existing hunks: which hunks stay, which merge, which are new.
//!
//! Only the difference between the staged texts before and after is composed with the hunks it touches; all others keep
//! place and id, whatever a fresh diff of the whole file would have made of them.

use std::ops::Range;

use super::Hunk;
use crate::text::{self, Edit, Text};

/// What becomes of the hunks, in document order.
pub(super) enum Part {
    /// The hunk of this index stays as it is.
    Keep(usize),
    /// A new hunk; made from the hunks `from`, which it replaces.
    New { edit: Edit, from: Range<usize> },
}

/// `live` are the hunks that make `now` of `base`; the parts make `to` of `base`.
pub(super) fn compose(live: &[Hunk], base: &Text, now: &Text, to: &Text) -> Vec<Part> {
    let mut fresh = Vec::new();
    merge(&mut fresh, live, 0..live.len(), base, Edit { range: 0..base.len(), new: to.to_string() });
    if live.is_empty() {
        return fresh;
    }
    let parts = composed(live, base, now, to);
    let size = |part: &Part| match part {
        Part::Keep(at) => live[*at].old.len() + live[*at].new.len(),
        Part::New { edit, .. } => edit.range.len() + edit.new.len(),
    };
    // Changes may have come to cancel each other out across hunks.
    let total = |parts: &[Part]| parts.iter().map(size).sum::<usize>();
    if total(&fresh) < total(&parts) { fresh } else { parts }
}

fn composed(live: &[Hunk], base: &Text, now: &Text, to: &Text) -> Vec<Part> {
    let wanted = text::hunks(now, to);
    let (mut parts, mut h, mut w) = (Vec::new(), 0, 0);
    // Length that the hunks before `h` added to the base, and that the wanted edits before `w` add to `now`.
    let (mut grown, mut growth) = (0isize, 0isize);
    while h < live.len() || w < wanted.len() {
        let (h0, w0, grown0, growth0) = (h, w, grown, growth);
        let mut hull: Option<Range<usize>> = None;
        loop {
            let hunk = live.get(h).map(|hunk| {
                let start = shift(hunk.range.start, grown);
                start..start + hunk.new.len()
            });
            let edit = wanted.get(w).map(|edit| edit.range.clone());
            let reaches = |range: &Range<usize>| hull.as_ref().is_none_or(|hull| range.start <= hull.end);
            let hunk_first = match (&hunk, &edit) {
                (Some(hunk), Some(edit)) => hunk.start <= edit.start,
                (hunk, _) => hunk.is_some(),
            };
            let next = if hunk_first { hunk } else { edit };
            let Some(next) = next.filter(reaches) else { break };
            if hunk_first {
                grown += live[h].new.len() as isize - live[h].range.len() as isize;
                h += 1;
            } else {
                growth += wanted[w].new.len() as isize - wanted[w].range.len() as isize;
                w += 1;
            }
            let joined = hull.take().map_or(next.clone(), |hull| hull.start..hull.end.max(next.end));
            hull = Some(joined);
        }
        let Some(hull) = hull else { break };
        if w == w0 {
            parts.extend((h0..h).map(Part::Keep));
            continue;
        }
        let range = shift(hull.start, -grown0)..shift(hull.end, -grown);
        let new = to.slice(shift(hull.start, growth0)..shift(hull.end, growth));
        merge(&mut parts, live, h0..h, base, Edit { range, new });
    }
    parts
}

/// The hunks of one touched stretch, anew; those that come out as they were stay.
fn merge(parts: &mut Vec<Part>, live: &[Hunk], from: Range<usize>, base: &Text, stretch: Edit) {
    let old = Text::new(&base.slice(stretch.range.clone()));
    for mut edit in text::hunks(&old, &Text::new(&stretch.new)) {
        edit.range = edit.range.start + stretch.range.start..edit.range.end + stretch.range.start;
        let same = from.clone().find(|&at| live[at].range == edit.range && live[at].new == edit.new);
        parts.push(same.map_or_else(|| Part::New { edit, from: from.clone() }, Part::Keep));
    }
}

fn shift(at: usize, by: isize) -> usize {
    at.saturating_add_signed(by)
}

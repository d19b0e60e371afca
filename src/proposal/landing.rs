//! Recognising an accepted hunk in what the editor sends back.
//!
//! Editors report an applied edit as it was sent, or cut down to what differs, moved along a repetition, in several pieces,
//! or as one change together with what the user typed in the same moment. So the texts decide, not the edits: when the text
//! before plus the hunks is the text after, they landed; else what is left when the hunks are taken as landed must not touch them.

use std::collections::BTreeSet;

use super::{FileProposal, Hunk, HunkKind, HunkState};
use crate::{
    event::HunkId,
    text::{self, Edit, Text, carry},
};

/// Most ways in which some of many hunks may have landed that are tried.
const MOST_TRIED: usize = 4096;

/// One step from a text to the next, in the offsets of the text before it.
#[derive(Clone, Debug)]
pub struct Step {
    pub edit: Edit,
    pub after: Text,
    /// The hunk whose landing this step is.
    pub landed: Option<HunkId>,
}

/// Edits that are ascending and disjoint in `before`, one at a time.
pub(super) fn one_by_one(before: &Text, edits: Vec<(Edit, Option<HunkId>)>) -> Vec<Step> {
    let mut text = before.clone();
    let last_first = edits.into_iter().rev();
    last_first
        .map(|(edit, landed)| {
            text = text.edited(&edit);
            Step { edit, after: text.clone(), landed }
        })
        .collect()
}

impl Step {
    /// The steps of what the user did, with nothing landing in it.
    pub fn plain(before: &Text, edits: Vec<Edit>) -> Vec<Step> {
        one_by_one(before, edits.into_iter().map(|edit| (edit, None)).collect())
    }
}

impl FileProposal {
    fn applying(&self) -> Vec<&Hunk> {
        self.hunks.iter().filter(|hunk| in_text(hunk)).collect()
    }

    /// Whether an acceptance is under way in this file's text.
    pub fn is_applying(&self) -> bool {
        self.hunks.iter().any(|hunk| in_text(hunk) && hunk.state == HunkState::Applying)
    }

    /// The same, or one is over whose edit the editor has not answered.
    pub fn is_on_its_way(&self) -> bool {
        self.hunks.iter().any(in_text)
    }

    /// Whether a hunk may come from the editor: one is being accepted, or the wait for one is over and it never came.
    pub fn awaits(&self) -> bool {
        self.hunks.iter().any(|hunk| in_text(hunk) || is_late(hunk))
    }

    /// The steps from the base to `after` when exactly some of the applying and late hunks are the difference. A late one is
    /// known by that alone.
    pub fn landed_exactly(&self, after: &Text) -> Option<Vec<Step>> {
        self.landed_by(None, after)
    }

    /// The same; `edit` is what leads from the base to `after` when that is known to be one edit, and saves comparing the rest.
    fn landed_by(&self, edit: Option<&Edit>, after: &Text) -> Option<Vec<Step>> {
        let applying = self.applying();
        let late: Vec<&Hunk> = self.hunks.iter().filter(|hunk| is_late(hunk)).collect();
        // Lengths first: a keystroke is hardly ever one of many hunks, and whole texts are not compared to find that out.
        let fits = |set: &[&Hunk]| {
            let (new, old) = set.iter().fold((0, 0), |(new, old), hunk| (new + hunk.new.len(), old + hunk.range.len()));
            !set.is_empty() && self.base.len() + new == after.len() + old
        };
        let stands = |hunk: &Hunk| after.holds(&(hunk.range.start..hunk.range.start + hunk.new.len()), &hunk.new);
        let each = applying.iter().chain(&late).filter(|hunk| fits(&[hunk]) && stands(hunk)).map(|&hunk| vec![hunk]);
        let sets = [applying.clone(), late.clone()].into_iter().filter(|set| fits(set)).chain(each);
        let mut sets = sets.filter(|set| *after == self.base.edited_by(&edits(set)));
        sets.next().or_else(|| self.some_landed(edit, after)).map(|set| self.steps_of(&set))
    }

    /// The hunks among those that are awaited whose edits alone lead from the base to `after`, if there are any.
    fn some_landed(&self, edit: Option<&Edit>, after: &Text) -> Option<Vec<&Hunk>> {
        let awaited: Vec<&Hunk> = self.hunks.iter().filter(|hunk| in_text(hunk) || is_late(hunk)).collect();
        if awaited.len() < 2 {
            return None;
        }
        // Hunk by hunk with the offset of `after` to the base so far: landed, or not. What leads nowhere is not tried twice.
        let mut tried = BTreeSet::new();
        let mut ways = vec![(0, 0, 0isize, Vec::new())];
        while let Some((at, known, shift, landed)) = ways.pop() {
            if tried.len() > MOST_TRIED {
                return None;
            }
            let next = awaited.get(at).map_or(self.base.len(), |hunk| hunk.range.start);
            let place = usize::try_from(known as isize + shift).ok()?;
            let length = next - known;
            let untouched = edit.is_some_and(|edit| {
                let grown = edit.new.len() as isize - edit.range.len() as isize;
                (shift == 0 && next <= edit.range.start) || (shift == grown && edit.range.end <= known)
            });
            if !untouched && !after.holds(&(place..place + length), &self.base.slice(known..next)) {
                continue;
            }
            let Some(hunk) = awaited.get(at) else {
                if place + length == after.len() && !landed.is_empty() {
                    return Some(landed);
                }
                continue;
            };
            if tried.insert((at, shift, false)) {
                ways.push((at + 1, next, shift, landed.clone()));
            }
            let start = place + length;
            if after.holds(&(start..start + hunk.new.len()), &hunk.new) && tried.insert((at, shift, true)) {
                let grown = hunk.new.len() as isize - hunk.range.len() as isize;
                ways.push((at + 1, hunk.range.end, shift + grown, [landed, vec![*hunk]].concat()));
            }
        }
        None
    }

    /// The steps from the base to `after`, which may hold any of the applying hunks and edits of the user besides.
    pub fn landed_among(&self, after: &Text) -> Vec<Step> {
        let mut set = self.applying();
        loop {
            let with = self.base.edited_by(&edits(&set));
            let rest = text::changes(&with, after);
            let mut kept: Vec<&Hunk> = set.iter().copied().filter(|hunk| !is_touched(&with, &set, hunk, &rest)).collect();
            if kept.len() == set.len() {
                kept = self.explaining(&set, size(&rest), after);
            }
            if kept.len() == set.len() {
                let mut steps = self.steps_of(&set);
                steps.extend(Step::plain(&with, rest));
                return steps;
            }
            set = kept;
        }
    }

    /// Those of `set` without which more would be left to explain than `left`: of two readings the shorter is believed.
    fn explaining<'a>(&self, set: &[&'a Hunk], left: usize, after: &Text) -> Vec<&'a Hunk> {
        const ONE_BY_ONE: usize = 16;
        let left_without = |hunks: &[&Hunk]| size(&text::changes(&self.base.edited_by(&edits(hunks)), after));
        if set.len() > ONE_BY_ONE {
            return if left_without(&[]) > left { set.to_vec() } else { Vec::new() };
        }
        let others = |hunk: &Hunk| set.iter().copied().filter(|other| other.id != hunk.id).collect::<Vec<_>>();
        set.iter().copied().filter(|hunk| left_without(&others(hunk)) > left).collect()
    }

    /// The steps of one edit of the base by the editor, `after` being the base with it.
    pub fn landed_in(&self, edit: &Edit, after: &Text) -> Vec<Step> {
        if let Some(steps) = self.landed_by(Some(edit), after) {
            return steps;
        }
        if !self.is_on_its_way() {
            return Step::plain(&self.base, text::refine(&self.base, edit.clone()));
        }
        let parts = text::refine(&self.base, edit.clone());
        let hull = parts.first().zip(parts.last()).map(|(first, last)| first.range.start..last.range.end);
        let apart_or_inside = hull.is_none_or(|hull| {
            let outside = |hunk: &&Hunk| hull.end < hunk.outer.start || hunk.outer.end < hull.start;
            let mut near = self.applying().into_iter().filter(|hunk| !outside(hunk));
            let inside = |hunk: &Hunk| hunk.outer.start <= hull.start && hull.end <= hunk.outer.end;
            near.next().is_none_or(inside) && near.next().is_none()
        });
        if apart_or_inside { Step::plain(&self.base, parts) } else { self.landed_among(after) }
    }

    /// Whether a step is a landing, or falls where one is awaited: not the user's own doing.
    pub fn expects(&self, step: &Step) -> bool {
        let covers = |hunk: &&Hunk| hunk.outer.start <= step.edit.range.start && step.edit.range.end <= hunk.outer.end;
        step.landed.is_some() || self.applying().iter().any(covers)
    }

    fn steps_of(&self, set: &[&Hunk]) -> Vec<Step> {
        one_by_one(&self.base, set.iter().map(|hunk| (hunk.edit(), Some(hunk.id.clone()))).collect())
    }
}

/// A deletion of the whole file is not an edit of its text.
fn in_text(hunk: &Hunk) -> bool {
    hunk.is_on_its_way() && hunk.kind != HunkKind::Delete
}

fn is_late(hunk: &Hunk) -> bool {
    hunk.state == HunkState::Pending && hunk.sent && !hunk.awaited && matches!(hunk.kind, HunkKind::Lines | HunkKind::Create)
}

fn edits(set: &[&Hunk]) -> Vec<Edit> {
    set.iter().map(|hunk| hunk.edit()).collect()
}

fn size(edits: &[Edit]) -> usize {
    edits.iter().map(|edit| edit.range.len() + edit.new.len()).sum()
}

/// Whether one of `rest` reaches, or could as well be read as reaching, what `hunk` became in `with`.
fn is_touched(with: &Text, set: &[&Hunk], hunk: &Hunk, rest: &[Edit]) -> bool {
    let before = set.iter().take_while(|other| other.id != hunk.id);
    let grown: isize = before.map(|other| other.new.len() as isize - other.range.len() as isize).sum();
    let start = hunk.range.start.saturating_add_signed(grown);
    let range = start..start + hunk.new.len();
    rest.iter().any(|edit| {
        // What the hunk put there may be deleted, and what it deleted may be inserted, at any repetition of it.
        let distance = edit.range.start.abs_diff(range.end).min(edit.range.end.abs_diff(range.start));
        let ambiguous = edit.new.is_empty() || hunk.new.is_empty();
        let reach = if ambiguous { text::slack(with, edit, distance + 1) } else { edit.range.clone() };
        let at_point = hunk.new.is_empty() && reach.start <= range.start && range.start <= reach.end;
        at_point || carry(&range, &Edit { range: reach, new: String::new() }).is_none()
    })
}

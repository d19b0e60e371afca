//! Which neighbouring stretches a person reads as one change.
//!
//! Two stretches with nothing but blank lines or brackets between them are mostly two decisions, and stay two. They are one
//! when the line between belongs to neither text's sense: a block that was indented anew, a passage that was written anew, or
//! a change whose other half lies below it.

use std::collections::HashMap;

use super::{
    align::Stretch,
    hash::LineHash,
    slide::{indent, is_blank, is_trivial},
    words::{is_word, words},
};

/// Equal lines between two stretches of one change, at most.
const GAP: usize = 3;
/// Stretches of more lines are not read word by word.
const READ: usize = 200;

/// Joins stretches that belong together; the order and the lines they cover stay.
pub(super) fn join(found: &mut Vec<Stretch>, old: &[&str], new: &[&str]) {
    // The last one as it was found: what was joined to it before does not count.
    let mut last: Option<Stretch> = None;
    found.dedup_by(|next, whole| {
        let belongs = belong_together(last.as_ref().unwrap_or(whole), next, old, new);
        if belongs {
            (whole.old.end, whole.new.end) = (next.old.end, next.new.end);
        }
        last = Some(next.clone());
        belongs
    });
}

fn belong_together(above: &Stretch, below: &Stretch, old: &[&str], new: &[&str]) -> bool {
    let gap = &old[above.old.end..below.old.start];
    if gap.len() > GAP || !gap.iter().all(|line| is_trivial(line)) {
        return false;
    }
    if indented_together(above, below, old, new) {
        return true;
    }
    let blanks = gap.iter().any(|line| is_blank(line));
    if gap.len() > 1 && blanks {
        return false;
    }
    // A bracket at the margin ends a whole item, and so does a blank line before one.
    let margin = |line: &&str| !is_blank(line) && indent(line) == 0;
    let begins = |lines: &[&str], at: usize| lines[at..].iter().take(GAP).find(|line| !is_blank(line)).is_some_and(margin);
    if gap.iter().any(margin) || (blanks && (begins(old, below.old.start) || begins(new, below.new.start))) {
        return false;
    }
    if above.lines() > READ || below.lines() > READ {
        return false;
    }
    let swapped = |one: &Stretch, other: &Stretch| one.new.is_empty() && other.old.is_empty();
    if swapped(above, below) || swapped(below, above) {
        return true;
    }
    let (above, below) = (Wording::of(above, old, new), Wording::of(below, old, new));
    (above.rewritten && below.rewritten) || above.shares_with(&below)
}

impl Stretch {
    fn lines(&self) -> usize {
        self.old.len() + self.new.len()
    }
}

/// Whether both are mostly lines that stand on the other side at another indentation, or become so together.
fn indented_together(above: &Stretch, below: &Stretch, old: &[&str], new: &[&str]) -> bool {
    let (upper, lower) = (Indented::of(above, old, new), Indented::of(below, old, new));
    if upper.mostly && lower.mostly {
        return true;
    }
    // Lines of one that stand in the other; a bracket between them alone says nothing.
    let both = Stretch { old: above.old.start..below.old.end, new: above.new.start..below.new.end };
    let whole = Indented::of(&both, old, new);
    whole.mostly && whole.lines > upper.lines + lower.lines + 1
}

/// What of a stretch is nothing but another indentation.
struct Indented {
    lines: usize,
    /// More than half of the shorter side.
    mostly: bool,
}

impl Indented {
    fn of(stretch: &Stretch, old: &[&str], new: &[&str]) -> Self {
        /// Lines put between two that are looked over.
        const AHEAD: usize = 32;
        let (old, new) = (&old[stretch.old.clone()], &new[stretch.new.clone()]);
        let full = |lines: &[&str]| lines.iter().filter(|line| !is_blank(line)).count();
        let most = if old.is_empty() || new.is_empty() { 0 } else { full(old).min(full(new)) };
        let (mut lines, mut rest) = (0, new);
        for line in old.iter().filter(|line| most > 0 && !is_blank(line)) {
            let moved = |other: &&str| indent(other) != indent(line) && other.trim_ascii() == line.trim_ascii();
            if let Some(at) = rest.iter().take(AHEAD).position(moved) {
                (lines, rest) = (lines + 1, &rest[at + 1..]);
            }
        }
        Indented { lines, mostly: lines * 2 > most }
    }
}

/// What a stretch does to words.
struct Wording<'a> {
    /// It replaces lines by others that have little in common with them.
    rewritten: bool,
    /// Words that it has more often on one side than on the other.
    changed: HashMap<&'a str, isize, LineHash>,
}

impl<'a> Wording<'a> {
    fn of(stretch: &Stretch, old: &[&'a str], new: &[&'a str]) -> Self {
        let mut changed = HashMap::with_hasher(LineHash::default());
        let mut count = |lines: &[&'a str], by: isize| {
            let named = |word: &&str| word.starts_with(is_word);
            let all = lines.iter().flat_map(|line| words(line)).filter(named).map(|word| *changed.entry(word).or_insert(0) += by);
            all.count()
        };
        let (before, after) = (count(&old[stretch.old.clone()], -1), count(&new[stretch.new.clone()], 1));
        changed.retain(|_, by: &mut isize| *by != 0);
        let differing = changed.values().map(|by| by.unsigned_abs()).sum::<usize>();
        // Each word in common is counted on both sides.
        let common = (before + after).saturating_sub(differing) / 2;
        let replaces = !stretch.old.is_empty() && !stretch.new.is_empty();
        Wording { rewritten: replaces && common * 2 < before.max(after), changed }
    }

    /// Whether a good part of what one of them changes is changed by the other as well: a name that is introduced and used.
    fn shares_with(&self, other: &Self) -> bool {
        const TELLING: usize = 3;
        let telling =
            |words: &HashMap<&str, isize, LineHash>| words.keys().filter(|word| word.chars().count() >= TELLING).count();
        let shared = self.changed.keys().filter(|word| word.chars().count() >= TELLING && other.changed.contains_key(*word));
        let (shared, least) = (shared.count(), telling(&self.changed).min(telling(&other.changed)));
        shared > 0 && shared * 2 >= least
    }
}

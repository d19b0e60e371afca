//! Which lines of two texts belong together.
//!
//! Lines that occur once in each text and keep their order are taken as fixed points (patience diff); what lies between them
//! is mostly small and solved exactly, else by a bounded Myers search. So thousands of changes cost no more than a few.

use std::{collections::HashMap, ops::Range};

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{
    hash::LineHash,
    slide::{Side, slide},
};

/// A stretch of lines that differs; one side may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub old: Range<usize>,
    pub new: Range<usize>,
}

/// The stretches in which the texts differ: ascending, with equal lines between any two.
pub(super) fn align(old_lines: &[&str], new_lines: &[&str]) -> Vec<Stretch> {
    let mut kinds = HashMap::with_capacity_and_hasher(old_lines.len(), LineHash::default());
    let (old, new) = (number(old_lines, &mut kinds), number(new_lines, &mut kinds));
    let mut aligner = Aligner { old: &old, new: &new, found: Vec::new() };
    let (mut old_at, mut new_at) = (0, 0);
    for (old_fixed, new_fixed) in fixed_points(&old, &new, kinds.len()) {
        aligner.between(old_at..old_fixed, new_at..new_fixed);
        (old_at, new_at) = (old_fixed + 1, new_fixed + 1);
    }
    aligner.between(old_at..old.len(), new_at..new.len());
    let mut found = aligner.found;
    slide(&mut found, Side { lines: old_lines, kinds: &old }, Side { lines: new_lines, kinds: &new });
    found
}

/// Equal lines get equal numbers.
fn number<'a>(lines: &[&'a str], kinds: &mut HashMap<&'a str, usize, LineHash>) -> Vec<usize> {
    let number = |line: &&'a str| {
        let next = kinds.len();
        *kinds.entry(*line).or_insert(next)
    };
    lines.iter().map(number).collect()
}

struct Aligner<'a> {
    old: &'a [usize],
    new: &'a [usize],
    found: Vec<Stretch>,
}

impl Aligner<'_> {
    fn between(&mut self, mut old: Range<usize>, mut new: Range<usize>) {
        const EXACT: usize = 4096;
        while !old.is_empty() && !new.is_empty() && self.old[old.start] == self.new[new.start] {
            (old.start, new.start) = (old.start + 1, new.start + 1);
        }
        while !old.is_empty() && !new.is_empty() && self.old[old.end - 1] == self.new[new.end - 1] {
            (old.end, new.end) = (old.end - 1, new.end - 1);
        }
        if old.len().saturating_mul(new.len()) <= 1 {
            self.push(old, new);
        } else if old.len().saturating_mul(new.len()) <= EXACT {
            self.exactly(old, new);
        } else {
            for op in capture_diff_slices(Algorithm::Myers, &self.old[old.clone()], &self.new[new.clone()]) {
                if !matches!(op, DiffOp::Equal { .. }) {
                    let (a, b) = (op.old_range(), op.new_range());
                    self.push(old.start + a.start..old.start + a.end, new.start + b.start..new.start + b.end);
                }
            }
        }
    }

    /// The longest common subsequence by its table.
    fn exactly(&mut self, old: Range<usize>, new: Range<usize>) {
        let width = new.len() + 1;
        let mut longest = vec![0u16; (old.len() + 1) * width];
        for a in (0..old.len()).rev() {
            for b in (0..new.len()).rev() {
                longest[a * width + b] = if self.old[old.start + a] == self.new[new.start + b] {
                    longest[(a + 1) * width + b + 1] + 1
                } else {
                    longest[(a + 1) * width + b].max(longest[a * width + b + 1])
                };
            }
        }
        let (mut a, mut b) = (0, 0);
        while a < old.len() || b < new.len() {
            let (old_at, new_at) = (old.start + a, new.start + b);
            if a < old.len() && b < new.len() && self.old[old_at] == self.new[new_at] {
                (a, b) = (a + 1, b + 1);
            } else if b == new.len() || (a < old.len() && longest[(a + 1) * width + b] >= longest[a * width + b + 1]) {
                self.push(old_at..old_at + 1, new_at..new_at);
                a += 1;
            } else {
                self.push(old_at..old_at, new_at..new_at + 1);
                b += 1;
            }
        }
    }

    fn push(&mut self, old: Range<usize>, new: Range<usize>) {
        match self.found.last_mut() {
            _ if old.is_empty() && new.is_empty() => {}
            Some(last) if last.old.end == old.start && last.new.end == new.start => {
                (last.old.end, last.new.end) = (old.end, new.end);
            }
            _ => self.found.push(Stretch { old, new }),
        }
    }
}

/// Pairs of lines that occur once on each side, as many as keep their order on both.
fn fixed_points(old: &[usize], new: &[usize], kinds: usize) -> Vec<(usize, usize)> {
    #[derive(Clone, Copy)]
    enum Seen {
        Never,
        Once(usize),
        Often,
    }
    let places = |lines: &[usize]| {
        let mut seen = vec![Seen::Never; kinds];
        for (at, &kind) in lines.iter().enumerate() {
            seen[kind] = if matches!(seen[kind], Seen::Never) { Seen::Once(at) } else { Seen::Often };
        }
        seen
    };
    let (in_old, in_new) = (places(old), places(new));
    let pairs: Vec<(usize, usize)> = old
        .iter()
        .filter_map(|&kind| match (in_old[kind], in_new[kind]) {
            (Seen::Once(old), Seen::Once(new)) => Some((old, new)),
            _ => None,
        })
        .collect();
    // The longest run of pairs that ascends on the new side: `tails[n]` ends the best one of n + 1 pairs.
    let (mut tails, mut before): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::with_capacity(pairs.len()));
    for (at, pair) in pairs.iter().enumerate() {
        // Mostly in order.
        let length = match tails.last() {
            Some(&last) if pairs[last].1 < pair.1 => tails.len(),
            _ => tails.partition_point(|&tail| pairs[tail].1 < pair.1),
        };
        before.push(length.checked_sub(1).map(|shorter| tails[shorter]));
        if length == tails.len() { tails.push(at) } else { tails[length] = at }
    }
    let mut run: Vec<(usize, usize)> =
        std::iter::successors(tails.last().copied(), |&at| before[at]).map(|at| pairs[at]).collect();
    run.reverse();
    run
}

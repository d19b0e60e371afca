//! Where inserted or deleted lines stand when they repeat their surroundings: of all places that give the same text, the one
//! at which a reader expects a block to begin.

use std::ops::Range;

use super::align::Stretch;

/// One of two compared texts: its lines, and numbers that are equal where lines are.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub lines: &'a [&'a str],
    pub kinds: &'a [usize],
}

/// Moves runs of inserted or deleted lines. At least one equal line stays between two stretches, except that two runs of the
/// same kind become one where one of them can be moved up to the other over nothing but blank lines and brackets.
pub(super) fn slide(found: &mut Vec<Stretch>, old: Side<'_>, new: Side<'_>) {
    part(found, old, new);
    // In place: the first `done` stretches are finished.
    let mut done = 0;
    for at in 0..found.len() {
        if let Some(side) = run_side(&found[at], old, new) {
            let mut stretch = found[at].clone();
            if let Some(joined) = found[..done].last().and_then(|last| reunited(last, &stretch, side)) {
                stretch = joined;
                done -= 1;
            }
            let above = found[..done].last().map(|last| stretch.run().start - last.same_side(&stretch).end);
            let below = found.get(at + 1).map(|next| next.same_side(&stretch).start - stretch.run().end);
            settle(&mut stretch, side, above, below);
            found[done] = stretch;
        } else {
            found.swap(done, at);
        }
        done += 1;
    }
    found.truncate(done);
}

/// Parts a change at a block's end from a whole block that comes or goes behind it: both blocks end with the same bracket, and
/// the equal one may as well be the first one's.
fn part(found: &mut Vec<Stretch>, old: Side<'_>, new: Side<'_>) {
    let mut at = 0;
    while at < found.len() {
        // One equal line stays before the next stretch.
        let (after, next) = (found[at].old.end, found.get(at + 1).map(|next| next.old.start));
        let free = next.map_or(after < old.lines.len(), |next| next - after > 1);
        if free && closes(old.lines[after]) {
            let parts = parted(&found[at], old, new);
            if let Some((change, block)) = parts {
                found[at] = change;
                at += 1;
                found.insert(at, block);
            }
        }
        at += 1;
    }
}

/// The change at a block's end, and the block behind it; `None` when it is no such stretch.
fn parted(stretch: &Stretch, old: Side<'_>, new: Side<'_>) -> Option<(Stretch, Stretch)> {
    let Stretch { old: o, new: n } = stretch;
    if o.is_empty() || n.is_empty() {
        return None;
    }
    let behind = |end: usize, run: &Range<usize>| end + 1..run.end + 1;
    match (block_end(old, o), block_end(new, n)) {
        (None, Some(end)) => {
            let change = Stretch { old: o.clone(), new: n.start..end };
            Some((change, Stretch { old: o.end + 1..o.end + 1, new: behind(end, n) }))
        }
        (Some(end), None) => {
            let change = Stretch { old: o.start..end, new: n.clone() };
            Some((change, Stretch { old: behind(end, o), new: n.end + 1..n.end + 1 }))
        }
        _ => None,
    }
}

/// The first line of a run that equals the one behind the run and has a blank line behind it.
fn block_end(side: Side<'_>, run: &Range<usize>) -> Option<usize> {
    let last = side.kinds[run.end];
    run.clone().find(|&at| side.kinds[at] == last && at + 1 < run.end && is_blank(side.lines[at + 1]))
}

/// The side that has the lines, when the other has none.
fn run_side<'a>(stretch: &Stretch, old: Side<'a>, new: Side<'a>) -> Option<Side<'a>> {
    match (stretch.old.is_empty(), stretch.new.is_empty()) {
        (true, false) => Some(new),
        (false, true) => Some(old),
        _ => None,
    }
}

impl Stretch {
    /// The lines of an insertion or deletion.
    fn run(&self) -> &Range<usize> {
        if self.old.is_empty() { &self.new } else { &self.old }
    }

    /// This stretch on the side on which `other` has its lines.
    fn same_side(&self, other: &Stretch) -> &Range<usize> {
        if other.old.is_empty() { &self.new } else { &self.old }
    }

    fn moved(&self, by: isize) -> Stretch {
        let shift = |range: &Range<usize>| range.start.saturating_add_signed(by)..range.end.saturating_add_signed(by);
        Stretch { old: shift(&self.old), new: shift(&self.new) }
    }
}

/// How many lines a run can be moved up, at most `most`.
fn room_above(run: &Range<usize>, kinds: &[usize], most: usize) -> usize {
    (1..=most).take_while(|step| kinds[run.start - step] == kinds[run.end - step]).count()
}

/// How many lines a run can be moved down, at most `most`.
fn room_below(run: &Range<usize>, kinds: &[usize], most: usize) -> usize {
    (0..most).take_while(|step| kinds[run.start + step] == kinds[run.end + step]).count()
}

/// Both runs as one, when nothing but blank lines and brackets is between them and one can be moved over these.
fn reunited(first: &Stretch, second: &Stretch, side: Side<'_>) -> Option<Stretch> {
    const FAR: usize = 4;
    let alike = first.old.is_empty() == second.old.is_empty() && first.new.is_empty() == second.new.is_empty();
    if !alike {
        return None;
    }
    let (above, below) = (first.run(), second.run());
    let gap = below.start - above.end;
    if gap > FAR || !side.lines[above.end..below.start].iter().all(|line| is_trivial(line)) {
        return None;
    }
    let by = gap as isize;
    let (first, second) = if room_above(below, side.kinds, gap) == gap {
        (first.clone(), second.moved(-by))
    } else if room_below(above, side.kinds, gap) == gap {
        (first.moved(by), second.clone())
    } else {
        return None;
    };
    Some(Stretch { old: first.old.start..second.old.end, new: first.new.start..second.new.end })
}

/// Moves one run to its best place; `above` and `below` are the equal lines up to its neighbours, `None` without one.
fn settle(stretch: &mut Stretch, side: Side<'_>, above: Option<usize>, below: Option<usize>) {
    let run = stretch.run().clone();
    let most_up = above.map_or(run.start, |gap| gap.saturating_sub(1));
    let most_down = below.map_or(side.lines.len() - run.end, |gap| gap.saturating_sub(1));
    let up = room_above(&run, side.kinds, most_up);
    let down = room_below(&run, side.kinds, most_down);
    if up + down == 0 {
        return;
    }
    let lowest = run.start + down;
    let best = (0..=up + down).min_by_key(|step| (awkwardness(side.lines, lowest - step, run.len()), *step)).unwrap_or(down);
    *stretch = stretch.moved(down as isize - best as isize);
}

/// How badly a block of `length` lines begins at a line; less is better. A block does not begin with a closing bracket, begins
/// as far left as it can, behind a blank line or with one.
fn awkwardness(lines: &[&str], start: usize, length: usize) -> (bool, usize, u8) {
    const BLANKS: usize = 4;
    let first = lines[start..start + length].iter().take(BLANKS).find(|line| !is_blank(line)).unwrap_or(&lines[start]);
    let place = match start.checked_sub(1).map(|above| is_blank(lines[above])) {
        None | Some(true) => 0,
        Some(false) => 2 - u8::from(is_blank(lines[start])),
    };
    (closes(first), indent(first), place)
}

/// Nothing but blanks.
pub(super) fn is_blank(line: &str) -> bool {
    line.bytes().all(|byte| byte.is_ascii_whitespace())
}

/// No word in it: blank, or brackets and other signs. Such lines look the same all over a text.
pub(super) fn is_trivial(line: &str) -> bool {
    !line.bytes().any(|byte| byte.is_ascii_alphanumeric()) && !line.chars().any(super::words::is_word)
}

/// Whether a line ends a block.
fn closes(line: &str) -> bool {
    let line = line.trim_ascii_start();
    match line.as_bytes().first() {
        Some(b'}' | b')' | b']') => true,
        Some(b'<') => line.starts_with("</"),
        Some(b'e') => line.trim_ascii_end() == "end",
        _ => false,
    }
}

/// Columns before the first sign; a tab goes to the next multiple of four.
pub(super) fn indent(line: &str) -> usize {
    let blanks = line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t'));
    blanks.fold(0, |column, byte| if byte == b'\t' { column / 4 * 4 + 4 } else { column + 1 })
}

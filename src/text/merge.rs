//! Three-way merge of lines: two people changed the same text, and both changes are wanted.

use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::{
    align::{Stretch, align},
    diff::lines,
    words::{is_word, words},
};

/// `base` with the changes of both `ours` and `theirs`; `None` where they change the same thing differently. Changes of the
/// same lines go together when they change different words, with a word or sign between them, in only one possible reading.
pub fn merged(base: &str, ours: &str, theirs: &str) -> Option<String> {
    let (base, ours, theirs) = (lines(base), lines(ours), lines(theirs));
    weave(&base, &ours, &theirs, &align(&base, &ours), &align(&base, &theirs), lines_of_both)
}

/// Puts both sides' stretches together; `settle` decides what becomes of parts that both of them touch.
fn weave(
    base: &[&str],
    ours: &[&str],
    theirs: &[&str],
    our: &[Stretch],
    their: &[Stretch],
    settle: impl Fn(&[&str], &[&str], &[&str]) -> Option<String>,
) -> Option<String> {
    let mut out = String::new();
    // Where the three texts are; base lines before `at` are written.
    let (mut at, mut our_at, mut their_at) = (0, 0, 0);
    let (mut our, mut their) = (our.iter().peekable(), their.iter().peekable());
    loop {
        let start = match (our.peek(), their.peek()) {
            (Some(one), Some(other)) => one.old.start.min(other.old.start),
            (Some(one), None) | (None, Some(one)) => one.old.start,
            (None, None) => break,
        };
        out.extend(base[at..start].iter().copied());
        let (our_start, their_start) = (our_at + start - at, their_at + start - at);
        // Everything that touches, of both sides.
        let (mut end, mut mine, mut others) = (start, 0usize, 0usize);
        // Whether what was taken last is an insertion: its place is no line's.
        let mut point = true;
        let (mut our_end, mut their_end) = (None, None);
        loop {
            let reaches =
                |stretch: &&Stretch| stretch.old.start < end || (stretch.old.start == end && (point || stretch.old.is_empty()));
            let taken = if let Some(stretch) = our.next_if(|stretch| reaches(stretch)) {
                (mine, our_end) = (mine + 1, Some(stretch));
                stretch
            } else if let Some(stretch) = their.next_if(|stretch| reaches(stretch)) {
                (others, their_end) = (others + 1, Some(stretch));
                stretch
            } else {
                break;
            };
            (end, point) = (end.max(taken.old.end), taken.old.is_empty() && taken.old.end >= end);
        }
        // A side without a stretch here has the base's lines.
        our_at = our_end.map_or(our_start + end - start, |last| last.new.end + end - last.old.end);
        their_at = their_end.map_or(their_start + end - start, |last| last.new.end + end - last.old.end);
        let (b, o, t) = (&base[start..end], &ours[our_start..our_at], &theirs[their_start..their_at]);
        match (mine, others) {
            (_, 0) => out.extend(o.iter().copied()),
            (0, _) => out.extend(t.iter().copied()),
            _ if o == t => out.extend(o.iter().copied()),
            _ => out.push_str(&settle(b, o, t)?),
        }
        at = end;
    }
    out.extend(base[at..].iter().copied());
    Some(out)
}

/// Lines that both sides changed.
fn lines_of_both(base: &[&str], ours: &[&str], theirs: &[&str]) -> Option<String> {
    if base.len() == ours.len() && base.len() == theirs.len() {
        return base.iter().zip(ours).zip(theirs).map(|((base, ours), theirs)| word_by_word(base, ours, theirs)).collect();
    }
    // With lines added or removed on both sides nobody can say which belong together.
    if base.len() == ours.len() {
        around(base, ours, theirs)
    } else if base.len() == theirs.len() {
        around(base, theirs, ours)
    } else {
        None
    }
}

/// `kept` has changes within the lines, `grown` has lines more or fewer.
fn around(base: &[&str], kept: &[&str], grown: &[&str]) -> Option<String> {
    if base.iter().zip(kept).any(|(base, kept)| !akin(base, kept)) {
        return None;
    }
    let (mut out, mut at) = (String::new(), 0);
    for Stretch { old, new } in align(base, grown) {
        out.extend(kept[at..old.start].iter().copied());
        at = old.end;
        let mut rest = &grown[new];
        for line in old {
            // The one line that this one became; the others are new.
            let mut alike = rest.iter().enumerate().filter(|(_, other)| akin(base[line], other));
            match (alike.next(), alike.next()) {
                (Some((there, other)), None) => {
                    out.extend(rest[..there].iter().copied());
                    out.push_str(&word_by_word(base[line], kept[line], other)?);
                    rest = &rest[there + 1..];
                }
                (None, _) if base[line] == kept[line] => {}
                _ => return None,
            }
        }
        out.extend(rest.iter().copied());
    }
    out.extend(kept[at..].iter().copied());
    Some(out)
}

/// Whether one line could have become the other: at least half of the words are the same.
fn akin(one: &str, other: &str) -> bool {
    let named = |line| words(line).into_iter().filter(|word: &&str| word.starts_with(is_word)).collect::<Vec<_>>();
    let (one, mut other) = (named(one), named(other));
    let most = one.len().max(other.len());
    let common = one.iter().filter(|word| {
        let at = other.iter().position(|there| there == *word);
        at.inspect(|&at| _ = other.swap_remove(at)).is_some()
    });
    most > 0 && common.count() * 2 >= most
}

fn word_by_word(base: &str, ours: &str, theirs: &str) -> Option<String> {
    const LONG: usize = 400;
    if ours == theirs || base == theirs {
        return Some(ours.to_owned());
    }
    if base == ours {
        return Some(theirs.to_owned());
    }
    let (base, ours, theirs) = (words(base), words(ours), words(theirs));
    if base.len().max(ours.len()).max(theirs.len()) > LONG {
        return None;
    }
    weave(&base, &ours, &theirs, &readings(&base, &ours)?, &readings(&base, &theirs)?, |_, _, _| None)
}

/// What differs word by word, each stretch as wide as it may be read: `f(a)` becomes `f(a, a)` in two ways. `None` where the
/// readings from both ends have little to do with each other.
fn readings<'a>(old: &[&'a str], new: &[&'a str]) -> Option<Vec<Stretch>> {
    let reversed = |words: &[&'a str]| words.iter().rev().copied().collect::<Vec<_>>();
    let turned = |range: Range<usize>, length: usize| length - range.end..length - range.start;
    let from_right = read(&reversed(old), &reversed(new)).into_iter();
    let from_right =
        from_right.map(|stretch| Stretch { old: turned(stretch.old, old.len()), new: turned(stretch.new, new.len()) });
    let mut all = read(old, new);
    all.extend(from_right);
    all.sort_by_key(|stretch| (stretch.old.start, stretch.new.start));
    all.dedup_by(|next, wide| {
        let meets = next.old.start <= wide.old.end || next.new.start <= wide.new.end;
        if meets {
            wide.old = wide.old.start.min(next.old.start)..wide.old.end.max(next.old.end);
            wide.new = wide.new.start.min(next.new.start)..wide.new.end.max(next.new.end);
        }
        meets
    });
    let (mut old_at, mut new_at) = (0, 0);
    for stretch in &all {
        if old.get(old_at..stretch.old.start)? != new.get(new_at..stretch.new.start)? {
            return None;
        }
        (old_at, new_at) = (stretch.old.end, stretch.new.end);
    }
    (old[old_at..] == new[new_at..]).then_some(all)
}

/// What differs word by word, as read from the left.
fn read(old: &[&str], new: &[&str]) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, old, new).iter().filter(|op| op.tag() != DiffTag::Equal) {
        let (old, new) = (op.old_range(), op.new_range());
        match found.last_mut() {
            Some(last) if last.old.end == old.start && last.new.end == new.start => {
                (last.old.end, last.new.end) = (old.end, new.end);
            }
            _ => found.push(Stretch { old, new }),
        }
    }
    found
}

//! Differences between two texts: by whole lines for people, by characters for moving places along.

use super::{
    Edit, Text,
    align::{Stretch, align},
    join::join,
};

/// What turns `base` into `new`, as whole lines of `base`: ascending, disjoint, with an unchanged line between any two.
/// Applied together they give exactly `new`.
pub fn hunks(base: &Text, new: &Text) -> Vec<Edit> {
    if base == new { Vec::new() } else { line_diff(&base.to_string(), &new.to_string(), join) }
}

/// What turns `base` into `new` like [`hunks`], as few lines as possible: parts that a person reads as one change stay apart.
pub fn line_changes(base: &Text, new: &Text) -> Vec<Edit> {
    if base == new { Vec::new() } else { line_diff(&base.to_string(), &new.to_string(), apart) }
}

/// What turns `old` into `new`, cut down to the characters that differ: ascending, disjoint.
pub fn changes(old: &Text, new: &Text) -> Vec<Edit> {
    let mut edits = line_changes(old, new);
    for edit in &mut edits {
        trim(&old.slice(edit.range.clone()), edit);
    }
    edits
}

/// The smallest edits that do what `edit` does to `text`: an editor may send a whole document for one changed letter.
/// Ascending, disjoint, in `text`'s offsets; empty when nothing changes.
pub fn refine(text: &Text, mut edit: Edit) -> Vec<Edit> {
    edit.range.end = edit.range.end.min(text.len());
    edit.range.start = edit.range.start.min(edit.range.end);
    if edit.range.is_empty() || edit.new.is_empty() {
        return if edit.range.is_empty() && edit.new.is_empty() { Vec::new() } else { vec![edit] };
    }
    trim(&text.slice(edit.range.clone()), &mut edit);
    let old = text.slice(edit.range.clone());
    if old.is_empty() && edit.new.is_empty() {
        return Vec::new();
    }
    let several = |text: &str| text.contains(['\n', '\r']);
    if !(several(&old) && several(&edit.new)) {
        return vec![edit];
    }
    let mut parts = line_diff(&old, &edit.new, apart);
    for part in &mut parts {
        trim(&old[part.range.clone()], part);
        part.range = part.range.start + edit.range.start..part.range.end + edit.range.start;
    }
    parts
}

/// Takes off what `edit` replaces by itself at both ends; `old` is the text of its range.
fn trim(old: &str, edit: &mut Edit) {
    let head = old.chars().zip(edit.new.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum::<usize>();
    let (old, new) = (&old[head..], &edit.new[head..]);
    let tail = old.chars().rev().zip(new.chars().rev()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum::<usize>();
    edit.range = edit.range.start + head..edit.range.end - tail;
    edit.new = new[..new.len() - tail].to_owned();
}

/// Leaves stretches as they were found.
fn apart(_: &mut Vec<Stretch>, _: &[&str], _: &[&str]) {}

fn line_diff(old: &str, new: &str, group: impl Fn(&mut Vec<Stretch>, &[&str], &[&str])) -> Vec<Edit> {
    let head = common_head(old, new);
    let tail = common_tail(&old[head..], &new[head..]);
    // A block that repeats what stands around it may begin there.
    let head = lines_back(old.as_bytes(), head);
    let tail = old.len() - lines_on(old.as_bytes(), old.len() - tail);
    let (old_lines, new_lines) = (lines(&old[head..old.len() - tail]), lines(&new[head..new.len() - tail]));
    let (old_at, new_at) = (offsets(&old_lines, head), offsets(&new_lines, head));
    let edit = |stretch: Stretch| Edit {
        range: old_at[stretch.old.start]..old_at[stretch.old.end],
        new: new[new_at[stretch.new.start]..new_at[stretch.new.end]].to_owned(),
    };
    let mut found = align(&old_lines, &new_lines);
    group(&mut found, &old_lines, &new_lines);
    found.into_iter().map(edit).collect()
}

/// Equal lines at both ends that are looked at.
const CONTEXT: usize = 64;

/// The start of the line some lines before the one that starts at `at`.
fn lines_back(text: &[u8], mut at: usize) -> usize {
    for _ in 0..CONTEXT {
        while at > 0 {
            at -= 1;
            if starts_line(text, at) {
                break;
            }
        }
    }
    at
}

/// The start of the line some lines behind the one that starts at `at`.
fn lines_on(text: &[u8], mut at: usize) -> usize {
    for _ in 0..CONTEXT {
        while at < text.len() {
            at += 1;
            if starts_line(text, at) {
                break;
            }
        }
    }
    at
}

/// Bytes of whole lines that both texts begin with.
fn common_head(old: &str, new: &str) -> usize {
    let (old, new) = (old.as_bytes(), new.as_bytes());
    let mut end = common_bytes(old, new);
    while end > 0 && !(starts_line(old, end) && starts_line(new, end)) {
        end -= 1;
    }
    end
}

/// Bytes of whole lines that both texts end with.
fn common_tail(old: &str, new: &str) -> usize {
    let (old, new) = (old.as_bytes(), new.as_bytes());
    const BLOCK: usize = 64;
    let blocks = old.rchunks_exact(BLOCK).zip(new.rchunks_exact(BLOCK)).take_while(|(a, b)| a == b).count() * BLOCK;
    let rest = |text: &'_ [u8]| text.len() - blocks;
    let ends = old[..rest(old)].iter().rev().zip(new[..rest(new)].iter().rev());
    let mut tail = blocks + ends.take_while(|(a, b)| a == b).count();
    while tail > 0 && !(starts_line(old, old.len() - tail) && starts_line(new, new.len() - tail)) {
        tail -= 1;
    }
    tail
}

/// Length of the common beginning; by blocks first, so that it runs at the memory's speed.
fn common_bytes(old: &[u8], new: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let blocks = old.chunks_exact(BLOCK).zip(new.chunks_exact(BLOCK)).take_while(|(a, b)| a == b).count() * BLOCK;
    blocks + old[blocks..].iter().zip(&new[blocks..]).take_while(|(a, b)| a == b).count()
}

fn starts_line(text: &[u8], at: usize) -> bool {
    at == 0 || text[at - 1] == b'\n' || (text[at - 1] == b'\r' && text.get(at) != Some(&b'\n'))
}

/// The lines with their breaks; no empty line behind a final break.
pub(super) fn lines(text: &str) -> Vec<&str> {
    if !text.as_bytes().contains(&b'\r') {
        return text.split_inclusive('\n').collect();
    }
    let bytes = text.as_bytes();
    let (mut lines, mut start) = (Vec::new(), 0);
    for at in 1..=bytes.len() {
        if at == bytes.len() || starts_line(bytes, at) {
            lines.push(&text[start..at]);
            start = at;
        }
    }
    lines
}

fn offsets(lines: &[&str], from: usize) -> Vec<usize> {
    let mut at = from;
    std::iter::once(from)
        .chain(lines.iter().map(|line| {
            at += line.len();
            at
        }))
        .collect()
}

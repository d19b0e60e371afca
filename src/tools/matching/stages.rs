//! The four stages of the search for `old`.

use super::{
    Place, RefusalKind, Replacement, Stage,
    indent::IndentMap,
    source::{Source, line_feeds},
    splice::{self, Piece},
};

/// Why an edit has no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    Empty,
    Identical,
    NotFound,
    /// `new` stands at this zero-based line already, and `old` nowhere.
    AlreadyApplied(usize),
    /// Zero-based first lines of all places.
    Ambiguous(Vec<usize>),
    /// The place (zero-based first line) and the new line whose indentation is not derivable.
    Indentation(usize, String),
}

impl Miss {
    pub(super) fn kind(&self) -> RefusalKind {
        match self {
            Miss::Empty => RefusalKind::Empty,
            Miss::Identical => RefusalKind::Identical,
            Miss::NotFound => RefusalKind::NotFound,
            Miss::AlreadyApplied(_) => RefusalKind::AlreadyApplied,
            Miss::Ambiguous(_) => RefusalKind::Ambiguous,
            Miss::Indentation(..) => RefusalKind::Indentation,
        }
    }
}

/// Finds the place of an edit, or with `all` its exact places.
pub(super) fn find(source: &Source, edit: &Replacement) -> Result<Vec<Place>, Miss> {
    let (old, new) = (line_feeds(&edit.old), line_feeds(&edit.new));
    if old == new {
        return Err(Miss::Identical);
    }
    if old.is_empty() {
        return if source.is_empty() { Ok(vec![place(0..0, Stage::Exact, "", &new)]) } else { Err(Miss::Empty) };
    }
    if edit.all {
        let all: Vec<Place> =
            source.view().match_indices(&*old).map(|(at, _)| place(at..at + old.len(), Stage::Exact, &old, &new)).collect();
        return if all.is_empty() { Err(missing(source, &new)) } else { Ok(all) };
    }
    if let Some(found) = exact(source, &old, &new)? {
        return Ok(vec![found]);
    }
    // A final line break on both says "whole lines" and no more, so that it need not stand in the file.
    let whole_lines = old.ends_with('\n') && new.ends_with('\n');
    let (old, new) = match (old.strip_suffix('\n'), new.strip_suffix('\n')) {
        (Some(old), Some(new)) => (old, new),
        _ => (&*old, &*new),
    };
    if old.trim().is_empty() {
        return Err(missing(source, new));
    }
    if let Some(found) = trailing_blanks(source, old, new)? {
        return Ok(vec![found]);
    }
    if let Some(found) = indentation(source, old, new)? {
        return Ok(vec![found]);
    }
    if let Some(found) = typography(source, old, new, whole_lines)? {
        return Ok(vec![found]);
    }
    Err(missing(source, new))
}

fn place(range: std::ops::Range<usize>, stage: Stage, old: &str, new: &str) -> Place {
    let old: Vec<&str> = old.split('\n').collect();
    let pieces = splice::pieces(&old, &new.split('\n').collect::<Vec<_>>());
    Place { range, stage, old: old.into_iter().map(str::to_owned).collect(), pieces }
}

fn missing(source: &Source, new: &str) -> Miss {
    let new = new.trim_end_matches('\n');
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    // Inside a longer word it stands by chance.
    let by_itself = |at: &usize| {
        let (before, after) = (&source.view()[..*at], &source.view()[at + new.len()..]);
        let joined_before = in_word(before.chars().next_back()) && in_word(new.chars().next());
        let joined_after = in_word(after.chars().next()) && in_word(new.chars().next_back());
        !joined_before && !joined_after
    };
    let mut places = source.view().match_indices(new).map(|(at, _)| at).filter(by_itself);
    match (places.next(), places.next()) {
        (Some(at), None) if !new.trim().is_empty() => Miss::AlreadyApplied(source.line_at(at)),
        _ => Miss::NotFound,
    }
}

/// Start offsets of every occurrence, overlapping ones too, so that `aa` in `aaa` counts as ambiguous.
fn occurrences(text: &str, part: &str) -> Vec<usize> {
    let step = part.chars().next().map_or(1, char::len_utf8);
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(part)) {
        found.push(from + at);
        from += at + step;
    }
    found
}

fn only<T: Clone>(found: &[T], line_of: impl Fn(&T) -> usize) -> Result<Option<T>, Miss> {
    match found {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        many => Err(Miss::Ambiguous(many.iter().map(line_of).collect())),
    }
}

fn exact(source: &Source, old: &str, new: &str) -> Result<Option<Place>, Miss> {
    let found = occurrences(source.view(), old);
    Ok(only(&found, |at| source.line_at(*at))?.map(|at| place(at..at + old.len(), Stage::Exact, old, new)))
}

/// Every zero-based line at which all lines of `old` agree with the file's by `same`. A last empty line of `old` stands for the
/// start of the next line only.
fn windows<'o>(source: &Source, old: &'o str, same: impl Fn(&str, &str) -> bool) -> (Vec<&'o str>, Vec<usize>) {
    let lines: Vec<&str> = old.split('\n').collect();
    let whole = if lines.last() == Some(&"") { &lines[..lines.len() - 1] } else { &lines[..] };
    let last_start = (source.len() + 1).saturating_sub(lines.len());
    let starts =
        (0..last_start).filter(|start| whole.iter().enumerate().all(|(i, line)| same(line, source.line(start + i)))).collect();
    (lines, starts)
}

fn window_range(source: &Source, start: usize, lines: &[&str]) -> std::ops::Range<usize> {
    let mut range = source.view_of_lines(start..start + lines.len());
    if lines.last() == Some(&"") {
        range.end = source.view_of_lines(start + lines.len() - 1..start + lines.len()).start;
    }
    range
}

fn trailing_blanks(source: &Source, old: &str, new: &str) -> Result<Option<Place>, Miss> {
    let (lines, starts) = windows(source, old, |mine, file| mine.trim_end() == file.trim_end());
    Ok(only(&starts, |start| *start)?.map(|start| place(window_range(source, start, &lines), Stage::TrailingBlanks, old, new)))
}

fn indentation(source: &Source, old: &str, new: &str) -> Result<Option<Place>, Miss> {
    let (lines, starts) = windows(source, old, |mine, file| mine.trim() == file.trim());
    let mapped: Vec<(usize, IndentMap)> = starts
        .into_iter()
        .filter_map(|start| {
            let pairs = lines.iter().enumerate().map(|(i, line)| (*line, source.line(start + i)));
            IndentMap::between(pairs, source).map(|map| (start, map))
        })
        .collect();
    let found = only(&mapped.iter().map(|(start, _)| *start).collect::<Vec<_>>(), |start| *start)?;
    let Some((start, map)) = found.and_then(|start| mapped.into_iter().find(|(other, _)| *other == start)) else {
        return Ok(None);
    };
    let mut found = place(window_range(source, start, &lines), Stage::Indentation, old, new);
    for piece in &mut found.pieces {
        if let Piece::New { text, .. } = piece {
            *text = map.reindent(text).ok_or_else(|| Miss::Indentation(start, text.clone()))?;
        }
    }
    Ok(Some(found))
}

/// Quotes, dashes and spaces as one would type them; one character for one character.
pub(super) fn plain(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' | '\u{2032}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{2033}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{00a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        other => other,
    }
}

fn typography(source: &Source, old: &str, new: &str, whole_lines: bool) -> Result<Option<Place>, Miss> {
    if source.view().is_ascii() && old.is_ascii() {
        return Ok(None);
    }
    let flat: String = source.view().chars().map(plain).collect();
    let wanted: String = old.chars().map(plain).collect();
    let mut found = occurrences(&flat, &wanted);
    found.retain(|at| !whole_lines || matches!(flat[at + wanted.len()..].chars().next(), None | Some('\n')));
    let place_at = |at: usize| {
        // Both texts have the same characters in number, not in bytes.
        let before = flat[..at].chars().count();
        let length = wanted.chars().count();
        let mut offsets = source.view().char_indices().map(|(at, _)| at).chain([source.view().len()]).skip(before);
        let start = offsets.next()?;
        let end = offsets.nth(length - 1)?;
        Some(place(start..end, Stage::Typography, old, new))
    };
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(place_at(*one)),
        many => {
            let (mut line, mut from) = (0, 0);
            let lines = many.iter().map(|at| {
                line += flat[from..*at].matches('\n').count();
                from = *at;
                line
            });
            Err(Miss::Ambiguous(lines.collect()))
        }
    }
}

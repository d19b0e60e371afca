//! What a refusal shows: the nearest block and what differs, or all the places.

use std::{collections::HashMap, fmt::Write as _};

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{
    Replacement,
    source::Source,
    stages::{Miss, plain},
};

/// Most lines of a shown block, and most characters of a shown line.
const BLOCK_LINES: usize = 40;
const LINE_CHARS: usize = 200;
/// Most places that are listed.
const PLACES: usize = 10;
/// A line that stands at more places does not help to find the nearest block.
const COMMON: usize = 200;

/// The sentence and picture for the model.
pub(super) fn explain(path: &str, source: &Source, edit: &Replacement, miss: &Miss) -> String {
    match miss {
        Miss::Empty => {
            "old is empty; to insert text, take a line that is there as old and repeat it in new; write_file makes new files"
                .into()
        }
        Miss::Identical => "old and new are identical; there is nothing to change".into(),
        Miss::AlreadyApplied(line) => format!(
            "old is not in {path}, but new already stands at line {}: this edit seems to be applied already. Read the file before you go on",
            line + 1
        ),
        Miss::Ambiguous(lines) => ambiguous(path, source, lines),
        Miss::Indentation(line, new) => format!(
            "old is in {path} at line {} with other indentation, and the indentation of the new line {:?} does not follow from it; \
             write old and new with the file's own indentation:\n{}",
            line + 1,
            shorten(new),
            numbered(source, *line, edit.old.lines().count())
        ),
        Miss::NotFound => not_found(path, source, edit),
    }
}

fn ambiguous(path: &str, source: &Source, lines: &[usize]) -> String {
    let mut out = format!("old stands at {} places in {path}:\n", lines.len());
    for line in lines.iter().take(PLACES) {
        let _ = writeln!(out, "{:>6}| {}", line + 1, shorten(source.line(*line)));
    }
    if lines.len() > PLACES {
        let _ = writeln!(out, "       and {} more", lines.len() - PLACES);
    }
    out.push_str("Add lines around the one that you mean, or set all to true to change every exact occurrence");
    out
}

fn not_found(path: &str, source: &Source, edit: &Replacement) -> String {
    let old: Vec<&str> = edit.old.lines().collect();
    let mut out = format!("old is not in {path}");
    if edit.all {
        out.push_str(" exactly (all takes exact matches only)");
    }
    if edit.old.contains("\\n") && source.view().contains(&edit.old.replace("\\n", "\n").replace("\\\"", "\"")) {
        out.push_str(". It is there once escapes are undone: write real line breaks and quotes, not \\n and \\\"");
        return out;
    }
    let bare = unnumbered(&old);
    if let Some(bare) = &bare {
        out.push_str(". It has the numbers and bars of read_file; leave them out");
        if source.view().contains(&bare.join("\n")) {
            return out;
        }
    }
    let old = bare.unwrap_or(old);
    let Some((start, same)) = nearest(source, &old) else {
        out.push_str(", and no line of it is; read the file again");
        return out;
    };
    let _ = writeln!(
        out,
        ". The nearest place is line {} ({same} of {} lines agree, blanks aside); - is the file, + is your old:",
        start + 1,
        old.len()
    );
    difference(&mut out, source, start, &old);
    if old.iter().any(|line| matches!(line.trim(), "..." | "…" | "// ..." | "# ...")) {
        out.push_str("... stands for no lines here: make several edits, or write all lines. ");
    }
    out.push_str("Repeat the call with the file's own lines");
    out
}

/// The lines without the `NUMBER|` of read_file, if all but blank ones have it.
fn unnumbered<'t>(old: &[&'t str]) -> Option<Vec<&'t str>> {
    let bare = |line: &&'t str| {
        let rest = line.trim_start().trim_start_matches(['+', '-']).trim_start_matches(|c: char| c.is_ascii_digit());
        if line.trim().is_empty() { Some(*line) } else { rest.strip_prefix('|').filter(|_| numbered_start(line)) }
    };
    let lines: Vec<&str> = old.iter().map(bare).collect::<Option<_>>()?;
    old.iter().any(|line| !line.trim().is_empty()).then_some(lines)
}

fn numbered_start(line: &str) -> bool {
    line.trim_start().trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit())
}

/// First line and number of agreeing lines of the window that agrees most with `old`, blanks and typography aside. With no
/// agreeing line, the line that shares the most words with the longest line of `old`.
fn nearest(source: &Source, old: &[&str]) -> Option<(usize, usize)> {
    let flat = |line: &str| line.trim().chars().map(plain).collect::<String>();
    let wanted: Vec<String> = old.iter().map(|line| flat(line)).collect();
    let file: Vec<String> = (0..source.len()).map(|line| flat(source.line(line))).collect();
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, line) in file.iter().enumerate() {
        places.entry(line).or_default().push(at);
    }
    // A line that stands everywhere says nothing about the place, and a long one more than a brace.
    places.retain(|_, at| at.len() <= COMMON);
    let mut score = vec![(0usize, 0usize); file.len()];
    for (offset, line) in wanted.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        for at in places.get(line.as_str()).into_iter().flatten().filter(|at| **at >= offset) {
            score[at - offset].0 += line.len();
            score[at - offset].1 += 1;
        }
    }
    let best = score.iter().enumerate().max_by_key(|(at, score)| (**score, std::cmp::Reverse(*at)))?;
    if best.1.1 > 0 {
        return Some((best.0, best.1.1));
    }
    let (offset, longest) = wanted.iter().enumerate().max_by_key(|(_, line)| line.len())?;
    let words = |line: &str| -> Vec<String> {
        line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word.len() > 2).map(str::to_owned).collect()
    };
    let mine = words(longest);
    let shared = |line: &str| words(line).iter().filter(|word| mine.contains(word)).count();
    let (at, shared) =
        file.iter().enumerate().map(|(at, line)| (at, shared(line))).max_by_key(|(at, n)| (*n, std::cmp::Reverse(*at)))?;
    (shared > 0).then(|| (at.saturating_sub(offset), 0))
}

fn difference(out: &mut String, source: &Source, start: usize, old: &[&str]) {
    let end = (start + old.len()).min(source.len());
    let file: Vec<&str> = (start..end).map(|line| source.line(line)).collect();
    let mut shown = 0;
    let mut show = |mark: char, line: Option<usize>, text: &str| {
        shown += 1;
        if shown <= BLOCK_LINES {
            let number = line.map_or_else(String::new, |line| (line + 1).to_string());
            let _ = writeln!(out, "{mark}{number:>5}| {}", visible(text));
        }
    };
    for op in capture_diff_slices(Algorithm::Myers, &file, old) {
        match op {
            DiffOp::Equal { old_index, len, .. } => {
                (old_index..old_index + len).for_each(|i| show(' ', Some(start + i), file[i]));
            }
            DiffOp::Delete { old_index, old_len, .. } => {
                (old_index..old_index + old_len).for_each(|i| show('-', Some(start + i), file[i]));
            }
            DiffOp::Insert { new_index, new_len, .. } => {
                old[new_index..new_index + new_len].iter().for_each(|line| show('+', None, line))
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                (old_index..old_index + old_len).for_each(|i| show('-', Some(start + i), file[i]));
                old[new_index..new_index + new_len].iter().for_each(|line| show('+', None, line));
            }
        }
    }
    if shown > BLOCK_LINES {
        let _ = writeln!(out, "       {} more lines", shown - BLOCK_LINES);
    }
}

fn numbered(source: &Source, start: usize, count: usize) -> String {
    (start..(start + count.min(BLOCK_LINES)).min(source.len())).fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "{:>6}| {}", line + 1, visible(source.line(line)));
        out
    })
}

/// A line with its trailing blanks counted, since they are often the whole difference.
fn visible(line: &str) -> String {
    let body = line.trim_end_matches([' ', '\t']);
    let trailing = line.len() - body.len();
    let mut out = shorten(body);
    if trailing > 0 {
        let _ = write!(out, "  [{trailing} trailing blanks]");
    }
    out
}

fn shorten(line: &str) -> String {
    match line.char_indices().nth(LINE_CHARS) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line.to_owned(),
    }
}

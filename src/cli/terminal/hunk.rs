//! How one change looks: its file and place, the lines around it, and the words that differ.

use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::{
    edits::{ENCODING, Texts},
    screen::{Screen, Tone},
    shown::{File, Hunk},
};
use crate::{
    cli::printable::printable,
    proposal::HunkKind,
    text::{self, Text},
};

/// Lines of context on each side.
const AROUND: usize = 3;
/// Lines of a change that are shown unless all are asked for.
const MOST: usize = 60;
/// Above this many words on a side nobody looks for single ones.
const WORDS: usize = 4_000;

/// Shows a change; `all` shows even a very long one to its end.
pub fn show(screen: &mut Screen, texts: &Texts, file: &File, hunk: &Hunk, all: bool) {
    let name = printable(file.path.as_str()).into_owned();
    if hunk.is_whole() {
        let what = match hunk.kind {
            HunkKind::Create => format!("new file {name}"),
            HunkKind::Delete => format!("delete {name}"),
            HunkKind::Move => format!("move {name} to {}", printable(&target(file))),
            HunkKind::Mode | HunkKind::Lines => format!("mode of {name}"),
        };
        screen.line(&screen.paint(Tone::Strong, &what));
        if let Some(mode) = &hunk.mode {
            screen.say(Tone::Removed, &format!("old mode {}", printable(&mode.old)));
            screen.say(Tone::Added, &format!("new mode {}", printable(&mode.new)));
        }
        if let Some(binary) = &file.binary {
            screen.say(Tone::Quiet, &printable(&binary.words));
        }
        return lines(screen, hunk, all);
    }
    let text = texts.text(&file.path).unwrap_or_default();
    let (first, end) = (hunk.range.start.line as usize, text.offset(hunk.range.end, ENCODING));
    // A last line without an end is the hunk's own, though the hunk ends in it.
    let last = text.line_of(end) + usize::from(!text.is_line_start(end));
    let place = if hunk.old_text.is_empty() { format!("after line {first}") } else { format!("line {}", first + 1) };
    screen.line(&format!("{} {}", screen.paint(Tone::Strong, &name), screen.paint(Tone::Quiet, &place)));
    for number in first.saturating_sub(AROUND)..first {
        context(screen, &text, number);
    }
    lines(screen, hunk, all);
    let after = last..(last + AROUND).min(text.lines());
    for number in after {
        if number + 1 < text.lines() || text.line_start(number) < text.len() {
            context(screen, &text, number);
        }
    }
}

fn target(file: &File) -> String {
    file.to.as_deref().and_then(|uri| uri.rsplit('/').next()).unwrap_or("another name").to_owned()
}

fn context(screen: &mut Screen, text: &Text, number: usize) {
    let line = text.slice(text.line_start(number)..text.line_start(number + 1));
    screen.say(Tone::Quiet, &format!("  {}", shown(line.trim_end_matches(['\n', '\r']))));
}

fn lines(screen: &mut Screen, hunk: &Hunk, all: bool) {
    let (old, new) = words(&hunk.old_text, &hunk.new_text);
    let old = split(&old);
    let new = split(&new);
    // A carriage return that every line has is no difference worth a mark.
    let crlf = old.iter().chain(&new).all(|line| line.iter().any(|(_, text)| text.ends_with('\r')));
    let most = if all { usize::MAX } else { MOST };
    for (sign, side, tone, strong) in [('-', &old, Tone::Removed, Tone::RemovedWord), ('+', &new, Tone::Added, Tone::AddedWord)] {
        for line in side.iter().take(most) {
            let mut painted = screen.paint(tone, &format!("{sign} "));
            for (differs, text) in line {
                let text = if crlf { text.trim_end_matches('\r') } else { text };
                painted.push_str(&screen.paint(if *differs { strong } else { tone }, &shown(text)));
            }
            screen.line(&painted);
        }
        if side.len() > most {
            screen.say(Tone::Quiet, &format!("  … {} more lines; p prints them all", side.len() - most));
        }
    }
    if !hunk.new_text.is_empty() && !hunk.new_text.ends_with(['\n', '\r']) {
        screen.say(Tone::Quiet, "  (no line end at the end of the file)");
    }
}

/// Tabs stand, so that indentation looks as it is.
fn shown(text: &str) -> String {
    text.split('\t').map(printable).collect::<Vec<_>>().join("\t")
}

type Piece<'a> = (bool, &'a str);

/// Both texts in pieces that say whether they differ. Where almost nothing is common, single words say nothing.
fn words<'a>(old: &'a str, new: &'a str) -> (Vec<Piece<'a>>, Vec<Piece<'a>>) {
    let (a, b) = (text::words(old), text::words(new));
    let plain = || (vec![(false, old)], vec![(false, new)]);
    if old.is_empty() || new.is_empty() || a.len() > WORDS || b.len() > WORDS {
        return plain();
    }
    let (mut left, mut right, mut common) = (Vec::new(), Vec::new(), 0);
    for op in capture_diff_slices(Algorithm::Myers, &a, &b) {
        let same = op.tag() == DiffTag::Equal;
        for token in &a[op.old_range()] {
            common += if same { token.trim().len() } else { 0 };
            left.push((!same, *token));
        }
        right.extend(b[op.new_range()].iter().map(|token| (!same, *token)));
    }
    if common * 3 < old.len().max(new.len()) { plain() } else { (left, right) }
}

/// The pieces of each line, without line ends.
fn split<'a>(pieces: &[Piece<'a>]) -> Vec<Vec<Piece<'a>>> {
    let mut out: Vec<Vec<Piece<'a>>> = Vec::new();
    let mut open = false;
    for (differs, text) in pieces {
        for part in text.split_inclusive('\n') {
            if !std::mem::replace(&mut open, true) {
                out.push(Vec::new());
            }
            let body = part.strip_suffix('\n');
            if let Some(line) = out.last_mut() {
                line.push((*differs, body.unwrap_or(part)));
            }
            open = body.is_none();
        }
    }
    out
}

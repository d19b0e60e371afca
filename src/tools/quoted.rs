//! Words of other programs (language servers, through the editor) on their way to the model: bounded, nothing hidden in them,
//! and quoted, so that they read as material and never as somebody's word.

use super::ToolResult;
use crate::{
    path,
    seams::{Insight, Line, Lines, Told},
};

use super::Context;

/// What the editor can be asked.
pub(super) fn insight<'a>(cx: &'a Context<'_>) -> Result<&'a dyn Insight, ToolResult> {
    cx.editor.insight().ok_or_else(|| ToolResult::error("there is no editor that could tell; go on with search and read_file"))
}

/// One line in quotes with at most `most` characters.
pub(super) fn quoted(words: &str, most: usize) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = line.chars().filter(|c| !path::hidden(*c)).take(most + 1).collect();
    if shown.chars().count() > most {
        shown.pop();
        shown.push('…');
    }
    format!("{shown:?}")
}

/// Several lines, each behind a bar, with at most `most` bytes.
pub(super) fn barred(words: &str, most: usize) -> String {
    let mut out = String::new();
    for line in words.trim().lines() {
        if out.len() + line.len() > most {
            out.push_str("[cut]\n");
            break;
        }
        out.push_str("| ");
        out.extend(line.chars().filter(|c| *c == '\t' || !path::hidden(*c)));
        out.push('\n');
    }
    out
}

/// A line's number, or the hunk that hides it.
pub(super) fn line(line: &Line) -> String {
    match line {
        Line::At(number) => number.to_string(),
        Line::Under(hunk) => format!("(under your hunk {hunk})"),
    }
}

/// `3` or `3-5`.
pub(super) fn lines(lines: &Lines) -> String {
    if lines.first == lines.last { line(&lines.first) } else { format!("{}-{}", line(&lines.first), line(&lines.last)) }
}

/// What must be known to read an answer of language servers, as sentences at its end.
pub(super) fn caveats<T>(told: &Told<T>) -> String {
    let mut out = String::new();
    if told.without_hunks {
        out.push_str("\n[of the user's text: the editor's language servers do not see your pending hunks; run shows what checks say with them]");
    }
    if told.moved {
        out.push_str("\n[the text changed while the editor answered; lines may be off]");
    }
    out
}

/// Left out because of the policy, in a sentence of its own.
pub(super) fn kept_back(count: usize, what: &str) -> String {
    if count == 0 { String::new() } else { format!("\n[{count} {what} left out: the policy keeps those files from you]") }
}

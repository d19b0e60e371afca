//! Text from models, files and repositories on its way to a dialog or a message: nothing in it may hide, reorder, or be more than
//! text.

use crate::path;

/// One line in which everything can be seen: line ends as `⏎`, hidden characters (controls, bidi, zero width) as escapes, and no
/// `[..](..)` that an editor would show as a link to click, for its own commands among others.
pub fn plain(text: &str) -> String {
    let text = text.trim().replace("\r\n", "\n");
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push_str(if before == ' ' { "⏎ " } else { " ⏎ " }),
            '\t' => out.push(' '),
            '(' if before == ']' => out.push_str(" ("),
            c if path::hidden(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
        before = if c == '\n' { ' ' } else { c };
    }
    out
}

/// The same with at most about `most` characters: start and end stand, and the cut says how much is missing.
pub fn brief(text: &str, most: usize) -> String {
    let line = plain(text);
    let count = line.chars().count();
    if count <= most {
        return line;
    }
    let (start, end) = (most * 2 / 3, most / 4);
    let head: String = line.chars().take(start).collect();
    let tail: String = line.chars().skip(count - end).collect();
    let cut = format!("{head} […{} more characters…] {tail}", count - start - end);
    // Nothing is won by hiding fewer characters than it takes to say so.
    if cut.chars().count() < count { cut } else { line }
}

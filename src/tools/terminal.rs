//! A command's bytes as text for a reader: no escapes, no redrawn progress lines, and not too much of it.

/// Text without terminal escapes and control characters; of a line that redraws itself only the last state stays; bytes that
/// are not UTF-8 become replacement marks.
pub fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut line_start = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\n' => {
                out.push('\n');
                line_start = out.len();
            }
            '\r' => {
                while chars.peek() == Some(&'\r') {
                    chars.next();
                }
                // Before a line feed it only ends the line; at the very end the line stays as it was drawn.
                if chars.peek().is_some_and(|next| *next != '\n') {
                    out.truncate(line_start);
                }
            }
            '\u{8}' => {
                if out.len() > line_start {
                    out.pop();
                }
            }
            '\t' => out.push('\t'),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Reads over the rest of an escape sequence: CSI up to its final byte, OSC and other strings up to BEL or ST, else one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        Some(c) if ('\u{20}'..='\u{2f}').contains(&c) => {
            chars.next();
        }
        _ => {}
    }
}

/// The first `head` and last `tail` bytes of a text in whole lines, and what lies between as (lines, bytes). A single line that
/// is longer is cut inside.
pub fn ends(text: &str, head: usize, tail: usize) -> (&str, Option<(usize, usize)>, &str) {
    if text.len() <= head + tail {
        return (text, None, "");
    }
    let front = &text[..floor(text, head)];
    let first = front.rfind('\n').map_or(front, |at| &front[..=at]);
    let back_at = ceil(text, text.len() - tail);
    let back = &text[back_at..];
    let last = back.find('\n').filter(|at| at + 1 < back.len()).map_or(back, |at| &back[at + 1..]);
    let between = &text[first.len()..text.len() - last.len()];
    (first, Some((between.lines().count(), between.len())), last)
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

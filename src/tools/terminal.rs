//! A command's bytes as text for a reader: no escapes, no redrawn progress lines, and not too much of it.

/// Text without terminal escapes and control characters; of a line that redraws itself only the last state stays; bytes that
/// are not UTF-8 become replacement marks; characters that turn the direction of text are spelled out.
pub fn clean(bytes: &[u8]) -> String {
    let (mut cleaner, mut out) = (Cleaner::default(), String::with_capacity(bytes.len()));
    cleaner.push(bytes, &mut out);
    cleaner.flush(&mut out);
    out
}

/// A line longer than this is passed on in parts; bytes.
const LINE: usize = 8 << 10;

/// [`clean`] for bytes that come in pieces, cut anywhere.
#[derive(Debug, Default)]
pub struct Cleaner {
    /// The beginning of a character that is not whole yet.
    partial: Vec<u8>,
    escape: Escape,
    /// The line that is being drawn.
    line: String,
    /// A part of it was passed on already.
    begun: bool,
    /// The next character draws the line anew, unless it ends it.
    returned: bool,
}

/// Where in an escape sequence the next character stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    Outside,
    /// After the escape character.
    Begun,
    /// One more character belongs to it.
    Last,
    /// Control sequences end with their final byte.
    Control,
    /// Titles and other strings end with BEL or ST, and with the line at the latest: nobody hides the rest of an output.
    String,
    /// After the escape character of ST.
    StringEnd,
}

impl Cleaner {
    /// Appends to `out` what is sure to stay.
    pub fn push(&mut self, bytes: &[u8], out: &mut String) {
        let joined;
        let mut rest = if self.partial.is_empty() {
            bytes
        } else {
            self.partial.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.partial);
            &joined
        };
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => return self.text(text, out),
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    self.text(std::str::from_utf8(good).unwrap_or_default(), out);
                    match error.error_len() {
                        Some(length) => {
                            self.char(char::REPLACEMENT_CHARACTER, out);
                            rest = &bad[length..];
                        }
                        None => {
                            self.partial = bad.to_vec();
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Passes on the line as it is drawn now, without its end.
    pub fn flush(&mut self, out: &mut String) {
        if !std::mem::take(&mut self.partial).is_empty() {
            self.char(char::REPLACEMENT_CHARACTER, out);
        }
        self.begun |= !self.line.is_empty();
        out.push_str(&self.line);
        self.line.clear();
    }

    fn text(&mut self, mut text: &str, out: &mut String) {
        while let Some(c) = text.chars().next() {
            if self.escape != Escape::Outside || self.returned || c == '\r' {
                self.char(c, out);
                text = &text[c.len_utf8()..];
                continue;
            }
            // Most output is plain: whole lines at once.
            let plain = text.bytes().position(|byte| !matches!(byte, b' '..=b'~' | b'\n')).unwrap_or(text.len());
            let (lines, rest) = text[..plain].rsplit_once('\n').map_or(("", &text[..plain]), |(lines, rest)| (lines, rest));
            if lines.len() + rest.len() < plain {
                out.push_str(&self.line);
                out.push_str(lines);
                out.push('\n');
                self.line.clear();
                self.begun = false;
            }
            self.line.push_str(rest);
            if self.line.len() >= LINE {
                out.push_str(&self.line);
                self.line.clear();
                self.begun = true;
            }
            // Padding may be gigabytes.
            text = text[plain..].trim_start_matches('\0');
            if let Some(c) = text.chars().next() {
                self.char(c, out);
                text = &text[c.len_utf8()..];
            }
        }
    }

    fn char(&mut self, c: char, out: &mut String) {
        if self.escape != Escape::Outside && self.escaped(c) {
            return;
        }
        if std::mem::take(&mut self.returned) && !matches!(c, '\n' | '\r') {
            self.line.clear();
            if std::mem::take(&mut self.begun) {
                out.push('\n');
            }
        }
        match c {
            '\u{1b}' => self.escape = Escape::Begun,
            '\n' => {
                out.push_str(&self.line);
                out.push('\n');
                self.line.clear();
                self.begun = false;
            }
            '\r' => self.returned = true,
            '\u{8}' => drop(self.line.pop()),
            '\t' => self.line.push('\t'),
            c if c.is_control() => {}
            c if turns(c) => self.line.extend(c.escape_unicode()),
            c => self.line.push(c),
        }
        if self.line.len() >= LINE {
            out.push_str(&self.line);
            self.line.clear();
            self.begun = true;
        }
    }

    /// Whether the character belongs to the escape sequence.
    fn escaped(&mut self, c: char) -> bool {
        let (next, belongs) = match (self.escape, c) {
            (Escape::Begun, '[') => (Escape::Control, true),
            (Escape::Begun, ']' | 'P' | 'X' | '^' | '_') => (Escape::String, true),
            (Escape::Begun, '\u{20}'..='\u{2f}') => (Escape::Last, true),
            (Escape::Control, '\u{20}'..='\u{3f}') => (Escape::Control, true),
            (Escape::String | Escape::StringEnd, '\n') => (Escape::Outside, false),
            (Escape::String, '\u{7}') | (Escape::StringEnd, '\\') => (Escape::Outside, true),
            (Escape::String | Escape::StringEnd, '\u{1b}') => (Escape::StringEnd, true),
            (Escape::String | Escape::StringEnd, _) => (Escape::String, true),
            // A control character breaks a sequence off.
            (_, c) => (Escape::Outside, !c.is_control()),
        };
        self.escape = next;
        belongs
    }
}

/// Makes what follows read in the other direction.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first `head` and last `tail` bytes of a text in whole lines, and what lies between as (lines, bytes). Where whole lines
/// would leave out more than half of either, a line is cut inside.
pub fn ends(text: &str, head: usize, tail: usize) -> (&str, Option<(usize, usize)>, &str) {
    if text.len() <= head + tail {
        return (text, None, "");
    }
    let front = &text[..text.floor_char_boundary(head)];
    let first = front.rfind('\n').map(|at| &front[..=at]).filter(|lines| lines.len() >= head / 2).unwrap_or(front);
    let back_at = text.ceil_char_boundary(text.len() - tail);
    let back = &text[back_at..];
    let last =
        back.find('\n').map(|at| &back[at + 1..]).filter(|lines| !lines.is_empty() && lines.len() >= tail / 2).unwrap_or(back);
    let between = &text[first.len()..text.len() - last.len()];
    (first, Some((between.lines().count(), between.len())), last)
}

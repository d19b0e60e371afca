//! A text as lines that end in line feeds, with the way back to its own bytes.

use std::{borrow::Cow, ops::Range};

/// One line of the original.
struct Line {
    /// Byte range of its characters without the line end, in the original.
    start: usize,
    end: usize,
    /// Offset of its first byte in the line-feed view.
    view: usize,
}

/// A text, its view with `\n` at every line end, and the map between both.
pub struct Source<'a> {
    original: &'a str,
    view: Cow<'a, str>,
    lines: Vec<Line>,
    /// The line end that new lines get.
    ending: &'a str,
}

impl<'a> Source<'a> {
    /// Reads the lines of a text; `\n`, `\r\n` and `\r` end one.
    pub fn new(original: &'a str) -> Self {
        let bytes = original.as_bytes();
        let (mut lines, mut start, mut view, mut at) = (Vec::new(), 0, 0, 0);
        let mut counts = [0usize; 3];
        while at < bytes.len() {
            let length = match bytes[at] {
                b'\r' if bytes.get(at + 1) == Some(&b'\n') => 2,
                b'\r' | b'\n' => 1,
                _ => 0,
            };
            if length == 0 {
                at += 1;
                continue;
            }
            counts[if length == 2 { 1 } else { usize::from(bytes[at] == b'\r') * 2 }] += 1;
            lines.push(Line { start, end: at, view });
            view += at - start + 1;
            at += length;
            start = at;
        }
        lines.push(Line { start, end: bytes.len(), view });
        let ending = if counts[1] > counts[0] && counts[1] >= counts[2] {
            "\r\n"
        } else if counts[2] > counts[0] {
            "\r"
        } else {
            "\n"
        };
        Source { original, view: line_feeds(original), lines, ending }
    }

    /// The text with `\n` at every line end.
    pub fn view(&self) -> &str {
        &self.view
    }

    /// The line end that new lines get: the most frequent one.
    pub fn ending(&self) -> &'a str {
        self.ending
    }

    /// Number of lines; a final line break opens one more, empty line.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether the text has no character.
    pub fn is_empty(&self) -> bool {
        self.original.is_empty()
    }

    /// The characters of a zero-based line, without its end.
    pub fn line(&self, index: usize) -> &'a str {
        self.lines.get(index).map_or("", |line| &self.original[line.start..line.end])
    }

    /// The line end after a zero-based line as it stands in the file; empty after the last.
    pub fn ending_after(&self, index: usize) -> &'a str {
        match (self.lines.get(index), self.lines.get(index + 1)) {
            (Some(line), Some(next)) => &self.original[line.end..next.start],
            _ => "",
        }
    }

    /// Zero-based line that holds an offset of the view.
    pub fn line_at(&self, view: usize) -> usize {
        self.lines.partition_point(|line| line.view <= view).saturating_sub(1)
    }

    /// The range of whole lines in the view, without the end of the last.
    pub fn view_of_lines(&self, lines: Range<usize>) -> Range<usize> {
        let Some((first, last)) = self.lines.get(lines.start).zip(self.lines.get(lines.end.saturating_sub(1))) else {
            return self.view.len()..self.view.len();
        };
        first.view..last.view + (last.end - last.start)
    }

    /// Where a range of the view lies in the original.
    pub fn original(&self, view: &Range<usize>) -> Range<usize> {
        self.offset(view.start)..self.offset(view.end)
    }

    fn offset(&self, view: usize) -> usize {
        let line = &self.lines[self.line_at(view)];
        line.start + (view - line.view)
    }
}

/// The same text with `\n` for every `\r\n` and `\r`.
pub fn line_feeds(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { Cow::Borrowed(text) }
}

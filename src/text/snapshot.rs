//! A document's text at one moment, and positions in it.

use std::{fmt, ops::Range};

use ropey::Rope;
use serde::{Deserialize, Serialize};

/// How a client counts the characters of a line (LSP `positionEncoding`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "utf-16")]
    Utf16,
    #[serde(rename = "utf-32")]
    Utf32,
}

/// A place as LSP writes it: zero-based line, and units of an [`Encoding`] from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Point {
    pub line: u32,
    pub character: u32,
}

/// Replace the bytes of `range` by `new`. Ranges are byte offsets on character boundaries of the text they belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    pub range: Range<usize>,
    pub new: String,
}

/// An immutable text, cheap to clone. Lines end at `\n`, `\r\n` and `\r`, as in LSP.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text(Rope);

impl Text {
    /// A text of these characters.
    pub fn new(text: &str) -> Self {
        Text(Rope::from_str(text))
    }

    /// The rope behind it, for slices without copying.
    pub fn rope(&self) -> &Rope {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len_bytes()
    }

    /// Whether there is no character in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of lines; a final line break opens one more, empty line.
    pub fn lines(&self) -> usize {
        self.0.len_lines()
    }

    /// The characters of a byte range, clamped to the text.
    pub fn slice(&self, range: Range<usize>) -> String {
        let end = range.end.min(self.len());
        self.0.byte_slice(range.start.min(end)..end).to_string()
    }

    /// Byte offset of the start of a zero-based line; the text's end for lines beyond it.
    pub fn line_start(&self, line: usize) -> usize {
        if line >= self.lines() { self.len() } else { self.0.line_to_byte(line) }
    }

    /// Zero-based line that holds a byte offset.
    pub fn line_of(&self, offset: usize) -> usize {
        self.0.byte_to_line(offset.min(self.len()))
    }

    /// The byte offset of a point; beyond a line's end means its end, beyond the text means the text's end.
    pub fn offset(&self, at: Point, encoding: Encoding) -> usize {
        let line = at.line as usize;
        if line >= self.lines() {
            return self.len();
        }
        let start = self.0.line_to_char(line);
        let mut end = if line + 1 < self.lines() { self.0.line_to_char(line + 1) } else { self.0.len_chars() };
        while end > start && matches!(self.0.char(end - 1), '\n' | '\r') {
            end -= 1;
        }
        let units = at.character as usize;
        let char = match encoding {
            Encoding::Utf32 => start + units,
            Encoding::Utf16 => {
                let base = self.0.char_to_utf16_cu(start);
                self.0.utf16_cu_to_char((base + units).min(self.0.len_utf16_cu()))
            }
            Encoding::Utf8 => {
                let base = self.0.char_to_byte(start);
                self.0.byte_to_char((base + units).min(self.len()))
            }
        };
        self.0.char_to_byte(char.min(end))
    }

    /// The point of a byte offset, clamped to the text.
    pub fn point(&self, offset: usize, encoding: Encoding) -> Point {
        let offset = offset.min(self.len());
        let line = self.0.byte_to_line(offset);
        let (start, char) = (self.0.line_to_char(line), self.0.byte_to_char(offset));
        let units = match encoding {
            Encoding::Utf32 => char - start,
            Encoding::Utf16 => self.0.char_to_utf16_cu(char) - self.0.char_to_utf16_cu(start),
            Encoding::Utf8 => self.0.char_to_byte(char) - self.0.char_to_byte(start),
        };
        Point { line: line as u32, character: units as u32 }
    }

    /// The text after one edit.
    pub fn edited(&self, edit: &Edit) -> Text {
        let mut rope = self.0.clone();
        let (start, end) = (rope.byte_to_char(edit.range.start), rope.byte_to_char(edit.range.end));
        rope.remove(start..end);
        rope.insert(start, &edit.new);
        Text(rope)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chunks().try_for_each(|chunk| f.write_str(chunk))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::new(text)
    }
}

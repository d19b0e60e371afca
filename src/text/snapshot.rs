//! A document's text at one moment, and positions in it.

use std::{fmt, ops::Range};

use ropey::Rope;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
#[derive(Clone, Default)]
pub struct Text(Rope);

/// Bytes, not identity; clones of one text compare at once.
impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && (self.0.is_instance(&other.0) || self.0 == other.0)
    }
}

impl Eq for Text {}

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

    /// The characters of a byte range, clamped to the text; a range that cuts a character begins or ends before it.
    pub fn slice(&self, range: Range<usize>) -> String {
        let (start, end) = self.chars_of(&range);
        self.0.slice(start..end).to_string()
    }

    /// Whether exactly these characters stand at a byte range. A range beyond the text holds nothing.
    pub fn holds(&self, range: &Range<usize>, expected: &str) -> bool {
        range.end <= self.len()
            && range.end.checked_sub(range.start) == Some(expected.len())
            && self.0.get_byte_slice(range.clone()).is_some_and(|slice| slice == expected)
    }

    /// Whether a line starts at this byte offset: the text's start, or just behind a whole line break.
    pub fn is_line_start(&self, offset: usize) -> bool {
        match offset.checked_sub(1).and_then(|before| self.0.get_byte(before)) {
            None => offset == 0,
            Some(b'\n') => true,
            Some(b'\r') => self.0.get_byte(offset) != Some(b'\n'),
            Some(_) => false,
        }
    }

    /// The byte at an offset; `None` at the text's end and beyond.
    pub fn byte(&self, offset: usize) -> Option<u8> {
        self.0.get_byte(offset)
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

    /// The text after one edit. A range beyond the text is clamped.
    pub fn edited(&self, edit: &Edit) -> Text {
        self.edited_by(std::slice::from_ref(edit))
    }

    /// The text after several edits, all of them in this text's offsets, ascending and disjoint.
    pub fn edited_by(&self, edits: &[Edit]) -> Text {
        let mut rope = self.0.clone();
        for edit in edits.iter().rev() {
            let (start, end) = self.chars_of(&edit.range);
            if start < end {
                rope.remove(start..end);
            }
            if !edit.new.is_empty() {
                rope.insert(start, &edit.new);
            }
        }
        Text(rope)
    }

    /// SHA-256 of the text's bytes, lower-case hex.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        self.0.chunks().for_each(|chunk| hash.update(chunk.as_bytes()));
        hex(hash)
    }

    fn chars_of(&self, range: &Range<usize>) -> (usize, usize) {
        let end = range.end.min(self.len());
        (self.0.byte_to_char(range.start.min(end)), self.0.byte_to_char(end))
    }
}

/// SHA-256 of bytes that are no text, lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
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

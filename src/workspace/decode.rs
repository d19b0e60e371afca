//! From the bytes of a file to its text. Nothing is guessed: what is not plain UTF-8 is shown as far as it can be, never edited.

use std::borrow::Cow;

use crate::{seams::FileKind, text::Text};

/// The UTF-8 byte order mark.
pub const BOM: &[u8] = b"\xef\xbb\xbf";
/// How many bytes of a file decide whether it is text.
const HEAD: usize = 8 << 10;

/// A file's text and what it takes to write it back byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Without the byte order mark, line ends as they are; empty for [`FileKind::Binary`].
    pub text: Text,
    pub kind: FileKind,
    /// Whether the file begins with a UTF-8 byte order mark.
    pub bom: bool,
}

impl Decoded {
    /// The bytes that a file of this text has, with the byte order mark it came with.
    pub fn encode(&self, text: &Text) -> Vec<u8> {
        encode(text, self.bom)
    }
}

/// The bytes of a file with this text.
pub fn encode(text: &Text, bom: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + BOM.len());
    if bom {
        bytes.extend_from_slice(BOM);
    }
    text.rope().chunks().for_each(|chunk| bytes.extend_from_slice(chunk.as_bytes()));
    bytes
}

/// Reads the bytes of a file. UTF-16 is known by its byte order mark alone; without one it is binary (it holds NULs).
pub fn decode(bytes: &[u8]) -> Decoded {
    if let Some(text) = utf16(bytes) {
        return Decoded { text: Text::new(&text), kind: FileKind::NotUtf8, bom: false };
    }
    let (bom, body) = match bytes.strip_prefix(BOM) {
        Some(rest) => (true, rest),
        None => (false, bytes),
    };
    if is_binary(body) {
        return Decoded { text: Text::default(), kind: FileKind::Binary, bom };
    }
    match String::from_utf8_lossy(body) {
        Cow::Borrowed(text) => Decoded { text: Text::new(text), kind: FileKind::Text, bom },
        Cow::Owned(text) => Decoded { text: Text::new(&text), kind: FileKind::NotUtf8, bom },
    }
}

/// A NUL in the head, or more than a third of it control characters that no text has.
fn is_binary(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    let strange = head.iter().filter(|byte| matches!(byte, 0..=6 | 14..=26 | 28..=31 | 127)).count();
    head.contains(&0) || strange * 3 > head.len()
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        // FF FE 00 00 would be UTF-32, which is left to the binary check.
        [0xff, 0xfe, 0, 0, ..] => return None,
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    Some(String::from_utf16_lossy(&units))
}

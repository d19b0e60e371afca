//! What stands in a file: a text, or bytes that are no text, which are moved, deleted and put back as a whole and never edited.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::text::{self, Text};

/// A file that is not UTF-8 text, known by its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// Bytes.
    pub size: u64,
    /// Of the bytes, lower-case hex.
    pub sha256: String,
}

impl Blob {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Blob {
        Blob { size: bytes.len() as u64, sha256: text::sha256(bytes) }
    }

    /// `binary, 12.3 KiB, sha256 0123abcd`: for a line that has little room.
    pub fn short(&self) -> String {
        format!("binary, {}, sha256 {}", size(self.size), self.sha256.chars().take(8).collect::<String>())
    }
}

impl fmt::Display for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "binary, {}, sha256 {}", size(self.size), self.sha256)
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// A file as it was read from the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beneath {
    /// Without the byte order mark; empty where there is a `blob`.
    pub text: Text,
    /// Whether the file begins with a byte order mark.
    pub bom: bool,
    /// Whether its owner may execute it; `None` when that was not looked at.
    pub executable: Option<bool>,
    /// Set where the file is not text.
    pub blob: Option<Blob>,
}

impl Beneath {
    /// A text whose mode was not looked at.
    pub fn text(text: Text, bom: bool) -> Beneath {
        Beneath { text, bom, ..Beneath::default() }
    }

    /// A file that is not text.
    pub fn blob(blob: Blob, executable: Option<bool>) -> Beneath {
        Beneath { executable, blob: Some(blob), ..Beneath::default() }
    }
}

impl From<Text> for Beneath {
    fn from(text: Text) -> Beneath {
        Beneath::text(text, false)
    }
}

/// What a file is beside its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    pub blob: Option<Blob>,
    pub executable: Option<bool>,
}

/// Bytes that are to stand in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    pub blob: Blob,
    pub bytes: Arc<[u8]>,
}

impl Bytes {
    /// These bytes with their name.
    pub fn of(bytes: Arc<[u8]>) -> Bytes {
        Bytes { blob: Blob::of(&bytes), bytes }
    }
}

/// A file's mode as git writes it.
pub fn mode_word(executable: bool) -> &'static str {
    if executable { "100755" } else { "100644" }
}

/// The reverse of [`mode_word`].
pub fn mode_of(word: &str) -> Option<bool> {
    [true, false].into_iter().find(|executable| mode_word(*executable) == word)
}

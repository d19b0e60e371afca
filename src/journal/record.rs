//! One line of the journal: its fields, their order, and the digest that chains it to the line before.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::event::{Actor, Event, Scope};

/// Version of the line format.
pub(super) const FORMAT: u32 = 1;

/// `prev` of a file's first line.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One journal line as read back.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Record {
    /// Format version, 1.
    pub v: u32,
    /// Number of the line in its file, from 1.
    pub seq: u64,
    /// RFC 3339, UTC, milliseconds.
    pub ts: String,
    #[serde(flatten)]
    pub scope: Scope,
    pub actor: Actor,
    /// Operating system user whose server wrote it.
    pub user: String,
    #[serde(flatten)]
    pub event: Event,
    /// SHA-256 of the line before, [`GENESIS`] on the first.
    pub prev: String,
}

impl Record {
    /// Reads one line without its newline.
    ///
    /// # Errors
    /// The parser's sentence: not JSON, a field missing, or a kind that this version does not know.
    pub fn parse(line: &[u8]) -> Result<Record, serde_json::Error> {
        serde_json::from_slice(line)
    }
}

/// What the chain itself needs of a line; other fields may come from a newer version.
#[derive(Deserialize)]
pub(super) struct Link {
    pub seq: u64,
    pub prev: String,
}

/// The fields of a line in the order in which they are written.
#[derive(Serialize)]
pub(super) struct Draft<'a> {
    pub v: u32,
    pub seq: u64,
    pub ts: &'a str,
    #[serde(flatten)]
    pub scope: &'a Scope,
    pub actor: Actor,
    pub user: &'a str,
    #[serde(flatten)]
    pub event: &'a Event,
    pub prev: &'a str,
}

/// Lower-case hexadecimal SHA-256.
pub fn digest(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
    out
}

//! Text as values: snapshots of a document, positions in three encodings, edits, and the diff into hunks.

mod snapshot;

pub use snapshot::{Edit, Encoding, Point, Text};

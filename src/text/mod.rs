//! Text as values: snapshots of a document, positions in three encodings, edits, the diff into hunks, and what becomes of
//! a place in a text when somebody else edits it.

mod align;
mod diff;
mod hash;
mod join;
mod merge;
mod rebase;
mod slide;
mod snapshot;
mod unified;
mod words;

pub use diff::{changes, hunks, line_changes, refine};
pub use merge::merged;
pub use rebase::{by_lines, carry, for_editors, grow, seams_hold, slack, whole_lines};
pub use snapshot::{Edit, Encoding, Point, Text, sha256};
pub use unified::{Side, removed_bytes, unified};
pub use words::words;

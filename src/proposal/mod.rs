//! Proposals: the pending edits of one task, hunk by hunk, over the texts they were made from.
//!
//! The truth beneath a [`FileProposal`] is its base: the buffer, or the disk when the file is not open. The user changes the
//! base at will; hunks follow, or turn stale and keep both of their texts. A hunk is accepted only when the user's own text
//! is seen to hold it: the plan of an acceptance marks hunks as applying, what then arrives is compared with them.

mod beneath;
mod compose;
mod creation;
mod file;
pub mod history;
mod hunk;
mod landing;
mod plan;
mod receipt;
mod renew;
pub mod saved;
mod set;
mod stage;
mod undo;

pub use beneath::{Beneath, Beside, Blob, Bytes, mode_of, mode_word};
pub use file::{FileOp, FileProposal, Happened, Landed};
pub use hunk::{Hunk, HunkKind, HunkState, Why};
pub use landing::Step;
pub use plan::PlannedFile;
pub use receipt::{Receipt, result_line, shortened};
pub use renew::NotRenewed;
pub use set::{Closed, Ids, Proposal, Record};
pub use stage::{Busy, Origin, transplant};
pub use undo::{Reverse, taken_back};

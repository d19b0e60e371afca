//! The files of one workspace folder: on disk, in the editor's buffers, and as one task sees both.
//!
//! | file | what it is |
//! | --- | --- |
//! | `disk` | the folder's handle: every open stays beneath it |
//! | `write` | the few changes that a client without an editor makes: temp file, exchange, check |
//! | `decode` | bytes of a file to text, and what is not text |
//! | `overlay` | the texts that lie over the disk, as plain values |
//! | `walk`, `listing`, `search`, `hits` | names and contents, with ignore rules, bounded |
//! | `masks` | where the secret files are, for commands |
//! | `surroundings`, `gitfiles` | what the policy asks of the world |

mod decode;
mod disk;
mod gitfiles;
mod hits;
mod listing;
mod masks;
mod overlay;
mod search;
mod surroundings;
mod walk;
mod write;

pub use decode::{Decoded, decode};
pub use disk::{Folder, OnDisk, READ_LIMIT};
pub use listing::list;
pub use overlay::{Over, Overlay};
pub use search::search;
pub use surroundings::{Kept, Secrecy, World};
pub use write::Written;

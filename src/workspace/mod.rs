//! The files of one workspace folder: on disk, in the editor's buffers, and as one task sees both.
//!
//! | file | what it is |
//! | --- | --- |
//! | `disk` | the folder's handle: every open stays beneath it |
//! | `write` | the few changes that a client without an editor makes: temp file, exchange, check |
//! | `decode` | bytes of a file to text, and what is not text |
//! | `desk`, `door` | open buffers and proposals, and how a task reaches them |
//! | `overlay` | the texts that lie over the disk, as plain values |
//! | `walk`, `listing`, `search`, `hits`, `near` | names and contents, with ignore rules, bounded |
//! | `merging` | what a command wrote in the shadow, as changes of what the task saw |
//! | `masks` | where the secret files are, for commands |
//! | `links` | files with several names |
//! | `view`, `shadow` | one task's `seams::Workspace` in one folder |
//! | `many` | the same over several folders |
//! | `again` | what changed on disk behind the editor |
//! | `surroundings`, `gitfiles` | what the policy asks of the world |

mod again;
mod decode;
pub mod desk;
mod disk;
mod door;
mod gitfiles;
mod hits;
mod links;
mod listing;
mod many;
mod masks;
mod merging;
mod near;
mod overlay;
mod search;
mod shadow;
mod surroundings;
mod view;
mod walk;
mod write;

pub use again::beneath;
pub use decode::{Decoded, decode};
pub use disk::{Folder, OnDisk, READ_LIMIT};
pub use door::{DeskDoor, DeskWork, LocalDesk, call};
pub use links::linked;
pub use listing::list;
pub use many::ManyFolders;
pub use overlay::{Over, Overlay};
pub use search::search;
pub use surroundings::{Secrecy, World};
pub use view::TaskWorkspace;
pub use write::Written;

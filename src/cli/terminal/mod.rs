//! The terminal as an editor: a client of the language server that tells what happens, asks the person, and writes to the disk
//! what was accepted. `ask` and `demo` are built on it.
//!
//! | file | what it is |
//! | --- | --- |
//! | `session` | one task from the ask to its end: updates, questions, interrupts |
//! | `review` | the proposal hunk by hunk, with the keys of `git add -p` |
//! | `client` | the protocol's other end: hands on what comes, answers edits at once |
//! | `edits` | `workspace/applyEdit` on buffers and disk, only over the text that was agreed on |
//! | `shown` | a proposal as the server tells it |
//! | `person` | who answers: somebody at the terminal, nobody, or the demo's stand-in |
//! | `account`, `hunk`, `screen` | how it looks |
//! | `patch` | a proposal as a patch for `git apply` |

mod account;
mod client;
mod edits;
mod external;
mod hunk;
pub mod patch;
pub mod person;
mod review;
mod screen;
mod session;
pub mod shown;

pub use client::Client;
pub use edits::Texts;
pub use external::write_patch;
pub use person::{Moment, Person};
pub use review::{Accept, Reviewed};
pub use screen::{Screen, Tone};
pub use session::{Ended, Session};

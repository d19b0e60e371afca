//! Ring 3: the whole server, in memory and over real stdio, with a raw client and a strict model double.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

#[path = "../support/mod.rs"]
mod support;

mod behind;
mod content;
mod folders;
mod hands;
mod hostile;
mod kept;
mod late;
mod leaving;
#[path = "../support/lsp.rs"]
mod lsp;
mod merging;
mod plain;
mod proof;
mod protocol;
mod publishing;
mod query;
mod restart;
mod room;
mod saving;
mod storm;
mod story;
mod undo;
mod whims;

//! Ring 4: the real things: kernel walls, git, the disk, HTTP on loopback. A missing tool is a failure, never a skip.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

#[path = "../support/mod.rs"]
mod support;

mod cli;
mod config;
mod editors;
mod git;
mod journal;
mod llm;
mod terminal;
mod walls;
mod workspace;

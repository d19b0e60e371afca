//! Ring 1: values only. No file outside fixtures, no process, no clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod architecture;
mod denial;
mod matching;
mod paths;
mod policy;
mod proposal;
mod roots;
mod text;

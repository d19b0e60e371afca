//! Ring 1: values only. No file outside fixtures, no process, no clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod architecture;
mod denial;
#[path = "../support/dice.rs"]
mod dice;
mod matching;
mod paths;
mod policy;
mod proposal;
mod proxy;
mod roots;
mod text;

//! Ring 2: the agent loop with a scripted model and small fakes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

#[path = "../support/anthropic_rules.rs"]
mod anthropic_rules;
mod fakes;

mod checks;
mod faults;
mod grounds;
mod history;
mod insight;
mod looping;
mod network;
mod publishing;
mod registries;
mod tools;

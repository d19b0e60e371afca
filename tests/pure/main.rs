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

use proptest::test_runner::Config;

/// So many cases of a property, or as many as `PROPTEST_CASES` asks for.
fn cases(usual: u32) -> Config {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { Config::default() } else { Config::with_cases(usual) }
}

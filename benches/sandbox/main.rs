//! What the walls cost. `cargo bench --bench sandbox [PART]` with PART one of `start`, `first`, `tree`, `copy`, `changes`, `crowd`; each line
//! shows the bar and whether the median keeps it.
//!
//! Absolute times drift with the machine, so each part measures its floor in the same rounds (A B A B): the same command
//! without walls. `COUNTERSIGN_BENCH_BINARY` names another build; its wall process is the `countersign-wall` beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod changes;
mod copy;
mod crowd;
#[path = "../server/figures.rs"]
#[allow(dead_code)]
mod figures;
mod first;
mod start;
mod walls;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let parts: [(&str, fn()); 6] = [
        ("start", start::measure),
        ("first", first::measure),
        ("tree", first::measure_tree),
        ("copy", copy::measure),
        ("changes", changes::measure),
        ("crowd", crowd::measure),
    ];
    figures::heading();
    for (name, measure) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            measure();
        }
    }
}

//! The server as an editor meets it: the release binary over stdio, measured from outside. `cargo bench --bench server [PART]`
//! with PART one of `start`, `typing`, `session`, `turns`, `memory`; each line shows the bar and whether the median keeps it.
//!
//! Absolute times drift with the machine, so each part measures its floor in the same rounds (A B A B): a process that does
//! nothing, or `cat` in the server's place. docs/performance.md holds a set of results.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod figures;
mod memory;
mod model;
#[path = "../parts.rs"]
mod parts;
mod place;
#[path = "../sample.rs"]
mod sample;
mod server;
mod session;
mod start;
mod turns;
mod typing;

fn main() {
    figures::heading();
    parts::run(&[
        ("start", start::measure),
        ("typing", typing::measure),
        ("session", session::measure),
        ("turns", turns::measure),
        ("memory", memory::measure),
    ]);
}

/// Runs a part's client on one thread, so that it does not compete with the server for both cores.
fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

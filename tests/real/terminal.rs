//! The terminal as an editor: `ask` and `demo` as a person, a script and a pipeline start them, on real folders.

#[path = "terminal/ask.rs"]
mod ask;
#[path = "terminal/bench.rs"]
mod bench;
#[path = "terminal/demo.rs"]
mod demo;
#[path = "terminal/failures.rs"]
mod failures;
#[path = "terminal/keys.rs"]
mod keys;
#[path = "terminal/least.rs"]
mod least;
#[path = "terminal/patches.rs"]
mod patches;

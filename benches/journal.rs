//! What a journal event costs: durable (written and synced before an effect), and on the typing path, where it must cost nothing.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::Arc;

use countersign::{
    event::{Actor, Event, Scope, SessionId},
    journal::FileJournal,
    seams::Journal,
};
use tempfile::TempDir;

fn main() {
    divan::main();
}

/// A journal below the target folder: a temporary folder may stand in memory, where a sync costs nothing.
fn journal() -> (TempDir, Arc<FileJournal>) {
    let state = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let journal = FileJournal::open(state.path()).unwrap();
    (state, journal)
}

fn scope() -> Scope {
    Scope { session: Some(SessionId::from("bench")), ..Scope::default() }
}

fn intent() -> Event {
    Event::ToolIntent { tool: "run".into(), input: serde_json::json!({"command": "cargo test", "cwd": "crates/core"}) }
}

/// One intent, on disk when it returns.
#[divan::bench(sample_count = 400, sample_size = 1)]
fn durable(bencher: divan::Bencher<'_, '_>) {
    let (_state, journal) = journal();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let scope = scope();
    bencher.bench_local(|| runtime.block_on(journal.append_durable(Actor::Model, &scope, intent())).unwrap());
}

/// The floor: the same bytes appended and synced with nothing around them.
#[divan::bench(sample_count = 400, sample_size = 1)]
fn bare_append_and_sync(bencher: divan::Bencher<'_, '_>) {
    use std::io::Write;
    let state = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut file = std::fs::File::create(state.path().join("floor")).unwrap();
    let line = [b'x'; 400];
    bencher.bench_local(|| {
        file.write_all(&line).unwrap();
        file.sync_data().unwrap();
    });
}

/// An append that waits for nothing: what a keystroke could ever pay.
#[divan::bench(sample_count = 400, sample_size = 10)]
fn append(bencher: divan::Bencher<'_, '_>) {
    let (_state, journal) = journal();
    let scope = scope();
    bencher.bench_local(|| journal.append(Actor::Model, &scope, intent()));
}

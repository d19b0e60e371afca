//! A whole session of 21 turns by a script: what it costs in processor time and memory, and how long it takes.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

use super::{
    figures::{Samples, number, times},
    on_one_thread,
    place::Place,
    sample::long_text,
    server::Server,
};

const ROUNDS: usize = 12;
/// Files that the session reads and searches.
pub const FILES: usize = 10;

/// A folder with ten files of a thousand lines.
pub fn place() -> Place {
    let text: String = long_text().lines().take(1_000).flat_map(|line| [line, "\n"]).collect();
    let names: Vec<String> = (0..FILES).map(|n| format!("f{n}.rs")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), text.as_str())).collect();
    Place::with(&files)
}

/// Ten reads, five searches, four edits, one `true`, and the last word.
pub fn calls() -> Vec<Option<(&'static str, Value)>> {
    let reads = (0..10).map(|n| ("read_file", json!({"path": format!("f{n}.rs"), "start_line": 1, "end_line": 60})));
    let searches = (0..5).map(|n| ("search", json!({"pattern": format!("name_{}5", n + 1)})));
    let edits = (0..4).map(|n| {
        let edit = json!({"old": format!("fn name_{}(argument", n * 100), "new": format!("fn renamed_{n}(argument")});
        ("edit_file", json!({"path": "f0.rs", "edits": [edit]}))
    });
    let command = std::iter::once(("run", json!({"command": "true"})));
    reads.chain(searches).chain(edits).chain(command).map(Some).chain([None]).collect()
}

/// One answer of the model.
pub fn answer(id: usize, call: &Option<(&str, Value)>) -> Value {
    match call {
        Some((name, input)) => json!({
            "content": [{"type": "tool_use", "id": format!("call{id}"), "name": name, "input": input}], "stop_reason": "tool_use",
            "usage": {"input_tokens": 1000, "output_tokens": 50},
        }),
        None => json!({"content": [{"type": "text", "text": "All is done."}], "stop_reason": "end_turn"}),
    }
}

pub fn measure() {
    let place = place();
    let script: String = calls().iter().enumerate().map(|(n, call)| format!("{}\n", answer(n, call))).collect();
    let file = place.own("script.jsonl");
    fs::write(&file, script).unwrap();
    let spec = format!("script:{}", file.display());
    let policy = place.own("policy.toml");
    let iterations = countersign::policy::DEFAULT.replace("iterations = 20", "iterations = 25");
    assert!(iterations.contains("iterations = 25"));
    fs::write(&policy, iterations).unwrap();
    let (mut whole, mut cpu) = (Samples::default(), Samples::default());
    let mut peak = Vec::new();
    for _ in 0..ROUNDS {
        // What the round before left pending is not to come back.
        let _ = fs::remove_dir_all(place.own("state/countersign/proposals"));
        let before = processor_time();
        on_one_thread(async {
            let mut server = Server::spawn(&place, &["--model", &spec, "--policy", policy.to_str().unwrap()], &[]);
            server.initialize().await;
            let start = Instant::now();
            server.ask("Do it all.").await;
            let closing = server.closing().await;
            whole.add(start.elapsed());
            assert!(closing.contains("All is done."), "{closing}");
            peak.push(server.memory("VmHWM"));
            server.leave().await;
        });
        cpu.add(processor_time() - before);
    }
    peak.sort_by(f64::total_cmp);
    times("session of 21 turns: ask -> closing message", &whole, None);
    times("  CPU of the process and its children, start to exit", &cpu, Some(150.0));
    number("  peak RSS", peak[peak.len() / 2], "MiB", Some(25.0));
}

/// Of all processes that were waited for, with theirs.
fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = |value: nix::sys::time::TimeVal| Duration::from_micros((value.tv_sec() * 1_000_000 + value.tv_usec()) as u64);
    time(usage.user_time()) + time(usage.system_time())
}

//! What the loop itself costs: a session of 21 turns with a model that answers at once, and its parts. Divide the session's time
//! by 21 for the overhead of one turn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use countersign::{
    agent::History,
    tools::matching::{Replacement, apply},
};
use divan::{Bencher, black_box};
use serde_json::json;

#[path = "../tests/support/anthropic_rules.rs"]
mod anthropic_rules;
#[allow(dead_code, unused_imports)]
#[path = "../tests/core/fakes/mod.rs"]
mod fakes;

use fakes::{Step, World, call, text};

fn main() {
    divan::main();
}

/// 10 reads, 5 searches, 4 edits, 1 command, and the final answer.
fn session() -> World {
    let reads = (0..10).map(|n| call("read_file", json!({"path": format!("f{n}"), "end_line": 40})));
    let searches = (0..5).map(|n| call("search", json!({"pattern": format!("line 1{n}")})));
    let edits = (0..4).map(|n| {
        let edit = json!({"old": format!("line 5{n} of"), "new": format!("row 5{n} of")});
        call("edit_file", json!({"path": "f0", "edits": [edit]}))
    });
    let rest = [call("run", json!({"command": "true"})), text("Done.")];
    let steps: Vec<Step> = reads.chain(searches).chain(edits).chain(rest).collect();
    let mut world = World::new(steps);
    world.spec.iterations = Some(25);
    world.model.judges.store(false, std::sync::atomic::Ordering::SeqCst);
    for file in 0..10 {
        world.files.put(&format!("f{file}"), &(0..200).map(|n| format!("line {n} of file\n")).collect::<String>());
    }
    world
}

#[divan::bench]
fn session_of_21_turns(bencher: Bencher) {
    bencher.with_inputs(session).bench_values(|world| world.run());
}

#[divan::bench]
fn fold_of_that_session(bencher: Bencher) {
    let world = session();
    world.run();
    let events = world.log.events();
    bencher.bench(|| History::from_events(black_box(&events).iter().map(|(scope, event)| (scope, event))).messages());
}

#[divan::bench(args = ["exact", "trailing blanks", "indentation", "miss"])]
fn edit_of_a_10_000_line_file(bencher: Bencher, kind: &str) {
    let text: String = (0..10_000).map(|n| format!("{}line {n};\n", "    ".repeat(n % 4))).collect();
    let old = match kind {
        "exact" => "        line 5002;\n            line 5003;\n",
        "trailing blanks" => "        line 5002;  \n            line 5003;\n",
        "indentation" => "line 5002;\n    line 5003;\n",
        _ => "        line 5002;\n            line 9999;\n",
    };
    let edit = [Replacement { old: old.into(), new: "        other();\n".into(), all: false }];
    bencher.bench(|| apply("f", black_box(&text), black_box(&edit)));
}

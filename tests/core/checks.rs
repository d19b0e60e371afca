//! Checks before `finish` counts: what runs, what goes back to the model, what stands in the receipts.

use std::sync::atomic::Ordering;

use countersign::{
    event::{Event, StopReason, ToolCallStatus},
    seams::{Outcome, Stopped, UpdateKind},
    tools::Mode,
};
use serde_json::json;

use crate::fakes::*;

fn edit(old: &str, new: &str) -> Step {
    call("edit_file", json!({"path": "a", "edits": [{"old": old, "new": new}]}))
}

fn world(checks: &[&str], steps: impl IntoIterator<Item = Step>) -> World {
    let mut world = World::new(steps);
    world.spec.checks = checks.iter().map(|check| (*check).to_owned()).collect();
    world.files.put("a", "v0\n");
    world
}

fn ends(world: &World, command: &str, output: &str, exit: i32) {
    let outcome = Outcome { exit: Some(exit), duration: std::time::Duration::from_millis(3100), ..Outcome::default() };
    world.walls.ends.lock().unwrap().insert(command.into(), (output.as_bytes().to_vec(), outcome));
}

fn checked(world: &World) -> Vec<(String, Option<i32>)> {
    let result = |event| match event {
        Event::CheckResult { command, exit, .. } => Some((command, exit)),
        _ => None,
    };
    world.log.events().into_iter().filter_map(|(_, event)| result(event)).collect()
}

#[test]
fn passing_checks_end_the_task_with_receipts() {
    let world = world(&["cargo test", "cargo clippy"], [edit("v0", "v1"), finish()]);
    ends(
        &world,
        "cargo test",
        "running 42 tests\ntest result: ok. 42 passed; 0 failed\n\ntest result: ok. 0 passed; 0 failed\n",
        0,
    );
    let end = world.run();
    assert_eq!((end.stop, end.iterations), (StopReason::EndTurn, 2));
    assert_eq!(*world.walls.ran.lock().unwrap(), ["cargo test", "cargo clippy"]);
    assert_eq!(world.walls.opened.load(Ordering::SeqCst), 2, "each check has an upper layer of its own");
    let receipts = world.files.receipts.lock().unwrap();
    assert_eq!(receipts[0].words(true), "cargo test: ok in 3.1 s on exactly this text");
    assert_eq!(receipts[0].words(false), "cargo test: ok in 3.1 s (older than the text)");
    assert_eq!(receipts[0].summary, "test result: ok. 42 passed; 0 failed");
    assert_eq!(receipts[0].digest, "text 2");
    assert_eq!(checked(&world), [("cargo test".to_owned(), Some(0)), ("cargo clippy".to_owned(), Some(0))]);
    let (status, text) = world.log.results().pop().unwrap();
    assert!(status == ToolCallStatus::Ok && text.contains("cargo test: ok in 3.1 s on exactly this text"), "{text}");
    let updates = world.person.updates.lock().unwrap();
    let titles =
        updates.iter().filter(|update| update.kind == UpdateKind::ToolCall).filter_map(|update| update.data["title"].as_str());
    assert!(titles.collect::<Vec<_>>().contains(&"checking cargo test"));
}

#[test]
fn the_intent_of_a_check_is_on_disk_before_it_runs() {
    let world = world(&["cargo test"], [edit("v0", "v1"), finish()]);
    world.run();
    let lines = world.log.lines.lock().unwrap();
    let start = lines
        .iter()
        .position(|(_, _, event, durable)| matches!(event, Event::EffectStart { effect, .. } if effect == "check") && *durable);
    let result =
        lines.iter().position(|(_, _, event, _)| matches!(event, Event::EffectResult { effect, .. } if effect == "check"));
    assert!(start.unwrap() < result.unwrap());
}

#[test]
fn a_failing_check_sends_the_model_back_with_its_output() {
    let world = world(&["cargo test"], [edit("v0", "v1"), finish(), edit("v1", "v2"), finish()]);
    ends(&world, "cargo test", "assertion failed: 1 == 2\ntest result: FAILED. 0 passed; 1 failed\n", 101);
    let walls = world.walls.clone();
    *world.model.at_request.lock().unwrap() = Some(Box::new(move |count| {
        if count == 4 {
            walls.ends.lock().unwrap().clear();
        }
    }));
    let end = world.run();
    assert_eq!((end.stop, end.summary.as_str()), (StopReason::EndTurn, "all done"));
    let told = world.told(2);
    for part in ["not finished", "failed with exit code 101 in 3.1 s", "assertion failed: 1 == 2", "call finish again"] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    assert_eq!(checked(&world), [("cargo test".to_owned(), Some(101)), ("cargo test".to_owned(), Some(0))]);
    let digests: Vec<String> = world.files.receipts.lock().unwrap().iter().map(|receipt| receipt.digest.clone()).collect();
    assert_eq!(digests, ["text 2", "text 3"], "each receipt is about the text of its moment");
}

#[test]
fn after_two_rounds_the_task_ends_and_the_failure_stands_in_the_receipt() {
    let world = world(&["cargo test"], [edit("v0", "v1"), finish(), finish(), finish(), finish()]);
    ends(&world, "cargo test", "no\n", 1);
    let end = world.run();
    assert_eq!((end.stop, world.requests()), (StopReason::EndTurn, 4));
    let results = world.log.results();
    let finishes: Vec<ToolCallStatus> = results[1..].iter().map(|(status, _)| *status).collect();
    assert_eq!(finishes, [ToolCallStatus::Error, ToolCallStatus::Error, ToolCallStatus::Ok]);
    assert!(results[2].1.contains("ends in any case") && results[3].1.contains("failing checks"), "{results:?}");
    assert!(world.files.receipts.lock().unwrap().iter().all(|receipt| !receipt.passed()));
}

#[test]
fn a_long_output_is_told_by_its_end() {
    let world = world(&["noisy"], [edit("v0", "v1"), finish(), text("I give up.")]);
    let output = (0..100_000).map(|n| format!("line {n}\n")).collect::<String>();
    ends(&world, "noisy", &output, 1);
    world.run();
    let told = world.told(2);
    assert!(told.contains("line 99999\n") && !told.contains("line 9\n") && told.len() < 16 * 1024, "{} bytes", told.len());
}

#[test]
fn checks_that_cannot_run_are_said_and_hold_nobody_up() {
    const DENY: &str =
        "[[rule]]\nid = \"no-make\"\naction = \"run\"\nverdict = \"deny\"\nargv = [\"make\"]\nreason = \"not here\"\n";
    let mut denied = World::under(DENY, [edit("v0", "v1"), finish()]);
    denied.spec.checks = vec!["make check".into(), "cargo test".into()];
    denied.files.put("a", "v0\n");
    assert_eq!(denied.run().stop, StopReason::EndTurn);
    assert_eq!(*denied.walls.ran.lock().unwrap(), ["cargo test"], "the policy judges each check");
    let receipts = denied.files.receipts.lock().unwrap().clone();
    assert!(receipts[0].exit.is_none() && receipts[0].summary.contains("denied by the policy"), "{receipts:?}");
    assert!(receipts[1].passed());

    let broken = world(&["cargo test"], [edit("v0", "v1"), finish()]);
    broken.walls.broken.store(true, Ordering::SeqCst);
    assert_eq!(broken.run().stop, StopReason::EndTurn);
    let receipts = broken.files.receipts.lock().unwrap().clone();
    assert!(receipts[0].exit.is_none() && receipts[0].summary.contains("commands cannot run here"), "{receipts:?}");
}

#[test]
fn a_check_out_of_time_has_failed() {
    let world = world(&["slow"], [edit("v0", "v1"), finish(), text("It is slow.")]);
    let outcome = Outcome { stopped: Some(Stopped::Timeout), ..Outcome::default() };
    world.walls.ends.lock().unwrap().insert("slow".into(), (Vec::new(), outcome));
    world.run();
    assert!(world.told(2).contains("failed with exit code 124"), "{}", world.told(2));
}

#[test]
fn stopping_ends_a_check() {
    let world = world(&["hang"], [edit("v0", "v1"), finish()]);
    let cancel = world.cancel.clone();
    *world.walls.at_run.lock().unwrap() = Some(Box::new(move || cancel.cancel()));
    assert_eq!(world.run().stop, StopReason::Cancelled);
    assert!(checked(&world).is_empty() && world.files.receipts.lock().unwrap().is_empty());
}

#[test]
fn without_checks_or_changes_nothing_runs_and_finish_says_so() {
    let none = world(&[], [edit("v0", "v1"), finish()]);
    none.run();
    assert!(none.log.results()[1].1.contains("ran no checks of its own"));
    let unchanged = world(&["cargo test"], [finish()]);
    unchanged.run();
    assert!(unchanged.log.results()[0].1.contains("nothing is proposed, so no checks were run"));
    let mut plan = world(&["cargo test"], [text("A plan.")]);
    plan.spec.mode = Mode::Plan;
    plan.run();
    for world in [none, unchanged, plan] {
        assert!(world.walls.ran.lock().unwrap().is_empty());
    }
}

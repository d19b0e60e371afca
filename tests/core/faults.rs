//! Every fault of the model, the journal, the walls and the person, at every phase of a task: the task ends as it should, every
//! call has one result, nothing runs that must not, and the history can be sent again.

use std::sync::atomic::Ordering;

use countersign::{
    agent::History,
    event::{Event, StopReason, ToolCallStatus},
    seams::{AnswerKind, ErrorClass, Stop, UpdateKind},
};
use serde_json::{Value, json};

use crate::fakes::*;

/// The history can go on: another task in the same session sends a request that the API accepts.
fn goes_on(history: History) {
    let mut next = World::new([text("Fine.")]);
    next.spec.history = history;
    assert_eq!(next.run().stop, StopReason::EndTurn);
}

type Phase = (&'static str, fn() -> Vec<Step>);

/// Steps that lead into each phase.
fn phases() -> Vec<Phase> {
    vec![
        ("first request", Vec::new),
        ("after a look", || vec![call("read_file", json!({"path": "a"}))]),
        ("after an edit", || vec![call("edit_file", json!({"path": "a", "edits": [{"old": "one", "new": "two"}]}))]),
        ("after a command", || vec![call("run", json!({"command": "check"}))]),
        ("after a fault of its own", || vec![call("nonsense", json!([])), call("edit_file", json!({"path": 3}))]),
    ]
}

fn world(steps: Vec<Step>, fault: Step, rest: Vec<Step>) -> World {
    let world = World::new(steps.into_iter().chain([fault]).chain(rest));
    world.files.put("a", "one\n");
    world
}

#[test]
fn model_errors_end_the_task_with_the_users_sentence() {
    use ErrorClass::*;
    for (phase, steps) in phases() {
        for class in [RateLimited, Overloaded, Unavailable, Cut, ContextTooLong, Auth, Billing, BadRequest, Protocol, ScriptEnded]
        {
            let end = world(steps(), Step::Fail(class), vec![]).run();
            assert_eq!(end.stop, StopReason::Error, "{phase} {class:?}");
            assert_eq!(end.error.unwrap().message, format!("{class:?} happened."));
            goes_on(end.history);
        }
    }
}

/// Each of them is paid for to the last token that a reply may have.
#[test]
fn answers_that_are_cut_in_their_only_call_end_the_task_soon() {
    let cut = |at: usize| {
        let call = call_block(&format!("cut{at}"), "write_file", json!({"_cut_arguments": "{\"path\": \"a"}));
        reply(vec![call], Stop::MaxTokens)
    };
    let world = World::new((0..19).map(cut));
    let end = world.run();
    assert_eq!((end.stop, world.requests()), (StopReason::NoProgress, 6), "{}", end.summary);
    assert!(end.summary.contains("6 times in a row") && end.summary.contains("max_tokens"), "{}", end.summary);
    goes_on(end.history);
    // A whole call in between begins the count anew.
    let world = World::new((0..5).map(cut).chain([call("list_files", json!({}))]).chain((5..10).map(cut)).chain([finish()]));
    assert_eq!((world.run().stop, world.requests()), (StopReason::EndTurn, 12));
}

/// Name, answer, how the task ends, and what the model is told last.
type Odd = (&'static str, Box<dyn Fn() -> Step>, StopReason, &'static str);

#[test]
fn odd_answers_in_every_phase() {
    let blocks = |content: Vec<Value>, stop: Stop| move || reply(content.clone(), stop.clone());
    let cut = || {
        let whole = call_block("w", "run", json!({"command": "whole"}));
        let cut = call_block("x", "run", json!({"_cut_arguments": "{\"command\": \"cut"}));
        reply(vec![whole, cut], Stop::MaxTokens)
    };
    let odd: Vec<Odd> = vec![
        ("refusal", Box::new(blocks(vec![], Stop::Refusal("no".into()))), StopReason::Refusal, ""),
        (
            "refused call",
            Box::new(blocks(vec![call_block("r", "run", json!({"command": "bad"}))], Stop::Refusal("no".into()))),
            StopReason::Refusal,
            "",
        ),
        ("context", Box::new(blocks(vec![], Stop::ContextExceeded)), StopReason::Error, ""),
        ("empty", Box::new(blocks(vec![], Stop::EndTurn)), StopReason::EndTurn, "empty"),
        ("blank", Box::new(blocks(vec![json!({"type": "text", "text": " \n"})], Stop::EndTurn)), StopReason::EndTurn, "empty"),
        (
            "only thoughts",
            Box::new(blocks(vec![json!({"type": "thinking", "thinking": "", "signature": "s"})], Stop::EndTurn)),
            StopReason::EndTurn,
            "empty",
        ),
        (
            "cut text",
            Box::new(blocks(vec![json!({"type": "text", "text": "so far"})], Stop::MaxTokens)),
            StopReason::EndTurn,
            "length limit",
        ),
        ("cut call", Box::new(cut), StopReason::EndTurn, "arguments were cut"),
        ("pause", Box::new(blocks(vec![json!({"type": "text", "text": "wait "})], Stop::PauseTurn)), StopReason::EndTurn, ""),
        (
            "unknown stop",
            Box::new(blocks(vec![json!({"type": "text", "text": "x"})], Stop::Other("new".into()))),
            StopReason::EndTurn,
            "",
        ),
        (
            "call with end_turn",
            Box::new(blocks(vec![call_block("e", "run", json!({"command": "late"}))], Stop::EndTurn)),
            StopReason::EndTurn,
            "exit code 0",
        ),
    ];
    for (phase, steps) in phases() {
        for (name, fault, stop, told) in &odd {
            let world = world(steps(), fault(), vec![text("The end.")]);
            let end = world.run();
            assert_eq!(end.stop, *stop, "{phase}, {name}: {}", end.summary);
            let last = world.told(world.requests() - 1);
            assert!(last.contains(told), "{phase}, {name}: {last}");
            let ran = world.walls.ran.lock().unwrap().clone();
            assert!(!ran.iter().any(|command| command.contains("cut") || command == "bad"), "{phase}, {name}: {ran:?}");
            goes_on(end.history);
        }
    }
}

#[test]
fn stumbling_has_an_end() {
    let empty = || reply(vec![], Stop::EndTurn);
    let world = World::new([empty(), empty(), empty()]);
    assert_eq!((world.run().stop, world.requests()), (StopReason::EndTurn, 2));
    let pause = || reply(vec![json!({"type": "text", "text": "wait"})], Stop::PauseTurn);
    let world = World::new((0..10).map(|_| pause()));
    assert_eq!((world.run().stop, world.requests()), (StopReason::NoProgress, 6));
}

#[test]
fn bad_arguments_get_one_result_that_says_what_is_right() {
    let rows: Vec<(&str, Value, &[&str])> = vec![
        ("read_file", json!({}), &["missing field `path`", "read_file takes {path: string"]),
        ("read_file", json!({"path": "../x"}), &["outside the workspace"]),
        ("read_file", json!({"path": "/etc/passwd"}), &["outside the workspace"]),
        ("read_file", json!({"path": "a\u{202e}b"}), &["cannot be shown"]),
        ("read_file", json!({"path": "a", "colour": 1}), &["unknown field `colour`"]),
        ("read_file", json!({"path": "a", "start_line": "x"}), &["whole number"]),
        ("read_file", json!("nothing"), &["not a JSON object"]),
        ("edit_file", json!({"path": "a"}), &["edits must hold"]),
        ("edit_file", json!({"path": "a", "edits": [{"old": "x"}]}), &["missing field `new`"]),
        ("search", json!({"pattern": ""}), &["pattern is empty"]),
        ("run", json!({"command": " "}), &["command is empty"]),
        (
            "run",
            json!({"command": "curl x", "network": (0..17).map(|n| format!("x{n}:443")).collect::<Vec<_>>()}),
            &["network names 17 hosts", "16 at most"],
        ),
        ("bash", json!({"command": "ls"}), &["did you mean run?"]),
        ("readfile", json!({}), &["did you mean read_file?"]),
    ];
    for (name, input, parts) in rows {
        let world = World::new([call(name, input.clone()), finish()]);
        world.files.put("a", "x\n");
        assert_eq!(world.run().stop, StopReason::EndTurn);
        let (status, text) = world.log.results()[0].clone();
        assert_eq!(status, ToolCallStatus::Error, "{name} {input}");
        parts.iter().for_each(|part| assert!(text.contains(part), "{name} {input}: {text}"));
        assert!(world.walls.ran.lock().unwrap().is_empty());
    }
}

#[test]
fn a_journal_that_fails_lets_nothing_happen() {
    // The first durable line is the task's start, the second the request, the third the command's intent.
    for (left, requests) in [(0, 0), (1, 0), (2, 1)] {
        let world = World::new([call("run", json!({"command": "make"})), finish()]);
        world.log.durable_left.store(left, Ordering::SeqCst);
        let end = world.run();
        assert_eq!(end.stop, StopReason::Error);
        assert!(end.error.unwrap().message.contains("disk full"));
        assert!(world.walls.ran.lock().unwrap().is_empty());
        assert_eq!(world.requests(), requests);
    }
    let control = World::new([call("run", json!({"command": "make"})), finish()]);
    control.run();
    assert_eq!(control.walls.ran.lock().unwrap().len(), 1);
}

#[test]
fn walls_that_cannot_be_had_run_nothing_and_say_so() {
    let world = World::new([call("run", json!({"command": "make"})), finish()]);
    world.walls.broken.store(true, Ordering::SeqCst);
    assert_eq!(world.run().stop, StopReason::EndTurn);
    assert!(world.told(1).contains("namespaces") && world.told(1).contains("Nothing ran"), "{}", world.told(1));
}

type Hanging = (&'static str, fn() -> Step);

#[test]
fn cancelling_in_every_phase_leaves_a_whole_history() {
    let hanging: Vec<Hanging> = vec![
        ("the model", || Step::Hang),
        ("a command", || calls(&[("run", json!({"command": "hang"})), ("read_file", json!({"path": "a"}))])),
        ("a question", || calls(&[("run", json!({"command": "deploy now"})), ("read_file", json!({"path": "a"}))])),
    ];
    let ask =
        "[[rule]]\nid = \"ask-deploy\"\naction = \"run\"\nverdict = \"ask\"\nargv = [\"deploy\"]\nreason = \"look first\"\n";
    for (phase, steps) in phases() {
        for (what, fault) in &hanging {
            let world = World::under(ask, steps().into_iter().chain([fault()]));
            world.files.put("a", "one\n");
            world.person.away.store(true, Ordering::SeqCst);
            let wanted = steps().len() + 1;
            let stop = || world.cancel.clone();
            let (at_model, at_command, at_question) = (stop(), stop(), stop());
            *world.walls.at_run.lock().unwrap() = Some(Box::new(move || at_command.cancel()));
            *world.person.while_open.lock().unwrap() = Some(Box::new(move || at_question.cancel()));
            if *what == "the model" {
                let stop_at = move |count| {
                    if count == wanted {
                        at_model.cancel()
                    }
                };
                *world.model.at_request.lock().unwrap() = Some(Box::new(stop_at));
            }
            let end = world.run();
            assert_eq!(end.stop, StopReason::Cancelled, "{phase}, {what}");
            let cancelled = world.log.results().iter().filter(|(status, _)| *status == ToolCallStatus::Cancelled).count();
            assert_eq!(cancelled, if *what == "the model" { 0 } else { 2 }, "{phase}, {what}: {:?}", world.log.results());
            goes_on(end.history);
        }
    }
}

#[test]
fn a_cancelled_command_keeps_what_it_said() {
    let world = World::new([call("run", json!({"command": "hang"}))]);
    let cancel = world.cancel.clone();
    *world.walls.at_run.lock().unwrap() = Some(Box::new(move || cancel.cancel()));
    assert_eq!(world.run().stop, StopReason::Cancelled);
    let (status, text) = world.log.results()[0].clone();
    assert!(status == ToolCallStatus::Cancelled && text.contains("half a line"), "{text}");
}

#[test]
fn every_update_of_a_call_has_its_end() {
    let world = World::new([calls(&[("read_file", json!({"path": "a"})), ("run", json!({"command": "sudo x"}))]), finish()]);
    world.files.put("a", "x\n");
    world.person.answers.lock().unwrap().push_back(AnswerKind::Rejected);
    world.run();
    let updates = world.person.updates.lock().unwrap();
    let calls: Vec<(&str, &str)> = updates
        .iter()
        .filter(|update| update.kind == UpdateKind::ToolCall)
        .map(|update| (update.data["call"].as_str().unwrap(), update.data["status"].as_str().unwrap()))
        .collect();
    for id in ["c1", "c2", "c3"] {
        assert_eq!(calls.iter().filter(|(call, status)| *call == id && *status == "running").count(), 1, "{calls:?}");
        assert_eq!(calls.iter().filter(|(call, status)| *call == id && *status != "running").count(), 1, "{calls:?}");
    }
    let ends = world.log.events().iter().filter(|(_, event)| matches!(event, Event::TaskEnd { .. })).count();
    assert_eq!(ends, 1);
}

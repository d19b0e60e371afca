//! The tools: what the model is told.

use std::time::Duration;

use countersign::{
    event::{Event, ToolCallStatus},
    seams::{Facts, Found, Outcome, SandboxSpec, Stopped},
    tools::{Mode, Registry},
};
use serde_json::{Value, json};

use crate::fakes::*;

/// The result of one call in a world with these files.
fn result(files: &[(&str, &str)], name: &str, input: Value) -> (ToolCallStatus, String) {
    let world = World::new([call(name, input), finish()]);
    files.iter().for_each(|(path, text)| world.files.put(path, text));
    world.run();
    world.log.results()[0].clone()
}

fn run(output: &[u8], outcome: Outcome) -> (ToolCallStatus, String) {
    let world = World::new([call("run", json!({"command": "it"})), finish()]);
    world.walls.ends.lock().unwrap().insert("it".into(), (output.to_vec(), outcome));
    world.run();
    world.log.results()[0].clone()
}

fn exit(code: i32) -> Outcome {
    Outcome { exit: Some(code), duration: Duration::from_millis(1500), ..Outcome::default() }
}

#[test]
fn schemas_are_closed_sorted_and_without_noise() {
    let registry = Registry::new(Mode::Edit, &[], "", None);
    let specs = registry.specs();
    assert!(specs.windows(2).all(|pair| pair[0].name < pair[1].name));
    for spec in specs.iter() {
        assert_eq!(spec.input_schema["additionalProperties"], false, "{}", spec.name);
        assert!(spec.description.len() > 20, "{}", spec.name);
        let text = spec.input_schema.to_string();
        for noise in ["$schema", "\"format\"", "\"title\":\"", "null", "$ref", "oneOf", "anyOf"] {
            assert!(!text.contains(noise), "{}: {noise} in {text}", spec.name);
        }
    }
    let only = Registry::new(Mode::Edit, &["read_file".to_owned()], "", None);
    assert_eq!(only.specs().iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), ["read_file"]);
}

#[test]
fn arguments_are_read_as_models_write_them() {
    let file = [("a", "1\n2\n3\n4\n")];
    for input in [
        json!({"path": "a", "start_line": 2, "end_line": 3}),
        json!({"file_path": "./a", "start_line": "2", "end_line": 3.0}),
        json!({"path": "/srv/space/a", "start_line": 2, "end_line": 3}),
        json!({"path": "a", "offset": 2, "limit": 2, "reason": "to see"}),
        json!("{\"path\": \"a\", \"start_line\": 2, \"end_line\": 3}"),
    ] {
        assert_eq!(result(&file, "read_file", input.clone()).1, "a: lines 2-3 of 4\n2|2\n3|3\n", "{input}");
    }
    assert_eq!(result(&file, "read_file", json!({"path": "a", "end_line": null})).1, "a: 4 lines\n1|1\n2|2\n3|3\n4|4\n");
    for input in [
        json!({"path": "a", "edits": [{"old": "2", "new": "two"}]}),
        json!({"file_path": "a", "edits": {"old_string": "2", "new_string": "two", "replace_all": "false"}}),
        json!({"file_path": "a", "old_string": "2", "new_string": "two"}),
        json!({"path": "a", "edits": "[{\"old\": \"2\", \"new\": \"two\"}]"}),
    ] {
        let (status, text) = result(&file, "edit_file", input.clone());
        assert!(status == ToolCallStatus::Ok && text.contains("+2|two"), "{input}: {text}");
    }
    assert!(result(&file, "run", json!({"cmd": "x", "timeout": "5"})).1.starts_with("exit code 0"));
    assert_eq!(
        result(&file, "finish", json!({"result": "ok", "checks": {"command": "x", "result": "ok"}})).0,
        ToolCallStatus::Ok
    );
}

#[test]
fn reading_has_ends_and_says_where_to_go_on() {
    let long: String = (1..=2500).map(|n| format!("line {n}\n")).collect();
    let (_, text) = result(&[("a", &long)], "read_file", json!({"path": "a"}));
    assert!(
        text.starts_with("a: lines 1-2000 of 2500\n1|line 1\n") && text.ends_with("[500 more lines; go on with start_line 2001]")
    );
    let wide = "x".repeat(70_000);
    let (_, text) = result(&[("a", &wide)], "read_file", json!({"path": "a"}));
    assert!(text.len() < 3000 && text.contains("[cut; the line has 70000 bytes]"));
    let wide: String = (0..100).map(|_| format!("{}\n", "y".repeat(1999))).collect();
    let (_, text) = result(&[("a", &wide)], "read_file", json!({"path": "a"}));
    assert!(text.len() < 52 * 1024 && text.contains("go on with start_line 26"), "{}", text.len());
    for (input, part) in [
        (json!({"path": "b"}), "b does not exist"),
        (json!({"path": "a", "start_line": 9}), "a has 1 lines; line 9 is beyond its end"),
        (json!({"path": "a", "start_line": 1, "end_line": 0}), "lies before"),
    ] {
        let (status, text) = result(&[("a", "x\n")], "read_file", input);
        assert!(status == ToolCallStatus::Error && text.contains(part), "{text}");
    }
    assert_eq!(result(&[("a", "")], "read_file", json!({"path": "a"})).1, "a is empty");
}

#[test]
fn listings_and_searches_have_ends() {
    let files: Vec<(String, String)> = (0..300).map(|n| (format!("f{n:03}"), "needle\n".to_owned())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let (_, text) = result(&files, "list_files", json!({}));
    assert!(text.ends_with("[100 more; narrow path or glob]"), "{text}");
    let (_, text) = result(&files, "search", json!({"pattern": "needle"}));
    assert!(
        text.starts_with("f000\n1|needle\n") && text.ends_with("[200 more; narrow path or glob, or go on with offset 100]"),
        "{text}"
    );
    let (_, text) = result(&files, "search", json!({"pattern": "needle", "offset": "250"}));
    assert!(text.starts_with("f250\n") && !text.contains("more"), "{text}");
    let (_, text) = result(&files, "search", json!({"pattern": "thread"}));
    assert!(text.starts_with("no match in 300 files"), "{text}");
}

#[test]
fn an_edit_shows_the_hunk_with_its_surroundings() {
    let text: String = (1..=20).map(|n| format!("line {n}\n")).collect();
    let edit = |old: &str, new: &str| json!({"path": "a", "edits": [{"old": old, "new": new}]});
    let (_, told) = result(&[("a", &text)], "edit_file", edit("line 9\nline 10\n", "line 9\nten\nmore\n"));
    let expected =
        "a: hunk h1 pending review\n 7|line 7\n 8|line 8\n 9|line 9\n+10|ten\n+11|more\n 12|line 11\n 13|line 12\n 14|line 13\n";
    assert_eq!(told, expected);
    let (_, told) = result(&[("a", &text)], "edit_file", edit("line 9\nline 10\n", "line 9\n"));
    assert!(told.contains(" 9|line 9\n") && told.contains("lines were removed before line 10"), "{told}");
    let (status, told) = result(&[("a", &text)], "edit_file", edit("line", "row"));
    assert!(status == ToolCallStatus::Error && told.contains("20 places"), "{told}");
    let (_, told) = result(&[("a", "\tif x {\n\t}\n")], "edit_file", edit("if x {\n}", "if y {\n}"));
    assert!(told.contains("old differed in indentation") && told.contains("+1|\tif y {"), "{told}");
}

#[test]
fn output_is_cleaned_and_its_middle_can_be_paged() {
    let (_, text) = run(b"\x1b[31mred\x1b[0m\x1b]0;title\x07\r\nload 1%\rload 99%\rdone   \nbad \xff byte\x00\n", exit(0));
    assert_eq!(text, "exit code 0 (1.5 s)\nred\ndone   \nbad \u{fffd} byte\n");
    assert!(run(b"", exit(3)).1.ends_with("(no output)"));

    let long: String = (1..=5000).map(|n| format!("row {n}\n")).collect();
    let world = World::new([
        call("run", json!({"command": "it"})),
        call("output", json!({"id": "o1", "start_line": 2500, "end_line": 2501})),
        call("output", json!({"id": "o1", "pattern": "ROW 4321"})),
        call("output", json!({"id": "o9"})),
        finish(),
    ]);
    world.walls.ends.lock().unwrap().insert("it".into(), (long.into_bytes(), exit(0)));
    world.run();
    let results = world.log.results();
    let first = &results[0].1;
    assert!(first.len() < 17 * 1024 && first.contains("row 1\n") && first.ends_with("row 5000\n"), "{}", first.len());
    assert!(first.contains("lines left out of") && first.contains(r#"output {"id": "o1"} shows them"#), "{first}");
    assert_eq!(results[1].1, "o1: 5000 lines\n2500|row 2500\n2501|row 2501\n");
    assert_eq!(results[2].1, "o1: 5000 lines\n4321|row 4321\n");
    assert!(results[3].1.contains("kept are o1"), "{}", results[3].1);
}

#[test]
fn a_flood_of_output_is_bounded_and_paged_through() {
    let flood: String = (1..=60_000).map(|n| format!("line {n}\n")).collect();
    let page = |start: u32| call("output", json!({"id": "o1", "start_line": start, "end_line": start + 1}));
    let found = call("output", json!({"id": "o1", "pattern": "line 5432", "start_line": 2}));
    let world = World::new([call("run", json!({"command": "it"})), page(1023), page(1024), page(30_000), found, finish()]);
    world.walls.ends.lock().unwrap().insert("it".into(), (flood.clone().into_bytes(), exit(0)));
    world.run();
    let told: Vec<String> = world.log.results().into_iter().map(|(_, text)| text).collect();
    assert!(told[0].len() < 17 * 1024, "{}", told[0].len());
    assert!(
        told[0].contains(&format!("{} bytes in all; output", flood.len())) && told[0].ends_with("line 60000\n"),
        "{}",
        told[0]
    );
    let left: u64 = told[0].split(" lines left out").next().unwrap().rsplit('[').next().unwrap().parse().unwrap();
    let shown = told[0].lines().filter(|line| line.starts_with("line ")).count() as u64;
    assert_eq!(left + shown, 60_000);
    assert_eq!(told[1], "o1: 60000 lines\n1023|line 1023\n1024|line 1024\n");
    assert_eq!(told[2], "o1: 60000 lines\n1024|line 1024\n1025|line 1025\n");
    assert_eq!(told[3], "o1: 60000 lines\n30000|line 30000\n30001|line 30001\n");
    assert!(told[4].starts_with("o1: 60000 lines\n5432|line 5432\n54320|line 54320\n"), "{}", told[4]);
}

#[test]
fn one_line_without_an_end_is_cut_for_its_reader() {
    let (_, text) = run(&vec![b'x'; 5 << 20], exit(0));
    assert!(text.len() < 17 * 1024 && text.contains("5242880 bytes in all; output"), "{}", text.len());
    // Short lines around it do not hide it.
    let long = [b"first\n".as_slice(), &vec![b'x'; 5 << 20], b"needle", b"\nlast\n"].concat();
    let page = |input| call("output", input);
    let world = World::new([
        call("run", json!({"command": "it"})),
        page(json!({"id": "o1", "start_line": 2, "end_line": 3})),
        page(json!({"id": "o1", "pattern": "needle"})),
        page(json!({"id": "o1", "pattern": "last"})),
        finish(),
    ]);
    world.walls.ends.lock().unwrap().insert("it".into(), (long, exit(0)));
    world.run();
    let told: Vec<String> = world.log.results().into_iter().map(|(_, text)| text).collect();
    assert!(told[0].contains("first\nxxx") && told[0].ends_with("xxxneedle\nlast\n"), "{}", told[0]);
    assert!(told[0].len() > 15 * 1024 && told[0].len() < 17 * 1024, "{}", told[0].len());
    let more = (5 << 20) + "needle".len() - 2000;
    let line = format!("2|{}[{more} more bytes in this line; `| fold -w 1000` behind", "x".repeat(2000));
    assert!(told[1].contains(&line) && told[1].ends_with("3|last\n"), "{}", told[1]);
    assert!(told[2].ends_with("no line matches; of very long lines the start was searched only"), "{}", told[2]);
    assert_eq!(told[3], "o1: 3 lines\n3|last\n");
}

#[test]
fn a_result_says_how_the_command_ended() {
    let ended = |outcome: Outcome| run(b"partial", outcome);
    let base = Outcome::default();
    let spec = SandboxSpec { memory: 64 << 20, cpu: 7, processes: 9, shadow_size: 2 << 20, ..SandboxSpec::default() };
    let limits = std::sync::Arc::new(Facts { spec, ..Facts::default() });
    for (outcome, status, part) in [
        (exit(1), ToolCallStatus::Error, "exit code 1 (1.5 s)\npartial"),
        (Outcome { signal: Some(11), ..base.clone() }, ToolCallStatus::Error, "ended by signal 11"),
        (Outcome { stopped: Some(Stopped::Timeout), ..base.clone() }, ToolCallStatus::Error, "time limit of 120 s"),
        (
            Outcome { stopped: Some(Stopped::Memory), facts: limits.clone(), ..base.clone() },
            ToolCallStatus::Error,
            "memory limit of 64 MiB ([run] memory_mb in policy.toml)",
        ),
        (
            Outcome { stopped: Some(Stopped::Cpu), facts: limits.clone(), ..base.clone() },
            ToolCallStatus::Error,
            "limit of 7 s of processor time ([run] cpu_s in policy.toml)",
        ),
        (
            Outcome { stopped: Some(Stopped::Processes), facts: limits.clone(), ..base.clone() },
            ToolCallStatus::Error,
            "limit of 9 processes and threads ([run] processes",
        ),
        (
            Outcome { stopped: Some(Stopped::Shadow), facts: limits, ..base.clone() },
            ToolCallStatus::Error,
            "in the shadow, 2 MiB ([run] shadow_mb",
        ),
        (Outcome { stopped: Some(Stopped::Disk), ..base.clone() }, ToolCallStatus::Error, "nearly full"),
        (Outcome { stopped: Some(Stopped::Walls), ..base.clone() }, ToolCallStatus::Error, "keeps its walls"),
    ] {
        let (got, text) = ended(outcome);
        assert!(got == status && text.contains(part) && text.contains("partial"), "{text}");
    }
    let (_, text) = ended(Outcome { git: true, ..exit(0) });
    assert!(text.contains(".git stays in the shadow and vanishes") && !ended(exit(0)).1.contains(".git"), "{text}");
    let hiding = |exit: Outcome| Outcome { hidden: vec![".env".into()], ..exit };
    let (_, text) = ended(hiding(exit(0)));
    assert!(!text.contains(".env"), "{text}");
    let runs = |n: u32| call("run", json!({"command": format!("c{n}")}));
    let world = World::new([runs(1), runs(2), finish()]);
    for n in [1, 2] {
        world.walls.ends.lock().unwrap().insert(format!("c{n}"), (b"x".to_vec(), hiding(exit(1))));
    }
    world.run();
    let told: Vec<String> = world.log.results().into_iter().map(|(_, text)| text).collect();
    assert!(told[0].contains("hidden from commands as secrets: .env"), "{}", told[0]);
    assert!(!told[1].contains(".env"), "what was told is not told again: {}", told[1]);
}

/// What a command left becomes hunks, each path judged as a write of the model's would be; nothing is proposed or told twice.
#[test]
fn what_a_command_changed_is_judged_and_proposed() {
    let rules = "[[rule]]\nid = \"frozen\"\naction = \"write\"\npaths = [\"frozen/**\"]\nverdict = \"deny\"\nreason = \"It is frozen.\"\n";
    let runs = |n: u32| call("run", json!({"command": format!("c{n}")}));
    let world = World::under(rules, [runs(1), runs(2), runs(3), finish()]);
    world.files.put("src/a.rs", "a\n");
    world.files.put("gone", "x\n");
    let left = [
        ("src/a.rs", Found::File { content: b"b\n".to_vec(), mode: 0o644 }),
        ("gone", Found::Gone),
        ("Makefile", Found::File { content: b"all:\n".to_vec(), mode: 0o644 }),
        ("frozen/x", Found::File { content: b"x\n".to_vec(), mode: 0o644 }),
        (".env", Found::File { content: b"K=1\n".to_vec(), mode: 0o644 }),
        ("bad\nname", Found::File { content: b"x\n".to_vec(), mode: 0o644 }),
        ("pipe", Found::Other("a pipe")),
    ];
    let names: Vec<String> = left.iter().map(|(path, _)| path.to_string()).collect();
    world.walls.left.lock().unwrap().extend(left.map(|(path, found)| (path.to_owned(), (found, 1))));
    let kept: Vec<String> = names[3..].to_vec();
    let end = |changed: &[String], exit: i32| Outcome { exit: Some(exit), changed: changed.to_vec(), ..Outcome::default() };
    for (command, outcome) in
        [("c1", end(&names, 1)), ("c2", end(&kept, 0)), ("c3", Outcome { stopped: Some(Stopped::Cancelled), ..end(&names, 0) })]
    {
        world.walls.ends.lock().unwrap().insert(command.into(), (b"x".to_vec(), outcome));
    }
    world.run();
    let told: Vec<String> = world.log.results().into_iter().map(|(_, text)| text).collect();
    for part in [
        "[what the command changed is proposed, pending review: Makefile (new +2) h1 (one by one: the policy asks); gone (deleted -1) h2; src/a.rs (-1 +2) h3]",
        "frozen/x: denied by the policy, rule frozen (user): It is frozen",
        ".env: denied by the policy, rule secret",
        "\"bad\\nname\": denied by the policy",
        "pipe: Other",
    ] {
        assert!(told[0].contains(part), "{part} is not in {}", told[0]);
    }
    assert!(told[0].starts_with("exit code 1"), "a command that fails changes things as well");
    assert!(!told[1].contains("shadow") && !told[1].contains("proposed"), "what was told is not told again: {}", told[1]);
    assert!(!told[2].contains("proposed"), "{}", told[2]);
    assert_eq!(*world.walls.taken.lock().unwrap(), ["Makefile", "gone", "src/a.rs"]);
    let staged = world.files.staged.lock().unwrap();
    let rows: Vec<(String, bool, bool)> =
        staged.iter().map(|one| (one.path.to_string(), one.apart, one.call.0.is_empty())).collect();
    assert_eq!(rows, [("Makefile".into(), true, false), ("gone".into(), false, false), ("src/a.rs".into(), false, false)]);
    let judged = world
        .log
        .events()
        .into_iter()
        .filter(|(_, event)| matches!(event, Event::PolicyDecision { action, .. } if action != "run"));
    assert_eq!(judged.count(), 6, "each decision is on record");
}

#[test]
fn too_many_changes_are_told_and_none_is_proposed() {
    let world = World::new([call("run", json!({"command": "c"})), finish()]);
    let changed: Vec<String> = (0..501).map(|n| format!("f{n:03}")).collect();
    world.walls.ends.lock().unwrap().insert("c".into(), (Vec::new(), Outcome { exit: Some(0), changed, ..Outcome::default() }));
    world.run();
    let told = &world.log.results()[0].1;
    assert!(told.contains("changed 501 files (f000, f001, f002...), more than the 500"), "{told}");
    assert!(world.files.staged.lock().unwrap().is_empty() && world.walls.taken.lock().unwrap().is_empty());
}

#[test]
fn the_exit_code_of_a_pipe_is_told_for_what_it_is() {
    for (command, piped) in [
        ("make test 2>&1 | tail -5", true),
        ("cd x && make | tail", true),
        ("make | tail; echo $?", false),
        ("make || true", false),
        ("grep 'a|b' x", false),
        ("grep \"a|b\" x", false),
        ("grep a\\|b x", false),
        ("make test 2>&1", false),
        ("(make | tail)", false),
    ] {
        let (_, text) = result(&[], "run", json!({"command": command}));
        let expected = if piped { "exit code 0 of the last command in the pipe (" } else { "exit code 0 (" };
        assert!(text.starts_with(expected), "{command}: {text}");
    }
}

#[test]
fn one_session_of_walls_serves_all_commands_of_a_task() {
    let world = World::new([call("run", json!({"command": "a"})), call("run", json!({"command": "b"})), finish()]);
    world.run();
    assert_eq!(world.walls.opened.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[test]
fn new_files_and_whole_texts_are_staged() {
    let write = |input: Value| result(&[("a", "x\r\ny\r\n")], "write_file", input);
    let (status, text) = write(json!({"path": "new/b", "content": "1\n2\n"}));
    assert!(status == ToolCallStatus::Ok && text == "new/b: 2 lines, hunk h1 pending review", "{text}");
    let (status, text) = write(json!({"path": "a", "content": "z\n"}));
    assert!(status == ToolCallStatus::Error && text.contains("exists; change it with edit_file"), "{text}");
    let (status, _) = write(json!({"path": "a", "content": "x\ny\n", "overwrite": true}));
    assert_eq!(status, ToolCallStatus::Error, "the line ends are the file's, so nothing changes");
    let world = World::new([call("write_file", json!({"path": "a", "content": "z\nw\n", "overwrite": "true"})), finish()]);
    world.files.put("a", "x\r\ny\r\n");
    world.run();
    assert_eq!(world.files.get("a").unwrap(), "z\r\nw\r\n");
    let (status, text) = write(json!({"path": "b", "content": "x".repeat(300 * 1024)}));
    assert!(status == ToolCallStatus::Error && text.contains("in parts"), "{text}");
}

#[test]
fn files_move_and_go_as_proposals() {
    let world = World::new([
        call("file_op", json!({"op": "rename", "from": "a", "destination": "b"})),
        call("file_op", json!({"op": "delete", "path": "b"})),
        call("file_op", json!({"op": "move", "path": "b"})),
        call("file_op", json!({"op": "move", "path": ".env", "to": "env.txt"})),
        finish(),
    ]);
    world.files.put("a", "x\n");
    world.files.put(".env", "KEY=1\n");
    world.run();
    let results = world.log.results();
    assert!(results[0].1.starts_with("move a to b: hunk h1") && results[1].1.starts_with("delete b: hunk h2"), "{results:?}");
    assert!(results[2].1.contains("move needs to"), "{results:?}");
    assert_eq!(results[3].0, ToolCallStatus::Denied);
    assert_eq!((world.files.get("b"), world.files.get(".env").is_some()), (None, true));
}

#[test]
fn a_mode_is_proposed_and_judged_as_a_write() {
    let world = World::new([
        call("file_op", json!({"op": "chmod", "path": "a", "executable": "true"})),
        call("file_op", json!({"op": "chmod", "path": "a"})),
        call("file_op", json!({"op": "delete", "path": "a", "executable": true})),
        call("file_op", json!({"op": "chmod", "path": "a", "to": "b", "executable": false})),
        call("file_op", json!({"op": "chmod", "path": ".git/hooks/x", "executable": true})),
        finish(),
    ]);
    world.files.put("a", "x\n");
    world.run();
    let results = world.log.results();
    assert!(results[0].1.starts_with("make a executable: hunk h1"), "{results:?}");
    assert!(results[1].1.contains("chmod needs executable") && results[2].1.contains("executable is for chmod"), "{results:?}");
    assert!(results[3].1.contains("chmod takes no to"), "{results:?}");
    assert_eq!(results[4].0, ToolCallStatus::Denied, "{results:?}");
}

#[test]
fn a_question_of_the_model_is_answered_or_not() {
    assert_eq!(result(&[], "ask_user", json!({"question": "which?", "options": "a"})).1, "the user answers: answer to which?");
    let (status, text) = result(&[], "ask_user", json!({"question": "unanswered"}));
    assert!(status == ToolCallStatus::Error && text.contains("plainest reading"), "{text}");
}

#[test]
fn hits_that_the_policy_keeps_back_are_not_shown() {
    let rule =
        "[[rule]]\nid = \"no-notes\"\naction = \"read\"\nverdict = \"deny\"\npaths = [\"notes/**\"]\nreason = \"private\"\n";
    let world = World::under(rule, [call("search", json!({"pattern": "needle"})), finish()]);
    world.files.put("notes/a", "needle one\n");
    world.files.put("src/a", "needle two\n");
    world.run();
    let text = &world.log.results()[0].1;
    assert!(
        text.contains("needle two") && !text.contains("needle one") && text.contains("hits in 1 files are left out"),
        "{text}"
    );
}

#[test]
fn every_tool_has_a_result_in_the_modes_that_have_it() {
    let names = |mode: Mode| Registry::new(mode, &[], "", None).specs().iter().map(|spec| spec.name.clone()).collect::<Vec<_>>();
    assert_eq!(
        names(Mode::Edit),
        ["ask_user", "edit_file", "file_op", "finish", "git", "list_files", "output", "read_file", "run", "search", "write_file"]
    );
    assert_eq!(names(Mode::Explain), ["ask_user", "finish", "git", "list_files", "read_file", "search"]);
    assert_eq!(names(Mode::Plan), names(Mode::Explain));
}

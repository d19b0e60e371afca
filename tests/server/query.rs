//! Rich clients: versions are compared, the model reaches the editor's own knowledge through them, and everything that they
//! show can be built again from what the server tells.

use std::fs;

use serde_json::{Value, json};

use crate::{
    lsp::{Choice, Editor, Known, Seen, able},
    room::{Room, calls, edit, say},
};

/// What the model is told when the editor is too slow.
const TOO_LATE: &str = "the editor did not answer within 2 s";
const TEXT: &str = "one\ntwo\nthree\nfour\nfive\nsix 😀 name\nseven\neight\nnine\n";

fn rich() -> Value {
    json!({"countersign": {"rich": true, "protocol": 1}})
}

fn range(line: u32, start: u32, end: u32) -> Value {
    json!({"start": {"line": line, "character": start}, "end": {"line": line, "character": end}})
}

/// Asks and waits for the closing message; the task.
async fn run(editor: &Editor) -> Value {
    let before = editor.seen().messages().iter().filter(|message| message.starts_with("countersign ")).count();
    let asked = editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let ended = |seen: &Seen| seen.messages().iter().filter(|message| message.starts_with("countersign ")).count();
    editor.until("the end of the task", |seen| (ended(seen) > before).then_some(())).await;
    asked["task"].clone()
}

/// Status and text of the results of one tool, in order.
fn results(room: &Room, tool: &str) -> Vec<(String, String)> {
    let mut lines = room.journal();
    lines.sort_by_key(|line| (line["ts"].as_str().map(str::to_owned), line["seq"].as_u64()));
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let results = lines.iter().filter(|line| line["kind"] == "tool.result" && line["tool"] == tool);
    results.map(|line| (word(&line["status"]), word(&line["content"]))).collect()
}

fn queries(editor: &Editor, kind: &str) -> Vec<Value> {
    let requests = editor.seen().requests.into_iter();
    requests
        .filter(|(method, params)| method == "countersign/query" && params["kind"] == kind)
        .map(|(_, params)| params)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_compared_and_another_one_is_served_as_a_plain_client() {
    let cases = [
        (json!(1), None),
        (Value::Null, None),
        (json!(2), Some(("speaks protocol 1, your editor's extension 2: update countersign", true))),
        (json!(0), Some(("your editor's extension 0: update the extension", true))),
        (json!("new"), Some(("one without a number: update the extension", true))),
        // A client that does not call itself rich is not asked for a version.
        (json!(2), Some(("", false))),
    ];
    for (protocol, plain) in cases {
        let room = Room::with(&[("a.txt", TEXT)]);
        let editor = Editor::spawn(
            room.home.path(),
            &room.folder(),
            &["--model", &script(&room, &[calls(&[edit("a.txt", &[("two\n", "2\n")])]), say("Done.")])],
            &[],
        )
        .await;
        let rich = plain.is_none_or(|(_, rich)| rich);
        let answer = editor.initialize(able(), json!({"countersign": {"rich": rich, "protocol": protocol}})).await;
        let told = &answer["capabilities"]["experimental"]["countersign"];
        assert_eq!(told, &json!({"protocol": 1, "version": env!("CARGO_PKG_VERSION")}));
        run(&editor).await;
        let seen = editor.seen();
        let warned: Vec<String> = seen.messages().into_iter().filter(|message| message.contains("protocol")).collect();
        let told = seen.notifications.iter().any(|(method, _)| method.starts_with("countersign/"));
        assert_eq!(told, plain.is_none(), "{protocol}: rich clients are told, plain ones are not");
        if plain.is_some() {
            let uri = editor.uri("a.txt");
            editor.until("the hunk's diagnostic", |seen| seen.diagnostics(&uri).first().cloned()).await;
        }
        match plain {
            Some((words, true)) => assert!(warned.len() == 1 && warned[0].contains(words), "{protocol}: {warned:?}"),
            _ => assert!(warned.is_empty(), "{protocol}: {warned:?}"),
        }
        editor.quit().await;
    }
}

fn script(room: &Room, answers: &[Value]) -> String {
    let path = room.home.path().join(format!("{}.jsonl", uuid::Uuid::now_v7()));
    fs::write(&path, answers.iter().map(|answer| format!("{answer}\n")).collect::<String>()).unwrap();
    format!("script:{}", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_language_servers_come_in_the_lines_that_the_model_sees() {
    let room = Room::with(&[("a.txt", TEXT), ("b.txt", "name\n"), (".env", "KEY=1\n")]);
    let symbols =
        |op: &str, line: u32, symbol: &str| ("symbols", json!({"op": op, "path": "a.txt", "line": line, "symbol": symbol}));
    let editor = room
        .editor_with(
            &[
                calls(&[edit("a.txt", &[("one\n", "one\nand a half\nmore\n"), ("four\n", "FOUR\n")])]),
                calls(&[("write_file", json!({"path": "new.txt", "content": "name\n"}))]),
                calls(&[("diagnostics", json!({})), ("diagnostics", json!({"path": "a.txt", "severity": "error"}))]),
                calls(&[symbols("definition", 8, "name"), symbols("references", 8, "name"), symbols("hover", 8, "name")]),
                calls(&[symbols("hover", 6, "FOUR"), ("symbols", json!({"op": "outline", "path": "new.txt"}))]),
                calls(&[("symbols", json!({"op": "outline", "path": "a.txt"})), ("diagnostics", json!({"path": ".env"}))]),
                calls(&[("editor", json!({"op": "selection"})), ("editor", json!({"op": "open_buffers"}))]),
                say("Done."),
            ],
            // A busy machine says nothing about the lines.
            json!({"countersign": {"rich": true, "protocol": 1, "queries": 30}}),
        )
        .await;
    let (a, b, secret) = (editor.uri("a.txt"), editor.uri("b.txt"), editor.uri(".env"));
    let outside = "file:///usr/lib/library.txt";
    let row = |uri: &str, line, severity, message: &str, source: &str| json!({"uri": uri, "range": range(line, 0, 3), "severity": severity, "message": message, "source": source, "code": 7});
    editor.knows(
        "diagnostics",
        Known::Tells(json!([
            row(&a, 4, 1, "five is wrong", "check"),
            row(&a, 3, 2, "four is odd", "check"),
            row(&a, 0, 1, "ours", "countersign"),
            row(outside, 0, 1, "elsewhere", "check"),
            row(&secret, 0, 1, "KEY=1 is short", "check"),
            {"uri": "not a uri", "message": 7},
        ])),
    );
    let location = |uri: &str, line| json!({"uri": uri, "range": range(line, 7, 11)});
    editor.knows("definition", Known::Tells(location(&b, 0)));
    editor
        .knows("references", Known::Tells(json!([location(&a, 5), location(&b, 0), location(&secret, 0), location(outside, 3)])));
    editor.knows("hover", Known::Tells(json!({"contents": "the **name**\u{202e}\nof it"})));
    let child = json!({"name": "inner", "kind": 12, "range": range(5, 0, 4), "selectionRange": range(5, 0, 4)});
    let whole = json!({"start": {"line": 4, "character": 0}, "end": {"line": 7, "character": 0}});
    editor.knows(
        "outline",
        Known::Tells(json!([{"name": "outer", "kind": 5, "range": whole, "selectionRange": whole, "children": [child]}])),
    );
    editor.knows(
        "selection",
        Known::Tells(json!({"uri": a, "range": {"start": {"line": 5, "character": 0}, "end": {"line": 7, "character": 0}}})),
    );
    editor.knows("openBuffers", Known::Tells(json!([
        {"uri": a, "dirty": true, "visible": true, "active": true}, {"uri": b, "dirty": false, "visible": false, "active": false},
        {"uri": outside, "dirty": false, "visible": true, "active": false},
    ])));
    editor.open("a.txt", TEXT);
    editor.replace("a.txt", "nine\n", "nine, typed\n");
    run(&editor).await;
    let unseen = "[of the user's text: the editor's language servers do not see your pending hunks; run shows what checks say with \
                  them]";
    let hidden = |what: &str| format!("[1 {what} left out: the policy keeps those files from you]");
    let told = results(&room, "diagnostics");
    let four = "a.txt:(under your hunk h2) warning \"four is odd\" (check 7)";
    assert_eq!(told[0].1, format!("a.txt:7 error \"five is wrong\" (check 7)\n{four}\n{}\n{unseen}", hidden("diagnostics are")));
    assert_eq!(
        told[1].1,
        format!("a.txt:7 error \"five is wrong\" (check 7)\n[1 milder ones; severity: hint shows all]\n{unseen}")
    );
    assert_eq!(told[2].0, "denied");
    let asked = queries(&editor, "diagnostics");
    assert_eq!(asked, [json!({"kind": "diagnostics"}), json!({"kind": "diagnostics", "uri": a})], "secrets are not asked about");

    let told = results(&room, "symbols");
    assert_eq!(told[0].1, format!("definition of \"name\" at a.txt:8:\nb.txt\n1|name\n{unseen}"));
    let references = format!(
        "references of \"name\" at a.txt:8:\na.txt\n8|six 😀 name\nb.txt\n1|name\n[1 outside of the workspace, which you cannot read; \
         hover may tell]\n{}\n{unseen}",
        hidden("places are")
    );
    assert_eq!(told[1].1, references);
    assert_eq!(told[2].1, format!("\"name\" at a.txt:8, as the language server has it:\n| the **name**\n| of it\n{unseen}"));
    // The place that the editor is asked about is in its own text, in its own units.
    assert_eq!(queries(&editor, "hover")[0]["position"], json!({"line": 5, "character": 7}));
    assert!(told[3].0 == "error" && told[3].1.contains("in your pending hunk h2"), "{told:?}");
    assert!(told[4].0 == "error" && told[4].1.contains("new.txt is made or moved by your pending changes"), "{told:?}");
    assert_eq!(told[5].1, format!("a.txt: 2 symbols\n7-9 class \"outer\"\n  8 function \"inner\"\n{unseen}"));

    let told = results(&room, "editor");
    assert_eq!(told[0].1, "a.txt:8-9\n8|six 😀 name\n9|seven");
    assert_eq!(told[1].1, "a.txt (active, visible, unsaved)\nb.txt");
    editor.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_that_cannot_tell_is_told_so_to_the_model() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let ask = |op: &str| ("symbols", json!({"op": op, "path": "a.txt", "symbol": "name"}));
    let editor = room
        .editor_with(
            &[
                calls(&[("diagnostics", json!({})), ask("outline"), ask("definition"), ask("hover")]),
                calls(&[ask("references")]),
                calls(&[("editor", json!({"op": "selection"}))]),
                calls(&[("editor", json!({"op": "open_buffers"})), ("diagnostics", json!({}))]),
                say("Done."),
                calls(&[("diagnostics", json!({})), ("editor", json!({"op": "open_buffers"}))]),
                say("Done again."),
            ],
            rich(),
        )
        .await;
    editor.knows("diagnostics", Known::Silent);
    editor.knows("outline", Known::Error(-32603));
    editor.knows("definition", Known::Tells(json!("nowhere")));
    editor.knows("hover", Known::Tells(Value::Null));
    editor.knows("references", Known::Tells(json!([{"uri": 5}, 6])));
    editor.knows("selection", Known::Error(-32601));
    editor.open("a.txt", TEXT);
    run(&editor).await;
    let told = results(&room, "diagnostics");
    assert!(told[0].0 == "error" && told[0].1.contains(TOO_LATE), "{told:?}");
    // After "method not found" nothing is asked any more.
    assert!(told[1].0 == "error" && told[1].1.contains("the editor cannot tell that"), "{told:?}");
    assert_eq!(queries(&editor, "diagnostics").len(), 1);
    let told = results(&room, "symbols");
    assert!(told[0].0 == "error" && told[0].1.contains("answered with an error: \"no such luck\""), "{told:?}");
    assert!(told[1].0 == "error" && told[1].1.contains("cannot be understood"), "{told:?}");
    assert_eq!(told[2], ("ok".to_owned(), "the editor's language servers say nothing about \"name\" at a.txt:6".to_owned()));
    assert!(told[3].0 == "error" && told[3].1.contains("cannot be understood"), "{told:?}");
    let told = results(&room, "editor");
    assert!(told[0].0 == "error" && told[0].1.contains("the editor cannot tell that"), "{told:?}");
    assert_eq!(told[1], ("ok".to_owned(), "a.txt".to_owned()), "what is open is known all the same");

    // The next task does not have the tools any more.
    run(&editor).await;
    let told = results(&room, "diagnostics");
    assert!(told[2].0 == "error" && told[2].1.contains("the editor here cannot be asked"), "{told:?}");
    editor.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_client_tells_what_is_open_and_what_was_typed() {
    let room = Room::with(&[("a.txt", TEXT), ("b.txt", "b\n")]);
    let editor = room
        .editor(&[
            calls(&[("editor", json!({"op": "open_buffers"})), ("editor", json!({"op": "recent_edits"}))]),
            calls(&[("editor", json!({"op": "selection"})), ("diagnostics", json!({}))]),
            say("Done."),
        ])
        .await;
    editor.open("a.txt", TEXT);
    editor.open("b.txt", "b\n");
    editor.replace("a.txt", "seven\n", "seven\nseven and a half\n");
    editor.replace("a.txt", "one\n", "ONE\nand more\n");
    editor.replace("b.txt", "b\n", "B\n");
    editor.close("b.txt");
    run(&editor).await;
    let told = results(&room, "editor");
    assert_eq!(told[0].1, "a.txt (unsaved)");
    let lines: Vec<&str> = told[1].1.lines().map(|line| line.split(' ').next().unwrap()).collect();
    // The lines are where they are now, and of a closed file nothing is told.
    assert_eq!(lines, ["a.txt:1-3", "a.txt:8-10"], "{told:?}");
    assert!(told[2].0 == "error", "{told:?}");
    assert!(results(&room, "diagnostics")[0].1.contains("the editor here cannot be asked"));
    assert_eq!(queries(&editor, "selection").len(), 0);
    editor.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_shown_again_from_status_and_proposals() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let editor = room
        .editor_with(
            &[
                json!({"content": [
                    {"type": "text", "text": "The second line is wrong."},
                    {"type": "tool_use", "id": "e", "name": "edit_file",
                     "input": {"path": "a.txt", "edits": [{"old": "two\n", "new": "2\n"}, {"old": "eight\n", "new": "8\n"}]}},
                ], "stop_reason": "tool_use"}),
                calls(&[("run", json!({"command": "echo shown"}))]),
                say("Done."),
            ],
            rich(),
        )
        .await;
    editor.open("a.txt", TEXT);
    let task = run(&editor).await;
    let seen = editor.seen();
    let updates = |kind: &str| -> Vec<Value> {
        let all = seen.notifications.iter().filter(|(method, params)| method == "countersign/update" && params["kind"] == kind);
        all.map(|(_, params)| params.clone()).collect()
    };
    let usage = updates("usage");
    assert!(usage.iter().all(|usage| usage["iterations"] == 20 && usage["usage"]["input"].is_u64()), "{usage:?}");
    let states = updates("state");
    assert!(states.iter().any(|state| state["level"].as_str().is_some_and(|level| level.starts_with('L'))), "{states:?}");
    assert!(states.iter().any(|state| state["model"].as_str().is_some_and(|model| model.starts_with("script"))), "{states:?}");
    let last = states.last().unwrap();
    assert_eq!((&last["state"], &last["stop"], &last["pending"]), (&json!("ended"), &json!("end_turn"), &json!(2)));
    let called = updates("tool_call");
    let ran = called.iter().find(|call| call["tool"] == "run").unwrap()["call"].clone();
    assert!(updates("tool_output").iter().any(|output| output["call"] == ran && output["text"] == "shown\n"));

    // A view that lost everything.
    let before = editor.seen().notifications.len();
    let status = editor.command("status", json!({"proposals": true})).await.unwrap();
    let row = &status["tasks"][0];
    assert_eq!((&row["task"], &row["state"], &row["stop"]), (&task, &json!("ended"), &json!("end_turn")));
    assert_eq!((&row["mode"], &row["pending"], &row["summary"]), (&json!("edit"), &json!(2), &json!("Done.")));
    assert_eq!(row["accepted"], json!(false));
    assert!(row["folder"].as_str().is_some_and(|folder| folder.starts_with("file:///")), "{row}");
    assert!(row["asked_at"].as_str().is_some_and(|at| at.ends_with('Z')) && row["restored"] == false, "{row}");
    assert_eq!(status["questions"], json!([]));
    let again = |seen: &Seen| {
        let later = seen.notifications.get(before..)?;
        later.iter().find(|(method, _)| method == "countersign/proposal").map(|(_, params)| params.clone())
    };
    let proposal = editor.until("the proposal again", again).await;
    assert_eq!(proposal["proposal"], row["proposal"]);
    let file = &proposal["files"][0];
    assert_eq!((&file["op"], &file["version"]), (&json!("edit"), &json!(1)));
    let hunk = &file["hunks"][0];
    assert_eq!(hunk["range"], json!({"start": {"line": 1, "character": 0}, "end": {"line": 2, "character": 0}}));
    assert_eq!((&hunk["old_text"], &hunk["new_text"], &hunk["kind"]), (&json!("two\n"), &json!("2\n"), &json!("lines")));
    assert_eq!((&hunk["state"], &hunk["steering"]), (&json!("pending"), &json!(false)));
    assert!(hunk["reason"].as_str().is_some_and(|reason| reason.contains("second line is wrong")), "{hunk}");
    assert_eq!(hunk["call"], called.iter().find(|call| call["tool"] == "edit_file").unwrap()["call"]);

    // The user types over it: it says why it is stale.
    editor.replace("a.txt", "two\n", "TWO\n");
    let stale = |seen: &Seen| {
        let proposals = seen.notifications.iter().rev().filter(|(method, _)| method == "countersign/proposal");
        let hunks = proposals.flat_map(|(_, params)| params["files"][0]["hunks"].as_array().cloned().unwrap_or_default());
        hunks.into_iter().find(|hunk| hunk["state"] == "stale")
    };
    let stale = editor.until("a stale hunk", stale).await;
    assert!(stale["why"].as_str().is_some_and(|why| !why.is_empty()), "{stale}");
    let error = editor.command("status", json!({"proposal": true})).await.unwrap_err();
    assert!(error.message.contains("proposal"), "{error:?}");
    editor.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_view_is_built_anew() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let answers = [calls(&[edit("a.txt", &[("two\n", "2\n")])]), say("Done.")];
    let editor = room.editor_with(&answers, rich()).await;
    let restored = async |editor: &Editor| editor.until("what is left", |seen| seen.find("countersign/restored", |_| true)).await;
    assert_eq!(restored(&editor).await, json!({"proposals": []}));
    run(&editor).await;
    editor.quit().await;

    let editor = room.editor_with(&[], rich()).await;
    let left = restored(&editor).await;
    let proposal = editor.until("the proposal", |seen| seen.find("countersign/proposal", |_| true)).await;
    assert_eq!(proposal["files"][0]["hunks"][0]["new_text"], "2\n");
    assert_eq!(left["proposals"], json!([proposal["proposal"]]));
    let status = editor.command("status", json!({})).await.unwrap();
    let row = &status["tasks"][0];
    assert_eq!((&row["task"], &row["proposal"]), (&proposal["task"], &proposal["proposal"]));
    assert_eq!((&row["restored"], &row["pending"], &row["state"]), (&json!(true), &json!(1), &json!("ended")));
    editor.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_questions_are_told_with_what_answers_them() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let question = ("ask_user", json!({"question": "Which one?", "options": ["left", "right"]}));
    let editor = room.editor_with(&[calls(&[question]), say("Done.")], rich()).await;
    editor.answer("Which one?", std::time::Duration::ZERO, Choice::Never);
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let open = editor.until("the question", |seen| seen.find("countersign/update", |update| update["kind"] == "question")).await;
    assert_eq!((&open["question"], &open["state"]), (&json!("ask"), &json!("open")));
    assert_eq!((&open["titles"], &open["expires"]), (&json!(["left", "right"]), &json!(1800)));
    let status = editor.command("status", json!({})).await.unwrap();
    let row = &status["questions"][0];
    assert_eq!((&row["approval"], &row["task"], &row["kind"]), (&open["approval"], &open["task"], &json!("ask")));
    assert!(row["expires"].as_u64().is_some_and(|left| left <= 1800) && row["text"] == open["text"], "{row}");
    assert_eq!(status["tasks"][0]["step"], "waiting for you");
    editor.command("stop", json!({})).await.unwrap();
    let closed = |update: &Value| update["kind"] == "question" && update["state"] != "open";
    let closed = editor.until("the end of the question", |seen| seen.find("countersign/update", closed)).await;
    assert_eq!((&closed["approval"], &closed["state"]), (&open["approval"], &json!("dismissed")));

    // A question of no task: the user's own.
    room.distrust();
    editor.answer("Trust", std::time::Duration::ZERO, Choice::Title("Reject"));
    editor.command("trustWorkspace", json!({})).await.unwrap();
    for state in ["open", "rejected"] {
        let own = |update: &Value| update["kind"] == "question" && update["task"].is_null() && update["state"] == state;
        editor.until("the user's own question", |seen| seen.find("countersign/update", own)).await;
    }
    editor.quit().await;
}

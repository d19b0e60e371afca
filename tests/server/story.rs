//! The main job from end to end, over real stdio with a raw client and a strict model double: ask about unsaved text, review
//! while typing, run in the walls, cancel, go on; and every step told to the model and kept in the journal.

use std::{fs, process::Command, time::Duration};

use serde_json::{Value, json};

use crate::{
    lsp::{Editor, able},
    support::model_double::{KEY, ModelDouble, SPEC, Turn},
};

const FILE: &str = "list.txt";

fn lines() -> String {
    (1..=30).map(|n| format!("line {n}\n")).collect()
}

fn countersign(home: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.env("XDG_CONFIG_HOME", home.join("config"));
    command.env("XDG_STATE_HOME", home.join("state"));
    command.env("XDG_CACHE_HOME", home.join("cache"));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn review_while_typing_run_in_the_walls_cancel_and_go_on() {
    let (home, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = work.path().canonicalize().unwrap();
    fs::write(folder.join(FILE), lines()).unwrap();
    fs::write(folder.join("test.sh"), "grep -n -e first -e second -e third -e unsaved -e typed list.txt; echo x > made.txt\n")
        .unwrap();
    assert!(countersign(home.path()).args(["trust", "add"]).arg(&folder).status().unwrap().success());

    let edits = json!([
        {"old": "line 3\n", "new": "line 3, first\n"},
        {"old": "line 15 unsaved\n", "new": "line 15 unsaved, second\n"},
        {"old": "line 27\n", "new": "line 27, third\n"},
    ]);
    let (tests, go) = Turn::held(Turn::call("c", "run", json!({"command": "sh test.sh"})));
    let double = ModelDouble::start([
        Turn::new().thinking("Where is it?", "sig").text("Looking.").tool("a", "search", json!({"pattern": "unsaved"})).tool(
            "b",
            "read_file",
            json!({"path": FILE, "start_line": 14, "end_line": 16}),
        ),
        Turn::call("e", "edit_file", json!({"path": FILE, "edits": edits})),
        tests,
        Turn::call("s", "run", json!({"command": "echo started; sleep 60"})),
        Turn::say("Understood."),
    ]);
    let url = double.url();
    let editor =
        Editor::spawn(home.path(), &folder, &["--model", SPEC], &[("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", &url)])
            .await;
    editor.initialize(able(), Value::Null).await;

    // Unsaved text.
    editor.open(FILE, &lines());
    editor.replace(FILE, "line 15\n", "line 15 unsaved\n");

    let uri = editor.uri(FILE);
    let started = editor.command("ask", json!({"prompt": "Mark three lines.", "uri": uri})).await.unwrap();
    let (task, session) = (started["task"].clone(), started["session"].clone());

    // Three hunks, live.
    let hunks = editor.until("three hunks", |seen| Some(seen.diagnostics(&uri)).filter(|all| all.len() == 3)).await;
    let data = |n: usize| hunks[n]["data"].clone();
    let (proposal, first, second) = (data(0)["proposal"].clone(), data(0)["hunk"].clone(), data(1)["hunk"].clone());
    let results = double.requests()[1].results();
    assert!(results[0].1.contains("line 15 unsaved"), "search sees the unsaved text: {results:?}");
    assert!(results[1].1.contains("line 15 unsaved"), "read_file sees the unsaved text: {results:?}");

    // The user types between the hunks; they shift.
    editor.replace(FILE, "line 9\n", "line 9 typed\nand one more typed\n");
    let moved = editor
        .until("hunks shift", |seen| {
            Some(seen.diagnostics(&uri)).filter(|all| all.len() == 3 && all[1]["range"]["start"]["line"] == 15)
        })
        .await;
    assert_eq!(moved[0]["range"]["start"]["line"], 2);
    assert_eq!(moved[2]["range"]["start"]["line"], 27);

    // The menu offers what a plain client needs.
    let range = moved[1]["range"].clone();
    let request = json!({"textDocument": {"uri": uri}, "range": range, "context": {"diagnostics": [], "triggerKind": 2}});
    let menu = editor.bounded(editor.peer.request("textDocument/codeAction", request)).await.unwrap();
    let titles: Vec<&str> = menu.as_array().unwrap().iter().map(|action| action["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Accept change", "Reject change", "Reject with a reason...", "Show diff", "Accept file", "Reject file"]);

    // Accept the second, reject the first with a reason.
    let accepted = editor.command("accept", json!({"proposal": proposal, "hunks": [second]})).await.unwrap();
    assert_eq!(accepted, json!({"accepted": [second], "refused": []}));
    let edit = editor.seen().edits[0].clone();
    assert_eq!(edit["documentChanges"][0]["textDocument"]["version"], 3, "the edit is versioned: {edit}");
    assert_eq!(edit["documentChanges"][0]["edits"].as_array().unwrap().len(), 1);
    let rejected = editor
        .command("reject", json!({"proposal": proposal, "hunks": [first], "reason": "keep line 3 as it was"}))
        .await
        .unwrap();
    assert_eq!(rejected["rejected"], json!([first]));
    let text = editor.text(FILE);
    assert!(text.contains("line 15 unsaved, second\n") && text.contains("line 9 typed\n"));
    assert!(!text.contains("first") && !text.contains("third"));

    // The tests run on the unsaved text with the pending hunk; the disk stays as it is.
    go.send(()).unwrap();
    editor.bounded(double.requested(4)).await;
    let result = double.requests()[3].results()[0].1.clone();
    for part in ["line 15 unsaved, second", "line 27, third", "line 9 typed", "made.txt (new +1) h4"] {
        assert!(result.contains(part), "{part:?} is not in {result}");
    }
    assert!(!result.contains(", first"), "the rejected hunk is gone: {result}");
    let told = double.requests().iter().flat_map(|request| request.results()).map(|result| result.1).collect::<String>();
    for part in ["keep line 3 as it was", "accepted", "rejected"] {
        assert!(told.contains(part), "the model is not told {part:?}: {told}");
    }
    assert_eq!(fs::read_to_string(folder.join(FILE)).unwrap(), lines(), "the disk is untouched");
    assert!(!folder.join("made.txt").exists());

    // Cancel the second command midway.
    editor
        .until("the sleeping command runs", |seen| {
            seen.find("$/progress", |params| params["value"]["message"].as_str().is_some_and(|line| line.contains("sleep 60")))
        })
        .await;
    let before = std::time::Instant::now();
    editor.command("stop", json!({"task": task})).await.unwrap();
    editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.contains("stopped"))).await;
    assert!(before.elapsed() < Duration::from_secs(3), "cancelling took {:?}", before.elapsed());

    // The session goes on, and the model is told.
    editor.command("ask", json!({"prompt": "What happened?", "session": session, "uri": uri})).await.unwrap();
    editor.until("the second answer", |seen| seen.messages().into_iter().find(|message| message.contains("Understood"))).await;
    let last = double.last().results();
    assert!(last.iter().any(|result| result.1.contains("cancelled by the user")), "{last:?}");
    assert_eq!(editor.hunks(FILE).len(), 1, "the third hunk is still pending");
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));

    // The record is whole, and holds the decisions.
    let session = session.as_str().unwrap();
    let verify = countersign(home.path()).args(["audit", "verify", session]).output().unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
    let journal = fs::read_to_string(home.path().join("state/countersign/journal").join(format!("{session}.jsonl"))).unwrap();
    for kind in ["hunk.accepted", "hunk.rejected", "effect.start", "tool.intent", "task.end", "llm.response"] {
        assert!(journal.contains(&format!("\"kind\":\"{kind}\"")), "{kind} is not in the journal");
    }
    // Positive control of the chain: a changed line is found.
    let path = home.path().join("state/countersign/journal").join(format!("{session}.jsonl"));
    fs::write(&path, journal.replacen("keep line 3", "drop line 3", 1)).unwrap();
    let verify = countersign(home.path()).args(["audit", "verify", session]).output().unwrap();
    assert_eq!(verify.status.code(), Some(1), "a changed line must be found");
}

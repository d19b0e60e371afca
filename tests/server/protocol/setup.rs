//! Folders that nobody trusts, files of settings with mistakes, no key: what is left then, and what is said to be done.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use super::{ended, hunk, journal};
use crate::{
    lsp::{Choice, Editor},
    room::{Room, calls, edit, say},
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_before_trust() {
    let room = Room::untrusted(&[("a.txt", "one\n")]);
    let script = [calls(&[edit("a.txt", &[("one\n", "two\n")])]), say("Done.")];
    let editor = room.editor_with(&script, json!({"countersign": {"trusted": true}})).await;
    for (choice, part) in [
        (Choice::Title("Reject"), "did not trust"),
        (Choice::Null, "not trusted yet"),
        (Choice::Error(-32603), "not trusted yet"),
    ] {
        let before = editor.seen().messages().len();
        editor.answer("Trust", Duration::ZERO, choice);
        editor.command("ask", json!({"prompt": "go"})).await.unwrap();
        let said = editor.until("a refusal", |seen| seen.messages().get(before).cloned()).await;
        assert!(said.contains(part), "{said}");
        assert!(editor.hunks("a.txt").is_empty());
    }
    // Too fast is asked again; slow enough counts, and is remembered.
    editor.answer("Trust", Duration::ZERO, Choice::Title("Trust"));
    editor.answer("faster than it can be read", Duration::from_millis(1100), Choice::Title("Trust"));
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    hunk(&editor, "a.txt").await;
    assert_eq!(editor.seen().questions.len(), 5);
    assert_eq!(editor.quit().await, Some(0));
    let list = fs::read_to_string(room.state("trust.json")).unwrap();
    assert!(list.contains(&room.folder().display().to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_dialogs_is_told_the_command() {
    let room = Room::untrusted(&[]);
    let editor = room.editor(&[say("Done.")]).await;
    editor.answer("Trust", Duration::ZERO, Choice::Error(-32601));
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let document = editor.until("the question's document", |seen| seen.documents.first().cloned()).await;
    let text = fs::read_to_string(reqwest::Url::parse(&document).unwrap().to_file_path().unwrap()).unwrap();
    assert!(text.contains("countersign trust add"), "{text}");
    assert!(!text.contains("countersign.answer"), "trust is never given by a code: {text}");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_policy_leaves_reading_and_says_the_line() {
    for (file, text, line) in
        [("policy.toml", "schema = 1\n\n[paths]\nsecrets = []\n", 3), ("config.toml", "[model]\nnam = \"x\"\n", 1)]
    {
        let room = Room::untrusted(&[("a.txt", "one\n")]);
        room.config(file, text);
        room.trust("add");
        let (read, run) = (("read_file", json!({"path": "a.txt"})), ("run", json!({"command": "echo ran"})));
        let script = [calls(&[read, edit("a.txt", &[("one", "two")]), run]), say("Done.")];
        if file == "config.toml" {
            // It may say where the model is, so no other one is asked in its place.
            let editor = room.modelless().await;
            editor.command("ask", json!({"prompt": "go"})).await.unwrap();
            let end = ended(&editor).await;
            assert!(end.contains("config.toml:2") && end.contains("no model is called"), "{end}");
            assert_eq!(editor.quit().await, Some(0));
        }
        let editor = room.editor(&script).await;
        let said = editor.until("the problem", |seen| seen.messages().into_iter().find(|said| said.contains("read-only"))).await;
        assert!(said.contains(file) && said.contains(&format!("{}", line + 1)), "{said}");
        let shown = editor
            .until("the diagnostic", |seen| {
                seen.find("textDocument/publishDiagnostics", |params| params["uri"].as_str().unwrap().ends_with(file))
            })
            .await;
        assert_eq!(shown["diagnostics"][0]["range"]["start"]["line"], line, "{shown}");
        editor.command("ask", json!({"prompt": "go"})).await.unwrap();
        let end =
            editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.ends_with(": done. Done."))).await;
        assert!(!end.contains("to review"), "{end}");
        assert!(end.starts_with("countersign is read-only (") && end.contains(file), "why nothing came of it: {end}");
        assert!(editor.hunks("a.txt").is_empty());
        assert_eq!(editor.quit().await, Some(0));
        let journal = journal(&room);
        assert!(journal.contains("1|one"), "reading still works: {journal}");
        assert!(!journal.contains("ran\\n"), "nothing runs: {journal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_offers_to_set_one_up_or_the_demo() {
    let room = Room::with(&[]);
    let editor = room.modelless().await;
    editor.answer("Setup", Duration::from_millis(1100), Choice::Title("Set up"));
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let end = ended(&editor).await;
    assert!(end.starts_with("countersign stopped. Ask again once a model is set up: "), "{end}");
    let seen = editor.seen();
    let told = seen.find("window/showMessage", |params| params["message"] == end.as_str()).expect("it was told");
    assert_eq!(told["type"], 3, "nothing went wrong: {told}");
    assert!(seen.questions[0].contains("countersign demo"));
    shows_the_steps_and_then_runs(&room, editor).await;
}

/// There is no conversation to go on with: what the user asked is asked.
#[tokio::test(flavor = "multi_thread")]
async fn what_waited_for_a_model_goes_on_with_the_ask_itself() {
    let room = Room::with(&[]);
    let editor = room.modelless().await;
    editor.answer("Setup", Duration::from_millis(1100), Choice::Title("Set up"));
    let task = editor.command("ask", json!({"prompt": "Count the files."})).await.unwrap()["task"].clone();
    ended(&editor).await;
    let script = room.script(&[say("There are none.")]);
    room.config("config.toml", &format!("[model]\nname = \"{script}\"\n"));
    editor.command("continue", json!({"task": task, "iterations": 5})).await.unwrap();
    editor.until("the answer", |seen| seen.messages().into_iter().find(|said| said.contains("There are none."))).await;
    assert_eq!(editor.quit().await, Some(0));
    let journal = journal(&room);
    assert!(journal.contains("Count the files.") && !journal.contains("Go on with the task"), "{journal}");
}

/// The steps are shown; then what they say, and the same ask: nothing has to be started again.
async fn shows_the_steps_and_then_runs(room: &Room, editor: Editor) {
    let document = editor.until("the steps", |seen| seen.documents.last().cloned()).await;
    assert!(document.ends_with("setup.md"), "{document}");
    let script = room.script(&[say("At your service.")]);
    room.config("config.toml", &format!("[model]\nname = \"{script}\"\n"));
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    editor.until("the answer", |seen| seen.messages().into_iter().find(|said| said.contains("At your service."))).await;
    assert_eq!(editor.quit().await, Some(0));
}

/// Where questions are documents the steps are one, and nothing waits for an answer to it: the next ask would wait behind it.
#[tokio::test(flavor = "multi_thread")]
async fn without_dialogs_the_steps_to_a_key_are_shown_and_the_next_ask_runs() {
    let room = Room::with(&[]);
    let editor = room.modelless().await;
    editor.answer("Setup", Duration::ZERO, Choice::Error(-32601));
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let end = ended(&editor).await;
    assert!(end.contains("countersign init"), "{end}");
    shows_the_steps_and_then_runs(&room, editor).await;
}

/// A typo is said when it is met, and nothing but reading is left until it is mended.
#[tokio::test(flavor = "multi_thread")]
async fn a_config_that_breaks_and_is_mended_counts_at_once() {
    let room = Room::with(&[("a.txt", "one\n")]);
    let edit = || calls(&[edit("a.txt", &[("one\n", "two\n")])]);
    let editor = room.editor(&[edit(), say("One."), edit(), say("Two.")]).await;
    let ask = async |words: &str| {
        editor.command("ask", json!({"prompt": "go"})).await.unwrap();
        editor.until(words, |seen| seen.messages().into_iter().find(|said| said.contains(words))).await;
    };
    room.config("config.toml", "[git]\nbrunch = \"agent\"\n");
    ask("One.").await;
    let said = editor.seen().messages().into_iter().find(|said| said.contains("read-only")).expect("it is said");
    assert!(said.contains("config.toml") && said.contains("brunch"), "{said}");
    assert!(editor.hunks("a.txt").is_empty());
    room.config("config.toml", "[git]\nbranch = \"agent\"\n");
    ask("Two.").await;
    hunk(&editor, "a.txt").await;
    let seen = editor.seen();
    let about = |params: &Value| params["uri"].as_str().unwrap_or_default().ends_with("config.toml");
    let shown = seen.find("textDocument/publishDiagnostics", about).expect("it was shown");
    assert_eq!(seen.diagnostics(shown["uri"].as_str().unwrap()), Vec::<Value>::new(), "what is mended is shown no more");
    assert_eq!(editor.quit().await, Some(0));
}

//! What a user of a plain client reads: messages that went by, what a change is about, and what became of a document that was
//! saved in another way than it asks for.

use std::fs;

use serde_json::{Value, json};

use super::desk::{Desk, FILE, read, save, send};
use crate::support::model_double::{ModelDouble, Turn};

/// Editors with one line for messages show their start, until the next key or message: all of them stand in a document.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_can_be_read_again() {
    let desk = Desk::trusted();
    let policy = desk.path("home/config/countersign/policy.toml");
    fs::write(&policy, "schema = 1\n\n[runn]\nmin_level = \"L1\"\n").unwrap();
    let edit = json!({"path": FILE, "edits": [{"old": "two\n", "new": "TWO\n"}]});
    let double = ModelDouble::start([Turn::say("I can only look.")]);
    let bare = desk.bare(&double, true).await;
    let problem = bare.says("read-only").await;
    // Before any task, too.
    bare.choose(0, "Agent: more...").await.unwrap();
    let text = read(&bare.document().await);
    assert!(text.lines().all(|line| line.chars().count() <= 100 || !line.contains(' ')), "{text}");
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat(&text).contains(&flat(&format!("Messages, the newest first: - {problem}"))), "{text}");

    bare.editor.command("ask", json!({"prompt": "Change it."})).await.unwrap();
    let end = bare.says("I can only look.").await;
    assert!(end.starts_with("countersign is read-only (") && end.contains("policy.toml"), "{end}");
    bare.choose(0, "Agent: more...").await.unwrap();
    let text = flat(&read(&bare.document().await));
    let (newer, older) = (text.find(&flat(&end)).expect("the end"), text.find(&flat(&problem)).expect("the problem"));
    assert!(newer < older, "{text}");

    // Mended: nothing is said of it any more.
    fs::remove_file(&policy).unwrap();
    double.push(Turn::call("e", "edit_file", edit));
    double.push(Turn::say("Changed."));
    bare.editor.command("ask", json!({"prompt": "Change it."})).await.unwrap();
    let end = bare.says("Changed.").await;
    assert!(end.starts_with("countersign done. 1 change to review"), "{end}");
    assert_eq!(bare.editor.quit().await, Some(0));
}

/// A diagnostic has room for "move this file"; where to is in the hover.
#[tokio::test(flavor = "multi_thread")]
async fn a_hover_over_a_change_of_the_file_itself_says_what_it_is() {
    let desk = Desk::trusted();
    fs::write(desk.path("w/old.txt"), "old\n").unwrap();
    let double = ModelDouble::start([
        Turn::call("m", "file_op", json!({"op": "move", "path": FILE, "to": "docs/new.txt"})).tool(
            "d",
            "file_op",
            json!({"op": "delete", "path": "old.txt"}),
        ),
        Turn::say("Tidied."),
    ]);
    let bare = desk.bare(&double, true).await;
    bare.editor.command("ask", json!({"prompt": "Tidy."})).await.unwrap();
    bare.says("countersign done").await;
    bare.editor.open("old.txt", "old\n");
    for (file, what) in [(FILE, "move this file to docs/new.txt"), ("old.txt", "delete this file")] {
        let request = json!({"textDocument": {"uri": bare.editor.uri(file)}, "position": {"line": 0, "character": 0}});
        let hover = bare.editor.bounded(bare.editor.peer.request("textDocument/hover", request)).await.unwrap();
        assert!(hover["contents"]["value"].as_str().unwrap().starts_with(&format!("Pending change: {what}")), "{hover}");
    }
    assert_eq!(bare.editor.quit().await, Some(0));
}

/// A box that was overwritten decides nothing, and that is said: nobody waits for what cannot come.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_saved_with_a_spoilt_box_says_that_nothing_came_of_it() {
    let desk = Desk::trusted();
    let edit = json!({"path": FILE, "edits": [{"old": "two\n", "new": "TWO\n"}]});
    let double = ModelDouble::start([Turn::call("e", "edit_file", edit), Turn::say("Changed.")]);
    let bare = desk.bare(&double, true).await;
    let saved = |path: &std::path::Path| {
        let uri = reqwest::Url::from_file_path(path).unwrap();
        bare.editor.peer.notify("textDocument/didSave", json!({"textDocument": {"uri": uri}}));
    };
    let warnings = || bare.editor.seen().messages().iter().filter(|said| said.starts_with("Nothing is ")).count();

    bare.choose(0, "Ask agent...").await.unwrap();
    let prompt = bare.document().await;
    let text = read(&prompt);
    saved(&prompt);
    // The server has looked at it.
    bare.titles(0).await;
    save(&prompt, &text.replace("[ ] send", "x ] send"));
    saved(&prompt);
    bare.says("Nothing is sent: the last line has to be `[x] send`.").await;
    save(&prompt, &text);
    send(&prompt, "Change it.");
    saved(&prompt);
    bare.says("countersign done").await;

    bare.choose(1, "Accept change").await.unwrap();
    bare.choose(0, "Commit accepted changes...").await.unwrap();
    let question = bare.document().await;
    let text = read(&question);
    saved(&question);
    bare.titles(0).await;
    save(&question, &text.replace("[ ] Commit", "x ] Commit"));
    saved(&question);
    bare.says("Nothing is decided: tick exactly one box below").await;
    assert_eq!(warnings(), 2, "a document that is as it was is nobody's mistake");
    save(&question, &text.replace("[ ] Commit", "[x] Commit"));
    let said = bare.says("committed").await;
    let id = said.split(' ').nth(2).unwrap();
    assert_eq!(id.len(), 10, "{said}");
    assert!(desk.git(&["rev-parse", "HEAD"]).starts_with(id), "{said}");
    assert_eq!(bare.editor.quit().await, Some(0));
}

/// A command that is refused is answered; a client that shows no answers is told in a message besides, and no other twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_command_is_told_where_the_client_would_not() {
    for (name, told) in [("helix", 1), ("test", 0)] {
        let desk = Desk::trusted();
        let double = ModelDouble::start([]);
        let bare = desk.bare_named(&double, name).await;
        let answer = bare.editor.command("transcript", json!({"task": "t99"})).await;
        assert!(answer.unwrap_err().message.contains("t99"));
        let said = bare.editor.seen().messages().iter().filter(|said| said.contains("t99")).count();
        assert_eq!(said, told, "{name}");
        // From Helix's list of commands, which passes no arguments.
        assert!(bare.editor.command("accept", Value::Null).await.is_err());
        let said = bare.editor.seen().messages().iter().filter(|said| said.contains("countersign.accept")).count();
        assert_eq!(said, told, "{name}");
        let status: Value = bare.editor.command("status", json!({})).await.unwrap();
        assert_eq!(status["tasks"], json!([]));
        assert_eq!(bare.editor.quit().await, Some(0));
    }
}

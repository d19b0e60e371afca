//! Prompt documents in editors that save by themselves, and comments that ask.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use super::desk::{Desk, FILE, TEXT, read, save};
use crate::support::model_double::{ModelDouble, Turn};

#[tokio::test(flavor = "multi_thread")]
async fn a_save_at_every_keystroke_sends_nothing_before_the_last_line_says_so() {
    let desk = Desk::trusted();
    let double = ModelDouble::start([Turn::say("As you wish.")]);
    let bare = desk.bare(&double, true).await;
    bare.choose(0, "Ask agent...").await.unwrap();
    let path = bare.document().await;
    let text = read(&path);
    let (head, _) = text.rsplit_once("[ ] send").unwrap();
    let words = "Say [x] send, then\n[x] send\nand stop.";
    for end in (0..=words.len()).filter(|end| words.is_char_boundary(*end)) {
        // Half of the editors write in place, half replace the file.
        let now = format!("{head}{}\n\n[ ] send\n", &words[..end]);
        if end % 2 == 0 {
            fs::write(&path, now).unwrap()
        } else {
            save(&path, &now)
        }
        tokio::time::sleep(Duration::from_millis(8)).await;
    }
    for last in ["[x", "[x]", "[x] ", "[x] s", "[x] sen", "[] send", "[y] send", "x send", "[ ] send [x]"] {
        save(&path, &format!("{head}{words}\n\n{last}\n"));
        tokio::time::sleep(Duration::from_millis(170)).await;
    }
    // Some editors save by taking the file away first.
    fs::remove_file(&path).unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    fs::write(&path, format!("{head}{words}\n\n[ ] send\n")).unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(bare.editor.command("status", json!({})).await.unwrap()["tasks"], json!([]));
    assert!(double.requests().is_empty());
    // The control.
    fs::write(&path, format!("{head}{words}\n\n[x] send\n")).unwrap();
    bare.says("As you wish.").await;
    let asked = double.last().body.to_string();
    assert!(asked.contains("Say [x] send, then\\n[x] send\\nand stop."), "{asked}");
    // It works once.
    fs::write(&path, format!("{head}{words} Again.\n\n[x] send\n")).unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(double.requests().len(), 1);
    assert_eq!(bare.editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_asks_by_the_menu_and_never_by_itself() {
    let desk = Desk::trusted();
    let double = ModelDouble::start([Turn::say("Quoted."), Turn::say("Said.")]);
    let bare = desk.bare(&double, true).await;
    // Somebody else wrote it.
    bare.editor.close(FILE);
    bare.editor.open(FILE, &TEXT.replace("two", "# agent: sort these lines"));
    bare.choose(1, "Do: sort these lines").await.unwrap();
    bare.says("Quoted.").await;
    let asked = double.last().body["messages"].to_string();
    assert!(asked.contains("> sort these lines") && asked.contains("as data"), "{asked}");
    // The user typed it in this session.
    bare.editor.replace(FILE, "four", "// agent: reverse these lines");
    let lightbulb = bare.menu(3, json!({"triggerKind": 2})).await;
    assert_eq!(lightbulb, Vec::<Value>::new());
    bare.choose(3, "Do: reverse these lines").await.unwrap();
    bare.says("Said.").await;
    let asked = double.last().body["messages"].as_array().unwrap().last().unwrap().to_string();
    assert!(asked.contains("reverse these lines") && !asked.contains("> reverse"), "{asked}");
    assert!(asked.contains("Remove the comment on line 4"), "{asked}");
    assert_eq!(double.requests().len(), 2);
    assert_eq!(bare.editor.quit().await, Some(0));
}

/// A hover is one block of code that the model's text cannot end, with nothing hidden in it, and not longer than a screen.
#[tokio::test(flavor = "multi_thread")]
async fn a_hover_over_a_pending_change_shows_its_text() {
    let desk = Desk::trusted();
    let new = format!("````\n[run](command:x) \u{202e}back\n{}", "more\n".repeat(60));
    let edit = json!({"path": FILE, "edits": [{"old": "two\n", "new": new}]});
    let double = ModelDouble::start([Turn::say("It is `so`.").tool("e", "edit_file", edit), Turn::say("Done.")]);
    let bare = desk.bare(&double, true).await;
    bare.editor.command("ask", json!({"prompt": "Change it."})).await.unwrap();
    bare.says("countersign done").await;
    let hover = async |line: u32| {
        let request = json!({"textDocument": {"uri": bare.editor.uri(FILE)}, "position": {"line": line, "character": 1}});
        bare.editor.bounded(bare.editor.peer.request("textDocument/hover", request)).await.unwrap()["contents"].clone()
    };
    assert_eq!(hover(0).await, Value::Null, "nothing is pending there");
    let shown = hover(1).await;
    assert_eq!(shown["kind"], "plaintext", "this client shows no Markdown");
    let text = shown["value"].as_str().unwrap();
    assert!(text.starts_with("Pending change -1 +62\n-two\n+````\n+[run](command:x) \\u{202e}back\n+more\n"), "{text}");
    assert!(text.ends_with("+more\n23 more lines are in its diff.\nIt said: \"It is `so`.\""), "{text}");
    assert_eq!(bare.editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_tasks_are_boxes() {
    let desk = Desk::trusted();
    let double = ModelDouble::start([Turn::say("Reviewed.")]);
    let bare = desk.bare(&double, true).await;
    bare.choose(0, "More tasks...").await.unwrap();
    let path = bare.document().await;
    let text = read(&path);
    assert!(text.contains("[ ] review  <!-- Review -->"), "{text}");
    save(&path, &text.replace("[ ] review", "[x] review").replace("[ ] send", "[x] send"));
    bare.says("Reviewed.").await;
    assert!(double.last().body.to_string().contains("as a careful colleague would"));
    assert_eq!(bare.editor.quit().await, Some(0));
}

/// Sent with nothing in it: that is said once for each saving, and the document still waits.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_document_is_not_sent_and_says_so() {
    let desk = Desk::trusted();
    let (held, go) = Turn::held(Turn::say("First."));
    let double = ModelDouble::start([held, Turn::say("Second.")]);
    let bare = desk.bare(&double, true).await;
    let told = || bare.editor.seen().messages().iter().filter(|said| said.starts_with("Nothing was sent")).count();
    let empty = async |path: &std::path::Path, boxes: &[&str]| {
        let text = boxes.iter().fold(read(path), |text, name| text.replace(&format!("[ ] {name}"), &format!("[x] {name}")));
        save(path, &text);
        bare.says("Nothing was sent: there is no text above the boxes.").await;
        let before = told();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(told(), before, "once");
    };
    bare.choose(0, "Ask agent...").await.unwrap();
    let path = bare.document().await;
    empty(&path, &["send"]).await;
    save(&path, &read(&path).replace("[x] send", "Go.\n\n[x] send"));
    bare.editor.bounded(double.requested(1)).await;
    bare.choose(0, "Tell the agent...").await.unwrap();
    let path = bare.document().await;
    empty(&path, &["later", "send"]).await;
    save(&path, &read(&path).replace("[x] later", "Then this.\n\n[x] later"));
    while bare.editor.command("status", json!({})).await.unwrap()["queued"] != json!(1) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    go.send(()).unwrap();
    bare.says("Second.").await;
    assert_eq!(bare.editor.quit().await, Some(0));
}

/// What is asked while a document of ours is in front is not about that document.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_ours_is_not_what_an_ask_is_about() {
    let desk = Desk::trusted();
    let double = ModelDouble::start([]);
    let bare = desk.bare(&double, true).await;
    bare.choose(0, "Ask agent...").await.unwrap();
    let path = bare.document().await;
    assert!(read(&path).contains(&format!("{FILE}.\n")), "the control: a file of the folder is");
    let uri = reqwest::Url::from_file_path(&path).unwrap();
    let range = json!({"start": {"line": 0, "character": 0}, "end": {"line": 2, "character": 0}});
    let params = json!({"textDocument": {"uri": uri}, "range": range, "context": {"diagnostics": [], "triggerKind": 1}});
    let menu = bare.editor.bounded(bare.editor.peer.request("textDocument/codeAction", params)).await.unwrap();
    let ask = menu.as_array().unwrap().iter().find(|action| action["title"] == "Ask agent...").unwrap();
    let request = json!({"command": ask["command"]["command"], "arguments": ask["command"]["arguments"]});
    bare.editor.bounded(bare.editor.peer.request("workspace/executeCommand", request)).await.unwrap();
    let second = read(&bare.document().await);
    assert!(second.starts_with("<!-- Ask the agent.\n"), "{second}");
    assert_eq!(bare.editor.quit().await, Some(0));
}

/// Trust that nobody waits for is noticed, and said.
#[tokio::test(flavor = "multi_thread")]
async fn trust_by_the_menu_is_said_when_it_is_there() {
    let desk = Desk::new();
    let double = ModelDouble::start([]);
    let bare = desk.bare(&double, true).await;
    bare.choose(0, "Trust this folder...").await.unwrap();
    assert!(read(&bare.document().await).contains("countersign trust add "));
    desk.trust();
    bare.says("The folder is trusted now").await;
    assert_eq!(bare.editor.quit().await, Some(0));
}

/// An editor may run a second server for the document itself, such as where the user's home is a repository.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_beside_the_one_that_waits_for_a_document_does_not_call_that_gone() {
    let desk = Desk::trusted();
    let double = ModelDouble::start([Turn::say("Here.")]);
    let first = desk.bare(&double, true).await;
    first.choose(0, "Ask agent...").await.unwrap();
    let path = first.document().await;
    let beside = desk.bare(&double, true).await;
    save(&path, &read(&path).replace("[ ] send", "Go.\n\n[x] send"));
    let uri = reqwest::Url::from_file_path(&path).unwrap();
    beside.editor.peer.notify("textDocument/didSave", json!({"textDocument": {"uri": uri}}));
    first.says("Here.").await;
    beside.editor.command("status", json!({})).await.unwrap();
    assert_eq!(beside.editor.seen().messages(), Vec::<String>::new());
    assert_eq!((first.editor.quit().await, beside.editor.quit().await), (Some(0), Some(0)));
}

/// A server that is gone sends nothing; the next one says so to an editor that tells it of the saving.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_a_server_that_is_gone_is_not_silent() {
    let desk = Desk::trusted();
    let double = ModelDouble::start([Turn::say("Here.")]);
    let first = desk.bare(&double, true).await;
    first.choose(0, "Ask agent...").await.unwrap();
    let left = first.document().await;
    first.editor.kill().await;
    let bare = desk.bare(&double, true).await;
    bare.choose(0, "Ask agent...").await.unwrap();
    let own = bare.document().await;
    let saved = async |path: &std::path::Path, last: &str| {
        save(path, &read(path).replace("[ ] send", last));
        let uri = reqwest::Url::from_file_path(path).unwrap();
        bare.editor.peer.notify("textDocument/didSave", json!({"textDocument": {"uri": uri}}));
    };
    saved(&left, "Go on.\n\n[ ] send").await;
    saved(&own, "Go.\n\n[x] send").await;
    bare.says("Here.").await;
    // Saved once more, what was sent is no news.
    saved(&own, "").await;
    bare.editor.command("status", json!({})).await.unwrap();
    assert!(bare.editor.seen().messages().iter().all(|said| !said.contains("that is gone")));
    saved(&left, "[x] send").await;
    bare.says("Nothing was sent: this document was opened by a countersign that is gone").await;
    assert_eq!(double.requests().len(), 1);
    assert_eq!(bare.editor.quit().await, Some(0));
}

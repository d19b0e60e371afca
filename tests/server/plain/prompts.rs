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

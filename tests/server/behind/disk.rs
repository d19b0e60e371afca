//! A checkout, a formatter, another program: files change, vanish and turn into other things while hunks wait over them. The
//! client of these tests tells of nothing unless a test makes it.

use std::{fs, os::unix::fs::symlink};

use serde_json::{Value, json};

use crate::{
    lsp::{Editor, able},
    room::{Room, ask, calls, edit, say},
};

const TEXT: &str = "one\ntwo\nthree\nfour\nfive\nsix\n";

async fn pending(room: &Room) -> (Editor, Value) {
    let script = [calls(&[edit("a.txt", &[("two\n", "TWO\n"), ("six\n", "SIX\n")])]), say("Done.")];
    let editor = room.editor(&script).await;
    let (_, proposal) = ask(&editor, "a.txt").await;
    (editor, proposal)
}

fn why(answer: &Value) -> String {
    answer["refused"].as_array().unwrap().iter().map(|row| row["why"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acceptance_goes_by_what_stands_on_disk_now() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let (editor, proposal) = pending(&room).await;
    // Lines came before, and one of the two places is another.
    fs::write(room.path("a.txt"), TEXT.replace("one\n", "zero\none\n").replace("six\n", "six!\n")).unwrap();
    let answer = editor.command("accept", json!({"proposal": proposal})).await.unwrap();
    assert_eq!(answer["accepted"], json!(["h1"]), "{answer}");
    assert!(why(&answer).contains("stale"), "{answer}");
    assert_eq!(editor.text("a.txt"), "zero\none\nTWO\nthree\nfour\nfive\nsix!\n");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_any_more_takes_no_hunk_and_one_that_is_back_does() {
    let room = Room::with(&[("a.txt", TEXT), ("other.txt", "quite\nanother\n")]);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("o.txt"), TEXT).unwrap();
    let (editor, proposal) = pending(&room).await;
    let path = room.path("a.txt");
    let accept = async || editor.command("accept", json!({"proposal": proposal, "hunks": ["h1"]})).await.unwrap();
    let clear = || if path.is_dir() { fs::remove_dir(&path).unwrap() } else { fs::remove_file(&path).unwrap() };
    let all: [(&str, &dyn Fn()); 5] = [
        ("deleted", &|| ()),
        ("a folder", &|| fs::create_dir(&path).unwrap()),
        ("a link to another text", &|| symlink("other.txt", &path).unwrap()),
        ("a link that leads out", &|| symlink(outside.path().join("o.txt"), &path).unwrap()),
        ("no text", &|| fs::write(&path, b"one\ntwo\0\n").unwrap()),
    ];
    for (what, make) in all {
        if path.symlink_metadata().is_ok() {
            clear();
        }
        make();
        let answer = accept().await;
        assert_eq!(answer["accepted"], json!([]), "{what}: {answer}");
        assert!(why(&answer).contains("stale"), "{what}: {answer}");
        assert!(editor.seen().edits.is_empty(), "{what}: nothing was sent to the editor");
    }
    // Positive control: the text is back.
    clear();
    fs::write(&path, TEXT).unwrap();
    let answer = accept().await;
    assert_eq!(answer["accepted"], json!(["h1"]), "{answer}");
    assert_eq!(editor.text("a.txt"), TEXT.replace("two", "TWO"));
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_to_stand_where_a_file_was_to_go_is_not_written_over() {
    let room = Room::with(&[("a.txt", TEXT), ("b.txt", "b\n")]);
    let made = ("write_file", json!({"path": "new.txt", "content": "proposed\n"}));
    let moved = ("file_op", json!({"op": "move", "path": "b.txt", "to": "c.txt"}));
    let script = [calls(&[edit("a.txt", &[("two\n", "TWO\n")]), made, moved]), say("Done.")];
    let editor = room.editor(&script).await;
    let (_, proposal) = ask(&editor, "a.txt").await;
    fs::write(room.path("new.txt"), "somebody's\n").unwrap();
    fs::write(room.path("c.txt"), "somebody's too\n").unwrap();
    let answer = editor.command("accept", json!({"proposal": proposal})).await.unwrap();
    assert_eq!(answer["accepted"], json!(["h1"]), "{answer}");
    assert_eq!(answer["refused"].as_array().unwrap().len(), 2, "{answer}");
    assert!(why(&answer).matches("stale").count() == 2, "{answer}");
    assert_eq!(editor.text("a.txt"), TEXT.replace("two", "TWO"));
    assert_eq!(fs::read_to_string(room.path("new.txt")).unwrap(), "somebody's\n");
    assert_eq!(fs::read_to_string(room.path("c.txt")).unwrap(), "somebody's too\n");
    assert_eq!(fs::read_to_string(room.path("b.txt")).unwrap(), "b\n");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_opened_with_another_text_than_the_proposals_moves_its_hunks() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let (editor, proposal) = pending(&room).await;
    let other = TEXT.replace("one\n", "nil\none\n").replace("six\n", "sechs\n");
    fs::write(room.path("a.txt"), &other).unwrap();
    editor.open("a.txt", &other);
    let uri = editor.uri("a.txt");
    let shown = |seen: &crate::lsp::Seen| {
        let all = seen.diagnostics(&uri);
        (all.len() == 2 && all[0]["range"]["start"]["line"] == 2 && all[1]["message"].to_string().contains("stale")).then_some(())
    };
    editor.until("the hunks where they are now", shown).await;
    let answer = editor.command("accept", json!({"proposal": proposal})).await.unwrap();
    assert_eq!(answer["accepted"], json!(["h1"]), "{answer}");
    assert_eq!(editor.text("a.txt"), other.replace("two", "TWO"));
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_an_open_file_the_disk_changes_nothing() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let script = [calls(&[edit("a.txt", &[("two, unsaved\n", "TWO\n")])]), say("Done.")];
    let editor = room.editor(&script).await;
    let unsaved = TEXT.replace("two\n", "two, unsaved\n");
    editor.open("a.txt", &unsaved);
    let (_, proposal) = ask(&editor, "a.txt").await;
    fs::write(room.path("a.txt"), "something else\n").unwrap();
    watched(&editor, &["a.txt"]);
    let answer = editor.command("accept", json!({"proposal": proposal})).await.unwrap();
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(["h1"]), &json!([])), "{answer}");
    assert_eq!(editor.text("a.txt"), TEXT.replace("two\n", "TWO\n"));
    assert_eq!(fs::read_to_string(room.path("a.txt")).unwrap(), "something else\n");
    // Closed without saving, the file is what the disk says.
    editor.close("a.txt");
    let again = editor.command("accept", json!({"proposal": proposal, "hunks": ["h1"]})).await.unwrap();
    assert!(why(&again).contains("accepted before"), "{again}");
    assert_eq!(editor.quit().await, Some(0));
}

/// Tells of files as a client that watches.
fn watched(editor: &Editor, paths: &[&str]) {
    let changes: Vec<Value> = paths.iter().map(|path| json!({"uri": editor.uri(path), "type": 2})).collect();
    editor.peer.notify("workspace/didChangeWatchedFiles", json!({"changes": changes}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_watches_is_asked_to_and_believed_about_where_not_what() {
    let room = Room::with(&[("a.txt", TEXT), ("b.txt", "b\n")]);
    fs::create_dir(room.path("src")).unwrap();
    fs::write(room.path("src/c.txt"), "c\n").unwrap();
    let script = [calls(&[edit("a.txt", &[("six\n", "SIX\n")]), edit("src/c.txt", &[("c\n", "C\n")])]), say("Done.")];
    let mut can = able();
    can["workspace"]["didChangeWatchedFiles"] = json!({"dynamicRegistration": true});
    let editor = room.client(&script, can, Value::Null).await.0;
    let (_, proposal) = ask(&editor, "a.txt").await;
    let asked = |seen: &crate::lsp::Seen| {
        let asked = seen.requests.iter().find(|(method, _)| method == "client/registerCapability")?;
        (asked.1["registrations"][0]["method"] == "workspace/didChangeWatchedFiles").then_some(())
    };
    editor.until("the registration", asked).await;
    fs::write(room.path("a.txt"), format!("zero\n{TEXT}")).unwrap();
    watched(&editor, &["a.txt", "b.txt", "nowhere.txt"]);
    let (a, c) = (editor.uri("a.txt"), editor.uri("src/c.txt"));
    let line = |seen: &crate::lsp::Seen| (seen.diagnostics(&a).first()?["range"]["start"]["line"] == 6).then_some(());
    editor.until("the hunk a line further down", line).await;
    // Of a folder that goes only the folder is told.
    fs::remove_dir_all(room.path("src")).unwrap();
    watched(&editor, &["src"]);
    let stale = |seen: &crate::lsp::Seen| seen.diagnostics(&c).first()?["message"].as_str()?.contains("stale").then_some(());
    editor.until("the stale hunk", stale).await;
    // A lie about a deletion: the file is there.
    let deleted = json!({"changes": [{"uri": a, "type": 3}]});
    editor.peer.notify("workspace/didChangeWatchedFiles", deleted);
    let answer = editor.command("accept", json!({"proposal": proposal})).await.unwrap();
    assert_eq!(answer["accepted"], json!(["h1"]), "{answer}");
    assert_eq!(editor.text("a.txt"), format!("zero\n{TEXT}").replace("six", "SIX"));
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_told_between_its_steps_what_changed_on_disk() {
    use crate::support::model_double::{KEY, ModelDouble, SPEC, Turn};
    let room = Room::with(&[("a.txt", TEXT), ("read.txt", "read\n"), ("same.txt", "same\n")]);
    let (a, read) = (room.path("a.txt"), room.path("read.txt"));
    let behind = move |_: &Value| {
        fs::write(&a, format!("zero\n{TEXT}")).unwrap();
        fs::write(&read, "written over\n").unwrap();
        Turn::call("c2", "list_files", json!({}))
    };
    let first = Turn::new()
        .tool("c0", "edit_file", json!({"path": "a.txt", "edits": [{"old": "six\n", "new": "SIX\n"}]}))
        .tool("c1", "read_file", json!({"path": "read.txt"}))
        .tool("c1b", "read_file", json!({"path": "same.txt"}));
    let double = ModelDouble::start([first, Turn::With(Box::new(behind)), Turn::say("Done.")]);
    let url = double.url();
    let environment = [("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", url.as_str())];
    let editor = Editor::spawn(room.home.path(), &room.folder(), &["--model", SPEC], &environment).await;
    editor.initialize(able(), Value::Null).await;
    let (_, proposal) = ask(&editor, "a.txt").await;
    let told = &double.requests()[2].results()[0].1;
    assert!(told.contains("the user changed line 1 of a.txt") || told.contains("a.txt was changed outside this task"), "{told}");
    assert!(told.contains("read.txt was changed outside this task"), "{told}");
    assert!(!told.contains("same.txt was"), "{told}");
    let quiet = &double.requests()[1].results();
    assert!(!quiet.iter().any(|(_, text, _)| text.contains("outside this task")), "{quiet:?}");
    let uri = editor.uri("a.txt");
    let line = |seen: &crate::lsp::Seen| (seen.diagnostics(&uri).first()?["range"]["start"]["line"] == 6).then_some(());
    editor.until("the hunk a line further down", line).await;
    let answer = editor.command("accept", json!({"proposal": proposal})).await.unwrap();
    assert_eq!(answer["accepted"], json!(["h1"]), "{answer}");
    assert_eq!(editor.quit().await, Some(0));
}

//! After an acceptance: what is saved, and that people are told what is not, with the names of files that are there.

use std::fs;

use serde_json::{Value, json};

use crate::{
    lsp::{Editor, Habit, able},
    room::{Room, ask, calls, edit, say},
};

const TWO: &str = "one\ntwo\n";

fn upper(path: &str) -> (&'static str, Value) {
    edit(path, &[("two\n", "TWO\n")])
}

/// The first message with these words.
async fn told(editor: &Editor, words: &str) -> String {
    editor.until(words, |seen| seen.messages().into_iter().find(|said| said.contains(words))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_rich_client_could_not_save_is_named_with_why() {
    let room = Room::with(&[("a.txt", TWO)]);
    fs::create_dir(room.path("d")).unwrap();
    fs::write(room.path("d/b.txt"), TWO).unwrap();
    let rich = json!({"countersign": {"rich": true, "protocol": 1}});
    let editor = room.editor_with(&[calls(&[upper("a.txt"), upper("d/b.txt")]), say("Done.")], rich).await;
    editor.open("a.txt", TWO);
    editor.open("d/b.txt", TWO);
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    told(&editor, "countersign done").await;
    let both = |params: &Value| params["files"].as_array().is_some_and(|files| files.len() == 2);
    let proposal = editor.until("both files", |seen| seen.find("countersign/proposal", both)).await["proposal"].clone();
    // Its folder is none any more, as on a disk that went away.
    fs::remove_dir_all(room.path("d")).unwrap();
    fs::write(room.path("d"), "in the way").unwrap();
    let answer = editor.command("accept", json!({"proposal": proposal})).await.unwrap();
    assert_eq!((answer["accepted"].as_array().unwrap().len(), &answer["refused"]), (2, &json!([])), "{answer}");
    let said = told(&editor, "did not save").await;
    assert!(said.starts_with("Accepted, but your editor did not save: d/b.txt (") && !said.contains("a.txt"), "{said}");
    assert_eq!(fs::read_to_string(room.path("a.txt")).unwrap(), "one\nTWO\n");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_gone_are_not_said_to_be_unsaved() {
    let room = Room::with(&[("a.txt", TWO), ("old.txt", TWO)]);
    let delete = ("file_op", json!({"op": "delete", "path": "old.txt"}));
    let editor = room.editor(&[calls(&[upper("a.txt"), delete]), say("Done.")]).await;
    let (_, proposal) = ask(&editor, "a.txt").await;
    let answer = editor.command("accept", json!({"proposal": proposal})).await.unwrap();
    assert_eq!((answer["accepted"].as_array().unwrap().len(), &answer["refused"]), (2, &json!([])), "{answer}");
    assert!(!room.path("old.txt").exists());
    assert_eq!(told(&editor, "not saved").await, "Accepted; not saved yet: a.txt");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_folders_it_is_said_which_one_the_server_changed() {
    let room = Room::with(&[("run.sh", TWO)]);
    let other = tempfile::tempdir().unwrap();
    let executable = ("file_op", json!({"op": "chmod", "path": "run.sh", "executable": true}));
    let editor = room.editor(&[calls(&[executable]), say("Done.")]).await;
    let (_, proposal) = ask(&editor, "run.sh").await;
    let folder = reqwest::Url::from_file_path(other.path().canonicalize().unwrap()).unwrap().to_string();
    let event = json!({"added": [{"uri": folder, "name": "other"}], "removed": []});
    editor.peer.notify("workspace/didChangeWorkspaceFolders", json!({"event": event}));
    editor.command("accept", json!({"proposal": proposal})).await.unwrap();
    let name = room.folder().file_name().unwrap().to_str().unwrap().to_owned();
    let said = told(&editor, "On the disk").await;
    assert_eq!(said, format!("On the disk, countersign itself made run.sh executable (folder {name})."));
    assert_eq!(editor.quit().await, Some(0));
}

/// An edit without a version would go in twice, whatever its text is by then.
#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_edit_of_a_file_that_is_not_open_is_not_made_again() {
    let room = Room::with(&[("a.txt", TWO)]);
    let (editor, _) = room.client(&[calls(&[upper("a.txt")]), say("Done.")], able(), Value::Null).await;
    let (_, proposal) = ask(&editor, "a.txt").await;
    let accept = || async { editor.command("accept", json!({"proposal": proposal})).await.unwrap() };
    editor.habit(Habit::Silent);
    let pending = "your editor has not answered yet; if it still makes the change, that counts as accepted";
    assert_eq!(accept().await["refused"][0]["why"], pending);
    editor.habit(Habit::Honest);
    let why = "your editor has not answered the last edit of a.txt yet; if it still makes it, that counts as accepted, if not, \
        open the file and accept again";
    assert_eq!(accept().await["refused"][0]["why"], why);
    assert_eq!(editor.seen().edits.len(), 1, "nothing was sent");
    // With a version the editor knows the late one for what it is.
    editor.open("a.txt", TWO);
    assert_eq!(accept().await["refused"], json!([]));
    assert_eq!(editor.text("a.txt"), "one\nTWO\n");
    assert_eq!(editor.quit().await, Some(0));
}

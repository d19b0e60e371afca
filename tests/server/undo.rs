//! `undo`: accepted changes are taken back by one edit, except where the user edited them since.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use crate::{
    lsp::{Editor, Habit},
    room::{Room, ask, calls, edit, say},
};

const TEXT: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";

fn three() -> Value {
    calls(&[edit("a.txt", &[("one\n", "ONE\n"), ("four\n", "FOUR\nfour and a half\n"), ("seven\n", "")])])
}

async fn accept_all(editor: &Editor, proposal: &Value, count: usize) {
    let answer = editor.command("accept", json!({"proposal": proposal})).await.unwrap();
    assert_eq!(answer["accepted"].as_array().unwrap().len(), count, "{answer}");
    assert_eq!(answer["refused"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_hunks_go_back_around_what_the_user_typed() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let editor = room.editor(&[three(), say("Done.")]).await;
    editor.open("a.txt", TEXT);
    let (task, proposal) = ask(&editor, "a.txt").await;
    let refused = editor.command("undo", json!({"task": task})).await.expect_err("nothing is accepted yet");
    assert!(refused.message.contains("nothing"), "{refused}");
    accept_all(&editor, &proposal, 3).await;
    assert_eq!(editor.text("a.txt"), "ONE\ntwo\nthree\nFOUR\nfour and a half\nfive\nsix\n");
    editor.replace("a.txt", "two\n", "two, typed\n");
    let answer = editor.command("undo", json!({"task": task})).await.unwrap();
    assert_eq!(answer["undone"].as_array().unwrap().len(), 3, "{answer}");
    assert_eq!((&answer["refused"], &answer["committed"]), (&json!([]), &json!([])));
    assert_eq!(editor.text("a.txt"), TEXT.replace("two\n", "two, typed\n"));
    let sent = editor.seen().edits.last().cloned().unwrap();
    assert_eq!(sent["documentChanges"].as_array().unwrap().len(), 1, "one edit: {sent}");
    assert_eq!(sent["documentChanges"][0]["textDocument"]["version"], 3, "it is versioned: {sent}");
    let uri = editor.uri("a.txt");
    editor.until("nothing is shown", |seen| seen.diagnostics(&uri).is_empty().then_some(())).await;
    // Only once.
    assert!(editor.command("undo", json!({"task": task})).await.is_err());
    assert_eq!(editor.quit().await, Some(0));
    let effects: Vec<Value> = room.journal().into_iter().filter(|line| line["effect"] == "undo").collect();
    assert_eq!(effects.len(), 2, "{effects:?}");
    assert_eq!(
        (&effects[0]["kind"], &effects[1]["kind"], &effects[1]["ok"]),
        (&json!("effect.start"), &json!("effect.result"), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_the_user_edited_stay_and_are_named() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let editor = room.editor(&[three(), say("Done.")]).await;
    editor.open("a.txt", TEXT);
    let (task, proposal) = ask(&editor, "a.txt").await;
    accept_all(&editor, &proposal, 3).await;
    editor.replace("a.txt", "FOUR\n", "FOUR!\n");
    let answer = editor.command("undo", json!({"task": task})).await.unwrap();
    assert_eq!(answer["undone"].as_array().unwrap().len(), 2, "{answer}");
    let row = &answer["refused"][0];
    assert_eq!((&row["lines"], &row["uri"]), (&json!([4, 5]), &json!(editor.uri("a.txt"))), "{row}");
    assert_eq!(editor.text("a.txt"), "one\ntwo\nthree\nFOUR!\nfour and a half\nfive\nsix\nseven\n");
    let said =
        editor.until("it is said", |seen| seen.messages().into_iter().find(|said| said.starts_with("Not taken back"))).await;
    assert!(said.contains("a.txt") && said.contains("lines 4-5"), "{said}");
    // The user takes the edit back: now the rest can go too.
    editor.replace("a.txt", "FOUR!\n", "FOUR\n");
    let answer = editor.command("undo", json!({"task": task})).await.unwrap();
    assert_eq!(answer["refused"], json!([]), "{answer}");
    assert_eq!(editor.text("a.txt"), TEXT);
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_is_believed_when_the_text_shows_it() {
    for habit in [Habit::Liar, Habit::Refuses, Habit::Silent, Habit::Fails] {
        let room = Room::with(&[("a.txt", TEXT)]);
        let editor = room.editor(&[three(), say("Done.")]).await;
        editor.open("a.txt", TEXT);
        let (task, proposal) = ask(&editor, "a.txt").await;
        accept_all(&editor, &proposal, 3).await;
        let accepted = editor.text("a.txt");
        editor.habit(habit);
        let answer = editor.command("undo", json!({"task": task})).await.unwrap();
        assert_eq!((&answer["undone"], answer["refused"].as_array().unwrap().len()), (&json!([]), 3), "{habit:?}: {answer}");
        assert_eq!(editor.text("a.txt"), accepted);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(editor.hunks("a.txt").is_empty(), "{habit:?}: what takes hunks back is never a proposal to review");
        editor.habit(Habit::Honest);
        editor.command("undo", json!({"task": task})).await.unwrap();
        assert_eq!(editor.text("a.txt"), TEXT, "{habit:?}");
        assert_eq!(editor.quit().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hunks_on_hunks_and_pending_ones_between_stay_right() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let answers = [
        calls(&[edit("a.txt", &[("two\n", "two 2\n"), ("six\n", "six 6\n")])]),
        say("Done."),
        calls(&[edit("a.txt", &[("two 2\n", "two 2\ntwo 3\n")])]),
        say("Done."),
    ];
    let editor = room.editor(&answers).await;
    editor.open("a.txt", TEXT);
    let (first, proposal) = ask(&editor, "a.txt").await;
    let hunks = editor.hunks("a.txt");
    editor.command("accept", json!({"proposal": proposal, "hunks": [hunks[0]["data"]["hunk"]]})).await.unwrap();
    let uri = editor.uri("a.txt");
    editor.until("one is left", |seen| (seen.diagnostics(&uri).len() == 1).then_some(())).await;
    let asked = editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let shown = editor.until("the second task's", |seen| Some(seen.diagnostics(&uri)).filter(|all| all.len() == 2)).await;
    let other = shown.iter().find(|shown| shown["data"]["proposal"] != proposal).unwrap()["data"].clone();
    editor.command("accept", json!({"proposal": other["proposal"], "hunks": [other["hunk"]]})).await.unwrap();
    assert!(editor.text("a.txt").contains("two 2\ntwo 3\n"));
    // The first task's hunk lies beneath the second's, which only added a line behind it.
    let answer = editor.command("undo", json!({"task": first})).await.unwrap();
    assert_eq!(answer["undone"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(editor.text("a.txt"), TEXT.replace("two\n", "two\ntwo 3\n"));
    editor.command("undo", json!({"task": asked["task"]})).await.unwrap();
    assert_eq!(editor.text("a.txt"), TEXT);
    // What was still pending is unharmed.
    accept_all(&editor, &proposal, 1).await;
    assert_eq!(editor.text("a.txt"), TEXT.replace("six\n", "six 6\n"));
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_file_is_deleted_again_unless_the_user_wrote_in_it() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let editor = room
        .editor(&[
            calls(&[("write_file", json!({"path": "new.txt", "content": "fresh\n"})), edit("a.txt", &[("one\n", "ONE\n")])]),
            say("Done."),
        ])
        .await;
    let (task, proposal) = ask(&editor, "a.txt").await;
    accept_all(&editor, &proposal, 2).await;
    assert_eq!(editor.text("new.txt"), "fresh\n");
    editor.replace("new.txt", "fresh\n", "fresh\nmine\n");
    let answer = editor.command("undo", json!({"task": task})).await.unwrap();
    assert_eq!(answer["undone"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer["refused"][0]["lines"], json!([2, 2]), "{answer}");
    assert_eq!(editor.text("a.txt"), TEXT);
    editor.replace("new.txt", "fresh\nmine\n", "fresh\n");
    // The order to delete it is not believed without the effect.
    editor.habit(Habit::Refuses);
    let answer = editor.command("undo", json!({"task": task})).await.unwrap();
    assert_eq!(answer["undone"], json!([]), "{answer}");
    editor.habit(Habit::Honest);
    let answer = editor.command("undo", json!({"task": task})).await.unwrap();
    assert_eq!(answer["undone"], json!(["h1"]), "{answer}");
    let sent = editor.seen().edits.last().cloned().unwrap();
    assert_eq!(sent["documentChanges"][0]["kind"], "delete", "{sent}");
    assert_eq!(sent["documentChanges"][0]["uri"], editor.uri("new.txt"));
    assert_eq!(fs::read_to_string(room.path("a.txt")).unwrap(), TEXT, "nothing was saved");
    assert_eq!(editor.quit().await, Some(0));
}

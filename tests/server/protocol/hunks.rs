//! Hunks under clients that say what is not so, and under users who type in their lines.

use serde_json::{Value, json};

use super::{ended, hunk};
use crate::{
    lsp::{Editor, Habit},
    room::{Room, calls, edit, say},
};

/// A client that has `a.txt` open, and the hunk that puts one text of it in the place of another.
async fn proposed(room: &Room, text: &str, change: (&str, &str)) -> (Editor, Value) {
    let editor = room.editor(&[calls(&[edit("a.txt", &[change])]), say("Done.")]).await;
    editor.open("a.txt", text);
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let chosen = hunk(&editor, "a.txt").await;
    ended(&editor).await;
    (editor, chosen)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acceptance_is_believed_when_the_text_shows_it() {
    for habit in [Habit::Honest, Habit::AnswersFirst, Habit::Liar, Habit::Refuses, Habit::Silent, Habit::Fails] {
        let room = Room::with(&[("a.txt", "one\n")]);
        let (editor, chosen) = proposed(&room, "one\n", ("one\n", "two\n")).await;
        editor.habit(habit);
        let answer = editor.command("accept", chosen.clone()).await.unwrap();
        let taken = matches!(habit, Habit::Honest | Habit::AnswersFirst);
        assert_eq!(answer["accepted"].as_array().unwrap().len(), usize::from(taken), "{habit:?}: {answer}");
        assert_eq!(answer["refused"].as_array().unwrap().len(), usize::from(!taken), "{habit:?}: {answer}");
        assert_eq!(editor.text("a.txt"), if taken { "two\n" } else { "one\n" }, "{habit:?}");
        let uri = editor.uri("a.txt");
        editor.until("what is pending", |seen| (seen.diagnostics(&uri).len() == usize::from(!taken)).then_some(())).await;
        if !taken {
            // It is pending again, and an honest client can take it.
            editor.habit(Habit::Honest);
            assert_eq!(editor.command("accept", chosen).await.unwrap()["refused"], json!([]), "{habit:?}");
            assert_eq!(editor.text("a.txt"), "two\n");
        }
        assert_eq!(editor.quit().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunk_whose_lines_the_user_edits_turns_stale() {
    let room = Room::with(&[("a.txt", "one\ntwo\n")]);
    let (editor, chosen) = proposed(&room, "one\ntwo\n", ("two\n", "TWO\n")).await;
    editor.replace("a.txt", "two", "two and a half");
    let uri = editor.uri("a.txt");
    editor
        .until("it says so", |seen| {
            seen.diagnostics(&uri).first().filter(|shown| shown["message"].as_str().unwrap().contains("stale")).cloned()
        })
        .await;
    let answer = editor.command("accept", chosen.clone()).await.unwrap();
    assert!(answer["refused"][0]["why"].as_str().unwrap().contains("stale"), "{answer}");
    assert_eq!(editor.text("a.txt"), "one\ntwo and a half\n");
    assert!(editor.seen().edits.is_empty(), "no edit was sent");
    // Both changed the same line: it cannot be proposed again, and says why.
    let again = editor.command("renew", chosen.clone()).await.unwrap();
    assert_eq!(again["renewed"], json!([]), "{again}");
    assert!(!again["refused"][0]["why"].as_str().unwrap().is_empty());
    assert_eq!(editor.command("reject", chosen).await.unwrap()["refused"], json!([]));
    assert_eq!(editor.quit().await, Some(0));
}

/// Where the user's words and the agent's are different ones, the stale hunk is proposed anew with both.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_hunk_is_proposed_again_on_the_users_lines() {
    let text = "start\none(a);\ntwo(b);\nend\n";
    let room = Room::with(&[("a.txt", text)]);
    let (editor, chosen) = proposed(&room, text, ("one(a);\ntwo(b);\n", "ONE(a);\nTWO(b);\n")).await;
    editor.replace("a.txt", "two(b)", "two(bbb)");
    let uri = editor.uri("a.txt");
    editor
        .until("it is stale", |seen| {
            seen.diagnostics(&uri).into_iter().find(|shown| shown["message"].as_str().unwrap().contains("stale"))
        })
        .await;
    let again = editor.command("renew", chosen.clone()).await.unwrap();
    assert_eq!(again["refused"], json!([]), "{again}");
    let answer = json!({"proposal": chosen["proposal"], "hunks": [again["renewed"][0]["new"]]});
    assert_eq!(editor.command("accept", answer).await.unwrap()["refused"], json!([]));
    assert_eq!(editor.text("a.txt"), "start\nONE(a);\nTWO(bbb);\nend\n");
    assert_eq!(editor.quit().await, Some(0));
}

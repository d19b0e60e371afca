//! Folders that come and go, in the editor and on disk, while tasks run and hunks wait.

use std::{fs, os::unix::fs::symlink, sync::mpsc};

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::lab::{Case, Lab, ask, edit, judge, proposal, turns};
use crate::{
    lsp::PATIENCE,
    support::model_double::{ModelDouble, Turn},
};

fn lab() -> Lab {
    Lab::with(&[("api/a.txt", "alpha\n"), ("web/b.txt", "beta\n"), ("third/t.txt", "third\n")])
}

/// A turn that is served when the server has heard of everything that the test sent before.
fn then(turn: Turn, act: impl FnOnce() + Send + 'static) -> Turn {
    Turn::With(Box::new(move |_: &Value| {
        act();
        turn
    }))
}

/// A pause in a turn: resolves when it is reached, and ends when the test sends or drops the second.
fn pause() -> (oneshot::Receiver<()>, mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
    let (reach, reached) = oneshot::channel();
    let (go, going) = mpsc::channel();
    let waiting = move || {
        let _ = reach.send(());
        let _ = going.recv_timeout(PATIENCE);
    };
    (reached, go, waiting)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_folder_goes_away_ends_in_words_and_its_hunks_stay() {
    let lab = lab();
    let (closed, go, waiting) = pause();
    let double = ModelDouble::start([
        Turn::call("c0", "edit_file", edit("web/b.txt", "beta", "BETA")),
        then(Turn::call("c1", "read_file", json!({"path": "web/b.txt"})), waiting),
    ]);
    let editor = lab.rich(&double, &["api", "web"]).await;
    let asked = editor.command("ask", json!({"prompt": "Go.", "uri": editor.uri("web/b.txt")})).await.unwrap();
    let shown = editor.until("the hunk", |_| proposal(&editor, "web").filter(|web| web["files"] != json!([]))).await;
    editor.bounded(closed).await.unwrap();
    lab.change(&editor, &[], &["web"]);
    let said = editor.until("the end", |seen| seen.messages().into_iter().find(|said| said.starts_with("countersign "))).await;
    go.send(()).unwrap();
    assert!(said.contains("stopped") && said.contains("1 change to review"), "{said}");
    assert!(said.contains("The folder web was closed in the editor."), "{said}");
    let status = editor.command("status", json!({})).await.unwrap();
    assert_eq!((&status["tasks"][0]["task"], &status["tasks"][0]["state"]), (&asked["task"], &json!("cancelled")));
    // Nothing new begins there; with the folder the hunk is back.
    let more = json!({"task": asked["task"], "message": "Go on."});
    let error = editor.command("queue", more).await.expect_err("the folder is closed");
    assert!(error.message.contains("the folder web of this conversation is closed"), "{error}");
    lab.change(&editor, &["web"], &[]);
    let answer = editor.command("accept", json!({"proposal": shown["proposal"]})).await.unwrap();
    assert_eq!(answer["accepted"], json!(["h1"]), "{answer}");
    assert_eq!(editor.text("web/b.txt"), "BETA\n");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_folder_that_goes_away_is_closed_at_once_and_keeps_its_hunks() {
    let lab = lab();
    let (closed, go, waiting) = pause();
    let before: Vec<Case> = vec![
        ("edit_file", edit("web/b.txt", "beta", "BETA"), Ok("h1")),
        ("edit_file", edit("api/a.txt", "alpha", "ALPHA"), Ok("h1")),
    ];
    let after: Vec<Case> = vec![
        ("read_file", json!({"path": "web/b.txt"}), Err("the user closed this folder in the editor")),
        ("edit_file", edit("web/b.txt", "BETA", "x"), Err("closed this folder")),
        ("read_file", json!({"path": "api/a.txt"}), Ok("ALPHA")),
        // A folder that came later is there for the next task.
        ("read_file", json!({"path": "third/t.txt"}), Err("begins with no workspace folder's name")),
    ];
    let next: Vec<Case> = vec![("read_file", json!({"path": "third/t.txt"}), Ok("third"))];
    let mut first = turns(&before);
    first.truncate(1);
    let mut second = turns(&after).into_iter();
    let calls = then(second.next().unwrap(), waiting);
    let double = ModelDouble::start(first.into_iter().chain([calls]).chain(second).chain(turns(&next)));
    let editor = lab.rich(&double, &["api", "web"]).await;
    let ended = |seen: &crate::lsp::Seen, count: usize| {
        seen.messages().into_iter().filter(|said| said.starts_with("countersign ")).nth(count)
    };
    editor.command("ask", json!({"prompt": "Go.", "uri": editor.uri("api/a.txt")})).await.unwrap();
    editor.bounded(closed).await.unwrap();
    lab.change(&editor, &["third"], &["web"]);
    // An answer tells that the server has heard of it.
    editor.command("status", json!({})).await.unwrap();
    go.send(()).unwrap();
    let said = editor.until("the end", |seen| ended(seen, 0)).await;
    assert!(said.contains("done") && said.contains("2 changes to review"), "{said}");
    judge(&double, 2, &after);
    ask(&editor, "api/a.txt").await;
    judge(&double, 4, &next);
    let web = proposal(&editor, "web").expect("it is still known");
    let answer = editor.command("accept", json!({"proposal": web["proposal"]})).await.unwrap();
    assert_eq!(answer["accepted"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!((editor.text("api/a.txt"), editor.text("web/b.txt")), ("ALPHA\n".to_owned(), "BETA\n".to_owned()));
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_ask_of_a_folder_that_goes_away_never_starts() {
    let lab = lab();
    let (go, going) = mpsc::channel::<()>();
    let waiting = move || {
        let _ = going.recv_timeout(PATIENCE);
    };
    let double = ModelDouble::start([then(Turn::say("First."), waiting)]);
    let editor = lab.rich(&double, &["api", "web"]).await;
    for _ in 0..2 {
        editor.command("ask", json!({"prompt": "Go.", "uri": editor.uri("web/b.txt")})).await.unwrap();
    }
    editor.bounded(double.requested(1)).await;
    lab.change(&editor, &[], &["web"]);
    let ended = |seen: &crate::lsp::Seen| {
        let all: Vec<String> = seen.messages().into_iter().filter(|said| said.contains("was closed in the editor")).collect();
        (all.len() == 2).then_some(())
    };
    editor.until("both ends", ended).await;
    go.send(()).unwrap();
    assert_eq!(double.requests().len(), 1);
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_vanish_from_disk_are_said_to_be_gone() {
    let lab = lab();
    let gone: Vec<Case> = vec![
        ("read_file", json!({"path": "web/b.txt"}), Err("the folder web is not there or cannot be opened")),
        ("read_file", json!({"path": "api/a.txt"}), Ok("alpha")),
    ];
    let half: Vec<Case> = vec![("edit_file", edit("web/b.txt", "beta", "BETA"), Ok("h1"))];
    let double = ModelDouble::start(turns(&half).into_iter().chain(turns(&gone)));
    let editor = lab.rich(&double, &["api", "web"]).await;
    ask(&editor, "api/a.txt").await;
    judge(&double, 1, &half);
    let web = editor.until("the hunk", |_| proposal(&editor, "web")).await;
    fs::remove_dir_all(lab.path("web")).unwrap();
    ask(&editor, "api/a.txt").await;
    judge(&double, 3, &gone);
    // The hunk is not applied to nothing, and not lost.
    let answer = editor.command("accept", json!({"proposal": web["proposal"]})).await.unwrap();
    assert_eq!(answer["accepted"], json!([]), "{answer}");
    assert!(answer["refused"][0]["why"].as_str().unwrap().contains("stale"), "{answer}");
    // A task of the folder itself ends with a sentence.
    let (_, said) = ask(&editor, "web/b.txt").await;
    assert!(said.starts_with("countersign could not do it: "), "{said}");
    // Back again, it is as before.
    lab.write("web/b.txt", "beta\n");
    let answer = editor.command("accept", json!({"proposal": web["proposal"], "hunks": ["h1"]})).await.unwrap();
    assert_eq!(answer["accepted"], json!(["h1"]), "{answer}");
    assert_eq!(editor.text("web/b.txt"), "BETA\n");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_a_link_works_under_the_editors_name() {
    let lab = lab();
    symlink(lab.path("web"), lab.path("link")).unwrap();
    let cases: Vec<Case> = vec![
        ("read_file", json!({"path": "link/b.txt"}), Ok("unsaved")),
        ("edit_file", edit("link/b.txt", "unsaved", "proposed"), Ok("h1")),
    ];
    let double = ModelDouble::start(turns(&cases));
    let editor = lab.rich(&double, &["api", "link"]).await;
    editor.open("link/b.txt", "unsaved\n");
    ask(&editor, "api/a.txt").await;
    judge(&double, 1, &cases);
    let shown = editor.until("the hunk", |_| proposal(&editor, "link")).await;
    assert_eq!(shown["files"][0]["uri"], json!(editor.uri("link/b.txt")), "as the editor spells it");
    let answer = editor.command("accept", json!({"proposal": shown["proposal"]})).await.unwrap();
    assert_eq!(answer["accepted"], json!(["h1"]), "{answer}");
    assert_eq!(editor.text("link/b.txt"), "proposed\n");
    assert_eq!(editor.quit().await, Some(0));
}

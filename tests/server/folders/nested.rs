//! A folder inside another one: every file has one place, and both follow its text.

use serde_json::json;

use super::lab::{Case, Lab, ask, edit, judge, proposal, turns};
use crate::support::model_double::ModelDouble;

fn lab() -> Lab {
    Lab::with(&[("w/a.txt", "alpha\n"), ("w/sub/s.txt", "one\ntwo\nthree\n"), ("w/sub/t.txt", "needle\n")])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_inner_folder_is_the_same_by_both_names() {
    let lab = lab();
    let cases: Vec<Case> = vec![
        ("read_file", json!({"path": "w/sub/s.txt"}), Ok("sub/s.txt: 3 lines")),
        ("edit_file", edit("w/sub/s.txt", "two", "TWO"), Ok("h1")),
        ("read_file", json!({"path": "sub/s.txt"}), Ok("TWO")),
        ("edit_file", edit("sub/s.txt", "three", "THREE"), Ok("h")),
        ("read_file", json!({"path": "w/sub/s.txt"}), Ok("THREE")),
        // Named once, where it belongs.
        ("search", json!({"pattern": "needle", "mode": "count"}), Ok("sub/t.txt: 1")),
        ("search", json!({"pattern": "alpha|TWO", "mode": "files"}), Ok("w/a.txt\nsub/s.txt")),
        ("list_files", json!({"glob": "*.txt"}), Ok("w/a.txt\nsub/s.txt (changed)\nsub/t.txt\n")),
        // Commands in the outer folder see what is proposed in the inner one.
        ("run", json!({"command": "cat a.txt sub/s.txt"}), Ok("alpha\none\nTWO\nTHREE")),
    ];
    let double = ModelDouble::start(turns(&cases));
    let editor = lab.rich(&double, &["w", "w/sub"]).await;
    editor.open("w/sub/s.txt", "one\ntwo\nthree\n");
    ask(&editor, "w/a.txt").await;
    judge(&double, 1, &cases);
    let counted = double.requests()[1].results()[5].1.clone();
    assert_eq!(counted.matches("t.txt").count(), 1, "{counted}");
    let shown = editor.until("the proposal", |_| proposal(&editor, "sub")).await;
    assert!(proposal(&editor, "w").is_none_or(|outer| outer["files"] == json!([])), "the file is proposed once");
    // Typing above moves the hunks; the outer folder's desk knows the text as well.
    editor.replace("w/sub/s.txt", "one\n", "zero\none\n");
    let answer = editor.command("accept", json!({"proposal": shown["proposal"]})).await.unwrap();
    assert_eq!(answer["refused"], json!([]), "{answer}");
    assert_eq!(editor.text("w/sub/s.txt"), "zero\none\nTWO\nTHREE\n");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_opened_within_another_knows_the_open_documents_and_leaves_the_hunks_alone() {
    let lab = lab();
    let first: Vec<Case> = vec![("edit_file", edit("sub/s.txt", "two", "TWO"), Ok("h1"))];
    let second: Vec<Case> = vec![("read_file", json!({"path": "sub/s.txt"}), Ok("1|zero\n2|one\n3|two"))];
    let double = ModelDouble::start(turns(&first).into_iter().chain(turns(&second)));
    let editor = lab.rich(&double, &["w"]).await;
    editor.open("w/sub/s.txt", "one\ntwo\nthree\n");
    ask(&editor, "w/a.txt").await;
    judge(&double, 1, &first);
    let shown = editor.until("the proposal", |_| proposal(&editor, "w")).await;
    lab.change(&editor, &["w/sub"], &[]);
    // The document stays open and goes on; the hunk that lies in the outer folder follows it.
    editor.replace("w/sub/s.txt", "one\n", "zero\none\n");
    ask(&editor, "w/sub/s.txt").await;
    judge(&double, 3, &second);
    lab.change(&editor, &[], &["w/sub"]);
    editor.replace("w/sub/s.txt", "zero\n", "nil\nzero\n");
    let answer = editor.command("accept", json!({"proposal": shown["proposal"]})).await.unwrap();
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(["h1"]), &json!([])), "{answer}");
    assert_eq!(editor.text("w/sub/s.txt"), "nil\nzero\none\nTWO\nthree\n");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn hunks_of_both_folders_over_one_file_can_be_decided_in_the_menu() {
    let lab = lab();
    lab.trust(&["w", "w/sub"]);
    let first: Vec<Case> = vec![("edit_file", edit("sub/s.txt", "one", "ONE"), Ok("h1"))];
    let second: Vec<Case> = vec![("edit_file", edit("sub/s.txt", "three", "THREE"), Ok("h1"))];
    let double = ModelDouble::start(turns(&first).into_iter().chain(turns(&second)));
    let editor = lab.editor(&double, &["w"]).await;
    editor.open("w/sub/s.txt", "one\ntwo\nthree\n");
    ask(&editor, "w/a.txt").await;
    lab.change(&editor, &["w/sub"], &[]);
    ask(&editor, "w/sub/s.txt").await;
    judge(&double, 3, &second);
    let uri = editor.uri("w/sub/s.txt");
    editor.until("both hunks", |seen| (seen.diagnostics(&uri).len() == 2).then_some(())).await;
    for line in [0, 2] {
        let at = json!({"line": line, "character": 0});
        let context = json!({"diagnostics": [], "triggerKind": 2});
        let params = json!({"textDocument": {"uri": uri}, "range": {"start": at, "end": at}, "context": context});
        let actions = editor.bounded(editor.peer.request("textDocument/codeAction", params)).await.unwrap();
        let accept = actions.as_array().unwrap().iter().find(|action| action["title"] == "Accept change").expect("an action");
        let answer = editor.command("accept", accept["command"]["arguments"][0].clone()).await.unwrap();
        assert_eq!(answer["accepted"], json!(["h1"]), "{answer}");
    }
    assert_eq!(editor.text("w/sub/s.txt"), "ONE\ntwo\nTHREE\n");
    assert_eq!(editor.quit().await, Some(0));
}

//! Accepted changes outlive the server: after a crash they are taken back and committed where the text still holds them, and
//! refused by file and lines where it does not.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command, time::Duration};

use serde_json::{Value, json};

use crate::{
    lsp::{Choice, Editor, PATIENCE},
    room::{Room, ask, calls, edit, say},
};

const TEXT: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";
const ACCEPTED: &str = "ONE\ntwo\nthree\nFOUR\nfour and a half\nfive\nsix\nseven\n";

fn three() -> Value {
    calls(&[edit("a.txt", &[("one\n", "ONE\n"), ("four\n", "FOUR\nfour and a half\n"), ("seven\n", "")])])
}

fn histories(room: &Room) -> Vec<PathBuf> {
    let entries = fs::read_dir(room.state("proposals")).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "accepted")).collect()
}

/// Waits until the one file of accepted hunks fits.
async fn until_kept(room: &Room, fits: impl Fn(Option<&Value>) -> bool) {
    let wait = async {
        loop {
            let found = histories(room);
            let text = found.first().and_then(|path| fs::read_to_string(path).ok());
            let value: Option<Value> = text.map(|text| serde_json::from_str(&text).unwrap());
            if found.len() < 2 && fits(value.as_ref()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("there are {:?}", histories(room)));
}

fn count(kept: Option<&Value>) -> usize {
    kept.map_or(0, |kept| kept["accepted"]["history"]["records"].as_array().unwrap().len())
}

/// A room whose commits need no second of reading, with a repository around `a.txt`.
fn repository() -> Room {
    let room = Room::with(&[("a.txt", TEXT)]);
    for (name, text) in
        [("countersign", "[approval]\nmin_seconds = 0.0\n"), ("git", "[user]\n\tname = Test\n\temail = test@example.org\n")]
    {
        let folder = room.home.path().join("config").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(if name == "git" { "config" } else { "config.toml" }), text).unwrap();
    }
    git(&room, &["init", "-q", "-b", "work", "."]);
    git(&room, &["add", "."]);
    git(&room, &["commit", "-q", "-m", "first"]);
    // Trust is about a folder with its repository, which was not there before.
    room.trust("add");
    room
}

fn git(room: &Room, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(room.folder())
        .env("XDG_CONFIG_HOME", room.home.path().join("config"))
        .env("HOME", room.home.path())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Three hunks proposed, the first two accepted, and then the machine dies; what the editor shows is saved if `saved`.
async fn crashed(room: &Room, saved: bool) -> Value {
    let editor = room.editor(&[three(), say("Done.")]).await;
    editor.open("a.txt", TEXT);
    let (task, proposal) = ask(&editor, "a.txt").await;
    let hunks: Vec<Value> = editor.hunks("a.txt").iter().map(|shown| shown["data"]["hunk"].clone()).collect();
    let answer = editor.command("accept", json!({"proposal": proposal, "hunks": hunks[..2]})).await.unwrap();
    assert_eq!(answer["refused"], json!([]), "{answer}");
    assert_eq!(editor.text("a.txt"), ACCEPTED);
    until_kept(room, |kept| count(kept) == 2).await;
    // What is pending is written after what was accepted.
    editor
        .bounded(async {
            while !fs::read_dir(room.state("proposals"))
                .unwrap()
                .any(|entry| entry.unwrap().path().extension().is_some_and(|end| end == "json"))
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    if saved {
        fs::write(room.path("a.txt"), ACCEPTED).unwrap();
    }
    editor.kill().await;
    task
}

/// A client of the next server, once that knows the task.
async fn anew(room: &Room, task: &Value) -> Editor {
    let editor = room.editor(&[say("Hello.")]).await;
    let known = async {
        loop {
            let status = editor.command("status", json!({})).await.unwrap();
            if status["tasks"].as_array().unwrap().iter().any(|row| row["task"] == *task) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    editor.bounded(known).await;
    editor
}

async fn said(editor: &Editor, part: &str) -> String {
    editor.until(part, |seen| seen.messages().into_iter().find(|said| said.contains(part))).await
}

async fn hover(editor: &Editor, line: u32) -> Value {
    let at = json!({"textDocument": {"uri": editor.uri("a.txt")}, "position": {"line": line, "character": 0}});
    editor.bounded(editor.peer.request("textDocument/hover", at)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_changes_are_taken_back_after_a_crash() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let task = crashed(&room, true).await;
    let mode = fs::metadata(&histories(&room)[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let editor = anew(&room, &task).await;
    editor.open("a.txt", ACCEPTED);
    // Where the lines come from is still told; lines of the user have no origin.
    let told = hover(&editor, 4).await;
    let words = told["contents"]["value"].as_str().unwrap_or_default().to_owned();
    assert!(words.contains("Agent: \"go\"") && words.contains("Accepted by"), "{told}");
    assert_eq!(hover(&editor, 1).await, Value::Null);
    editor.replace("a.txt", "two\n", "two, typed\n");
    let answer = editor.command("undo", json!({"task": task})).await.unwrap();
    assert_eq!((answer["undone"].as_array().unwrap().len(), &answer["refused"]), (2, &json!([])), "{answer}");
    assert_eq!(editor.text("a.txt"), TEXT.replace("two\n", "two, typed\n"));
    // The third was pending and still is.
    let uri = editor.uri("a.txt");
    editor.until("the pending one", |seen| (seen.diagnostics(&uri).len() == 1).then_some(())).await;
    until_kept(&room, |kept| kept.is_none()).await;
    assert!(editor.command("undo", json!({"task": task})).await.is_err(), "only once");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_saved_is_refused_by_file_and_lines_until_it_is_back() {
    let room = repository();
    let task = crashed(&room, false).await;
    let head = git(&room, &["rev-parse", "HEAD"]);
    let editor = anew(&room, &task).await;
    let answer = editor.command("undo", json!({"task": task})).await.unwrap();
    assert_eq!((&answer["undone"], answer["refused"].as_array().unwrap().len()), (&json!([]), 2), "{answer}");
    for (row, lines) in answer["refused"].as_array().unwrap().iter().zip([[1, 1], [4, 4]]) {
        assert_eq!((&row["uri"], &row["lines"]), (&json!(editor.uri("a.txt")), &json!(lines)), "{row}");
        assert!(row["why"].as_str().unwrap().contains("before the restart"), "{row}");
    }
    editor.command("commit", json!({"message": "Lost"})).await.unwrap();
    let why = said(&editor, "nothing to commit as it was accepted").await;
    assert!(why.contains("a.txt") && why.contains("line 1") && why.contains("line 4"), "{why}");
    assert_eq!(git(&room, &["rev-parse", "HEAD"]), head);
    assert!(editor.seen().questions.is_empty(), "nobody was asked");
    // The editor has its unsaved text back (a hot exit): now all is as it was accepted.
    editor.open("a.txt", ACCEPTED);
    editor.answer("Commit", Duration::from_millis(50), Choice::Title("Commit"));
    editor.command("commit", json!({"message": "Found"})).await.unwrap();
    said(&editor, "committed").await;
    assert_eq!(git(&room, &["show", "HEAD:a.txt"]), ACCEPTED);
    let answer = editor.command("undo", json!({"task": task})).await.unwrap();
    assert_eq!((answer["undone"].as_array().unwrap().len(), answer["committed"].as_array().unwrap().len()), (2, 2), "{answer}");
    assert_eq!(editor.text("a.txt"), TEXT);
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_after_a_crash_takes_what_stands_and_takes_it_once() {
    let room = repository();
    let task = crashed(&room, true).await;
    // Somebody changed the lines of one of the two meanwhile.
    let now = ACCEPTED.replace("FOUR\n", "4\n");
    fs::write(room.path("a.txt"), &now).unwrap();
    let editor = anew(&room, &task).await;
    editor.answer("Commit", Duration::from_millis(50), Choice::Title("Commit"));
    editor.command("commit", json!({"message": "One of two"})).await.unwrap();
    let told = said(&editor, "committed").await;
    assert!(told.contains("left out a.txt") && told.contains("lines 4-5"), "{told}");
    assert_eq!(git(&room, &["show", "HEAD:a.txt"]), TEXT.replace("one\n", "ONE\n"));
    assert_eq!(fs::read_to_string(room.path("a.txt")).unwrap(), now, "the disk is not ours");
    let committed = |kept: &Value| {
        let records = kept["accepted"]["history"]["records"].as_array().unwrap();
        records.iter().filter(|record| record["committed"] == true).count()
    };
    until_kept(&room, |kept| kept.map(committed) == Some(1)).await;
    let head = git(&room, &["rev-parse", "HEAD"]);
    editor.kill().await;
    // After one more crash the commit is known, and the other change still refused.
    let editor = anew(&room, &task).await;
    editor.command("commit", json!({"message": "Again"})).await.unwrap();
    let why = said(&editor, "nothing to commit as it was accepted").await;
    assert!(why.contains("lines 4-5") && !why.contains("line 1"), "{why}");
    assert_eq!(git(&room, &["rev-parse", "HEAD"]), head);
    // Its lines are brought back: the rest of the commit.
    fs::write(room.path("a.txt"), ACCEPTED).unwrap();
    editor.answer("Commit", Duration::from_millis(50), Choice::Title("Commit"));
    editor.command("commit", json!({"message": "The other"})).await.unwrap();
    said(&editor, "committed").await;
    assert_eq!(git(&room, &["show", "HEAD:a.txt"]), ACCEPTED);
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_right_bring_nothing_back() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let task = crashed(&room, true).await;
    let file = histories(&room).remove(0);
    let good = fs::read_to_string(&file).unwrap();
    // Without its pending hunk the task is known by what was accepted alone.
    for entry in fs::read_dir(room.state("proposals")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            fs::remove_file(path).unwrap();
        }
    }
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_str(&good).unwrap();
        change(&mut value);
        value.to_string()
    };
    let records = |value: &mut Value| value["accepted"]["history"]["records"].clone();
    let cases: Vec<(&str, String, u32)> = vec![
        ("readable by others", good.clone(), 0o644),
        ("torn", good[..good.len() - 20].to_owned(), 0o600),
        ("an unknown field", changed(&|value| value["accepted"]["more"] = json!(1)), 0o600),
        ("a path that climbs", changed(&|value| value["accepted"]["history"]["records"][0]["path"] = json!("../a.txt")), 0o600),
        (
            "another text",
            changed(&|value| value["accepted"]["history"]["records"][0]["since"][0]["new"] = json!("one\nTWO\n")),
            0o600,
        ),
        (
            "a range beyond everything",
            changed(&|value| value["accepted"]["history"]["records"][0]["did"][0]["range"]["end"] = json!(u64::MAX)),
            0o600,
        ),
        (
            "a start beyond everything",
            changed(&|value| value["accepted"]["history"]["records"][0]["start"] = json!(u64::MAX)),
            0o600,
        ),
        ("ids out of order", changed(&|value| value["accepted"]["history"]["records"][0]["hunk"] = json!("h99")), 0o600),
        (
            "edits backwards",
            changed(&|value| {
                let one = records(value)[0]["did"][0].clone();
                value["accepted"]["history"]["records"][0]["did"] = json!([one.clone(), one]);
            }),
            0o600,
        ),
        ("too old", changed(&|value| value["accepted"]["at"] = json!(1)), 0o600),
    ];
    for (what, text, mode) in cases {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let editor = room.editor(&[]).await;
        editor.open("a.txt", ACCEPTED);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(editor.command("undo", json!({"task": task})).await.is_err(), "{what}");
        assert_eq!(editor.text("a.txt"), ACCEPTED, "{what}");
        assert_eq!(editor.quit().await, Some(0), "{what}");
    }
    // The positive control.
    fs::write(&file, &good).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let editor = anew(&room, &task).await;
    assert!(editor.seen().messages().is_empty(), "nobody is bothered with it: {:?}", editor.seen().messages());
    editor.open("a.txt", ACCEPTED);
    editor.command("undo", json!({"task": task})).await.unwrap();
    assert_eq!(editor.text("a.txt"), TEXT);
    assert_eq!(editor.quit().await, Some(0));
}

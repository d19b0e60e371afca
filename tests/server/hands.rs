//! What the editor has no operation for, the server does itself when it is accepted: files of clients without resource
//! operations, modes, and files that are no text. Only what was shown, journalled before and after, and taken back by `undo`.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value, json};

use crate::{
    lsp::{Editor, Habit, able},
    room::{Room, ask, calls, edit, say},
};

const PNG: &[u8] = b"\x89PNG\0\x01\xff";
const TWO: &str = "one\ntwo\n";

/// A client that edits documents and nothing else.
fn bare() -> Value {
    let mut capabilities = able();
    capabilities["workspace"]["workspaceEdit"] = json!({"documentChanges": true});
    capabilities
}

fn op(op: &str, path: &str) -> (&'static str, Value) {
    ("file_op", json!({"op": op, "path": path}))
}

fn rename(path: &str, to: &str) -> (&'static str, Value) {
    ("file_op", json!({"op": "move", "path": path, "to": to}))
}

fn chmod(path: &str, executable: bool) -> (&'static str, Value) {
    ("file_op", json!({"op": "chmod", "path": path, "executable": executable}))
}

fn write(path: &str, content: &str) -> (&'static str, Value) {
    ("write_file", json!({"path": path, "content": content}))
}

fn runs(path: &Path) -> bool {
    fs::metadata(path).unwrap().permissions().mode() & 0o111 != 0
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

async fn accept(editor: &Editor, proposal: &Value) -> (usize, Vec<String>) {
    let answer = editor.command("accept", json!({"proposal": proposal})).await.unwrap();
    let whys = answer["refused"].as_array().unwrap().iter().map(|row| row["why"].as_str().unwrap().to_owned()).collect();
    (answer["accepted"].as_array().unwrap().len(), whys)
}

async fn undo(editor: &Editor, task: &Value) -> Value {
    editor.command("undo", json!({"task": task})).await.unwrap()
}

/// The client saves a document: the disk has its text.
fn save(room: &Room, editor: &Editor, path: &str) {
    fs::write(room.path(path), editor.text(path)).unwrap();
    editor.peer.notify("textDocument/didSave", json!({"textDocument": {"uri": editor.uri(path)}}));
}

/// What was said about the server's own doing.
async fn told(editor: &Editor) -> String {
    editor.until("what was done", |seen| seen.messages().into_iter().find(|said| said.starts_with("On the disk"))).await
}

/// The number of pending or stale hunks that a file shows, once it is this.
async fn shows(editor: &Editor, path: &str, count: usize) {
    let uri = editor.uri(path);
    editor.until("the hunks", |seen| (seen.diagnostics(&uri).len() == count).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_client_has_everything_done_and_taken_back() {
    let room = Room::with(&[("old.txt", "old\n"), ("from.txt", TWO), ("run.sh", "#!/bin/sh\n")]);
    fs::write(room.path("logo.png"), PNG).unwrap();
    let wishes = calls(&[
        write("new/deep.txt", "fresh\n"),
        op("delete", "old.txt"),
        rename("from.txt", "to.txt"),
        edit("to.txt", &[("two\n", "TWO\n")]),
        chmod("run.sh", true),
        rename("logo.png", "img/logo.png"),
        write("tool.sh", "#!/bin/sh\n"),
        chmod("tool.sh", true),
    ]);
    let editor = room.client(&[wishes, say("Done.")], bare(), Value::Null).await.0;
    let (task, proposal) = ask(&editor, "run.sh").await;
    assert_eq!(editor.hunks("run.sh")[0]["message"], "agent: old mode 100644 / new mode 100755");
    shows(&editor, "logo.png", 1).await;
    let shown = editor.hunks("logo.png")[0]["message"].as_str().unwrap().to_owned();
    assert!(shown.starts_with("agent: move this, binary, 7 bytes, sha256 ") && shown.len() <= 60, "{shown}");
    let document = editor.command("showDiff", json!({"proposal": proposal})).await.unwrap();
    let diff = reqwest::Url::parse(document["document"].as_str().unwrap()).unwrap().to_file_path().unwrap();
    let diff = fs::read_to_string(diff).unwrap();
    assert!(diff.contains("old mode 100644\nnew mode 100755") && diff.contains("new file mode 100755"), "{diff}");
    assert!(diff.contains("rename to img/logo.png") && diff.contains("binary, 7 bytes, sha256"), "{diff}");
    assert!(room.path("old.txt").exists() && !runs(&room.path("run.sh")), "nothing happens before the acceptance");

    assert_eq!(accept(&editor, &proposal).await, (8, Vec::new()));
    assert_eq!(fs::read_to_string(room.path("new/deep.txt")).unwrap(), "fresh\n");
    assert!(!room.path("old.txt").exists() && !room.path("from.txt").exists() && !room.path("logo.png").exists());
    assert_eq!(fs::read(room.path("img/logo.png")).unwrap(), PNG);
    assert!(runs(&room.path("run.sh")) && runs(&room.path("tool.sh")));
    assert_eq!((editor.text("to.txt").as_str(), fs::read_to_string(room.path("to.txt")).unwrap().as_str()), ("one\nTWO\n", TWO));
    let sent = editor.seen().edits;
    assert_eq!(sent.len(), 1, "the text is the editor's: {sent:?}");
    assert!(sent[0]["documentChanges"].as_array().unwrap().iter().all(|change| change["kind"].is_null()), "{sent:?}");
    let said = told(&editor).await;
    assert!(said.contains("deleted old.txt") && said.contains("made run.sh executable"), "{said}");
    let unsaved =
        editor.until("what is not saved", |seen| seen.messages().into_iter().find(|said| said.contains("not saved"))).await;
    assert_eq!(unsaved, "Accepted; not saved yet: to.txt");
    let effects: Vec<(Value, Value)> = room
        .journal()
        .into_iter()
        .filter(|line| line["kind"].as_str().unwrap().starts_with("effect."))
        .map(|line| (line["kind"].clone(), line["effect"].clone()))
        .collect();
    let kinds: Vec<&str> = effects.iter().map(|(kind, _)| kind.as_str().unwrap()).collect();
    let names: Vec<&str> = effects.iter().map(|(_, effect)| effect.as_str().unwrap()).collect();
    assert_eq!(names, ["accept", "disk", "disk", "disk", "disk", "accept"], "{effects:?}");
    assert_eq!(kinds, ["effect.start", "effect.start", "effect.result", "effect.start", "effect.result", "effect.result"]);

    // Unsaved text is in the way of moving the file back, and of nothing else.
    let answer = undo(&editor, &task).await;
    assert_eq!(answer["refused"].as_array().unwrap().len(), 1, "{answer}");
    assert!(answer["refused"][0]["why"].as_str().unwrap().contains("save or close it"), "{answer}");
    assert_eq!((editor.text("to.txt").as_str(), fs::read_to_string(room.path("old.txt")).unwrap().as_str()), (TWO, "old\n"));
    assert!(!room.path("new/deep.txt").exists() && !room.path("tool.sh").exists() && !runs(&room.path("run.sh")));
    assert_eq!(fs::read(room.path("logo.png")).unwrap(), PNG);
    save(&room, &editor, "to.txt");
    let answer = undo(&editor, &task).await;
    assert_eq!((answer["undone"].as_array().unwrap().len(), &answer["refused"]), (1, &json!([])), "{answer}");
    assert_eq!(fs::read_to_string(room.path("from.txt")).unwrap(), TWO);
    assert!(!room.path("to.txt").exists());
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_open_are_no_hindrance_when_they_are_saved() {
    let room = Room::with(&[("old.txt", TWO), ("from.txt", "from\n")]);
    let wishes = calls(&[op("delete", "old.txt"), rename("from.txt", "to.txt")]);
    let editor = room.client(&[wishes, say("Done.")], bare(), Value::Null).await.0;
    editor.open("old.txt", TWO);
    editor.open("from.txt", "from\n");
    let (task, proposal) = ask(&editor, "old.txt").await;
    // Typing makes a deletion stale; taken back, it has to be proposed anew. A move follows the text, and waits for the disk.
    editor.replace("from.txt", "from\n", "from, typed\n");
    let (accepted, whys) = accept(&editor, &proposal).await;
    assert_eq!((accepted, whys.len()), (1, 1), "{whys:?}");
    assert!(
        whys[0].contains("from.txt on the disk is not what your editor shows; save or close it")
            && whys[0].ends_with("pending again"),
        "{whys:?}"
    );
    assert!(room.path("from.txt").exists() && !room.path("old.txt").exists());
    let said = editor.until("why not", |seen| seen.messages().into_iter().find(|said| said.starts_with("Not accepted"))).await;
    assert!(said.contains("save or close it"), "{said}");
    assert!(told(&editor).await.contains("deleted old.txt (your editor still shows it)"));
    assert_eq!(editor.text("old.txt"), TWO, "the document is the user's");
    shows(&editor, "old.txt", 0).await;
    save(&room, &editor, "from.txt");
    assert_eq!(accept(&editor, &proposal).await, (1, Vec::new()));
    assert_eq!(fs::read_to_string(room.path("to.txt")).unwrap(), "from, typed\n");
    assert!(!room.path("from.txt").exists());

    let answer = undo(&editor, &task).await;
    assert_eq!((answer["undone"].as_array().unwrap().len(), &answer["refused"]), (2, &json!([])), "{answer}");
    assert_eq!(fs::read_to_string(room.path("old.txt")).unwrap(), TWO);
    assert_eq!(fs::read_to_string(room.path("from.txt")).unwrap(), "from, typed\n");
    assert_eq!((editor.text("old.txt").as_str(), editor.text("from.txt").as_str()), (TWO, "from, typed\n"));
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_editor_does_to_files_that_are_not_open_is_seen_at_its_answer() {
    let room = Room::with(&[("a.txt", "a\n"), ("b.txt", "b\n")]);
    let wishes = calls(&[op("delete", "a.txt"), rename("b.txt", "moved.txt")]);
    // This one is told what is known at the editor's answer, and nothing later: no clock is needed to see when that was.
    let editor = room.named("Eglot", &[wishes, say("Done.")], able(), Value::Null).await.0;
    let (_, proposal) = ask(&editor, "a.txt").await;
    assert_eq!(accept(&editor, &proposal).await, (2, Vec::new()));
    assert!(!room.path("a.txt").exists() && !room.path("b.txt").exists());
    assert_eq!(fs::read_to_string(room.path("moved.txt")).unwrap(), "b\n");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moved_on_the_disk_meanwhile_is_left_alone() {
    let room = Room::with(&[("a.txt", "a\n"), ("b.txt", "b\n"), ("c.txt", "c\n"), ("run.sh", "r\n"), ("fine.txt", "fine\n")]);
    for name in ["x.bin", "y.bin"] {
        fs::write(room.path(name), PNG).unwrap();
    }
    let wishes = calls(&[
        op("delete", "a.txt"),
        rename("b.txt", "moved.txt"),
        op("delete", "c.txt"),
        op("delete", "x.bin"),
        op("delete", "y.bin"),
        chmod("run.sh", true),
        op("delete", "fine.txt"),
        write("new.txt", "mine\n"),
    ]);
    let editor = room.client(&[wishes, say("Done.")], bare(), Value::Null).await.0;
    let (task, proposal) = ask(&editor, "a.txt").await;
    // Nobody tells the server: this client does not watch files.
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("c.txt"), "c\n").unwrap();
    fs::write(room.path("a.txt"), "somebody else's\n").unwrap();
    fs::write(room.path("moved.txt"), "in the way\n").unwrap();
    fs::remove_file(room.path("c.txt")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("c.txt"), room.path("c.txt")).unwrap();
    fs::write(room.path("x.bin"), b"\0others").unwrap();
    set_mode(&room.path("run.sh"), 0o755);
    fs::write(room.path("new.txt"), "theirs\n").unwrap();
    let (accepted, whys) = accept(&editor, &proposal).await;
    assert_eq!((accepted, whys.len()), (2, 6), "{whys:?}");
    assert!(!room.path("fine.txt").exists() && !room.path("y.bin").exists(), "the positive control");
    let read = |name: &str| fs::read(room.path(name)).unwrap();
    assert_eq!(
        (read("a.txt"), read("b.txt"), read("moved.txt")),
        (b"somebody else's\n".into(), b"b\n".into(), b"in the way\n".into())
    );
    assert_eq!((read("x.bin"), read("new.txt")), (b"\0others".into(), b"theirs\n".into()));
    assert_eq!(fs::read_to_string(outside.path().join("c.txt")).unwrap(), "c\n", "no link is followed out");
    assert!(room.path("c.txt").is_symlink());
    assert!(whys.iter().any(|why| why.contains("stale: the file has this mode already")), "{whys:?}");
    assert!(whys.iter().any(|why| why.contains("leads outside")), "{whys:?}");
    // What was deleted comes back, byte for byte, unless somebody put another file there.
    fs::write(room.path("fine.txt"), "new here\n").unwrap();
    let answer = undo(&editor, &task).await;
    assert_eq!((answer["undone"].as_array().unwrap().len(), answer["refused"].as_array().unwrap().len()), (1, 1), "{answer}");
    assert!(answer["refused"][0]["why"].as_str().unwrap().contains("fine.txt again"), "{answer}");
    assert_eq!((read("y.bin"), read("fine.txt")), (PNG.to_vec(), b"new here\n".to_vec()));
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_lies_about_files_changes_nothing_that_is_not_its_part() {
    let room = Room::with(&[("a.txt", "a\n"), ("run.sh", "r\n")]);
    fs::write(room.path("x.bin"), PNG).unwrap();
    let wishes = calls(&[op("delete", "a.txt"), op("delete", "x.bin"), chmod("run.sh", true)]);
    let editor = room.editor(&[wishes, say("Done.")]).await;
    let (_, proposal) = ask(&editor, "a.txt").await;
    editor.habit(Habit::Liar);
    let (accepted, whys) = accept(&editor, &proposal).await;
    assert_eq!((accepted, whys.len()), (2, 1), "{whys:?}");
    assert!(room.path("a.txt").exists(), "it said that it deleted this");
    assert!(!room.path("x.bin").exists() && runs(&room.path("run.sh")), "these are the server's");
    shows(&editor, "a.txt", 1).await;
    let sent = editor.seen().edits;
    assert_eq!(sent[0]["documentChanges"].as_array().unwrap().len(), 1, "{sent:?}");
    assert_eq!(sent[0]["documentChanges"][0]["kind"], "delete", "a client that can delete is asked to: {sent:?}");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_no_edits_at_all_has_files_but_no_text() {
    let room = Room::with(&[("a.txt", TWO), ("old.txt", "old\n")]);
    let mut none = bare();
    none["workspace"]["applyEdit"] = json!(false);
    let wishes = calls(&[edit("a.txt", &[("two\n", "TWO\n")]), op("delete", "old.txt"), write("new.txt", "new\n")]);
    let editor = room.client(&[wishes, say("Done.")], none, Value::Null).await.0;
    let (task, proposal) = ask(&editor, "a.txt").await;
    let refused = editor.command("accept", json!({"proposal": proposal})).await.expect_err("a text is among them");
    assert!(refused.message.contains("applyEdit"), "{refused}");
    assert!(room.path("old.txt").exists(), "and nothing of it is done");
    for name in ["old.txt", "new.txt"] {
        shows(&editor, name, 1).await;
        let hunk = editor.hunks(name)[0]["data"]["hunk"].clone();
        let answer = editor.command("accept", json!({"proposal": proposal, "hunks": [hunk]})).await.unwrap();
        assert_eq!(answer["refused"], json!([]), "{answer}");
    }
    assert!(!room.path("old.txt").exists() && room.path("new.txt").exists());
    assert_eq!(fs::read_to_string(room.path("a.txt")).unwrap(), TWO);
    // What the server did it can take back, too.
    let answer = undo(&editor, &task).await;
    assert_eq!((answer["undone"].as_array().unwrap().len(), &answer["refused"]), (2, &json!([])), "{answer}");
    assert!(!room.path("new.txt").exists());
    assert_eq!(fs::read_to_string(room.path("old.txt")).unwrap(), "old\n");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mode_waits_until_the_file_is_on_the_disk() {
    let room = Room::with(&[]);
    let editor = room.editor(&[calls(&[write("new.sh", "#!/bin/sh\n"), chmod("new.sh", true)]), say("Done.")]).await;
    let (_, proposal) = ask(&editor, "new.sh").await;
    // This client makes a document of the new file, and no file yet.
    let (accepted, whys) = accept(&editor, &proposal).await;
    assert_eq!((accepted, whys.len()), (1, 1), "{whys:?}");
    assert_eq!(whys[0], "new.sh is not on the disk yet; save it, then accept again; it is pending again");
    save(&room, &editor, "new.sh");
    assert_eq!(accept(&editor, &proposal).await, (1, Vec::new()));
    assert!(runs(&room.path("new.sh")));
    assert_eq!(editor.text("new.sh"), "#!/bin/sh\n");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_judges_a_mode_as_a_write() {
    let room = Room::with(&[("run.sh", "r\n"), ("Makefile", "all:\n"), (".env", "KEY=1\n")]);
    let wishes = calls(&[chmod("run.sh", true), chmod("Makefile", true), chmod(".env", true)]);
    let editor = room.editor(&[wishes, say("Done.")]).await;
    let (_, proposal) = ask(&editor, "run.sh").await;
    shows(&editor, "Makefile", 1).await;
    assert_eq!(editor.hunks(".env"), Vec::<Value>::new(), "a secret file is not staged");
    assert_eq!(accept(&editor, &proposal).await, (1, Vec::new()), "what steers tools is left out of accepting all");
    assert!(runs(&room.path("run.sh")) && !runs(&room.path("Makefile")) && !runs(&room.path(".env")));
    let hunk = editor.hunks("Makefile")[0]["data"]["hunk"].clone();
    let answer = editor.command("accept", json!({"proposal": proposal, "hunks": [hunk]})).await.unwrap();
    assert_eq!(answer["refused"], json!([]), "{answer}");
    assert!(runs(&room.path("Makefile")), "by its own id it is accepted");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_and_bytes_come_back_after_a_crash_where_they_fit() {
    let room = Room::with(&[("run.sh", "r\n")]);
    for name in ["x.bin", "y.bin"] {
        fs::write(room.path(name), PNG).unwrap();
    }
    let wishes = calls(&[chmod("run.sh", true), op("delete", "x.bin"), op("delete", "y.bin")]);
    let editor = room.editor(&[wishes, say("Done.")]).await;
    let (_, proposal) = ask(&editor, "run.sh").await;
    let kept = || {
        let entries = fs::read_dir(room.state("proposals")).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .any(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("y.bin") && text.contains("100755")))
    };
    while !kept() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    editor.kill().await;
    fs::write(room.path("y.bin"), b"\0others").unwrap();
    let editor = room.editor(&[]).await;
    let said = editor.until("the message", |seen| seen.messages().into_iter().find(|said| said.contains("restored"))).await;
    assert!(said.contains("2 of 3"), "{said}");
    shows(&editor, "x.bin", 1).await;
    assert_eq!(accept(&editor, &proposal).await, (2, Vec::new()));
    assert!(!room.path("x.bin").exists() && runs(&room.path("run.sh")));
    assert_eq!(fs::read(room.path("y.bin")).unwrap(), b"\0others");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rich_clients_are_told_kinds_modes_and_bytes() {
    let room = Room::with(&[("run.sh", "r\n")]);
    fs::write(room.path("x.bin"), PNG).unwrap();
    let answers = [calls(&[chmod("run.sh", true), rename("x.bin", "y.bin")]), say("Done.")];
    let editor = room.editor_with(&answers, json!({"countersign": {"rich": true, "protocol": 1}})).await;
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let files = editor
        .until("both files", |seen| {
            seen.find("countersign/proposal", |told| told["files"].as_array().is_some_and(|files| files.len() == 2))
        })
        .await["files"]
        .clone();
    let [run, bin] = [&files[0], &files[1]];
    assert_eq!((&run["op"], &run["hunks"][0]["kind"]), (&json!("edit"), &json!("mode")), "{run}");
    assert_eq!(run["hunks"][0]["mode"], json!({"old": "100644", "new": "100755"}));
    assert_eq!((&run["hunks"][0]["old_text"], &run["hunks"][0]["new_text"]), (&json!(""), &json!("")));
    assert_eq!(
        (&bin["op"], &bin["hunks"][0]["kind"], &bin["binary"]["size"]),
        (&json!("move"), &json!("move"), &json!(7)),
        "{bin}"
    );
    assert!(bin["binary"]["words"].as_str().unwrap().starts_with("binary, 7 bytes, sha256 "), "{bin}");
    assert_eq!(editor.quit().await, Some(0));
}

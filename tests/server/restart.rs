//! Pending changes outlive the server, and come back only where they still fit.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    lsp::{Editor, PATIENCE},
    room::{Room, ask, calls, edit, say},
};

const TEXT: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n";

fn five() -> Vec<Value> {
    let edits = [
        ("one\n", "ONE\n"),
        ("three\n", "three\nthree and a half\n"),
        ("five\n", "FIVE\n"),
        ("seven\n", ""),
        ("nine\n", "NINE\n"),
    ];
    vec![calls(&[edit("a.txt", &edits)]), say("Done.")]
}

/// The files on the shelf.
fn kept(room: &Room) -> Vec<PathBuf> {
    let entries = fs::read_dir(room.state("proposals")).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "json")).collect()
}

/// Waits until the shelf holds so many files that `fit`.
async fn until_kept(room: &Room, count: usize, fits: impl Fn(&str) -> bool) {
    let wait = async {
        loop {
            let found = kept(room);
            if found.len() == count && found.iter().all(|path| fs::read_to_string(path).is_ok_and(|text| fits(&text))) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("{count} kept files that fit; there are {:?}", kept(room)));
}

async fn restored(editor: &Editor) -> String {
    editor
        .until("the message", |seen| {
            seen.messages().into_iter().find(|said| said.contains("restart") || said.contains("restored"))
        })
        .await
}

/// Leaves five pending hunks behind, by a crash.
async fn crashed() -> (Room, Value) {
    let room = Room::with(&[("a.txt", TEXT)]);
    let editor = room.editor(&five()).await;
    let (task, _) = ask(&editor, "a.txt").await;
    until_kept(&room, 1, |_| true).await;
    editor.kill().await;
    (room, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_changes_come_back_after_a_crash() {
    let (room, task) = crashed().await;
    let file = kept(&room).remove(0);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);

    let editor = room.editor(&[say("Hello.")]).await;
    assert!(restored(&editor).await.contains("5 pending changes"));
    let uri = editor.uri("a.txt");
    let shown = editor.until("five hunks", |seen| Some(seen.diagnostics(&uri)).filter(|all| all.len() == 5)).await;
    let status = editor.command("status", json!({})).await.unwrap();
    assert_eq!((&status["tasks"][0]["task"], &status["tasks"][0]["state"]), (&task, &json!("ended")), "{status}");
    // They are reviewed as before, over text that the editor opens now.
    editor.open("a.txt", TEXT);
    let data = |n: usize| shown[n]["data"].clone();
    let answer = editor.command("accept", json!({"proposal": data(0)["proposal"], "hunks": [data(1)["hunk"]]})).await.unwrap();
    assert_eq!(answer["refused"], json!([]), "{answer}");
    assert_eq!(editor.text("a.txt"), TEXT.replace("three\n", "three\nthree and a half\n"));
    editor.command("reject", json!({"proposal": data(0)["proposal"], "hunks": [data(0)["hunk"]]})).await.unwrap();
    until_kept(&room, 1, |text| !text.contains("ONE") && text.contains("FIVE")).await;
    // A new task gets ids of its own, and the restored one goes on to be undone.
    let asked = editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    assert_ne!(asked["task"], task);
    editor.until("its end", |seen| seen.messages().into_iter().find(|said| said.contains("Hello."))).await;
    editor.command("undo", json!({"task": task})).await.unwrap();
    assert_eq!(editor.text("a.txt"), TEXT);
    editor.command("reject", json!({"proposal": data(0)["proposal"]})).await.unwrap();
    assert_eq!(editor.quit().await, Some(0));
    assert_eq!(kept(&room), Vec::<PathBuf>::new(), "what is decided is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_come_back_in_their_order() {
    let names = ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt", "f.txt"];
    let room = Room::with(&names.map(|name| (name, TEXT)));
    let script: Vec<Value> = names.iter().flat_map(|name| [calls(&[edit(name, &[("one\n", "ONE\n")])]), say("Done.")]).collect();
    let editor = room.editor(&script).await;
    let mut tasks = Vec::new();
    for name in names {
        tasks.push(ask(&editor, name).await.0);
    }
    until_kept(&room, names.len(), |_| true).await;
    editor.kill().await;
    let editor = room.editor(&[]).await;
    restored(&editor).await;
    let status = editor.command("status", json!({})).await.unwrap();
    let order: Vec<Value> = status["tasks"].as_array().unwrap().iter().map(|row| row["task"].clone()).collect();
    assert_eq!(order, tasks, "the newest is the last");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_end_keeps_what_was_typed_a_moment_before() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let editor = room.editor(&five()).await;
    editor.open("a.txt", TEXT);
    ask(&editor, "a.txt").await;
    editor.replace("a.txt", "four\n", "four, typed\n");
    assert_eq!(editor.quit().await, Some(0));
    let left = fs::read_to_string(&kept(&room)[0]).unwrap();
    let base: Value = serde_json::from_str(&left).unwrap();
    let typed = countersign::text::Text::new(&TEXT.replace("four\n", "four, typed\n"));
    assert_eq!(base["proposal"]["files"][0]["base"], typed.sha256());
    // The unsaved typing is lost with the editor; the hunks find their lines again.
    let editor = room.editor(&[]).await;
    assert!(restored(&editor).await.contains("5 pending changes"));
    let uri = editor.uri("a.txt");
    editor.until("five hunks", |seen| (seen.diagnostics(&uri).len() == 5).then_some(())).await;
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_hunks_that_still_fit_one_place_come_back() {
    let (room, _) = crashed().await;
    // "one" and "three" are changed, "five" stands twice; "seven" moved, "nine" stands where it stood.
    let now = "zero\n1\ntwo\n3\nfour\nfive\nsix\nfive\nseven\neight\nnine\n";
    fs::write(room.path("a.txt"), now).unwrap();
    let editor = room.editor(&[]).await;
    let said = restored(&editor).await;
    assert!(said.contains("2 of 5 pending changes could be restored"), "{said}");
    let uri = editor.uri("a.txt");
    let shown = editor.until("two hunks", |seen| Some(seen.diagnostics(&uri)).filter(|all| all.len() == 2)).await;
    assert_eq!((&shown[0]["range"]["start"]["line"], &shown[1]["range"]["start"]["line"]), (&json!(8), &json!(10)));
    let answer = editor.command("accept", json!({"proposal": shown[0]["data"]["proposal"]})).await.unwrap();
    assert_eq!(answer["accepted"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(editor.text("a.txt"), now.replace("seven\n", "").replace("nine\n", "NINE\n"));
    assert_eq!(editor.quit().await, Some(0));
    let dropped = room.journal().into_iter().filter(|line| line["kind"] == "hunk.stale").count();
    assert_eq!(dropped, 3, "what was dropped is on record");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_server_keeps_its_own() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let first = room.editor(&five()).await;
    ask(&first, "a.txt").await;
    until_kept(&room, 1, |_| true).await;
    let second = room.editor(&[]).await;
    assert_eq!(second.command("status", json!({})).await.unwrap()["tasks"], json!([]));
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(second.hunks("a.txt").is_empty() && second.seen().messages().is_empty());
    // The positive control: once it is gone, another may have them.
    first.kill().await;
    let third = room.editor(&[]).await;
    restored(&third).await;
    for editor in [second, third] {
        assert_eq!(editor.quit().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_restore_nothing() {
    let (room, _) = crashed().await;
    let file = kept(&room).remove(0);
    let good = fs::read_to_string(&file).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_str(&good).unwrap();
        change(&mut value);
        value.to_string()
    };
    let cases: Vec<(&str, String, u32)> = vec![
        ("readable by others", good.clone(), 0o644),
        ("not JSON", good[..good.len() / 2].to_owned(), 0o600),
        ("an unknown field", changed(&|value| value["more"] = json!(1)), 0o600),
        ("another version", changed(&|value| value["v"] = json!(2)), 0o600),
        ("a folder that is not open", changed(&|value| value["folder"] = json!("/etc")), 0o600),
        ("a path that climbs", changed(&|value| value["proposal"]["files"][0]["path"] = json!("../a.txt")), 0o600),
        ("git's own files", changed(&|value| value["proposal"]["files"][0]["path"] = json!(".git/config")), 0o600),
        ("an owner that climbs", changed(&|value| value["owner"] = json!("../../x")), 0o600),
        ("a task that is a path", changed(&|value| value["proposal"]["task"] = json!("t1-../../x")), 0o600),
        ("an id twice", changed(&|value| value["proposal"]["files"][0]["hunks"][1]["id"] = json!("h1")), 0o600),
        (
            "a start beyond everything",
            changed(&|value| {
                for hunk in value["proposal"]["files"][0]["hunks"].as_array_mut().unwrap() {
                    hunk["start"] = json!(u64::MAX);
                }
            }),
            0o600,
        ),
        (
            "other old lines",
            changed(&|value| {
                for hunk in value["proposal"]["files"][0]["hunks"].as_array_mut().unwrap() {
                    hunk["old"] = json!("none\n");
                }
            }),
            0o600,
        ),
    ];
    for (what, text, mode) in cases {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let editor = room.editor(&[]).await;
        editor.open("a.txt", TEXT);
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        assert!(editor.hunks("a.txt").is_empty(), "{what}");
        assert!(editor.seen().messages().iter().all(|said| said.contains("0 of")), "{what}: {:?}", editor.seen().messages());
        assert_eq!(editor.quit().await, Some(0), "{what}");
        assert_eq!(fs::read_to_string(room.path("a.txt")).unwrap(), TEXT);
    }
    // A link to a good file is not followed; the good file itself is the positive control.
    let aside = room.home.path().join("aside.json");
    fs::write(&aside, &good).unwrap();
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o600)).unwrap();
    let _ = fs::remove_file(&file);
    std::os::unix::fs::symlink(&aside, &file).unwrap();
    let editor = room.editor(&[]).await;
    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    assert!(editor.hunks("a.txt").is_empty());
    assert_eq!(editor.quit().await, Some(0));
    fs::remove_file(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    let editor = room.editor(&[]).await;
    assert!(restored(&editor).await.contains("5 pending changes"));
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_back_without_trust_and_nothing_old_stays() {
    let (room, _) = crashed().await;
    let trust = |what: &str| {
        let folder = room.folder();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["trust", what]).arg(folder);
        command.env("XDG_CONFIG_HOME", room.home.path().join("config")).env("XDG_STATE_HOME", room.home.path().join("state"));
        assert!(command.output().unwrap().status.success());
    };
    trust("revoke");
    let editor = room.editor(&[]).await;
    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    assert!(editor.seen().messages().is_empty() && editor.hunks("a.txt").is_empty());
    assert_eq!(editor.quit().await, Some(0));
    trust("add");
    let editor = room.editor(&[]).await;
    restored(&editor).await;
    assert_eq!(editor.quit().await, Some(0));
    let file = kept(&room).remove(0);
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(15 * 24 * 60 * 60);
    fs::File::options().write(true).open(&file).unwrap().set_modified(then).unwrap();
    let editor = room.editor(&[]).await;
    until_kept(&room, 0, |_| true).await;
    assert!(editor.hunks("a.txt").is_empty());
    assert_eq!(editor.quit().await, Some(0));
}

//! One sitting of a client without dialogs, lenses and resource operations: everything that can be done with the agent by code
//! actions and documents, and the three things that cannot: push, pull request and trust.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use super::desk::{Bare, Desk, FILE, TEXT, read, send, tick};
use crate::support::model_double::{ModelDouble, Turn};

const OTHER: &str = "b.txt";

fn edit(path: &str, words: &[&str]) -> (String, Value) {
    let edits: Vec<Value> =
        words.iter().map(|word| json!({"old": format!("{word}\n"), "new": format!("{}\n", word.to_uppercase())})).collect();
    ("edit_file".to_owned(), json!({"path": path, "edits": edits}))
}

fn calls(all: &[(String, Value)]) -> Turn {
    let call = |turn: Turn, (n, (name, input)): (usize, &(String, Value))| turn.tool(&format!("c{n}"), name, input.clone());
    all.iter().enumerate().fold(Turn::new(), call)
}

/// A desk whose tasks have three iterations, with a second file and one to delete.
fn desk() -> Desk {
    let desk = Desk::new();
    let policy = include_str!("../../../policies/default.toml").replacen("iterations = 20", "iterations = 3", 1);
    assert!(policy.contains("iterations = 3\n"));
    fs::write(desk.path("home/config/countersign/policy.toml"), policy).unwrap();
    fs::write(desk.path("w").join(OTHER), "one\ntwo\n").unwrap();
    fs::write(desk.path("w/old.txt"), "old\n").unwrap();
    desk.git(&["add", "."]);
    desk.git(&["commit", "-q", "-m", "second"]);
    desk
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_but_push_pull_request_and_trust() {
    let desk = desk();
    let read_it = || Turn::call("r", "read_file", json!({"path": FILE}));
    let (first, go) = Turn::held(read_it());
    let create = ("write_file".to_owned(), json!({"path": "new/c.txt", "content": "fresh\n"}));
    let delete = ("file_op".to_owned(), json!({"op": "delete", "path": "old.txt"}));
    let newer = ("write_file".to_owned(), json!({"path": "newer.txt", "content": "newer\n"}));
    let delete_new = ("file_op".to_owned(), json!({"op": "delete", "path": "new/c.txt"}));
    let double = ModelDouble::start([
        calls(&[edit(FILE, &["one", "three", "five", "seven"]), edit(OTHER, &["two"]), create, delete]),
        Turn::say("All marked."),
        calls(&[edit(FILE, &["two", "six"]), edit(OTHER, &["one"])]),
        Turn::say("More marked."),
        calls(&[edit(FILE, &["four", "six"]), edit(OTHER, &["one"])]),
        Turn::say("Again."),
        calls(&[edit(FILE, &["four", "six"]), edit(OTHER, &["one"]), newer, delete_new]),
        Turn::say("Everywhere."),
        read_it(),
        read_it(),
        read_it(),
        Turn::say("Half is read."),
        Turn::say("All is read."),
        first,
        Turn::call("s", "run", json!({"command": "sleep 60"})),
        Turn::say("The later one."),
        Turn::say("Tried again."),
    ]);
    let bare = desk.bare(&double, true).await;
    bare.editor.open(OTHER, "one\ntwo\n");

    trust(&desk, &bare).await;
    bare.says("All marked.").await;
    review(&desk, &bare).await;
    commit(&desk, &bare).await;
    push_and_pull_request(&desk, &bare).await;
    file_and_all(&desk, &bare).await;
    limit(&bare).await;

    // Words for the running task, words for afterwards, and its end.
    bare.ask("Take your time.").await;
    bare.editor.bounded(double.requested(14)).await;
    for (words, later) in [("Mind the third line.", false), ("Then summarize.", true)] {
        bare.choose(0, "Tell the agent...").await.unwrap();
        let tell = bare.document().await;
        if later {
            fs::write(&tell, read(&tell).replace("[ ] later", "[x] later")).unwrap();
        }
        send(&tell, words);
        if !later {
            bare.is_heard(words).await;
        }
    }
    let heard = async || bare.editor.command("status", json!({})).await.unwrap()["queued"] == json!(1);
    while !heard().await {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    go.send(()).unwrap();
    bare.editor.bounded(double.requested(15)).await;
    assert!(double.last().body.to_string().contains("Mind the third line."));
    // `Stop the agent` would stop what waits as well; a task of its own is stopped by its box.
    bare.choose(0, "Agent: more...").await.unwrap();
    tick_line(&bare.document().await, "Stop: Take your time.");
    bare.says("countersign stopped").await;
    bare.says("The later one.").await;
    assert!(double.last().body.to_string().contains("Then summarize."));

    // How things stand, the transcript, and once more.
    bare.choose(0, "Agent: more...").await.unwrap();
    let more = bare.document().await;
    let text = read(&more);
    for part in ["Take your time.: cancelled", "tok", "Model: ", "Walls: ", "Show transcript: Then summarize."] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    tick_line(&more, "Show transcript: Take your time.");
    let transcript = read(&bare.document().await);
    assert!(transcript.contains("> Mind the third line."), "{transcript}");
    bare.choose(0, "Retry with a note...").await.unwrap();
    send(&bare.document().await, "Shorter.");
    bare.says("Tried again.").await;
    assert!(double.last().body.to_string().contains("Shorter."));
    double.assert_clean();
    assert_eq!(bare.editor.quit().await, Some(0));
}

/// Ticks the box whose words begin so.
fn tick_line(path: &Path, words: &str) {
    let text = read(path);
    tick(path, text.lines().find_map(|line| line.strip_prefix("[ ] ").filter(|line| line.starts_with(words))).unwrap());
}

/// Trust is not given in a document: the ask waits until it is given in a terminal.
async fn trust(desk: &Desk, bare: &Bare) {
    bare.ask("Mark it all.").await;
    let question = read(&bare.document().await);
    assert!(question.contains("countersign trust add ") && !question.contains("\"code\""), "{question}");
    assert!(!question.contains("] Trust"), "{question}");
    desk.trust();
}

/// One change, one not and why, the rest with the server's hands, and all of it back and again.
async fn review(desk: &Desk, bare: &Bare) {
    bare.hunks(4).await;
    let diff = bare.choose(0, "Show diff").await.unwrap()["document"].clone();
    assert!(diff.as_str().unwrap().ends_with(".diff") && read(&bare.document().await).contains("+ONE"));
    bare.choose(0, "Accept change").await.unwrap();
    bare.hunks(3).await;
    assert_eq!(bare.editor.text(FILE), TEXT.replace("one", "ONE"));
    bare.choose(2, "Reject with a reason...").await.unwrap();
    send(&bare.document().await, "three is fine");
    bare.hunks(2).await;
    assert_eq!(bare.choose(4, "Accept all").await.unwrap()["refused"], json!([]));
    assert_eq!(bare.editor.text(FILE), TEXT.replace("one", "ONE").replace("five", "FIVE").replace("seven", "SEVEN"));
    assert_eq!(bare.editor.text(OTHER), "one\nTWO\n");
    assert_eq!(fs::read_to_string(desk.path("w/new/c.txt")).unwrap(), "fresh\n");
    assert!(!desk.path("w/old.txt").exists());
    assert!(desk.journal().contains("three is fine"));
}

/// Decided by the command `answer`, whose code only the document has; another code decides nothing.
async fn commit(desk: &Desk, bare: &Bare) {
    let head = desk.git(&["rev-parse", "HEAD"]);
    bare.choose(0, "Commit accepted changes...").await.unwrap();
    let question = read(&bare.document().await);
    let line = question.lines().find(|line| line.ends_with("\"choice\":\"Commit\"}")).unwrap();
    let argument: Value = serde_json::from_str(line.trim().strip_prefix("countersign.answer ").unwrap()).unwrap();
    let listed = bare.editor.command("approvals", json!({})).await.unwrap().to_string();
    assert!(!listed.contains(argument["code"].as_str().unwrap()), "{listed}");
    bare.document().await;
    let refused = bare.editor.command("answer", json!({"code": "aaaaaaaaaaaa", "choice": "Commit"})).await;
    assert!(refused.is_err() && desk.git(&["rev-parse", "HEAD"]) == head, "{refused:?}");
    bare.editor.command("answer", argument).await.unwrap();
    bare.says("committed").await;
    let shown = desk.git(&["show", "--stat=200", "--format=%s", "HEAD"]);
    for part in ["Mark it all.", "a.txt", "b.txt", "new/c.txt", "old.txt"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

/// Both only by hand, as the document says, or where there are dialogs.
async fn push_and_pull_request(desk: &Desk, bare: &Bare) {
    bare.choose(0, "Push...").await.unwrap();
    let path = bare.document().await;
    let question = read(&path);
    assert!(!question.contains("\"code\"") && !question.contains("] Push") && question.contains("git push "), "{question}");
    tick(&path, "Close this question; nothing is done");
    bare.says("did not decide").await;
    let remote = Command::new("git").args(["rev-parse", "work"]).current_dir(desk.path("remote.git")).output().unwrap();
    assert_eq!(String::from_utf8(remote.stdout).unwrap(), desk.git(&["rev-parse", "HEAD~2"]), "nothing was pushed");
    let refused = bare.editor.command("openPullRequest", json!({})).await.unwrap_err();
    assert!(refused.message.contains("not available"), "{refused}");
}

/// A file at a time, and everything at a time; what was accepted is taken back.
async fn file_and_all(desk: &Desk, bare: &Bare) {
    let before = bare.editor.text(FILE);
    bare.ask("Mark more.").await;
    bare.says("More marked.").await;
    bare.hunks(2).await;
    bare.choose(1, "Accept file").await.unwrap();
    bare.hunks(0).await;
    assert_eq!(bare.editor.text(FILE), before.replace("two", "TWO").replace("six", "SIX"));
    bare.choose_in(OTHER, 0, "Reject change").await.unwrap();
    let undone = bare.choose(0, "Take back accepted changes").await.unwrap();
    assert_eq!(undone["undone"].as_array().unwrap().len(), 2, "{undone}");
    assert_eq!(bare.editor.text(FILE), before);

    bare.ask("And again.").await;
    bare.says("Again.").await;
    bare.hunks(2).await;
    bare.choose(3, "Reject file").await.unwrap();
    bare.hunks(0).await;
    bare.choose_in(OTHER, 0, "Reject change").await.unwrap();
    assert_eq!((bare.editor.text(FILE), bare.editor.text(OTHER)), (before.clone(), "one\nTWO\n".to_owned()));
    assert_eq!(desk.journal().matches("\"kind\":\"hunk.rejected\"").count(), 5);

    // In every file, a new one and one to delete too, from wherever a change stands.
    bare.ask("And more.").await;
    bare.says("Everywhere.").await;
    bare.hunks(2).await;
    bare.choose(3, "Reject all").await.unwrap();
    bare.hunks(0).await;
    assert_eq!((bare.editor.text(FILE), bare.editor.text(OTHER)), (before, "one\nTWO\n".to_owned()));
    assert!(!desk.path("w/newer.txt").exists() && desk.path("w/new/c.txt").exists());
    assert_eq!(desk.journal().matches("\"kind\":\"hunk.rejected\"").count(), 10);
}

/// Three iterations were not enough.
async fn limit(bare: &Bare) {
    bare.ask("Read it all.").await;
    bare.says("iteration limit").await;
    bare.choose(0, "Continue").await.unwrap();
    bare.says("All is read.").await;
}

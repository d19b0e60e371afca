//! From the first ask to the pushed commit, every entry of the menu at least once.

use std::{fs, process::Command, time::Duration};

use serde_json::json;

use super::desk::{Desk, FILE, TEXT, read, send, tick};
use crate::support::model_double::{ModelDouble, Turn};

fn edits() -> Turn {
    let edits = json!([{"old": "two\n", "new": "TWO\n"}, {"old": "six\n", "new": "SIX\n"}]);
    Turn::call("e", "edit_file", json!({"path": FILE, "edits": edits}))
}

#[tokio::test(flavor = "multi_thread")]
async fn ask_accept_reject_commit_and_push_by_hand() {
    for documents in [true, false] {
        let desk = Desk::trusted();
        let double = ModelDouble::start([edits(), Turn::say("Two changes."), Turn::say("Once more.")]);
        let bare = desk.bare(&double, documents).await;
        // A client that opens no documents is told where they are.
        let document = async || match documents {
            true => bare.document().await,
            false => bare.says(" Open /").await.split_whitespace().last().unwrap().into(),
        };

        bare.choose(0, "Ask agent...").await.unwrap();
        send(&document().await, "Shout.");
        bare.says("countersign done").await;
        bare.hunks(2).await;

        bare.choose(5, "Reject with a reason...").await.unwrap();
        let reason = document().await;
        assert!(read(&reason).contains("Reject the change of a.txt, line 6 (-1 +1)."), "{}", read(&reason));
        send(&reason, "six is fine as it is");
        bare.says("Rejected. The agent is told why.").await;
        bare.hunks(1).await;
        assert_eq!(bare.choose(1, "Accept change").await.unwrap()["refused"], json!([]));
        assert_eq!(bare.editor.text(FILE), TEXT.replace("two", "TWO"));

        // The commit is asked in a document that holds all of it.
        let head = desk.git(&["rev-parse", "HEAD"]);
        bare.choose(0, "Commit accepted changes...").await.unwrap();
        let question = document().await;
        let text = read(&question);
        for part in ["# Commit to `work`?", "+TWO", "SHA-256", "Shout.", "[ ] Reject\n[ ] Commit\n"] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        assert_eq!(desk.git(&["rev-parse", "HEAD"]), head, "nothing is committed before the answer");
        tick(&question, "Commit");
        bare.says("committed").await;
        assert_eq!(desk.git(&["show", "HEAD:a.txt"]), TEXT.replace("two", "TWO"));
        assert_eq!(desk.git(&["log", "-1", "--format=%s"]), "Shout.\n");
        assert!(!bare.titles(0).await.contains(&"Commit accepted changes...".to_owned()), "nothing is left to commit");

        // A push is not approved there; the command in the document is the way, and it pushes exactly what was shown.
        bare.choose(0, "Push...").await.unwrap();
        let question = document().await;
        let text = read(&question);
        let command = text.lines().find(|line| line.trim().starts_with("git push ")).unwrap().trim().to_owned();
        assert!(!text.contains("] Push") && !text.contains("\"code\""), "{text}");
        assert!(text.starts_with("> This is yours to do, in a terminal"), "{text}");
        assert!(text.contains("not approved in a document") && text.contains("countersign ask"), "{text}");
        let mut shell = Command::new("sh");
        desk.user(&mut shell);
        assert!(shell.args(["-c", &format!("{command} 2>/dev/null")]).current_dir(desk.path("w")).status().unwrap().success());
        let remote = Command::new("git").args(["rev-parse", "work"]).current_dir(desk.path("remote.git")).output().unwrap();
        assert_eq!(String::from_utf8(remote.stdout).unwrap(), desk.git(&["rev-parse", "HEAD"]));
        tick(&question, "Close this question; nothing is done");
        bare.says("at this commit already").await;
        assert!(!bare.titles(0).await.contains(&"Push...".to_owned()), "nothing is left to push");

        // Back and again.
        let undone = bare.choose(0, "Take back accepted changes").await.unwrap();
        assert_eq!(undone["undone"].as_array().unwrap().len(), 1, "{undone}");
        assert_eq!(bare.editor.text(FILE), TEXT);
        let transcript = bare.choose(0, "Show transcript").await.unwrap()["document"].clone();
        assert!(transcript.as_str().unwrap().contains("transcript-"), "{transcript}");
        if documents {
            assert!(read(&bare.document().await).contains("Two changes."));
        }
        bare.choose(0, "Retry with a note...").await.unwrap();
        send(&document().await, "Softly this time.");
        bare.says("Once more.").await;
        let asked = double.last().body.to_string();
        for part in ["Softly this time.", "six is fine as it is", "Shout."] {
            assert!(asked.contains(part), "{part:?} is not in {asked}");
        }
        double.assert_clean();
        assert_eq!(bare.editor.quit().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_steer_queue_and_go_on() {
    let desk = Desk::trusted();
    let (first, go) = Turn::held(Turn::call("a", "read_file", json!({"path": FILE})));
    let double = ModelDouble::start([
        first,
        Turn::call("b", "run", json!({"command": "sleep 60"})),
        Turn::say("The later one."),
        Turn::say("Gone on."),
    ]);
    let bare = desk.bare(&double, true).await;
    bare.ask("Read it.").await;
    bare.editor.bounded(double.requested(1)).await;

    // Words for the running task, seen at its next step.
    bare.choose(0, "Tell the agent...").await.unwrap();
    let tell = bare.document().await;
    assert!(read(&tell).contains("Read it."));
    send(&tell, "Mind the third line.");
    bare.is_heard("Mind the third line.").await;
    // Words for afterwards. A box without a text sends nothing.
    bare.choose(0, "Tell the agent...").await.unwrap();
    let later = bare.document().await;
    let empty = read(&later).replace("[ ]", "[x]");
    fs::write(&later, &empty).unwrap();
    bare.says("Nothing was sent").await;
    // These are sent when the task is long over.
    bare.choose(0, "Tell the agent...").await.unwrap();
    let late = bare.document().await;
    fs::write(&later, empty.replace("[x] later", "Then summarize.\n\n[x] later")).unwrap();
    let queued = async || bare.editor.command("status", json!({})).await.unwrap()["queued"] == json!(1);
    while !queued().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    go.send(()).unwrap();
    bare.editor.bounded(double.requested(2)).await;
    assert!(double.last().body.to_string().contains("Mind the third line."));

    // The question of the day: what is it doing, and stop.
    let more = bare.choose(0, "Agent: more...").await.unwrap();
    assert!(more["document"].as_str().unwrap().contains("agent-"));
    let more = bare.document().await;
    let text = read(&more);
    assert!(text.contains("queued") && text.contains("running") && text.contains("tok"), "{text}");
    let stop = text.lines().find(|line| line.contains("Stop: Read it.")).unwrap().trim_start_matches("[ ] ");
    tick(&more, stop);
    bare.says("countersign stopped").await;
    bare.says("The later one.").await;
    assert!(double.last().body.to_string().contains("Then summarize."));

    // What was written for a task that is over is an ask of its own.
    send(&late, "Go on, then.");
    bare.says("Gone on.").await;
    assert!(double.last().body.to_string().contains("Go on, then."));
    // An entry from before the end says so.
    let task = bare.editor.command("status", json!({})).await.unwrap()["tasks"][0]["task"].clone();
    let refused = bare.editor.command("tell", json!({"task": task})).await.unwrap_err();
    assert!(refused.message.contains("has ended"), "{refused}");
    double.assert_clean();
    assert_eq!(bare.editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_and_continue_from_the_menu() {
    let desk = Desk::trusted();
    let double = ModelDouble::start([Turn::call("a", "run", json!({"command": "sleep 60"})), Turn::say("Went on.")]);
    let bare = desk.bare(&double, true).await;
    bare.ask("Take your time.").await;
    bare.editor.bounded(double.requested(1)).await;
    bare.choose(0, "Stop the agent").await.unwrap();
    assert_eq!(bare.says("countersign stopped").await, "countersign stopped.");
    bare.choose(0, "Continue").await.unwrap();
    bare.says("Went on.").await;
    assert!(!bare.titles(0).await.contains(&"Stop the agent".to_owned()));
    assert_eq!(bare.editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_own_question_is_in_the_menu_until_it_is_answered() {
    let desk = Desk::trusted();
    let double = ModelDouble::start([Turn::call("q", "ask_user", json!({"question": "Tabs or spaces?"})), Turn::say("Thanks.")]);
    let bare = desk.bare(&double, true).await;
    bare.ask("Indent it.").await;
    let answer = bare.document().await;
    // It was closed without an answer.
    bare.choose(0, "Show question: The agent asks: \"Tabs or spaces?\"").await.unwrap();
    assert_eq!(bare.document().await, answer);
    send(&answer, "Spaces, of course.");
    bare.says("countersign done").await;
    assert!(double.last().results()[0].1.contains("Spaces, of course."));
    assert!(!bare.titles(0).await.iter().any(|title| title.starts_with("Show question")));
    assert_eq!(bare.editor.quit().await, Some(0));
}

/// Helix and lsp-mode move the keyboard into whatever they open: they open nothing that the user did not ask for.
#[tokio::test(flavor = "multi_thread")]
async fn where_a_document_takes_the_keyboard_it_waits_for_the_user() {
    let desk = Desk::new();
    let double = ModelDouble::start([Turn::say("Here I am.")]);
    let bare = desk.bare_named(&double, "helix").await;
    bare.editor.command("ask", json!({"prompt": "Are you there?"})).await.unwrap();
    let told = bare.says("Show question").await;
    assert!(told.contains("Trust"), "{told}");
    // The message goes with the next key, so it comes again.
    bare.says("Show question").await;
    assert!(bare.editor.seen().documents.is_empty());
    bare.choose(0, "Show question: Trust").await.unwrap();
    assert!(read(&bare.document().await).contains("countersign trust add"));
    desk.trust();
    bare.says("Here I am.").await;
    assert_eq!(bare.editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_is_given_in_a_terminal_and_the_task_goes_on() {
    let desk = Desk::new();
    let double = ModelDouble::start([Turn::say("Here I am.")]);
    let bare = desk.bare(&double, true).await;
    bare.choose(0, "Trust this folder...").await.unwrap();
    let question = bare.document().await;
    let text = read(&question);
    let folder = desk.path("w").display().to_string();
    assert!(text.contains(&format!("countersign trust add {folder}")), "{text}");
    assert!(!text.contains("] Trust") && !text.contains("\"code\""), "{text}");
    tick(&question, "Close this question; nothing is done");

    // An ask waits for it.
    bare.ask("Are you there?").await;
    let question = bare.document().await;
    assert!(read(&question).contains("the agent goes on by itself"));
    assert!(double.requests().is_empty(), "no model is called before trust");
    desk.trust();
    bare.says("Here I am.").await;
    assert!(!bare.titles(0).await.contains(&"Trust this folder...".to_owned()));
    let journal = desk.journal();
    assert!(journal.contains("\"by\":\"countersign trust add\""), "{journal}");
    assert_eq!(bare.editor.quit().await, Some(0));
}

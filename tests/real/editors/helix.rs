//! Helix in a terminal: no plugins, no commands of ours; code actions and documents carry everything.

mod keys;

use std::time::Duration;

use serde_json::{Value, json};

use super::lab::{Desk, lines};
use keys::{Helix, edit};

fn says(words: &str) -> Value {
    json!({"content": [{"type": "text", "text": words}]})
}

#[test]
fn the_documented_configuration_asks_and_accepts() {
    let edit = edit(&[("line 3\n", "line 3, first\n"), ("line 15\n", "line 15, second\n"), ("line 27\n", "line 27, third\n")]);
    let create =
        json!({"type": "tool_use", "id": "w", "name": "write_file", "input": {"path": "sub/new.md", "content": "one\ntwo\n"}});
    let desk = Desk::scripted(&[json!({"content": [edit, create]}), says("Marked.")]);
    let helix = Helix::start(&desk, "");

    // Ask by the menu: a prompt document opens; its last line sends it.
    helix.choose("Ask agent...");
    helix.write_and_send("Mark three lines.");
    helix.journalled("\"kind\":\"task.end\"");

    // Review by the menu, where the hunk is.
    helix.keys("ga3gg");
    helix.shows("accept or reject by code action");
    helix.choose("Accept change");
    helix.shows("line 3, first");
    helix.shows("not saved yet");
    assert_eq!(desk.read("list.md"), lines(), "the disk is untouched");
    helix.keys("15gg");
    helix.choose("Reject change");
    helix.journalled("\"kind\":\"hunk.rejected\"");
    helix.command(":w");
    let wanted = lines().replace("line 3\n", "line 3, first\n");
    helix.until("the saved text", || desk.read("list.md") == wanted);
    assert!(desk.journal().contains("\"kind\":\"hunk.accepted\""));
    // One undo takes the acceptance back.
    helix.keys("u");
    helix.until("the text before", || !helix.screen.text().contains(", first"));
    // The rest at once, with the new file.
    helix.keys("27gg");
    helix.choose("Accept all");
    helix.shows("line 27, third");
    helix.command(":w!");
    let wanted = lines().replace("line 27\n", "line 27, third\n");
    helix.until("the saved text", || desk.read("list.md") == wanted);
    helix.command(":o sub/new.md");
    helix.shows(" 2  two");
    helix.command(":wa!");
    helix.until("the new file", || desk.read("sub/new.md") == "one\ntwo\n");
}

/// Everything by the menu and documents: Helix has no dialogs, and passes no arguments to commands.
#[test]
fn commit_is_answered_in_a_document_and_push_told_where() {
    let edit = edit(&[("line 3\n", "line 3, first\n"), ("line 15\n", "line 15, second\n")]);
    let desk = Desk::scripted(&[json!({"content": [edit]}), says("Marked.")]);
    desk.configure("[git]\nallow_file_remotes = true\n[approval]\nmin_seconds = 0.0\n");
    let remote = desk.home("remote.git");
    desk.git(&["init", "--quiet", "--bare", remote.to_str().unwrap()]);
    desk.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    let helix = Helix::start(&desk, "");
    helix.choose("Ask agent...");
    helix.write_and_send("Mark two lines.");
    helix.journalled("\"kind\":\"task.end\"");

    // What a change is can be read where it stands. One is taken, the other is not, with a reason.
    helix.keys("ga3gg");
    helix.shows("accept or reject by code action");
    helix.keys(" k");
    helix.shows("+line 3, first");
    helix.escape();
    helix.choose("Accept change");
    helix.shows("line 3, first");
    helix.keys("15gg");
    helix.choose("Reject with a reason...");
    helix.write_and_send("fifteen is fine");
    helix.journalled("fifteen is fine");
    helix.keys("ga");
    helix.command(":w");
    let wanted = lines().replace("line 3\n", "line 3, first\n");
    helix.until("the saved text", || desk.read("list.md") == wanted);

    // The commit is decided by a box.
    let head = desk.git(&["rev-parse", "HEAD"]);
    helix.keys("20gg");
    helix.choose("Commit accepted changes...");
    helix.shows("# Commit to");
    helix.keys("ge");
    helix.shows("[ ] Commit");
    assert_eq!(desk.git(&["rev-parse", "HEAD"]), head);
    helix.tick_last();
    helix.until("the commit", || desk.git(&["rev-parse", "HEAD"]) != head);
    assert_eq!(desk.git(&["show", "HEAD:list.md"]), wanted);

    // The push is told where.
    helix.keys("ga20gg");
    helix.choose("Push...");
    helix.shows("# Push to");
    helix.keys("ge");
    let told = helix.shows("[ ] Close this question");
    assert!(!told.contains("] Push"), "{told}");
    helix.keys("gg");
    helix.shows("git push origin");
    helix.tick_last();
    helix.journalled("closed in its document");

    // What it did, and back.
    helix.keys("ga20gg");
    helix.choose("Take back accepted changes");
    helix.shows("The text is back as it was");
    assert!(!helix.screen.text().contains(", first"));
    helix.choose("Agent: more...");
    helix.shows("Show transcript: Mark two lines.");
    helix.tick_last();
    helix.shows("### editing list.md");
    helix.shows("Marked.");
}

/// From the list of changes a file is opened that is not there yet, and a file is moved into a folder that is not there: Helix
/// makes none for it.
#[test]
fn new_and_moved_files_are_looked_at_and_accepted() {
    let create =
        json!({"type": "tool_use", "id": "w", "name": "write_file", "input": {"path": "sub/new.md", "content": "one\ntwo\n"}});
    let input = json!({"op": "move", "path": "other.txt", "to": "docs/deep/other.txt"});
    let rename = json!({"type": "tool_use", "id": "m", "name": "file_op", "input": input});
    let desk = Desk::scripted(&[json!({"content": [create, rename]}), says("Made and moved.")]);
    let helix = Helix::start(&desk, "");
    helix.choose("Ask agent...");
    helix.write_and_send("Make one, move one.");
    helix.journalled("\"kind\":\"task.end\"");
    helix.command(":o sub/new.md");
    helix.shows("agent: new file, +2");
    helix.keys(" k");
    helix.shows("+two");
    helix.escape();
    helix.choose("Accept all");
    helix.shows(" 2  two");
    helix.until("the moved file", || desk.read("docs/deep/other.txt") == "other\n");
    assert!(!desk.path("other.txt").exists());
    helix.command(":w!");
    helix.until("the new file", || desk.read("sub/new.md") == "one\ntwo\n");
    helix.until("both on record", || desk.journal().matches("\"kind\":\"hunk.accepted\"").count() == 2);
}

/// A server that dies leaves what is pending, and Helix starts it again with the documented configuration.
#[test]
fn a_killed_server_is_started_again_and_brings_back_what_was_pending() {
    let edit = edit(&[("line 3\n", "line 3, first\n"), ("line 15\n", "line 15, second\n")]);
    let desk = Desk::scripted(&[json!({"content": [edit]}), says("Marked.")]);
    let helix = Helix::start(&desk, "");
    helix.choose("Ask agent...");
    helix.write_and_send("Mark two lines.");
    helix.journalled("\"kind\":\"task.end\"");
    let kept = || std::fs::read_dir(desk.home("state/countersign/proposals")).is_ok_and(|mut folder| folder.next().is_some());
    helix.until("the kept proposal", kept);
    helix.keys("ga3gg");
    helix.shows("accept or reject by code action");
    helix.kill_server();
    helix.shows("Language server exited");
    helix.command(":lsp-restart");
    helix.shows("2 pending changes from before the restart");
    helix.choose("Accept change");
    helix.shows("line 3, first");
    helix.command(":w");
    let wanted = lines().replace("line 3\n", "line 3, first\n");
    helix.until("the saved text", || desk.read("list.md") == wanted);
}

/// `apply` and saving do not exist as automatic code actions in Helix, but a formatter and a save must start nothing either, and no
/// menu comes by itself.
#[test]
fn moving_typing_and_saving_start_nothing() {
    let desk = Desk::scripted(&[says("Marked.")]);
    let auto = "[editor]\nauto-format = true\n[editor.auto-save]\nfocus-lost = true\nafter-delay.enable = true\nafter-delay.timeout = 100\n";
    let helix = Helix::start(&desk, auto);
    // The server is ready when it has a menu.
    helix.choose("Ask agent...");
    helix.shows("[ ] send");
    // A prompt document that saves itself.
    helix.keys("geOMark three lines, [x] send");
    helix.screen.press(&["Enter"]);
    helix.keys("and more.");
    helix.escape();
    helix.until("the save by itself", || helix.documents().concat().contains("and more."));
    helix.keys("ga");
    helix.command("ggjjj:format");
    helix.keys("ochanged");
    helix.escape();
    helix.until("the save by itself", || desk.read("list.md").contains("changed"));
    assert!(!desk.journal().contains("\"kind\":\"task.start\""), "something was started");
    assert!(!helix.screen.text().contains("Marked."));
    // The control.
    helix.keys("ga");
    helix.tick_last();
    helix.journalled("\"kind\":\"task.end\"");
}

/// Helix moves the keyboard into every document that it opens, so none is opened for a question: what is typed stays in the file.
#[test]
fn typing_while_a_question_arrives_answers_nothing() {
    let question = json!({"question": "Shall I?", "options": ["Yes", "No"]});
    let ask = json!({"type": "tool_use", "id": "q", "name": "ask_user", "input": question});
    let desk = Desk::scripted(&[json!({"content": [ask]}), says("As you say.")]);
    let helix = Helix::start(&desk, "");
    helix.choose("Ask agent...");
    helix.write_and_send("Ask me.");
    helix.keys("gaggO");
    let mut typed = String::new();
    for round in 0.. {
        helix.keys("x[x] Yes");
        typed.push_str("x[x] Yes");
        if desk.journal().contains("\"kind\":\"approval.request\"") && round > 4 {
            break;
        }
        helix.screen.press(&["Enter"]);
        typed.push('\n');
        assert!(round < 300, "no question came: {}\n{}", helix.screen.text(), desk.journal());
        std::thread::sleep(Duration::from_millis(30));
    }
    helix.escape();
    // The message went with the next key, and comes again.
    helix.shows("Choose `Show question`");
    helix.command(":w");
    let wanted = format!("{typed}\n{}", lines());
    helix.until("the typed text", || desk.read("list.md") == wanted);
    assert!(!desk.journal().contains("\"kind\":\"approval.decision\""), "something was answered");
    helix.keys("20gg");
    helix.choose("Show question: The agent asks");
    helix.shows("[ ] No");
    helix.tick_last();
    helix.journalled("\"outcome\":\"approved\"");
    helix.journalled("\"kind\":\"task.end\"");
}

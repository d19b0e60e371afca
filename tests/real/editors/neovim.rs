//! Neovim 0.10 and 0.12, headless and in a real terminal.

use std::{fs, process::Command};

use serde_json::{Value, json};

use self::seat::Seat;
use super::lab::{Desk, documented, editor, repository, until};
use crate::support::model_double::{ModelDouble, Turn};

mod picture;
mod seat;
mod start;
mod story;

const OLD: &str = "nvim-0.10";
const NEW: &str = "nvim-0.12";

/// Runs a test in headless Neovim; it fails with what it says.
fn headless(desk: &Desk, version: &str, test: &str) {
    headless_with(desk.command(editor(version)), test);
}

fn headless_with(mut command: Command, test: &str) {
    command.args(["--headless", "-u"]).arg(repository("tests/real/editors/init.lua"));
    run(command.arg("-l").arg(repository(&format!("tests/real/editors/{test}.lua"))), test);
}

fn run(command: &mut Command, test: &str) {
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{test}: {said}\n{}", String::from_utf8_lossy(&done.stdout));
}

/// Three hunks in one file, and a new file.
pub fn three_hunks() -> [Value; 2] {
    let edits = json!([
        {"old": "line 3\n", "new": "line 3, first\n"},
        {"old": "line 15 unsaved\n", "new": "line 15 unsaved, second\n"},
        {"old": "line 27\n", "new": "line 27, third\nand below\n"},
    ]);
    let edit = json!({"type": "tool_use", "id": "e", "name": "edit_file", "input": {"path": "list.txt", "edits": edits}});
    let create =
        json!({"type": "tool_use", "id": "w", "name": "write_file", "input": {"path": "sub/new.txt", "content": "one\ntwo\n"}});
    [json!({"content": [edit, create]}), json!({"content": [{"type": "text", "text": "Marked."}]})]
}

fn review(version: &str, rich: bool) {
    let desk = Desk::scripted(&three_hunks());
    let mut command = desk.command(editor(version));
    if !rich {
        command.env("LAB_PLAIN", "1");
    }
    headless_with(command, "review");
    let journal = desk.journal();
    for part in ["\"kind\":\"hunk.accepted\"", "\"kind\":\"hunk.rejected\"", "keep line 3 as it was", "\"client\":\"Neovim"] {
        assert!(journal.contains(part), "{part} is not in the journal");
    }
}

#[test]
fn three_hunks_are_reviewed_while_typing_in_0_10() {
    review(OLD, true);
}

#[test]
fn three_hunks_are_reviewed_while_typing_in_0_12() {
    review(NEW, true);
}

#[test]
fn three_hunks_are_reviewed_by_diagnostics_when_the_user_wants_that() {
    review(NEW, false);
}

#[test]
fn answers_about_edits_are_true() {
    for version in [OLD, NEW] {
        headless(&Desk::scripted(&three_hunks()), version, "truth");
    }
}

#[test]
fn every_kind_of_change_is_drawn() {
    for version in [OLD, NEW] {
        let desk = Desk::scripted(&every_kind());
        headless(&desk, version, "marks");
        // What steers tools was accepted on its own.
        assert_eq!(desk.journal().matches("\"kind\":\"hunk.accepted\"").count(), 11, "{version}");
    }
}

/// Insertions, a deletion, words, a long line; a new, a deleted, a moved, an executable file, and one that steers tools.
fn every_kind() -> [Value; 2] {
    let call = |id: &str, name: &str, input: Value| json!({"type": "tool_use", "id": id, "name": name, "input": input});
    let edit = |old: &str, new: &str| json!({"old": old, "new": new});
    let (long, longer) = ("long ".repeat(30), format!("{}short\n", "long ".repeat(29)));
    let list = json!([
        edit("line 1\nline 2\n", "line 0\nline 1\nline 2\n"),
        edit("line 5\nline 6\nline 7\n", "line five to seven\n"),
        edit("line 20\nline 21\n", ""),
        edit("line 30\n", "line 30\nline 31\n"),
    ]);
    let tabs = json!([edit("\tif x then\n", "\tif y then\n"), edit(&format!("{long}\n"), &longer)]);
    let calls = json!([
        call("a", "edit_file", json!({"path": "list.txt", "edits": list})),
        call("b", "edit_file", json!({"path": "tabs.txt", "edits": tabs})),
        call("c", "write_file", json!({"path": "sub/new.txt", "content": "one\ntwo\n"})),
        call("d", "file_op", json!({"op": "delete", "path": "other.txt"})),
        call("e", "file_op", json!({"op": "move", "path": "list.md", "to": "moved.md"})),
        call("g", "file_op", json!({"op": "chmod", "path": "tabs.txt", "executable": true})),
        call("f", "write_file", json!({"path": "Makefile", "content": "all:\n\ttrue\n"})),
    ]);
    [json!({"content": calls}), json!({"content": [{"type": "text", "text": "Changed."}]})]
}

#[test]
fn a_run_streams_is_steered_and_stopped() {
    for version in [OLD, NEW] {
        let desk = Desk::manual();
        desk.trust();
        headless(&desk, version, "run");
        assert!(desk.request(3).contains("Mind the tests."), "the model was not told what the user said");
    }
}

#[test]
fn the_agent_asks_for_choices_words_and_permissions() {
    let rule =
        "[[rule]]\nid = \"lab-echo\"\naction = \"run\"\nverdict = \"ask\"\nargv = [\"echo\"]\nreason = \"the test wants it\"\n";
    for version in [OLD, NEW] {
        let desk = Desk::manual();
        desk.policy(rule);
        desk.trust();
        headless(&desk, version, "questions");
        assert_eq!(desk.journal().matches("\"kind\":\"grant.added\"").count(), 1, "{version}");
    }
}

#[test]
fn what_is_over_goes_from_the_screen() {
    for version in [OLD, NEW] {
        let desk = Desk::manual();
        desk.trust();
        headless(&desk, version, "over");
        assert!(desk.journal().contains("it is loud"), "{version}: the reason of the rejection");
    }
}

#[test]
fn a_killed_server_comes_back_with_what_was_pending() {
    for version in [OLD, NEW] {
        headless(&Desk::scripted(&three_hunks()), version, "life");
    }
}

#[test]
fn what_is_typed_while_the_server_is_away_reaches_the_next_one() {
    for version in [OLD, NEW] {
        headless(&Desk::scripted(&three_hunks()), version, "gap");
    }
}

#[test]
fn with_two_servers_each_command_goes_to_the_one_that_is_meant() {
    for version in [OLD, NEW] {
        let run = json!({"type": "tool_use", "id": "r", "name": "run", "input": {"command": "echo begun; sleep 98764"}});
        headless(
            &Desk::scripted(&[json!({"content": [run]}), json!({"content": [{"type": "text", "text": "Over."}]})]),
            version,
            "two",
        );
    }
}

#[test]
fn what_people_do_beside_the_review_breaks_nothing() {
    for version in [OLD, NEW] {
        let desk = Desk::manual();
        desk.trust();
        headless(&desk, version, "day");
    }
}

#[test]
fn a_thousand_hunks_are_drawn_in_short_turns() {
    for version in [OLD, NEW] {
        headless(&Desk::scripted(&[]), version, "many");
    }
}

#[test]
fn the_editors_other_servers_answer_and_files_are_saved() {
    for version in [OLD, NEW] {
        headless(&Desk::scripted(&three_hunks()), version, "query");
    }
}

#[test]
fn health_tells_what_is_found_and_what_is_missing() {
    for version in [OLD, NEW] {
        headless(&Desk::scripted(&three_hunks()), version, "health");
    }
}

#[test]
fn the_documented_configuration_works_without_the_plugin() {
    for (version, block) in [(NEW, 0), (OLD, 1)] {
        let desk = Desk::scripted(&three_hunks());
        // As documented, but with the model of the test.
        let model = format!("'lsp', '--model', {:?}", desk.home("script.jsonl").display().to_string().replace('\'', ""));
        let text = documented("lua", block).replace("'lsp'", &model.replace("\"/", "\"script:/"));
        let config = desk.home("init.lua");
        fs::write(&config, text).unwrap();
        let mut command = desk.command(editor(version));
        command.args(["--headless", "-u"]).arg(&config);
        run(command.arg("-l").arg(repository("tests/real/editors/plain.lua")), "plain");
    }
}

#[test]
fn the_plugin_and_the_server_know_the_same_commands() {
    let text: String = ["commands", "review"]
        .map(|name| fs::read_to_string(repository(&format!("editors/neovim/lua/countersign/{name}.lua"))).unwrap())
        .concat();
    // `answer` is for clients without dialogs; the plugin takes words in the command line.
    let others = ["answer", "rejectWithReason", "retryWithNote", "tell", "more"];
    for name in countersign::server::COMMANDS.iter().filter(|name| !others.contains(name)) {
        assert!(text.contains(&format!("'{name}'")), "the plugin has no {name}");
    }
    for call in ["client.command('", "of_task('", "plain('", "here('", "many('"] {
        for name in text.split(call).skip(1).filter_map(|rest| rest.split('\'').next()) {
            assert!(countersign::server::COMMANDS.contains(&name), "the server has no {name}");
        }
    }
}

fn typing_answers_nothing(version: &'static str) {
    let double = ModelDouble::start([Turn::say("Hello.")]);
    let desk = Desk::with_double(&double);
    let terminal = Seat::in_terminal(&desk, version, "other.txt");
    let screen = terminal.screen();

    // The user types on while the question comes: every word that could be an answer.
    screen.press(&["o"]);
    terminal.until("vim.api.nvim_get_mode().mode", "i");
    terminal.lua("vim.cmd('Countersign ask Say hello.')");
    let burst = "3 1 2 y yes Y Trust Reject Show ok ";
    let mut typed = String::new();
    let mut rounds = 0;
    while rounds < 8 {
        screen.type_text(burst);
        screen.press(&["Enter"]);
        typed.push_str(burst);
        typed.push('\n');
        // Some before it is there, and some with it on the screen.
        let open = terminal.lua("lab.question('Trust') ~= nil") == "true";
        rounds += usize::from(open);
        assert!(typed.len() < 20_000, "no question came: {}", screen.text());
    }
    until(
        "all that was typed",
        || screen.text(),
        || Some(()).filter(|()| terminal.lua("#lab.text()") == (6 + typed.len() + 1).to_string()),
    );
    assert_eq!(terminal.lua("lab.text()").trim_end(), format!("other\n{typed}").trim_end());
    assert_eq!(terminal.lua("vim.api.nvim_get_mode().mode"), "i", "the mode did not change");
    assert!(screen.shows("countersign asks").contains("Trust"));
    assert!(double.requests().is_empty(), "nothing was approved");

    // It does not hide what is typed where it stands: it makes way.
    let anchor = "lab.question_window().anchor";
    let long = "a long line ".repeat(7);
    screen.press(&["Escape"]);
    terminal.until("vim.api.nvim_get_mode().mode", "n");
    screen.type_text(&format!("gg3O{long}"));
    screen.shows(long.trim_end());
    assert_eq!(terminal.lua(anchor), "SE");
    screen.press(&["Escape"]);
    terminal.until("vim.api.nvim_get_mode().mode", "n");
    // What was typed is a step that can be undone, as if nobody had asked.
    screen.type_text("u");
    terminal.until("lab.text():find('a long line', 1, true) == nil", "true");
    // Nor does the line that says what the agent does, at the other end of the screen.
    screen.type_text("G40o");
    screen.press(&["Escape"]);
    terminal.until("vim.api.nvim_get_mode().mode", "n");
    screen.type_text(&format!("Go{long}"));
    screen.shows(long.trim_end());
    screen.press(&["Escape"]);
    terminal.until("vim.api.nvim_get_mode().mode", "n");
    screen.type_text("uu");
    terminal.until("lab.text():find('a long line', 1, true) == nil", "true");

    // Moving into the window answers nothing either, nor do keys there.
    screen.type_text(":Countersign answer");
    screen.press(&["Enter"]);
    terminal.until("vim.bo.filetype", "countersign-question");
    screen.type_text("3y3\r1xi");
    screen.press(&["Escape", "Enter", "Enter"]);
    terminal.until("lab.question('Trust') ~= nil", "true");
    // Leaving, and closing, the window leave the question open.
    screen.type_text(":close\r");
    terminal.until("vim.bo.filetype", "text");
    assert_eq!(terminal.lua("lab.question('Trust') ~= nil"), "true");
    assert!(double.requests().is_empty(), "nothing was approved");

    // The positive control: the mapped key on the choice approves.
    screen.type_text(":Countersign answer\r");
    terminal.until("vim.bo.filetype", "countersign-question");
    screen.type_text("/3  Trust\r");
    screen.press(&["Enter"]);
    double.wait_requested(1);
    terminal.until("lab.said('Hello.') ~= nil", "true");
    assert_eq!(terminal.lua("lab.question('Trust')"), "nil");
    double.assert_clean();
}

#[test]
fn typing_answers_nothing_in_0_10() {
    typing_answers_nothing(OLD);
}

#[test]
fn typing_answers_nothing_in_0_12() {
    typing_answers_nothing(NEW);
}

fn dialogs(version: &'static str) {
    let edits = json!([{"old": "line 2\n", "new": "LINE 2\n"}, {"old": "line 20\n", "new": "LINE 20\n"}]);
    let git = |id: &str, arguments: Value| Turn::call(id, "git", arguments);
    let double = ModelDouble::start([
        Turn::call("e", "edit_file", json!({"path": "list.txt", "edits": edits})),
        Turn::say("Two changes."),
        git("c", json!({"op": "commit", "message": "Shout two"})),
        git("p", json!({"op": "push"})),
        Turn::say("It stays here."),
        git("r", json!({"op": "push"})),
        Turn::say("Pushed."),
        git("m", json!({"op": "push"})),
        Turn::say("So be it."),
        Turn::call("w", "write_file", json!({"path": "sub/new.txt", "content": "one\ntwo\n"})),
        Turn::say("Added."),
    ]);
    let desk = Desk::with_double(&double);
    desk.configure("[git]\nallow_file_remotes = true\n[approval]\nmin_seconds = 0.0\n");
    desk.trust();
    let remote = desk.home("remote.git").display().to_string();
    desk.git(&["init", "--quiet", "--bare", &remote]);
    desk.git(&["remote", "add", "origin", &remote]);
    desk.git(&["push", "--quiet", "--set-upstream", "origin", "work"]);
    let before = desk.git(&["rev-parse", "HEAD"]);
    headless(&desk, version, "dialogs");

    // The commit holds the accepted text only, and is the last that the remote has.
    let pushed = desk.git(&["ls-remote", "origin", "work"]).split('\t').next().unwrap().to_owned();
    let text = desk.git(&["show", &format!("{pushed}:list.txt")]);
    assert!(text.contains("\nLINE 2\n") && text.contains("\nline 20\n"), "{text}");
    assert_eq!(desk.git(&["log", "-1", "--format=%s", &pushed]), "Shout two\n");
    assert_eq!(desk.git(&["rev-parse", &format!("{pushed}~1")]), before);
    assert_eq!(desk.git(&["log", "-2", "--format=%s"]), "sneaked in\nby hand\n");
    // The model was told of the rejection, and of what moved.
    let told = |n: usize| double.requests()[n].results()[0].1.clone();
    assert!(told(4).contains("rejected") || told(4).contains("said no"), "{}", told(4));
    assert!(told(8).contains("changed while the question was open"), "{}", told(8));
    let journal = desk.journal();
    let kinds = ["Commit", "Push", "Push"].map(|kind| format!("\"question\":\"{kind}\"")).join("|");
    for kind in kinds.split('|') {
        assert!(journal.contains(kind), "{kind} is not in the journal");
    }
    double.assert_clean();
}

#[test]
fn commit_and_push_are_decided_in_0_10() {
    dialogs(OLD);
}

#[test]
fn commit_and_push_are_decided_in_0_12() {
    dialogs(NEW);
}

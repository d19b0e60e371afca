//! Helix in a terminal: no plugins, no commands of ours; code actions and documents carry everything.

use std::{
    ffi::OsStr,
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use super::lab::{Desk, Screen, documented, editor, lines, until};

#[test]
fn the_documented_configuration_asks_and_accepts() {
    let edits = json!([
        {"old": "line 3\n", "new": "line 3, first\n"},
        {"old": "line 15\n", "new": "line 15, second\n"},
        {"old": "line 27\n", "new": "line 27, third\n"},
    ]);
    let edit = json!({"type": "tool_use", "id": "e", "name": "edit_file", "input": {"path": "list.md", "edits": edits}});
    let create =
        json!({"type": "tool_use", "id": "w", "name": "write_file", "input": {"path": "sub/new.md", "content": "one\ntwo\n"}});
    let done = json!({"content": [{"type": "text", "text": "Marked."}]});
    let desk = Desk::scripted(&[json!({"content": [edit, create]}), done]);
    // As documented, but with the model of the test.
    let script = format!("\"lsp\", \"--model\", \"script:{}\"", desk.home("script.jsonl").display());
    fs::create_dir_all(desk.home("config/helix")).unwrap();
    fs::write(desk.home("config/helix/languages.toml"), documented("toml", 0).replace("\"lsp\"", &script)).unwrap();
    let screen = Screen::start(&desk, &editor("helix"), &[OsStr::new("list.md")]);
    screen.shows("line 20");

    // Ask by the menu: a prompt document opens; its last line sends it.
    choose(&screen, "Ask agent...");
    write_and_send(&screen, "Mark three lines.");
    screen.shows("[x] send");
    screen.shows("Marked.");

    // Review by the menu, where the hunk is.
    screen.type_text("ga3gg");
    screen.shows("accept or reject by code action");
    choose(&screen, "Accept change");
    screen.shows("line 3, first");
    screen.shows("not saved yet");
    assert_eq!(desk.read("list.md"), lines(), "the disk is untouched");
    screen.type_text("15gg");
    choose(&screen, "Reject change");
    until("the rejection", || screen.text(), || desk.journal().contains("\"kind\":\"hunk.rejected\"").then_some(()));
    screen.type_text(":w");
    screen.press(&["Enter"]);
    let wanted = lines().replace("line 3\n", "line 3, first\n");
    until("the saved text", || screen.text(), || (desk.read("list.md") == wanted).then_some(()));
    assert!(desk.journal().contains("\"kind\":\"hunk.accepted\""));
    // One undo takes the acceptance back.
    screen.type_text("u");
    until("the text before", || screen.text(), || (!screen.text().contains(", first")).then_some(()));
    // The rest at once, with the new file.
    screen.type_text("27gg");
    choose(&screen, "Accept all");
    screen.shows("line 27, third");
    screen.type_text(":w!");
    screen.press(&["Enter"]);
    screen.shows("written");
    screen.type_text(":o sub/new.md");
    screen.press(&["Enter"]);
    screen.shows(" 2  two");
    screen.type_text(":wa!");
    screen.press(&["Enter"]);
    until("the new file", || screen.text(), || (desk.read("sub/new.md") == "one\ntwo\n").then_some(()));
}

/// Everything by the menu and documents: Helix has no dialogs, and passes no arguments to commands.
#[test]
fn commit_is_answered_in_a_document_and_push_told_where() {
    let edits = json!([{"old": "line 3\n", "new": "line 3, first\n"}, {"old": "line 15\n", "new": "line 15, second\n"}]);
    let edit = json!({"type": "tool_use", "id": "e", "name": "edit_file", "input": {"path": "list.md", "edits": edits}});
    let done = json!({"content": [{"type": "text", "text": "Marked."}]});
    let desk = Desk::scripted(&[json!({"content": [edit]}), done]);
    desk.configure("[git]\nallow_file_remotes = true\n[approval]\nmin_seconds = 0.0\n");
    let remote = desk.home("remote.git");
    desk.git(&["init", "--quiet", "--bare", remote.to_str().unwrap()]);
    desk.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    let script = format!("\"lsp\", \"--model\", \"script:{}\"", desk.home("script.jsonl").display());
    fs::create_dir_all(desk.home("config/helix")).unwrap();
    fs::write(desk.home("config/helix/languages.toml"), documented("toml", 0).replace("\"lsp\"", &script)).unwrap();
    let screen = Screen::start(&desk, &editor("helix"), &[OsStr::new("list.md")]);
    screen.shows("line 20");
    choose(&screen, "Ask agent...");
    write_and_send(&screen, "Mark two lines.");
    screen.shows("Marked.");

    // One change is taken, the other is not, with a reason.
    screen.type_text("ga3gg");
    screen.shows("accept or reject by code action");
    choose(&screen, "Accept change");
    screen.shows("line 3, first");
    screen.type_text("15gg");
    choose(&screen, "Reject with a reason...");
    write_and_send(&screen, "fifteen is fine");
    until("the rejection", || screen.text(), || desk.journal().contains("fifteen is fine").then_some(()));
    screen.type_text("ga:w");
    screen.press(&["Enter"]);
    screen.shows("written");

    // The commit is decided by a box.
    let head = desk.git(&["rev-parse", "HEAD"]);
    screen.type_text("20gg");
    choose(&screen, "Commit accepted changes...");
    screen.shows("# Commit to");
    screen.type_text("ge");
    screen.shows("[ ] Commit");
    assert_eq!(desk.git(&["rev-parse", "HEAD"]), head);
    tick_last(&screen);
    screen.shows("committed");
    assert_eq!(desk.git(&["show", "HEAD:list.md"]), lines().replace("line 3\n", "line 3, first\n"));

    // The push is told where.
    screen.type_text("ga20gg");
    choose(&screen, "Push...");
    screen.shows("# Push to");
    screen.type_text("ge");
    let told = screen.shows("[ ] Close this question");
    assert!(!told.contains("] Push"), "{told}");
    screen.type_text("gg");
    screen.shows("git push origin");
    tick_last(&screen);
    screen.shows("did not decide");

    // What it did, and back.
    screen.type_text("ga20gg");
    choose(&screen, "Take back accepted changes");
    screen.shows("The text is back as it was");
    assert!(!screen.text().contains(", first"));
    choose(&screen, "Agent: more...");
    screen.shows("Show transcript: Mark two lines.");
    tick_last(&screen);
    screen.shows("### editing list.md");
}

/// `apply` and saving do not exist as automatic code actions in Helix, but a formatter and a save must start nothing either, and no
/// menu comes by itself.
#[test]
fn moving_typing_and_saving_start_nothing() {
    let desk = Desk::scripted(&[json!({"content": [{"type": "text", "text": "Marked."}]})]);
    let script = format!("\"lsp\", \"--model\", \"script:{}\"", desk.home("script.jsonl").display());
    fs::create_dir_all(desk.home("config/helix")).unwrap();
    fs::write(desk.home("config/helix/languages.toml"), documented("toml", 0).replace("\"lsp\"", &script)).unwrap();
    let auto = "[editor]\nauto-format = true\n[editor.auto-save]\nfocus-lost = true\nafter-delay.enable = true\nafter-delay.timeout = 100\n";
    fs::write(desk.home("config/helix/config.toml"), auto).unwrap();
    let screen = Screen::start(&desk, &editor("helix"), &[OsStr::new("list.md")]);
    screen.shows("line 20");
    // The server is ready when it has a menu.
    choose(&screen, "Ask agent...");
    screen.shows("[ ] send");
    // A prompt document that saves itself.
    screen.type_text("geOMark three lines, [x] send");
    screen.press(&["Enter"]);
    screen.type_text("and more.");
    screen.press(&["Escape"]);
    screen.shows(" NOR ");
    let saved = || {
        let folder = desk.home("state/countersign/documents");
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap_or_default())
            .collect::<String>()
    };
    until("the save by itself", || screen.text(), || saved().contains("and more.").then_some(()));
    screen.type_text("gaggjjj:format");
    screen.press(&["Enter"]);
    screen.type_text("ochanged");
    screen.press(&["Escape"]);
    screen.shows(" NOR ");
    until("the save by itself", || screen.text(), || desk.read("list.md").contains("changed").then_some(()));
    assert!(!desk.journal().contains("\"kind\":\"task.start\""), "something was started");
    assert!(!screen.text().contains("Marked."));
    // The control.
    screen.type_text("gageghlrx:w");
    screen.press(&["Enter"]);
    screen.shows("Marked.");
    assert!(desk.journal().contains("\"kind\":\"task.start\""));
}

/// Helix moves the keyboard into every document that it opens, so none is opened for a question: what is typed stays in the file.
#[test]
fn typing_while_a_question_arrives_answers_nothing() {
    let question = json!({"question": "Shall I?", "options": ["Yes", "No"]});
    let ask = json!({"type": "tool_use", "id": "q", "name": "ask_user", "input": question});
    let done = json!({"content": [{"type": "text", "text": "As you say."}]});
    let desk = Desk::scripted(&[json!({"content": [ask]}), done]);
    let script = format!("\"lsp\", \"--model\", \"script:{}\"", desk.home("script.jsonl").display());
    fs::create_dir_all(desk.home("config/helix")).unwrap();
    fs::write(desk.home("config/helix/languages.toml"), documented("toml", 0).replace("\"lsp\"", &script)).unwrap();
    let screen = Screen::start(&desk, &editor("helix"), &[OsStr::new("list.md")]);
    screen.shows("line 20");
    choose(&screen, "Ask agent...");
    write_and_send(&screen, "Ask me.");
    screen.type_text("gaggO");
    let mut typed = String::new();
    for round in 0.. {
        screen.type_text("x[x] Yes");
        typed.push_str("x[x] Yes");
        if desk.journal().contains("\"kind\":\"approval.request\"") && round > 4 {
            break;
        }
        screen.press(&["Enter"]);
        typed.push('\n');
        assert!(round < 300, "no question came: {}\n{}", screen.text(), desk.journal());
        std::thread::sleep(Duration::from_millis(30));
    }
    screen.press(&["Escape"]);
    // The message went with the next key, and comes again.
    screen.shows("Choose `Show question`");
    screen.type_text(":w");
    screen.press(&["Enter"]);
    let wanted = format!("{typed}\n{}", lines());
    until("the typed text", || desk.read("list.md"), || (desk.read("list.md") == wanted).then_some(()));
    assert!(!desk.journal().contains("\"kind\":\"approval.decision\""), "something was answered");
    screen.type_text("20gg");
    choose(&screen, "Show question: The agent asks");
    screen.shows("[ ] No");
    tick_last(&screen);
    screen.shows("As you say.");
    assert!(desk.journal().contains("\"outcome\":\"approved\""));
}

/// Writes into the document that has just opened, and sends it.
fn write_and_send(screen: &Screen, words: &str) {
    screen.shows("[ ] send");
    screen.type_text(&format!("geO{words}"));
    screen.shows(words);
    screen.press(&["Escape"]);
    // Keys right behind an Escape would be read as Alt.
    screen.shows(" NOR ");
    tick_last(screen);
}

/// Ticks the box on the last line, and saves.
fn tick_last(screen: &Screen) {
    screen.type_text("geghlrx");
    // Not the line that says how to tick.
    let ticked = |text: &str| text.lines().any(|row| row.contains("[x] ") && !row.contains("\"[x]"));
    until("the tick", || screen.text(), || ticked(&screen.text()).then_some(()));
    // On a busy machine Helix may miss the first.
    for _ in 0..3 {
        screen.type_text(":w");
        screen.press(&["Enter"]);
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) {
            if !screen.text().contains("[x] ") || screen.text().contains("written") {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Opens the menu of code actions and takes the one with this title.
fn choose(screen: &Screen, title: &str) {
    let in_menu = |row: &&str| !row.contains("line ");
    let text = until(
        title,
        || screen.text(),
        || {
            // Before the server is ready there is no menu, and the keys do nothing.
            screen.type_text(" a");
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(2) {
                if let Some(text) = Some(screen.text()).filter(|text| text.contains(title)) {
                    return Some(text);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            screen.press(&["Escape"]);
            std::thread::sleep(Duration::from_millis(200));
            None
        },
    );
    // The first is chosen when the menu opens.
    let rows: Vec<&str> = text.lines().collect();
    let at = rows.iter().position(|row| row.contains(title)).unwrap();
    let above = rows[..at].iter().rev().take_while(|row| in_menu(row)).count();
    for _ in 0..above {
        screen.press(&["Down"]);
    }
    screen.press(&["Enter"]);
}

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
    screen.shows("[ ] send");
    screen.type_text("geOMark three lines.");
    screen.shows("Mark three lines.");
    screen.press(&["Escape"]);
    // Keys right behind an Escape would be read as Alt.
    screen.shows(" NOR ");
    screen.type_text("geghlrx:w");
    screen.press(&["Enter"]);
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

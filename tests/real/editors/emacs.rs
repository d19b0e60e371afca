//! Emacs with Eglot and with lsp-mode, in batch.

use std::fs;

use serde_json::json;

use super::{
    lab::{Desk, documented, editor, lines, repository},
    neovim::three_hunks,
};

/// Runs a test in Emacs with what the documentation says, but with the model of the desk.
fn batch(desk: &Desk, emacs: &str, test: &str) {
    let script = format!("\"lsp\" \"--model\" \"script:{}\"", desk.home("script.jsonl").display());
    let config = desk.home("config.el");
    fs::write(&config, documented("elisp", usize::from(emacs == "lsp-mode")).replace("\"lsp\"", &script)).unwrap();
    let mut command = desk.command(editor(emacs));
    command.env("LAB_CONFIG", config).args(["-Q", "--batch", "-l"]).arg(repository(&format!("tests/real/editors/{test}.el")));
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn the_documented_configuration_asks_and_accepts() {
    let desk = Desk::scripted(&three_hunks());
    batch(&desk, "emacs", "emacs");
    let journal = desk.journal();
    assert!(journal.contains("\"kind\":\"hunk.accepted\""), "the server did not see the acceptance");
    assert!(!journal.contains("\"kind\":\"hunk.stale\""), "a hunk became stale");
}

/// Ask, accept, reject with a reason, commit in a document, push told where, take back. `made`: a new file that is accepted with it.
fn story(emacs: &str, test: &str, made: Option<&str>) {
    let edits = json!([{"old": "line 3\n", "new": "line 3, first\n"}, {"old": "line 15\n", "new": "line 15, second\n"}]);
    let edit = json!({"type": "tool_use", "id": "e", "name": "edit_file", "input": {"path": "list.txt", "edits": edits}});
    let make =
        |path: &str| json!({"type": "tool_use", "id": "w", "name": "write_file", "input": {"path": path, "content": "made\n"}});
    let calls: Vec<_> = std::iter::once(edit).chain(made.map(make)).collect();
    let done = json!({"content": [{"type": "text", "text": "Marked."}]});
    let desk = Desk::scripted(&[json!({"content": calls}), done]);
    desk.configure("[git]\nallow_file_remotes = true\n[approval]\nmin_seconds = 0.0\n");
    let remote = desk.home("remote.git");
    desk.git(&["init", "--quiet", "--bare", remote.to_str().unwrap()]);
    desk.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    batch(&desk, emacs, test);
    let journal = desk.journal();
    for part in ["fifteen is fine", "\"by\":\"user, in a document\"", "closed in its document"] {
        assert!(journal.contains(part), "{part} is not in the journal");
    }
    assert_eq!(journal.matches("\"kind\":\"task.start\"").count(), 1, "a save started the agent");
    assert_eq!(desk.git(&["show", "HEAD:list.txt"]), lines().replace("line 3\n", "line 3, first\n"));
    if let Some(made) = made {
        assert_eq!(desk.git(&["show", &format!("HEAD:{made}")]), "made\n");
    }
}

#[test]
fn everything_goes_by_menu_and_documents() {
    story("emacs", "emacs_story", None);
}

#[test]
fn everything_goes_by_menu_and_documents_in_lsp_mode() {
    story("lsp-mode", "lsp_mode", Some("made.txt"));
}

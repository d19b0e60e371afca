//! Neovim's own client: what it asks for by itself, of which nothing comes, and questions in documents.

use std::fs;

use serde_json::{Value, json};

use super::lab::{Desk, documented, editor, repository};

/// Runs a test in both, with what the documentation says, but with the model of the desk.
fn each(answers: &[Value], test: &str, look: impl Fn(&str, &str)) {
    for (version, block) in [("nvim-0.12", 0), ("nvim-0.10", 1)] {
        let desk = Desk::scripted(answers);
        let script = format!("'lsp', '--model', 'script:{}'", desk.home("script.jsonl").display());
        let config = desk.home("init.lua");
        fs::write(&config, documented("lua", block).replace("'lsp'", &script)).unwrap();
        let mut command = desk.command(editor(version));
        command.args(["--headless", "-u"]).arg(&config).arg("-l").arg(repository(&format!("tests/real/editors/{test}.lua")));
        let done = command.output().unwrap();
        assert!(done.status.success(), "{version}: {}", String::from_utf8_lossy(&done.stderr));
        look(version, &desk.journal());
    }
}

#[test]
fn moving_saving_and_apply_start_nothing() {
    each(&[json!({"content": [{"type": "text", "text": "Fixed."}]})], "menu", |version, journal| {
        assert_eq!(journal.matches("\"kind\":\"task.start\"").count(), 1, "{version}");
    });
}

#[test]
fn questions_are_documents_that_take_no_key() {
    let question = json!({"question": "Shall I?", "options": ["Yes", "No"]});
    let ask = json!({"type": "tool_use", "id": "q", "name": "ask_user", "input": question});
    let done = json!({"content": [{"type": "text", "text": "As you say."}]});
    each(&[json!({"content": [ask]}), done], "boxes", |version, journal| {
        assert!(journal.contains("\"by\":\"user, in a document\""), "{version}");
    });
}

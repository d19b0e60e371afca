//! What real editors ask for by themselves, and that nothing of ours comes of it.

use std::fs;

use serde_json::json;

use super::lab::{Desk, documented, editor, repository};

#[test]
fn moving_saving_and_apply_start_nothing_in_neovim() {
    for (version, block) in [("nvim-0.12", 0), ("nvim-0.10", 1)] {
        let desk = Desk::scripted(&[json!({"content": [{"type": "text", "text": "Fixed."}]})]);
        // As documented, but with the model of the test.
        let script = format!("'lsp', '--model', 'script:{}'", desk.home("script.jsonl").display());
        let config = desk.home("init.lua");
        fs::write(&config, documented("lua", block).replace("'lsp'", &script)).unwrap();
        let mut command = desk.command(editor(version));
        command.args(["--headless", "-u"]).arg(&config).arg("-l").arg(repository("tests/real/editors/menu.lua"));
        let done = command.output().unwrap();
        assert!(done.status.success(), "{version}: {}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(desk.journal().matches("\"kind\":\"task.start\"").count(), 1, "{version}");
    }
}

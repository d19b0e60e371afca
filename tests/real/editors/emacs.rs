//! Emacs with Eglot, in batch.

use std::fs;

use super::{
    lab::{Desk, documented, editor, repository},
    neovim::three_hunks,
};

#[test]
fn the_documented_configuration_asks_and_accepts() {
    let desk = Desk::scripted(&three_hunks());
    // As documented, but with the model of the test.
    let script = format!("\"lsp\" \"--model\" \"script:{}\"", desk.home("script.jsonl").display());
    let config = desk.home("config.el");
    fs::write(&config, documented("elisp", 0).replace("\"lsp\"", &script)).unwrap();
    let mut command = desk.command(editor("emacs"));
    command.env("LAB_CONFIG", config).args(["-Q", "--batch", "-l"]).arg(repository("tests/real/editors/emacs.el"));
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let journal = desk.journal();
    assert!(journal.contains("\"kind\":\"hunk.accepted\""), "the server did not see the acceptance");
    assert!(!journal.contains("\"kind\":\"hunk.stale\""), "a hunk became stale");
}

//! What the server answers to clients that are wrong, rude, poor or lying, and what it does when it is badly set up.

mod asks;
mod hunks;
mod setup;
mod wire;

use serde_json::{Value, json};

use crate::{lsp::Editor, room::Room};

/// The first hunk of a file, once it is shown.
async fn hunk(editor: &Editor, path: &str) -> Value {
    let uri = editor.uri(path);
    let shown = editor.until("a hunk", |seen| seen.diagnostics(&uri).first().cloned()).await;
    json!({"proposal": shown["data"]["proposal"], "hunks": [shown["data"]["hunk"]]})
}

async fn ended(editor: &Editor) -> String {
    editor
        .until("the end of the task", |seen| seen.messages().into_iter().find(|message| message.starts_with("countersign ")))
        .await
}

/// All of it, a line each.
fn journal(room: &Room) -> String {
    room.journal().iter().map(|line| format!("{line}\n")).collect()
}

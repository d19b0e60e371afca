//! Marks of pending changes come again when the editor shows the text, and when its characters move. Eglot keeps what comes before
//! a file is open for its lists only, and the places of marks as counts of characters.

use serde_json::{Value, json};

use super::desk::{Desk, FILE};
use crate::{
    lsp::Seen,
    support::model_double::{ModelDouble, Turn},
};

fn marks(seen: &Seen, uri: &str) -> Vec<Value> {
    let published = seen.notifications.iter().filter(|(method, _)| method == "textDocument/publishDiagnostics");
    published.map(|(_, params)| params.clone()).filter(|params| params["uri"] == uri).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_come_with_the_file_and_with_every_move_of_its_characters() {
    let desk = Desk::trusted();
    let text = "one\ntwo\nthree\n";
    std::fs::write(desk.path("w/b.txt"), text).unwrap();
    let edit = json!({"path": "b.txt", "edits": [{"old": "three\n", "new": "THREE\n"}]});
    let double = ModelDouble::start([Turn::call("e", "edit_file", edit), Turn::say("One change.")]);
    let bare = desk.bare(&double, true).await;
    bare.editor.command("ask", json!({"prompt": "Shout."})).await.unwrap();
    let uri = bare.editor.uri("b.txt");
    let closed = bare.editor.until("the mark", |seen| marks(seen, &uri).pop()).await;
    bare.says("countersign done").await;
    assert_eq!((closed["diagnostics"].as_array().unwrap().len(), &closed["version"]), (1, &Value::Null));

    let newest = async |version: i64| {
        let newest = |seen: &Seen| marks(seen, &uri).pop().filter(|newest| newest["version"] == version);
        bare.editor.until("the mark again", newest).await
    };
    bare.editor.open("b.txt", text);
    let opened = bare.editor.until("the mark again", |seen| Some(marks(seen, &uri)).filter(|all| all.len() == 2)).await;
    let version = opened[1]["version"].as_i64().expect("a version");
    assert_eq!(opened[1]["diagnostics"], closed["diagnostics"]);

    // The lines are the same, the characters before them are more.
    bare.editor.replace("b.txt", "one\n", "one and more\n");
    assert_eq!(newest(version + 1).await["diagnostics"], closed["diagnostics"]);

    // A file that is opened anew has its marks again.
    bare.editor.close("b.txt");
    bare.editor.open("b.txt", text);
    assert_eq!(newest(version).await["diagnostics"], closed["diagnostics"]);

    // What comes twice for the same text is not sent twice.
    let sent = marks(&bare.editor.seen(), &uri).len();
    bare.editor.command("reject", json!({"proposal": closed["diagnostics"][0]["data"]["proposal"]})).await.unwrap();
    let all = bare
        .editor
        .until("no mark", |seen| Some(marks(seen, &uri)).filter(|all| all.last().unwrap()["diagnostics"] == json!([])))
        .await;
    assert_eq!(all.len(), sent + 1, "{all:?}");
    assert_eq!(bare.editor.text(FILE), super::desk::TEXT);
    assert_eq!(bare.editor.quit().await, Some(0));
}

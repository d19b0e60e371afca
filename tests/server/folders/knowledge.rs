//! What the editor's other language servers know, over several folders.

use serde_json::{Value, json};

use super::lab::{Case, Lab, ask, judge, turns};
use crate::{lsp::Known, support::model_double::ModelDouble};

fn range(line: u32) -> Value {
    json!({"start": {"line": line, "character": 0}, "end": {"line": line, "character": 4}})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_editors_knowledge_is_told_by_the_names_of_the_folders() {
    let lab = Lab::with(&[
        ("api/a.txt", "name\nuse\n"),
        ("web/b.txt", "one\nname\n"),
        ("web/.env", "name\n"),
        ("outside/o.txt", "x\n"),
    ]);
    let cases: Vec<Case> = vec![
        ("diagnostics", json!({}), Ok("web/b.txt")),
        ("diagnostics", json!({"path": "web/b.txt"}), Ok("web/b.txt")),
        ("diagnostics", json!({"path": "b.txt"}), Err("begins with no workspace folder's name")),
        ("symbols", json!({"op": "outline", "path": "web/b.txt"}), Ok("web/b.txt: 1 symbols")),
        (
            "symbols",
            json!({"op": "references", "path": "api/a.txt", "line": 1, "symbol": "name"}),
            Ok("api/a.txt\n1|name\nweb/b.txt\n2|name"),
        ),
        ("editor", json!({"op": "selection"}), Ok("web/b.txt")),
        ("editor", json!({"op": "open_buffers"}), Ok("web/b.txt")),
        ("editor", json!({"op": "recent_edits"}), Ok("web/b.txt")),
    ];
    let double = ModelDouble::start(turns(&cases));
    let editor = lab.rich(&double, &["api", "web"]).await;
    let uri = |path: &str| editor.uri(path);
    let found = |path: &str, message: &str| json!({"uri": uri(path), "range": range(1), "severity": 1, "message": message});
    editor.knows(
        "diagnostics",
        Known::Tells(json!([
            found("api/a.txt", "bad api"),
            found("web/b.txt", "bad web"),
            found("outside/o.txt", "bad outside")
        ])),
    );
    editor.knows("outline", Known::Tells(json!([{"name": "name", "kind": 12, "range": range(1), "selectionRange": range(1)}])));
    let places = ["api/a.txt", "web/b.txt", "web/.env", "outside/o.txt"];
    let places: Vec<Value> =
        places.iter().zip([0, 1, 0, 0]).map(|(path, line)| json!({"uri": uri(path), "range": range(line)})).collect();
    editor.knows("references", Known::Tells(json!(places)));
    editor.knows("selection", Known::Tells(json!({"uri": uri("web/b.txt"), "range": range(1)})));
    editor.knows("openBuffers", Known::Tells(json!([{"uri": uri("web/b.txt"), "dirty": true, "visible": true, "active": true}])));
    editor.open("web/b.txt", "one\nname\n");
    editor.replace("web/b.txt", "one", "uno");
    ask(&editor, "api/a.txt").await;
    judge(&double, 1, &cases);
    let told = double.requests()[1].results();
    assert!(told[0].1.contains("api/a.txt") && !told[0].1.contains("outside"), "{}", told[0].1);
    assert!(told[4].1.contains("1 outside of the workspace") && !told[4].1.contains(".env"), "{}", told[4].1);
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
}

//! Documents without a file: a client that asks for them gets them by URI, is told when they change, and gets nothing else.

use std::fs;

use serde_json::{Value, json};

use crate::{
    lsp::{Editor, able},
    room::{Room, ask, calls, edit, say},
};

const TEXT: &str = "one\ntwo\nthree\nfour\nfive\n";
const REFRESH: &str = "workspace/textDocumentContent/refresh";

fn capable() -> Value {
    let mut capabilities = able();
    capabilities["workspace"]["textDocumentContent"] = json!({"dynamicRegistration": true});
    capabilities
}

async fn read(editor: &Editor, uri: &Value) -> Result<String, String> {
    let answer = editor.bounded(editor.peer.request("workspace/textDocumentContent", json!({"uri": uri}))).await;
    answer.map(|answer| answer["text"].as_str().unwrap().to_owned()).map_err(|error| error.message)
}

fn refreshed(seen: &crate::lsp::Seen, uri: &Value) -> usize {
    seen.requests.iter().filter(|(method, params)| method == REFRESH && params["uri"] == *uri).count()
}

fn files(room: &Room) -> usize {
    fs::read_dir(room.state("documents")).into_iter().flatten().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_served_and_told_to_be_read_again() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let model = [calls(&[edit("a.txt", &[("two\n", "TWO\n"), ("five\n", "FIVE\n")])]), say("Done.")];
    let (editor, server) = room.client(&model, capable(), Value::Null).await;
    assert_eq!(server["capabilities"]["workspace"]["textDocumentContent"], json!({"schemes": ["countersign"]}), "{server}");
    assert_eq!(server["capabilities"]["workspace"]["workspaceFolders"]["supported"], true, "the rest is as ever: {server}");
    editor.open("a.txt", TEXT);
    let (task, proposal) = ask(&editor, "a.txt").await;
    let shown = editor.command("showDiff", json!({"proposal": proposal, "uri": editor.uri("a.txt")})).await.unwrap();
    let (diff, proposed) = (&shown["document"], &shown["proposed"]);
    assert_eq!(editor.until("it is opened", |seen| seen.documents.first().cloned()).await, diff.as_str().unwrap());
    let all = editor.command("showDiff", json!({"proposal": proposal})).await.unwrap()["document"].clone();
    let transcript = editor.command("transcript", json!({"task": task})).await.unwrap()["document"].clone();
    for uri in [diff, proposed, &all, &transcript] {
        assert!(uri.as_str().unwrap().starts_with("countersign:/"), "{uri}");
    }
    assert!(read(&editor, diff).await.unwrap().contains("-two\n+TWO\n"));
    assert_eq!(read(&editor, &all).await, read(&editor, diff).await, "the proposal is about one file");
    assert_eq!(read(&editor, proposed).await.unwrap(), "one\nTWO\nthree\nfour\nFIVE\n");
    assert!(read(&editor, &transcript).await.unwrap().contains("Done."));
    assert_eq!(files(&room), 0, "nothing is written");

    // Typing makes the proposed text another one; the client hears it once for each reading.
    editor.replace("a.txt", "three\n", "three, typed\n");
    editor.until("a refresh", |seen| (refreshed(seen, proposed) == 1).then_some(())).await;
    editor.replace("a.txt", "three, typed\n", "three!\n");
    let uri = editor.uri("a.txt");
    let hunks = editor.until("two hunks", |seen| Some(seen.diagnostics(&uri)).filter(|all| all.len() == 2)).await;
    assert_eq!(read(&editor, proposed).await.unwrap(), "one\nTWO\nthree!\nfour\nFIVE\n");
    assert_eq!(refreshed(&editor.seen(), proposed), 1, "what it has not read again needs no second word");
    // So does a decision.
    read(&editor, diff).await.unwrap();
    let first = json!({"proposal": proposal, "hunks": [hunks[0]["data"]["hunk"]]});
    editor.command("accept", first).await.unwrap();
    editor.until("refreshes", |seen| (refreshed(seen, proposed) == 2 && refreshed(seen, diff) >= 2).then_some(())).await;
    let now = read(&editor, diff).await.unwrap();
    assert!(!now.contains("+TWO") && now.contains("+FIVE"), "{now}");
    assert_eq!(read(&editor, proposed).await.unwrap(), "one\nTWO\nthree!\nfour\nFIVE\n");
    editor.command("reject", json!({"proposal": proposal})).await.unwrap();
    editor.until("refreshes", |seen| (refreshed(seen, proposed) == 3).then_some(())).await;
    // Whoever still shows them sees that nothing is pending.
    assert!(read(&editor, diff).await.unwrap().contains("nothing is pending"));
    assert_eq!(read(&editor, proposed).await.unwrap(), editor.text("a.txt"));
    assert_eq!(files(&room), 0);
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn others_keep_their_files() {
    let room = Room::with(&[("a.txt", TEXT)]);
    let model = [calls(&[edit("a.txt", &[("two\n", "TWO\n")])]), say("Done.")];
    let (editor, server) = room.client(&model, able(), Value::Null).await;
    assert_eq!(server["capabilities"]["workspace"].get("textDocumentContent"), None, "{server}");
    let (_, proposal) = ask(&editor, "a.txt").await;
    let shown = editor.command("showDiff", json!({"proposal": proposal, "uri": editor.uri("a.txt")})).await.unwrap();
    assert!(shown["document"].as_str().unwrap().starts_with("file:///"), "{shown}");
    assert_eq!((files(&room), shown.get("proposed")), (1, None), "{shown}");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_uri_reaches_the_disk_and_errors_name_it() {
    let room = Room::with(&[("a b%é.txt", TEXT), ("other.txt", "not proposed\n")]);
    fs::write(room.home.path().join("secret"), "hidden words\n").unwrap();
    let model = [
        calls(&[
            edit("a b%é.txt", &[("two\n", "TWO\n")]),
            ("write_file", json!({"path": "new.txt", "content": "fresh\n"})),
            ("file_op", json!({"op": "delete", "path": "other.txt"})),
        ]),
        say("Done."),
    ];
    let (editor, _) = room.client(&model, capable(), Value::Null).await;
    let (task, _) = ask(&editor, "a b%é.txt").await;
    let task = task.as_str().unwrap();
    let secret = room.home.path().join("secret").display().to_string();
    let foreign = [
        format!("file://{secret}"),
        secret.clone(),
        "".to_owned(),
        "countersign:".to_owned(),
        "countersign:/".to_owned(),
        format!("countersign:/{task}"),
        format!("countersign:/{task}/proposed"),
        format!("countersign:/{task}/proposed/"),
        format!("countersign:/{task}/proposed{secret}"),
        format!("countersign:/{task}/proposed/..%2f..%2f..{secret}"),
        format!("countersign:/{task}/proposed/%2e%2e/x"),
        format!("countersign:/{task}/proposed/a.txt%00"),
        format!("countersign:/{task}/proposed/%ff"),
        format!("countersign:/{task}/proposed/missing.txt"),
        format!("countersign:/{task}/diff/missing.txt.diff"),
        format!("countersign:/{task}/diff/new.txt"),
        format!("countersign://{task}/proposal.diff"),
        format!("countersign://host/{task}/proposal.diff"),
        format!("countersign:/{task}/proposal.diff?x"),
        format!("countersign:/{task}/proposal.diff#x"),
        format!("countersign:/{task}x/proposal.diff"),
        format!("git:/{task}/proposal.diff"),
        format!("countersign:{task}/proposal.diff"),
        "x".repeat(100_000),
    ];
    for uri in &foreign {
        let error = read(&editor, &json!(uri)).await.expect_err(uri);
        assert!(error.contains("`uri`") && error.contains(&format!("\"{}", &uri[..uri.len().min(100)])), "{uri}: {error}");
        assert!(error.len() < 1000, "{} bytes", error.len());
        assert!(!error.contains("hidden words"), "{error}");
    }
    for params in [json!({}), json!({"uri": 7}), json!([])] {
        let refused = editor.bounded(editor.peer.request("workspace/textDocumentContent", params.clone())).await;
        assert_eq!(refused.expect_err("no URI").code, -32602, "{params}");
    }
    // A document of another scheme is another document, even with the path of a file that the server knows.
    let git = editor.uri("a b%é.txt").replacen("file://", "git:", 1);
    let document = json!({"uri": git, "languageId": "x", "version": 1, "text": "as it was in a commit\n"});
    editor.peer.notify("textDocument/didOpen", json!({"textDocument": document}));
    // The positive controls, however a client escapes them.
    for (uri, text) in [
        (format!("countersign:/{task}/proposed/a%20b%25%C3%A9.txt"), TEXT.replace("two\n", "TWO\n")),
        (format!("countersign:/{task}/proposed/%61 b%25é.txt"), TEXT.replace("two\n", "TWO\n")),
        (format!("countersign:/{task}/proposed/new.txt"), "fresh\n".to_owned()),
        (format!("countersign:/{task}/proposed/other.txt"), String::new()),
    ] {
        assert_eq!(read(&editor, &json!(uri)).await, Ok(text), "{uri}");
    }
    assert!(read(&editor, &json!(format!("countersign:/{task}/diff/a%20b%25%C3%A9.txt.diff"))).await.unwrap().contains("+TWO"));
    assert_eq!(editor.quit().await, Some(0));
}

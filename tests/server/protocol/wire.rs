//! Messages that are wrong, come all at once or stop: each gets its answer, in order, and the server leaves when its client does.

use countersign::{server::peer::Peer, text::Edit};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::ChildStdout,
};

use super::{ended, journal};
use crate::{
    lsp::PATIENCE,
    room::{Room, calls, say},
};

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_get_an_error_and_the_server_goes_on() {
    let room = Room::untrusted(&[]);
    let (mut child, mut to, mut from) = room.server(&[]);
    let cases = [
        ("{not json", -32700),
        ("[1]", -32600),
        (r#"{"jsonrpc":"2.0","id":7}"#, -32600),
        (r#"{"jsonrpc":"1.0","id":8,"method":"x"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":9,"method":"textDocument/hover"}"#, -32002),
    ];
    for (body, code) in cases {
        to.write_all(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
        let answer = read(&mut from).await;
        assert_eq!(answer["error"]["code"], code, "{body} got {answer}");
    }
    let fine = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}"#;
    to.write_all(format!("Content-Length: {}\r\n\r\n{fine}", fine.len()).as_bytes()).await.unwrap();
    assert_eq!(read(&mut from).await["result"]["serverInfo"]["name"], "countersign");
    // Something that is no LSP at all ends the conversation with a word.
    to.write_all(b"GET / HTTP/1.1\r\nno colon here\r\n\r\n").await.unwrap();
    assert_eq!(read(&mut from).await["error"]["code"], -32700);
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(1));
}

async fn read(from: &mut ChildStdout) -> Value {
    let mut header = Vec::new();
    while !header.ends_with(b"\r\n\r\n") {
        header.push(tokio::time::timeout(PATIENCE, from.read_u8()).await.unwrap().unwrap());
    }
    let header = String::from_utf8(header).unwrap();
    let mut body = vec![0; header.trim().trim_start_matches("Content-Length: ").parse().unwrap()];
    from.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_commands_name_the_field() {
    let room = Room::untrusted(&[]);
    let editor = room.modelless().await;
    let cases = [
        ("nothing", json!({}), "no command"),
        ("accept", json!({}), "proposal"),
        ("accept", json!({"proposal": 5}), "proposal"),
        ("accept", json!({"proposal": "p9"}), "p9"),
        ("accept", json!({"proposal": "p9", "hunk": "h1"}), "`hunk`"),
        ("reject", json!({"proposal": "p9", "hunks": "h1"}), "hunks"),
        ("ask", json!({"prompt": ""}), "prompt"),
        ("ask", json!({"prompt": "x", "mode": "destroy"}), "mode"),
        ("ask", json!({"prompt": "x", "session": "nope"}), "session"),
        ("runTask", json!({"name": "nope"}), "name"),
        ("steer", json!({"task": "t9", "message": "x"}), "task"),
        ("stop", json!({"task": "t9"}), "task"),
        ("showDiff", json!({"proposal": "p9"}), "proposal"),
        ("answer", json!({"code": "x", "choice": "y"}), "message requests"),
        ("undo", json!({"task": "t9"}), "t9"),
        ("dashboard", json!({}), "not available yet"),
    ];
    for (name, argument, part) in cases {
        let refused = editor.command(name, argument.clone()).await.expect_err("it is wrong");
        assert!(refused.message.contains(part), "{name} {argument}: {part:?} is not in {:?}", refused.message);
    }
    // The positive control.
    assert_eq!(editor.command("status", json!({})).await.unwrap()["tasks"], json!([]));
    assert_eq!(editor.quit().await, Some(0));
}

/// The order of messages is kept however slow the requests between them are.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_edits_arrives_in_order() {
    let room = Room::with(&[("a.txt", "")]);
    let search = ("search", json!({"pattern": "number", "mode": "count"}));
    let read = ("read_file", json!({"path": "a.txt", "start_line": 1990}));
    let editor = room.editor(&[calls(&[search]), calls(&[read]), say("Done.")]).await;
    editor.open("a.txt", "");
    for n in 0..2000 {
        let end = editor.text("a.txt").len();
        editor.edit("a.txt", Edit { range: end..end, new: format!("number {n}\n") });
        if n % 50 == 0 {
            // Requests in between, unanswered for now.
            drop(editor.peer.start(
                "textDocument/codeAction",
                json!({
                    "textDocument": {"uri": editor.uri("a.txt")}, "context": {"diagnostics": []},
                    "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}},
                }),
            ));
        }
    }
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    ended(&editor).await;
    assert_eq!(editor.quit().await, Some(0));
    let journal = journal(&room);
    assert!(journal.contains("2000|number 1999"), "the last line is where it belongs");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_always_leaves() {
    // exit without shutdown, a closed stream, and the editor's death.
    let room = Room::untrusted(&[]);
    for way in ["exit", "close"] {
        let (mut child, to, from) = room.server(&[]);
        let (peer, _incoming) = Peer::connect(from, to);
        tokio::time::timeout(PATIENCE, peer.request("initialize", json!({"capabilities": {}}))).await.unwrap().unwrap();
        if way == "exit" {
            peer.notify("exit", Value::Null);
        } else {
            peer.close();
        }
        let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it leaves").unwrap();
        assert_eq!(status.code(), Some(1), "{way}");
    }
}

//! A server never outlives its editor, not even when somebody else still holds its input open.

use std::process::Stdio;

use countersign::server::framing::frame;
use serde_json::json;
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::lsp::PATIENCE;

/// Starts a server for an editor with this process id; its input stays open as long as the returned child lives.
async fn server_of(editor: u32, home: &std::path::Path) -> tokio::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.arg("lsp").stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true);
    for (name, folder) in [("XDG_CONFIG_HOME", "config"), ("XDG_STATE_HOME", "state"), ("XDG_CACHE_HOME", "cache")] {
        command.env(name, home.join(folder));
    }
    let mut server = command.spawn().unwrap();
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"processId": editor, "capabilities": {}},
    });
    server.stdin.as_mut().unwrap().write_all(&frame(hello.to_string().as_bytes())).await.unwrap();
    server
}

#[tokio::test]
async fn it_leaves_when_the_editor_is_gone_and_its_input_stays_open() {
    let home = tempfile::tempdir().unwrap();
    let mut gone = std::process::Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let mut orphan = server_of(gone.id(), home.path()).await;
    let mut kept = server_of(std::process::id(), home.path()).await;
    // `wait` on the child would close its input first.
    let _input = orphan.stdin.take();
    let status = timeout(PATIENCE, orphan.wait()).await.expect("it leaves").unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(kept.try_wait().unwrap().is_none(), "the one whose editor lives stays");
}

//! What happens when the server, the editor, the pipe between them or the disk gives way.

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use countersign::server::peer::Peer;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use super::lab::{Lab, ask, hunks};
use crate::{
    lsp::{Editor, PATIENCE, able},
    support::model_double::{KEY, ModelDouble, SPEC, Turn},
};

fn lab() -> Lab {
    let lab = Lab::new();
    lab.file("a.txt", "one\ntwo\nthree\n");
    lab.trust();
    lab
}

/// A server on pipes, without a client yet.
fn server(lab: &Lab) -> Child {
    let command = lab.countersign();
    let mut command = Command::from(command);
    command.args(["lsp", "--model", SPEC]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().unwrap()
}

fn frame(message: &Value) -> Vec<u8> {
    let body = message.to_string();
    format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn request(id: u32, method: &str, params: Value) -> Vec<u8> {
    frame(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
}

async fn gone(mut child: Child) -> Option<i32> {
    tokio::time::timeout(PATIENCE, child.wait()).await.expect("the server leaves").unwrap().code()
}

/// Whether any process has this in its command line.
fn runs(part: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    processes.into_iter().any(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(part))
}

async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_takes_its_commands_along_and_the_next_one_says_what_is_unknown() {
    let lab = lab();
    // Names the processes of this test only.
    let sleep = format!("sleep {}", 100_000 + std::process::id());
    let double = ModelDouble::start([Turn::call("r", "run", json!({"command": format!("{sleep} & setsid {sleep} & {sleep}")}))]);
    let editor = lab.editor(&double).await;
    editor.command("ask", json!({"prompt": "Run."})).await.unwrap();
    until("the command", || runs(&sleep)).await;
    editor.kill().await;
    until("the end of the command", || !runs(&sleep)).await;
    assert!(!lab.journal().contains("recovery.unknown"));
    // The next start.
    let double = ModelDouble::start([Turn::say("Fine.")]);
    let editor = lab.editor(&double).await;
    ask(&editor, "Go on.").await;
    assert_eq!(double.requests().len(), 1, "nothing is run again");
    assert_eq!(editor.quit().await, Some(0));
    let journal = lab.journal();
    let unknown: Vec<&str> = journal.lines().filter(|line| line.contains("\"kind\":\"recovery.unknown\"")).collect();
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert!(unknown[0].contains("tool run"), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_leaves_with_its_editor() {
    let lab = lab();
    let mut editor = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let mut child = server(&lab);
    let (peer, _incoming) = Peer::connect(child.stdout.take().unwrap(), child.stdin.take().unwrap());
    peer.request("initialize", json!({"processId": editor.id(), "capabilities": {}})).await.unwrap();
    peer.notify("initialized", json!({}));
    assert!(peer.command("status", json!({})).await.is_ok(), "it stays as long as the editor does");
    editor.kill().unwrap();
    editor.wait().unwrap();
    assert_eq!(gone(child).await, Some(1));
    assert!(lab.journal().contains("server.stop"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closed_its_ears_is_a_client_that_is_gone() {
    let lab = lab();
    let mut child = server(&lab);
    let mut to = child.stdin.take().unwrap();
    to.write_all(&request(1, "initialize", json!({"capabilities": {}}))).await.unwrap();
    let mut from = child.stdout.take().unwrap();
    from.read_exact(&mut [0; 16]).await.unwrap();
    drop(from);
    // The next word finds nobody; stdin is still open.
    let status = json!({"command": "countersign.status", "arguments": [{}]});
    let _ = to.write_all(&request(2, "workspace/executeCommand", status)).await;
    assert_eq!(gone(child).await, Some(1));
    drop(to);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_for_a_while_loses_no_answer_and_stops_nobody() {
    const MANY: u32 = 5000;
    let lab = lab();
    let mut child = server(&lab);
    let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    to.write_all(&request(0, "initialize", json!({"capabilities": {}, "rootUri": null}))).await.unwrap();
    let unknown = json!({"command": "countersign.nonsense", "arguments": []});
    // Each answer names all commands; together they are far more than a pipe holds.
    let writing = async {
        for id in 1..=MANY {
            to.write_all(&request(id, "workspace/executeCommand", unknown.clone())).await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, writing).await.expect("the server reads on");
    let mut text = Vec::new();
    let last = format!("\"id\":{MANY}");
    let reading = async {
        let mut buffer = vec![0; 1 << 16];
        while !text.windows(last.len()).rev().take(1 << 17).any(|window| window == last.as_bytes()) {
            let read = from.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the server is gone");
            text.extend_from_slice(&buffer[..read]);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("all answers come");
    let answers = String::from_utf8_lossy(&text).matches("Content-Length").count();
    assert!(answers as u32 > MANY, "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_without_end_and_messages_without_measure_are_not_read() {
    for head in
        ["a".repeat(4 << 20), "Content-Length: 99999999999999\r\n\r\n".to_owned(), "Content-Length: -5\r\n\r\n".to_owned()]
    {
        let lab = lab();
        let mut child = server(&lab);
        let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        // The server may be gone before all of it is written.
        let _ = to.write_all(head.as_bytes()).await;
        let mut said = String::new();
        tokio::time::timeout(PATIENCE, from.read_to_string(&mut said)).await.expect("the server ends").unwrap();
        assert!(said.contains("-32700"), "{said:?}");
        assert_eq!(gone(child).await, Some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_for_records_nothing_is_done_and_the_user_is_told() {
    let double = ModelDouble::start([]);
    for broken in ["home/state", "home/state/countersign/journal"] {
        let lab = Lab::new();
        lab.file("a.txt", "one\n");
        // A file stands where the folder should be: like a folder of somebody else's, also for root.
        fs::create_dir_all(lab.path(broken).parent().unwrap()).unwrap();
        fs::write(lab.path(broken), "x").unwrap();
        let editor = lab.editor_with(&double, able(), json!({"countersign": {"rich": true, "trusted": true}})).await;
        let (_, closing) = ask(&editor, "Run.").await;
        assert!(closing.contains("could not do it") && closing.contains("journal"), "{closing}");
        assert_eq!(double.requests().len(), 0, "no model is asked");
        editor.quit().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_ends_the_task_and_stops_acceptances() {
    let lab = lab();
    lab.file("big.txt", &format!("{}\n", "y".repeat(99)).repeat(440));
    let read = |n: usize| Turn::call(&format!("r{n}"), "read_file", json!({"path": "big.txt", "start_line": n}));
    let edit = json!({"path": "a.txt", "edits": [{"old": "two\n", "new": "agent\n"}]});
    let turns = std::iter::once(Turn::call("e", "edit_file", edit)).chain((1..=8).map(read));
    let double = ModelDouble::start(turns);
    // Writes beyond this size fail as on a full disk.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" lsp --model \"$1\""])
        .arg(env!("CARGO_BIN_EXE_countersign"))
        .arg(SPEC);
    for (name, folder) in [("CONFIG", "config"), ("STATE", "state"), ("CACHE", "cache")] {
        command.env(format!("XDG_{name}_HOME"), lab.path("home").join(folder));
    }
    command.env("HOME", lab.path("home")).env("ANTHROPIC_API_KEY", KEY).env("ANTHROPIC_BASE_URL", double.url());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let (peer, incoming) = Peer::connect(child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let editor = Editor::over(peer, incoming, &lab.path("w"), Some(child));
    editor.initialize(able(), Value::Null).await;
    editor.open("a.txt", "one\ntwo\nthree\n");
    let (_, closing) = ask(&editor, "Read.").await;
    assert!(closing.contains("could not do it") && closing.contains("journal"), "{closing}");
    assert!(double.unserved() > 4, "nothing is said that is not on record");
    let hunk = hunks(&editor, "a.txt", 1).await[0].clone();
    let answer = editor.command("accept", json!({"proposal": hunk["proposal"], "hunks": [hunk["hunk"]]})).await.unwrap();
    assert_eq!(answer["accepted"], json!([]), "{answer}");
    assert!(answer["refused"][0]["why"].as_str().unwrap().contains("journal"), "{answer}");
    assert_eq!(editor.text("a.txt"), "one\ntwo\nthree\n");
    assert!(editor.seen().edits.is_empty(), "no edit without a record");
    editor.quit().await;
    // What is on record is whole.
    lab.journal();
}

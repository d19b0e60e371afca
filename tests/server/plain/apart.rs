//! Answers of commands: what they open comes before them, and for lsp-mode nothing can be read together with them from behind.

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::desk::{Desk, FILE, TEXT};
use crate::lsp::PATIENCE;

/// How long the slow client does something else before it reads again.
const BUSY: Duration = Duration::from_millis(40);

/// A client that reads as a busy editor does: now and then, and then everything that is there.
struct Slow {
    child: Child,
    to: ChildStdin,
    pieces: mpsc::Receiver<Vec<u8>>,
    read: Vec<u8>,
    /// Where each read ended.
    ends: Vec<usize>,
}

impl Slow {
    fn start(desk: &Desk, name: &str) -> Slow {
        let mut command = desk.countersign();
        command.args(["lsp"]).current_dir(desk.path("w")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut slow = Slow { child, to, pieces: pieces(from), read: Vec::new(), ends: Vec::new() };
        let folder = reqwest::Url::from_file_path(desk.path("w")).unwrap().to_string();
        let capabilities = json!({"window": {"showDocument": {"support": true}}, "general": {"positionEncodings": ["utf-16"]}});
        let initialize = json!({
            "processId": null, "rootUri": folder, "clientInfo": {"name": name}, "capabilities": capabilities,
            "workspaceFolders": [{"uri": folder, "name": "w"}],
        });
        slow.say(json!({"id": "i", "method": "initialize", "params": initialize}));
        slow.until(|all| answers(all).len() == 1);
        slow.say(json!({"method": "initialized", "params": {}}));
        let uri = format!("{folder}/{FILE}");
        let document = json!({"uri": uri, "languageId": "plaintext", "version": 1, "text": TEXT});
        slow.say(json!({"method": "textDocument/didOpen", "params": {"textDocument": document}}));
        slow
    }

    fn say(&mut self, mut message: Value) {
        message["jsonrpc"] = json!("2.0");
        let body = message.to_string();
        write!(self.to, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        self.to.flush().unwrap();
    }

    /// Reads until `enough` of the messages and where they end.
    fn until(&mut self, enough: impl Fn(&[(Value, usize)]) -> bool) -> Vec<(Value, usize)> {
        let start = Instant::now();
        loop {
            let all = messages(&self.read);
            if enough(&all) {
                return all;
            }
            let left = PATIENCE.checked_sub(start.elapsed()).unwrap_or_else(|| panic!("waited in vain; seen: {all:?}"));
            self.read.extend(self.pieces.recv_timeout(left).unwrap());
            self.ends.push(self.read.len());
        }
    }

    /// Asks for this many prompt documents in one go; all messages and where they end.
    fn ask(&mut self, times: usize) -> Vec<(Value, usize)> {
        for n in 0..times {
            let params = json!({"command": "countersign.ask", "arguments": [{}]});
            self.say(json!({"id": format!("a{n}"), "method": "workspace/executeCommand", "params": params}));
        }
        self.until(|all| answers(all).len() == times + 1 && shown(all).len() == times)
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pieces(mut from: ChildStdout) -> mpsc::Receiver<Vec<u8>> {
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        let mut room = vec![0; 1024 * 1024];
        while let Ok(count @ 1..) = from.read(&mut room) {
            if tx.send(room[..count].to_vec()).is_err() {
                return;
            }
            std::thread::sleep(BUSY);
        }
    });
    rx
}

/// The messages of a stream, and where each ends.
fn messages(stream: &[u8]) -> Vec<(Value, usize)> {
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some(header) = stream[at..].windows(4).position(|four| four == b"\r\n\r\n") {
        let text = std::str::from_utf8(&stream[at..at + header]).unwrap();
        let length: usize = text.strip_prefix("Content-Length: ").unwrap().parse().unwrap();
        at += header + 4;
        let Some(body) = stream.get(at..at + length) else { break };
        at += length;
        all.push((serde_json::from_slice(body).unwrap(), at));
    }
    all
}

fn answers(all: &[(Value, usize)]) -> Vec<&(Value, usize)> {
    all.iter().filter(|(message, _)| message["method"].is_null()).collect()
}

fn shown(all: &[(Value, usize)]) -> Vec<&Value> {
    all.iter().map(|(message, _)| message).filter(|message| message["method"] == "window/showDocument").collect()
}

#[test]
fn a_command_opens_its_document_before_its_answer() {
    let mut slow = Slow::start(&Desk::trusted(), "test");
    let all = slow.ask(20);
    let mut open = Vec::new();
    for (message, _) in &all {
        if message["method"] == "window/showDocument" {
            open.push(message["params"]["uri"].clone());
        } else if let Some(document) = message["result"].get("document") {
            assert!(open.contains(document), "{document} is answered and not open yet: {all:?}");
        }
    }
    assert_eq!(open.len(), 20);
}

/// lsp-mode up to 9.0 leaves its reader when an answer comes, and with it whatever it has read together with that.
#[test]
fn lsp_mode_reads_nothing_together_with_an_answer_from_behind() {
    for (name, apart) in [("emacs", true), ("test", false)] {
        let desk = Desk::trusted();
        let mut slow = Slow::start(&desk, name);
        let all = slow.ask(10);
        let followed = answers(&all).into_iter().filter(|(_, end)| !slow.ends.contains(end)).count();
        assert_eq!(followed == 0, apart, "{name}: {followed} of 11 answers were read with what follows; {all:?}");
    }
}

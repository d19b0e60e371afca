//! One running server and its client: the protocol by the product's own client, the process by what the kernel says of it.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use countersign::server::peer::{Incoming, Peer};
use serde_json::{Value, json};
use tokio::{process::Child, sync::mpsc::UnboundedReceiver};

use super::place::{Place, binary};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    pub peer: Peer,
    pub incoming: UnboundedReceiver<Incoming>,
    folder: std::path::PathBuf,
    child: Child,
    version: i32,
}

impl Server {
    /// Starts `countersign lsp` with these further arguments and variables.
    pub fn spawn(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        let mut command = std::process::Command::new(binary());
        place.environ(&mut command);
        command.arg("lsp").args(arguments).envs(variables.iter().copied());
        Server::start(command, place.folder())
    }

    /// `cat` in the server's place: what the client, the pipes and a new process cost by themselves.
    pub fn cat() -> Server {
        Server::start(std::process::Command::new("cat"), "/".into())
    }

    fn start(mut command: std::process::Command, folder: std::path::PathBuf) -> Server {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        let (peer, incoming) = Peer::connect(child.stdout.take().unwrap(), child.stdin.take().unwrap());
        Server { peer, incoming, folder, child, version: 0 }
    }

    /// `initialize`, then `initialized`; returns the time between request and answer.
    pub async fn initialize(&self) {
        self.greet(self.hello()).await;
    }

    /// The same as one of the project's own extensions.
    pub async fn initialize_rich(&self) {
        let mut hello = self.hello();
        hello["initializationOptions"] = json!({"countersign": {"rich": true, "protocol": 1}});
        self.greet(hello).await;
    }

    async fn greet(&self, hello: Value) {
        bounded(self.peer.request("initialize", hello)).await.unwrap();
        self.peer.notify("initialized", json!({}));
    }

    /// What an able editor without a plug-in says.
    pub fn hello(&self) -> Value {
        json!({
            "processId": std::process::id(), "clientInfo": {"name": "bench"}, "rootUri": uri(&self.folder),
            "workspaceFolders": [{"uri": uri(&self.folder), "name": "w"}],
            "capabilities": {
                "general": {"positionEncodings": ["utf-16"]},
                "workspace": {"applyEdit": true, "workspaceEdit": {"documentChanges": true}, "workspaceFolders": true},
                "window": {"workDoneProgress": true, "showDocument": {"support": true}, "showMessage": {}},
                "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix", "refactor"]}}}},
            },
        })
    }

    pub fn uri(&self, name: &str) -> String {
        uri(&self.folder.join(name))
    }

    pub fn open(&mut self, name: &str, text: &str) {
        self.version = 1;
        let document = json!({"uri": self.uri(name), "languageId": "rust", "version": 1, "text": text});
        self.peer.notify("textDocument/didOpen", json!({"textDocument": document}));
    }

    /// Types one letter.
    pub fn letter(&mut self, name: &str, line: u32, character: u32) {
        self.version += 1;
        let at = json!({"line": line, "character": character});
        let change = json!({"range": {"start": at, "end": at}, "text": "x"});
        let document = json!({"uri": self.uri(name), "version": self.version});
        self.peer.notify("textDocument/didChange", json!({"textDocument": document, "contentChanges": [change]}));
    }

    /// The code actions on a line; by the lightbulb, or the menu where `invoked`. Returns how many there are.
    pub async fn actions(&self, name: &str, line: u32, invoked: bool) -> usize {
        let range = json!({"start": {"line": line, "character": 0}, "end": {"line": line, "character": 0}});
        let context = json!({"diagnostics": [], "triggerKind": if invoked { 1 } else { 2 }});
        let asked = json!({"textDocument": {"uri": self.uri(name)}, "range": range, "context": context});
        bounded(self.peer.request("textDocument/codeAction", asked)).await.unwrap().as_array().map_or(0, Vec::len)
    }

    pub async fn ask(&self, prompt: &str) {
        bounded(self.peer.command("ask", json!({"prompt": prompt}))).await.unwrap();
    }

    /// Takes what the server sends, agreeing to everything, until `look` says so of a notification.
    pub async fn until(&mut self, mut look: impl FnMut(&str, &Value) -> bool) {
        bounded(async {
            loop {
                match self.incoming.recv().await.expect("the server is there") {
                    Incoming::Request { id, .. } => self.peer.respond(id, Ok(Value::Null)),
                    Incoming::Notification { method, params } if look(&method, &params) => return,
                    Incoming::Notification { .. } => {}
                }
            }
        })
        .await;
    }

    /// Waits for a task's closing message and returns it.
    pub async fn closing(&mut self) -> String {
        let mut message = String::new();
        self.until(|method, params| {
            let shown = method == "window/showMessage";
            if shown {
                message = params["message"].as_str().unwrap_or_default().to_owned();
            }
            shown
        })
        .await;
        message
    }

    /// Takes what came so far, agreeing to everything.
    pub fn settle(&mut self) {
        while let Ok(message) = self.incoming.try_recv() {
            if let Incoming::Request { id, .. } = message {
                self.peer.respond(id, Ok(Value::Null));
            }
        }
    }

    /// `shutdown`, `exit`, and the process gone, with its input left open; returns how long that took.
    pub async fn leave(mut self) -> Duration {
        let start = Instant::now();
        bounded(self.peer.request("shutdown", Value::Null)).await.unwrap();
        self.peer.notify("exit", Value::Null);
        let status = bounded(self.child.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0));
        start.elapsed()
    }

    /// Ends a process that speaks no LSP.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// A figure of `/proc/PID/status` in MiB: `VmRSS` now, `VmHWM` at its highest.
    pub fn memory(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        let kib: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap();
        kib / 1024.0
    }
}

pub async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it comes within 20 s")
}

fn uri(path: &Path) -> String {
    reqwest::Url::from_file_path(path).unwrap().to_string()
}

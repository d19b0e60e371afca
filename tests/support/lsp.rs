//! A raw LSP client with a text of its own for every document, and habits that a test can choose: how it answers edits and
//! questions, truthfully or not. Every wait is bounded, and what a test did not expect fails it.

#[path = "lsp/answers.rs"]
mod answers;
#[path = "lsp/edits.rs"]
mod edits;
#[path = "lsp/habits.rs"]
mod habits;
#[path = "lsp/seen.rs"]
mod seen;

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign::{
    server::peer::{Incoming, Peer, Refused},
    text::{Edit, Encoding, Text},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use self::{answers::pump, edits::apply};
pub use self::{
    habits::{Choice, Habit, Known},
    seen::Seen,
};

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

struct State {
    docs: HashMap<String, (i32, Text)>,
    encoding: Encoding,
    habit: Habit,
    choices: VecDeque<(&'static str, Duration, Choice)>,
    /// What every question gets that no choice fits.
    otherwise: Option<Choice>,
    /// Answers to `countersign/query` by kind.
    known: HashMap<String, Known>,
    questions: Vec<String>,
    documents: Vec<String>,
    notifications: Vec<(String, Value)>,
    requests: Vec<(String, Value)>,
    edits: Vec<Value>,
    /// Edits that nothing was done about.
    held: VecDeque<(Value, Value)>,
    /// Questions whose answer is held, with it.
    undecided: Vec<(Value, &'static str)>,
    /// Changes that were made and not told.
    untold: Vec<(&'static str, Value)>,
    unexpected: Vec<String>,
}

/// The client.
pub struct Editor {
    pub peer: Peer,
    pub folder: PathBuf,
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
    child: Option<tokio::process::Child>,
}

/// The server's capabilities answer and our offered ones, by default those of a plain, able client.
pub fn able() -> Value {
    json!({
        "general": {"positionEncodings": ["utf-16"]},
        "workspace": {
            "applyEdit": true,
            "workspaceEdit": {"documentChanges": true, "resourceOperations": ["create", "rename", "delete"]},
            "workspaceFolders": true,
        },
        "window": {"workDoneProgress": true, "showDocument": {"support": true}, "showMessage": {}},
        "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix", "refactor"]}}}},
    })
}

impl Editor {
    /// Starts the binary's `lsp` command in `home` (its XDG folders) with these further arguments and environment.
    pub async fn spawn(home: &Path, folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Editor {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .arg("lsp")
            .args(arguments)
            .env_clear()
            .envs(
                std::env::vars()
                    .filter(|(name, _)| ["PATH", "HOME", "USER", "RUSTUP_HOME", "CARGO_HOME"].contains(&name.as_str())),
            )
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_STATE_HOME", home.join("state"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the countersign binary starts");
        let (peer, incoming) = Peer::connect(child.stdout.take().unwrap(), child.stdin.take().unwrap());
        Editor::over(peer, incoming, folder, Some(child))
    }

    /// A client over streams that are there already.
    pub fn over(
        peer: Peer,
        incoming: tokio::sync::mpsc::UnboundedReceiver<Incoming>,
        folder: &Path,
        child: Option<tokio::process::Child>,
    ) -> Editor {
        let state = Arc::new(Mutex::new(State {
            docs: HashMap::new(),
            encoding: Encoding::Utf16,
            habit: Habit::Honest,
            choices: VecDeque::new(),
            otherwise: None,
            known: HashMap::new(),
            questions: Vec::new(),
            documents: Vec::new(),
            notifications: Vec::new(),
            requests: Vec::new(),
            edits: Vec::new(),
            held: VecDeque::new(),
            undecided: Vec::new(),
            untold: Vec::new(),
            unexpected: Vec::new(),
        }));
        let news = Arc::new(Notify::new());
        tokio::spawn(pump(peer.clone(), incoming, state.clone(), news.clone()));
        Editor { peer, folder: folder.to_owned(), state, news, child }
    }

    /// `initialize` and `initialized` with these capabilities and options.
    pub async fn initialize(&self, capabilities: Value, options: Value) -> Value {
        self.initialize_as("test", capabilities, options).await
    }

    /// The same with this editor's name.
    pub async fn initialize_as(&self, name: &str, capabilities: Value, options: Value) -> Value {
        let folders = json!([{"uri": uri(&self.folder), "name": "w"}]);
        self.initialize_all(name, capabilities, options, folders).await
    }

    /// The same with these workspace folders.
    pub async fn initialize_in(&self, capabilities: Value, options: Value, folders: Value) -> Value {
        self.initialize_all("test", capabilities, options, folders).await
    }

    async fn initialize_all(&self, name: &str, capabilities: Value, options: Value, folders: Value) -> Value {
        let answer = self
            .bounded(self.peer.request(
                "initialize",
                json!({
                    "processId": std::process::id(), "clientInfo": {"name": name, "version": "1"}, "capabilities": capabilities,
                    "initializationOptions": options, "rootUri": uri(&self.folder),
                    "workspaceFolders": folders,
                }),
            ))
            .await
            .unwrap();
        let encoding: Encoding = serde_json::from_value(answer["capabilities"]["positionEncoding"].clone()).unwrap();
        self.state.lock().unwrap().encoding = encoding;
        self.peer.notify("initialized", json!({}));
        answer
    }

    /// Awaits with the bound.
    pub async fn bounded<T>(&self, work: impl Future<Output = T>) -> T {
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(done) => done,
            Err(_) => panic!("nothing came within {PATIENCE:?}; so far: {}", self.account()),
        }
    }

    /// Runs a command and returns its result.
    pub async fn command(&self, name: &str, argument: Value) -> Result<Value, Refused> {
        self.bounded(self.peer.command(name, argument)).await
    }

    /// Waits until `look` finds something in what the server sent.
    pub async fn until<T>(&self, what: &str, mut look: impl FnMut(&Seen) -> Option<T>) -> T {
        let wait = async {
            loop {
                let news = self.news.notified();
                if let Some(found) = look(&self.seen()) {
                    return found;
                }
                news.await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(found) => found,
            Err(_) => panic!("{what}: did not come within {PATIENCE:?}; so far: {}", self.account()),
        }
    }

    /// A copy of everything received so far.
    pub fn seen(&self) -> Seen {
        let state = self.state.lock().unwrap();
        Seen {
            notifications: state.notifications.clone(),
            questions: state.questions.clone(),
            documents: state.documents.clone(),
            edits: state.edits.clone(),
            requests: state.requests.clone(),
        }
    }

    fn account(&self) -> String {
        let state = self.state.lock().unwrap();
        format!(
            "notifications {:#?}\nquestions {:#?}\nrequests {:?}\nunexpected {:?}",
            state.notifications.iter().rev().take(12).collect::<Vec<_>>(),
            state.questions,
            state.requests.iter().map(|(method, _)| method).collect::<Vec<_>>(),
            state.unexpected
        )
    }

    /// How edits are answered from now on.
    pub fn habit(&self, habit: Habit) {
        self.state.lock().unwrap().habit = habit;
    }

    /// The next question whose text holds `part` gets this answer after `delay`.
    pub fn answer(&self, part: &'static str, delay: Duration, choice: Choice) {
        self.state.lock().unwrap().choices.push_back((part, delay, choice));
    }

    /// Every question that no [`Editor::answer`] fits gets this answer at once.
    pub fn answer_all(&self, choice: Choice) {
        self.state.lock().unwrap().otherwise = Some(choice);
    }

    /// Does something about the oldest edit that is held.
    pub fn late(&self, habit: Habit) {
        let (id, params) = self.state.lock().unwrap().held.pop_front().expect("an edit is held");
        apply(&self.peer, id, &params, &self.state, habit);
    }

    /// Gives the answers that are held.
    pub fn release(&self) {
        let undecided = std::mem::take(&mut self.state.lock().unwrap().undecided);
        assert!(!undecided.is_empty(), "an answer is held");
        undecided.into_iter().for_each(|(id, title)| self.peer.respond(id, Ok(json!({"title": title}))));
    }

    /// Tells what was made and not told.
    pub fn tell(&self) {
        let mut state = self.state.lock().unwrap();
        state.untold.drain(..).for_each(|(method, params)| self.peer.notify(method, params));
    }

    /// Answers no to the oldest edit that is held, and still holds it.
    pub fn deny(&self) {
        let (id, _) = self.state.lock().unwrap().held.front().cloned().expect("an edit is held");
        self.peer.respond(id, Ok(json!({"applied": false})));
    }

    /// How `countersign/query` of this kind is answered from now on.
    pub fn knows(&self, kind: &str, known: Known) {
        self.state.lock().unwrap().known.insert(kind.to_owned(), known);
    }

    /// Opens a document with this text.
    pub fn open(&self, path: &str, text: &str) {
        let uri = uri(&self.folder.join(path));
        let mut state = self.state.lock().unwrap();
        state.docs.insert(uri.clone(), (1, Text::new(text)));
        self.peer
            .notify("textDocument/didOpen", json!({"textDocument": {"uri": uri, "languageId": "x", "version": 1, "text": text}}));
    }

    /// The client's text of a document.
    pub fn text(&self, path: &str) -> String {
        let uri = uri(&self.folder.join(path));
        self.state.lock().unwrap().docs.get(&uri).map(|(_, text)| text.to_string()).expect("the document is open")
    }

    /// Types: replaces the first occurrence of `old` by `new`.
    pub fn replace(&self, path: &str, old: &str, new: &str) {
        self.types(path, |text| {
            let at = text.find(old).unwrap_or_else(|| panic!("{old:?} is not in {path}"));
            Edit { range: at..at + old.len(), new: new.to_owned() }
        });
    }

    /// Types an edit in byte offsets.
    pub fn edit(&self, path: &str, edit: Edit) {
        self.types(path, |_| edit);
    }

    /// Types what `choose` makes of the text of that moment. No edit of the server comes in between, and the server hears of
    /// the changes in the order in which they were made: an editor has one thread for both.
    pub fn types(&self, path: &str, choose: impl FnOnce(&str) -> Edit) {
        let uri = uri(&self.folder.join(path));
        let mut state = self.state.lock().unwrap();
        let text = state.docs.get(&uri).expect("the document is open").1.to_string();
        let notification = state.change(&uri, &[choose(&text)]);
        self.peer.notify("textDocument/didChange", notification);
    }

    /// Closes a document.
    pub fn close(&self, path: &str) {
        let uri = uri(&self.folder.join(path));
        let mut state = self.state.lock().unwrap();
        state.docs.remove(&uri);
        self.peer.notify("textDocument/didClose", json!({"textDocument": {"uri": uri}}));
    }

    /// The latest hunks of a proposal as a plain client sees them: the diagnostics of one file.
    pub fn hunks(&self, path: &str) -> Vec<Value> {
        let uri = uri(&self.folder.join(path));
        self.seen().diagnostics(&uri)
    }

    /// The URI of a file in the folder.
    pub fn uri(&self, path: &str) -> String {
        uri(&self.folder.join(path))
    }

    /// Kills the server's process, as a crash of the machine would.
    pub async fn kill(mut self) {
        self.child.take().expect("a process of its own").kill().await.unwrap();
    }

    /// `shutdown`, `exit`; returns the exit code of the process.
    pub async fn quit(mut self) -> Option<i32> {
        self.bounded(self.peer.request("shutdown", Value::Null)).await.unwrap();
        self.peer.notify("exit", Value::Null);
        let unexpected = self.state.lock().unwrap().unexpected.clone();
        assert!(unexpected.is_empty(), "the server asked for things that no test expected: {unexpected:?}");
        match self.child.take() {
            Some(mut child) => tokio::time::timeout(PATIENCE, child.wait()).await.expect("the server leaves").unwrap().code(),
            None => None,
        }
    }
}

fn uri(path: &Path) -> String {
    reqwest::Url::from_file_path(path).expect("an absolute path").to_string()
}

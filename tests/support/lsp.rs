//! A raw LSP client with a text of its own for every document, and habits that a test can choose: how it answers edits and
//! questions, truthfully or not. Every wait is bounded, and what a test did not expect fails it.

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign::{
    server::peer::{Incoming, Peer, Refused},
    text::{Edit, Encoding, Point, Text},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How the client answers `workspace/applyEdit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Applies, tells the change, then answers.
    Honest,
    /// Answers `applied: true` before it tells the change (VS Code).
    AnswersFirst,
    /// Answers `applied: true` and does nothing.
    Liar,
    /// Answers `applied: false` and does nothing.
    Refuses,
    /// Never answers, applies nothing.
    Silent,
    /// Answers an error.
    Fails,
    /// Answers `applied: true` at once and tells the change only after this time.
    Late(Duration),
    /// Answers `applied: true` at once and tells the change at [`Editor::tell`].
    Untold,
    /// Tells the change and answers, both after this time (an editor on a busy machine).
    Slow(Duration),
    /// Applies only the first of the edits and answers `applied: true`.
    Half,
    /// Does nothing before [`Editor::late`].
    Held,
    /// Applies, tells the change, never answers.
    Mute,
    /// Applies the first file and answers that it failed at the second.
    Breaks,
    /// Makes all of it that is not for an older text, and answers nothing: see [`Editor::deny`].
    Unasked,
}

/// How the client answers a question; decided by its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    Title(&'static str),
    /// This title, at [`Editor::release`].
    Held(&'static str),
    Null,
    Error(i64),
    Never,
}

/// How a rich client answers `countersign/query`.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    Tells(Value),
    Error(i64),
    /// Never answers.
    Silent,
}

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

/// What the server sent so far.
#[derive(Clone, Debug)]
pub struct Seen {
    pub notifications: Vec<(String, Value)>,
    pub questions: Vec<String>,
    pub documents: Vec<String>,
    pub edits: Vec<Value>,
    /// Method and parameters of every request of the server.
    pub requests: Vec<(String, Value)>,
}

impl Seen {
    /// The newest diagnostics of a file.
    pub fn diagnostics(&self, uri: &str) -> Vec<Value> {
        self.notifications
            .iter()
            .rev()
            .find(|(method, params)| method == "textDocument/publishDiagnostics" && params["uri"] == uri)
            .and_then(|(_, params)| params["diagnostics"].as_array().cloned())
            .unwrap_or_default()
    }

    /// The messages shown so far.
    pub fn messages(&self) -> Vec<String> {
        self.notifications
            .iter()
            .filter(|(method, _)| method == "window/showMessage")
            .map(|(_, params)| params["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The first notification of this method that fits.
    pub fn find(&self, method: &str, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        self.notifications.iter().find(|(name, params)| name == method && fits(params)).map(|(_, params)| params.clone())
    }
}

impl State {
    /// Applies edits (in the old text's offsets) and makes the didChange for them, last edit first.
    fn change(&mut self, uri: &str, edits: &[Edit]) -> Value {
        let encoding = self.encoding;
        let (version, text) = self.docs.get_mut(uri).expect("the document is open");
        let mut edits = edits.to_vec();
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.range.start));
        *version += 1;
        let mut changes = Vec::new();
        for edit in &edits {
            let (start, end) = (text.point(edit.range.start, encoding), text.point(edit.range.end, encoding));
            changes.push(json!({"range": {"start": start, "end": end}, "text": edit.new}));
            *text = text.edited(edit);
        }
        json!({"textDocument": {"uri": uri, "version": *version}, "contentChanges": changes})
    }
}

async fn pump(
    peer: Peer,
    mut incoming: tokio::sync::mpsc::UnboundedReceiver<Incoming>,
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
) {
    while let Some(message) = incoming.recv().await {
        match message {
            Incoming::Notification { method, params } => state.lock().unwrap().notifications.push((method, params)),
            Incoming::Request { id, method, params } => {
                state.lock().unwrap().requests.push((method.clone(), params.clone()));
                match method.as_str() {
                    "workspace/applyEdit" => {
                        let mut locked = state.lock().unwrap();
                        locked.edits.push(params["edit"].clone());
                        let habit = locked.habit;
                        if habit == Habit::Held {
                            locked.held.push_back((id, params));
                        } else {
                            drop(locked);
                            apply(&peer, id, &params, &state, habit);
                        }
                    }
                    "countersign/save" => save(&peer, id, &params, &state),
                    "window/showMessageRequest" => answer(&peer, id, &params, &state),
                    "window/showDocument" => {
                        state.lock().unwrap().documents.push(params["uri"].as_str().unwrap_or_default().to_owned());
                        peer.respond(id, Ok(json!({"success": true})));
                    }
                    "window/workDoneProgress/create"
                    | "client/registerCapability"
                    | "workspace/codeLens/refresh"
                    | "workspace/textDocumentContent/refresh" => {
                        peer.respond(id, Ok(Value::Null));
                    }
                    "countersign/query" if query(&peer, &id, &params, &state) => {}
                    other => {
                        state.lock().unwrap().unexpected.push(other.to_owned());
                        peer.respond(id, Err(Refused { code: -32601, message: "not here".to_owned() }));
                    }
                }
            }
        }
        news.notify_waiters();
    }
}

fn answer(peer: &Peer, id: Value, params: &Value, state: &Arc<Mutex<State>>) {
    let text = params["message"].as_str().unwrap_or_default().to_owned();
    let mut locked = state.lock().unwrap();
    locked.questions.push(text.clone());
    let chosen = locked.choices.iter().position(|(part, ..)| text.contains(part)).and_then(|at| locked.choices.remove(at));
    let otherwise = locked.otherwise.clone().map(|choice| ("", Duration::ZERO, choice));
    let Some((_, delay, choice)) = chosen.or(otherwise) else {
        locked.unexpected.push(format!("question: {text}"));
        return;
    };
    if let Choice::Held(title) = choice {
        return locked.undecided.push((id, title));
    }
    drop(locked);
    let peer = peer.clone();
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        match choice {
            Choice::Title(title) => peer.respond(id, Ok(json!({"title": title}))),
            Choice::Null => peer.respond(id, Ok(Value::Null)),
            Choice::Error(code) => peer.respond(id, Err(Refused { code, message: "no".to_owned() })),
            Choice::Never | Choice::Held(_) => {}
        }
    });
}

/// Whether the test knows an answer.
fn query(peer: &Peer, id: &Value, params: &Value, state: &Arc<Mutex<State>>) -> bool {
    let known = state.lock().unwrap().known.get(params["kind"].as_str().unwrap_or_default()).cloned();
    match &known {
        Some(Known::Tells(answer)) => peer.respond(id.clone(), Ok(answer.clone())),
        Some(Known::Error(code)) => {
            peer.respond(id.clone(), Err(Refused { code: *code, message: "no such luck".to_owned() }));
        }
        Some(Known::Silent) => {}
        None => return false,
    }
    true
}

fn apply(peer: &Peer, id: Value, params: &Value, state: &Arc<Mutex<State>>, habit: Habit) {
    let mut state = state.lock().unwrap();
    let applied = |applied: bool| Ok(json!({"applied": applied}));
    match habit {
        Habit::Liar => return peer.respond(id, applied(true)),
        Habit::Refuses => return peer.respond(id, applied(false)),
        Habit::Silent | Habit::Held => return,
        Habit::Fails => return peer.respond(id, Err(Refused { code: -32603, message: "cannot".to_owned() })),
        Habit::Honest | Habit::AnswersFirst | Habit::Late(_) | Habit::Slow(_) | Habit::Half => {}
        Habit::Untold | Habit::Mute | Habit::Breaks | Habit::Unasked => {}
    }
    let mut notifications = Vec::new();
    let mut fine = true;
    let most = if habit == Habit::Breaks { 1 } else { usize::MAX };
    for change in params["edit"]["documentChanges"].as_array().into_iter().flatten().take(most) {
        let uri = change["textDocument"]["uri"].as_str().or(change["uri"].as_str()).unwrap_or_default().to_owned();
        let encoding = state.encoding;
        match change["kind"].as_str() {
            // `ignoreIfExists`
            Some("create") if state.docs.contains_key(&uri) => {}
            Some("create") => {
                state.docs.insert(uri.clone(), (0, Text::default()));
                notifications.push((
                    "textDocument/didOpen",
                    json!({"textDocument": {"uri": uri, "languageId": "x", "version": 0, "text": ""}}),
                ));
            }
            Some("delete") => {
                let _ = std::fs::remove_file(reqwest::Url::parse(&uri).unwrap().to_file_path().unwrap());
                if state.docs.remove(&uri).is_some() {
                    notifications.push(("textDocument/didClose", json!({"textDocument": {"uri": uri}})));
                }
            }
            Some("rename") => {
                let side = |name: &str| reqwest::Url::parse(change[name].as_str().unwrap()).unwrap().to_file_path().unwrap();
                let open = state.docs.contains_key(change["oldUri"].as_str().unwrap_or_default());
                fine &= !open && std::fs::rename(side("oldUri"), side("newUri")).is_ok();
            }
            Some(_) => fine = false,
            None => {
                if let (Some((version, _)), Some(wanted)) = (state.docs.get(&uri), change["textDocument"]["version"].as_i64())
                    && i64::from(*version) != wanted
                {
                    if habit == Habit::Unasked {
                        continue;
                    }
                    fine = false;
                    break;
                }
                if !state.docs.contains_key(&uri) {
                    // An editor opens the file, dirty.
                    let path = reqwest::Url::parse(&uri).unwrap().to_file_path().unwrap();
                    let text = std::fs::read_to_string(path).unwrap_or_default();
                    // The byte order mark is the file's, not the text's.
                    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
                    state.docs.insert(uri.clone(), (0, Text::new(&text)));
                    notifications.push((
                        "textDocument/didOpen",
                        json!({"textDocument": {"uri": uri, "languageId": "x", "version": 0, "text": text}}),
                    ));
                }
                let text = state.docs[&uri].1.clone();
                let edits: Vec<Edit> = change["edits"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .take(if habit == Habit::Half { 1 } else { usize::MAX })
                    .map(|edit| {
                        let point = |key: &str| serde_json::from_value::<Point>(edit["range"][key].clone()).unwrap();
                        Edit {
                            range: text.offset(point("start"), encoding)..text.offset(point("end"), encoding),
                            new: edit["newText"].as_str().unwrap().to_owned(),
                        }
                    })
                    .collect();
                notifications.push(("textDocument/didChange", state.change(&uri, &edits)));
            }
        }
    }
    // The lock is held until the changes are told, so that nobody types in between.
    if !fine {
        return peer.respond(id, applied(false));
    }
    if matches!(habit, Habit::AnswersFirst | Habit::Late(_) | Habit::Untold) {
        peer.respond(id.clone(), applied(true));
    }
    if habit == Habit::Untold {
        return state.untold.append(&mut notifications);
    }
    if let Habit::Late(delay) | Habit::Slow(delay) = habit {
        let peer = peer.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            notifications.into_iter().for_each(|(method, params)| peer.notify(method, params));
            if matches!(habit, Habit::Slow(_)) {
                peer.respond(id, Ok(json!({"applied": true})));
            }
        });
        return;
    }
    for (method, params) in notifications {
        peer.notify(method, params);
    }
    match habit {
        Habit::Honest | Habit::Half => peer.respond(id, applied(true)),
        Habit::Breaks => {
            peer.respond(id, Ok(json!({"applied": false, "failedChange": 1, "failureReason": "the disk is full"})));
        }
        _ => {}
    }
}

/// Saves documents as a rich client does.
fn save(peer: &Peer, id: Value, params: &Value, state: &Arc<Mutex<State>>) {
    let state = state.lock().unwrap();
    let (mut saved, mut failed) = (Vec::new(), Vec::new());
    for uri in params["uris"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let path = reqwest::Url::parse(uri).unwrap().to_file_path().unwrap();
        match state.docs.get(uri).map(|(_, text)| std::fs::write(path, text.to_string())) {
            Some(Ok(())) => {
                peer.notify("textDocument/didSave", json!({"textDocument": {"uri": uri}}));
                saved.push(uri);
            }
            Some(Err(error)) => failed.push(json!({"uri": uri, "why": error.to_string()})),
            None => failed.push(json!({"uri": uri, "why": "it is not open"})),
        }
    }
    peer.respond(id, Ok(json!({"saved": saved, "failed": failed})));
}

fn uri(path: &Path) -> String {
    reqwest::Url::from_file_path(path).expect("an absolute path").to_string()
}

//! A bare client at a desk: it opens the menu, takes an entry, and reads and saves the documents that the server opens.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    lsp::{Choice, Editor},
    support::model_double::{KEY, ModelDouble, SPEC},
};

pub const FILE: &str = "a.txt";
pub const TEXT: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";

/// A workspace in git on branch `work` with a bare remote, and a user's folders.
pub struct Desk {
    root: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Desk {
        let desk = Desk { root: tempfile::tempdir().unwrap() };
        for folder in ["w", "home/config/countersign", "home/config/git"] {
            fs::create_dir_all(desk.path(folder)).unwrap();
        }
        fs::write(desk.path("home/config/git/config"), "[user]\n\tname = Test\n\temail = test@example.org\n").unwrap();
        desk.config("[git]\nallow_file_remotes = true\n[approval]\nmin_seconds = 0.0\n");
        fs::write(desk.path("w").join(FILE), TEXT).unwrap();
        desk.git(&["init", "-q", "-b", "work", "."]);
        desk.git(&["add", "."]);
        desk.git(&["commit", "-q", "-m", "first"]);
        assert!(Command::new("git").args(["init", "-q", "--bare"]).arg(desk.path("remote.git")).status().unwrap().success());
        desk.git(&["remote", "add", "origin", desk.path("remote.git").to_str().unwrap()]);
        desk.git(&["push", "-q", "-u", "origin", "work"]);
        desk
    }

    /// The same, and the user trusts the folder.
    pub fn trusted() -> Desk {
        let desk = Desk::new();
        desk.trust();
        desk
    }

    /// The default policy, but every command is asked about.
    pub fn asking() -> Desk {
        let desk = Desk::trusted();
        let policy = include_str!("../../../policies/default.toml").replacen("run = \"allow\"", "run = \"ask\"", 1);
        assert!(policy.contains("run = \"ask\""));
        fs::write(desk.path("home/config/countersign/policy.toml"), policy).unwrap();
        desk
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(below)
    }

    pub fn documents(&self) -> PathBuf {
        self.path("home/state/countersign/documents")
    }

    pub fn config(&self, text: &str) {
        fs::write(self.path("home/config/countersign/config.toml"), text).unwrap();
    }

    /// As the user does in a terminal.
    pub fn trust(&self) {
        let done = self.countersign().args(["trust", "add"]).arg(self.path("w")).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub fn countersign(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        self.user(&mut command);
        command
    }

    pub fn user(&self, command: &mut Command) {
        command.env("HOME", self.path("home")).env("GIT_CONFIG_NOSYSTEM", "1");
        for (name, folder) in [("CONFIG", "config"), ("STATE", "state"), ("CACHE", "cache")] {
            command.env(format!("XDG_{name}_HOME"), self.path("home").join(folder));
        }
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        self.user(&mut command);
        let output = command.args(arguments).current_dir(self.path("w")).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// All journals as one text.
    pub fn journal(&self) -> String {
        let files = fs::read_dir(self.path("home/state/countersign/journal")).unwrap().map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
            .map(|path| fs::read_to_string(path).unwrap())
            .collect()
    }

    /// A client without dialogs, lenses and resource operations. `documents`: whether it opens documents for the server.
    pub async fn bare(&self, double: &ModelDouble, documents: bool) -> Bare {
        self.start(double, documents, "test", &[]).await
    }

    /// The same by the name of an editor.
    pub async fn bare_named(&self, double: &ModelDouble, name: &str) -> Bare {
        self.start(double, true, name, &[]).await
    }

    /// The same with a further environment.
    pub async fn bare_with(&self, double: &ModelDouble, environment: &[(&str, &str)]) -> Bare {
        self.start(double, true, "test", environment).await
    }

    async fn start(&self, double: &ModelDouble, documents: bool, name: &str, more: &[(&str, &str)]) -> Bare {
        let (url, home) = (double.url(), self.path("home"));
        let mut environment = vec![
            ("HOME", home.to_str().unwrap()),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("ANTHROPIC_API_KEY", KEY),
            ("ANTHROPIC_BASE_URL", url.as_str()),
        ];
        environment.extend(more);
        let editor = Editor::spawn(&home, &self.path("w"), &["--model", SPEC], &environment).await;
        let capabilities = json!({
            "general": {"positionEncodings": ["utf-16"]},
            "workspace": {"applyEdit": true, "workspaceEdit": {"documentChanges": true}},
            "window": {"showDocument": {"support": documents}},
        });
        editor.initialize_as(name, capabilities, Value::Null).await;
        editor.answer_all(Choice::Error(-32601));
        editor.open(FILE, TEXT);
        Bare { editor, seen: 0.into(), said: 0.into() }
    }
}

/// The client; all that it does goes through the menu and files.
pub struct Bare {
    pub editor: Editor,
    seen: std::sync::atomic::AtomicUsize,
    said: std::sync::atomic::AtomicUsize,
}

impl Bare {
    /// What the menu has on a line; `extra` goes into the request's context.
    pub async fn menu(&self, line: u32, extra: Value) -> Vec<Value> {
        let range = json!({"start": {"line": line, "character": 0}, "end": {"line": line, "character": 0}});
        self.menu_over(range, extra).await
    }

    pub async fn menu_over(&self, range: Value, extra: Value) -> Vec<Value> {
        self.menu_in(FILE, range, extra).await
    }

    /// What the menu of a file has over a range.
    pub async fn menu_in(&self, file: &str, range: Value, extra: Value) -> Vec<Value> {
        let mut context = json!({"diagnostics": [], "triggerKind": 1});
        context.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
        let request = json!({"textDocument": {"uri": self.editor.uri(file)}, "range": range, "context": context});
        let actions = self.editor.bounded(self.editor.peer.request("textDocument/codeAction", request)).await.unwrap();
        let actions = actions.as_array().unwrap().clone();
        for action in &actions {
            assert!(action["isPreferred"].is_null() && action["edit"].is_null(), "{action}");
            assert!(!action["kind"].as_str().unwrap().starts_with("source"), "{action}");
        }
        actions
    }

    pub async fn titles(&self, line: u32) -> Vec<String> {
        titles(&self.menu(line, json!({})).await)
    }

    /// Takes the entry whose title begins so, once the menu on that line has it; its answer.
    pub async fn choose(&self, line: u32, title: &str) -> Result<Value, String> {
        self.choose_in(FILE, line, title).await
    }

    /// The same in another file.
    pub async fn choose_in(&self, file: &str, line: u32, title: &str) -> Result<Value, String> {
        let range = json!({"start": {"line": line, "character": 0}, "end": {"line": line, "character": 0}});
        let start = std::time::Instant::now();
        let action = loop {
            let menu = self.menu_in(file, range.clone(), json!({})).await;
            if let Some(action) = menu.iter().find(|action| action["title"].as_str().unwrap().starts_with(title)) {
                break action.clone();
            }
            assert!(start.elapsed() < crate::lsp::PATIENCE, "no {title:?} in {:?}", titles(&menu));
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        let command = &action["command"];
        let request = json!({"command": command["command"], "arguments": command["arguments"]});
        let answer = self.editor.bounded(self.editor.peer.request("workspace/executeCommand", request)).await;
        answer.map_err(|error| error.message)
    }

    /// Asks by the menu: writes into the document that it opens, and sends that.
    pub async fn ask(&self, words: &str) {
        self.choose(0, "Ask agent...").await.unwrap();
        send(&self.document().await, words);
    }

    /// The next document that the server opens.
    pub async fn document(&self) -> PathBuf {
        let at = self.seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let uri = self.editor.until("a document", |seen| seen.documents.get(at).cloned()).await;
        reqwest::Url::parse(&uri).unwrap().to_file_path().unwrap()
    }

    /// Waits until words to a running task were taken: its transcript has them then.
    pub async fn is_heard(&self, words: &str) {
        loop {
            let status = self.editor.command("status", serde_json::json!({})).await.unwrap();
            let over = ["ended", "cancelled", "failed"].map(serde_json::Value::from);
            let running = status["tasks"].as_array().unwrap().iter().find(|task| !over.contains(&task["state"])).unwrap();
            self.editor.command("transcript", serde_json::json!({"task": running["task"]})).await.unwrap();
            if read(&self.document().await).contains(&format!("> {words}")) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// The next message that holds these words.
    pub async fn says(&self, words: &str) -> String {
        let from = self.said.load(std::sync::atomic::Ordering::SeqCst);
        let found = |seen: &crate::lsp::Seen| {
            let all = seen.messages().into_iter().enumerate().skip(from);
            all.into_iter().find(|(_, message)| message.contains(words))
        };
        let (at, message) = self.editor.until(words, found).await;
        self.said.store(at + 1, std::sync::atomic::Ordering::SeqCst);
        message
    }

    /// Waits for that many hunks.
    pub async fn hunks(&self, count: usize) -> Vec<Value> {
        let uri = self.editor.uri(FILE);
        self.editor.until("hunks", |seen| Some(seen.diagnostics(&uri)).filter(|all| all.len() == count)).await
    }
}

pub fn titles(actions: &[Value]) -> Vec<String> {
    actions.iter().map(|action| action["title"].as_str().unwrap().to_owned()).collect()
}

/// Writes above the boxes and sends.
pub fn send(path: &Path, words: &str) {
    let text = fs::read_to_string(path).unwrap();
    let (before, _) = text.rsplit_once("[ ] send").unwrap();
    save(path, &format!("{}{words}\n\n{}[x] send\n", &before[..before.find("-->").unwrap() + 4], boxes_of(before)));
}

fn boxes_of(text: &str) -> String {
    text.lines().filter(|line| line.starts_with('[')).map(|line| format!("{line}\n")).collect()
}

/// Ticks a box and saves.
pub fn tick(path: &Path, choice: &str) {
    let text = fs::read_to_string(path).unwrap();
    let open = format!("[ ] {choice}\n");
    assert!(text.contains(&open), "no box {choice:?} in {text}");
    let at = text.rfind(&open).unwrap();
    save(path, &format!("{}[x] {choice}\n{}", &text[..at], &text[at + open.len()..]));
}

/// Saves as many editors do: a new file in the place of the old one.
pub fn save(path: &Path, text: &str) {
    let mode = fs::metadata(path).unwrap().permissions();
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, mode).unwrap();
    fs::rename(new, path).unwrap();
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

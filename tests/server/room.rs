//! A home, a trusted folder and a scripted model, for tests of the review.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::lsp::{Editor, able};

pub struct Room {
    pub home: tempfile::TempDir,
    work: tempfile::TempDir,
}

impl Room {
    /// A trusted folder with these files.
    pub fn with(files: &[(&str, &str)]) -> Room {
        let room = Room::untrusted(files);
        room.trust("add");
        room
    }

    /// The same before anybody trusts it.
    pub fn untrusted(files: &[(&str, &str)]) -> Room {
        let room = Room { home: tempfile::tempdir().unwrap(), work: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            fs::write(room.path(name), text).unwrap();
        }
        room
    }

    /// Trusts the folder as it is now (`add`), or takes that back (`revoke`).
    pub fn trust(&self, what: &str) {
        self.trusts(what, &self.folder());
    }

    /// The same of any folder.
    pub fn trusts(&self, what: &str, folder: &Path) {
        let trust = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["trust", what])
            .arg(folder)
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("XDG_STATE_HOME", self.home.path().join("state"))
            .output()
            .unwrap();
        assert!(trust.status.success());
    }

    /// Takes the trust in the folder back.
    pub fn distrust(&self) {
        self.trust("revoke");
    }

    pub fn folder(&self) -> PathBuf {
        self.work.path().canonicalize().unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub fn state(&self, below: &str) -> PathBuf {
        self.home.path().join("state/countersign").join(below)
    }

    /// A file of the user's settings.
    pub fn config(&self, name: &str, text: &str) {
        let folder = self.home.path().join("config/countersign");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }

    /// The name of a model that gives these answers.
    pub fn script(&self, answers: &[Value]) -> String {
        let path = self.home.path().join(format!("{}.jsonl", uuid::Uuid::now_v7()));
        fs::write(&path, answers.iter().map(|answer| format!("{answer}\n")).collect::<String>()).unwrap();
        format!("script:{}", path.display())
    }

    /// A server that nobody has said anything to, and the pipes to it and from it.
    pub fn server(&self, arguments: &[&str]) -> (Child, ChildStdin, ChildStdout) {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_countersign"))
            .arg("lsp")
            .args(arguments)
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("XDG_STATE_HOME", self.home.path().join("state"))
            .env("XDG_CACHE_HOME", self.home.path().join("cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        (child, to, from)
    }

    /// An initialized client of a server that was told of no model.
    pub async fn modelless(&self) -> Editor {
        let editor = Editor::spawn(self.home.path(), &self.folder(), &[], &[]).await;
        editor.initialize(able(), Value::Null).await;
        editor
    }

    /// An initialized client of a server whose model gives these answers.
    pub async fn editor(&self, answers: &[Value]) -> Editor {
        self.editor_with(answers, Value::Null).await
    }

    /// The same with these initialization options.
    pub async fn editor_with(&self, answers: &[Value], options: Value) -> Editor {
        self.client(answers, able(), options).await.0
    }

    /// The same with these capabilities, and the server's answer to them.
    pub async fn client(&self, answers: &[Value], capabilities: Value, options: Value) -> (Editor, Value) {
        self.named("test", answers, capabilities, options).await
    }

    /// The same of a client with this name.
    pub async fn named(&self, name: &str, answers: &[Value], capabilities: Value, options: Value) -> (Editor, Value) {
        let model = self.script(answers);
        let editor = Editor::spawn(self.home.path(), &self.folder(), &["--model", &model], &[]).await;
        let answer = editor.initialize_as(name, capabilities, options).await;
        (editor, answer)
    }

    /// All lines of the journal.
    pub fn journal(&self) -> Vec<Value> {
        let files = fs::read_dir(self.state("journal")).unwrap().map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
            .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
            .map(|line| serde_json::from_str(&line).unwrap())
            .collect()
    }
}

/// An answer of the model with these tool calls.
pub fn calls(calls: &[(&str, Value)]) -> Value {
    let call = |(at, (name, input)): (usize, &(&str, Value))| json!({"type": "tool_use", "id": format!("c{at}"), "name": name, "input": input});
    json!({"content": calls.iter().enumerate().map(call).collect::<Vec<_>>(), "stop_reason": "tool_use"})
}

/// A call that changes texts of a file.
pub fn edit(path: &str, edits: &[(&str, &str)]) -> (&'static str, Value) {
    let edits: Vec<Value> = edits.iter().map(|(old, new)| json!({"old": old, "new": new})).collect();
    ("edit_file", json!({"path": path, "edits": edits}))
}

pub fn say(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"})
}

/// Asks and waits for the end; the task, and its proposal if a file of it shows one.
pub async fn ask(editor: &Editor, path: &str) -> (Value, Value) {
    let asked = editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    editor
        .until("the end of the task", |seen| seen.messages().into_iter().find(|message| message.starts_with("countersign ")))
        .await;
    let uri = editor.uri(path);
    let shown = editor.until("a hunk", |seen| seen.diagnostics(&uri).first().cloned()).await;
    (asked["task"].clone(), shown["data"]["proposal"].clone())
}

//! A home, folders below one root, and a double of the model.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    lsp::{Editor, able},
    support::model_double::{KEY, ModelDouble, SPEC, Turn},
};

pub struct Lab {
    root: tempfile::TempDir,
    home: tempfile::TempDir,
}

impl Lab {
    /// Files below the root; `api/` and `web/` are the usual folders.
    pub fn with(files: &[(&str, &str)]) -> Lab {
        let lab = Lab { root: tempfile::tempdir().unwrap(), home: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            lab.write(name, text);
        }
        // Tests answer faster than people.
        let config = lab.home.path().join("config");
        fs::create_dir_all(config.join("countersign")).unwrap();
        fs::write(config.join("countersign/config.toml"), "[approval]\nmin_seconds = 0.0\n").unwrap();
        fs::create_dir_all(config.join("git")).unwrap();
        fs::write(config.join("git/config"), "[user]\n\tname = Test\n\temail = test@example.org\n").unwrap();
        lab
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(below)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn trust(&self, folders: &[&str]) {
        for folder in folders {
            self.run(&["trust", "add", self.path(folder).to_str().unwrap()]);
        }
    }

    pub fn run(&self, arguments: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments).env("HOME", self.home.path());
        for (name, folder) in [("CONFIG", "config"), ("STATE", "state"), ("CACHE", "cache")] {
            command.env(format!("XDG_{name}_HOME"), self.home.path().join(folder));
        }
        let done = command.output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// A plain client with these folders open.
    pub async fn editor(&self, double: &ModelDouble, folders: &[&str]) -> Editor {
        self.editor_with(double, folders, able(), Value::Null).await
    }

    /// A rich one that vouches for its folders.
    pub async fn rich(&self, double: &ModelDouble, folders: &[&str]) -> Editor {
        let options = json!({"countersign": {"rich": true, "protocol": 1, "trusted": true}});
        self.editor_with(double, folders, able(), options).await
    }

    pub async fn editor_with(&self, double: &ModelDouble, folders: &[&str], able: Value, options: Value) -> Editor {
        let (url, home) = (double.url(), self.home.path().to_str().unwrap());
        let environment = [("HOME", home), ("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", url.as_str())];
        let root = self.path("");
        let editor = Editor::spawn(Path::new(home), &root, &["--model", SPEC], &environment).await;
        let folders: Vec<Value> = folders.iter().map(|folder| self.folder(folder)).collect();
        editor.initialize_in(able, options, json!(folders)).await;
        editor
    }

    /// A folder as the client names it.
    pub fn folder(&self, name: &str) -> Value {
        let uri = reqwest::Url::from_directory_path(self.path(name)).unwrap();
        json!({"uri": uri.as_str().trim_end_matches('/'), "name": "as the editor likes"})
    }

    /// Tells of folders that came and went.
    pub fn change(&self, editor: &Editor, added: &[&str], removed: &[&str]) {
        let all = |names: &[&str]| names.iter().map(|name| self.folder(name)).collect::<Vec<_>>();
        let event = json!({"added": all(added), "removed": all(removed)});
        editor.peer.notify("workspace/didChangeWorkspaceFolders", json!({"event": event}));
    }

    /// All lines of the journal.
    pub fn journal(&self) -> Vec<Value> {
        let files = fs::read_dir(self.home.path().join("state/countersign/journal")).unwrap().map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
            .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
            .map(|line| serde_json::from_str(&line).unwrap())
            .collect()
    }
}

/// One call, and what its result must hold: `Ok` a word of what it found, `Err` a word of why not.
pub type Case = (&'static str, Value, Result<&'static str, &'static str>);

/// One turn with all calls, and the last word.
pub fn turns(cases: &[Case]) -> Vec<Turn> {
    let each = |turn: Turn, (at, (tool, input, _)): (usize, &Case)| turn.tool(&format!("c{at}"), tool, input.clone());
    vec![cases.iter().enumerate().fold(Turn::new(), each), Turn::say("That was all.")]
}

/// Every call has one result, and it is what the case says. `request` is the one that brings the results.
pub fn judge(double: &ModelDouble, request: usize, cases: &[Case]) {
    let results = double.requests()[request].results();
    assert_eq!(results.len(), cases.len(), "one result a call: {results:#?}");
    for ((tool, input, expected), (_, text, is_error)) in cases.iter().zip(&results) {
        match expected {
            Ok(part) => assert!(!is_error && text.contains(part), "{tool} {input}: {part:?} is not in {text}"),
            Err(part) => assert!(*is_error && text.contains(part), "{tool} {input} should be refused with {part:?}: {text}"),
        }
    }
}

pub fn edit(path: &str, old: &str, new: &str) -> Value {
    json!({"path": path, "edits": [{"old": old, "new": new}]})
}

/// Asks about a file and waits for the closing message.
pub async fn ask(editor: &Editor, about: &str) -> (Value, String) {
    let ended = |message: &String| message.starts_with("countersign ");
    let before = editor.seen().messages().iter().filter(|message| ended(message)).count();
    let asked = editor.command("ask", json!({"prompt": "Go.", "uri": editor.uri(about)})).await.unwrap();
    let said = editor.until("the end of the task", |seen| seen.messages().into_iter().filter(ended).nth(before)).await;
    (asked, said)
}

/// The newest proposals as a rich client sees them, by folder name.
pub fn proposal(editor: &Editor, folder: &str) -> Option<Value> {
    let all = editor.seen().notifications;
    let found = all.iter().rev().find(|(method, params)| method == "countersign/proposal" && params["folder"] == folder);
    found.map(|(_, params)| params.clone())
}

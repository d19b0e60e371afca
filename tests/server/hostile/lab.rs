//! A workspace with a home of its own, a double of the model, and what a test looks at afterwards.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    lsp::{Editor, able},
    support::model_double::{KEY, ModelDouble, SPEC},
};

/// `root/w` is the workspace, `root/home` the user's folders.
pub struct Lab {
    root: tempfile::TempDir,
}

impl Lab {
    pub fn new() -> Lab {
        let lab = Lab { root: tempfile::tempdir().unwrap() };
        for folder in ["w", "outside", "home/config/countersign", "home/config/git"] {
            fs::create_dir_all(lab.path(folder)).unwrap();
        }
        fs::write(lab.path("home/config/git/config"), "[user]\n\tname = Test\n\temail = test@example.org\n").unwrap();
        lab.config("[approval]\nmin_seconds = 0.0\n");
        lab
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(below)
    }

    pub fn file(&self, name: &str, text: &str) {
        let path = self.path("w").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn config(&self, text: &str) {
        fs::write(self.path("home/config/countersign/config.toml"), text).unwrap();
    }

    pub fn trust(&self) {
        let trust = self.countersign().args(["trust", "add"]).arg(self.path("w")).output().unwrap();
        assert!(trust.status.success(), "{}", String::from_utf8_lossy(&trust.stderr));
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(self.path("w"))
            .env("XDG_CONFIG_HOME", self.path("home/config"))
            .env("HOME", self.path("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn countersign(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.env("HOME", self.path("home"));
        for (name, folder) in [("CONFIG", "config"), ("STATE", "state"), ("CACHE", "cache")] {
            command.env(format!("XDG_{name}_HOME"), self.path("home").join(folder));
        }
        command
    }

    /// A client of a server that speaks to the double.
    pub async fn editor(&self, double: &ModelDouble) -> Editor {
        self.editor_with(double, able(), Value::Null).await
    }

    pub async fn editor_with(&self, double: &ModelDouble, capabilities: Value, options: Value) -> Editor {
        let url = double.url();
        let home = self.path("home");
        let environment = [("HOME", home.to_str().unwrap()), ("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", url.as_str())];
        let editor = Editor::spawn(&home, &self.path("w"), &["--model", SPEC], &environment).await;
        editor.initialize(capabilities, options).await;
        editor
    }

    /// All journal files, and whether the chain is whole.
    pub fn journal(&self) -> String {
        let verify = self.countersign().args(["audit", "verify"]).output().unwrap();
        assert!(
            verify.status.success(),
            "{}{}",
            String::from_utf8_lossy(&verify.stdout),
            String::from_utf8_lossy(&verify.stderr)
        );
        let folder = self.path("home/state/countersign/journal");
        let mut text = String::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                text += &fs::read_to_string(path).unwrap();
            }
        }
        text
    }

    /// What stands below a folder: kind, mode and content by path. Links are not followed.
    pub fn picture(&self, below: &str) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        picture(&self.path(below), &mut found);
        found
    }
}

fn picture(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let kind = meta.file_type();
        let what = if kind.is_symlink() {
            format!("link to {}", fs::read_link(&path).unwrap().display())
        } else if kind.is_dir() {
            picture(&path, found);
            "folder".to_owned()
        } else if kind.is_fifo() {
            "fifo".to_owned()
        } else {
            let bytes = fs::read(&path).unwrap();
            let text = if bytes.len() < 4096 { String::from_utf8_lossy(&bytes).into_owned() } else { bytes.len().to_string() };
            format!("{:o} {text}", meta.permissions().mode())
        };
        found.insert(path, what);
    }
}

/// Asks and waits for the closing message.
pub async fn ask(editor: &Editor, prompt: &str) -> (Value, String) {
    let closing = |message: &String| message.starts_with("countersign ");
    let before = editor.seen().messages().iter().filter(|message| closing(message)).count();
    let started = editor.command("ask", json!({"prompt": prompt})).await.unwrap();
    let message = editor.until("the end of the task", |seen| seen.messages().into_iter().filter(closing).nth(before)).await;
    (started, message)
}

/// The hunks of a file as a plain client sees them, once there are `count`.
pub async fn hunks(editor: &Editor, path: &str, count: usize) -> Vec<Value> {
    let uri = editor.uri(path);
    let found = editor.until("hunks", |seen| Some(seen.diagnostics(&uri)).filter(|all| all.len() == count)).await;
    found.into_iter().map(|diagnostic| diagnostic["data"].clone()).collect()
}

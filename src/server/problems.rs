//! What the user has to know about the set-up: broken files, trust, a model that is not set up yet. The server goes on read-only.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower_lsp::{
    jsonrpc,
    lsp_types::{
        Diagnostic, DiagnosticSeverity, FileSystemWatcher, GlobPattern, MessageType, Position, Range, Registration,
        RegistrationParams, Url, request::RegisterCapability,
    },
};

use super::{actor::Actor, commands::failed, display::SOURCE, effective::effective_policy, input::Input, life::trust_question};
use crate::{
    config::{ConfigError, TrustStore, policy_layers},
    event::{Actor as By, Event, Scope},
    seams::{AnswerKind, Journal},
};

/// A broken file, which leaves a folder read-only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    root: PathBuf,
    file: Option<PathBuf>,
    line: Option<usize>,
    pub message: String,
}

impl Problem {
    /// Whether it keeps this folder read-only.
    pub fn is_of(&self, root: &Path) -> bool {
        self.root == root
    }
}

impl ConfigError {
    /// The problem of a folder as the actor takes it.
    pub fn input(&self, root: &Path) -> Input {
        let (file, line, message) = (self.file.clone(), self.line, self.to_string());
        Input::Problem(Problem { root: root.to_owned(), file, line, message })
    }
}

impl Actor {
    /// The client is ready: look at the files that the user may have broken; nothing of it delays a request.
    pub fn on_initialized(&mut self) {
        if let Some(sentence) = &self.client.mismatch {
            self.out.message(MessageType::WARNING, sentence);
        }
        self.look_for_kept();
        let (setup, mailbox) = (self.setup.clone(), self.mailbox.clone());
        let roots: Vec<PathBuf> = self.folders.iter().map(|(_, folder)| folder.canonical.clone()).collect();
        tokio::task::spawn_blocking(move || {
            let store = TrustStore::new(&setup.folders);
            for root in roots {
                let trusted = store.is_trusted(&root).unwrap_or(false);
                // The built-in policy is sound, and is made when the first task needs it.
                let layers = policy_layers(&setup.folders, Some(&root), trusted, setup.policy.as_deref());
                if setup.config.broken().is_none() && layers.is_ok_and(|layers| layers.is_empty()) {
                    continue;
                }
                if let Some(problem) = effective_policy(&setup, &root, trusted).problem {
                    let _ = mailbox.send(problem.input(&root));
                }
            }
        });
        if self.client.watch_files {
            let watcher = FileSystemWatcher { glob_pattern: GlobPattern::String("**/*".to_owned()), kind: None };
            let registration = Registration {
                id: "watch".to_owned(),
                method: "workspace/didChangeWatchedFiles".to_owned(),
                register_options: Some(json!({"watchers": [watcher]})),
            };
            drop(self.out.request::<RegisterCapability>(RegistrationParams { registrations: vec![registration] }));
        }
    }

    /// A broken file: said once while it is so, and shown at its line.
    pub fn on_problem(&mut self, problem: Problem) {
        if self.problems.contains(&problem) {
            return;
        }
        let said = self.problems.iter().any(|known| (&known.file, &known.message) == (&problem.file, &problem.message));
        self.problems.retain(|known| known.root != problem.root);
        self.problems.push(problem.clone());
        let Problem { file, line, message, .. } = problem;
        if !said {
            self.out.message(MessageType::ERROR, &format!("{message}. countersign is read-only until this is mended."));
        }
        if let Some(uri) = file.and_then(|file| Url::from_file_path(file).ok()) {
            let at =
                Position { line: line.map_or(0, |line| u32::try_from(line.saturating_sub(1)).unwrap_or_default()), character: 0 };
            let diagnostic = Diagnostic {
                range: Range { start: at, end: Position { line: at.line + 1, character: 0 } },
                severity: Some(DiagnosticSeverity::ERROR),
                source: Some(SOURCE.to_owned()),
                message,
                ..Default::default()
            };
            self.out.diagnostics(uri, vec![diagnostic], None);
        }
    }

    /// The files of a folder's policy are sound, perhaps again.
    pub fn on_sound(&mut self, root: &Path) {
        let (mended, left) = std::mem::take(&mut self.problems).into_iter().partition(|problem| problem.root == root);
        self.problems = left;
        let mended: Vec<Problem> = mended;
        for file in mended.into_iter().filter_map(|problem| problem.file) {
            let elsewhere = self.problems.iter().any(|problem| problem.file.as_ref() == Some(&file));
            if let Some(uri) = Url::from_file_path(file).ok().filter(|_| !elsewhere) {
                self.out.diagnostics(uri, Vec::new(), None);
            }
        }
    }

    /// The steps to a model, as a document. `wanted`: the user has just asked for it. Unasked, it takes no focus.
    pub fn on_set_up(&mut self, wanted: bool) {
        let text = format!("{}\nThen ask again.\n", super::life::SETUP);
        match self.documents.write_read_only("setup.md", &text) {
            Ok(uri) if self.client.show_document && (wanted || !self.client.steals_focus) => self.out.show_document(uri, wanted),
            Ok(uri) => self.out.message(MessageType::INFO, &format!("How to set up a model: {}", uri.path())),
            Err(_) => self.out.message(MessageType::INFO, "Run `countersign init` in a terminal to set up a model."),
        }
    }

    /// `trustWorkspace {}`: the server's own question about the first folder that is not trusted.
    pub fn on_trust_workspace(&mut self) -> jsonrpc::Result<Value> {
        let setup = self.setup.clone();
        let store = TrustStore::new(&setup.folders);
        let wanted = self
            .folders
            .iter()
            .filter(|(_, folder)| folder.is_open())
            .map(|(_, folder)| folder.canonical.clone())
            .find(|root| !store.is_trusted(root).unwrap_or(false))
            .ok_or_else(|| failed("every open folder is trusted already"))?;
        let timeout = std::time::Duration::from_secs(setup.config.now().approval.timeout_s);
        let (reply, answer) = oneshot::channel();
        let scope = Scope { workspace: Some(wanted.display().to_string()), ..Scope::default() };
        self.on_ask(scope.clone(), trust_question(&wanted, timeout), reply);
        let (journal, mailbox) = (self.journal.clone(), self.mailbox.clone());
        tokio::spawn(async move {
            let Ok(answer) = answer.await else { return };
            if !matches!(answer.kind, AnswerKind::Approved(_)) {
                return;
            }
            match TrustStore::new(&setup.folders).add(&wanted) {
                Ok(_) => {
                    let event = Event::TrustChanged { folder: wanted.display().to_string(), trusted: true, by: answer.by };
                    journal.append(By::Human, &scope, event);
                    let _ = mailbox.send(Input::LookForKept);
                }
                Err(error) => tracing::error!(%error, "trust cannot be stored"),
            }
        });
        Ok(Value::Null)
    }
}

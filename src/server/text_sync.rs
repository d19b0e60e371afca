//! The editor's texts, as they change. Every change moves the pending hunks along at once; what is shown of them follows a
//! moment later.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

use tower_lsp::lsp_types::{
    DidChangeTextDocumentParams, DidChangeWatchedFilesParams, DidChangeWorkspaceFoldersParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DidSaveTextDocumentParams,
};

use super::{actor::Actor, input::Input, point, task::Task};
use crate::{
    event::{Actor as By, Event, Scope, TaskId},
    path::WsPath,
    text::Text,
    workspace::{
        self,
        desk::{Beneath, Buffer, Desk, DeskEvent, DocChange, What},
    },
};

impl Actor {
    /// `didOpen`. Where folders nest, each of them that holds the file follows its text.
    pub fn on_opened(&mut self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        let text = Text::new(document.text.strip_prefix('\u{feff}').unwrap_or(&document.text));
        for (index, path) in self.folders.find_all(&document.uri) {
            self.read_again(index, path.clone());
            let landed = self.review.late.len();
            if let Some(folder) = self.folders.get_mut(index) {
                folder.desk.open(&path, document.version, text.clone());
            }
            self.after_text(index);
            self.on_stirred(index, &path, None, landed);
        }
        self.show_opened(&document.uri);
    }

    /// `didChange`
    pub fn on_changed(&mut self, params: DidChangeTextDocumentParams) {
        let changes: Vec<DocChange> = params
            .content_changes
            .into_iter()
            .map(|change| DocChange {
                // Some clients tell a backward selection as they made it.
                range: change.range.map(|range| (point(range.start.min(range.end)), point(range.start.max(range.end)))),
                text: change.text,
            })
            .collect();
        for (index, path) in self.folders.find_all(&params.text_document.uri) {
            self.change_in(index, &path, params.text_document.version, &changes);
        }
    }

    fn change_in(&mut self, index: usize, path: &WsPath, version: i32, changes: &[DocChange]) {
        let Some(folder) = self.folders.get_mut(index) else { return };
        let marks = changes.iter().any(|change| change.text.contains("agent:")) || folder_has_marks(changes);
        let unsaved = folder.desk.buffer(path).is_some_and(Buffer::unsaved);
        let before = folder.desk.buffer(path).map(|buffer| buffer.text.clone()).unwrap_or_default();
        let landed = self.review.late.len();
        if let Err(error) = folder.desk.change(path, version, changes, self.client.encoding) {
            tracing::warn!(%error, "a change of a document cannot be applied");
            return;
        }
        let by_user = !self.review.is_busy() && !self.review.awaits(index, path) && !folder.desk.has_just_landed(path);
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).changed(index, path, changes, by_user);
        if marks && by_user {
            self.remember_typed(index, path, &before, changes);
        }
        self.after_text(index);
        self.on_stirred(index, path, Some(unsaved), landed);
    }

    /// `didSave`
    pub fn on_saved(&mut self, params: DidSaveTextDocumentParams) {
        if self.documents.own(&params.text_document.uri) {
            self.on_own_saved(&params.text_document.uri);
        }
        for (index, path) in self.folders.find_all(&params.text_document.uri) {
            if let Some(folder) = self.folders.get_mut(index) {
                folder.desk.saved(&path);
            }
        }
    }

    /// `didClose`: from now on the file is what the disk says.
    pub fn on_closed(&mut self, params: DidCloseTextDocumentParams) {
        for (index, path) in self.folders.find_all(&params.text_document.uri) {
            if let Some(folder) = self.folders.get_mut(index) {
                folder.desk.close(&path);
            }
            self.recent.lock().unwrap_or_else(PoisonError::into_inner).closed(index, &path);
            self.typed.retain(|(folder, typed, _)| (*folder, typed) != (index, &path));
            self.read_again(index, path);
            self.after_text(index);
        }
    }

    /// `didChangeWorkspaceFolders`. A task that edits in a folder that goes away is stopped; what it proposed stays.
    pub fn on_folders(&mut self, params: DidChangeWorkspaceFoldersParams) {
        let mut gone = Vec::new();
        for folder in params.event.removed {
            gone.extend(self.folders.remove(&folder.uri));
        }
        for folder in params.event.added {
            self.folders.add(&folder.uri);
        }
        gone.retain(|index| self.folders.get(*index).is_some_and(|folder| !folder.is_open()));
        let working = |task: &Task| !task.state.is_over() && gone.contains(&task.folder);
        let tasks: Vec<TaskId> = self.tasks.values().filter(|task| working(task)).map(|task| task.id.clone()).collect();
        tasks.iter().for_each(|task| self.stop(Some(task)));
        self.look_for_kept();
    }

    /// `didChangeWatchedFiles`
    pub fn on_watched(&mut self, params: DidChangeWatchedFilesParams) {
        // Whatever the editor says happened, the disk is asked: a file may be back, or be a folder now.
        let mut again: BTreeMap<usize, BTreeSet<WsPath>> = BTreeMap::new();
        for change in params.changes {
            for (index, path) in self.folders.find_all(&change.uri) {
                if let Some(folder) = self.folders.get_mut(index) {
                    again.entry(index).or_default().extend(folder.desk.touched(&path));
                }
            }
        }
        for (index, paths) in again {
            self.read_all_again(index, paths.into_iter().collect());
        }
    }

    /// Reads what the disk holds for a file that is open or has hunks.
    pub fn read_again(&self, index: usize, path: WsPath) {
        self.read_all_again(index, vec![path]);
    }

    fn read_all_again(&self, index: usize, paths: Vec<WsPath>) {
        if paths.is_empty() {
            return;
        }
        let Some(folder) = self.folders.get(index) else { return };
        let (root, mailbox) = (folder.canonical.clone(), self.mailbox.clone());
        tokio::task::spawn_blocking(move || {
            let folder = workspace::Folder::open(&root).ok();
            for path in paths {
                let now = folder.as_ref().and_then(|folder| workspace::beneath(folder, &path));
                let _ = mailbox.send(Input::OnDisk { folder: index, path, now });
            }
        });
    }

    /// A file that is not open has this text on the disk.
    pub fn on_disk(&mut self, index: usize, path: WsPath, now: Option<Beneath>) {
        if let Some(folder) = self.folders.get_mut(index) {
            folder.desk.disk_changed(&path, now);
        }
        let landed = self.review.late.len();
        self.after_text(index);
        self.on_stirred(index, &path, None, landed);
    }

    /// A task's look at, or change of, its folder's desk.
    pub fn on_desk(&mut self, index: usize, op: Box<dyn FnOnce(&mut Desk) + Send>) {
        if let Some(folder) = self.folders.get_mut(index) {
            op(&mut folder.desk);
        }
        self.after_text(index);
    }

    /// Records what happened on a desk and shows it soon.
    pub fn after_text(&mut self, index: usize) {
        let Some(folder) = self.folders.get_mut(index) else { return };
        let events = folder.desk.take_events();
        if events.is_empty() {
            return;
        }
        for event in events {
            self.note_story(index, &event);
            if let What::Accepted { hunk, .. } = &event.what {
                self.note_landed(index, &event.proposal, hunk, &event.path);
            }
            self.record_desk(index, event);
        }
        self.check_landed();
        self.schedule_refresh();
        self.schedule_keeping();
    }

    fn record_desk(&self, index: usize, event: DeskEvent) {
        // The paths are those of the folder that the hunk lies in, which need not be the task's own.
        let workspace = self.folders.get(index).map(|folder| folder.canonical.display().to_string());
        let scope = Scope { workspace, ..self.scope(&event.task) };
        let (proposal, path) = (event.proposal, event.path.as_str().to_owned());
        match event.what {
            What::Accepted { hunk, old, new, .. } => {
                self.record(By::Human, &scope, Event::HunkAccepted { proposal, hunk, path, old, new });
            }
            What::Rejected { hunk, reason } => {
                self.record(By::Human, &scope, Event::HunkRejected { proposal, hunk, path, reason })
            }
            What::Stale { hunk, why } => {
                self.record(By::Server, &scope, Event::HunkStale { proposal, hunk, path, why: why.to_string() });
            }
            What::Revived { .. } | What::Moved => {}
        }
    }

    /// Remembers the lines with `agent:` that the user typed: only those count as the user's own words.
    fn remember_typed(&mut self, index: usize, path: &WsPath, before: &Text, changes: &[DocChange]) {
        let Some(buffer) = self.folders.get(index).and_then(|folder| folder.desk.buffer(path)) else { return };
        for change in changes {
            let Some((start, _)) = change.range else { continue };
            for line in start.line as usize..=start.line as usize + change.text.matches('\n').count() {
                let text = buffer.text.slice(buffer.text.line_start(line)..buffer.text.line_start(line + 1));
                // A line that stood there before was moved, not typed.
                let stood = || before.to_string().lines().any(|line| line.trim() == text.trim());
                if text.contains("agent:") && !self.has_typed(index, path, &text) && !stood() {
                    self.typed.push((index, path.clone(), text.trim().to_owned()));
                }
            }
        }
    }

    /// Whether the user typed this line in this session.
    pub fn has_typed(&self, index: usize, path: &WsPath, line: &str) -> bool {
        let line = line.trim();
        self.typed.iter().any(|(folder, typed, text)| *folder == index && typed == path && text == line)
    }
}

/// Small edits may complete an `agent:` comment letter by letter.
fn folder_has_marks(changes: &[DocChange]) -> bool {
    changes.iter().any(|change| change.text.len() <= 80)
}

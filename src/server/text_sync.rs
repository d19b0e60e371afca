//! The editor's texts, as they change. Every change moves the pending hunks along at once; what is shown of them follows a
//! moment later.

use std::sync::PoisonError;

use tower_lsp::lsp_types::{
    DidChangeTextDocumentParams, DidChangeWatchedFilesParams, DidChangeWorkspaceFoldersParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DidSaveTextDocumentParams, FileChangeType, Url,
};

use super::{actor::Actor, input::Input, point};
use crate::{
    event::{Actor as By, Event},
    path::WsPath,
    seams::FileKind,
    text::Text,
    workspace::{
        self,
        desk::{Beneath, Desk, DeskEvent, DocChange, What},
    },
};

impl Actor {
    /// `didOpen`
    pub fn on_opened(&mut self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        let Some((index, path)) = self.folders.find(&document.uri) else { return };
        let text = Text::new(document.text.strip_prefix('\u{feff}').unwrap_or(&document.text));
        self.read_again(index, path.clone());
        if let Some(folder) = self.folders.get_mut(index) {
            folder.desk.open(&path, document.version, text);
        }
        self.after_text(index);
    }

    /// `didChange`
    pub fn on_changed(&mut self, params: DidChangeTextDocumentParams) {
        let Some((index, path)) = self.folders.find(&params.text_document.uri) else { return };
        let changes: Vec<DocChange> = params
            .content_changes
            .into_iter()
            .map(|change| DocChange {
                // Some clients tell a backward selection as they made it.
                range: change.range.map(|range| (point(range.start.min(range.end)), point(range.start.max(range.end)))),
                text: change.text,
            })
            .collect();
        let Some(folder) = self.folders.get_mut(index) else { return };
        let marks = changes.iter().any(|change| change.text.contains("agent:")) || folder_has_marks(&changes);
        let before = folder.desk.buffer(&path).map(|buffer| buffer.text.clone()).unwrap_or_default();
        if let Err(error) = folder.desk.change(&path, params.text_document.version, &changes, self.client.encoding) {
            tracing::warn!(%error, "a change of a document cannot be applied");
            return;
        }
        let by_user = !self.review.is_busy();
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).changed(index, &path, &changes, by_user);
        if marks && !self.review.is_busy() {
            self.remember_typed(index, &path, &before, &changes);
        }
        self.after_text(index);
    }

    /// `didSave`
    pub fn on_saved(&mut self, params: DidSaveTextDocumentParams) {
        let Some((index, path)) = self.folders.find(&params.text_document.uri) else { return };
        if let Some(folder) = self.folders.get_mut(index) {
            folder.desk.saved(&path);
        }
    }

    /// `didClose`: from now on the file is what the disk says.
    pub fn on_closed(&mut self, params: DidCloseTextDocumentParams) {
        let Some((index, path)) = self.folders.find(&params.text_document.uri) else { return };
        if let Some(folder) = self.folders.get_mut(index) {
            folder.desk.close(&path);
        }
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).closed(index, &path);
        self.typed.retain(|(folder, typed, _)| (*folder, typed) != (index, &path));
        self.read_again(index, path);
        self.after_text(index);
    }

    /// `didChangeWorkspaceFolders`
    pub fn on_folders(&mut self, params: DidChangeWorkspaceFoldersParams) {
        for folder in params.event.removed {
            self.folders.remove(&folder.uri);
        }
        for folder in params.event.added {
            self.folders.add(&folder.uri);
        }
        self.look_for_kept();
    }

    /// `didChangeWatchedFiles`
    pub fn on_watched(&mut self, params: DidChangeWatchedFilesParams) {
        for change in params.changes {
            self.changed_on_disk(&change.uri, change.typ == FileChangeType::DELETED);
        }
    }

    fn changed_on_disk(&mut self, uri: &Url, deleted: bool) {
        let Some((index, path)) = self.folders.find(uri) else { return };
        if deleted { self.on_disk(index, path, None) } else { self.read_again(index, path) }
    }

    /// Reads what the disk holds for a file that is open or has hunks.
    pub fn read_again(&self, index: usize, path: WsPath) {
        let Some(folder) = self.folders.get(index) else { return };
        let (root, mailbox) = (folder.canonical.clone(), self.mailbox.clone());
        tokio::task::spawn_blocking(move || {
            let now = workspace::Folder::open(&root).ok().and_then(|folder| beneath(&folder, &path));
            let _ = mailbox.send(Input::OnDisk { folder: index, path, now });
        });
    }

    /// A file that is not open has this text on the disk.
    pub fn on_disk(&mut self, index: usize, path: WsPath, now: Option<Beneath>) {
        if let Some(folder) = self.folders.get_mut(index) {
            folder.desk.disk_changed(&path, now);
        }
        self.after_text(index);
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
            self.record_desk(event);
        }
        self.check_landed();
        self.schedule_refresh();
        self.schedule_keeping();
    }

    fn record_desk(&self, event: DeskEvent) {
        let scope = self.scope(&event.task);
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

/// What the disk holds at a path; `None` when there is no file, or none that is text.
pub fn beneath(folder: &workspace::Folder, path: &WsPath) -> Option<Beneath> {
    let decoded = folder.read(path).ok()?.decode();
    (decoded.kind == FileKind::Text).then_some(Beneath { text: decoded.text, bom: decoded.bom })
}

/// Small edits may complete an `agent:` comment letter by letter.
fn folder_has_marks(changes: &[DocChange]) -> bool {
    changes.iter().any(|change| change.text.len() <= 80)
}

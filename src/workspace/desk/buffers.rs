//! What the editor and the disk say, and how proposals follow.

use super::{Beneath, Desk, DeskError, What};
use crate::{
    event::ProposalId,
    path::WsPath,
    proposal::{Blob, FileOp, FileProposal, Happened, HunkKind, Step, Why},
    text::{self, Edit, Encoding, Point, Text},
};

/// An open document.
#[derive(Clone, Debug)]
pub struct Buffer {
    pub version: i32,
    pub text: Text,
    /// What the disk holds, as far as it was told.
    pub(super) disk: Option<Text>,
    /// Edited since it was opened or saved.
    pub(super) touched: bool,
    /// Whether the file on disk begins with a byte order mark.
    pub(super) bom: Option<bool>,
}

impl Buffer {
    /// Whether the disk is known or believed to hold something else.
    pub fn unsaved(&self) -> bool {
        self.disk.as_ref().map_or(self.touched, |disk| *disk != self.text)
    }

    /// Whether the disk is known to hold the same.
    pub fn is_on_disk(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| *disk == self.text)
    }
}

/// One change of a document as LSP writes it; without a range it is the whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocChange {
    pub range: Option<(Point, Point)>,
    pub text: String,
}

impl Desk {
    /// The open document of this path.
    pub fn buffer(&self, path: &WsPath) -> Option<&Buffer> {
        self.buffers.get(path)
    }

    /// All open documents.
    pub fn buffers(&self) -> impl Iterator<Item = (&WsPath, &Buffer)> {
        self.buffers.iter()
    }

    /// Whether the document is what its last accepted hunk left, and nothing besides.
    pub fn is_as_landed(&self, path: &WsPath) -> bool {
        let all = self.proposals.values();
        let mut last = all.filter_map(|proposal| proposal.accepted.iter().rfind(|record| record.path == *path));
        self.buffers.get(path).is_some_and(|buffer| last.any(|record| record.after == buffer.text))
    }

    /// Whether the last change of this document, whose events nobody has taken yet, was the agent's.
    pub fn has_just_landed(&self, path: &WsPath) -> bool {
        self.events.iter().any(|event| event.path == *path && matches!(event.what, What::Accepted { .. }))
    }

    /// A document was opened (again). Say what the disk holds by [`Desk::disk_changed`] when it is known.
    pub fn open(&mut self, path: &WsPath, version: i32, text: Text) {
        self.revision += 1;
        self.replace(path, Some(&text), true);
        self.block_moves(path);
        self.buffers.insert(path.clone(), Buffer { version, text, disk: None, touched: false, bom: None });
        self.compare_checked(path, None, None);
    }

    /// A document that another folder around the same file knows already.
    pub fn adopt(&mut self, path: &WsPath, buffer: &Buffer) {
        self.open(path, buffer.version, buffer.text.clone());
        self.buffers.insert(path.clone(), buffer.clone());
    }

    /// A document changed by these changes, one after the other. Nothing changes on error.
    ///
    /// # Errors
    /// [`DeskError::NotOpen`], or [`DeskError::BadRange`] for a range that ends before it begins.
    pub fn change(&mut self, path: &WsPath, version: i32, changes: &[DocChange], encoding: Encoding) -> Result<(), DeskError> {
        let Some(buffer) = self.buffers.get_mut(path) else { return Err(DeskError::NotOpen(path.clone())) };
        if changes.iter().any(|change| change.range.is_some_and(|(start, end)| end < start)) {
            return Err(DeskError::BadRange(path.clone()));
        }
        let before = buffer.text.clone();
        let mut text = before.clone();
        let edits: Vec<(Edit, Text)> = changes
            .iter()
            .map(|change| {
                let range = match change.range {
                    Some((start, end)) => text.offset(start, encoding)..text.offset(end, encoding),
                    None => 0..text.len(),
                };
                let edit = Edit { range, new: change.text.clone() };
                text = text.edited(&edit);
                (edit, text.clone())
            })
            .collect();
        buffer.version = version;
        buffer.text = text;
        buffer.touched = true;
        self.revision += 1;
        self.follow(path, before.clone(), edits);
        self.compare_checked(path, Some(Some(&before)), None);
        Ok(())
    }

    /// A document was saved: the disk holds its text now.
    pub fn saved(&mut self, path: &WsPath) {
        if let Some(buffer) = self.buffers.get_mut(path) {
            buffer.touched = false;
            buffer.disk = Some(buffer.text.clone());
            self.revision += 1;
        }
    }

    /// A document was closed. What it held without saving is gone: tell what the disk holds by [`Desk::disk_changed`].
    pub fn close(&mut self, path: &WsPath) {
        if let Some(buffer) = self.buffers.remove(path) {
            self.note_closed(path, &buffer.text);
            self.provenance.close(path, &buffer.text);
        }
        self.revision += 1;
    }

    /// Something happened on disk at `path`, nobody knows what: the files there whose text matters here. With a folder they
    /// are those in it.
    pub fn touched(&mut self, path: &WsPath) -> Vec<WsPath> {
        self.revision += 1;
        let hunks = self.proposals.values().flat_map(|proposal| proposal.files.iter());
        let hunks = hunks.flat_map(|(path, file)| {
            let target = if let FileOp::Move { to } = &file.op { Some(to) } else { None };
            target.into_iter().chain([path])
        });
        let read = self.watches.values().flat_map(|watch| watch.paths());
        let known: std::collections::BTreeSet<&WsPath> = self.buffers.keys().chain(hunks).chain(read).collect();
        known.into_iter().filter(|known| known.is_within(path)).cloned().collect()
    }

    /// What the disk holds at `path`; `None` when there is no file. Hunks over a file that is not open follow.
    pub fn disk_changed(&mut self, path: &WsPath, now: Option<Beneath>) {
        self.revision += 1;
        for proposal in self.proposals.values_mut() {
            if let (Some(file), Some(now)) = (proposal.files.get_mut(path), &now) {
                file.bom = Some(now.bom);
            }
        }
        let executable = now.as_ref().and_then(|now| now.executable);
        if let Some(buffer) = self.buffers.get_mut(path) {
            let text = now.filter(|now| now.blob.is_none());
            buffer.touched |= text.is_none();
            buffer.bom = text.as_ref().map(|now| now.bom);
            let on_disk = text.map(|now| now.text);
            buffer.disk.clone_from(&on_disk);
            self.compare_checked(path, Some(on_disk.as_ref()), None);
            self.follow_mode(path, executable);
            return;
        }
        match now.as_ref().and_then(|now| now.blob.as_ref()) {
            Some(blob) => self.replace_bytes(path, blob),
            None => self.replace(path, now.as_ref().map(|now| &now.text), false),
        }
        self.compare_checked(path, None, Some(now.as_ref().map(|now| &now.text)));
        self.follow_mode(path, executable);
        if now.is_some() {
            self.block_moves(path);
        }
    }

    /// The disk holds a file there that is not text.
    fn replace_bytes(&mut self, path: &WsPath, blob: &Blob) {
        self.provenance.replace(path, None, None);
        for id in self.over(path) {
            let Some(file) = self.file_mut(&id, path).filter(|file| !file.exists || file.blob.as_ref() != Some(blob)) else {
                continue;
            };
            let mut happened = Vec::new();
            file.appear_bytes(blob, &mut happened);
            self.book(&id, path, happened);
        }
        self.note_whole(path, None, Some(&Text::default()), false);
    }

    /// The mode that the disk's file has; `None` when there is none, or it was not looked at.
    fn follow_mode(&mut self, path: &WsPath, executable: Option<bool>) {
        let Some(executable) = executable else { return };
        for id in self.over(path) {
            let Some(file) = self.file_mut(&id, path).filter(|file| file.executable != Some(executable)) else { continue };
            let mut happened = Vec::new();
            file.follow_mode(executable, &mut happened);
            if !happened.is_empty() {
                self.book(&id, path, happened);
            }
        }
        self.compare_checked_mode(path, Some(executable));
    }

    /// The typing path: moves every proposal over `path` along the editor's edits.
    fn follow(&mut self, path: &WsPath, before: Text, edits: Vec<(Edit, Text)>) {
        let over = self.over(path);
        if over.is_empty() && !self.is_watched(path) && !self.provenance.follows(path) {
            return;
        }
        let file = |id: &ProposalId| &self.proposals[id].files[path];
        let first = |which: fn(&FileProposal) -> bool| over.iter().find(|id| which(file(id)));
        let applying = first(FileProposal::is_applying).or(first(FileProposal::is_on_its_way));
        let applying = applying.or(first(FileProposal::awaits)).cloned();
        let whole = applying.as_ref().filter(|_| edits.len() > 1).zip(edits.last());
        if let Some(steps) = whole.and_then(|(id, (_, after))| self.proposals[id].files.get(path)?.landed_exactly(after)) {
            self.walk(path, &over, applying.as_ref(), &before, &steps);
            return;
        }
        let mut text = before;
        for (edit, after) in edits {
            let waiting = applying.as_ref().and_then(|id| self.proposals.get(id)?.files.get(path)).filter(|file| file.awaits());
            let steps = match waiting {
                Some(file) => file.landed_in(&edit, &after),
                None => Step::plain(&text, text::refine(&text, edit)),
            };
            self.walk(path, &over, applying.as_ref(), &text, &steps);
            text = after;
        }
    }

    fn walk(&mut self, path: &WsPath, over: &[ProposalId], applying: Option<&ProposalId>, before: &Text, steps: &[Step]) {
        let mut happened: Vec<Vec<Happened>> = vec![Vec::new(); over.len()];
        let mut before = before;
        for step in steps {
            self.provenance.step(path, before, &step.edit, &step.after);
            before = &step.after;
            let expected = applying.and_then(|id| self.proposals.get(id)?.files.get(path)).is_some_and(|file| file.expects(step));
            self.note(path, &step.edit, applying.filter(|_| expected));
            for (id, happened) in over.iter().zip(&mut happened) {
                let Some(file) = self.file_mut(id, path) else { continue };
                let known = happened.len();
                if applying == Some(id) {
                    file.step(step, happened);
                } else {
                    file.step(&Step { landed: None, ..step.clone() }, happened);
                }
                self.remember_origins(id, path, &happened[known..], &step.after);
            }
        }
        for (id, happened) in over.iter().zip(happened) {
            self.book(id, path, happened);
        }
    }

    /// The text beneath is another one as a whole: opened again, or changed on disk.
    fn replace(&mut self, path: &WsPath, now: Option<&Text>, quiet: bool) {
        let mut before = self.buffers.get(path).map(|buffer| Some(buffer.text.clone()));
        self.provenance.replace(path, before.as_ref().and_then(Option::as_ref), now);
        for id in self.over(path) {
            let Some(file) = self.file_mut(&id, path) else { continue };
            let known = file.exists.then(|| file.base.clone());
            let mut happened = Vec::new();
            match now {
                _ if known.as_ref() == now && file.blob.is_none() => {}
                Some(text) => file.appear(text, &mut happened),
                None => file.vanish(&mut happened),
            }
            if let Some(now) = now {
                self.remember_origins(&id, path, &happened, now);
            }
            let landed = happened.iter().rev().find_map(after_landing);
            before = landed.or(before).or(Some(known.clone()));
            if known.as_ref() != now || !happened.is_empty() {
                self.book(&id, path, happened);
            }
        }
        self.note_whole(path, before, now, quiet);
    }

    /// Something stands where proposals wanted to move a file to.
    fn block_moves(&mut self, path: &WsPath) {
        let blocked = |file: &FileProposal| {
            let pending = file.live().any(|hunk| hunk.kind == HunkKind::Move && !hunk.is_on_its_way());
            pending && file.op == FileOp::Move { to: path.clone() }
        };
        let found: Vec<_> = self
            .proposals
            .values()
            .flat_map(|proposal| proposal.files.iter().map(move |(from, file)| (&proposal.id, from, file)))
            .filter(|(_, _, file)| blocked(file))
            .map(|(id, from, _)| (id.clone(), from.clone()))
            .collect();
        for (id, from) in found {
            let Some(file) = self.file_mut(&id, &from) else { continue };
            let mut happened = Vec::new();
            file.block_move(Why::Exists, &mut happened);
            self.book(&id, &from, happened);
        }
    }
}

/// The text that a landing left, to be told apart from what the user did besides; nothing after a deletion.
fn after_landing(happened: &Happened) -> Option<Option<Text>> {
    let Happened::Landed(landed) = happened else { return None };
    Some((landed.hunk.kind != HunkKind::Delete).then(|| landed.after.clone()))
}

//! What the server does itself on the disk when the user accepts it: the operations that the client lacks (create, rename,
//! delete), those that LSP does not have (a file's mode), and those on files that are no text, of which an editor could not
//! check what it takes away. Each is done beneath the folder's handle and only where the disk holds what the proposal showed.

use std::{path::PathBuf, sync::Arc};

use serde_json::{Value, json};

use super::{
    caps::Client,
    folders::Folder,
    observing::{Observed, look},
};
use crate::{
    event::{HunkId, ProposalId},
    path::WsPath,
    proposal::{Blob, FileOp, FileProposal, Hunk, HunkKind, PlannedFile},
    seams::WorkspaceError,
    text::Text,
    workspace::{self, desk::Plan},
};

/// Who does a hunk, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The server, before the editor edits texts.
    First,
    /// The editor.
    Editor,
    /// The server, when the editor is done: the mode of a file that it may just have made.
    Last,
}

/// Which part of an acceptance a hunk is of. Decided hunks are the editor's: its plan says why they are refused.
pub fn part(folder: &Folder, proposal: &ProposalId, hunk: &HunkId, client: &Client) -> Part {
    let Ok((path, file, hunk)) = folder.desk.hunk(proposal, hunk) else { return Part::Editor };
    let able = |ability: bool| if ability && client.document_changes && client.apply_edit { Part::Editor } else { Part::First };
    match hunk.kind {
        HunkKind::Lines => Part::Editor,
        HunkKind::Mode => Part::Last,
        _ if file.blob.is_some() || file.bytes.is_some() => Part::First,
        // An open document takes the text.
        HunkKind::Create if file.exists => Part::Editor,
        // It is shown for a file that is gone.
        HunkKind::Create if folder.desk.buffer(path).is_some() => Part::First,
        HunkKind::Create => able(client.create),
        HunkKind::Delete => able(client.delete),
        HunkKind::Move => able(client.rename),
    }
}

/// Where the editor moves files to that makes no folders for them.
pub fn unprepared(folder: &Folder, proposal: &ProposalId, hunks: &[HunkId], client: &Client) -> Vec<WsPath> {
    let target = |id: &HunkId| {
        let (_, file, hunk) = folder.desk.hunk(proposal, id).ok()?;
        let FileOp::Move { to } = &file.op else { return None };
        (hunk.kind == HunkKind::Move && part(folder, proposal, id, client) == Part::Editor).then(|| to.clone())
    };
    if client.makes_folders { Vec::new() } else { hunks.iter().filter_map(target).collect() }
}

/// Makes the folders that these files need. What cannot be made is seen when the editor cannot move the file.
pub async fn prepare(root: PathBuf, files: Vec<WsPath>) {
    let make = move || {
        let Ok(folder) = workspace::Folder::open(&root) else { return };
        for file in files {
            if let Err(error) = folder.make_parents(&file) {
                tracing::warn!(%error, %file, "a folder for a moved file cannot be made");
            }
        }
    };
    let _ = tokio::task::spawn_blocking(make).await;
}

/// One operation on one file.
#[derive(Clone, Debug)]
pub struct Deed {
    hunk: HunkId,
    path: WsPath,
    act: Act,
    /// What the file holds now, where that matters.
    base: Base,
    /// An editor shows the file.
    open: bool,
}

#[derive(Clone, Debug)]
enum Act {
    Create { bytes: Arc<[u8]> },
    Delete,
    Move { to: WsPath },
    Mode { executable: bool },
}

#[derive(Clone, Debug)]
enum Base {
    Text(Text),
    Blob(Blob),
}

/// What became of a [`Deed`].
#[derive(Debug)]
pub struct Done {
    pub hunk: HunkId,
    /// A sentence's part for the user, or why it was not done.
    pub result: Result<String, String>,
    /// The bytes of a deleted file that was no text.
    pub image: Option<Arc<[u8]>>,
    /// What the user should know besides, a sentence each.
    pub notes: Vec<String>,
}

/// The deeds of a plan that is the server's alone.
pub fn deeds(folder: &Folder, plan: &Plan) -> Vec<Deed> {
    let of_file = |file: &PlannedFile| {
        let found = folder.desk.proposal(&plan.proposal).and_then(|proposal| proposal.files.get(&file.path));
        let kinds = |id: &HunkId| found.and_then(|found: &FileProposal| found.hunk(id)).cloned();
        file.hunks.iter().filter_map(kinds).filter_map(|hunk| deed(folder, file, &hunk)).collect::<Vec<_>>()
    };
    plan.files.iter().flat_map(of_file).collect()
}

fn deed(folder: &Folder, file: &PlannedFile, hunk: &Hunk) -> Option<Deed> {
    let act = match (hunk.kind, &file.op, hunk.executable()) {
        (HunkKind::Create, ..) => {
            let text = || hunk.new.as_bytes().into();
            Act::Create { bytes: file.bytes.as_ref().map_or_else(text, |bytes| bytes.bytes.clone()) }
        }
        (HunkKind::Delete, ..) => Act::Delete,
        (HunkKind::Move, FileOp::Move { to }, _) => Act::Move { to: to.clone() },
        (HunkKind::Mode, _, Some(executable)) => Act::Mode { executable },
        _ => return None,
    };
    let base = file.blob.clone().map_or_else(|| Base::Text(file.base.clone()), Base::Blob);
    let open = folder.desk.buffer(&file.path).is_some();
    Some(Deed { hunk: hunk.id.clone(), path: file.path.clone(), act, base, open })
}

impl Deed {
    fn paths(&self) -> Vec<WsPath> {
        match &self.act {
            Act::Move { to } => vec![self.path.clone(), to.clone()],
            _ => vec![self.path.clone()],
        }
    }

    /// What the journal says before it is done.
    fn row(&self) -> Value {
        let (op, more) = match &self.act {
            Act::Create { bytes } => ("create", json!({"sha256": Blob::of(bytes).sha256})),
            Act::Delete => ("delete", json!({"base": self.base.sha256()})),
            Act::Move { to } => ("move", json!({"base": self.base.sha256(), "to": to})),
            Act::Mode { executable } => ("mode", json!({"executable": executable})),
        };
        let mut row = json!({"hunk": self.hunk, "op": op, "path": self.path});
        if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
            row.extend(more);
        }
        row
    }

    fn perform(&self, folder: &workspace::Folder) -> Done {
        let mut image = None;
        let result = self.attempt(folder, &mut image);
        let (result, notes) = match result {
            Ok(written) => (Ok(self.words()), written.notes),
            Err(error) => (Err(self.refusal(&error)), Vec::new()),
        };
        Done { hunk: self.hunk.clone(), result, image, notes }
    }

    fn attempt(&self, folder: &workspace::Folder, image: &mut Option<Arc<[u8]>>) -> Result<workspace::Written, WorkspaceError> {
        match &self.act {
            Act::Create { bytes } => folder.write_atomically(&self.path, None, bytes),
            Act::Mode { executable } => folder.set_executable(&self.path, *executable),
            Act::Delete => {
                let bytes = self.expected(folder)?;
                let written = folder.delete(&self.path, &bytes)?;
                *image = matches!(self.base, Base::Blob(_)).then(|| bytes.into());
                Ok(written)
            }
            Act::Move { to } => folder.rename(&self.path, to, &self.expected(folder)?),
        }
    }

    /// The bytes of the file, if they are what the proposal showed.
    fn expected(&self, folder: &workspace::Folder) -> Result<Vec<u8>, WorkspaceError> {
        let file = folder.read(&self.path)?;
        let now = file.beneath();
        let same = match &self.base {
            Base::Text(text) => now.blob.is_none() && now.text == *text,
            Base::Blob(blob) => now.blob.as_ref() == Some(blob),
        };
        if same { Ok(file.bytes) } else { Err(WorkspaceError::Moved(self.path.clone())) }
    }

    /// What was done, to follow "countersign".
    fn words(&self) -> String {
        let path = &self.path;
        let shown = if self.open { " (your editor still shows it)" } else { "" };
        match &self.act {
            Act::Create { .. } => format!("created {path}"),
            Act::Delete => format!("deleted {path}{shown}"),
            Act::Move { to } => format!("moved {path} to {to}{shown}"),
            Act::Mode { executable: true } => format!("made {path} executable"),
            Act::Mode { executable: false } => format!("made {path} not executable"),
        }
    }

    fn refusal(&self, error: &WorkspaceError) -> String {
        let path = &self.path;
        match (&self.act, error) {
            (Act::Mode { .. }, WorkspaceError::NotFound { .. }) => {
                format!("{path} is not on the disk yet; save it, then accept again")
            }
            (Act::Mode { .. }, WorkspaceError::Moved(_)) => format!("the mode of {path} was changed meanwhile"),
            (_, WorkspaceError::Moved(_)) if self.open => {
                format!("{path} on the disk is not what your editor shows; save or close it, then accept again")
            }
            (_, WorkspaceError::Moved(_)) => format!("{path} on the disk is not what the change was made from"),
            (_, WorkspaceError::NotFound { .. }) => format!("{path} is not on the disk"),
            (_, error) => error.to_string(),
        }
    }
}

impl Base {
    fn sha256(&self) -> String {
        match self {
            Base::Text(text) => text.sha256(),
            Base::Blob(blob) => blob.sha256.clone(),
        }
    }
}

/// What the journal says before and, with what became of it, after the deeds.
pub fn detail(proposal: &ProposalId, deeds: &[Deed]) -> Value {
    json!({"proposal": proposal, "files": deeds.iter().map(Deed::row).collect::<Vec<_>>()})
}

/// None of them is done.
pub fn undone(deeds: &[Deed], why: &str) -> Vec<Done> {
    let failed = |deed: &Deed| Done { hunk: deed.hunk.clone(), result: Err(why.to_owned()), image: None, notes: Vec::new() };
    deeds.iter().map(failed).collect()
}

/// Does them in order, each on its own; then what the disk holds at their paths.
pub async fn perform(root: PathBuf, deeds: Vec<Deed>) -> (Vec<Done>, Observed) {
    let work = move || {
        let folder = match workspace::Folder::open(&root) {
            Ok(folder) => folder,
            Err(error) => return (undone(&deeds, &error.to_string()), Vec::new()),
        };
        let done: Vec<Done> = deeds.iter().map(|deed| deed.perform(&folder)).collect();
        let mut paths: Vec<WsPath> = deeds.iter().flat_map(Deed::paths).collect();
        paths.sort();
        paths.dedup();
        let observed = look(&folder, paths);
        (done, observed)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

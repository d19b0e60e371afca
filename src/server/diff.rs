//! Proposals as unified diffs, and the document that shows them.

use serde_json::{Value, json};
use tower_lsp::jsonrpc;

use super::{
    actor::{Actor, unknown},
    commands::{Review as Args, ShowDiff, failed},
    content::Document,
};
use crate::{
    event::ProposalId,
    path::WsPath,
    proposal::{FileOp, FileProposal},
    text::{Side, unified},
};

/// The diff of one file: its base against its text with all pending hunks. A mode that nobody knows counts as not executable;
/// of a file that is no text size and digest are told.
pub fn of_file(path: &WsPath, file: &FileProposal) -> String {
    let (before, after) = (file.base.to_string(), file.staged().unwrap_or_default().to_string());
    let to = if let FileOp::Move { to } = &file.op { to } else { path };
    let old = Side { path: path.as_str(), text: &before, executable: file.executable.unwrap_or(false) };
    let new = Side { path: to.as_str(), text: &after, executable: file.staged_executable().unwrap_or(false) };
    let mut diff = match file.op {
        FileOp::Create => unified(None, Some(new)),
        FileOp::Delete => unified(Some(old), None),
        FileOp::Edit | FileOp::Move { .. } => unified(Some(old), Some(new)),
    };
    if let Some(blob) = &file.blob {
        diff.push_str(&format!("{blob}\n"));
    }
    diff
}

impl Actor {
    /// `showDiff`: the proposal, or one file of it, as a document.
    pub fn on_show_diff(&mut self, show: ShowDiff) -> jsonrpc::Result<Value> {
        let args = Args { proposal: show.proposal.clone(), hunks: None, uri: show.uri.clone(), reason: None };
        let (index, _) = self.chosen(&args, false)?;
        let folder = self.folders.get(index).ok_or_else(|| unknown("proposal", &show.proposal))?;
        let proposal = folder.desk.proposal(&show.proposal).ok_or_else(|| unknown("proposal", &show.proposal))?;
        let only = show.uri.as_ref().and_then(|uri| self.folders.path_in(index, uri));
        let document = Document::Diff(proposal.task.clone(), only.clone());
        // Proposals are numbered by server, and several servers share the folder.
        let name = format!("{}-{}.diff", proposal.task, proposal.id);
        let siblings = if show.uri.is_some() { Vec::new() } else { self.siblings(&show.proposal) };
        // A document without a file is about the task's own folder.
        let own = self.tasks.get(&proposal.task).is_some_and(|task| task.folder == index) && siblings.len() < 2;
        let uri = if own {
            self.place_document(&document, &name, || self.diff_text(folder, proposal, only.as_ref()))
        } else if siblings.len() < 2 {
            self.documents.write_read_only(&name, &self.diff_text(folder, proposal, only.as_ref()))
        } else {
            self.documents.write_read_only(&name, &siblings.iter().map(|id| self.diff_in(id)).collect::<String>())
        };
        let uri = uri.map_err(|error| failed(format!("the diff cannot be written: {error}")))?;
        let mut answer = json!({"document": uri});
        if let Some(path) = only.filter(|_| own && self.client.text_content) {
            answer["proposed"] = json!(Document::Proposed(proposal.task.clone(), path).uri());
        }
        if self.client.show_document {
            self.out.show_document(uri, true);
        }
        Ok(answer)
    }

    /// A proposal as a diff, with the name of its folder.
    fn diff_in(&self, id: &ProposalId) -> String {
        let found = self.folders.iter().find_map(|(_, folder)| Some((folder, folder.desk.proposal(id)?)));
        let Some((folder, proposal)) = found else { return String::new() };
        format!("# folder {}\n{}", folder.name, self.diff_text(folder, proposal, None))
    }
}

//! Proposals as unified diffs, and the document that shows them.

use serde_json::{Value, json};
use tower_lsp::{jsonrpc, lsp_types::Url};

use super::{
    actor::{Actor, unknown},
    commands::{Review as Args, ShowDiff, failed},
};
use crate::{
    event::ProposalId,
    path::WsPath,
    proposal::{FileOp, FileProposal},
    text::{Side, unified},
};

/// The diff of one file: its base against its text with all pending hunks. Modes are not known here and not told.
pub fn of_file(path: &WsPath, file: &FileProposal) -> String {
    let (before, after) = (file.base.to_string(), file.staged().unwrap_or_default().to_string());
    let to = if let FileOp::Move { to } = &file.op { to } else { path };
    let old = Side { path: path.as_str(), text: &before, executable: false };
    let new = Side { path: to.as_str(), text: &after, executable: false };
    match file.op {
        FileOp::Create => unified(None, Some(new)),
        FileOp::Delete => unified(Some(old), None),
        FileOp::Edit | FileOp::Move { .. } => unified(Some(old), Some(new)),
    }
}

impl Actor {
    /// `showDiff`: the proposal, or one file of it, as a document.
    pub fn on_show_diff(&mut self, show: ShowDiff) -> jsonrpc::Result<Value> {
        self.chosen(&Args { proposal: show.proposal.clone(), hunks: None, uri: show.uri.clone(), reason: None }, false)?;
        let shown = if show.uri.is_some() { vec![show.proposal.clone()] } else { self.siblings(&show.proposal) };
        let texts: String = shown.iter().map(|id| self.diff_text(id, show.uri.as_ref(), shown.len() > 1)).collect();
        let task =
            self.folders.iter().find_map(|(_, folder)| folder.desk.proposal(&show.proposal)).map(|found| found.task.clone());
        let task = task.ok_or_else(|| unknown("proposal", &show.proposal))?;
        let uri = self
            .documents
            // Proposals are numbered by server, and several servers share the folder.
            .write_read_only(&format!("{task}-{}.diff", show.proposal), &texts)
            .map_err(|error| failed(format!("the diff cannot be written: {error}")))?;
        if self.client.show_document {
            self.out.show_document(uri.clone(), true);
        }
        Ok(json!({"document": uri}))
    }

    /// A proposal, or one file of it, as a diff; with the folder's name where there are others beside it.
    fn diff_text(&self, id: &ProposalId, uri: Option<&Url>, named: bool) -> String {
        let found = self.folders.iter().find_map(|(index, folder)| Some((index, folder, folder.desk.proposal(id)?)));
        let Some((index, folder, proposal)) = found else { return String::new() };
        let only = uri.and_then(|uri| self.folders.path_in(index, uri));
        let place = if named { format!(", folder {}", folder.name) } else { String::new() };
        let mut text = format!("# proposal {}, task {}{place}\n", proposal.id, proposal.task);
        text.push_str(&super::receipts::head(&folder.desk, &proposal.id));
        for (path, file) in proposal.files.iter().filter(|(path, _)| only.as_ref().is_none_or(|only| only == *path)) {
            text.push_str(&of_file(path, file));
        }
        text
    }
}

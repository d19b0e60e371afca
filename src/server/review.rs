//! What the user decides about a proposal: which hunks an accept or reject means, and the documents beside it.

use serde_json::{Value, json};
use tower_lsp::jsonrpc;

pub use super::accepting::{Landed, Review};
pub use super::observing::{Observed, observe};
use super::{
    actor::{Actor, OpenPrompt, unknown},
    commands::{Explainable, Review as Args, ShowDiff, failed, invalid},
    documents,
    hands::{self, Part},
    input::Reply,
};
use crate::{
    event::HunkId,
    path::WsPath,
    proposal::{HunkState, Proposal},
};

impl Actor {
    /// `accept`
    pub fn on_accept(&mut self, args: Args, reply: Reply<Value>) {
        let (folder, hunks) = match self.chosen(&args, true) {
            Ok(chosen) => chosen,
            Err(error) => {
                let _ = reply.send(Err(error));
                return;
            }
        };
        let able = self.client.apply_edit;
        if let Some(there) = self.folders.get(folder).filter(|_| !able)
            && hunks.iter().any(|hunk| hands::part(there, &args.proposal, hunk, &self.client) == Part::Editor)
        {
            let why = "your editor does not take edits from a server (workspace/applyEdit), so no text can be accepted";
            let _ = reply.send(Err(failed(why)));
            return;
        }
        self.line_up(folder, args.proposal, hunks, None, reply);
    }

    /// The folder of a proposal, and the hunks that an accept or reject means. Accepting many leaves out those that stand apart.
    fn chosen(&self, args: &Args, accepting: bool) -> jsonrpc::Result<(usize, Vec<HunkId>)> {
        let (folder, proposal) = self
            .folders
            .iter()
            .find_map(|(index, folder)| Some((index, folder.desk.proposal(&args.proposal)?)))
            .ok_or_else(|| unknown("proposal", &args.proposal))?;
        let path = match &args.uri {
            None => None,
            Some(uri) => {
                let found = self.folders.find(uri).filter(|(index, path)| *index == folder && proposal.files.contains_key(path));
                Some(found.ok_or_else(|| invalid(format!("`uri`: proposal {} has no hunks in {uri}", args.proposal)))?.1)
            }
        };
        let hunks = match &args.hunks {
            Some(ids) if ids.is_empty() => return Err(invalid("`hunks`: it is empty; leave it out to mean all")),
            Some(ids) => {
                let known = |id: &HunkId| proposal.hunk(id).is_some() || proposal.closed.contains_key(id);
                if let Some(id) = ids.iter().find(|id| !known(id)) {
                    return Err(invalid(format!("`hunks`: there is no hunk {id} in proposal {}", args.proposal)));
                }
                ids.clone()
            }
            None => many(proposal, path.as_ref(), accepting),
        };
        Ok((folder, hunks))
    }

    /// `reject`
    pub fn on_reject(&mut self, args: Args) -> jsonrpc::Result<Value> {
        let (index, hunks) = self.chosen(&args, false)?;
        let folder = self.folders.get_mut(index).ok_or_else(|| unknown("proposal", &args.proposal))?;
        let rejection =
            folder.desk.reject(&args.proposal, &hunks, args.reason.as_deref()).map_err(|error| invalid(error.to_string()))?;
        self.after_text(index);
        self.schedule_refresh();
        let rejected: Vec<&HunkId> = rejection.rejected.iter().map(|taken| &taken.hunk).collect();
        let refused: Vec<Value> = rejection.refused.iter().map(|(hunk, why)| json!({"hunk": hunk, "why": why})).collect();
        Ok(json!({"rejected": rejected, "refused": refused}))
    }

    /// `rejectWithReason`: a document for the reason.
    pub fn on_reject_with_reason(&mut self, hunks: Explainable) -> jsonrpc::Result<Value> {
        let args = Args { proposal: hunks.proposal.clone(), hunks: Some(hunks.hunks.clone()), uri: None, reason: None };
        self.chosen(&args, false)?;
        let text = documents::reason_document(&hunks.hunks.iter().map(|hunk| hunk.0.as_str()).collect::<Vec<_>>().join(", "));
        let prompt = OpenPrompt { ask: Default::default(), answer: None, reject: Some(hunks) };
        let uri = self
            .open_prompt("reason", &text, prompt)
            .map_err(|error| failed(format!("the document cannot be written: {error}")))?;
        Ok(json!({"document": uri}))
    }

    /// `showDiff`: the proposal, or one file of it, as a document.
    pub fn on_show_diff(&mut self, show: ShowDiff) -> jsonrpc::Result<Value> {
        let (index, _) =
            self.chosen(&Args { proposal: show.proposal.clone(), hunks: None, uri: show.uri.clone(), reason: None }, false)?;
        let folder = self.folders.get(index).ok_or_else(|| unknown("proposal", &show.proposal))?;
        let proposal = folder.desk.proposal(&show.proposal).ok_or_else(|| unknown("proposal", &show.proposal))?;
        let only = show.uri.as_ref().and_then(|uri| self.folders.find(uri)).map(|(_, path)| path);
        let mut text = format!("# proposal {}, task {}\n", proposal.id, proposal.task);
        text.push_str(&super::receipts::head(&folder.desk, &proposal.id));
        for (path, file) in proposal.files.iter().filter(|(path, _)| only.as_ref().is_none_or(|only| only == *path)) {
            text.push_str(&super::diff::of_file(path, file));
        }
        let uri = self
            .documents
            // Proposals are numbered by server, and several servers share the folder.
            .write_read_only(&format!("{}-{}.diff", proposal.task, proposal.id), &text)
            .map_err(|error| failed(format!("the diff cannot be written: {error}")))?;
        if self.client.show_document {
            self.out.show_document(uri.clone(), true);
        }
        Ok(json!({"document": uri}))
    }
}

/// The hunks of a file or of all; accepting leaves out those that stand apart and those that are stale.
fn many(proposal: &Proposal, path: Option<&WsPath>, accepting: bool) -> Vec<HunkId> {
    proposal
        .files
        .iter()
        .filter(|(file, _)| path.is_none_or(|path| path == *file))
        .flat_map(|(_, file)| file.all())
        .filter(|hunk| !accepting || (!hunk.apart && hunk.state == HunkState::Pending))
        .map(|hunk| hunk.id.clone())
        .collect()
}

//! What the user decides about a proposal: which hunks an accept or reject means, and the documents beside it.

use serde_json::{Value, json};
use tower_lsp::jsonrpc;

pub use super::accepting::{Landed, Review};
pub use super::observing::{Observed, observe};
use super::{
    actor::{Actor, unknown},
    commands::{Explainable, Review as Args, failed, invalid},
    display::size,
    documents,
    hands::{self, Part},
    input::Reply,
    prompting::{Opened, Purpose},
};
use crate::{
    agent::plain,
    event::{HunkId, ProposalId},
    path::WsPath,
    proposal::{HunkState, Proposal},
};

impl Actor {
    /// `accept`
    pub fn on_accept(&mut self, args: Args, reply: Reply<Value>) {
        let whole = self.whole(&args);
        if !whole.is_empty() {
            return self.accept_whole(whole, reply);
        }
        let (folder, hunks) = match self.chosen(&args, true) {
            Ok(chosen) => chosen,
            Err(error) => {
                let _ = reply.send(Err(error));
                return;
            }
        };
        if let Some(why) = self.no_editor(folder, &args.proposal, &hunks) {
            let _ = reply.send(Err(failed(why)));
            return;
        }
        self.line_up(folder, args.proposal, hunks, None, reply);
    }

    /// Why the client cannot take these hunks over, if it has no part in any acceptance and one of them is an editor's.
    pub(super) fn no_editor(&self, folder: usize, proposal: &ProposalId, hunks: &[HunkId]) -> Option<&'static str> {
        let folder = self.folders.get(folder).filter(|_| !self.client.apply_edit)?;
        let editors = |hunk: &HunkId| hands::part(folder, proposal, hunk, &self.client) == Part::Editor;
        let why = "your editor does not take edits from a server (workspace/applyEdit), so no text can be accepted";
        hunks.iter().any(editors).then_some(why)
    }

    /// The folder of a proposal, and the hunks that an accept or reject means. Accepting many leaves out those that stand apart.
    pub(super) fn chosen(&self, args: &Args, accepting: bool) -> jsonrpc::Result<(usize, Vec<HunkId>)> {
        let (folder, proposal) = self
            .folders
            .iter()
            .find_map(|(index, folder)| Some((index, folder.desk.proposal(&args.proposal)?)))
            .ok_or_else(|| unknown("proposal", &args.proposal))?;
        let path = match &args.uri {
            None => None,
            Some(uri) => {
                let found = self.folders.path_in(folder, uri).filter(|path| proposal.files.contains_key(path));
                Some(found.ok_or_else(|| invalid(format!("`uri`: proposal {} has no hunks in {uri}", args.proposal)))?)
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
        let whole = self.whole(&args);
        if !whole.is_empty() {
            return self.reject_whole(whole, args.reason.as_deref());
        }
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
        let (index, _) = self.chosen(&args, false)?;
        let text = documents::reason_document(&self.named(index, &hunks));
        let uri = self
            .open_prompt("reason", &text, Purpose::Reject(hunks), Opened { take_focus: true, words: "Say why." })
            .map_err(|error| failed(format!("the document cannot be written: {error}")))?;
        Ok(json!({"document": uri}))
    }
}

/// Changes that are named in one document.
const NAMED: usize = 3;

impl Actor {
    /// Changes as the user knows them: where they stand, and how large they are.
    fn named(&self, index: usize, of: &Explainable) -> String {
        let desk = self.folders.get(index).map(|folder| &folder.desk);
        let name = |id: &HunkId| {
            let (path, file, hunk) = desk?.hunk(&of.proposal, id).ok()?;
            let line = file.points(hunk, self.client.encoding).0.line + 1;
            Some(format!("{}, line {line} ({})", plain(path.as_str()), size(hunk)))
        };
        let names: Vec<String> = of.hunks.iter().take(NAMED).filter_map(name).collect();
        let more = of.hunks.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", names.join("; "))
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

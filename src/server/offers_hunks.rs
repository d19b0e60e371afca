//! Code actions about the pending hunks where the cursor stands.

use serde_json::{Value, json};
use tower_lsp::lsp_types::{CodeAction, CodeActionKind, Diagnostic, Range, Url};

use super::{actor::Actor, controls::of_task, offers::action, position};
use crate::{
    path::WsPath,
    proposal::{FileProposal, Hunk, HunkState, Proposal},
};

/// What a task proposes where the cursor stands.
struct Here<'a> {
    proposal: &'a Proposal,
    path: WsPath,
    hunks: Vec<&'a Hunk>,
}

impl Actor {
    /// What can be decided about hunks of this file that the range touches.
    pub fn offer_hunks(&self, uri: &Url, range: Range, out: &mut Vec<CodeAction>) {
        let mut found = Vec::new();
        for (index, path) in self.folders.find_all(uri) {
            for proposal in self.folders.get(index).iter().flat_map(|folder| folder.desk.proposals()) {
                let hunks = proposal.files.get(&path).map(|file| self.hunks_at(file, range)).unwrap_or_default();
                if !hunks.is_empty() {
                    found.push(Here { proposal, path: path.clone(), hunks });
                }
            }
        }
        // Whose change it is has to be told only where two tasks have one.
        let several = found.iter().any(|here| here.proposal.task != found[0].proposal.task);
        found.iter().for_each(|here| self.about_hunks(here, several, uri, out));
    }

    fn about_hunks(&self, Here { proposal, path, hunks: here }: &Here<'_>, several: bool, uri: &Url, out: &mut Vec<CodeAction>) {
        let Some(file) = proposal.files.get(path) else { return };
        let task = self.tasks.get(&proposal.task).filter(|_| several);
        let kind = || CodeActionKind::QUICKFIX;
        let ids: Vec<_> = here.iter().map(|hunk| &hunk.id).collect();
        let these = json!({"proposal": proposal.id, "hunks": ids});
        let diagnostics = self.own_diagnostics(uri, proposal, here);
        let many = |verb: &str, n: usize| if n == 1 { format!("{verb} change") } else { format!("{verb} changes ({n})") };
        let pending = here.iter().filter(|hunk| hunk.state == HunkState::Pending).count();
        let mut push = |title: &str, command: &str, argument: Value| {
            let title = task.map_or_else(|| title.to_owned(), |task| of_task(title, task));
            out.push(action(title, kind(), command, argument, diagnostics.clone()));
        };
        if pending > 0 {
            push(&many("Accept", pending), "accept", these.clone());
        }
        if here.iter().any(|hunk| hunk.state == HunkState::Stale) {
            push("Propose again", "renew", these.clone());
        }
        push(&many("Reject", here.len()), "reject", these.clone());
        push("Reject with a reason...", "rejectWithReason", these);
        push("Show diff", "showDiff", json!({"proposal": proposal.id, "uri": uri}));
        if file.all().count() > here.len() {
            push("Accept file", "accept", json!({"proposal": proposal.id, "uri": uri}));
            push("Reject file", "reject", json!({"proposal": proposal.id, "uri": uri}));
        }
        // Where this file is all there is, it would be the same again.
        if proposal.files.iter().any(|(other, file)| other != path && !file.is_empty()) {
            push("Accept all", "accept", json!({"proposal": proposal.id}));
            push("Reject all", "reject", json!({"proposal": proposal.id}));
        }
    }

    /// The hunks of a file that a range touches and that can be decided now.
    pub fn hunks_at<'a>(&self, file: &'a FileProposal, range: Range) -> Vec<&'a Hunk> {
        let touches = |hunk: &&Hunk| {
            let start = position(file.base.point(hunk.range.start, self.client.encoding));
            let end = position(file.base.point(hunk.range.end, self.client.encoding));
            // A hunk reaches to the end of its last line; one that only inserts stands on the line where it begins.
            let last = if end.character == 0 && end.line > start.line { end.line - 1 } else { end.line };
            range.start.line <= last && start.line <= range.end.line
        };
        file.all().filter(|hunk| hunk.state != HunkState::Applying).filter(touches).collect()
    }

    /// Our own diagnostics of these hunks, so that the editor ties the action to them.
    fn own_diagnostics(&self, uri: &Url, proposal: &Proposal, hunks: &[&Hunk]) -> Option<Vec<Diagnostic>> {
        let mine: Vec<Diagnostic> = self
            .shown_diagnostics(uri)
            .iter()
            .filter(|diagnostic| {
                let named = |field: &str| diagnostic.data.as_ref().and_then(|data| data[field].as_str());
                named("proposal") == Some(proposal.id.0.as_str())
                    && hunks.iter().any(|wanted| Some(wanted.id.0.as_str()) == named("hunk"))
            })
            .cloned()
            .collect();
        (!mine.is_empty()).then_some(mine)
    }
}

//! `undo`: a task's accepted hunks are taken back by one edit, through the same steps as an acceptance.

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower_lsp::lsp_types::MessageType;

use super::{
    actor::{Actor, unknown},
    commands::failed,
    folders::Folder,
    input::{Input, Reply},
    review::{Landed, Observed, observe},
    whole,
};
use crate::{
    event::{HunkId, ProposalId, TaskId},
    path::WsPath,
    workspace::desk::{Kept, Undo},
};

impl Actor {
    /// `undo`
    pub fn on_undo(&mut self, id: &TaskId, reply: Reply<Value>) {
        if !self.tasks.contains_key(id) {
            let _ = reply.send(Err(unknown("task", id)));
            return;
        }
        let accepted = self.folders.iter().filter_map(|(index, folder)| {
            let proposal = folder.desk.proposal_of(id).filter(|proposal| !proposal.accepted.is_empty())?;
            Some((index, proposal.id.clone()))
        });
        let places: Vec<(usize, ProposalId)> = accepted.collect();
        if places.is_empty() {
            let _ = reply.send(Err(failed(format!("nothing of task {id} stands accepted, so there is nothing to undo"))));
            return;
        }
        let mut parts = Vec::new();
        for (index, proposal) in places {
            let (answer, part) = oneshot::channel();
            parts.push((proposal, part));
            self.look_and_undo(index, id, answer);
        }
        whole::answer_together(parts, reply);
    }

    fn look_and_undo(&mut self, index: usize, id: &TaskId, reply: Reply<Value>) {
        let Some(folder) = self.folders.get(index) else { return };
        let closed = folder.desk.closed_accepted(id);
        let (root, mailbox, task) = (folder.canonical.clone(), self.mailbox.clone(), id.clone());
        tokio::spawn(async move {
            let observed = observe(root, closed).await;
            let _ = mailbox.send(Input::Landed(Landed::Looked { folder: index, task, observed, reply }));
        });
    }

    /// The files that are not open have been read.
    pub fn on_looked(&mut self, index: usize, id: &TaskId, observed: Observed, reply: Reply<Value>) {
        let Some(task) = self.tasks.get(id) else { return };
        self.counter += 1;
        let proposal = ProposalId(format!("{}-undo{}", task.proposal, self.counter));
        let Some(folder) = self.folders.get_mut(index) else { return };
        if folder.desk.proposal_of(id).is_none_or(|proposal| proposal.accepted.is_empty()) {
            let _ = reply.send(Err(failed(format!("nothing of task {id} stands accepted, so there is nothing to undo"))));
            return;
        }
        let undo = folder.desk.undo(id, proposal, &observed);
        if self.no_editor(index, &undo.proposal, &undo.hunks).is_some() {
            if let Some(folder) = self.folders.get_mut(index) {
                folder.desk.undone(&undo, false);
            }
            let why = "your editor does not take edits from a server (workspace/applyEdit), so the text cannot be taken back";
            let _ = reply.send(Err(failed(why)));
            return;
        }
        self.line_up(index, undo.proposal.clone(), undo.hunks.clone(), Some(undo), reply);
    }

    /// What could not be taken back, and what a commit still holds.
    pub fn say_undone(&mut self, answer: &Value) {
        let rows = answer["refused"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(row) = rows.first() {
            let more = if rows.len() > 1 { format!(" (and {} more)", rows.len() - 1) } else { String::new() };
            let why = row["why"].as_str().unwrap_or_default();
            self.out.message(MessageType::WARNING, &format!("Not taken back: {why}{}{more}.", place(row)));
        }
        if answer["committed"].as_array().is_some_and(|all| !all.is_empty()) {
            let said = "The text is back as it was; the commit that holds these changes stays. Commit the text again, or revert that commit with git.";
            self.out.message(MessageType::INFO, said);
        }
    }
}

fn place(row: &Value) -> String {
    let line = |at: usize| row["lines"][at].as_u64().and_then(|line| usize::try_from(line).ok());
    at_lines(line(0).zip(line(1)))
}

/// `, lines 3-5`, to go on a sentence; one-based.
pub fn at_lines(lines: Option<(usize, usize)>) -> String {
    match lines {
        Some((first, last)) if first == last => format!(", line {first}"),
        Some((first, last)) => format!(", lines {first}-{last}"),
        None => String::new(),
    }
}

/// What the journal says before the edit is sent.
pub fn detail(undo: &Undo) -> Value {
    let hunks: Vec<&HunkId> = undo.takes.iter().map(|(taken, _)| &taken.hunk).collect();
    json!({"task": undo.task, "proposal": undo.proposal, "hunks": hunks})
}

/// Books the undo on the desk; the command's answer. `refused` are hunks of the undo's own proposal that did not land; with
/// `more` the editor may still make some of them.
pub fn answer(folder: &mut Folder, undo: &Undo, refused: &[(HunkId, String)], more: bool) -> Value {
    let undone = folder.desk.undone(undo, more);
    let hunks: Vec<&HunkId> = undone.iter().map(|taken| &taken.hunk).collect();
    let row = |hunk: &HunkId, path: &WsPath, lines: Option<(usize, usize)>, why: &str| {
        let lines = lines.map(|(first, last)| json!([first, last]));
        json!({"hunk": hunk, "uri": folder.uri(path), "lines": lines, "why": why})
    };
    let kept = undo.kept.iter().map(|Kept { hunk, path, lines, why }| row(hunk, path, *lines, why));
    let left = undo.takes.iter().filter(|(taken, _)| !undone.contains(taken)).map(|(taken, by)| {
        let why =
            refused.iter().find(|(hunk, _)| by.contains(hunk)).map_or("the editor did not take it", |(_, why)| why.as_str());
        row(&taken.hunk, &taken.path, None, why)
    });
    let rows: Vec<Value> = kept.chain(left).collect();
    let committed: Vec<&HunkId> = undo.committed.iter().filter(|hunk| hunks.contains(hunk)).collect();
    json!({"undone": hunks, "refused": rows, "committed": committed})
}

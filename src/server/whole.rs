//! A task's work as a whole, where it lies in several folders: one proposal in each. Accepting, rejecting, showing and undoing
//! all of it go through every one of them, and are answered once.

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tower_lsp::jsonrpc;

use super::{
    actor::Actor,
    commands::{Review as Args, failed},
    input::Reply,
};
use crate::event::{HunkId, ProposalId, TaskId};

/// The answer of one proposal, when it comes.
type Part = (ProposalId, oneshot::Receiver<Result<Value, jsonrpc::Error>>);

impl Actor {
    /// The proposals of the task that this one belongs to, it first; the others lie in other folders.
    pub fn siblings(&self, id: &ProposalId) -> Vec<ProposalId> {
        let all = || self.folders.iter().flat_map(|(_, folder)| folder.desk.proposals());
        let task = all().find(|proposal| proposal.id == *id).map(|proposal| proposal.task.clone());
        let others = all().filter(|proposal| Some(&proposal.task) == task.as_ref() && proposal.id != *id);
        std::iter::once(id.clone()).chain(others.map(|proposal| proposal.id.clone())).collect()
    }

    /// The hunks of a task that wait for the user, in all folders.
    pub fn pending_of(&self, task: &TaskId) -> usize {
        let proposals = self.folders.iter().filter_map(|(_, folder)| Some((folder, folder.desk.proposal_of(task)?)));
        proposals.map(|(folder, proposal)| folder.pending(&proposal.id)).sum()
    }

    /// What the user did since, in all folders, for the model. With several folders it is said in which.
    pub fn news_of(&mut self, tasks: &[TaskId]) -> Vec<String> {
        let several = self.folders.iter().filter(|(_, folder)| folder.is_open()).count() > 1;
        let mut all = Vec::new();
        for index in 0..self.folders.iter().count() {
            let Some(folder) = self.folders.get_mut(index) else { continue };
            let news = tasks.iter().flat_map(|task| folder.desk.news(task));
            let place = if several { format!("in the folder {}: ", folder.name) } else { String::new() };
            all.extend(news.map(|news| format!("{place}{news}")));
        }
        all
    }

    /// Whether the arguments mean everything that a task proposes, and there is more of it in other folders: then the
    /// proposals, else nothing.
    pub fn whole(&self, args: &Args) -> Vec<ProposalId> {
        let whole = args.hunks.is_none() && args.uri.is_none();
        let all = if whole { self.siblings(&args.proposal) } else { Vec::new() };
        if all.len() > 1 { all } else { Vec::new() }
    }

    /// Accepts everything in every folder, one acceptance after the other.
    pub fn accept_whole(&mut self, all: Vec<ProposalId>, reply: Reply<Value>) {
        let mut chosen: Vec<(ProposalId, usize, Vec<HunkId>)> = Vec::new();
        for id in &all {
            if let Ok((folder, hunks)) = self.chosen(&everything(id), true) {
                if let Some(why) = self.no_editor(folder, id, &hunks) {
                    let _ = reply.send(Err(failed(why)));
                    return;
                }
                chosen.push((id.clone(), folder, hunks));
            }
        }
        // Where nothing is left the answer still comes from one of them.
        let some = chosen.iter().any(|(_, _, hunks)| !hunks.is_empty());
        chosen.retain(|(id, _, hunks)| !hunks.is_empty() || (!some && *id == all[0]));
        let mut parts: Vec<Part> = Vec::new();
        for (id, folder, hunks) in chosen {
            let (answer, part) = oneshot::channel();
            parts.push((id.clone(), part));
            self.line_up(folder, id, hunks, None, answer);
        }
        answer_together(parts, reply);
    }

    /// Rejects everything in every folder.
    pub fn reject_whole(&mut self, all: Vec<ProposalId>, reason: Option<&str>) -> jsonrpc::Result<Value> {
        let mut answers = Vec::new();
        for id in all {
            let hunks = self.chosen(&everything(&id), false)?.1;
            if hunks.is_empty() {
                continue;
            }
            let args = Args { hunks: Some(hunks), reason: reason.map(str::to_owned), ..everything(&id) };
            answers.push((id, self.on_reject(args)?));
        }
        Ok(together(answers))
    }
}

fn everything(id: &ProposalId) -> Args {
    Args { proposal: id.clone(), hunks: None, uri: None, reason: None }
}

/// Answers once when all parts are answered.
pub fn answer_together(parts: Vec<Part>, reply: Reply<Value>) {
    tokio::spawn(async move {
        let mut answers = Vec::new();
        let mut failed = None;
        for (id, part) in parts {
            match part.await {
                Ok(Ok(answer)) => answers.push((id, answer)),
                Ok(Err(error)) => failed = Some(error),
                // The server is going away.
                Err(_) => {}
            }
        }
        let answer = match failed {
            Some(error) if answers.is_empty() => Err(error),
            _ => Ok(together(answers)),
        };
        let _ = reply.send(answer);
    });
}

/// One answer: the lists of all put together, rows that name a hunk with their proposal, and each proposal's own answer, since
/// hunks are numbered by proposal.
fn together(answers: Vec<(ProposalId, Value)>) -> Value {
    if let [(_, only)] = answers.as_slice() {
        return only.clone();
    }
    let mut all: Map<String, Value> = Map::new();
    let mut each = Map::new();
    for key in ["accepted", "rejected", "undone", "refused"] {
        if key == "refused" || answers.iter().any(|(_, answer)| answer.get(key).is_some()) {
            all.insert(key.to_owned(), json!([]));
        }
    }
    for (id, answer) in answers {
        for (key, rows) in answer.as_object().into_iter().flatten() {
            let list = all.entry(key.clone()).or_insert_with(|| json!([]));
            let rows = rows.as_array().cloned().unwrap_or_default();
            if let Some(list) = list.as_array_mut() {
                list.extend(rows.into_iter().map(|mut row| {
                    if let Some(row) = row.as_object_mut() {
                        row.insert("proposal".to_owned(), json!(id));
                    }
                    row
                }));
            }
        }
        each.insert(id.to_string(), answer);
    }
    all.insert("proposals".to_owned(), Value::Object(each));
    Value::Object(all)
}

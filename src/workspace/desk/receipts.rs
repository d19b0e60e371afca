//! Receipts of checks, and whether the text is still the one that was checked.
//!
//! A round of checks remembers the texts it ran on (snapshots share their memory with the buffers). Every change of a text
//! compares that one text again, so that a receipt is stale with the keystroke, and fresh again when it is undone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Desk, Overlay, Seen};
use crate::{
    event::{ProposalId, TaskId},
    path::WsPath,
    proposal::{FileOp, Hunk, Receipt, mode_word},
    text::Text,
};

/// Rounds that are remembered; the oldest proposal's goes first.
const MOST: usize = 32;

/// One round of checks.
#[derive(Debug)]
pub(super) struct Round {
    task: TaskId,
    digest: String,
    receipts: Vec<Receipt>,
    /// What the checks saw where that was not the disk, and the text before the first change of files that were.
    texts: BTreeMap<WsPath, Option<Text>>,
    /// Files whose text is another one now.
    differs: BTreeSet<WsPath>,
    /// Whether files were executable, where the task proposes that, or did since.
    modes: BTreeMap<WsPath, bool>,
    /// Files whose mode is another one now.
    other_mode: BTreeSet<WsPath>,
    /// For forgetting the oldest.
    number: u64,
}

impl Round {
    /// Whether everything is as the checks saw it.
    fn is_fresh(&self) -> bool {
        self.differs.is_empty() && self.other_mode.is_empty()
    }
}

impl Desk {
    /// Begins a round of checks: what they must see, and its digest. `None` when the task proposes nothing and nothing of it
    /// was accepted.
    pub fn checkable(&mut self, task: &TaskId) -> Option<(Vec<Overlay>, String)> {
        let proposal = self.proposal_of(task)?;
        if proposal.accepted.is_empty() && proposal.files.values().all(|file| file.live().next().is_none()) {
            return None;
        }
        let (id, overlay) = (proposal.id.clone(), self.overlay(Some(task)));
        let texts: BTreeMap<_, _> = overlay.iter().map(|over| (over.path.clone(), over.text.clone())).collect();
        let modes = overlay.iter().filter_map(|over| Some((over.path.clone(), over.executable?))).collect();
        let digest = digest(&overlay);
        let number = self.rounds.values().map(|round| round.number + 1).max().unwrap_or_default();
        let (receipts, differs, other_mode) = Default::default();
        let round = Round { task: task.clone(), digest: digest.clone(), receipts, texts, differs, modes, other_mode, number };
        self.rounds.insert(id.clone(), round);
        while self.rounds.len() > MOST {
            let Some(oldest) = self.rounds.iter().min_by_key(|(_, round)| round.number).map(|(id, _)| id.clone()) else { break };
            self.rounds.remove(&oldest);
        }
        self.receipts_moved(&id);
        Some((overlay, digest))
    }

    /// Keeps a receipt with the task's proposal; one of an earlier round is dropped.
    pub fn checked(&mut self, task: &TaskId, receipt: Receipt) {
        let Some(id) = self.tasks.get(task).cloned() else { return };
        let Some(round) = self.rounds.get_mut(&id).filter(|round| round.digest == receipt.digest) else { return };
        round.receipts.push(receipt);
        self.receipts_moved(&id);
    }

    /// The receipts of a proposal's latest round, and whether the text is still exactly the one that they ran on.
    pub fn receipts(&self, id: &ProposalId) -> (&[Receipt], bool) {
        self.rounds.get(id).map_or((&[], false), |round| (&round.receipts, round.is_fresh()))
    }

    /// The text at `path` may have changed. `before` is what it was, `now` what the disk holds, as far as the caller knows
    /// them (`Some(None)`: no file).
    pub(super) fn compare_checked(&mut self, path: &WsPath, before: Option<Option<&Text>>, now: Option<Option<&Text>>) {
        let mut turned = Vec::new();
        for (id, round) in &self.rounds {
            let file = self.proposals.get(id).and_then(|proposal| proposal.files.get(path));
            let length = file.filter(|file| file.live().next().is_some()).and_then(|file| file.staged_len());
            if let (Some(length), Some(Some(checked))) = (length, round.texts.get(path))
                && length != checked.len()
            {
                // Most keystrokes are decided here.
                if !round.differs.contains(path) {
                    turned.push((id.clone(), true, Some(checked.clone())));
                }
                continue;
            }
            let seen = match self.view(Some(&round.task), path) {
                Some(Seen::Text { text, .. }) => Some(Some(text)),
                Some(Seen::Gone) => Some(None),
                Some(Seen::Bytes { .. }) => None,
                None => now.map(|now| now.cloned()),
            };
            let checked = round.texts.get(path).map(Option::as_ref).or(before);
            if let (Some(seen), Some(checked)) = (seen, checked) {
                let differs = !same(seen.as_ref(), checked);
                if differs != round.differs.contains(path) {
                    turned.push((id.clone(), differs, checked.cloned()));
                }
            }
        }
        for (id, differs, checked) in turned {
            let Some(round) = self.rounds.get_mut(&id) else { continue };
            let was = round.is_fresh();
            round.texts.entry(path.clone()).or_insert(checked);
            if differs {
                round.differs.insert(path.clone())
            } else {
                round.differs.remove(path)
            };
            if was != round.is_fresh() {
                self.receipts_moved(&id);
            }
        }
    }

    /// The mode of the file at `path` may have changed. `beneath` is the one without any proposal, as far as it is known.
    pub(super) fn compare_checked_mode(&mut self, path: &WsPath, beneath: Option<bool>) {
        let mut turned = Vec::new();
        for (id, round) in &mut self.rounds {
            let file = self.proposals.get(id).and_then(|proposal| proposal.files.get(path));
            let place = match file.map(|file| &file.op) {
                Some(FileOp::Move { to }) => to,
                _ => path,
            };
            let staged = file.and_then(|file| file.live().find_map(Hunk::executable));
            if staged.is_some() {
                // It came after the checks, which saw the file without it.
                round.modes.entry(place.clone()).or_insert(beneath.unwrap_or(false));
            }
            let (Some(now), Some(checked)) = (staged.or(beneath), round.modes.get(place)) else { continue };
            let was = round.is_fresh();
            if now == *checked {
                round.other_mode.remove(place);
            } else {
                round.other_mode.insert(place.clone());
            }
            if was != round.is_fresh() {
                turned.push(id.clone());
            }
        }
        turned.iter().for_each(|id| self.receipts_moved(id));
    }

    fn receipts_moved(&mut self, id: &ProposalId) {
        if let Some(proposal) = self.proposals.get_mut(id) {
            proposal.revision += 1;
            let task = proposal.task.clone();
            let paths: Vec<WsPath> = proposal.files.keys().cloned().collect();
            paths.iter().for_each(|path| self.moved(id, task.clone(), path));
        }
    }
}

fn same(one: Option<&Text>, other: Option<&Text>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.len() == other.len() && one == other,
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// SHA-256 over the paths and the digests of their texts, in the order of the paths. What is no text goes by where its bytes
/// stand.
fn digest(overlay: &[Overlay]) -> String {
    let row = |over: &Overlay| {
        let text = over.text.as_ref().map_or_else(|| "deleted".to_owned(), Text::sha256);
        let at = over.at.as_ref().map(|at| format!(" of {at:?}")).unwrap_or_default();
        let mode = over.executable.map(|executable| format!(" {}", mode_word(executable))).unwrap_or_default();
        format!("{text} {:?}{at}{mode}\n", over.path)
    };
    Text::new(&overlay.iter().map(row).collect::<String>()).sha256()
}

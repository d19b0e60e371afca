//! Which accepted hunks a commit holds, and which of those from before a restart still stand in the user's text.

use std::collections::BTreeMap;

use super::{
    Beneath, Desk,
    undo::{Kept, MOST_KEPT, Past, moves_of, step_back},
};
use crate::{
    event::{HunkId, ProposalId, TaskId},
    path::WsPath,
    proposal::{Blob, HunkKind, Proposal, Record, taken_back},
    seams::Accepted,
};

/// What stands accepted and in no commit.
#[derive(Clone, Debug, Default)]
pub struct Uncommitted {
    /// By file, in order of acceptance.
    pub files: Vec<(WsPath, Vec<Accepted>)>,
    /// The hunks that these come from.
    pub hunks: Vec<(ProposalId, HunkId, WsPath)>,
    /// Hunks from before a restart that the user's text does not hold as they were accepted.
    pub fallen: Vec<Kept>,
}

type Key = (ProposalId, HunkId, WsPath);

fn key(proposal: &Proposal, record: &Record) -> Key {
    (proposal.id.clone(), record.hunk.clone(), record.path.clone())
}

/// An accepted hunk as a commit takes it.
fn accepted(record: &Record) -> Accepted {
    let (before, after) = &record.beside;
    let mode = if record.kind == HunkKind::Mode { after.executable } else { None };
    match (mode, &before.blob, &after.blob) {
        (Some(executable), ..) => Accepted::Mode { executable },
        (None, None, None) => Accepted::Text { before: record.before.to_string(), after: record.after.to_string() },
        (None, before, after) => {
            let sha256 = |blob: &Option<Blob>| blob.as_ref().map(|blob| blob.sha256.clone());
            Accepted::Bytes { before: sha256(before), after: sha256(after) }
        }
    }
}

impl Desk {
    /// What was accepted of these tasks' hunks (`None`: of all) and no commit holds yet. `observed` is what the disk holds at
    /// [`Desk::closed_restored`].
    pub fn uncommitted(&self, tasks: Option<&[TaskId]>, observed: &[(WsPath, Option<Beneath>)]) -> Uncommitted {
        let mut found = Uncommitted::default();
        let fallen = self.fallen(observed);
        let undone = self.undone_by_hand();
        let mine = |task: &TaskId| tasks.is_none_or(|tasks| tasks.contains(task));
        for proposal in self.proposals().filter(|proposal| mine(&proposal.task)) {
            for record in &proposal.accepted {
                let hunk = key(proposal, record);
                if record.forgotten || self.committed.contains(&hunk) || undone.contains(&hunk) {
                    continue;
                }
                if let Some((_, why)) = fallen.iter().find(|(id, kept)| *id == proposal.id && kept.hunk == record.hunk) {
                    if !found.fallen.contains(why) {
                        found.fallen.push(why.clone());
                    }
                    continue;
                }
                let pair = accepted(record);
                match found.files.iter_mut().find(|(path, _)| *path == record.path) {
                    Some((_, pairs)) => pairs.push(pair),
                    None => found.files.push((record.path.clone(), vec![pair])),
                }
                found.hunks.push(hunk);
            }
        }
        found
    }

    /// These hunks stand in a commit.
    pub fn commit(&mut self, hunks: Vec<Key>) {
        for (id, _, path) in &hunks {
            if let Some(proposal) = self.proposals.get_mut(id) {
                // What is kept for a restart is out of date.
                proposal.revision += 1;
                let task = proposal.task.clone();
                self.moved(id, task, path);
            }
        }
        let proposals: Vec<ProposalId> = hunks.iter().map(|(proposal, ..)| proposal.clone()).collect();
        self.committed.extend(hunks);
        proposals.iter().for_each(|id| self.bound(id));
    }

    /// Keeps what is remembered of a task's accepted hunks within its bound. What no commit holds is always kept, because a
    /// commit is made of it.
    pub(super) fn bound(&mut self, id: &ProposalId) {
        if let Some(proposal) = self.proposals.get_mut(id) {
            let committed = &self.committed;
            proposal.bound(MOST_KEPT, |record| committed.contains(&(id.clone(), record.hunk.clone(), record.path.clone())));
        }
    }

    /// What changes whenever the accepted hunks of a proposal do: their number, the last of them, and how many are committed.
    pub fn accepted_stamp(&self, proposal: &Proposal) -> (usize, Option<HunkId>, usize) {
        let committed = proposal.accepted.iter().filter(|record| self.committed.contains(&key(proposal, record))).count();
        (proposal.accepted.len(), proposal.accepted.last().map(|record| record.hunk.clone()), committed)
    }

    /// The hunks of `proposal` that a commit holds.
    pub fn committed_of(&self, proposal: &ProposalId) -> Vec<(HunkId, WsPath)> {
        let mine = self.committed.iter().filter(|(id, ..)| id == proposal);
        mine.map(|(_, hunk, path)| (hunk.clone(), path.clone())).collect()
    }

    /// The accepted hunks of this (restored) proposal were accepted before a restart; these of them a commit holds. `now` is
    /// what the disk holds at the paths that are not open.
    pub fn accepted_before(&mut self, id: &ProposalId, committed: &[(HunkId, WsPath)], now: &[(WsPath, Option<Beneath>)]) {
        let Some(proposal) = self.proposals.get(id) else { return };
        let keys: Vec<Key> = proposal.accepted.iter().map(|record| key(proposal, record)).collect();
        self.committed.extend(committed.iter().map(|(hunk, path)| (id.clone(), hunk.clone(), path.clone())));
        self.restored.extend(keys);
        self.restore_origins(id, now);
        self.bound(id);
    }

    /// The files of uncommitted hunks from before a restart that are not open: read them for [`Desk::uncommitted`].
    pub fn closed_restored(&self) -> Vec<WsPath> {
        if self.open_restored().next().is_none() {
            return Vec::new();
        }
        let records = self.proposals().flat_map(|proposal| &proposal.accepted);
        let mut paths: Vec<WsPath> = records.filter(|record| self.needs_disk(record)).map(|record| record.path.clone()).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    fn open_restored(&self) -> impl Iterator<Item = &Key> {
        self.restored.iter().filter(|key| !self.committed.contains(key))
    }

    /// Accepted lines of open files that the user took back since, by the editor's own undo for instance: the old lines stand
    /// there again, untouched. A commit would bring back what is not on the screen.
    pub(super) fn undone_by_hand(&self) -> Vec<Key> {
        let mut undone = Vec::new();
        for (path, buffer) in &self.buffers {
            let all = self.proposals().flat_map(|proposal| proposal.accepted.iter().map(move |record| (proposal, record)));
            let lines = |record: &Record| record.path == *path && record.kind == HunkKind::Lines && !record.forgotten;
            let mut rest: Vec<(&Proposal, &Record)> = all.filter(|(_, record)| lines(record)).collect();
            let mut now = buffer.text.clone();
            loop {
                let (before, mut left) = (rest.len(), Vec::new());
                // The newest first; who lies beneath another proposal's hunk comes in a later round.
                for (proposal, record) in rest.into_iter().rev() {
                    match taken_back(record, &now) {
                        Ok(reverse) => now = reverse.after,
                        Err(_) => left.push((proposal, record)),
                    }
                }
                left.reverse();
                rest = left;
                if rest.len() == before {
                    break;
                }
            }
            let old_stands = |record: &Record| {
                let (before, after) = (record.after.clone(), record.before.clone());
                let lengths = (record.lengths.1, record.lengths.0);
                taken_back(&Record { before, after, lengths, ..record.clone() }, &now).is_ok()
            };
            undone.extend(
                rest.into_iter().filter(|(_, record)| old_stands(record)).map(|(proposal, record)| key(proposal, record)),
            );
        }
        undone
    }

    /// The hunks from before a restart that are not as they were accepted: those that could not be taken back from the text
    /// of now, whatever else is taken back first.
    fn fallen(&self, observed: &[(WsPath, Option<Beneath>)]) -> Vec<(ProposalId, Kept)> {
        if self.open_restored().next().is_none() {
            return Vec::new();
        }
        let mut files: BTreeMap<WsPath, Past> = BTreeMap::new();
        let mut rest = Vec::new();
        for proposal in self.proposals() {
            let moves = moves_of(&proposal.accepted);
            for record in proposal.accepted.iter().filter(|record| !record.forgotten) {
                files.entry(record.path.clone()).or_insert_with(|| Past::of(&record.path, self.file_now(&record.path, observed)));
                let twin = record.kind == HunkKind::Move && moves.get(&record.hunk) == Some(&record.path);
                if !twin {
                    rest.push((proposal, record, moves.get(&record.hunk).cloned()));
                }
            }
        }
        loop {
            let (before, mut left, mut fallen) = (rest.len(), Vec::new(), Vec::new());
            // The newest first; who lies beneath another proposal's hunk comes in a later round.
            for (proposal, record, moved_to) in rest.into_iter().rev() {
                let restored = self.restored.contains(&key(proposal, record));
                if let Err((lines, why)) = step_back(&mut files, record, moved_to.as_ref(), restored) {
                    if restored {
                        let kept = Kept { hunk: record.hunk.clone(), path: record.path.clone(), lines, why };
                        fallen.push((proposal.id.clone(), kept));
                    }
                    left.push((proposal, record, moved_to));
                }
            }
            if left.len() == before || fallen.is_empty() {
                fallen.reverse();
                return fallen;
            }
            left.reverse();
            rest = left;
        }
    }
}

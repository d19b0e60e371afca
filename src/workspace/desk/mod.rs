//! The desk of one workspace folder: open buffers, and the proposals that lie on them.
//!
//! A plain value, without locks or I/O: the server's actor owns it, feeds it what the editor and the disk say, and takes out
//! events to journal and to display. What it never knows by itself is the disk; callers pass in what they read there.
//! Nothing here changes the user's text: a plan says what the editor is to do, and hunks are accepted when the text shows it.

mod acceptance;
mod buffers;
mod commits;
mod news;
mod provenance;
mod receipts;
mod renew;
mod staging;
mod standing;
mod undo;
mod view;

use std::collections::{BTreeMap, BTreeSet};

pub use crate::proposal::Beneath;
pub use acceptance::{Plan, Rejection, Settled, Taken};
pub use buffers::{Buffer, DocChange};
pub use commits::Uncommitted;
pub use provenance::Origin;
pub use renew::RenewError;
pub use undo::{Kept, Undo};
pub use view::{Overlay, Seen, Unopened};

use crate::{
    event::{CallId, HunkId, ProposalId, TaskId},
    path::WsPath,
    proposal::{FileProposal, Happened, Hunk, Proposal, Why},
};

/// Something that the server journals or shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeskEvent {
    pub proposal: ProposalId,
    pub task: TaskId,
    pub path: WsPath,
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Accepted {
        hunk: HunkId,
        call: CallId,
        old: String,
        new: String,
    },
    Rejected {
        hunk: HunkId,
        reason: Option<String>,
    },
    Stale {
        hunk: HunkId,
        why: Why,
    },
    /// A stale hunk is pending again: the user undid the edit.
    Revived {
        hunk: HunkId,
    },
    /// Hunks of the file came, went or moved: what is shown of them is out of date.
    Moved,
}

/// What the desk cannot do. The sentence names the thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    #[error("{0} is not open")]
    NotOpen(WsPath),
    #[error("a change of {0} ends before it begins")]
    BadRange(WsPath),
    #[error("there is no proposal {0}")]
    NoProposal(ProposalId),
    #[error("there is no hunk {hunk} in proposal {proposal}")]
    NoHunk { proposal: ProposalId, hunk: HunkId },
}

/// See the module.
#[derive(Default)]
pub struct Desk {
    buffers: BTreeMap<WsPath, Buffer>,
    proposals: BTreeMap<ProposalId, Proposal>,
    tasks: BTreeMap<TaskId, ProposalId>,
    watches: BTreeMap<TaskId, news::Watch>,
    events: Vec<DeskEvent>,
    committed: BTreeSet<(ProposalId, HunkId, WsPath)>,
    /// How many of these were there at the last push.
    pushed: usize,
    /// Accepted before a restart: a commit looks whether they still stand.
    restored: BTreeSet<(ProposalId, HunkId, WsPath)>,
    provenance: provenance::Provenance,
    rounds: BTreeMap<ProposalId, receipts::Round>,
    revision: u64,
}

impl Desk {
    /// An empty desk.
    pub fn new() -> Self {
        Desk::default()
    }

    /// Goes up with every change of what a task may see.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Takes what happened since the last call, in order.
    pub fn take_events(&mut self) -> Vec<DeskEvent> {
        std::mem::take(&mut self.events)
    }

    /// Gives a task its (one, empty) proposal. `id` is unique per server; a task that has a proposal keeps it.
    pub fn begin(&mut self, task: &TaskId, id: ProposalId) {
        if !self.tasks.contains_key(task) {
            self.tasks.insert(task.clone(), id.clone());
            self.proposals.insert(id.clone(), Proposal::new(id, task.clone()));
            self.watches.entry(task.clone()).or_default();
        }
    }

    /// Puts a proposal of an ended task back whose hunks lie over the texts of now. One with a known id or task is left out.
    pub fn restore(&mut self, proposal: Proposal) -> bool {
        if self.tasks.contains_key(&proposal.task) || self.proposals.contains_key(&proposal.id) {
            return false;
        }
        for path in proposal.files.keys() {
            self.moved(&proposal.id, proposal.task.clone(), path);
        }
        self.tasks.insert(proposal.task.clone(), proposal.id.clone());
        self.proposals.insert(proposal.id.clone(), proposal);
        self.revision += 1;
        true
    }

    /// All proposals, also those without pending hunks; not those that only take accepted hunks back.
    pub fn proposals(&self) -> impl Iterator<Item = &Proposal> {
        self.proposals.values().filter(|proposal| !proposal.is_undo)
    }

    /// The proposal of this id.
    pub fn proposal(&self, id: &ProposalId) -> Option<&Proposal> {
        self.proposals.get(id)
    }

    /// The proposal of a task.
    pub fn proposal_of(&self, task: &TaskId) -> Option<&Proposal> {
        self.proposals.get(self.tasks.get(task)?)
    }

    /// A hunk that is live or stale, with its file.
    ///
    /// # Errors
    /// [`DeskError`] naming what does not exist (any more).
    pub fn hunk(&self, proposal: &ProposalId, hunk: &HunkId) -> Result<(&WsPath, &FileProposal, &Hunk), DeskError> {
        let found = self.proposals.get(proposal).ok_or_else(|| DeskError::NoProposal(proposal.clone()))?;
        let (path, that) =
            found.hunk(hunk).ok_or_else(|| DeskError::NoHunk { proposal: proposal.clone(), hunk: hunk.clone() })?;
        Ok((path, &found.files[path], that))
    }

    /// The task is over: nothing is remembered for its next message. Its pending hunks stay.
    pub fn end(&mut self, task: &TaskId) {
        self.watches.remove(task);
    }

    /// Drops what a task still proposes, as rejected. What was accepted stays on record.
    pub fn discard(&mut self, task: &TaskId) {
        if let Some(id) = self.tasks.get(task).cloned() {
            let open = self.proposals.get(&id).map(|proposal| {
                proposal.files.values().flat_map(FileProposal::all).map(|hunk| hunk.id.clone()).collect::<Vec<_>>()
            });
            let _ = self.reject(&id, &open.unwrap_or_default(), Some("the proposal was discarded"));
        }
        self.end(task);
    }

    /// Books what became of hunks of one file of one proposal.
    fn book(&mut self, id: &ProposalId, path: &WsPath, happened: Vec<Happened>) {
        let Some(proposal) = self.proposals.get_mut(id) else { return };
        proposal.revision += 1;
        let task = proposal.task.clone();
        let watch = self.watches.get_mut(&task);
        let mut told = Vec::new();
        for what in happened {
            let what = match what {
                Happened::Landed(landed) if proposal.is_undo => {
                    proposal.accept(path, &landed);
                    continue;
                }
                _ if proposal.is_undo => continue,
                Happened::Landed(landed) => {
                    proposal.accept(path, &landed);
                    told.push(news::accepted(path, &landed));
                    let Hunk { id: hunk, call, old, new, .. } = landed.hunk;
                    What::Accepted { hunk, call, old, new }
                }
                Happened::Stale(hunk, why) => {
                    told.push(news::stale(path, &hunk, why));
                    What::Stale { hunk, why }
                }
                Happened::Revived(hunk) => {
                    told.push(news::revived(path, &hunk));
                    What::Revived { hunk }
                }
            };
            self.events.push(DeskEvent { proposal: id.clone(), task: task.clone(), path: path.clone(), what });
        }
        if let Some(watch) = watch {
            told.into_iter().for_each(|news| watch.tell(news));
        }
        proposal.tidy(path);
        self.moved(id, task, path);
        self.bound(id);
    }

    /// Says once that a file's display is out of date.
    fn moved(&mut self, id: &ProposalId, task: TaskId, path: &WsPath) {
        let event = DeskEvent { proposal: id.clone(), task, path: path.clone(), what: What::Moved };
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    /// The proposals that have hunks over this file.
    fn over(&self, path: &WsPath) -> Vec<ProposalId> {
        self.proposals.values().filter(|proposal| proposal.files.contains_key(path)).map(|proposal| proposal.id.clone()).collect()
    }

    fn file_mut(&mut self, id: &ProposalId, path: &WsPath) -> Option<&mut FileProposal> {
        self.proposals.get_mut(id)?.files.get_mut(path)
    }
}

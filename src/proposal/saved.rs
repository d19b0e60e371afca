//! A proposal's pending hunks as plain values, to be kept over a restart, and what of them still fits the texts afterwards.
//!
//! Nothing that is read back is believed: a hunk counts only where its old lines stand, at its place when the text is the
//! same one, else at the one place that has them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Beneath, Blob, FileOp, FileProposal, Hunk, HunkKind, HunkState, Ids, Proposal, creation::is_blank};
use crate::{
    event::{CallId, HunkId, ProposalId, TaskId},
    path::WsPath,
    text::{Text, seams_hold},
};

/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedProposal {
    pub id: ProposalId,
    pub task: TaskId,
    /// Number of the last hunk id that was handed out.
    pub last: u32,
    pub files: Vec<SavedFile>,
}

/// One file of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedFile {
    pub path: WsPath,
    /// SHA-256 of the text beneath, lower-case hex.
    pub base: String,
    /// Whether the file was there.
    pub exists: bool,
    pub bom: Option<bool>,
    /// Set when the file was not text.
    #[serde(default)]
    pub blob: Option<Blob>,
    /// Where the file is moved to.
    pub to: Option<WsPath>,
    pub hunks: Vec<SavedHunk>,
}

/// One hunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedHunk {
    pub id: HunkId,
    pub kind: HunkKind,
    /// First byte of its lines in the text beneath.
    pub start: usize,
    pub old: String,
    pub new: String,
    pub apart: bool,
    pub call: CallId,
    /// The lines around the place of an insertion.
    pub between: (String, String),
}

/// What could be restored.
#[derive(Clone, Debug)]
pub struct Restored {
    pub proposal: Proposal,
    pub hunks: usize,
    /// Hunks that do not fit any more, each with the reason.
    pub dropped: Vec<(WsPath, HunkId, &'static str)>,
}

impl SavedProposal {
    /// The hunks that wait; `None` when there are none. One that is just being accepted counts as waiting.
    pub fn of(proposal: &Proposal) -> Option<SavedProposal> {
        let files: Vec<SavedFile> = proposal
            .files
            .iter()
            .filter(|(_, file)| file.live().next().is_some())
            .map(|(path, file)| SavedFile {
                path: path.clone(),
                base: file.base.sha256(),
                exists: file.exists,
                bom: file.bom,
                blob: file.blob.clone(),
                to: if let FileOp::Move { to } = &file.op { Some(to.clone()) } else { None },
                hunks: file.live().map(saved).collect(),
            })
            .collect();
        let (id, task) = (proposal.id.clone(), proposal.task.clone());
        (!files.is_empty()).then(|| SavedProposal { id, task, last: proposal.ids.last(), files })
    }

    /// Every path that it is about, targets of moves included.
    pub fn paths(&self) -> impl Iterator<Item = &WsPath> {
        self.files.iter().flat_map(|file| std::iter::once(&file.path).chain(&file.to))
    }

    /// Puts the hunks over the files of now; `now` is `None` where there is none.
    ///
    /// # Errors
    /// A sentence when the values cannot come from a proposal: nothing is restored then.
    pub fn restore<T: Into<Beneath>>(self, now: impl Fn(&WsPath) -> Option<T>) -> Result<Restored, &'static str> {
        let mut proposal = Proposal::new(self.id, self.task);
        proposal.ids = Ids::after(self.last);
        let (mut seen, mut dropped, mut count) = (BTreeSet::new(), Vec::new(), 0);
        for file in self.files {
            let path = file.path.clone();
            if path.is_root() || proposal.files.contains_key(&path) {
                return Err("it names a file twice, or no file");
            }
            for hunk in &file.hunks {
                let number = hunk.id.0.strip_prefix('h').and_then(|number| number.parse::<u32>().ok());
                if number.is_none_or(|number| number == 0 || number > self.last) || !seen.insert(hunk.id.clone()) {
                    return Err("its hunk ids are not in order");
                }
            }
            let target = file.to.as_ref().is_some_and(|to| now(to).is_some());
            let restored = over(file, now(&path).map(Into::into), target, &mut dropped);
            count += restored.live().count();
            if !restored.is_empty() {
                proposal.files.insert(path, restored);
            }
        }
        Ok(Restored { proposal, hunks: count, dropped })
    }
}

fn saved(hunk: &Hunk) -> SavedHunk {
    SavedHunk {
        id: hunk.id.clone(),
        kind: hunk.kind,
        start: hunk.range.start,
        old: hunk.old.clone(),
        new: hunk.new.clone(),
        apart: hunk.apart,
        call: hunk.call.clone(),
        between: hunk.anchor.clone(),
    }
}

/// The hunks of one file over its text of now.
fn over(
    saved: SavedFile,
    now: Option<Beneath>,
    target_is_taken: bool,
    dropped: &mut Vec<(WsPath, HunkId, &'static str)>,
) -> FileProposal {
    let mut file = match now {
        Some(now) => FileProposal { bom: saved.bom, ..FileProposal::of(now) },
        None => FileProposal::absent(),
    };
    let same = file.exists && file.base.sha256() == saved.base;
    for hunk in saved.hunks {
        let id = hunk.id.clone();
        let placed = match (hunk.kind, &saved.to) {
            (HunkKind::Create, _) => create(&mut file, hunk),
            (HunkKind::Mode, _) => mode(&mut file, hunk),
            (_, _) if !file.exists => Err("the file is gone"),
            (HunkKind::Delete, _) => delete(&mut file, hunk, saved.blob.as_ref()),
            (HunkKind::Move, Some(to)) if !target_is_taken && file.mover.is_none() => {
                file.op = FileOp::Move { to: to.clone() };
                file.mover = Some(pending(hunk, 0));
                Ok(())
            }
            (HunkKind::Move, _) => Err("there is a file at its new place"),
            (HunkKind::Lines, _) if file.blob.is_some() => Err("the file is not text any more"),
            (HunkKind::Lines, _) => lines(&mut file, hunk, same),
        };
        if let Err(why) = placed {
            dropped.push((saved.path.clone(), id, why));
        }
    }
    file
}

fn create(file: &mut FileProposal, hunk: SavedHunk) -> Result<(), &'static str> {
    // An editor may have a document without text open for a file that is not there.
    if !file.hunks.is_empty() || !is_blank(&file.base) || file.blob.is_some() {
        return Err("the file exists now");
    }
    let mut hunk = Hunk { old: String::new(), ..pending(hunk, 0) };
    hunk.cover(&file.base);
    file.op = FileOp::Create;
    file.hunks = vec![hunk];
    Ok(())
}

fn delete(file: &mut FileProposal, hunk: SavedHunk, blob: Option<&Blob>) -> Result<(), &'static str> {
    if !file.hunks.is_empty() || file.blob.as_ref() != blob || file.base != Text::new(&hunk.old) {
        return Err("the file has changed");
    }
    file.op = FileOp::Delete;
    file.hunks = vec![Hunk { new: String::new(), ..pending(hunk, 0) }];
    Ok(())
}

fn mode(file: &mut FileProposal, hunk: SavedHunk) -> Result<(), &'static str> {
    if !file.stands() {
        return Err("the file is gone");
    }
    let hunk = pending(hunk, 0);
    let hunk = Hunk { range: 0..0, outer: 0..0, ..hunk };
    match hunk.executable() {
        None => Err("it names no mode"),
        Some(executable) if file.exists && file.executable == Some(executable) => Err("the file has this mode already"),
        Some(_) if file.mode.is_some() => Err("another change of the mode stands there"),
        Some(_) => {
            file.mode = Some(hunk);
            Ok(())
        }
    }
}

fn lines(file: &mut FileProposal, saved: SavedHunk, same: bool) -> Result<(), &'static str> {
    let start = saved.start;
    let mut hunk = pending(saved, start);
    if !same {
        let whole = 0..file.base.len();
        hunk.range = hunk.only_place_in(&file.base, &whole).ok_or("its lines do not stand at one place")?;
        hunk.outer = hunk.range.clone();
    }
    let range = &hunk.range;
    if !file.base.holds(range, &hunk.old) || !seams_hold(&file.base, range, &hunk.new) {
        return Err("its lines do not stand at its place");
    }
    let apart = |live: &Hunk| {
        let both_empty = live.range.is_empty() && range.is_empty() && live.range.start == range.start;
        live.kind == HunkKind::Lines && !both_empty && (live.range.end <= range.start || range.end <= live.range.start)
    };
    if !file.hunks.iter().all(apart) {
        return Err("another change stands at its place");
    }
    file.insert(hunk);
    Ok(())
}

fn pending(saved: SavedHunk, start: usize) -> Hunk {
    let range = start..start.saturating_add(saved.old.len());
    Hunk {
        id: saved.id,
        kind: saved.kind,
        outer: range.clone(),
        sent: false,
        awaited: false,
        range,
        old: saved.old,
        new: saved.new,
        state: HunkState::Pending,
        why: None,
        apart: saved.apart,
        call: saved.call,
        anchor: saved.between,
    }
}

//! Taking a task's accepted hunks back: the texts as if they had never been, as a proposal that lives for one edit.
//!
//! The newest hunk goes first, each over what is there without the newer ones. Where the user edited its lines since, a hunk
//! is kept, and the answer says where.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{Beneath, Desk, Taken, news};
use crate::{
    event::{CallId, HunkId, ProposalId, TaskId},
    path::WsPath,
    proposal::{Blob, Bytes, FileProposal, Hunk, HunkKind, Origin, Proposal, Record, taken_back},
    text::{self, Edit, Text, grow},
};

/// Bytes of accepted text that are kept for each task, beside what no commit holds yet.
pub(super) const MOST_KEPT: usize = 8 * 1024 * 1024;

/// An accepted hunk that is not taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub hunk: HunkId,
    pub path: WsPath,
    /// One-based first and last line that stand in the way, in the present text.
    pub lines: Option<(usize, usize)>,
    pub why: String,
}

/// What is to be done to take hunks back: accept `hunks` of `proposal`, then tell [`Desk::undone`].
#[derive(Clone, Debug)]
pub struct Undo {
    pub task: TaskId,
    pub proposal: ProposalId,
    /// Hunks of that proposal.
    pub hunks: Vec<HunkId>,
    /// Each accepted hunk with its file, and the hunks of that proposal that take it back.
    pub takes: Vec<(Taken, Vec<HunkId>)>,
    pub kept: Vec<Kept>,
    /// Accepted hunks that a commit holds; the commit stays.
    pub committed: Vec<HunkId>,
}

/// A file on the way back.
pub(super) struct Past {
    /// Where it stands now, and its text; `None` when there is no file.
    origin: WsPath,
    now: Option<Beneath>,
    /// Its text so far without the newer hunks, empty where it is not text; `None` without a file.
    text: Option<Text>,
    /// Set while it is not text.
    blob: Option<Blob>,
    /// The bytes to put there, when it has to come back and is not text.
    image: Option<Arc<[u8]>>,
    executable: Option<bool>,
    /// Edits made so far, each with the length of what it replaced.
    edits: Vec<(Edit, usize)>,
    /// What is taken back, with what of `now` it touches.
    takes: Vec<(Taken, Touch)>,
}

/// What of a file an accepted hunk is about.
enum Touch {
    Lines(Range<usize>),
    Whole,
    Mode,
}

impl Past {
    pub(super) fn of(path: &WsPath, now: Option<Beneath>) -> Past {
        Past {
            origin: path.clone(),
            text: now.as_ref().map(|now| now.text.clone()),
            blob: now.as_ref().and_then(|now| now.blob.clone()),
            image: None,
            executable: now.as_ref().and_then(|now| now.executable),
            now,
            edits: Vec::new(),
            takes: Vec::new(),
        }
    }

    /// A range of `text` in `now`.
    fn in_now(&self, range: Range<usize>) -> Range<usize> {
        self.edits.iter().rev().fold(range, |range, (edit, replaced)| {
            let back = Edit { range: edit.range.start..edit.range.start + edit.new.len(), new: " ".repeat(*replaced) };
            grow(&range, &back)
        })
    }

    fn lines(&self, range: Range<usize>) -> Option<(usize, usize)> {
        let now = &self.now.as_ref()?.text;
        let range = self.in_now(range);
        let last = range.end.saturating_sub(1).max(range.start);
        Some((now.line_of(range.start) + 1, now.line_of(last) + 1))
    }
}

impl Desk {
    /// The files of a task's accepted hunks of which the disk is to be known: read them for [`Desk::undo`].
    pub fn closed_accepted(&self, task: &TaskId) -> Vec<WsPath> {
        let records = self.proposal_of(task).into_iter().flat_map(|proposal| &proposal.accepted);
        let wanted = records.filter(|record| self.needs_disk(record));
        let mut paths: Vec<WsPath> = wanted.map(|record| record.path.clone()).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Makes the proposal `id` that takes the accepted hunks of a task back. `observed` is what the disk holds at
    /// [`Desk::closed_accepted`].
    pub fn undo(&mut self, task: &TaskId, id: ProposalId, observed: &[(WsPath, Option<Beneath>)]) -> Undo {
        let mut undo = Undo {
            task: task.clone(),
            proposal: id,
            hunks: Vec::new(),
            takes: Vec::new(),
            kept: Vec::new(),
            committed: Vec::new(),
        };
        let Some(of) = self.proposal_of(task) else { return undo };
        let mut files: BTreeMap<WsPath, Past> = BTreeMap::new();
        for record in &of.accepted {
            files.entry(record.path.clone()).or_insert_with(|| Past::of(&record.path, self.file_now(&record.path, observed)));
        }
        let mut records: Vec<&Record> = of.accepted.iter().rev().collect();
        let moves = moves_of(&of.accepted);
        records.retain(|record| record.kind != HunkKind::Move || moves.get(&record.hunk) != Some(&record.path));
        for record in records {
            let taken = Taken { hunk: record.hunk.clone(), path: record.path.clone() };
            let key = (of.id.clone(), record.hunk.clone(), record.path.clone());
            if let Err((lines, why)) = step_back(&mut files, record, moves.get(&record.hunk), self.restored.contains(&key)) {
                undo.kept.push(Kept { hunk: taken.hunk, path: taken.path, lines, why });
            } else if self.committed.contains(&key) {
                undo.committed.push(record.hunk.clone());
            }
        }
        let mut reverse = Proposal::new(undo.proposal.clone(), task.clone());
        reverse.is_undo = true;
        for (target, past) in files {
            stage(&mut reverse, &mut undo, target, past);
        }
        self.proposals.insert(undo.proposal.clone(), reverse);
        undo
    }

    /// The user's text of a file: its document's, else what was read from the disk.
    pub(super) fn text_now(&self, path: &WsPath, observed: &[(WsPath, Option<Beneath>)]) -> Option<Text> {
        self.file_now(path, observed).map(|now| now.text)
    }

    /// The same with all that is known of the file.
    pub(super) fn file_now(&self, path: &WsPath, observed: &[(WsPath, Option<Beneath>)]) -> Option<Beneath> {
        let seen = observed.iter().find(|(seen, _)| seen == path).map(|(_, now)| now);
        match self.buffers.get(path) {
            // The server deleted or moved it, and the editor still shows it.
            Some(_) if seen == Some(&None) && self.went(path) => None,
            Some(buffer) => {
                let executable = seen.and_then(|now| now.as_ref()?.executable);
                Some(Beneath { executable, ..Beneath::from(buffer.text.clone()) })
            }
            None => seen.cloned().flatten(),
        }
    }

    /// Whether the last that was accepted about this name took the file away.
    fn went(&self, path: &WsPath) -> bool {
        self.proposals().any(|proposal| {
            let last = proposal.accepted.iter().rfind(|record| record.path == *path);
            last.is_some_and(|last| match last.kind {
                HunkKind::Delete => true,
                HunkKind::Move => moves_of(&proposal.accepted).get(&last.hunk) != Some(path),
                _ => false,
            })
        })
    }

    /// Whether what the disk holds counts for an accepted hunk. A document has no mode, and may still be shown when its file
    /// is gone.
    pub(super) fn needs_disk(&self, record: &Record) -> bool {
        let of_disk = matches!(record.kind, HunkKind::Mode | HunkKind::Delete | HunkKind::Move);
        of_disk || !self.buffers.contains_key(&record.path)
    }

    /// Books what an undo took back so far: forgets those accepted hunks, which are the answer, and unless `more` may still
    /// come its proposal.
    pub fn undone(&mut self, undo: &Undo, more: bool) -> Vec<Taken> {
        let Some(reverse) = self.proposals.get(&undo.proposal) else { return Vec::new() };
        let landed = |hunk: &HunkId| reverse.accepted.iter().any(|record| record.hunk == *hunk);
        let of = self.tasks.get(&undo.task).and_then(|id| self.proposals.get(id));
        let stands = |taken: &Taken| of.is_some_and(|of| of.accepted.iter().any(|record| record.hunk == taken.hunk));
        let takes = undo.takes.iter().filter(|(taken, by)| by.iter().all(landed) && stands(taken));
        let gone: Vec<Taken> = takes.map(|(taken, _)| taken.clone()).collect();
        if !more {
            self.proposals.remove(&undo.proposal);
        }
        if let Some(of) = self.tasks.get(&undo.task).and_then(|id| self.proposals.get_mut(id)) {
            of.accepted.retain(|record| !gone.iter().any(|taken| taken.hunk == record.hunk));
            of.revision += 1;
        }
        if let Some(watch) = self.watches.get_mut(&undo.task) {
            gone.iter().for_each(|taken| watch.tell(news::undone(&taken.path, &taken.hunk)));
        }
        self.revision += 1;
        gone
    }
}

/// Where moved files went. A move is on record for both of its names, the new one first; one of the two tells all.
pub(super) fn moves_of(records: &[Record]) -> BTreeMap<HunkId, WsPath> {
    let mut moves: BTreeMap<HunkId, WsPath> = BTreeMap::new();
    for record in records.iter().filter(|record| record.kind == HunkKind::Move) {
        moves.entry(record.hunk.clone()).or_insert_with(|| record.path.clone());
    }
    moves
}

/// Takes one record back in `files`; else the lines in the way, and why. Of one from before a restart nobody knows who
/// changed the lines since, or whether they were ever saved.
pub(super) fn step_back(
    files: &mut BTreeMap<WsPath, Past>,
    record: &Record,
    moved_to: Option<&WsPath>,
    restored: bool,
) -> Result<(), (Option<(usize, usize)>, String)> {
    let path = &record.path;
    let taken = Taken { hunk: record.hunk.clone(), path: path.clone() };
    if record.forgotten {
        return Err((None, "too much was accepted since to keep its text; the commit that holds it can be reverted".to_owned()));
    }
    let gone = || (None, format!("{path} is not there any more"));
    if record.kind == HunkKind::Move {
        let to = moved_to.ok_or_else(gone)?;
        if files.get(path).is_some_and(|past| past.text.is_some()) {
            return Err((None, format!("there is a file at {path} again")));
        }
        let mut past =
            files.remove(to).filter(|past| past.text.is_some()).ok_or_else(|| (None, format!("{to} is not there any more")))?;
        past.takes.push((taken, Touch::Whole));
        files.insert(path.clone(), past);
        return Ok(());
    }
    let past = files.get_mut(path).ok_or_else(gone)?;
    let (before, after) = &record.beside;
    match (record.kind, &past.text) {
        (HunkKind::Delete, None) => {
            if before.blob.is_some() && record.image.is_none() {
                return Err((
                    None,
                    format!(
                        "{path} was too large, or deleted before a restart, and its bytes are not kept; git has them if they were committed"
                    ),
                ));
            }
            past.text = Some(record.before.clone());
            (past.blob, past.executable, past.image) = (before.blob.clone(), before.executable, record.image.clone());
        }
        (HunkKind::Delete, Some(_)) => return Err((None, format!("there is a file at {path} again"))),
        (_, None) => return Err(gone()),
        (HunkKind::Mode, Some(_)) if past.executable != after.executable => {
            return Err((None, format!("the mode of {path} was changed since")));
        }
        (HunkKind::Mode, Some(_)) => {
            past.executable = before.executable;
            past.takes.push((taken, Touch::Mode));
            return Ok(());
        }
        (HunkKind::Create, Some(_)) if past.blob != after.blob => {
            return Err((None, format!("{path} is another file since, so it is not deleted")));
        }
        (_, Some(_)) if past.blob.is_some() && record.kind == HunkKind::Lines => {
            return Err((None, format!("{path} is not text any more")));
        }
        (HunkKind::Create, Some(text)) if *text != record.after => {
            let since = text::changes(&record.after, text);
            let grown: isize = since.iter().map(|edit| edit.new.len() as isize - edit.range.len() as isize).sum();
            let hull = since.first().zip(since.last());
            let hull =
                hull.map(|(first, last)| first.range.start..last.range.end.saturating_add_signed(grown).max(first.range.start));
            let lines = hull.and_then(|hull| past.lines(hull));
            let why = match restored {
                true => format!("{path} is not as it was accepted before the restart"),
                false => format!("you edited {path} since, so the file is not deleted"),
            };
            return Err((lines, why));
        }
        (HunkKind::Create, Some(_)) => (past.text, past.blob) = (None, None),
        (_, Some(text)) => match taken_back(record, text) {
            Ok(reverse) => {
                let touched = past.in_now(reverse.edit.range.clone());
                past.edits.push((reverse.edit.clone(), reverse.edit.range.len()));
                past.text = Some(reverse.after);
                past.takes.push((taken, Touch::Lines(touched)));
                return Ok(());
            }
            Err(range) if restored => {
                let why = format!("these lines of {path} are not as they were accepted before the restart");
                return Err((past.lines(range), why));
            }
            Err(range) => return Err((past.lines(range), format!("you edited these lines of {path} since"))),
        },
    }
    past.edits.clear();
    past.takes.push((taken, Touch::Whole));
    Ok(())
}

/// Puts what one file needs into the proposal.
fn stage(reverse: &mut Proposal, undo: &mut Undo, target: WsPath, past: Past) {
    if past.takes.is_empty() {
        return;
    }
    let call = CallId::from("undo");
    let mut origin = Origin { call: &call, apart: false, ids: &mut reverse.ids };
    let (mut file, place) = match &past.now {
        Some(now) => (FileProposal::of(now.clone()), past.origin),
        None => (FileProposal::absent(), target.clone()),
    };
    // The file is new and nothing of it is being accepted, so none of these can be busy.
    let _ = match (&past.now, &past.text) {
        (Some(now), Some(_)) if now.blob.is_some() => Ok(()),
        (Some(_), Some(text)) => file.stage_text(text, &mut origin),
        (Some(_), None) => file.stage_delete(&mut origin),
        (None, Some(text)) => match past.image {
            Some(image) => file.stage_bytes(Bytes::of(image), &mut origin),
            None => file.stage_create(text, &mut origin),
        },
        (None, None) => Ok(()),
    };
    if let (Some(_), Some(executable)) = (&past.text, past.executable) {
        let _ = file.stage_mode(executable, &mut origin);
    }
    if past.now.is_some() && past.text.is_some() && target != place {
        let _ = file.stage_move(Some(target), &mut origin);
    }
    let ids = |wanted: &dyn Fn(&Hunk) -> bool| -> Vec<HunkId> {
        file.live().filter(|hunk| wanted(hunk)).map(|hunk| hunk.id.clone()).collect()
    };
    let not_mode = |hunk: &Hunk| hunk.kind != HunkKind::Mode;
    for (taken, touch) in past.takes {
        let by = match touch {
            Touch::Mode => ids(&|hunk| hunk.kind == HunkKind::Mode),
            Touch::Lines(range) => ids(&|hunk| not_mode(hunk) && hunk.range.start <= range.end && range.start <= hunk.range.end),
            Touch::Whole => Vec::new(),
        };
        undo.takes.push((taken, if by.is_empty() { ids(&not_mode) } else { by }));
    }
    undo.hunks.extend(ids(&|_| true));
    if !file.is_empty() {
        reverse.files.insert(place, file);
    }
}

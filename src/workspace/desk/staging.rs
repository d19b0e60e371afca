//! Staging: what a task's model wants to change goes into its proposal.

use super::{Beneath, Desk};
use crate::{
    event::{HunkId, ProposalId, TaskId},
    path::WsPath,
    proposal::{Busy, FileOp, FileProposal, Hunk, HunkState, Origin, transplant},
    seams::{StageOp, StageRequest, Staged, WorkspaceError},
    text::Text,
};

impl Desk {
    /// Puts a change into the proposal of `task`. `beneath` is what the disk holds at `request.path` now, `None` when there
    /// is no file; it is not looked at for open files. For a move the caller has checked that the disk has nothing at the target.
    ///
    /// # Errors
    /// [`WorkspaceError`] for the model; nothing is staged then. `Moved` also when the user is accepting hunks at this place.
    pub fn stage(&mut self, task: &TaskId, request: &StageRequest, beneath: Option<Beneath>) -> Result<Staged, WorkspaceError> {
        let id = self.tasks.get(task).cloned().ok_or(WorkspaceError::Closed)?;
        let moved_from = self.proposals.get(&id).and_then(|proposal| proposal.moved_to(&request.path)).cloned();
        let key = moved_from.clone().unwrap_or_else(|| request.path.clone());
        if moved_from.is_none() && !self.buffers.contains_key(&key) {
            self.refresh(&key, &beneath);
        }
        let executable = beneath.as_ref().and_then(|beneath| beneath.executable);
        let mut file = match self.proposals.get(&id).and_then(|proposal| proposal.files.get(&key)) {
            Some(file) => file.clone(),
            None => self.fresh(&key, beneath),
        };
        file.executable = executable.or(file.executable);
        let (before, base) = (file.staged(), file.exists.then(|| file.base.clone()));
        let mode = file.executable;
        let target = self.target(&id, &key, &request.op)?;
        let proposal = self.proposals.get_mut(&id).ok_or(WorkspaceError::Closed)?;
        let mut origin = Origin { call: &request.call, apart: request.apart, ids: &mut proposal.ids };
        let staged = staged(file, request, &key, &mut origin)?;
        let text = staged.as_ref().and_then(FileProposal::staged).unwrap_or_default();
        let hunks = staged.as_ref().map(pending).unwrap_or_default();
        proposal.files.remove(&key);
        let place = target.unwrap_or_else(|| key.clone());
        if let Some(file) = staged {
            proposal.files.insert(place.clone(), file);
        }
        proposal.tidy(&place);
        proposal.revision += 1;
        self.revision += 1;
        self.note_read(task, &place);
        self.moved(&id, task.clone(), &place);
        if place != key {
            self.moved(&id, task.clone(), &key);
        }
        self.compare_checked(&key, Some(before.as_ref()), Some(base.as_ref()));
        match &request.op {
            StageOp::Move { to } => self.compare_checked(to, Some(None), None),
            StageOp::Mode { .. } => self.compare_checked_mode(&key, mode),
            StageOp::Modify { .. } | StageOp::Create { .. } | StageOp::Delete => {}
        }
        Ok(Staged { proposal: id, hunks, text })
    }

    /// Brings what is known of a file that is not open up to what the disk holds.
    fn refresh(&mut self, path: &WsPath, beneath: &Option<Beneath>) {
        let differs = |file: &FileProposal| {
            let known = file.exists.then_some((&file.base, &file.blob));
            let executable = beneath.as_ref().and_then(|beneath| beneath.executable);
            known != beneath.as_ref().map(|beneath| (&beneath.text, &beneath.blob))
                || executable.is_some_and(|now| file.executable != Some(now))
        };
        if self.proposals.values().filter_map(|proposal| proposal.files.get(path)).any(differs) {
            self.disk_changed(path, beneath.clone());
        }
    }

    /// A file without hunks over what is there.
    fn fresh(&self, path: &WsPath, beneath: Option<Beneath>) -> FileProposal {
        match (self.buffers.get(path), beneath) {
            (Some(buffer), beneath) => FileProposal::over(buffer.text.clone(), beneath.map(|beneath| beneath.bom).or(buffer.bom)),
            (None, Some(beneath)) => FileProposal::of(beneath),
            (None, None) => FileProposal::absent(),
        }
    }

    /// Checks the target of a move. The answer is where a file that the proposal creates stands afterwards.
    fn target(&self, id: &ProposalId, key: &WsPath, op: &StageOp) -> Result<Option<WsPath>, WorkspaceError> {
        let StageOp::Move { to } = op else { return Ok(None) };
        let Some(proposal) = self.proposals.get(id) else { return Err(WorkspaceError::Closed) };
        let staged_there = proposal.files.contains_key(to) || proposal.moved_to(to).is_some();
        if to != key && (staged_there || self.buffers.contains_key(to)) {
            return Err(WorkspaceError::Exists(to.clone()));
        }
        let created = proposal.files.get(key).is_some_and(|file| file.op == FileOp::Create && !file.exists);
        Ok(created.then(|| to.clone()))
    }
}

/// The file with the request's change; `None` when nothing of the proposal is left in it.
fn staged(
    mut file: FileProposal,
    request: &StageRequest,
    key: &WsPath,
    origin: &mut Origin<'_>,
) -> Result<Option<FileProposal>, WorkspaceError> {
    let path = &request.path;
    let busy = |_| WorkspaceError::Moved(path.clone());
    let now = file.staged().filter(|_| key != path || !is_moved(&file));
    let missing = || WorkspaceError::NotFound { path: path.clone(), near: Vec::new() };
    match &request.op {
        StageOp::Modify { .. } if file.blob.is_some() => return Err(WorkspaceError::NotEditable(path.clone())),
        StageOp::Modify { from, to } => {
            let now = now.ok_or_else(missing)?;
            let to = transplant(from, to, &now).ok_or_else(|| WorkspaceError::Moved(path.clone()))?;
            file.stage_text(&to, origin).map_err(busy)?;
        }
        StageOp::Create { text } => create(&mut file, now, path, text, origin)?,
        StageOp::Delete => {
            now.ok_or_else(missing)?;
            if file.op == FileOp::Create && !file.exists {
                return idle(&file).map(|()| None).map_err(busy);
            }
            file.stage_delete(origin).map_err(busy)?;
        }
        StageOp::Move { to } => {
            now.ok_or_else(missing)?;
            if file.op == FileOp::Create {
                // A file that is not there yet just gets another name; one that came to be meanwhile is looked at again.
                return if file.exists { Err(busy(Busy)) } else { idle(&file).map(|()| Some(file)).map_err(busy) };
            }
            file.stage_move((to != key).then(|| to.clone()), origin).map_err(busy)?;
        }
        StageOp::Mode { executable } => {
            now.ok_or_else(missing)?;
            if file.staged_executable().unwrap_or(false) == *executable {
                return Err(WorkspaceError::Same(path.clone()));
            }
            file.stage_mode(*executable, origin).map_err(busy)?;
        }
    }
    Ok(Some(file))
}

fn create(
    file: &mut FileProposal,
    now: Option<Text>,
    path: &WsPath,
    text: &Text,
    origin: &mut Origin<'_>,
) -> Result<(), WorkspaceError> {
    let busy = |_| WorkspaceError::Moved(path.clone());
    if is_moved(file) {
        let why = "this proposal moves it away; create the new file under another name".to_owned();
        return Err(WorkspaceError::Io { path: path.clone(), why });
    }
    let deletion =
        file.live().find(|hunk| file.op == FileOp::Delete && hunk.state == HunkState::Pending).map(|hunk| hunk.id.clone());
    match (deletion, now) {
        (Some(_), _) if file.blob.is_some() => Err(WorkspaceError::NotEditable(path.clone())),
        (Some(deletion), _) => {
            file.remove(&deletion);
            file.stage_text(text, origin).map_err(busy)
        }
        (None, None) => file.stage_create(text, origin).map_err(busy),
        // An editor opens an empty document for a file that does not exist yet.
        (None, Some(now)) if now.is_empty() && file.is_empty() && file.bom.is_none() && file.blob.is_none() => {
            file.stage_create(text, origin).map_err(busy)
        }
        (None, Some(_)) => Err(WorkspaceError::Exists(path.clone())),
    }
}

fn idle(file: &FileProposal) -> Result<(), Busy> {
    if file.live().any(|hunk| hunk.state == HunkState::Applying) { Err(Busy) } else { Ok(()) }
}

fn pending(file: &FileProposal) -> Vec<HunkId> {
    file.live().map(|hunk: &Hunk| hunk.id.clone()).collect()
}

fn is_moved(file: &FileProposal) -> bool {
    matches!(file.op, FileOp::Move { .. })
}

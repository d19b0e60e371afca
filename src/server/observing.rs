//! What the disk holds where no document tells: read after an edit was sent, and before accepted hunks are taken back.

use std::path::PathBuf;

use super::folders::Folder;
use crate::{
    event::ProposalId,
    path::WsPath,
    proposal::{FileOp, HunkKind, HunkState, PlannedFile},
    seams::WorkspaceError,
    workspace::{
        self,
        desk::{Beneath, Plan},
    },
};

/// By path; `None` where there is no file.
pub type Observed = Vec<(WsPath, Option<Beneath>)>;

/// Paths of a proposal that no document is open for.
pub fn unopened_of(folder: &Folder, id: &ProposalId) -> Vec<WsPath> {
    let files = folder.desk.proposal(id).into_iter().flat_map(|proposal| proposal.files.iter());
    let paths = files.flat_map(|(path, file)| {
        let target = if let FileOp::Move { to } = &file.op { Some(to) } else { None };
        target.into_iter().chain([path])
    });
    paths.filter(|path| folder.desk.buffer(path).is_none()).cloned().collect()
}

/// The path of a planned file, and where it is moved to.
pub fn places(file: &PlannedFile) -> impl Iterator<Item = &WsPath> {
    let target = if let FileOp::Move { to } = &file.op { Some(to) } else { None };
    std::iter::once(&file.path).chain(target)
}

/// Paths of a plan that no document is open for, targets of moves included.
pub fn closed_paths(folder: &Folder, plan: &Plan) -> Vec<WsPath> {
    let mut paths: Vec<WsPath> = plan.files.iter().flat_map(places).cloned().collect();
    paths.retain(|path| folder.desk.buffer(path).is_none());
    paths
}

/// Paths that are looked at when an edit is answered: those that no document is open for, and what is moved, which the client may
/// have closed by then.
pub fn looked_at(folder: &Folder, plan: &Plan) -> Vec<WsPath> {
    let moved = plan.files.iter().filter(|file| matches!(file.op, FileOp::Move { .. })).map(|file| &file.path);
    let mut paths = closed_paths(folder, plan);
    paths.extend(moved.filter(|path| folder.desk.buffer(path).is_some()).cloned());
    paths
}

/// The files that a plan deletes.
pub fn deletions(plan: &Plan) -> Vec<WsPath> {
    plan.files.iter().filter(|file| file.op == FileOp::Delete).map(|file| file.path.clone()).collect()
}

/// Whether all that is still being applied of a plan are moves of files that are not open, and the disk shows them as done.
pub fn moves_are_done(folder: &Folder, plan: &Plan, observed: &Observed) -> bool {
    let Some(proposal) = folder.desk.proposal(&plan.proposal) else { return false };
    let there = |path: &WsPath| observed.iter().find(|(seen, _)| seen == path).map(|(_, now)| now.is_some());
    let gone = |path: &WsPath| there(path) == Some(false) && folder.desk.buffer(path).is_none();
    let moved = |path: &WsPath| match proposal.files.get(path).map(|file| &file.op) {
        Some(FileOp::Move { to }) => gone(path) && there(to) == Some(true),
        _ => false,
    };
    let hunks = plan.hunks.iter().filter_map(|id| proposal.hunk(id));
    let mut waiting = hunks.filter(|(_, hunk)| hunk.state == HunkState::Applying).peekable();
    waiting.peek().is_some() && waiting.all(|(path, hunk)| hunk.kind == HunkKind::Move && moved(path))
}

/// What the disk holds at these paths. What cannot be read (a link that leads out, a pipe, a file that is too large) is not said
/// to be gone: it is left out.
pub fn look(folder: &workspace::Folder, paths: Vec<WsPath>) -> Observed {
    let row = |path: WsPath| match folder.read(&path) {
        Ok(file) => Some((path, Some(file.beneath()))),
        Err(WorkspaceError::NotFound { .. }) => Some((path, None)),
        Err(_) => None,
    };
    paths.into_iter().filter_map(row).collect()
}

/// The same, read on a thread for that.
pub async fn observe(root: PathBuf, paths: Vec<WsPath>) -> Observed {
    if paths.is_empty() {
        return Vec::new();
    }
    let look = move || {
        // Without its folder no file is there.
        let Ok(folder) = workspace::Folder::open(&root) else { return paths.into_iter().map(|path| (path, None)).collect() };
        look(&folder, paths)
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

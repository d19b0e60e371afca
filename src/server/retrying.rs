//! An edit that the client refused because its texts had moved: it is made once more for the texts of now. A client that says no
//! may make the first one all the same, and so only what names a version is sent at once, which it then knows for an old one. The
//! rest waits for that edit's answer: by then the client has told what it made of the first, and makes nothing of it any more.

use super::{
    accepting::{Job, Review},
    actor::Actor,
    caps::Client,
    folders::Folder,
    late::names_version,
    observing::Observed,
};
use crate::{event::HunkId, path::WsPath, proposal::HunkKind, workspace::desk::Settled};

/// Hunks without an outcome whose file's text would be edited without a version of it.
fn unnamed(folder: &Folder, job: &Job, client: &Client) -> Vec<HunkId> {
    let mut left = job.left();
    let found = |id: &HunkId| folder.desk.hunk(&job.proposal, id).ok();
    let unnamed = |path: &WsPath| {
        let version = folder.desk.buffer(path).map(|buffer| buffer.version);
        !names_version(version, client.document_changes)
    };
    let text = |id: &HunkId| found(id).filter(|(_, _, hunk)| matches!(hunk.kind, HunkKind::Lines | HunkKind::Create));
    let mut paths: Vec<&WsPath> = left.iter().filter_map(text).map(|(path, ..)| path).collect();
    paths.retain(|path| unnamed(path));
    // A mode is the server's to change.
    left.retain(|id| found(id).is_some_and(|(path, _, hunk)| hunk.kind != HunkKind::Mode && paths.contains(&path)));
    left
}

/// Paths of what is left out of an edit that no document is open for.
pub(super) fn unopened(folder: &Folder, job: &Job) -> Vec<WsPath> {
    let path = |id: &HunkId| folder.desk.hunk(&job.proposal, id).ok().map(|(path, ..)| path.clone());
    let mut paths: Vec<WsPath> = job.behind.iter().filter_map(path).collect();
    paths.dedup();
    paths.retain(|path| folder.desk.buffer(path).is_none());
    paths
}

impl Review {
    /// Whether the client has answered this edit.
    pub(super) fn is_answered(&self, edit: Option<u64>) -> bool {
        self.errands.iter().any(|errand| Some(errand.edit) == edit && errand.answered)
    }
}

impl Actor {
    /// The client refused: once more on the text as it is now, when that has moved; else it is over.
    pub(super) fn refused(&mut self, why: String, observed: Observed) {
        let Some(job) = self.review.jobs.front_mut() else { return };
        let moved = job.plan.as_ref().is_some_and(|plan| {
            let folder = self.folders.get(job.folder);
            plan.files.iter().any(|file| {
                folder
                    .and_then(|folder| folder.desk.buffer(&file.path))
                    .is_some_and(|buffer| Some(buffer.version) != file.version)
            })
        });
        if !moved || job.retried.is_some() {
            job.refusal = Some(why);
            return self.edited(observed, None);
        }
        job.retried = Some(why);
        let (id, hunks) = (job.proposal.clone(), job.plan.take().map(|plan| plan.hunks).unwrap_or_default());
        if let Some(folder) = self.folders.get_mut(job.folder) {
            // What did land stays accepted; the rest is pending and planned anew.
            let settled = folder.desk.settle(&id, &hunks, observed).unwrap_or_default();
            job.edited.extend(settled.accepted.iter().map(|taken| taken.path.clone()));
            job.book(Settled { accepted: settled.accepted, refused: Vec::new() });
            job.behind = unnamed(folder, job, &self.client);
        }
        self.after_text_of_current();
        self.send_edit();
    }

    /// Goes on with what was left out of the second edit, if there is any and that one was answered and `made`. Whether an edit
    /// was sent.
    pub(super) fn send_rest(&mut self, made: bool) -> bool {
        let Some(job) = self.review.jobs.front_mut() else { return false };
        let Some(folder) = self.folders.get_mut(job.folder) else { return false };
        let behind = std::mem::take(&mut job.behind);
        if behind.is_empty() {
            return false;
        }
        // What the client made of the first edit, whatever it had said.
        let mut settled = folder.desk.settle(&job.proposal, &behind, Vec::new()).unwrap_or_default();
        job.edited.extend(settled.accepted.iter().map(|taken| taken.path.clone()));
        let again = made && !settled.refused.is_empty();
        match &job.retried {
            _ if again => settled.refused.clear(),
            Some(why) => settled.refused.iter_mut().for_each(|(_, said)| said.clone_from(why)),
            None => {}
        }
        job.book(settled);
        if again {
            self.send_edit();
        }
        again
    }
}

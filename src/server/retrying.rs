//! An edit that the client refused because its texts had moved: it is made once more for the texts of now. A client that says no
//! may make the first one all the same, and so only what names a version is sent at once, which it then knows for an old one. The
//! rest waits for that edit's answer: by then the client has told what it made of the first, and makes nothing of it any more.

use std::collections::BTreeSet;

use super::{
    accepting::{Job, Review},
    actor::Actor,
    caps::Client,
    folders::Folder,
    late::names_version,
    observing::Observed,
};
use crate::{
    event::HunkId,
    path::WsPath,
    proposal::{FileOp, HunkKind},
    workspace::desk::Settled,
};

/// Of the hunks of an edit those whose file's text it would edit without a version of it.
fn unnamed(folder: &Folder, job: &Job, mut hunks: Vec<HunkId>, client: &Client) -> Vec<HunkId> {
    let found = |id: &HunkId| folder.desk.hunk(&job.proposal, id).ok();
    let unnamed = |path: &WsPath| {
        let version = folder.desk.buffer(path).map(|buffer| buffer.version);
        !names_version(version, client.document_changes)
    };
    let text = |id: &HunkId| found(id).filter(|(_, _, hunk)| matches!(hunk.kind, HunkKind::Lines | HunkKind::Create));
    let mut paths: Vec<&WsPath> = hunks.iter().filter_map(text).map(|(path, ..)| path).collect();
    paths.retain(|path| unnamed(path));
    hunks.retain(|id| found(id).is_some_and(|(path, ..)| paths.contains(&path)));
    hunks
}

/// Paths of what is left out of an edit, targets of moves included.
pub(super) fn places(folder: &Folder, job: &Job) -> Vec<WsPath> {
    let files = job.behind.iter().filter_map(|id| folder.desk.hunk(&job.proposal, id).ok());
    let places = files.flat_map(|(path, file, _)| {
        let target = if let FileOp::Move { to } = &file.op { Some(to) } else { None };
        [Some(path), target].into_iter().flatten().cloned()
    });
    places.collect::<BTreeSet<WsPath>>().into_iter().collect()
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
        let (id, mut hunks) = (job.proposal.clone(), job.plan.take().map(|plan| plan.hunks).unwrap_or_default());
        if let Some(folder) = self.folders.get_mut(job.folder) {
            job.behind = unnamed(folder, job, hunks.clone(), &self.client);
            // What did land stays accepted; the rest is pending, and what the client has now is planned anew.
            let settled = folder.desk.suspend(&id, &hunks, observed).unwrap_or_default();
            job.behind.retain(|hunk| !settled.accepted.iter().any(|taken| taken.hunk == *hunk));
            hunks.retain(|hunk| !job.behind.contains(hunk));
            let _ = folder.desk.settle(&id, &hunks, Observed::new());
            job.edited.extend(settled.accepted.iter().map(|taken| taken.path.clone()));
            job.book(Settled { accepted: settled.accepted, refused: Vec::new() });
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
        let mut settled = folder.desk.settle(&job.proposal, &behind, std::mem::take(&mut job.disk)).unwrap_or_default();
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

//! What a task reaches through the actor: the desk of its folder, and git with the accepted hunks filled in.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::mpsc;

use super::{Setup, input::Input};
use crate::{
    config::GitBranch,
    event::{HunkId, ProposalId, TaskId},
    path::WsPath,
    policy::Policy,
    seams::{Branch, CommitPlan, CommitSpec, PushPlan, PushSpec, Vcs, VcsError, WorkspaceError},
    vcs::{Git, GitSettings},
    workspace::{DeskDoor, DeskWork, call, desk::Desk},
};

/// The desk of one folder, owned by the actor.
pub struct ActorDesk {
    mailbox: mpsc::UnboundedSender<Input>,
    folder: usize,
}

impl ActorDesk {
    /// The desk of this folder.
    pub fn new(mailbox: mpsc::UnboundedSender<Input>, folder: usize) -> Self {
        ActorDesk { mailbox, folder }
    }
}

#[async_trait::async_trait]
impl DeskDoor for ActorDesk {
    async fn with(&self, work: DeskWork) -> Result<(), WorkspaceError> {
        self.mailbox.send(Input::Desk { folder: self.folder, op: work }).map_err(|_| WorkspaceError::Closed)
    }
}

/// One accepted hunk that a commit holds.
type Held = (ProposalId, HunkId);
/// The accepted hunks of a folder that a commit holds.
pub type Committed = Arc<Mutex<HashSet<Held>>>;

/// Git of a folder for one conversation: a commit holds exactly the accepted hunks that no commit holds yet.
pub struct Repository {
    git: Git,
    desk: ActorDesk,
    committed: Committed,
    /// Whose hunks a commit takes; `None` takes the folder's.
    tasks: Option<Vec<TaskId>>,
    planned: Mutex<Vec<(String, Vec<Held>)>>,
}

impl Repository {
    /// Git of a folder; a folder without a repository has none, and says so when git is needed.
    pub fn open(
        setup: &Setup,
        folder: &Path,
        policy: &Policy,
        desk: ActorDesk,
        committed: Committed,
        tasks: Option<Vec<TaskId>>,
    ) -> Result<Repository, VcsError> {
        let settings = GitSettings {
            allow_file_remotes: setup.config.git.allow_file_remotes,
            protected: policy.branches().protected.clone(),
            agent_prefix: "agent/".to_owned(),
            always_agent: setup.config.git.branch == GitBranch::Agent,
            hidden: policy.secret_patterns(),
            env: setup.environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            scratch: setup.folders.cache.join("git"),
            hooks: None,
        };
        Ok(Repository { git: Git::open(folder, settings)?, desk, committed, tasks, planned: Mutex::default() })
    }

    /// What stands accepted and in no commit: texts by file, and the hunks they come from.
    async fn accepted(&self) -> (Vec<(WsPath, Vec<(String, String)>)>, Vec<Held>) {
        let (tasks, committed) = (self.tasks.clone(), self.committed.clone());
        let look = move |desk: &mut Desk| {
            let (mut files, mut held): (Vec<(WsPath, Vec<(String, String)>)>, Vec<Held>) = Default::default();
            let mine = |task: &TaskId| tasks.as_ref().is_none_or(|tasks| tasks.contains(task));
            let committed = committed.lock().unwrap_or_else(PoisonError::into_inner);
            let records = desk
                .proposals()
                .filter(|proposal| mine(&proposal.task))
                .flat_map(|proposal| proposal.accepted.iter().map(|record| ((proposal.id.clone(), record.hunk.clone()), record)));
            for (id, record) in records.filter(|(id, _)| !committed.contains(id)) {
                let pair = (record.before.to_string(), record.after.to_string());
                match files.iter_mut().find(|(path, _)| *path == record.path) {
                    Some((_, pairs)) => pairs.push(pair),
                    None => files.push((record.path.clone(), vec![pair])),
                }
                held.push(id);
            }
            (files, held)
        };
        call(&self.desk, look).await.unwrap_or_default()
    }
}

#[async_trait::async_trait]
impl Vcs for Repository {
    async fn look(&self, op: &str, paths: &[WsPath], rev: Option<&str>) -> Result<String, VcsError> {
        self.git.look(op, paths, rev).await
    }

    async fn branch(&self) -> Result<Branch, VcsError> {
        self.git.branch().await
    }

    async fn create_branch(&self, name: &str) -> Result<(), VcsError> {
        self.git.create_branch(name).await
    }

    async fn plan_commit(&self, mut spec: CommitSpec) -> Result<CommitPlan, VcsError> {
        let (accepted, held) = self.accepted().await;
        if accepted.is_empty() {
            return Err(VcsError {
                message: "there is nothing to commit: no hunk was accepted since the last commit".to_owned(),
                hint: Some("A commit holds exactly the hunks that the user accepted.".to_owned()),
            });
        }
        spec.accepted = accepted;
        let plan = self.git.plan_commit(spec).await?;
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).push((plan.digest.clone(), held));
        Ok(plan)
    }

    async fn commit(&self, plan: &CommitPlan) -> Result<String, VcsError> {
        let commit = self.git.commit(plan).await?;
        let held = {
            let planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
            planned.iter().rev().find(|(digest, _)| *digest == plan.digest).map(|(_, held)| held.clone())
        };
        if let Some(held) = held {
            self.committed.lock().unwrap_or_else(PoisonError::into_inner).extend(held);
        }
        Ok(commit)
    }

    async fn plan_push(&self, spec: PushSpec) -> Result<PushPlan, VcsError> {
        self.git.plan_push(spec).await
    }

    async fn push(&self, plan: &PushPlan) -> Result<(), VcsError> {
        self.git.push(plan).await
    }
}

/// The seam of a folder's git; `None` where there is no repository.
pub fn seam(repository: Result<Repository, VcsError>) -> Option<Arc<dyn Vcs>> {
    match repository {
        Ok(repository) => Some(Arc::new(repository)),
        Err(error) => {
            tracing::info!(%error, "no git for this task");
            None
        }
    }
}

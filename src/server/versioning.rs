//! What a task reaches outside of its own loop: the desk of its folder, through the actor, and the folder's git.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::mpsc;

use super::{Setup, hooks::WalledHooks, input::Input, review::observe, undo::at_lines};
use crate::{
    config::{self, GitBranch},
    event::{HunkId, ProposalId, TaskId},
    path::WsPath,
    policy::Policy,
    seams::{Branch, CommitPlan, CommitSpec, PushPlan, PushSpec, Vcs, VcsError, WorkspaceError},
    vcs::{Git, GitSettings},
    workspace::{
        DeskDoor, DeskWork, call,
        desk::{Desk, Kept},
    },
};

/// The desk of one folder, owned by the actor.
pub struct ActorDesk {
    mailbox: mpsc::UnboundedSender<Input>,
    folder: usize,
    /// Where it is false the door is closed.
    open: Option<Arc<AtomicBool>>,
}

impl ActorDesk {
    /// The desk of this folder.
    pub fn new(mailbox: mpsc::UnboundedSender<Input>, folder: usize) -> Self {
        ActorDesk { mailbox, folder, open: None }
    }

    /// The same only as long as the editor has the folder.
    #[must_use]
    pub fn while_open(self, open: Arc<AtomicBool>) -> Self {
        ActorDesk { open: Some(open), ..self }
    }
}

#[async_trait::async_trait]
impl DeskDoor for ActorDesk {
    async fn with(&self, work: DeskWork) -> Result<(), WorkspaceError> {
        if self.open.as_ref().is_some_and(|open| !open.load(Ordering::Relaxed)) {
            return Err(WorkspaceError::Closed);
        }
        self.mailbox.send(Input::Desk { folder: self.folder, op: work }).map_err(|_| WorkspaceError::Closed)
    }
}

/// Git of a folder for one conversation: a commit holds exactly the accepted hunks that no commit holds yet.
pub struct Repository {
    git: Git,
    folder: PathBuf,
    desk: ActorDesk,
    /// Whose hunks a commit takes; `None` takes the folder's.
    tasks: Option<Vec<TaskId>>,
    /// The hunks of each plan, by its digest.
    planned: Mutex<HashMap<String, Vec<Hunk>>>,
}

type Hunk = (ProposalId, HunkId, WsPath);

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
        let tasks = self.tasks.clone();
        let closed = call(&self.desk, |desk| desk.closed_restored()).await.unwrap_or_default();
        let observed = observe(self.folder.clone(), closed).await;
        let found = call(&self.desk, move |desk| desk.uncommitted(tasks.as_deref(), &observed)).await.unwrap_or_default();
        let fallen: Vec<(String, String)> = found.fallen.iter().map(|kept| (kept.path.to_string(), fallen(kept))).collect();
        if found.files.is_empty() && !fallen.is_empty() {
            let said: Vec<&str> = fallen.iter().map(|(_, why)| why.as_str()).collect();
            return Err(VcsError {
                message: format!("there is nothing to commit as it was accepted: {}", said.join("; ")),
                hint: Some("bring the lines back, or commit them with git yourself".to_owned()),
            });
        }
        if found.files.is_empty() {
            let (of, hint) = match self.tasks {
                Some(_) => (
                    " in this conversation",
                    "pending hunks are accepted by the user only; for what they accepted elsewhere they have countersign's own `commit`",
                ),
                None => ("", "pending hunks are accepted by the user only"),
            };
            return Err(VcsError {
                message: format!(
                    "there is nothing to commit: a commit takes what the user accepted{of}, and none of that is uncommitted"
                ),
                hint: Some(hint.to_owned()),
            });
        }
        spec.accepted = found.files;
        let mut plan = self.git.plan_commit(spec).await?;
        // A plan names paths from the repository's top, which may lie above the folder.
        let left_out =
            |path: &WsPath| plan.refused.iter().any(|(named, _)| named == path.as_str() || named.ends_with(&format!("/{path}")));
        let hunks = found.hunks.into_iter().filter(|(_, _, path)| !left_out(path)).collect();
        plan.refused.extend(fallen);
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).insert(plan.digest.clone(), hunks);
        Ok(plan)
    }

    async fn commit(&self, plan: &CommitPlan) -> Result<String, VcsError> {
        let commit = self.git.commit(plan).await?;
        let hunks = self.planned.lock().unwrap_or_else(PoisonError::into_inner).remove(&plan.digest).unwrap_or_default();
        // Without a desk there is nobody to commit them again.
        let _ = call(&self.desk, move |desk| desk.commit(hunks)).await;
        Ok(commit)
    }

    async fn plan_push(&self, spec: PushSpec) -> Result<PushPlan, VcsError> {
        self.git.plan_push(spec).await
    }

    async fn push(&self, plan: &PushPlan) -> Result<(), VcsError> {
        self.git.push(plan).await?;
        // Without a desk there is no menu that offers another push.
        let _ = call(&self.desk, Desk::pushed).await;
        Ok(())
    }
}

/// Why an accepted change from before a restart is not committed.
fn fallen(kept: &Kept) -> String {
    format!("{}{} (change {})", kept.why, at_lines(kept.lines), kept.hunk)
}

/// Git of a folder; `None` where there is no repository (the git tool says so when it is called).
pub fn git(
    setup: &Setup,
    folder: &Path,
    policy: &Arc<Policy>,
    desk: ActorDesk,
    tasks: Option<Vec<TaskId>>,
) -> Option<Arc<dyn Vcs>> {
    let scratch = setup.folders.cache.join("git");
    if let Err(error) = config::folders::make_private(&scratch) {
        tracing::warn!(%error, "git has no private folder to work in");
        return None;
    }
    let settings = GitSettings {
        allow_file_remotes: setup.config.now().git.allow_file_remotes,
        protected: policy.branches().protected.clone(),
        always_agent: setup.config.now().git.branch == GitBranch::Agent,
        hidden: policy.secret_patterns(),
        env: setup.environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        scratch,
        hooks: Some(Arc::new(WalledHooks::new(
            setup.sandbox.clone(),
            policy.clone(),
            folder.to_owned(),
            setup.environment.home(),
        ))),
        ..GitSettings::default()
    };
    match Git::open(folder, settings) {
        Ok(git) => {
            let folder = folder.to_owned();
            Some(Arc::new(Repository { git, folder, desk, tasks, planned: Mutex::default() }))
        }
        Err(error) => {
            tracing::info!(%error, "no git for this folder");
            None
        }
    }
}

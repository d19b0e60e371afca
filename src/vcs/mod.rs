//! Git of one workspace folder, run by the server itself.
//!
//! No git process started here ever reads the workspace's own configuration, hooks or attributes: each operation works at a
//! [`desk::Desk`], a private common directory that borrows the repository's objects and refs and holds a configuration written
//! by us. `docs/git.md` tells the whole design; the files below are its parts:
//! `repo` finds the repository, `program` the git and its environment, `config` what may pass, `desk` sets up, `run` bounds;
//! `look` answers questions, `merge`, `stage`, `commit` and `record` make commits, `remote` and `push` push them.

mod commit;
mod config;
mod desk;
mod hooks;
mod look;
mod merge;
mod names;
mod program;
mod push;
mod record;
mod remote;
mod repo;
mod run;
mod settings;
mod stage;
mod words;

use std::path::Path;

use tokio::sync::OnceCell;

use crate::path::WsPath;
use crate::seams::{Branch, CommitPlan, CommitSpec, PushPlan, PushSpec, Vcs, VcsError};

pub use hooks::{HookOutcome, HookRun, HookRunner};
pub use names::{check_branch, is_protected};
pub use push::ALREADY;
pub use remote::may_have_remote;
pub use settings::GitSettings;

use desk::{Desk, Head};
use program::Program;
use repo::Place;
use words::{fail, fail_hint};

/// Git of one folder. Cheap to keep; every operation looks at the repository afresh.
pub struct Git {
    place: Place,
    program: Program,
    settings: GitSettings,
    version: OnceCell<String>,
}

impl Git {
    /// Finds the repository that holds `folder` (the folder's own, or one above it) and the git program.
    ///
    /// # Errors
    /// When the folder is in no repository, the repository is damaged or of a kind that is not understood, or there is no git.
    pub fn open(folder: &Path, settings: GitSettings) -> Result<Git, VcsError> {
        let place = Place::find(folder)?;
        let program = Program::find(&settings.env, &place.top)?;
        Ok(Git { place, program, settings, version: OnceCell::new() })
    }

    /// What `git --version` says; for `doctor`.
    ///
    /// # Errors
    /// When git does not start or is older than 2.31.
    pub async fn version(&self) -> Result<&str, VcsError> {
        self.version.get_or_try_init(|| self.program.version(&self.place.git_dir)).await.map(String::as_str)
    }

    /// Whether the policy's protected patterns (or a name that only looks like one) cover `branch`.
    pub fn is_protected(&self, branch: &str) -> bool {
        is_protected(&self.settings.protected, branch)
    }

    async fn desk(&self) -> Result<Desk<'_>, VcsError> {
        self.version().await?;
        Desk::set(&self.place, &self.program, &self.settings.scratch, None).await
    }
}

#[async_trait::async_trait]
impl Vcs for Git {
    async fn look(&self, op: &str, paths: &[WsPath], rev: Option<&str>) -> Result<String, VcsError> {
        look::look(self, op, paths, rev).await
    }

    async fn branch(&self) -> Result<Branch, VcsError> {
        let Head { branch, commit } = self.desk().await?.head().await?;
        Ok(Branch { name: branch, head: commit })
    }

    async fn create_branch(&self, name: &str) -> Result<(), VcsError> {
        let name = check_branch(name)?;
        if self.is_protected(&name) {
            return Err(fail_hint(format!("the branch name {name:?} is protected"), "choose another name, such as agent/topic"));
        }
        let desk = self.desk().await?;
        let head = desk.head().await?;
        if desk.branch_commit(&name).await?.is_some() {
            return Err(fail(format!("a branch {name:?} exists already")));
        }
        if let Some(commit) = &head.commit {
            record::move_ref(&desk, &name, commit, None, "branch: created").await?;
        }
        record::switch(&desk, &name).await
    }

    async fn plan_commit(&self, spec: CommitSpec) -> Result<CommitPlan, VcsError> {
        commit::plan(self, spec).await
    }

    async fn commit(&self, plan: &CommitPlan) -> Result<String, VcsError> {
        record::commit(self, plan).await
    }

    async fn plan_push(&self, spec: PushSpec) -> Result<PushPlan, VcsError> {
        push::plan(self, spec).await
    }

    async fn push(&self, plan: &PushPlan) -> Result<(), VcsError> {
        push::push(self, plan).await
    }
}

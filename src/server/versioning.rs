//! What a task reaches outside of its own loop: the desk of its folder, through the actor, and the folder's git.

use std::{path::Path, sync::Arc};

use tokio::sync::mpsc;

use super::{Setup, hooks::WalledHooks, input::Input};
use crate::{
    config::GitBranch,
    policy::Policy,
    seams::{Vcs, WorkspaceError},
    vcs::{Git, GitSettings},
    workspace::{DeskDoor, DeskWork},
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

/// Git of a folder; `None` where there is no repository (the git tool says so when it is called).
pub fn git(setup: &Setup, folder: &Path, policy: &Arc<Policy>) -> Option<Arc<dyn Vcs>> {
    let settings = GitSettings {
        allow_file_remotes: setup.config.git.allow_file_remotes,
        protected: policy.branches().protected.clone(),
        always_agent: setup.config.git.branch == GitBranch::Agent,
        hidden: policy.secret_patterns(),
        env: setup.environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        scratch: setup.folders.cache.join("git"),
        hooks: Some(Arc::new(WalledHooks::new(setup.sandbox.clone(), policy.clone(), folder.to_owned()))),
        ..GitSettings::default()
    };
    match Git::open(folder, settings) {
        Ok(git) => Some(Arc::new(git)),
        Err(error) => {
            tracing::info!(%error, "no git for this folder");
            None
        }
    }
}

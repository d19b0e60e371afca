//! A task's walled session, opened while the model thinks or at the first command, and kept warm until its end.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError},
};

use futures_util::lock::Mutex;
use tokio_util::sync::CancellationToken;

use crate::seams::{Command, Outcome, OutputSink, Sandbox, SandboxError, SandboxSession, SandboxSpec, Shadow};

/// Runs a task's commands, one after the other.
pub struct Shell {
    sandbox: Arc<dyn Sandbox>,
    spec: SandboxSpec,
    session: Mutex<Option<Box<dyn SandboxSession>>>,
    told: std::sync::Mutex<Told>,
}

/// What results have said already, so that none repeats it.
#[derive(Default)]
struct Told {
    /// Paths that stand changed in the shadow.
    changed: HashSet<String>,
    secrets: HashSet<String>,
}

impl Shell {
    /// A shell that has not opened its session yet.
    pub fn new(sandbox: Arc<dyn Sandbox>, spec: SandboxSpec) -> Self {
        Shell { sandbox, spec, session: Mutex::new(None), told: Default::default() }
    }

    /// Opens the session, so that the first command finds it open. Where that fails, the command says so.
    pub async fn open_ahead(&self) {
        let mut open = self.session.lock().await;
        if open.is_none() {
            *open = self.sandbox.open(self.spec.clone()).await.ok();
        }
    }

    /// Runs one command on the disk with `shadow` over it.
    ///
    /// # Errors
    /// [`SandboxError`] when the walls cannot be had; the command did not run then.
    pub async fn run(
        &self,
        command: Command,
        shadow: &Shadow,
        sink: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Outcome, SandboxError> {
        let mut open = self.session.lock().await;
        let session = match &mut *open {
            Some(session) => session,
            none => none.insert(self.sandbox.open(self.spec.clone()).await?),
        };
        session.run(command, shadow, sink, cancel).await
    }

    /// Of all paths that stand changed in the shadow now, those that no result has named since they were changed.
    pub(super) fn untold(&self, changed: Vec<String>) -> Vec<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let news = changed.iter().filter(|path| !told.changed.contains(*path)).cloned().collect();
        told.changed = changed.into_iter().collect();
        news
    }

    /// Of the hidden files, those that no result has named.
    pub(super) fn untold_secrets(&self, hidden: &[String]) -> Vec<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.iter().filter(|path| told.secrets.insert((*path).clone())).cloned().collect()
    }
}

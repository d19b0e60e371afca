//! A task's walled session, opened at its first command and kept warm until its end.

use std::sync::Arc;

use futures_util::lock::Mutex;
use tokio_util::sync::CancellationToken;

use crate::seams::{Command, Outcome, OutputSink, Sandbox, SandboxError, SandboxSession, SandboxSpec, Shadow};

/// Runs a task's commands, one after the other.
pub struct Shell {
    sandbox: Arc<dyn Sandbox>,
    spec: SandboxSpec,
    session: Mutex<Option<Box<dyn SandboxSession>>>,
}

impl Shell {
    /// A shell that has not opened its session yet.
    pub fn new(sandbox: Arc<dyn Sandbox>, spec: SandboxSpec) -> Self {
        Shell { sandbox, spec, session: Mutex::new(None) }
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
}

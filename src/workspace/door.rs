//! The way to the desk. The server's actor owns the desk, so a task reaches it through a door: a short piece of work goes in,
//! its result comes out. Nothing that waits or touches the disk goes through.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::seams::WorkspaceError;

use super::desk::Desk;

/// A piece of work on the desk: quick, without I/O.
pub type DeskWork = Box<dyn FnOnce(&mut Desk) + Send>;

/// Where the desk is reached.
#[async_trait::async_trait]
pub trait DeskDoor: Send + Sync {
    /// Hands the work to whoever owns the desk. It is done in the order in which it was handed in, maybe after this returns.
    ///
    /// # Errors
    /// [`WorkspaceError::Closed`] when the owner is gone; the work is not done then.
    async fn with(&self, work: DeskWork) -> Result<(), WorkspaceError>;
}

/// Does something on the desk and waits for its result.
///
/// # Errors
/// [`WorkspaceError::Closed`] when the owner of the desk is gone.
pub async fn call<T: Send + 'static>(
    door: &dyn DeskDoor,
    work: impl FnOnce(&mut Desk) -> T + Send + 'static,
) -> Result<T, WorkspaceError> {
    let (done, result) = oneshot::channel();
    let work = move |desk: &mut Desk| {
        // The one who asked may be gone; the work counts all the same.
        let _ = done.send(work(desk));
    };
    door.with(Box::new(work)).await?;
    result.await.map_err(|_| WorkspaceError::Closed)
}

/// A desk without a server: for clients that are the only one to use it.
#[derive(Default)]
pub struct LocalDesk(Mutex<Desk>);

impl LocalDesk {
    /// Does something on the desk at once.
    pub fn now<T>(&self, work: impl FnOnce(&mut Desk) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait::async_trait]
impl DeskDoor for LocalDesk {
    async fn with(&self, work: DeskWork) -> Result<(), WorkspaceError> {
        self.now(work);
        Ok(())
    }
}

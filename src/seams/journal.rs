//! The record of everything that happens.

use crate::event::{Actor, Event, Scope};

/// The record could not be kept. Nothing that needed it may happen.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the journal cannot be written: {0}")]
pub struct JournalError(pub String);

/// Appends to the hash-chained record. Events of one scope keep their order.
#[async_trait::async_trait]
pub trait Journal: Send + Sync {
    /// Appends without waiting for the disk; never blocks. A failure shows up at the next `append_durable`.
    fn append(&self, actor: Actor, scope: &Scope, event: Event);

    /// Appends, and returns when the line and all before it are on disk (law 4).
    ///
    /// # Errors
    /// [`JournalError`] when it could not be written or synced: the effect that it announces must not happen.
    async fn append_durable(&self, actor: Actor, scope: &Scope, event: Event) -> Result<(), JournalError>;
}

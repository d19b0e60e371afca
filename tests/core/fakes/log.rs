//! A journal in memory.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use countersign::{
    event::{Actor, Event, Scope, ToolCallStatus},
    seams::*,
};

#[derive(Default)]
pub struct Log {
    pub lines: Mutex<Vec<(Actor, Scope, Event, bool)>>,
    /// Durable appends that still succeed; `u64::MAX` for all.
    pub durable_left: AtomicU64,
}

#[async_trait::async_trait]
impl Journal for Log {
    fn append(&self, actor: Actor, scope: &Scope, event: Event) {
        self.lines.lock().unwrap().push((actor, scope.clone(), event, false));
    }
    async fn append_durable(&self, actor: Actor, scope: &Scope, event: Event) -> Result<(), JournalError> {
        let left = self.durable_left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(JournalError("disk full".into()));
        }
        if left != u64::MAX {
            self.durable_left.store(left - 1, Ordering::SeqCst);
        }
        self.lines.lock().unwrap().push((actor, scope.clone(), event, true));
        Ok(())
    }
}

impl Log {
    /// Every event as (scope, event).
    pub fn events(&self) -> Vec<(Scope, Event)> {
        self.lines.lock().unwrap().iter().map(|(_, scope, event, _)| (scope.clone(), event.clone())).collect()
    }
    /// Status and text of every result, in the order of the journal.
    pub fn results(&self) -> Vec<(ToolCallStatus, String)> {
        let result = |event: Event| match event {
            Event::ToolResult { status, content, .. } => Some((status, content)),
            _ => None,
        };
        self.events().into_iter().filter_map(|(_, event)| result(event)).collect()
    }
}

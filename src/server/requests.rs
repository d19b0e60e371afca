//! Requests of one end of the conversation that wait for the other end's answer. They are sent at once, so that they keep their
//! place among all other messages.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::outbox::{Outbox, Weight};

type Answer<E> = Result<Value, E>;

/// What was asked and is not answered yet; `E` is how this end calls an error response. Cheap to clone.
pub struct Requests<E>(Arc<Inner<E>>);

struct Inner<E> {
    waiting: Mutex<HashMap<i64, oneshot::Sender<Answer<E>>>>,
    last: AtomicI64,
}

impl<E> Default for Requests<E> {
    fn default() -> Self {
        Requests(Arc::new(Inner { waiting: Mutex::default(), last: AtomicI64::new(0) }))
    }
}

impl<E> Clone for Requests<E> {
    fn clone(&self) -> Self {
        Requests(self.0.clone())
    }
}

impl<E> Requests<E> {
    /// Sends a request now; the answer is awaited elsewhere, or not at all. Returns its id as well.
    pub fn start(&self, outbox: &Outbox, method: &str, params: Value) -> (i64, oneshot::Receiver<Answer<E>>) {
        let id = self.0.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            // Some are never answered; those that nobody waits for any more are forgotten.
            waiting.retain(|_, answer| !answer.is_closed());
            waiting.insert(id, answer);
        }
        let mut message = json!({"jsonrpc": "2.0", "id": id, "method": method});
        if !params.is_null() {
            message["params"] = params;
        }
        outbox.send(&message, Weight::Needed);
        (id, answered)
    }

    /// The other end answered; an id that nobody waits for is nobody's.
    pub fn answered(&self, id: i64, answer: Answer<E>) {
        if let Some(waiter) = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id) {
            let _ = waiter.send(answer);
        }
    }

    /// No answer will come any more: all that wait are told so by their receiver.
    pub fn end(&self) {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

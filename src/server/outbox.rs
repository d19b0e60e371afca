//! Everything that goes to the client, in order, without ever making a sender wait.
//!
//! A client that stops reading must not stop the server: messages queue up, and beyond a bound those that only
//! inform (progress, log, streamed output) are dropped first.

use std::{
    collections::VecDeque,
    os::fd::BorrowedFd,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::Notify,
};

use super::framing::frame;

/// Queued bytes beyond which messages that only inform are dropped.
const SOFT_LIMIT: usize = 8 * 1024 * 1024;
/// How often it is looked whether the client has read an answer, and how many times at most: ten seconds.
const LOOK: Duration = Duration::from_millis(2);
const LOOKS: u32 = 5000;

/// Whether the client can do without a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Requests, diagnostics: always delivered.
    Needed,
    /// The answer to a request of the client: always delivered.
    Answer,
    /// Progress, logs, streams: dropped under pressure.
    Informing,
}

/// The sending end; cheap to clone.
#[derive(Clone, Default)]
pub struct Outbox(Arc<Inner>);

#[derive(Default)]
struct Inner {
    queue: Mutex<Queue>,
    wake: Notify,
    idle: Notify,
    closed: AtomicBool,
    apart: OnceLock<BorrowedFd<'static>>,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<(Weight, Vec<u8>)>,
    bytes: usize,
    writing: bool,
}

impl Outbox {
    /// Queues one JSON-RPC message.
    pub fn send(&self, message: &Value, weight: Weight) {
        // Serialising a Value cannot fail.
        let body = serde_json::to_vec(message).unwrap_or_default();
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.bytes > SOFT_LIMIT {
            if weight == Weight::Informing {
                return;
            }
            let mut freed = 0;
            queue.frames.retain(|(weight, frame)| {
                let keep = *weight != Weight::Informing;
                if !keep {
                    freed += frame.len();
                }
                keep
            });
            queue.bytes -= freed;
        }
        let framed = frame(&body);
        queue.bytes += framed.len();
        queue.frames.push_back((weight, framed));
        drop(queue);
        self.0.wake.notify_one();
    }

    /// Queues a notification.
    pub fn notify(&self, method: &str, params: Value, weight: Weight) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}), weight);
    }

    /// From now on nothing is written behind an answer before the client has read it from `pipe`, which is where the output goes.
    ///
    /// For a client that can lose what it reads together with an answer. It waits for the answer, so it reads it at once.
    pub fn answer_apart(&self, pipe: BorrowedFd<'static>) {
        // The first one stays: there is only one output.
        let _ = self.0.apart.set(pipe);
    }

    /// Lets [`Outbox::write_to`] end once the queue is empty.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        self.0.wake.notify_one();
    }

    /// Returns when everything queued so far is written.
    pub async fn flushed(&self) {
        loop {
            let idle = self.0.idle.notified();
            {
                let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
                if queue.frames.is_empty() && !queue.writing {
                    return;
                }
            }
            idle.await;
        }
    }

    /// Writes the queue to `out` until closed or the client is gone.
    pub async fn write_to<W: AsyncWrite + Unpin>(self, mut out: W) -> std::io::Result<()> {
        loop {
            let apart = self.0.apart.get();
            let mut alone = None;
            let batch = {
                let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
                let mut batch = Vec::new();
                while batch.len() < 64 * 1024
                    && alone.is_none()
                    && let Some((weight, frame)) = queue.frames.pop_front()
                {
                    queue.bytes -= frame.len();
                    batch.extend_from_slice(&frame);
                    alone = apart.filter(|_| weight == Weight::Answer);
                }
                queue.writing = !batch.is_empty();
                batch
            };
            if batch.is_empty() {
                self.0.idle.notify_waiters();
                if self.0.closed.load(Ordering::SeqCst) {
                    return out.shutdown().await;
                }
                self.0.wake.notified().await;
                continue;
            }
            out.write_all(&batch).await?;
            out.flush().await?;
            if let Some(pipe) = alone {
                read(*pipe).await;
            }
        }
    }
}

/// Returns when nothing in the pipe waits to be read any more.
async fn read(pipe: BorrowedFd<'static>) {
    let mut looks = tokio::time::interval(LOOK);
    for _ in 0..LOOKS {
        looks.tick().await;
        // What is no pipe holds nothing either.
        if rustix::io::ioctl_fionread(pipe).is_ok_and(|unread| unread > 0) {
            continue;
        }
        return;
    }
    tracing::warn!("the client has not read an answer for ten seconds");
}

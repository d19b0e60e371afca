//! Repeats attempts that may succeed later. Always safe: tools run only after a whole answer, so nothing was done yet.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio_util::sync::CancellationToken;

use super::failure::{self, Failure};
use crate::seams::{Clock, Model, ModelError, ModelEvent, ModelRequest, Reply};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
const RETRIES: usize = 2;

/// Where text, calls and retries are told while they happen.
pub(super) type On<'o> = &'o mut (dyn for<'a> FnMut(ModelEvent<'a>) + Send);

/// A model that tries once.
#[async_trait::async_trait]
pub(super) trait Attempt: Send + Sync {
    fn name(&self) -> &str;
    fn body(&self, request: &ModelRequest) -> Vec<u8>;
    async fn attempt(&self, request: &ModelRequest, on: On<'_>, cancel: &CancellationToken) -> Result<Reply, Failure>;
}

/// Tries at most three times, with growing waits or those that the service asks for.
pub(super) struct Retrying<A> {
    inner: A,
    clock: Arc<dyn Clock>,
}

impl<A: Attempt> Retrying<A> {
    pub(super) fn new(inner: A, clock: Arc<dyn Clock>) -> Self {
        Retrying { inner, clock }
    }
}

#[async_trait::async_trait]
impl<A: Attempt> Model for Retrying<A> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn body(&self, request: &ModelRequest) -> Vec<u8> {
        self.inner.body(request)
    }

    async fn reply(&self, request: &ModelRequest, on: On<'_>, cancel: &CancellationToken) -> Result<Reply, ModelError> {
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(FIRST_WAIT)
            .with_factor(2.0)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(RETRIES)
            .with_jitter()
            // Without a seed of our own all clients would come back at the same time.
            .with_jitter_seed(RandomState::new().build_hasher().finish())
            .build();
        let mut retries = 0;
        loop {
            let Failure { mut error, again } = match self.inner.attempt(request, on, cancel).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            let Some(wait) = again.then(|| waits.next()).flatten() else {
                if again {
                    error.message = format!("{} Tried {} times.", error.message, retries + 1);
                }
                return Err(error);
            };
            let wait = error.retry_after.unwrap_or(wait.min(LONGEST_WAIT));
            retries += 1;
            tracing::info!(model = self.name(), retries, ?wait, why = error.message, "attempt failed");
            on(ModelEvent::Retrying { attempt: retries, why: &error.message, wait });
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(failure::cancelled()),
                () = self.clock.sleep(wait) => {}
            }
        }
    }
}

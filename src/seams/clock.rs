//! Time, so that budgets and timeouts can be tested without waiting.

use std::time::Duration;

/// A clock. `now` is monotonic since an arbitrary start; `utc` is for records.
#[async_trait::async_trait]
pub trait Clock: Send + Sync {
    /// Monotonic time since this clock's start.
    fn now(&self) -> Duration;
    /// The current time as RFC 3339 in UTC with milliseconds.
    fn utc(&self) -> String;
    /// Returns after at least `duration`.
    async fn sleep(&self, duration: Duration);
}

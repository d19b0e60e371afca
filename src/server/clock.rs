//! The real clock. It owns time, so the ban on sleeping is lifted here.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use crate::seams::Clock;

/// Monotonic time since its creation, and UTC from the system.
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock(Instant::now())
    }
}

#[async_trait::async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn utc(&self) -> String {
        jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

//! What a task may use up. Everything is reserved before it is spent, so that a limit is never overrun by one call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{event::Usage, policy};

/// A request smaller than this is not worth sending.
const LEAST_REPLY: u64 = 1024;
/// Bytes of a request per token, on the careful side; the model's own counts replace it from the second request on.
const BYTES_PER_TOKEN: u64 = 3;

/// Prices of a model in US dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    pub input: f64,
    pub output: f64,
    pub cache_read: f64,
    pub cache_write: f64,
}

impl Prices {
    /// What a call cost, in US dollars.
    pub fn cost(&self, usage: Usage) -> f64 {
        (usage.input as f64 * self.input
            + usage.output as f64 * self.output
            + usage.cache_read as f64 * self.cache_read
            + usage.cache_creation as f64 * self.cache_write)
            / 1e6
    }
}

/// A limit that is reached. Units are the budget's own; cost is in cents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The key in the policy's `[budget]`.
    pub budget: &'static str,
    pub limit: u64,
    pub used: u64,
}

/// What one request may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Tokens of prompt and reply together.
    pub tokens: u64,
    /// Upper bound of the reply, in tokens.
    pub reply: u32,
}

/// What a task has used, against the policy's limits.
#[derive(Clone, Debug)]
pub struct Budget {
    limits: policy::Budget,
    prices: Option<Prices>,
    used: Usage,
    commands: u32,
    asks: u32,
    started: Duration,
    /// Time during which a person was asked.
    waited: Duration,
    /// Bytes of the last request and the tokens that the model counted in it.
    last: Option<(u64, u64)>,
}

impl Budget {
    /// A budget from which nothing is used yet; `now` is the clock's time.
    pub fn new(limits: policy::Budget, prices: Option<Prices>, now: Duration) -> Self {
        let zero = Duration::ZERO;
        Budget { limits, prices, used: Usage::default(), commands: 0, asks: 0, started: now, waited: zero, last: None }
    }

    /// All tokens so far.
    pub fn used(&self) -> Usage {
        self.used
    }

    /// What they cost in US dollars, where prices are known.
    pub fn cost(&self) -> Option<f64> {
        self.prices.map(|prices| prices.cost(self.used))
    }

    /// Reserves a request of so many bytes and a reply of at most `reply` tokens.
    ///
    /// # Errors
    /// [`Exceeded`] names the first limit that the request would overrun.
    pub fn request(&self, now: Duration, bytes: u64, reply: u32) -> Result<Reserved, Exceeded> {
        let seconds = now.saturating_sub(self.started).saturating_sub(self.waited).as_secs();
        check("wall_seconds", self.limits.wall_seconds, seconds, 0)?;
        let prompt = match self.last {
            Some((before, tokens)) => tokens + bytes.saturating_sub(before) / BYTES_PER_TOKEN,
            None => bytes / BYTES_PER_TOKEN,
        };
        check("input_tokens", self.limits.input_tokens, self.used.prompt(), prompt)?;
        let room = self.limits.output_tokens.saturating_sub(self.used.output);
        let reply = room.min(reply.into());
        check("output_tokens", self.limits.output_tokens, self.used.output, reply.max(LEAST_REPLY))?;
        if let Some(prices) = &self.prices {
            let next = prices.cost(Usage { input: prompt, output: reply, ..Usage::default() });
            check("cost_usd", cents(self.limits.cost_usd), cents(prices.cost(self.used)), cents(next))?;
        }
        Ok(Reserved { tokens: prompt + reply, reply: reply as u32 })
    }

    /// Counts what a request of so many bytes really used.
    pub fn spend(&mut self, bytes: u64, usage: Usage) {
        self.used = self.used.plus(usage);
        if usage.prompt() > 0 {
            self.last = Some((bytes, usage.prompt()));
        }
    }

    /// Reserves one command.
    ///
    /// # Errors
    /// [`Exceeded`] when there were as many as the policy allows.
    pub fn command(&mut self) -> Result<(), Exceeded> {
        check("commands", self.limits.commands.into(), self.commands.into(), 1)?;
        self.commands += 1;
        Ok(())
    }

    /// Reserves one question to a person.
    ///
    /// # Errors
    /// [`Exceeded`] when there were as many as the policy allows.
    pub fn ask(&mut self) -> Result<(), Exceeded> {
        check("asks", self.limits.asks.into(), self.asks.into(), 1)?;
        self.asks += 1;
        Ok(())
    }

    /// Time that a person took does not count.
    pub fn waited(&mut self, time: Duration) {
        self.waited += time;
    }
}

fn check(budget: &'static str, limit: u64, used: u64, next: u64) -> Result<(), Exceeded> {
    if used.saturating_add(next) > limit { Err(Exceeded { budget, limit, used }) } else { Ok(()) }
}

fn cents(dollars: f64) -> u64 {
    (dollars * 100.0).round() as u64
}

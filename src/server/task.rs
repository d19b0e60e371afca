//! One ask as the server knows it, from queued to ended, and how its progress reads.

use std::time::Instant;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    commands::{Ask, Mode},
    editor::Steering,
    hover::Words,
};
use crate::event::{ProposalId, SessionId, StopReason, TaskId, Usage};

/// Longest transcript that is kept in memory, bytes.
const TRANSCRIPT: usize = 512 * 1024;

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for another task in its folder.
    Queued,
    /// Reads configuration and policy, asks for trust or a key.
    Preparing,
    Running,
    Ended(StopReason),
    /// It could not start or broke; the sentence for the user.
    Failed(String),
}

impl State {
    /// The word of `status` and `countersign/update`.
    pub fn word(&self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Preparing => "preparing",
            State::Running => "running",
            State::Ended(StopReason::Cancelled) => "cancelled",
            State::Ended(_) => "ended",
            State::Failed(_) => "failed",
        }
    }

    /// Whether nothing more will happen.
    pub fn is_over(&self) -> bool {
        matches!(self, State::Ended(_) | State::Failed(_))
    }
}

/// What was asked, kept for the queue and for `retry`.
#[derive(Clone, Debug)]
pub struct Asked {
    pub ask: Ask,
    /// Name of the task prompt; `ask` for free text.
    pub prompt_name: String,
    pub mode: Option<Mode>,
    /// Overrides the policy's number of iterations.
    pub iterations: Option<u32>,
}

/// One task.
pub struct Task {
    pub id: TaskId,
    pub session: SessionId,
    pub proposal: ProposalId,
    pub folder: usize,
    pub asked: Asked,
    pub title: String,
    pub mode: Mode,
    pub state: State,
    pub cancel: CancellationToken,
    pub steering: Steering,
    pub started: Instant,
    pub iteration: u32,
    pub iterations: u32,
    pub usage: Usage,
    pub cost_usd: Option<f64>,
    /// Numbers the updates for rich clients.
    pub seq: u64,
    /// The progress token is known to the client.
    pub progress: bool,
    /// What it is doing now, for the progress line; empty while the model thinks.
    pub line: String,
    /// The progress line as last sent.
    pub reported: String,
    /// Markdown account of what happened so far.
    pub transcript: String,
    /// What the model said before each call.
    pub words: Words,
    /// When it was asked, UTC; empty for a task of a server that is gone, of which only the proposal was restored.
    pub asked_at: String,
    /// The summary that it ended with.
    pub summary: String,
    /// It got as far as the model: there is a conversation to go on with.
    pub began: bool,
}

impl Task {
    /// A task that waits; nothing of it has happened yet.
    pub fn new(
        (id, session, proposal): (TaskId, SessionId, ProposalId),
        folder: usize,
        asked: Asked,
        title: String,
        mode: Mode,
    ) -> Task {
        Task {
            id,
            session,
            proposal,
            folder,
            asked,
            title,
            mode,
            state: State::Queued,
            cancel: Default::default(),
            steering: Default::default(),
            started: Instant::now(),
            iteration: 0,
            iterations: 0,
            usage: Default::default(),
            cost_usd: None,
            seq: 0,
            progress: false,
            line: String::new(),
            reported: String::new(),
            transcript: String::new(),
            words: Default::default(),
            asked_at: String::new(),
            summary: String::new(),
            began: false,
        }
    }

    /// Whether there is an ask to repeat: a task that was restored after a crash has none.
    pub fn can_be_repeated(&self) -> bool {
        self.asked.ask.prompt.is_some() || self.asked.prompt_name != "ask"
    }

    /// Adds to the transcript; beyond its bound the oldest half goes.
    pub fn log(&mut self, text: &str) {
        self.transcript.push_str(text);
        if self.transcript.len() > TRANSCRIPT {
            let middle = self.transcript.len() / 2;
            let cut = (middle..self.transcript.len()).find(|at| self.transcript.is_char_boundary(*at)).unwrap_or(0);
            self.transcript = format!("(earlier parts are in the journal)\n\n{}", &self.transcript[cut..]);
        }
    }

    /// The task's row in `status`, as far as the task knows.
    pub fn status(&self) -> Value {
        let mut row = json!({
            "task": self.id, "session": self.session, "proposal": self.proposal, "title": self.title, "mode": self.mode.name(),
            "state": self.state.word(), "restored": self.asked_at.is_empty(), "asked_at": self.asked_at, "iteration": self.iteration, "iterations": self.iterations,
            "usage": self.usage, "seq": self.seq,
        });
        if let Some(cost) = self.cost_usd {
            row["cost_usd"] = json!(cost);
        }
        if let Some(model) = self.words.model() {
            row["model"] = json!(model);
        }
        match &self.state {
            State::Queued => {}
            State::Preparing | State::Running => row["step"] = json!(self.step()),
            State::Ended(stop) => (row["stop"], row["summary"]) = (json!(stop), json!(self.summary)),
            State::Failed(why) => row["message"] = json!(why),
        }
        row
    }

    /// What it is doing now, in a few words.
    pub fn step(&self) -> &str {
        match (&self.state, self.line.as_str()) {
            (State::Preparing, "") => "starting",
            (_, "") => "thinking",
            (_, line) => line,
        }
    }

    /// The one message at the end.
    pub fn closing(&self, summary: &str, pending: usize, files: &[(String, usize)], checks: &[String]) -> String {
        let first = summary.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        let first: String =
            if first.chars().count() > 140 { first.chars().take(139).chain(['…']).collect() } else { first.into() };
        let what = match &self.state {
            State::Failed(why) => return format!("countersign could not do it: {why}"),
            State::Ended(StopReason::EndTurn) => "done",
            State::Ended(StopReason::Cancelled) => "stopped",
            State::Ended(StopReason::MaxIterations) => "stopped at the iteration limit",
            State::Ended(StopReason::Budget) => "stopped by a budget",
            State::Ended(StopReason::NoProgress) => "stopped: it made no progress",
            // Its summary says that the model refused, and why.
            State::Ended(StopReason::Refusal) => "stopped",
            State::Ended(StopReason::Error) => "stopped by an error",
            State::Queued | State::Preparing | State::Running => "still running",
        };
        let review = match pending {
            0 => String::new(),
            1 => format!(" 1 change to review{}.", places(files)),
            n => format!(" {n} changes to review{}.", places(files)),
        };
        let checks = if checks.is_empty() { String::new() } else { format!(" {}.", checks.join("; ")) };
        format!("countersign {what}.{review}{checks} {first}").trim_end().to_owned()
    }
}

/// ` in a.txt and b.txt`, to go on a sentence.
fn places(files: &[(String, usize)]) -> String {
    match files {
        [] => String::new(),
        [(one, _)] => format!(" in {one}"),
        [(one, _), (two, _)] => format!(" in {one} and {two}"),
        [(one, _), (two, _), more @ ..] => format!(" in {one}, {two} and {} more", more.len()),
    }
}

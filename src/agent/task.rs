//! One task from its prompt to its end.

use std::{path::PathBuf, sync::Arc};

use serde_json::json;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{
    budget::{Budget, Exceeded, Prices},
    gate::Gate,
    grounds::Grounds,
    guard::Guard,
    history::History,
    iteration, progress, prompt,
};
use crate::{
    event::{Actor, CallId, Event, Scope, SessionId, StopReason, TaskId, ToolCallStatus, Usage},
    policy::{Policy, Surroundings},
    seams::{
        Clock, Editor, Grants, Journal, JournalError, Model, ModelError, Sandbox, SandboxSpec, ToolSpec, Update, UpdateKind, Vcs,
        Workspace,
    },
    tools::{Mode, Outputs, Registry, Shell},
};

/// Upper bound of tokens in one reply, where the caller names none.
pub(super) const REPLY_TOKENS: u32 = 16_000;

/// What a task is.
#[derive(Clone, Debug)]
pub struct TaskSpec {
    pub session: SessionId,
    pub task: TaskId,
    /// The workspace folder, canonical.
    pub folder: PathBuf,
    pub mode: Mode,
    pub title: String,
    /// The user's text with its context, as the model gets it.
    pub prompt: String,
    /// Iterations instead of the policy's.
    pub iterations: Option<u32>,
    /// Upper bound of tokens in one reply; 0 takes the default.
    pub reply_tokens: u32,
    /// Prices of the model, where known.
    pub prices: Option<Prices>,
    /// Command lines that must pass before `finish` counts.
    pub checks: Vec<String>,
    /// The conversation of the session so far; empty for a new one.
    pub history: History,
}

/// Everything that a task can touch.
#[derive(Clone)]
pub struct Seams {
    pub model: Arc<dyn Model>,
    pub workspace: Arc<dyn Workspace>,
    pub sandbox: Arc<dyn Sandbox>,
    pub editor: Arc<dyn Editor>,
    pub journal: Arc<dyn Journal>,
    pub vcs: Option<Arc<dyn Vcs>>,
    pub grants: Option<Arc<dyn Grants>>,
    pub clock: Arc<dyn Clock>,
    pub policy: Arc<Policy>,
    pub around: Arc<dyn Surroundings + Send + Sync>,
    /// The folders of the workspace; `policy` and `around` are those of the task's own.
    pub grounds: Grounds,
}

/// Why a task failed, for the user: one sentence and a next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TaskError {
    pub message: String,
    pub hint: Option<String>,
}

/// How a task ended.
#[derive(Clone, Debug)]
pub struct TaskEnd {
    pub stop: StopReason,
    /// What the user reads at the end: the model's words, or why it stopped.
    pub summary: String,
    pub error: Option<TaskError>,
    pub iterations: u32,
    pub usage: Usage,
    pub cost_usd: Option<f64>,
    /// The conversation, to go on in the same session.
    pub history: History,
}

/// The way out of the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    pub stop: StopReason,
    /// `None` takes the model's latest words.
    pub summary: Option<String>,
    pub error: Option<TaskError>,
    exceeded: Option<Exceeded>,
}

impl Ending {
    /// The task is over for this reason.
    pub fn new(stop: StopReason, summary: impl Into<Option<String>>) -> Self {
        Ending { stop, summary: summary.into(), error: None, exceeded: None }
    }

    /// The user stopped it, which needs no words beside the stop reason.
    pub fn cancelled() -> Self {
        Ending::new(StopReason::Cancelled, String::new())
    }

    /// It failed.
    pub fn failed(message: String, hint: Option<String>) -> Self {
        Ending { error: Some(TaskError { message: message.clone(), hint }), ..Ending::new(StopReason::Error, message) }
    }
}

impl From<Exceeded> for Ending {
    fn from(exceeded: Exceeded) -> Self {
        let (used, limit) = (exceeded.used, exceeded.limit);
        let summary = format!("The budget {} is used up ({used} of {limit}); the policy's [budget] sets it.", exceeded.budget);
        Ending { exceeded: Some(exceeded), ..Ending::new(StopReason::Budget, summary) }
    }
}

impl From<JournalError> for Ending {
    fn from(error: JournalError) -> Self {
        let hint = "Nothing is done without a record. Look at the journal's folder: `countersign doctor` checks it.";
        Ending::failed(format!("The task stopped because {error}."), Some(hint.to_owned()))
    }
}

impl From<ModelError> for Ending {
    fn from(error: ModelError) -> Self {
        if error.class == crate::seams::ErrorClass::Cancelled {
            Ending::cancelled()
        } else {
            Ending::failed(error.message, error.hint)
        }
    }
}

/// Runs a task to its end. Returns soon after `cancel` fires; the history is whole in every case.
pub async fn run_task(spec: TaskSpec, seams: Seams, cancel: CancellationToken) -> TaskEnd {
    let mut task = Task::new(spec, seams, cancel).await;
    let Err(ending) = task.work().await;
    task.end(ending).await
}

/// A task while it runs.
pub(super) struct Task {
    pub(super) spec: TaskSpec,
    pub(super) seams: Seams,
    pub(super) cancel: CancellationToken,
    pub(super) history: History,
    /// Messages of earlier tasks.
    before: usize,
    pub(super) gate: Gate,
    pub(super) guard: Guard,
    pub(super) budget: Budget,
    pub(super) registry: Registry,
    pub(super) shell: Shell,
    pub(super) outputs: Outputs,
    pub(super) system: Arc<str>,
    pub(super) stumbles: iteration::Stumbles,
    pub(super) iteration: u32,
    pub(super) iterations: u32,
    /// How often checks sent the model back to work.
    pub(super) sent_back: u32,
}

impl Task {
    async fn new(mut spec: TaskSpec, seams: Seams, cancel: CancellationToken) -> Task {
        let policy = match spec.mode {
            Mode::Edit => {
                let (level, detail) = seams.sandbox.level().await;
                let event = Event::SandboxLevel { level: level.to_string(), detail };
                let scope = Scope { session: Some(spec.session.clone()), task: Some(spec.task.clone()), ..Scope::default() };
                seams.journal.append(Actor::Server, &scope, event);
                Arc::new(seams.policy.behind(level))
            }
            Mode::Explain | Mode::Plan => seams.policy.clone(),
        };
        let (editor, journal, clock) = (seams.editor.clone(), seams.journal.clone(), seams.clock.clone());
        let budget = Budget::new(policy.budget().clone(), spec.prices, clock.now());
        Task {
            before: spec.history.len(),
            history: std::mem::take(&mut spec.history),
            gate: Gate::new(policy.clone(), seams.around.clone(), editor, journal, clock)
                .with_grants(seams.grants.clone())
                .with_grounds(seams.grounds.clone()),
            guard: Guard::default(),
            budget,
            registry: Registry::new(
                spec.mode,
                policy.tools().unwrap_or_default(),
                &spec.folder.to_string_lossy(),
                seams.editor.insight(),
            )
            .with_roots(seams.grounds.roots().clone()),
            shell: Shell::new(
                seams.sandbox.clone(),
                SandboxSpec::under(spec.folder.clone(), policy.run()).on_terms(policy.net_terms()),
            ),
            outputs: Outputs::default(),
            system: "".into(),
            stumbles: iteration::Stumbles::default(),
            iteration: 0,
            iterations: spec.iterations.unwrap_or(policy.budget().iterations).max(1),
            sent_back: 0,
            spec,
            seams,
            cancel,
        }
    }

    /// The loop. It ends only by an [`Ending`].
    async fn work(&mut self) -> Result<std::convert::Infallible, Ending> {
        self.start().await?;
        while self.iteration < self.iterations {
            self.iteration += 1;
            iteration::run(self).await?;
        }
        Err(iteration::last_words(self).await)
    }

    async fn start(&mut self) -> Result<(), Ending> {
        let system =
            prompt::system_prompt_in(self.policy(), &self.seams.grounds, self.spec.mode, self.iterations).map_err(|error| {
                Ending::failed(error.to_string(), Some("This is a fault of this build; please report it.".into()))
            })?;
        self.system = system.as_str().into();
        let event = Event::TaskStart {
            title: self.spec.title.clone(),
            mode: self.spec.mode.name().to_owned(),
            prompt: self.spec.prompt.clone(),
            system,
            tools_sha: tools_sha(&self.registry.specs()),
        };
        self.record_durable(Actor::Human, None, event).await?;
        self.show(
            UpdateKind::State,
            json!({"state": "running", "message": self.progress("starting"), "model": self.seams.model.name()}),
        );
        Ok(())
    }

    async fn end(mut self, ending: Ending) -> TaskEnd {
        self.close_open_calls(ending.stop);
        if let Some(Exceeded { budget, limit, used }) = ending.exceeded {
            self.record(Actor::Server, None, Event::BudgetStop { budget: budget.to_owned(), limit, used });
        }
        let silent = || "The model ended without a word.".to_owned();
        let summary = ending.summary.or_else(|| self.history.last_text(self.before)).unwrap_or_else(silent);
        let (iterations, usage) = (self.iteration, self.budget.used());
        let event = Event::TaskEnd { stop: ending.stop, summary: summary.clone(), iterations, usage };
        let mut error = ending.error;
        // The task is over either way; that its end is not on record must still be said.
        if let Err(unwritten) = self.record_durable(Actor::Server, None, event).await {
            error = error.or(unwritten.error);
        }
        self.show(UpdateKind::State, json!({"state": "ended", "stop": ending.stop, "message": self.progress("done")}));
        TaskEnd { stop: ending.stop, summary, error, iterations, usage, cost_usd: self.budget.cost(), history: self.history }
    }

    /// Gives every call without a result one, so that the history is whole.
    fn close_open_calls(&mut self, stop: StopReason) {
        let (status, why) = match stop {
            StopReason::Cancelled => (ToolCallStatus::Cancelled, "cancelled by the user before it started; nothing happened"),
            _ => (ToolCallStatus::Interrupted, "not run: the task ended before it"),
        };
        for open in self.history.open_calls() {
            let event = Event::ToolResult { tool: open.name, model_id: open.model_id, status, content: why.to_owned(), ms: 0 };
            self.record(Actor::Server, Some(&open.call), event);
        }
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.gate.policy
    }

    pub(super) fn scope(&self, call: Option<&CallId>) -> Scope {
        Scope {
            session: Some(self.spec.session.clone()),
            task: Some(self.spec.task.clone()),
            iteration: (self.iteration > 0).then_some(self.iteration),
            call_id: call.cloned(),
            workspace: Some(self.spec.folder.display().to_string()),
            policy_sha: Some(self.policy().sha().to_owned()),
        }
    }

    /// Puts an event on record and into the conversation: the only way that the history grows.
    pub(super) fn record(&mut self, actor: Actor, call: Option<&CallId>, event: Event) {
        let scope = self.scope(call);
        self.history.apply(&scope, &event);
        self.seams.journal.append(actor, &scope, event);
    }

    /// The same for what must be on disk before anything else happens.
    pub(super) async fn record_durable(&mut self, actor: Actor, call: Option<&CallId>, event: Event) -> Result<(), Ending> {
        let scope = self.scope(call);
        self.seams.journal.append_durable(actor, &scope, event.clone()).await?;
        self.history.apply(&scope, &event);
        Ok(())
    }

    pub(super) fn show(&self, kind: UpdateKind, data: serde_json::Value) {
        self.seams.editor.show(Update { kind, data });
    }

    pub(super) fn progress(&self, doing: &str) -> String {
        progress::progress_line(self.iteration, self.iterations, doing, self.budget.used(), self.budget.cost())
    }
}

fn tools_sha(specs: &[ToolSpec]) -> String {
    Sha256::digest(json!(specs).to_string().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

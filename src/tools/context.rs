//! The `Tool` trait: one call that was understood, and what it gets to work with.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Outputs, Shell};
use crate::{
    event::{CallId, Event, Scope, ToolCallStatus},
    path::roots::Roots,
    policy::Action,
    seams::{Editor, Vcs, Workspace},
};

/// What a task is for; it decides which tools the model has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Edit,
    /// Answers a question; changes and runs nothing.
    Explain,
    /// Writes a plan; changes and runs nothing.
    Plan,
}

impl Mode {
    /// The word for it in commands and records.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Edit => "edit",
            Mode::Explain => "explain",
            Mode::Plan => "plan",
        }
    }
}

/// What a call may do to the world; it decides about order, durability and modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Looks only: such calls run beside each other.
    Reads,
    /// Changes the proposal, nothing of the user's.
    Stages,
    /// Runs a command in the walls. The intent is durable first.
    Runs,
    /// Waits for a person.
    Asks,
    /// Reaches git itself, by [`Tool::publication`]. The intent is durable first.
    Publishes,
    /// Ends the task.
    Ends,
}

/// What git is to do: not by the tool itself, but by the gate that shows it to the person and checks it again right before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// A new branch at HEAD, switched to in place.
    Branch(String),
    /// Everything accepted and not committed yet.
    Commit {
        message: String,
        branch: Option<String>,
    },
    Push {
        remote: Option<String>,
        branch: Option<String>,
    },
}

/// What a call gets to work with.
pub struct Context<'a> {
    pub call: &'a CallId,
    pub scope: &'a Scope,
    pub workspace: &'a dyn Workspace,
    pub editor: &'a dyn Editor,
    pub shell: &'a Shell,
    pub outputs: &'a Outputs,
    /// `None` outside of a repository.
    pub vcs: Option<&'a dyn Vcs>,
    /// Whether the policy lets the model see a file, for hits that no path of the call names.
    pub may_read: &'a (dyn Fn(&str) -> bool + Sync),
    /// Whether a change that a command made may be proposed, on record: `true` when its hunks stand apart.
    ///
    /// # Errors
    /// The rule that denies it, in words.
    pub may_stage: &'a (dyn Fn(&Action) -> Result<bool, String> + Sync),
    /// Puts what happens during the call on record.
    pub record: &'a (dyn Fn(Event) + Sync),
    /// The workspace's folders: with several, paths begin with a folder's name.
    pub roots: &'a Roots,
    /// The policy said "ask" about a staged change, or it steers tools: its hunks stand apart.
    pub apart: bool,
    /// Time that a command has when it asks for none, and the longest that it may ask for.
    pub usual: Duration,
    pub longest: Duration,
    pub cancel: &'a CancellationToken,
}

/// How a call ended, and what the model is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    pub status: ToolCallStatus,
    pub text: String,
    /// What the walls or the proxy refused, a sentence a line; `text` has it too. People see it where they do not see `text`.
    pub refused: Option<String>,
}

impl ToolResult {
    /// It worked.
    pub fn ok(text: impl Into<String>) -> Self {
        ToolResult { status: ToolCallStatus::Ok, text: text.into(), refused: None }
    }

    /// It did not, and this is what the model can do about it.
    pub fn error(text: impl Into<String>) -> Self {
        ToolResult { status: ToolCallStatus::Error, text: text.into(), refused: None }
    }

    /// A person or the policy said no.
    pub fn denied(text: impl Into<String>) -> Self {
        ToolResult { status: ToolCallStatus::Denied, text: text.into(), refused: None }
    }

    /// The user stopped the task.
    pub fn cancelled(text: impl Into<String>) -> Self {
        ToolResult { status: ToolCallStatus::Cancelled, text: text.into(), refused: None }
    }
}

/// Any failure of a seam is a result that the model can act on.
impl<E: std::error::Error> From<E> for ToolResult {
    fn from(error: E) -> Self {
        ToolResult::error(error.to_string())
    }
}

/// One call, read into its arguments.
#[async_trait::async_trait]
pub trait Tool: Send + Sync {
    /// What it is doing, for people: `reading src/lib.rs`. At most a line.
    fn title(&self) -> String;

    /// What the policy must allow before anything happens.
    fn actions(&self) -> Vec<Action>;

    /// What it may do to the world.
    fn effect(&self) -> Effect;

    /// Why the call can never work, if so; said before anybody is asked.
    fn refusal(&self) -> Option<String> {
        None
    }

    /// The hosts that it wants to reach, where package managers' names are still to be replaced by what they stand for.
    fn network(&mut self) -> Option<&mut Vec<String>> {
        None
    }

    /// What it wants of git, if anything; `run` is not called then.
    fn publication(&self) -> Option<Publication> {
        None
    }

    /// What the user is told at the end, of a call that ends the task.
    fn summary(&self) -> Option<String> {
        None
    }

    /// Does it. An `Err` is a result too, of a call that failed.
    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult>;
}

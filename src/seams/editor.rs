//! The person at the other end: what the agent shows, and what it asks.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Insight;
use crate::event::{ApprovalId, PermissionOutcome, Scope};

/// One thing to show while a task runs (`countersign/update`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Update {
    pub kind: UpdateKind,
    /// Fields by kind: text and thinking `{text}`; tool_call `{call, tool, title, status, result?, refused?}`; tool_output
    /// `{call, text}`; usage `{iteration, iterations, usage, cost_usd?, model}`; state `{state, message?}`.
    pub data: Value,
}

/// What an update is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateKind {
    Text,
    Thinking,
    ToolCall,
    ToolOutput,
    Usage,
    State,
    Question,
}

/// What a question is about; its name is the first word that the person reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    Trust,
    Commit,
    Push,
    OpenPullRequest,
    Run,
    Network,
    Fetch,
    Continue,
    Setup,
    Endpoint,
    /// The model's own `ask_user`.
    Ask,
}

/// A question for a person. Built from the action's own bytes; the model's words come last and quoted.
#[derive(Clone, Debug)]
pub struct Question {
    pub kind: QuestionKind,
    /// One line; the essentials in its first 150 characters.
    pub text: String,
    /// The titles after `Reject` and `Show`; the first is the approving one.
    pub titles: Vec<String>,
    /// The document that `Show` opens (Markdown): everything that the approval covers, with the hashes.
    pub document: String,
    /// SHA-256 of exactly what would run.
    pub digest: String,
    /// How long it stays open at most; the user's configuration may say less.
    pub timeout: Duration,
    /// An approval faster than this is asked again; the user's configuration may say more.
    pub reading: Duration,
}

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub approval: ApprovalId,
    pub kind: AnswerKind,
    /// Who or what decided: `user`, `timeout`, `client error`...
    pub by: String,
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// The title that was chosen.
    Approved(String),
    Rejected,
    Dismissed,
    Expired,
}

impl AnswerKind {
    /// The same without the title.
    pub fn outcome(&self) -> PermissionOutcome {
        match self {
            AnswerKind::Approved(_) => PermissionOutcome::Approved,
            AnswerKind::Rejected => PermissionOutcome::Rejected,
            AnswerKind::Dismissed => PermissionOutcome::Dismissed,
            AnswerKind::Expired => PermissionOutcome::Expired,
        }
    }
}

/// The editor (or terminal) of the person who asked.
#[async_trait::async_trait]
pub trait Editor: Send + Sync {
    /// Shows something. Never blocks, never fails; may be dropped under load.
    fn show(&self, update: Update);

    /// Asks, journals question and decision, and waits for the answer. No answer is no permission.
    async fn ask(&self, scope: &Scope, question: Question) -> Answer;

    /// Free-text question of the model (`ask_user`); `None` when nobody answered.
    async fn ask_text(&self, scope: &Scope, question: &str, options: &[String]) -> Option<String>;

    /// What the user sent to the running task since the last call.
    fn steering(&self) -> Vec<String>;

    /// What it knows besides texts; `None` when there is nothing to ask, as in a terminal.
    fn insight(&self) -> Option<&dyn Insight> {
        None
    }
}

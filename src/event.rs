//! The audit vocabulary: everything that can happen in a session, as the journal writes it (CONTRACT: "Journal").
//!
//! The state of a task is a fold over these events, so what the model saw must stand in them whole.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl From<&str> for $name { fn from(id: &str) -> Self { $name(id.to_owned()) } }
    )*};
}

ids! {
    /// One conversation in one workspace folder.
    SessionId,
    /// One ask in a session.
    TaskId,
    /// One tool call, unique in its session (the model's own ids may repeat).
    CallId,
    /// One proposal: all pending edits of one task.
    ProposalId,
    /// One hunk, unique in its proposal.
    HunkId,
    /// One open question to a person.
    ApprovalId
}

/// Who caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    Human,
    Model,
    Server,
}

/// What an event belongs to; `None` throughout for the server's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
    /// Canonical path of the workspace folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// SHA-256 of the effective policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_sha: Option<String>,
}

/// Token counts of one model call, as the provider reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens that came from no cache.
    pub input: u64,
    pub cache_read: u64,
    pub cache_creation: u64,
    pub output: u64,
}

impl Usage {
    /// Size of the whole prompt in tokens.
    pub fn prompt(&self) -> u64 {
        self.input + self.cache_read + self.cache_creation
    }

    /// The sum of two calls.
    pub fn plus(self, other: Usage) -> Usage {
        Usage {
            input: self.input + other.input,
            cache_read: self.cache_read + other.cache_read,
            cache_creation: self.cache_creation + other.cache_creation,
            output: self.output + other.output,
        }
    }
}

/// Why a task ended (Agent Client Protocol's StopReason, extended).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    EndTurn,
    MaxIterations,
    Budget,
    Cancelled,
    Refusal,
    NoProgress,
    Error,
}

/// How a tool call ended; every call ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolCallStatus {
    Ok,
    Error,
    Denied,
    Cancelled,
    Interrupted,
}

/// How a question to a person ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionOutcome {
    Approved,
    Rejected,
    /// Nobody decided: null, error, editor gone. Nothing happens.
    Dismissed,
    Expired,
}

/// One thing that happened. The serialised form has a `kind` field with the contract's dotted name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Event {
    #[serde(rename = "server.start")]
    ServerStart { version: String, pid: u32, client: Option<String> },
    #[serde(rename = "server.stop")]
    ServerStop { reason: String },
    #[serde(rename = "session.start")]
    SessionStart { version: String, model: String, client: Option<String> },
    /// `prompt` is the user's text with its context; `system` the system prompt; `tools_sha` the SHA-256 of the tools as sent.
    #[serde(rename = "task.start")]
    TaskStart { title: String, mode: String, prompt: String, system: String, tools_sha: String },
    #[serde(rename = "task.end")]
    TaskEnd { stop: StopReason, summary: String, iterations: u32, usage: Usage },
    #[serde(rename = "trust.changed")]
    TrustChanged { folder: String, trusted: bool, by: String },
    #[serde(rename = "policy.loaded")]
    PolicyLoaded { sha: String, layers: Vec<String>, problems: Vec<String> },
    #[serde(rename = "grant.added")]
    GrantAdded { pattern: String },
    #[serde(rename = "grant.used")]
    GrantUsed { pattern: String },
    #[serde(rename = "grant.revoked")]
    GrantRevoked { pattern: String },
    #[serde(rename = "sandbox.level")]
    SandboxLevel { level: String, detail: String },
    /// Written before the request is sent. `body_sha` and `bytes` are of the request body.
    #[serde(rename = "llm.request")]
    LlmRequest { model: String, messages: usize, bytes: usize, body_sha: String, reserved_tokens: u64, tools_off: bool },
    /// `content` holds the model's blocks unchanged.
    #[serde(rename = "llm.response")]
    LlmResponse { id: String, model: String, stop: String, content: Vec<Value>, usage: Usage, ms: u64, error: Option<String> },
    /// Written and synced before a command or another effect of a tool starts.
    #[serde(rename = "tool.intent")]
    ToolIntent { tool: String, input: Value },
    /// `model_id` is the id by which the model called; `content` what it is told.
    #[serde(rename = "tool.result")]
    ToolResult { tool: String, model_id: String, status: ToolCallStatus, content: String, ms: u64 },
    #[serde(rename = "policy.decision")]
    PolicyDecision { action: String, target: String, verdict: String, rule: String, layer: String, reason: String },
    /// `text` is the question as the person saw it.
    #[serde(rename = "approval.request")]
    ApprovalRequest { approval: ApprovalId, question: String, text: String, digest: String },
    #[serde(rename = "approval.decision")]
    ApprovalDecision { approval: ApprovalId, outcome: PermissionOutcome, by: String, ms: u64, digest: String },
    /// Written and synced before an effect that cannot be taken back.
    #[serde(rename = "effect.start")]
    EffectStart { effect: String, digest: String, detail: Value },
    #[serde(rename = "effect.result")]
    EffectResult { effect: String, digest: String, ok: bool, detail: Value },
    /// A command's connection as the proxy decided about it, before a byte of the command is passed on. `connection` counts
    /// within the call; `why` is of a refusal, or of a failure where it was allowed; `address` is what was dialled.
    #[serde(rename = "net.connect")]
    NetConnect {
        host: String,
        port: u16,
        allowed: bool,
        #[serde(default)]
        connection: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The end of one that was let through: bytes that the command sent and received, and why the proxy ended it, if it did.
    #[serde(rename = "net.close")]
    NetClose {
        connection: u32,
        host: String,
        port: u16,
        sent: u64,
        received: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    #[serde(rename = "proposal.created")]
    ProposalCreated { proposal: ProposalId, path: String, hunks: Vec<HunkId>, digest: String },
    #[serde(rename = "hunk.accepted")]
    HunkAccepted { proposal: ProposalId, hunk: HunkId, path: String, old: String, new: String },
    #[serde(rename = "hunk.rejected")]
    HunkRejected { proposal: ProposalId, hunk: HunkId, path: String, reason: Option<String> },
    #[serde(rename = "hunk.stale")]
    HunkStale { proposal: ProposalId, hunk: HunkId, path: String, why: String },
    #[serde(rename = "check.result")]
    CheckResult { command: String, exit: Option<i32>, ms: u64, digest: String },
    #[serde(rename = "user.steer")]
    UserSteer { message: String },
    #[serde(rename = "git.commit")]
    GitCommit { commit: String, branch: String, tree: String, message: String },
    #[serde(rename = "git.push")]
    GitPush { url: String, branch: String, old: String, new: String },
    #[serde(rename = "budget.stop")]
    BudgetStop { budget: String, limit: u64, used: u64 },
    #[serde(rename = "redaction")]
    Redaction { rule: String, count: u64 },
    #[serde(rename = "journal.purged")]
    JournalPurged { before: String, files: u64 },
    #[serde(rename = "integrity.checkpoint")]
    IntegrityCheckpoint { count: u64, head: String },
    #[serde(rename = "recovery.unknown")]
    RecoveryUnknown { what: String, digest: String },
}

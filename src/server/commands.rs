//! The commands `countersign.*`: names, closed arguments, and errors that name the field.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tower_lsp::{
    jsonrpc::{Error, ErrorCode},
    lsp_types::{Diagnostic, Range, Url},
};

use crate::event::{HunkId, ProposalId, SessionId, TaskId};

pub use crate::tools::Mode;

macro_rules! args {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $(pub $field: $type),* }
    )*};
}

args! {
    /// `ask`: start a task, or open a prompt document when there is no prompt.
    Ask {
        prompt: Option<String>,
        uri: Option<Url>,
        range: Option<Range>,
        diagnostics: Option<Vec<Diagnostic>>,
        mode: Option<Mode>,
        session: Option<SessionId>,
    }
    /// `stop`: one task, or all.
    Stop { task: Option<TaskId> }
    /// Commands without arguments.
    Nothing {}
}

macro_rules! required {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $(pub $field: $type),* }
    )*};
}

required! {
    /// `runTask`: a task prompt by its file stem.
    RunTask { name: String, uri: Option<Url>, range: Option<Range>, diagnostics: Option<Vec<Diagnostic>> }
    /// `steer` and `queue`.
    Say { task: TaskId, message: String }
    /// `continue` after the iteration limit.
    Continue { task: TaskId, iterations: u32 }
    /// `retry` with a note.
    Retry { task: TaskId, note: Option<String> }
    /// `accept` and `reject`: some hunks, a file's, or all.
    Review { proposal: ProposalId, hunks: Option<Vec<HunkId>>, uri: Option<Url>, reason: Option<String> }
    /// `rejectWithReason` opens a document for the reason; `renew` proposes stale hunks anew.
    Explainable { proposal: ProposalId, hunks: Vec<HunkId> }
    /// `showDiff`
    ShowDiff { proposal: ProposalId, uri: Option<Url> }
    /// `undo`, `transcript`, and `tell` and `retryWithNote`, which open a document for the words.
    OfTask { task: TaskId }
    /// `answer`, for clients without message requests.
    AnswerCode { code: String, choice: String }
}

/// A parsed command.
#[derive(Clone, Debug)]
pub enum Command {
    Ask(Ask),
    RunTask(RunTask),
    Steer(Say),
    Queue(Say),
    Stop(Stop),
    Continue(Continue),
    Retry(Retry),
    RetryWithNote(OfTask),
    Tell(OfTask),
    More(MoreArgs),
    Accept(Review),
    Reject(Review),
    RejectWithReason(Explainable),
    Renew(Explainable),
    ShowDiff(ShowDiff),
    Undo(OfTask),
    Approvals,
    Answer(AnswerCode),
    Commit(CommitArgs),
    Push,
    OpenPullRequest,
    TrustWorkspace,
    Status(StatusArgs),
    Transcript(OfTask),
    Dashboard,
}

args! {
    /// `more`: what can be done in the folder of this file, as a document.
    MoreArgs { uri: Option<Url> }
    /// `status`; `proposals` sends every proposal again.
    StatusArgs { proposals: Option<bool> }
    /// `commit` by the user.
    CommitArgs { message: Option<String> }
}

/// Every command id, without the prefix.
pub const NAMES: &[&str] = &[
    "ask",
    "runTask",
    "steer",
    "queue",
    "stop",
    "continue",
    "retry",
    "retryWithNote",
    "tell",
    "more",
    "accept",
    "reject",
    "rejectWithReason",
    "renew",
    "showDiff",
    "undo",
    "approvals",
    "answer",
    "commit",
    "push",
    "openPullRequest",
    "trustWorkspace",
    "status",
    "transcript",
    "dashboard",
];

/// The prefix of every command id.
pub const PREFIX: &str = "countersign.";

impl Command {
    /// Reads `workspace/executeCommand`.
    ///
    /// # Errors
    /// `InvalidParams` that names the command or the field.
    pub fn parse(id: &str, arguments: Vec<Value>) -> Result<Command, Error> {
        let name = id.strip_prefix(PREFIX).unwrap_or_default();
        if arguments.len() > 1 {
            return Err(invalid(format!("{id} takes one object as its argument, not {} arguments", arguments.len())));
        }
        let argument = arguments.into_iter().next();
        Ok(match name {
            "ask" => Command::Ask(read(id, argument)?),
            "runTask" => Command::RunTask(read(id, argument)?),
            "steer" => Command::Steer(read(id, argument)?),
            "queue" => Command::Queue(read(id, argument)?),
            "stop" => Command::Stop(read(id, argument)?),
            "continue" => Command::Continue(read(id, argument)?),
            "retry" => Command::Retry(read(id, argument)?),
            "retryWithNote" => Command::RetryWithNote(read(id, argument)?),
            "tell" => Command::Tell(read(id, argument)?),
            "more" => Command::More(read(id, argument)?),
            "accept" => Command::Accept(read(id, argument)?),
            "reject" => Command::Reject(read(id, argument)?),
            "rejectWithReason" => Command::RejectWithReason(read(id, argument)?),
            "renew" => Command::Renew(read(id, argument)?),
            "showDiff" => Command::ShowDiff(read(id, argument)?),
            "undo" => Command::Undo(read(id, argument)?),
            "approvals" => read::<Nothing>(id, argument).map(|_| Command::Approvals)?,
            "answer" => Command::Answer(read(id, argument)?),
            "commit" => Command::Commit(read(id, argument)?),
            "push" => read::<Nothing>(id, argument).map(|_| Command::Push)?,
            "openPullRequest" => read::<Nothing>(id, argument).map(|_| Command::OpenPullRequest)?,
            "trustWorkspace" => read::<Nothing>(id, argument).map(|_| Command::TrustWorkspace)?,
            "status" => Command::Status(read(id, argument)?),
            "transcript" => Command::Transcript(read(id, argument)?),
            "dashboard" => read::<Nothing>(id, argument).map(|_| Command::Dashboard)?,
            _ => return Err(invalid(format!("{id:?} is no command of this server; its commands are {}", listed()))),
        })
    }
}

fn listed() -> String {
    NAMES.iter().map(|name| format!("{PREFIX}{name}")).collect::<Vec<_>>().join(", ")
}

fn read<T: DeserializeOwned>(id: &str, argument: Option<Value>) -> Result<T, Error> {
    let value = argument.filter(|value| !value.is_null()).unwrap_or_else(|| Value::Object(Default::default()));
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let at = if path == "." { String::new() } else { format!(" at `{path}`") };
        invalid(format!("{id}{at}: {}", error.into_inner()))
    })
}

/// An `InvalidParams` error with this sentence.
pub fn invalid(message: impl Into<String>) -> Error {
    Error { code: ErrorCode::InvalidParams, message: message.into().into(), data: None }
}

/// A `RequestFailed` error with this sentence: the request was fine, the thing could not be done.
pub fn failed(message: impl Into<String>) -> Error {
    Error { code: ErrorCode::ServerError(-32803), message: message.into().into(), data: None }
}

//! Everything that can reach the actor, in one closed list.

use std::path::PathBuf;

use serde_json::Value;
use tokio::sync::oneshot;
use tower_lsp::{
    jsonrpc::{self, Error},
    lsp_types::{
        CodeActionParams, CodeActionResponse, CodeLens, DidChangeTextDocumentParams, DidChangeWatchedFilesParams,
        DidChangeWorkspaceFoldersParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams, DidSaveTextDocumentParams, Hover,
        HoverParams, Url,
    },
};

use super::{
    boxes::Ticked, commands::Command, content::ContentResult, documents::Sent, life::Finished, problems::Problem,
    questions::Shown, restore::Left, review::Landed,
};
use crate::{
    event::{ApprovalId, Scope, TaskId},
    path::WsPath,
    seams::{Answer, Level, Question, Update},
    workspace::desk::{Beneath, Desk},
};

/// The answer to a request, to be sent once.
pub type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the actor is told or asked.
pub enum Input {
    /// The client is ready for requests.
    Initialized,
    Opened(DidOpenTextDocumentParams),
    Changed(DidChangeTextDocumentParams),
    Saved(DidSaveTextDocumentParams),
    Closed(DidCloseTextDocumentParams),
    Folders(DidChangeWorkspaceFoldersParams),
    Watched(DidChangeWatchedFilesParams),
    /// A file that is not open was read again; `None` when it is gone or no text.
    OnDisk {
        folder: usize,
        path: WsPath,
        now: Option<Beneath>,
    },
    Command(jsonrpc::Result<Command>, Reply<Value>),
    CodeActions(CodeActionParams, Reply<CodeActionResponse>),
    Lenses(Url, Reply<Vec<CodeLens>>),
    Hover(HoverParams, Reply<Option<Hover>>),
    /// The text of one of our own documents.
    Content(String, Reply<ContentResult>),
    /// `window/workDoneProgress/cancel`; the token is the task.
    CancelProgress(TaskId),
    /// A task looks at or changes the texts of its folder.
    Desk {
        folder: usize,
        op: Box<dyn FnOnce(&mut Desk) + Send>,
    },
    /// The client has created the task's progress token.
    ProgressReady(TaskId),
    Update(TaskId, Update),
    /// Somebody needs a person's decision.
    Ask {
        scope: Scope,
        question: Question,
        reply: oneshot::Sender<Answer>,
    },
    /// The model asks for words.
    AskText {
        task: TaskId,
        question: String,
        reply: oneshot::Sender<Option<String>>,
    },
    /// A dialog was answered; `nonce` tells which showing of the question.
    Dialog {
        approval: ApprovalId,
        nonce: u64,
        shown: Shown,
    },
    Expired(ApprovalId),
    /// A step of an acceptance is done.
    Landed(Landed),
    /// A prompt document was sent, or is gone.
    PromptSent {
        id: u64,
        sent: Option<Sent>,
    },
    /// A box of a document was ticked, or never will be.
    Ticked {
        id: u64,
        ticked: Ticked,
    },
    /// It may be time to tell the user again that this question is open.
    Remind(ApprovalId),
    /// The folder that this question is about was trusted on the command line.
    Trusted(ApprovalId),
    /// Show what changed since the last refresh.
    Refresh,
    /// The user wants to set a model up.
    SetUp,
    /// The level of the walls is known.
    Level(Level),
    /// A policy or configuration file is broken; what it governs is read-only until it is mended.
    Problem(Problem),
    /// The policy of this folder is sound.
    Sound(PathBuf),
    /// The user's own commit or push is over.
    Published {
        folder: usize,
        fine: bool,
        text: String,
    },
    /// Write the pending hunks that changed.
    Keep,
    /// Look for pending hunks of servers that are gone.
    LookForKept,
    /// Pending hunks of servers that are gone.
    Left(Vec<Left>),
    TaskDone(TaskId, Box<Finished>),
    /// Stop all tasks; answered when they are gone.
    Shutdown(oneshot::Sender<()>),
}

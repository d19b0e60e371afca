//! The workspace as one task sees it: the editor's unsaved text with the task's own pending hunks on top, then the disk.

use crate::{
    event::{CallId, HunkId, ProposalId},
    path::WsPath,
    proposal::Receipt,
    seams::Shadow,
    text::Text,
};

/// Where the text of a view comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The disk.
    Disk,
    /// An open buffer of this version; `unsaved` when it differs from the disk.
    Buffer { version: i32, unsaved: bool },
    /// The task's pending hunks lie on top.
    Proposed,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Text,
    /// Text in another encoding or with broken UTF-8: shown with replacement marks, never edited.
    NotUtf8,
    Binary,
}

/// A file as the task sees it.
#[derive(Clone, Debug)]
pub struct View {
    pub path: WsPath,
    /// The text without a byte order mark; empty for [`FileKind::Binary`].
    pub text: Text,
    pub kind: FileKind,
    pub source: Source,
    /// Size in bytes of what lies beneath (disk or buffer).
    pub size: u64,
}

/// What to list.
#[derive(Clone, Debug)]
pub struct ListQuery {
    pub under: WsPath,
    /// A gitignore-style glob; `None` lists everything.
    pub glob: Option<String>,
    /// Levels below `under`; `None` is all of them.
    pub depth: Option<usize>,
    /// Most entries to return.
    pub limit: usize,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The path as the model may name it; not valid UTF-8 shows as replacement marks and cannot be opened.
    pub path: String,
    pub is_dir: bool,
    /// `new`, `deleted`, `unsaved`, `symlink`... where the plain path does not tell all.
    pub note: Option<&'static str>,
}

/// What was listed.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub entries: Vec<Listed>,
    /// How many more there are beyond the limit.
    pub more: usize,
}

/// How a search answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchMode {
    Lines,
    Files,
    Count,
}

/// What to search for. Secrets never match.
#[derive(Clone, Debug)]
pub struct SearchQuery {
    pub pattern: String,
    pub literal: bool,
    pub case_sensitive: bool,
    pub under: WsPath,
    pub glob: Option<String>,
    /// Lines of context on each side, 0 to 5.
    pub context: usize,
    pub mode: SearchMode,
    /// Hits to skip.
    pub offset: usize,
    /// Most hits to return.
    pub limit: usize,
}

/// One hit: with [`SearchMode::Lines`] a line (`is_match`) or its context; else a file with its number of matching lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub path: String,
    /// One-based line; 0 for files and counts.
    pub line: u64,
    pub text: String,
    pub is_match: bool,
    pub count: u64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct SearchResult {
    pub hits: Vec<Hit>,
    /// Matches in all, also those not returned; a lower bound when `truncated`.
    pub total: u64,
    pub files_searched: u64,
    /// The search stopped early.
    pub truncated: bool,
}

/// A change that the model wants to make to one file.
#[derive(Clone, Debug)]
pub enum StageOp {
    /// The whole new text of an existing file; `from` is the text it was made from (refused when that moved).
    Modify {
        from: Text,
        to: Text,
    },
    /// A file that does not exist yet.
    Create {
        text: Text,
    },
    Delete,
    Move {
        to: WsPath,
    },
    /// Makes the file executable, or not.
    Mode {
        executable: bool,
    },
}

/// A change to stage.
#[derive(Clone, Debug)]
pub struct StageRequest {
    pub path: WsPath,
    pub op: StageOp,
    pub call: CallId,
    /// The verdict was "ask" or the file steers tools: these hunks are left out of every accept-many.
    pub apart: bool,
}

/// What staging did.
#[derive(Clone, Debug)]
pub struct Staged {
    pub proposal: ProposalId,
    /// The hunks of this file that are pending now.
    pub hunks: Vec<HunkId>,
    /// The file's text with all pending hunks.
    pub text: Text,
}

/// One state of a task's text, for checks.
#[derive(Clone, Debug)]
pub struct Checkable {
    /// What a check must see in place of the disk: buffers and the task's hunks.
    pub shadow: Shadow,
    /// SHA-256 over paths and texts of the same.
    pub digest: String,
}

/// Why the workspace cannot do it. The sentence is written for the model.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// There is no such file; `near` are up to three similar names.
    #[error("{path} does not exist{}", near_names(.near))]
    NotFound { path: WsPath, near: Vec<String> },
    #[error("{0} is a folder; list_files shows what is in it")]
    IsDir(WsPath),
    #[error("{0} already exists")]
    Exists(WsPath),
    /// A symlink or magic link leads out of the workspace.
    #[error("{0} leads outside the workspace through a symbolic link; it cannot be used")]
    Outside(WsPath),
    /// A fifo, socket or device.
    #[error("{0} is not a regular file")]
    Special(WsPath),
    #[error(
        "{path} has {size} bytes, more than the {limit} that can be read at once; use search, or run a command that prints a part of it"
    )]
    TooBig { path: WsPath, size: u64, limit: u64 },
    #[error("{0} is not UTF-8 text; it can be read, moved and deleted, but not edited")]
    NotEditable(WsPath),
    /// The proposal has nothing to change there.
    #[error("{0} is that already; nothing was staged")]
    Same(WsPath),
    #[error("{0} changed while this edit was made; read it again")]
    Moved(WsPath),
    /// A bad regular expression or glob; says where.
    #[error("{0}")]
    BadPattern(String),
    #[error("{path} cannot be used: {why}")]
    Io { path: WsPath, why: String },
    /// The server is going away.
    #[error("the workspace is closed")]
    Closed,
}

fn near_names(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) }
}

/// The workspace of one task.
#[async_trait::async_trait]
pub trait Workspace: Send + Sync {
    /// The file as the task sees it.
    async fn read(&self, path: &WsPath) -> Result<View, WorkspaceError>;
    /// Names, with the task's new and deleted files.
    async fn list(&self, query: ListQuery) -> Result<Listing, WorkspaceError>;
    /// Content search over buffers, pending hunks and the disk.
    async fn search(&self, query: SearchQuery) -> Result<SearchResult, WorkspaceError>;
    /// Puts a change into the task's proposal. Nothing of the user's changes.
    async fn stage(&self, request: StageRequest) -> Result<Staged, WorkspaceError>;
    /// What commands must see in place of the disk.
    async fn shadow(&self) -> Result<Shadow, WorkspaceError>;
    /// The text as it is now, for a round of checks; what an earlier round said is forgotten. `None` when the task proposes
    /// nothing and nothing of it was accepted.
    async fn checkable(&self) -> Result<Option<Checkable>, WorkspaceError>;
    /// Keeps with the proposal what a check of this round said.
    async fn checked(&self, receipt: Receipt);
    /// Goes up whenever what the task sees may have changed.
    async fn revision(&self) -> u64;
    /// What the user did to this task's files and hunks since the last call, one sentence each, for the model.
    async fn news(&self) -> Vec<String>;
    /// Those of `paths` that the ignore rules do not leave out: what is worth telling of what a command changed.
    async fn unignored(&self, paths: Vec<String>) -> Vec<String> {
        paths
    }
    /// Every path of the workspace as it stands, for the policy's secret listing. Relative, `/`-separated.
    async fn resolve(&self, path: &WsPath) -> Result<WsPath, WorkspaceError>;
}

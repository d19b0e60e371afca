//! What the editor knows besides texts: what its language servers say, its open buffers, its selection, what was typed last.
//!
//! The editor's language servers see the user's text, not the task's pending hunks. Every line that comes from here is a line
//! of the text as the task sees it, or names the pending hunk that hides it.

use std::time::Duration;

use crate::{event::HunkId, path::WsPath, text::Text};

/// A line of the text as the task sees it, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    At(usize),
    /// One of the user's lines that this pending hunk replaces.
    Under(HunkId),
}

/// Lines from one to another, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    pub first: Line,
    pub last: Line,
}

/// An answer of the editor's language servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<T> {
    pub what: T,
    /// The task has pending hunks, which were not seen.
    pub without_hunks: bool,
    /// The texts changed while the editor answered: lines may be off.
    pub moved: bool,
}

impl<T> Told<T> {
    /// The same about something made of what was told.
    pub fn map<U>(self, made: impl FnOnce(T) -> U) -> Told<U> {
        Told { what: made(self.what), without_hunks: self.without_hunks, moved: self.moved }
    }
}

/// How bad a diagnostic is; the worst is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
    Information,
    Hint,
}

/// One diagnostic. Its words are another program's: material, bounded in length and not cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub path: WsPath,
    pub line: Line,
    pub severity: Severity,
    pub message: String,
    pub source: String,
    pub code: String,
}

/// One symbol of an outline, in document order. Its name is another program's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// How deep it lies in others, from 0.
    pub depth: usize,
    pub kind: &'static str,
    pub name: String,
    pub lines: Lines,
}

/// A place in a file to ask about, in bytes of the text as the task sees it.
#[derive(Clone, Debug)]
pub struct Place {
    pub path: WsPath,
    pub text: Text,
    pub offset: usize,
}

/// Which places of a symbol are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Definition,
    References,
}

/// The places of a symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub inside: Vec<(WsPath, Line)>,
    /// How many lie outside of the workspace folder.
    pub outside: usize,
}

/// An open document of the workspace folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBuffer {
    pub path: WsPath,
    pub unsaved: bool,
    /// `None` where the editor does not tell.
    pub visible: Option<bool>,
    /// The one with the cursor.
    pub active: Option<bool>,
}

/// Lines that the user typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentEdit {
    pub path: WsPath,
    pub lines: Lines,
    /// How long ago the last of it was typed.
    pub ago: Duration,
}

/// Why the editor cannot tell. The sentence is written for the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsightError {
    #[error("the editor cannot tell that; go on with search, read_file and run")]
    Unable,
    #[error("the editor did not answer within {} s; go on with search, read_file and run", .0.as_secs())]
    Silent(Duration),
    /// The editor's own words, bounded and not cleaned.
    #[error("the editor answered with an error: {0:?}")]
    Failed(String),
    #[error("the editor's answer cannot be understood; go on with search, read_file and run")]
    Malformed,
    #[error("that place lies in your pending hunk {0}, which the editor's language servers do not see; use search and read_file")]
    Pending(HunkId),
    #[error(
        "{0} is made or moved by your pending changes, which the editor's language servers do not see; use search and read_file"
    )]
    NotThere(WsPath),
    #[error("{0} changed meanwhile; read it again")]
    Moved(WsPath),
    /// The server is going away.
    #[error("the editor is gone")]
    Closed,
}

/// What the editor knows, for one task.
#[async_trait::async_trait]
pub trait Insight: Send + Sync {
    /// Whether language servers and selection can be asked; open buffers and recent edits always can.
    fn languages(&self) -> bool;

    /// Diagnostics of one file or of all, without our own.
    async fn diagnostics(&self, path: Option<&WsPath>) -> Result<Told<Vec<Diagnostic>>, InsightError>;

    /// The symbols of a file.
    async fn outline(&self, path: &WsPath) -> Result<Told<Vec<Symbol>>, InsightError>;

    /// Where the symbol at a place is defined or used.
    async fn places(&self, of: &Place, relation: Relation) -> Result<Told<Places>, InsightError>;

    /// What a person sees who hovers over a place; another program's words, bounded and not cleaned.
    async fn hover(&self, of: &Place) -> Result<Told<Option<String>>, InsightError>;

    /// What the user has selected; an empty selection is the cursor's line.
    async fn selection(&self) -> Result<Told<Option<(WsPath, Lines)>>, InsightError>;

    /// The open documents of the workspace folder.
    async fn open_buffers(&self) -> Result<Vec<OpenBuffer>, InsightError>;

    /// What the user typed, the latest first.
    async fn recent_edits(&self) -> Result<Vec<RecentEdit>, InsightError>;
}

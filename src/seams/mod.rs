//! Everything that the agent can touch: one trait and its plain values a file. Adapters implement them, tests fake them.

mod clock;
mod editor;
mod facts;
mod grants;
mod insight;
mod journal;
mod model;
mod sandbox;
mod spill;
mod vcs;
mod workspace;

pub use clock::Clock;
pub use editor::{Answer, AnswerKind, Editor, Question, QuestionKind, Update, UpdateKind};
pub use facts::{Facts, Reach, Reached};
pub use grants::Grants;
pub use insight::{
    Diagnostic, Insight, InsightError, Line, Lines, OpenBuffer, Place, Places, RecentEdit, Relation, Severity, Symbol, Told,
};
pub use journal::{Journal, JournalError};
pub use model::{
    Block, ErrorClass, Message, Model, ModelError, ModelEvent, ModelRequest, Reply, Role, Stop, ToolChoice, ToolSpec,
};
pub use sandbox::{
    AtLeast, CACHE_TAG, CWD, Command, Connection, ConnectionNews, Copying, FILLED, Found, Level, NetTerms, Outcome, OutputSink,
    Registry, Sandbox, SandboxError, SandboxSession, SandboxSpec, Shadow, ShadowFile, Stopped, Written,
};
pub use spill::{NoSpills, Spill, Spills};
pub use vcs::{Accepted, Branch, CommitPlan, CommitSpec, PushPlan, PushSpec, Vcs, VcsError};
pub use workspace::{
    Checkable, FileKind, Hit, ListQuery, Listed, Listing, Merge, Merges, Moment, SearchMode, SearchQuery, SearchResult, Source,
    StageOp, StageRequest, Staged, Stood, View, Workspace, WorkspaceError,
};

//! Version control of one folder, as the server itself runs it: hardened, never by a child of the model.

use serde::{Deserialize, Serialize};

use crate::path::WsPath;

/// Why git could not do it. The sentence is for the model and the user.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct VcsError {
    pub message: String,
    pub hint: Option<String>,
}

/// The current branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Short name; `None` when HEAD is detached.
    pub name: Option<String>,
    /// Commit of HEAD; `None` before the first commit.
    pub head: Option<String>,
}

/// One accepted change of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Whole texts; a new file has an empty `before`, a deleted one an empty `after`.
    Text { before: String, after: String },
    /// A file that is no text, by the SHA-256 of its bytes; `None` where there is no file.
    Bytes { before: Option<String>, after: Option<String> },
    /// The file becomes executable, or not.
    Mode { executable: bool },
}

impl From<(String, String)> for Accepted {
    fn from((before, after): (String, String)) -> Accepted {
        Accepted::Text { before, after }
    }
}

/// What to commit: the accepted texts.
#[derive(Clone, Debug)]
pub struct CommitSpec {
    /// Path and accepted hunks in order of acceptance. The agent leaves it empty: the git of a task knows what its session has
    /// accepted.
    pub accepted: Vec<(WsPath, Vec<Accepted>)>,
    pub message: String,
    /// Branch to create and commit on; `None` is the current one.
    pub branch: Option<String>,
}

/// A commit that is built but not yet on a branch. Its digest is what an approval covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitPlan {
    pub branch: String,
    /// Whether the branch is created by this commit.
    pub creates_branch: bool,
    /// Why git chose that new branch by itself, in a few words; `None` where it was named, or where no branch is created.
    #[serde(default)]
    pub why_branch: Option<String>,
    /// HEAD that it builds on.
    pub parent: Option<String>,
    pub tree: String,
    pub message: String,
    /// Full diff from the parent's tree.
    pub diff: String,
    pub files: Vec<String>,
    /// Files left out, each with the reason.
    pub refused: Vec<(String, String)>,
    /// What the user should know before approving, such as a hook that does not run.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// SHA-256 over parent, tree, branch, message, author.
    pub digest: String,
}

/// What to push.
#[derive(Clone, Debug, Default)]
pub struct PushSpec {
    pub remote: Option<String>,
    pub branch: Option<String>,
}

/// A push resolved to exact values. Its digest is what an approval covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushPlan {
    pub remote: String,
    /// The URL that is handed to git, without user-info.
    pub url: String,
    pub branch: String,
    /// What the remote has now; `None` when the branch is new there.
    pub old: Option<String>,
    pub new: String,
    /// Whether `old` is an ancestor of `new`.
    pub fast_forward: bool,
    /// Short ids and subjects of the commits, newest first.
    pub commits: Vec<String>,
    pub diff: String,
    pub digest: String,
}

/// Git of one folder.
#[async_trait::async_trait]
pub trait Vcs: Send + Sync {
    /// A read-only question (`status`, `diff`, `log`, `show`, `blame`, `branch`) with checked operands; its output as text.
    async fn look(&self, op: &str, paths: &[WsPath], rev: Option<&str>) -> Result<String, VcsError>;
    /// Current branch and HEAD.
    async fn branch(&self) -> Result<Branch, VcsError>;
    /// Creates a branch at HEAD and switches to it in place (the working tree is not touched).
    async fn create_branch(&self, name: &str) -> Result<(), VcsError>;
    /// Builds the commit's tree without moving anything.
    async fn plan_commit(&self, spec: CommitSpec) -> Result<CommitPlan, VcsError>;
    /// Writes the commit of a plan if its parent and branch still stand. Returns the commit id.
    async fn commit(&self, plan: &CommitPlan) -> Result<String, VcsError>;
    /// Resolves a push to exact ids.
    async fn plan_push(&self, spec: PushSpec) -> Result<PushPlan, VcsError>;
    /// Pushes exactly the plan, with a lease on the old value; refused when anything moved.
    async fn push(&self, plan: &PushPlan) -> Result<(), VcsError>;
}

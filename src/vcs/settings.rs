//! What the user's side (never the workspace) decides about git.

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use super::HookRunner;

/// Settings of [`super::Git`]. All of them come from the user's configuration and policy.
#[derive(Clone)]
pub struct GitSettings {
    /// Whether a remote may be a path or `file:` URL. Such a remote's own hooks run on the push.
    pub allow_file_remotes: bool,
    /// Globs over branch names (`main`, `release/*`; `*` crosses slashes) that are never committed to directly.
    pub protected: Vec<String>,
    /// What a branch made for a commit begins with.
    pub agent_prefix: String,
    /// Whether every commit goes to a branch below `agent_prefix`, not only those on a protected one.
    pub always_agent: bool,
    /// Gitignore globs of files whose content `look` never shows (no inner slash: any depth).
    pub hidden: Vec<String>,
    /// The server's environment. Only a fixed list of its variables reaches git.
    pub env: Vec<(OsString, OsString)>,
    /// A folder for short-lived private directories, outside the workspace.
    pub scratch: PathBuf,
    /// Runs the repository's commit hooks inside the walls; without it they do not run, and the plan says so.
    pub hooks: Option<Arc<dyn HookRunner>>,
}

impl Default for GitSettings {
    fn default() -> Self {
        GitSettings {
            allow_file_remotes: false,
            protected: vec!["main".into(), "master".into(), "release/*".into()],
            agent_prefix: "agent/".into(),
            always_agent: false,
            hidden: Vec::new(),
            env: Vec::new(),
            scratch: PathBuf::from("/tmp"),
            hooks: None,
        }
    }
}

//! The repository's commit hooks: found here, run by somebody who has walls.

#![allow(clippy::disallowed_methods)] // looks at the hooks folder

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::seams::VcsError;

use super::desk::Desk;

/// One hook to run.
#[derive(Clone, Debug)]
pub struct HookRun {
    /// `pre-commit` or `commit-msg`.
    pub hook: String,
    /// The hook file, below the repository or a `core.hooksPath`.
    pub program: PathBuf,
    /// Commit that the tree builds on.
    pub parent: Option<String>,
    /// The tree to be committed.
    pub tree: String,
    /// An index file that holds that tree; it lives as long as the call.
    pub index: PathBuf,
    /// Path below the repository's top and new content (`None`: deleted), for everything that differs from the parent.
    pub changes: Vec<(String, Option<Vec<u8>>)>,
    /// The message; for `commit-msg` the hook gets it in a file.
    pub message: String,
}

/// What a hook did.
#[derive(Clone, Debug, Default)]
pub struct HookOutcome {
    /// Whether it ended with status 0.
    pub passed: bool,
    /// What it printed.
    pub output: String,
    /// The message as the hook left it, if it changed it.
    pub message: Option<String>,
}

/// Runs hooks inside the walls. What a hook writes to files is lost: a commit holds what was accepted.
#[async_trait::async_trait]
pub trait HookRunner: Send + Sync {
    /// Runs one hook to its end.
    ///
    /// # Errors
    /// When it could not be run at all.
    async fn run(&self, run: HookRun) -> Result<HookOutcome, VcsError>;
}

/// The executable hook file of that name, where git would take it from.
pub(super) fn find(desk: &Desk<'_>, hook: &str) -> Option<PathBuf> {
    let place = desk.place;
    let folder = match desk.repo_value("core", None, "hookspath").or_else(|| desk.value("core", None, "hookspath")) {
        Some(path) => match path.strip_prefix("~/") {
            Some(rest) => desk.program.home()?.join(rest),
            None => place.top.join(path),
        },
        None => place.common.join("hooks"),
    };
    let file = folder.join(hook);
    let meta = std::fs::metadata(&file).ok()?;
    (meta.is_file() && meta.permissions().mode() & 0o111 != 0).then_some(file)
}

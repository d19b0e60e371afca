//! The seam `Grants` of one task: the user's list of grants, and what the scripts of a command hold as the task sees them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    config::{Grant, GrantStore},
    path::WsPath,
    policy::Action,
    seams::{Clock, FileKind, Grants, Workspace},
};

/// Grants of a folder.
pub struct FolderGrants {
    store: GrantStore,
    folder: PathBuf,
    workspace: Arc<dyn Workspace>,
    clock: Arc<dyn Clock>,
}

impl FolderGrants {
    /// Grants of this folder; file contents are those that `workspace` shows.
    pub fn new(store: GrantStore, folder: PathBuf, workspace: Arc<dyn Workspace>, clock: Arc<dyn Clock>) -> Self {
        FolderGrants { store, folder, workspace, clock }
    }

    /// The path of the workspace that a word means in `cwd`, if it is one.
    fn named(&self, word: &str, cwd: &str) -> Option<WsPath> {
        let written = match Path::new(word).strip_prefix(&self.folder) {
            Ok(below) => below.to_str()?.to_owned(),
            Err(_) if word.starts_with('/') || cwd.is_empty() => word.to_owned(),
            Err(_) => format!("{cwd}/{word}"),
        };
        WsPath::parse(&written).ok()
    }

    /// The grant that a yes to this action would be now.
    async fn now(&self, action: &Action) -> Grant {
        let cwd = match action {
            Action::Run { cwd, .. } | Action::RunNet { cwd, .. } => cwd.as_str(),
            _ => "",
        };
        let mut contents = BTreeMap::new();
        // Any word may name a script; a file that it names counts, whatever the word was meant for.
        for word in action.target().split(|c: char| c.is_whitespace() || "'\"=;&|<>()".contains(c)) {
            let Some(path) = self.named(word, cwd) else { continue };
            if path.is_root() || contents.contains_key(path.as_str()) {
                continue;
            }
            if let Ok(view) = self.workspace.read(&path).await
                && view.kind != FileKind::Binary
            {
                contents.insert(path.to_string(), view.text.sha256());
            }
        }
        Grant {
            action: action.kind().to_string(),
            // In another folder the same words are another command.
            pattern: match cwd {
                "" => action.target().to_owned(),
                cwd => format!("cd '{}' && {}", cwd.replace('\'', r"'\''"), action.target()),
            },
            workspace: self.folder.clone(),
            contents,
            since: self.clock.utc(),
        }
    }
}

#[async_trait::async_trait]
impl Grants for FolderGrants {
    async fn covers(&self, action: &Action) -> Option<String> {
        // A list that cannot be read grants nothing.
        let known = self.store.list().ok()?;
        if known.is_empty() {
            return None;
        }
        let now = self.now(action).await;
        known.iter().find(|grant| grant.covers(&now)).map(Grant::id)
    }

    async fn remember(&self, action: &Action) -> Result<String, String> {
        let grant = self.now(action).await;
        self.store.add(&grant).map_err(|error| error.to_string())?;
        Ok(grant.id())
    }
}

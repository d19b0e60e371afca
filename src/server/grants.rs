//! The seam `Grants` of one task: the user's list of grants, and what the scripts of a command hold as the task sees them.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

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

    /// The grant that a yes to this action would be now.
    async fn now(&self, action: &Action) -> Grant {
        let mut contents = BTreeMap::new();
        // Any word may name a script; a file that it names counts, whatever the word was meant for.
        for word in action.target().split(|c: char| c.is_whitespace() || "'\"=;&|<>()".contains(c)) {
            let Ok(path) = WsPath::parse(word) else { continue };
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
            pattern: action.target().to_owned(),
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

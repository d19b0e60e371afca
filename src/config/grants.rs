//! Answers that the user asked us to remember. A grant answers one question again: the same action with exactly the same argument
//! in the same folder, as long as the scripts that it names have the same content. It never lifts a denial.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{ConfigError, Folders, store::Store};

/// One remembered answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The action, such as `run.net`.
    pub action: String,
    /// The argument, whole: a command line, a host and port.
    pub pattern: String,
    /// Canonical path of the workspace folder in which it was given.
    pub workspace: PathBuf,
    /// Workspace path of each script that the argument names, with the SHA-256 of its content.
    pub contents: BTreeMap<String, String>,
    /// RFC 3339, UTC.
    pub since: String,
}

impl Grant {
    /// A short name for lists and `grants revoke`: the first eight hex digits of a digest over what it covers.
    pub fn id(&self) -> String {
        let what = serde_json::json!([self.action, self.pattern, self.workspace, self.contents]).to_string();
        let mut id = crate::journal::digest(what.as_bytes());
        id.truncate(8);
        id
    }

    /// Whether this grant answers a question about the same thing as it is now.
    pub fn covers(&self, now: &Grant) -> bool {
        (&self.action, &self.pattern, &self.workspace, &self.contents)
            == (&now.action, &now.pattern, &now.workspace, &now.contents)
    }
}

/// The list of grants, `grants.json` in the state folder.
#[derive(Clone, Debug)]
pub struct GrantStore(Store<Grant>);

impl GrantStore {
    pub fn new(folders: &Folders) -> GrantStore {
        GrantStore(Store::new(folders.state.join("grants.json")))
    }

    /// All grants, oldest first.
    ///
    /// # Errors
    /// [`ConfigError`] when the list cannot be read.
    pub fn list(&self) -> Result<Vec<Grant>, ConfigError> {
        self.0.load()
    }

    /// Remembers an answer; the same one twice is one.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot be recorded.
    pub fn add(&self, grant: &Grant) -> Result<(), ConfigError> {
        self.0.change(|grants| {
            grants.retain(|known| !known.covers(grant));
            grants.push(grant.clone());
            Some(())
        })?;
        Ok(())
    }

    /// Forgets one by its id; `None` when there is none of that id.
    ///
    /// # Errors
    /// [`ConfigError`] when the list cannot be changed.
    pub fn revoke(&self, id: &str) -> Result<Option<Grant>, ConfigError> {
        self.0.change(|grants| {
            let at = grants.iter().position(|grant| grant.id() == id)?;
            Some(grants.remove(at))
        })
    }
}

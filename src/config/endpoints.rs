//! Model endpoints that the user has confirmed: a key goes to a foreign host only after one explicit yes.

use super::{ConfigError, Folders, store::Store};

/// The list of confirmed origins, `endpoints.json` in the state folder.
#[derive(Clone, Debug)]
pub struct EndpointStore(Store<String>);

impl EndpointStore {
    /// The list of this user.
    pub fn new(folders: &Folders) -> EndpointStore {
        EndpointStore(Store::new(folders.state.join("endpoints.json")))
    }

    /// Whether the user has confirmed this origin (`https://host:port`).
    ///
    /// # Errors
    /// [`ConfigError`] when the list cannot be read.
    pub fn is_confirmed(&self, origin: &str) -> Result<bool, ConfigError> {
        Ok(self.0.load()?.iter().any(|confirmed| confirmed == origin))
    }

    /// Remembers a confirmation.
    ///
    /// # Errors
    /// [`ConfigError`] when the list cannot be written.
    pub fn confirm(&self, origin: &str) -> Result<(), ConfigError> {
        let add = |origins: &mut Vec<String>| {
            if !origins.iter().any(|confirmed| confirmed == origin) {
                origins.push(origin.to_owned());
            }
            Some(())
        };
        self.0.change(add).map(drop)
    }
}

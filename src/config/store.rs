//! A small JSON file of the state folder that several servers read and change: each change is made under a lock and replaces the
//! file at once. Owns these files, so the ban on direct file access is lifted here.
#![allow(clippy::disallowed_methods)]

use std::{
    fs::OpenOptions,
    marker::PhantomData,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{ConfigError, folders};

/// Version of the file.
const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<T> {
    v: u32,
    entries: Vec<T>,
}

#[derive(Serialize)]
struct Draft<'a, T> {
    v: u32,
    entries: &'a [T],
}

/// A list on disk. Nothing is kept in memory: what another server changed counts at once.
#[derive(Clone, Debug)]
pub(super) struct Store<T> {
    path: PathBuf,
    entries: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Store<T> {
    pub fn new(path: PathBuf) -> Store<T> {
        Store { path, entries: PhantomData }
    }

    /// The entries; none when the file is not there. A broken file is an error, never an empty list.
    pub fn load(&self) -> Result<Vec<T>, ConfigError> {
        let Some(text) = folders::read(&self.path)? else { return Ok(Vec::new()) };
        let content: Content<T> = serde_json::from_str(&text).map_err(|error| ConfigError {
            file: Some(self.path.clone()),
            line: Some(error.line()),
            message: format!("{error}; repair it, or remove it to start anew"),
        })?;
        if content.v != VERSION {
            return Err(ConfigError::of(&self.path, format_args!("is of version {}, this program knows {VERSION}", content.v)));
        }
        Ok(content.entries)
    }

    /// Changes the list under the lock; writes it when `change` returns something.
    pub fn change<R>(&self, change: impl FnOnce(&mut Vec<T>) -> Option<R>) -> Result<Option<R>, ConfigError> {
        let failed = |error: std::io::Error| ConfigError::of(&self.path, error);
        folders::make_private(self.path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
        let lock = self.path.with_extension("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut entries = self.load()?;
        let result = change(&mut entries);
        if result.is_some() {
            let mut text = serde_json::to_vec_pretty(&Draft { v: VERSION, entries: &entries })
                .map_err(|error| ConfigError::of(&self.path, error))?;
            text.push(b'\n');
            folders::write_private(&self.path, &text).map_err(failed)?;
        }
        Ok(result)
    }
}

//! Which folders the user trusts. A folder is known by its canonical path, its device and inode, and the git folder that its
//! repository really uses: when one of them changes, it is another folder and is asked about anew. Looks at folders before they
//! are trusted, so the ban on direct file access is lifted here.
#![allow(clippy::disallowed_methods)]

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{ConfigError, Folders, folders::read_beneath, store::Store};

/// One folder as it was when it was trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trusted {
    /// Canonical.
    pub path: PathBuf,
    pub device: u64,
    pub inode: u64,
    /// Canonical git common directory of the repository that holds it, if one does.
    pub git: Option<PathBuf>,
    /// RFC 3339, UTC.
    pub since: String,
}

impl Trusted {
    /// Looks at a folder as it is now.
    ///
    /// # Errors
    /// [`ConfigError`] when it is no folder that can be trusted.
    pub fn look(folder: &Path) -> Result<Trusted, ConfigError> {
        let failed = |error: std::io::Error| ConfigError::of(folder, error);
        let path = fs::canonicalize(folder).map_err(failed)?;
        let meta = fs::metadata(&path).map_err(failed)?;
        if !meta.is_dir() {
            return Err(ConfigError::of(folder, "is not a folder"));
        }
        if path.parent().is_none() {
            return Err(ConfigError::of(folder, "is the root of everything; trust the project's own folder"));
        }
        if path.to_str().is_none() {
            return Err(ConfigError::of(folder, "has a name that is not UTF-8"));
        }
        let git = git_common_dir(&path)?;
        let since = format!("{:.0}", jiff::Timestamp::now());
        Ok(Trusted { path, device: meta.dev(), inode: meta.ino(), git, since })
    }

    fn is(&self, other: &Trusted) -> bool {
        (&self.path, self.device, self.inode, &self.git) == (&other.path, other.device, other.inode, &other.git)
    }
}

/// The list of trusted folders, `trust.json` in the state folder.
#[derive(Clone, Debug)]
pub struct TrustStore(Store<Trusted>);

impl TrustStore {
    pub fn new(folders: &Folders) -> TrustStore {
        TrustStore(Store::new(folders.state.join("trust.json")))
    }

    /// All trusted folders, oldest first.
    ///
    /// # Errors
    /// [`ConfigError`] when the list cannot be read.
    pub fn list(&self) -> Result<Vec<Trusted>, ConfigError> {
        self.0.load()
    }

    /// Whether a folder is trusted as it is now. Trust does not reach into other folders, not even below.
    ///
    /// # Errors
    /// [`ConfigError`] when the list or the folder cannot be read: not trusted, then.
    pub fn is_trusted(&self, folder: &Path) -> Result<bool, ConfigError> {
        let now = Trusted::look(folder)?;
        Ok(self.0.load()?.iter().any(|entry| entry.is(&now)))
    }

    /// Trusts a folder. Returns it as recorded.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot be looked at or recorded.
    pub fn add(&self, folder: &Path) -> Result<Trusted, ConfigError> {
        let now = Trusted::look(folder)?;
        self.0.change(|entries| {
            entries.retain(|entry| entry.path != now.path);
            entries.push(now.clone());
            Some(())
        })?;
        Ok(now)
    }

    /// Takes trust back. The folder may be gone by now. Returns its path as it was recorded, `None` when it was not trusted.
    ///
    /// # Errors
    /// [`ConfigError`] when the list cannot be changed.
    pub fn revoke(&self, folder: &Path) -> Result<Option<PathBuf>, ConfigError> {
        let path = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        self.0.change(|entries| {
            let gone = entries.iter().find(|entry| entry.path == path || entry.path == folder)?.path.clone();
            entries.retain(|entry| entry.path != path && entry.path != folder);
            Some(gone)
        })
    }
}

/// Finds what `.git` above or in a folder leads to, as git does: a folder, or a file that names one, whose `commondir` may name
/// another. Runs no git: the folder is not trusted yet.
fn git_common_dir(folder: &Path) -> Result<Option<PathBuf>, ConfigError> {
    for above in folder.ancestors() {
        let dot = above.join(".git");
        let Ok(meta) = fs::metadata(&dot) else { continue };
        let git = if meta.is_dir() {
            dot
        } else {
            let text = read_beneath(above, ".git")?.unwrap_or_default();
            match text.strip_prefix("gitdir:") {
                Some(named) => above.join(named.trim()),
                None => continue,
            }
        };
        let Ok(git) = fs::canonicalize(&git) else { continue };
        let common = read_beneath(&git, "commondir")?.map(|text| git.join(text.trim_end_matches('\n')));
        let common = common.and_then(|path| fs::canonicalize(path).ok()).unwrap_or(git);
        return Ok(Some(common));
    }
    Ok(None)
}

//! The process environment, captured once at start. The only module that reads it, so the ban on doing so is lifted here.
#![allow(clippy::disallowed_methods)]

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    path::PathBuf,
};

use super::ConfigError;

/// A value that is never shown: its `Debug` hides it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: String) -> Secret {
        Secret(value)
    }

    /// The value itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// The variables of the process. `Debug` shows names only: any value may be a secret.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Captures the variables of this process.
    pub fn capture() -> Environment {
        std::env::vars_os().collect()
    }

    /// A variable as it stands; an empty one counts as not set.
    pub fn os(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A variable as text.
    ///
    /// # Errors
    /// [`ConfigError`] when it is set but not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        match self.os(name) {
            None => Ok(None),
            Some(value) => match value.to_str() {
                Some(text) => Ok(Some(text)),
                None => Err(ConfigError::plain(format_args!("the variable {name} is not UTF-8; set it anew"))),
            },
        }
    }

    /// An API key, without surrounding blanks.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot stand in a header.
    pub fn secret(&self, name: &str) -> Result<Option<Secret>, ConfigError> {
        let Some(text) = self.text(name)?.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
        if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Some(Secret(text.to_owned())))
        } else {
            Err(ConfigError::plain(format_args!("the variable {name} holds characters that no key has; set it anew")))
        }
    }

    /// A folder. The XDG specification says to ignore relative ones.
    pub fn folder(&self, name: &str) -> Option<PathBuf> {
        self.os(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// The user's home.
    pub fn home(&self) -> Option<PathBuf> {
        self.folder("HOME")
    }

    /// The folders of `PATH`, absolute ones only: a relative one would find programs in a workspace.
    pub fn path(&self) -> Vec<PathBuf> {
        let path = self.os("PATH").unwrap_or_default();
        std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect()
    }

    /// The filter for the log on stderr (`COUNTERSIGN_LOG`).
    pub fn log(&self) -> Option<&str> {
        self.os("COUNTERSIGN_LOG").and_then(OsStr::to_str)
    }

    /// Whether colours are unwanted (`NO_COLOR` with any value, or a terminal that says it is dumb).
    pub fn no_color(&self) -> bool {
        self.os("NO_COLOR").is_some() || self.os("TERM").is_some_and(|term| term == "dumb")
    }

    /// The named variables that are set, for a child that may have them.
    pub fn only<'a>(&'a self, names: impl IntoIterator<Item = &'a str>) -> Vec<(&'a str, &'a OsStr)> {
        names.into_iter().filter_map(|name| self.os(name).map(|value| (name, value))).collect()
    }

    /// All variables.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Environment {
        Environment(variables.into_iter().collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

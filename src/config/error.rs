//! What is wrong with a file of the user's, and where.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A configuration file, or the environment, cannot be used. One sentence for the user; the file is never half taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, where it is one.
    pub file: Option<PathBuf>,
    /// Line in it, from 1, where it is known.
    pub line: Option<usize>,
    pub message: String,
}

impl ConfigError {
    /// An error about a whole file.
    pub fn of(file: &Path, message: impl fmt::Display) -> ConfigError {
        ConfigError { file: Some(file.to_owned()), line: None, message: message.to_string() }
    }

    /// An error about no file.
    pub fn plain(message: impl fmt::Display) -> ConfigError {
        ConfigError { file: None, line: None, message: message.to_string() }
    }

    /// What the TOML parser found, with its line.
    pub(super) fn toml(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
        let line = error.span().map(|span| 1 + text.bytes().take(span.start).filter(|&b| b == b'\n').count());
        ConfigError { file: Some(file.to_owned()), line, message: error.message().trim_end().replace('\n', "; ") }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

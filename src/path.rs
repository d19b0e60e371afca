//! Workspace paths: the only way that the model, the tools and the policy name a file.

pub mod roots;

use std::fmt;

use serde::{Deserialize, Serialize};

/// A normalised path below a workspace folder: `/`-separated, no leading slash, no `.` or `..`, never empty except for the
/// folder itself (`WsPath::root()`). It says nothing about what stands there; only `workspace/` opens it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WsPath(String);

/// Why a text is not a workspace path. The sentence is written for the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Absolute, or it climbs above the folder.
    #[error("{0:?} leads outside the workspace; give a path relative to the workspace folder")]
    Outside(String),
    /// Holds a character that cannot be shown (control, bidi, zero width, NUL).
    #[error("{0:?} holds a character that cannot be shown; name the file with its visible characters only")]
    Hidden(String),
}

impl WsPath {
    /// The workspace folder itself.
    pub fn root() -> Self {
        WsPath(String::new())
    }

    /// Reads a path as the model or a person wrote it: `./a//b/../c` becomes `a/c`.
    ///
    /// # Errors
    /// [`PathError`] when it is absolute, climbs out, or holds characters that cannot be shown.
    pub fn parse(written: &str) -> Result<Self, PathError> {
        if written.chars().any(hidden) {
            return Err(PathError::Hidden(written.to_owned()));
        }
        if written.starts_with('/') {
            return Err(PathError::Outside(written.to_owned()));
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in written.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        return Err(PathError::Outside(written.to_owned()));
                    }
                }
                name => parts.push(name),
            }
        }
        Ok(WsPath(parts.join("/")))
    }

    /// A name found on disk: kept as it is, newlines and leading dashes included. `None` when it is absolute, empty or climbs.
    pub fn from_disk(found: &str) -> Option<Self> {
        let fine = !found.is_empty() && found.split('/').all(|part| !matches!(part, "" | "." | ".."));
        fine.then(|| WsPath(found.to_owned()))
    }

    /// The text of the path; empty for the folder itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the workspace folder itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last component; empty for the folder itself.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The path of the folder that holds this one; `None` for the root.
    pub fn parent(&self) -> Option<WsPath> {
        if self.is_root() {
            return None;
        }
        Some(WsPath(self.0.rsplit_once('/').map(|(head, _)| head.to_owned()).unwrap_or_default()))
    }

    /// `self/name`, where `name` is one component found on disk.
    pub fn join(&self, name: &str) -> WsPath {
        if self.is_root() { WsPath(name.to_owned()) } else { WsPath(format!("{}/{name}", self.0)) }
    }

    /// Whether `self` is `folder` or lies below it.
    pub fn is_within(&self, folder: &WsPath) -> bool {
        folder.is_root() || self.0 == folder.0 || self.0.strip_prefix(&folder.0).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Characters that a person cannot see or that reorder what they see.
/// Controls, soft hyphen, zero-width and bidi marks, fillers, tag characters, variation selectors are not shown.
pub fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

impl fmt::Display for WsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

impl TryFrom<String> for WsPath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        if text.is_empty() {
            return Ok(WsPath::root());
        }
        WsPath::from_disk(&text).ok_or(PathError::Outside(text))
    }
}

impl From<WsPath> for String {
    fn from(path: WsPath) -> String {
        path.0
    }
}

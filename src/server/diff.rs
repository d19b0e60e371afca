//! A proposal's file as a unified diff.

use crate::{
    path::WsPath,
    proposal::{FileOp, FileProposal},
    text::{Side, unified},
};

/// The diff of one file: its base against its text with all pending hunks. A mode that nobody knows counts as not executable;
/// of a file that is no text size and digest are told.
pub fn of_file(path: &WsPath, file: &FileProposal) -> String {
    let (before, after) = (file.base.to_string(), file.staged().unwrap_or_default().to_string());
    let to = if let FileOp::Move { to } = &file.op { to } else { path };
    let old = Side { path: path.as_str(), text: &before, executable: file.executable.unwrap_or(false) };
    let new = Side { path: to.as_str(), text: &after, executable: file.staged_executable().unwrap_or(false) };
    let mut diff = match file.op {
        FileOp::Create => unified(None, Some(new)),
        FileOp::Delete => unified(Some(old), None),
        FileOp::Edit | FileOp::Move { .. } => unified(Some(old), Some(new)),
    };
    if let Some(blob) = &file.blob {
        diff.push_str(&format!("{blob}\n"));
    }
    diff
}

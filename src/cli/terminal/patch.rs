//! A proposal as a patch that `git apply` takes: new, deleted and moved files, modes, files that are no text, files without a
//! last line end, CRLF and byte order marks, names that need quoting. Lines end at `\n` only, as git sees them.

use super::{
    edits::ENCODING,
    shown::{File, Op, Proposal},
};
use crate::{
    path::WsPath,
    proposal::HunkState,
    seams::FileKind,
    text::{self, Edit, Side, Text, unified},
    workspace::Folder,
};

/// All pending hunks of a proposal, on the files as they are on the disk.
///
/// # Errors
/// A sentence when a file is no longer what the hunks were made from.
pub fn of(proposal: &Proposal, folder: &Folder) -> Result<Vec<u8>, String> {
    let parts: Result<Vec<Vec<u8>>, String> = proposal.files.iter().map(|file| of_file(file, folder)).collect();
    Ok(parts?.concat())
}

/// The same of the files where it can be had, and why not for the others.
pub fn of_what_fits(proposal: &Proposal, folder: &Folder) -> (Vec<u8>, Vec<String>) {
    let (mut patch, mut missing) = (Vec::new(), Vec::new());
    for file in &proposal.files {
        match of_file(file, folder) {
            Ok(part) => patch.extend(part),
            Err(why) => missing.push(why),
        }
    }
    (patch, missing)
}

fn of_file(file: &File, folder: &Folder) -> Result<Vec<u8>, String> {
    let hunks: Vec<_> = file.pending().collect();
    if hunks.is_empty() {
        return Ok(Vec::new());
    }
    let path = file.path.as_str();
    if file.op == Op::Create {
        let text: String = hunks.iter().map(|hunk| hunk.new_text.as_str()).collect();
        let executable = file.executable().unwrap_or(false);
        return Ok(unified(None, Some(Side { path, text: &text, executable })).into());
    }
    let there = folder.read(&file.path).map_err(|error| error.to_string())?;
    let executable = there.executable();
    let to = match &file.to {
        Some(uri) if file.op == Op::Move => beneath(uri, folder).ok_or_else(|| format!("{uri} is outside of the folder"))?,
        _ => file.path.clone(),
    };
    let decoded = there.decode();
    if let Some(binary) = &file.binary {
        if text::sha256(&there.bytes) != binary.sha256 {
            return Err(format!("{path} on the disk is not what the changes were made from"));
        }
        if file.op == Op::Delete {
            return Ok(text::removed_bytes(path, executable, &there.bytes));
        }
        let after = Side { path: to.as_str(), text: "", executable: file.executable().unwrap_or(executable) };
        return Ok(unified(Some(Side { path, text: "", executable }), Some(after)).into());
    }
    let before = String::from_utf8(there.bytes).ok().filter(|_| decoded.kind == FileKind::Text);
    let before = before.ok_or_else(|| format!("{path} is no UTF-8 text"))?;
    let old = Side { path, text: &before, executable };
    if file.op == Op::Delete {
        return Ok(unified(Some(old), None).into());
    }
    let mut text = decoded.text.clone();
    let lines = hunks.iter().filter(|hunk| hunk.state == HunkState::Pending && !hunk.is_whole());
    let mut edits: Vec<(Edit, &str)> = lines
        .map(|hunk| {
            let range = text.offset(hunk.range.start, ENCODING)..text.offset(hunk.range.end, ENCODING);
            (Edit { range, new: hunk.new_text.clone() }, hunk.old_text.as_str())
        })
        .collect();
    edits.sort_by_key(|(edit, _)| edit.range.start);
    for (edit, expected) in edits.iter().rev() {
        if text.slice(edit.range.clone()) != *expected {
            return Err(format!("{path} on the disk is not what the changes were made from"));
        }
        text = text.edited(edit);
    }
    let after = with_mark(&text, decoded.bom);
    let executable = file.executable().unwrap_or(executable);
    Ok(unified(Some(old), Some(Side { path: to.as_str(), text: &after, executable })).into())
}

fn with_mark(text: &Text, mark: bool) -> String {
    if mark { format!("\u{feff}{text}") } else { text.to_string() }
}

fn beneath(uri: &str, folder: &Folder) -> Option<WsPath> {
    let file = reqwest::Url::parse(uri).ok()?.to_file_path().ok()?;
    WsPath::from_disk(file.strip_prefix(folder.root()).ok()?.to_str()?)
}

//! A proposal as a patch that `git apply` takes: new, deleted and moved files, files without a last line end, CRLF and byte
//! order marks, names that need quoting. Lines end at `\n` only, as git sees them.

use std::fmt::Write as _;

use similar::{Algorithm, DiffTag, capture_diff_slices, group_diff_ops};

use super::{
    edits::ENCODING,
    shown::{File, Op, Proposal},
};
use crate::{
    path::WsPath,
    proposal::HunkState,
    seams::FileKind,
    text::{Edit, Text},
    workspace::Folder,
};

/// Lines of context.
const AROUND: usize = 3;

/// One side of a file's change.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    pub path: &'a str,
    pub text: &'a str,
    /// Whether the file may be executed.
    pub executable: bool,
}

/// All pending hunks of a proposal, on the files as they are on the disk.
///
/// # Errors
/// A sentence when a file is no longer what the hunks were made from.
pub fn of(proposal: &Proposal, folder: &Folder) -> Result<String, String> {
    proposal.files.iter().map(|file| of_file(file, folder)).collect()
}

fn of_file(file: &File, folder: &Folder) -> Result<String, String> {
    let hunks: Vec<_> = file.pending().collect();
    if hunks.is_empty() {
        return Ok(String::new());
    }
    let path = file.path.as_str();
    if file.op == Op::Create {
        let text: String = hunks.iter().map(|hunk| hunk.new_text.as_str()).collect();
        return Ok(unified(None, Some(Side { path, text: &text, executable: false })));
    }
    let there = folder.read(&file.path).map_err(|error| error.to_string())?;
    let decoded = there.decode();
    let before = String::from_utf8(there.bytes).ok().filter(|_| decoded.kind == FileKind::Text);
    let before = before.ok_or_else(|| format!("{path} is no UTF-8 text"))?;
    let executable = there.mode & 0o100 != 0;
    let old = Side { path, text: &before, executable };
    if file.op == Op::Delete {
        return Ok(unified(Some(old), None));
    }
    let mut text = decoded.text.clone();
    let lines = hunks.iter().filter(|hunk| hunk.state == HunkState::Pending && !file.is_whole(hunk));
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
    let to = match &file.to {
        Some(uri) if file.op == Op::Move => beneath(uri, folder).ok_or_else(|| format!("{uri} is outside of the folder"))?,
        _ => file.path.clone(),
    };
    Ok(unified(Some(old), Some(Side { path: to.as_str(), text: &after, executable })))
}

fn with_mark(text: &Text, mark: bool) -> String {
    if mark { format!("\u{feff}{text}") } else { text.to_string() }
}

fn beneath(uri: &str, folder: &Folder) -> Option<WsPath> {
    let file = reqwest::Url::parse(uri).ok()?.to_file_path().ok()?;
    WsPath::from_disk(file.strip_prefix(folder.root()).ok()?.to_str()?)
}

/// One file's part of a patch; `None` where the file is not there before or after.
pub fn unified(old: Option<Side<'_>>, new: Option<Side<'_>>) -> String {
    let (Some(from), Some(to)) = (old.or(new), new.or(old)) else { return String::new() };
    let mut out = format!("diff --git {} {}\n", quoted("a/", from.path), quoted("b/", to.path));
    let mode = |side: Side<'_>| if side.executable { "100755" } else { "100644" };
    match (old, new) {
        (None, Some(new)) => _ = writeln!(out, "new file mode {}", mode(new)),
        (Some(old), None) => _ = writeln!(out, "deleted file mode {}", mode(old)),
        _ if from.path != to.path => {
            _ = writeln!(out, "rename from {}\nrename to {}", quoted("", from.path), quoted("", to.path));
        }
        _ => {}
    }
    let (before, after) = (old.map_or("", |side| side.text), new.map_or("", |side| side.text));
    if before == after {
        if old.is_none() || new.is_none() {
            // Nothing but this line tells git that an empty file comes or goes.
            out.push_str("index 0000000..e69de29\n");
        }
        return out;
    }
    let name = |prefix: &str, side: Option<Side<'_>>| match side {
        None => "/dev/null".to_owned(),
        // Git ends a name at its first blank unless a tab follows.
        Some(side) if side.path.contains(' ') => format!("{}\t", quoted(prefix, side.path)),
        Some(side) => quoted(prefix, side.path),
    };
    _ = write!(out, "--- {}\n+++ {}\n", name("a/", old), name("b/", new));
    out.push_str(&hunks(before, after));
    out
}

fn hunks(before: &str, after: &str) -> String {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let mut out = String::new();
    for group in group_diff_ops(capture_diff_slices(Algorithm::Myers, &old, &new), AROUND) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let (a, b) = (first.old_range().start..last.old_range().end, first.new_range().start..last.new_range().end);
        _ = writeln!(out, "@@ -{} +{} @@", span(&a), span(&b));
        for op in &group {
            if op.tag() == DiffTag::Equal {
                old[op.old_range()].iter().for_each(|text| line(&mut out, ' ', text));
            } else {
                old[op.old_range()].iter().for_each(|text| line(&mut out, '-', text));
                new[op.new_range()].iter().for_each(|text| line(&mut out, '+', text));
            }
        }
    }
    out
}

fn line(out: &mut String, sign: char, text: &str) {
    out.push(sign);
    out.push_str(text);
    if !text.ends_with('\n') {
        out.push_str("\n\\ No newline at end of file\n");
    }
}

/// `start,count`, from 1; an empty range stands behind the line before it.
fn span(lines: &std::ops::Range<usize>) -> String {
    format!("{},{}", if lines.is_empty() { lines.start } else { lines.start + 1 }, lines.len())
}

/// A name as git quotes it.
fn quoted(prefix: &str, name: &str) -> String {
    if !name.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')) {
        return format!("{prefix}{name}");
    }
    let mut out = format!("\"{prefix}");
    for c in name.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes).bytes().for_each(|byte| _ = write!(out, "\\{byte:03o}"));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

//! What lies outside of the terminal: the person's own editor, for a change that they finish by hand, and the documents that
//! the server opens in its state folder. The only place of the terminal that starts a program and touches such files, so the
//! bans are lifted here.
#![allow(clippy::disallowed_methods)]

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::config::{
    Environment,
    folders::{make_private, write_private},
};

/// Lets the person edit a text below `state`. Returns what they left.
///
/// # Errors
/// A sentence when there is no editor, it fails, or it leaves no text.
pub async fn edit(environment: &Environment, state: &Path, name: &str, text: &str) -> Result<String, String> {
    let mut script = ["VISUAL", "EDITOR"].into_iter().find_map(|name| environment.os(name)).unwrap_or("vi".as_ref()).to_owned();
    let editor = script.to_string_lossy().into_owned();
    let file = Temporary::create(state, name, text).map_err(|error| format!("no file to edit: {error}"))?;
    // As git does it: the variable may hold arguments, and a shell splits them.
    script.push(" \"$1\"");
    let mut command = tokio::process::Command::new("sh");
    command.arg("-c").arg(script).arg("countersign").arg(&file.0);
    let status = command.status().await.map_err(|error| format!("{editor} does not start: {error}"))?;
    if !status.success() {
        return Err(format!("{editor} ended with {status}; the change is as it was"));
    }
    fs::read_to_string(&file.0).map_err(|error| format!("what you wrote cannot be read: {error}"))
}

/// A document that the server wants to be seen.
pub enum Document {
    /// To be read.
    Text(String),
    /// To be answered: the last line is an open box.
    Form(String),
}

/// The last line of a document that waits to be sent.
const OPEN: &str = "[ ] send";

/// Reads a document; `None` unless it is one of the server's own.
pub fn read(state: &Path, path: &Path) -> Option<Document> {
    let folder = state.join("documents").canonicalize().ok()?;
    let path = path.canonicalize().ok().filter(|path| path.parent() == Some(folder.as_path()))?;
    let text = fs::read_to_string(path).ok()?;
    Some(if text.trim_end().ends_with(OPEN) { Document::Form(text) } else { Document::Text(text) })
}

/// Sends a form with these words above its box; without words the form goes away, and that is an answer too.
///
/// # Errors
/// When the document cannot be written.
pub fn send(path: &Path, form: &str, words: Option<&str>) -> std::io::Result<()> {
    match words {
        Some(words) => {
            let head = form.trim_end().strip_suffix(OPEN).unwrap_or(form);
            fs::write(path, format!("{head}{words}\n\n[x] send\n"))
        }
        None => fs::remove_file(path),
    }
}

/// Writes a patch where the person wants it, over one that is there.
///
/// # Errors
/// When it cannot be written.
pub fn write_patch(file: &Path, patch: &[u8]) -> std::io::Result<()> {
    fs::write(file, patch)
}

/// How many patches of what was left undecided are kept, the newest ones.
const UNDECIDED: usize = 50;

/// Keeps what a person left undecided, readable by them alone; the oldest ones make room.
///
/// # Errors
/// When it cannot be written.
pub fn keep_undecided(state: &Path, session: &str, patch: &[u8]) -> std::io::Result<PathBuf> {
    let folder = state.join("undecided");
    let file = folder.join(format!("{session}.diff"));
    write_private(&file, patch)?;
    let mut kept: Vec<PathBuf> = fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).collect();
    // A session's id begins with its time.
    kept.sort();
    for old in kept.iter().take(kept.len().saturating_sub(UNDECIDED)) {
        let _ = fs::remove_file(old);
    }
    Ok(file)
}

struct Temporary(PathBuf);

impl Temporary {
    fn create(state: &Path, name: &str, text: &str) -> std::io::Result<Temporary> {
        let folder = state.join("documents");
        make_private(&folder)?;
        // The name keeps its ending, so that the editor knows the language.
        let safe: String =
            name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' }).collect();
        let path = folder.join(format!("edit-{}-{safe}", uuid::Uuid::now_v7().simple()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(Temporary(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

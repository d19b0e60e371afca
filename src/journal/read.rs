//! The way back: lines, records and sessions from the files, while a server may be writing them. Reads its own files, so the
//! ban on direct file access is lifted here.
#![allow(clippy::disallowed_methods)]

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use super::{folder, record::Record};
use crate::event::{Event, SessionId};

/// Why something cannot be read from the journal.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{0:?} is not a session id; `countersign audit sessions` lists them")]
    Name(String),
    #[error("there is no session {0} in the journal; `countersign audit sessions` lists them")]
    Missing(String),
    #[error("{path}: line {line}: {why}")]
    BadLine { path: PathBuf, line: u64, why: String },
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
}

/// One line of a file as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: u64,
    /// Without the newline.
    pub bytes: Vec<u8>,
    /// Whether a newline ends it: a last line without one is torn, or just being written.
    pub whole: bool,
}

/// The lines of one file, in order.
pub struct Lines {
    reader: BufReader<File>,
    number: u64,
}

impl Iterator for Lines {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<io::Result<Line>> {
        let mut bytes = Vec::new();
        match self.reader.read_until(b'\n', &mut bytes) {
            Ok(0) => None,
            Ok(_) => {
                self.number += 1;
                let whole = bytes.last() == Some(&b'\n');
                if whole {
                    bytes.pop();
                }
                Some(Ok(Line { number: self.number, bytes, whole }))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Reads a journal file line by line.
///
/// # Errors
/// When it cannot be opened.
pub fn lines(path: &Path) -> io::Result<Lines> {
    Ok(Lines { reader: BufReader::with_capacity(64 * 1024, File::open(path)?), number: 0 })
}

/// The file of one session (or of `server`), which must exist.
///
/// # Errors
/// [`ReadError::Name`] when `session` cannot be a session's id, [`ReadError::Missing`] when there is none of that id.
pub fn session_path(state_dir: &Path, session: &str) -> Result<PathBuf, ReadError> {
    if session != folder::SERVER && !folder::is_session_id(session) {
        return Err(ReadError::Name(session.to_owned()));
    }
    let path = folder::folder(state_dir).join(format!("{session}.jsonl"));
    if path.is_file() { Ok(path) } else { Err(ReadError::Missing(session.to_owned())) }
}

/// All records of one session, in order. A torn last line is left out.
///
/// # Errors
/// [`ReadError`]; a line that is not a record is named.
pub fn read_session(state_dir: &Path, session: &str) -> Result<Vec<Record>, ReadError> {
    let path = session_path(state_dir, session)?;
    let failed = |error| ReadError::Io { path: path.clone(), error };
    let mut records = Vec::new();
    for line in lines(&path).map_err(failed)? {
        let line = line.map_err(failed)?;
        if line.whole {
            let record = Record::parse(&line.bytes).map_err(|error| ReadError::BadLine {
                path: path.clone(),
                line: line.number,
                why: error.to_string(),
            })?;
            records.push(record);
        }
    }
    Ok(records)
}

/// What a list of sessions shows of one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    pub session: SessionId,
    /// Time of the first and the last record, RFC 3339.
    pub first: String,
    pub last: String,
    pub workspace: Option<String>,
    /// Title of the first task.
    pub title: Option<String>,
    pub tasks: u64,
    pub records: u64,
    pub bytes: u64,
}

/// The sessions in the journal, newest first. Lines that are no records are passed over: `verify` names them.
///
/// # Errors
/// [`ReadError::Io`] when the folder or a file cannot be read; no folder means no sessions.
pub fn sessions(state_dir: &Path) -> Result<Vec<Summary>, ReadError> {
    let mut found = Vec::new();
    for stem in stems(state_dir)? {
        if stem != folder::SERVER {
            let path = folder::folder(state_dir).join(format!("{stem}.jsonl"));
            found.push(summary(&path, &stem).map_err(|error| ReadError::Io { path, error })?);
        }
    }
    found.sort_by(|a, b| b.first.cmp(&a.first).then_with(|| b.session.cmp(&a.session)));
    Ok(found)
}

/// Stems of all chains in the folder, in order of their names.
pub(super) fn stems(state_dir: &Path) -> Result<Vec<String>, ReadError> {
    let path = folder::folder(state_dir);
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ReadError::Io { path, error }),
    };
    let mut stems = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| ReadError::Io { path: path.clone(), error })?.file_name();
        if let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".jsonl"))
            && (stem == folder::SERVER || folder::is_session_id(stem))
        {
            stems.push(stem.to_owned());
        }
    }
    stems.sort();
    Ok(stems)
}

fn summary(path: &Path, stem: &str) -> io::Result<Summary> {
    /// The little that every line has.
    #[derive(serde::Deserialize)]
    struct Head {
        ts: String,
        kind: String,
        workspace: Option<String>,
    }
    let mut summary = Summary {
        session: SessionId(stem.to_owned()),
        first: String::new(),
        last: String::new(),
        workspace: None,
        title: None,
        tasks: 0,
        records: 0,
        bytes: fs::metadata(path)?.len(),
    };
    for line in lines(path)? {
        let line = line?;
        let Ok(head) = serde_json::from_slice::<Head>(&line.bytes) else { continue };
        summary.records += 1;
        if summary.first.is_empty() {
            summary.first.clone_from(&head.ts);
        }
        summary.last = head.ts;
        summary.workspace = summary.workspace.or(head.workspace);
        if head.kind == "task.start" {
            summary.tasks += 1;
            if summary.title.is_none()
                && let Ok(Record { event: Event::TaskStart { title, .. }, .. }) = Record::parse(&line.bytes)
            {
                summary.title = Some(title);
            }
        }
    }
    Ok(summary)
}

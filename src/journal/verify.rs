//! Checks the hash chains. A chain on one machine shows careless change only: whoever can write the file can write a new chain.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    folder,
    read::{ReadError, lines, session_path, stems},
    record::{GENESIS, Link, digest},
};

/// The first line at which a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Bad {
    /// From 1.
    pub line: u64,
    pub why: String,
}

/// One file's chain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FileReport {
    pub file: PathBuf,
    /// Lines that hold, from the first on.
    pub lines: u64,
    /// Digest of the last of them: what an outside witness would keep.
    pub head: String,
    pub bad: Option<Bad>,
    /// Bytes behind the last newline: torn by a crash, or just being written. No break of the chain.
    pub torn: Option<u64>,
}

/// The chains that were checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    pub files: Vec<FileReport>,
}

impl Report {
    /// Whether every chain holds. Torn ends do not count.
    pub fn ok(&self) -> bool {
        self.files.iter().all(|file| file.bad.is_none())
    }
}

/// Checks one session's chain (or `server`), or all of them.
///
/// # Errors
/// [`ReadError`] when a file cannot be read. A chain that does not hold is no error: the report names the line.
pub fn verify(state_dir: &Path, session: Option<&str>) -> Result<Report, ReadError> {
    let paths = match session {
        Some(session) => vec![session_path(state_dir, session)?],
        None => stems(state_dir)?.iter().map(|stem| folder::folder(state_dir).join(format!("{stem}.jsonl"))).collect(),
    };
    let files = paths.into_iter().map(|path| chain(&path).map_err(|error| ReadError::Io { path, error }));
    Ok(Report { files: files.collect::<Result<_, _>>()? })
}

fn chain(path: &Path) -> io::Result<FileReport> {
    let mut report = FileReport { file: path.to_owned(), lines: 0, head: GENESIS.to_owned(), bad: None, torn: None };
    for line in lines(path)? {
        let line = line?;
        if !line.whole {
            report.torn = Some(line.bytes.len() as u64);
            break;
        }
        if let Err(why) = link(&line.bytes, line.number, &report.head) {
            report.bad = Some(Bad { line: line.number, why });
            break;
        }
        report.lines = line.number;
        report.head = digest(&line.bytes);
    }
    Ok(report)
}

fn link(line: &[u8], number: u64, head: &str) -> Result<(), String> {
    let link: Link = serde_json::from_slice(line).map_err(|error| format!("not a journal line: {error}"))?;
    if link.seq != number {
        return Err(format!("its seq is {}, not {number}: lines were removed, added or moved before it", link.seq));
    }
    if link.prev != head {
        return Err("its prev is not the digest of the line before: that line, or this one, was changed".to_owned());
    }
    Ok(())
}

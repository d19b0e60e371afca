//! Documents that the server opens in the editor: prompts to write, diffs and questions to read, transcripts.
//!
//! They are files in the state folder (0600), because a `file:` URI is the one thing that every client can open. This module
//! owns them, and so it may touch the disk. A prompt document is watched here, so that no second server need attach to it.
#![allow(clippy::disallowed_methods)]

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use tower_lsp::lsp_types::Url;

use super::boxes::{boxed, read_own};

/// How often a prompt document is looked at.
const WATCH: Duration = Duration::from_millis(150);
/// A file may be away for this long while an editor replaces it.
const REPLACING: Duration = Duration::from_secs(3);
/// A prompt longer than this is not sent.
const MAX_PROMPT: u64 = 1024 * 1024;

/// The folder of documents.
#[derive(Clone, Debug)]
pub struct Documents(PathBuf);

/// A prompt that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What stands above the boxes.
    pub text: String,
    /// The ticked `[x] NAME` line, if any.
    pub task: Option<String>,
    /// Of the file as it was read.
    pub stamp: Stamp,
}

/// When a file was changed, its length, and its number, since clocks of files are coarse: what tells one saving from the next.
pub type Stamp = (Option<SystemTime>, u64, u64);

impl Documents {
    /// Documents below the server's state folder.
    pub fn below(state: &Path) -> Self {
        Documents(state.join("documents"))
    }

    /// Where a document of this name would stand.
    pub fn uri(&self, name: &str) -> Option<Url> {
        Url::from_file_path(self.0.join(name)).ok()
    }

    /// Whether this is a document of ours, of which nothing is asked.
    pub fn own(&self, uri: &Url) -> bool {
        uri.to_file_path().is_ok_and(|path| path.starts_with(&self.0))
    }

    /// Writes a document and returns where the editor finds it.
    ///
    /// # Errors
    /// When the state folder cannot be written.
    pub fn write(&self, name: &str, text: &str) -> io::Result<(PathBuf, Url)> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let path = self.0.join(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        io::Write::write_all(&mut options.open(&path)?, text.as_bytes())?;
        let uri = Url::from_file_path(&path).map_err(|()| io::Error::other("the state folder has no absolute path"))?;
        Ok((path, uri))
    }

    /// A diff or a question: read-only, so that nobody types into it by mistake.
    ///
    /// # Errors
    /// When the state folder cannot be written.
    pub fn write_read_only(&self, name: &str, text: &str) -> io::Result<Url> {
        // An earlier version of the same document is read-only too.
        let _ = fs::remove_file(self.0.join(name));
        let (path, uri) = self.write(name, text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o400))?;
        Ok(uri)
    }
}

/// The text of a new prompt document. `about` says what it refers to, `tasks` are offered as boxes.
pub fn prompt_document(about: &str, tasks: &[(String, String)]) -> String {
    let mut text = format!(
        "<!-- {about}\n     Write what the agent should do above the boxes. To send it, change\n     the last line to \"[x] send\" and save. -->\n\n\n\n"
    );
    for (name, title) in tasks {
        text.push_str(&format!("[ ] {name}  <!-- {title} -->\n"));
    }
    text.push_str("[ ] send\n");
    text
}

/// The text of a document for an answer in words.
pub fn answer_document(question: &str) -> String {
    // The question may hold anything; it must not end the comment.
    let question = question.replace("-->", "-- >");
    format!(
        "<!-- The agent asks:\n\n{question}\n\n     Write your answer below. To send it, change the last line to\n     \"[x] send\" and save. -->\n\n\n\n[ ] send\n"
    )
}

/// The text of a document for the reason of a rejection.
pub fn reason_document(hunks: &str) -> String {
    // A path may hold anything; it must not end the comment.
    let hunks = hunks.replace("-->", "-- >");
    format!(
        "<!-- Reject the change of {hunks}.\n     Write why above the box, for the agent. Change the last line to \"[x] send\"\n     and save. -->\n\n\n\n[ ] send\n"
    )
}

/// Waits until the document is sent, in a saving after `last`; `None` when it is gone, too long or not the user's own.
pub async fn sent(path: PathBuf, mut last: Option<Stamp>) -> Option<Sent> {
    let mut seen = Instant::now();
    let mut ticks = tokio::time::interval(WATCH);
    loop {
        ticks.tick().await;
        let Ok(about) = fs::metadata(&path) else {
            // Some editors save by putting a new file in the place of the old one.
            if seen.elapsed() > REPLACING {
                return None;
            }
            continue;
        };
        seen = Instant::now();
        // A ticked box changes no length, and clocks of file systems are coarse: one that was put in its place is another file.
        let stamp = (about.modified().ok(), about.len(), about.ino());
        if last == Some(stamp) {
            continue;
        }
        last = Some(stamp);
        if about.len() > MAX_PROMPT {
            return None;
        }
        match read_own(&path) {
            Ok(text) => {
                if let Some(sent) = parse(&text, stamp) {
                    return Some(sent);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return None,
            Err(_) => {}
        }
    }
}

/// The name of a new prompt document, with the number of the process that watches it.
pub fn prompt_name(stem: &str) -> String {
    format!("{stem}-{}-{}.md", uuid::Uuid::now_v7().simple(), std::process::id())
}

/// Whether the countersign that opened this prompt document is still there.
pub fn is_watched(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(number) = stem.rsplit_once('-').and_then(|(_, number)| number.parse::<u32>().ok()) else { return false };
    let about = |file| fs::read(format!("/proc/{number}/{file}")).unwrap_or_default();
    // One that has ended and that nobody waited for has a name, and no arguments.
    about("comm").trim_ascii_end() == b"countersign" && !about("cmdline").is_empty()
}

/// Whether a prompt document with a text says that it is to be sent.
pub fn is_ready(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let prompt = ["ask-", "tell-", "retry-", "reason-", "answer-"].iter().any(|stem| name.starts_with(stem));
    prompt && read_own(path).is_ok_and(|text| parse(&text, (None, 0, 0)).is_some_and(|sent| !sent.text.is_empty()))
}

/// Whether the last line of a prompt document is no box any more, so that it cannot be sent.
pub fn has_no_box(path: &Path) -> bool {
    let last =
        |text: String| without_comments(&text).lines().rev().find(|line| !line.trim().is_empty()).and_then(boxed).is_none();
    read_own(path).is_ok_and(last)
}

/// Reads a prompt document: sent when its last line is `[x] send`.
fn parse(text: &str, stamp: Stamp) -> Option<Sent> {
    let text = without_comments(text);
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    let (ticked, name) = boxed(lines.pop()?)?;
    if !ticked || !name.eq_ignore_ascii_case("send") {
        return None;
    }
    let mut task = None;
    while let Some((ticked, name)) = lines.last().and_then(|line| boxed(line)) {
        if ticked {
            task = Some(name.to_owned());
        }
        lines.pop();
    }
    let text = lines.join("\n").trim().to_owned();
    Some(Sent { text, task, stamp })
}

fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        out.push_str(before);
        // An unclosed comment hides nothing: what the user typed is never lost.
        let Some((_, behind)) = after.split_once("-->") else {
            out.push_str("<!--");
            out.push_str(after);
            return out;
        };
        rest = behind;
    }
    out.push_str(rest);
    out
}

//! Documents without a file: diffs, proposed texts and transcripts, served under the scheme `countersign:` to clients that have
//! LSP 3.18's `workspace/textDocumentContent`, and told to be read again when they change. All others get files of the state
//! folder. A document is made from what the server holds in memory: no URI makes it read the disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tower_lsp::{
    jsonrpc,
    lsp_types::{Url, request::Request},
};

use super::{actor::Actor, commands::invalid, diff, folders::Folder, receipts, task::Task};
use crate::{
    event::TaskId,
    path::WsPath,
    proposal::{FileOp, Proposal},
    text::Text,
};

/// The scheme of these documents.
pub const SCHEME: &str = "countersign";
/// Characters of a URI that an error repeats.
const LONGEST: usize = 300;
/// Most documents that are followed for a client.
const MOST: usize = 256;

/// Parameters of `workspace/textDocumentContent`, and of its refresh.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContentParams {
    pub uri: String,
}

/// Its answer.
#[derive(Clone, Debug, Serialize)]
pub struct ContentResult {
    pub text: String,
}

/// `workspace/textDocumentContent/refresh`
enum Refresh {}

impl Request for Refresh {
    type Params = ContentParams;
    type Result = ();
    const METHOD: &'static str = "workspace/textDocumentContent/refresh";
}

/// One of the documents. A task has one proposal, and its id is not used again by a later server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// The diff of the whole proposal, or of one file of it.
    Diff(TaskId, Option<WsPath>),
    /// A file's text with all pending changes.
    Proposed(TaskId, WsPath),
    Transcript(TaskId),
}

impl Document {
    /// Its URI; there is always one.
    pub fn uri(&self) -> Option<Url> {
        let (task, rest) = match self {
            Document::Diff(task, None) => (task, "proposal.diff".to_owned()),
            Document::Diff(task, Some(path)) => (task, format!("diff/{path}.diff")),
            Document::Proposed(task, path) => (task, format!("proposed/{path}")),
            Document::Transcript(task) => (task, "transcript.md".to_owned()),
        };
        let mut uri = Url::parse(&format!("{SCHEME}:/")).ok()?;
        uri.path_segments_mut().ok()?.clear().push(&task.0).extend(rest.split('/'));
        Some(uri)
    }

    /// Reads a URI that a client sent, however it escapes it.
    fn of(uri: &str) -> Option<Document> {
        let uri = Url::parse(uri).ok().filter(|uri| uri.scheme() == SCHEME)?;
        if uri.has_host() || uri.query().is_some() || uri.fragment().is_some() {
            return None;
        }
        // A file URI of the same path is the one that knows how to undo the escapes.
        let path = Url::parse(&format!("file://{}", uri.path())).ok()?.to_file_path().ok()?;
        let (task, rest) = path.to_str()?.strip_prefix('/')?.split_once('/')?;
        let task = TaskId(task.to_owned());
        let file = |name: &str| WsPath::parse(name).ok().filter(|path| !path.is_root() && path.as_str() == name);
        match (rest, rest.split_once('/')) {
            ("proposal.diff", _) => Some(Document::Diff(task, None)),
            ("transcript.md", _) => Some(Document::Transcript(task)),
            (_, Some(("diff", name))) => Some(Document::Diff(task, Some(file(name.strip_suffix(".diff")?)?))),
            (_, Some(("proposed", name))) => Some(Document::Proposed(task, file(name)?)),
            _ => None,
        }
    }

    fn task(&self) -> &TaskId {
        match self {
            Document::Diff(task, _) | Document::Proposed(task, _) | Document::Transcript(task) => task,
        }
    }
}

/// What changes whenever a document does.
type Stamp = (u64, i64);

struct Read {
    document: Document,
    stamp: Stamp,
    /// For forgetting the oldest.
    number: u64,
}

/// The documents that the client has read and not been told to read again, by the URI as it writes it.
#[derive(Default)]
pub struct Contents {
    read: BTreeMap<String, Read>,
    numbers: u64,
}

impl Contents {
    /// Whether the client shows this task's transcript.
    pub fn shows_transcript(&self, task: &TaskId) -> bool {
        self.read.values().any(|read| matches!(&read.document, Document::Transcript(of) if of == task))
    }
}

impl Actor {
    /// `workspace/textDocumentContent`
    pub fn on_content(&mut self, uri: &str) -> jsonrpc::Result<ContentResult> {
        let named: String = uri.chars().take(LONGEST).collect();
        let unknown = |why: &str| invalid(format!("`uri`: {named:?} is no document of this server{why}"));
        let document = Document::of(uri)
            .ok_or_else(|| unknown(": they are countersign:/TASK/proposal.diff, diff/FILE.diff, proposed/FILE, transcript.md"))?;
        let (text, stamp) = self.content(&document).map_err(|why| unknown(&format!(": {why}")))?;
        self.contents.numbers += 1;
        let number = self.contents.numbers;
        self.contents.read.insert(uri.to_owned(), Read { document, stamp, number });
        if self.contents.read.len() > MOST {
            let oldest = self.contents.read.iter().min_by_key(|(_, read)| read.number).map(|(uri, _)| uri.clone());
            oldest.map(|uri| self.contents.read.remove(&uri));
        }
        Ok(ContentResult { text })
    }

    /// Tells the client which documents that it has read are other ones now: once for each reading.
    pub fn refresh_contents(&mut self) {
        let changed = |read: &Read| self.stamp(&read.document) != Some(read.stamp);
        let uris: Vec<String> = self.contents.read.iter().filter(|(_, read)| changed(read)).map(|(uri, _)| uri.clone()).collect();
        for uri in uris {
            self.contents.read.remove(&uri);
            drop(self.out.request::<Refresh>(ContentParams { uri }));
        }
    }

    /// Where the client finds a document: by asking for it, else in a file of this name with this text.
    ///
    /// # Errors
    /// When the state folder cannot be written.
    pub fn place_document(&self, document: &Document, name: &str, text: impl FnOnce() -> String) -> std::io::Result<Url> {
        match document.uri().filter(|_| self.client.text_content) {
            Some(uri) => Ok(uri),
            None => self.documents.write_read_only(name, &text()),
        }
    }

    /// The diff of a proposal, or of one file of it.
    pub fn diff_text(&self, folder: &Folder, proposal: &Proposal, only: Option<&WsPath>) -> String {
        let mut text = format!("# proposal {}, task {}\n", proposal.id, proposal.task);
        text.push_str(&receipts::head(&folder.desk, &proposal.id));
        let mut files = proposal.files.iter().filter(|(path, _)| only.is_none_or(|only| only == *path)).peekable();
        if files.peek().is_none() {
            text.push_str("# nothing is pending here any more\n");
        }
        for (path, file) in files {
            text.push_str(&diff::of_file(path, file));
        }
        text
    }

    /// The text of `transcript`.
    pub fn transcript_text(task: &Task) -> String {
        format!("# {}\n\n{} · {}\n{}", task.title, task.id, task.state.word(), task.transcript)
    }

    fn of_document(&self, document: &Document) -> Option<(&Task, &Folder, Option<&Proposal>)> {
        let task = self.tasks.get(document.task())?;
        let folder = self.folders.get(task.folder)?;
        Some((task, folder, folder.desk.proposal_of(&task.id)))
    }

    fn content(&self, document: &Document) -> Result<(String, Stamp), String> {
        let (task, folder, proposal) =
            self.of_document(document).ok_or_else(|| format!("there is no task {}", document.task()))?;
        let nothing = || format!("task {} has proposed nothing yet", task.id);
        let text = match document {
            Document::Transcript(_) => Self::transcript_text(task),
            Document::Diff(_, only) => {
                let proposal = proposal.ok_or_else(nothing)?;
                if let Some(path) = only.as_ref().filter(|path| !was_in(proposal, path)) {
                    return Err(format!("task {} proposes nothing for {path}", task.id));
                }
                self.diff_text(folder, proposal, only.as_ref())
            }
            Document::Proposed(_, path) => proposed(folder, proposal.ok_or_else(nothing)?, path)?.to_string(),
        };
        let stamp = self.stamp(document).unwrap_or_default();
        Ok((text, stamp))
    }

    fn stamp(&self, document: &Document) -> Option<Stamp> {
        let (task, folder, proposal) = self.of_document(document)?;
        Some(match document {
            Document::Transcript(_) => (task.transcript.len() as u64, i64::from(task.state.is_over())),
            Document::Diff(..) => (proposal?.revision, 0),
            // Without a pending change it is the text that the editor shows.
            Document::Proposed(_, path) => {
                let version = folder.desk.buffer(path).map_or(-1, |buffer| i64::from(buffer.version));
                (proposal?.revision, version)
            }
        })
    }
}

/// Whether the proposal has, or had, changes of this file.
fn was_in(proposal: &Proposal, path: &WsPath) -> bool {
    proposal.files.contains_key(path) || proposal.closed.values().any(|closed| closed.path == *path)
}

/// A file as the proposal wants it: nothing where it deletes it; as the editor shows it once nothing is pending.
fn proposed(folder: &Folder, proposal: &Proposal, path: &WsPath) -> Result<Text, String> {
    if let Some(file) = proposal.files.get(path) {
        let gone = || matches!(file.op, FileOp::Delete).then(Text::default);
        return file.staged().or_else(gone).ok_or_else(|| format!("{path} is not there any more"));
    }
    let open = folder.desk.buffer(path).filter(|_| was_in(proposal, path));
    open.map(|buffer| buffer.text.clone()).ok_or_else(|| format!("task {} proposes nothing for {path}", proposal.task))
}

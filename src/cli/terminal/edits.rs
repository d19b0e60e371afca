//! `workspace/applyEdit` for a client without an editor: open documents are changed in memory, all others on the disk, and only
//! where exactly the text stands that the proposal showed. Everything is checked before the first byte is written.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Value, json};

use super::shown::{Proposal, Span};
use crate::{
    event::ProposalId,
    path::WsPath,
    seams::{FileKind, WorkspaceError},
    text::{Edit, Encoding, Text},
    workspace::{Decoded, Folder, OnDisk},
};

/// The encoding that this client announces.
pub const ENCODING: Encoding = Encoding::Utf8;

/// The texts of a workspace folder as this client has them.
pub struct Texts {
    folder: Folder,
    open: HashMap<WsPath, Document>,
    proposals: HashMap<ProposalId, Proposal>,
}

/// An open document.
struct Document {
    version: i32,
    text: Text,
}

/// What an edit did, beyond the disk.
#[derive(Debug, Default)]
pub struct Applied {
    /// `textDocument/didChange` to send before the answer.
    pub changes: Vec<Value>,
    /// Sentences for the person.
    pub notes: Vec<String>,
}

#[derive(Deserialize)]
struct WorkspaceEdit {
    #[serde(rename = "documentChanges")]
    changes: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Change {
    Whole(Whole),
    Lines {
        #[serde(rename = "textDocument")]
        document: Named,
        edits: Vec<TextEdit>,
    },
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Whole {
    Create {
        uri: String,
    },
    Rename {
        #[serde(rename = "oldUri")]
        from: String,
        #[serde(rename = "newUri")]
        to: String,
    },
    Delete {
        uri: String,
    },
}

#[derive(Deserialize)]
struct Named {
    uri: String,
    version: Option<i32>,
}

#[derive(Deserialize)]
struct TextEdit {
    range: Span,
    #[serde(rename = "newText")]
    text: String,
}

/// One file on its way from what it is to what it will be.
struct Draft {
    /// `None`: it is not there yet.
    before: Option<(OnDisk, Decoded)>,
    version: Option<i32>,
    /// `None`: it is to be deleted.
    after: Option<Text>,
    /// The changes of an open document, last place first.
    changes: Vec<Value>,
    to: Option<WsPath>,
}

impl Texts {
    /// Nothing open, nothing proposed.
    pub fn of(folder: Folder) -> Texts {
        Texts { folder, open: HashMap::new(), proposals: HashMap::new() }
    }

    /// The folder on the disk.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Where the server finds a file.
    pub fn uri(&self, path: &WsPath) -> Option<String> {
        reqwest::Url::from_file_path(self.folder.absolute(path)).ok().map(String::from)
    }

    fn path(&self, uri: &str) -> Option<WsPath> {
        let file = reqwest::Url::parse(uri).ok()?.to_file_path().ok()?;
        WsPath::from_disk(file.strip_prefix(self.folder.root()).ok()?.to_str()?)
    }

    /// Opens a document with this text; returns the parameters of `didOpen`.
    pub fn open(&mut self, path: &WsPath, text: &str) -> Value {
        self.open.insert(path.clone(), Document { version: 1, text: Text::new(text) });
        json!({"textDocument": {"uri": self.uri(path), "languageId": "plaintext", "version": 1, "text": text}})
    }

    /// The latest of a proposal.
    pub fn proposed(&mut self, proposal: Proposal) {
        self.proposals.insert(proposal.proposal.clone(), proposal);
    }

    /// A proposal as it was last told.
    pub fn proposal(&self, id: &ProposalId) -> Option<&Proposal> {
        self.proposals.get(id)
    }

    /// The text of a file now: the open document's, else the disk's.
    pub fn text(&self, path: &WsPath) -> Option<Text> {
        match self.open.get(path) {
            Some(document) => Some(document.text.clone()),
            None => self.folder.read(path).ok().map(|file| file.decode().text),
        }
    }

    /// Applies a server's edit.
    ///
    /// # Errors
    /// Why it was not applied, for the server and the person. Nothing was changed then, unless a write failed midway: the
    /// sentence says so.
    pub fn apply(&mut self, edit: &Value) -> Result<Applied, String> {
        let edit: WorkspaceEdit =
            serde_json::from_value(edit.clone()).map_err(|error| format!("the edit is not understood: {error}"))?;
        let mut drafts = BTreeMap::new();
        for change in &edit.changes {
            self.draft(change, &mut drafts)?;
        }
        let (mut applied, mut done) = (Applied::default(), 0);
        for (path, draft) in drafts {
            match self.write(&path, draft, &mut applied) {
                Ok(()) => done += 1,
                Err(error) if done == 0 => return Err(error.to_string()),
                Err(error) => return Err(format!("{error}; the files before it were written")),
            }
        }
        Ok(applied)
    }

    /// Replaces lines of a file on the disk by the person's own version of a hunk.
    ///
    /// # Errors
    /// When the file no longer holds `old` there, or cannot be written.
    pub fn replace(&mut self, path: &WsPath, at: Span, old: &str, new: &str) -> Result<(), String> {
        let mut draft = self.load(path)?;
        let text = draft.after.take().unwrap_or_default();
        let range = text.offset(at.start, ENCODING)..text.offset(at.end, ENCODING);
        if text.slice(range.clone()) != old {
            return Err(moved(path));
        }
        draft.after = Some(text.edited(&Edit { range, new: new.to_owned() }));
        draft.version.map_or(Ok(()), |_| Err(format!("{path} is open with unsaved text")))?;
        self.write(path, draft, &mut Applied::default()).map_err(|error| error.to_string())
    }

    fn draft(&self, change: &Change, drafts: &mut BTreeMap<WsPath, Draft>) -> Result<(), String> {
        match change {
            Change::Whole(Whole::Create { uri }) => {
                let path = self.inside(uri)?;
                match self.folder.read(&path) {
                    Err(WorkspaceError::NotFound { .. }) => {}
                    Ok(_) => return Err(format!("{path} exists now")),
                    Err(error) => return Err(error.to_string()),
                }
                let new = Draft { before: None, version: None, after: Some(Text::default()), changes: Vec::new(), to: None };
                drafts.insert(path, new);
            }
            Change::Whole(Whole::Delete { uri }) => {
                let path = self.inside(uri)?;
                let mut draft = self.load(&path)?;
                let text = draft.after.take().map(|text| text.to_string()).unwrap_or_default();
                if draft.version.is_some() || !self.agreed(&path, &text, "") {
                    return Err(moved(&path));
                }
                drafts.insert(path, draft);
            }
            Change::Whole(Whole::Rename { from, to }) => {
                let (path, to) = (self.inside(from)?, self.inside(to)?);
                let draft = match drafts.entry(path.clone()) {
                    std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
                    std::collections::btree_map::Entry::Vacant(free) => free.insert(self.load(&path)?),
                };
                if draft.version.is_some() {
                    return Err(format!("{path} is open with unsaved text"));
                }
                draft.to = Some(to);
            }
            Change::Lines { document, edits } => {
                let path = self.inside(&document.uri)?;
                let draft = match drafts.entry(path.clone()) {
                    std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
                    std::collections::btree_map::Entry::Vacant(free) => free.insert(self.load(&path)?),
                };
                if document.version.is_some() && document.version != draft.version {
                    return Err(moved(&path));
                }
                self.edit(&path, draft, edits)?;
            }
        }
        Ok(())
    }

    /// The ranges of all edits belong to the text before the first of them, so they are applied from the end.
    fn edit(&self, path: &WsPath, draft: &mut Draft, edits: &[TextEdit]) -> Result<(), String> {
        let mut text = draft.after.take().ok_or_else(|| moved(path))?;
        let mut placed: Vec<(Edit, &TextEdit)> = edits
            .iter()
            .map(|edit| {
                let range = text.offset(edit.range.start, ENCODING)..text.offset(edit.range.end, ENCODING);
                (Edit { range, new: edit.text.clone() }, edit)
            })
            .collect();
        placed.sort_by_key(|(edit, _)| edit.range.start);
        for (edit, as_sent) in placed.into_iter().rev() {
            if edit.range.start > edit.range.end || !self.agreed(path, &text.slice(edit.range.clone()), &edit.new) {
                return Err(moved(path));
            }
            draft.changes.push(json!({
                "range": {"start": as_sent.range.start, "end": as_sent.range.end}, "text": as_sent.text,
            }));
            text = text.edited(&edit);
        }
        draft.after = Some(text);
        Ok(())
    }

    /// Whether a proposal told that exactly `old` becomes `new` in this file.
    fn agreed(&self, path: &WsPath, old: &str, new: &str) -> bool {
        let files = self.proposals.values().flat_map(|proposal| &proposal.files).filter(|file| file.path == *path);
        files.flat_map(|file| &file.hunks).any(|hunk| hunk.old_text == old && hunk.new_text == new)
    }

    fn inside(&self, uri: &str) -> Result<WsPath, String> {
        self.path(uri).ok_or_else(|| format!("{uri} is not in {}", self.folder.root().display()))
    }

    fn load(&self, path: &WsPath) -> Result<Draft, String> {
        let before = match self.folder.read(path) {
            Ok(file) => {
                let decoded = file.decode();
                if decoded.kind != FileKind::Text {
                    return Err(WorkspaceError::NotEditable(path.clone()).to_string());
                }
                Some((file, decoded))
            }
            Err(WorkspaceError::NotFound { .. }) => None,
            Err(error) => return Err(error.to_string()),
        };
        let open = self.open.get(path);
        let after = match (open, &before) {
            (Some(document), _) => document.text.clone(),
            (None, Some((_, decoded))) => decoded.text.clone(),
            (None, None) => return Err(format!("{path} is gone")),
        };
        Ok(Draft { before, version: open.map(|document| document.version), after: Some(after), changes: Vec::new(), to: None })
    }

    fn write(&mut self, path: &WsPath, draft: Draft, applied: &mut Applied) -> Result<(), WorkspaceError> {
        let uri = self.uri(path);
        if let (Some(document), Some(text)) = (self.open.get_mut(path), &draft.after) {
            document.version += 1;
            document.text = text.clone();
            applied.changes.push(json!({
                "textDocument": {"uri": uri, "version": document.version}, "contentChanges": draft.changes,
            }));
            return Ok(());
        }
        let mut note = |written: crate::workspace::Written| applied.notes.extend(written.notes);
        match (&draft.before, &draft.after) {
            (None, Some(text)) => note(self.folder.write_atomically(path, None, text.to_string().as_bytes())?),
            (None, None) => {}
            (Some((file, _)), None) => note(self.folder.delete(path, &file.bytes)?),
            (Some((file, decoded)), Some(text)) => {
                let bytes = decoded.encode(text);
                if bytes != file.bytes {
                    note(self.folder.write_atomically(path, Some(&file.bytes), &bytes)?);
                }
                if let Some(to) = &draft.to {
                    note(self.folder.rename(path, to, &bytes)?);
                }
            }
        }
        Ok(())
    }
}

fn moved(path: &WsPath) -> String {
    format!("{path} no longer holds the text that the change was made from")
}

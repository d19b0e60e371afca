//! After an acceptance: what the client is asked to save, and what the user is told of what is, or is not, on the disk.

use serde_json::{Value, json};
use tower_lsp::lsp_types::{MessageType, Url, request::Request};

use super::{actor::Actor, folders::Folder};
use crate::{config::Save, path::WsPath};

/// Longest reason of a client that is shown, characters.
const LONGEST: usize = 200;

/// What an acceptance came to.
pub struct Outcome {
    pub folder: usize,
    /// `Accepted` or `Taken back`.
    pub what: &'static str,
    /// Files that the editor changed.
    pub edited: Vec<WsPath>,
    /// Files that the editor created: one that opens them may tell of it later only.
    pub created: Vec<WsPath>,
    /// Files that were clean or not open before.
    pub clean: Vec<WsPath>,
    /// What the server did itself, in words.
    pub did: Vec<String>,
}

impl Actor {
    /// Saves what the client can save; others are told once which files are not saved. Everybody is told what the server did.
    pub fn after_acceptance(&self, outcome: Outcome) {
        let Some(folder) = self.folders.get(outcome.folder) else { return };
        let several = !self.folders.beside(outcome.folder).is_empty();
        if !outcome.did.is_empty() {
            let place = if several { format!(" (folder {})", folder.name) } else { String::new() };
            self.out.message(MessageType::INFO, &format!("On the disk, countersign itself {}{place}.", outcome.did.join(", ")));
        }
        let name = |path: &WsPath| if several { format!("{}/{path}", folder.name) } else { path.to_string() };
        let created = if self.client.rich { outcome.created.as_slice() } else { &[] };
        let unsaved = unsaved(folder, outcome.edited, created);
        if !self.client.rich {
            if !unsaved.is_empty() {
                let names: Vec<String> = unsaved.iter().map(name).collect();
                self.out.message(MessageType::INFO, &format!("{}; not saved yet: {}", outcome.what, names.join(", ")));
            }
            return;
        }
        let wanted = unsaved.into_iter().filter(|path| match self.setup.config.now().review.save {
            Save::Never => false,
            Save::Clean => outcome.clean.contains(path),
            Save::All => true,
        });
        let wanted: Vec<(String, Url)> = wanted.filter_map(|path| Some((name(&path), folder.uri(&path)?))).collect();
        if wanted.is_empty() {
            return;
        }
        let uris: Vec<&Url> = wanted.iter().map(|(_, uri)| uri).collect();
        let (answer, out) = (self.out.request::<SaveRequest>(json!({"uris": uris})), self.out.clone());
        tokio::spawn(async move {
            if let Some(said) = not_saved(&wanted, answer.await.map_err(|error| error.message.into_owned())) {
                out.message(MessageType::WARNING, &said);
            }
        });
    }
}

/// Of these files, the documents whose text the disk is not known to have; each once. A file that the editor moved or deleted is
/// no document any more, and one that it wrote without opening it is on the disk, unless it is among `created`.
fn unsaved(folder: &Folder, mut edited: Vec<WsPath>, created: &[WsPath]) -> Vec<WsPath> {
    edited.sort();
    edited.dedup();
    edited.retain(|path| folder.desk.buffer(path).map_or(created.contains(path), |buffer| !buffer.is_on_disk()));
    edited
}

/// What the user is told of files that the client did not save, each with why.
fn not_saved(wanted: &[(String, Url)], answer: Result<Value, String>) -> Option<String> {
    let is = |row: &Value, uri: &Url| row.as_str().is_some_and(|said| said == uri.as_str());
    let why_not = |uri: &Url| match &answer {
        Err(why) => Some(why.as_str()),
        Ok(answer) => {
            let rows = |key: &str| answer[key].as_array().map(Vec::as_slice).unwrap_or_default();
            let failed = rows("failed").iter().find(|row| is(&row["uri"], uri));
            let said = failed.map(|row| row["why"].as_str().unwrap_or_default());
            said.or((!rows("saved").iter().any(|row| is(row, uri))).then_some(""))
        }
    };
    let line = |(name, uri): &(String, Url)| {
        let why: String = why_not(uri)?.chars().take(LONGEST).collect();
        Some(if why.is_empty() { name.clone() } else { format!("{name} ({why})") })
    };
    let lines: Vec<String> = wanted.iter().filter_map(line).collect();
    (!lines.is_empty()).then(|| format!("Accepted, but your editor did not save: {}. Save by hand.", lines.join(", ")))
}

/// `countersign/save`: rich clients save these files.
enum SaveRequest {}

impl Request for SaveRequest {
    type Params = Value;
    type Result = Value;
    const METHOD: &'static str = "countersign/save";
}

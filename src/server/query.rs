//! `countersign/query`: what a rich editor knows besides texts, asked for a task's tools. Everything that comes back is checked,
//! bounded and put into lines of the text as the task sees it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use serde_json::{Value, json};
use tower_lsp::{
    jsonrpc::ErrorCode,
    lsp_types::{Url, request::Request},
};

use super::{
    actor::Actor,
    answers::{Found, Located, NAME, Outlined, Reader, Shown, cut, rows},
    caps::Client,
    outgoing::Outgoing,
    recent::Recent,
    sheet::{self, Sheet},
    versioning::ActorDesk,
};
use crate::{
    event::TaskId,
    path::WsPath,
    seams::{Diagnostic, Insight, InsightError, Line, Lines, OpenBuffer, Place, Places, RecentEdit, Relation, Symbol, Told},
    text::Point,
    workspace::{
        call,
        desk::{Buffer, Desk},
    },
};

/// Most bytes of what a hover says.
const HOVER: usize = 16 * 1024;

/// The request.
enum Query {}

impl Request for Query {
    type Params = Value;
    type Result = Value;
    const METHOD: &'static str = "countersign/query";
}

/// What the editor knows, for one task.
pub struct EditorInsight {
    out: Outgoing,
    desk: ActorDesk,
    client: Client,
    task: TaskId,
    folder: usize,
    /// The task's folder as the editor spells it, and with symbolic links resolved.
    root: PathBuf,
    canonical: PathBuf,
    recent: Arc<Mutex<Recent>>,
}

/// Version of each open document.
pub(super) type Versions = BTreeMap<WsPath, i32>;

impl EditorInsight {
    /// What the client knows of a folder; `None` for a rich client that has nothing to tell, as a terminal.
    pub fn of(actor: &Actor, id: &TaskId, index: usize) -> Option<EditorInsight> {
        let folder = actor.folders.get(index)?;
        if actor.client.silent {
            return None;
        }
        Some(EditorInsight {
            out: actor.out.clone(),
            desk: ActorDesk::new(actor.mailbox.clone(), index).while_open(folder.openness()),
            client: actor.client.clone(),
            task: id.clone(),
            folder: index,
            root: folder.root.clone(),
            canonical: folder.canonical.clone(),
            recent: actor.recent.clone(),
        })
    }

    fn uri(&self, path: &WsPath) -> Result<Url, InsightError> {
        Url::from_file_path(self.root.join(path.as_str())).map_err(|()| InsightError::Unable)
    }

    fn finder(&self) -> impl Fn(&Url) -> Option<WsPath> + Send + use<> {
        let (root, canonical) = (self.root.clone(), self.canonical.clone());
        move |uri| {
            let file = uri.to_file_path().ok()?;
            let below = |root: &Path| WsPath::from_disk(file.strip_prefix(root).ok()?.to_str()?);
            below(&root).or_else(|| below(&canonical))
        }
    }

    async fn on_desk<T: Send + 'static>(&self, work: impl FnOnce(&Desk) -> T + Send + 'static) -> Result<T, InsightError> {
        call(&self.desk, |desk| work(desk)).await.map_err(|_| InsightError::Closed)
    }

    pub(super) async fn ask(&self, params: Value) -> Result<(Value, Versions), InsightError> {
        if !self.languages() {
            return Err(InsightError::Unable);
        }
        let before = self.on_desk(versions).await?;
        let answer = tokio::time::timeout(self.client.query_time, self.out.request::<Query>(params)).await;
        match answer.map_err(|_| InsightError::Silent(self.client.query_time))? {
            Ok(answer) => Ok((answer, before)),
            Err(error) if error.code == ErrorCode::MethodNotFound => {
                self.client.queries.store(false, Ordering::SeqCst);
                Err(InsightError::Unable)
            }
            Err(error) => Err(InsightError::Failed(cut(&error.message, NAME))),
        }
    }

    /// Reads the answer on the desk, where the hunks are.
    pub(super) async fn told<T: Send + 'static>(
        &self,
        before: Versions,
        read: impl FnOnce(&mut Reader<'_>) -> T + Send + 'static,
    ) -> Result<Told<T>, InsightError> {
        let (task, encoding, find) = (self.task.clone(), self.client.encoding, self.finder());
        let work = move |desk: &Desk| {
            let mut reader = Reader::new(desk, &task, encoding, &find);
            let what = read(&mut reader);
            let pending =
                desk.proposal_of(&task).is_some_and(|proposal| proposal.files.values().any(|file| file.live().next().is_some()));
            let now = versions(desk);
            let moved = before.iter().any(|(path, version)| now.get(path).is_some_and(|now| now != version));
            Told { what, without_hunks: pending, moved }
        };
        self.on_desk(work).await
    }

    /// Asks for the places of a symbol.
    pub(super) async fn asked(&self, relation: Relation, of: &Place) -> Result<(Value, Versions), InsightError> {
        let kind = match relation {
            Relation::Definition => "definition",
            Relation::References => "references",
        };
        self.at(kind, of).await
    }

    async fn at(&self, kind: &str, of: &Place) -> Result<(Value, Versions), InsightError> {
        let (task, place, encoding) = (self.task.clone(), of.clone(), self.client.encoding);
        let at = self.on_desk(move |desk| sheet::point(desk, &task, &place, encoding)).await??;
        self.ask(json!({"kind": kind, "uri": self.uri(&of.path)?, "position": at})).await
    }
}

#[async_trait::async_trait]
impl Insight for EditorInsight {
    fn languages(&self) -> bool {
        self.client.queries.load(Ordering::SeqCst)
    }

    async fn diagnostics(&self, path: Option<&WsPath>) -> Result<Told<Vec<Diagnostic>>, InsightError> {
        let mut params = json!({"kind": "diagnostics"});
        if let Some(path) = path {
            let (task, there) = (self.task.clone(), path.clone());
            self.on_desk(move |desk| sheet::is_there(desk, &task, &there)).await??;
            params["uri"] = json!(self.uri(path)?);
        }
        let (answer, before) = self.ask(params).await?;
        let found: Vec<Found> = rows(answer)?;
        self.told(before, |reader| found.into_iter().filter_map(|found| reader.diagnostic(found)).collect()).await
    }

    async fn outline(&self, path: &WsPath) -> Result<Told<Vec<Symbol>>, InsightError> {
        let (task, there) = (self.task.clone(), path.clone());
        self.on_desk(move |desk| sheet::is_there(desk, &task, &there)).await??;
        let (answer, before) = self.ask(json!({"kind": "outline", "uri": self.uri(path)?})).await?;
        let found: Vec<Outlined> = rows(answer)?;
        let path = path.clone();
        self.told(before, move |reader| {
            let mut out = Vec::new();
            reader.symbols(&path, found, 0, &mut out);
            out
        })
        .await
    }

    async fn places(&self, of: &Place, relation: Relation) -> Result<Told<Places>, InsightError> {
        let (answer, before) = self.asked(relation, of).await?;
        let found = Located::all(answer)?;
        self.told(before, |reader| reader.places(found)).await
    }

    async fn hover(&self, of: &Place) -> Result<Told<Option<String>>, InsightError> {
        let (answer, before) = self.at("hover", of).await?;
        let text = match &answer["contents"] {
            _ if answer.is_null() => None,
            Value::Null => None,
            Value::String(text) => Some(cut(text, HOVER)),
            _ => return Err(InsightError::Malformed),
        };
        self.told(before, |_| text).await
    }

    async fn selection(&self) -> Result<Told<Option<(WsPath, Lines)>>, InsightError> {
        let (answer, before) = self.ask(json!({"kind": "selection"})).await?;
        let found = Located::one(answer)?;
        self.told(before, |reader| reader.selection(found)).await
    }

    async fn open_buffers(&self) -> Result<Vec<OpenBuffer>, InsightError> {
        let known = |desk: &Desk| {
            let row = |(path, buffer): (&WsPath, &Buffer)| OpenBuffer {
                path: path.clone(),
                unsaved: buffer.unsaved(),
                visible: None,
                active: None,
            };
            desk.buffers().map(row).collect::<Vec<_>>()
        };
        let mut buffers = self.on_desk(known).await?;
        // What is open is known without the editor; where it does not answer, only that is told.
        let Ok((answer, _)) = self.ask(json!({"kind": "openBuffers"})).await else { return Ok(buffers) };
        let find = self.finder();
        for shown in rows::<Shown>(answer)? {
            let Some(path) = find(&shown.uri) else { continue };
            let (visible, active) = (Some(shown.visible), Some(shown.active));
            match buffers.iter_mut().find(|buffer| buffer.path == path) {
                Some(buffer) => (buffer.visible, buffer.active) = (visible, active),
                None => buffers.push(OpenBuffer { path, unsaved: shown.dirty, visible, active }),
            }
        }
        Ok(buffers)
    }

    async fn recent_edits(&self) -> Result<Vec<RecentEdit>, InsightError> {
        let edits = self.recent.lock().unwrap_or_else(PoisonError::into_inner).of(self.folder);
        let (task, encoding) = (self.task.clone(), self.client.encoding);
        let seen = move |desk: &Desk| {
            let line = |path: &WsPath, line: &Line| match line {
                Line::At(line) => {
                    let at = Point { line: u32::try_from(line - 1).unwrap_or(u32::MAX), character: 0 };
                    sheet::line(Sheet::of(desk, &task, path).as_ref(), at, encoding)
                }
                under => under.clone(),
            };
            let placed = |edit: RecentEdit| {
                let lines = Lines { first: line(&edit.path, &edit.lines.first), last: line(&edit.path, &edit.lines.last) };
                RecentEdit { lines, ..edit }
            };
            edits.into_iter().map(placed).collect()
        };
        self.on_desk(seen).await
    }
}

fn versions(desk: &Desk) -> Versions {
    desk.buffers().map(|(path, buffer)| (path.clone(), buffer.version)).collect()
}

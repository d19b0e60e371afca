//! The other end of the protocol for a terminal: edits are applied and answered at once, everything else is handed on to
//! whoever talks with the person.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};

use super::{edits::Texts, shown::Proposal};
use crate::server::peer::{Incoming, Peer, Refused};

/// What the server started, for the person or for a program.
#[derive(Debug)]
pub enum Happening {
    /// `countersign/update`
    Update(Value),
    /// `countersign/proposal`, as it came; the texts know it already.
    Proposal(Value),
    /// `window/showMessageRequest`; wants [`Client::answer`].
    Question { id: Value, text: String, titles: Vec<String> },
    /// `window/showDocument`
    Document(PathBuf),
    /// `window/showMessage`; type 1 is an error, 2 a warning.
    Message { typ: u64, text: String },
    /// Something about an edit that was applied.
    Note(String),
}

/// A client over any pair of streams.
pub struct Client {
    pub peer: Peer,
    texts: Arc<Mutex<Texts>>,
    happenings: mpsc::UnboundedReceiver<Happening>,
}

impl Client {
    /// Speaks to the server behind these streams.
    pub fn connect<R, W>(from: R, to: W, texts: Texts) -> Client
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (peer, incoming) = Peer::connect(from, to);
        let texts = Arc::new(Mutex::new(texts));
        let (tx, happenings) = mpsc::unbounded_channel();
        tokio::spawn(pump(peer.clone(), incoming, texts.clone(), tx));
        Client { peer, texts, happenings }
    }

    /// `initialize` and `initialized`.
    ///
    /// # Errors
    /// The server's error.
    pub async fn initialize(&self) -> Result<(), Refused> {
        let (uri, name) = {
            let texts = self.texts();
            let name = texts.folder().root().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            (texts.uri(&crate::path::WsPath::root()), name)
        };
        let params = json!({
            "processId": std::process::id(),
            "clientInfo": {"name": "countersign in a terminal", "version": env!("CARGO_PKG_VERSION")},
            "rootUri": uri,
            "workspaceFolders": [{"uri": uri, "name": name}],
            "initializationOptions": {"countersign": {"rich": true, "protocol": 1, "queries": false}},
            "capabilities": {
                "general": {"positionEncodings": ["utf-8"]},
                "workspace": {
                    "applyEdit": true,
                    "workspaceEdit": {"documentChanges": true, "resourceOperations": ["create", "rename", "delete"]},
                    "workspaceFolders": true,
                },
                "window": {"showDocument": {"support": true}, "showMessage": {"messageActionItem": {}}},
            },
        });
        self.peer.request("initialize", params).await?;
        self.peer.notify("initialized", json!({}));
        Ok(())
    }

    /// The texts and proposals as they are now.
    pub fn texts(&self) -> MutexGuard<'_, Texts> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes next; `None` when the server is gone.
    pub async fn next(&mut self) -> Option<Happening> {
        self.happenings.recv().await
    }

    /// Answers a question; `None` decides nothing.
    pub fn answer(&self, id: Value, title: Option<&str>) {
        self.peer.respond(id, Ok(title.map_or(Value::Null, |title| json!({"title": title}))));
    }

    /// Leaves in order.
    pub async fn leave(self) {
        let _ = self.peer.request("shutdown", Value::Null).await;
        self.peer.notify("exit", Value::Null);
        self.peer.close();
    }
}

async fn pump(
    peer: Peer,
    mut incoming: mpsc::UnboundedReceiver<Incoming>,
    texts: Arc<Mutex<Texts>>,
    tx: mpsc::UnboundedSender<Happening>,
) {
    while let Some(message) = incoming.recv().await {
        let happening = match message {
            Incoming::Request { id, method, params } => request(&peer, &texts, &tx, id, &method, &params),
            Incoming::Notification { method, params } => notification(&texts, &method, params),
        };
        if let Some(happening) = happening
            && tx.send(happening).is_err()
        {
            return;
        }
    }
}

fn request(
    peer: &Peer,
    texts: &Mutex<Texts>,
    tx: &mpsc::UnboundedSender<Happening>,
    id: Value,
    method: &str,
    params: &Value,
) -> Option<Happening> {
    match method {
        "workspace/applyEdit" => {
            let applied = texts.lock().unwrap_or_else(PoisonError::into_inner).apply(&params["edit"]);
            let answer = match applied {
                Ok(applied) => {
                    // The server believes the text, so the text is told before the answer.
                    applied.changes.into_iter().for_each(|change| peer.notify("textDocument/didChange", change));
                    applied.notes.into_iter().for_each(|note| drop(tx.send(Happening::Note(note))));
                    json!({"applied": true})
                }
                Err(why) => json!({"applied": false, "failureReason": why}),
            };
            peer.respond(id, Ok(answer));
            None
        }
        "window/showMessageRequest" => {
            let titles = params["actions"].as_array().into_iter().flatten();
            let titles = titles.filter_map(|action| action["title"].as_str().map(str::to_owned)).collect();
            Some(Happening::Question { id, text: text(&params["message"]), titles })
        }
        "window/showDocument" => {
            let path = params["uri"].as_str().and_then(|uri| reqwest::Url::parse(uri).ok()?.to_file_path().ok());
            peer.respond(id, Ok(json!({"success": path.is_some()})));
            path.map(Happening::Document)
        }
        // What was accepted is on the disk already.
        "countersign/save" => {
            peer.respond(id, Ok(json!({"saved": params["uris"], "failed": []})));
            None
        }
        _ => {
            peer.respond(id, Err(Refused { code: -32601, message: format!("a terminal has no {method}") }));
            None
        }
    }
}

fn notification(texts: &Mutex<Texts>, method: &str, params: Value) -> Option<Happening> {
    match method {
        "countersign/update" => Some(Happening::Update(params)),
        "countersign/proposal" => match serde_json::from_value::<Proposal>(params.clone()) {
            Ok(proposal) => {
                texts.lock().unwrap_or_else(PoisonError::into_inner).proposed(proposal);
                Some(Happening::Proposal(params))
            }
            Err(error) => {
                tracing::error!(%error, "a proposal is not understood");
                None
            }
        },
        "window/showMessage" => {
            Some(Happening::Message { typ: params["type"].as_u64().unwrap_or(3), text: text(&params["message"]) })
        }
        _ => None,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

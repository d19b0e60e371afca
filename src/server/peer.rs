//! The other end of the protocol: a small LSP client over any pair of streams, for the terminal, the demo and the tests.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader},
    sync::{mpsc, oneshot},
};

use super::{
    framing::read_frame,
    outbox::{Outbox, Weight},
    requests::Requests,
};

/// What the server sends of its own accord.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// Wants a [`Peer::respond`] with this id.
    Request {
        id: Value,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
}

/// An error response.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    pub code: i64,
    pub message: String,
}

/// The sending half; cheap to clone.
#[derive(Clone)]
pub struct Peer {
    outbox: Outbox,
    requests: Requests<Refused>,
}

impl Peer {
    /// Speaks to a server behind these streams; what the server starts arrives on the receiver, which ends with the stream.
    pub fn connect<R, W>(from: R, to: W) -> (Peer, mpsc::UnboundedReceiver<Incoming>)
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let outbox = Outbox::default();
        let requests = Requests::default();
        tokio::spawn(outbox.clone().write_to(to));
        let (tx, rx) = mpsc::unbounded_channel();
        tokio::spawn(read(BufReader::new(from), requests.clone(), tx));
        (Peer { outbox, requests }, rx)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The server's error response, or code -32099 when the server is gone.
    pub async fn request(&self, method: &str, params: Value) -> Result<Value, Refused> {
        self.start(method, params).1.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Sends a request now; the answer is awaited elsewhere. Returns its id for a `$/cancelRequest`.
    pub fn start(&self, method: &str, params: Value) -> (i64, oneshot::Receiver<Result<Value, Refused>>) {
        self.requests.start(&self.outbox, method, params)
    }

    /// Sends a notification.
    pub fn notify(&self, method: &str, params: Value) {
        self.outbox.notify(method, params, Weight::Needed);
    }

    /// Answers a request of the server.
    pub fn respond(&self, id: Value, result: Result<Value, Refused>) {
        let message = match result {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": {"code": error.code, "message": error.message}}),
        };
        self.outbox.send(&message, Weight::Needed);
    }

    /// Runs one of the server's commands with one argument.
    ///
    /// # Errors
    /// As [`Peer::request`].
    pub async fn command(&self, name: &str, argument: Value) -> Result<Value, Refused> {
        let command = format!("{}{name}", super::commands::PREFIX);
        self.request("workspace/executeCommand", json!({"command": command, "arguments": [argument]})).await
    }

    /// Ends the stream to the server once everything is sent.
    pub fn close(&self) {
        self.outbox.close();
    }
}

fn gone() -> Refused {
    Refused { code: -32099, message: "the server is gone".to_owned() }
}

async fn read<R: AsyncRead + Unpin>(mut from: BufReader<R>, requests: Requests<Refused>, tx: mpsc::UnboundedSender<Incoming>) {
    while let Ok(Some(body)) = read_frame(&mut from).await {
        let Ok(mut message) = serde_json::from_slice::<Value>(&body) else { continue };
        let id = message.get("id").cloned();
        let params = message.get_mut("params").map(Value::take).unwrap_or_default();
        let incoming = match (message["method"].as_str(), id) {
            (Some(method), Some(id)) => Incoming::Request { id, method: method.to_owned(), params },
            (Some(method), None) => Incoming::Notification { method: method.to_owned(), params },
            (None, id) => {
                if let Some(id) = id.and_then(|id| id.as_i64()) {
                    let answer = match message.get("error") {
                        Some(error) => Err(Refused {
                            code: error["code"].as_i64().unwrap_or_default(),
                            message: error["message"].as_str().unwrap_or_default().to_owned(),
                        }),
                        None => Ok(message["result"].take()),
                    };
                    requests.answered(id, answer);
                }
                continue;
            }
        };
        if tx.send(incoming).is_err() {
            break;
        }
    }
    requests.end();
}

//! Our own transport round tower-lsp's `LspService`: it keeps the order of messages and lets nobody wait.
//!
//! tower-lsp's `Server` runs handlers from one unordered buffer of four, so a burst of edits can be applied out of order and
//! four open dialogs stop everything. Here each handler is polled once, in the order in which its message was read, and only
//! then moves to a task of its own. A handler's first act, a synchronous send into the actor's mailbox, therefore happens in
//! read order (law 3), and nothing that a handler waits for holds up the next message.

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::io::AsyncBufRead;
use tower_lsp::{
    ExitedError,
    jsonrpc::{Error, Id, Request, Response},
};
use tower_service::Service;

use super::{
    framing::{FrameError, read_frame},
    outbox::{Outbox, Weight},
    requests::Requests,
};

/// How the conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `exit` after `shutdown`.
    Orderly,
    /// `exit` without `shutdown`, or the stream ended.
    Abrupt,
}

/// Serves `service` until `exit` or the end of `input`. Its answers go to `outbox`, those of the client to `requests`.
pub async fn serve<R, S>(mut input: R, mut service: S, requests: Requests<Error>, outbox: Outbox) -> Ending
where
    R: AsyncBufRead + Unpin,
    S: Service<Request, Response = Option<Response>, Error = ExitedError>,
    S::Future: Send + Unpin + 'static,
{
    let mut shut_down = false;
    loop {
        let body = match read_frame(&mut input).await {
            Ok(Some(body)) => body,
            Ok(None) => break Ending::Abrupt,
            Err(error) => {
                tracing::error!(%error, "the client's stream cannot be read");
                if !matches!(error, FrameError::Io(_)) {
                    outbox.send(&failure(Value::Null, -32700, &error.to_string()), Weight::Answer);
                }
                break Ending::Abrupt;
            }
        };
        match parse(&body) {
            Message::Request(request) => {
                let method = request.method().to_owned();
                if method == "exit" {
                    break if shut_down { Ending::Orderly } else { Ending::Abrupt };
                }
                shut_down |= method == "shutdown";
                let mut answer = service.call(request);
                match (&mut answer).now_or_never() {
                    Some(done) => reply(&outbox, done),
                    None => {
                        let outbox = outbox.clone();
                        tokio::spawn(async move { reply(&outbox, answer.await) });
                    }
                }
            }
            Message::Response(response) => {
                if let (Id::Number(id), answer) = response.into_parts() {
                    requests.answered(id, answer);
                }
            }
            Message::Broken(answer) => outbox.send(&answer, Weight::Answer),
        }
    }
}

fn reply(outbox: &Outbox, done: Result<Option<Response>, ExitedError>) {
    if let Ok(Some(response)) = done {
        outbox.send(&serde_json::to_value(&response).unwrap_or_default(), Weight::Answer);
    }
}

enum Message {
    Request(Request),
    Response(Response),
    Broken(Value),
}

fn parse(body: &[u8]) -> Message {
    let mut value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => return Message::Broken(failure(Value::Null, -32700, &format!("the message is not JSON: {error}"))),
    };
    // `params: null` is what some clients send for "no params"; tower-lsp takes only their absence.
    if value.get("params").is_some_and(Value::is_null)
        && let Some(message) = value.as_object_mut()
    {
        message.shift_remove("params");
    }
    let id = value.get("id").cloned().filter(|id| id.is_number() || id.is_string()).unwrap_or(Value::Null);
    if !value.is_object() {
        return Message::Broken(failure(id, -32600, "a message must be one JSON object; batches are not part of LSP"));
    }
    if value.get("method").is_some() {
        return match serde_json::from_value(value) {
            Ok(request) => Message::Request(request),
            Err(error) => Message::Broken(failure(id, -32600, &format!("not a JSON-RPC 2.0 request: {error}"))),
        };
    }
    match serde_json::from_value(value) {
        Ok(response) => Message::Response(response),
        // Not with its id: that would look like the answer to a request of the client.
        Err(error) => Message::Broken(failure(Value::Null, -32600, &format!("neither `method` nor a valid response: {error}"))),
    }
}

fn failure(id: Value, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

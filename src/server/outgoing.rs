//! What the server sends to the client, all of it straight to the outbox and so in the order in which it was decided:
//! tower-lsp's own way for requests lets them be overtaken, by the answer to the very command that caused them.

use std::{
    collections::VecDeque,
    future::Future,
    os::fd::BorrowedFd,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use serde_json::{Value, json};
use tower_lsp::{
    jsonrpc::{Error, ErrorCode},
    lsp_types::{request::Request, *},
};

use super::{
    outbox::{Outbox, Weight},
    questions::Shown,
    requests::Requests,
};
use crate::agent::plain;

/// The way to the client; cheap to clone.
#[derive(Clone)]
pub struct Outgoing {
    requests: Requests<Error>,
    outbox: Outbox,
    said: Said,
}

/// The last messages, oldest first, each once.
type Said = Arc<Mutex<VecDeque<(MessageType, String)>>>;

/// How many of them are kept.
const SAID: usize = 10;

impl Outgoing {
    /// A way to the client behind the outbox, whose answers arrive at `requests`.
    pub fn new(requests: Requests<Error>, outbox: Outbox) -> Self {
        Outgoing { requests, outbox, said: Said::default() }
    }

    /// Sends a request now. The returned future may be dropped; then nobody hears the answer.
    pub fn request<R>(&self, params: R::Params) -> impl Future<Output = Result<R::Result, Error>> + Send + use<R>
    where
        R: Request + 'static,
        R::Params: Send + 'static,
        R::Result: Send + 'static,
    {
        let params = serde_json::to_value(params).unwrap_or_default();
        let (_, answered) = self.requests.start(&self.outbox, R::METHOD, params);
        async move {
            let answer = answered.await.unwrap_or_else(|_| Err(Error::request_cancelled()))?;
            serde_json::from_value(answer).map_err(|error| Error {
                code: ErrorCode::ParseError,
                message: error.to_string().into(),
                data: None,
            })
        }
    }

    /// Asks and classifies the answer.
    pub fn ask(&self, text: &str, titles: Vec<String>) -> impl Future<Output = Shown> + Send + use<> {
        let actions = titles.into_iter().map(|title| MessageActionItem { title, properties: Default::default() }).collect();
        let params = ShowMessageRequestParams { typ: MessageType::WARNING, message: plain(text), actions: Some(actions) };
        let answer = self.request::<request::ShowMessageRequest>(params);
        async move {
            match answer.await {
                Ok(Some(action)) => Shown::Chose(action.title),
                Ok(None) => Shown::Nothing,
                Err(error) if error.code == ErrorCode::MethodNotFound => Shown::Unsupported,
                Err(error) => Shown::Failed(error.message.into_owned()),
            }
        }
    }

    /// One message for the person.
    pub fn message(&self, typ: MessageType, text: &str) {
        let message = plain(text);
        {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.retain(|(_, known)| *known != message);
            if said.len() == SAID {
                said.pop_front();
            }
            said.push_back((typ, message.clone()));
        }
        self.send("window/showMessage", ShowMessageParams { typ, message }, Weight::Needed);
    }

    /// The last messages, the newest first: some editors show one at a time, cut off, and until the next key.
    pub fn said(&self) -> Vec<String> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().rev().map(|(_, message)| message.clone()).collect()
    }

    /// Whether one of them is a warning or an error.
    pub fn has_warned(&self) -> bool {
        let grave = |typ: MessageType| typ == MessageType::ERROR || typ == MessageType::WARNING;
        self.said.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|(typ, _)| grave(*typ))
    }

    /// The diagnostics of one file, replacing the earlier ones.
    pub fn diagnostics(&self, uri: Url, diagnostics: Vec<Diagnostic>, version: Option<i32>) {
        let params = PublishDiagnosticsParams { uri, diagnostics, version };
        self.send("textDocument/publishDiagnostics", params, Weight::Needed);
    }

    /// A step of work-done progress.
    pub fn progress(&self, token: &str, value: WorkDoneProgress) {
        let weight = if matches!(value, WorkDoneProgress::Report(_)) { Weight::Informing } else { Weight::Needed };
        let params =
            ProgressParams { token: NumberOrString::String(token.to_owned()), value: ProgressParamsValue::WorkDone(value) };
        self.send("$/progress", params, weight);
    }

    /// A notification of our own to a rich client.
    pub fn own(&self, method: &str, params: Value, weight: Weight) {
        self.outbox.notify(method, params, weight);
    }

    /// Opens a document; focus is taken only where the person asked for it.
    pub fn show_document(&self, uri: Url, take_focus: bool) {
        let params = ShowDocumentParams { uri, external: Some(false), take_focus: Some(take_focus), selection: None };
        drop(self.request::<request::ShowDocument>(params));
    }

    /// From now on nothing follows an answer before the client has read it: see [`Outbox::answer_apart`].
    pub fn answer_apart(&self, pipe: BorrowedFd<'static>) {
        self.outbox.answer_apart(pipe);
    }

    fn send(&self, method: &str, params: impl Serialize, weight: Weight) {
        self.outbox.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}), weight);
    }
}

//! What the server sends to the client. Notifications go straight to the outbox; requests live in tasks of their own, because
//! a request whose waiter is dropped makes tower-lsp panic when the late answer comes.

use std::future::Future;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower_lsp::{
    Client,
    jsonrpc::{Error, ErrorCode},
    lsp_types::{request::Request, *},
};

use super::{
    outbox::{Outbox, Weight},
    questions::Shown,
};
use crate::agent::plain;

/// The way to the client; cheap to clone.
#[derive(Clone)]
pub struct Outgoing {
    client: Client,
    outbox: Outbox,
}

impl Outgoing {
    /// A way to the client behind these two.
    pub fn new(client: Client, outbox: Outbox) -> Self {
        Outgoing { client, outbox }
    }

    /// Sends a request from a detached task. The returned future may be dropped; the request lives on.
    pub fn request<R>(&self, params: R::Params) -> impl Future<Output = Result<R::Result, Error>> + Send + use<R>
    where
        R: Request + 'static,
        R::Params: Send + 'static,
        R::Result: Send + 'static,
    {
        let (tx, rx) = oneshot::channel();
        let client = self.client.clone();
        tokio::spawn(async move {
            let answer = client.send_request::<R>(params).await;
            let _ = tx.send(answer);
        });
        async move { rx.await.unwrap_or_else(|_| Err(Error::request_cancelled())) }
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
        self.send("window/showMessage", ShowMessageParams { typ, message: plain(text) }, Weight::Needed);
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

    fn send(&self, method: &str, params: impl Serialize, weight: Weight) {
        self.outbox.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}), weight);
    }
}

//! What LSP 3.18 says at `initialize` and our types, which are those of 3.17, have no field for.
//!
//! The messages pass through as they are; only `initialize` is looked at on its way in and added to on its way out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::FutureExt;
use serde_json::{Value, json};
use tower_lsp::{
    ExitedError, LspService,
    jsonrpc::{Request, Response},
};
use tower_service::Service;

use super::{backend::Backend, content::SCHEME};

/// What the client offers beyond 3.17.
#[derive(Clone, Default)]
pub struct Beyond(Arc<AtomicBool>);

impl Beyond {
    /// Whether it asks for documents by `workspace/textDocumentContent`. Known from `initialize` on.
    pub fn text_content(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The service with the two.
pub struct Extended {
    pub inner: LspService<Backend>,
    pub beyond: Beyond,
}

impl Service<Request> for Extended {
    type Response = Option<Response>;
    type Error = ExitedError;
    type Future = <LspService<Backend> as Service<Request>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.method() != "initialize" {
            return self.inner.call(request);
        }
        let offered = request.params().map(|params| &params["capabilities"]["workspace"]["textDocumentContent"]);
        let offered = offered.is_some_and(Value::is_object);
        if offered {
            self.beyond.0.store(true, Ordering::SeqCst);
        }
        let answer = self.inner.call(request);
        async move { Ok(answer.await?.map(|answer| if offered { extended(answer) } else { answer })) }.boxed()
    }
}

fn extended(answer: Response) -> Response {
    let (id, mut result) = answer.into_parts();
    if let Ok(result) = &mut result {
        result["capabilities"]["workspace"]["textDocumentContent"] = json!({"schemes": [SCHEME]});
    }
    Response::from_parts(id, result)
}

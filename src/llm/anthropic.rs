//! One attempt at Anthropic's Messages API: a POST whose answer is a stream of server-sent events.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::StreamExt;
use reqwest::{
    Client, Response, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::Value;
use sse_stream::{Sse, SseStream};
use tokio_util::sync::CancellationToken;

use super::{
    accumulate::{Accumulator, protocol},
    answer, body,
    endpoint::{Endpoint, EndpointKind},
    failure::{self, Failure},
    retrying::{Attempt, On},
    settings::{Limits, Secret, Settings, Thinking},
};
use crate::seams::{Clock, ErrorClass, ModelError, ModelRequest, Reply};

/// Longest wait for the end of a stream whose message is complete, so that its connection can be used again.
const DRAIN: std::time::Duration = std::time::Duration::from_millis(250);

/// The API under one model name, with one connection kept alive.
pub(super) struct Anthropic {
    name: String,
    model: String,
    who: String,
    url: Url,
    http: Client,
    headers: HeaderMap,
    key: Option<Secret>,
    max_tokens: u32,
    thinking: Thinking,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl Anthropic {
    /// # Errors
    /// No key (only loopback works without), a base URL that is refused, or one that the user has not confirmed.
    pub(super) fn new(model: &str, settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, ModelError> {
        let endpoint = Endpoint::anthropic(settings.anthropic_base_url.as_deref())?;
        let confirmed = settings.confirmed_origin.as_deref() == Some(&endpoint.origin());
        if endpoint.kind() == EndpointKind::Foreign && !confirmed {
            let mut error = failure::error(
                ErrorClass::Auth,
                format!("The base URL leads to {}, which nobody has confirmed yet: no key goes there.", endpoint.origin()),
            );
            error.hint = Some("Confirm the endpoint when asked, or unset ANTHROPIC_BASE_URL.".to_owned());
            return Err(error);
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        match &settings.anthropic_key {
            Some(key) => {
                let mut value = HeaderValue::from_str(key.reveal()).map_err(|_| {
                    failure::error(ErrorClass::Auth, "The Anthropic key holds characters that no key has.".to_owned())
                })?;
                value.set_sensitive(true);
                headers.insert("x-api-key", value);
            }
            None if endpoint.kind() == EndpointKind::Loopback => {}
            None => return Err(failure::error(ErrorClass::Auth, "No key for Anthropic is set.".to_owned())),
        }
        Ok(Anthropic {
            name: format!("anthropic:{model}"),
            model: model.to_owned(),
            who: endpoint.host(),
            url: endpoint.join("v1/messages")?,
            http: endpoint.client(&settings.limits)?,
            headers,
            key: settings.anthropic_key,
            max_tokens: settings.max_tokens,
            thinking: settings.thinking,
            limits: settings.limits,
            clock,
        })
    }

    async fn exchange(&self, request: &ModelRequest, on: On<'_>) -> Result<Reply, Failure> {
        let sending = self.http.post(self.url.clone()).headers(self.headers.clone()).body(self.body(request)).send();
        let response = sending.await.map_err(|error| self.transport(error, ErrorClass::Unavailable))?;
        let request_id = response.headers().get("request-id").and_then(|id| id.to_str().ok()).map(|id| self.scrub(id));
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
            let (who, kind) = (&self.who, self.scrub(kind));
            return Err(failure::protocol(format!("{who} answered with `{kind}` and not with an event stream.")));
        }
        self.read(response, on).await.map(|reply| answer::settle(reply, request)).map_err(|mut failure| {
            failure.error.request_id = failure.error.request_id.or(request_id);
            failure
        })
    }

    async fn read(&self, response: Response, on: On<'_>) -> Result<Reply, Failure> {
        // Bytes since the last event: the parser itself holds any amount.
        let pending = Arc::new(AtomicUsize::new(0));
        let (counter, limit) = (Arc::clone(&pending), self.limits.event);
        let chunks = response.bytes_stream().map(move |chunk| {
            let chunk = chunk.map_err(Fault::Transport)?;
            let size = counter.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len();
            if size > limit { Err(Fault::TooLarge(limit)) } else { Ok(chunk) }
        });
        let mut events = SseStream::from_bytes_stream(chunks).boxed();
        let mut reply = Accumulator::new(self.limits);
        while let Some(event) = events.next().await {
            let event = event.map_err(|error| self.broken(error))?;
            pending.store(0, Ordering::Relaxed);
            let Sse { data: Some(data), .. } = event else { continue };
            let mut value: Value = serde_json::from_str(&data)
                .map_err(|_| protocol(format!("an event that is not JSON: `{}`", self.scrub(&data))))?;
            if value["type"] == "error" {
                return Err(failure::of_error_event(&value, &self.who, |text| self.scrub(text)));
            }
            if reply.take(&mut value, data.len(), on)? {
                // Nothing is lost if the end does not come: the connection is then simply not used again.
                let _ = tokio::time::timeout(DRAIN, events.next()).await;
                return reply.finish();
            }
        }
        Err(Failure::new(ErrorClass::Cut, format!("{} ended its answer before it was complete.", self.who)))
    }

    async fn refusal(&self, response: Response) -> Failure {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut text = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(Ok(chunk)) = chunks.next().await {
            text.extend_from_slice(&chunk[..chunk.len().min(self.limits.error_body - text.len())]);
            if text.len() >= self.limits.error_body {
                break;
            }
        }
        let body: Value = serde_json::from_slice(&text).unwrap_or_default();
        let detail = body["error"]["message"].as_str().map(str::to_owned);
        // A gateway's own page in HTML tells a reader nothing.
        let page = text.trim_ascii_start().starts_with(b"<");
        let plain = || if page { String::new() } else { String::from_utf8_lossy(&text).into_owned() };
        let detail = self.scrub(&detail.unwrap_or_else(plain));
        let mut failure = failure::of_status(status, &self.who, &detail);
        failure::heed_headers(&mut failure, status, &headers, &*self.clock);
        failure
    }

    fn transport(&self, error: reqwest::Error, class: ErrorClass) -> Failure {
        if error.is_timeout() && !error.is_connect() {
            return Failure::new(ErrorClass::Cut, format!("{} was silent for {} s.", self.who, self.limits.idle.as_secs_f32()));
        }
        if let Some(failure) = failure::of_tls(&error, &self.who) {
            return failure;
        }
        let what = if error.is_connect() { "cannot be reached" } else { "broke the connection" };
        let causes = self.scrub(&failure::root_cause(&error.without_url()));
        Failure::new(class, format!("{} {what} ({causes}).", self.who))
    }

    fn broken(&self, error: sse_stream::Error) -> Failure {
        let source = match error {
            sse_stream::Error::Body(source) => source,
            other => return protocol(format!("a stream that cannot be read ({other})")),
        };
        match source.downcast::<Fault>().map(|fault| *fault) {
            Ok(Fault::Transport(error)) => self.transport(error, ErrorClass::Cut),
            Ok(Fault::TooLarge(limit)) => protocol(format!("an event of more than {limit} bytes")),
            Err(other) => protocol(format!("a stream that cannot be read ({})", failure::root_cause(&*other))),
        }
    }

    fn scrub(&self, text: &str) -> String {
        failure::scrub(text, self.key.as_ref().map(Secret::reveal))
    }
}

#[async_trait::async_trait]
impl Attempt for Anthropic {
    fn name(&self) -> &str {
        &self.name
    }

    fn body(&self, request: &ModelRequest) -> Vec<u8> {
        body::messages_body(&self.model, self.max_tokens, self.thinking, request)
    }

    async fn attempt(&self, request: &ModelRequest, on: On<'_>, cancel: &CancellationToken) -> Result<Reply, Failure> {
        // Whichever ends first: the exchange is dropped with its connection.
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Failure { error: failure::cancelled(), again: false }),
            outcome = tokio::time::timeout(self.limits.wall, self.exchange(request, on)) => outcome.unwrap_or_else(|_| {
                let message = format!("{} did not finish its answer within {} s.", self.who, self.limits.wall.as_secs_f32());
                Err(Failure { again: false, ..Failure::new(ErrorClass::Cut, message) })
            }),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Transport(reqwest::Error),
    #[error("an event of more than {0} bytes")]
    TooLarge(usize),
}

//! What went wrong in one attempt, for whom, and whether another attempt may help.

use std::{error::Error, io, time::Duration};

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::seams::{Clock, ErrorClass, ModelError};

/// Longest wait that a service may ask of us; beyond it the user is told instead.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Characters of a service's own words that are repeated.
const DETAIL: usize = 300;

/// A failed attempt.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: ModelError,
    /// The same request may succeed later.
    pub(super) again: bool,
}

impl Failure {
    pub(super) fn new(class: ErrorClass, message: String) -> Self {
        Failure { again: may_pass(class), error: error(class, message) }
    }
}

/// An error without hint and request id.
pub(super) fn error(class: ErrorClass, message: String) -> ModelError {
    let hint = hint(class).map(str::to_owned);
    ModelError { class, message, hint, request_id: None, retry_after: None }
}

/// A handshake that failed for a reason that stays; `None` for everything else.
pub(super) fn of_tls(error: &(dyn Error + 'static), who: &str) -> Option<Failure> {
    let (what, hint) = match tls(error)? {
        rustls::Error::InvalidCertificate(why) => (
            format!("shows a certificate that is not trusted here ({})", certificate(why)),
            "Look at the address and at this machine's clock; the authority of a gateway of your own belongs to the system's certificates, or into SSL_CERT_FILE.",
        ),
        rustls::Error::InvalidMessage(_) => {
            ("does not speak TLS at that port".to_owned(), "Check the base URL: its port, and http or https.")
        }
        _ => return None,
    };
    let mut failure = Failure { again: false, ..Failure::new(ErrorClass::Unavailable, format!("{who} {what}.")) };
    failure.error.hint = Some(hint.to_owned());
    Some(failure)
}

/// The layer that is about TLS. An I/O error hides what it wraps from `source`.
fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => tls(wrapped),
        None => tls(error.source()?),
    }
}

fn certificate(why: &rustls::CertificateError) -> String {
    use rustls::CertificateError as Why;
    match why {
        Why::UnknownIssuer => "its issuer is unknown".to_owned(),
        Why::Expired | Why::ExpiredContext { .. } => "it has expired".to_owned(),
        Why::NotValidForName | Why::NotValidForNameContext { .. } => "it is for another name".to_owned(),
        Why::NotValidYet | Why::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        other => scrub(&format!("{other:?}"), None),
    }
}

/// The service sent what the protocol does not allow; `message` says what.
pub(super) fn protocol(message: String) -> Failure {
    let mut failure = Failure::new(ErrorClass::Protocol, message);
    let hint = "Check the base URL and what stands between: a proxy, or a network's sign-in page (`countersign doctor` shows the address).";
    failure.error.hint = Some(hint.to_owned());
    failure
}

pub(super) fn cancelled() -> ModelError {
    error(ErrorClass::Cancelled, "The request to the model was cancelled.".to_owned())
}

fn may_pass(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::RateLimited | ErrorClass::Overloaded | ErrorClass::Unavailable | ErrorClass::Cut)
}

fn hint(class: ErrorClass) -> Option<&'static str> {
    Some(match class {
        ErrorClass::RateLimited | ErrorClass::Overloaded => "Wait a little, then ask again; or choose another model.",
        ErrorClass::Unavailable => "Check the network and the base URL (`countersign doctor`), then ask again.",
        ErrorClass::Cut => "Ask again; if it happens again, check the network or a proxy on the way.",
        ErrorClass::ContextTooLong => "Start a new session, or ask for something smaller.",
        ErrorClass::Auth => "Check the key (ANTHROPIC_API_KEY, or `countersign init`); `countersign demo` needs none.",
        ErrorClass::Billing => "Look at credit and spend limit in the provider's console, or choose another model.",
        ErrorClass::BadRequest | ErrorClass::Protocol | ErrorClass::Cancelled | ErrorClass::ScriptEnded => return None,
    })
}

/// The failure that an HTTP status means. `detail` is the service's own message, already scrubbed.
pub(super) fn of_status(status: u16, who: &str, detail: &str) -> Failure {
    let told = if detail.is_empty() { String::new() } else { format!(": {}", detail.trim_end_matches('.')) };
    let lower = detail.to_lowercase();
    let too_long =
        ["prompt is too long", "exceed context limit", "maximum context length"].iter().any(|text| lower.contains(text));
    let (class, what) = match status {
        400 if too_long => (ErrorClass::ContextTooLong, "says that the conversation is too long"),
        400 if lower.contains("credit balance") || lower.contains("spend limit") || lower.contains("usage limits") => {
            (ErrorClass::Billing, "refused for reasons of payment")
        }
        401 | 403 => (ErrorClass::Auth, "refused the key"),
        402 => (ErrorClass::Billing, "refused for reasons of payment"),
        404 => (ErrorClass::BadRequest, "does not know the model or the address"),
        413 => (ErrorClass::ContextTooLong, "says that the request is too large"),
        429 => (ErrorClass::RateLimited, "limits the rate of requests"),
        529 => (ErrorClass::Overloaded, "is overloaded"),
        408 | 409 | 500..=599 => (ErrorClass::Unavailable, "failed"),
        300..=399 => (ErrorClass::BadRequest, "answered with a redirect, which is refused so that the key stays here"),
        _ => (ErrorClass::BadRequest, "refused the request"),
    };
    let mut failure = Failure::new(class, format!("{who} {what} (status {status}){told}."));
    if matches!(status, 300..=399 | 404) {
        failure.error.hint = Some("Check the model's name and the base URL.".to_owned());
    } else if status >= 500 && class == ErrorClass::Unavailable {
        failure.error.hint = Some("The service has trouble of its own: wait a little, then ask again.".to_owned());
    } else if class == ErrorClass::BadRequest {
        failure.error.hint = Some("Check the model's name and the numbers under [model] in config.toml.".to_owned());
    }
    failure
}

/// The failure that an `error` object of the API means, as it comes in the middle of a stream.
pub(super) fn of_error_event(event: &Value, who: &str, scrub: impl Fn(&str) -> String) -> Failure {
    let detail = scrub(event["error"]["message"].as_str().unwrap_or_default());
    let status = match event["error"]["type"].as_str().unwrap_or_default() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "overloaded_error" => 529,
        _ => {
            return Failure::new(
                ErrorClass::Cut,
                format!("{who} broke off its answer with an error: {}.", detail.trim_end_matches('.')),
            );
        }
    };
    of_status(status, who, &detail)
}

/// Adds what the headers of an error say: request id, when to come back, whether to come back at all.
pub(super) fn heed_headers(failure: &mut Failure, status: u16, headers: &HeaderMap, clock: &dyn Clock) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    failure.error.request_id = text("request-id").map(|id| scrub(id, None));
    failure.error.retry_after = wait_of(text("retry-after-ms"), text("retry-after"), clock);
    let never = matches!(status, 300..=399 | 400..=404 | 413);
    match text("x-should-retry") {
        Some("false") => failure.again = false,
        Some("true") if !never => failure.again = true,
        _ => {}
    }
    if let Some(wait) = failure.error.retry_after.filter(|wait| *wait > LONGEST_WAIT) {
        failure.again = false;
        failure.error.hint = Some(format!("It asks to wait {} s; then ask again.", wait.as_secs()));
    }
}

fn wait_of(millis: Option<&str>, after: Option<&str>, clock: &dyn Clock) -> Option<Duration> {
    let positive = |seconds: f64| Duration::try_from_secs_f64(seconds).ok().filter(|wait| !wait.is_zero());
    if let Some(wait) = millis.and_then(|text| text.parse::<f64>().ok()).and_then(|ms| positive(ms / 1000.0)) {
        return Some(wait);
    }
    let after = after?;
    if let Ok(seconds) = after.parse::<f64>() {
        return positive(seconds);
    }
    let then = jiff::fmt::rfc2822::parse(after).ok()?.timestamp();
    let now: jiff::Timestamp = clock.utc().parse().ok()?;
    positive(then.duration_since(now).as_secs_f64())
}

/// A foreign text made fit for a message: without the key, without control characters, not too long.
pub(super) fn scrub(text: &str, key: Option<&str>) -> String {
    let text = match key {
        // Anything shorter is no secret, and would tear words apart.
        Some(key) if key.len() >= 8 => text.replace(key, "[key]"),
        _ => text.to_owned(),
    };
    let mut clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(DETAIL).collect();
    if text.chars().nth(DETAIL).is_some() {
        clean.push_str("...");
    }
    clean.trim().to_owned()
}

/// What an error comes from in the end, in one line; the layers above it repeat themselves.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    scrub(&root.to_string(), None)
}

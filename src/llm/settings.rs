//! What the doors tell the adapters: plain values, already read from configuration and environment.

use std::{fmt, path::PathBuf, time::Duration};

/// A text that must not be shown: its `Debug` says only that it is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text without surrounding white space; `None` if nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Secret(text.to_owned()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What the model is asked to think before it answers. Models differ in what they take, so the user's `[model] capabilities`
/// say it; the default sends nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Thinking {
    #[default]
    Unsaid,
    /// The model decides how much (current models).
    Adaptive,
    /// At most so many tokens, at least 1,024 (older models). Left out of a request whose `max_tokens` is not larger.
    Budget(u32),
}

/// Bounds of one exchange. A service that goes beyond them is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// Without a single byte (a ping counts as one).
    pub idle: Duration,
    /// One attempt from beginning to end.
    pub wall: Duration,
    /// Bytes of one server-sent event.
    pub event: usize,
    /// Bytes of one tool call's arguments.
    pub arguments: usize,
    /// Bytes of a whole answer as it comes over the wire, many times its text.
    pub reply: usize,
    /// Bytes of an error's body that are read.
    pub error_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            wall: Duration::from_secs(600),
            event: 8 << 20,
            arguments: 1 << 20,
            reply: 32 << 20,
            error_body: 64 << 10,
        }
    }
}

/// Everything [`crate::llm::build`] needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A model SPEC, e.g. `anthropic:NAME` or `script:FILE`.
    pub spec: String,
    /// Upper bound of tokens in a reply; a request that asks for more gets this.
    pub max_tokens: u32,
    pub anthropic_key: Option<Secret>,
    /// `ANTHROPIC_BASE_URL`; `None` is the vendor's.
    pub anthropic_base_url: Option<String>,
    /// The origin (see [`crate::llm::Endpoint::origin`]) that the user allowed to get the key, where it is not the vendor's.
    pub confirmed_origin: Option<String>,
    pub thinking: Thinking,
    /// Where answers are written down as script lines.
    pub record: Option<PathBuf>,
    pub limits: Limits,
}

impl Settings {
    /// Settings for `spec` with nothing else said: no key, 32,000 tokens a reply.
    pub fn new(spec: impl Into<String>) -> Self {
        Settings {
            spec: spec.into(),
            max_tokens: 32_000,
            anthropic_key: None,
            anthropic_base_url: None,
            confirmed_origin: None,
            thinking: Thinking::default(),
            record: None,
            limits: Limits::default(),
        }
    }
}

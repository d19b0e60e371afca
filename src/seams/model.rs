//! A language model that answers one request at a time.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::event::Usage;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    User,
    Assistant,
}

/// One content block in the shape of Anthropic's Messages API, kept as it came: blocks of the model go back unchanged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Block(pub Value);

impl Block {
    /// The only field of a tool call's input when its arguments were no whole JSON object: see [`Block::cut_arguments`].
    pub const CUT_ARGUMENTS: &str = "_cut_arguments";

    /// A text block.
    pub fn text(text: impl Into<String>) -> Self {
        Block(json!({"type": "text", "text": text.into()}))
    }

    /// The result of a tool call.
    pub fn tool_result(model_id: &str, content: &str, is_error: bool) -> Self {
        let mut value = json!({"type": "tool_result", "tool_use_id": model_id, "content": content});
        if is_error {
            value["is_error"] = json!(true);
        }
        Block(value)
    }

    /// The block's `type`; empty if it has none.
    pub fn kind(&self) -> &str {
        self.0["type"].as_str().unwrap_or_default()
    }

    /// The text of a text block.
    pub fn as_text(&self) -> Option<&str> {
        (self.kind() == "text").then(|| self.0["text"].as_str()).flatten()
    }

    /// `(id, name, input)` of a tool call.
    pub fn as_tool_use(&self) -> Option<(&str, &str, &Value)> {
        (self.kind() == "tool_use").then(|| Some((self.0["id"].as_str()?, self.0["name"].as_str()?, &self.0["input"]))).flatten()
    }

    /// The beginning of a tool call's arguments that were cut (as at max_tokens) or are no JSON object. Such a call must not
    /// run. An adapter keeps them as the input `{"_cut_arguments": TEXT}`: valid when sent back, and it survives the journal.
    pub fn cut_arguments(&self) -> Option<&str> {
        let input = self.as_tool_use()?.2.as_object()?;
        (input.len() == 1).then(|| input.get(Self::CUT_ARGUMENTS)?.as_str()).flatten()
    }
}

/// One turn of the conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub content: Vec<Block>,
}

/// A tool as the model sees it. `input_schema` is a closed JSON Schema object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    pub input_schema: Value,
}

/// Whether the model may call tools in this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    Auto,
    None,
}

/// One request: the whole conversation so far.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRequest {
    pub system: Arc<str>,
    pub tools: Arc<[ToolSpec]>,
    pub messages: Vec<Message>,
    pub tool_choice: ToolChoice,
    /// Upper bound of tokens in the reply.
    pub max_tokens: u32,
}

/// What arrives while the model answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelEvent<'a> {
    Text(&'a str),
    Thinking(&'a str),
    /// A tool call begins; its arguments are not complete yet.
    ToolCall {
        name: &'a str,
    },
    /// An attempt failed and will be repeated after `wait`; what was streamed of it does not count.
    Retrying {
        attempt: u32,
        why: &'a str,
        wait: Duration,
    },
}

/// Why the model stopped; `Other` keeps a reason this version does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    EndTurn,
    ToolUse,
    MaxTokens,
    StopSequence,
    PauseTurn,
    Refusal(String),
    ContextExceeded,
    Other(String),
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub id: String,
    pub model: String,
    pub content: Vec<Block>,
    pub stop: Stop,
    pub usage: Usage,
}

/// What kind of failure it was, after the adapter's own retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    RateLimited,
    Overloaded,
    /// 5xx, connection refused or reset.
    Unavailable,
    /// The stream broke off, stood idle too long, or carried an error event.
    Cut,
    ContextTooLong,
    Auth,
    Billing,
    BadRequest,
    /// The answer is not what the protocol says.
    Protocol,
    Cancelled,
    /// A scripted model has no more answers.
    ScriptEnded,
}

/// The model did not answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    pub class: ErrorClass,
    /// One sentence for the user, without secrets: what happened and where.
    pub message: String,
    /// What the user can do.
    pub hint: Option<String>,
    pub request_id: Option<String>,
    pub retry_after: Option<Duration>,
}

/// A model that answers requests. Retries of rate limits and broken streams happen inside.
#[async_trait::async_trait]
pub trait Model: Send + Sync {
    /// The name as in a model SPEC, e.g. `anthropic:NAME` or `script:FILE`.
    fn name(&self) -> &str;

    /// The request body exactly as it would be sent, for its digest and size.
    fn body(&self, request: &ModelRequest) -> Vec<u8>;

    /// Sends the request and streams what arrives to `on`. Returns soon after `cancel` fires with [`ErrorClass::Cancelled`].
    ///
    /// # Errors
    /// [`ModelError`] when no complete answer came.
    async fn reply(
        &self,
        request: &ModelRequest,
        on: &mut (dyn for<'a> FnMut(ModelEvent<'a>) + Send),
        cancel: &CancellationToken,
    ) -> Result<Reply, ModelError>;
}

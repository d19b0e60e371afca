//! The body of a Messages request: the conversation as the API wants it, with the places where its cache may break.
//!
//! Equal requests give equal bytes, and a longer conversation repeats the shorter one's blocks unchanged.

use serde_json::{Map, Value, json};

use super::settings::Thinking;
use crate::seams::{Message, ModelRequest, Role, ToolChoice};

/// The body for `model`. At most four cache breakpoints: last tool, system prompt, the last two user messages.
pub(super) fn messages_body(model: &str, max_tokens: u32, thinking: Thinking, request: &ModelRequest) -> Vec<u8> {
    let max_tokens = request.max_tokens.min(max_tokens).max(1);
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("max_tokens".to_owned(), json!(max_tokens));
    body.insert("stream".to_owned(), json!(true));
    match thinking {
        Thinking::Adaptive => _ = body.insert("thinking".to_owned(), json!({"type": "adaptive"})),
        Thinking::Budget(tokens) if (1024..max_tokens).contains(&tokens) => {
            body.insert("thinking".to_owned(), json!({"type": "enabled", "budget_tokens": tokens}));
        }
        Thinking::Budget(_) | Thinking::Unsaid => {}
    }
    if !request.tools.is_empty() {
        let mut tools: Vec<Value> = request
            .tools
            .iter()
            .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}))
            .collect();
        tools.last_mut().map(mark);
        body.insert("tools".to_owned(), Value::Array(tools));
        let choice = match request.tool_choice {
            ToolChoice::Auto => "auto",
            ToolChoice::None => "none",
        };
        body.insert("tool_choice".to_owned(), json!({"type": choice}));
    }
    if !request.system.trim().is_empty() {
        let mut system = json!({"type": "text", "text": &*request.system});
        mark(&mut system);
        body.insert("system".to_owned(), json!([system]));
    }
    body.insert("messages".to_owned(), Value::Array(messages(&request.messages)));
    Value::Object(body).to_string().into_bytes()
}

fn messages(messages: &[Message]) -> Vec<Value> {
    let mut breakpoints = 2;
    let mut values: Vec<Value> = messages
        .iter()
        .rev()
        .map(|message| {
            let mut value = json!(message);
            if message.role == Role::User && breakpoints > 0 {
                breakpoints -= 1;
                value["content"].as_array_mut().and_then(|blocks| blocks.last_mut()).map(mark);
            }
            value
        })
        .collect();
    values.reverse();
    values
}

fn mark(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert("cache_control".to_owned(), json!({"type": "ephemeral"}));
    }
}

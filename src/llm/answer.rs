//! A Messages response body and a [`Reply`], one made from the other, and what every reply must satisfy before it may enter a
//! history: no blank texts, tool calls with an id, a name and an object as input, ids that are new in the conversation.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::retrying::On;
use crate::{
    event::Usage,
    seams::{Block, ModelEvent, ModelRequest, Reply, Stop},
};

/// Characters of cut arguments that are kept: enough for the model to recognise its call.
const CUT_KEPT: usize = 1000;
/// Characters of a ready answer that are told at once, so that a scripted model looks like one that streams.
const PIECE: usize = 24;

/// Reads a Messages response body. `id` and `usage` may be missing, `stop_reason` follows from the content; unknown fields
/// are allowed.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub(super) fn read(body: &Value, default_id: &str) -> Result<Reply, String> {
    let object = body.as_object().ok_or("it is no JSON object")?;
    let blocks = object.get("content").and_then(Value::as_array).ok_or("it has no array `content`")?;
    let content: Vec<Block> = blocks.iter().cloned().map(checked_block).collect::<Result<_, _>>()?;
    let called = content.iter().any(|block| block.as_tool_use().is_some());
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut usage = Usage::default();
    merge_usage(&mut usage, body.get("usage").unwrap_or(&Value::Null));
    Ok(Reply {
        id: if text("id").is_empty() { default_id.to_owned() } else { text("id").to_owned() },
        model: text("model").to_owned(),
        stop: stop_of(object).unwrap_or(if called { Stop::ToolUse } else { Stop::EndTurn }),
        content,
        usage,
    })
}

/// Writes a reply as a Messages response body that [`read`] reads back.
pub(super) fn write(reply: &Reply) -> Map<String, Value> {
    let (stop, details) = match &reply.stop {
        Stop::EndTurn => ("end_turn", None),
        Stop::ToolUse => ("tool_use", None),
        Stop::MaxTokens => ("max_tokens", None),
        Stop::StopSequence => ("stop_sequence", None),
        Stop::PauseTurn => ("pause_turn", None),
        Stop::Refusal(why) => ("refusal", Some(json!({"type": "refusal", "explanation": why}))),
        Stop::ContextExceeded => ("model_context_window_exceeded", None),
        Stop::Other(reason) => (reason.as_str(), None),
    };
    let usage = reply.usage;
    let mut body = Map::new();
    body.insert("type".to_owned(), json!("message"));
    body.insert("id".to_owned(), json!(reply.id));
    body.insert("role".to_owned(), json!("assistant"));
    body.insert("model".to_owned(), json!(reply.model));
    body.insert("content".to_owned(), json!(reply.content));
    body.insert("stop_reason".to_owned(), json!(stop));
    if let Some(details) = details {
        body.insert("stop_details".to_owned(), details);
    }
    body.insert(
        "usage".to_owned(),
        json!({
            "input_tokens": usage.input,
            "cache_read_input_tokens": usage.cache_read,
            "cache_creation_input_tokens": usage.cache_creation,
            "output_tokens": usage.output,
        }),
    );
    body
}

/// The stop reason of a response body or of a stream's last deltas.
pub(super) fn stop_of(object: &Map<String, Value>) -> Option<Stop> {
    Some(match object.get("stop_reason")?.as_str()? {
        "end_turn" => Stop::EndTurn,
        "tool_use" => Stop::ToolUse,
        "max_tokens" => Stop::MaxTokens,
        "stop_sequence" => Stop::StopSequence,
        "pause_turn" => Stop::PauseTurn,
        "refusal" => {
            let details = object.get("stop_details").unwrap_or(&Value::Null);
            Stop::Refusal(
                ["explanation", "category"].iter().find_map(|name| details[*name].as_str()).unwrap_or_default().to_owned(),
            )
        }
        "model_context_window_exceeded" => Stop::ContextExceeded,
        other => Stop::Other(other.to_owned()),
    })
}

/// Takes over the counts that `reported` has; the others stay.
pub(super) fn merge_usage(usage: &mut Usage, reported: &Value) {
    let take = |field: &mut u64, name: &str| *field = reported[name].as_u64().unwrap_or(*field);
    take(&mut usage.input, "input_tokens");
    take(&mut usage.cache_read, "cache_read_input_tokens");
    take(&mut usage.cache_creation, "cache_creation_input_tokens");
    take(&mut usage.output, "output_tokens");
}

/// A block of an answer, with a tool call's input made an object.
///
/// # Errors
/// A block without type, or a tool call without id or name, as the end of a sentence.
pub(super) fn checked_block(mut value: Value) -> Result<Block, String> {
    match value["type"].as_str() {
        None | Some("") => return Err("a content block without `type`".to_owned()),
        Some("tool_use") => {
            if ["id", "name"].iter().any(|field| value[*field].as_str().is_none_or(str::is_empty)) {
                return Err("a tool_use block without `id` or `name`".to_owned());
            }
            value["input"] = match value["input"].take() {
                Value::Null => json!({}),
                input @ Value::Object(_) => input,
                Value::String(text) => cut(&text),
                other => cut(&other.to_string()),
            };
        }
        Some(_) => {}
    }
    Ok(Block(value))
}

/// The input that a tool call's whole argument text means; what is no JSON object is kept as cut.
pub(super) fn input_of(arguments: &str) -> Value {
    match serde_json::from_str(arguments) {
        Ok(input @ Value::Object(_)) => input,
        _ if arguments.trim().is_empty() => json!({}),
        _ => cut(arguments),
    }
}

fn cut(arguments: &str) -> Value {
    let kept: String = arguments.chars().take(CUT_KEPT).collect();
    json!({ Block::CUT_ARGUMENTS: kept })
}

/// Makes a reply fit to be sent back: the API refuses blank texts and a tool call's id that the conversation already has.
pub(super) fn settle(mut reply: Reply, request: &ModelRequest) -> Reply {
    reply.content.retain(|block| block.as_text().is_none_or(|text| !text.trim().is_empty()));
    let calls = request.messages.iter().flat_map(|message| &message.content).filter_map(Block::as_tool_use);
    let mut ids: HashSet<String> = calls.map(|(id, ..)| id.to_owned()).collect();
    for block in reply.content.iter_mut() {
        let Some((id, ..)) = block.as_tool_use() else { continue };
        // The API takes letters, digits, `_` and `-` only.
        let plain: String = id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect();
        let mut fresh = plain.clone();
        for count in 2.. {
            if !ids.contains(&fresh) {
                break;
            }
            fresh = format!("{plain}_{count}");
        }
        if fresh != id {
            block.0["id"] = json!(fresh);
        }
        ids.insert(fresh);
    }
    reply
}

/// Tells a ready answer in small pieces, as a stream would.
pub(super) async fn tell(reply: &Reply, on: On<'_>) {
    for block in &reply.content {
        if let Some((_, name, _)) = block.as_tool_use() {
            on(ModelEvent::ToolCall { name });
        } else if let Some(text) = block.as_text() {
            for piece in pieces(text) {
                on(ModelEvent::Text(piece));
                tokio::task::yield_now().await;
            }
        } else if block.kind() == "thinking" {
            for piece in pieces(block.0["thinking"].as_str().unwrap_or_default()) {
                on(ModelEvent::Thinking(piece));
                tokio::task::yield_now().await;
            }
        }
    }
}

fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let end = text.char_indices().nth(PIECE).map_or(text.len(), |(at, _)| at);
        let (piece, rest) = text.split_at(end);
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

//! What Anthropic's Messages API refuses in a request, as a pure function: the judge behind the model double, and of histories
//! that no network sees (include it by `#[path]`).
//!
//! Stricter than the API in two things, on purpose: roles alternate, and a conversation only grows.
#![allow(dead_code, reason = "each ring uses what it needs")]

use std::collections::HashSet;

use serde_json::{Map, Value};

const TOP: &[&str] = &[
    "model",
    "max_tokens",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "stream",
    "thinking",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "output_config",
    "service_tier",
];

/// Judges the body of a Messages request. `previous` is an earlier request of the same conversation: system prompt and tools
/// must be the same bytes, and its blocks must stand unchanged at the front.
///
/// # Errors
/// What the API would say.
pub fn validate(request: &Value, previous: Option<&Value>) -> Result<(), String> {
    let body = request.as_object().ok_or("the body is no object")?;
    only(body, TOP, "request")?;
    if body.get("model").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("model: field required".into());
    }
    let max_tokens = body.get("max_tokens").and_then(Value::as_u64).filter(|n| *n > 0).ok_or("max_tokens: field required")?;
    system(body.get("system"))?;
    tools(body)?;
    thinking(body, max_tokens)?;
    let messages = body.get("messages").and_then(Value::as_array).ok_or("messages: field required")?;
    conversation(messages, body.contains_key("tools"))?;
    let breakpoints = count_breakpoints(request);
    if breakpoints > 4 {
        return Err(format!("A maximum of 4 blocks with cache_control may be provided. Found {breakpoints}."));
    }
    previous.map_or(Ok(()), |previous| grows(previous, request))
}

/// Whether `request` continues `previous`: its blocks, without cache breakpoints, begin with those of `previous`.
pub fn continues(previous: &Value, request: &Value) -> bool {
    blocks(request).starts_with(&blocks(previous))
}

/// Every block of a conversation with its role, without cache breakpoints.
pub fn blocks(request: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for message in request["messages"].as_array().into_iter().flatten() {
        let role = message["role"].as_str().unwrap_or_default();
        match &message["content"] {
            Value::Array(content) => all.extend(content.iter().map(|block| (role.to_owned(), without_breakpoint(block)))),
            text => all.push((role.to_owned(), text.clone())),
        }
    }
    all
}

fn without_breakpoint(block: &Value) -> Value {
    let mut block = block.clone();
    if let Some(object) = block.as_object_mut() {
        object.shift_remove("cache_control");
    }
    block
}

fn grows(previous: &Value, request: &Value) -> Result<(), String> {
    for field in ["system", "tools"] {
        // Bytes, not values: the order of keys counts too.
        let bytes = |request: &Value| request[field].to_string();
        if bytes(previous) != bytes(request) {
            return Err(format!("{field}: changed since the request before, so nothing of the prompt is cached"));
        }
    }
    if continues(previous, request) {
        return Ok(());
    }
    let (before, now) = (blocks(previous), blocks(request));
    let at = before.iter().zip(&now).take_while(|(a, b)| a == b).count();
    Err(format!("messages: block {at} changed since the request before: was {:?}, is {:?}", before.get(at), now.get(at)))
}

fn only(object: &Map<String, Value>, allowed: &[&str], place: &str) -> Result<(), String> {
    match object.keys().find(|key| !allowed.contains(&key.as_str())) {
        Some(key) => Err(format!("{place}.{key}: Extra inputs are not permitted")),
        None => Ok(()),
    }
}

fn text_block(object: &Map<String, Value>, place: &str) -> Result<(), String> {
    only(object, &["type", "text", "cache_control", "citations"], place)?;
    let text = object.get("text").and_then(Value::as_str).ok_or(format!("{place}.text: field required"))?;
    match text {
        "" => Err(format!("{place}: text content blocks must be non-empty")),
        _ if text.trim().is_empty() => Err(format!("{place}: text content blocks must contain non-whitespace text")),
        _ => Ok(()),
    }
}

fn system(system: Option<&Value>) -> Result<(), String> {
    match system {
        None => Ok(()),
        Some(Value::String(text)) if !text.is_empty() => Ok(()),
        Some(Value::Array(blocks)) if !blocks.is_empty() => blocks.iter().enumerate().try_for_each(|(at, block)| {
            let place = format!("system.{at}");
            let object = block.as_object().filter(|o| o.get("type") == Some(&"text".into()));
            text_block(object.ok_or(format!("{place}: must be a text block"))?, &place)?;
            breakpoint(block, &place)
        }),
        Some(_) => Err("system: must be a text or a list of text blocks".into()),
    }
}

fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn tools(body: &Map<String, Value>) -> Result<(), String> {
    let mut names = HashSet::new();
    if let Some(tools) = body.get("tools") {
        for (at, tool) in tools.as_array().ok_or("tools: must be a list")?.iter().enumerate() {
            let place = format!("tools.{at}");
            let object = tool.as_object().ok_or(format!("{place}: must be an object"))?;
            only(object, &["name", "description", "input_schema", "cache_control", "strict", "type"], &place)?;
            let name = tool["name"].as_str().ok_or(format!("{place}.name: field required"))?;
            if !is_name(name, 128) {
                return Err(format!("{place}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"));
            }
            if !names.insert(name) {
                return Err("tools: Tool names must be unique.".into());
            }
            if tool["description"].as_str().is_none_or(|text| text.trim().is_empty()) {
                return Err(format!("{place}.description: says nothing to the model"));
            }
            let schema = tool["input_schema"].as_object().ok_or(format!("{place}.input_schema: field required"))?;
            if schema.get("type") != Some(&"object".into()) {
                return Err(format!("{place}.input_schema.type: Input should be 'object'"));
            }
            if let Some(word) = ["oneOf", "anyOf", "allOf"].iter().find(|word| schema.contains_key(**word)) {
                return Err(format!("{place}.input_schema: does not support {word} at the top level"));
            }
            breakpoint(tool, &place)?;
        }
    }
    let Some(choice) = body.get("tool_choice") else { return Ok(()) };
    let kind = choice["type"].as_str().unwrap_or_default();
    let fields: &[&str] = match kind {
        "none" => &["type"],
        "auto" | "any" => &["type", "disable_parallel_tool_use"],
        "tool" => &["type", "name", "disable_parallel_tool_use"],
        _ => return Err(format!("tool_choice: Input tag '{kind}' does not match any of the expected tags")),
    };
    choice.as_object().map_or(Ok(()), |object| only(object, fields, "tool_choice"))?;
    if names.is_empty() {
        return Err("tool_choice may only be specified while providing tools.".into());
    }
    if kind == "tool" && !choice["name"].as_str().is_some_and(|name| names.contains(name)) {
        return Err("tool_choice.name: no such tool".into());
    }
    Ok(())
}

fn thinking(body: &Map<String, Value>, max_tokens: u64) -> Result<(), String> {
    let Some(thinking) = body.get("thinking") else { return Ok(()) };
    match thinking["type"].as_str() {
        Some("enabled") => match thinking["budget_tokens"].as_u64() {
            Some(budget) if budget >= 1024 && budget < max_tokens => {}
            _ => return Err("thinking.budget_tokens: at least 1024 and less than max_tokens".into()),
        },
        Some("adaptive" | "disabled") => {}
        _ => return Err("thinking.type: unknown".into()),
    }
    if matches!(body.get("tool_choice").and_then(|choice| choice["type"].as_str()), Some("any" | "tool")) {
        return Err("Thinking may not be enabled when tool_choice forces tool use.".into());
    }
    Ok(())
}

fn conversation(messages: &[Value], tools_given: bool) -> Result<(), String> {
    let mut ids = HashSet::new();
    let mut open: Vec<&str> = Vec::new();
    let mut role_before = "assistant";
    if messages.is_empty() {
        return Err("messages: at least one message is required".into());
    }
    for (at, message) in messages.iter().enumerate() {
        let place = format!("messages.{at}");
        message.as_object().map_or(Ok(()), |object| only(object, &["role", "content"], &place))?;
        let role = message["role"].as_str().unwrap_or_default();
        if !matches!(role, "user" | "assistant") {
            return Err(format!("{place}.role: must be user or assistant"));
        }
        if role == role_before {
            return Err(match at {
                0 => "messages: first message must use the \"user\" role".to_owned(),
                _ => format!("{place}: roles must alternate between \"user\" and \"assistant\""),
            });
        }
        role_before = role;
        let content: &[Value] = match &message["content"] {
            Value::String(text) if !text.trim().is_empty() => &[],
            Value::Array(content) if !content.is_empty() => content,
            _ => return Err(format!("{place}: all messages must have non-empty content")),
        };
        if role == "user" {
            results(content, &mut open, &place)?;
        }
        for (nth, block) in content.iter().enumerate() {
            let place = format!("{place}.content.{nth}");
            checked_block(block, role, &place)?;
            if block["type"] == "tool_use" {
                if !tools_given {
                    return Err("Requests which include `tool_use` or `tool_result` blocks must define tools".into());
                }
                let id = block["id"].as_str().unwrap_or_default();
                if !ids.insert(id) {
                    return Err(format!("{place}: `tool_use` ids must be unique"));
                }
                open.push(id);
            }
        }
    }
    if !open.is_empty() {
        return Err(unanswered(messages.len() - 1, &open));
    }
    let last = messages.last().filter(|message| message["role"] == "assistant");
    let last_text = last.and_then(|message| message["content"].as_array()?.last()?["text"].as_str());
    if last_text.is_some_and(|text| text.ends_with(char::is_whitespace)) {
        return Err("messages: final assistant content cannot end with trailing whitespace".into());
    }
    Ok(())
}

fn unanswered(at: usize, open: &[&str]) -> String {
    format!(
        "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must \
         have a corresponding `tool_result` block in the next message.",
        open.join(", ")
    )
}

/// All results of a turn stand first in the one user message after it, each exactly once.
fn results(content: &[Value], open: &mut Vec<&str>, place: &str) -> Result<(), String> {
    let mut other_seen = false;
    for (nth, block) in content.iter().enumerate() {
        if block["type"] != "tool_result" {
            other_seen = true;
            continue;
        }
        if other_seen {
            return Err(format!("{place}.content.{nth}: `tool_result` blocks must come before any other content"));
        }
        let id = block["tool_use_id"].as_str().unwrap_or_default();
        let found = open.iter().position(|call| *call == id);
        let found = found.ok_or(format!(
            "{place}.content.{nth}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have \
             a corresponding `tool_use` block in the previous message."
        ))?;
        open.remove(found);
    }
    match open.is_empty() {
        true => Ok(()),
        false => Err(format!("{place} (in the message before): {}", unanswered(0, open))),
    }
}

fn checked_block(block: &Value, role: &str, place: &str) -> Result<(), String> {
    let object = block.as_object().ok_or(format!("{place}: must be an object"))?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    breakpoint(block, place)?;
    match (text("type"), role) {
        ("text", _) => text_block(object, place),
        ("tool_use", "assistant") => {
            only(object, &["type", "id", "name", "input", "cache_control", "caller"], place)?;
            if !is_name(text("id"), 256) {
                return Err(format!("{place}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"));
            }
            if text("name").is_empty() {
                return Err(format!("{place}.tool_use.name: field required"));
            }
            if !object.get("input").is_some_and(Value::is_object) {
                return Err(format!("{place}.tool_use.input: Input should be a valid dictionary"));
            }
            Ok(())
        }
        ("tool_result", "user") => {
            only(object, &["type", "tool_use_id", "content", "is_error", "cache_control"], place)?;
            result_content(object, place)
        }
        ("thinking", "assistant") => {
            only(object, &["type", "thinking", "signature"], place)?;
            if !object.get("thinking").is_some_and(Value::is_string) || text("signature").is_empty() {
                return Err(format!("{place}: Invalid `signature` in `thinking` block"));
            }
            Ok(())
        }
        ("redacted_thinking", "assistant") => {
            only(object, &["type", "data"], place)?;
            if text("data").is_empty() { Err(format!("{place}: Invalid `data` in `redacted_thinking` block")) } else { Ok(()) }
        }
        ("tool_use" | "tool_result" | "thinking" | "redacted_thinking", _) => {
            Err(format!("{place}: `{}` blocks may not stand in a message of role {role}", text("type")))
        }
        ("", _) => Err(format!("{place}.type: field required")),
        // What the service itself invented comes back as it was; from a user only what is known is taken.
        (_, "assistant") => Ok(()),
        ("image" | "document" | "search_result", _) => Ok(()),
        (kind, _) => Err(format!("{place}: Input tag '{kind}' does not match any of the expected tags")),
    }
}

fn result_content(object: &Map<String, Value>, place: &str) -> Result<(), String> {
    let failed = object.get("is_error") == Some(&Value::Bool(true));
    let empty = match object.get("content") {
        None => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(blocks)) => {
            for (nth, block) in blocks.iter().enumerate() {
                let place = format!("{place}.content.{nth}");
                match (block.as_object(), block["type"].as_str()) {
                    (Some(object), Some("text")) => text_block(object, &place)?,
                    (_, Some("image" | "document" | "search_result")) => {}
                    _ => return Err(format!("{place}: not allowed in a tool_result")),
                }
            }
            blocks.is_empty()
        }
        Some(_) => return Err(format!("{place}.content: must be a text or a list of blocks")),
    };
    match failed && empty {
        true => Err(format!("{place}: content cannot be empty if `is_error` is true")),
        false => Ok(()),
    }
}

fn breakpoint(value: &Value, place: &str) -> Result<(), String> {
    let Some(mark) = value.get("cache_control") else { return Ok(()) };
    if matches!(value["type"].as_str(), Some("thinking" | "redacted_thinking")) {
        return Err(format!("{place}.cache_control: Extra inputs are not permitted"));
    }
    match (mark["type"].as_str(), mark.get("ttl").map(|ttl| ttl.as_str())) {
        (Some("ephemeral"), None | Some(Some("5m" | "1h"))) => Ok(()),
        _ => Err(format!("{place}.cache_control: must be ephemeral, for 5m or 1h")),
    }
}

fn count_breakpoints(request: &Value) -> usize {
    let marked =
        |list: &Value| list.as_array().into_iter().flatten().filter(|value| value.get("cache_control").is_some()).count();
    let messages = request["messages"].as_array().into_iter().flatten();
    marked(&request["system"]) + marked(&request["tools"]) + messages.map(|message| marked(&message["content"])).sum::<usize>()
}

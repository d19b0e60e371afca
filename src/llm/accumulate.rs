//! Folds the events of a Messages stream into a [`Reply`]. Blocks stay as they came: what this version does not know is kept.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    answer,
    failure::{self, Failure},
    retrying::On,
    settings::Limits,
};
use crate::{
    event::Usage,
    seams::{ModelEvent, Reply},
};

/// A reply in the making.
pub(super) struct Accumulator {
    limits: Limits,
    started: Option<(String, String)>,
    blocks: BTreeMap<u64, OpenBlock>,
    usage: Usage,
    stop: Map<String, Value>,
    bytes: usize,
}

struct OpenBlock {
    value: Map<String, Value>,
    /// The arguments of a tool call so far; parsed once, at the end of the block.
    arguments: String,
}

impl Accumulator {
    pub(super) fn new(limits: Limits) -> Self {
        let (blocks, stop) = (BTreeMap::new(), Map::new());
        Accumulator { limits, started: None, blocks, usage: Usage::default(), stop, bytes: 0 }
    }

    /// Takes one event; `true` at the end of the message. Pings and unknown events change nothing.
    pub(super) fn take(&mut self, event: &mut Value, size: usize, on: On<'_>) -> Result<bool, Failure> {
        self.bytes += size;
        if self.bytes > self.limits.reply {
            return Err(protocol(format!("an answer of more than {} bytes", self.limits.reply)));
        }
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "message_start" => self.start(&event["message"])?,
            "content_block_start" => self.open(event, on)?,
            "content_block_delta" => self.extend(event, on)?,
            "content_block_stop" => {
                self.started()?;
                let index = index(event)?;
                self.blocks.get_mut(&index).ok_or_else(|| no_block(index))?.close();
            }
            "message_delta" => {
                self.started()?;
                answer::merge_usage(&mut self.usage, &event["usage"]);
                if let Some(delta) = event["delta"].as_object() {
                    self.stop.extend(delta.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())));
                }
            }
            "message_stop" => return self.started().map(|()| true),
            _ => {}
        }
        Ok(false)
    }

    /// The whole reply.
    pub(super) fn finish(self) -> Result<Reply, Failure> {
        let (id, model) = self.started.ok_or_else(|| protocol("no message_start".to_owned()))?;
        let stop = answer::stop_of(&self.stop).ok_or_else(|| protocol("an answer without a stop reason".to_owned()))?;
        let mut content = Vec::with_capacity(self.blocks.len());
        for mut block in self.blocks.into_values() {
            block.close();
            content.push(answer::checked_block(Value::Object(block.value)).map_err(protocol)?);
        }
        Ok(Reply { id, model, content, stop, usage: self.usage })
    }

    fn started(&self) -> Result<(), Failure> {
        self.started.as_ref().map(|_| ()).ok_or_else(|| protocol("an event before message_start".to_owned()))
    }

    fn start(&mut self, message: &Value) -> Result<(), Failure> {
        if self.started.is_some() {
            return Err(protocol("a second message_start".to_owned()));
        }
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        self.started = Some((text("id"), text("model")));
        answer::merge_usage(&mut self.usage, &message["usage"]);
        Ok(())
    }

    fn open(&mut self, event: &mut Value, on: On<'_>) -> Result<(), Failure> {
        self.started()?;
        let index = index(event)?;
        let Value::Object(value) = event["content_block"].take() else {
            return Err(protocol("a content block that is no object".to_owned()));
        };
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        match text("type") {
            "tool_use" => on(ModelEvent::ToolCall { name: text("name") }),
            "text" if !text("text").is_empty() => on(ModelEvent::Text(text("text"))),
            "thinking" if !text("thinking").is_empty() => on(ModelEvent::Thinking(text("thinking"))),
            _ => {}
        }
        match self.blocks.insert(index, OpenBlock { value, arguments: String::new() }) {
            None => Ok(()),
            Some(_) => Err(protocol(format!("block {index} twice"))),
        }
    }

    fn extend(&mut self, event: &mut Value, on: On<'_>) -> Result<(), Failure> {
        self.started()?;
        let index = index(event)?;
        let block = self.blocks.get_mut(&index).ok_or_else(|| no_block(index))?;
        let Value::Object(delta) = event["delta"].take() else {
            return Err(protocol("a delta that is no object".to_owned()));
        };
        let text = |name: &str| delta.get(name).and_then(Value::as_str).unwrap_or_default();
        match text("type") {
            "text_delta" => {
                append(&mut block.value, "text", text("text"));
                on(ModelEvent::Text(text("text")));
            }
            "thinking_delta" => {
                append(&mut block.value, "thinking", text("thinking"));
                on(ModelEvent::Thinking(text("thinking")));
            }
            "signature_delta" => _ = block.value.insert("signature".to_owned(), text("signature").into()),
            "input_json_delta" => {
                block.arguments.push_str(text("partial_json"));
                if block.arguments.len() > self.limits.arguments {
                    return Err(protocol(format!("tool arguments of more than {} bytes", self.limits.arguments)));
                }
            }
            "citations_delta" => {
                let citation = delta.get("citation").cloned().unwrap_or_default();
                match block.value.get_mut("citations") {
                    Some(Value::Array(citations)) => citations.push(citation),
                    _ => _ = block.value.insert("citations".to_owned(), vec![citation].into()),
                }
            }
            // A known block would be refused with a field that the API does not know there.
            unknown if block.is_known() => tracing::debug!(delta = unknown, "unknown delta left out"),
            _ => block.merge(delta),
        }
        Ok(())
    }
}

impl OpenBlock {
    fn is_known(&self) -> bool {
        matches!(self.value.get("type").and_then(Value::as_str), Some("text" | "thinking" | "redacted_thinking" | "tool_use"))
    }

    /// Merges an unknown delta into an unknown block: texts and lists grow, all else is replaced.
    fn merge(&mut self, delta: Map<String, Value>) {
        for (name, value) in delta.into_iter().filter(|(name, _)| name != "type") {
            match (self.value.get_mut(&name), value) {
                (Some(Value::String(text)), Value::String(more)) => text.push_str(&more),
                (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
                (_, value) => _ = self.value.insert(name, value),
            }
        }
    }

    fn close(&mut self) {
        if !self.arguments.is_empty() {
            let arguments = std::mem::take(&mut self.arguments);
            self.value.insert("input".to_owned(), answer::input_of(&arguments));
        }
    }
}

fn append(block: &mut Map<String, Value>, name: &str, more: &str) {
    match block.get_mut(name) {
        Some(Value::String(text)) => text.push_str(more),
        _ => _ = block.insert(name.to_owned(), more.into()),
    }
}

fn index(event: &Value) -> Result<u64, Failure> {
    event["index"].as_u64().ok_or_else(|| protocol("a block event without index".to_owned()))
}

fn no_block(index: u64) -> Failure {
    protocol(format!("block {index} before its start"))
}

/// The service sent `what`, which the protocol does not allow.
pub(super) fn protocol(what: String) -> Failure {
    failure::protocol(format!("The model's service sent {what}."))
}

//! The model adapters against a strict double on loopback, and against files.

mod double;
mod faults;
mod files;
mod settings;
mod streaming;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign::{
    llm::{self, Secret, Settings},
    seams::{Block, Clock, Message, Model, ModelError, ModelEvent, ModelRequest, Reply, Role, ToolChoice, ToolSpec},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::model_double::{KEY, ModelDouble, SPEC};

/// A clock on which waiting is only written down.
#[derive(Default)]
struct Hourglass {
    slept: Mutex<Vec<Duration>>,
}

#[async_trait::async_trait]
impl Clock for Hourglass {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn utc(&self) -> String {
        "2026-03-01T12:00:00.000Z".to_owned()
    }

    async fn sleep(&self, duration: Duration) {
        self.slept.lock().unwrap().push(duration);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

impl Hourglass {
    fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

/// Settings that reach the double.
fn settings(double: &ModelDouble) -> Settings {
    Settings { anthropic_key: Secret::new(KEY), anthropic_base_url: Some(double.url()), ..Settings::new(SPEC) }
}

fn model(double: &ModelDouble) -> Arc<dyn Model> {
    llm::build(settings(double), Arc::new(Hourglass::default())).unwrap()
}

fn tool(name: &str) -> ToolSpec {
    let input_schema = json!({"type": "object", "properties": {"path": {"type": "string"}}, "additionalProperties": false});
    ToolSpec { name: name.to_owned(), description: format!("Does {name}."), input_schema }
}

/// A conversation that begins with one question.
fn question(text: &str) -> ModelRequest {
    ModelRequest {
        system: "You are careful.".into(),
        tools: vec![tool("read_file"), tool("search")].into(),
        messages: vec![Message { role: Role::User, content: vec![Block::text(text)] }],
        tool_choice: ToolChoice::Auto,
        max_tokens: 1000,
    }
}

/// Adds a reply, and a result for each of its calls.
fn answered(request: &mut ModelRequest, reply: &Reply) {
    let results: Vec<Block> =
        reply.content.iter().filter_map(Block::as_tool_use).map(|(id, ..)| Block::tool_result(id, "done", false)).collect();
    request.messages.push(Message { role: Role::Assistant, content: reply.content.clone() });
    let next = if results.is_empty() { vec![Block::text("Go on.")] } else { results };
    request.messages.push(Message { role: Role::User, content: next });
}

/// What was told while the model answered.
#[derive(Debug, Default, PartialEq)]
struct Told {
    text: String,
    thinking: String,
    calls: Vec<String>,
    retries: Vec<(u32, Duration)>,
    pieces: usize,
}

impl Told {
    fn take(&mut self, event: ModelEvent<'_>) {
        self.pieces += 1;
        match event {
            ModelEvent::Text(text) => self.text += text,
            ModelEvent::Thinking(text) => self.thinking += text,
            ModelEvent::ToolCall { name } => self.calls.push(name.to_owned()),
            ModelEvent::Retrying { attempt, wait, why } => {
                assert!(!why.is_empty());
                self.retries.push((attempt, wait));
            }
        }
    }
}

async fn ask(model: &Arc<dyn Model>, request: &ModelRequest) -> (Result<Reply, ModelError>, Told) {
    let mut told = Told::default();
    let outcome = model.reply(request, &mut |event| told.take(event), &CancellationToken::new()).await;
    (outcome, told)
}

//! A scripted model that judges each request as the API would.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use countersign::{event::Usage, seams::*};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::anthropic_rules;

/// What the scripted model does at one request.
pub enum Step {
    Reply(Reply),
    Fail(ErrorClass),
    /// Answers only when it is cancelled.
    Hang,
}

/// An answer that calls tools.
pub fn calls(calls: &[(&str, Value)]) -> Step {
    let content = calls.iter().enumerate().map(|(i, (name, input))| call_block(&format!("toolu_{i}"), name, input.clone()));
    reply(content.collect(), Stop::ToolUse)
}

pub fn call(name: &str, input: Value) -> Step {
    calls(&[(name, input)])
}

pub fn call_block(id: &str, name: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}

pub fn text(text: &str) -> Step {
    reply(vec![json!({"type": "text", "text": text})], Stop::EndTurn)
}

pub fn finish() -> Step {
    call("finish", json!({"summary": "all done"}))
}

pub fn reply(content: Vec<Value>, stop: Stop) -> Step {
    let usage = Usage { input: 1000, output: 10, ..Usage::default() };
    Step::Reply(Reply { id: "msg".into(), model: "fake".into(), content: content.into_iter().map(Block).collect(), stop, usage })
}

pub type AtRequest = Box<dyn FnMut(usize) + Send>;

pub struct Script {
    pub(super) steps: Mutex<VecDeque<Step>>,
    pub requests: Mutex<Vec<Value>>,
    /// Whether each request is judged as the API would.
    pub judges: AtomicBool,
    /// Called at each request, before the answer.
    pub at_request: Mutex<Option<AtRequest>>,
}

fn wire(request: &ModelRequest) -> Value {
    json!({
        "model": "fake", "max_tokens": request.max_tokens, "system": &*request.system,
        "tools": request.tools.iter().map(|tool| json!(tool)).collect::<Vec<_>>(),
        "tool_choice": {"type": if request.tool_choice == ToolChoice::Auto { "auto" } else { "none" }},
        "messages": request.messages,
    })
}

#[async_trait::async_trait]
impl Model for Script {
    fn name(&self) -> &str {
        "script:fake"
    }
    fn body(&self, request: &ModelRequest) -> Vec<u8> {
        wire(request).to_string().into_bytes()
    }
    async fn reply(
        &self,
        request: &ModelRequest,
        on: &mut (dyn for<'a> FnMut(ModelEvent<'a>) + Send),
        cancel: &CancellationToken,
    ) -> Result<Reply, ModelError> {
        let body = wire(request);
        let count = {
            let mut requests = self.requests.lock().unwrap();
            if self.judges.load(Ordering::SeqCst) {
                anthropic_rules::validate(&body, requests.last()).unwrap_or_else(|why| panic!("{why}\n{body:#}"));
            }
            requests.push(body);
            requests.len()
        };
        if let Some(hook) = &mut *self.at_request.lock().unwrap() {
            hook(count);
        }
        let step = self.steps.lock().unwrap().pop_front();
        let error = |class| ModelError {
            class,
            message: format!("{class:?} happened."),
            hint: None,
            request_id: None,
            retry_after: None,
        };
        match step {
            Some(Step::Reply(reply)) => {
                on(ModelEvent::Text("streamed"));
                Ok(reply)
            }
            Some(Step::Fail(class)) => Err(error(class)),
            Some(Step::Hang) => {
                cancel.cancelled().await;
                Err(error(ErrorClass::Cancelled))
            }
            None => Err(error(ErrorClass::ScriptEnded)),
        }
    }
}

//! One iteration: a request to the model, and the calls of its answer.

use std::future::pending;

use futures_util::future::{Either, select};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    call,
    task::{Ending, REPLY_TOKENS, Task},
};
use crate::{
    event::{Actor, Event, StopReason},
    seams::{ErrorClass, ModelError, ModelEvent, ModelRequest, Reply, Stop, ToolChoice, Update, UpdateKind},
};

/// How often in a row the model is asked to go on after it stopped without an answer.
const NUDGES: u32 = 1;
/// How often in a row a long turn of the model's side is continued, or a text that hit the length limit.
const CONTINUATIONS: u32 = 5;

/// How often in a row the model stopped short.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stumbles {
    empty: u32,
    short: u32,
}

/// Runs one iteration. `Ok` means that the next one may follow.
pub(super) async fn run(task: &mut Task) -> Result<(), Ending> {
    let reply = request(task, ToolChoice::Auto).await?;
    match reply.stop {
        Stop::Refusal(why) => return Err(refused(&why)),
        Stop::ContextExceeded => return Err(Ending::failed(TOO_LONG.to_owned(), Some(TOO_LONG_HINT.to_owned()))),
        _ => {}
    }
    let cut = reply.stop == Stop::MaxTokens;
    if !task.history.open_calls().is_empty() {
        // Another answer that is cut at its only call is paid for, and does nothing.
        let nothing = cut && task.history.open_calls().len() == 1;
        let short = if nothing { task.stumbles.short + 1 } else { 0 };
        call::run_all(task, cut).await?;
        task.stumbles.short = short;
        return if short > CONTINUATIONS { Err(cut_short(short)) } else { Ok(()) };
    }
    let text = reply.content.iter().filter_map(|block| block.as_text()).any(|text| !text.trim().is_empty());
    if reply.stop == Stop::PauseTurn || cut {
        task.stumbles.short += 1;
        if task.stumbles.short > CONTINUATIONS {
            return Err(if cut { cut_short(task.stumbles.short) } else { Ending::new(StopReason::NoProgress, None) });
        }
        if cut {
            say(task, "Your answer was cut at the length limit. Go on from there, in smaller steps.");
        }
        return Ok(());
    }
    if !text {
        task.stumbles.empty += 1;
        if task.stumbles.empty > NUDGES {
            return Err(Ending::new(StopReason::EndTurn, None));
        }
        say(task, "Your answer was empty. Go on with the task, or call finish.");
        return Ok(());
    }
    hear(task)
}

const TOO_LONG: &str = "The conversation no longer fits the model's context.";
const TOO_LONG_HINT: &str = "Start a new session with the part that is left; the pending changes stay reviewable.";

/// Answers that end at the length limit, one after the other.
fn cut_short(times: u32) -> Ending {
    let why = format!(
        "The model's answer was cut at the length limit {times} times in a row. Ask for something smaller, or raise [model] \
         max_tokens in config.toml."
    );
    Ending::new(StopReason::NoProgress, why)
}

fn refused(why: &str) -> Ending {
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    Ending::new(StopReason::Refusal, format!("The model refused to go on{why}."))
}

/// The model is done, unless the user said something meanwhile.
fn hear(task: &mut Task) -> Result<(), Ending> {
    let heard = task.seams.editor.steering();
    if heard.is_empty() {
        return Err(Ending::new(StopReason::EndTurn, None));
    }
    heard.into_iter().for_each(|message| task.record(Actor::Human, None, Event::UserSteer { message }));
    Ok(())
}

/// The server's own words to the model, as a user turn.
fn say(task: &mut Task, text: &str) {
    task.record(Actor::Server, None, Event::UserSteer { message: text.to_owned() });
}

/// The uncounted request after the last iteration: tools stay declared, for the cache, but none may be called.
pub(super) async fn last_words(task: &mut Task) -> Ending {
    match request(task, ToolChoice::None).await {
        Ok(reply) => {
            let text: Vec<&str> = reply.content.iter().filter_map(|block| block.as_text()).collect();
            let text = text.join("\n");
            Ending::new(StopReason::MaxIterations, (!text.trim().is_empty()).then_some(text))
        }
        Err(ending) if ending.stop == StopReason::Cancelled => ending,
        Err(_) => Ending::new(StopReason::MaxIterations, None),
    }
}

/// Sends the conversation and puts the answer on record.
async fn request(task: &mut Task, tool_choice: ToolChoice) -> Result<Reply, Ending> {
    if task.cancel.is_cancelled() {
        return Err(Ending::cancelled());
    }
    let wanted = if task.spec.reply_tokens == 0 { REPLY_TOKENS } else { task.spec.reply_tokens };
    let mut request = ModelRequest {
        system: task.system.clone(),
        tools: task.registry.specs(),
        messages: task.history.messages(),
        tool_choice,
        max_tokens: wanted,
    };
    let mut body = task.seams.model.body(&request);
    let reserved = task.budget.request(task.seams.clock.now(), body.len() as u64, wanted)?;
    if reserved.reply != wanted {
        request.max_tokens = reserved.reply;
        body = task.seams.model.body(&request);
    }
    let event = Event::LlmRequest {
        model: task.seams.model.name().to_owned(),
        messages: request.messages.len(),
        bytes: body.len(),
        body_sha: Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect(),
        reserved_tokens: reserved.tokens,
        tools_off: tool_choice == ToolChoice::None,
    };
    // Where no record can be kept any more the task ends here, not at the next effect: what is said would be lost.
    task.record_durable(Actor::Server, None, event).await?;
    task.show(UpdateKind::State, json!({"state": "thinking", "message": task.progress("thinking")}));
    let started = task.seams.clock.now();
    let result = stream(task, &request).await;
    let ms = task.seams.clock.now().saturating_sub(started).as_millis() as u64;
    task.record(Actor::Model, None, response(&result, ms));
    if let Ok(reply) = &result {
        task.budget.spend(body.len() as u64, reply.usage);
        let data = json!({
            "iteration": task.iteration, "iterations": task.iterations, "usage": task.budget.used(), "cost_usd": task.budget.cost(),
            "model": reply.model,
        });
        task.show(UpdateKind::Usage, data);
    }
    Ok(result?)
}

/// The model's answer, shown as it comes. A cancelled one is dropped at once. While the first one is waited for, the walls of
/// commands to come are put up.
async fn stream(task: &Task, request: &ModelRequest) -> Result<Reply, ModelError> {
    let mut on = |event: ModelEvent<'_>| {
        let (kind, data) = match event {
            ModelEvent::Text(text) => (UpdateKind::Text, json!({"text": text})),
            ModelEvent::Thinking(text) => (UpdateKind::Thinking, json!({"text": text})),
            ModelEvent::ToolCall { name } => {
                (UpdateKind::State, json!({"state": "calling", "message": task.progress(&format!("preparing {name}"))}))
            }
            ModelEvent::Retrying { attempt, why, wait } => {
                let doing =
                    format!("waiting {:.1} s to try again ({attempt}): {}", wait.as_secs_f32(), why.trim_end_matches('.'));
                (UpdateKind::State, json!({"state": "retrying", "doing": doing, "message": task.progress(&doing)}))
            }
        };
        task.seams.editor.show(Update { kind, data });
    };
    let asked = task.seams.model.reply(request, &mut on, &task.cancel);
    let ahead = async {
        if task.iteration == 1 && request.tools.iter().any(|tool| tool.name == "run") {
            task.shell.open_ahead().await;
        }
        pending::<()>().await;
    };
    let cancelled = task.cancel.cancelled();
    // The answer is polled first, so that the request is on its way before anything else is done.
    match select(asked, select(Box::pin(cancelled), Box::pin(ahead))).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(ModelError {
            class: ErrorClass::Cancelled,
            message: "cancelled".into(),
            hint: None,
            request_id: None,
            retry_after: None,
        }),
    }
}

fn response(result: &Result<Reply, ModelError>, ms: u64) -> Event {
    match result {
        Ok(reply) => Event::LlmResponse {
            id: reply.id.clone(),
            model: reply.model.clone(),
            stop: stop_name(&reply.stop).to_owned(),
            content: reply.content.iter().map(|block| block.0.clone()).collect(),
            usage: reply.usage,
            ms,
            error: None,
        },
        Err(error) => Event::LlmResponse {
            id: error.request_id.clone().unwrap_or_default(),
            model: String::new(),
            stop: "error".into(),
            content: Vec::new(),
            usage: Default::default(),
            ms,
            error: Some(error.message.clone()),
        },
    }
}

/// The word for a stop reason in the journal.
fn stop_name(stop: &Stop) -> &str {
    match stop {
        Stop::EndTurn => "end_turn",
        Stop::ToolUse => "tool_use",
        Stop::MaxTokens => "max_tokens",
        Stop::StopSequence => "stop_sequence",
        Stop::PauseTurn => "pause_turn",
        Stop::Refusal(_) => "refusal",
        Stop::ContextExceeded => "model_context_window_exceeded",
        Stop::Other(reason) => reason,
    }
}

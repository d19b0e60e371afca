//! The conversation as a fold over the journal's events (law 8). The running task and the reader of an old journal use the same
//! code, and every prefix of the events folds to messages that the model's API accepts.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::{
    event::{CallId, Event, Scope},
    seams::{Block, Message, Role},
};

/// A tool call that has no result yet.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenCall {
    /// Our own id, unique in the session.
    pub call: CallId,
    /// The id by which the conversation names it.
    pub model_id: String,
    pub name: String,
    pub input: Value,
}

/// A call of the latest answer, with what is known of its end.
#[derive(Clone, Debug)]
struct Call {
    open: OpenCall,
    /// The intent of an effect is on record, so it may have happened.
    started: bool,
    result: Option<(String, bool)>,
}

/// The conversation of a session.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Everything before the latest answer's calls.
    messages: Vec<Message>,
    calls: Vec<Call>,
    /// What the user said while calls were open and no result has told yet.
    untold: Vec<String>,
    model_ids: HashSet<String>,
    counted: u32,
    paused: bool,
}

impl History {
    /// Folds a session's events in their order; other sessions' must not be among them.
    pub fn from_events<'e>(events: impl IntoIterator<Item = (&'e Scope, &'e Event)>) -> Self {
        let mut history = History::default();
        for (scope, event) in events {
            history.apply(scope, event);
        }
        history
    }

    /// Takes in one event. Events that say nothing to the model change nothing.
    pub fn apply(&mut self, scope: &Scope, event: &Event) {
        match event {
            Event::TaskStart { prompt, .. } => {
                self.close_calls();
                self.user(prompt);
            }
            Event::UserSteer { message } if self.calls.is_empty() => self.user(message),
            Event::UserSteer { message } => self.untold.push(message.clone()),
            Event::LlmResponse { error: None, content, stop, .. } => self.answer(content, stop),
            Event::ToolIntent { .. } => {
                if let Some(call) = self.call(scope) {
                    call.started = true;
                }
            }
            Event::ToolResult { status, content, .. } => {
                let is_error = *status != crate::event::ToolCallStatus::Ok;
                if let Some(call) = self.call(scope).filter(|call| call.result.is_none()) {
                    call.result = Some((content.clone(), is_error));
                }
                self.untold.retain(|message| !content.contains(&said(message)));
                if self.calls.iter().all(|call| call.result.is_some()) {
                    self.close_calls();
                }
            }
            _ => {}
        }
    }

    /// Whether nothing was said yet.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Calls of the latest answer that have no result yet, in the model's order.
    pub fn open_calls(&self) -> Vec<OpenCall> {
        self.calls.iter().filter(|call| call.result.is_none()).map(|call| call.open.clone()).collect()
    }

    /// The messages of the next request. Where the events break off, the gaps are closed in the same words every time.
    pub fn messages(&self) -> Vec<Message> {
        let mut whole = self.clone();
        whole.close_calls();
        let ends_with_answer = whole.messages.last().is_some_and(|message| message.role == Role::Assistant);
        if whole.messages.is_empty() || (ends_with_answer && !whole.paused) {
            whole.user("Go on.");
        }
        whole.messages
    }

    /// Number of messages so far.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// The text of the latest answer behind the first `before` messages, if it had one.
    pub fn last_text(&self, before: usize) -> Option<String> {
        let answer = self.messages.iter().skip(before).rev().find(|message| message.role == Role::Assistant)?;
        let text: Vec<&str> = answer.content.iter().filter_map(Block::as_text).collect();
        (!text.is_empty()).then(|| text.join("\n"))
    }

    fn call(&mut self, scope: &Scope) -> Option<&mut Call> {
        let id = scope.call_id.as_ref()?;
        self.calls.iter_mut().find(|call| call.open.call == *id)
    }

    fn user(&mut self, text: &str) {
        let text = if text.trim().is_empty() { "(no text)" } else { text };
        self.push(Role::User, vec![Block::text(text)]);
    }

    /// Appends to the last message if it is of the same role, so that roles alternate.
    fn push(&mut self, role: Role, blocks: Vec<Block>) {
        self.paused = false;
        match self.messages.last_mut() {
            Some(last) if last.role == role => last.content.extend(blocks),
            _ => self.messages.push(Message { role, content: blocks }),
        }
    }

    fn answer(&mut self, content: &[Value], stop: &str) {
        self.close_calls();
        if self.messages.is_empty() {
            self.user("Go on.");
        }
        let mut blocks: Vec<Block> = content.iter().cloned().map(Block).collect();
        blocks.retain(|block| block.as_text().is_none_or(|text| !text.trim().is_empty()));
        if let Some(last) = blocks.last_mut().filter(|last| stop == "pause_turn" && last.as_text().is_some()) {
            // A conversation that ends with an answer may not end with blanks.
            *last = Block::text(last.as_text().unwrap_or_default().trim_end());
        }
        // Thoughts alone are no turn.
        if blocks.iter().all(|block| matches!(block.kind(), "thinking" | "redacted_thinking")) {
            return;
        }
        let mut calls = Vec::new();
        for block in blocks.iter_mut().filter(|block| block.kind() == "tool_use") {
            let open = self.admit(block);
            calls.push(Call { open, started: false, result: None });
        }
        self.push(Role::Assistant, blocks);
        self.calls = calls;
        self.paused = stop == "pause_turn";
    }

    /// Gives a call our own id, and makes the block fit to be sent back: an id that is new in the conversation, a name and an
    /// object as input.
    fn admit(&mut self, block: &mut Block) -> OpenCall {
        self.counted += 1;
        let text = |field: &str| block.0[field].as_str().unwrap_or_default().to_owned();
        let plain = |text: &str| -> String {
            text.chars().take(64).map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' }).collect()
        };
        let (written, name) = (plain(&text("id")), text("name"));
        let mut model_id = if written.is_empty() { format!("call_{}", self.counted) } else { written };
        // The model may have written what we would make of it, too.
        let mut next = self.counted;
        while self.model_ids.contains(&model_id) {
            model_id = format!("{model_id}_{next}");
            next += 1;
        }
        self.model_ids.insert(model_id.clone());
        let sent_name = if name.is_empty() { "unknown".to_owned() } else { plain(&name) };
        let input = block.0["input"].clone();
        block.0["id"] = json!(model_id);
        block.0["name"] = json!(sent_name);
        if !input.is_object() {
            block.0["input"] = json!({});
        }
        OpenCall { call: CallId(format!("c{}", self.counted)), model_id, name, input }
    }

    /// Puts the calls' results into the conversation, with words for those that have none.
    fn close_calls(&mut self) {
        let calls = std::mem::take(&mut self.calls);
        let last = calls.len().saturating_sub(1);
        let untold = std::mem::take(&mut self.untold);
        let results: Vec<Block> = calls
            .into_iter()
            .enumerate()
            .map(|(index, call)| {
                let (mut content, is_error) = match (call.result, call.started) {
                    (Some(result), _) => result,
                    (None, true) => ("interrupted, outcome unknown: look before you repeat it".to_owned(), true),
                    (None, false) => ("interrupted before it started; nothing happened".to_owned(), true),
                };
                if index == last {
                    untold.iter().for_each(|message| content += &format!("\n{}", said(message)));
                }
                Block::tool_result(&call.open.model_id, &content, is_error)
            })
            .collect();
        if !results.is_empty() {
            self.push(Role::User, results);
        }
    }
}

/// The mark by which the model knows the server's and the user's words inside a tool result.
const MARK: &str = "<countersign:";

/// What the user said meanwhile, inside a tool result.
pub(super) fn said(message: &str) -> String {
    format!("{MARK}user>{}</countersign:user>", inside(message))
}

/// What the server adds to a tool result.
pub(super) fn note(text: &str) -> String {
    format!("{MARK}note>{}</countersign:note>", inside(text))
}

/// Words that cannot end their own mark or begin another: file names and reasons stand in them.
fn inside(text: &str) -> String {
    text.replace(MARK, "<countersign ").replace("</countersign:", "</countersign ")
}

/// A tool's text, in which nothing can pass for the user's or the server's words.
pub(super) fn unmarked(text: String) -> String {
    if text.contains(MARK) { text.replace(MARK, "<countersign ") } else { text }
}

//! One scripted turn of the model double: what it answers, and how it misbehaves on the wire.

use std::{sync::mpsc, time::Duration};

use serde_json::{Value, json};

/// A test that holds a turn for longer hangs.
const HELD: Duration = Duration::from_secs(60);

/// An answer to one request.
pub enum Turn {
    /// A stream, perhaps a damaged one.
    Stream(Stream),
    /// An error status with headers; the body has the API's shape.
    Status { status: u16, headers: Vec<(String, String)>, body: Option<String> },
    /// The connection closes without a byte.
    Hangup,
    /// Decided when the request is there.
    With(Box<dyn FnOnce(&Value) -> Turn + Send>),
}

/// How the stream ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    Whole,
    /// The connection breaks after so many bytes of the stream.
    CutAfter(usize),
    /// The response ends properly after so many bytes of the stream.
    EndAfter(usize),
    /// Nothing more comes after so many bytes; the connection stays open.
    StallAfter(usize),
    /// An `error` event comes in place of the end.
    ErrorEvent(String, String),
}

/// What stands in a stream, and its oddities.
pub struct Stream {
    pub(super) blocks: Vec<Piece>,
    pub(super) stop: Option<String>,
    pub(super) details: Value,
    pub(super) usage: [u64; 4],
    pub(super) ending: Ending,
    pub(super) crlf: bool,
    pub(super) bytewise: bool,
    pub(super) noise: bool,
    pub(super) delay: Duration,
}

/// One block as it is streamed.
pub(super) enum Piece {
    Text(String),
    Thinking(String, String),
    Tool { id: String, name: String, arguments: String },
    Raw(Value),
}

impl Turn {
    /// An empty stream to build upon; its stop reason follows from its blocks.
    pub fn new() -> Self {
        Turn::Stream(Stream {
            blocks: Vec::new(),
            stop: None,
            details: Value::Null,
            usage: [10, 0, 0, 5],
            ending: Ending::Whole,
            crlf: false,
            bytewise: false,
            noise: false,
            delay: Duration::ZERO,
        })
    }

    /// Only a text.
    pub fn say(text: &str) -> Self {
        Turn::new().text(text)
    }

    /// Only one tool call.
    pub fn call(id: &str, name: &str, input: Value) -> Self {
        Turn::new().tool(id, name, input)
    }

    /// An error status.
    pub fn status(status: u16) -> Self {
        Turn::Status { status, headers: Vec::new(), body: None }
    }

    /// A turn that depends on the request.
    pub fn with(decide: impl FnOnce(&Value) -> Turn + Send + 'static) -> Self {
        Turn::With(Box::new(decide))
    }

    /// A turn that is served when the test says so, by sending or by dropping the sender.
    pub fn held(turn: Turn) -> (Self, mpsc::Sender<()>) {
        let (go, wait) = mpsc::channel();
        let held = Turn::with(move |_| {
            assert_ne!(wait.recv_timeout(HELD), Err(mpsc::RecvTimeoutError::Timeout), "the test lets the model answer");
            turn
        });
        (held, go)
    }

    pub fn text(self, text: &str) -> Self {
        self.piece(Piece::Text(text.to_owned()))
    }

    pub fn thinking(self, text: &str, signature: &str) -> Self {
        self.piece(Piece::Thinking(text.to_owned(), signature.to_owned()))
    }

    pub fn tool(self, id: &str, name: &str, input: Value) -> Self {
        let arguments = if input == json!({}) { String::new() } else { input.to_string() };
        self.tool_text(id, name, &arguments)
    }

    /// A tool call whose arguments are this text, JSON or not.
    pub fn tool_text(self, id: &str, name: &str, arguments: &str) -> Self {
        self.piece(Piece::Tool { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() })
    }

    /// Any block, sent whole at its start.
    pub fn raw(self, block: Value) -> Self {
        self.piece(Piece::Raw(block))
    }

    pub fn stop(self, reason: &str) -> Self {
        self.change(|stream| stream.stop = Some(reason.to_owned()))
    }

    pub fn refusal(self, explanation: &str) -> Self {
        self.stop("refusal").change(|stream| stream.details = json!({"type": "refusal", "explanation": explanation}))
    }

    /// Tokens: uncached input, cache read, cache creation, output.
    pub fn usage(self, input: u64, cache_read: u64, cache_creation: u64, output: u64) -> Self {
        self.change(|stream| stream.usage = [input, cache_read, cache_creation, output])
    }

    pub fn cut_after(self, bytes: usize) -> Self {
        self.change(|stream| stream.ending = Ending::CutAfter(bytes))
    }

    pub fn end_after(self, bytes: usize) -> Self {
        self.change(|stream| stream.ending = Ending::EndAfter(bytes))
    }

    pub fn stall_after(self, bytes: usize) -> Self {
        self.change(|stream| stream.ending = Ending::StallAfter(bytes))
    }

    pub fn error_event(self, kind: &str, message: &str) -> Self {
        self.change(|stream| stream.ending = Ending::ErrorEvent(kind.to_owned(), message.to_owned()))
    }

    /// Lines end in CR LF.
    pub fn crlf(self) -> Self {
        self.change(|stream| stream.crlf = true)
    }

    /// Each byte is a chunk of its own, so that characters are split.
    pub fn bytewise(self) -> Self {
        self.change(|stream| stream.bytewise = true)
    }

    /// Pings, comments, unknown events and unknown deltas everywhere.
    pub fn noise(self) -> Self {
        self.change(|stream| stream.noise = true)
    }

    /// The answer begins so much later.
    pub fn delay(self, delay: Duration) -> Self {
        self.change(|stream| stream.delay = delay)
    }

    /// A header beside an error status.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Turn::Status { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The body of an error status, in place of the API's shape.
    pub fn body(mut self, text: &str) -> Self {
        if let Turn::Status { body, .. } = &mut self {
            *body = Some(text.to_owned());
        }
        self
    }

    fn piece(self, piece: Piece) -> Self {
        self.change(|stream| stream.blocks.push(piece))
    }

    fn change(mut self, change: impl FnOnce(&mut Stream)) -> Self {
        match &mut self {
            Turn::Stream(stream) => change(stream),
            _ => panic!("only a stream has blocks and endings"),
        }
        self
    }
}

impl Default for Turn {
    fn default() -> Self {
        Turn::new()
    }
}

impl Stream {
    /// The answer's content, as it must come back.
    pub(super) fn content(&self) -> Vec<Value> {
        self.blocks
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => json!({"type": "text", "text": text}),
                Piece::Thinking(text, signature) => json!({"type": "thinking", "thinking": text, "signature": signature}),
                Piece::Tool { id, name, .. } => json!({"type": "tool_use", "id": id, "name": name}),
                Piece::Raw(block) => block.clone(),
            })
            .collect()
    }

    /// The bytes of the whole stream, up to its ending.
    pub(super) fn bytes(&self, model: &Value, number: usize) -> Vec<u8> {
        let [input, read, creation, output] = self.usage;
        let usage = json!({"input_tokens": input, "cache_read_input_tokens": read, "cache_creation_input_tokens": creation,
            "output_tokens": 1});
        let message = json!({"id": format!("msg_{number}"), "type": "message", "role": "assistant", "model": model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": usage});
        let mut events = vec![json!({"type": "message_start", "message": message})];
        for (index, piece) in self.blocks.iter().enumerate() {
            let (start, deltas) = piece.events();
            events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
            events.extend(deltas.into_iter().map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})));
            if self.noise {
                events.push(
                    json!({"type": "content_block_delta", "index": index, "delta": {"type": "aura_delta", "aura": "blue"}}),
                );
            }
            events.push(json!({"type": "content_block_stop", "index": index}));
        }
        if let Ending::ErrorEvent(kind, text) = &self.ending {
            events.push(json!({"type": "error", "error": {"type": kind, "message": text}}));
        } else {
            let called = self.blocks.iter().any(|piece| matches!(piece, Piece::Tool { .. }));
            let stop = self.stop.as_deref().unwrap_or(if called { "tool_use" } else { "end_turn" });
            let delta = json!({"stop_reason": stop, "stop_sequence": null, "stop_details": self.details});
            events.push(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}}));
            events.push(json!({"type": "message_stop"}));
        }
        let end = if self.crlf { "\r\n" } else { "\n" };
        let mut text = String::new();
        for event in &events {
            if self.noise {
                text += &format!(": still here{end}{end}event: ping{end}data: {{\"type\": \"ping\"}}{end}{end}");
                text += &format!("event: weather{end}data: {{\"type\": \"weather\", \"sky\": \"grey\"}}{end}{end}");
            }
            let kind = event["type"].as_str().unwrap_or_default();
            text += &format!("event: {kind}{end}data: {event}{end}{end}");
        }
        text.into_bytes()
    }
}

impl Piece {
    fn events(&self) -> (Value, Vec<Value>) {
        let deltas = |kind: &str, field: &str, text: &str| -> Vec<Value> {
            let letters: Vec<char> = text.chars().collect();
            letters.chunks(7).map(|part| json!({"type": kind, field: part.iter().collect::<String>()})).collect()
        };
        match self {
            Piece::Text(text) => (json!({"type": "text", "text": ""}), deltas("text_delta", "text", text)),
            Piece::Thinking(text, signature) => {
                let mut all = deltas("thinking_delta", "thinking", text);
                all.push(json!({"type": "signature_delta", "signature": signature}));
                (json!({"type": "thinking", "thinking": "", "signature": ""}), all)
            }
            Piece::Tool { id, name, arguments } => {
                let mut all = vec![json!({"type": "input_json_delta", "partial_json": ""})];
                all.extend(deltas("input_json_delta", "partial_json", arguments));
                (json!({"type": "tool_use", "id": id, "name": name, "input": {}}), all)
            }
            Piece::Raw(block) => (block.clone(), Vec::new()),
        }
    }
}

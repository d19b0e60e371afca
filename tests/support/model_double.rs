//! A strict stand-in for Anthropic's Messages API on loopback: it refuses what the real one refuses, serves scripted turns, and
//! misbehaves on demand.
//!
//! It runs on a thread of its own, so that tests with and without a runtime can use it. A request that the API would refuse
//! gets its 400 and is kept as a violation; a double dropped with a violation that nobody looked at fails the test.
#![allow(dead_code, reason = "each ring uses what it needs")]

mod turn;

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};
use tokio_util::sync::CancellationToken;

pub use turn::Turn;
use turn::{Ending, Stream};

use super::anthropic_rules;

/// The only key that the double takes.
pub const KEY: &str = "sk-double-0123456789";
/// A SPEC for it.
pub const SPEC: &str = "anthropic:double-1";
const PATIENCE: Duration = Duration::from_secs(30);

/// One request as it came, whether it was accepted or not.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub body: Value,
    pub bytes: Vec<u8>,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    /// Which connection it came over, from 0.
    pub connection: usize,
}

impl Recorded {
    /// The tool results of the last message: `(tool_use_id, content, is_error)`.
    pub fn results(&self) -> Vec<(String, String, bool)> {
        let content = self.body["messages"].as_array().and_then(|messages| messages.last()).map(|last| &last["content"]);
        let blocks = content.and_then(Value::as_array).into_iter().flatten().filter(|block| block["type"] == "tool_result");
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        blocks.map(|block| (text(&block["tool_use_id"]), text(&block["content"]), block["is_error"] == true)).collect()
    }
}

#[derive(Default)]
struct State {
    turns: VecDeque<Turn>,
    requests: Vec<Recorded>,
    accepted: Vec<Value>,
    violations: Vec<String>,
    /// The thinking blocks of the answer in which a tool call's id first stood.
    thoughts: HashMap<String, Vec<Value>>,
    connections: usize,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    requests: usize,
    dropped: usize,
}

/// What the connections share.
#[derive(Clone)]
struct Shared {
    state: Arc<Mutex<State>>,
    counts: Arc<watch::Sender<Counts>>,
}

/// A running double.
pub struct ModelDouble {
    address: SocketAddr,
    shared: Shared,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl ModelDouble {
    /// Starts a double that serves these turns, one an accepted request.
    pub fn start(turns: impl IntoIterator<Item = Turn>) -> Self {
        let state = State { turns: turns.into_iter().collect(), ..State::default() };
        let shared = Shared { state: Arc::new(Mutex::new(state)), counts: Arc::new(watch::Sender::new(Counts::default())) };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (serving, stopping) = (shared.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, serving) => {}
                    () = stopping.cancelled() => {}
                }
            });
        });
        ModelDouble { address, shared, stop, thread: Some(thread) }
    }

    /// The base URL, for `ANTHROPIC_BASE_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a turn at the end.
    pub fn push(&self, turn: Turn) {
        self.state().turns.push_back(turn);
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state().requests.clone()
    }

    /// The last request.
    pub fn last(&self) -> Recorded {
        self.state().requests.last().expect("no request came").clone()
    }

    /// What the API would have refused, taken out.
    pub fn violations(&self) -> Vec<String> {
        std::mem::take(&mut self.state().violations)
    }

    /// Turns that nobody asked for yet.
    pub fn unserved(&self) -> usize {
        self.state().turns.len()
    }

    /// Fails on a violation and on a turn that was never asked for.
    pub fn assert_clean(&self) {
        assert_eq!(self.violations(), Vec::<String>::new(), "the API would have refused");
        assert_eq!(self.unserved(), 0, "turns that nobody asked for");
    }

    /// Returns once so many requests have come; fails after ten seconds.
    pub async fn requested(&self, count: usize) {
        self.until(|counts| counts.requests >= count, "requests").await;
    }

    /// Returns once so many connections were dropped by the client in the middle of a turn; fails after ten seconds.
    pub async fn dropped(&self, count: usize) {
        self.until(|counts| counts.dropped >= count, "dropped connections").await;
    }

    /// As [`Self::requested`], for tests without a runtime.
    pub fn wait_requested(&self, count: usize) {
        let start = Instant::now();
        while self.shared.counts.borrow().requests < count {
            assert!(start.elapsed() < PATIENCE, "waited in vain for {count} requests");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    async fn until(&self, reached: impl Fn(&Counts) -> bool, what: &str) {
        let mut counts = self.shared.counts.subscribe();
        let waited = tokio::time::timeout(PATIENCE, counts.wait_for(|counts| reached(counts))).await;
        assert!(waited.is_ok(), "waited in vain for {what}");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for ModelDouble {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(ended.is_none_or(|ended| ended.is_ok()), "the double itself failed");
            assert_eq!(self.violations(), Vec::<String>::new(), "the API would have refused");
        }
    }
}

async fn accept(listener: TcpListener, shared: Shared) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let number = {
            let mut state = shared.state();
            state.connections += 1;
            state.connections - 1
        };
        let shared = shared.clone();
        // An error means that the client has gone.
        connections.spawn(async move { _ = serve(socket, number, shared).await });
    }
}

async fn serve(socket: TcpStream, number: usize, shared: Shared) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    while let Some((line, request)) = receive(&mut read, number).await? {
        let mut turn = shared.judge(&line, request.clone());
        while let Turn::With(decide) = turn {
            turn = decide(&request.body);
        }
        let go_on = match turn {
            Turn::Hangup => false,
            Turn::Status { status, headers, body } => refuse(&mut write, status, &headers, body).await?,
            Turn::Stream(stream) => {
                let number = shared.remember(&stream);
                send(&mut read, &mut write, &stream, &request.body["model"], number, &shared).await?
            }
            Turn::With(_) => unreachable!("decided above"),
        };
        if !go_on {
            break;
        }
    }
    Ok(())
}

/// Reads one request with its request line; `None` when the client closed the connection.
async fn receive(read: &mut BufReader<OwnedReadHalf>, connection: usize) -> io::Result<Option<(String, Recorded)>> {
    let mut first = String::new();
    if read.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).await? == 0 || line.trim_end().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        headers.insert(name.trim().to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut bytes = vec![0; length];
    read.read_exact(&mut bytes).await?;
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(Some((first.trim_end().to_owned(), Recorded { body, bytes, headers, connection })))
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a client that left in the middle of a turn; its connection does not go on.
    fn client_gone(&self) -> bool {
        self.counts.send_modify(|counts| counts.dropped += 1);
        false
    }

    /// Records a request and finds what it gets: the next turn, or the error that the API would send.
    fn judge(&self, line: &str, request: Recorded) -> Turn {
        let mut state = self.state();
        let body = request.body.clone();
        let refusal = state.refusal(line, &request);
        state.requests.push(request);
        let turn = match refusal {
            Some((401, why)) => Turn::status(401).body(&error_body("authentication_error", &why)),
            Some((status, why)) => {
                let refusal = Turn::status(status).body(&error_body("invalid_request_error", &why));
                state.violations.push(why);
                refusal
            }
            None => {
                state.accepted.push(body);
                state.turns.pop_front().unwrap_or_else(|| {
                    let why = format!("request {} came without a scripted turn", state.requests.len());
                    state.violations.push(why.clone());
                    Turn::status(400).body(&error_body("invalid_request_error", &why))
                })
            }
        };
        drop(state);
        self.counts.send_modify(|counts| counts.requests += 1);
        turn
    }

    /// Keeps the thoughts beside the calls of an answer; its number.
    fn remember(&self, stream: &Stream) -> usize {
        let mut state = self.state();
        let content = stream.content();
        let thoughts: Vec<Value> = content.iter().filter(|block| is_thought(block)).cloned().collect();
        for id in content.iter().filter_map(|block| block["id"].as_str()) {
            state.thoughts.entry(id.to_owned()).or_insert_with(|| thoughts.clone());
        }
        state.accepted.len()
    }
}

impl State {
    fn refusal(&self, line: &str, request: &Recorded) -> Option<(u16, String)> {
        let header = |name: &str| request.headers.get(name).map(String::as_str).unwrap_or_default();
        if line != "POST /v1/messages HTTP/1.1" {
            return Some((404, format!("not found: {line}")));
        }
        if header("x-api-key") != KEY {
            return Some((401, "invalid x-api-key".to_owned()));
        }
        for (name, expected) in [("anthropic-version", "2023-06-01"), ("content-type", "application/json"), ("authorization", "")]
        {
            if header(name) != expected {
                return Some((400, format!("{name}: expected `{expected}`, found `{}`", header(name))));
            }
        }
        if request.body["stream"] != true {
            return Some((400, "stream: the double only streams".to_owned()));
        }
        let messages = request.body["messages"].as_array();
        let begun = messages.is_some_and(|messages| messages.iter().any(|message| message["role"] == "assistant"));
        let previous = begun.then(|| self.previous(&request.body)).flatten();
        let judged = anthropic_rules::validate(&request.body, previous).and_then(|()| self.thoughts_stand(&request.body));
        judged.err().map(|why| (400, why))
    }

    /// The earlier request that this one continues, else the one that it shares most with.
    fn previous(&self, body: &Value) -> Option<&Value> {
        let now = anthropic_rules::blocks(body);
        let shared = |earlier: &Value| {
            let before = anthropic_rules::blocks(earlier);
            let common = before.iter().zip(&now).take_while(|(a, b)| a == b).count();
            (common == before.len(), common)
        };
        self.accepted.iter().max_by_key(|earlier| shared(earlier))
    }

    fn thoughts_stand(&self, body: &Value) -> Result<(), String> {
        for (at, message) in body["messages"].as_array().into_iter().flatten().enumerate() {
            let content: Vec<&Value> = message["content"].as_array().into_iter().flatten().collect();
            let thoughts: Vec<&Value> = content.iter().copied().filter(|block| is_thought(block)).collect();
            let sent = content.iter().find_map(|block| self.thoughts.get(block["id"].as_str()?));
            if sent.is_some_and(|sent| sent.iter().collect::<Vec<_>>() != thoughts) {
                return Err(format!(
                    "messages.{at}: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. \
                     These blocks must remain as they were in the original response."
                ));
            }
        }
        Ok(())
    }
}

fn is_thought(block: &Value) -> bool {
    matches!(block["type"].as_str(), Some("thinking" | "redacted_thinking"))
}

fn error_body(kind: &str, message: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_double"}).to_string()
}

async fn refuse(write: &mut OwnedWriteHalf, status: u16, headers: &[(String, String)], body: Option<String>) -> io::Result<bool> {
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500..=599 => "api_error",
        _ => "invalid_request_error",
    };
    let body = body.unwrap_or_else(|| error_body(kind, "scripted"));
    let length = body.len();
    let mut text = format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\nrequest-id: req_double\r\ncontent-length: {length}\r\n"
    );
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    write.write_all(format!("{text}\r\n{body}").as_bytes()).await?;
    Ok(true)
}

/// Streams an answer; `false` if the connection is over.
async fn send(
    read: &mut BufReader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
    stream: &Stream,
    model: &Value,
    number: usize,
    shared: &Shared,
) -> io::Result<bool> {
    tokio::select! {
        () = tokio::time::sleep(stream.delay) => {}
        _ = read.fill_buf(), if !stream.delay.is_zero() => return Ok(shared.client_gone()),
    }
    let mut bytes = stream.bytes(model, number);
    if let Ending::CutAfter(limit) | Ending::EndAfter(limit) | Ending::StallAfter(limit) = stream.ending {
        bytes.truncate(limit);
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nrequest-id: req_double\r\n\
                transfer-encoding: chunked\r\n\r\n";
    write.write_all(head.as_bytes()).await?;
    for chunk in bytes.chunks(if stream.bytewise { 1 } else { 61 }) {
        write.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
        write.write_all(chunk).await?;
        write.write_all(b"\r\n").await?;
    }
    match stream.ending {
        Ending::CutAfter(_) => Ok(false),
        Ending::StallAfter(_) => {
            // Whatever comes now, an end or an error, the client gave up.
            _ = read.read(&mut [0; 1]).await;
            Ok(shared.client_gone())
        }
        Ending::Whole | Ending::EndAfter(_) | Ending::ErrorEvent(..) => {
            write.write_all(b"0\r\n\r\n").await?;
            Ok(true)
        }
    }
}

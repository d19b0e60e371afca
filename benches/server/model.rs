//! The model over HTTP on loopback: it answers at once and writes down when each request was there and each answer gone.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// One exchange: a whole request came, its answer was sent.
#[derive(Clone, Copy)]
pub struct Exchange {
    pub came: Instant,
    pub sent: Instant,
    pub bytes: usize,
}

pub struct Model {
    pub url: String,
    answers: Arc<Mutex<Vec<Value>>>,
    exchanges: Receiver<Exchange>,
}

impl Model {
    /// Serves Messages response bodies as streams; [`Model::script`] says which.
    pub fn start() -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::<Mutex<Vec<Value>>>::default();
        let (done, exchanges) = channel();
        let serving = Arc::clone(&answers);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (answers, done) = (Arc::clone(&serving), done.clone());
                std::thread::spawn(move || serve(socket, &answers, &done));
            }
        });
        Model { url, answers, exchanges }
    }

    /// The answers that come next, in order.
    pub fn script(&self, answers: Vec<Value>) {
        *self.answers.lock().unwrap() = answers.into_iter().rev().collect();
    }

    /// The next exchanges, so many; an answer may be read before it is written down here.
    pub fn exchanges(&self, count: usize) -> Vec<Exchange> {
        (0..count).map(|_| self.exchanges.recv_timeout(Duration::from_secs(5)).expect("every turn is asked for")).collect()
    }
}

/// Ends with the connection.
fn serve(socket: std::net::TcpStream, answers: &Mutex<Vec<Value>>, done: &Sender<Exchange>) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let mut write = socket.try_clone().ok()?;
    let mut read = BufReader::new(socket);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if read.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        read.read_exact(&mut body).ok()?;
        let came = Instant::now();
        let stream = events(&answers.lock().unwrap().pop()?);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n", stream.len());
        write.write_all((head + &stream).as_bytes()).ok()?;
        done.send(Exchange { came, sent: Instant::now(), bytes: length }).ok()?;
    }
}

/// A response body as server-sent events.
fn events(body: &Value) -> String {
    let usage = json!({"input_tokens": 1000, "output_tokens": 1});
    let start = json!({"id": "m", "type": "message", "role": "assistant", "model": "double", "content": [], "usage": usage});
    let mut all = vec![json!({"type": "message_start", "message": start})];
    for (index, block) in body["content"].as_array().into_iter().flatten().enumerate() {
        let (empty, delta) = match block["type"].as_str() {
            Some("tool_use") => (
                json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}),
                json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}),
            ),
            _ => (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": block["text"]})),
        };
        all.push(json!({"type": "content_block_start", "index": index, "content_block": empty}));
        all.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        all.push(json!({"type": "content_block_stop", "index": index}));
    }
    all.push(json!({"type": "message_delta", "delta": {"stop_reason": body["stop_reason"]}, "usage": {"output_tokens": 50}}));
    all.push(json!({"type": "message_stop"}));
    all.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())).collect()
}

//! What comes out of a command while it runs: its output, kept at both ends and shown live, and news of its connections.

use serde_json::json;

use super::{Context, terminal};
use crate::{
    event::{CallId, Event},
    seams::{Connection, ConnectionNews, Editor, OutputSink, Update, UpdateKind},
};

/// What is kept of an output: so much from its start, and so much from its end.
const KEEP: usize = 1024 * 1024;
/// Most bytes of one command that are shown live.
const LIVE: usize = 256 * 1024;
/// Most sentences about connections.
const CLOSED: usize = 12;

/// Keeps the start and the end of an output and shows it as it comes; notes what became of connections.
pub(super) struct Collector<'a> {
    editor: &'a dyn Editor,
    call: &'a CallId,
    record: &'a (dyn Fn(Event) + Sync),
    /// What did not come through: each sentence once, in the order of the first.
    closed: Vec<String>,
    head: Vec<u8>,
    /// The latest bytes after the head; at most twice `KEEP` long between cuts.
    tail: Vec<u8>,
    total: usize,
}

impl<'a> Collector<'a> {
    pub(super) fn new(cx: &Context<'a>) -> Self {
        let (editor, call, record) = (cx.editor, cx.call, cx.record);
        Collector { editor, call, record, closed: Vec::new(), head: Vec::new(), tail: Vec::new(), total: 0 }
    }

    /// Bytes in all.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Why connections did not come through, a sentence each.
    pub(super) fn closed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.closed)
    }

    /// The kept text and the number of bytes that were dropped between its start and its end.
    pub(super) fn finish(mut self) -> (String, usize) {
        let cut = self.tail.len().saturating_sub(KEEP);
        self.tail.drain(..cut);
        let dropped = self.total - self.head.len() - self.tail.len();
        if dropped == 0 {
            self.head.append(&mut self.tail);
            return (terminal::clean(&self.head), 0);
        }
        (
            format!("{}\n[{dropped} bytes were dropped here]\n{}", terminal::clean(&self.head), terminal::clean(&self.tail)),
            dropped,
        )
    }
}

impl OutputSink for Collector<'_> {
    fn output(&mut self, bytes: &[u8]) {
        if self.total < LIVE {
            let text = terminal::clean(bytes);
            self.editor.show(Update { kind: UpdateKind::ToolOutput, data: json!({"call": self.call, "text": text}) });
        }
        self.total += bytes.len();
        let room = (KEEP - self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        self.tail.extend_from_slice(&bytes[room..]);
        if self.tail.len() > 2 * KEEP {
            self.tail.drain(..self.tail.len() - KEEP);
        }
    }

    fn connection(&mut self, connection: &Connection) {
        (self.record)(on_record(connection));
        let why = match &connection.news {
            ConnectionNews::Refused(why) | ConnectionNews::Failed(why) => why.clone(),
            ConnectionNews::Closed { why: Some(why), .. } => {
                format!("the connection to {}:{} was ended: {why}", connection.host, connection.port)
            }
            ConnectionNews::Opened(_) | ConnectionNews::Closed { why: None, .. } => return,
        };
        if self.closed.len() < CLOSED && !self.closed.contains(&why) {
            self.closed.push(why);
        }
    }
}

/// What the journal says of a connection.
fn on_record(connection: &Connection) -> Event {
    let Connection { number, host, port, news } = connection.clone();
    let decided = |allowed: bool, address: Option<String>, why: Option<String>| Event::NetConnect {
        host: host.clone(),
        port,
        allowed,
        connection: number,
        address,
        why,
    };
    match news {
        ConnectionNews::Refused(why) => decided(false, None, Some(why)),
        ConnectionNews::Failed(why) => decided(true, None, Some(why)),
        ConnectionNews::Opened(address) => decided(true, Some(address), None),
        ConnectionNews::Closed { sent, received, why } => Event::NetClose { connection: number, host, port, sent, received, why },
    }
}

//! A command's output as it comes: shown live, cleaned, and kept: start and end in memory, all of it in a file of the session.

use std::{fmt::Write as _, sync::Arc};

use serde_json::json;

use super::{
    Context,
    connections::Connections,
    kept::{Kept, Writing},
    terminal::Cleaner,
};
use crate::{
    event::CallId,
    seams::{Connection, Copying, Editor, OutputSink, Spills, Update, UpdateKind},
};

/// What is kept in memory of the start, and of the end; bytes. Shorter outputs need no file.
const KEEP: usize = 64 << 10;
/// The largest file of one output, bytes; of what follows the end is kept.
const LARGEST: u64 = 64 << 20;
/// Most bytes of one command that are shown live.
const LIVE: u64 = 256 << 10;

/// Collects one command's output.
pub(super) struct Collector<'a> {
    editor: &'a dyn Editor,
    call: &'a CallId,
    spills: Arc<dyn Spills>,
    connections: Connections<'a>,
    live: Cleaner,
    cleaner: Cleaner,
    head: String,
    /// The latest text after the head; at most twice `KEEP` long between cuts.
    tail: String,
    /// Bytes as they came.
    total: u64,
    /// Bytes of text.
    length: u64,
    spill: Spill,
}

/// Where the whole of a long output goes.
enum Spill {
    /// Nowhere yet.
    Short,
    Into(Writing),
    /// It could not be written.
    Failed,
}

/// An output that has ended.
pub(super) struct Collected {
    /// Bytes as they came.
    pub total: u64,
    /// The text; of a long one start and end, with a line between them that says so.
    pub text: String,
    /// All of a long one.
    pub whole: Option<Kept>,
    /// Bytes that nobody can page through.
    pub lost: u64,
    /// Why connections did not come through, a sentence each.
    pub closed: Vec<String>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(cx: &Context<'a>, spills: Arc<dyn Spills>) -> Self {
        let connections = Connections { record: cx.record, closed: Vec::new() };
        let (live, cleaner) = Default::default();
        let (head, tail) = Default::default();
        Collector {
            editor: cx.editor,
            call: cx.call,
            spills,
            connections,
            live,
            cleaner,
            head,
            tail,
            total: 0,
            length: 0,
            spill: Spill::Short,
        }
    }

    /// The output, complete.
    pub(super) fn finish(mut self) -> Collected {
        let mut rest = String::new();
        self.cleaner.flush(&mut rest);
        self.keep(&rest);
        let total = self.total;
        let hidden = self.length - (self.head.len() + self.tail.len()) as u64;
        let (whole, lost) = match self.spill {
            Spill::Short => (None, 0),
            Spill::Into(file) => {
                let lost = file.missed().saturating_sub(self.tail.len() as u64);
                let at = self.tail.len() - file.missed().min(self.tail.len() as u64) as usize;
                let end = &self.tail[self.tail.ceil_char_boundary(at)..];
                let between = if lost > 0 { format!("\n[{lost} bytes were dropped here]\n") } else { String::new() };
                (file.end(&between, end), lost)
            }
            Spill::Failed => (None, hidden),
        };
        let mut text = self.head;
        if hidden > 0 {
            let _ = write!(text, "\n[{hidden} bytes are not shown here]\n");
        }
        text.push_str(&self.tail);
        let lost = if whole.is_none() { hidden } else { lost };
        Collected { total, text, whole, lost, closed: self.connections.closed }
    }

    fn keep(&mut self, text: &str) {
        self.length += text.len() as u64;
        let room = KEEP - self.head.len().min(KEEP);
        let (first, rest) = text.split_at(text.floor_char_boundary(room));
        // Once something came after it, the head is complete.
        let (first, rest) = if self.tail.is_empty() { (first, rest) } else { ("", text) };
        self.head.push_str(first);
        if rest.is_empty() {
            return;
        }
        if let Spill::Short = self.spill {
            let begun = self.spills.create().map(|file| Writing::new(file, LARGEST));
            self.spill = begun.and_then(|mut file| file.add(&self.head).map(|()| file)).map_or(Spill::Failed, Spill::Into);
        }
        if let Spill::Into(file) = &mut self.spill
            && file.add(rest).is_err()
        {
            self.spill = Spill::Failed;
        }
        self.tail.push_str(rest);
        if self.tail.len() > 2 * KEEP {
            let cut = self.tail.ceil_char_boundary(self.tail.len() - KEEP);
            self.tail.drain(..cut);
        }
    }

    fn show(&mut self, bytes: &[u8]) {
        let room = LIVE.saturating_sub(self.total).min(bytes.len() as u64) as usize;
        if room == 0 {
            return;
        }
        let mut text = String::new();
        self.live.push(&bytes[..room], &mut text);
        self.live.flush(&mut text);
        if self.total + room as u64 >= LIVE {
            text.push_str("\n[the rest is not shown live]\n");
        }
        if !text.is_empty() {
            self.editor.show(Update { kind: UpdateKind::ToolOutput, data: json!({"call": self.call, "text": text}) });
        }
    }
}

impl OutputSink for Collector<'_> {
    fn output(&mut self, bytes: &[u8]) {
        self.show(bytes);
        self.total += bytes.len() as u64;
        let mut text = String::new();
        self.cleaner.push(bytes, &mut text);
        self.keep(&text);
    }

    fn connection(&mut self, connection: &Connection) {
        self.connections.heard(connection);
    }

    fn copying(&mut self, copying: Copying) {
        let words = copying.to_string();
        self.editor.show(Update { kind: UpdateKind::State, data: json!({"state": "running", "doing": words, "message": words}) });
    }
}

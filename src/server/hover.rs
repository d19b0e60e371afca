//! Hovers. Of a pending change, what it is (`hover_pending`). Provenance of the others: for a line that the agent wrote and the user accepted, who asked for what, why, and who approved.
//!
//! The desk follows the lines. What is told about them is noted when they are accepted and kept within bounds, over a restart
//! together with the accepted hunks. Words of the model are shown as plain text, never as markup.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use tower_lsp::lsp_types::{Hover, HoverContents, HoverParams, MarkupContent, MarkupKind, TextDocumentPositionParams};

use super::actor::Actor;
use crate::{
    event::{CallId, HunkId, ProposalId},
    journal,
    path::WsPath,
    proposal::Receipt,
    seams::{Update, UpdateKind},
    workspace::desk::{Desk, DeskEvent, What},
};

/// Acceptances that are remembered; the oldest is forgotten first.
const MOST: usize = 4096;
/// Calls of one task whose reasons are remembered.
const CALLS: usize = 256;
/// Longest reason, characters.
const REASON: usize = 280;

/// What a running task's model said before each of its calls.
#[derive(Default)]
pub struct Words {
    model: String,
    latest: String,
    reasons: VecDeque<(CallId, String)>,
}

impl Words {
    /// Takes note of an update of the task.
    pub fn note(&mut self, update: &Update) {
        let data = &update.data;
        match update.kind {
            // A request to the model begins.
            UpdateKind::State if data["state"] == "thinking" => self.latest.clear(),
            UpdateKind::State if self.model.is_empty() => self.model = data["model"].as_str().unwrap_or_default().to_owned(),
            UpdateKind::Text if self.latest.len() < 4 * REASON => {
                self.latest.push_str(data["text"].as_str().unwrap_or_default());
            }
            UpdateKind::Usage => {
                if let Some(model) = data["model"].as_str() {
                    self.model = model.to_owned();
                }
            }
            UpdateKind::ToolCall if data["result"].is_null() && !self.latest.trim().is_empty() => {
                let Some(call) = data["call"].as_str() else { return };
                self.reasons.push_back((CallId::from(call), clipped(&plain(&self.latest), REASON)));
                if self.reasons.len() > CALLS {
                    self.reasons.pop_front();
                }
            }
            _ => {}
        }
    }

    /// The model of the latest answer, or the one that will be asked.
    pub fn model(&self) -> Option<&str> {
        (!self.model.is_empty()).then_some(&*self.model)
    }

    /// What the model said right before this call.
    pub fn reason(&self, call: &CallId) -> Option<String> {
        self.reasons.iter().rev().find(|(known, _)| known == call).map(|(_, words)| words.clone())
    }
}

/// What is told about one accepted hunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    title: String,
    reason: Option<String>,
    model: String,
    /// As they were when it was accepted.
    receipts: Vec<Receipt>,
    /// Date and time, UTC.
    when: String,
}

/// What is told about accepted hunks.
#[derive(Default)]
pub struct Stories {
    known: HashMap<(ProposalId, HunkId), Story>,
    order: VecDeque<(ProposalId, HunkId)>,
}

impl Stories {
    /// What is told about these hunks of a proposal.
    pub fn of<'a>(&self, proposal: &ProposalId, hunks: impl Iterator<Item = &'a HunkId>) -> Vec<(HunkId, Story)> {
        let story = |hunk: &HunkId| self.known.get(&(proposal.clone(), hunk.clone())).cloned();
        hunks.filter_map(|hunk| Some((hunk.clone(), story(hunk)?))).collect()
    }

    /// Notes a story; what comes from a file is clipped like what comes from a model.
    pub fn add(&mut self, key: (ProposalId, HunkId), mut story: Story) {
        story.reason = story.reason.map(|reason| clipped(&plain(&reason), REASON));
        story.model = clipped(&story.model, REASON);
        story.when = clipped(&story.when, REASON);
        self.order.push_back(key.clone());
        self.known.insert(key, story);
        while self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

impl Actor {
    /// Notes what will be told about a hunk that was just accepted.
    pub fn note_story(&mut self, folder: usize, event: &DeskEvent) {
        let What::Accepted { hunk, call, .. } = &event.what else { return };
        let Some(task) = self.tasks.get(&event.task) else { return };
        let receipts = self.folders.get(folder).map(|folder| folder.desk.receipts(&event.proposal).0.to_vec());
        let story = Story {
            title: task.title.clone(),
            reason: task.words.reason(call),
            model: task.words.model.clone(),
            receipts: receipts.unwrap_or_default(),
            when: moment(&self.setup.clock.utc()),
        };
        self.stories.add((event.proposal.clone(), hunk.clone()), story);
    }

    /// `textDocument/hover`: a pending change, or where the line comes from; nothing for lines that the agent did not write or
    /// that the user changed since.
    pub fn hover(&self, params: &HoverParams) -> Option<Hover> {
        let at = &params.text_document_position_params;
        let places = self.folders.find_all(&at.text_document.uri);
        places.into_iter().find_map(|(index, path)| {
            let desk = &self.folders.get(index)?.desk;
            self.hover_pending(desk, &path, at.position).or_else(|| self.hover_in(desk, &path, at))
        })
    }

    fn hover_in(&self, desk: &Desk, path: &WsPath, at: &TextDocumentPositionParams) -> Option<Hover> {
        let (text, line) = (&desk.buffer(path)?.text, at.position.line as usize);
        if line >= text.lines() {
            return None;
        }
        let origin = desk.origin(path, text.line_start(line))?;
        let story = self.stories.known.get(&(origin.proposal.clone(), origin.hunk.clone()))?;
        let (now, fresh) = desk.receipts(&origin.proposal);
        Some(self.hover_of(told(story, |receipt| fresh && now.contains(receipt), self.client.hover_markdown)))
    }

    /// A hover of this text, which is Markdown where the client shows that.
    pub fn hover_of(&self, value: String) -> Hover {
        let kind = if self.client.hover_markdown { MarkupKind::Markdown } else { MarkupKind::PlainText };
        Hover { contents: HoverContents::Markup(MarkupContent { kind, value }), range: None }
    }
}

fn told(story: &Story, is_fresh: impl Fn(&Receipt) -> bool, markdown: bool) -> String {
    let quoted = |text: &str| if markdown { escaped(&plain(text)) } else { plain(text) };
    let mut lines = vec![format!("Agent: \"{}\"", quoted(&story.title))];
    lines.push(match &story.reason {
        Some(reason) => format!("It said: \"{}\"", quoted(reason)),
        None => "It gave no further reason.".to_owned(),
    });
    if !story.model.is_empty() {
        lines.push(format!("Model: {}", quoted(&story.model)));
    }
    for receipt in &story.receipts {
        lines.push(format!("Check: {}", quoted(&receipt.words(is_fresh(receipt)))));
    }
    if story.receipts.is_empty() {
        lines.push("Check: none was run".to_owned());
    }
    lines.push(format!("Accepted by {}, {}", quoted(&journal::user_name()), quoted(&story.when)));
    lines.join(if markdown { "  \n" } else { "\n" })
}

/// One line of visible characters.
pub fn plain(text: &str) -> String {
    let invisible = |c: &char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let words = text.split_whitespace().map(|word| word.chars().filter(|c| !invisible(c)).collect::<String>());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Text behind other words of a line, in which no character is markup and no address becomes a link. Nothing else is escaped: some
/// editors show the backslashes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for (at, c) in text.char_indices() {
        let (before, behind) = (&text[..at], &text[at + c.len_utf8()..]);
        let within = || before.ends_with(char::is_alphanumeric) && behind.starts_with(char::is_alphanumeric);
        let markup = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '&' | '~' | '$' | '@' => true,
            '_' => !within(),
            '(' => before.ends_with(']'),
            ':' => behind.starts_with('/'),
            '.' => before.len() >= 3 && before.as_bytes()[before.len() - 3..].eq_ignore_ascii_case(b"www"),
            _ => false,
        };
        if markup {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn clipped(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

/// `2026-01-31 12:00 UTC` of a timestamp.
fn moment(utc: &str) -> String {
    let minutes = utc.get(..16).unwrap_or(utc);
    format!("{} UTC", minutes.replace('T', " "))
}

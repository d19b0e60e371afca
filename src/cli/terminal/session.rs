//! One conversation with the server: a task from the ask to its end, with its questions and the person's interrupts.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{
    account::{Account, usage_line},
    client::{Client, Happening},
    external::{self, Document},
    person::{Moment, Person, forget_typed},
    screen::{Screen, Tone},
    shown::Proposal,
};
use crate::{
    cli::{
        CliError, Code,
        printable::{printable, printable_block, printable_json},
    },
    config::Environment,
    event::{ProposalId, StopReason},
};

/// Longest wait for the proposal after a task's end.
const SETTLING: Duration = Duration::from_secs(2);

/// How a task ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    pub task: String,
    pub session: String,
    /// The server's word: `ended`, `cancelled`, `failed`.
    pub state: String,
    pub stop: Option<StopReason>,
    /// Exit code that the end asks for.
    pub code: u8,
    pub summary: String,
    /// Hunks that wait for a decision.
    pub pending: usize,
    pub proposal: Option<ProposalId>,
    /// Why no command could run, if that is so.
    pub no_walls: Option<String>,
    /// `5/20 · 12.4k tok`
    pub usage: String,
}

impl Ended {
    /// The end in a word or two.
    pub fn how(&self) -> &'static str {
        match self.stop {
            Some(StopReason::EndTurn) => "done",
            Some(StopReason::MaxIterations) => "stopped at the iteration limit",
            Some(StopReason::Budget) => "stopped by a budget",
            Some(StopReason::Cancelled) => "stopped",
            Some(StopReason::Refusal) => "the model refused",
            Some(StopReason::NoProgress) => "stopped: it made no progress",
            Some(StopReason::Error) | None => "failed",
        }
    }
}

/// A conversation.
pub struct Session {
    pub client: Client,
    pub screen: Screen,
    pub person: Person,
    pub environment: Environment,
    /// The server's state folder, where its documents are.
    pub state: PathBuf,
    pub interrupts: Interrupts,
    /// Whether stdout gets JSON lines instead of an account.
    pub json: bool,
    pub account: Account,
    /// What the task does, for the status line, and since when.
    doing: (String, Instant),
    /// What came while a person was asked.
    held: VecDeque<Happening>,
}

impl Session {
    /// A conversation with the server behind `client`, shown on `screen`.
    pub fn new(client: Client, screen: Screen, person: Person, environment: Environment, state: &Path) -> Session {
        Session {
            client,
            screen,
            person,
            environment,
            state: state.to_owned(),
            interrupts: Interrupts::default(),
            json: false,
            account: Account::default(),
            doing: (String::new(), Instant::now()),
            held: VecDeque::new(),
        }
    }

    /// One JSON line: `{"event": NAME, ...}`.
    pub fn event(&mut self, name: &str, fields: &Value) {
        if !self.json {
            return;
        }
        let mut event = json!({"event": name});
        if let (Some(event), Some(fields)) = (event.as_object_mut(), fields.as_object()) {
            event.extend(fields.clone());
        }
        let mut out = std::io::stdout().lock();
        let _ = std::io::Write::write_all(&mut out, format!("{}\n", printable_json(&event.to_string())).as_bytes());
    }

    /// Asks the agent, and follows the task to its end.
    ///
    /// # Errors
    /// When the server refuses the ask, or goes away.
    pub async fn ask(&mut self, ask: Value) -> Result<Ended, CliError> {
        let started = self.client.peer.command("ask", ask).await.map_err(|refused| CliError::usage(refused.message))?;
        let id = |field: &str| started[field].as_str().unwrap_or_default().to_owned();
        let mut ended = Ended { task: id("task"), session: id("session"), ..Ended::default() };
        let (mut over, mut seconds) = (false, tokio::time::interval(Duration::from_secs(1)));
        self.doing = ("starting".to_owned(), Instant::now());
        while !over {
            if let Some(happening) = self.held.pop_front() {
                over = self.take(happening, &mut ended).await;
                continue;
            }
            let happening = tokio::select! {
                happening = self.client.next() => happening.ok_or_else(gone)?,
                _ = seconds.tick() => {
                    let (doing, since) = &self.doing;
                    self.screen.status(&format!("  {doing}"), &format!(" · {} s", since.elapsed().as_secs()));
                    continue;
                }
                () = self.interrupts.came() => {
                    self.stop(&ended.task).await;
                    continue;
                }
            };
            over = self.take(happening, &mut ended).await;
        }
        let _ = tokio::time::timeout(SETTLING, self.settle(&mut ended)).await;
        Ok(ended)
    }

    /// Waits until the proposal is known as it is at the end.
    async fn settle(&mut self, ended: &mut Ended) {
        while self.proposal(ended).map_or(0, |proposal| proposal.pending()) < ended.pending {
            let Some(happening) = self.next().await else { return };
            self.take(happening, ended).await;
        }
    }

    /// What the server started next; `None` when it is gone.
    pub async fn next(&mut self) -> Option<Happening> {
        match self.held.pop_front() {
            None => self.client.next().await,
            held => held,
        }
    }

    /// The task's proposal as it was last told.
    pub fn proposal(&self, ended: &Ended) -> Option<Proposal> {
        self.client.texts().proposal(ended.proposal.as_ref()?).cloned()
    }

    /// Shows or answers what came; true when it was the task's end.
    pub async fn take(&mut self, happening: Happening, ended: &mut Ended) -> bool {
        match happening {
            Happening::Update(update) => return self.update(&update, ended),
            Happening::Proposal(proposal) => {
                if proposal["task"].as_str() == Some(&ended.task) {
                    ended.proposal = proposal["proposal"].as_str().map(ProposalId::from);
                }
                self.event("proposal", &proposal);
            }
            Happening::Question { id, text, titles } => {
                let title = self.question(&text, &titles, &ended.task).await;
                self.event("question", &json!({"text": text, "answer": title}));
                self.client.answer(id, title.as_deref());
            }
            Happening::Document(path) => self.document(&path).await,
            // The task's end is told by its own words.
            Happening::Message { text, .. } if text.starts_with("countersign ") => {}
            Happening::Message { typ, text } => {
                self.account.pause(&mut self.screen);
                let tone = if typ <= 2 { Tone::Warn } else { Tone::Quiet };
                self.screen.paragraph("  ", tone, &text);
                self.event("message", &json!({"type": typ, "text": text}));
            }
            Happening::Note(note) => self.screen.paragraph("  ", Tone::Warn, &note),
        }
        false
    }

    fn update(&mut self, update: &Value, ended: &mut Ended) -> bool {
        if update["task"].as_str() != Some(&ended.task) {
            return false;
        }
        self.event("update", update);
        match update["kind"].as_str() {
            Some("usage") => ended.usage = usage_line(update),
            Some("tool_call") if update["tool"] == "run" => {
                let result = update["result"].as_str().unwrap_or_default();
                if result.starts_with("commands cannot run here") || result.contains("rule min_level") {
                    ended.no_walls = Some(for_person(result));
                }
            }
            _ => {}
        }
        if let Some(doing) = update["message"].as_str().filter(|doing| *doing != self.doing.0) {
            self.doing = (doing.to_owned(), Instant::now());
        }
        self.account.tell(&mut self.screen, update);
        // The last state, and only it, has a summary.
        let Some(summary) = update["summary"].as_str().filter(|_| update["kind"] == "state") else { return false };
        self.account.pause(&mut self.screen);
        ended.state = update["state"].as_str().unwrap_or_default().to_owned();
        ended.stop = serde_json::from_value(update["stop"].clone()).ok();
        // Why it failed comes with the next step.
        let why = update["message"].as_str().filter(|_| ended.state == "failed");
        ended.summary = why.unwrap_or(summary).to_owned();
        ended.pending = update["pending"].as_u64().and_then(|pending| usize::try_from(pending).ok()).unwrap_or_default();
        ended.code = update["code"].as_u64().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        true
    }

    async fn stop(&mut self, task: &str) {
        self.account.pause(&mut self.screen);
        self.screen.say(Tone::Warn, "  stopping; Ctrl-C once more leaves at once");
        let _ = self.client.peer.command("stop", json!({"task": task})).await;
    }

    /// One of the server's questions; `None` decides nothing.
    async fn question(&mut self, text: &str, titles: &[String], task: &str) -> Option<String> {
        self.account.pause(&mut self.screen);
        self.screen.gap();
        self.screen.paragraph("  ", Tone::Strong, text);
        if !self.person.is_there() {
            self.screen.say(Tone::Warn, "  nobody is here to ask, so the answer is no");
            return None;
        }
        let keys = keys(titles);
        let shown: Vec<String> =
            keys.iter().map(|(key, title)| format!("{} {}", self.screen.paint(Tone::Key, key), printable(title))).collect();
        self.screen.line(&format!("  {}", shown.join("   ")));
        if matches!(self.person, Person::Terminal) {
            forget_typed();
        }
        loop {
            let moment = Moment::Question(text);
            let answer = tokio::select! {
                answer = self.person.ask(&mut self.screen, "  > ", &moment) => answer?,
                () = self.interrupts.came() => {
                    self.stop(task).await;
                    return None;
                }
                // Nobody answered in time; the server says so next.
                () = closed(&mut self.client, &mut self.held, text) => {
                    self.screen.line("");
                    return None;
                }
            };
            if let Some((_, title)) =
                keys.iter().find(|(key, title)| answer.eq_ignore_ascii_case(key) || answer.eq_ignore_ascii_case(title))
            {
                return Some(title.clone());
            }
            let letters: Vec<&str> = keys.iter().map(|(key, _)| key.as_str()).collect();
            let what = if answer.is_empty() { "Enter alone decides nothing" } else { "that is none of the answers" };
            self.screen.say(Tone::Quiet, &format!("  {what}; press {}, then Enter", letters.join(", ")));
        }
    }

    async fn document(&mut self, path: &Path) {
        self.account.pause(&mut self.screen);
        match external::read(&self.state, path) {
            Some(Document::Text(text)) => {
                self.screen.gap();
                for line in text.lines() {
                    let line = printable_block(line).into_owned();
                    self.screen.line(&format!("  {} {line}", self.screen.paint(Tone::Quiet, "┃")));
                }
            }
            Some(Document::Form(form)) => {
                self.screen.gap();
                self.screen.paragraph("  ", Tone::Plain, &question_of(&form));
                let words = tokio::select! {
                    words = self.person.ask(&mut self.screen, "  your answer: ", &Moment::Words) => words,
                    () = self.interrupts.came() => None,
                };
                let words = words.filter(|words| !words.is_empty());
                if words.is_none() {
                    self.screen.say(Tone::Quiet, "  no answer");
                }
                if let Err(error) = external::send(path, &form, words.as_deref()) {
                    self.screen.say(Tone::Warn, &format!("  the answer cannot be sent: {error}"));
                }
            }
            None => self.screen.say(Tone::Quiet, &format!("  see {}", printable(&path.display().to_string()))),
        }
    }
}

/// Waits until the server has closed a question, and keeps all that comes meanwhile.
async fn closed(client: &mut Client, held: &mut VecDeque<Happening>, question: &str) {
    while let Some(happening) = client.next().await {
        // The question's words hold its name, with a number when it was asked again.
        let ours = |update: &Value| update["approval"].as_str().is_some_and(|name| question.contains(&format!("[{name}")));
        let over = match &happening {
            Happening::Update(update) => update["kind"] == "question" && update["state"] != "open" && ours(update),
            _ => false,
        };
        held.push_back(happening);
        if over {
            return;
        }
    }
}

/// Why no command ran, without the advice that is the model's.
fn for_person(result: &str) -> String {
    let why = [". Nothing ran.", ". Do not try it"].iter().fold(result, |why, tail| why.split(tail).next().unwrap_or(why));
    match why.split_once(" (for the user: ") {
        Some((why, hint)) => format!("{why}. {}", hint.trim_end_matches(')')),
        None => format!("{why}. `countersign doctor` says what helps."),
    }
}

/// What a form asks, without the marks of its file.
fn question_of(form: &str) -> String {
    let comment = form.split_once("<!--").and_then(|(_, rest)| rest.split_once("-->")).map_or(form, |(comment, _)| comment);
    let lines = comment.lines().map(str::trim).filter(|line| !line.starts_with("Write your answer below"));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// A key for each title: its first letter that is free, or a number.
fn keys(titles: &[String]) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for (at, title) in titles.iter().enumerate() {
        let mut letters = title.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase().to_string());
        let free = letters.find(|letter| out.iter().all(|(key, _)| key != letter));
        out.push((free.unwrap_or_else(|| (at + 1).to_string()), title.clone()));
    }
    out
}

fn gone() -> CliError {
    CliError::new(Code::Failed, "the server ended before the task did").hint("COUNTERSIGN_LOG=debug says more")
}

/// Ctrl-C: the first one is for whoever listens, the second one leaves at once.
#[derive(Clone, Default)]
pub struct Interrupts {
    came: Arc<Notify>,
    once: Arc<AtomicBool>,
    /// Another program has the terminal.
    away: Arc<AtomicBool>,
}

impl Interrupts {
    /// Begins to listen; `last` runs before a second one leaves.
    pub fn listen(&self, last: impl Fn() + Send + 'static) {
        let this = self.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if this.away.load(Ordering::Relaxed) {
                    continue;
                }
                if this.once.swap(true, Ordering::Relaxed) {
                    last();
                    process::exit(Code::Cancelled as i32);
                }
                this.came.notify_one();
            }
        });
    }

    /// Returns at the first interrupt, once.
    pub async fn came(&self) {
        self.came.notified().await;
    }

    /// While another program has the terminal, its interrupts are not ours.
    pub fn away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// Whether one came.
    pub fn did_come(&self) -> bool {
        self.once.load(Ordering::Relaxed)
    }
}

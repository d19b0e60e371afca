//! The actor's part in documents that the user writes into: prompts that are sent, boxes that are ticked. Write, open, watch, take
//! what came of it.

use std::{io, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower_lsp::{
    jsonrpc,
    lsp_types::{MessageType, Range, Url},
};

use super::{
    actor::{Actor, unknown},
    boxes::{Boxes, Ticked},
    commands::{Ask, Explainable, Retry, Review, Say, failed},
    controls::Control,
    documents,
    input::Input,
    outbox::Weight,
    task::Asked,
};
use crate::event::{ApprovalId, TaskId};

/// The box of a message that becomes an ask of its own.
const LATER: &str = "later";

/// What a prompt document is for.
pub enum Purpose {
    /// Its text is a new ask.
    Ask(Ask),
    /// The model waits for this answer (`ask_user`).
    Answer(oneshot::Sender<Option<String>>),
    /// Hunks that are rejected with the text as the reason.
    Reject(Explainable),
    /// A message to a task.
    Tell(TaskId),
    /// A task that is tried again with the text as the note.
    Retry(TaskId),
}

/// A prompt document that is open.
pub struct OpenPrompt {
    purpose: Purpose,
    path: PathBuf,
    uri: Url,
    /// What it is about, in one line.
    words: String,
}

/// What a document with boxes decides.
pub enum Ballot {
    /// The showing of a question that has this code.
    Question { approval: ApprovalId, code: String },
    /// One of these.
    Controls(Vec<Control>),
}

/// A document with boxes that is open.
pub struct OpenBallot {
    ballot: Ballot,
    boxes: Boxes,
    uri: Url,
}

/// How a document appears in the editor.
#[derive(Clone, Copy)]
pub struct Opened<'a> {
    pub take_focus: bool,
    /// What it is about, where it is not opened at once.
    pub words: &'a str,
}

/// A file's name as people write it.
fn shown(uri: &Url) -> String {
    uri.to_file_path().map_or_else(|()| uri.to_string(), |path| path.display().to_string())
}

/// The lines of a selection, one-based; whole lines end before the first character of the next one.
fn lines(range: &Range) -> String {
    let whole = range.end.character == 0 && range.end.line > range.start.line;
    match (range.start.line + 1, range.end.line + u32::from(!whole)) {
        (first, last) if first == last => format!("line {first}"),
        (first, last) => format!("lines {first}-{last}"),
    }
}

impl Actor {
    /// `ask` without a prompt.
    pub fn open_ask_document(&mut self, ask: Ask, tasks: &[(String, String)]) -> jsonrpc::Result<Value> {
        if self.folders.for_ask(ask.uri.as_ref()).is_none() {
            return Err(failed("no folder is open; open a folder, so that the agent has a workspace"));
        }
        let about = match (&ask.uri, &ask.range) {
            (Some(uri), Some(range)) => {
                format!("Ask the agent about {}, {}.", shown(uri), lines(range))
            }
            (Some(uri), None) => format!("Ask the agent about {}.", shown(uri)),
            _ => "Ask the agent.".to_owned(),
        };
        let text = documents::prompt_document(&about, tasks);
        self.answer_with_prompt("ask", &text, Purpose::Ask(ask))
    }

    /// `tell`: a document for a message to a task.
    pub fn on_tell(&mut self, id: &TaskId) -> jsonrpc::Result<Value> {
        let task = self.tasks.get(id).ok_or_else(|| unknown("task", id))?;
        if task.state.is_over() {
            return Err(failed(format!("task {id} has ended; use countersign.retryWithNote, or ask anew")));
        }
        let text = format!(
            "<!-- Tell the agent something while it works on \"{}\".\n     Write above the boxes, change the last line to \"[x] send\" and save.\n     It \
             reads this at its next step; with \"[x] {LATER}\" it is a further\n     ask, after this task. -->\n\n\n\n[ ] {LATER}\n[ ] send\n",
            task.title.replace("-->", "-- >")
        );
        self.answer_with_prompt("tell", &text, Purpose::Tell(id.clone()))
    }

    /// `retryWithNote`: a document for the note.
    pub fn on_retry_with_note(&mut self, id: &TaskId) -> jsonrpc::Result<Value> {
        let task = self.ended(id)?;
        let text = format!(
            "<!-- Try \"{}\" again, in the same conversation.\n     Write above the box what should be different, or nothing. Change the\n     last line to \"[x] \
             send\" and save. -->\n\n\n\n[ ] send\n",
            task.title.replace("-->", "-- >")
        );
        self.answer_with_prompt("retry", &text, Purpose::Retry(id.clone()))
    }

    fn answer_with_prompt(&mut self, stem: &str, text: &str, purpose: Purpose) -> jsonrpc::Result<Value> {
        let opened = Opened { take_focus: true, words: "Write to the agent." };
        let uri = self
            .open_prompt(stem, text, purpose, opened)
            .map_err(|error| failed(format!("the document cannot be written: {error}")))?;
        Ok(json!({"document": uri}))
    }

    /// Writes, opens and watches a prompt document.
    ///
    /// # Errors
    /// When the state folder cannot be written.
    pub fn open_prompt(&mut self, stem: &str, text: &str, purpose: Purpose, opened: Opened<'_>) -> io::Result<Url> {
        // Sent documents stay as history, so each has a name of its own.
        let (path, uri) = self.documents.write(&documents::prompt_name(stem), text)?;
        self.watch_prompt(OpenPrompt { purpose, path, uri: uri.clone(), words: opened.words.to_owned() }, None);
        self.show_written(uri.clone(), opened);
        Ok(uri)
    }

    /// `after`: a saving that came to nothing.
    fn watch_prompt(&mut self, prompt: OpenPrompt, after: Option<documents::Stamp>) {
        self.counter += 1;
        let (id, path, mailbox) = (self.counter, prompt.path.clone(), self.mailbox.clone());
        self.prompts.insert(id, prompt);
        tokio::spawn(async move {
            let sent = documents::sent(path, after).await;
            let _ = mailbox.send(Input::PromptSent { id, sent });
        });
    }

    /// The document in which the model waits for words: what it asks, and where.
    pub fn open_answer(&self) -> Option<(&str, &Url)> {
        let waits = |prompt: &OpenPrompt| matches!(&prompt.purpose, Purpose::Answer(answer) if !answer.is_closed());
        let oldest = self.prompts.iter().filter(|(_, prompt)| waits(prompt)).min_by_key(|(id, _)| **id);
        oldest.map(|(_, prompt)| (prompt.words.as_str(), &prompt.uri))
    }

    /// Opens a document that is there, or says where it is: some editors open none, and some take the user's keyboard for it.
    pub fn show_written(&self, uri: Url, opened: Opened<'_>) {
        if self.client.show_document && (opened.take_focus || !self.client.steals_focus) {
            return self.out.show_document(uri, opened.take_focus);
        }
        let words = opened.words;
        if self.client.show_document {
            self.out.message(MessageType::WARNING, &format!("Choose `Show question` from the menu of code actions. {words}"));
        } else {
            self.out.message(MessageType::INFO, &format!("{words} Open {}", uri.path()));
        }
    }

    /// Writes, opens and watches a document with boxes. Returns where it is.
    ///
    /// # Errors
    /// When the state folder cannot be written.
    pub fn open_boxes(
        &mut self,
        name: &str,
        text: &str,
        boxes: Boxes,
        ballot: Ballot,
        patience: Duration,
        opened: Opened<'_>,
    ) -> io::Result<(PathBuf, Url)> {
        let (path, uri) = self.documents.write(&format!("{name}.md"), &format!("{text}\n{}", boxes.text()))?;
        self.counter += 1;
        let (id, watched, mailbox) = (self.counter, path.clone(), self.mailbox.clone());
        self.ballots.insert(id, OpenBallot { ballot, boxes: boxes.clone(), uri: uri.clone() });
        tokio::spawn(async move {
            let ticked = boxes.ticked(&watched, patience).await;
            let _ = mailbox.send(Input::Ticked { id, ticked });
        });
        self.show_written(uri.clone(), opened);
        Ok((path, uri))
    }

    /// A box of a document was ticked, or never will be.
    pub fn on_ticked(&mut self, id: u64, ticked: Ticked) {
        let Some(OpenBallot { ballot, .. }) = self.ballots.remove(&id) else { return };
        match (ballot, ticked) {
            (_, Ticked::Nothing) => {}
            (Ballot::Question { approval, code }, Ticked::Chose(choice)) => self.on_ticked_question(&approval, &code, &choice),
            (Ballot::Controls(controls), Ticked::Chose(choice)) => self.on_control(&controls, &choice),
            (_, Ticked::NotYours) => {
                let words = "A document of countersign can be written by other users of this machine, so what is ticked there does not \
                    count. Ask for it again by the menu.";
                self.out.message(MessageType::WARNING, words);
            }
        }
    }

    /// A document of ours was saved in the editor. One that a server opened that is gone would be sent by nobody. (An editor may
    /// run a server for the document, beside the one that opened it.)
    pub fn on_own_saved(&mut self, uri: &Url) {
        let boxes = self.ballots.values().find(|open| open.uri == *uri).map(|open| &open.boxes);
        if let Some(boxes) = boxes.filter(|boxes| uri.to_file_path().is_ok_and(|path| boxes.are_spoilt_in(&path))) {
            let again = if boxes.choices.len() > 1 { "exactly one box" } else { "the box" };
            let words = format!(
                "Nothing is decided: tick {again} below (`[x]`) and leave the other lines there as they are, or open the document anew \
                 from the menu."
            );
            return self.out.message(MessageType::WARNING, &words);
        }
        let open = self.prompts.values().any(|prompt| prompt.uri == *uri);
        if open && uri.to_file_path().is_ok_and(|path| documents::has_no_box(&path)) {
            return self.out.message(MessageType::WARNING, "Nothing is sent: the last line has to be `[x] send`.");
        }
        let known = open || self.sent.contains(uri);
        if !known && uri.to_file_path().is_ok_and(|path| documents::is_ready(&path) && !documents::is_watched(&path)) {
            let words = "Nothing was sent: this document was opened by a countersign that is gone. Choose `Ask agent...` from the menu, \
                and write it there.";
            self.out.message(MessageType::WARNING, words);
        }
    }

    /// What was sent by a document shows nowhere else.
    fn confirm(&self, done: &jsonrpc::Result<Value>, words: &str) {
        if done.is_ok() {
            self.out.message(MessageType::INFO, words);
        }
    }

    /// A prompt document was sent.
    pub fn on_prompt(&mut self, id: u64, sent: Option<documents::Sent>) {
        let Some(OpenPrompt { purpose, path, uri, words }) = self.prompts.remove(&id) else { return };
        let Some(sent) = sent else {
            if let Purpose::Answer(answer) = purpose {
                let _ = answer.send(None);
            }
            return;
        };
        // A box says enough of an ask, and so does trying again.
        let enough = match purpose {
            Purpose::Ask(_) => sent.task.is_some(),
            Purpose::Retry(_) => true,
            _ => false,
        };
        if sent.text.is_empty() && !enough {
            self.out.message(MessageType::WARNING, "Nothing was sent: there is no text above the boxes.");
            return self.watch_prompt(OpenPrompt { purpose, path, uri, words }, Some(sent.stamp));
        }
        if self.client.rich {
            // Its window has done its work.
            let row = json!({"task": null, "kind": "document", "uri": uri, "state": "sent"});
            self.out.own("countersign/update", row, Weight::Needed);
        }
        self.sent.insert(uri);
        let done = match purpose {
            Purpose::Answer(answer) => {
                let _ = answer.send(Some(sent.text));
                Ok(Value::Null)
            }
            Purpose::Reject(Explainable { proposal, hunks }) => {
                let done = self.on_reject(Review { proposal, hunks: Some(hunks), uri: None, reason: Some(sent.text) });
                self.confirm(&done, "Rejected. The agent is told why.");
                done
            }
            Purpose::Tell(task) => {
                let over = self.tasks.get(&task).is_none_or(|task| task.state.is_over());
                let say = Say { task, message: sent.text };
                // What comes too late for the task is not lost.
                let later = over || sent.task.as_deref() == Some(LATER);
                let (done, words) = match later {
                    true => (self.on_queue(say), "Sent: it is an ask of its own."),
                    false => (self.on_steer(say), "Sent: the agent reads it at its next step."),
                };
                self.confirm(&done, words);
                done
            }
            Purpose::Retry(task) => {
                let note = Some(sent.text).filter(|note| !note.is_empty());
                self.on_retry(Retry { task, note })
            }
            Purpose::Ask(mut ask) => {
                let mode = ask.mode;
                ask.prompt = Some(sent.text);
                let prompt_name = sent.task.unwrap_or_else(|| "ask".to_owned());
                self.enqueue(Asked { ask, prompt_name, mode, iterations: self.setup.max_iterations })
            }
        };
        if let Err(error) = done {
            self.out.message(MessageType::WARNING, &error.message);
        }
    }
}

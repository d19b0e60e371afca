//! What can be done with tasks beside asking and reviewing, for editors that pass no arguments to commands: in the menu, and
//! all of it in the document that `Agent: more...` opens.

use std::time::Duration;

use serde_json::{Value, json};
use tower_lsp::{
    jsonrpc,
    lsp_types::{CodeAction, MessageType, Url},
};

use super::{
    actor::Actor,
    boxes::Boxes,
    commands::{Command, PREFIX, failed},
    offers::{action, clip, kind},
    prompting::{Ballot, Opened},
    task::{State, Task},
};
use crate::{
    agent::{plain, progress_line},
    config::{TrustStore, Trusted},
    event::{StopReason, TaskId},
    path::WsPath,
    proposal::{FileProposal, HunkState, Proposal},
    vcs::may_have_remote,
};

/// Iterations that `Continue` gives to a task that has not said how many it had.
const ITERATIONS: u32 = 20;
/// How long the document can be used.
const OPEN: Duration = Duration::from_secs(2 * 60 * 60);
/// Tasks in the document, the newest first, and characters of their titles.
const TASKS: usize = 10;
const TITLE: usize = 40;
/// Changes of one task that are accepted by themselves only, in the document.
const APART: usize = 20;
/// Characters of a line of its messages.
const WIDTH: usize = 88;

/// One thing that can be done now.
#[derive(Clone, Debug)]
pub struct Control {
    pub title: String,
    /// The command without its prefix, and its argument.
    command: &'static str,
    argument: Value,
    /// Comes before the asks of a full menu.
    pub urgent: bool,
}

impl Control {
    /// As an entry of the menu.
    pub fn action(self) -> CodeAction {
        action(self.title, kind(self.command), self.command, self.argument, None)
    }

    fn of(mut self, task: &Task) -> Control {
        self.title = of_task(&self.title, task);
        self
    }
}

fn urgent(title: &str, command: &'static str, argument: Value) -> Control {
    Control { title: title.to_owned(), command, argument, urgent: true }
}

fn usual(title: &str, command: &'static str, argument: Value) -> Control {
    Control { urgent: false, ..urgent(title, command, argument) }
}

impl Actor {
    /// What can be done now, seen from a file of this folder; the urgent first.
    pub fn controls(&self, folder: Option<usize>) -> Vec<Control> {
        let mut all = Vec::new();
        let running = self.newest(|task| !task.state.is_over() && Some(task.folder) == folder);
        let running = running.or_else(|| self.newest(|task| !task.state.is_over()));
        if let Some(task) = running {
            all.push(urgent("Stop the agent", "stop", json!({})));
            all.push(urgent("Tell the agent...", "tell", json!({"task": task.id})));
        }
        let Some((index, folder)) = folder.and_then(|index| Some((index, self.folders.get(index)?))) else { return all };
        let root = &folder.canonical;
        let store = TrustStore::new(&self.setup.folders);
        let trusted = self.client.trusted || store.is_trusted(root).unwrap_or(false);
        if !trusted {
            all.push(urgent("Trust this folder...", "trustWorkspace", json!({})));
        }
        if let Some(git) = Trusted::look(root).ok().filter(|_| trusted).and_then(|folder| folder.git) {
            // The commands choose the folder themselves; what they would do elsewhere is not offered here.
            let here = |chosen: jsonrpc::Result<usize>| chosen.is_ok_and(|chosen| chosen == index);
            if folder.desk.has_uncommitted() && here(self.committing_folder()) {
                all.push(urgent("Commit accepted changes...", "commit", json!({})));
            }
            if folder.desk.has_unpushed() && here(self.publishing_folder()) && may_have_remote(&git) {
                all.push(urgent("Push...", "push", json!({})));
            }
        }
        let last = self.newest(|task| task.state.is_over() && task.folder == index);
        if let Some(task) = last.filter(|task| can_go_on(task)) {
            all.push(urgent("Continue", "continue", go_on(task)));
        }
        if let Some(task) = running {
            all.push(usual("Show transcript", "transcript", json!({"task": task.id})));
        }
        if let Some(task) = last.filter(|task| task.can_be_repeated()) {
            all.push(usual("Retry with a note...", "retryWithNote", json!({"task": task.id})));
        }
        let worked = |task: &Task| task.folder == index || folder.desk.proposal_of(&task.id).is_some();
        if let Some(task) = self.newest(|task| worked(task) && self.has_accepted(&task.id)) {
            all.push(usual("Take back accepted changes", "undo", json!({"task": task.id})));
        }
        if let Some(task) = last.filter(|_| running.is_none()) {
            all.push(usual("Show transcript", "transcript", json!({"task": task.id})));
        }
        all
    }

    /// The same for every task, each named.
    fn controls_of_all(&self, folder: Option<usize>) -> Vec<Control> {
        let mut all = self.controls(folder);
        all.retain(|control| control.argument["task"].is_null());
        for task in self.newest_first().into_iter().take(TASKS) {
            let argument = || json!({"task": task.id});
            all.extend(self.decisions(task));
            if task.state.is_over() {
                if can_go_on(task) {
                    all.push(usual("Continue", "continue", go_on(task)).of(task));
                }
                if task.can_be_repeated() {
                    all.push(usual("Retry with a note", "retryWithNote", argument()).of(task));
                }
            } else {
                all.push(usual("Stop", "stop", argument()).of(task));
                all.push(usual("Tell the agent", "tell", argument()).of(task));
            }
            if self.has_accepted(&task.id) {
                all.push(usual("Take back", "undo", argument()).of(task));
            }
            all.push(usual("Show transcript", "transcript", argument()).of(task));
        }
        if self.questions.all().next().is_some() {
            all.insert(0, urgent("Show question", "approvals", json!({})));
        }
        all
    }

    /// What can be decided about a task's pending changes without having their files open, which need not be there at all.
    fn decisions(&self, task: &Task) -> Vec<Control> {
        let mut all = Vec::new();
        let proposals = self.folders.iter().filter_map(|(_, folder)| folder.desk.proposal_of(&task.id));
        let proposals: Vec<&Proposal> = proposals.filter(|proposal| files_of(proposal).next().is_some()).collect();
        if let Some(first) = proposals.first() {
            let argument = || json!({"proposal": first.id});
            all.push(usual("Show diff", "showDiff", argument()).of(task));
            all.push(usual("Accept all", "accept", argument()).of(task));
            all.push(usual("Reject all", "reject", argument()).of(task));
        }
        // Left out by every accept-many.
        let apart = proposals.iter().flat_map(|proposal| {
            let hunks = proposal.files.iter().flat_map(|(path, file)| file.live().map(move |hunk| (path, hunk)));
            let apart = hunks.filter(|(_, hunk)| hunk.apart && hunk.state == HunkState::Pending);
            apart.map(|(path, hunk)| (path, &hunk.id, json!({"proposal": proposal.id, "hunks": [hunk.id]})))
        });
        all.extend(apart.take(APART).map(|(path, hunk, argument)| {
            usual(&format!("Accept {hunk} of {}", plain(path.as_str())), "accept", argument).of(task)
        }));
        all
    }

    /// The files with pending changes of a task, each with their number.
    pub fn to_review(&self, task: &TaskId) -> Vec<(String, usize)> {
        let several = self.folders.iter().filter(|(_, folder)| folder.is_open()).count() > 1;
        let found = self.folders.iter().filter_map(|(_, folder)| Some((folder, folder.desk.proposal_of(task)?)));
        let named = found.flat_map(|(folder, proposal)| {
            let name = move |path: &WsPath| if several { format!("{}/{path}", folder.name) } else { path.to_string() };
            files_of(proposal).map(move |(path, count)| (plain(&name(path)), count))
        });
        named.collect()
    }

    /// `more`: how things stand, and everything that can be done, as a document with boxes.
    pub fn on_more(&mut self, uri: Option<&Url>) -> jsonrpc::Result<Value> {
        let folder = self.folders.for_ask(uri);
        let controls = self.controls_of_all(folder);
        let status = self.status();
        let mut text = String::from("# The agent\n\n");
        if controls.is_empty() {
            text.push_str("There is nothing to do but to ask: no task has run yet, and the folder is trusted.\n");
        } else {
            text.push_str("Tick one box (`[x]`) below and save. It works once.\n");
        }
        for (name, key) in [("Model", "model"), ("Walls", "level")] {
            if let Some(value) = status[key].as_str() {
                text.push_str(&format!("\n{name}: {}  ", plain(value)));
            }
        }
        text.push_str("\n\n");
        for task in self.newest_first().into_iter().take(TASKS) {
            let line = progress_line(task.iteration, task.iterations, &task.line, task.usage, task.cost_usd);
            let (title, state) = (clip(&plain(&task.title), TITLE), task.state.word());
            let line = if line.is_empty() { line } else { format!(", {}", plain(&line)) };
            text.push_str(&format!("- {} {title}: {state}{line}\n", task.id));
            for (file, count) in self.to_review(&task.id) {
                text.push_str(&format!("  - {file}: {count} to review\n"));
            }
        }
        for open in self.questions.all() {
            text.push_str(&format!("- open question {}: {}\n", open.approval, plain(&open.question.text)));
        }
        let said = self.out.said();
        if !said.is_empty() {
            text.push_str("\nMessages, the newest first:\n\n");
            said.iter().for_each(|message| text.push_str(&item(message)));
        }
        let choices = controls.iter().map(|control| control.title.clone()).collect();
        let code = uuid::Uuid::new_v4().simple().to_string();
        let name = format!("agent-{}", uuid::Uuid::now_v7().simple());
        let opened = Opened { take_focus: true, words: "What the agent does, and what you can do." };
        let (_, uri) = self
            .open_boxes(&name, &text, Boxes { code, choices }, Ballot::Controls(controls), OPEN, opened)
            .map_err(|error| failed(format!("the document cannot be written: {error}")))?;
        Ok(json!({"document": uri}))
    }

    /// A box of that document was ticked: the command, as if the editor had sent it.
    pub fn on_control(&mut self, controls: &[Control], title: &str) {
        let Some(control) = controls.iter().find(|control| control.title == title) else { return };
        let parsed = Command::parse(&format!("{PREFIX}{}", control.command), vec![control.argument.clone()]);
        let (reply, answer) = tokio::sync::oneshot::channel();
        match parsed {
            Ok(command) => self.on_command(command, reply),
            Err(error) => return self.out.message(MessageType::WARNING, &error.message),
        }
        let out = self.out.clone();
        tokio::spawn(async move {
            if let Ok(Err(error)) = answer.await {
                out.message(MessageType::WARNING, &error.message);
            }
        });
    }

    /// Whether something of the task stands accepted, in whatever folder.
    pub fn has_accepted(&self, task: &TaskId) -> bool {
        self.folders.iter().any(|(_, folder)| folder.desk.proposal_of(task).is_some_and(|proposal| !proposal.accepted.is_empty()))
    }

    fn newest(&self, fits: impl Fn(&Task) -> bool) -> Option<&Task> {
        self.newest_first().into_iter().find(|task| fits(task))
    }

    fn newest_first(&self) -> Vec<&Task> {
        let mut all: Vec<&Task> = self.tasks.values().collect();
        all.sort_by_key(|task| std::cmp::Reverse(task.started));
        all
    }
}

/// The files of a proposal with hunks that wait for the user, each with their number.
fn files_of(proposal: &Proposal) -> impl Iterator<Item = (&WsPath, usize)> {
    let count = |file: &FileProposal| file.live().filter(|hunk| hunk.state == HunkState::Pending).count();
    proposal.files.iter().map(move |(path, file)| (path, count(file))).filter(|(_, count)| *count > 0)
}

/// Whether it was ended by something other than its own end.
fn can_go_on(task: &Task) -> bool {
    let State::Ended(stop) = &task.state else { return false };
    matches!(stop, StopReason::MaxIterations | StopReason::Budget | StopReason::Cancelled | StopReason::Error)
}

fn go_on(task: &Task) -> Value {
    let iterations = if task.iterations == 0 { ITERATIONS } else { task.iterations };
    json!({"task": task.id, "iterations": iterations.clamp(1, 100)})
}

/// A point of a list in lines of a readable width: not every editor wraps them.
fn item(text: &str) -> String {
    let (mut out, mut width) = (String::from("-"), 1);
    for word in text.split_whitespace() {
        let long = word.chars().count();
        if width + 1 + long > WIDTH && width > 2 {
            out.push_str("\n ");
            width = 1;
        }
        out.push(' ');
        out.push_str(word);
        width += 1 + long;
    }
    out.push('\n');
    out
}

/// The title of an entry with the task that it is about.
pub fn of_task(title: &str, task: &Task) -> String {
    format!("{}: {} ({})", title.trim_end_matches("..."), clip(&plain(&task.title), TITLE), task.id)
}

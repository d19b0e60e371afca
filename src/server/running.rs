//! The actor's part in tasks: ask, queue, start, steer, stop, end. What is told of them stands in `telling`.

use std::time::Instant;

use serde_json::{Value, json};
use tower_lsp::{
    jsonrpc,
    lsp_types::{MessageType, WorkDoneProgress, WorkDoneProgressEnd},
};

use super::{
    actor::{Actor, unknown},
    commands::{Ask, Continue, Mode, Retry, RunTask, Say, failed, invalid},
    input::Input,
    life::{self, Finished},
    receipts,
    task::{Asked, State, Task},
};
use crate::{
    agent::plain,
    config::tasks,
    event::{ProposalId, SessionId, StopReason, TaskId},
    seams::{Update, UpdateKind},
};

/// Task prompts offered in one prompt document.
const MOST_TASKS: usize = 24;

impl Actor {
    /// `ask`: a task, or a prompt document when there is no prompt.
    pub fn on_ask_command(&mut self, ask: Ask) -> jsonrpc::Result<Value> {
        match ask.prompt.as_deref().map(str::trim) {
            None => self.open_ask_document(ask, &[]),
            Some("") => Err(invalid("countersign.ask at `prompt`: it is empty")),
            Some(_) => {
                let mode = ask.mode;
                self.enqueue(Asked { ask, prompt_name: "ask".to_owned(), mode, iterations: self.setup.max_iterations })
            }
        }
    }

    /// `runTask`: a task prompt by name.
    pub fn on_run_task(&mut self, run: RunTask) -> jsonrpc::Result<Value> {
        let ask = Ask { uri: run.uri, range: run.range, diagnostics: run.diagnostics, ..Default::default() };
        let folder = self.folders.for_ask(ask.uri.as_ref());
        let tasks = self.task_prompts(folder);
        let names = || tasks.iter().map(|task| task.name.as_str()).chain(["more"]).collect::<Vec<_>>().join(", ");
        match run.name.as_str() {
            "more" => {
                let rows: Vec<_> = tasks.iter().take(MOST_TASKS).map(|task| (task.name.clone(), task.title.clone())).collect();
                self.open_ask_document(ask, &rows)
            }
            name if tasks.iter().any(|task| task.name == name) => {
                self.enqueue(Asked { ask, prompt_name: run.name, mode: None, iterations: self.setup.max_iterations })
            }
            name => Err(invalid(format!("countersign.runTask at `name`: there is no task {name:?}; there are {}", names()))),
        }
    }

    /// Makes a task of an ask and starts it when its folder is free.
    pub fn enqueue(&mut self, asked: Asked) -> jsonrpc::Result<Value> {
        let folder = self.folder_of(&asked.ask)?;
        let prompts = self.task_prompts(Some(folder));
        let Some(prompt) = prompts.iter().find(|prompt| prompt.name == asked.prompt_name) else {
            return Err(failed(format!("the task prompt {:?} is not there any more", asked.prompt_name)));
        };
        let mode = asked.mode.unwrap_or(Mode::from(prompt.mode));
        let session = asked.ask.session.clone().unwrap_or_else(|| SessionId(uuid::Uuid::now_v7().to_string()));
        self.sessions.entry(session.clone()).or_default();
        self.counter += 1;
        let id = TaskId(format!("t{}-{}", self.counter, &session.0[session.0.len().saturating_sub(6)..]));
        let words = asked.ask.prompt.as_deref().filter(|prompt| !prompt.trim().is_empty()).unwrap_or(&prompt.title);
        let title: String = words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(60).collect();
        let proposal = ProposalId(format!("p{}", self.counter));
        let ids = (id.clone(), session.clone(), proposal);
        let task = Task { asked_at: self.setup.clock.utc(), ..Task::new(ids, folder, asked, title, mode) };
        self.tasks.insert(id.clone(), task);
        if let Some(folder) = self.folders.get_mut(folder) {
            folder.queue.push_back(id.clone());
        }
        self.start_waiting(folder);
        if self.tasks.get(&id).is_some_and(|task| task.state == State::Queued) {
            self.tell_state(&id, Some("waits for the task that works in this folder or session"));
        }
        Ok(json!({"session": session, "task": id}))
    }

    /// The folder of an ask: its session's, else that of its document, else the first.
    fn folder_of(&self, ask: &Ask) -> jsonrpc::Result<usize> {
        let Some(session) = &ask.session else {
            return self
                .folders
                .for_ask(ask.uri.as_ref())
                .ok_or_else(|| failed("no folder is open; open a folder, so that the agent has a workspace"));
        };
        if !self.sessions.contains_key(session) {
            return Err(unknown("session", session));
        }
        let of_session = self.tasks.values().find(|task| task.session == *session).map(|task| task.folder);
        let of_session = of_session.ok_or_else(|| unknown("session", session))?;
        match ask.uri.as_ref().and_then(|uri| self.folders.find(uri)) {
            // What was read in one folder is not for another.
            Some((folder, _)) if folder != of_session => Err(invalid(format!(
                "countersign.ask at `session`: {session} is a conversation in another folder; leave it out to begin one here"
            ))),
            _ => match self.folders.get(of_session).filter(|folder| !folder.is_open()) {
                Some(folder) => Err(failed(format!("the folder {} of this conversation is closed; open it again", folder.name))),
                None => Ok(of_session),
            },
        }
    }

    /// Starts what can start, oldest first: one editing task in a folder, and one task of a session at a time. Explaining and
    /// planning stage nothing and run beside an editing task of another session.
    fn start_waiting(&mut self, index: usize) {
        let mut waiting: Vec<SessionId> = Vec::new();
        let queue: Vec<TaskId> = self.folders.get(index).map(|folder| folder.queue.iter().cloned().collect()).unwrap_or_default();
        for id in queue {
            let Some(task) = self.tasks.get(&id) else { continue };
            let (mode, session) = (task.mode, task.session.clone());
            let running = |other: &&Task| matches!(other.state, State::Preparing | State::Running);
            let talking = self.tasks.values().filter(running).any(|other| other.session == session);
            let editing = mode == Mode::Edit && self.folders.get(index).is_some_and(|folder| folder.running.is_some());
            if talking || editing || waiting.contains(&session) {
                waiting.push(session);
                continue;
            }
            if let Some(folder) = self.folders.get_mut(index) {
                folder.queue.retain(|queued| *queued != id);
            }
            self.start(&id);
        }
    }

    fn start(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.state = State::Preparing;
        task.started = Instant::now();
        let (mode, folder, proposal, session) = (task.mode, task.folder, task.proposal.clone(), task.session.clone());
        let earlier = self.tasks.values().filter(|task| task.session == session && task.state.is_over());
        let earlier: Vec<TaskId> = earlier.map(|task| task.id.clone()).collect();
        if let Some(folder) = self.folders.get_mut(folder) {
            folder.desk.begin(id, proposal);
        }
        // What the user decided since their last ask belongs to this one's message.
        let news = self.news_of(&earlier);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.notes.extend(news.iter().map(|news| format!("(Since your last message: {})", plain(news))));
        }
        if mode == Mode::Edit
            && let Some(folder) = self.folders.get_mut(folder)
        {
            folder.running = Some(id.clone());
        }
        self.begin_progress(id);
        self.tell_state(id, None);
        if let Some(job) = life::Job::of(self, id) {
            let mailbox = self.mailbox.clone();
            let id = id.clone();
            tokio::spawn(async move {
                // A bug in a task must not take the server along: it ends as a failed task.
                let finished =
                    tokio::spawn(job.run()).await.unwrap_or_else(|error| Finished::failed(format!("an internal error: {error}")));
                let _ = mailbox.send(Input::TaskDone(id, Box::new(finished)));
            });
        }
    }

    /// A task has ended, in whatever way.
    pub fn on_task_done(&mut self, id: &TaskId, mut finished: Finished) {
        self.dismiss_questions_of(id);
        // Whoever is told of the end knows the proposal and its receipts as they are then.
        self.refresh();
        let pending = self.pending_of(id);
        // Others show where they are.
        let files = if self.client.rich { Vec::new() } else { self.to_review(id) };
        let Some(task) = self.tasks.get_mut(id) else { return };
        if let Some(folder) = self.folders.get(task.folder).filter(|folder| !folder.is_open())
            && finished.state == State::Ended(StopReason::Cancelled)
        {
            let name = &folder.name;
            finished.summary =
                format!("The folder {name} was closed in the editor. What is pending there is kept for when it is opened again.");
        }
        task.state = finished.state;
        task.summary.clone_from(&finished.summary);
        task.began = finished.history.is_some();
        if let Some(history) = finished.history
            && let Some(session) = self.sessions.get_mut(&task.session)
        {
            session.history = history;
            session.notes.clear();
        }
        // What came too late for this task is told with the next one: a user's words are never lost.
        let late = std::mem::take(&mut *task.steering.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        if let Some(session) = self.sessions.get_mut(&task.session) {
            session.notes.extend(late.iter().map(|words| format!("(Said while the last task was ending: {words})")));
        }
        task.log(&format!("\n\n## {}\n\n{}\n", task.state.word(), finished.summary));
        let checks = self.folders.get(task.folder).map(|folder| receipts::words(&folder.desk, &task.proposal));
        let mut closing = task.closing(&finished.summary, pending, &files, &checks.unwrap_or_default());
        // First: some editors show the start of one message at a time, and this is why so little was done.
        let root = self.folders.get(task.folder).map(|folder| folder.canonical.as_path());
        let failed = matches!(task.state, State::Failed(_));
        if let Some(problem) = root.filter(|_| !failed).and_then(|root| self.problems.iter().find(|problem| problem.is_of(root)))
        {
            let rest = closing.strip_prefix("countersign ").unwrap_or(&closing);
            closing = format!("countersign is read-only ({}): {rest}", problem.message);
        }
        let typ = if failed { MessageType::ERROR } else { MessageType::INFO };
        let (progress, folder) = (task.progress, task.folder);
        let mut data = json!({
            "state": task.state.word(), "title": task.title, "session": task.session, "proposal": task.proposal,
            "summary": finished.summary, "pending": pending, "code": finished.code,
        });
        match &task.state {
            State::Ended(stop) => data["stop"] = json!(stop),
            State::Failed(why) => data["message"] = json!(why),
            State::Queued | State::Preparing | State::Running => {}
        }
        if progress {
            self.out.progress(&id.0, WorkDoneProgress::End(WorkDoneProgressEnd { message: Some(closing.clone()) }));
        }
        self.send_update(id, &Update { kind: UpdateKind::State, data });
        self.out.message(typ, &closing);
        self.next_in(folder, id);
        self.display.touch_all();
        self.schedule_refresh();
        self.leave_when_idle();
    }

    /// Starts what waits for this folder.
    fn next_in(&mut self, index: usize, done: &TaskId) {
        let leaving = self.leaving.is_some();
        let Some(folder) = self.folders.get_mut(index) else { return };
        if folder.running.as_ref() == Some(done) {
            folder.running = None;
        }
        if !leaving {
            self.start_waiting(index);
        }
    }

    /// Stops one task, or all.
    pub fn stop(&mut self, only: Option<&TaskId>) {
        let ids: Vec<TaskId> = self
            .tasks
            .values()
            .filter(|task| !task.state.is_over() && only.is_none_or(|only| task.id == *only))
            .map(|task| task.id.clone())
            .collect();
        for id in ids {
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            task.cancel.cancel();
            task.line = "stopping".to_owned();
            if task.state == State::Queued {
                if let Some(folder) = self.folders.get_mut(task.folder) {
                    folder.queue.retain(|queued| *queued != id);
                }
                self.on_task_done(&id, Finished::cancelled());
            } else {
                self.dismiss_questions_of(&id);
                self.report_progress(&id);
                self.tell_state(&id, Some("stopping"));
            }
        }
    }

    /// `steer`: seen by the running task at its next iteration.
    pub fn on_steer(&mut self, say: Say) -> jsonrpc::Result<Value> {
        let task = self.tasks.get_mut(&say.task).ok_or_else(|| unknown("task", &say.task))?;
        if task.state.is_over() {
            return Err(failed(format!("task {} has ended; use countersign.queue to go on in its session", say.task)));
        }
        task.log(&format!("\n\n> {}\n\n", say.message));
        task.steering.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(say.message);
        self.tell_state(&say.task, Some("your message is queued for the next iteration"));
        Ok(json!({"task": say.task}))
    }

    /// `queue`: a further ask in the task's session, after it.
    pub fn on_queue(&mut self, say: Say) -> jsonrpc::Result<Value> {
        let task = self.tasks.get(&say.task).ok_or_else(|| unknown("task", &say.task))?;
        let ask = Ask {
            prompt: Some(say.message),
            uri: task.asked.ask.uri.clone(),
            session: Some(task.session.clone()),
            ..Default::default()
        };
        self.enqueue(Asked { ask, prompt_name: "ask".to_owned(), mode: Some(task.mode), iterations: self.setup.max_iterations })
    }

    /// `continue`: more iterations in the same session; of a task that never began, its ask again.
    pub fn on_continue(&mut self, more: Continue) -> jsonrpc::Result<Value> {
        let task = self.ended(&more.task)?;
        if !(1..=100).contains(&more.iterations) {
            return Err(invalid(format!("countersign.continue at `iterations`: {} is not within 1 to 100", more.iterations)));
        }
        if !task.began && task.can_be_repeated() {
            let mut asked = Asked { iterations: Some(more.iterations), ..task.asked.clone() };
            asked.ask.session = Some(task.session.clone());
            return self.enqueue(asked);
        }
        let ask = Ask {
            prompt: Some("Go on with the task where you stopped.".to_owned()),
            uri: task.asked.ask.uri.clone(),
            session: Some(task.session.clone()),
            ..Default::default()
        };
        let mode = Some(task.mode);
        self.enqueue(Asked { ask, prompt_name: "ask".to_owned(), mode, iterations: Some(more.iterations) })
    }

    /// `retry`: the same ask again in the same session, with a note.
    pub fn on_retry(&mut self, retry: Retry) -> jsonrpc::Result<Value> {
        let task = self.ended(&retry.task)?;
        let mut asked = task.asked.clone();
        asked.ask.session = Some(task.session.clone());
        if let Some(note) = retry.note {
            let before = asked.ask.prompt.take().unwrap_or_default();
            asked.ask.prompt = Some(format!("{before}\n\nTry again. {note}").trim().to_owned());
        }
        self.enqueue(asked)
    }

    /// A task that is over.
    pub fn ended(&self, id: &TaskId) -> jsonrpc::Result<&Task> {
        let task = self.tasks.get(id).ok_or_else(|| unknown("task", id))?;
        if task.state.is_over() { Ok(task) } else { Err(failed(format!("task {id} is still running; stop it first"))) }
    }
}

impl From<tasks::Mode> for Mode {
    fn from(mode: tasks::Mode) -> Mode {
        match mode {
            tasks::Mode::Edit => Mode::Edit,
            tasks::Mode::Explain => Mode::Explain,
            tasks::Mode::Plan => Mode::Plan,
        }
    }
}

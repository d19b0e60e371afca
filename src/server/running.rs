//! The actor's part in tasks: ask, queue, steer, stop, follow, end.

use std::time::Instant;

use serde_json::{Value, json};
use tower_lsp::{
    jsonrpc,
    lsp_types::{
        MessageType, NumberOrString, WorkDoneProgress, WorkDoneProgressBegin, WorkDoneProgressCreateParams, WorkDoneProgressEnd,
        WorkDoneProgressReport, request::WorkDoneProgressCreate,
    },
};

use super::{
    actor::{Actor, OpenPrompt, unknown},
    commands::{Ask, Continue, Mode, Retry, RunTask, Say, failed, invalid},
    documents,
    folders::Folder,
    input::Input,
    life::{self, Finished},
    outbox::Weight,
    receipts,
    task::{Asked, State, Task},
};
use crate::{
    agent::{plain, progress_line},
    config::tasks,
    event::{ProposalId, SessionId, TaskId},
    proposal::HunkState,
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

    fn open_ask_document(&mut self, ask: Ask, tasks: &[(String, String)]) -> jsonrpc::Result<Value> {
        if self.folders.for_ask(ask.uri.as_ref()).is_none() {
            return Err(failed("no folder is open; open a folder, so that the agent has a workspace"));
        }
        let about = match (&ask.uri, &ask.range) {
            (Some(uri), Some(range)) => {
                format!("Ask the agent about {}, lines {}-{}.", uri.path(), range.start.line + 1, range.end.line + 1)
            }
            (Some(uri), None) => format!("Ask the agent about {}.", uri.path()),
            _ => "Ask the agent.".to_owned(),
        };
        let text = documents::prompt_document(&about, tasks);
        let uri = self
            .open_prompt("ask", &text, OpenPrompt { ask, answer: None, reject: None })
            .map_err(|error| failed(format!("the prompt document cannot be written: {error}")))?;
        Ok(json!({"document": uri}))
    }

    /// Writes, opens and watches a prompt document.
    pub fn open_prompt(&mut self, stem: &str, text: &str, prompt: OpenPrompt) -> std::io::Result<String> {
        self.counter += 1;
        let id = self.counter;
        // Sent documents stay as history, so each has a name of its own.
        let name = format!("{stem}-{}.md", uuid::Uuid::now_v7().simple());
        let (path, uri) = self.documents.write(&name, text)?;
        self.prompts.insert(id, prompt);
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            let sent = documents::sent(path).await;
            let _ = mailbox.send(Input::PromptSent { id, sent });
        });
        if self.client.show_document {
            self.out.show_document(uri.clone(), true);
        } else {
            self.out.message(MessageType::INFO, &format!("Write to the agent in {}", uri.path()));
        }
        Ok(uri.to_string())
    }

    /// A prompt document was sent.
    pub fn on_prompt(&mut self, id: u64, sent: Option<documents::Sent>) {
        let Some(prompt) = self.prompts.remove(&id) else { return };
        if let Some(answer) = prompt.answer {
            let _ = answer.send(sent.map(|sent| sent.text));
            return;
        }
        let Some(sent) = sent else { return };
        if let Some(hunks) = prompt.reject {
            let review = super::commands::Review {
                proposal: hunks.proposal,
                hunks: Some(hunks.hunks),
                uri: None,
                reason: Some(sent.text),
            };
            if let Err(error) = self.on_reject(review) {
                self.out.message(MessageType::WARNING, &error.message);
            }
            return;
        }
        let mut ask = prompt.ask;
        let mode = ask.mode;
        ask.prompt = Some(sent.text);
        let prompt_name = sent.task.unwrap_or_else(|| "ask".to_owned());
        if let Err(error) = self.enqueue(Asked { ask, prompt_name, mode, iterations: self.setup.max_iterations }) {
            self.out.message(MessageType::WARNING, &error.message);
        }
    }

    /// Makes a task of an ask and starts it when its folder is free.
    fn enqueue(&mut self, asked: Asked) -> jsonrpc::Result<Value> {
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
        let task = Task {
            id: id.clone(),
            session: session.clone(),
            proposal: ProposalId(format!("p{}", self.counter)),
            folder,
            asked,
            title,
            mode,
            state: State::Queued,
            cancel: Default::default(),
            steering: Default::default(),
            started: Instant::now(),
            iteration: 0,
            iterations: 0,
            usage: Default::default(),
            cost_usd: None,
            seq: 0,
            progress: false,
            line: String::new(),
            reported: String::new(),
            transcript: String::new(),
            words: Default::default(),
        };
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
            _ => Ok(of_session),
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
            // What the user decided since their last ask belongs to this one's message.
            let news: Vec<String> = earlier.iter().flat_map(|task| folder.desk.news(task)).collect();
            if let Some(session) = self.sessions.get_mut(&session) {
                session.notes.extend(news.iter().map(|news| format!("(Since your last message: {})", plain(news))));
            }
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

    /// A task shows something.
    pub fn on_update(&mut self, id: &TaskId, update: Update) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        if task.state == State::Preparing && update.kind != UpdateKind::Question {
            task.state = State::Running;
        }
        task.words.note(&update);
        let data = &update.data;
        match update.kind {
            UpdateKind::Text => task.log(data["text"].as_str().unwrap_or_default()),
            UpdateKind::ToolCall => {
                let title = data["title"].as_str().unwrap_or_default();
                match data["result"].as_str() {
                    None => {
                        task.line = title.to_owned();
                        task.log(&format!("\n\n### {title}\n"));
                    }
                    Some(result) => {
                        task.line.clear();
                        task.log(&format!("\n({})\n\n```\n{result}\n```\n\n", data["status"].as_str().unwrap_or("?")));
                    }
                }
            }
            UpdateKind::Usage => {
                task.iteration = number(&data["iteration"]);
                task.iterations = number(&data["iterations"]);
                task.usage = serde_json::from_value(data["usage"].clone()).unwrap_or(task.usage);
                task.cost_usd = data["cost_usd"].as_f64();
            }
            UpdateKind::State => match (data["doing"].as_str(), data["state"].as_str()) {
                (Some(doing), _) => task.line = doing.to_owned(),
                (None, Some("thinking" | "calling")) => task.line.clear(),
                (None, _) => {}
            },
            UpdateKind::Question => {
                task.line = if data["state"] == "open" { "waiting for you".to_owned() } else { String::new() }
            }
            UpdateKind::Thinking | UpdateKind::ToolOutput => {}
        }
        let report = !matches!(update.kind, UpdateKind::Text | UpdateKind::Thinking | UpdateKind::ToolOutput);
        self.send_update(id, &update);
        if report {
            self.report_progress(id);
        }
    }

    fn send_update(&mut self, id: &TaskId, update: &Update) {
        let Some(task) = self.tasks.get_mut(id).filter(|_| self.client.rich) else { return };
        task.seq += 1;
        let mut params = json!({"task": id, "seq": task.seq, "kind": update.kind});
        if let (Some(params), Some(data)) = (params.as_object_mut(), update.data.as_object()) {
            params.extend(data.clone());
        }
        let weight = if update.kind == UpdateKind::State { Weight::Needed } else { Weight::Informing };
        self.out.own("countersign/update", params, weight);
    }

    /// Tells a rich client the task's state.
    pub fn tell_state(&mut self, id: &TaskId, message: Option<&str>) {
        let Some(task) = self.tasks.get(id) else { return };
        let mut data = json!({"state": task.state.word(), "title": task.title});
        if let Some(message) = message {
            data["message"] = json!(message);
        }
        if let State::Failed(why) = &task.state {
            data["message"] = json!(why);
        }
        self.send_update(id, &Update { kind: UpdateKind::State, data });
    }

    fn begin_progress(&mut self, id: &TaskId) {
        if !self.client.progress {
            return;
        }
        // A fresh token for each task: some editors stick on one that is used twice.
        let params = WorkDoneProgressCreateParams { token: NumberOrString::String(id.0.clone()) };
        let (mailbox, id, created) = (self.mailbox.clone(), id.clone(), self.out.request::<WorkDoneProgressCreate>(params));
        tokio::spawn(async move {
            if created.await.is_ok() {
                let _ = mailbox.send(Input::ProgressReady(id));
            }
        });
    }

    /// The client knows the progress token.
    pub fn on_progress_ready(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| !task.state.is_over()) else { return };
        task.progress = true;
        let begin = WorkDoneProgressBegin {
            title: format!("Agent: {}", plain(&task.title)),
            cancellable: Some(true),
            message: Some("starting".to_owned()),
            percentage: None,
        };
        self.out.progress(&id.0, WorkDoneProgress::Begin(begin));
        self.report_progress(id);
    }

    fn report_progress(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.progress && !task.state.is_over()) else { return };
        let doing = match (task.line.as_str(), task.iteration) {
            ("", 0) => "starting",
            ("", _) => "thinking",
            (line, _) => line,
        };
        let message = plain(&progress_line(task.iteration, task.iterations, doing, task.usage, task.cost_usd));
        if message == task.reported {
            return;
        }
        task.reported.clone_from(&message);
        self.out.progress(
            &id.0,
            WorkDoneProgress::Report(WorkDoneProgressReport {
                cancellable: Some(true),
                message: Some(message),
                percentage: None,
            }),
        );
    }

    /// A task has ended, in whatever way.
    pub fn on_task_done(&mut self, id: &TaskId, finished: Finished) {
        self.dismiss_questions_of(id);
        // Whoever is told of the end knows the proposal and its receipts as they are then.
        self.refresh();
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.state = finished.state;
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
        let pending = self.folders.get(task.folder).map_or(0, |folder| pending(folder, &task.proposal));
        let checks = self.folders.get(task.folder).map(|folder| receipts::words(&folder.desk, &task.proposal));
        let closing = task.closing(&finished.summary, pending, &checks.unwrap_or_default());
        let typ = if matches!(task.state, State::Failed(_)) { MessageType::ERROR } else { MessageType::INFO };
        let (progress, folder) = (task.progress, task.folder);
        let mut data = json!({"state": task.state.word(), "title": task.title, "summary": finished.summary, "pending": pending});
        match &task.state {
            State::Ended(stop) => data["stop"] = json!(stop),
            State::Failed(why) => {
                data["message"] = json!(why);
                data["code"] = json!(finished.code);
            }
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

    /// `continue`: more iterations in the same session.
    pub fn on_continue(&mut self, more: Continue) -> jsonrpc::Result<Value> {
        let task = self.ended(&more.task)?;
        if !(1..=100).contains(&more.iterations) {
            return Err(invalid(format!("countersign.continue at `iterations`: {} is not within 1 to 100", more.iterations)));
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

    fn ended(&self, id: &TaskId) -> jsonrpc::Result<&Task> {
        let task = self.tasks.get(id).ok_or_else(|| unknown("task", id))?;
        if task.state.is_over() { Ok(task) } else { Err(failed(format!("task {id} is still running; stop it first"))) }
    }

    /// `status`
    pub fn status(&self) -> Value {
        let rows: Vec<Value> = self
            .tasks
            .values()
            .map(|task| {
                let question = self.questions.all().find(|open| open.scope.task.as_ref() == Some(&task.id));
                task.status(question.map(|open| open.question.text.clone()))
            })
            .collect();
        let queued = self.tasks.values().filter(|task| task.state == State::Queued).count();
        let model = self.client.model.clone().or_else(|| self.setup.model.clone());
        json!({"tasks": rows, "queued": queued, "level": self.level, "model": model})
    }

    /// `transcript`: what happened, as a document.
    pub fn on_transcript(&mut self, id: &TaskId) -> jsonrpc::Result<Value> {
        let task = self.tasks.get(id).ok_or_else(|| unknown("task", id))?;
        let text = format!("# {}\n\n{} · {}\n{}", task.title, task.id, task.state.word(), task.transcript);
        let uri = self
            .documents
            .write_read_only(&format!("transcript-{id}.md"), &text)
            .map_err(|error| failed(format!("the transcript cannot be written: {error}")))?;
        if self.client.show_document {
            self.out.show_document(uri.clone(), true);
        }
        Ok(json!({"document": uri}))
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

/// Hunks of a proposal that wait for the user.
fn pending(folder: &Folder, proposal: &ProposalId) -> usize {
    let files = folder.desk.proposal(proposal).into_iter().flat_map(|proposal| proposal.files.values());
    files.flat_map(|file| file.all()).filter(|hunk| hunk.state == HunkState::Pending).count()
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_default()
}

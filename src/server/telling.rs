//! What is told of tasks while they run: progress, updates for rich clients, status, transcripts.

use serde_json::{Value, json};
use tower_lsp::{
    jsonrpc,
    lsp_types::{
        MessageType, NumberOrString, WorkDoneProgress, WorkDoneProgressBegin, WorkDoneProgressCreateParams,
        WorkDoneProgressReport, request::WorkDoneProgressCreate,
    },
};

use super::{
    actor::{Actor, unknown},
    commands::failed,
    content::Document,
    input::Input,
    outbox::Weight,
    task::{State, Task},
};
use crate::{
    agent::{plain, progress_line},
    config,
    event::TaskId,
    path::WsPath,
    seams::{Level, Update, UpdateKind},
};

impl Actor {
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
            if self.contents.shows_transcript(id) {
                self.schedule_refresh();
            }
        }
    }

    pub fn send_update(&mut self, id: &TaskId, update: &Update) {
        let Some(task) = self.tasks.get_mut(id).filter(|_| self.client.rich) else { return };
        task.seq += 1;
        let mut params = json!({"task": id, "seq": task.seq, "kind": update.kind});
        if let (Some(params), Some(data)) = (params.as_object_mut(), update.data.as_object()) {
            params.extend(data.clone());
        }
        let needed = matches!(update.kind, UpdateKind::State | UpdateKind::Question);
        let weight = if needed { Weight::Needed } else { Weight::Informing };
        self.out.own("countersign/update", params, weight);
    }

    /// Tells a rich client the task's state.
    pub fn tell_state(&mut self, id: &TaskId, message: Option<&str>) {
        let Some(task) = self.tasks.get(id) else { return };
        let mut data = json!({
            "state": task.state.word(), "title": task.title, "session": task.session, "proposal": task.proposal,
            "mode": task.mode.name(), "level": self.level,
        });
        if let Some(message) = message {
            data["message"] = json!(message);
        }
        if let State::Failed(why) = &task.state {
            data["message"] = json!(why);
        }
        self.send_update(id, &Update { kind: UpdateKind::State, data });
    }

    pub fn begin_progress(&mut self, id: &TaskId) {
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

    pub fn report_progress(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.progress && !task.state.is_over()) else { return };
        let message = plain(&progress_line(task.iteration, task.iterations, task.step(), task.usage, task.cost_usd));
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

    /// `status`
    pub fn status(&self) -> Value {
        let mut tasks: Vec<&Task> = self.tasks.values().collect();
        tasks.sort_by_key(|task| task.started);
        let rows: Vec<Value> = tasks.into_iter().map(|task| self.status_of(task)).collect();
        let queued = self.tasks.values().filter(|task| task.state == State::Queued).count();
        // What the next ask takes; `None` where only a file or a program could tell that there is a key.
        let chosen = self.setup.model.as_deref().or(self.client.model.as_deref());
        let model = config::model::spec(chosen, &self.setup.environment, &self.setup.config.now()).ok();
        json!({
            "tasks": rows, "queued": queued, "level": self.level, "model": model, "questions": self.question_rows(),
        })
    }

    fn status_of(&self, task: &Task) -> Value {
        let mut row = task.status();
        if let Some(open) = self.questions.all().find(|open| open.scope.task.as_ref() == Some(&task.id)) {
            row["question"] = json!(open.question.text);
        }
        if let Some(folder) = self.folders.get(task.folder) {
            row["folder"] = json!(folder.uri(&WsPath::root()));
            row["pending"] = json!(folder.pending(&task.proposal));
        }
        row["accepted"] = json!(self.has_accepted(&task.id));
        row
    }

    /// `status {proposals: true}`: a rich client that lost what it knew gets every proposal again.
    pub fn send_proposals_again(&mut self) {
        self.display.touch_all();
        self.schedule_refresh();
    }

    /// The level of the walls is known: running tasks show it.
    pub fn on_level(&mut self, level: Level) {
        let words = level.for_the_user();
        let level = level.to_string();
        if self.level.as_ref() == Some(&level) {
            return;
        }
        self.level = Some(level);
        // Once a server: tasks that begin later find it known.
        if let Some(words) = words {
            self.out.message(MessageType::INFO, words);
        }
        let running = self.tasks.values().filter(|task| matches!(task.state, State::Preparing | State::Running));
        let running: Vec<TaskId> = running.map(|task| task.id.clone()).collect();
        running.iter().for_each(|id| self.tell_state(id, None));
    }

    /// `transcript`: what happened, as a document.
    pub fn on_transcript(&mut self, id: &TaskId) -> jsonrpc::Result<Value> {
        let task = self.tasks.get(id).ok_or_else(|| unknown("task", id))?;
        let uri = self
            .place_document(&Document::Transcript(id.clone()), &format!("transcript-{id}.md"), || Self::transcript_text(task))
            .map_err(|error| failed(format!("the transcript cannot be written: {error}")))?;
        if self.client.show_document {
            self.out.show_document(uri.clone(), true);
        }
        Ok(json!({"document": uri}))
    }
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_default()
}

//! The actor's part in questions: dialogs on the screen, timeouts, and their record. Their documents stand in `question_documents`.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower_lsp::{jsonrpc, lsp_types::MessageType};

use super::{
    actor::Actor,
    commands::{AnswerCode, failed, invalid},
    documents,
    input::Input,
    outbox::Weight,
    prompting::{Opened, Purpose},
    questions::{Dialog, Next, Open, Shown},
};
use crate::{
    agent::brief,
    config::TrustStore,
    event::{Actor as By, ApprovalId, Event, Scope, TaskId},
    seams::{Answer, Question, QuestionKind, Update, UpdateKind},
};

/// Characters of a question of the model in one line.
const LINE: usize = 100;
/// How often it is looked whether a folder was trusted on the command line.
const LOOK: Duration = Duration::from_millis(500);

impl Actor {
    /// Opens a question and records it.
    pub fn on_ask(&mut self, scope: Scope, mut question: Question, reply: oneshot::Sender<Answer>) {
        question.timeout = question.timeout.min(Duration::from_secs(self.setup.config.now().approval.timeout_s));
        let (kind, text, digest, timeout) =
            (format!("{:?}", question.kind), question.text.clone(), question.digest.clone(), question.timeout);
        let trust = question.kind == QuestionKind::Trust;
        let row = json!({
            "question": question.kind, "text": text, "titles": question.titles, "expires": timeout.as_secs(), "state": "open",
        });
        let approval = self.questions.add(scope.clone(), question, reply);
        if let (true, Some(folder)) = (trust, &scope.workspace) {
            self.watch_trust(approval.clone(), folder.into());
        }
        self.record(By::Server, &scope, Event::ApprovalRequest { approval: approval.clone(), question: kind, text, digest });
        let (mailbox, expiring) = (self.mailbox.clone(), approval.clone());
        tokio::spawn(async move {
            tokio::time::timeout(timeout, std::future::pending::<()>()).await.ok();
            let _ = mailbox.send(Input::Expired(expiring));
        });
        self.tell_question(&scope, &approval, row);
        self.show_question();
        self.display.touch_all();
        self.schedule_refresh();
    }

    /// Looks whether the user trusts the folder on the command line, as long as the question is open.
    fn watch_trust(&self, approval: ApprovalId, folder: PathBuf) {
        let Some(open) = self.questions.get(&approval) else { return };
        let (store, mailbox) = (TrustStore::new(&self.setup.folders), self.mailbox.clone());
        let (asked, mut ticks) = (open.alive(), tokio::time::interval(LOOK));
        tokio::spawn(async move {
            while asked.strong_count() > 0 {
                ticks.tick().await;
                if store.is_trusted(&folder).unwrap_or(false) {
                    let _ = mailbox.send(Input::Trusted(approval));
                    return;
                }
            }
        });
    }

    /// Puts the oldest question on the screen, unless one is there; without dialogs, each in a document of its own.
    pub fn show_question(&mut self) {
        if self.client.questions {
            if let Some(dialog) = self.questions.show_next() {
                self.put_up(dialog);
            }
            return;
        }
        let waiting: Vec<ApprovalId> =
            self.questions.all().filter(|open| open.document.is_none()).map(|open| open.approval.clone()).collect();
        for approval in waiting {
            self.ask_in_document(&approval, false);
        }
    }

    fn put_up(&self, dialog: Dialog) {
        let (mailbox, answer) = (self.mailbox.clone(), self.out.ask(&dialog.text, dialog.titles));
        tokio::spawn(async move {
            let shown = answer.await;
            let _ = mailbox.send(Input::Dialog { approval: dialog.approval, nonce: dialog.nonce, shown });
        });
    }

    /// A dialog came back.
    pub fn on_dialog(&mut self, approval: &ApprovalId, nonce: u64, shown: Shown) {
        let open = self.questions.get(approval).map(Asked::of);
        let next = self.questions.came_back(approval, nonce, shown, self.reading());
        self.follow((next, open));
    }

    /// A box of a question's document was ticked.
    pub fn on_ticked_question(&mut self, approval: &ApprovalId, code: &str, choice: &str) {
        let open = self.questions.get(approval).map(Asked::of);
        let next = self.questions.ticked(approval, code, choice, self.reading());
        self.follow((next, open));
    }

    /// The user trusted the folder on the command line while the question was open.
    pub fn on_trusted(&mut self, approval: &ApprovalId) {
        let open = self.questions.get(approval).map(Asked::of);
        let alone = self.questions.get(approval).is_some_and(|open| open.scope.task.is_none());
        if let Some(next) = self.questions.overtaken(approval, "countersign trust add") {
            self.follow((next, open));
            if alone {
                self.out.message(MessageType::INFO, "The folder is trusted now: ask the agent from the menu.");
            }
        }
    }

    /// The time below which an approval is not believed, as the configuration says; a question may ask for more.
    fn reading(&self) -> Duration {
        Duration::from_secs_f64(self.setup.config.now().approval.min_seconds)
    }

    /// A question needs no answer any more.
    pub fn on_settled(&mut self, approval: &ApprovalId, why: &str) {
        let open = self.questions.get(approval).map(Asked::of);
        if let Some(next) = self.questions.settle(approval, why) {
            self.follow((next, open));
        }
    }

    /// The question's time is up.
    pub fn on_expired(&mut self, approval: &ApprovalId) {
        let open = self.questions.get(approval).map(Asked::of);
        if let Some(next) = self.questions.expire(approval) {
            self.out.message(MessageType::INFO, &format!("The question [{approval}] expired: nothing was done."));
            self.follow((next, open));
        }
    }

    /// Ends the questions of a task that is gone.
    pub fn dismiss_questions_of(&mut self, task: &TaskId) {
        let open: Vec<_> = self.questions.all().filter(|open| open.scope.task.as_ref() == Some(task)).map(Asked::of).collect();
        for (next, open) in
            self.questions.dismiss(|scope| scope.task.as_ref() == Some(task), "the task ended").into_iter().zip(open)
        {
            self.follow((next, Some(open)));
        }
    }

    /// Ends every question: the server leaves.
    pub fn dismiss_all_questions(&mut self, why: &str) {
        let open: Vec<_> = self.questions.all().map(Asked::of).collect();
        for (next, open) in self.questions.dismiss(|_| true, why).into_iter().zip(open) {
            self.follow((next, Some(open)));
        }
    }

    fn follow(&mut self, (next, open): Followed) {
        match next {
            Next::TooLate(words) => self.out.message(MessageType::INFO, &words),
            Next::OpenDocument(approval) => self.open_question_document(&approval),
            Next::GoOn => {}
            Next::InDocument(approval) => {
                // Or it was answered too fast, and is asked again.
                let again = !std::mem::replace(&mut self.client.questions, false);
                self.ask_in_document(&approval, again);
            }
            Next::Closed(approval, answer) => {
                if let Some(open) = open {
                    let decision = Event::ApprovalDecision {
                        approval: approval.clone(),
                        outcome: answer.kind.outcome(),
                        by: answer.by.clone(),
                        ms: open.age_ms,
                        digest: open.digest,
                    };
                    self.record(By::Human, &open.scope, decision);
                    let row = json!({"state": answer.kind.outcome(), "by": answer.by});
                    self.tell_question(&open.scope, &approval, row);
                }
                self.display.touch_all();
                self.schedule_refresh();
            }
        }
        self.show_question();
    }

    /// `approvals {}`: shows the oldest open question again.
    pub fn on_approvals(&mut self) -> jsonrpc::Result<Value> {
        let rows = self.question_rows();
        if let (None, Some((words, uri))) = (self.questions.all().next(), self.open_answer()) {
            self.show_written(uri.clone(), Opened { take_focus: true, words });
        } else if self.client.questions && !self.client.silent_while_waiting {
            // Eglot takes a dialog down as soon as the command that raised it is answered.
            if let Some(dialog) = self.questions.show_again() {
                self.put_up(dialog);
            }
        } else {
            self.show_in_document_again();
        }
        Ok(rows)
    }

    /// The open questions, oldest first; `expires` in seconds from now.
    pub fn question_rows(&self) -> Value {
        let row = |open: &Open| {
            let left = open.question.timeout.saturating_sub(open.age());
            json!({
                "approval": open.approval, "kind": open.question.kind, "text": open.question.text,
                "titles": open.question.titles, "expires": left.as_secs(), "task": open.scope.task,
            })
        };
        self.questions.all().map(row).collect()
    }

    /// A question was opened or closed; the user's own belong to no task.
    fn tell_question(&mut self, scope: &Scope, approval: &ApprovalId, mut row: Value) {
        row["approval"] = json!(approval);
        match &scope.task {
            Some(task) => self.on_update(task, Update { kind: UpdateKind::Question, data: row }),
            None if self.client.rich => {
                (row["task"], row["kind"]) = (Value::Null, json!(UpdateKind::Question));
                self.out.own("countersign/update", row, Weight::Needed);
            }
            None => {}
        }
    }

    /// `answer {code, choice}`.
    pub fn on_answer_code(&mut self, answer: AnswerCode) -> jsonrpc::Result<Value> {
        if self.client.questions {
            return Err(failed("`answer` is only for clients without message requests; use countersign.approvals"));
        }
        let open = self.questions.all().find(|open| open.code == answer.code).map(Asked::of);
        let next = self.questions.answer_by_code(&answer.code, &answer.choice, self.reading()).map_err(invalid)?;
        self.follow((next, open));
        Ok(Value::Null)
    }

    /// The model asks for words: a document like a prompt.
    pub fn on_ask_text(&mut self, task: &TaskId, question: &str, reply: oneshot::Sender<Option<String>>) {
        let text = documents::answer_document(question);
        let line = format!("The agent asks: {:?}", brief(question, LINE));
        let opened = Opened { take_focus: false, words: &line };
        if self.open_prompt("answer", &text, Purpose::Answer(reply), opened).is_err()
            && let Some(task) = self.tasks.get_mut(task)
        {
            task.log("(the agent's question could not be shown)\n");
        }
    }
}

type Followed = (Next, Option<Asked>);

/// What the record needs of a question after it is closed.
struct Asked {
    scope: Scope,
    digest: String,
    age_ms: u64,
}

impl Asked {
    fn of(open: &Open) -> Asked {
        let age_ms = u64::try_from(open.age().as_millis()).unwrap_or(u64::MAX);
        Asked { scope: open.scope.clone(), digest: open.question.digest.clone(), age_ms }
    }
}

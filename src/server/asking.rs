//! The actor's part in questions: dialogs on the screen, documents, timeouts, and their record.

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower_lsp::{jsonrpc, lsp_types::MessageType};

use super::{
    actor::{Actor, OpenPrompt},
    commands::{AnswerCode, failed, invalid},
    documents,
    input::Input,
    outbox::Weight,
    questions::{Dialog, Next, Open, REJECT, Shown},
};
use crate::{
    event::{Actor as By, ApprovalId, Event, Scope, TaskId},
    seams::{Answer, Question, Update, UpdateKind},
};

impl Actor {
    /// Opens a question and records it.
    pub fn on_ask(&mut self, scope: Scope, question: Question, reply: oneshot::Sender<Answer>) {
        let (kind, text, digest, timeout) =
            (format!("{:?}", question.kind), question.text.clone(), question.digest.clone(), question.timeout);
        let row = json!({
            "question": question.kind, "text": text, "titles": question.titles, "expires": timeout.as_secs(), "state": "open",
        });
        let approval = self.questions.add(scope.clone(), question, reply);
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

    /// Puts the oldest question on the screen, unless one is there or the client has no dialogs.
    pub fn show_question(&mut self) {
        if !self.client.questions {
            let oldest = self.questions.all().next().map(|open| open.approval.clone());
            if let Some(approval) = oldest {
                self.open_question_document(&approval, false);
            }
        } else if let Some(dialog) = self.questions.show_next() {
            self.put_up(dialog);
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
        let min = std::time::Duration::from_secs_f64(self.setup.config.approval.min_seconds);
        let next = self.questions_came_back(approval, nonce, shown, min);
        self.follow(next);
    }

    fn questions_came_back(&mut self, approval: &ApprovalId, nonce: u64, shown: Shown, min: std::time::Duration) -> Followed {
        let open = self.questions.get(approval).map(Asked::of);
        (self.questions.came_back(approval, nonce, shown, min), open)
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
            Next::OpenDocument(approval) => self.open_question_document(&approval, true),
            Next::GoOn => {}
            Next::InDocument(approval) => {
                self.client.questions = false;
                self.open_question_document(&approval, false);
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
        if self.client.questions {
            self.show_question();
        }
    }

    fn open_question_document(&mut self, approval: &ApprovalId, take_focus: bool) {
        let Some(open) = self.questions.get(approval) else { return };
        let text = question_document(open, self.client.questions);
        match self.documents.write_read_only(&format!("question-{approval}.md"), &text) {
            Ok(uri) if self.client.show_document => self.out.show_document(uri, take_focus),
            Ok(uri) => self.out.message(MessageType::WARNING, &format!("{} To decide, open {}", open.question.text, uri.path())),
            Err(error) => {
                let words =
                    format!("The question cannot be shown ({error}); it stays open and nothing happens until it is answered.");
                self.out.message(MessageType::ERROR, &words);
            }
        }
    }

    /// `approvals {}`: shows the oldest open question again.
    pub fn on_approvals(&mut self) -> jsonrpc::Result<Value> {
        let rows = self.question_rows();
        if self.client.questions {
            if let Some(dialog) = self.questions.show_again() {
                self.put_up(dialog);
            }
        } else {
            self.show_question();
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
        let next = self.questions.answer_by_code(&answer.code, &answer.choice).map_err(invalid)?;
        self.follow((next, open));
        self.show_question();
        Ok(Value::Null)
    }

    /// The model asks for words: a document like a prompt.
    pub fn on_ask_text(&mut self, task: &TaskId, question: &str, reply: oneshot::Sender<Option<String>>) {
        let text = documents::answer_document(question);
        let prompt = OpenPrompt { ask: Default::default(), answer: Some(reply), reject: None };
        if self.open_prompt("answer", &text, prompt).is_err()
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

fn question_document(open: &Open, dialogs: bool) -> String {
    let mut text = format!("{}\n", open.question.document.trim_end());
    if !open.question.digest.is_empty() {
        text.push_str(&format!("\nThe approval covers exactly this: SHA-256 {}\n", open.question.digest));
    }
    if dialogs {
        text.push_str("\nThe question is asked again in a dialog. Closing it decides nothing.\n");
    } else if open.answerable_by_code() {
        let choices = [REJECT].into_iter().chain(open.question.titles.iter().map(String::as_str));
        text.push_str("\nYour editor has no dialogs. To decide, run one of these commands (the code works once):\n\n");
        for choice in choices {
            let argument = json!({"code": open.code, "choice": choice});
            text.push_str(&format!("    countersign.answer {argument}\n"));
        }
    } else {
        text.push_str(
            "\nYour editor has no dialogs, and this cannot be approved by a command. Nothing happens unless you do it by hand:\n",
        );
        text.push_str(match open.question.kind {
            crate::seams::QuestionKind::Trust => "    countersign trust add .\n",
            _ => "    git push\n",
        });
    }
    text
}

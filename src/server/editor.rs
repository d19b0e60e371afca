//! The seam `Editor` of one task: everything goes through the actor's mailbox.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::{input::Input, questions};
use crate::{
    agent::brief,
    event::{ApprovalId, Scope, TaskId},
    seams::{Answer, AnswerKind, Editor, Insight, Question, QuestionKind, Update, UpdateKind},
};

/// Most options of a question, and most characters of one and of the question in a dialog.
const MOST_OPTIONS: usize = 4;
const OPTION: usize = 60;
const WORDS: usize = 400;

/// Messages of the user that a running task has not seen yet.
pub type Steering = Arc<Mutex<Vec<String>>>;

/// The editor as one task sees it.
pub struct TaskEditor {
    mailbox: mpsc::UnboundedSender<Input>,
    task: TaskId,
    steering: Steering,
    /// How long a question stays open.
    timeout: std::time::Duration,
    insight: Option<Box<dyn Insight>>,
}

impl TaskEditor {
    /// The editor of this task.
    pub fn new(mailbox: mpsc::UnboundedSender<Input>, task: TaskId, steering: Steering, timeout: std::time::Duration) -> Self {
        TaskEditor { mailbox, task, steering, timeout, insight: None }
    }

    /// The same with what can be asked of the editor.
    #[must_use]
    pub fn with_insight(self, insight: Option<Box<dyn Insight>>) -> Self {
        TaskEditor { insight, ..self }
    }
}

/// Asks through the actor; a server that goes away is a dismissal.
pub async fn ask(mailbox: &mpsc::UnboundedSender<Input>, scope: &Scope, question: Question) -> Answer {
    let (reply, answer) = oneshot::channel();
    let _ = mailbox.send(Input::Ask { scope: scope.clone(), question, reply });
    answer.await.unwrap_or_else(|_| Answer {
        approval: ApprovalId::from(""),
        kind: AnswerKind::Dismissed,
        by: "the server is shutting down".to_owned(),
    })
}

#[async_trait::async_trait]
impl Editor for TaskEditor {
    fn show(&self, update: Update) {
        let _ = self.mailbox.send(Input::Update(self.task.clone(), update));
    }

    async fn ask(&self, scope: &Scope, question: Question) -> Answer {
        ask(&self.mailbox, scope, question).await
    }

    async fn ask_text(&self, scope: &Scope, question: &str, options: &[String]) -> Option<String> {
        if options.is_empty() {
            let (reply, answer) = oneshot::channel();
            let _ = self.mailbox.send(Input::AskText { task: self.task.clone(), question: question.to_owned(), reply });
            return tokio::time::timeout(self.timeout, answer).await.ok()?.ok().flatten();
        }
        let mut titles: Vec<String> = Vec::new();
        let mut meant: Vec<&String> = Vec::new();
        for option in options.iter().take(MOST_OPTIONS) {
            // As the person sees them, no two are alike and none looks like the server's own.
            let title = brief(option, OPTION);
            if !title.is_empty() && ![questions::REJECT, questions::SHOW].contains(&title.as_str()) && !titles.contains(&title) {
                titles.push(title);
                meant.push(option);
            }
        }
        let line = brief(&question.split_whitespace().collect::<Vec<_>>().join(" "), WORDS);
        let shown = titles.clone();
        let question = Question {
            kind: QuestionKind::Ask,
            text: format!("The agent asks: {line:?}"),
            titles,
            document: format!("# The agent asks\n\n{question}\n"),
            digest: String::new(),
            timeout: self.timeout,
            reading: Duration::ZERO,
        };
        match ask(&self.mailbox, scope, question).await.kind {
            AnswerKind::Approved(choice) => {
                let at = shown.iter().position(|title| *title == choice)?;
                meant.get(at).map(|option| (*option).clone())
            }
            AnswerKind::Rejected => Some("(the user chose none of these)".to_owned()),
            AnswerKind::Dismissed | AnswerKind::Expired => None,
        }
    }

    fn insight(&self) -> Option<&dyn Insight> {
        self.insight.as_deref()
    }

    fn steering(&self) -> Vec<String> {
        let heard = std::mem::take(&mut *self.steering.lock().unwrap_or_else(PoisonError::into_inner));
        if !heard.is_empty() {
            // Whoever said it sees that it arrived.
            self.show(Update { kind: UpdateKind::State, data: json!({"state": "running", "heard": heard}) });
        }
        heard
    }
}

//! A person with prepared answers, and a clock that only moves when told.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use countersign::{
    event::{ApprovalId, Scope},
    seams::*,
};

use super::Hook;

#[derive(Default)]
pub struct Person {
    pub updates: Mutex<Vec<Update>>,
    pub answers: Mutex<VecDeque<AnswerKind>>,
    pub questions: Mutex<Vec<Question>>,
    pub said: Mutex<Vec<String>>,
    /// Never answers.
    pub away: AtomicBool,
    pub clock: Arc<Ticks>,
    /// Seconds that an answer takes.
    pub takes: AtomicU64,
    /// Called while a question is open.
    pub while_open: Mutex<Option<Hook>>,
    /// What their editor knows besides texts.
    pub knows: OnceLock<Box<dyn Insight>>,
}

#[async_trait::async_trait]
impl Editor for Person {
    fn show(&self, update: Update) {
        self.updates.lock().unwrap().push(update);
    }
    async fn ask(&self, _: &Scope, question: Question) -> Answer {
        self.questions.lock().unwrap().push(question);
        if let Some(hook) = &mut *self.while_open.lock().unwrap() {
            hook();
        }
        self.clock.pass(Duration::from_secs(self.takes.load(Ordering::SeqCst)));
        if self.away.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let kind = self.answers.lock().unwrap().pop_front().unwrap_or(AnswerKind::Dismissed);
        Answer { approval: ApprovalId::from("a1"), kind, by: "user".into() }
    }
    async fn ask_text(&self, _: &Scope, question: &str, _: &[String]) -> Option<String> {
        (question != "unanswered").then(|| format!("answer to {question}"))
    }
    fn insight(&self) -> Option<&dyn Insight> {
        self.knows.get().map(|knows| &**knows)
    }
    fn steering(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap())
    }
}

/// A clock that only moves when told.
#[derive(Default)]
pub struct Ticks(AtomicU64);

impl Ticks {
    pub fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Clock for Ticks {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
    fn utc(&self) -> String {
        "2026-01-01T00:00:00.000Z".into()
    }
    async fn sleep(&self, _: Duration) {}
}

//! Questions to a person and their states: open, approved, rejected, dismissed, expired. No answer is no permission (law 5).
//!
//! A pure state machine: the actor shows what it is told to show, and feeds back what came of it.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use tower_lsp::lsp_types::Url;

use crate::{
    event::{ApprovalId, Scope},
    seams::{Answer, AnswerKind, Question, QuestionKind},
};

/// The safe choice, always the first.
pub const REJECT: &str = "Reject";
/// How often an approval that came too fast is asked again: a person reads, a program does not.
const TOO_FAST: u32 = 3;
/// Letters of a code.
const CODE: usize = 12;
/// Opens the document with everything that the approval covers.
pub const SHOW: &str = "Show";
/// In a document: ends a question that no document decides, as one that the user did not decide.
pub const CLOSE: &str = "Close this question; nothing is done";

/// What came back from a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    Chose(String),
    /// Null: closed without a choice.
    Nothing,
    /// The client has no message requests (-32601).
    Unsupported,
    Failed(String),
}

/// A dialog to put on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    pub approval: ApprovalId,
    pub nonce: u64,
    pub text: String,
    pub titles: Vec<String>,
}

/// What to do after a dialog came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The answer belongs to a showing or question that is over; tell the person.
    TooLate(String),
    /// Open the question's document, then show the next dialog.
    OpenDocument(ApprovalId),
    /// Show the next dialog.
    GoOn,
    /// Decided; the asker has been told.
    Closed(ApprovalId, Answer),
    /// The client has no dialogs: the question stays open in its document.
    InDocument(ApprovalId),
}

/// One open question.
pub struct Open {
    pub approval: ApprovalId,
    pub scope: Scope,
    pub question: Question,
    /// One-time code that stands in the document, for clients without dialogs. Each document has its own; older ones are dead.
    pub code: String,
    /// The document that holds the code.
    pub document: Option<(PathBuf, Url)>,
    /// Whether that was opened in the editor.
    pub seen: bool,
    alive: Arc<()>,
    reply: Option<oneshot::Sender<Answer>>,
    nonce: u64,
    shown_at: Instant,
    opened_at: Instant,
    showings: u32,
    too_fast: Option<Duration>,
    times_too_fast: u32,
}

impl Open {
    /// Whether a code from a document may answer it. Push, pull request and trust need a dialog or the command line.
    pub fn answerable_by_code(&self) -> bool {
        !matches!(self.question.kind, QuestionKind::Push | QuestionKind::OpenPullRequest | QuestionKind::Trust)
    }

    /// What can be ticked in its document.
    pub fn choices(&self) -> Vec<String> {
        if self.answerable_by_code() {
            [REJECT].into_iter().map(str::to_owned).chain(self.question.titles.iter().cloned()).collect()
        } else {
            vec![CLOSE.to_owned()]
        }
    }

    /// Can be upgraded as long as the question is open.
    pub fn alive(&self) -> Weak<()> {
        Arc::downgrade(&self.alive)
    }

    /// Which showing of it this is, from 1.
    pub fn showing(&self) -> u32 {
        self.showings
    }

    /// Why it is asked again, if the last approval came too fast.
    fn again(&self) -> Option<String> {
        self.too_fast.map(|took| format!("Answered in {:.2} s, faster than it can be read.", took.as_secs_f64()))
    }

    /// How long it has been open.
    pub fn age(&self) -> Duration {
        self.opened_at.elapsed()
    }

    fn dialog(&mut self, nonce: u64) -> Dialog {
        self.nonce = nonce;
        self.shown_at = Instant::now();
        self.showings += 1;
        // Some clients close a dialog when another with the same text comes: every showing has its own.
        let mark =
            if self.showings == 1 { format!("[{}]", self.approval) } else { format!("[{}.{}]", self.approval, self.showings) };
        let again = self.again();
        self.too_fast = None;
        let text = match again {
            None => format!("{} {mark}", self.question.text),
            Some(why) => format!("{why} Again: {} {mark}", self.question.text),
        };
        let titles = [REJECT, SHOW].into_iter().map(str::to_owned).chain(self.question.titles.iter().cloned()).collect();
        Dialog { approval: self.approval.clone(), nonce, text, titles }
    }
}

/// All open questions, oldest first; at most one is on the screen.
#[derive(Default)]
pub struct Questions {
    open: VecDeque<Open>,
    on_screen: Option<(ApprovalId, u64)>,
    nonces: u64,
}

impl Questions {
    /// Adds a question; `reply` is told how it ends.
    pub fn add(&mut self, scope: Scope, question: Question, reply: oneshot::Sender<Answer>) -> ApprovalId {
        let approval = ApprovalId(random(4));
        let now = Instant::now();
        self.open.push_back(Open {
            approval: approval.clone(),
            scope,
            question,
            code: random(CODE),
            document: None,
            seen: false,
            alive: Arc::default(),
            reply: Some(reply),
            nonce: 0,
            shown_at: now,
            opened_at: now,
            showings: 0,
            too_fast: None,
            times_too_fast: 0,
        });
        approval
    }

    /// The open questions, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Open> {
        self.open.iter()
    }

    /// One open question.
    pub fn get(&self, approval: &ApprovalId) -> Option<&Open> {
        self.open.iter().find(|open| open.approval == *approval)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, approval: &ApprovalId) -> Option<&mut Open> {
        self.open.iter_mut().find(|open| open.approval == *approval)
    }

    /// The next dialog to put on the screen, if none is there.
    pub fn show_next(&mut self) -> Option<Dialog> {
        if self.on_screen.is_some() {
            return None;
        }
        self.nonces += 1;
        let nonce = self.nonces;
        let open = self.open.front_mut()?;
        self.on_screen = Some((open.approval.clone(), nonce));
        Some(open.dialog(nonce))
    }

    /// Shows the oldest question again with a new nonce: an earlier showing of it no longer counts.
    pub fn show_again(&mut self) -> Option<Dialog> {
        self.on_screen = None;
        self.show_next()
    }

    /// A dialog came back. `min` is the time below which an approval is not believed.
    pub fn came_back(&mut self, approval: &ApprovalId, nonce: u64, shown: Shown, min: Duration) -> Next {
        if self.on_screen.as_ref() == Some(&(approval.clone(), nonce)) {
            self.on_screen = None;
        }
        let Some(open) = self.open.iter_mut().find(|open| open.approval == *approval && open.nonce == nonce) else {
            return match shown {
                Shown::Chose(title) if title != REJECT && title != SHOW => {
                    Next::TooLate(format!("Your answer \"{title}\" [{approval}] came too late: nothing was done."))
                }
                _ => Next::GoOn,
            };
        };
        let took = open.shown_at.elapsed();
        match shown {
            Shown::Chose(title) if title == REJECT => self.close(approval, AnswerKind::Rejected, "user"),
            Shown::Chose(title) if title == SHOW => Next::OpenDocument(approval.clone()),
            Shown::Chose(title) if open.question.titles.contains(&title) => {
                self.approve(approval, title, took, min, "user").unwrap_or(Next::GoOn)
            }
            Shown::Chose(title) => self.close(approval, AnswerKind::Dismissed, &format!("unknown choice {title:?}")),
            Shown::Nothing => self.close(approval, AnswerKind::Dismissed, "closed without a choice"),
            Shown::Unsupported => Next::InDocument(approval.clone()),
            Shown::Failed(why) => self.close(approval, AnswerKind::Dismissed, &format!("client error: {why}")),
        }
    }

    /// Readies a question for a new document, with a new code: an earlier document no longer counts. Also why it is asked again.
    pub fn in_document(&mut self, approval: &ApprovalId) -> Option<(&mut Open, Option<String>)> {
        let open = self.open.iter_mut().find(|open| open.approval == *approval)?;
        let again = open.again();
        open.too_fast = None;
        open.code = random(CODE);
        open.document = None;
        open.shown_at = Instant::now();
        open.showings += 1;
        Some((open, again))
    }

    /// The document is opened again: it can be read from now on.
    pub fn shown(&mut self, approval: &ApprovalId) {
        if let Some(open) = self.get_mut(approval) {
            open.seen = true;
            open.shown_at = Instant::now();
        }
    }

    /// A box of the document with this code was ticked. `min` is the time below which an approval is not believed.
    pub fn ticked(&mut self, approval: &ApprovalId, code: &str, choice: &str, min: Duration) -> Next {
        let Some(open) = self.open.iter().find(|open| open.approval == *approval && open.code == code) else {
            return Next::TooLate(format!("Your answer \"{choice}\" [{approval}] came too late: nothing was done."));
        };
        let (took, by) = (open.shown_at.elapsed(), "user, in a document");
        match choice {
            CLOSE => self.close(approval, AnswerKind::Dismissed, "closed in its document"),
            _ if !open.answerable_by_code() => Next::GoOn,
            REJECT => self.close(approval, AnswerKind::Rejected, by),
            title if open.question.titles.iter().any(|known| known == title) => {
                self.approve(approval, title.to_owned(), took, min, by).unwrap_or(Next::InDocument(approval.clone()))
            }
            _ => Next::GoOn,
        }
    }

    /// Decides by the code of a document.
    ///
    /// # Errors
    /// A sentence when no question has that code, it needs a dialog, the choice is none of its titles, or nobody can have read
    /// it yet.
    pub fn answer_by_code(&mut self, code: &str, choice: &str, min: Duration) -> Result<Next, String> {
        let open = self.open.iter().find(|open| open.code == code).ok_or("no open question has this code; codes work once")?;
        if !open.answerable_by_code() {
            return Err(format!("a {:?} cannot be approved by a code", open.question.kind));
        }
        let (approval, took, by) = (open.approval.clone(), open.shown_at.elapsed(), "user, by code");
        if choice == REJECT {
            return Ok(self.close(&approval, AnswerKind::Rejected, by));
        }
        if !open.question.titles.iter().any(|title| title == choice) {
            return Err(format!("choice {choice:?} is none of {REJECT}, {}", open.question.titles.join(", ")));
        }
        let too_fast =
            || format!("answered in {:.2} s, faster than it can be read; read it and answer again", took.as_secs_f64());
        self.approve(&approval, choice.to_owned(), took, min, by).ok_or_else(too_fast)
    }

    /// Closes the question as approved; `None` when nobody can have read it yet, and after too many of these as dismissed.
    fn approve(&mut self, approval: &ApprovalId, title: String, took: Duration, min: Duration, by: &str) -> Option<Next> {
        if took >= min.max(self.get(approval).map_or(Duration::ZERO, |open| open.question.reading)) {
            return Some(self.close(approval, AnswerKind::Approved(title), by));
        }
        let open = self.open.iter_mut().find(|open| open.approval == *approval)?;
        open.too_fast = Some(took);
        open.times_too_fast += 1;
        let again = open.times_too_fast < TOO_FAST;
        let why = "approved faster than it can be read, again and again";
        (!again).then(|| self.close(approval, AnswerKind::Dismissed, why))
    }

    /// Approved by something that the question cannot see: the user trusted the folder on the command line.
    pub fn overtaken(&mut self, approval: &ApprovalId, by: &str) -> Option<Next> {
        let title = self.get(approval)?.question.titles.first()?.clone();
        Some(self.close(approval, AnswerKind::Approved(title), by))
    }

    /// It needs no answer any more.
    pub fn settle(&mut self, approval: &ApprovalId, why: &str) -> Option<Next> {
        self.get(approval)?;
        Some(self.close(approval, AnswerKind::Dismissed, why))
    }

    /// The question's time is up.
    pub fn expire(&mut self, approval: &ApprovalId) -> Option<Next> {
        self.get(approval)?;
        Some(self.close(approval, AnswerKind::Expired, "timeout"))
    }

    /// Ends every question of a scope that `belongs` tells: its task is gone.
    pub fn dismiss(&mut self, belongs: impl Fn(&Scope) -> bool, why: &str) -> Vec<Next> {
        let gone: Vec<_> = self.open.iter().filter(|open| belongs(&open.scope)).map(|open| open.approval.clone()).collect();
        gone.iter().map(|approval| self.close(approval, AnswerKind::Dismissed, why)).collect()
    }

    fn close(&mut self, approval: &ApprovalId, kind: AnswerKind, by: &str) -> Next {
        if self.on_screen.as_ref().is_some_and(|(shown, _)| shown == approval) {
            self.on_screen = None;
        }
        let answer = Answer { approval: approval.clone(), kind, by: by.to_owned() };
        let at = self.open.iter().position(|open| open.approval == *approval);
        if let Some(reply) = at.and_then(|at| self.open.remove(at)).and_then(|mut open| open.reply.take()) {
            // An asker that is gone needs no answer.
            let _ = reply.send(answer.clone());
        }
        Next::Closed(approval.clone(), answer)
    }
}

/// `n` random letters and digits that are hard to confuse.
fn random(n: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let bytes = uuid::Uuid::new_v4().into_bytes();
    bytes.iter().take(n).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

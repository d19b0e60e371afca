//! Questions as documents: what an approval covers, to be read beside a dialog; and for clients without dialogs the question itself,
//! with boxes to tick. Push, pull request and trust are never decided there: the document says where.

use std::time::Duration;

use serde_json::json;
use tower_lsp::lsp_types::MessageType;

use super::{
    actor::Actor,
    boxes::Boxes,
    input::Input,
    prompting::{Ballot, Opened},
    questions::{CLOSE, Open},
};
use crate::{event::ApprovalId, seams::QuestionKind};

/// A document is watched for this long after its question has expired, so that a late tick is told that it is late.
const LATE: Duration = Duration::from_secs(3600);
/// Pauses between the reminders of a question that the user has not opened.
const REMIND: [Duration; 4] = [Duration::from_secs(4), Duration::from_secs(8), Duration::from_secs(16), Duration::from_secs(30)];
const LAST_REMIND: Duration = Duration::from_secs(60);

impl Actor {
    /// Everything that an approval covers, to be read; the question itself is a dialog.
    pub fn open_question_document(&mut self, approval: &ApprovalId) {
        let Some(open) = self.questions.get(approval) else { return };
        let text = format!("{}\nThe question is asked again in a dialog. Closing it decides nothing.\n", covered(open));
        match self.documents.write_read_only(&format!("question-{approval}.md"), &text) {
            Ok(uri) if self.client.show_document => self.out.show_document(uri, true),
            Ok(uri) => {
                self.out.message(MessageType::WARNING, &format!("{} To read all, open {}", open.question.text, uri.path()))
            }
            Err(error) => self.cannot_show(&error),
        }
    }

    /// The question in a document with boxes, for a client without dialogs.
    ///
    /// `wanted`: the user has just asked for it. Unasked, it takes no focus.
    pub fn ask_in_document(&mut self, approval: &ApprovalId, wanted: bool) {
        // A command's changes to such a folder could be accepted with others.
        let exposed = self.documents.uri("").is_none_or(|uri| self.folders.find(&uri).is_some());
        if self.questions.get(approval).is_some_and(|open| open.question.kind == QuestionKind::Setup) {
            // The document is the answer: the next ask would wait for a question that stays open.
            self.on_set_up(wanted);
            return self.on_settled(approval, "its document was opened");
        }
        let Some((open, again)) = self.questions.in_document(approval) else { return };
        let again = again.map(|again| format!("{again} Please read it, and answer again.\n\n")).unwrap_or_default();
        let hint = what_to_do(open);
        let (mut text, mut choices) = (format!("{hint}\n{again}{}\n{}\n", covered(open), how_to_answer(open)), open.choices());
        if exposed {
            text = format!(
                "{}\ncountersign's own state folder lies inside of this workspace, so no document decides anything here: set XDG_STATE_HOME \
                 to a folder outside.\n\n",
                covered(open)
            );
            choices = vec![CLOSE.to_owned()];
        }
        let (name, code, line) =
            (format!("question-{approval}-{}", open.showing()), open.code.clone(), open.question.text.clone());
        let patience = open.question.timeout + LATE;
        // A question of no task is about what the user did.
        let take_focus = wanted || open.scope.task.is_none();
        let boxes = Boxes { code: code.clone(), choices };
        let ballot = Ballot::Question { approval: approval.clone(), code };
        match self.open_boxes(&name, &text, boxes, ballot, patience, Opened { take_focus, words: &line }) {
            Ok(document) => {
                let Some(open) = self.questions.get_mut(approval) else { return };
                open.document = Some(document);
                open.seen = take_focus || !self.client.steals_focus;
                if !open.seen {
                    self.remind_later(approval);
                }
            }
            Err(error) => self.cannot_show(&error),
        }
    }

    /// A message goes with the next key; the user who types on is told again.
    fn remind_later(&self, approval: &ApprovalId) {
        let Some(asked) = self.questions.get(approval).map(Open::alive) else { return };
        let (mailbox, approval) = (self.mailbox.clone(), approval.clone());
        tokio::spawn(async move {
            for pause in REMIND.into_iter().chain(std::iter::repeat(LAST_REMIND)) {
                tokio::time::timeout(pause, std::future::pending::<()>()).await.ok();
                if asked.strong_count() == 0 || mailbox.send(Input::Remind(approval.clone())).is_err() {
                    return;
                }
            }
        });
    }

    /// It may be time to tell the user again that a question is open.
    pub fn on_remind(&self, approval: &ApprovalId) {
        if let Some((open, (_, uri))) = self.questions.get(approval).and_then(|open| Some((open, open.document.clone()?)))
            && !open.seen
        {
            self.show_written(uri, Opened { take_focus: false, words: &open.question.text });
        }
    }

    fn cannot_show(&self, error: &std::io::Error) {
        let words = format!("The question cannot be shown ({error}); it stays open and nothing happens until it is answered.");
        self.out.message(MessageType::ERROR, &words);
    }

    /// Opens the oldest question's document again.
    pub fn show_in_document_again(&mut self) {
        let oldest = self.questions.all().next().map(|open| {
            let document = open.document.clone().filter(|(path, _)| boxes(open).stand_in(path));
            (open.approval.clone(), open.question.text.clone(), document)
        });
        match oldest {
            Some((approval, words, Some((_, uri)))) => {
                self.questions.shown(&approval);
                self.show_written(uri, Opened { take_focus: true, words: &words });
            }
            // The user changed it, or it is gone.
            Some((approval, _, None)) => self.ask_in_document(&approval, true),
            None => {}
        }
    }
}

/// Everything that an approval covers.
fn covered(open: &Open) -> String {
    let mut text = format!("{}\n", open.question.document.trim_end());
    if !open.question.digest.is_empty() {
        text.push_str(&format!("\nThe approval covers exactly this: SHA-256 {}\n", open.question.digest));
    }
    text
}

/// The first lines: what to do with this document.
fn what_to_do(open: &Open) -> String {
    match open.question.kind {
        QuestionKind::Trust => format!(
            "> Trust is given in a terminal. Run this there{}:\n>\n>     countersign trust add {}\n",
            if open.scope.task.is_some() { ", and the agent goes on by itself" } else { "" },
            quoted(open.scope.workspace.as_deref().unwrap_or("."))
        ),
        QuestionKind::Push | QuestionKind::OpenPullRequest => {
            "> This is yours to do, in a terminal: the command stands below. Then tick the box on\n> the last line and save.\n"
                .to_owned()
        }
        _ => "> Read, then tick a box on the last lines and save.\n".to_owned(),
    }
}

/// How a client without dialogs answers.
fn how_to_answer(open: &Open) -> String {
    let minutes = open.question.timeout.as_secs().div_ceil(60);
    let mut text = String::from("---\n\n");
    if open.answerable_by_code() {
        text.push_str(&format!(
            "To decide, tick one box below (`[x]`) and save. Nothing is done before that, and\nnothing after {minutes} minutes without an \
             answer. Where your editor passes arguments to\ncommands, one of these decides as well (the code works once):\n\n"
        ));
        for choice in open.choices() {
            let argument = json!({"code": open.code, "choice": choice});
            text.push_str(&format!("    countersign.answer {argument}\n"));
        }
    } else {
        let folder = open.scope.workspace.as_deref().unwrap_or(".");
        text.push_str(&match open.question.kind {
            QuestionKind::Trust => format!(
                "Trust is not given in a document. Within {minutes} minutes, in a terminal:\n\n    countersign trust add {}\n",
                quoted(folder)
            ),
            _ => format!(
                "This is not approved in a document. Do it by hand, with the command above, in\n\n    cd {}\n\nor ask for it with \
                 `countersign ask` in a terminal, which has dialogs. Then close the\nquestion here.\n",
                quoted(folder)
            ),
        });
    }
    text
}

/// A path that can be pasted into a shell.
fn quoted(path: &str) -> String {
    if path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte)) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', "'\\''"))
}

fn boxes(open: &Open) -> Boxes {
    Boxes { code: open.code.clone(), choices: open.choices() }
}

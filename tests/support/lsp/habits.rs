//! How the client of a test answers: edits, questions, and what a rich one is asked.

use std::time::Duration;

use serde_json::Value;

/// How the client answers `workspace/applyEdit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Applies, tells the change, then answers.
    Honest,
    /// Answers `applied: true` before it tells the change (VS Code).
    AnswersFirst,
    /// Answers `applied: true` and does nothing.
    Liar,
    /// Answers `applied: false` and does nothing.
    Refuses,
    /// Never answers, applies nothing.
    Silent,
    /// Answers an error.
    Fails,
    /// Answers `applied: true` at once and tells the change only after this time.
    Late(Duration),
    /// Answers `applied: true` at once and tells the change at [`Editor::tell`].
    Untold,
    /// Tells the change and answers, both after this time (an editor on a busy machine).
    Slow(Duration),
    /// Applies only the first of the edits and answers `applied: true`.
    Half,
    /// Does nothing before [`Editor::late`].
    Held,
    /// Applies, tells the change, never answers.
    Mute,
    /// Applies the first file and answers that it failed at the second.
    Breaks,
    /// Makes all of it that is not for an older text, and answers nothing: see [`Editor::deny`].
    Unasked,
}

/// How the client answers a question; decided by its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    Title(&'static str),
    /// This title, at [`Editor::release`].
    Held(&'static str),
    Null,
    Error(i64),
    Never,
}

/// How a rich client answers `countersign/query`.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    Tells(Value),
    Error(i64),
    /// Never answers.
    Silent,
}

//! The edit matcher: finds the one place that `old` means, or refuses (law 9).
//!
//! Stages, each tried only when the one before found nothing: exact; ignoring trailing blanks; under one consistent indentation
//! map; under quote, dash and space normalisation. A stage that finds several places ends the search with a refusal. There are
//! no similarity thresholds: similarity only chooses what a refusal shows. Lines that `old` and `new` share keep the file's own
//! bytes, and so do line ends.

mod indent;
mod miss;
mod source;
mod splice;
mod stages;

use std::ops::Range;

pub use source::Source;

use crate::text::Edit;

/// One replacement as the model asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    pub old: String,
    pub new: String,
    /// Replace every exact occurrence instead of the only one.
    pub all: bool,
}

/// How a place was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Exact,
    TrailingBlanks,
    Indentation,
    Typography,
}

/// A place in the line-feed view of the text that an `old` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    pub range: Range<usize>,
    pub stage: Stage,
    /// The lines of `old` that stand for `range`, as the model wrote them.
    pub old: Vec<String>,
    /// What replaces them.
    pub pieces: Vec<splice::Piece>,
}

/// What a call's edits make of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Edits on the text before the call, ascending, not overlapping.
    pub edits: Vec<Edit>,
    /// The text after the call.
    pub text: String,
    /// The loosest stage that was needed.
    pub stage: Stage,
}

/// Why nothing was applied. The sentence is written for the model and shows what it needs to repair the call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub kind: RefusalKind,
    /// Zero-based index of the edit that was refused.
    pub edit: usize,
    pub message: String,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    NoEdits,
    Empty,
    Identical,
    NotFound,
    AlreadyApplied,
    Ambiguous,
    Overlap,
    /// The place is clear, but the indentation of a new line does not follow from it.
    Indentation,
}

/// Applies all edits to `text` or none. Every edit is matched against `text` as it was before the call.
///
/// # Errors
/// [`Refusal`] when an edit does not match exactly one place, or two edits overlap.
pub fn apply(path: &str, text: &str, edits: &[Replacement]) -> Result<Applied, Refusal> {
    if edits.is_empty() {
        return Err(Refusal {
            kind: RefusalKind::NoEdits,
            edit: 0,
            message: "edits is empty; give at least one {old, new}".into(),
        });
    }
    let source = Source::new(text);
    let mut placed: Vec<(usize, Place)> = Vec::new();
    for (index, edit) in edits.iter().enumerate() {
        let found = stages::find(&source, edit).map_err(|why| Refusal {
            kind: why.kind(),
            edit: index,
            message: label(index, edits.len(), &miss::explain(path, &source, edit, &why)),
        })?;
        placed.extend(found.into_iter().map(|place| (index, place)));
    }
    placed.sort_by_key(|(_, place)| (place.range.start, place.range.end));
    for pair in placed.windows(2) {
        let (first, second) = (&pair[0], &pair[1]);
        if second.1.range.start < first.1.range.end || second.1.range == first.1.range {
            let message = format!(
                "edits {} and {} overlap at line {} of {path}; nothing was changed. Join them into one edit",
                first.0 + 1,
                second.0 + 1,
                source.line_at(second.1.range.start) + 1
            );
            return Err(Refusal { kind: RefusalKind::Overlap, edit: second.0, message });
        }
    }
    let stage = placed.iter().map(|(_, place)| place.stage).max_by_key(|stage| *stage as u8).unwrap_or(Stage::Exact);
    let edits: Vec<Edit> = placed
        .iter()
        .map(|(_, place)| Edit { range: source.original(&place.range), new: splice::splice(&source, place) })
        .collect();
    Ok(Applied { text: splice::join(text, &edits), edits, stage })
}

/// Says which of several edits a message is about.
fn label(index: usize, count: usize, message: &str) -> String {
    if count == 1 {
        message.to_owned()
    } else {
        format!("edit {} of {count}: {message} (no edit of this call was applied)", index + 1)
    }
}

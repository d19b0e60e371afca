//! From a place to the bytes that go there: lines that `old` and `new` share keep the file's bytes.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{Place, Source, Stage};
use crate::text::Edit;

/// One line of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The file's own line that stands for this line of `old`.
    Keep(usize),
    /// A line of `new`, and the line of `old` that it stands in for.
    New { text: String, instead_of: Option<usize> },
}

/// What `new` keeps of `old` and what it brings.
pub(super) fn pieces(old: &[&str], new: &[&str]) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(new.len());
    for op in capture_diff_slices(Algorithm::Myers, old, new) {
        match op {
            DiffOp::Equal { old_index, len, .. } => pieces.extend((old_index..old_index + len).map(Piece::Keep)),
            DiffOp::Delete { .. } => {}
            DiffOp::Insert { new_index, new_len, .. } => {
                pieces.extend(
                    new[new_index..new_index + new_len]
                        .iter()
                        .map(|line| Piece::New { text: (*line).to_owned(), instead_of: None }),
                );
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                pieces.extend((0..new_len).map(|i| Piece::New {
                    text: new[new_index + i].to_owned(),
                    instead_of: (i < old_len).then_some(old_index + i),
                }));
            }
        }
    }
    pieces
}

/// The text that replaces a place, in the file's own line ends.
pub(super) fn splice(source: &Source, place: &Place) -> String {
    let first_line = source.line_at(place.range.start);
    let matched: Vec<&str> = source.view()[place.range.clone()].split('\n').collect();
    let mut out = String::new();
    for (index, piece) in place.pieces.iter().enumerate() {
        // A line that stands in for one of the file ends as that one does.
        let own = match piece {
            Piece::Keep(line) | Piece::New { instead_of: Some(line), .. } => Some(*line),
            Piece::New { .. } => None,
        };
        let own = own.filter(|line| line + 1 < matched.len()).map(|line| source.ending_after(first_line + line));
        let ending = own.unwrap_or(source.ending());
        match piece {
            Piece::Keep(line) => out.push_str(matched.get(*line).copied().unwrap_or_default()),
            Piece::New { text, instead_of: Some(line) } if place.stage == Stage::Typography => {
                let file = matched.get(*line).copied().unwrap_or_default();
                out.push_str(&keep_ends(file, &place.old[*line], text));
            }
            Piece::New { text, .. } => out.push_str(text),
        }
        if index + 1 < place.pieces.len() {
            out.push_str(ending);
        }
    }
    out
}

/// `new` with the file's own characters where `old` and `new` begin and end alike. `file` and `old` are of equal length in
/// characters.
fn keep_ends(file: &str, old: &str, new: &str) -> String {
    let (file, old, new): (Vec<char>, Vec<char>, Vec<char>) =
        (file.chars().collect(), old.chars().collect(), new.chars().collect());
    let short = old.len().min(new.len()).min(file.len());
    let head = (0..short).take_while(|i| old[*i] == new[*i]).count();
    let tail = (0..short - head).take_while(|i| old[old.len() - 1 - i] == new[new.len() - 1 - i]).count();
    file[..head].iter().chain(&new[head..new.len() - tail]).chain(&file[file.len() - tail..]).collect()
}

/// The text after ascending, disjoint edits.
pub(super) fn join(text: &str, edits: &[Edit]) -> String {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        out.push_str(&text[at..edit.range.start]);
        out.push_str(&edit.new);
        at = edit.range.end;
    }
    out.push_str(&text[at..]);
    out
}

//! Puts one accepted change onto a text that may lack the user's other, uncommitted edits.

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// Most lines of a text that is compared line by line; a longer one must be the committed one as a whole.
const LINES: usize = 50_000;

/// `text` with the change that led from `before` to `after`. `None` unless every changed place of `before`, with a line of its
/// surroundings on each side, stands in `text` at one aligned place: never applied-but-wrong.
pub(super) fn apply(text: &str, before: &str, after: &str) -> Option<String> {
    if let Some(bare) = text.strip_prefix('\u{feff}')
        && !before.starts_with('\u{feff}')
    {
        return apply(bare, before, after).map(|text| format!("\u{feff}{text}"));
    }
    if text == before {
        return Some(after.to_owned());
    }
    let (before, after) = committed_ends(text, before, after);
    if text == before {
        return Some(after);
    }
    let base: Vec<&str> = before.split_inclusive('\n').collect();
    let ours: Vec<&str> = text.split_inclusive('\n').collect();
    let theirs: Vec<&str> = after.split_inclusive('\n').collect();
    if base.len().max(ours.len()).max(theirs.len()) > LINES {
        return None;
    }
    let kept: Vec<(usize, usize, usize)> = diff(&base, &ours)
        .into_iter()
        .filter_map(|op| match op {
            DiffOp::Equal { old_index, new_index, len } => Some((old_index, new_index, len)),
            _ => None,
        })
        .collect();
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for op in diff(&base, &theirs) {
        let (start, end, new) = match op {
            DiffOp::Equal { .. } => continue,
            DiffOp::Delete { old_index, old_len, .. } => (old_index, old_index + old_len, 0..0),
            DiffOp::Insert { old_index, new_index, new_len } => (old_index, old_index, new_index..new_index + new_len),
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                (old_index, old_index + old_len, new_index..new_index + new_len)
            }
        };
        let (left, right) = (start.saturating_sub(1), (end + 1).min(base.len()));
        let (old, mine, _) = *kept.iter().find(|(old, _, len)| *old <= left && right <= old + len)?;
        let place = mine + (start - old);
        let place_end = mine + (end - old);
        // the first and the last line have the edge of the file for a neighbour
        if (start == 0 && place != 0) || (end == base.len() && place_end != ours.len()) {
            return None;
        }
        ours.get(copied..place)?.iter().for_each(|line| out.push_str(line));
        theirs.get(new)?.iter().for_each(|line| out.push_str(line));
        copied = place_end;
    }
    ours.get(copied..)?.iter().for_each(|line| out.push_str(line));
    Some(out)
}

fn diff(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    capture_diff_slices(Algorithm::Patience, old, new)
}

/// A working file may differ from the committed one by its line ends alone (`core.autocrlf`): then the committed one has the say.
fn committed_ends(text: &str, before: &str, after: &str) -> (String, String) {
    let unix = |text: &str| text.contains('\n') && !text.contains("\r\n");
    let dos = |text: &str| text.contains('\n') && text.matches("\r\n").count() == text.matches('\n').count();
    let to_unix = |text: &str| text.replace("\r\n", "\n");
    if unix(text) && dos(before) {
        (to_unix(before), to_unix(after))
    } else if dos(text) && unix(before) {
        (before.replace('\n', "\r\n"), to_unix(after).replace('\n', "\r\n"))
    } else {
        (before.to_owned(), after.to_owned())
    }
}

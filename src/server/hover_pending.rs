//! Hover over a pending change, for clients that draw none: its old and its new lines, and what the model said about it. A
//! diagnostic has room for one short line only.

use tower_lsp::lsp_types::{Hover, Position, Range};

use super::{
    actor::Actor,
    display::size,
    hover::{escaped, plain},
};
use crate::{
    path::{self, WsPath},
    proposal::{FileOp, FileProposal, Hunk, HunkKind, Proposal},
    workspace::desk::Desk,
};

/// Lines of one change that are shown.
const LINES: usize = 40;

impl Actor {
    /// The pending changes on this line; rich clients draw them.
    pub fn hover_pending(&self, desk: &Desk, path: &WsPath, at: Position) -> Option<Hover> {
        if self.client.rich {
            return None;
        }
        let parts: Vec<String> = desk.proposals().flat_map(|proposal| self.pending_at(proposal, path, at)).collect();
        (!parts.is_empty()).then(|| self.hover_of(parts.join("\n\n")))
    }

    fn pending_at(&self, proposal: &Proposal, path: &WsPath, at: Position) -> Vec<String> {
        let Some(file) = proposal.files.get(path) else { return Vec::new() };
        let here = self.hunks_at(file, Range { start: at, end: at });
        let words = self.tasks.get(&proposal.task).map(|task| &task.words);
        here.into_iter().map(|hunk| self.told_pending(file, hunk, words.and_then(|words| words.reason(&hunk.call)))).collect()
    }

    fn told_pending(&self, file: &FileProposal, hunk: &Hunk, reason: Option<String>) -> String {
        let markdown = self.client.hover_markdown;
        let of_file = match (hunk.kind, &file.op) {
            (HunkKind::Lines | HunkKind::Create, _) => None,
            (HunkKind::Delete, _) => Some("delete this file".to_owned()),
            (HunkKind::Mode, _) => Some(format!("old mode {} / new mode {}", hunk.old, hunk.new)),
            (HunkKind::Move, FileOp::Move { to }) => Some(format!("move this file to {}", visible(to.as_str()))),
            (HunkKind::Move, _) => Some("move this file".to_owned()),
        };
        if let Some(what) = of_file {
            let mut text = format!("Pending change: {}", if markdown { escaped(&plain(&what)) } else { plain(&what) });
            if let Some(why) = hunk.why {
                text.push_str(&format!(", stale: {why}"));
            }
            text.extend(reason.map(|reason| format!("\n\n{}", quoted(&reason, markdown))));
            return text;
        }
        let signed = |sign: char, text: &str| text.lines().map(move |line| format!("{sign}{line}")).collect::<Vec<_>>();
        let mut lines = signed('-', &hunk.old);
        lines.extend(signed('+', &hunk.new));
        let more = lines.len().saturating_sub(LINES);
        lines.truncate(LINES);
        let diff = visible(&lines.join("\n"));
        let mut text = format!("Pending change {}", size(hunk));
        if let Some(why) = hunk.why {
            text.push_str(&format!(", stale: {why}"));
        }
        text.push_str(&if markdown { fenced(&diff) } else { format!("\n{diff}\n") });
        if more > 0 {
            text.push_str(&format!("{more} more lines are in its diff.\n"));
        }
        if let Some(reason) = reason {
            text.push_str(&quoted(&reason, markdown));
        }
        text
    }
}

fn quoted(reason: &str, markdown: bool) -> String {
    format!("It said: \"{}\"", if markdown { escaped(&plain(reason)) } else { plain(reason) })
}

/// The same with hidden characters as escapes.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if path::hidden(c) && !matches!(c, '\n' | '\t') { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// As a block of code that the text cannot end.
fn fenced(diff: &str) -> String {
    let longest = diff.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("\n\n{fence}diff\n{diff}\n{fence}\n\n")
}

//! `edit_file`: exact replacements in one file, staged as hunks of the proposal.

use std::{fmt::Write as _, ops::Range};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::{
    Context, Effect, Tool, ToolResult, lenient,
    matching::{self, Applied, Replacement, Stage},
    read_file::{line, shown_lines},
};
use crate::{
    path::WsPath,
    policy::Action,
    seams::{FileKind, StageOp, StageRequest, Staged, WorkspaceError},
    text::Text,
};

/// Lines shown around a hunk, and most bytes of an answer.
const AROUND: usize = 3;
const BYTES: usize = 4 * 1024;
/// Most edits of one call.
const EDITS: usize = 50;

// Doc comments of fields and tools are read by the model; what goes without saying has none.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EditArgs {
    /// Whole lines that stand in the file exactly once.
    #[serde(alias = "old_string", alias = "old_str", alias = "old_text", alias = "oldText", alias = "search")]
    old: String,
    #[serde(alias = "new_string", alias = "new_str", alias = "new_text", alias = "newText", alias = "replace")]
    new: String,
    /// Every exact occurrence.
    #[serde(default, alias = "replace_all", deserialize_with = "lenient::flag")]
    all: bool,
}

/// Proposes replacements in a file. All match the file as it was before the call; all apply or none.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct EditFile {
    #[schemars(with = "String")]
    path: WsPath,
    edits: Vec<EditArgs>,
}

/// The shapes in which models write the call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(alias = "file_path", alias = "filename", alias = "file", deserialize_with = "lenient::path")]
    path: WsPath,
    #[serde(default, deserialize_with = "lenient::list")]
    edits: Vec<EditArgs>,
    #[serde(default, alias = "old_string", alias = "old_str", alias = "old_text")]
    old: Option<String>,
    #[serde(default, alias = "new_string", alias = "new_str", alias = "new_text")]
    new: Option<String>,
    #[serde(default, alias = "replace_all", deserialize_with = "lenient::flag")]
    all: bool,
}

impl<'de> Deserialize<'de> for EditFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(from)?;
        let mut edits = written.edits;
        match (written.old, written.new) {
            (Some(old), Some(new)) => edits.push(EditArgs { old, new, all: written.all }),
            (None, None) => {}
            _ => return Err(serde::de::Error::custom("old and new belong together in one of edits")),
        }
        if edits.is_empty() || edits.len() > EDITS {
            return Err(serde::de::Error::custom(format!("edits must hold 1 to {EDITS} {{old, new}}")));
        }
        Ok(EditFile { path: written.path, edits })
    }
}

#[async_trait::async_trait]
impl Tool for EditFile {
    fn title(&self) -> String {
        format!("editing {}", self.path)
    }

    fn actions(&self) -> Vec<Action> {
        // A refusal shows the file, so it must be readable.
        vec![Action::Read(self.path.to_string()), Action::Write(self.path.to_string())]
    }

    fn effect(&self) -> Effect {
        Effect::Stages
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        let view = cx.workspace.read(&self.path).await.map_err(|error| match error {
            // Without a name that is meant instead, the file is to be made.
            WorkspaceError::NotFound { ref near, .. } if near.is_empty() => {
                ToolResult::error(format!("{error}; write_file makes new files"))
            }
            other => other.into(),
        })?;
        if view.kind != FileKind::Text {
            return Err(WorkspaceError::NotEditable(self.path.clone()).into());
        }
        let edits: Vec<Replacement> =
            self.edits.iter().map(|edit| Replacement { old: edit.old.clone(), new: edit.new.clone(), all: edit.all }).collect();
        let applied = matching::apply(self.path.as_str(), &view.text.to_string(), &edits)?;
        let to = Text::new(&applied.text);
        if to == view.text {
            return Err(ToolResult::error(format!("the edits leave {} as it is; nothing was staged", self.path)));
        }
        let op = StageOp::Modify { from: view.text.clone(), to };
        let request = StageRequest { path: self.path.clone(), op, call: cx.call.clone(), apart: cx.apart };
        let staged = cx.workspace.stage(request).await?;
        Ok(ToolResult::ok(report(&self.path, &view.text, &applied, &staged, cx.apart)))
    }
}

fn report(path: &WsPath, before: &Text, applied: &Applied, staged: &Staged, apart: bool) -> String {
    let mut out = format!("{path}: {}", pending(staged, apart));
    match applied.stage {
        Stage::Exact => {}
        Stage::TrailingBlanks => out.push_str("; old differed from the file in trailing blanks"),
        Stage::Indentation => out.push_str("; old differed in indentation, new was indented as the file is"),
        Stage::Typography => out.push_str("; old differed in quotes, dashes or spaces"),
    }
    out.push('\n');
    let after = Text::new(&applied.text);
    let (mut moved, mut shown) = (0i64, 0usize);
    for edit in &applied.edits {
        let old = before.slice(edit.range.clone());
        let start = (edit.range.start as i64 + moved) as usize;
        moved += edit.new.len() as i64 - old.len() as i64;
        let lines = changed_lines(&after, start, &old, &edit.new);
        let from = lines.start.saturating_sub(AROUND).max(shown);
        let to = (lines.end + AROUND).min(shown_lines(&after));
        for number in from..to {
            if out.len() > BYTES {
                out.push_str("[cut; read_file shows the rest]\n");
                return out;
            }
            let mark = if lines.contains(&number) { '+' } else { ' ' };
            let _ = writeln!(out, "{mark}{}|{}", number + 1, line(&after, number));
        }
        if lines.is_empty() {
            let _ = writeln!(out, " (lines were removed before line {})", lines.start + 1);
        }
        shown = to.max(shown);
    }
    out
}

/// The state of a file's hunks in words.
pub(super) fn pending(staged: &Staged, apart: bool) -> String {
    let ids: Vec<&str> = staged.hunks.iter().map(|hunk| hunk.0.as_str()).collect();
    let what = match ids.len() {
        0 => "no hunk is left pending; the file is as the user has it".to_owned(),
        1 => format!("hunk {} pending review", ids[0]),
        n => format!("{n} hunks pending review ({})", ids.join(", ")),
    };
    if apart { what + ", to be accepted one by one since the policy asks about this file" } else { what }
}

/// The zero-based lines of the text after that an edit really changed; empty when it only removed.
fn changed_lines(after: &Text, start: usize, old: &str, new: &str) -> Range<usize> {
    let (a, b) = (old.as_bytes(), new.as_bytes());
    let short = a.len().min(b.len());
    let head = (0..short).take_while(|i| a[*i] == b[*i]).count();
    let tail = (0..short - head).take_while(|i| a[a.len() - 1 - i] == b[b.len() - 1 - i]).count();
    let (first, end) = (start + head, start + new.len() - tail);
    if first == end {
        let line = after.line_of(first);
        // Removed within a line: that line changed. Removed whole lines: nothing of them is left to show.
        let whole = old[floor(old, head)..].starts_with('\n') || old[..floor(old, head)].ends_with('\n') || head == 0;
        return if whole { line..line } else { line..line + 1 };
    }
    after.line_of(first)..after.line_of(end.saturating_sub(1).max(first)) + 1
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

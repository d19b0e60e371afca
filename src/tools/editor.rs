//! `editor`: what the user has open, has selected, and typed last.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Context, Effect, Tool, ToolResult,
    quoted::{caveats, insight, kept_back, lines},
    read_file::{line, shown_lines},
};
use crate::{
    path::WsPath,
    policy::Action,
    seams::{Line, Lines, OpenBuffer, RecentEdit, ToolSpec},
};

/// Most rows of one answer, most lines of a selection, and most characters of one.
const ROWS: usize = 100;
const LINES: usize = 200;
const LINE: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Op {
    #[serde(alias = "openBuffers", alias = "buffers", alias = "tabs")]
    OpenBuffers,
    #[serde(alias = "cursor")]
    Selection,
    #[serde(alias = "recentEdits", alias = "edits")]
    RecentEdits,
}

/// Shows what the user has open or selected, or typed last.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Editor {
    #[schemars(with = "String", extend("enum" = ["open_buffers", "selection", "recent_edits"]))]
    op: Op,
}

impl Editor {
    /// The declaration where only the server's own knowledge can be told.
    pub(super) fn without_selection(spec: &mut ToolSpec) {
        spec.description = "Shows what the user has open, or typed last.".to_owned();
        if let Some(ops) = spec.input_schema.pointer_mut("/properties/op/enum").and_then(Value::as_array_mut) {
            ops.retain(|op| op != "selection");
        }
    }
}

#[async_trait::async_trait]
impl Tool for Editor {
    fn title(&self) -> String {
        match self.op {
            Op::OpenBuffers => "looking at what is open",
            Op::Selection => "looking at the selection",
            Op::RecentEdits => "looking at what you typed last",
        }
        .to_owned()
    }

    fn actions(&self) -> Vec<Action> {
        // Each path that comes back is judged on its own.
        Vec::new()
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        let insight = insight(cx)?;
        let text = match self.op {
            Op::OpenBuffers => {
                let mut buffers = insight.open_buffers().await?;
                let all = buffers.len();
                buffers.retain(|buffer| (cx.may_read)(buffer.path.as_str()));
                open_buffers(&buffers) + &kept_back(all - buffers.len(), "files are")
            }
            Op::RecentEdits => {
                let mut edits = insight.recent_edits().await?;
                let all = edits.len();
                edits.retain(|edit| (cx.may_read)(edit.path.as_str()));
                recent_edits(&edits) + &kept_back(all - edits.len(), "edits are")
            }
            Op::Selection => {
                let told = insight.selection().await?;
                let text = match &told.what {
                    None => "the cursor is in no file of the workspace folder".to_owned(),
                    Some((path, _)) if !(cx.may_read)(path.as_str()) => {
                        "the cursor is in a file that the policy keeps from you".to_owned()
                    }
                    Some((path, lines)) => selection(cx, path, lines).await,
                };
                if told.moved { text + &caveats(&told) } else { text }
            }
        };
        Ok(ToolResult::ok(text))
    }
}

fn open_buffers(buffers: &[OpenBuffer]) -> String {
    if buffers.is_empty() {
        return "nothing of the workspace folder is open".to_owned();
    }
    let mut out = String::new();
    for buffer in buffers.iter().take(ROWS) {
        let marks = [(buffer.active, "active"), (buffer.visible, "visible"), (Some(buffer.unsaved), "unsaved")];
        let marks: Vec<&str> = marks.into_iter().filter(|(mark, _)| *mark == Some(true)).map(|(_, word)| word).collect();
        let marks = if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) };
        let _ = writeln!(out, "{}{marks}", buffer.path);
    }
    if buffers.len() > ROWS {
        let _ = writeln!(out, "[{} more]", buffers.len() - ROWS);
    }
    out.trim_end().to_owned()
}

fn recent_edits(edits: &[RecentEdit]) -> String {
    if edits.is_empty() {
        return "the user typed nothing in the last hour".to_owned();
    }
    let mut out = String::new();
    for edit in edits.iter().take(ROWS) {
        let ago = match edit.ago.as_secs() {
            seconds @ 0..120 => format!("{seconds} s"),
            seconds => format!("{} min", seconds / 60),
        };
        let _ = writeln!(out, "{}:{} {ago} ago", edit.path, lines(&edit.lines));
    }
    out.trim_end().to_owned()
}

async fn selection(cx: &Context<'_>, path: &WsPath, at: &Lines) -> String {
    let mut out = format!("{path}:{}", lines(at));
    let Ok(view) = cx.workspace.read(path).await else { return out };
    if let (Line::At(first), Line::At(last)) = (&at.first, &at.last) {
        let last = (*last).min(shown_lines(&view.text));
        for number in (*first..=last).take(LINES) {
            let shown: String = line(&view.text, number - 1).chars().take(LINE).collect();
            let _ = write!(out, "\n{number}|{shown}");
        }
        if last >= first + LINES {
            out.push_str("\n[cut; read_file shows the rest]");
        }
    }
    out
}

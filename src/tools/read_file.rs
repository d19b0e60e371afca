//! `read_file`: a file as the user sees it, with line numbers.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Effect, Tool, ToolResult, lenient};
use crate::{
    path::WsPath,
    policy::Action,
    seams::{FileKind, Source, View},
    text::Text,
};

/// Most lines and bytes of one answer, and most characters of one line.
const LINES: usize = 2000;
const BYTES: usize = 48 * 1024;
const LINE_CHARS: usize = 2000;

/// Shows a file as lines of `NUMBER|TEXT`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadFile {
    /// Relative to the workspace folder.
    #[serde(alias = "file_path", alias = "filename", alias = "file", deserialize_with = "lenient::path")]
    #[schemars(with = "String")]
    path: WsPath,
    #[serde(default, alias = "start", alias = "offset", alias = "line", deserialize_with = "lenient::number")]
    start_line: Option<u64>,
    #[serde(default, alias = "end", deserialize_with = "lenient::number")]
    end_line: Option<u64>,
    /// Number of lines: a habit from elsewhere.
    #[serde(default, deserialize_with = "lenient::number")]
    #[schemars(skip)]
    limit: Option<u64>,
}

#[async_trait::async_trait]
impl Tool for ReadFile {
    fn title(&self) -> String {
        match (self.start_line, self.end_line) {
            (Some(start), Some(end)) => format!("reading {}:{start}-{end}", self.path),
            _ => format!("reading {}", self.path),
        }
    }

    fn actions(&self) -> Vec<Action> {
        vec![Action::Read(self.path.to_string())]
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        let view = cx.workspace.read(&self.path).await?;
        if view.kind == FileKind::Binary {
            return Ok(ToolResult::ok(format!("{} is a binary file of {} bytes; it cannot be shown", self.path, view.size)));
        }
        let total = shown_lines(&view.text);
        let start = self.start_line.unwrap_or(1).max(1) as usize;
        let last = self.end_line.or(self.limit.map(|limit| start as u64 + limit.max(1) - 1)).map_or(total, |end| end as usize);
        if total == 0 {
            return Ok(ToolResult::ok(format!("{} is empty{}", self.path, origin(&view))));
        }
        if start > total {
            return Err(ToolResult::error(format!("{} has {total} lines; line {start} is beyond its end", self.path)));
        }
        if last < start {
            return Err(ToolResult::error(format!("end_line {last} lies before start_line {start}")));
        }
        Ok(ToolResult::ok(show(&view, start, last.min(total), total)))
    }
}

fn origin(view: &View) -> &'static str {
    match (view.kind, view.source) {
        (FileKind::NotUtf8, _) => " (not UTF-8: shown with replacement marks, cannot be edited)",
        (_, Source::Buffer { unsaved: true, .. }) => " (unsaved in the editor)",
        (_, Source::Proposed) => " (with your pending edits)",
        _ => "",
    }
}

fn show(view: &View, start: usize, last: usize, total: usize) -> String {
    let (mut body, mut next) = (String::new(), start);
    while next <= last && next - start < LINES && body.len() < BYTES {
        let line = line(&view.text, next - 1);
        match line.char_indices().nth(LINE_CHARS) {
            Some((cut, _)) => {
                let _ = writeln!(body, "{next}|{} [cut; the line has {} bytes]", &line[..cut], line.len());
            }
            None => {
                let _ = writeln!(body, "{next}|{line}");
            }
        }
        next += 1;
    }
    let shown = next - 1;
    let mut out = if (start, shown) == (1, total) {
        format!("{}: {total} lines{}\n{body}", view.path, origin(view))
    } else {
        format!("{}: lines {start}-{shown} of {total}{}\n{body}", view.path, origin(view))
    };
    if shown < last {
        let _ = write!(out, "[{} more lines; go on with start_line {next}]", last - shown);
    }
    out
}

/// Number of lines as people count them: a final line break opens no line.
pub(super) fn shown_lines(text: &Text) -> usize {
    let lines = text.lines();
    if lines > 0 && text.line_start(lines - 1) == text.len() { lines - 1 } else { lines }
}

/// The characters of a zero-based line without its end.
pub(super) fn line(text: &Text, index: usize) -> String {
    let mut line = text.slice(text.line_start(index)..text.line_start(index + 1));
    line.truncate(line.trim_end_matches(['\n', '\r']).len());
    line
}

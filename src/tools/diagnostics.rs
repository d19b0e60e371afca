//! `diagnostics`: what the editor's language servers complain about.
//!
//! They see the user's text, not the task's pending hunks. That is why no edit tells "the change in diagnostics": before the
//! user accepts, there is none that would be true. Commands in the walls see the hunks, and so do the checks before the end.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Context, Effect, Tool, ToolResult, lenient,
    quoted::{caveats, insight, kept_back, line, quoted},
};
use crate::{
    path::WsPath,
    policy::Action,
    seams::{Diagnostic, Line, Severity, WorkspaceError},
};

/// Most rows and bytes of one answer, and most characters of a message.
const ROWS: usize = 100;
const BYTES: usize = 24 * 1024;
const MESSAGE: usize = 400;

/// From which severity on.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Least {
    Error,
    #[default]
    Warning,
    #[serde(alias = "info")]
    Information,
    #[serde(alias = "all")]
    Hint,
}

/// Shows what the editor's language servers report, without your pending edits.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Diagnostics {
    #[serde(
        default,
        alias = "file_path",
        alias = "filename",
        alias = "file",
        alias = "paths",
        deserialize_with = "lenient::maybe_path"
    )]
    #[schemars(with = "Option<String>")]
    path: Option<WsPath>,
    /// Least severe to show.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("enum" = ["error", "warning", "information", "hint"]))]
    severity: Least,
}

#[async_trait::async_trait]
impl Tool for Diagnostics {
    fn title(&self) -> String {
        match &self.path {
            Some(path) => format!("reading diagnostics of {path}"),
            None => "reading diagnostics".to_owned(),
        }
    }

    fn actions(&self) -> Vec<Action> {
        vec![Action::Read(self.path.clone().unwrap_or_else(WsPath::root).to_string())]
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        let under = self.path.clone().unwrap_or_else(WsPath::root);
        // A folder's are a selection of all.
        let file = match &self.path {
            None => None,
            Some(path) => match cx.workspace.read(path).await {
                Ok(_) => Some(path),
                Err(WorkspaceError::IsDir(_)) => None,
                Err(error) => return Err(error.into()),
            },
        };
        let told = insight(cx)?.diagnostics(file).await?;
        let mut found: Vec<&Diagnostic> = told.what.iter().filter(|one| one.path.is_within(&under)).collect();
        let all = found.len();
        found.retain(|one| (cx.may_read)(one.path.as_str()));
        let hidden = kept_back(all - found.len(), "diagnostics are");
        let least = match self.severity {
            Least::Error => Severity::Error,
            Least::Warning => Severity::Warning,
            Least::Information => Severity::Information,
            Least::Hint => Severity::Hint,
        };
        let all = found.len();
        found.retain(|one| one.severity <= least);
        let milder = all - found.len();
        found.sort_by_key(|one| (one.severity, one.path.clone(), number(&one.line)));
        let mut out = if found.is_empty() {
            format!("the editor shows no {} in {under}; it may not have looked at every file\n", words(least))
        } else {
            show(&found)
        };
        if milder > 0 {
            let _ = writeln!(out, "[{milder} milder ones; severity: hint shows all]");
        }
        Ok(ToolResult::ok(format!("{}{hidden}{}", out.trim_end(), caveats(&told))))
    }
}

fn show(found: &[&Diagnostic]) -> String {
    let mut out = String::new();
    for (shown, one) in found.iter().enumerate() {
        if shown == ROWS || out.len() > BYTES {
            let _ = writeln!(out, "[{} more; narrow path or severity]", found.len() - shown);
            break;
        }
        let _ = write!(out, "{}:{} {} {}", one.path, line(&one.line), name(one.severity), quoted(&one.message, MESSAGE));
        let origin = [&one.source, &one.code].map(|word| quoted(word, 60));
        let origin: Vec<&str> = origin.iter().map(|word| word.trim_matches('"')).filter(|word| !word.is_empty()).collect();
        if !origin.is_empty() {
            let _ = write!(out, " ({})", origin.join(" "));
        }
        out.push('\n');
    }
    out
}

fn number(line: &Line) -> usize {
    if let Line::At(number) = line { *number } else { usize::MAX }
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information => "information",
        Severity::Hint => "hint",
    }
}

fn words(least: Severity) -> &'static str {
    match least {
        Severity::Error => "errors",
        Severity::Warning => "errors or warnings",
        Severity::Information | Severity::Hint => "diagnostics",
    }
}

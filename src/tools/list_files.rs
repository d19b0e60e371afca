//! `list_files`: names in the workspace.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Effect, Tool, ToolResult, lenient};
use crate::{path::WsPath, policy::Action, seams::ListQuery};

/// Most entries of one answer.
const ENTRIES: usize = 200;
/// Levels that are listed when neither glob nor depth is given.
const DEPTH: usize = 2;

/// Lists files and folders without ignored ones, two levels deep if neither glob nor depth is given.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFiles {
    #[serde(default, alias = "dir", alias = "directory", alias = "folder", deserialize_with = "lenient::maybe_path")]
    #[schemars(with = "Option<String>")]
    path: Option<WsPath>,
    /// As in .gitignore.
    #[serde(default, alias = "pattern")]
    glob: Option<String>,
    #[serde(default, deserialize_with = "lenient::number")]
    depth: Option<u64>,
    /// Habits from elsewhere.
    #[serde(default, deserialize_with = "lenient::flag")]
    #[schemars(skip)]
    recursive: bool,
}

impl ListFiles {
    fn under(&self) -> WsPath {
        self.path.clone().unwrap_or_else(WsPath::root)
    }
}

#[async_trait::async_trait]
impl Tool for ListFiles {
    fn title(&self) -> String {
        match &self.glob {
            Some(glob) => format!("listing {glob} in {}", self.under()),
            None => format!("listing {}", self.under()),
        }
    }

    fn actions(&self) -> Vec<Action> {
        vec![Action::Read(self.under().to_string())]
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        let depth = match (self.depth, &self.glob) {
            (Some(depth), _) => Some(depth.max(1) as usize),
            (None, None) if !self.recursive => Some(DEPTH),
            (None, _) => None,
        };
        let query = ListQuery { under: self.under(), glob: self.glob.clone(), depth, limit: ENTRIES };
        let listing = cx.workspace.list(query).await?;
        if listing.entries.is_empty() {
            return Ok(ToolResult::ok(match &self.glob {
                Some(glob) => format!("nothing in {} matches {glob}", self.under()),
                None => format!("{} is empty", self.under()),
            }));
        }
        let mut out = String::new();
        for entry in &listing.entries {
            out.push_str(&entry.path);
            if entry.is_dir {
                out.push('/');
            }
            if let Some(note) = entry.note {
                let _ = write!(out, " ({note})");
            }
            out.push('\n');
        }
        if listing.more > 0 {
            let _ = write!(out, "[{} more; narrow path or glob]", listing.more);
        }
        Ok(ToolResult::ok(out))
    }
}

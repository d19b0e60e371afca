//! `search`: content search over what the user sees.

use std::{collections::BTreeMap, fmt::Write as _};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Effect, Tool, ToolResult, lenient};
use crate::{
    path::WsPath,
    policy::Action,
    seams::{Hit, SearchMode, SearchQuery, SearchResult},
};

/// Most hits and bytes of one answer, and most characters of one line.
const HITS: usize = 100;
const BYTES: usize = 24 * 1024;
const LINE_CHARS: usize = 300;

/// How a search answers.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    #[serde(alias = "content")]
    Lines,
    #[serde(alias = "files_with_matches")]
    Files,
    Count,
}

/// Searches the lines of all files but ignored ones.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    /// Regular expression (Rust).
    #[serde(alias = "query", alias = "regex")]
    pattern: String,
    #[serde(default, alias = "dir", alias = "directory", deserialize_with = "lenient::maybe_path")]
    #[schemars(with = "Option<String>")]
    path: Option<WsPath>,
    /// As in .gitignore.
    #[serde(default, alias = "include", alias = "file_pattern")]
    glob: Option<String>,
    /// pattern is plain text.
    #[serde(default, alias = "fixed_strings", deserialize_with = "lenient::flag")]
    literal: bool,
    /// Default true.
    #[serde(default, deserialize_with = "lenient::maybe_flag")]
    case_sensitive: Option<bool>,
    /// Lines around each hit, 0 to 5.
    #[serde(default, deserialize_with = "lenient::number")]
    context: Option<u64>,
    #[serde(default, alias = "output_mode")]
    #[schemars(with = "Option<String>", extend("enum" = ["lines", "files", "count"]))]
    mode: Mode,
    #[serde(default, deserialize_with = "lenient::number")]
    offset: Option<u64>,
}

#[async_trait::async_trait]
impl Tool for Search {
    fn title(&self) -> String {
        let pattern: String = self.pattern.chars().take(40).collect();
        format!("searching {pattern:?}")
    }

    fn actions(&self) -> Vec<Action> {
        vec![Action::Read(self.path.clone().unwrap_or_else(WsPath::root).to_string())]
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        if self.pattern.is_empty() {
            return Err(ToolResult::error("pattern is empty"));
        }
        let mode = match self.mode {
            Mode::Lines => SearchMode::Lines,
            Mode::Files => SearchMode::Files,
            Mode::Count => SearchMode::Count,
        };
        let offset = self.offset.unwrap_or(0) as usize;
        let mut found = cx
            .workspace
            .search(SearchQuery {
                pattern: self.pattern.clone(),
                literal: self.literal,
                case_sensitive: self.case_sensitive.unwrap_or(true),
                under: self.path.clone().unwrap_or_else(WsPath::root),
                glob: self.glob.clone(),
                context: self.context.unwrap_or(0).min(5) as usize,
                mode,
                offset,
                limit: HITS,
            })
            .await?;
        let kept_back = keep_back(&mut found, cx.may_read);
        let mut text = if found.hits.is_empty() { self.nothing(&found, offset) } else { show(&found, mode, offset) };
        if kept_back > 0 {
            let _ = write!(text, "\n[hits in {kept_back} files are left out: the policy keeps them from you]");
        }
        Ok(ToolResult::ok(text))
    }
}

impl Search {
    fn nothing(&self, found: &SearchResult, offset: usize) -> String {
        if offset > 0 && found.total > 0 {
            return format!("no more hits: there are {} in all", found.total);
        }
        let hint = match (self.case_sensitive.unwrap_or(true), self.literal) {
            (true, _) => "; case_sensitive: false or a shorter pattern may find it",
            (false, false) => "; literal: true takes special characters as they are",
            (false, true) => "",
        };
        format!("no match in {} files{hint}", found.files_searched)
    }
}

/// Drops the hits that the policy does not let the model read; the number of their files.
fn keep_back(found: &mut SearchResult, may_read: &(dyn Fn(&str) -> bool + Sync)) -> usize {
    let mut seen = BTreeMap::new();
    found.hits.retain(|hit| *seen.entry(hit.path.clone()).or_insert_with(|| may_read(&hit.path)));
    seen.values().filter(|readable| !**readable).count()
}

fn show(found: &SearchResult, mode: SearchMode, offset: usize) -> String {
    let (mut out, mut file, mut shown) = (String::new(), "", 0usize);
    for hit in &found.hits {
        if out.len() > BYTES {
            break;
        }
        match mode {
            SearchMode::Files => out.push_str(&hit.path),
            SearchMode::Count => {
                let _ = write!(out, "{}: {}", hit.path, hit.count);
            }
            SearchMode::Lines => {
                if file != hit.path {
                    let _ = writeln!(out, "{}", hit.path);
                    file = &hit.path;
                }
                line(&mut out, hit);
            }
        }
        out.push('\n');
        shown += usize::from(hit.is_match || mode != SearchMode::Lines);
    }
    let end = offset + shown;
    let more = found.total.saturating_sub(end as u64);
    if mode == SearchMode::Lines && (more > 0 || found.truncated) {
        let least = if found.truncated { "at least " } else { "" };
        let _ = write!(out, "[{least}{more} more; narrow path or glob, or go on with offset {end}]");
    } else if found.truncated {
        let _ = write!(out, "[there are more; narrow path or glob, or go on with offset {end}]");
    }
    out
}

fn line(out: &mut String, hit: &Hit) {
    let mark = if hit.is_match { '|' } else { '-' };
    let text = hit.text.trim_end_matches(['\n', '\r']);
    let _ = match text.char_indices().nth(LINE_CHARS) {
        Some((cut, _)) => write!(out, "{}{mark}{} [cut]", hit.line, &text[..cut]),
        None => write!(out, "{}{mark}{text}", hit.line),
    };
}

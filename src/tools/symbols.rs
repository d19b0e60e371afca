//! `symbols`: outline, definition, references and hover by the editor's language servers.

use std::{collections::BTreeMap, fmt::Write as _};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Context, Effect, Tool, ToolResult, lenient,
    quoted::{barred, caveats, insight, kept_back, line as place, lines, quoted},
    read_file::{line, shown_lines},
};
use crate::{
    path::WsPath,
    policy::Action,
    seams::{FileKind, Line, Place, Places, Relation, Symbol},
    text::Text,
};

/// Most rows and bytes of one answer, and most characters of a name and of a line.
const ROWS: usize = 200;
const BYTES: usize = 24 * 1024;
const NAME: usize = 100;
const LINE: usize = 200;
/// Most bytes of what a hover says.
const HOVER: usize = 8 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Op {
    #[serde(alias = "symbols", alias = "document_symbols")]
    Outline,
    #[serde(alias = "declaration", alias = "go_to_definition")]
    Definition,
    #[serde(alias = "usages", alias = "find_references")]
    References,
    #[serde(alias = "type", alias = "docs")]
    Hover,
}

/// Asks the editor's language servers about a file or symbol.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Symbols {
    #[schemars(with = "String", extend("enum" = ["outline", "definition", "references", "hover"]))]
    op: Op,
    #[serde(alias = "file_path", alias = "filename", alias = "file", deserialize_with = "lenient::path")]
    #[schemars(with = "String")]
    path: WsPath,
    /// Default: the first with symbol.
    #[serde(default, alias = "start_line", deserialize_with = "lenient::number")]
    line: Option<u64>,
    #[serde(default, alias = "name")]
    symbol: Option<String>,
}

#[async_trait::async_trait]
impl Tool for Symbols {
    fn title(&self) -> String {
        match (self.op, self.symbol.as_deref()) {
            (Op::Outline, _) | (_, None) => format!("looking at the symbols of {}", self.path),
            (Op::Definition, Some(symbol)) => format!("looking for the definition of {}", quoted(symbol, 40)),
            (Op::References, Some(symbol)) => format!("looking for references of {}", quoted(symbol, 40)),
            (Op::Hover, Some(symbol)) => format!("asking what {} is", quoted(symbol, 40)),
        }
    }

    fn actions(&self) -> Vec<Action> {
        vec![Action::Read(self.path.to_string())]
    }

    fn effect(&self) -> Effect {
        Effect::Reads
    }

    fn refusal(&self) -> Option<String> {
        let named = self.symbol.as_deref().is_some_and(|symbol| !symbol.trim().is_empty());
        (self.op != Op::Outline && !named).then(|| "symbol is missing: the name as it stands in the file".to_owned())
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        let insight = insight(cx)?;
        let view = cx.workspace.read(&self.path).await?;
        if view.kind != FileKind::Text {
            return Err(ToolResult::error(format!("{} is not UTF-8 text; language servers say nothing about it", self.path)));
        }
        if self.op == Op::Outline {
            let told = insight.outline(&self.path).await?;
            return Ok(ToolResult::ok(format!("{}{}", self.outline(&told.what).trim_end(), caveats(&told))));
        }
        let (number, offset) = self.find(&view.text)?;
        let of = Place { path: self.path.clone(), text: view.text, offset };
        let relation = match self.op {
            Op::Definition => Relation::Definition,
            Op::References => Relation::References,
            Op::Outline | Op::Hover => {
                let told = insight.hover(&of).await?;
                let text = match told.what.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
                    Some(text) => format!("{}, as the language server has it:\n{}", self.at(number), barred(text, HOVER)),
                    None => format!("the editor's language servers say nothing about {}", self.at(number)),
                };
                return Ok(ToolResult::ok(format!("{}{}", text.trim_end(), caveats(&told))));
            }
        };
        let told = insight.places(&of, relation).await?;
        let text = self.places(cx, number, &told.what).await;
        Ok(ToolResult::ok(format!("{text}{}", caveats(&told))))
    }
}

impl Symbols {
    fn symbol(&self) -> &str {
        self.symbol.as_deref().unwrap_or_default().trim()
    }

    fn at(&self, number: usize) -> String {
        format!("{} at {}:{number}", quoted(self.symbol(), NAME), self.path)
    }

    /// The one-based line and the offset of the symbol's first whole occurrence, on the given line if there is one.
    fn find(&self, text: &Text) -> Result<(usize, usize), ToolResult> {
        let symbol = self.symbol();
        let total = shown_lines(text);
        let among = match self.line {
            Some(number) if number == 0 || number as usize > total => {
                return Err(ToolResult::error(format!("{} has {total} lines; line {number} is not among them", self.path)));
            }
            Some(number) => number as usize - 1..number as usize,
            None => 0..total,
        };
        for index in among {
            if let Some(at) = whole(&line(text, index), symbol) {
                return Ok((index + 1, text.line_start(index) + at));
            }
        }
        let place = self.line.map_or_else(|| self.path.to_string(), |number| format!("line {number} of {}", self.path));
        Err(ToolResult::error(format!("{} does not stand in {place}; give the line that holds it", quoted(symbol, NAME))))
    }

    fn outline(&self, symbols: &[Symbol]) -> String {
        if symbols.is_empty() {
            return format!("the editor's language servers know no symbols in {}", self.path);
        }
        let mut out = format!("{}: {} symbols\n", self.path, symbols.len());
        for (shown, symbol) in symbols.iter().enumerate() {
            if shown == ROWS || out.len() > BYTES {
                let _ = writeln!(out, "[{} more; search finds them by name]", symbols.len() - shown);
                break;
            }
            let indent = "  ".repeat(symbol.depth);
            let _ = writeln!(out, "{indent}{} {} {}", lines(&symbol.lines), symbol.kind, quoted(&symbol.name, NAME));
        }
        out
    }

    async fn places(&self, cx: &Context<'_>, number: usize, found: &Places) -> String {
        let mut files: BTreeMap<&WsPath, Vec<&Line>> = BTreeMap::new();
        let mut hidden = 0;
        for (path, line) in &found.inside {
            if files.contains_key(path) || (cx.may_read)(path.as_str()) {
                files.entry(path).or_default().push(line);
            } else {
                hidden += 1;
            }
        }
        let what = if self.op == Op::Definition { "definition" } else { "references" };
        let mut out = if files.is_empty() {
            format!("no {what} of {} in the workspace", self.at(number))
        } else {
            format!("{what} of {}:", self.at(number))
        };
        let (total, mut shown) = (files.values().map(Vec::len).sum::<usize>(), 0);
        'all: for (path, mut lines) in files {
            lines.dedup();
            let text = cx.workspace.read(path).await.ok().map(|view| view.text);
            let _ = write!(out, "\n{path}");
            for at in lines {
                if shown == ROWS || out.len() > BYTES {
                    let _ = write!(out, "\n[{} more; search finds them by name]", total - shown);
                    break 'all;
                }
                shown += 1;
                let _ = match (at, &text) {
                    (Line::At(number), Some(text)) if (1..=shown_lines(text)).contains(number) => {
                        let whole = line(text, number - 1);
                        let cut: String = whole.chars().take(LINE).collect();
                        write!(out, "\n{number}|{cut}")
                    }
                    _ => write!(out, "\n{}", place(at)),
                };
            }
        }
        if found.outside > 0 {
            let _ = write!(out, "\n[{} outside of the workspace, which you cannot read; hover may tell]", found.outside);
        }
        out + &kept_back(hidden, "places are")
    }
}

/// Where a name stands in a line and is no part of a longer one.
fn whole(line: &str, name: &str) -> Option<usize> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let (opens, closes) = (name.starts_with(part), name.ends_with(part));
    line.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = line[..*at].chars().next_back().is_some_and(part);
        let after = line[at + name.len()..].chars().next().is_some_and(part);
        !(opens && before || closes && after)
    })
}

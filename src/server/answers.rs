//! Answers to `countersign/query` as they come, checked and bounded, and put into lines of the text as the task sees it.

use std::collections::HashMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tower_lsp::lsp_types::{Position, Range, Url};

use super::{
    display::SOURCE,
    point,
    sheet::{self, Sheet},
};
use crate::{
    event::TaskId,
    path::WsPath,
    seams::{Diagnostic, InsightError, Line, Lines, Places, Severity, Symbol},
    text::Encoding,
    workspace::desk::Desk,
};

/// Most rows of one answer that are looked at, and how deep symbols are followed.
const ROWS: usize = 5000;
const DEPTH: usize = 8;
/// Most bytes of a diagnostic's message, and of a name.
const MESSAGE: usize = 2 * 1024;
pub const NAME: usize = 256;

/// An answer on its way into lines of the task's text.
pub struct Reader<'a> {
    desk: &'a Desk,
    task: &'a TaskId,
    encoding: Encoding,
    find: &'a (dyn Fn(&Url) -> Option<WsPath> + Send),
    sheets: HashMap<WsPath, Option<Sheet>>,
}

impl<'a> Reader<'a> {
    /// A reader for what a task sees; `find` tells the path of a document in its folder.
    pub fn new(
        desk: &'a Desk,
        task: &'a TaskId,
        encoding: Encoding,
        find: &'a (dyn Fn(&Url) -> Option<WsPath> + Send),
    ) -> Reader<'a> {
        Reader { desk, task, encoding, find, sheets: HashMap::new() }
    }

    /// The path of a document; `None` outside of the task's folder.
    pub fn path(&self, uri: &Url) -> Option<WsPath> {
        (self.find)(uri)
    }

    /// The line of a position.
    pub fn line(&mut self, path: &WsPath, at: Position) -> Line {
        let (desk, task) = (self.desk, self.task);
        let sheet = self.sheets.entry(path.clone()).or_insert_with(|| Sheet::of(desk, task, path));
        sheet::line(sheet.as_ref(), point(at), self.encoding)
    }

    /// The lines of a range.
    pub fn lines(&mut self, path: &WsPath, mut range: Range) -> Lines {
        // Whole lines end before the first character of the next one.
        if range.end.character == 0 && range.end.line > range.start.line {
            range.end.line -= 1;
        }
        Lines { first: self.line(path, range.start), last: self.line(path, range.end.max(range.start)) }
    }

    /// The places of a symbol.
    pub fn places(&mut self, found: Vec<Located>) -> Places {
        let mut places = Places::default();
        for located in found {
            match self.path(&located.uri) {
                Some(path) => {
                    let line = self.line(&path, located.range.start);
                    places.inside.push((path, line));
                }
                None => places.outside += 1,
            }
        }
        places
    }

    /// What is selected, where it lies in the folder.
    pub fn selection(&mut self, found: Option<Located>) -> Option<(WsPath, Lines)> {
        let Located { uri, range } = found?;
        let path = self.path(&uri)?;
        let lines = self.lines(&path, range);
        Some((path, lines))
    }

    /// A diagnostic of another program about a file of the folder.
    pub fn diagnostic(&mut self, found: Found) -> Option<Diagnostic> {
        if found.source.as_deref() == Some(SOURCE) {
            return None;
        }
        let path = self.path(&found.uri)?;
        let line = self.line(&path, found.range.start);
        let severity = match found.severity {
            // A language server that does not say how bad it is means an error.
            None | Some(1) => Severity::Error,
            Some(2) => Severity::Warning,
            Some(3) => Severity::Information,
            Some(_) => Severity::Hint,
        };
        let code = match found.code.unwrap_or_default() {
            Value::String(code) => code,
            Value::Number(code) => code.to_string(),
            Value::Object(code) => code.get("value").and_then(Value::as_str).unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        let (message, source) = (cut(&found.message, MESSAGE), cut(&found.source.unwrap_or_default(), NAME));
        Some(Diagnostic { path, line, severity, message, source, code: cut(&code, NAME) })
    }

    /// Symbols and those in them, in order.
    pub fn symbols(&mut self, path: &WsPath, found: Vec<Outlined>, depth: usize, out: &mut Vec<Symbol>) {
        for symbol in found {
            let Some(range) = symbol.range.or(symbol.location.map(|location| location.range)) else { continue };
            if out.len() >= ROWS || depth >= DEPTH {
                return;
            }
            let lines = self.lines(path, range);
            out.push(Symbol { depth, kind: kind(symbol.kind), name: cut(&symbol.name, NAME), lines });
            self.symbols(path, symbol.children.unwrap_or_default(), depth + 1, out);
        }
    }
}

/// The rows of an answer that can be read; null is none.
pub fn rows<T: DeserializeOwned>(answer: Value) -> Result<Vec<T>, InsightError> {
    let rows = match answer {
        Value::Array(rows) => rows,
        Value::Null => return Ok(Vec::new()),
        _ => return Err(InsightError::Malformed),
    };
    let some = !rows.is_empty();
    let read: Vec<T> = rows.into_iter().take(ROWS).filter_map(|row| serde_json::from_value(row).ok()).collect();
    if some && read.is_empty() { Err(InsightError::Malformed) } else { Ok(read) }
}

/// The start of a text, at most so many bytes.
pub fn cut(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].to_owned()
}

/// A diagnostic.
#[derive(Deserialize)]
pub struct Found {
    uri: Url,
    range: Range,
    severity: Option<u8>,
    message: String,
    source: Option<String>,
    code: Option<Value>,
}

/// A place.
#[derive(Deserialize)]
pub struct Located {
    pub uri: Url,
    pub range: Range,
}

/// A symbol, as `DocumentSymbol` or the older `SymbolInformation`.
#[derive(Deserialize)]
pub struct Outlined {
    name: String,
    kind: Option<u8>,
    range: Option<Range>,
    /// Where it stands in the older, flat shape.
    location: Option<Within>,
    children: Option<Vec<Outlined>>,
}

#[derive(Deserialize)]
struct Within {
    range: Range,
}

/// An open document.
#[derive(Deserialize)]
pub struct Shown {
    pub uri: Url,
    #[serde(default)]
    pub dirty: bool,
    #[serde(default)]
    pub visible: bool,
    #[serde(default)]
    pub active: bool,
}

/// The word for a symbol's kind, by LSP's numbers.
fn kind(number: Option<u8>) -> &'static str {
    const KINDS: [&str; 26] = [
        "file",
        "module",
        "namespace",
        "package",
        "class",
        "method",
        "property",
        "field",
        "constructor",
        "enum",
        "interface",
        "function",
        "variable",
        "constant",
        "string",
        "number",
        "boolean",
        "array",
        "object",
        "key",
        "null",
        "enum member",
        "struct",
        "event",
        "operator",
        "type parameter",
    ];
    number.and_then(|number| KINDS.get(usize::from(number).checked_sub(1)?)).copied().unwrap_or("symbol")
}

//! All tools by name, and the reading of a call.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Effect, Mode, Tool, ask_user::AskUser, diagnostics::Diagnostics, edit_file::EditFile, editor::Editor, file_op::FileOp,
    finish::Finish, git::Git, lenient, list_files::ListFiles, output::Output, read_file::ReadFile, run::Run, schema,
    search::Search, symbols::Symbols, write_file::WriteFile,
};
use crate::{
    path::roots::Roots,
    seams::{Insight, ToolSpec},
};

type Read = fn(Map<String, Value>) -> Result<Box<dyn Tool>, serde_json::Error>;

/// A tool as it is declared.
struct Entry {
    spec: ToolSpec,
    read: Read,
    /// Whether it is there in modes that change nothing.
    looks_only: bool,
    needs: Needs,
}

/// What must be there to answer a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// An editor that tells its buffers.
    Editor,
    /// One that passes questions on to its language servers.
    LanguageServers,
}

impl Needs {
    /// Whether that is there.
    fn met(self, by: Option<&dyn Insight>) -> bool {
        match self {
            Needs::Nothing => true,
            Needs::Editor => by.is_some(),
            Needs::LanguageServers => by.is_some_and(Insight::languages),
        }
    }
}

impl Entry {
    fn needing(self, needs: Needs) -> Entry {
        Entry { needs, ..self }
    }
}

fn entry<T: Tool + DeserializeOwned + JsonSchema + 'static>(name: &str, looks_only: bool) -> Entry {
    Entry {
        spec: schema::spec::<T>(name),
        read: |input| serde_json::from_value::<T>(Value::Object(input)).map(|call| Box::new(call) as Box<dyn Tool>),
        looks_only,
        needs: Needs::Nothing,
    }
}

/// Sorted by name, so that the declarations are a stable prefix of every request.
fn all() -> Vec<Entry> {
    vec![
        entry::<AskUser>("ask_user", true),
        entry::<Diagnostics>("diagnostics", true).needing(Needs::LanguageServers),
        entry::<EditFile>("edit_file", false),
        entry::<Editor>("editor", true).needing(Needs::Editor),
        entry::<FileOp>("file_op", false),
        entry::<Finish>("finish", true),
        entry::<Git>("git", true),
        entry::<ListFiles>("list_files", true),
        entry::<Output>("output", false),
        entry::<ReadFile>("read_file", true),
        entry::<Run>("run", false),
        entry::<Search>("search", true),
        entry::<Symbols>("symbols", true).needing(Needs::LanguageServers),
        entry::<WriteFile>("write_file", false),
    ]
}

/// Names that models know from elsewhere.
const ELSEWHERE: [(&str, &str); 14] = [
    ("bash", "run"),
    ("shell", "run"),
    ("execute", "run"),
    ("terminal", "run"),
    ("grep", "search"),
    ("glob", "list_files"),
    ("ls", "list_files"),
    ("cat", "read_file"),
    ("view", "read_file"),
    ("str_replace", "edit_file"),
    ("apply_patch", "edit_file"),
    ("create_file", "write_file"),
    ("delete_file", "file_op"),
    ("attempt_completion", "finish"),
];

/// The tools of one task.
pub struct Registry {
    mode: Mode,
    folder: String,
    roots: Roots,
    entries: Vec<Entry>,
    specs: Arc<[ToolSpec]>,
    /// Tools that this editor cannot answer.
    unmet: Vec<String>,
}

/// A call as far as it could be read.
pub type Parsed = Result<Box<dyn Tool>, String>;

impl Registry {
    /// The tools of a mode that can be answered; of these only `enabled`, when the policy names any. Absolute paths below
    /// `folder` are read as relative ones, since commands print them.
    pub fn new(mode: Mode, enabled: &[String], folder: &str, insight: Option<&dyn Insight>) -> Self {
        let wanted = |entry: &Entry| {
            entry.needs.met(insight)
                && (mode == Mode::Edit || entry.looks_only)
                && (enabled.is_empty() || enabled.contains(&entry.spec.name))
        };
        let mut entries: Vec<Entry> = all().into_iter().filter(wanted).collect();
        if !Needs::LanguageServers.met(insight)
            && let Some(editor) = entries.iter_mut().find(|entry| entry.needs == Needs::Editor)
        {
            Editor::without_selection(&mut editor.spec);
        }
        let specs = entries.iter().map(|entry| entry.spec.clone()).collect();
        let unmet = all().into_iter().filter(|entry| !entry.needs.met(insight)).map(|entry| entry.spec.name).collect();
        let folder = folder.trim_end_matches('/').to_owned();
        Registry { unmet, mode, folder, roots: Roots::default(), entries, specs }
    }

    /// The same tools over these folders: absolute paths below any of them are read as tools name them, and a command's
    /// folder as one below the task's own.
    #[must_use]
    pub fn with_roots(self, roots: Roots) -> Self {
        Registry { roots, ..self }
    }

    /// The declarations, sorted by name.
    pub fn specs(&self) -> Arc<[ToolSpec]> {
        self.specs.clone()
    }

    /// Reads a call. The error is the result that the model gets.
    pub fn parse(&self, name: &str, input: Value) -> Parsed {
        let Some(entry) = self.entries.iter().find(|entry| entry.spec.name == name) else {
            return Err(self.unknown(name));
        };
        let Some(mut object) = lenient::arguments(input) else {
            return Err(format!("the arguments are not a JSON object; {}", schema::usage(&entry.spec)));
        };
        for habit in ["description", "explanation", "reason"] {
            if entry.spec.input_schema["properties"][habit].is_null() {
                object.shift_remove(habit);
            }
        }
        if self.roots.are_several() {
            lenient::rooted(&mut object, &self.roots);
            if name == "run" {
                lenient::inside(&mut object, &self.roots)?;
            }
        } else {
            lenient::relative(&mut object, &self.folder);
        }
        let read = (entry.read)(object);
        let call = read.map_err(|error| format!("the arguments cannot be read: {error}; {}", schema::usage(&entry.spec)))?;
        if self.mode != Mode::Edit && !matches!(call.effect(), Effect::Reads | Effect::Asks | Effect::Ends) {
            return Err(format!("this task only looks ({}); that cannot be done in it", self.mode.name()));
        }
        Ok(call)
    }

    fn unknown(&self, name: &str) -> String {
        let bare = name.rsplit(['.', ':']).next().unwrap_or(name).to_lowercase();
        let known = ELSEWHERE.iter().find(|(other, _)| *other == bare).map_or(bare.as_str(), |(_, here)| here);
        let alike = |entry: &&Entry| (similar::TextDiff::from_chars(entry.spec.name.as_str(), known).ratio() * 1000.0) as u32;
        let nearest = self.entries.iter().max_by_key(alike).filter(|entry| alike(entry) >= 600);
        let names: Vec<&str> = self.entries.iter().map(|entry| entry.spec.name.as_str()).collect();
        let left_out = all().into_iter().find(|entry| entry.spec.name == known);
        if let Some(left_out) = left_out.filter(|_| nearest.is_none_or(|entry| entry.spec.name != known)) {
            let why = match self.mode {
                _ if self.unmet.contains(&left_out.spec.name) => "the editor here cannot be asked".to_owned(),
                Mode::Edit => "the policy leaves it out".to_owned(),
                mode => format!("this task only looks ({})", mode.name()),
            };
            return format!("{known} cannot be used: {why}. The tools are {}", names.join(", "));
        }
        match nearest {
            Some(entry) => {
                format!("there is no tool {name:?} here; did you mean {}? The tools are {}", entry.spec.name, names.join(", "))
            }
            None => format!("there is no tool {name:?} here; the tools are {}", names.join(", ")),
        }
    }
}

//! Task prompts: Markdown files with a short front matter, each one an entry in the editor's menu. They come from the binary,
//! then the user's folder (which may replace those), then a trusted workspace (which may only add).

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use super::{
    ConfigError, Folders,
    folders::{markdown, read, read_beneath},
};

/// The built-in ones: file stem and text.
const BUILT_IN: &[(&str, &str)] = &[
    ("ask", include_str!("../../prompts/tasks/ask.md")),
    ("fix-diagnostic", include_str!("../../prompts/tasks/fix-diagnostic.md")),
    ("add-unit-tests", include_str!("../../prompts/tasks/add-unit-tests.md")),
    ("refactor", include_str!("../../prompts/tasks/refactor.md")),
    ("document", include_str!("../../prompts/tasks/document.md")),
    ("explain", include_str!("../../prompts/tasks/explain.md")),
    ("review", include_str!("../../prompts/tasks/review.md")),
];

/// What a task may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Edit,
    Explain,
    Plan,
}

/// When a task is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    Selection,
    Diagnostic,
    Always,
}

/// Whose prompt it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    BuiltIn,
    User,
    Workspace,
}

/// One task prompt, checked: its template compiles and uses known variables only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPrompt {
    /// File stem.
    pub name: String,
    pub title: String,
    pub mode: Mode,
    pub when: When,
    pub origin: Origin,
    template: String,
}

/// What a template may use. What is not there is an empty text.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Variables<'a> {
    /// Workspace path of the file.
    pub file: &'a str,
    /// Lines, as in `10-20`.
    pub range: &'a str,
    pub selection: &'a str,
    pub diagnostics: &'a str,
    /// What the user typed.
    pub prompt: &'a str,
}

/// All prompts that can be used, with what is wrong with the others.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    /// By name.
    pub tasks: BTreeMap<String, TaskPrompt>,
    pub problems: Vec<ConfigError>,
}

impl Tasks {
    /// Reads all task prompts. A broken file is a problem of its own; the others are there.
    pub fn load(folders: &Folders, workspace: Option<&Path>, trusted: bool) -> Tasks {
        let mut found = Tasks::default();
        for (name, text) in BUILT_IN {
            found.take(Path::new("prompts/tasks").join(format!("{name}.md")).as_path(), name, text, Origin::BuiltIn);
        }
        let folder = folders.config.join("tasks");
        found.folder(&folder, Origin::User, |name| read(&folder.join(name)));
        if let Some(root) = workspace.filter(|_| trusted) {
            let inside = |name: &str| read_beneath(root, &format!(".countersign/tasks/{name}"));
            found.folder(&root.join(".countersign/tasks"), Origin::Workspace, inside);
        }
        found
    }

    fn folder(&mut self, folder: &Path, origin: Origin, read: impl Fn(&str) -> Result<Option<String>, ConfigError>) {
        let names = markdown(folder).unwrap_or_else(|problem| {
            self.problems.push(problem);
            Vec::new()
        });
        for file in names {
            let path = folder.join(&file);
            match read(&file) {
                Ok(Some(text)) => self.take(&path, file.trim_end_matches(".md"), &text, origin),
                Ok(None) => {}
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    fn take(&mut self, path: &Path, name: &str, text: &str, origin: Origin) {
        if origin == Origin::Workspace && self.tasks.contains_key(name) {
            let message = "has the name of a task that is there already; a workspace can only add, so give it another name";
            return self.problems.push(ConfigError::of(path, message));
        }
        match TaskPrompt::parse(name, text, origin) {
            Ok(task) => {
                self.tasks.insert(name.to_owned(), task);
            }
            Err((line, message)) => self.problems.push(ConfigError { file: Some(path.to_owned()), line: Some(line), message }),
        }
    }
}

impl TaskPrompt {
    /// Reads a prompt file. Errors carry the line.
    fn parse(name: &str, text: &str, origin: Origin) -> Result<TaskPrompt, (usize, String)> {
        if name.is_empty() || name.len() > 60 || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err((1, "a task's file name has lower-case letters, digits and `-` only, at most 60".to_owned()));
        }
        let (head, body, body_line) = split(text)?;
        let (mut title, mut mode, mut when) = (None, Mode::Edit, When::Always);
        for (number, line) in (2..).zip(head.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) =
                line.split_once(':').ok_or_else(|| (number, "a line of the front matter is `key: value`".to_owned()))?;
            let value = value.trim().trim_matches('"');
            match (key.trim(), value) {
                ("title", value) if value.is_empty() || value.chars().count() > 60 || value.chars().any(char::is_control) => {
                    return Err((number, "a title has 1 to 60 visible characters".to_owned()));
                }
                ("title", value) => title = Some(value.to_owned()),
                ("mode", "edit") => mode = Mode::Edit,
                ("mode", "explain") => mode = Mode::Explain,
                ("mode", "plan") => mode = Mode::Plan,
                ("mode", other) => return Err((number, format!("mode is edit, explain or plan, not {other:?}"))),
                ("when", "selection") => when = When::Selection,
                ("when", "diagnostic") => when = When::Diagnostic,
                ("when", "always") => when = When::Always,
                ("when", other) => return Err((number, format!("when is selection, diagnostic or always, not {other:?}"))),
                (other, _) => return Err((number, format!("unknown key {other:?}; known are title, mode and when"))),
            }
        }
        let title = title.ok_or_else(|| (1, "the front matter needs a title".to_owned()))?;
        let task = TaskPrompt { name: name.to_owned(), title, mode, when, origin, template: body.to_owned() };
        task.check().map_err(|(line, why)| (body_line + line.saturating_sub(1), why))?;
        Ok(task)
    }

    /// The prompt with the variables in their places.
    ///
    /// # Errors
    /// A sentence, when the template cannot be rendered.
    pub fn render(&self, variables: &Variables<'_>) -> Result<String, String> {
        self.fill(variables).map_err(|error| format!("the task prompt {}: {error}", self.name))
    }

    fn fill(&self, variables: &Variables<'_>) -> Result<String, minijinja::Error> {
        let mut environment = minijinja::Environment::empty();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        environment.set_syntax(minijinja::syntax::SyntaxConfig::builder().trim_blocks(true).build()?);
        environment.render_str(&self.template, minijinja::value::Serde(variables))
    }

    /// A template is made of known variables and conditions on them. Anything else could run for ever, or fill the memory.
    fn check(&self) -> Result<(), (usize, String)> {
        const NAMES: [&str; 5] = ["file", "range", "selection", "diagnostics", "prompt"];
        for (open, close) in [("{{", "}}"), ("{%", "%}")] {
            for (at, _) in self.template.match_indices(open) {
                let line = 1 + self.template[..at].matches('\n').count();
                let inside = self.template[at + 2..].split(close).next().unwrap_or_default();
                let words: Vec<&str> = inside.trim_matches(['-', '+']).split_whitespace().collect();
                let known = match (open, words.as_slice()) {
                    ("{{", [name]) | ("{%", ["if" | "elif", name] | ["if" | "elif", "not", name]) => NAMES.contains(name),
                    ("{%", ["else" | "endif"]) => true,
                    _ => false,
                };
                if !known {
                    let names = NAMES.join(", ");
                    let why = format!(
                        "{:?} is not known; a task has the variables {names}, and if, elif, else, endif",
                        words.join(" ")
                    );
                    return Err((line, why));
                }
            }
        }
        let compiled = self.fill(&Variables::default()).map(drop);
        compiled.map_err(|error| (error.line().unwrap_or(1), error.to_string()))
    }
}

/// Front matter, body, and the line on which the body starts.
fn split(text: &str) -> Result<(&str, &str, usize), (usize, String)> {
    let missing = || (1, "a task prompt begins with front matter: `---`, lines of `key: value`, `---`".to_owned());
    let rest = text.strip_prefix("---\n").ok_or_else(missing)?;
    let end = rest.find("\n---\n").ok_or_else(missing)?;
    let body = &rest[end + 5..];
    Ok((&rest[..end], body, 3 + rest[..=end].matches('\n').count()))
}

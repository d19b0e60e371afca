//! The policy file as it is written: closed structures for TOML, nothing merged, nothing decided.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{
    action::{ActionKind, PushKind},
    level::Level,
    verdict::{PolicyError, Verdict},
};
use crate::path::hidden;

/// One policy file. Unknown keys, actions and types are errors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub schema: Spanned<u32>,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub seal: Vec<ActionKind>,
    #[serde(default)]
    pub default: BTreeMap<ActionKind, Verdict>,
    #[serde(default)]
    pub paths: PathsTable,
    #[serde(default)]
    pub branches: BranchesTable,
    #[serde(default)]
    pub run: RunTable,
    #[serde(default)]
    pub tools: ToolsTable,
    #[serde(default)]
    pub rule: Vec<RuleTable>,
    #[serde(default)]
    pub approval: ApprovalTable,
    #[serde(default)]
    pub budget: BudgetTable,
}

/// A list of patterns with the place where it stands.
pub type Patterns = Option<Spanned<Vec<String>>>;

/// `[paths]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PathsTable {
    pub secret: Patterns,
    pub secret_untracked: Patterns,
    pub secret_except: Patterns,
    pub steering: Patterns,
    pub never_write: Patterns,
}

/// `[branches]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BranchesTable {
    pub protected: Option<Vec<String>>,
    pub agent: Option<String>,
}

/// `[run]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunTable {
    pub min_level: Option<Level>,
    pub ask_below: Option<Level>,
    pub env_allow: Option<Vec<String>>,
    pub timeout_s: Option<u64>,
    pub max_timeout_s: Option<u64>,
    pub cpu_s: Option<u64>,
    pub max_commands: Option<usize>,
    pub max_bytes: Option<usize>,
    pub memory_mb: Option<u64>,
    pub processes: Option<u64>,
    pub file_mb: Option<u64>,
    pub tmp_mb: Option<u64>,
    pub shadow_mb: Option<u64>,
    pub registries: Option<Vec<String>>,
    pub home_read: Option<Vec<String>>,
}

/// `[tools]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ToolsTable {
    pub enabled: Option<Vec<String>>,
}

/// `[approval]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalTable {
    pub timeout_s: Option<u64>,
    pub min_seconds: Option<f64>,
}

/// `[budget]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetTable {
    pub iterations: Option<u32>,
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub cost_usd: Option<f64>,
    pub commands: Option<u32>,
    pub wall_seconds: Option<u64>,
    pub asks: Option<u32>,
}

/// `[[rule]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTable {
    pub id: Spanned<String>,
    pub action: ActionKind,
    pub verdict: Verdict,
    #[serde(default)]
    pub argv: Option<Vec<Words>>,
    #[serde(default)]
    pub paths: Patterns,
    #[serde(default)]
    pub hosts: Option<Vec<String>>,
    #[serde(default)]
    pub methods: Vec<String>,
    #[serde(default)]
    pub branch: Option<Vec<String>>,
    #[serde(default)]
    pub refuse: Vec<String>,
    #[serde(default)]
    pub kind: Vec<PushKind>,
    #[serde(default)]
    pub paths_outside: bool,
    #[serde(default)]
    pub grantable: Option<bool>,
    #[serde(default)]
    pub private: bool,
    #[serde(default, rename = "match")]
    pub matches: Vec<Spanned<String>>,
    #[serde(default)]
    pub not_match: Vec<Spanned<String>>,
    #[serde(default)]
    pub reason: Option<String>,
}

/// One place of `argv`: a word, or a list of words of which any will do.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Words {
    One(String),
    Any(Vec<String>),
}

impl Words {
    /// The words that will do.
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Words::One(word) => vec![word],
            Words::Any(words) => words,
        }
    }
}

/// A file's text with its name, to place errors.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

impl Source<'_> {
    /// An error at a byte offset of the text.
    pub fn error_at(&self, offset: Option<usize>, message: impl Into<String>) -> PolicyError {
        let line = offset.and_then(|at| self.text.get(..at)).map(|before| before.matches('\n').count() + 1);
        PolicyError { layer: self.name.to_owned(), line, message: message.into() }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it and on which line: not TOML, an unknown key or word, another schema, hidden characters.
    pub fn parse(&self) -> Result<File, PolicyError> {
        let unseen = self.text.char_indices().find(|(_, c)| hidden(*c) && !matches!(c, '\n' | '\r' | '\t'));
        if let Some((at, c)) = unseen {
            let message = format!("the file holds a character that cannot be shown (U+{:04X}); remove it", u32::from(c));
            return Err(self.error_at(Some(at), message));
        }
        let file: File = toml::from_str(self.text).map_err(|error| {
            let message = error.message().trim().replace('\n', " ");
            self.error_at(error.span().map(|span| span.start), message)
        })?;
        if *file.schema.get_ref() != 1 {
            let message = format!("schema {} is not known here; this version reads schema 1", file.schema.get_ref());
            return Err(self.error_at(Some(file.schema.span().start), message));
        }
        Ok(file)
    }
}

//! Git's command line: what stands before the subcommand, and what the subcommand is once aliases are followed.

use super::{Word, options};

/// Git's own options that take their value as the next word.
const TAKE_VALUE: [&str; 8] =
    ["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env", "--super-prefix", "--attr-source"];
/// Git's own options that change nothing about what runs.
const HARMLESS: [&str; 9] = [
    "-p",
    "-P",
    "--paginate",
    "--no-pager",
    "--no-optional-locks",
    "--no-replace-objects",
    "--literal-pathspecs",
    "--no-advice",
    "--no-lazy-fetch",
];

/// A git command line, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitCall {
    /// Folders of `-C`, in order.
    pub folders: Vec<Word>,
    /// Why an allow rule cannot count: an option that can run programs or move the repository.
    pub doubt: Option<String>,
    /// Aliases that the line brings along (`-c alias.x=...`).
    pub aliases: Vec<(String, String)>,
    /// The subcommand and its arguments; empty when there is none.
    pub words: Vec<Word>,
}

/// Takes a line apart whose first word is git.
pub fn parse(words: &[Word]) -> GitCall {
    let mut call = GitCall::default();
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        if !text.starts_with('-') {
            call.words = words.get(at..).unwrap_or_default().to_vec();
            break;
        }
        at += 1;
        let (name, glued) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (text, None),
        };
        let value = match glued {
            Some(value) => Some(Word::literal(value)),
            None if TAKE_VALUE.contains(&name) => {
                at += 1;
                words.get(at - 1).cloned()
            }
            None => None,
        };
        match (name, value) {
            ("-C", Some(folder)) => call.folders.push(folder),
            ("-c", Some(setting)) => {
                if let Some((key, value)) = setting.text.split_once('=')
                    && key.to_ascii_lowercase().starts_with("alias.")
                    && let Some(alias) = key.get("alias.".len()..)
                {
                    call.aliases.push((alias.to_owned(), value.to_owned()));
                }
                call.doubt = Some(format!("git's setting {:?} can run programs", setting.text));
            }
            _ if HARMLESS.contains(&text) => {}
            _ => call.doubt = Some(format!("git's option {name} can change what runs or where")),
        }
    }
    call
}

/// The line that an alias stands for: its words with the call's own arguments after them, or the text of a shell command.
pub fn expand(alias: &str, rest: &[Word]) -> Expansion {
    if let Some(script) = alias.strip_prefix('!') {
        return Expansion::Script(format!("{script} {}", super::shown(rest)));
    }
    let mut words = vec![Word::literal("git")];
    words.extend(options::split_words(alias).into_iter().map(Word::literal));
    words.extend_from_slice(rest);
    Expansion::Words(words)
}

/// What an alias stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expansion {
    /// Another git line.
    Words(Vec<Word>),
    /// A shell command.
    Script(String),
}

//! The text of a command, read exactly and read deeply.
//!
//! `plain` accepts a small subset of the shell and reads it exactly: only what it accepts can be allowed by a rule. `tree`
//! (a grammar) and `loose` (by hand) read every text as deep as they can, and what they find may only make a verdict
//! stricter: where one errs the other may not, and where both err the walls hold anyway. `unwrap` finds the commands inside commands (`env`, `xargs`, `find -exec`, `-c`),
//! `operands` the files that known programs touch, and `git` the subcommand behind git's own options.

pub mod git;
pub mod loose;
pub mod operands;
pub mod options;
pub mod plain;
pub mod tree;
pub mod unwrap;
pub mod word;

use std::slice;

/// A word of a command, quotes removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The text; where the word is computed, what is written of it.
    pub text: String,
    /// It holds an expansion, so that its text is not known before it runs.
    pub computed: bool,
    /// It holds an unquoted glob.
    pub glob: bool,
    /// It begins with the home folder: `~`, `~user` or `$HOME`.
    pub home: bool,
}

impl Word {
    /// A word whose text is all there is to it.
    pub fn literal(text: impl Into<String>) -> Word {
        Word { text: text.into(), ..Word::default() }
    }

    /// Whether it is written like an option.
    pub fn is_option(&self) -> bool {
        self.text.len() > 1 && self.text.starts_with('-')
    }
}

/// A redirect to or from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    pub write: bool,
    pub target: Word,
}

/// How a command follows the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// Only after the one before succeeded: `&&`.
    AndThen,
    /// In any other way.
    #[default]
    Other,
}

/// One simple command of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub join: Join,
    /// Variables set for it, or set by it when there are no words.
    pub assignments: Vec<(String, String)>,
    /// The program and its arguments.
    pub words: Vec<Word>,
    pub redirects: Vec<Redirect>,
    /// The text of a here-document or here-string.
    pub stdin: Option<String>,
}

impl Part {
    /// The command as a person would write it, shortened, for messages; its redirects where it is nothing but these.
    pub fn shown(&self) -> String {
        if !self.words.is_empty() {
            return shown(&self.words);
        }
        let one = |redirect: &Redirect| {
            format!("{} {}", if redirect.write { '>' } else { '<' }, shown(slice::from_ref(&redirect.target)))
        };
        self.redirects.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

/// Words joined by blanks and shortened to one line.
pub fn shown(words: &[Word]) -> String {
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect();
    if line.len() < text.len() { format!("{line}...") } else { line }
}

/// The program's own name: what stands after the last slash.
pub fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// Whether a program is named by its bare name or in a system folder, so that the workspace cannot have brought it.
pub fn is_system_program(program: &str) -> bool {
    match program.rsplit_once('/') {
        None => true,
        Some((folder, _)) => matches!(folder, "/bin" | "/usr/bin" | "/usr/local/bin" | "/sbin" | "/usr/sbin"),
    }
}

/// Programs that take a script by `-c`, as a file or from their input.
pub fn is_shell(program: &str) -> bool {
    matches!(program, "ash" | "bash" | "dash" | "fish" | "ksh" | "mksh" | "rbash" | "sh" | "zsh")
}

//! What can be asked of the policy: one value for every kind of effect that the agent can have.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::path::WsPath;

/// How a push moves the remote branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushKind {
    /// The branch moves forward only.
    Ff,
    /// The branch is not there yet.
    New,
    /// Commits on the remote would be lost.
    Force,
    /// The branch is removed.
    Delete,
}

impl PushKind {
    /// The word for it in rules, questions and examples.
    pub fn name(self) -> &'static str {
        match self {
            PushKind::Ff => "ff",
            PushKind::New => "new",
            PushKind::Force => "force",
            PushKind::Delete => "delete",
        }
    }
}

/// Something that the agent wants to do. Texts are as the caller got them; the policy normalises them itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Show a file to the model.
    #[serde(rename = "read")]
    Read(String),
    /// Stage new text for a file.
    #[serde(rename = "write")]
    Write(String),
    /// Stage the removal of a file.
    #[serde(rename = "delete")]
    Delete(String),
    /// One command line inside the walls, without network.
    #[serde(rename = "run")]
    Run { command: String, cwd: WsPath },
    /// The same with a way out to `hosts` (each `host:port`).
    #[serde(rename = "run.net")]
    RunNet { command: String, cwd: WsPath, hosts: Vec<String> },
    /// One connection, `host:port`, as the proxy is about to make it.
    #[serde(rename = "net")]
    Net(String),
    /// A document for the model: a URL, or `host:port`.
    #[serde(rename = "fetch")]
    Fetch(String),
    /// A ticket by its id.
    #[serde(rename = "ticket")]
    Ticket(String),
    /// A tool of an MCP server, `server__tool`.
    #[serde(rename = "mcp")]
    Mcp(String),
    #[serde(rename = "git.commit")]
    GitCommit { branch: String },
    /// Create or switch to a branch.
    #[serde(rename = "git.branch")]
    GitBranch(String),
    /// One ref of a push; a push of several refs is several actions.
    #[serde(rename = "git.push")]
    GitPush { branch: String, kind: PushKind },
    /// Open a pull request from this branch.
    #[serde(rename = "git.pr")]
    GitPr(String),
}

/// The kinds of action as the policy file names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ActionKind {
    #[serde(rename = "read")]
    Read,
    #[serde(rename = "read.outside")]
    ReadOutside,
    #[serde(rename = "write")]
    Write,
    #[serde(rename = "write.outside")]
    WriteOutside,
    #[serde(rename = "delete")]
    Delete,
    #[serde(rename = "delete.outside")]
    DeleteOutside,
    #[serde(rename = "run")]
    Run,
    #[serde(rename = "run.net")]
    RunNet,
    #[serde(rename = "net")]
    Net,
    #[serde(rename = "fetch")]
    Fetch,
    #[serde(rename = "ticket")]
    Ticket,
    #[serde(rename = "mcp")]
    Mcp,
    #[serde(rename = "git.commit")]
    GitCommit,
    #[serde(rename = "git.branch")]
    GitBranch,
    #[serde(rename = "git.push")]
    GitPush,
    #[serde(rename = "git.pr")]
    GitPr,
}

impl ActionKind {
    /// Every kind, in the order in which the policy is shown.
    pub const ALL: [ActionKind; 16] = [
        ActionKind::Read,
        ActionKind::ReadOutside,
        ActionKind::Write,
        ActionKind::WriteOutside,
        ActionKind::Delete,
        ActionKind::DeleteOutside,
        ActionKind::Run,
        ActionKind::RunNet,
        ActionKind::Net,
        ActionKind::Fetch,
        ActionKind::Ticket,
        ActionKind::Mcp,
        ActionKind::GitCommit,
        ActionKind::GitBranch,
        ActionKind::GitPush,
        ActionKind::GitPr,
    ];

    /// The name in the policy file.
    pub fn name(self) -> &'static str {
        match self {
            ActionKind::Read => "read",
            ActionKind::ReadOutside => "read.outside",
            ActionKind::Write => "write",
            ActionKind::WriteOutside => "write.outside",
            ActionKind::Delete => "delete",
            ActionKind::DeleteOutside => "delete.outside",
            ActionKind::Run => "run",
            ActionKind::RunNet => "run.net",
            ActionKind::Net => "net",
            ActionKind::Fetch => "fetch",
            ActionKind::Ticket => "ticket",
            ActionKind::Mcp => "mcp",
            ActionKind::GitCommit => "git.commit",
            ActionKind::GitBranch => "git.branch",
            ActionKind::GitPush => "git.push",
            ActionKind::GitPr => "git.pr",
        }
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Action {
    /// The kind by which rules name it; `.outside` variants are found out while deciding.
    pub fn kind(&self) -> ActionKind {
        match self {
            Action::Read(_) => ActionKind::Read,
            Action::Write(_) => ActionKind::Write,
            Action::Delete(_) => ActionKind::Delete,
            Action::Run { .. } => ActionKind::Run,
            Action::RunNet { .. } => ActionKind::RunNet,
            Action::Net(_) => ActionKind::Net,
            Action::Fetch(_) => ActionKind::Fetch,
            Action::Ticket(_) => ActionKind::Ticket,
            Action::Mcp(_) => ActionKind::Mcp,
            Action::GitCommit { .. } => ActionKind::GitCommit,
            Action::GitBranch(_) => ActionKind::GitBranch,
            Action::GitPush { .. } => ActionKind::GitPush,
            Action::GitPr(_) => ActionKind::GitPr,
        }
    }

    /// What it is about: the path, command, host or branch, for the journal and for messages.
    pub fn target(&self) -> &str {
        match self {
            Action::Read(text) | Action::Write(text) | Action::Delete(text) | Action::Net(text) | Action::Fetch(text) => text,
            Action::Ticket(text) | Action::Mcp(text) | Action::GitBranch(text) | Action::GitPr(text) => text,
            Action::Run { command, .. } | Action::RunNet { command, .. } => command,
            Action::GitCommit { branch } | Action::GitPush { branch, .. } => branch,
        }
    }

    /// Reads an action from words: `run 'git push'`, `git.push main force`, `run.net 'cargo fetch' registry.example:443`.
    ///
    /// # Errors
    /// One sentence that says which word is wrong and what is possible.
    pub fn from_words(words: &[&str]) -> Result<Action, String> {
        let (&name, rest) = words.split_first().ok_or_else(|| format!("name an action: one of {}", kind_names()))?;
        let (&target, more) = rest.split_first().ok_or_else(|| format!("{name} needs what it is about, for example a path"))?;
        if !more.is_empty() && !matches!(name, "run.net" | "git.push") {
            return Err(format!("{name} takes one word; quote it if it holds spaces"));
        }
        let text = target.to_owned();
        Ok(match name {
            "read" => Action::Read(text),
            "write" => Action::Write(text),
            "delete" => Action::Delete(text),
            "run" => Action::Run { command: text, cwd: WsPath::root() },
            "run.net" => {
                let hosts = more.iter().map(|host| (*host).to_owned()).collect();
                Action::RunNet { command: text, cwd: WsPath::root(), hosts }
            }
            "net" => Action::Net(text),
            "fetch" => Action::Fetch(text),
            "ticket" => Action::Ticket(text),
            "mcp" => Action::Mcp(text),
            "git.commit" => Action::GitCommit { branch: text },
            "git.branch" => Action::GitBranch(text),
            "git.push" => {
                let kind = more.first().map_or(Ok(PushKind::Ff), |kind| kind.parse())?;
                Action::GitPush { branch: text, kind }
            }
            "git.pr" => Action::GitPr(text),
            _ => return Err(format!("there is no action {name:?}; it is one of {}", kind_names())),
        })
    }
}

fn kind_names() -> String {
    let names: Vec<&str> = ActionKind::ALL.iter().map(|kind| kind.name()).filter(|name| !name.ends_with(".outside")).collect();
    names.join(", ")
}

impl FromStr for PushKind {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        [PushKind::Ff, PushKind::New, PushKind::Force, PushKind::Delete]
            .into_iter()
            .find(|kind| kind.name() == word)
            .ok_or_else(|| format!("a push is ff, new, force or delete, not {word:?}"))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.target())?;
        match self {
            Action::RunNet { hosts, .. } => write!(f, " (network: {})", hosts.join(", ")),
            Action::GitPush { kind, .. } => write!(f, " ({})", kind.name()),
            _ => Ok(()),
        }
    }
}

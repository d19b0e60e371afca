//! `git`: questions to git, and what only the server's own git does: branch, commit, push.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Effect, Publication, Tool, ToolResult, lenient, terminal};
use crate::{path::WsPath, policy::Action};

/// Most bytes of an answer: its start, and its end.
const HEAD: usize = 20 * 1024;
const TAIL: usize = 4 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Op {
    Status,
    Diff,
    Log,
    Show,
    Blame,
    Branch,
    Commit,
    Push,
    #[serde(alias = "pull_request", alias = "pr")]
    OpenPullRequest,
}

impl Op {
    fn name(self) -> &'static str {
        match self {
            Op::Status => "status",
            Op::Diff => "diff",
            Op::Log => "log",
            Op::Show => "show",
            Op::Blame => "blame",
            Op::Branch => "branch",
            Op::Commit => "commit",
            Op::Push => "push",
            Op::OpenPullRequest => "open_pull_request",
        }
    }
}

/// Asks git about the disk, or publishes what the user accepted; they see and decide about each commit and push. Publish only
/// when the task asks for it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Git {
    #[serde(alias = "command", alias = "operation")]
    #[schemars(with = "String", extend("enum" = ["status", "diff", "log", "show", "blame", "branch", "commit", "push", "open_pull_request"]))]
    op: Op,
    #[serde(default, alias = "path", deserialize_with = "lenient::paths")]
    #[schemars(with = "Vec<String>")]
    paths: Vec<WsPath>,
    /// Commit or range.
    #[serde(default, alias = "revision", alias = "ref")]
    rev: Option<String>,
    #[serde(default)]
    message: Option<String>,
    /// To make, commit to or push.
    #[serde(default, alias = "name")]
    branch: Option<String>,
    #[serde(default)]
    remote: Option<String>,
    #[serde(default)]
    #[schemars(skip)]
    title: Option<String>,
    #[serde(default)]
    #[schemars(skip)]
    body: Option<String>,
}

#[async_trait::async_trait]
impl Tool for Git {
    fn title(&self) -> String {
        match (self.op, &self.branch) {
            (Op::Branch, Some(branch)) => format!("making branch {branch}"),
            (Op::Commit, _) => "committing".into(),
            (Op::Push, _) => "pushing".into(),
            (op, _) => format!("git {}", op.name()),
        }
    }

    fn actions(&self) -> Vec<Action> {
        self.paths.iter().map(|path| Action::Read(path.to_string())).collect()
    }

    fn effect(&self) -> Effect {
        if self.publication().is_some() { Effect::Publishes } else { Effect::Reads }
    }

    fn refusal(&self) -> Option<String> {
        match self.op {
            Op::OpenPullRequest => {
                let named = self.title.iter().chain(&self.body).next().is_some();
                let text = if named { "; put the title and text into finish" } else { "" };
                Some(format!("pull requests are not available yet: the user opens them{text}"))
            }
            Op::Commit if self.message.as_deref().unwrap_or_default().trim().is_empty() => Some("commit needs a message".into()),
            Op::Commit | Op::Push if !self.paths.is_empty() => {
                Some("commit takes everything that the user accepted, and push whole commits: leave paths out".into())
            }
            _ => None,
        }
    }

    fn publication(&self) -> Option<Publication> {
        let branch = self.branch.clone();
        match self.op {
            Op::Branch => branch.map(Publication::Branch),
            Op::Commit => Some(Publication::Commit { message: self.message.clone().unwrap_or_default(), branch }),
            Op::Push => Some(Publication::Push { remote: self.remote.clone(), branch }),
            _ => None,
        }
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        let Some(vcs) = cx.vcs else {
            return Err(ToolResult::error("this folder is in no git repository"));
        };
        let paths: Result<Vec<WsPath>, _> = self.paths.iter().map(|path| cx.roots.own(path, "git works")).collect();
        let text = vcs.look(self.op.name(), &paths?, self.rev.as_deref()).await.map_err(|error| {
            let hint = error.hint.map_or_else(String::new, |hint| format!("; {hint}"));
            ToolResult::error(format!("{}{hint}", error.message))
        })?;
        if text.trim().is_empty() {
            let disk = if self.op == Op::Diff { " (it looks at the disk, where pending edits are not)" } else { "" };
            return Ok(ToolResult::ok(format!("git {}: nothing{disk}", self.op.name())));
        }
        let text = terminal::clean(text.as_bytes());
        Ok(ToolResult::ok(match terminal::ends(&text, HEAD, TAIL) {
            (all, None, _) => all.to_owned(),
            (first, Some((lines, _)), last) => {
                format!("{first}[{lines} lines left out; ask about fewer paths or commits]\n{last}")
            }
        }))
    }
}

//! `file_op`: moves and deletes a file or changes its mode, staged.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Effect, Tool, ToolResult, edit_file::pending, lenient};
use crate::{
    path::WsPath,
    policy::Action,
    seams::{StageOp, StageRequest},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    #[serde(alias = "rename")]
    Move,
    #[serde(alias = "remove")]
    Delete,
    Chmod,
}

/// Proposes to move, delete or chmod one file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileOp {
    #[schemars(with = "String", extend("enum" = ["move", "delete", "chmod"]))]
    op: Op,
    #[serde(alias = "file_path", alias = "from", alias = "source", deserialize_with = "lenient::path")]
    #[schemars(with = "String")]
    path: WsPath,
    /// New path, for move.
    #[serde(default, alias = "destination", alias = "new_path", deserialize_with = "lenient::maybe_path")]
    #[schemars(with = "Option<String>")]
    to: Option<WsPath>,
    #[serde(default, deserialize_with = "lenient::maybe_flag")]
    executable: Option<bool>,
}

#[async_trait::async_trait]
impl Tool for FileOp {
    fn title(&self) -> String {
        match (self.op, &self.to) {
            (Op::Move, Some(to)) => format!("moving {} to {to}", self.path),
            (Op::Move, None) => format!("moving {}", self.path),
            (Op::Delete, _) => format!("deleting {}", self.path),
            (Op::Chmod, _) if self.executable == Some(false) => format!("making {} not executable", self.path),
            (Op::Chmod, _) => format!("making {} executable", self.path),
        }
    }

    fn actions(&self) -> Vec<Action> {
        let path = self.path.to_string();
        match (self.op, &self.to) {
            // Under its new name the file could be read.
            (Op::Move, Some(to)) => vec![Action::Read(path.clone()), Action::Delete(path), Action::Write(to.to_string())],
            (Op::Chmod, _) => vec![Action::Write(path)],
            _ => vec![Action::Delete(path)],
        }
    }

    fn effect(&self) -> Effect {
        Effect::Stages
    }

    fn refusal(&self) -> Option<String> {
        match (self.op, &self.to) {
            (Op::Chmod, None) if self.executable.is_none() => Some("chmod needs executable, true or false".into()),
            (Op::Chmod, Some(_)) => Some("chmod takes no to".into()),
            (Op::Move | Op::Delete, _) if self.executable.is_some() => Some("executable is for chmod".into()),
            (Op::Move, None) => Some("move needs to, the new path".into()),
            (Op::Move, Some(to)) if *to == self.path => Some("path and to are the same".into()),
            (Op::Delete, Some(_)) => Some("delete takes no to".into()),
            _ => None,
        }
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        let op = match (self.op, &self.to, self.executable) {
            (Op::Move, Some(to), _) => StageOp::Move { to: to.clone() },
            (Op::Chmod, _, Some(executable)) => StageOp::Mode { executable },
            _ => StageOp::Delete,
        };
        let request = StageRequest { path: self.path.clone(), op, call: cx.call.clone(), apart: cx.apart };
        let staged = cx.workspace.stage(request).await?;
        let what = match (&self.to, self.executable) {
            (Some(to), _) => format!("move {} to {to}", self.path),
            (None, Some(true)) => format!("make {} executable", self.path),
            (None, Some(false)) => format!("make {} not executable", self.path),
            (None, None) => format!("delete {}", self.path),
        };
        Ok(ToolResult::ok(format!("{what}: {}", pending(&staged, cx.apart))))
    }
}

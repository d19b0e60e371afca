//! `write_file`: a whole new text, staged.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Effect, Tool, ToolResult, edit_file::pending, lenient, matching::Source};
use crate::{
    path::WsPath,
    policy::Action,
    seams::{FileKind, StageOp, StageRequest, WorkspaceError},
    text::Text,
};

/// Largest text of one call, bytes.
const BYTES: usize = 256 * 1024;

/// Proposes a new file, or with overwrite a whole new text.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteFile {
    #[serde(alias = "file_path", alias = "filename", alias = "file", deserialize_with = "lenient::path")]
    #[schemars(with = "String")]
    path: WsPath,
    #[serde(alias = "contents", alias = "text", alias = "file_text")]
    content: String,
    #[serde(default, deserialize_with = "lenient::flag")]
    overwrite: bool,
}

#[async_trait::async_trait]
impl Tool for WriteFile {
    fn title(&self) -> String {
        format!("writing {}", self.path)
    }

    fn actions(&self) -> Vec<Action> {
        vec![Action::Write(self.path.to_string())]
    }

    fn effect(&self) -> Effect {
        Effect::Stages
    }

    fn refusal(&self) -> Option<String> {
        let size = self.content.len();
        (size > BYTES)
            .then(|| format!("content has {size} bytes, more than {BYTES}; write it in parts, the later ones with edit_file"))
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        let op = match cx.workspace.read(&self.path).await {
            Err(WorkspaceError::NotFound { .. }) => StageOp::Create { text: Text::new(&self.content) },
            Err(other) => return Err(other.into()),
            Ok(_) if !self.overwrite => {
                let why = format!("{} exists; change it with edit_file, or read it and set overwrite", self.path);
                return Err(ToolResult::error(why));
            }
            Ok(view) if view.kind != FileKind::Text => return Err(WorkspaceError::NotEditable(self.path.clone()).into()),
            Ok(view) => {
                // A file keeps its line ends.
                let before = view.text.to_string();
                let ending = Source::new(&before).ending();
                let lines = self.content.replace("\r\n", "\n");
                let to = Text::new(&if ending == "\n" { lines } else { lines.replace('\n', ending) });
                if to == view.text {
                    return Err(ToolResult::error(format!("{} has this text already; nothing was staged", self.path)));
                }
                StageOp::Modify { from: view.text, to }
            }
        };
        let request = StageRequest { path: self.path.clone(), op, call: cx.call.clone(), apart: cx.apart };
        let staged = cx.workspace.stage(request).await?;
        let lines = match self.content.lines().count() {
            1 => "1 line".to_owned(),
            n => format!("{n} lines"),
        };
        Ok(ToolResult::ok(format!("{}: {lines}, {}", self.path, pending(&staged, cx.apart))))
    }
}

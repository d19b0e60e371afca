//! `finish`: the model says that it is done.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Effect, Tool, ToolResult, lenient};
use crate::policy::Action;

/// Ends the task. Call it alone, once the work is done and tried out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Finish {
    /// For the user: what changed and why.
    #[serde(alias = "result", alias = "message")]
    summary: String,
    /// Commands and their results.
    #[serde(default, deserialize_with = "lenient::sentences")]
    checks: Vec<String>,
    /// What is not done or not certain.
    #[serde(default, deserialize_with = "lenient::sentences")]
    left: Vec<String>,
}

#[async_trait::async_trait]
impl Tool for Finish {
    fn title(&self) -> String {
        "finishing".into()
    }

    fn actions(&self) -> Vec<Action> {
        Vec::new()
    }

    fn effect(&self) -> Effect {
        Effect::Ends
    }

    fn summary(&self) -> Option<String> {
        let mut out = self.summary.trim().to_owned();
        for (title, lines) in [("Checked, as the agent says", &self.checks), ("Left", &self.left)] {
            if !lines.is_empty() {
                out += &format!("\n\n{title}:\n- {}", lines.join("\n- "));
            }
        }
        Some(out)
    }

    async fn run(&self, _: &Context<'_>) -> Result<ToolResult, ToolResult> {
        Ok(ToolResult::ok("finished; the server ran no checks of its own. The user reviews the proposal now"))
    }
}

//! `ask_user`: one question to the person.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Effect, Tool, ToolResult, lenient};
use crate::policy::Action;

/// Asks the user one question and waits. Only where a wrong guess would cost them work.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskUser {
    question: String,
    #[serde(default, alias = "choices", deserialize_with = "lenient::sentences")]
    options: Vec<String>,
}

#[async_trait::async_trait]
impl Tool for AskUser {
    fn title(&self) -> String {
        "asking you".into()
    }

    fn actions(&self) -> Vec<Action> {
        Vec::new()
    }

    fn effect(&self) -> Effect {
        Effect::Asks
    }

    fn refusal(&self) -> Option<String> {
        self.question.trim().is_empty().then(|| "question is empty".to_owned())
    }

    async fn run(&self, cx: &Context<'_>) -> Result<ToolResult, ToolResult> {
        match cx.editor.ask_text(cx.scope, self.question.trim(), &self.options).await {
            Some(answer) => Ok(ToolResult::ok(format!("the user answers: {answer}"))),
            None => Err(ToolResult::error(
                "the user did not answer. Do not ask again: take the plainest reading and say in finish which one you took",
            )),
        }
    }
}

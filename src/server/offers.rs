//! Code actions: the menu of the editor, from the most urgent to the most general. What is decided about hunks comes first, then
//! open questions, then what can be asked, then what can be done with tasks.
//!
//! A menu is chosen from by a person. Editors also ask by themselves (to show a lightbulb, on save) and some take what they get:
//! so an automatic request finds no ask, one with a filter finds nothing, and nothing that starts a run ever stands alone.

use serde_json::{Value, json};
use tower_lsp::lsp_types::{
    CodeAction, CodeActionKind, CodeActionOrCommand, CodeActionParams, CodeActionResponse, CodeActionTriggerKind,
    Command as LspCommand, Diagnostic,
};

use super::{actor::Actor, commands::PREFIX};

/// Entries below those about hunks and questions at most, beside `Agent: more...`, and where there are hunks.
const MOST: usize = 7;
const MOST_BELOW_HUNKS: usize = 4;
/// Longest part of a comment or question in a title, characters.
pub const WORDS: usize = 60;

impl Actor {
    /// What the menu offers here. On automatic triggers (the lightbulb) only pending hunks under the cursor and open questions.
    /// A client that says nothing about the trigger is taken for a person who opened the menu: old clients ask only then.
    pub fn code_actions(&mut self, params: CodeActionParams) -> CodeActionResponse {
        let wanted = params.context.only.as_deref().unwrap_or_default();
        let automatic = params.context.trigger_kind == Some(CodeActionTriggerKind::AUTOMATIC);
        if automatic && !wanted.is_empty() {
            // Code actions on save: whatever is offered would be taken, with nobody looking.
            return Vec::new();
        }
        let mut actions = Vec::new();
        self.offer_hunks(&params.text_document.uri, params.range, &mut actions);
        let most = if actions.is_empty() { MOST } else { MOST_BELOW_HUNKS };
        let open = self.questions.all().next().map(|open| open.question.text.as_str());
        if let Some(words) = open.or(self.open_answer().map(|(words, _)| words)) {
            let title = format!("Show question: {}", clip(words, WORDS));
            actions.push(action(title, CodeActionKind::QUICKFIX, "approvals", json!({}), None));
        }
        if !automatic {
            self.offer_asks_and_controls(&params, most, &mut actions);
        }
        let covered = |action: &CodeAction| {
            wanted.is_empty() || action.kind.as_ref().is_some_and(|kind| wanted.iter().any(|only| covers(only, kind)))
        };
        let ask = actions.iter().find(|action| is_command(action, "ask") && !starts_a_run(action)).cloned();
        actions.retain(covered);
        // Some clients take an action that stands alone without a question.
        if let ([alone], Some(mut ask)) = (actions.as_slice(), ask)
            && starts_a_run(alone)
        {
            ask.kind.clone_from(&alone.kind);
            actions.push(ask);
        }
        actions.into_iter().map(CodeActionOrCommand::CodeAction).collect()
    }

    /// Asks, then what can be done with tasks; what does not fit is in `Agent: more...` or `More tasks...`.
    fn offer_asks_and_controls(&mut self, params: &CodeActionParams, most: usize, out: &mut Vec<CodeAction>) {
        let asks = self.asks(params);
        let folder = self.folders.for_ask(Some(&params.text_document.uri));
        let controls = if self.client.rich { Vec::new() } else { self.controls(folder) };
        let status = !self.client.rich && (!self.tasks.is_empty() || self.out.has_warned());
        // The comment and the two general asks are always there. Then what is urgent, the fitting tasks, the rest.
        let mut room = most.saturating_sub(usize::from(asks.comment.is_some()) + 2);
        let mut take = |wanted: usize| {
            let taken = wanted.min(room);
            room -= taken;
            taken
        };
        let urgent = take(controls.iter().filter(|control| control.urgent).count());
        let fitting = if most == MOST { take(asks.fitting.len()) } else { 0 };
        let others = take(controls.len() - controls.iter().filter(|control| control.urgent).count());
        let shown = urgent + others;
        out.extend(asks.comment);
        out.extend(asks.fitting.into_iter().take(fitting));
        let left_out = shown < controls.len();
        out.extend(controls.into_iter().take(shown).map(|control| control.action()));
        if left_out || status {
            let argument = json!({"uri": params.text_document.uri});
            out.push(action("Agent: more...".to_owned(), kind("more-agent"), "more", argument, None));
        }
        out.extend([asks.ask, asks.more]);
    }
}

/// The kind of an entry that is about no diagnostic.
pub fn kind(task: &str) -> CodeActionKind {
    CodeActionKind::from(format!("refactor.countersign.{task}"))
}

/// An entry that runs a command.
pub fn action(
    title: String,
    kind: CodeActionKind,
    command: &str,
    argument: Value,
    diagnostics: Option<Vec<Diagnostic>>,
) -> CodeAction {
    let command = LspCommand { title: title.clone(), command: format!("{PREFIX}{command}"), arguments: Some(vec![argument]) };
    CodeAction { title, kind: Some(kind), diagnostics, command: Some(command), ..Default::default() }
}

/// At most this many characters.
pub fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

/// Whether the client's filter `only` lets `kind` pass: kinds are hierarchical, separated by dots.
fn covers(only: &CodeActionKind, kind: &CodeActionKind) -> bool {
    kind == only
        || only.as_str().is_empty()
        || kind.as_str().strip_prefix(only.as_str()).is_some_and(|rest| rest.starts_with('.'))
}

fn is_command(action: &CodeAction, name: &str) -> bool {
    action.command.as_ref().is_some_and(|command| command.command.strip_prefix(PREFIX) == Some(name))
}

/// Whether choosing it sets the agent to work at once, without a document to write in first.
fn starts_a_run(action: &CodeAction) -> bool {
    let argument = action.command.as_ref().and_then(|command| command.arguments.as_ref()?.first());
    let has = |field: &str| argument.and_then(|argument| argument[field].as_str()).is_some_and(|value| value != "more");
    (is_command(action, "ask") && has("prompt"))
        || (is_command(action, "runTask") && has("name"))
        || is_command(action, "continue")
}

//! Which intents have no outcome yet: a command or an effect that was announced, and of which nothing more is known.

use std::collections::BTreeMap;

use super::record::digest;
use crate::event::{Event, Scope};

/// An announced command or effect. The order is that of their keys, for stable reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    what: String,
    digest: String,
    call: String,
}

/// The open intents of one session.
#[derive(Default)]
pub(super) struct Intents(BTreeMap<Key, Vec<Scope>>);

impl Intents {
    /// Takes note of what an event opens or closes.
    pub fn note(&mut self, scope: &Scope, event: &Event) {
        let call = scope.call_id.as_ref().map_or_else(String::new, |id| id.0.clone());
        match event {
            Event::ToolIntent { tool, input } => {
                let key = Key { what: tool_name(tool), digest: digest(input.to_string().as_bytes()), call };
                self.0.entry(key).or_default().push(scope.clone());
            }
            // A result names its call, not the input.
            Event::ToolResult { tool, .. } => {
                let what = tool_name(tool);
                self.close(|key| key.what == what && key.call == call);
            }
            Event::EffectStart { effect, digest, .. } => {
                let key = Key { what: effect_name(effect), digest: digest.clone(), call };
                self.0.entry(key).or_default().push(scope.clone());
            }
            Event::EffectResult { effect, digest, .. } => {
                let what = effect_name(effect);
                self.close(|key| key.what == what && key.digest == *digest);
            }
            Event::RecoveryUnknown { what, digest } => {
                self.close(|key| key.what == *what && key.digest == *digest && key.call == call);
            }
            _ => {}
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each open intent as (scope, what, digest).
    pub fn open(&self) -> impl Iterator<Item = (&Scope, &str, &str)> {
        self.0.iter().flat_map(|(key, scopes)| scopes.iter().map(|scope| (scope, key.what.as_str(), key.digest.as_str())))
    }

    fn close(&mut self, matches: impl Fn(&Key) -> bool) {
        let Some(key) = self.0.keys().find(|key| matches(key)).cloned() else { return };
        if let Some(scopes) = self.0.get_mut(&key) {
            scopes.pop();
            if scopes.is_empty() {
                self.0.remove(&key);
            }
        }
    }
}

fn tool_name(tool: &str) -> String {
    format!("tool {tool}")
}

fn effect_name(effect: &str) -> String {
    format!("effect {effect}")
}

//! Calls that go in circles: the same call on an unchanged world brings the same answer.

use std::collections::HashMap;

use serde_json::Value;

/// What to do about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    Fine,
    /// The third and fourth identical call: it is answered without running.
    Refuse(u32),
    /// The fifth: the task is not getting anywhere.
    Stop,
}

/// Counts identical calls since the world last changed.
#[derive(Debug, Default)]
pub struct Guard {
    revision: u64,
    calls: HashMap<(String, String), u32>,
}

impl Guard {
    /// Counts a call. `revision` goes up whenever what the task sees may have changed; then counting starts anew.
    pub fn count(&mut self, tool: &str, input: &Value, revision: u64) -> Repeat {
        if revision != self.revision {
            self.revision = revision;
            self.calls.clear();
        }
        let times = self.calls.entry((tool.to_owned(), canonical(input))).or_insert(0);
        *times += 1;
        match *times {
            0..=2 => Repeat::Fine,
            3 | 4 => Repeat::Refuse(*times),
            _ => Repeat::Stop,
        }
    }

    /// Something outside the workspace's own revision changed (a commit, an answer): counting starts anew.
    pub fn forget(&mut self) {
        self.calls.clear();
    }
}

/// JSON with sorted keys.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let mut fields: Vec<_> = object.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name:?}:{}", canonical(value))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

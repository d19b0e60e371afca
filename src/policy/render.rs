//! The effective policy as canonical TOML: sorted, one form, no comments. This very text stands in the system prompt, and
//! its SHA-256 stands for the policy everywhere else.

use std::{collections::BTreeMap, fmt::Write};

use sha2::{Digest, Sha256};

use super::{
    action::ActionKind,
    layers::{Rules, fallback},
    paths::List,
    rule::Rule,
    settings::Settings,
    verdict::LayerKind,
};

/// Lower-case hex SHA-256.
pub fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The canonical text.
pub(super) fn canonical(rules: &Rules) -> String {
    let mut out = Out { text: String::from("schema = 1\n") };
    if let Some(name) = &rules.name {
        out.text_value("name", name);
    }
    out.table("default");
    for kind in ActionKind::ALL {
        let verdict = rules.defaults.get(&kind).map_or_else(|| fallback(kind), |(verdict, _)| *verdict);
        let _ = writeln!(out.text, "{} = {}", key(kind.name()), quoted(&verdict.to_string()));
    }
    for lists in &rules.paths.layers {
        let named: [(&str, &List); 5] = [
            ("never_write", &lists.never_write),
            ("secret", &lists.secret),
            ("secret_except", &lists.secret_except),
            ("secret_untracked", &lists.secret_untracked),
            ("steering", &lists.steering),
        ];
        if named.iter().any(|(_, list)| !list.patterns.is_empty()) {
            out.table(&format!("paths.{}", lists.layer));
            named.iter().for_each(|(name, list)| out.list(name, &list.patterns));
        }
    }
    settings(&mut out, rules);
    for rule in &rules.rules {
        rule_text(&mut out, rule);
    }
    out.text
}

fn settings(out: &mut Out, rules: &Rules) {
    let settings = &rules.settings;
    out.table("branches");
    out.text_value("agent", &settings.branches.agent);
    out.list("protected", &settings.branches.protected);
    let run = &settings.run;
    out.table("run");
    out.text_value("ask_below", &run.ask_below.to_string());
    out.number("cpu_s", run.cpu_s);
    out.list("env_allow", &run.env_allow);
    out.number("file_mb", run.file_mb);
    out.list("home_read", &run.home_read);
    out.number("max_bytes", run.max_bytes);
    out.number("max_commands", run.max_commands);
    out.number("max_timeout_s", run.max_timeout_s);
    out.number("memory_mb", run.memory_mb);
    out.text_value("min_level", &run.min_level.to_string());
    out.number("processes", run.processes);
    out.list("registries", &run.registries);
    out.number("shadow_mb", run.shadow_mb);
    out.number("timeout_s", run.timeout_s);
    out.number("tmp_mb", run.tmp_mb);
    if let Some(enabled) = &settings.tools {
        out.table("tools");
        let mut enabled = enabled.clone();
        enabled.sort();
        let _ = writeln!(out.text, "enabled = {}", array(&enabled));
    }
    let approval = &settings.approval;
    if *approval != Settings::fallback().approval {
        out.table("approval");
        out.number("min_seconds", format!("{:?}", approval.min_seconds));
        out.number("timeout_s", approval.timeout_s);
    }
    let budget = &settings.budget;
    out.table("budget");
    out.number("asks", budget.asks);
    out.number("commands", budget.commands);
    out.number("cost_usd", format!("{:?}", budget.cost_usd));
    out.number("input_tokens", budget.input_tokens);
    out.number("iterations", budget.iterations);
    out.number("output_tokens", budget.output_tokens);
    out.number("wall_seconds", budget.wall_seconds);
}

fn rule_text(out: &mut Out, rule: &Rule) {
    out.text.push_str("\n[[rule]]\n");
    out.text_value("id", &rule.id);
    // A repository's sentences do not belong in the system prompt; a denial quotes them.
    let reason = rule.reason.as_ref().filter(|_| rule.layer != LayerKind::Workspace);
    if rule.private {
        if let Some(reason) = reason {
            out.text_value("reason", reason);
        }
        return;
    }
    out.text_value("layer", &rule.layer.to_string());
    out.text_value("action", rule.action.name());
    out.text_value("verdict", &rule.verdict.to_string());
    if !rule.argv.is_empty() {
        let places: Vec<String> =
            rule.argv.iter().map(|place| if place.len() == 1 { quoted(&place[0]) } else { array(place) }).collect();
        let _ = writeln!(out.text, "argv = [{}]", places.join(", "));
    }
    out.list("branch", &rule.branch);
    out.list("hosts", &rule.hosts);
    out.list("kind", &rule.kinds.iter().map(|kind| kind.name().to_owned()).collect::<Vec<_>>());
    out.list("methods", &rule.methods);
    out.list("paths", &rule.paths);
    if rule.paths_outside {
        out.number("paths_outside", true);
    }
    out.list("refuse", &rule.refuse);
    if let Some(grantable) = rule.grantable {
        out.number("grantable", grantable);
    }
    if let Some(reason) = reason {
        out.text_value("reason", reason);
    }
}

struct Out {
    text: String,
}

impl Out {
    fn table(&mut self, name: &str) {
        let _ = write!(self.text, "\n[{name}]\n");
    }

    fn text_value(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.text, "{name} = {}", quoted(value));
    }

    fn number(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.text, "{name} = {value}");
    }

    /// A list, sorted; nothing where it is empty.
    fn list(&mut self, name: &str, values: &[String]) {
        if values.is_empty() {
            return;
        }
        let mut values = values.to_vec();
        values.sort();
        values.dedup();
        let _ = writeln!(self.text, "{name} = {}", array(&values));
    }
}

fn array(values: &[String]) -> String {
    format!("[{}]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
}

fn key(name: &str) -> String {
    if name.contains('.') { quoted(name) } else { name.to_owned() }
}

/// A TOML literal string where it can be one, since its quotes need no escapes in the JSON of a request; else a basic string.
fn quoted(text: &str) -> String {
    if !text.contains(|c: char| c == '\'' || c.is_control()) {
        return format!("'{text}'");
    }
    let escapes: BTreeMap<char, &str> = [('"', "\\\""), ('\\', "\\\\"), ('\n', "\\n"), ('\t', "\\t"), ('\r', "\\r")].into();
    let mut out = String::from("\"");
    for c in text.chars() {
        match escapes.get(&c) {
            Some(escaped) => out.push_str(escaped),
            None if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            None => out.push(c),
        }
    }
    out.push('"');
    out
}

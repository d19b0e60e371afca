//! A rule by itself: whether it does what its examples say, and whether it says more than it seems to.

use std::collections::BTreeSet;

use super::{
    action::{Action, ActionKind},
    decide,
    layers::Rules,
    level::Level,
    paths::PathLists,
    rule::Rule,
    settings::Settings,
    surroundings::Lexical,
    verdict::{LayerKind, Verdict},
};

/// Programs whose every use is not one thing: an allow rule that names only the program allows far more than it seems to.
const BROAD: [&str; 28] = [
    "aws", "awk", "bash", "curl", "docker", "env", "find", "gcloud", "gh", "git", "helm", "kubectl", "make", "nc", "node", "npm",
    "npx", "perl", "php", "pnpm", "python", "python3", "ruby", "sh", "ssh", "wget", "xargs", "yarn",
];

/// What looks careless about a rule; the end of a sentence.
pub(super) fn careless(rule: &Rule) -> Option<String> {
    if rule.verdict != Verdict::Allow || rule.argv.len() != 1 || !rule.refuse.is_empty() {
        return None;
    }
    let broad = rule.argv.first()?.iter().find(|word| BROAD.contains(&word.as_str()) || word.as_str() == "*")?;
    Some(format!("allows every use of {broad:?}, which can run other programs or reach a network; name the subcommand too"))
}

/// Whether a rule, standing alone, speaks about the example.
pub(super) fn matches_example(rule: &Rule, example: &str) -> Result<bool, String> {
    let mut words: Vec<&str> = vec![rule.action.name().trim_end_matches(".outside")];
    match rule.action {
        ActionKind::GitPush => words.extend(example.split_whitespace()),
        _ => words.push(example),
    }
    let mut action = Action::from_words(&words).map_err(|why| format!("rule {:?}: the example {example:?}: {why}", rule.id))?;
    if let Action::RunNet { hosts, .. } = &mut action {
        hosts.clone_from(&rule.hosts);
    }
    // Operands are another matter than the rule: all of them are allowed here.
    let operands = ActionKind::ALL.into_iter().filter(|kind| *kind <= ActionKind::DeleteOutside && *kind != rule.action);
    let alone = Rules {
        name: None,
        rules: vec![rule.clone()],
        defaults: operands.map(|kind| (kind, (Verdict::Allow, LayerKind::Floor))).collect(),
        paths: PathLists::default(),
        settings: Settings::fallback(),
        sealed: BTreeSet::new(),
    };
    let findings = decide::findings(&alone, Some(Level::L3), &action, &Lexical);
    let speaks = findings.iter().any(|finding| finding.layer == rule.layer && finding.rule == rule.id);
    let whole = rule.verdict != Verdict::Allow || !findings.iter().any(|finding| finding.rule == "default");
    Ok(speaks && whole)
}

//! Answers for people: why an action gets its verdict, and whether a policy file is sound.

use std::fmt;

use super::{
    action::Action,
    layers::Policy,
    surroundings::Surroundings,
    verdict::{Decision, Finding, LayerKind, LayerText, PolicyError},
};

/// Everything that speaks about an action, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Explanation {
    pub action: Action,
    pub decision: Decision,
    /// Every rule, default and built-in check that applies; the deciding one first, then by strictness.
    pub findings: Vec<Finding>,
}

/// Explains a verdict.
pub fn explain(policy: &Policy, action: &Action, around: &dyn Surroundings) -> Explanation {
    let decision = policy.decide(action, around);
    Explanation { action: action.clone(), decision, findings: policy.findings(action, around) }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = &self.decision;
        writeln!(f, "{}: {} by {:?} ({})", self.action, decision.verdict, decision.rule, decision.layer)?;
        writeln!(f, "  {}", decision.reason)?;
        if let Some(part) = &decision.part {
            writeln!(f, "  decided by the part: {part}")?;
        }
        if decision.grantable {
            writeln!(f, "  a remembered answer can stand for the person's")?;
        }
        for finding in self.findings.iter().skip(1) {
            write!(f, "  also {} by {:?} ({})", finding.verdict, finding.rule, finding.layer)?;
            match &finding.part {
                Some(part) => writeln!(f, " for: {part}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

/// What a sound policy file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Rules of the file itself.
    pub rules: usize,
    /// SHA-256 of the effective policy that it gives.
    pub sha: String,
    /// What looks careless.
    pub notes: Vec<String>,
}

/// Checks a policy file as a user's: it is read, every rule compiled and every example run.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn check(name: &str, text: &str) -> Result<Report, PolicyError> {
    let policy = Policy::load(&[LayerText { kind: LayerKind::User, name: name.to_owned(), text }])?;
    let rules = policy.rules().rules.iter().filter(|rule| rule.layer == LayerKind::User).count();
    Ok(Report { rules, sha: policy.sha().to_owned(), notes: policy.notes().to_vec() })
}

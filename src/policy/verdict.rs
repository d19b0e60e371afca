//! Verdicts, layers, and what a decision says about itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the policy says about an action. The order is the strictness: the strictest verdict wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Allow,
    Ask,
    Deny,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Allow => "allow",
            Verdict::Ask => "ask",
            Verdict::Deny => "deny",
        })
    }
}

/// Where a rule comes from. The order is the trust, the most trusted first; it breaks ties between equal verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerKind {
    /// Compiled in; holds denies and the fixed questions only.
    Floor,
    /// Installed by an administrator.
    Organisation,
    /// The user's own file, or the built-in default.
    User,
    /// Comes with the repository and may only tighten.
    Workspace,
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LayerKind::Floor => "floor",
            LayerKind::Organisation => "organisation",
            LayerKind::User => "user",
            LayerKind::Workspace => "workspace",
        })
    }
}

/// The text of one layer, as the caller read it.
#[derive(Clone, Debug)]
pub struct LayerText<'a> {
    pub kind: LayerKind,
    /// File name for messages.
    pub name: String,
    pub text: &'a str,
}

/// One rule, default or built-in check that applies to an action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub verdict: Verdict,
    pub layer: LayerKind,
    /// Rule id, `default`, or the name of the list or built-in check.
    pub rule: String,
    /// One sentence for the model and the user.
    pub reason: String,
    /// The part of a compound command that it is about.
    pub part: Option<String>,
    /// It is about a file that later runs or steers a tool.
    pub steering: bool,
    /// A remembered answer may discharge it; meaningful for `ask` only.
    pub grantable: bool,
}

/// What the policy decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    pub verdict: Verdict,
    /// Id of the rule that decided, `default`, or the name of a list or built-in check (`secret`, `outside`, ...).
    pub rule: String,
    /// `floor`, `organisation`, `user` or `workspace`.
    pub layer: String,
    /// One sentence for the model and the user.
    pub reason: String,
    /// The part of a compound command that decided; `None` when the action has no parts.
    pub part: Option<String>,
    /// The action changes a file that later runs or steers a tool: never remembered, left out of every accept-many.
    pub steering: bool,
    /// The verdict is `ask` and a remembered answer may stand for the person's.
    pub grantable: bool,
}

impl Decision {
    /// The strictest of the findings; between equals the most trusted layer, then the first by name, so that the order in
    /// which they were found never matters. `None` only for an empty list.
    pub(super) fn strictest(findings: &[Finding]) -> Option<Decision> {
        let top = findings.iter().map(|finding| finding.verdict).max()?;
        let deciding = findings.iter().filter(|finding| finding.verdict == top).min()?;
        let grantable = top == Verdict::Ask && findings.iter().filter(|finding| finding.verdict == top).all(|f| f.grantable);
        Some(Decision {
            verdict: top,
            rule: deciding.rule.clone(),
            layer: deciding.layer.to_string(),
            reason: deciding.reason.clone(),
            part: deciding.part.clone(),
            steering: findings.iter().any(|finding| finding.steering),
            grantable,
        })
    }
}

/// Why a policy cannot be used: one sentence that names the file and, where known, the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The file's name as the caller gave it.
    pub layer: String,
    /// One-based.
    pub line: Option<usize>,
    pub message: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}: {}", self.layer, self.message),
            None => write!(f, "{}: {}", self.layer, self.message),
        }
    }
}

impl std::error::Error for PolicyError {}

//! An action to findings: everything in the policy that speaks about it. Commands are read in `run`.

use super::{
    action::{Action, ActionKind, PushKind},
    globs::{fold_branch, fold_path},
    hosts,
    layers::{Rules, fallback},
    level::Level,
    rule::Rule,
    run,
    surroundings::{Resolved, Surroundings},
    verdict::{Finding, LayerKind, Verdict},
};
use crate::path::{PathError, WsPath};

/// What is done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Its name, size or listing is looked at; not its text.
    Look,
    Read,
    Write,
    Delete,
}

impl Access {
    fn kind(self, outside: bool) -> ActionKind {
        match (self, outside) {
            (Access::Look | Access::Read, false) => ActionKind::Read,
            (Access::Look | Access::Read, true) => ActionKind::ReadOutside,
            (Access::Write, false) => ActionKind::Write,
            (Access::Write, true) => ActionKind::WriteOutside,
            (Access::Delete, false) => ActionKind::Delete,
            (Access::Delete, true) => ActionKind::DeleteOutside,
        }
    }
}

/// Everything that speaks about the action.
pub(super) fn findings(rules: &Rules, level: Option<Level>, action: &Action, around: &dyn Surroundings) -> Vec<Finding> {
    match action {
        Action::Read(path) => tool_path(rules, path, Access::Read, around),
        Action::Write(path) => tool_path(rules, path, Access::Write, around),
        Action::Delete(path) => tool_path(rules, path, Access::Delete, around),
        Action::Run { command, cwd } => run::findings(rules, level, command, cwd, None, around),
        Action::RunNet { command, cwd, hosts } => {
            let mut found = run::findings(rules, level, command, cwd, Some(hosts), around);
            found.extend(hosts.iter().flat_map(|host| {
                let mut said = host_findings(rules, ActionKind::Net, host);
                // Listed by the user as a place to fetch from: rules count, but what holds for hosts that nobody named does not.
                let listed = rules.settings.run.registries.contains(host);
                said.retain(|finding| !listed || finding.rule != "default");
                said
            }));
            found
        }
        Action::Net(host) => host_findings(rules, ActionKind::Net, host),
        Action::Fetch(address) => match hosts::of_address(address) {
            Ok(host) => host_findings(rules, ActionKind::Fetch, &host),
            Err(why) => vec![floor("host", why)],
        },
        Action::Ticket(name) | Action::Mcp(name) => by_rules(rules, action.kind(), None, |rule| rule.means_name(name)),
        Action::GitCommit { branch } | Action::GitBranch(branch) | Action::GitPr(branch) => {
            branch_findings(rules, action.kind(), branch, None)
        }
        Action::GitPush { branch, kind } => branch_findings(rules, ActionKind::GitPush, branch, Some(*kind)),
    }
}

/// A built-in denial.
pub(super) fn floor(rule: &str, reason: impl Into<String>) -> Finding {
    Finding {
        verdict: Verdict::Deny,
        layer: LayerKind::Floor,
        rule: rule.to_owned(),
        reason: reason.into(),
        part: None,
        steering: false,
        grantable: false,
    }
}

/// The rules that match, and the default where no trusted rule does.
pub(super) fn by_rules(rules: &Rules, kind: ActionKind, part: Option<&str>, matches: impl Fn(&Rule) -> bool) -> Vec<Finding> {
    let matching: Vec<&Rule> = rules.rules.iter().filter(|rule| rule.action == kind && matches(rule)).collect();
    let mut found: Vec<Finding> = matching.iter().map(|rule| rule.finding(part)).collect();
    // The floor and layers that only tighten do not stand in place of the default: they could loosen a "deny" to an "ask".
    if !matching.iter().any(|rule| rule.trusted && rule.layer != LayerKind::Floor) {
        found.push(default_finding(rules, kind, part, None));
    }
    found
}

/// What holds where no rule does; `doubt` says why an allow rule did not count.
pub(super) fn default_finding(rules: &Rules, kind: ActionKind, part: Option<&str>, doubt: Option<&str>) -> Finding {
    let (verdict, layer) = rules.defaults.get(&kind).copied().unwrap_or((fallback(kind), LayerKind::Floor));
    let outcome = match verdict {
        Verdict::Allow => "allowed",
        Verdict::Ask => "asked about",
        Verdict::Deny => "denied",
    };
    let reason = match doubt {
        _ if verdict == Verdict::Allow => format!("nothing speaks against it, and {kind} is allowed by default"),
        Some(doubt) => format!("{doubt}, so no rule allows it, and {kind} is {outcome} by default"),
        None => format!("no rule speaks about it, and {kind} is {outcome} by default"),
    };
    // Nobody is asked about a single connection or an edit; a remembered answer for one would have no question behind it.
    let grantable =
        verdict == Verdict::Ask && matches!(kind, ActionKind::Run | ActionKind::Fetch | ActionKind::Ticket | ActionKind::Mcp);
    Finding {
        verdict,
        layer,
        rule: "default".to_owned(),
        reason,
        part: part.map(str::to_owned),
        steering: false,
        grantable: grantable && matches!(layer, LayerKind::User | LayerKind::Floor),
    }
}

/// A path that a file tool was given.
fn tool_path(rules: &Rules, written: &str, access: Access, around: &dyn Surroundings) -> Vec<Finding> {
    let path = match WsPath::parse(below_folder(written, around)) {
        Ok(path) => path,
        Err(PathError::Hidden(_)) => {
            let reason = "the path holds characters that cannot be shown; name the file with its visible characters only";
            return vec![floor("hidden-characters", reason)];
        }
        Err(PathError::Outside(_)) => return vec![outside_tool()],
    };
    match around.resolve(&path) {
        Resolved::Outside => vec![floor("outside", format!("{path} leads out of the workspace through a symbolic link"))],
        Resolved::Inside(resolved) => inside(rules, &path, &resolved, access, None, around),
    }
}

fn outside_tool() -> Finding {
    floor("outside", "the file tools reach the workspace only; give a path relative to the workspace folder")
}

/// An absolute path below the workspace folder, as a relative one.
pub(super) fn below_folder<'a>(written: &'a str, around: &'a dyn Surroundings) -> &'a str {
    let folder = around.folder();
    if folder.is_empty() || folder == "/" {
        return written;
    }
    match written.strip_prefix(folder) {
        Some("") => ".",
        Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/'),
        _ => written,
    }
}

/// What the lists and rules say about a path inside the workspace, under its requested and its resolved name.
pub(super) fn inside(
    rules: &Rules,
    requested: &WsPath,
    resolved: &WsPath,
    access: Access,
    part: Option<&str>,
    around: &dyn Surroundings,
) -> Vec<Finding> {
    let names = [fold_path(requested.as_str()), fold_path(resolved.as_str())];
    let tracked = around.tracked(requested) && (requested == resolved || around.tracked(resolved));
    let by = rules.paths.class_by(&names, tracked);
    let listed = |layer: LayerKind, verdict: Verdict, rule: &str, reason: String| Finding {
        verdict,
        layer,
        rule: rule.to_owned(),
        reason,
        part: part.map(str::to_owned),
        steering: false,
        grantable: false,
    };
    let mut found = Vec::new();
    if let Some((_, layer)) = by.secret.filter(|_| access != Access::Look) {
        let reason =
            format!("{requested} bears the name of a secret; it is never read, changed or sent, and nothing else shows it");
        found.push(listed(layer, Verdict::Deny, "secret", reason));
    }
    let changes = matches!(access, Access::Write | Access::Delete);
    if let Some(layer) = by.never_write.filter(|_| changes) {
        let reason =
            format!("{requested} belongs to git's own folder or another place that is never written; use the git tool instead");
        found.push(listed(layer, Verdict::Deny, "never_write", reason));
    }
    if let Some(layer) = by.steering.filter(|_| changes) {
        let reason = format!("{requested} can later run code or steer a tool, so it is shown apart and accepted by itself only");
        found.push(Finding { steering: true, ..listed(layer, Verdict::Ask, "steering", reason) });
    }
    let mut ruled = by_rules(rules, access.kind(false), part, |rule| rule.means_path(&names));
    if part.is_some() {
        // The floor's word on git's folder is about the file tools; commands see a rebuilt copy.
        ruled.retain(|finding| finding.layer != LayerKind::Floor || finding.rule == "default");
    }
    found.extend(ruled);
    found
}

/// What rules and defaults say about an operand outside the workspace.
pub(super) fn outside(rules: &Rules, path: &str, access: Access, part: Option<&str>) -> Vec<Finding> {
    let mut found = Vec::new();
    if access != Access::Look && rules.paths.secret_outside(path) {
        found.push(Finding { part: part.map(str::to_owned), ..floor("secret", format!("{path} bears the name of a secret")) });
    }
    let kind = access.kind(true);
    let name = [fold_path(path.trim_start_matches('/'))];
    let mut ruled = by_rules(rules, kind, part, |rule| rule.means_path(&name));
    for finding in ruled.iter_mut().filter(|finding| finding.rule == "default" && finding.verdict != Verdict::Allow) {
        finding.reason = match access {
            Access::Look | Access::Read => format!("{path} lies outside the workspace; commands look at the workspace only"),
            Access::Write | Access::Delete => {
                format!("{path} lies outside the workspace; commands change files below the workspace folder or /tmp only")
            }
        };
    }
    found.extend(ruled);
    found
}

fn host_findings(rules: &Rules, kind: ActionKind, host: &str) -> Vec<Finding> {
    if !hosts::well_formed(host) {
        let reason = format!("\"{}\" is not an exact, lower-case name:port", host.escape_debug());
        return vec![floor("host", reason)];
    }
    let named = |rule: &Rule| rule.trusted && rule.verdict != Verdict::Deny && !rule.hosts.is_empty() && rule.means_host(host);
    if hosts::literal(host) && !rules.rules.iter().any(|rule| rule.action == kind && named(rule)) {
        let reason =
            format!("{host} is an address; hosts are reached by name, unless a rule of the user names this very address");
        return vec![floor("host", reason)];
    }
    by_rules(rules, kind, None, |rule| rule.means_host(host))
}

fn branch_findings(rules: &Rules, kind: ActionKind, branch: &str, push: Option<PushKind>) -> Vec<Finding> {
    if let Some(why) = bad_ref(branch) {
        let shown: String = branch.escape_debug().collect();
        return vec![floor("branch-name", format!("\"{shown}\" is not a branch name that can be used: {why}"))];
    }
    let protected = rules.settings.branches.is_protected(branch);
    let mut found = by_rules(rules, kind, None, |rule| rule.means_branch(branch, push));
    if kind == ActionKind::GitPush {
        if protected && matches!(push, Some(PushKind::Force | PushKind::Delete)) {
            let reason = format!("{branch} is protected: it is never overwritten or deleted from here");
            found.push(floor("protected", reason));
        }
        let organisation = |rule: &Rule| {
            rule.action == kind
                && rule.layer == LayerKind::Organisation
                && rule.verdict == Verdict::Allow
                && rule.means_branch(branch, push)
        };
        let plain_push = matches!(push, Some(PushKind::Ff | PushKind::New));
        if !protected && plain_push && rules.rules.iter().any(organisation) {
            found.retain(|finding| finding.rule != "push-asks" || finding.layer != LayerKind::Floor);
        }
    }
    found
}

/// Why git would not take the name, or a person could not read it. A full ref name is fine.
fn bad_ref(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > 255 {
        return Some("it is empty or too long");
    }
    if name.chars().any(|c| crate::path::hidden(c) || c.is_whitespace()) {
        return Some("it holds blanks or characters that cannot be shown");
    }
    if name.chars().any(|c| "~^:?*[\\".contains(c)) || name.contains("..") || name.contains("@{") || name == "@" {
        return Some("it holds signs with which git names other things");
    }
    let odd_part =
        |part: &str| part.is_empty() || part.starts_with(['.', '-', '+']) || part.ends_with(".lock") || part.ends_with('.');
    if name.split('/').any(odd_part) || fold_branch(name) == ".git" || name == "HEAD" {
        return Some("a part of it is empty, begins with a dot, dash or plus, or ends in a dot or .lock");
    }
    None
}

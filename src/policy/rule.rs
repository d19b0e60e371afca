//! One compiled rule and what it matches, apart from the text of commands (which `shell/` reads).

use super::{
    action::{ActionKind, PushKind},
    file::{RuleTable, Source, Words},
    globs::{PathList, branch_in, wild},
    hosts,
    verdict::{Finding, LayerKind, PolicyError, Verdict},
};

/// A rule, ready to match.
#[derive(Clone, Debug)]
pub struct Rule {
    pub id: String,
    pub layer: LayerKind,
    pub action: ActionKind,
    pub verdict: Verdict,
    /// Places of the command; each is a list of words of which any will do, `*` in a word stands for anything.
    pub argv: Vec<Vec<String>>,
    pub paths: Vec<String>,
    path_list: Option<PathList>,
    pub hosts: Vec<String>,
    /// Methods of plain HTTP besides GET and HEAD that connections to `hosts` may use.
    pub methods: Vec<String>,
    pub branch: Vec<String>,
    /// Options that void an allow rule, and that narrow a stricter one.
    pub refuse: Vec<String>,
    pub kinds: Vec<PushKind>,
    pub paths_outside: bool,
    pub grantable: Option<bool>,
    pub private: bool,
    pub reason: Option<String>,
    /// The rule may stand in place of the default: false for layers that only tighten.
    pub trusted: bool,
}

impl Rule {
    /// Compiles a rule of a file.
    ///
    /// # Errors
    /// What is wrong with it, with its line.
    pub fn compile(source: &Source, layer: LayerKind, table: RuleTable) -> Result<Rule, PolicyError> {
        let at = Some(table.id.span().start);
        let id = table.id.into_inner();
        let wrong = |why: String| source.error_at(at, format!("rule {id:?}: {why}"));
        let letters = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if id.is_empty() || id.len() > 64 || !id.chars().all(letters) {
            return Err(wrong("an id has 1 to 64 letters, digits, dots, dashes and underscores".to_owned()));
        }
        let action = table.action;
        let runs = matches!(action, ActionKind::Run | ActionKind::RunNet);
        let on_paths = action <= ActionKind::DeleteOutside;
        let on_branches =
            matches!(action, ActionKind::GitCommit | ActionKind::GitBranch | ActionKind::GitPush | ActionKind::GitPr);
        let on_hosts = matches!(action, ActionKind::Net | ActionKind::Fetch | ActionKind::RunNet);
        let names = matches!(action, ActionKind::Mcp | ActionKind::Ticket);
        let misplaced = [
            ("argv", table.argv.is_some() && !runs && !names),
            ("paths", table.paths.is_some() && !on_paths),
            ("hosts", table.hosts.is_some() && !on_hosts),
            ("branch", table.branch.is_some() && !on_branches),
            ("kind", !table.kind.is_empty() && action != ActionKind::GitPush),
            ("refuse", !table.refuse.is_empty() && !runs),
            ("paths_outside", table.paths_outside && !runs),
            ("methods", !table.methods.is_empty() && action != ActionKind::Net),
        ];
        if let Some((key, _)) = misplaced.iter().find(|(_, misplaced)| *misplaced) {
            return Err(wrong(format!("`{key}` means nothing for the action {action}")));
        }
        if table.grantable == Some(true) && table.verdict != Verdict::Ask {
            return Err(wrong(format!("`grantable` means nothing for the verdict {}", table.verdict)));
        }
        if table.grantable == Some(true) && !remembered(action) {
            return Err(wrong(format!("`grantable` means nothing for the action {action}, which is asked about each time")));
        }
        let argv: Vec<Vec<String>> = table.argv.unwrap_or_default().into_iter().map(Words::into_vec).collect();
        if argv.iter().any(|place| place.is_empty() || place.iter().any(String::is_empty)) {
            return Err(wrong("`argv` holds an empty place; it would never match".to_owned()));
        }
        for (key, list) in [("hosts", &table.hosts), ("branch", &table.branch)] {
            if list.as_ref().is_some_and(Vec::is_empty) {
                return Err(wrong(format!("`{key}` is empty; the rule would never match")));
            }
        }
        if let Some(host) = table.hosts.iter().flatten().find(|host| !hosts::well_formed(host)) {
            return Err(wrong(format!("the host {host:?} must be an exact, lower-case name:port")));
        }
        let opens = table.verdict != Verdict::Deny && table.hosts.is_some() && layer != LayerKind::Workspace;
        if !table.methods.is_empty() && !opens {
            return Err(wrong(
                "`methods` opens more of `hosts`: it needs them, a verdict other than deny, and no workspace".to_owned(),
            ));
        }
        let word =
            |method: &&String| method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) || *method == "CONNECT";
        if let Some(method) = table.methods.iter().find(word) {
            return Err(wrong(format!("{method:?} is no method of HTTP in upper case, such as POST")));
        }
        let (paths, path_list) = match table.paths {
            Some(patterns) => {
                let at = Some(patterns.span().start);
                let patterns = patterns.into_inner();
                let list = PathList::compile(&patterns).map_err(|why| source.error_at(at, format!("rule {id:?}: {why}")))?;
                (patterns, Some(list))
            }
            None => (Vec::new(), None),
        };
        Ok(Rule {
            layer,
            action,
            verdict: table.verdict,
            argv,
            paths,
            path_list,
            hosts: table.hosts.unwrap_or_default(),
            methods: table.methods,
            branch: table.branch.unwrap_or_default(),
            refuse: table.refuse,
            kinds: table.kind,
            paths_outside: table.paths_outside,
            grantable: table.grantable,
            private: table.private,
            reason: table.reason,
            trusted: layer != LayerKind::Workspace,
            id,
        })
    }

    /// Whether one of a path's folded names is meant; a rule without paths means every path.
    pub fn means_path(&self, folded: &[String]) -> bool {
        self.path_list.as_ref().is_none_or(|list| folded.iter().any(|name| list.has(name)))
    }

    /// Whether the host is meant; a rule without hosts means every host.
    pub fn means_host(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|one| one == host)
    }

    /// Whether the branch and the kind of push are meant.
    pub fn means_branch(&self, branch: &str, kind: Option<PushKind>) -> bool {
        let branch_fits = self.branch.is_empty() || branch_in(&self.branch, branch);
        branch_fits && (self.kinds.is_empty() || kind.is_some_and(|kind| self.kinds.contains(&kind)))
    }

    /// Whether a tool or ticket of this name is meant.
    pub fn means_name(&self, name: &str) -> bool {
        self.argv.first().is_none_or(|place| place.iter().any(|pattern| wild(pattern, name)))
    }

    /// What the rule says about an action, for a decision.
    pub fn finding(&self, part: Option<&str>) -> Finding {
        let quoted = |reason: &String| match self.layer {
            // Text of a repository: never in our own voice.
            LayerKind::Workspace => format!("the workspace's policy says {reason:?}"),
            _ => reason.clone(),
        };
        let reason = self.reason.as_ref().map(quoted).unwrap_or_else(|| match self.verdict {
            Verdict::Allow => format!("the rule {:?} allows it", self.id),
            Verdict::Ask => format!("the rule {:?} wants a person's answer first", self.id),
            Verdict::Deny => format!("the rule {:?} forbids it; there is no other way to do the same", self.id),
        });
        let by_default = matches!(self.layer, LayerKind::User | LayerKind::Workspace) && remembered(self.action);
        Finding {
            verdict: self.verdict,
            layer: self.layer,
            rule: self.id.clone(),
            reason,
            part: part.map(str::to_owned),
            steering: false,
            grantable: self.verdict == Verdict::Ask && self.grantable.unwrap_or(by_default),
        }
    }
}

/// Whether a yes to such an action can stand for the next one: what leaves the machine is asked about each time.
fn remembered(action: ActionKind) -> bool {
    !matches!(action, ActionKind::RunNet | ActionKind::Net | ActionKind::GitPush | ActionKind::GitPr)
}

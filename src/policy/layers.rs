//! Layers into one effective policy: who may loosen, who may only tighten, and the examples that every rule must pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    DEFAULT, FLOOR, READ_ONLY,
    action::{Action, ActionKind},
    decide,
    file::{File, Source},
    globs::fold_path,
    hosts,
    level::Level,
    lint,
    paths::{LayerPaths, PathClass, PathLists},
    render,
    rule::Rule,
    settings::{Approval, Branches, Budget, Merge, RunSettings, Settings},
    surroundings::Surroundings,
    verdict::{Decision, Finding, LayerKind, LayerText, PolicyError, Verdict},
};
use crate::path::WsPath;

/// The effective policy: immutable, cheap to clone.
#[derive(Clone, Debug)]
pub struct Policy {
    inner: Arc<Inner>,
    level: Option<Level>,
}

#[derive(Debug)]
struct Inner {
    rules: Rules,
    notes: Vec<String>,
    prompt: String,
    sha: String,
}

/// The merged rules, as `decide` and `render` read them.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub name: Option<String>,
    pub rules: Vec<Rule>,
    pub defaults: BTreeMap<ActionKind, (Verdict, LayerKind)>,
    pub paths: PathLists,
    pub settings: Settings,
    /// Actions about which only the organisation may loosen.
    pub sealed: BTreeSet<ActionKind>,
}

impl Policy {
    /// Makes the effective policy. The floor is always added, and without a user layer the built-in default serves. The order
    /// of the layers does not matter.
    ///
    /// # Errors
    /// The first thing that is wrong in any layer, with its file and line: the whole load fails then, and
    /// [`Policy::read_only`] is what should serve.
    pub fn load(layers: &[LayerText]) -> Result<Policy, PolicyError> {
        let mut texts: Vec<(LayerKind, &str, &str)> = vec![(LayerKind::Floor, "floor", FLOOR)];
        texts.extend(layers.iter().map(|layer| (layer.kind, layer.name.as_str(), layer.text)));
        if !layers.iter().any(|layer| layer.kind == LayerKind::User) {
            texts.push((LayerKind::User, "default.toml (built in)", DEFAULT));
        }
        texts.sort();
        let mut files = Vec::new();
        for (kind, name, text) in texts {
            let source = Source { name, text };
            files.push((kind, source, source.parse()?));
        }
        assemble(files)
    }

    /// What serves after a broken file: looking only.
    pub fn read_only() -> Policy {
        let user = LayerText { kind: LayerKind::User, name: "readonly.toml (built in)".to_owned(), text: READ_ONLY };
        Policy::load(&[user]).unwrap_or_else(|error| Policy::nothing(&error))
    }

    /// Even the built-in file is broken, which a test rules out: nothing is allowed then.
    fn nothing(error: &PolicyError) -> Policy {
        let defaults = ActionKind::ALL.into_iter().map(|kind| (kind, (Verdict::Deny, LayerKind::Floor))).collect();
        let rules = Rules {
            name: None,
            rules: Vec::new(),
            defaults,
            paths: PathLists::default(),
            settings: Settings::fallback(),
            sealed: BTreeSet::new(),
        };
        finish(rules, vec![error.to_string()])
    }

    /// The same policy for commands behind walls of this level. Without it every command is denied, because the verdict on a
    /// command depends on the walls.
    pub fn behind(&self, level: Level) -> Policy {
        Policy { inner: Arc::clone(&self.inner), level: Some(level) }
    }

    /// The same policy, text and digest too, where these hosts are now known to be meant by the names in `[run] registries`.
    /// Addresses are not taken over: only a rule can name one.
    #[must_use]
    pub fn knowing_registries(&self, found: &[String]) -> Policy {
        let mut rules = self.inner.rules.clone();
        let listed = &mut rules.settings.run.registries;
        listed.extend(found.iter().filter(|host| hosts::well_formed(host) && !hosts::literal(host)).cloned());
        listed.sort();
        listed.dedup();
        let Inner { notes, prompt, sha, .. } = &*self.inner;
        let inner = Inner { rules, notes: notes.clone(), prompt: prompt.clone(), sha: sha.clone() };
        Policy { inner: Arc::new(inner), level: self.level }
    }

    /// What was ignored while loading (a workspace that tries to loosen) and what looks careless; one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.inner.notes
    }

    /// The verdict on an action, and why.
    pub fn decide(&self, action: &Action, around: &dyn Surroundings) -> Decision {
        let findings = self.findings(action, around);
        Decision::strictest(&findings).unwrap_or_else(|| Decision {
            verdict: Verdict::Deny,
            rule: "default".to_owned(),
            layer: LayerKind::Floor.to_string(),
            reason: "nothing in the policy speaks about it".to_owned(),
            part: None,
            steering: false,
            grantable: false,
        })
    }

    /// Everything that applies to the action, the strictest first, each thing once.
    pub(super) fn findings(&self, action: &Action, around: &dyn Surroundings) -> Vec<Finding> {
        let mut findings = decide::findings(&self.inner.rules, self.level, action, around);
        findings.sort_by(|a, b| b.verdict.cmp(&a.verdict).then_with(|| a.cmp(b)));
        findings.dedup();
        findings
    }

    /// The effective rules as canonical TOML, byte for byte as they stand in the system prompt.
    pub fn prompt_text(&self) -> &str {
        &self.inner.prompt
    }

    /// SHA-256 of [`Policy::prompt_text`], lower-case hex.
    pub fn sha(&self) -> &str {
        &self.inner.sha
    }

    pub fn budget(&self) -> &Budget {
        &self.inner.rules.settings.budget
    }

    pub fn run(&self) -> &RunSettings {
        &self.inner.rules.settings.run
    }

    pub fn approval(&self) -> &Approval {
        &self.inner.rules.settings.approval
    }

    /// The tools that are switched on; `None` when no layer says.
    pub fn tools(&self) -> Option<&[String]> {
        self.inner.rules.settings.tools.as_deref()
    }

    pub fn branches(&self) -> &Branches {
        &self.inner.rules.settings.branches
    }

    /// The globs of all layers that name secret files, exceptions not applied: for whoever can only leave files out.
    pub fn secret_patterns(&self) -> Vec<String> {
        self.inner.rules.paths.secret_patterns()
    }

    /// What the path lists say about a path as it stands; the caller asks for the resolved name as well where that differs.
    pub fn path_class(&self, path: &WsPath, tracked: bool) -> PathClass {
        let by = self.inner.rules.paths.class_by(&[fold_path(path.as_str())], tracked);
        PathClass {
            secret: by.secret.map(|(secret, _)| secret),
            steering: by.steering.is_some(),
            never_write: by.never_write.is_some(),
        }
    }

    /// The merged rules; for `policy check`.
    pub(super) fn rules(&self) -> &Rules {
        &self.inner.rules
    }
}

fn assemble(files: Vec<(LayerKind, Source, File)>) -> Result<Policy, PolicyError> {
    let mut rules = Rules {
        name: None,
        rules: Vec::new(),
        defaults: BTreeMap::new(),
        paths: PathLists::default(),
        settings: Settings::fallback(),
        sealed: BTreeSet::new(),
    };
    let mut notes = Vec::new();
    for (kind, _, file) in &files {
        if *kind == LayerKind::Organisation {
            rules.sealed.extend(&file.seal);
        }
    }
    let mut merge = Merge::new(rules.sealed.contains(&ActionKind::Net));
    for (kind, source, file) in files {
        if kind == LayerKind::User {
            rules.name.clone_from(&file.name);
        }
        if !file.seal.is_empty() && kind != LayerKind::Organisation {
            notes.push(format!("{}: seal is ignored: only the organisation's policy can seal actions", source.name));
        }
        if kind != LayerKind::Floor {
            merge.add(kind, &source, &file)?;
        }
        merge_defaults(&mut rules, &mut notes, kind, source.name, &file);
        if kind == LayerKind::Workspace && file.paths.secret_except.is_some() {
            notes.push(format!("{}: paths.secret_except is ignored: a workspace can only tighten the policy", source.name));
        }
        rules.paths.layers.push(LayerPaths::compile(&source, kind, file.paths)?);
        let mut ids = BTreeSet::new();
        for table in file.rule {
            if !ids.insert(table.id.get_ref().clone()) {
                let message = format!("there are two rules with the id {:?}", table.id.get_ref());
                return Err(source.error_at(Some(table.id.span().start), message));
            }
            let (yes, no) = (table.matches.clone(), table.not_match.clone());
            let mut rule = Rule::compile(&source, kind, table)?;
            for (example, expected) in yes.iter().map(|one| (one, true)).chain(no.iter().map(|one| (one, false))) {
                if lint::matches_example(&rule, example.get_ref())
                    .map_err(|why| source.error_at(Some(example.span().start), why))?
                    != expected
                {
                    let does = if expected { "does not match its example" } else { "matches what it must not match:" };
                    let message = format!("rule {:?} {does} {:?}", rule.id, example.get_ref());
                    return Err(source.error_at(Some(example.span().start), message));
                }
            }
            if let Some(why) = why_ignored(&rules, &rule) {
                notes.push(format!("{}: rule {:?} is ignored: {why}", source.name, rule.id));
                continue;
            }
            if kind == LayerKind::Workspace && rule.grantable == Some(true) {
                rule.grantable = Some(false);
                notes.push(format!("{}: rule {:?}: grantable is ignored: a workspace can only tighten", source.name, rule.id));
            }
            rule.trusted &= !(kind == LayerKind::User && rules.sealed.contains(&rule.action));
            notes.extend(lint::careless(&rule).map(|why| format!("{}: rule {:?} {why}", source.name, rule.id)));
            rules.rules.push(rule);
        }
    }
    let (settings, ignored) = merge.finish();
    rules.settings = settings;
    notes.extend(ignored);
    rules.rules.sort_by(|a, b| (a.action, a.layer, &a.id).cmp(&(b.action, b.layer, &b.id)));
    notes.sort();
    Ok(finish(rules, notes))
}

fn finish(rules: Rules, notes: Vec<String>) -> Policy {
    let prompt = render::canonical(&rules);
    let sha = render::sha256_hex(&prompt);
    Policy { inner: Arc::new(Inner { rules, notes, prompt, sha }), level: None }
}

/// The strictest default wins; a layer that may only tighten cannot bring one that is looser than what stands without it.
fn merge_defaults(rules: &mut Rules, notes: &mut Vec<String>, kind: LayerKind, name: &str, file: &File) {
    for (&action, &verdict) in &file.default {
        let only_tighten = kind == LayerKind::Workspace || (kind == LayerKind::User && rules.sealed.contains(&action));
        let stands = rules.defaults.get(&action).copied();
        let least = match stands {
            Some((before, _)) => before,
            None if only_tighten => fallback(action),
            None => Verdict::Allow,
        };
        if verdict >= least {
            if stands.is_none_or(|(before, _)| verdict > before) {
                rules.defaults.insert(action, (verdict, kind));
            }
        } else if only_tighten {
            notes.push(format!("{name}: default {action} = {verdict} is ignored: it would loosen the policy"));
        }
    }
}

/// What serves where no layer has a default: a question, and a no for what nobody is asked about.
pub(super) fn fallback(action: ActionKind) -> Verdict {
    match action {
        ActionKind::ReadOutside | ActionKind::WriteOutside | ActionKind::DeleteOutside | ActionKind::Net => Verdict::Deny,
        _ => Verdict::Ask,
    }
}

fn why_ignored(rules: &Rules, rule: &Rule) -> Option<&'static str> {
    match (rule.verdict, rule.layer) {
        (Verdict::Allow, LayerKind::Workspace) => Some("a workspace can only tighten the policy, never allow"),
        (Verdict::Allow, LayerKind::User) if rules.sealed.contains(&rule.action) => {
            Some("the organisation's policy seals this action")
        }
        (Verdict::Allow, LayerKind::User) if matches!(rule.action, ActionKind::GitPush | ActionKind::GitPr) => {
            Some("a push or pull request always asks; only an organisation can allow it")
        }
        _ => None,
    }
}

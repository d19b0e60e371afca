//! The verdict on a command line: every command in it at any depth, and every file that it names.
//!
//! A text is read exactly and deeply (see `shell`). The exact reading decides; the deep ones may only make it stricter. Doubts
//! never deny: they keep an allow rule from counting, so that the default decides.

use std::collections::BTreeSet;

use super::{
    action::ActionKind,
    decide::{Access, by_rules, default_finding, floor, inside, outside},
    folders::{Folder, Folders, Place, places},
    layers::Rules,
    level::Level,
    rule::Rule,
    shell::{
        self, Part, Redirect, Word, git, loose,
        operands::{self, Touch},
        options, plain, tree, unwrap,
    },
    surroundings::Surroundings,
    verdict::{Finding, LayerKind, Verdict},
};
use crate::path::{WsPath, hidden};

/// Texts inside texts beyond this depth are denied.
const MAX_DEPTH: usize = 8;
/// Commands looked at in all, wrappers and aliases included: a bound for hostile texts.
const MAX_WORK: usize = 4000;

/// Everything that speaks about a command. `hosts` is what it may reach, `None` without network.
pub(super) fn findings(
    rules: &Rules,
    level: Option<Level>,
    command: &str,
    cwd: &WsPath,
    hosts: Option<&[String]>,
    around: &dyn Surroundings,
) -> Vec<Finding> {
    if let Some(denied) = unreadable(rules, command) {
        return vec![denied];
    }
    let kind = if hosts.is_some() { ActionKind::RunNet } else { ActionKind::Run };
    let mut judge =
        Judge { rules, around, found: Vec::new(), work: 0, commands: 0, read: BTreeSet::new(), judged: BTreeSet::new() };
    let mut folders = Folders::at(cwd);
    judge.text(command, &mut folders, Mode::Decide, 0);
    if judge.commands > rules.settings.run.max_commands {
        let most = rules.settings.run.max_commands;
        judge.found.push(floor("max_commands", format!("it holds more than {most} commands; split it into several calls")));
    }
    let mut found = judge.found;
    found.extend(walls(rules, level));
    if let Some(hosts) = hosts {
        // What is denied without network stays denied, and rules that ask still do; the questions of defaults are part of
        // the one about the network.
        let asks = |finding: &Finding| finding.verdict == Verdict::Ask && finding.rule != "default";
        found.retain(|finding| finding.verdict == Verdict::Deny || asks(finding));
        found.extend(by_rules(rules, kind, None, |rule| net_rule_means(rule, command, hosts)));
        found.extend(level.filter(|level| *level < Level::L3).map(|level| {
            let reason = format!(
                "a command reaches the network behind walls of level L3 only, and this machine has {level}; run it without \
                 network, or leave it to the user"
            );
            floor("network", reason)
        }));
    }
    found
}

/// Rules for commands with network: an allow rule must name the whole command and every host.
fn net_rule_means(rule: &Rule, command: &str, hosts: &[String]) -> bool {
    let named = |host: &String| rule.means_host(host);
    if rule.verdict == Verdict::Allow {
        let parts = plain::parse(command).unwrap_or_default();
        let fits = |part: &Part| {
            part.assignments.is_empty()
                && options::allowed_by(&rule.argv, &part.words)
                && options::refused(&rule.refuse, &part.words).is_none()
        };
        let argv_fits = rule.argv.is_empty() || (!parts.is_empty() && parts.iter().all(fits));
        return argv_fits && hosts.iter().all(named);
    }
    let means = |part: &Part| options::meant_by(&rule.argv, &part.words);
    let argv_fits = rule.argv.is_empty() || tree::read(command).parts.iter().any(means) || loose::read(command).iter().any(means);
    argv_fits && (rule.hosts.is_empty() || hosts.iter().any(named))
}

/// Texts that nobody can judge by looking at them.
fn unreadable(rules: &Rules, command: &str) -> Option<Finding> {
    let most = rules.settings.run.max_bytes;
    if command.len() > most {
        let reason = format!("the text has {} bytes, more than the {most} that a person can check; split it", command.len());
        return Some(floor("max_bytes", reason));
    }
    let odd = |c: char| (hidden(c) && !matches!(c, '\n' | '\t')) || (c.is_whitespace() && !c.is_ascii());
    let c = command.chars().find(|c| odd(*c))?;
    let reason = format!("the text holds a character that cannot be shown (U+{:04X}); write it without", u32::from(c));
    Some(floor("hidden-characters", reason))
}

fn walls(rules: &Rules, level: Option<Level>) -> Option<Finding> {
    let run = &rules.settings.run;
    let Some(level) = level else {
        return Some(floor("min_level", "it is not known how strong the walls are here, so no command runs"));
    };
    if level < run.min_level || level == Level::L0 {
        let need = run.min_level;
        let reason = format!(
            "the policy wants walls of level {need} and this machine has {level}; `countersign doctor` tells how to raise it"
        );
        return Some(floor("min_level", reason));
    }
    (level < run.ask_below).then(|| Finding {
        verdict: Verdict::Ask,
        layer: LayerKind::User,
        rule: "ask_below".to_owned(),
        reason: format!("the walls here are of level {level} only, so a person answers once for each program"),
        part: None,
        steering: false,
        grantable: true,
    })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    /// Rules of every verdict and the default count.
    Decide,
    /// Only what makes it stricter counts.
    Raise,
}

struct Judge<'a> {
    rules: &'a Rules,
    around: &'a dyn Surroundings,
    found: Vec<Finding>,
    work: usize,
    /// Simple commands in the text, at every depth.
    commands: usize,
    /// Texts that were read, with the folders they would run in.
    read: BTreeSet<(Mode, String, Vec<Folder>)>,
    judged: BTreeSet<(Touch, String, Vec<Folder>)>,
}

impl Judge<'_> {
    fn text(&mut self, text: &str, folders: &mut Folders, mode: Mode, depth: usize) {
        if depth > MAX_DEPTH {
            self.found.push(floor("max_commands", "commands inside commands go too deep to be judged; write it plainly"));
            return;
        }
        // Both deep readings find the same texts inside; each is read once.
        if !self.read.insert((mode, text.to_owned(), folders.current().to_vec())) {
            return;
        }
        let deep_folders = folders.clone();
        if mode == Mode::Decide {
            match plain::parse(text) {
                Ok(parts) => parts.iter().for_each(|part| self.part(part, folders, mode, depth)),
                Err(why) => self.default(&[Word::literal(text)], Some(why.0)),
            }
        }
        // A backslash joins lines, but not in a comment: both readings count.
        let joined = shell::word::join_lines(text);
        let before = self.commands;
        self.deep(text, &deep_folders, depth);
        if joined != text {
            let first = std::mem::replace(&mut self.commands, before);
            self.deep(&joined, &deep_folders, depth);
            self.commands = self.commands.max(first);
        }
    }

    fn deep(&mut self, text: &str, folders: &Folders, depth: usize) {
        let (tree, loose) = (tree::read(text), loose::read(text));
        if tree.tangled {
            self.found
                .push(floor("max_commands", "its structure is too tangled to be judged; write it plainly, in several calls"));
        }
        self.commands += tree.commands().max(loose.len());
        if self.commands > self.rules.settings.run.max_commands {
            return;
        }
        for parts in [&tree.parts, &loose] {
            let mut folders = folders.clone();
            parts.iter().for_each(|part| self.part(part, &mut folders, Mode::Raise, depth));
        }
    }

    fn part(&mut self, part: &Part, folders: &mut Folders, mode: Mode, depth: usize) {
        folders.reach(part.join);
        let shown = part.shown();
        for Redirect { write, target } in &part.redirects {
            let touch = if *write { Touch::Write } else { Touch::Read };
            self.operand(touch, target, folders, &shown);
        }
        let mut doubt = None;
        self.assignments(&part.assignments, &mut doubt);
        if part.words.is_empty() {
            if mode == Mode::Decide && !part.assignments.is_empty() {
                self.default(&[Word::literal("an assignment")], doubt.as_deref());
            }
            return;
        }
        self.command(&part.words, doubt, folders, mode, depth);
        if let Some(stdin) = part.stdin.as_ref().filter(|_| reads_script(&part.words)) {
            self.text(stdin, &mut folders.clone(), Mode::Raise, depth + 1);
        }
        folders.follow(part, self.around);
    }

    fn assignments(&self, assignments: &[(String, String)], doubt: &mut Option<String>) {
        let unlisted = assignments.iter().find(|(name, _)| !self.rules.settings.run.env_allow.contains(name));
        if let Some((name, _)) = unlisted {
            *doubt = Some(format!("it sets the variable {name}, which is not listed in env_allow"));
        }
    }

    fn default(&mut self, words: &[Word], doubt: Option<&str>) {
        self.found.push(default_finding(self.rules, ActionKind::Run, Some(&shell::shown(words)), doubt));
    }

    fn command(&mut self, words: &[Word], mut doubt: Option<String>, folders: &mut Folders, mode: Mode, depth: usize) {
        self.work += 1;
        if self.work > MAX_WORK || depth > MAX_DEPTH {
            self.found.push(floor("max_commands", "it holds more commands inside commands than can be judged; write it plainly"));
            return;
        }
        let Some(program) = words.first() else { return };
        let shown = shell::shown(words);
        if shell::base_name(&program.text) == "git" {
            let call = git::parse(words);
            self.git_alias(&call, folders, depth);
            doubt = doubt.or(call.doubt);
        }
        for operand in operands::of(words) {
            self.operand(operand.touch, &operand.word, folders, &shown);
        }
        let inner = unwrap::inner(words);
        let transparent = inner.as_ref().is_some_and(|inner| inner.transparent);
        let mut ruled = self.by_rules(words, doubt.as_deref(), inner.is_some(), folders, mode);
        if mode == Mode::Decide && !ruled && !transparent {
            let doubt = inner.as_ref().and_then(|inner| inner.doubt.clone()).or(doubt.clone());
            self.default(words, doubt.as_deref());
            ruled = true;
        }
        let Some(inner) = inner else { return };
        // A transparent program's own rules can only be stricter; what it runs decides.
        let inner_mode = if transparent && mode == Mode::Decide { Mode::Decide } else { Mode::Raise };
        self.assignments(&inner.assignments, &mut doubt);
        let inner_doubt = inner.doubt.clone().or(doubt);
        if inner_mode == Mode::Decide
            && !ruled
            && let Some(why) = &inner_doubt
        {
            self.default(words, Some(why));
        }
        for command in &inner.commands {
            self.command(command, inner_doubt.clone(), folders, inner_mode, depth + 1);
        }
        for script in &inner.scripts {
            self.text(script, &mut folders.clone(), inner_mode, depth + 1);
        }
    }

    /// Adds what the rules say; answers whether one of them stands in place of the default.
    fn by_rules(&mut self, words: &[Word], doubt: Option<&str>, runs_others: bool, folders: &Folders, mode: Mode) -> bool {
        let mut ruled = false;
        let part = shell::shown(words);
        for rule in self.rules.rules.iter().filter(|rule| rule.action == ActionKind::Run) {
            let means = match rule.verdict {
                Verdict::Allow => {
                    let stands = mode == Mode::Decide && doubt.is_none() && !runs_others;
                    stands && allows(rule, words) && (!rule.paths_outside || self.leaves(words, folders))
                }
                _ => raises(rule, words) && (!rule.paths_outside || self.leaves(words, folders)),
            };
            if means {
                self.found.push(rule.finding(Some(&part)));
                ruled |= rule.trusted;
            }
        }
        ruled
    }

    /// Whether an operand leads out of the workspace.
    fn leaves(&self, words: &[Word], folders: &Folders) -> bool {
        words
            .iter()
            .skip(1)
            .filter(|word| !word.is_option())
            .any(|word| places(word, folders, self.around).iter().any(|place| matches!(place, Place::Outside(_))))
    }

    fn git_alias(&mut self, call: &git::GitCall, folders: &mut Folders, depth: usize) {
        let Some((verb, rest)) = call.words.split_first() else { return };
        let own = call.aliases.iter().rev().find(|(name, _)| *name == verb.text).map(|(_, text)| text.clone());
        let Some(alias) = own.or_else(|| self.around.git_alias(&verb.text)) else { return };
        match git::expand(&alias, rest) {
            git::Expansion::Words(words) => self.command(&words, None, folders, Mode::Raise, depth + 1),
            git::Expansion::Script(text) => self.text(&text, &mut folders.clone(), Mode::Raise, depth + 1),
        }
    }

    fn operand(&mut self, touch: Touch, word: &Word, folders: &Folders, part: &str) {
        let access = match touch {
            Touch::Look => Access::Look,
            Touch::Read | Touch::Perhaps => Access::Read,
            Touch::Write => Access::Write,
            Touch::Delete => Access::Delete,
        };
        // All readings name the same operands; each is judged once.
        if !self.judged.insert((touch, word.text.clone(), folders.current().to_vec())) {
            return;
        }
        for place in places(word, folders, self.around) {
            let mut found = match place {
                Place::Inside { requested, resolved } => {
                    let mut found = inside(self.rules, &requested, &resolved, access, Some(part), self.around);
                    if matches!(access, Access::Write | Access::Delete) {
                        // What a command changes is judged again when it is staged; only a denial is worth a word before.
                        found.retain(|finding| finding.verdict == Verdict::Deny);
                    }
                    found
                }
                Place::Outside(path) => outside(self.rules, &path, access, Some(part)),
                Place::Harmless => continue,
            };
            if touch == Touch::Perhaps {
                found.retain(|finding| finding.rule == "secret");
            }
            found.retain(|finding| finding.verdict != Verdict::Allow);
            self.found.extend(found);
        }
    }
}

/// Whether an allow rule names this command, and none of its refused options is there.
fn allows(rule: &Rule, words: &[Word]) -> bool {
    let means = if words.first().is_some_and(|word| shell::base_name(&word.text) == "git") {
        let mut plain = words.first().cloned().into_iter().collect::<Vec<_>>();
        plain.extend(git::parse(words).words);
        options::allowed_by(&rule.argv, &plain)
    } else {
        options::allowed_by(&rule.argv, words)
    };
    means && options::refused(&rule.refuse, words).is_none()
}

/// Whether a stricter rule speaks about this command.
fn raises(rule: &Rule, words: &[Word]) -> bool {
    let means = if words.first().is_some_and(|word| shell::base_name(&word.text) == "git") {
        let mut plain = vec![Word::literal("git")];
        plain.extend(git::parse(words).words);
        options::meant_by(&rule.argv, &plain)
    } else {
        options::meant_by(&rule.argv, words)
    };
    means && options::refused(&rule.refuse, words).is_none()
}

/// Whether the command is a shell that reads its script from the input.
fn reads_script(words: &[Word]) -> bool {
    let Some((program, args)) = words.split_first() else { return false };
    shell::is_shell(shell::base_name(&program.text)) && args.iter().all(|word| word.text.starts_with('-'))
}

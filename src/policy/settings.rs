//! The numbers and lists of a policy that are not rules: limits of commands, budgets, branches, questions.

use std::time::Duration;

use super::{
    file::{File, Source},
    hosts,
    level::Level,
    verdict::{LayerKind, PolicyError},
};

/// Package managers that `[run] registries` may name: their hosts are read from their own configuration when a command asks.
pub const REGISTRIES: [&str; 4] = ["cargo", "go", "npm", "pip"];

/// `[run]`: what commands get and how far they may go.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSettings {
    /// Behind weaker walls no command runs.
    pub min_level: Level,
    /// Behind weaker walls every command that would be allowed is asked about.
    pub ask_below: Level,
    /// Variables of the server's environment that commands get, and that a command's text may set without a doubt.
    pub env_allow: Vec<String>,
    /// Seconds a command gets when it does not ask for another time.
    pub timeout_s: u64,
    /// Most seconds that it may ask for.
    pub max_timeout_s: u64,
    /// Seconds of processor time that a command gets, all of its processes together; 0 is no limit of ours.
    pub cpu_s: u64,
    /// Most commands in one text, counted at every depth.
    pub max_commands: usize,
    /// Most bytes of one text.
    pub max_bytes: usize,
    /// MiB; 0 is no limit of ours. The same for the next four.
    pub memory_mb: u64,
    pub processes: u64,
    pub file_mb: u64,
    pub tmp_mb: u64,
    /// What commands of one task may leave in its shadow.
    pub shadow_mb: u64,
    /// What the command that fetches packages may name: of [`REGISTRIES`], and `host:port` besides. No further word of the
    /// policy is needed for these hosts than the one about `run.net`.
    pub registries: Vec<String>,
    /// Folders below the home that commands may read besides the toolchains.
    pub home_read: Vec<String>,
}

/// `[budget]`: what one task may use up.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    pub iterations: u32,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost_usd: f64,
    pub commands: u32,
    pub wall_seconds: u64,
    /// More questions than this end the task: a person who is asked too often stops reading.
    pub asks: u32,
}

/// `[approval]`: bounds of what the user's configuration says about questions. 0 is no bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    /// A question stays open for so many seconds at most.
    pub timeout_s: u64,
    /// An approval faster than so many seconds is asked again.
    pub min_seconds: f64,
}

impl Approval {
    /// How long a question may stay open.
    pub fn timeout(&self) -> Duration {
        if self.timeout_s == 0 { Duration::MAX } else { Duration::from_secs(self.timeout_s) }
    }

    /// The least time in which a person can have read a question.
    pub fn reading(&self) -> Duration {
        Duration::try_from_secs_f64(self.min_seconds).unwrap_or_default()
    }
}

/// `[branches]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Branches {
    /// A push there is asked about every time; force and delete are denied. `*` stands for anything.
    pub protected: Vec<String>,
    /// Branches that are the agent's own, as a pattern such as `agent/*`.
    pub agent: String,
}

impl Branches {
    /// Whether the name, or a look-alike of it, is protected.
    pub fn is_protected(&self, branch: &str) -> bool {
        super::globs::branch_in(&self.protected, branch)
    }
}

/// All of them, merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub run: RunSettings,
    pub budget: Budget,
    pub approval: Approval,
    pub branches: Branches,
    pub tools: Option<Vec<String>>,
}

impl Settings {
    /// What serves where no layer says anything.
    pub fn fallback() -> Settings {
        Settings {
            run: RunSettings {
                min_level: Level::L1,
                ask_below: Level::L2,
                env_allow: Vec::new(),
                timeout_s: 120,
                max_timeout_s: 600,
                cpu_s: 3600,
                max_commands: 64,
                max_bytes: 16_384,
                memory_mb: 4096,
                processes: 512,
                file_mb: 1024,
                tmp_mb: 1024,
                shadow_mb: 16_384,
                registries: Vec::new(),
                home_read: Vec::new(),
            },
            budget: Budget {
                iterations: 20,
                input_tokens: 4_000_000,
                output_tokens: 200_000,
                cost_usd: 5.0,
                commands: 120,
                wall_seconds: 3600,
                asks: 12,
            },
            approval: Approval { timeout_s: 0, min_seconds: 0.0 },
            branches: Branches { protected: Vec::new(), agent: "agent/*".to_owned() },
            tools: None,
        }
    }
}

/// Merges the layers' settings one after the other, the most trusted first. The first layer that names a value sets it;
/// later ones only tighten it.
#[derive(Debug)]
pub struct Merge {
    settings: Settings,
    set: std::collections::BTreeSet<&'static str>,
    notes: Vec<String>,
    /// The organisation seals the action `net`.
    net_sealed: bool,
}

impl Merge {
    pub fn new(net_sealed: bool) -> Merge {
        Merge { settings: Settings::fallback(), set: std::collections::BTreeSet::new(), notes: Vec::new(), net_sealed }
    }

    /// The merged settings and a sentence for everything that was ignored.
    pub fn finish(self) -> (Settings, Vec<String>) {
        (self.settings, self.notes)
    }

    /// Adds a layer.
    ///
    /// # Errors
    /// A number that makes no sense.
    pub fn add(&mut self, kind: LayerKind, source: &Source, file: &File) -> Result<(), PolicyError> {
        check_numbers(source, file)?;
        let tighten = kind == LayerKind::Workspace;
        let net_sealed = self.net_sealed;
        let set = &mut self.set;
        let mut least = Pick { set, tighten, source: source.name, notes: &mut self.notes };
        let (run, table) = (&mut self.settings.run, &file.run);
        least.at_most("run.timeout_s", &mut run.timeout_s, table.timeout_s);
        least.at_most("run.max_timeout_s", &mut run.max_timeout_s, table.max_timeout_s);
        least.at_most("run.max_commands", &mut run.max_commands, table.max_commands);
        least.at_most("run.max_bytes", &mut run.max_bytes, table.max_bytes);
        least.limit("run.cpu_s", &mut run.cpu_s, table.cpu_s);
        least.limit("run.memory_mb", &mut run.memory_mb, table.memory_mb);
        least.limit("run.processes", &mut run.processes, table.processes);
        least.limit("run.file_mb", &mut run.file_mb, table.file_mb);
        least.limit("run.tmp_mb", &mut run.tmp_mb, table.tmp_mb);
        least.limit("run.shadow_mb", &mut run.shadow_mb, table.shadow_mb);
        least.at_least("run.min_level", &mut run.min_level, table.min_level);
        least.at_least("run.ask_below", &mut run.ask_below, table.ask_below);
        least.list("run.env_allow", &mut run.env_allow, table.env_allow.as_ref());
        // What is listed stands in place of the default for hosts, like a rule that names them.
        if kind == LayerKind::User && net_sealed && table.registries.is_some() && !least.set.contains("run.registries") {
            least.ignored("run.registries", "the organisation's policy seals net");
        } else {
            least.list("run.registries", &mut run.registries, table.registries.as_ref());
        }
        least.list("run.home_read", &mut run.home_read, table.home_read.as_ref());
        run.timeout_s = run.timeout_s.min(run.max_timeout_s);

        let (budget, table) = (&mut self.settings.budget, &file.budget);
        least.at_most("budget.iterations", &mut budget.iterations, table.iterations);
        least.at_most("budget.input_tokens", &mut budget.input_tokens, table.input_tokens);
        least.at_most("budget.output_tokens", &mut budget.output_tokens, table.output_tokens);
        least.at_most("budget.cost_usd", &mut budget.cost_usd, table.cost_usd);
        least.at_most("budget.commands", &mut budget.commands, table.commands);
        least.at_most("budget.wall_seconds", &mut budget.wall_seconds, table.wall_seconds);
        least.at_most("budget.asks", &mut budget.asks, table.asks);

        let (approval, table) = (&mut self.settings.approval, &file.approval);
        least.limit("approval.timeout_s", &mut approval.timeout_s, table.timeout_s);
        least.at_least("approval.min_seconds", &mut approval.min_seconds, table.min_seconds);

        let branches = &mut self.settings.branches;
        branches.protected.extend(file.branches.protected.iter().flatten().cloned());
        branches.protected.sort();
        branches.protected.dedup();
        if let Some(agent) = &file.branches.agent {
            if tighten {
                least.ignored("branches.agent", "the user's own policy names the agent's branches");
            } else if least.set.insert("branches.agent") {
                branches.agent.clone_from(agent);
            }
        }
        if let Some(enabled) = &file.tools.enabled {
            self.settings.tools = Some(match self.settings.tools.take() {
                Some(before) => before.into_iter().filter(|tool| enabled.contains(tool)).collect(),
                None => enabled.clone(),
            });
        }
        Ok(())
    }
}

struct Pick<'a> {
    set: &'a mut std::collections::BTreeSet<&'static str>,
    tighten: bool,
    source: &'a str,
    notes: &'a mut Vec<String>,
}

impl Pick<'_> {
    fn ignored(&mut self, key: &str, why: &str) {
        self.notes.push(format!("{}: {key} is ignored: {why}", self.source));
    }

    /// The first trusted layer sets the value; every later one, and the workspace always, may only make it smaller.
    fn at_most<T: PartialOrd + Copy>(&mut self, key: &'static str, value: &mut T, new: Option<T>) {
        self.pick(key, value, new, |new, old| new <= old);
    }

    fn at_least<T: PartialOrd + Copy>(&mut self, key: &'static str, value: &mut T, new: Option<T>) {
        self.pick(key, value, new, |new, old| new >= old);
    }

    /// Like [`Pick::at_most`], but 0 is no limit.
    fn limit(&mut self, key: &'static str, value: &mut u64, new: Option<u64>) {
        self.pick(key, value, new, |new, old| old == 0 || (new != 0 && new <= old));
    }

    fn pick<T: PartialOrd + Copy>(&mut self, key: &'static str, value: &mut T, new: Option<T>, tighter: fn(T, T) -> bool) {
        let Some(new) = new else { return };
        let first = !self.tighten && self.set.insert(key);
        if first || tighter(new, *value) {
            *value = new;
        } else {
            self.ignored(key, "a more trusted policy is tighter");
        }
    }

    fn list(&mut self, key: &'static str, value: &mut Vec<String>, new: Option<&Vec<String>>) {
        let Some(new) = new else { return };
        if self.tighten {
            return self.ignored(key, "a workspace can only tighten the policy");
        }
        if self.set.insert(key) {
            value.clone_from(new);
        } else {
            value.retain(|one| new.contains(one));
        }
        value.sort();
        value.dedup();
    }
}

/// Numbers beyond these are mistakes, and nobody could reckon with them.
const YEAR: u64 = 365 * 24 * 3600;
const MIBS: u64 = 1 << 30;
const PROCESSES: u64 = 1 << 22;

fn check_numbers(source: &Source, file: &File) -> Result<(), PolicyError> {
    let bad = |key: &str, why: &str| {
        let word = key.rsplit('.').next().unwrap_or(key);
        let at = source.text.lines().scan(0, |at, line| {
            let start = *at;
            *at += line.len() + 1;
            Some((start, line))
        });
        let at = at.into_iter().find(|(_, line)| line.trim_start().starts_with(word)).map(|(start, _)| start);
        Err(source.error_at(at, format!("{key} {why}")))
    };
    for (key, number) in [("budget.cost_usd", file.budget.cost_usd), ("approval.min_seconds", file.approval.min_seconds)] {
        if number.is_some_and(|number| !number.is_finite() || number < 0.0) {
            return bad(key, "must be a number from 0 up");
        }
    }
    for (key, number) in [
        ("run.timeout_s", file.run.timeout_s),
        ("run.max_timeout_s", file.run.max_timeout_s),
        ("approval.timeout_s", file.approval.timeout_s),
    ] {
        if number == Some(0) {
            return bad(key, "must be at least 1 second");
        }
    }
    let (run, approval) = (&file.run, &file.approval);
    for (key, number, most, words) in [
        ("run.timeout_s", run.timeout_s, YEAR, "seconds, a year"),
        ("run.max_timeout_s", run.max_timeout_s, YEAR, "seconds, a year"),
        ("run.cpu_s", run.cpu_s, YEAR, "seconds, a year; 0 is no limit"),
        ("approval.timeout_s", approval.timeout_s, YEAR, "seconds, a year"),
        ("run.memory_mb", run.memory_mb, MIBS, "MiB; 0 is no limit"),
        ("run.file_mb", run.file_mb, MIBS, "MiB; 0 is no limit"),
        ("run.tmp_mb", run.tmp_mb, MIBS, "MiB; 0 is no limit"),
        ("run.shadow_mb", run.shadow_mb, MIBS, "MiB; 0 is no limit"),
        ("run.processes", run.processes, PROCESSES, "as the kernel; 0 is no limit"),
    ] {
        if number.is_some_and(|number| number > most) {
            return bad(key, &format!("must be at most {most} ({words})"));
        }
    }
    for one in file.run.registries.iter().flatten() {
        if !REGISTRIES.contains(&one.as_str()) && !hosts::well_formed(one) {
            let names = REGISTRIES.join(", ");
            return bad("run.registries", &format!("knows {names} and an exact, lower-case host:port, not {one:?}"));
        }
    }
    if file.budget.iterations == Some(0) {
        return bad("budget.iterations", "must be at least 1");
    }
    if file.run.min_level == Some(Level::L0) {
        return bad("run.min_level", "cannot be L0: without walls no command runs; L1-weak is the least");
    }
    Ok(())
}

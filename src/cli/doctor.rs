//! `countersign doctor`: what works on this machine. Each line is proved by doing the thing; each failing one says what to do.

use serde::Serialize;

use super::{
    CliError, Code, Context,
    printable::{printable, printable_json},
    probe, walls,
};
use crate::{
    config::{
        Config, ConfigError, Environment, Folders, TrustStore, keys,
        model::{self, Provider},
        policy as files,
        tasks::Tasks,
    },
    journal,
    llm::Spec,
    path::WsPath,
    policy::{Level, Policy, REGISTRIES},
    sandbox::LinuxSandbox,
    seams::{Registry, Sandbox},
    workspace::{Folder, linked},
};

#[derive(clap::Args)]
pub struct Arguments {
    /// One JSON object: {ok, checks: [{name, state, found, advice}]}
    #[arg(long)]
    json: bool,
    /// Open no connection to the model's endpoint
    #[arg(long)]
    offline: bool,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// Works, with less than there could be.
    Weak,
    Fails,
}

/// One line of the report.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    state: State,
    found: String,
    /// What to do, unless all is well.
    advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Check {
        Check { name, state: State::Ok, found: found.into(), advice: None }
    }

    fn weak(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Check {
        Check { name, state: State::Weak, found: found.into(), advice: Some(advice.into()) }
    }

    fn fails(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Check {
        Check { name, state: State::Fails, found: found.into(), advice: Some(advice.into()) }
    }
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<Code, CliError> {
    let folders = context.folders()?;
    let environment = context.environment.clone();
    let (config, mut checks) = match Config::load(&folders) {
        Ok(config) => {
            let file = folders.config.join("config.toml");
            let note = if file.is_file() { "" } else { " (not there: the defaults serve)" };
            (config, vec![Check::ok("configuration", format!("{}{note}", file.display()))])
        }
        Err(error) => {
            let check = Check::fails("configuration", error.to_string(), repair(&error));
            (Config::default(), vec![check])
        }
    };
    checks.push(Check::ok("kernel", format!("Linux {}", probe::kernel())));
    checks.push(git(&environment));
    let policy = policy(&folders);
    checks.push(walls_check(policy.as_ref().ok(), context)?);
    let listed = policy.as_ref().ok().map(|policy| registries(policy, context)).transpose()?.flatten();
    checks.push(wall_process(context)?);
    checks.push(match policy {
        Ok(policy) => match policy.notes().first() {
            None => Check::ok("policy", format!("SHA-256 {}", policy.sha())),
            Some(note) => Check::weak("policy", note, "countersign policy show"),
        },
        Err(error) => Check::fails("policy", error.to_string(), repair(&error)),
    });
    checks.extend(listed);
    let mut spec = model::spec(None, &environment, &config);
    // A key that stands in a file, or that a command prints, names its model as well.
    if let (Err(_), Some(usual)) = (&spec, Provider::Anthropic.default_model())
        && let Ok(Some(_)) = context.block_on(keys::find(Provider::Anthropic, &environment, &folders, &config))?
    {
        spec = Ok(usual.to_owned());
    }
    match &spec {
        Ok(spec) => checks.push(named(spec)),
        Err(error) => checks.push(Check::fails("model", error.to_string(), "countersign init; without a key, countersign demo")),
    }
    let provider = spec.ok().filter(|spec| available(spec)).as_deref().and_then(Provider::of_spec);
    if let Some(provider) = provider {
        checks.push(context.block_on(key(provider, &environment, &folders, &config))?);
        checks.push(context.block_on(endpoint(provider, &environment, &config, arguments.offline))?);
    }
    checks.push(tasks(&folders));
    checks.push(trust(&folders));
    checks.extend(hard_links(&folders, context)?);
    checks.push(record(&folders));
    checks.extend(room(&folders));
    report(&checks, arguments.json, context)
}

fn report(checks: &[Check], json: bool, context: &mut Context) -> Result<Code, CliError> {
    let ok = checks.iter().all(|check| check.state != State::Fails);
    let out = &mut context.out;
    if json {
        let report = serde_json::json!({ "ok": ok, "checks": checks }).to_string();
        out.line(printable_json(&report))?;
    } else {
        for check in checks {
            let state = match check.state {
                State::Ok => out.good("ok   "),
                State::Weak => out.warn("weak "),
                State::Fails => out.bad("FAILS"),
            };
            out.line(format_args!("{state}  {:<14} {}", check.name, printable(&check.found)))?;
            if let Some(advice) = &check.advice {
                out.line(format_args!("         what to do: {}", printable(advice)))?;
            }
        }
    }
    Ok(if ok { Code::Done } else { Code::Failed })
}

fn available(spec: &str) -> bool {
    Spec::parse(spec).is_ok_and(|spec| spec.is_available())
}

fn named(spec: &str) -> Check {
    match Spec::parse(spec) {
        Ok(parsed) if parsed.is_available() => Check::ok("model", spec),
        Ok(_) => Check::fails("model", format!("{spec} is not available yet"), "countersign init --model anthropic:NAME --force"),
        Err(error) => Check::fails("model", error.to_string(), "countersign init --model anthropic:NAME --force"),
    }
}

/// The policy as it counts in a folder without a layer of its own.
fn policy(folders: &Folders) -> Result<Policy, ConfigError> {
    files::effective(&files::policy_layers(folders, None, false, None)?)
}

fn walls_check(policy: Option<&Policy>, context: &Context) -> Result<Check, CliError> {
    let (level, detail) = walls::level(context)?;
    let found = format!("level {level}: {}; {}", detail.trim_end_matches('.'), LinuxSandbox::memory_limit(level));
    let mut ways = walls::sandbox(context)?.ways_up().join("; or ");
    if let Err(why) = probe::room(&context.folders()?.cache) {
        // No switch of the kernel helps where shadows cannot be made.
        ways = format!("{why}; make room there, or set XDG_CACHE_HOME to a folder of yours on ext4, xfs, btrfs or tmpfs");
    }
    let asked = policy.map_or(Level::L1, |policy| policy.run().min_level);
    if level < asked {
        let advice = format!(
            "{ways}; until then no command runs (the policy asks for {asked}); countersign sandbox check tries each wall"
        );
        return Ok(Check::fails("walls", found, advice));
    }
    Ok(if level < Level::L3 { Check::weak("walls", found, ways) } else { Check::ok("walls", found) })
}

/// What the package managers that the policy lists stand for; nothing where it lists none.
fn registries(policy: &Policy, context: &Context) -> Result<Option<Check>, CliError> {
    let names: Vec<&String> = policy.run().registries.iter().filter(|name| REGISTRIES.contains(&name.as_str())).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let (sandbox, here) = (walls::sandbox(context)?, context.here()?);
    // The home is nobody's workspace: what holds in any other folder is told there.
    let home = context.environment.home().and_then(|home| home.canonicalize().ok());
    let here = if home.is_some_and(|home| home.starts_with(&here)) { context.folders()?.config } else { here };
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in names {
        match context.block_on(sandbox.registry(name, &here))? {
            Ok(Registry { hosts, notes }) => {
                found.push(format!("{name}: {}", hosts.join(" ")));
                missing.extend(notes.into_iter().map(|note| format!("{name}: {note}")));
            }
            Err(why) => missing.push(why),
        }
    }
    let found = if found.is_empty() { "no hosts".to_owned() } else { found.join("; ") };
    if missing.is_empty() {
        return Ok(Some(Check::ok("registries", found)));
    }
    let advice = format!("{}; add hosts that are missing to [run] registries as host:port", missing.join("; "));
    Ok(Some(Check::weak("registries", found, advice)))
}

/// Nothing is less safe without the small program; every command starts later.
fn wall_process(context: &Context) -> Result<Check, CliError> {
    Ok(match walls::sandbox(context)?.small_wall() {
        Some(small) => Check::ok("wall process", small.display().to_string()),
        None => Check::weak(
            "wall process",
            "countersign-wall is not beside this program, which serves in its place: the walls of each command take longer",
            "install countersign-wall of the same version into the same folder",
        ),
    })
}

fn git(environment: &Environment) -> Check {
    let Some(git) = probe::find_program(environment, "git") else {
        return Check::fails("git", "not found on PATH", "install git; without it nothing can be committed or pushed");
    };
    match probe::git_version(&git) {
        Ok(version) => Check::ok("git", format!("{version} at {}", git.display())),
        Err(why) => Check::fails("git", format!("{}: {why}", git.display()), "install git anew"),
    }
}

async fn key(provider: Provider, environment: &Environment, folders: &Folders, config: &Config) -> Check {
    let Some(variable) = provider.key_variable() else { return Check::ok("key", "none needed") };
    match keys::find(provider, environment, folders, config).await {
        Ok(Some((_, source))) => Check::ok("key", format!("from {source}")),
        Ok(None) => Check::fails("key", "none found", format!("countersign init, or set {variable}")),
        Err(error) => Check::fails("key", error.to_string(), "repair that, or run countersign init"),
    }
}

async fn endpoint(provider: Provider, environment: &Environment, config: &Config, offline: bool) -> Check {
    let endpoint = match model::endpoint(provider, environment, config) {
        Ok(endpoint) => endpoint,
        Err(error) => return Check::fails("endpoint", error.to_string(), "correct it, or unset it for the vendor's own"),
    };
    let named = format!("{} (from {})", endpoint.url, endpoint.source);
    if offline {
        return Check::weak("endpoint", format!("{named}, not tried"), "run without --offline to try it");
    }
    let proxy = probe::proxy(environment, &endpoint.url);
    let named = match &proxy {
        Some(proxy) => format!("{named} through the proxy {}", proxy.host_str().unwrap_or_default()),
        None => named,
    };
    match probe::reach(proxy.as_ref().unwrap_or(&endpoint.url)).await {
        Err(why) => Check::fails("endpoint", format!("{named}: {why}"), "check the address, the network and its proxy"),
        Ok(()) if endpoint.foreign => {
            let advice = "the first request asks you to confirm this address; unset it if it is not yours";
            Check::weak("endpoint", format!("{named} answers, and is neither the vendor's nor this machine's"), advice)
        }
        Ok(()) => Check::ok("endpoint", format!("{named} answers")),
    }
}

fn tasks(folders: &Folders) -> Check {
    let tasks = Tasks::load(folders, None, false);
    match tasks.problems.first() {
        None => Check::ok("task prompts", format!("{}", tasks.tasks.len())),
        Some(problem) => Check::weak("task prompts", problem.to_string(), "repair that file; the other tasks are there"),
    }
}

fn trust(folders: &Folders) -> Check {
    match TrustStore::new(folders).list() {
        Ok(list) if list.is_empty() => Check::weak("trust", "no folder is trusted", "countersign trust add DIR"),
        Ok(list) => Check::ok("trust", counted(list.len(), "folder")),
        Err(error) => Check::fails("trust", error.to_string(), "repair or remove that file"),
    }
}

/// In a trusted folder: files that stand under other names as well, which may be anywhere.
fn hard_links(folders: &Folders, context: &Context) -> Result<Option<Check>, CliError> {
    const SHOWN: usize = 5;
    let here = context.here()?;
    if !TrustStore::new(folders).is_trusted(&here).unwrap_or(false) {
        return Ok(None);
    }
    let Ok(folder) = Folder::open(&here) else { return Ok(None) };
    let (found, whole) = linked(&folder);
    let partly = if whole { "" } else { ", as far as there was time to look" };
    if found.is_empty() {
        return Ok(Some(Check::ok("hard links", format!("no file of this folder has another name{partly}"))));
    }
    let names = found.iter().take(SHOWN).map(WsPath::as_str).collect::<Vec<_>>().join(", ");
    let more = match found.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let advice = "commands read what stands there, whatever its other names are; other names of the folder's secret files and of \
                  known credential files are hidden. Where one must not be read, put a copy in its place or name it in [paths] secret";
    Ok(Some(Check::weak("hard links", format!("files of this folder have other names: {names}{more}{partly}"), advice)))
}

fn record(folders: &Folders) -> Check {
    match journal::verify(&folders.state, None) {
        Ok(report) => match report.files.iter().find_map(|file| file.bad.as_ref().map(|bad| (file, bad))) {
            None => Check::ok("journal", format!("{}, every chain holds", counted(report.files.len(), "file"))),
            Some((file, bad)) => {
                let found = format!("{}: line {}: {}", file.file.display(), bad.line, bad.why);
                Check::fails("journal", found, "keep a copy and find out who changed it; new sessions are not affected")
            }
        },
        Err(error) => Check::fails("journal", error.to_string(), "make that folder readable for you"),
    }
}

/// Without a place for the record nothing runs; without one for trust nothing is trusted.
fn room(folders: &Folders) -> Option<Check> {
    let why = probe::room(&folders.state).err()?;
    let advice = "make that folder writable for you, make room, or set XDG_STATE_HOME; until then no task runs";
    Some(Check::fails("state folder", why, advice))
}

/// What to do about a broken file.
fn repair(error: &ConfigError) -> String {
    let what = if error.line.is_some() { "line" } else { "file" };
    format!("repair that {what}; until then the server runs read-only")
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

//! `countersign sandbox`: tries every wall, or runs one command inside them as the agent would, on a shadow of the folder.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use super::{
    CliError, Code, Context, kept,
    printable::{printable, printable_block, printable_json},
    terminal::write_patch,
    walls,
};
use crate::{
    config::{TrustStore, policy as files},
    event::TaskId,
    path::WsPath,
    policy::{REGISTRIES, host_and_port},
    sandbox::{
        LinuxSandbox,
        check::{self, CheckResult},
    },
    seams::{
        Command as Line, Connection, Copying, Level, Merges, Outcome, OutputSink, Registry, Sandbox, SandboxError, SandboxSpec,
        Stopped, Workspace,
    },
    tools::{denial, terminal::clean, untold},
    workspace::{LocalDesk, Secrecy, TaskWorkspace},
};

/// Largest file whose change is kept in a patch, bytes.
const BYTES: u64 = 16 << 20;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Try each wall: an act that it must stop, beside one that it must let through
    Check {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Run one command inside the walls, on a shadow of a folder: what it changes is listed, and thrown away or kept as a patch
    Run(Run),
}

#[derive(Args)]
struct Run {
    /// The folder
    #[arg(short, long, default_value = ".")]
    workspace: PathBuf,
    /// Seconds until it is ended; the policy's longest time when not given
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
    /// A way out to this host, through the proxy; may be given several times. cargo, npm, pip and go stand for the hosts of their
    /// own configuration. An address that stands here is your own word for
    /// it, private or not; a name never leads to a private address unless your policy names that
    #[arg(long, value_name = "HOST:PORT|NAME")]
    net: Vec<String>,
    /// Write the changes as a patch for `git apply`
    #[arg(long, value_name = "OUT")]
    patch: Option<PathBuf>,
    /// One word is a command line for the shell; several are a program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<Code, CliError> {
    match &arguments.command {
        Command::Check { json } => check(*json, context),
        Command::Run(run) => walled(run, context),
    }
}

fn check(json: bool, context: &mut Context) -> Result<Code, CliError> {
    let sandbox = walls::sandbox(context)?;
    let begun = Instant::now();
    let (level, results) = context.block_on(async {
        let level = sandbox.proved().await.0;
        (level, check::run(&sandbox).await)
    })?;
    let results = results.map_err(|error| no_walls(&error))?;
    let ms = begun.elapsed().as_millis() as u64;
    let holds = results.iter().all(CheckResult::holds);
    let next = next_step(level, &results);
    let memory = LinuxSandbox::memory_limit(level);
    let out = &mut context.out;
    if json {
        let rows: Vec<_> = results
            .iter()
            .map(|row| {
                serde_json::json!({
                    "wall": row.wall, "holds": row.holds(), "denial": row.denial, "denied": row.denied,
                    "control": row.control, "allowed": row.allowed, "detail": row.detail,
                })
            })
            .collect();
        let report = serde_json::json!({
            "holds": holds, "level": level, "memory": memory, "ms": ms, "next": next, "checks": rows,
        });
        out.line(printable_json(&report.to_string()))?;
    } else {
        for row in &results {
            let state = if row.holds() { out.good("holds") } else { out.bad("FAILS") };
            let denied = if row.denied { "denied" } else { "NOT DENIED" };
            let allowed = if row.allowed { "allowed" } else { "NOT ALLOWED" };
            out.line(format_args!("{state}  {:<10} {denied}: {}", row.wall, row.denial))?;
            out.line(out.dim(format_args!("                  {allowed}: {}", row.control)))?;
            for line in printable_block(&row.detail).lines() {
                out.line(format_args!("                  {line}"))?;
            }
        }
        out.line(format_args!(
            "Level {level}, {} of {} rows hold, in {}.{} s; {memory}.",
            results.iter().filter(|row| row.holds()).count(),
            results.len(),
            ms / 1000,
            ms % 1000 / 100,
        ))?;
        if let Some(next) = next {
            out.line(format_args!("What to do: {next}."))?;
        }
    }
    Ok(if holds { Code::Done } else { Code::Walls })
}

/// What follows from the rows, if anything is to be done.
fn next_step(level: Level, results: &[CheckResult]) -> Option<&'static str> {
    if results.iter().any(|row| !row.denied && row.allowed) {
        return Some(
            "set run = \"deny\" under [default] in policy.toml: a wall lets through what it must stop. Please report it with this \
             output",
        );
    }
    if !results.iter().all(CheckResult::holds) {
        return Some(
            "see what the row says: it proves nothing while the act beside it fails too. A tool that it needs may be \
             missing from PATH, or the walls stop too much; countersign doctor tells more",
        );
    }
    (level < Level::L3).then_some("countersign doctor tells what raises the level")
}

fn walled(run: &Run, context: &mut Context) -> Result<Code, CliError> {
    let folders = context.folders()?;
    let folder = context.here()?.join(&run.workspace);
    let trusted = TrustStore::new(&folders).is_trusted(&folder)?;
    let policy = files::effective(&files::policy_layers(&folders, Some(&folder), trusted, None)?)?;
    let world = Arc::new(walls::world(&folder, context)?);
    let policy = Arc::new(policy);
    let known = Arc::clone(&policy);
    let secrecy: Secrecy = Arc::new(move |path: &WsPath, tracked| known.path_class(path, tracked).secret);
    let task = TaskWorkspace::new(TaskId("sandbox".to_owned()), Arc::new(LocalDesk::default()), Arc::clone(&world), secrecy);
    let sandbox = walls::sandbox(context)?;
    let line = Line {
        text: command_text(&run.command),
        cwd: WsPath::root(),
        timeout: Duration::from_secs(run.timeout.unwrap_or(policy.run().max_timeout_s)),
        network: hosts(&run.net, &sandbox, world.disk().root(), context)?,
    };
    context.out.finish()?;
    let mut terms = policy.net_terms();
    terms.private.extend(line.network.iter().filter(|host| is_address(host)).cloned());
    let spec = SandboxSpec::under(world.disk().root().to_owned(), policy.run()).on_terms(terms);
    let (outcome, merges, reasons) = context.block_on(inside(&sandbox, spec, line, &task))??;
    match &run.patch {
        Some(file) => {
            let failed = |why: String| CliError::new(Code::Failed, why);
            let (patch, left) = kept::patch(&merges, world.disk(), &policy, &*world).map_err(failed)?;
            let shown = context.here()?.join(file);
            write_patch(&shown, &patch)
                .map_err(|error| CliError::usage(format_args!("{} cannot be written: {error}", shown.display())))?;
            let files = merges.merges.len();
            context.complain(&format!("countersign: {files} changed, kept in {}", printable(&file.display().to_string())));
            left.iter().for_each(|line| context.complain(&format!("  not in it: {}", printable(line))));
        }
        None => thrown_away(&outcome, context),
    }
    if outcome.git {
        context.complain("countersign: what the command did in .git is thrown away: the repository is as it was");
    }
    let code = report(&outcome, reasons.as_deref(), context);
    sandbox.tidy(TIDY);
    code
}

/// Opens a session, runs the command, and ends it when the person at the terminal says so.
async fn inside(
    sandbox: &dyn Sandbox,
    spec: SandboxSpec,
    line: Line,
    task: &TaskWorkspace,
) -> Result<(Outcome, Merges, Option<String>), CliError> {
    let (level, detail) = sandbox.level().await;
    let weak = |error: SandboxError| CliError::new(Code::Walls, error.why).hint("countersign doctor");
    spec.min_level.admit(level, &detail).map_err(weak)?;
    if !line.network.is_empty() && level < Level::L3 {
        let message = format!("--net needs walls of level L3, this machine reaches {level}: {detail}");
        return Err(CliError::new(Code::Walls, message).hint("countersign doctor"));
    }
    if let Some(words) = level.for_the_user() {
        let _ = writeln!(io::stderr(), "countersign: {words}");
    }
    let lost = |error| CliError::new(Code::Failed, error);
    let began = task.moment().await.map_err(lost)?;
    let shadow = task.shadow().await.map_err(lost)?;
    let session = sandbox.open(spec).await.map_err(|error| no_walls(&error))?;
    let cancel = CancellationToken::new();
    let stopper = cancel.clone();
    let listening = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopper.cancel();
        }
    });
    let (command, mut terminal) = (line.text.clone(), Terminal::default());
    let outcome = session.run(line, &shadow, &mut terminal, &cancel).await;
    listening.abort();
    let outcome = outcome.map_err(|error| no_walls(&error))?;
    let reasons = denial::of_session(&*session, &command, &clean(&terminal.end), &outcome).await;
    let changed = task.unignored(outcome.changed.clone()).await;
    let merges = task.merges(began, session.written(changed, BYTES).await).await.map_err(lost)?;
    Ok((outcome, merges, reasons))
}

fn thrown_away(outcome: &Outcome, context: &Context) {
    let changed = outcome.changed.len();
    if changed > 0 {
        context.complain(&format!("countersign: {changed} changed in the shadow and thrown away:"));
        for path in &outcome.changed {
            context.complain(&format!("  {}", printable(path)));
        }
    }
}

fn report(outcome: &Outcome, reasons: Option<&str>, context: &Context) -> Result<Code, CliError> {
    if !outcome.hidden.is_empty() {
        let hidden: Vec<_> = outcome.hidden.iter().map(|path| printable(path)).collect();
        context.complain(&format!("countersign: hidden from the command: {}", hidden.join(", ")));
    }
    if let Some(reasons) = reasons {
        context.complain("countersign: refused by the walls:");
        reasons.lines().for_each(|line| context.complain(&format!("  {}", printable(line))));
        if reasons.contains("commands have no network") {
            context.complain(OPEN_IT);
        }
    }
    let failed = |how: String| Err(CliError::new(Code::Failed, format_args!("the command {how}")));
    match (outcome.stopped, outcome.exit, outcome.signal) {
        (Some(Stopped::Cancelled), ..) => Ok(Code::Cancelled),
        (Some(Stopped::Timeout), ..) => {
            failed(format!("was ended after {} s, when its time was up; --timeout gives it more", outcome.duration.as_secs()))
        }
        (Some(_), ..) => failed(format!("was {}", denial::ended(outcome).unwrap_or_default())),
        (None, Some(0), _) => Ok(Code::Done),
        (None, Some(code), _) => failed(format!("ended with exit code {code}")),
        (None, None, signal) => failed(format!("was ended by signal {}", signal.unwrap_or_default())),
    }
}

fn no_walls(error: &SandboxError) -> CliError {
    CliError::new(Code::Walls, error).hint(&error.hint)
}

/// The hosts of `--net`, in the only form in which they are compared; names of package managers as what they stand for.
fn hosts(given: &[String], sandbox: &dyn Sandbox, folder: &Path, context: &Context) -> Result<Vec<String>, CliError> {
    let exact = |host: &String| {
        let lower = host.to_ascii_lowercase();
        let wrong = || CliError::usage(format_args!("--net {}: this is no exact host:port", printable(host)));
        if host_and_port(&lower).is_some() { Ok(lower) } else { Err(wrong().hint("for example --net index.example.org:443")) }
    };
    let mut hosts = Vec::with_capacity(given.len());
    for written in given {
        if !REGISTRIES.contains(&written.as_str()) {
            hosts.push(exact(written)?);
            continue;
        }
        let Registry { hosts: found, notes } =
            context.block_on(sandbox.registry(written, folder))?.map_err(|why| CliError::new(Code::Failed, why))?;
        notes.iter().for_each(|note| context.complain(&format!("countersign: {written}: {}", printable(note))));
        hosts.extend(found);
    }
    Ok(hosts)
}

fn is_address(host: &str) -> bool {
    host_and_port(host).is_some_and(|(name, _)| name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok())
}

/// What the shell gets.
fn command_text(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    }
}

fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// How long the end of the program waits until the shadow is removed; what is left then is the next one's.
const TIDY: Duration = Duration::from_secs(5);

/// What a person does about a host that is closed.
const OPEN_IT: &str = "  You open a host yourself with --net HOST:PORT before the `--`";

/// Of the output so much of its end is looked at for signs of a wall, bytes.
const END: usize = 64 << 10;

/// The command's output goes out as it is: the person asked for this command.
#[derive(Default)]
struct Terminal {
    end: Vec<u8>,
    /// What was said of connections.
    closed: Vec<String>,
}

impl OutputSink for Terminal {
    fn connection(&mut self, connection: &Connection) {
        if let Some(why) = untold(connection, &self.closed) {
            let _ = writeln!(io::stderr(), "countersign: network: {}", printable(&why));
            if why.contains("is not among the hosts") && !self.closed.iter().any(|told| told.contains("is not among the hosts")) {
                let _ = writeln!(io::stderr(), "{OPEN_IT}");
            }
            self.closed.push(why);
        }
    }

    fn copying(&mut self, copying: Copying) {
        let _ = writeln!(io::stderr(), "countersign: {copying}");
    }

    fn output(&mut self, bytes: &[u8]) {
        // A closed pipe ends the output, not the command.
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
        self.end.extend_from_slice(bytes);
        self.end.drain(..self.end.len().saturating_sub(END));
    }
}

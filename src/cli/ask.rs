//! `countersign ask`: the same agent in a terminal. The server runs in this process; the terminal is its editor.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    CliError, Code, Context,
    lsp::{runtime, setup},
    printable::printable,
    probe,
    terminal::{Accept, Client, Ended, Person, Reviewed, Screen, Session, Texts, Tone, patch, write_patch},
};
use crate::{config, path::WsPath, seams::WorkspaceError, server, workspace::Folder};

/// Bytes on their way between the two ends.
const PIPE: usize = 256 * 1024;
/// Longest prompt, bytes.
const PROMPT: u64 = 1024 * 1024;

#[derive(clap::Args)]
pub struct Arguments {
    /// What the agent should do; `-` reads it from stdin
    prompt: String,
    /// Folder to work in; the current one when not given
    #[arg(short = 'w', long = "workspace", value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// What the prompt is about: a file, or lines of it
    #[arg(long, value_name = "F[:L1-L2]")]
    file: Option<String>,
    /// Who decides about the changes
    #[arg(long, value_enum, default_value_t, value_name = "WHO")]
    accept: Accept,
    /// Write the changes as a patch for `git apply`, and change nothing
    #[arg(long, value_name = "OUT.diff", conflicts_with = "accept")]
    patch: Option<PathBuf>,
    /// One JSON object a line instead of the account; nobody is asked
    #[arg(long)]
    json: bool,
    /// Model requests at most, 1 to 100; the policy's limit when not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    max_iterations: Option<u32>,
    /// What the agent may do
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    mode: Mode,
    /// Model SPEC, such as anthropic:NAME or script:FILE
    #[arg(long, value_name = "SPEC")]
    model: Option<String>,
    /// A policy file in place of your own
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Record the model's answers as a script
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// What the agent may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    /// Change files and run commands
    #[default]
    Edit,
    /// Only look, and answer
    Explain,
    /// Only look, and write a plan
    Plan,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Mode::Edit => "edit",
            Mode::Explain => "explain",
            Mode::Plan => "plan",
        }
    }
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<Code, CliError> {
    let here = context.here()?;
    let root = here.join(arguments.workspace.as_deref().unwrap_or(Path::new(".")));
    let folder = Folder::open(&root).map_err(|error| {
        let why = match error {
            WorkspaceError::Io { why, .. } => why,
            other => other.to_string(),
        };
        CliError::usage(why).hint("countersign ask -w DIR PROMPT")
    })?;
    // What would fail after the task is paid for fails before it.
    if let Some(file) = &arguments.policy {
        config::policy::user_file(file)?;
    }
    if let Some(file) = &arguments.patch
        && !here.join(file).parent().is_some_and(Path::is_dir)
    {
        let why = format!("{} cannot be written: its folder is not there", file.display());
        return Err(CliError::usage(why).hint("--patch OUT.diff"));
    }
    let texts = Texts::of(folder);
    let ask = request(arguments, &here, &texts)?;
    let mut setup = setup(context)?;
    if let Some(error) = setup.config.broken() {
        // It may name another model, another address, or a command for the key.
        return Err(CliError::usage(error).hint("countersign doctor"));
    }
    probe::room(&setup.folders.state).map_err(|why| {
        CliError::usage(format_args!("the journal cannot be written, so nothing runs: {why}")).hint("countersign doctor")
    })?;
    setup.model = arguments.model.clone();
    setup.policy = arguments.policy.clone();
    setup.record = arguments.record.clone();
    setup.max_iterations = arguments.max_iterations;
    let state = setup.folders.state.clone();
    let person = if arguments.json { Person::Nobody } else { Person::at_terminal() };
    let screen = if arguments.json { Screen::silent() } else { Screen::of(&context.environment) };
    let environment = context.environment.clone();
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let (from_us, to_us) = tokio::io::split(theirs);
        let server = tokio::spawn(server::serve(from_us, to_us, setup));
        let (from_server, to_server) = tokio::io::split(ours);
        let client = Client::connect(from_server, to_server, texts);
        let mut session = Session::new(client, screen, person, environment, &state);
        session.json = arguments.json;
        session.interrupts.listen(|| ());
        let result = converse(arguments, &here, ask, &mut session).await;
        session.client.leave().await;
        let _ = server.await;
        result
    });
    // What still runs on other threads is nothing that anybody waits for.
    runtime.shutdown_background();
    result
}

/// The whole conversation; returns the exit code.
async fn converse(arguments: &Arguments, here: &Path, ask: Value, session: &mut Session) -> Result<Code, CliError> {
    let failed = |error: server::peer::Refused| CliError::new(Code::Failed, error.message);
    session.client.initialize().await.map_err(failed)?;
    let folder = session.client.texts().folder().root().display().to_string();
    session.screen.say(Tone::Quiet, &format!("asking in {}; Ctrl-C stops", printable(&folder)));
    let ended = session.ask(ask).await?;
    tell(session, &ended);
    let mut reviewed = Reviewed { left: ended.pending, ..Reviewed::default() };
    if ended.pending > 0 && ended.code != Code::Cancelled as u8 {
        match &arguments.patch {
            Some(file) => keep(session, &ended, &here.join(file))?,
            None => reviewed = session.review(&ended, arguments.accept).await,
        }
    }
    let mut kept = None;
    if arguments.patch.is_none() {
        session.tell_review(&reviewed);
        if arguments.accept != Accept::None {
            kept = session.keep_undecided(&ended, &reviewed).await;
        }
    }
    let code = code(&ended, &reviewed);
    session.event(
        "result",
        &json!({
            "state": ended.state, "stop": ended.stop, "summary": ended.summary, "session": ended.session, "task": ended.task,
            "accepted": reviewed.accepted, "rejected": reviewed.rejected,
            "refused": reviewed.refused.iter().map(|(hunk, why)| json!({"hunk": hunk, "why": why})).collect::<Vec<_>>(),
            "left": ended.pending.saturating_sub(reviewed.accepted.len() + reviewed.rejected.len()), "patch": kept, "code": code as u8,
        }),
    );
    Ok(code)
}

/// The task's own last words, and what it cost.
fn tell(session: &mut Session, ended: &Ended) {
    let changes = match ended.pending {
        0 => "no changes to review".to_owned(),
        1 => "1 change to review".to_owned(),
        n => format!("{n} changes to review"),
    };
    if ended.state == "failed" {
        // Before the review: whoever decides knows that the work may be half done.
        session.screen.gap();
        if !session.json {
            CliError::new(Code::Failed, &ended.summary).tell();
        }
        if ended.pending > 0 {
            session.screen.say(Tone::Strong, &format!("what it proposed before that is there: {changes}"));
        }
        return;
    }
    session.account.last_words(&mut session.screen, &ended.summary);
    session.screen.gap();
    let mut parts = vec![ended.how().to_owned()];
    parts.extend((!ended.usage.is_empty()).then(|| ended.usage.clone()));
    parts.push(changes);
    session.screen.say(Tone::Strong, &parts.join(" · "));
    if let Some(why) = &ended.no_walls {
        session.screen.paragraph("", Tone::Warn, why);
    }
}

fn keep(session: &mut Session, ended: &Ended, file: &Path) -> Result<(), CliError> {
    let Some(proposal) = session.proposal(ended) else {
        return Err(CliError::new(Code::Failed, "the server did not tell its changes, so there is no patch"));
    };
    let patch = patch::of(&proposal, session.client.texts().folder()).map_err(|why| CliError::new(Code::Failed, why))?;
    let shown = file.display().to_string();
    write_patch(file, &patch).map_err(|error| CliError::usage(format_args!("{shown} cannot be written: {error}")))?;
    session.screen.say(Tone::Strong, &format!("written: {shown}; apply it with: git apply {shown}"));
    Ok(())
}

fn code(ended: &Ended, reviewed: &Reviewed) -> Code {
    match ended.code {
        _ if reviewed.interrupted => Code::Cancelled,
        0 if ended.no_walls.is_some() => Code::Walls,
        0 if !reviewed.refused.is_empty() => Code::Failed,
        0 => Code::Done,
        2 => Code::Usage,
        3 => Code::Walls,
        4 => Code::Refused,
        130 => Code::Cancelled,
        _ => Code::Failed,
    }
}

/// The argument of the command `ask`.
fn request(arguments: &Arguments, here: &Path, texts: &Texts) -> Result<Value, CliError> {
    let prompt = match arguments.prompt.as_str() {
        "-" => from_stdin()?,
        prompt => prompt.to_owned(),
    };
    if prompt.trim().is_empty() {
        return Err(CliError::usage("the prompt is empty").hint("countersign ask \"what the agent should do\""));
    }
    let mut ask = json!({"prompt": prompt, "mode": arguments.mode.word()});
    let Some(file) = &arguments.file else { return Ok(ask) };
    let (name, lines) = place(file)?;
    let path = inside(name, here, texts.folder())
        .ok_or_else(|| CliError::usage(format_args!("{} is no file of {}", printable(name), texts.folder().root().display())))?;
    let found = texts.folder().read(&path).map_err(CliError::usage)?;
    ask["uri"] = json!(texts.uri(&path));
    if let Some((first, last)) = lines {
        let text = found.decode().text;
        // The empty line behind the last line end is none that a person counts.
        let count = text.lines().saturating_sub(u32::from(text.to_string().ends_with('\n')) as _).max(1) as u32;
        if first > count {
            return Err(CliError::usage(format_args!("{} has {count} lines; line {first} is beyond its end", printable(name))));
        }
        ask["range"] = json!({"start": {"line": first - 1, "character": 0}, "end": {"line": last.min(count), "character": 0}});
    }
    Ok(ask)
}

/// First and last line, from 1.
type Lines = (u32, u32);

/// `F`, `F:12` or `F:12-30`; a name may hold colons itself.
fn place(file: &str) -> Result<(&str, Option<Lines>), CliError> {
    let Some((name, lines)) = file.rsplit_once(':').filter(|(_, lines)| lines.starts_with(|c: char| c.is_ascii_digit())) else {
        return Ok((file, None));
    };
    let (first, last) = lines.split_once('-').unwrap_or((lines, lines));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if 1 <= first && first <= last => Ok((name, Some((first, last)))),
        _ => Err(CliError::usage(format_args!("--file: {} are no lines", printable(lines))).hint("--file src/lib.rs:12-30")),
    }
}

/// The file below the workspace that a name means, as seen from here or from the workspace.
fn inside(name: &str, here: &Path, folder: &Folder) -> Option<WsPath> {
    let below = |file: PathBuf| {
        let file = file.canonicalize().ok()?;
        WsPath::from_disk(file.strip_prefix(folder.root()).ok()?.to_str()?)
    };
    below(here.join(name)).or_else(|| below(folder.root().join(name)))
}

fn from_stdin() -> Result<String, CliError> {
    let mut text = String::new();
    std::io::stdin()
        .take(PROMPT)
        .read_to_string(&mut text)
        .map_err(|error| CliError::usage(format_args!("the prompt cannot be read from stdin: {error}")))?;
    Ok(text)
}

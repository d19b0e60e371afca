//! `countersign audit`: the journal's sessions, their timelines, and whether the chains hold.

use std::path::Path;

use clap::Subcommand;

use super::{
    CliError, Code, Context, Out, later,
    printable::{printable, printable_block, printable_json, shortened},
    timeline,
};
use crate::journal::{self, Record};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the sessions, newest first
    Sessions {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show what happened in a session
    Show {
        /// Its id, the unique beginning of it, `last`, or `server` for what belongs to no session
        session: String,
        /// The lines as they are
        #[arg(long)]
        json: bool,
        /// Every field of every event
        #[arg(long, conflicts_with = "json")]
        full: bool,
    },
    /// Check the hash chain of one session, or of all
    Verify {
        session: Option<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Compare with an outside witness (not available yet)
        #[arg(long, hide = true)]
        against: Option<String>,
    },
    /// Full text search (not available yet)
    Search(later::Arguments),
    /// Export (not available yet)
    Export(later::Arguments),
    /// Retention (not available yet)
    Purge(later::Arguments),
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<Code, CliError> {
    let state = context.folders()?.state;
    match &arguments.command {
        Command::Sessions { json } => sessions(&state, *json, context),
        Command::Show { session, json, full } => show(&state, session, *json, *full, context),
        Command::Verify { against: Some(_), .. } => later::run("audit verify --against"),
        Command::Verify { session, json, against: None } => verify(&state, session.as_deref(), *json, context),
        Command::Search(_) => later::run("audit search"),
        Command::Export(_) => later::run("audit export"),
        Command::Purge(_) => later::run("audit purge"),
    }
}

fn sessions(state: &Path, json: bool, context: &mut Context) -> Result<Code, CliError> {
    let sessions = journal::sessions(state)?;
    let out = &mut context.out;
    for session in &sessions {
        if json {
            let line = serde_json::json!(session).to_string();
            out.line(printable_json(&line))?;
            continue;
        }
        let counted = |n: u64, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
        let (tasks, records) = (counted(session.tasks, "task"), counted(session.records, "record"));
        let title = session.title.as_deref().unwrap_or("(no task)");
        let since = session.first.get(..16).unwrap_or(&session.first);
        out.line(format_args!("{}  {}  {}", out.bold(&session.session), printable(since), shortened(&printable(title), 60)))?;
        let folder = session.workspace.as_deref().unwrap_or("no folder");
        out.line(out.dim(format_args!("    {tasks}, {records}, in {}", printable(folder))))?;
    }
    if sessions.is_empty() && !json {
        out.line("The journal has no session yet.")?;
    }
    Ok(Code::Done)
}

fn show(state: &Path, named: &str, json: bool, full: bool, context: &mut Context) -> Result<Code, CliError> {
    let session = resolve(state, named)?;
    let path = journal::session_path(state, &session)?;
    let failed = |error: std::io::Error| CliError::new(Code::Failed, format_args!("{}: {error}", path.display()));
    let out = &mut context.out;
    let mut day = String::new();
    for line in journal::lines(&path).map_err(failed)? {
        let line = line.map_err(failed)?;
        let text = String::from_utf8_lossy(&line.bytes);
        if json {
            if line.whole {
                out.line(printable_json(&text))?;
            }
            continue;
        }
        if !line.whole {
            out.line(out.warn(format_args!("    (torn end of {} bytes: a crash, or just being written)", line.bytes.len())))?;
            continue;
        }
        match Record::parse(&line.bytes) {
            Ok(record) => {
                if let Some(date) = record.ts.get(..10).filter(|date| *date != day) {
                    day = date.to_owned();
                    out.line(out.bold(format_args!("{} (UTC)", printable(date))))?;
                }
                let shown = timeline::line(&record, out);
                out.line(shown)?;
            }
            // A newer version's kind, or a line that somebody changed: shown as it stands.
            Err(_) => out.line(format_args!("    {}", shortened(&printable(&text), 200)))?,
        }
        if full {
            let value: serde_json::Value = serde_json::from_slice(&line.bytes).unwrap_or_default();
            for field in value.as_object().into_iter().flatten() {
                full_field(field.0, field.1, out)?;
            }
        }
    }
    Ok(Code::Done)
}

/// One field below its event; texts with line ends as blocks.
fn full_field(name: &str, value: &serde_json::Value, out: &mut Out) -> Result<(), CliError> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let block = printable_block(&text);
    let mut lines = block.lines();
    let first = lines.next().unwrap_or_default();
    out.line(format_args!("        {} {first}", out.dim(format_args!("{}:", printable(name)))))?;
    for line in lines {
        out.line(format_args!("          {line}"))?;
    }
    Ok(())
}

fn verify(state: &Path, named: Option<&str>, json: bool, context: &mut Context) -> Result<Code, CliError> {
    let session = named.map(|named| resolve(state, named)).transpose()?;
    let report = journal::verify(state, session.as_deref())?;
    let out = &mut context.out;
    if json {
        out.line(serde_json::json!({ "ok": report.ok(), "files": report.files }))?;
    } else {
        for file in &report.files {
            let name = file.file.file_name().unwrap_or_default().to_string_lossy();
            let torn = file.torn.map_or_else(String::new, |bytes| {
                format!("; behind it a torn end of {bytes} bytes (a crash, or just being written)")
            });
            match &file.bad {
                None => out.line(format_args!("{}   {name}  {} lines{torn}", out.good("ok"), file.lines))?,
                Some(bad) => out.line(format_args!("{}  {name}  line {}: {}", out.bad("BAD"), bad.line, printable(&bad.why)))?,
            }
        }
        if report.files.is_empty() {
            out.line("The journal is empty.")?;
        } else if report.ok() {
            out.line("Every chain holds. (A chain shows careless change only: who can write a file can write a new chain.)")?;
        }
    }
    Ok(if report.ok() { Code::Done } else { Code::Failed })
}

/// A session by its id, the beginning of it, or `last`.
fn resolve(state: &Path, named: &str) -> Result<String, CliError> {
    if named != "last" && journal::session_path(state, named).is_ok() {
        return Ok(named.to_owned());
    }
    let sessions = journal::sessions(state)?;
    let mut fitting = sessions.iter().filter(|session| named == "last" || session.session.0.starts_with(named));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one.session.0.clone()),
        (Some(newest), Some(_)) if named == "last" => Ok(newest.session.0.clone()),
        (Some(_), Some(_)) => {
            Err(CliError::usage(format_args!("several sessions begin with {named:?}")).hint("countersign audit sessions"))
        }
        (None, _) if sessions.is_empty() => {
            Err(CliError::usage("the journal has no session yet").hint("countersign audit show server"))
        }
        (None, _) => {
            Err(CliError::usage(format_args!("the journal has no session {named:?}")).hint("countersign audit sessions"))
        }
    }
}

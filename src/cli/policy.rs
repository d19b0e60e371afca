//! `countersign policy`: whether the files are sound, what they give together, and why an action gets its verdict.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{
    CliError, Code, Context, later,
    printable::{printable, printable_block, printable_json},
    walls,
};
use crate::{
    config::{LayerFile, TrustStore, policy as files},
    policy::{self, Action, Level, Policy, Verdict},
};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Which policy is meant.
#[derive(Args)]
struct Which {
    /// Workspace folder whose layer counts as well, when it is trusted
    #[arg(short, long, default_value = ".")]
    workspace: PathBuf,
    /// Read this file in place of your own policy.toml
    #[arg(long)]
    policy: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Read a file, compile every rule and run every example; without FILE all layers that count here
    Check {
        /// A policy file, judged as your own would be
        file: Option<PathBuf>,
    },
    /// The effective policy and its SHA-256
    Show {
        #[command(flatten)]
        which: Which,
        /// Exactly the text that stands in the model's system prompt
        #[arg(long)]
        prompt: bool,
    },
    /// Which verdict an action gets, and from which rule: `policy explain run 'git push --force'`
    Explain {
        #[command(flatten)]
        which: Which,
        /// Judge commands as behind walls of this level (L0 to L3) and not as behind this machine's
        #[arg(long, value_parser = level)]
        level: Option<Level>,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Name of the action, and what it is about
        #[arg(required = true, num_args = 1..)]
        action: Vec<String>,
    },
    /// The journal judged under a changed policy (not available yet)
    Replay(later::Arguments),
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<Code, CliError> {
    match &arguments.command {
        Command::Check { file: Some(file) } => check_file(file, context),
        Command::Check { file: None } => {
            let (layers, policy) = load(&Which { workspace: ".".into(), policy: None }, context)?;
            sources(&layers, context)?;
            notes(policy.notes(), context)?;
            context.out.line(format_args!("{} sound, SHA-256 {}", context.out.good("ok"), policy.sha()))?;
            Ok(Code::Done)
        }
        Command::Show { which, prompt } => show(which, *prompt, context),
        Command::Explain { which, level, json, action } => explain(which, *level, *json, action, context),
        Command::Replay(_) => later::run("policy replay"),
    }
}

fn check_file(file: &Path, context: &mut Context) -> Result<Code, CliError> {
    let text = files::user_file(file)?;
    let report =
        policy::check(&file.display().to_string(), &text).map_err(|error| CliError::usage(error).hint("repair that line"))?;
    notes(&report.notes, context)?;
    let rules = if report.rules == 1 { "1 rule".to_owned() } else { format!("{} rules", report.rules) };
    context.out.line(format_args!(
        "{} sound: {rules}, every example as it says, SHA-256 {}",
        context.out.good("ok"),
        report.sha
    ))?;
    Ok(Code::Done)
}

fn show(which: &Which, prompt: bool, context: &mut Context) -> Result<Code, CliError> {
    let (layers, policy) = load(which, context)?;
    if prompt {
        // Byte for byte: this output is compared and hashed. The policy refuses text that cannot be shown.
        context.out.text(policy.prompt_text())?;
        return Ok(Code::Done);
    }
    sources(&layers, context)?;
    notes(policy.notes(), context)?;
    context.out.line(format_args!("SHA-256 {}\n", policy.sha()))?;
    context.out.text(&printable_block(policy.prompt_text()))?;
    Ok(Code::Done)
}

fn explain(which: &Which, level: Option<Level>, json: bool, words: &[String], context: &mut Context) -> Result<Code, CliError> {
    let (_, policy) = load(which, context)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let action =
        Action::from_words(&words).map_err(|why| CliError::usage(why).hint("countersign policy explain run 'git push'"))?;
    let level = match level {
        Some(level) => level,
        // Only commands stand behind walls; the probe runs one.
        None if matches!(action, Action::Run { .. } | Action::RunNet { .. }) => walls::level(context)?.0,
        None => Level::L3,
    };
    let world = walls::world(&context.here()?.join(&which.workspace), context)?;
    let explanation = policy::explain(&policy.behind(level), &action, &world);
    let out = &mut context.out;
    if json {
        let line = serde_json::json!({ "level": level, "policy_sha": policy.sha(), "explanation": explanation }).to_string();
        out.line(printable_json(&line))?;
        return Ok(Code::Done);
    }
    let text = printable_block(&explanation.to_string()).into_owned();
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    out.line(match explanation.decision.verdict {
        Verdict::Allow => out.good(first),
        Verdict::Ask => out.warn(first),
        Verdict::Deny => out.bad(first),
    })?;
    out.text(rest)?;
    Ok(Code::Done)
}

/// The layers that count for a folder, and what they give.
fn load(which: &Which, context: &Context) -> Result<(Vec<LayerFile>, Policy), CliError> {
    let folders = context.folders()?;
    let workspace = context.here()?.join(&which.workspace);
    let trusted = TrustStore::new(&folders).is_trusted(&workspace)?;
    let layers = files::policy_layers(&folders, Some(&workspace), trusted, which.policy.as_deref())?;
    let policy = files::effective(&layers)
        .map_err(|error| CliError::from(error).hint("repair that line; until then the server runs read-only"))?;
    Ok((layers, policy))
}

fn sources(layers: &[LayerFile], context: &mut Context) -> Result<(), CliError> {
    let out = &mut context.out;
    for layer in layers {
        out.line(format_args!("{:<13} {}", layer.kind.to_string(), printable(&layer.name)))?;
    }
    if !layers.iter().any(|layer| layer.kind == policy::LayerKind::User) {
        out.line("user          (none: the built-in default serves)")?;
    }
    Ok(())
}

fn notes(notes: &[String], context: &mut Context) -> Result<(), CliError> {
    let out = &mut context.out;
    for note in notes {
        out.line(format_args!("{} {}", out.warn("note"), printable(note)))?;
    }
    Ok(())
}

fn level(text: &str) -> Result<Level, String> {
    let levels = [Level::L0, Level::L1Weak, Level::L1, Level::L2, Level::L3];
    levels.into_iter().find(|level| level.to_string() == text).ok_or_else(|| "one of L0, L1-weak, L1, L2, L3".to_owned())
}

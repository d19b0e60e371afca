//! The command line: one file a command. Results go to stdout, everything else to stderr; errors are one sentence and a next
//! step, with the exit codes of docs/cli.md.

mod ask;
mod audit;
mod context;
mod demo;
mod doctor;
mod error;
mod first;
mod grants;
mod init;
mod kept;
mod later;
mod lsp;
mod policy;
pub mod printable;
mod probe;
mod sandbox;
pub mod terminal;
mod timeline;
mod trust;
mod walls;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

pub use context::{Context, Out};
pub use error::{CliError, Code};

#[derive(Parser)]
#[command(
    name = "countersign",
    version,
    about = "A language server whose language is a coding agent. You review, you countersign."
)]
#[command(max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Language server on stdio, for editors
    Lsp(lsp::Arguments),
    /// The agent in a terminal, with review hunk by hunk
    Ask(ask::Arguments),
    /// The whole product without key, network or editor
    Demo(demo::Arguments),
    /// What works on this machine, and what to do about the rest
    Doctor(doctor::Arguments),
    /// Write commented user files: model, key, policy
    Init(init::Arguments),
    /// Check, show and explain the policy
    Policy(policy::Arguments),
    /// Test the walls, or run one command inside them
    Sandbox(sandbox::Arguments),
    /// Read and verify the journal
    Audit(audit::Arguments),
    /// Folders in which the agent may work
    Trust(trust::Arguments),
    /// Answers that you asked to be remembered
    Grants(grants::Arguments),
    /// Web page on loopback (not available yet)
    Dashboard(later::Arguments),
    /// Pilot tasks (not available yet)
    Pilot(later::Arguments),
    /// Failures classified from the journal (not available yet)
    Retro(later::Arguments),
    /// A recorded session again (not available yet)
    Replay(later::Arguments),
}

/// Runs the command line to its end.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let parsed = match Arguments::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version are results; only mistakes are errors.
            let _ = error.print();
            return if error.use_stderr() { Code::Usage.into() } else { Code::Done.into() };
        }
    };
    let mut context = Context::capture();
    let result = context.start_log().and_then(|()| dispatch(parsed.command, &mut context));
    let result = result.and_then(|code| context.out.finish().map(|()| code));
    match result {
        Ok(code) => code.into(),
        Err(error) => error.report(),
    }
}

fn dispatch(command: Option<Command>, context: &mut Context) -> Result<Code, CliError> {
    match command {
        None => first::screen(context),
        Some(Command::Doctor(arguments)) => doctor::run(&arguments, context),
        Some(Command::Init(arguments)) => init::run(&arguments, context),
        Some(Command::Policy(arguments)) => policy::run(&arguments, context),
        Some(Command::Sandbox(arguments)) => sandbox::run(&arguments, context),
        Some(Command::Audit(arguments)) => audit::run(&arguments, context),
        Some(Command::Trust(arguments)) => trust::run(&arguments, context),
        Some(Command::Grants(arguments)) => grants::run(&arguments, context),
        Some(Command::Lsp(arguments)) => lsp::run(arguments, context),
        Some(Command::Ask(arguments)) => ask::run(&arguments, context),
        Some(Command::Demo(arguments)) => demo::run(&arguments, context),
        Some(Command::Dashboard(_)) => later::run("dashboard"),
        Some(Command::Pilot(_)) => later::run("pilot"),
        Some(Command::Retro(_)) => later::run("retro"),
        Some(Command::Replay(_)) => later::run("replay"),
    }
}

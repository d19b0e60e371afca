//! `countersign grants`: the answers that the user asked to be remembered.

use clap::Subcommand;

use super::{
    CliError, Code, Context,
    printable::{printable, shortened},
};
use crate::{config::GrantStore, event::Event};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the remembered answers
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Forget one: the question is asked again
    Revoke {
        /// As `grants list` shows it
        id: String,
    },
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<Code, CliError> {
    let store = GrantStore::new(&context.folders()?);
    match &arguments.command {
        Command::List { json } => {
            let grants = store.list()?;
            for grant in &grants {
                if *json {
                    let mut line = serde_json::json!(grant);
                    line["id"] = grant.id().into();
                    context.out.line(line)?;
                } else {
                    let pattern = shortened(&printable(&grant.pattern), 200);
                    let folder = grant.workspace.to_string_lossy();
                    context.out.line(format_args!(
                        "{}  {}  {pattern}  {}",
                        context.out.bold(grant.id()),
                        printable(&grant.action),
                        context.out.dim(format_args!("in {}, since {}", printable(&folder), grant.since)),
                    ))?;
                }
            }
            if grants.is_empty() && !json {
                context.out.line("No answer is remembered: every question is asked.")?;
            }
        }
        Command::Revoke { id } => {
            let Some(grant) = store.revoke(id)? else {
                return Err(
                    CliError::usage(format_args!("no remembered answer has the id {id:?}")).hint("countersign grants list")
                );
            };
            context.record(Event::GrantRevoked { pattern: format!("{} {}", grant.action, grant.pattern) })?;
            context.out.line(format_args!("Forgotten: {} {}", printable(&grant.action), printable(&grant.pattern)))?;
        }
    }
    Ok(Code::Done)
}

//! `countersign trust`: the folders in which the agent may work.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{CliError, Code, Context, printable::printable};
use crate::{config::TrustStore, event::Event};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the trusted folders
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Trust a folder: models are called and commands run (inside the walls) for it from now on
    Add {
        /// The folder; it alone, not the folders below it
        dir: PathBuf,
    },
    /// Take the trust back
    Revoke {
        /// The folder, also one that is gone
        dir: PathBuf,
    },
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<Code, CliError> {
    let store = TrustStore::new(&context.folders()?);
    match &arguments.command {
        Command::List { json } => {
            let trusted = store.list()?;
            for folder in &trusted {
                if *json {
                    let line = serde_json::json!({
                        "path": folder.path, "device": folder.device, "inode": folder.inode, "git": folder.git,
                        "since": folder.since, "holds": store.is_trusted(&folder.path).unwrap_or(false),
                    });
                    context.out.line(line)?;
                } else {
                    let path = folder.path.to_string_lossy();
                    let note = if store.is_trusted(&folder.path).unwrap_or(false) {
                        ""
                    } else {
                        "  (gone or changed since: not trusted)"
                    };
                    context.out.line(format_args!("{}  {}{note}", context.out.dim(&folder.since), printable(&path)))?;
                }
            }
            if trusted.is_empty() && !json {
                context.out.line("No folder is trusted. Trust one with: countersign trust add DIR")?;
            }
        }
        Command::Add { dir } => {
            let held = store.is_trusted(dir).unwrap_or(false);
            let folder = store.add(dir).map_err(|error| {
                // Either the folder is at fault or the list of them.
                let next = if dir.is_dir() { "countersign doctor" } else { "countersign trust add DIR, a folder that is there" };
                CliError::from(error).hint(next)
            })?;
            if !held {
                record(context, &folder.path, true)?;
            }
            let already = if held { " already" } else { "" };
            context.out.line(format_args!("Trusted{already}: {}", printable(&folder.path.to_string_lossy())))?;
        }
        Command::Revoke { dir } => {
            let named = context.here()?.join(dir);
            let Some(folder) = store.revoke(&named)? else {
                let shown = named.to_string_lossy();
                return Err(CliError::usage(format_args!("{} is not trusted", printable(&shown))).hint("countersign trust list"));
            };
            record(context, &folder, false)?;
            context.out.line(format_args!("No longer trusted: {}", printable(&folder.to_string_lossy())))?;
        }
    }
    Ok(Code::Done)
}

fn record(context: &Context, folder: &Path, trusted: bool) -> Result<(), CliError> {
    context.record(Event::TrustChanged { folder: folder.to_string_lossy().into_owned(), trusted, by: "command line".to_owned() })
}

//! `countersign lsp`: the language server on stdio. stdout carries the protocol and nothing else.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{CliError, Code, Context, walls};
use crate::{
    config::{Live, Policies},
    server::{self, Ending, Setup, SystemClock},
};

/// Longest time that what still runs may take to end when the editor is gone.
const LETTING_GO: Duration = Duration::from_millis(500);

/// Arguments of `lsp`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Model SPEC, such as anthropic:NAME or script:FILE
    #[arg(long, value_name = "SPEC")]
    pub model: Option<String>,
    /// A policy file in place of your own
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Record the model's answers as a script
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Editors pass it out of habit; stdio is the only transport
    #[arg(long, hide = true)]
    pub stdio: bool,
}

/// Serves one editor, then ends the process.
pub fn run(arguments: Arguments, context: &Context) -> Result<Code, CliError> {
    if context.interactive() {
        context.complain("This is the language server: an editor starts it and talks to it. Ctrl-C leaves; `countersign ask` is for terminals.");
    }
    let mut setup = setup(context)?;
    setup.model = arguments.model;
    setup.policy = arguments.policy;
    setup.record = arguments.record;
    setup.keep_pending = true;
    setup.watch_editor = true;
    setup.pipe = Some(rustix::stdio::stdout());
    let runtime = runtime()?;
    let ending = runtime.block_on(server::serve(tokio::io::stdin(), tokio::io::stdout(), setup));
    // Lets the journal and the walls end; a read of stdin that is still under way would never let go.
    runtime.shutdown_timeout(LETTING_GO);
    std::process::exit(if ending == Ending::Orderly { 0 } else { 1 });
}

/// What a server needs, from the user's files and environment. A broken `config.toml` makes it read-only.
pub fn setup(context: &Context) -> Result<Setup, CliError> {
    let folders = context.folders()?;
    Ok(Setup {
        environment: context.environment.clone(),
        config: Live::of(&folders),
        folders,
        model: None,
        policy: None,
        record: None,
        max_iterations: None,
        sandbox: Arc::new(walls::sandbox(context)?),
        clock: Arc::new(SystemClock::default()),
        policies: Policies::default(),
        keep_pending: false,
        watch_editor: false,
        pipe: None,
    })
}

/// The event loop of a server: two threads, so that a task's work never holds up the typing.
pub fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| CliError::new(Code::Failed, format_args!("no event loop: {error}")))
}

//! `countersign lsp`: the language server on stdio. Stdout carries the protocol and nothing else.

use std::{path::PathBuf, process, sync::Arc};

use super::{CliError, Code, Context};
use crate::{
    config::Config,
    sandbox::{LinuxSandbox, SandboxPaths},
    server::{self, Ending, Setup, SystemClock},
};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub choices: Choices,
    /// As editors' client libraries add it; stdio is the only way to talk
    #[arg(long, hide = true)]
    stdio: bool,
}

/// What both `lsp` and `ask` let the user choose.
#[derive(clap::Args)]
pub struct Choices {
    /// Model: `anthropic:NAME`, `script:FILE` or `manual:DIR`
    #[arg(long, value_name = "SPEC")]
    model: Option<String>,
    /// A policy file in place of yours
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Write the model's answers to a file, to be served again by `--model script:FILE`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, context: &mut Context) -> Result<Code, CliError> {
    let setup = Setup { watch_editor: true, ..setup(&arguments.choices, context)? };
    let runtime = runtime()?;
    let ending = runtime.block_on(server::serve(tokio::io::stdin(), tokio::io::stdout(), setup));
    // A read of stdin may hang for as long as the editor keeps the pipe open: nobody waits for it.
    process::exit(match ending {
        Ending::Orderly => Code::Done as i32,
        Ending::Abrupt => Code::Failed as i32,
    })
}

/// What the server is started with. A broken `config.toml` is the server's to tell: it goes on read-only.
pub fn setup(choices: &Choices, context: &Context) -> Result<Setup, CliError> {
    let folders = context.folders()?;
    let (config, broken_config) = match Config::load(&folders) {
        Ok(config) => (config, None),
        Err(error) => (Config::default(), Some(error)),
    };
    let exe = std::env::current_exe()
        .map_err(|error| CliError::new(Code::Failed, format_args!("this program does not find itself: {error}")))?;
    let paths = SandboxPaths { exe, cache: folders.cache.join("shadows") };
    let sandbox = LinuxSandbox::new(paths).hiding([folders.state.clone(), folders.config.clone()]);
    Ok(Setup {
        environment: context.environment.clone(),
        folders,
        config,
        broken_config,
        model: choices.model.clone(),
        policy: choices.policy.clone(),
        record: choices.record.clone(),
        max_iterations: None,
        sandbox: Arc::new(sandbox),
        clock: Arc::new(SystemClock::default()),
        watch_editor: false,
    })
}

/// The event loop of server and terminal.
pub fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| CliError::new(Code::Failed, format_args!("no event loop: {error}")))
}

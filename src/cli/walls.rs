//! The walls and the workspace as commands of the command line use them.

use std::path::Path;

use super::{CliError, Context};
use crate::{
    policy::Level,
    sandbox::{LinuxSandbox, SandboxPaths},
    workspace::{Folder, World},
};

/// The sandbox of this user. No command sees the user's settings or the journal.
pub fn sandbox(context: &Context) -> Result<LinuxSandbox, CliError> {
    let folders = context.folders()?;
    let exe = std::env::current_exe();
    let exe = exe.map_err(|error| {
        CliError::usage(format_args!("this program does not find itself: {error}")).hint("start it by its full path")
    })?;
    let paths = SandboxPaths { exe, cache: folders.cache };
    Ok(LinuxSandbox::new(paths).hiding([folders.config, folders.state]))
}

/// The level of this machine, proved now by running a command, and what is missing for a higher one.
pub fn level(context: &Context) -> Result<(Level, String), CliError> {
    let sandbox = sandbox(context)?;
    context.block_on(sandbox.proved())
}

/// A workspace folder as the policy asks about it.
pub fn world(folder: &Path, context: &Context) -> Result<World, CliError> {
    let folder = Folder::open(folder).map_err(CliError::usage)?;
    Ok(World::new(folder, context.environment.home(), context.environment.folder("XDG_CONFIG_HOME")))
}

//! Commands whose names are taken and which are not built yet: they say so and do nothing.

use std::{ffi::OsString, fmt};

use super::{CliError, Code};

/// Whatever was typed after the command.
#[derive(clap::Args)]
pub struct Arguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

/// Refuses.
pub fn run(what: impl fmt::Display) -> Result<Code, CliError> {
    Err(CliError::usage(format_args!("`{what}` is not available yet")).hint("countersign --help"))
}

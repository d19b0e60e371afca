//! `countersign policy`.

use super::{CliError, Code, Context, later};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    rest: later::Arguments,
}

pub fn run(_arguments: &Arguments, _context: &mut Context) -> Result<Code, CliError> {
    later::run("policy")
}

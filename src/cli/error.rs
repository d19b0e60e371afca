//! How a command ends: its exit code, or one sentence and a next step.

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use super::printable::printable;
use crate::{config::ConfigError, journal::ReadError, seams::JournalError};

/// Exit codes (docs/cli.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Done = 0,
    /// The task failed or was stopped by a limit.
    Failed = 1,
    /// Usage or configuration.
    Usage = 2,
    /// The walls that the policy asks for cannot be had.
    Walls = 3,
    /// Refused by a person or policy.
    Refused = 4,
    Cancelled = 130,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> ExitCode {
        ExitCode::from(code as u8)
    }
}

/// Why a command did not do what was asked, for the person at the terminal.
#[derive(Clone, Debug)]
pub struct CliError {
    /// One sentence.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    pub code: Code,
}

impl CliError {
    pub fn new(code: Code, message: impl fmt::Display) -> CliError {
        CliError { message: message.to_string(), hint: None, code }
    }

    /// A mistake in what was typed or configured.
    pub fn usage(message: impl fmt::Display) -> CliError {
        CliError::new(Code::Usage, message)
    }

    /// With a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> CliError {
        self.hint = Some(hint.to_string());
        self
    }

    /// Prints the error. Nobody may be there to read it.
    pub fn tell(&self) {
        if self.message.is_empty() {
            return;
        }
        let mut lines = format!("error: {}\n", printable(&self.message));
        if let Some(hint) = &self.hint {
            lines += &format!("  try: {}\n", printable(hint));
        }
        let _ = io::stderr().write_all(lines.as_bytes());
    }

    /// Prints the error and gives its exit code.
    pub(super) fn report(&self) -> ExitCode {
        self.tell();
        self.code.into()
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> CliError {
        CliError::usage(error)
    }
}

impl From<ReadError> for CliError {
    fn from(error: ReadError) -> CliError {
        match error {
            ReadError::Name(_) | ReadError::Missing(_) => CliError::usage(error),
            ReadError::BadLine { .. } => CliError::new(Code::Failed, error).hint("countersign audit verify"),
            ReadError::Io { .. } => CliError::new(Code::Failed, error).hint("countersign doctor"),
        }
    }
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> CliError {
        CliError::new(Code::Failed, error).hint("countersign doctor")
    }
}

/// Only for stdout and the terminal: a reader that has seen enough (`| head`) is no error.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> CliError {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return CliError::new(Code::Done, "");
        }
        CliError::new(Code::Failed, format_args!("the output cannot be written: {error}"))
    }
}

//! What every command gets: environment, folders, current folder, and where its output goes. Asks for the current folder once,
//! so the ban on it is lifted here.
#![allow(clippy::disallowed_methods)]

use std::{
    fmt,
    io::{self, BufWriter, IsTerminal, Stdout, Write},
    path::PathBuf,
};

use anstyle::{AnsiColor, Style};

use super::{CliError, Code};
use crate::{
    config::{Config, Environment, Folders},
    event::{Actor, Event, Scope},
    journal::FileJournal,
    seams::Journal,
};

/// The world of one command.
pub struct Context {
    pub environment: Environment,
    pub out: Out,
}

impl Context {
    pub(super) fn capture() -> Context {
        let environment = Environment::capture();
        let plain = environment.no_color();
        let out = Out { stdout: BufWriter::new(io::stdout()), colour: io::stdout().is_terminal() && !plain };
        Context { environment, out }
    }

    /// Starts the log on stderr: `COUNTERSIGN_LOG` is its filter, `warn` when it is not set.
    pub(super) fn start_log(&self) -> Result<(), CliError> {
        let filter = self.environment.log().unwrap_or("warn");
        let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| {
            CliError::usage(format_args!("COUNTERSIGN_LOG: {error}")).hint("COUNTERSIGN_LOG=countersign=debug")
        })?;
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
        let _ = log.try_init();
        Ok(())
    }

    /// The user's folders.
    pub fn folders(&self) -> Result<Folders, CliError> {
        Ok(Folders::of(&self.environment)?)
    }

    /// The user's settings.
    pub fn config(&self) -> Result<Config, CliError> {
        Ok(Config::load(&self.folders()?)?)
    }

    /// The folder in which the command was started.
    pub fn here(&self) -> Result<PathBuf, CliError> {
        std::env::current_dir().map_err(|error| CliError::usage(format_args!("the current folder is gone: {error}")))
    }

    /// Whether a person can be asked: both ends are terminals.
    pub fn interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Runs a future to its end on this thread.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CliError::new(Code::Failed, format_args!("no event loop: {error}")))?;
        Ok(runtime.block_on(future))
    }

    /// Notes in the journal what the user did here; on the disk when it comes back.
    pub fn record(&self, event: Event) -> Result<(), CliError> {
        let journal = FileJournal::open(&self.folders()?.state)?;
        self.block_on(journal.append_durable(Actor::Human, &Scope::default(), event))??;
        Ok(())
    }

    /// A line on stderr. Nobody may be there to read it.
    pub fn complain(&self, line: &str) {
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Asks on the terminal; `None` at the end of input. Only when [`Context::interactive`].
    pub fn ask(&self, question: &str) -> Result<Option<String>, CliError> {
        let _ = write!(io::stderr(), "{question}");
        let _ = io::stderr().flush();
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        match read.map_err(|error| CliError::usage(format_args!("the answer cannot be read: {error}")))? {
            0 => Ok(None),
            _ => Ok(Some(line.trim().to_owned())),
        }
    }
}

/// Standard output, with colours where they can be seen.
pub struct Out {
    stdout: BufWriter<Stdout>,
    colour: bool,
}

impl Out {
    /// A line.
    pub fn line(&mut self, line: impl fmt::Display) -> Result<(), CliError> {
        Ok(writeln!(self.stdout, "{line}")?)
    }

    /// A text as it is.
    pub fn text(&mut self, text: &str) -> Result<(), CliError> {
        Ok(self.stdout.write_all(text.as_bytes())?)
    }

    /// Shows what was written so far.
    pub fn finish(&mut self) -> Result<(), CliError> {
        Ok(self.stdout.flush()?)
    }

    /// For what is good.
    pub fn good(&self, text: impl fmt::Display) -> String {
        self.paint(Style::new().fg_color(Some(AnsiColor::Green.into())), text)
    }

    /// For what needs a look.
    pub fn warn(&self, text: impl fmt::Display) -> String {
        self.paint(Style::new().fg_color(Some(AnsiColor::Yellow.into())), text)
    }

    /// For what is broken or denied.
    pub fn bad(&self, text: impl fmt::Display) -> String {
        self.paint(Style::new().bold().fg_color(Some(AnsiColor::Red.into())), text)
    }

    /// For what matters most in a line.
    pub fn bold(&self, text: impl fmt::Display) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// For what matters least.
    pub fn dim(&self, text: impl fmt::Display) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    fn paint(&self, style: Style, text: impl fmt::Display) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

//! The wall processes: `countersign __wall` or `countersign-wall`. They put up every wall and run commands behind them.
//!
//! Two stages where there are namespaces, because a new process namespace holds only the children of the process that made it:
//! - the **keeper**, one for a session: a user namespace (made while it has one thread, which the kernel demands) and a
//!   read-only world; for each command it makes further namespaces and starts
//! - **process 1** of these: private folders at once, then, when it gets the command's plan, the shadow, capabilities,
//!   Landlock, seccomp, in this order, and the command; it reaps, samples memory and ends everything when the server hangs up.
//!
//! Where the level has no namespaces, the keeper only starts others: a **watcher** for each command, and under it the process that
//! puts Landlock and seccomp round itself and becomes the command (**confined**).
//!
//! Any step that fails ends the stage with the step's name. There is no path on which a command runs behind fewer walls.
//!
//! It owns what it touches of the operating system (files, processes), hence the lifted bans.
#![allow(clippy::disallowed_methods)]

mod act;
mod bounds;
mod confined;
mod disk;
mod ground;
mod guard;
mod hidden;
mod keeper;
mod landlock;
mod loopback;
mod mounts;
mod overlay;
mod packages;
mod private;
mod privileges;
mod process_1;
mod reaper;
mod tree;
mod usage;
mod watcher;

use std::{
    borrow::Cow,
    env, fmt,
    io::{self, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    process::ExitCode,
};

use super::plan::Report;

/// The argument that asks for the first stage; the second is the keeper's own affair.
pub(super) const KEEPER: &str = "keeper";
const PROCESS_1: &str = "process-1";
/// In place of it where there are no namespaces.
const WATCHER: &str = "watcher";
const CONFINED: &str = "confined";
/// No stage of the walls: what the self-test runs behind them.
pub(super) const ACT: &str = "act";

/// The step of a failure that a new process 1 mends: what this one prepared has changed since.
const STALE: &str = "what stood ready";

/// A wall that could not be put up.
struct Failure {
    step: Cow<'static, str>,
    why: String,
}

/// Names the step of a fallible call.
trait Step<T> {
    /// Turns the error into the failure of `step`.
    fn step(self, step: &'static str) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Step<T> for Result<T, E> {
    fn step(self, step: &'static str) -> Result<T, Failure> {
        self.map_err(|e| Failure { step: step.into(), why: e.to_string() })
    }
}

/// Runs the stage that the last argument names. To be called first thing in `main`, before any thread exists.
pub fn wall_main() -> ExitCode {
    let stage = env::args_os().next_back().unwrap_or_default();
    let done = match stage.to_str() {
        Some(KEEPER) => keeper::run(),
        Some(PROCESS_1) => process_1::run().map(|never| match never {}),
        Some(WATCHER) => watcher::run().map(|never| match never {}),
        Some(CONFINED) => confined::run().map(|never| match never {}),
        Some(ACT) => act::run(),
        _ => Err(Failure {
            step: "start".into(),
            why: "this program is started by countersign for its commands, not by hand".into(),
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { step, why }) => {
            let failed = Report::Failed { step: step.clone().into_owned(), why: why.clone() };
            let report = if step == STALE { Report::Stale(why.clone()) } else { failed };
            if !channel().is_ok_and(|mut channel| send(&mut channel, &report).is_ok()) {
                let _ = writeln!(io::stderr(), "countersign-wall: {step}: {why}");
            }
            ExitCode::from(125)
        }
    }
}

/// The argument before the stage where the main binary serves as the wall process.
fn again() -> Option<&'static str> {
    env::args_os().nth(2).is_some().then_some("__wall")
}

/// The socket to the server: standard input.
fn channel() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Sends one report line.
fn send(channel: &mut UnixStream, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    channel.write_all(&line)
}

//! The wall process: `countersign __wall` or `countersign-wall`. It puts up every wall and runs one command behind them.
//!
//! Two stages, because a new process namespace holds only the children of the process that made it:
//! - **outer** makes the namespaces (single-threaded, which the kernel demands) and starts
//! - **inner**, process 1 of the new namespace: mounts, limits, capabilities, Landlock, seccomp, in this order, then the
//!   command; it reaps, samples memory and ends everything when the server hangs up.
//!
//! Any step that fails ends the stage with the step's name. There is no path on which a command runs behind fewer walls.
//!
//! It owns what it touches of the operating system (files, processes), hence the lifted bans.
#![allow(clippy::disallowed_methods)]

mod inner;
mod landlock;
mod loopback;
mod mounts;
mod outer;
mod overlay;
mod privileges;
mod reaper;

use std::{
    env, fmt,
    io::{self, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    process::ExitCode,
};

use super::plan::Report;

/// The argument that asks for the first stage; the second is the wall process's own affair.
pub(super) const OUTER: &str = "outer";
const INNER: &str = "inner";

/// A wall that could not be put up.
struct Failure {
    step: &'static str,
    why: String,
}

/// Names the step of a fallible call.
trait Step<T> {
    /// Turns the error into the failure of `step`.
    fn step(self, step: &'static str) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Step<T> for Result<T, E> {
    fn step(self, step: &'static str) -> Result<T, Failure> {
        self.map_err(|e| Failure { step, why: e.to_string() })
    }
}

/// Runs the stage that the last argument names. To be called first thing in `main`, before any thread exists.
pub fn wall_main() -> ExitCode {
    let stage = env::args_os().next_back().unwrap_or_default();
    let done = match stage.to_str() {
        Some(OUTER) => outer::run(),
        Some(INNER) => inner::run().map(|never| match never {}),
        _ => Err(Failure { step: "start", why: "this program is started by countersign for each command, not by hand".into() }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { step, why }) => {
            let report = Report::Failed { step: step.to_owned(), why: why.clone() };
            if !channel().is_ok_and(|mut channel| send(&mut channel, &report).is_ok()) {
                let _ = writeln!(io::stderr(), "countersign-wall: {step}: {why}");
            }
            ExitCode::from(125)
        }
    }
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

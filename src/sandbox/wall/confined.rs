//! Where there are no namespaces: the process that puts the walls up round itself, Landlock and seccomp, and then becomes the
//! command.

use std::{convert::Infallible, io::Read, os::unix::process::CommandExt, path::Path, process};

use rustix::process::{Signal, set_parent_process_death_signal};

use super::{
    Failure, Step, channel,
    landlock::{self, Rights},
    private, privileges, process_1, send,
};
use crate::sandbox::plan::{Ground, Plan, Report, read_frame};

/// Does not come back: it fails, or is the command.
pub(super) fn run() -> Result<Infallible, Failure> {
    set_parent_process_death_signal(Some(Signal::KILL)).step("start")?;
    // A session of its own: the scheduler of many machines shares time among sessions, and the watcher must not starve.
    rustix::process::setsid().step("start")?;
    let mut watcher = channel().step("start")?;
    let Some(ground) = read_frame::<Ground>(&mut watcher).step("plan")? else { process::exit(0) };
    let Some(plan) = read_frame::<Plan>(&mut watcher).step("plan")? else { process::exit(0) };
    privileges::limit(&ground.limits, ground.level)?;
    privileges::empty_bounding_set();
    privileges::drop_all(ground.level)?;
    let writable: Vec<&Path> = plan.writable.iter().map(AsRef::as_ref).collect();
    let rights = Rights { readable: &plan.readable, writable: &writable, devices: &private::devices() };
    landlock::rules(ground.level, &rights)?.restrict()?;
    process_1::filter(&ground)?;
    let mut command = process_1::command(&plan)?;
    send(&mut watcher, &Report::Started).step("start")?;
    watcher.read_exact(&mut [0u8]).step("start")?;
    // Standard input is not the socket any more.
    let why = format!("{}: {}", plan.shell.display(), command.exec());
    let _ = send(&mut watcher, &Report::Failed { step: "shell".into(), why });
    process::exit(125)
}

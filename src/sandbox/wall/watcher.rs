//! Where there are no namespaces: the process that watches one command from outside its walls. What the command starts and
//! leaves behind falls to it and is ended by it; it reports like a process 1.

use std::{
    convert::Infallible,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{self, Command},
};

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use super::{CONFINED, Failure, Step, again, bounds::Bounds, channel, disk::Disk, reaper, send, tree::Tree, usage::Usage};
use crate::sandbox::plan::{Ground, Plan, Report, frame, read_frame};

/// Does not come back before everything has ended.
pub(super) fn run() -> Result<Infallible, Failure> {
    let mut server = channel().step("start")?;
    let Some(ground) = read_frame::<Ground>(&mut server).step("plan")? else { process::exit(0) };
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let tree = Tree::adopt(ground.level)?;
    // The command is of the same user.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).step("start")?;

    let Some(plan) = read_frame::<Plan>(&mut server).step("plan")? else { process::exit(0) };
    let shadow = OwnedFd::from(File::open(&ground.shadow).step("copy of the workspace")?);
    let limits = match ground.limits.shadow_size {
        0 => ground.limits,
        most => crate::sandbox::plan::Limits { shadow_size: most.saturating_add(plan.begun), ..ground.limits },
    };
    let disk = Disk::new(shadow, None, limits.shadow_size, plan.exceeded);
    let (bounds, usage) = (Bounds::new(&ground), Usage::new(&ground, tree));
    reaper::listen_to(&server, usage.clone(), disk, bounds.clone())?;
    let command = start(&mut server, &ground, &plan)?;
    reaper::watch(server, command, &usage, bounds)
}

/// Starts the stage that puts the walls up round itself and becomes the command. It says that they stand, and waits for the
/// word that the server was told; that its socket is closed then means that it became the shell.
fn start(server: &mut UnixStream, ground: &Ground, plan: &Plan) -> Result<u32, Failure> {
    let (mut ours, theirs) = UnixStream::pair().step("start")?;
    let mut confined = Command::new("/proc/self/exe");
    confined.args(again()).arg(CONFINED).env_clear().stdin(OwnedFd::from(theirs));
    // Not waited for by handle: whatever ends is reaped by the watcher.
    let number = confined.spawn().step("start")?.id();
    // The command builder holds a copy of the other end.
    drop(confined);
    let mut told = || -> io::Result<()> {
        ours.write_all(&frame(ground)?)?;
        ours.write_all(&frame(plan)?)
    };
    // One that fails early hangs up; its report says why.
    let told = told();
    let mut stands = false;
    for line in BufReader::new(&ours).lines() {
        match line.ok().and_then(|line| serde_json::from_str(&line).ok()) {
            Some(Report::Failed { step, why }) => return Err(Failure { step: step.into(), why }),
            Some(Report::Started) => {
                // What the server does not know to have begun it begins again.
                send(server, &Report::Started).and_then(|()| (&ours).write_all(b"\n")).step("start")?;
                stands = true;
            }
            _ => {}
        }
    }
    told.step("start")?;
    if stands { Ok(number) } else { Err("the walls' own process ended without a word").step("start") }
}

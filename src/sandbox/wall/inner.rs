//! Second stage, process 1: the walls in their order, then the command.

use std::{
    convert::Infallible,
    fs,
    io::Read,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal};

use super::{Failure, Step, channel, landlock, mounts, privileges, reaper, send};
use crate::sandbox::plan::{Plan, Report};

/// The largest plan that is read, bytes; a guard against nonsense on standard input.
const MAX_PLAN: u32 = 64 << 20;

/// Reads the plan, puts the walls up, starts the command and does not come back before everything has ended.
pub(super) fn run() -> Result<Infallible, Failure> {
    only_in_new_namespaces()?;
    set_parent_process_death_signal(Some(Signal::KILL)).step("start")?;
    let mut server = channel().step("start")?;
    let plan = read_plan(&mut server)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    mounts::raise(&plan)?;
    privileges::limit(&plan.limits)?;
    mounts::seal_proc()?;
    privileges::drop_all()?;
    let mut writable: Vec<&Path> = ["/tmp", "/var/tmp", "/dev/shm", "/dev/pts"].map(Path::new).to_vec();
    writable.extend([plan.home.as_path(), plan.folder.as_path()]);
    writable.retain(|path| path.is_dir());
    landlock::restrict(&writable, &mounts::devices())?;
    filter(&plan)?;
    // The command is of the same user: it must not look into or steer the process that watches it.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).step("start")?;
    reaper::listen_to(&server, &plan.limits)?;
    let command = start(&plan)?;
    send(&mut server, &Report::Started).step("start")?;
    reaper::watch(server, command)
}

/// What follows would take the machine apart if root started this stage by hand: it must be process 1, in a user namespace
/// of one user, as the first stage makes it.
fn only_in_new_namespaces() -> Result<(), Failure> {
    let users = fs::read_to_string("/proc/self/uid_map").step("start")?;
    let one_user = users.lines().count() == 1 && users.split_whitespace().nth(2) == Some("1");
    if std::process::id() == 1 && one_user {
        return Ok(());
    }
    Err("this stage is started by the stage before, in namespaces of its own").step("start")
}

/// A length (4 bytes, little end first), then JSON. The socket stays open behind it: its end is the order to stop.
fn read_plan(server: &mut impl Read) -> Result<Plan, Failure> {
    let mut length = [0u8; 4];
    server.read_exact(&mut length).step("plan")?;
    let length = u32::from_le_bytes(length);
    if length > MAX_PLAN {
        return Err(format!("{length} bytes are more than a plan has")).step("plan");
    }
    let mut json = vec![0u8; length as usize];
    server.read_exact(&mut json).step("plan")?;
    serde_json::from_slice(&json).step("plan")
}

fn filter(plan: &Plan) -> Result<(), Failure> {
    let instruction = |&(code, jt, jf, k): &(u16, u8, u8, u32)| seccompiler::sock_filter { code, jt, jf, k };
    let program: Vec<_> = plan.filter.iter().map(instruction).collect();
    seccompiler::apply_filter(&program).step("seccomp")
}

/// The command in a process group of its own, with nothing on standard input.
fn start(plan: &Plan) -> Result<u32, Failure> {
    if !plan.cwd.is_dir() {
        return Err(format!("{} is not a folder", plan.cwd.display())).step("working folder");
    }
    let mut command = Command::new(&plan.shell);
    command.args(&plan.args).env_clear().envs(plan.env.iter().map(|(k, v)| (k, v))).current_dir(&plan.cwd);
    command.stdin(Stdio::null()).process_group(0);
    // Not waited for by handle: process 1 reaps whatever ends.
    let child = command.spawn().map_err(|e| format!("{}: {e}", plan.shell.display())).step("shell")?;
    Ok(child.id())
}

//! Second stage, process 1 of one command's namespaces: what every command has is put up at once; then it waits for the plan,
//! puts the other walls up in their order, and starts the command.

use std::{
    convert::Infallible,
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{self, Command, Stdio},
};

use rustix::process::{DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal};

use super::{
    Failure, Step,
    bounds::Bounds,
    channel,
    disk::Disk,
    hidden::Hidden,
    landlock::{self, Rights},
    overlay::Layers,
    packages::Packages,
    private, privileges, reaper, send,
    tree::Tree,
    usage::Usage,
};
use crate::{
    sandbox::plan::{Ground, Plan, Report, read_frame},
    seams::CWD,
};

/// Does not come back before everything has ended.
pub(super) fn run() -> Result<Infallible, Failure> {
    only_in_new_namespaces()?;
    set_parent_process_death_signal(Some(Signal::KILL)).step("start")?;
    let mut server = channel().step("start")?;
    let Some(ground) = read_frame::<Ground>(&mut server).step("plan")? else { process::exit(0) };
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let layers = Layers::open(&ground)?;
    let packages = Packages::open(&ground)?;
    let covers = private::raise(&ground)?;
    privileges::limit(&ground.limits, ground.level)?;
    privileges::offer_to_memory_killer();
    private::seal_proc()?;
    let mut hidden = Hidden::raise(&ground)?;
    let overlay = layers.make(ground.prove)?;
    let mut writable: Vec<&Path> = ["/tmp", "/var/tmp", "/dev/shm", "/dev/pts"].map(Path::new).to_vec();
    writable.push(&ground.home);
    writable.retain(|path| path.is_dir());
    // The mounts decide what there is to be read.
    let rights = Rights { readable: &["/".into()], writable: &writable, devices: &private::devices() };
    let mut rules = landlock::rules(ground.level, &rights)?.writable(overlay.root())?;
    privileges::empty_bounding_set();
    let mut usage = Usage::new(&ground, Tree::Namespace);

    let Some(plan) = read_frame::<Plan>(&mut server).step("plan")? else { process::exit(0) };
    covers.still_stand()?;
    overlay.attach(&plan, &ground.folder)?;
    let (caches, fetched) = packages.mount(&plan)?;
    for cache in &caches {
        rules = rules.writable(cache)?;
    }
    hidden.complete(&ground, &plan)?;
    privileges::drop_all(ground.level)?;
    rules.restrict()?;
    filter(&ground)?;
    // The command is of the same user: it must not look into or steer the process that watches it.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).step("start")?;
    let disk = Disk::new(overlay.into_upper(), fetched, ground.limits.shadow_size, plan.exceeded);
    let bounds = Bounds::new(&ground);
    usage.begin();
    reaper::listen_to(&server, usage.clone(), disk, bounds.clone())?;
    let mut command = command(&plan)?;
    // First, for what the server does not know to have begun it begins again.
    send(&mut server, &Report::Started).step("start")?;
    // Not waited for by handle: process 1 reaps whatever ends.
    let command = command.process_group(0).spawn().map_err(|e| format!("{}: {e}", plan.shell.display())).step("shell")?.id();
    reaper::watch(server, command, &usage, bounds)
}

/// What follows would take the machine apart if root started this stage by hand: it must be process 1, in a user namespace
/// of one user, as the keeper makes it.
fn only_in_new_namespaces() -> Result<(), Failure> {
    let users = fs::read_to_string("/proc/self/uid_map").step("start")?;
    let one_user = users.lines().count() == 1 && users.split_whitespace().nth(2) == Some("1");
    if process::id() == 1 && one_user {
        return Ok(());
    }
    Err("this stage is started by the stage before, in namespaces of its own").step("start")
}

/// Puts the system-call filter on; the last wall.
pub(super) fn filter(ground: &Ground) -> Result<(), Failure> {
    let instruction = |&(code, jt, jf, k): &(u16, u8, u8, u32)| seccompiler::sock_filter { code, jt, jf, k };
    let program: Vec<_> = ground.filter.iter().map(instruction).collect();
    seccompiler::apply_filter(&program).step("seccomp")
}

/// The command, with nothing on standard input.
pub(super) fn command(plan: &Plan) -> Result<Command, Failure> {
    if !plan.cwd.is_dir() {
        return Err(format!("{} is not a folder", plan.cwd.display())).step(CWD);
    }
    let mut command = Command::new(&plan.shell);
    command.args(&plan.args).env_clear().envs(plan.env.iter().map(|(k, v)| (k, v))).current_dir(&plan.cwd);
    command.stdin(Stdio::null());
    Ok(command)
}

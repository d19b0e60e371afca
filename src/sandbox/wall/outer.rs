//! First stage: new namespaces, and a child that is process 1 in them.

use std::{
    env, fs,
    process::{Command, Stdio},
};

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountPropagationFlags, mount_change};

use super::{Failure, INNER, Step, loopback, privileges};

/// Makes the namespaces and waits until everything in them is gone.
pub(super) fn run() -> Result<(), Failure> {
    close_inherited()?;
    // Its own session: no controlling terminal, no signals meant for the server's group.
    let _ = rustix::process::setsid();
    rustix::thread::set_no_new_privs(true).step("no new privileges")?;
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let namespaces = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS;
    unshare(namespaces).step("namespaces")?;
    // The user stays who they are, and nobody else exists.
    fs::write("/proc/self/setgroups", "deny").step("user map")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).step("user map")?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).step("user map")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).step("private mounts")?;
    loopback::up()?;
    privileges::keep_over_exec()?;
    let mut process1 = Command::new("/proc/self/exe");
    process1.args(env::args_os().nth(2).is_some().then_some("__wall")).arg(INNER).env_clear();
    process1.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    // Its exit means that the kernel has reaped the whole namespace.
    process1.status().step("process 1")?;
    Ok(())
}

/// Closes what the server may have inherited from whoever started it: commands get 0, 1 and 2 only.
fn close_inherited() -> Result<(), Failure> {
    let open: Vec<i32> = fs::read_dir("/proc/self/fd")
        .step("inherited files")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    // One of them was the listing itself and is closed already.
    for fd in open {
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

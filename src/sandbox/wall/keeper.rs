//! First stage, once a session: a user namespace, a read-only world in it, and from then on a process 1 for each command. Where
//! the level has no namespaces it makes a watcher for each command, and nothing else.
//!
//! Every process 1 gets mount, process, network, ipc and uts namespaces of its own: a thread makes them and starts it, so
//! that no namespace is ever entered twice. It is ordered ahead of its command and waits, mounts in place, for the plan.

use std::{
    fs,
    io::{IoSliceMut, Write},
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{self, Command},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use nix::sched::{CloneFlags, unshare};
use rustix::{
    io::Errno,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
};

use super::{Failure, PROCESS_1, Step, WATCHER, again, channel, ground, loopback, privileges};
use crate::{
    policy::Level,
    sandbox::{
        net::Doorway,
        plan::{Ground, Report, read_frame},
    },
};

/// Lays the ground, then makes a process 1 for each order until the server hangs up.
pub(super) fn run() -> Result<(), Failure> {
    close_inherited()?;
    // Its own session: no controlling terminal, no signals meant for the server's group.
    rustix::process::setsid().step("start")?;
    rustix::thread::set_no_new_privs(true).step("no new privileges")?;
    let mut server = channel().step("start")?;
    let Some(session) = read_frame::<Ground>(&mut server).step("plan")? else { return Ok(()) };
    let level = session.level;
    if level >= Level::L2 {
        // Still one thread, which the kernel demands for a user namespace.
        ground::lay(&session)?;
        privileges::keep_over_exec()?;
    }
    let answers = Arc::new(Mutex::new(server.try_clone().step("start")?));
    while let Some(order) = Order::receive(&server).step("start")? {
        let (number, answers) = (order.number, answers.clone());
        let work = move || {
            let failed = made(order, level).err().map(|Failure { step, why }| (step.into_owned(), why));
            say(&answers, &Report::Gone { number, failed });
        };
        thread::Builder::new().spawn(work).step("process 1")?;
    }
    // Each process 1 dies with the thread that made it.
    process::exit(0)
}

/// The server wants a process 1.
struct Order {
    number: u32,
    /// Its socket to the server.
    channel: OwnedFd,
    /// Where the command's output goes.
    output: OwnedFd,
}

impl Order {
    /// The next order: its number, with two descriptors beside it. `None` when the server is gone.
    fn receive(server: &UnixStream) -> Result<Option<Order>, Errno> {
        let mut number = [0u8; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let read = loop {
            match recvmsg(server, &mut [IoSliceMut::new(&mut number)], &mut beside, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                read => break read?.bytes,
            }
        };
        let mut passed: Vec<OwnedFd> = Vec::new();
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                passed.extend(descriptors);
            }
        }
        match (read, passed.pop(), passed.pop()) {
            (0, ..) => Ok(None),
            (4, Some(output), Some(channel)) => Ok(Some(Order { number: u32::from_le_bytes(number), channel, output })),
            _ => Err(Errno::PROTO),
        }
    }
}

/// Makes the namespaces that the level has, and a process 1 in them, or a watcher where there are none; comes back when
/// everything under it is gone.
fn made(Order { channel, output, .. }: Order, level: Level) -> Result<(), Failure> {
    if level == Level::L3 {
        network()?;
        Doorway::open(&channel).step("network")?;
    }
    if level >= Level::L2 {
        let others = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
        unshare(others).step("namespaces")?;
    }
    let mut process_1 = Command::new("/proc/self/exe");
    process_1.args(again()).arg(if level >= Level::L2 { PROCESS_1 } else { WATCHER }).env_clear();
    process_1.stdin(channel).stdout(output.try_clone().step("process 1")?).stderr(output);
    let mut child = process_1.spawn().step("process 1")?;
    // The command builder holds copies of the descriptors, whose end the server waits for.
    drop(process_1);
    // Its exit means that the kernel has reaped the whole namespace.
    child.wait().step("process 1")?;
    Ok(())
}

/// A network of the calling thread's own, with a loopback that leads nowhere. What is to live in the network of one command,
/// but in none of its other namespaces, is started between this and those.
fn network() -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWNET).step("namespaces")?;
    loopback::up()
}

fn say(answers: &Mutex<UnixStream>, report: &Report) {
    let mut server = answers.lock().unwrap_or_else(PoisonError::into_inner);
    // A server that cannot be reached has hung up, and the main thread sees that.
    let _ = super::send(&mut server, report).and_then(|()| server.flush());
}

/// Closes what the server may have inherited from whoever started it: commands get 0, 1 and 2 only.
fn close_inherited() -> Result<(), Failure> {
    let entries: Result<Vec<fs::DirEntry>, _> = fs::read_dir("/proc/self/fd").step("inherited files")?.collect();
    let names = entries.step("inherited files")?.into_iter().map(|entry| entry.file_name());
    let open: Vec<i32> = names.filter_map(|name| name.to_str()?.parse().ok()).filter(|fd| *fd > 2).collect();
    // One of them was the listing itself and is closed already.
    for fd in open {
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

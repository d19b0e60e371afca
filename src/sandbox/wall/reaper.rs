//! What process 1 does while the command runs: reap, sample what it uses, and end everything when the server hangs up.

use std::{
    io::{ErrorKind, Read},
    os::unix::net::UnixStream,
    process,
    sync::Mutex,
    thread,
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{WaitOptions, wait},
};

use super::{Failure, Step, bounds::Bounds, disk::Disk, guard, send, tree::Tree, usage::Usage};
use crate::sandbox::plan::Report;

/// Between two looks at the memory; also the least time that strays get to finish after the command's end.
const TICK: Duration = Duration::from_millis(40);
/// Ticks of an end that was made: no later word changes it.
const FINAL: u32 = u32::MAX;

/// How the command itself ended, and since how many ticks.
type Ended = Mutex<Option<(Report, u32)>>;

static ENDED: Ended = Mutex::new(None);

/// Starts the thread that listens to the server; before the command, so that a failure still means that nothing ran.
pub(super) fn listen_to(server: &UnixStream, usage: Usage, disk: Disk, bounds: Bounds) -> Result<(), Failure> {
    let listener = server.try_clone().step("start")?;
    listener.set_read_timeout(Some(TICK)).step("start")?;
    if usage.tree() != Tree::Namespace {
        guard::start(server, usage.clone())?;
    }
    thread::Builder::new().spawn(move || listen(listener, &ENDED, &usage, disk, bounds)).step("start")?;
    Ok(())
}

/// Waits for the command and its strays, and reports. Its exit ends the namespace and all in it.
pub(super) fn watch(server: UnixStream, command: u32, usage: &Usage, bounds: Bounds) -> ! {
    let ended = &ENDED;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if u32::try_from(pid.as_raw_nonzero().get()).is_ok_and(|pid| pid == command) => {
                let report = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Report::Exited(code),
                    (_, signal) => Report::Signalled(signal.unwrap_or(0)),
                };
                if let Ok(mut ended) = ended.lock()
                    && ended.as_ref().is_none_or(|(_, ticks)| *ticks != FINAL)
                {
                    *ended = Some((report, 0));
                }
            }
            Err(Errno::CHILD) => finish(server, ended, usage, bounds),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Runs beside the reaper: the end of the server's side, what is used, and strays that outlive the command.
fn listen(mut server: UnixStream, ended: &Ended, usage: &Usage, mut disk: Disk, mut bounds: Bounds) {
    let mut byte = [0u8; 1];
    let (parent, tree) = (rustix::process::getppid(), usage.tree());
    loop {
        match server.read(&mut byte) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            // Cancelled, timed out, or the server is gone.
            Ok(_) | Err(_) => end(server, None, tree),
        }
        // A process 1 would have died with it.
        if rustix::process::getppid() != parent {
            end(server, None, tree);
        }
        if let Ok(mut now) = ended.lock()
            && let Some((report, ticks)) = now.as_mut()
        {
            // A whole tick for pipes to drain (`exec > >(tee log)`), then daemons go.
            *ticks = ticks.saturating_add(1);
            if *ticks > 1 && !usage.starved() {
                let report = report.clone();
                drop(now);
                end(server, Some(report), tree);
            }
        }
        bounds.tell(&mut server);
        // Elsewhere the guard looks.
        let over = (tree == Tree::Namespace).then(|| usage.look().1).flatten();
        if let Some(report) = over.or_else(|| disk.over()) {
            end(server, Some(report), tree);
        }
    }
}

/// Ends everything, and this process: at once where that is the end of the namespace, else when the reaper has seen the last.
pub(super) fn end(mut server: UnixStream, report: Option<Report>, tree: Tree) -> ! {
    if tree == Tree::Namespace {
        let code = i32::from(report.is_none());
        let _ = report.map(|report| send(&mut server, &report));
        process::exit(code);
    }
    if let Ok(mut now) = ENDED.lock() {
        *now = report.map(|report| (report, FINAL));
    }
    loop {
        tree.kill();
        thread::sleep(Duration::from_millis(1));
    }
}

fn finish(mut server: UnixStream, ended: &Ended, usage: &Usage, mut bounds: Bounds) -> ! {
    bounds.tell(&mut server);
    if usage.starved() {
        let _ = send(&mut server, &Report::Memory);
    } else if let Ok(now) = ended.lock()
        && let Some((report, _)) = now.as_ref()
    {
        let _ = send(&mut server, report);
    }
    // It has no child, so there is no process but this one; and now nobody who could write.
    for output in [1, 2] {
        let _ = nix::unistd::close(output);
    }
    let _ = send(&mut server, &Report::Empty);
    if usage.tree() == Tree::Namespace {
        // The end of the namespaces keeps a processor busy: the listener makes it when the server hangs up, or after its two ticks.
        loop {
            thread::park();
        }
    }
    process::exit(0)
}

//! What process 1 does while the command runs: reap, sample memory, and end everything when the server hangs up.

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

use super::{Failure, Step, bounds::Bounds, disk::Disk, send, usage::Usage};
use crate::sandbox::plan::Report;

/// Between two looks at the memory; also the least time that strays get to finish after the command's end.
const TICK: Duration = Duration::from_millis(40);

/// How the command itself ended, and since how many ticks.
type Ended = Mutex<Option<(Report, u32)>>;

static ENDED: Ended = Mutex::new(None);

/// Starts the thread that listens to the server; before the command, so that a failure still means that nothing ran.
pub(super) fn listen_to(server: &UnixStream, usage: Usage, disk: Disk, bounds: Bounds) -> Result<(), Failure> {
    let listener = server.try_clone().step("start")?;
    listener.set_read_timeout(Some(TICK)).step("start")?;
    thread::Builder::new().spawn(move || listen(listener, &ENDED, &usage, disk, bounds)).step("start")?;
    Ok(())
}

/// Waits for the command and its strays, reports, and exits, which ends the namespace and all in it.
pub(super) fn watch(server: UnixStream, command: u32, usage: &Usage, bounds: Bounds) -> ! {
    let ended = &ENDED;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if u32::try_from(pid.as_raw_nonzero().get()).is_ok_and(|pid| pid == command) => {
                let report = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Report::Exited(code),
                    (_, signal) => Report::Signalled(signal.unwrap_or(0)),
                };
                if let Ok(mut ended) = ended.lock() {
                    *ended = Some((report, 0));
                }
            }
            Err(Errno::CHILD) => finish(server, ended, usage, bounds),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Runs beside the reaper: the end of the server's side, memory, and strays that outlive the command.
fn listen(mut server: UnixStream, ended: &Ended, usage: &Usage, mut disk: Disk, mut bounds: Bounds) {
    let mut byte = [0u8; 1];
    loop {
        match server.read(&mut byte) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            // Cancelled, timed out, or the server is gone.
            Ok(_) | Err(_) => process::exit(1),
        }
        if let Ok(mut now) = ended.lock()
            && let Some((report, ticks)) = now.as_mut()
        {
            // A whole tick for pipes to drain (`exec > >(tee log)`), then daemons go.
            *ticks += 1;
            if *ticks > 1 && !usage.starved() {
                let _ = send(&mut server, report);
                process::exit(0);
            }
        }
        bounds.tell(&mut server);
        if let Some(report) = usage.over().or_else(|| disk.over()) {
            let _ = send(&mut server, &report);
            process::exit(0);
        }
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
    process::exit(0)
}

//! What process 1 does while the command runs: reap, sample memory, and end everything when the server hangs up.

use std::{
    fs,
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

use super::{Failure, Step, disk::Disk, send};
use crate::sandbox::plan::{Limits, Report};

/// Between two looks at the memory; also the least time that strays get to finish after the command's end.
const TICK: Duration = Duration::from_millis(40);

/// How the command itself ended, and since how many ticks.
type Ended = Mutex<Option<(Report, u32)>>;

static ENDED: Ended = Mutex::new(None);

/// Starts the thread that listens to the server; before the command, so that a failure still means that nothing ran.
pub(super) fn listen_to(server: &UnixStream, limits: &Limits, disk: Disk) -> Result<(), Failure> {
    let listener = server.try_clone().step("start")?;
    listener.set_read_timeout(Some(TICK)).step("start")?;
    let limits = *limits;
    thread::Builder::new().spawn(move || listen(listener, &ENDED, &limits, disk)).step("start")?;
    Ok(())
}

/// Waits for the command and its strays, reports, and exits, which ends the namespace and all in it.
pub(super) fn watch(server: UnixStream, command: u32) -> ! {
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
            Err(Errno::CHILD) => finish(server, ended),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Runs beside the reaper: the end of the server's side, memory, and strays that outlive the command.
fn listen(mut server: UnixStream, ended: &Ended, limits: &Limits, mut disk: Disk) {
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
            if *ticks > 1 {
                let _ = send(&mut server, report);
                process::exit(0);
            }
        }
        if let Some(report) = over(limits).or_else(|| disk.over()) {
            let _ = send(&mut server, &report);
            process::exit(0);
        }
    }
}

fn finish(mut server: UnixStream, ended: &Ended) -> ! {
    if let Ok(now) = ended.lock()
        && let Some((report, _)) = now.as_ref()
    {
        let _ = send(&mut server, report);
    }
    // It has no child, so there is no process but this one; and now nobody who could write.
    for output in [1, 2] {
        let _ = nix::unistd::close(output);
    }
    let _ = send(&mut server, &Report::Empty);
    process::exit(0)
}

/// Whether the processes of this namespace together are over a limit.
fn over(limits: &Limits) -> Option<Report> {
    let (mut private, mut shared, mut processes) = (0u64, 0u64, 0u64);
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        if !entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
        private += number(&status, "RssAnon:");
        // Shared memory that many processes map counts once: as often as not it is the same.
        shared = shared.max(number(&status, "RssShmem:"));
        processes += number(&status, "Threads:");
    }
    if limits.memory > 0 && (private + shared).saturating_mul(1024) > limits.memory {
        return Some(Report::Memory);
    }
    (limits.processes > 0 && processes > limits.processes).then_some(Report::Processes)
}

/// The number behind a name in `/proc/PID/status`.
fn number(status: &str, name: &str) -> u64 {
    let found = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    found.unwrap_or(0)
}

//! Where no namespace bounds the number of processes: a thread of the watcher that looks at the machine's count of them, often.
//! A command that has suddenly many is stopped first and counted then, so that it cannot multiply meanwhile; it goes on, or
//! ends.
//!
//! Root's processes have no limit of the kernel's there, so this thread is all that stands against a bomb of root's: it does
//! nothing else, and goes before all others where the kernel allows that.

use std::{fs, os::unix::net::UnixStream, thread, time::Duration};

use rustix::process::setpriority_process;

use super::{Failure, Step, reaper, usage::Usage};

/// Between two looks at the machine's count.
const TICK: Duration = Duration::from_millis(5);
/// The command's processes are looked at so many ticks apart, unless there are suddenly many more.
const SELDOM: u32 = 40;
/// The best there is; root's to take.
const FIRST: i32 = -20;

/// Starts it; before the command, so that a failure still means that nothing ran.
pub(super) fn start(server: &UnixStream, usage: Usage) -> Result<(), Failure> {
    let server = server.try_clone().step("start")?;
    let others = on_the_machine();
    thread::Builder::new().spawn(move || watch(server, &usage, others)).step("start")?;
    Ok(())
}

/// `last` is the machine's count before the command begins.
fn watch(server: UnixStream, usage: &Usage, mut last: u64) {
    // This thread's alone; and that of its session, where the kernel shares time among sessions: the command has another.
    let _ = setpriority_process(None, FIRST);
    let _ = fs::write("/proc/self/autogroup", FIRST.to_string());
    let (tree, mut tick) = (usage.tree(), 0u32);
    // The command's when they were counted, and what came to the machine's since: whoever ends, it may be others.
    let (mut own, mut grown) = (0, 0u64);
    loop {
        thread::sleep(TICK);
        tick = tick.wrapping_add(1);
        let all = on_the_machine();
        grown = grown.saturating_add(all.saturating_sub(last));
        last = all;
        let crowded = usage.crowded(grown.saturating_add(own));
        if !crowded && !tick.is_multiple_of(SELDOM) {
            continue;
        }
        if crowded {
            tree.stop();
        }
        let (counted, over) = usage.look();
        if let Some(report) = over {
            reaper::end(server, Some(report), tree);
        }
        if crowded {
            tree.go_on();
        }
        (own, grown) = (counted, 0);
    }
}

/// Processes and threads of the whole machine, as the kernel counts them anyway.
fn on_the_machine() -> u64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().nth(3).and_then(|counts| counts.split_once('/')?.1.parse().ok()).unwrap_or(0)
}

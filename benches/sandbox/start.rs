//! The second command of a session and later ones: `/bin/true`, plainly, through a shell, and through the same shell behind
//! every wall.

use std::{fs, thread::sleep, time::Duration};

use nix::sys::resource::{UsageWho, getrusage};

use super::{
    figures::{Samples, number, ratio, times},
    walls::{Walls, bash, ends_well, plain, timed},
};

const ROUNDS: usize = 200;
const TRUE: &str = "/bin/true";
/// Between two commands, as long as the quickest model takes.
const PAUSE: Duration = Duration::from_millis(20);

pub fn measure() {
    let walls = Walls::new();
    walls.run(TRUE);
    let (mut floor, mut shell, mut warm, mut next) =
        (Samples::default(), Samples::default(), Samples::default(), Samples::default());
    let (mut reaching, mut bare) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        let paused = |work: &mut dyn FnMut()| {
            sleep(PAUSE);
            timed(work)
        };
        let one = (paused(&mut plain), paused(&mut || ends_well(bash(TRUE))), paused(&mut || drop(walls.run(TRUE))));
        floor.add(one.0);
        shell.add(one.1);
        warm.add(one.2);
        bare.add((one.0 + one.2).saturating_sub(one.1));
        next.add(timed(|| walls.run(TRUE)));
        sleep(PAUSE);
        reaching.add(timed(|| walls.reach(TRUE, &["index.example.org:443"])));
    }
    times("`posix_spawn` and wait for `/bin/true`", &floor, None);
    times("the same through bash", &shell, None);
    times("the same through bash behind every wall, after a pause", &warm, None);
    times("  without a pause", &next, None);
    times("  after a pause, with a proxy that nobody asks", &reaching, None);
    ratio("walled over bash, the same command", &warm, &shell, None);
    ratio("walled over `posix_spawn`, less what the shell takes by itself", &bare, &floor, Some(3.5));
    ratio("walled with its shell over `posix_spawn`, which has none", &warm, &floor, None);
    ratio("  without a pause", &next, &floor, None);
    let before = used();
    (0..ROUNDS).for_each(|_| drop(walls.run(TRUE)));
    number("processor time of a walled command", (used() - before) / ROUNDS as f64, "ms", None);
    let before = children();
    (0..ROUNDS).for_each(|_| ends_well(bash(TRUE)));
    number("  through bash without walls", (children() - before) / ROUNDS as f64, "ms", None);
}

fn milliseconds(who: UsageWho) -> f64 {
    let usage = getrusage(who).unwrap();
    [usage.user_time(), usage.system_time()].iter().map(|time| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3).sum()
}

/// What this process and its ended children used.
fn children() -> f64 {
    milliseconds(UsageWho::RUSAGE_SELF) + milliseconds(UsageWho::RUSAGE_CHILDREN)
}

/// What this process, the keeper of its session and the commands that it saw ending used. The kernel's own work after the end of
/// namespaces is in nobody's account.
fn used() -> f64 {
    let children = fs::read_dir("/proc/self/task").unwrap().flatten();
    let children = children.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<String> =
        children.flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    let of = |pid: &String| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // utime, stime, cutime and cstime, in hundredths of a second.
        stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(4).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
    };
    milliseconds(UsageWho::RUSAGE_SELF) + children.iter().map(of).sum::<f64>() * 10.0
}

//! What the processes of a command use together: memory, processor time, their number. Sampled from the private `/proc`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use super::tree::Tree;
use crate::sandbox::plan::{Ground, Limits, Report};

/// Samples one command.
#[derive(Clone)]
pub(super) struct Usage {
    limits: Limits,
    /// Where the kernel counts the processes that it ended for their memory, and how many it had when the command began.
    ends: Option<(PathBuf, u64)>,
    begun: Instant,
    processors: u64,
    tree: Tree,
}

/// Units of processor time in a second, the same on every machine that we run on.
const TICKS: u64 = 100;

impl Usage {
    pub(super) fn new(ground: &Ground, tree: Tree) -> Usage {
        let events = ground.group.as_ref().map(|group| group.join("memory.events"));
        let ends = events.and_then(|events| counted(&events, "oom_kill ").map(|count| (events, count)));
        let processors = std::thread::available_parallelism().map_or(u64::MAX, |number| number.get() as u64);
        Usage { limits: ground.limits, ends, begun: Instant::now(), processors, tree }
    }

    /// Whose use it is.
    pub(super) fn tree(&self) -> Tree {
        self.tree
    }

    /// Whether so many processes are more than it may have.
    pub(super) fn crowded(&self, processes: u64) -> bool {
        self.limits.processes > 0 && processes > self.limits.processes
    }

    /// Whether the kernel ended one of its processes at the memory limit.
    pub(super) fn starved(&self) -> bool {
        self.ends.as_ref().is_some_and(|(events, before)| counted(events, "oom_kill ").is_some_and(|now| now > *before))
    }

    /// How many processes and threads there are, and whether the command must end for what they use.
    pub(super) fn look(&self) -> (u64, Option<Report>) {
        if self.starved() {
            return (0, Some(Report::Memory));
        }
        let Limits { memory, processes, cpu, .. } = self.limits;
        // All processors together cannot have given more than this yet: most commands end before it is worth a look.
        let most = (self.begun.elapsed().as_secs() + 1).saturating_mul(self.processors);
        let timed = cpu > 0 && most > cpu;
        let (mut private, mut shared, mut threads, mut time) = (0u64, 0u64, 0u64, 0u64);
        for folder in self.tree.folders() {
            if timed && let Ok(stat) = fs::read_to_string(folder.join("stat")) {
                time += spent(&stat);
            }
            let Ok(status) = fs::read_to_string(folder.join("status")) else { continue };
            private += number(&status, "RssAnon:");
            // Shared memory that many processes map counts once: as often as not it is the same.
            shared = shared.max(number(&status, "RssShmem:"));
            threads += number(&status, "Threads:");
        }
        let over = if memory > 0 && (private + shared).saturating_mul(1024) > memory {
            Some(Report::Memory)
        } else if timed && time / TICKS >= cpu {
            Some(Report::Cpu)
        } else {
            (processes > 0 && threads > processes).then_some(Report::Processes)
        };
        (threads, over)
    }
}

/// A counter of a control group.
pub(super) fn counted(events: &Path, name: &str) -> Option<u64> {
    fs::read_to_string(events).ok()?.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// The number behind a name in `/proc/PID/status`.
fn number(status: &str, name: &str) -> u64 {
    let found = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    found.unwrap_or(0)
}

/// Processor time of a process and of the children that it has waited for, from `/proc/PID/stat`. Orphans are waited for by
/// process 1, so that the sum over all is what all ever used.
fn spent(stat: &str) -> u64 {
    // The name in brackets may hold anything; fields 14 to 17 stand 11 behind it.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}

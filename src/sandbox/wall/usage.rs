//! What the processes of a command use together: memory, processor time, their number. Sampled from the private `/proc`.

use std::{
    cell::Cell,
    collections::HashSet,
    fs,
    io::{self, ErrorKind},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
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
    /// Shared memory of the whole machine as the command began, bytes.
    shared: u64,
    /// What [`Usage::held`] found, and when it is worth another look.
    held: Cell<(u64, Instant)>,
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
        let (begun, shared) = (Instant::now(), shared_on_the_machine());
        Usage { limits: ground.limits, ends, begun, shared, held: Cell::new((0, begun)), processors, tree }
    }

    /// The command begins now.
    pub(super) fn begin(&mut self) {
        self.begun = Instant::now();
        if let Some((events, before)) = &mut self.ends {
            *before = counted(events, "oom_kill ").unwrap_or(*before);
        }
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
        let (mut private, mut shared, mut mapped, mut threads, mut time) = (0u64, 0u64, 0u64, 0u64, 0u64);
        let folders = self.tree.folders();
        for folder in &folders {
            if timed && let Ok(stat) = fs::read_to_string(folder.join("stat")) {
                time += spent(&stat);
            }
            let Ok(status) = fs::read_to_string(folder.join("status")) else { continue };
            private += number(&status, "RssAnon:");
            // Shared memory that many processes map counts once: as often as not it is the same.
            let own = number(&status, "RssShmem:");
            (shared, mapped) = (shared.max(own), mapped + own);
            threads += number(&status, "Threads:");
        }
        shared = shared.max(self.held(&folders, mapped > shared) / 1024);
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

impl Usage {
    /// What these processes hold of shared memory that is not seen from each by itself, bytes: files in memory and segments
    /// that nobody maps, and where `several` map some, what each has of it. It is added up when the whole machine's shared memory
    /// grew enough to matter, and never for more than a fifth of the time.
    fn held(&self, folders: &[PathBuf], several: bool) -> u64 {
        let grown = shared_on_the_machine().saturating_sub(self.shared);
        if self.limits.memory == 0 || grown <= self.limits.memory / 4 {
            return 0;
        }
        let (last, due) = self.held.get();
        let now = Instant::now();
        if now < due {
            return last;
        }
        let held = self.add_up(folders, several, grown);
        self.held.set((held, Instant::now() + now.elapsed() * 4));
        held
    }

    fn add_up(&self, folders: &[PathBuf], several: bool, grown: u64) -> u64 {
        let mut held = if self.tree == Tree::Namespace { segments() } else { 0 };
        let (mut seen, mut mapped) = (HashSet::new(), 0);
        for folder in folders {
            let shares = || if several { shares_of(folder) } else { Ok(0) };
            match held_by(folder, &mut seen).and_then(|files| Ok((files, shares()?))) {
                Ok((files, share)) => (held, mapped) = (held + files, mapped + share),
                // Where a command does not let itself be looked into, the growth has to do.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return grown,
                // It has ended.
                Err(_) => {}
            }
        }
        // What is mapped may be an open file or a segment as well.
        held.max(mapped)
    }
}

/// What one process maps of shared memory, bytes: of what others map as well its share.
fn shares_of(folder: &Path) -> io::Result<u64> {
    Ok(number(&fs::read_to_string(folder.join("smaps_rollup"))?, "Pss_Shmem:") * 1024)
}

/// What one process has open of files in memory that were not seen before, bytes.
fn held_by(folder: &Path, seen: &mut HashSet<(u64, u64)>) -> io::Result<u64> {
    let mut held = 0;
    for open in fs::read_dir(folder.join("fd"))? {
        let path = open?.path();
        let target = match fs::read_link(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            target => target?,
        };
        if target.as_os_str().as_bytes().starts_with(b"/memfd:")
            && let Ok(about) = fs::metadata(&path)
            && seen.insert((about.dev(), about.ino()))
        {
            held += about.blocks() * 512;
        }
    }
    Ok(held)
}

/// Memory that processes share or could share, of the whole machine, bytes.
fn shared_on_the_machine() -> u64 {
    fs::read_to_string("/proc/meminfo").map_or(0, |table| number(&table, "Shmem:") * 1024)
}

/// What the segments of this ipc namespace take, bytes.
fn segments() -> u64 {
    const TAKES: usize = 14;
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    table.lines().filter_map(|line| line.split_whitespace().nth(TAKES)?.parse::<u64>().ok()).sum()
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

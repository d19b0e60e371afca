//! What runs under the process that watches a command: found, and ended to the last.
//!
//! In a process namespace that is everything there is, and it ends with process 1. Without one, whatever loses its parent
//! becomes the watcher's child (a subreaper), and Landlock's scope of signals says whom one call may end.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    process,
    str::FromStr,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use rustix::process::set_child_subreaper;

use super::{Failure, Step, landlock};
use crate::policy::Level;

/// How often a look at the processes is repeated until it shows nothing new.
const ROUNDS: usize = 100;

/// The processes of one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// All of this namespace.
    Namespace,
    /// All that this process may signal: it is in a Landlock domain that keeps signals in. Only [`Tree::adopt`] makes this.
    Domain,
    /// All whose parents lead here.
    Descendants,
}

impl Tree {
    /// Makes the calling process the one that strays fall to, in a domain of its own where the level has one. To be called
    /// while it has one thread.
    pub(super) fn adopt(level: Level) -> Result<Tree, Failure> {
        let step = "stray processes";
        set_child_subreaper(Some(rustix::process::getpid())).step(step)?;
        if level != Level::L1 {
            return Ok(Tree::Descendants);
        }
        landlock::keep_signals_in()?;
        Ok(Tree::Domain)
    }

    /// Their folders of `/proc`.
    pub(super) fn folders(self) -> Vec<PathBuf> {
        if self == Tree::Namespace {
            return numbers().into_iter().map(|number| Path::new("/proc").join(number.to_string())).collect();
        }
        let below = descendants(process::id());
        below.into_iter().map(|number| Path::new("/proc").join(number.to_string())).collect()
    }

    /// Stops them all, as far as they can be found.
    pub(super) fn stop(self) {
        match self {
            Tree::Namespace => {}
            Tree::Domain => {
                let _ = kill(Pid::from_raw(-1), Signal::SIGSTOP);
            }
            Tree::Descendants => drop(stopped()),
        }
    }

    /// Lets them go on.
    pub(super) fn go_on(self) {
        match self {
            Tree::Namespace => {}
            Tree::Domain => {
                let _ = kill(Pid::from_raw(-1), Signal::SIGCONT);
            }
            Tree::Descendants => descendants(process::id()).into_iter().for_each(|number| signal(number, Signal::SIGCONT)),
        }
    }

    /// Ends them. What is born meanwhile may be left: to be called until none is.
    pub(super) fn kill(self) {
        match self {
            // They end with this process.
            Tree::Namespace => {}
            // One call, which no process can outrun. It reaches neither this process nor anything outside its domain.
            Tree::Domain => {
                let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            }
            // Stopped first: a process that is stopped still counts against the limit on their number, so that the others
            // cannot go on making more.
            Tree::Descendants => stopped().into_iter().for_each(|number| signal(number, Signal::SIGKILL)),
        }
    }
}

/// Stops whatever is found until a look shows nothing new.
fn stopped() -> HashSet<u32> {
    // Most multiply within one process group, and that is one call, which none outruns; those of our own children are known
    // without a look at the whole machine.
    children().into_iter().for_each(stop_group);
    let mut stopped = HashSet::new();
    for _ in 0..ROUNDS {
        let before = stopped.len();
        for number in descendants(process::id()) {
            if stopped.insert(number) {
                signal(number, Signal::SIGSTOP);
                stop_group(number);
            }
        }
        if stopped.len() == before {
            break;
        }
    }
    stopped
}

/// The command has a session of its own: whoever is in a group of one of its processes belongs to it.
fn stop_group(number: u32) {
    let own = rustix::process::getpgrp().as_raw_nonzero().get();
    if let Some(group) = group(number).filter(|group| *group != own && *group > 1) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGSTOP);
    }
}

/// What this process has begun, or fell to it; none where the kernel does not list them.
fn children() -> Vec<u32> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|number| number.parse().ok()).collect::<Vec<_>>()).collect()
}

/// One that is gone already needs none.
fn signal(number: u32, signal: Signal) {
    let _ = i32::try_from(number).map(|number| kill(Pid::from_raw(number), signal));
}

/// Processes whose chain of parents leads to `root`.
fn descendants(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for number in numbers() {
        if let Some(parent) = parent(number) {
            children.entry(parent).or_default().push(number);
        }
    }
    let (mut found, mut left) = (Vec::new(), vec![root]);
    while let Some(number) = left.pop() {
        let below = children.remove(&number).unwrap_or_default();
        found.extend(&below);
        left.extend(below);
    }
    found
}

fn numbers() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn parent(number: u32) -> Option<u32> {
    field(number, 1)
}

fn group(number: u32) -> Option<i32> {
    field(number, 2)
}

/// A field of `stat`, counted from the third; the second is a name that may hold anything, in parentheses.
fn field<T: FromStr>(number: u32, field: usize) -> Option<T> {
    let stat = fs::read(format!("/proc/{number}/stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    std::str::from_utf8(stat.get(end + 1..)?).ok()?.split_whitespace().nth(field)?.parse().ok()
}

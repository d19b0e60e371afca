//! What runs under the process that watches a command: found, and ended to the last.
//!
//! In a process namespace that is everything there is, and it ends with process 1. Without one, whatever loses its parent
//! becomes the watcher's child (a subreaper), and Landlock's scope of signals says whom one call may end.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process,
};

use nix::{
    sys::signal::{Signal, kill},
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

    /// Ends them. What is born meanwhile may be left: to be called until none is.
    pub(super) fn kill(self) {
        match self {
            // They end with this process.
            Tree::Namespace => {}
            // One call, which no process can outrun. It reaches neither this process nor anything outside its domain.
            Tree::Domain => {
                let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            }
            Tree::Descendants => stop_and_kill(),
        }
    }
}

/// Stopped first: a process that is stopped still counts against the limit on their number, so that the others cannot go on
/// making more.
fn stop_and_kill() {
    let signal = |number: u32, signal| i32::try_from(number).map(|number| kill(Pid::from_raw(number), signal));
    let mut stopped: Vec<u32> = Vec::new();
    for _ in 0..ROUNDS {
        let new: Vec<u32> = descendants(process::id()).into_iter().filter(|number| !stopped.contains(number)).collect();
        if new.is_empty() {
            break;
        }
        for number in new {
            let _ = signal(number, Signal::SIGSTOP);
            stopped.push(number);
        }
    }
    for number in stopped {
        let _ = signal(number, Signal::SIGKILL);
    }
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

/// The fourth field of `stat`; the second is a name that may hold anything, in parentheses.
fn parent(number: u32) -> Option<u32> {
    let stat = fs::read(format!("/proc/{number}/stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    std::str::from_utf8(stat.get(end + 1..)?).ok()?.split_whitespace().nth(1)?.parse().ok()
}

//! Capabilities: kept over the one exec between the stages, gone before the command. And resource limits.

use std::{fs, os::unix::fs::MetadataExt};

use rustix::{
    process::{Resource, Rlimit, setrlimit},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
        configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    },
};

use super::{Failure, Step};
use crate::{policy::Level, sandbox::plan::Limits};

/// Highest capability number to look for; the kernel has 41 and refuses the ones that it does not know.
const CAPABILITIES: u32 = 63;

/// Processes of the user that are left room for although they cannot be seen.
const UNSEEN: u64 = 1024;

/// The smallest `pid_max` that the kernel accepts.
const MIN_PIDS: u64 = 301;

/// Makes the capabilities over the new namespaces survive the exec of the second stage.
pub(super) fn keep_over_exec() -> Result<(), Failure> {
    let mut sets = capabilities(None).step("capabilities")?;
    sets.inheritable = sets.permitted;
    set_capabilities(None, sets).step("capabilities")?;
    for one in each().filter(|one| sets.permitted.contains(*one)) {
        configure_capability_in_ambient_set(one, true).step("capabilities")?;
    }
    Ok(())
}

/// Nothing that is started from here on can gain a capability; what this process has it keeps. Whether it went well is seen
/// by [`drop_all`].
pub(super) fn empty_bounding_set() {
    for one in each() {
        // Numbers that this kernel does not have are refused, and those that are out already are left alone.
        if capability_is_in_bounding_set(one).unwrap_or(false) {
            let _ = remove_capability_from_bounding_set(one);
        }
    }
}

/// Gives every capability up, for this process and all that it starts. Whoever is not root in a namespace of their own cannot
/// empty the bounding set before; `no_new_privs` keeps what is left in it out of reach.
pub(super) fn drop_all(level: Level) -> Result<(), Failure> {
    clear_ambient_capability_set().step("capabilities")?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).step("capabilities")?;
    let left = fs::read_to_string("/proc/self/status").step("capabilities")?;
    let clean =
        |name: &str| left.lines().any(|line| line.strip_prefix(name).is_some_and(|v| v.trim().trim_matches('0').is_empty()));
    let sets = ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"].into_iter().chain((level >= Level::L2).then_some("CapBnd:"));
    match sets.into_iter().find(|name| !clean(name)) {
        None => Ok(()),
        Some(set) => Err(format!("{set} is not empty after all were dropped")).step("capabilities"),
    }
}

fn each() -> impl Iterator<Item = CapabilitySet> {
    (0..=CAPABILITIES).map(|number| CapabilitySet::from_bits_retain(1 << number))
}

/// Limits on the size of files and core dumps, and on the number of processes. Without namespaces that last one counts all
/// that the user runs on the machine, in other containers too: it is set high above what can be seen, and keeps a command that
/// multiplies from taking the machine before the watcher, which counts exactly, has ended it. Root has no such limit.
pub(super) fn limit(limits: &Limits, level: Level) -> Result<(), Failure> {
    let set = |what, most: u64| setrlimit(what, Rlimit { current: Some(most), maximum: Some(most) }).step("limits");
    // One byte: no dump fits, and the kernel takes it for the word that no crash handler outside shall be started either.
    set(Resource::Core, 1)?;
    if limits.file_size > 0 {
        set(Resource::Fsize, limits.file_size)?;
    }
    if limits.processes > 0 && level < Level::L2 {
        set(Resource::Nproc, limits.processes.saturating_add(threads_of_user()).saturating_add(UNSEEN))?;
    }
    if limits.processes > 0 && level >= Level::L2 {
        set(Resource::Nproc, limits.processes)?;
        // The kernel exempts root from that limit. Since Linux 6.14 the pid space of the namespace can be narrowed instead;
        // before, that file belongs to the whole machine, and the count taken by process 1 has to do.
        if rustix::process::geteuid().is_root() && kernel_is_at_least(6, 14) {
            let _ = fs::write("/proc/sys/kernel/pid_max", limits.processes.max(MIN_PIDS).to_string());
        }
    }
    Ok(())
}

/// Threads of this user that can be seen.
fn threads_of_user() -> u64 {
    let user = rustix::process::geteuid().as_raw();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.metadata().is_ok_and(|about| about.uid() == user));
    // A folder has two links, and one more for each folder in it.
    ours.filter_map(|entry| Some(fs::metadata(entry.path().join("task")).ok()?.nlink().saturating_sub(2))).sum()
}

/// When the kernel looks for a victim, in the group or on the whole machine, a command goes before the keeper and the user's
/// editor. Where that cannot be said, nothing is lost.
pub(super) fn offer_to_memory_killer() {
    let _ = fs::write("/proc/self/oom_score_adj", "500");
}

fn kernel_is_at_least(major: u32, minor: u32) -> bool {
    let system = rustix::system::uname();
    let mut numbers = system
        .release()
        .to_bytes()
        .split(|byte| !byte.is_ascii_digit())
        .map(|digits| std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u32>().ok()).unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

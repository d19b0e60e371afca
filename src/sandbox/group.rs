//! The kernel's own limits of memory and processes: a control group (version 2) for each session, where the machine lets the
//! user make one. Elsewhere process 1 samples.
//!
//! Nothing is asked of the machine: a group is made below the server's own group or one above it that is this user's to manage
//! and hands memory control down, and whether that works is found out by doing it. No group that we did not make is changed.
//! The path of a group stands in the lock beside its shadow, so that the next server removes what a killed one left.
//!
//! It owns these folders, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use rustix::fs::getxattr;

use super::plan::Limits;

const PREFIX: &str = "countersign-";

/// What besides a command's own processes lives in a group: the keeper, its threads, and two processes 1 with theirs.
const OURS: u64 = 32;

/// How long the end of a group's processes is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where groups can be made; looked for once.
static PLACE: LazyLock<Option<PathBuf>> = LazyLock::new(place);

/// Whether the kernel limits memory here, found out by making a group and removing it.
pub(super) fn works() -> bool {
    let limits = Limits { memory: 1 << 30, ..Limits::default() };
    create(&limits).inspect(|group| remove(group)).is_some()
}

/// A new group with these limits. Without a memory limit none is needed.
pub(super) fn create(limits: &Limits) -> Option<PathBuf> {
    let place = PLACE.as_ref().filter(|_| limits.memory > 0)?;
    let group = place.join(format!("{PREFIX}{}", uuid::Uuid::now_v7()));
    fs::create_dir(&group).ok()?;
    let set = || -> io::Result<()> {
        fs::write(group.join("memory.max"), limits.memory.to_string())?;
        // Without it what is over goes to swap. Machines without swap accounting have no such file.
        let _ = fs::write(group.join("memory.swap.max"), "0");
        if limits.processes > 0 && group.join("pids.max").exists() {
            fs::write(group.join("pids.max"), (limits.processes + OURS).to_string())?;
        }
        Ok(())
    };
    if set().is_err() {
        remove(&group);
        return None;
    }
    Some(group)
}

/// Puts a process in; what it starts from now on is in it, too.
pub(super) fn admit(group: &Path, process: u32) -> io::Result<()> {
    fs::write(group.join("cgroup.procs"), process.to_string())
}

/// Ends everything in a group and removes it. A path that is no group of ours is left alone.
pub(super) fn remove(group: &Path) {
    let ours = group.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
    if !ours || !group.join("cgroup.procs").exists() {
        return;
    }
    let _ = fs::write(group.join("cgroup.kill"), "1");
    let deadline = Instant::now() + PATIENCE;
    while fs::remove_dir(group).is_err_and(|error| error.kind() != io::ErrorKind::NotFound) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(2));
    }
}

/// The nearest group, from the server's own upwards, below which memory can be limited.
fn place() -> Option<PathBuf> {
    let (root, own) = own()?;
    let is_root = rustix::process::geteuid().is_root();
    for group in own.ancestors().take_while(|group| group.starts_with(&root)) {
        let handed = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
        if handed.split_whitespace().any(|controller| controller == "memory") && probed(group) {
            return Some(group.to_owned());
        }
        // Root may write everywhere, and may not: what was not handed to this service is its manager's.
        if is_root && !is_delegated(group) {
            return None;
        }
    }
    None
}

fn probed(group: &Path) -> bool {
    let probe = group.join(format!("{PREFIX}{}", uuid::Uuid::now_v7()));
    if fs::create_dir(&probe).is_err() {
        return false;
    }
    let limited = fs::write(probe.join("memory.max"), "1073741824").is_ok();
    remove(&probe);
    limited
}

/// As systemd marks it.
fn is_delegated(group: &Path) -> bool {
    let mut value = [0u8; 2];
    ["trusted.delegate", "user.delegate"]
        .iter()
        .any(|name| getxattr(group, *name, &mut value[..]).is_ok_and(|length| &value[..length] == b"1"))
}

/// Where the unified hierarchy is mounted, and this process's group in it.
fn own() -> Option<(PathBuf, PathBuf)> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = Path::new(path).strip_prefix(root).ok().filter(|_| source.starts_with("cgroup2 "))?;
        // A path that leads out of the mount (`/../x`) belongs to a namespace above.
        let point = Path::new(point);
        (!path.contains("..")).then(|| (point.to_owned(), point.join(below)))
    })
}

//! The words: each wall and limit in one sentence, with what the user can do about it.

use std::fmt::Write as _;

use super::Seen;
use crate::seams::{Outcome, Reach, Stopped};

/// Programs whose business is what the walls refuse.
pub(super) const PRIVILEGED: &[&str] = &[
    "sudo",
    "su",
    "doas",
    "pkexec",
    "ping",
    "ping6",
    "traceroute",
    "unshare",
    "nsenter",
    "mount",
    "umount",
    "chroot",
    "setpriv",
    "bwrap",
    "podman",
    "buildah",
    "newuidmap",
    "newgidmap",
    "dmesg",
    "sysctl",
    "ip",
    "iptables",
    "tcpdump",
    "perf",
    "strace",
    "gdb",
    "hostname",
    "swapon",
    "losetup",
    "modprobe",
    "insmod",
    "capsh",
    "renice",
    "mknod",
    "date",
];

/// Why something was refused. Many of one kind are told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    Secret,
    Masked,
    Home,
    Tools,
    Repository,
    Outside,
    Moved,
    Temporary,
    Socket,
    Program,
    Network,
    Loopback,
    NoSockets,
    Absent,
    Privilege,
    Owner,
    Protocol,
    Call,
    Foreign,
    Full,
    Room,
    FileSize,
    Processes,
}

/// What a failed connection comes to.
pub(super) fn network(reach: Reach) -> Reason {
    if reach == Reach::Nothing { Reason::NoSockets } else { Reason::Network }
}

/// What a kind of socket that is refused comes to.
pub(super) fn protocol(reach: Reach) -> Reason {
    if reach == Reach::Nothing { Reason::NoSockets } else { Reason::Protocol }
}

impl Reason {
    /// Not so: it is a limit, and the command may keep to it.
    pub(super) fn is_wall(self) -> bool {
        !matches!(self, Reason::Full | Reason::Room | Reason::FileSize | Reason::Processes | Reason::Temporary | Reason::Moved)
    }

    /// One line. `names` may be empty.
    pub(super) fn words(self, names: &str, seen: &Seen<'_>) -> String {
        let spec = &seen.outcome.facts.spec;
        let or = |other: &'static str| if names.is_empty() { other.to_owned() } else { names.to_owned() };
        match self {
            Reason::Secret => format!(
                "{names}: hidden from commands as a secret of the workspace (policy: [paths] secret); the file is there, empty and \
                 unreadable. A test that needs it must do with made-up values"
            ),
            Reason::Masked => format!("{names}: hidden from commands, since it holds secrets of the machine"),
            Reason::Home => format!(
                "{names}: outside the walls. The home and other disks are private and empty here but for toolchains, whatever they \
                 hold on the machine; the user can show a folder read-only ([run] home_read in policy.toml)"
            ),
            Reason::Tools => format!(
                "{names}: toolchains, caches and configuration of the home are read-only here. Point the tool's cache or output \
                 at the workspace or at $TMPDIR"
            ),
            Reason::Repository => format!(
                "{names}: the repository of a linked work tree is read-only here. Branches, commits and pushes are the git tool's"
            ),
            Reason::Outside => format!("{names}: everything outside the workspace is read-only here. Write below the workspace or in $TMPDIR"),
            Reason::Moved => format!(
                "{names}: at this level of walls commands work on a copy of the workspace at another place, and may change nothing in \
                 its own. Use paths relative to the workspace, or $PWD"
            ),
            Reason::Temporary => format!(
                "{names}: probably expected from outside or from an earlier command; /tmp is private, and empty for every command. \
                 Do it in one command, or use a folder of the workspace"
            ),
            Reason::Socket if docker(names, seen) => {
                "docker: its daemon cannot be reached (sockets of other programs are hidden), and no container can be started from \
                 here. The user can run what needs one"
                    .to_owned()
            }
            Reason::Socket => format!("{names}: sockets and services of the machine are hidden from commands"),
            Reason::Program => format!(
                "{names}: installed where commands cannot see it. The user can show the folder ([run] home_read in policy.toml) or \
                 install the program for all users"
            ),
            Reason::Network => unreached(&or("the host"), seen),
            Reason::Loopback => format!(
                "{}: probably a server outside the walls; a command has a loopback of its own, where nothing listens but what it \
                 starts itself. Start the server in the same command{}",
                or("the local address"),
                // A program that takes no notice of the proxy's variables.
                if seen.outcome.facts.reach == Reach::Hosts { "; what its `network` names is reached by way of the proxy only" } else { "" }
            ),
            Reason::NoSockets => format!(
                "{}: commands have no sockets{} at this level of walls, so neither network nor a local server. `countersign doctor` \
                 tells the user how to reach level L3, where a loopback works",
                or("the host"),
                // Where the workspace is a copy, not even those.
                if seen.outcome.facts.moved.is_empty() { " but Unix ones" } else { "" }
            ),
            Reason::Absent => format!(
                "{names}: not there at this level of walls. `countersign doctor` tells the user how to reach level L3, where a command \
                 has its own"
            ),
            Reason::Privilege => format!("{names}: needs rights that no command has here (no capabilities, no set-user-id, no new namespaces)"),
            Reason::Owner => "chown: files have one owner here, the user; with tar use --no-same-owner, with cp and rsync no -a or -o".to_owned(),
            Reason::Protocol => "socket: only Unix, TCP and UDP sockets exist here; raw, netlink and other kinds are refused by the system-call filter".to_owned(),
            Reason::Call => "a system call was probably refused by the system-call filter; io_uring, bpf, perf and namespaces are among those".to_owned(),
            Reason::Foreign => "ended by SIGSYS: probably a 32-bit program, whose system calls the filter refuses".to_owned(),
            Reason::Full => format!("{names}: full; private folders hold {} MiB at most ([run] tmp_mb in policy.toml)", mib(spec.tmp_size)),
            Reason::Room => format!(
                "no space left: probably the private /tmp of {} MiB ([run] tmp_mb in policy.toml), else the disk that holds the shadow",
                mib(spec.tmp_size)
            ),
            Reason::FileSize => format!("a file came to the limit of {} MiB ([run] file_mb in policy.toml)", mib(spec.file_size)),
            Reason::Processes => format!("no further process or thread: the limit is {} ([run] processes in policy.toml)", spec.processes),
        }
    }
}

fn unreached(names: &str, seen: &Seen<'_>) -> String {
    let words: Vec<&str> = seen.command.split(|c: char| c.is_whitespace() || ";|&()".contains(c)).collect();
    let has = |word: &str| words.contains(&word);
    let mut text = match seen.outcome.facts.reach {
        Reach::Hosts => format!(
            "{names}: cannot be reached; a command's network has the hosts that its `network` names, by way of a proxy, and nothing else"
        ),
        _ => format!("{names}: cannot be reached; commands have no network, nor name resolution"),
    };
    let advice = if has("git") && ["push", "fetch", "pull", "clone", "ls-remote"].iter().any(|word| has(word)) {
        "Pushing is the git tool's, which asks the user; fetching is left to the user"
    } else if has("ssh") || has("scp") || has("rsync") {
        "What goes over ssh is left to the user"
    } else if seen.outcome.facts.reach == Reach::Hosts {
        "Where it is one of them, the program takes no notice of $https_proxy: tell it of that. Another is to be named in `network` of \
         run (\"host:443\"), and the user is asked"
    } else {
        "Where the task needs it, name the hosts in `network` of run (\"host:443\"), and the user is asked"
    };
    let _ = write!(text, ". {advice}");
    text
}

fn docker(names: &str, seen: &Seen<'_>) -> bool {
    ["docker", "podman", "containerd"].iter().any(|word| names.contains(word) || seen.command.contains(word))
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// How a command was ended from outside, with the limit and the key that raises it; `None` where it ended by itself.
pub fn ended(outcome: &Outcome) -> Option<String> {
    let spec = &outcome.facts.spec;
    let by = |limit: String, key: &str| format!("ended by the {limit} ([run] {key} in policy.toml)");
    Some(match outcome.stopped? {
        Stopped::Timeout => "ended by the time limit".to_owned(),
        Stopped::Cancelled => "cancelled by the user".to_owned(),
        Stopped::Memory => by(format!("memory limit of {} MiB", mib(spec.memory)), "memory_mb"),
        Stopped::Cpu => by(format!("limit of {} s of processor time", spec.cpu), "cpu_s"),
        Stopped::Processes => by(format!("limit of {} processes and threads", spec.processes), "processes"),
        Stopped::Shadow => {
            let limit = format!("limit of what commands leave in the shadow, {} MiB", mib(spec.shadow_size));
            by(limit, "shadow_mb") + "; remove first what is not needed, every command counts all of it"
        }
        Stopped::Disk => "ended because the disk that holds the shadow is nearly full".to_owned(),
        Stopped::Walls => "ended because the process that keeps its walls was ended from outside".to_owned(),
    })
}

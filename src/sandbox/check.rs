//! The self-test behind `countersign sandbox check`: acts that the walls must stop, each beside the same kind of act that
//! they must let through. A denial counts only with its control: a missing tool must never read as "blocked".
//!
//! Effects are looked at from outside the walls, in scratch folders of its own, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

mod home;
mod network;
mod sockets;

use std::{
    fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{LinuxSandbox, environment, hints::refusal, make_private, removals};
use crate::{
    path::WsPath,
    seams::{Command, Level, Outcome, OutputSink, Sandbox, SandboxError, SandboxSession, SandboxSpec, Shadow},
};

const MIB: u64 = 1 << 20;

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// The wall that is tried: `files`, `network`, ...
    pub wall: &'static str,
    /// The act that must not succeed.
    pub denial: &'static str,
    /// It did not, and had no effect.
    pub denied: bool,
    /// The act beside it that must succeed.
    pub control: &'static str,
    /// It did.
    pub allowed: bool,
    /// What was seen, when one of them is not as it must be; else empty.
    pub detail: String,
}

impl CheckResult {
    /// Whether the wall stands, and is seen to stand.
    pub fn holds(&self) -> bool {
        self.denied && self.allowed
    }
}

/// Runs every check, one after the other.
///
/// # Errors
/// [`SandboxError`] when the walls cannot be put up at all: then nothing ran.
pub async fn run(sandbox: &LinuxSandbox) -> Result<Vec<CheckResult>, SandboxError> {
    let scratch = Scratch::create(sandbox)?;
    let bare = SandboxSpec::bare(scratch.folder());
    let spec = SandboxSpec { memory: 128 * MIB, processes: 48, file_size: 8 * MIB, tmp_size: 8 * MIB, ..bare };
    let session = sandbox.open(spec).await?;
    let session = session.as_ref();
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| refusal("probe", &format!("loopback: {e}")))?;
    let port = listener.local_addr().map_err(|e| refusal("probe", &e.to_string()))?.port();
    let mut results = Vec::new();
    for check in CHECKS.iter().filter(|check| check.levels.contains(&session.level())) {
        let (denial, denied) = scratch.sh(session, check.deny, port).await?;
        let (control, allowed) = scratch.sh(session, check.allow, port).await?;
        let harmed = scratch.harmed(&listener);
        let result = CheckResult {
            wall: check.wall,
            denial: check.denial,
            denied: denial.exit != Some(0) && harmed.is_none(),
            control: check.control,
            allowed: control.exit == Some(0),
            detail: String::new(),
        };
        let detail = if result.holds() { String::new() } else { harmed.unwrap_or_else(|| format!("{denied}{allowed}")) };
        results.push(CheckResult { detail, ..result });
    }
    results.push(home::run(&scratch, session, &environment::cargo_home(&sandbox.variables, &sandbox.home)).await?);
    if session.level() == Level::L3 {
        results.extend(network::run(&scratch, sandbox).await?);
    }
    results.extend(sockets::run(&scratch, session).await?);
    results.push(endless(&scratch, session).await?);
    Ok(results)
}

/// A pair of command texts. `{outside}`, `{program}`, `{port}`, `{server}` and `{namespaces}` are filled in.
struct Check {
    /// Where it is promised.
    levels: &'static [Level],
    wall: &'static str,
    denial: &'static str,
    deny: &'static str,
    control: &'static str,
    allow: &'static str,
}

const ALL: &[Level] = &[Level::L3, Level::L2, Level::L1, Level::L1Weak];
const SPACES: &[Level] = &[Level::L3, Level::L2];

const CHECKS: &[Check] = &[
    Check {
        levels: ALL,
        wall: "files",
        denial: "change a file outside the workspace",
        deny: "echo x >> '{outside}/victim'",
        control: "change a file of the shadow",
        allow: "echo x >> file && grep -q x file",
    },
    Check {
        levels: ALL,
        wall: "files",
        denial: "read a file of the server's",
        deny: "cat '{outside}/victim'",
        control: "read a file of the workspace",
        allow: "cat file",
    },
    Check {
        levels: ALL,
        wall: "files",
        denial: "write below /usr",
        deny: "echo x > /usr/countersign-check",
        control: "write in the private folder for temporary files",
        allow: "echo x > \"$TMPDIR/countersign-check\" && test -s \"$TMPDIR/countersign-check\"",
    },
    Check {
        levels: ALL,
        wall: "secrets",
        denial: "read a secret file of the workspace",
        deny: "cat .env",
        control: "see that it is there",
        allow: "test -e .env && ! test -s .env",
    },
    Check {
        levels: &[Level::L3],
        wall: "network",
        denial: "connect to a program of this machine",
        deny: "exec 3<>/dev/tcp/127.0.0.1/{port}",
        // No peer is needed for this, but the tool, an address family and a loopback that is up.
        control: "open a socket on the loopback inside",
        allow: "exec 3<>/dev/udp/127.0.0.1/9",
    },
    Check {
        levels: &[Level::L2, Level::L1, Level::L1Weak],
        wall: "network",
        denial: "connect to a program of this machine, where the network is shared",
        deny: "exec 3<>/dev/tcp/127.0.0.1/{port}",
        control: "be told that it is the walls that refuse",
        allow: "LC_ALL=C; (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>&1 | grep -q 'not permitted'",
    },
    Check {
        levels: ALL,
        wall: "network",
        denial: "look a name up",
        deny: "getent hosts example.com",
        control: "look the loopback's up",
        allow: "getent hosts localhost",
    },
    Check {
        levels: SPACES,
        wall: "processes",
        denial: "see the server",
        deny: "test -e /proc/{server}",
        control: "see itself",
        allow: "test -e /proc/$$/status",
    },
    Check {
        levels: &[Level::L3, Level::L2, Level::L1],
        wall: "processes",
        denial: "signal the server",
        deny: "kill -0 {server}",
        control: "signal an own child",
        allow: "sleep 60 & kill $!",
    },
    Check {
        levels: ALL,
        wall: "privileges",
        denial: "hold a capability or lack the filters",
        deny: "grep -q . /proc/self/status && ! { grep -q '^CapEff:[[:blank:]]*0*$' /proc/self/status && grep -q '^NoNewPrivs:[[:blank:]]*1' /proc/self/status && grep -q '^Seccomp:[[:blank:]]*2' /proc/self/status; }",
        control: "read the own status",
        allow: "grep -q '^CapEff:' /proc/self/status",
    },
    Check {
        levels: &[Level::L3],
        wall: "namespaces",
        denial: "share one with the server: user, mounts, processes, network, shared memory, host name",
        deny: "for one in user mnt pid net ipc uts; do case ' {namespaces} ' in *\" $(readlink /proc/self/ns/$one) \"*) exit 0; esac; done; exit 1",
        control: "see the own",
        allow: "for one in user mnt pid net ipc uts; do readlink /proc/self/ns/$one | grep -q \"^$one:\" || exit 1; done",
    },
    Check {
        levels: ALL,
        wall: "Landlock",
        denial: "make a device node",
        deny: "mknod node c 0 0",
        control: "make a pipe",
        allow: "mknod pipe p && test -p pipe",
    },
    Check {
        levels: ALL,
        wall: "seccomp",
        denial: "make a user namespace",
        deny: "unshare -U true",
        control: "start the tool that makes them",
        allow: "unshare --version",
    },
    Check {
        levels: ALL,
        wall: "open files",
        denial: "find an open file besides 0, 1 and 2",
        deny: "fd=3; while [ $fd -lt 100 ]; do [ -e /proc/$$/fd/$fd ] && exit 0; fd=$((fd + 1)); done; exit 1",
        control: "find those",
        allow: "test -e /proc/$$/fd/1",
    },
    Check {
        levels: ALL,
        wall: "memory",
        denial: "hold more than the limit",
        deny: "head -c 400M /dev/zero | tail -c 400M | wc -c",
        control: "hold less",
        allow: "head -c 4M /dev/zero | tail -c 4M | wc -c",
    },
    Check {
        levels: ALL,
        wall: "number",
        denial: "start more processes than the limit",
        // No shell: some try again until there is room.
        deny: "test -x program && {program} threads:60:2000 act",
        control: "start fewer",
        allow: "{program} threads:8:20 act",
    },
    Check {
        levels: ALL,
        wall: "file size",
        denial: "write a larger file",
        deny: "head -c 9M /dev/zero > large",
        control: "write a smaller one",
        allow: "head -c 1M /dev/zero > small",
    },
    Check {
        levels: SPACES,
        wall: "/tmp size",
        denial: "fill the private /tmp",
        deny: "head -c 5M /dev/zero > /tmp/one && head -c 5M /dev/zero > /tmp/two",
        control: "write there, and to shared memory",
        allow: "head -c 5M /dev/zero > /tmp/one && echo x > /dev/shm/countersign-check",
    },
];

/// A command that never ends, and the child that it leaves behind.
async fn endless(scratch: &Scratch, session: &dyn SandboxSession) -> Result<CheckResult, SandboxError> {
    // A number that nothing else on this machine is likely to sleep for, another check of this process included.
    let long = format!("1{}.5", uuid::Uuid::now_v7().as_u128() as u32);
    let text = format!("sleep {long} & sleep {long}");
    let command = Command { text, cwd: WsPath::root(), timeout: Duration::from_millis(200), network: Vec::new() };
    let outcome = session.run(command, &scratch.shadow(), &mut Said::default(), &CancellationToken::new()).await?;
    let left = runs(&["sleep", &long]);
    let (control, said) = scratch.sh(session, "sleep 0.01 && echo slept", 0).await?;
    // Where the tool is missing, the control says so.
    let denied = outcome.exit != Some(0) && outcome.duration < Duration::from_secs(3) && !left;
    Ok(CheckResult {
        wall: "time",
        denial: "run on after the time is up",
        denied,
        control: "run another command after that",
        allowed: control.exit == Some(0),
        detail: match denied && control.exit == Some(0) {
            true => String::new(),
            false => format!(
                "ended after {} ms, {}left behind; {said}",
                outcome.duration.as_millis(),
                if left { "" } else { "nothing " }
            ),
        },
    })
}

/// Whether a program with these arguments runs on this machine.
fn runs(arguments: &[&str]) -> bool {
    let line: String = arguments.iter().map(|argument| format!("{argument}\0")).collect();
    let mut processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.any(|process| fs::read(process.path().join("cmdline")).is_ok_and(|found| found == line.as_bytes()))
}

/// A workspace with a secret and a program for acts, and a victim outside of it. Gone when dropped, and swept like a shadow where
/// that is cut short.
struct Scratch {
    root: PathBuf,
    _lock: fs::File,
    /// How commands call the program: a copy of the wall process, which they can run at every level.
    program: String,
}

impl Scratch {
    fn create(sandbox: &LinuxSandbox) -> Result<Self, SandboxError> {
        let (image, arguments) = sandbox.wall();
        // All but the stage.
        let words = arguments[..arguments.len() - 1].iter().map(|word| format!(" {word}"));
        let program = format!("./program{}", words.collect::<String>());
        let root = sandbox.paths.cache.join(format!("check-{}", uuid::Uuid::now_v7()));
        let unmade = |e: io::Error| refusal("shadow folders", &format!("{}: {e}", root.display()));
        make_private(&sandbox.paths.cache)?;
        let lock = removals::lock(&root).map_err(unmade)?;
        let this = Scratch { root, _lock: lock, program };
        let fill = || -> io::Result<()> {
            fs::create_dir(this.folder())?;
            fs::create_dir(this.outside())?;
            fs::write(this.folder().join("file"), "text\n")?;
            fs::copy(image, this.folder().join("program"))?;
            fs::write(this.folder().join(".env"), "TOKEN=x\n")?;
            fs::write(this.outside().join("victim"), "untouched\n")
        };
        make_private(&this.root)?;
        fill().map_err(|e| refusal("shadow folders", &format!("{}: {e}", this.root.display())))?;
        Ok(this)
    }

    fn folder(&self) -> PathBuf {
        self.root.join("workspace")
    }

    fn outside(&self) -> PathBuf {
        self.root.join("outside")
    }

    fn shadow(&self) -> Shadow {
        Shadow { files: Vec::new(), masked: WsPath::from_disk(".env").into_iter().collect() }
    }

    async fn sh(&self, session: &dyn SandboxSession, text: &str, port: u16) -> Result<(Outcome, String), SandboxError> {
        let text = text
            .replace("{outside}", &self.outside().to_string_lossy())
            .replace("{program}", &self.program)
            .replace("{port}", &port.to_string())
            .replace("{server}", &std::process::id().to_string())
            .replace("{namespaces}", &namespaces());
        let command = Command { text, cwd: WsPath::root(), timeout: Duration::from_secs(10), network: Vec::new() };
        let mut said = Said::default();
        let outcome = session.run(command, &self.shadow(), &mut said, &CancellationToken::new()).await?;
        Ok((outcome, String::from_utf8_lossy(&said.0).into_owned()))
    }

    /// What a command did to the world outside, seen from there.
    fn harmed(&self, listener: &TcpListener) -> Option<String> {
        let is = |path: PathBuf, text: &str| fs::read_to_string(path).is_ok_and(|found| found == text);
        if !is(self.outside().join("victim"), "untouched\n") {
            return Some("a file outside the workspace was changed".into());
        }
        if !is(self.folder().join("file"), "text\n") {
            return Some("the workspace itself was changed".into());
        }
        if ["/usr", "/tmp", "/dev/shm"].iter().any(|folder| Path::new(folder).join("countersign-check").exists()) {
            return Some("a file was made outside the workspace".into());
        }
        let reached = listener.set_nonblocking(true).is_ok() && listener.accept().is_ok();
        reached.then(|| "a connection out was made".into())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
        let _ = fs::remove_file(removals::lock_of(&self.root));
    }
}

/// Those of the server, as `/proc` names them.
fn namespaces() -> String {
    let all = ["user", "mnt", "pid", "net", "ipc", "uts"].map(|one| fs::read_link(format!("/proc/self/ns/{one}")));
    all.into_iter().flatten().map(|link| link.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// The first words of a command.
#[derive(Default)]
struct Said(Vec<u8>);

impl OutputSink for Said {
    fn output(&mut self, bytes: &[u8]) {
        let room = 2000usize.saturating_sub(self.0.len()).min(bytes.len());
        self.0.extend_from_slice(&bytes[..room]);
    }
}

//! Every system call by which walls are put up, made to fail in turn: the command is not run, the error names the step, and
//! nothing is left.
//!
//! The failure is the kernel's own: the wall process is started under a filter that refuses the call.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use countersign::{
    path::WsPath,
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::{Command, Level, OutputSink, SandboxError, SandboxSession, Shadow},
};
use nix::libc;
use tokio_util::sync::CancellationToken;

use super::bench::*;

/// What every filter here begins with: `put_on` answers one call (argument 1) where an argument of it (2, or -1 for whatever it
/// is) has a value (3), and lets all others through.
const FILTER: &str = r"
import ctypes, os, struct, sys
number, index, value = map(int, sys.argv[1:4])
libc = ctypes.CDLL(None, use_errno=True)
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
def put_on(install, answer):
    one = lambda code, yes, no, k: struct.pack('HBBI', code, yes, no, k & 0xffffffff)
    program = [one(0x20, 0, 0, 0)]
    if index < 0:
        program += [one(0x15, 0, 1, number)]
    else:
        program += [one(0x15, 0, 3, number), one(0x20, 0, 0, 16 + 8 * index), one(0x15, 0, 1, value)]
    program += [one(0x06, 0, 0, answer), one(0x06, 0, 0, 0x7fff0000)]
    text = ctypes.create_string_buffer(b''.join(program))
    libc.prctl(38, 1, 0, 0, 0)
    done = install(ctypes.byref(Program(len(program), ctypes.addressof(text))))
    if done < 0:
        sys.exit('no filter')
    return done
";

/// The text of a program that goes on with `rest` where it can `put_on` a filter.
pub fn filtering(rest: &str) -> String {
    format!("{FILTER}{rest}")
}

/// Refuses the call, and becomes the rest of its arguments.
pub fn refusing() -> String {
    filtering(
        r"
put_on(lambda program: libc.prctl(22, 2, program, 0, 0), 0x50000 | 28)
os.execv(sys.argv[4], sys.argv[4:])
",
    )
}

/// A call, with the argument and the value that make it this one; and the steps of which one must be named.
type Fault = (&'static str, libc::c_long, i32, i64, &'static [&'static str]);

const SHADOW: &str = "shadow of the workspace";
const ANY: i32 = -1;

#[cfg(target_arch = "x86_64")]
const SYMLINK: libc::c_long = libc::SYS_symlink;
#[cfg(not(target_arch = "x86_64"))]
const SYMLINK: libc::c_long = libc::SYS_symlinkat;

/// What namespaces, mounts and the walls of every level need.
const WITH_NAMESPACES: &[Fault] = &[
    ("unshare of users and mounts", libc::SYS_unshare, 0, 0x1002_0000, &["namespaces"]),
    ("unshare of the others", libc::SYS_unshare, 0, 0x2c02_0000, &["namespaces"]),
    ("mount", libc::SYS_mount, ANY, 0, &["private mounts", SHADOW, "private /proc", "read-only file systems"]),
    ("remount as of /proc", libc::SYS_mount, 3, 0x102f, &["private /proc", "read-only file systems"]),
    ("remount as of /dev", libc::SYS_mount, 3, 0x1027, &["private /dev", "read-only file systems"]),
    ("fsopen", libc::SYS_fsopen, ANY, 0, &["private folders", SHADOW]),
    ("fsconfig of a string", libc::SYS_fsconfig, 1, 1, &["private folders", SHADOW]),
    ("fsconfig of a flag", libc::SYS_fsconfig, 1, 0, &[SHADOW]),
    ("fsconfig that makes it", libc::SYS_fsconfig, 1, 6, &["private folders", SHADOW]),
    ("fsmount", libc::SYS_fsmount, ANY, 0, &["private folders", SHADOW]),
    ("open_tree", libc::SYS_open_tree, ANY, 0, &["visible folders", "hidden files"]),
    ("move_mount", libc::SYS_move_mount, ANY, 0, &["private folders"]),
    ("symlink", SYMLINK, ANY, 0, &["private /dev"]),
    ("renameat", libc::SYS_renameat, ANY, 0, &[SHADOW]),
    ("unlinkat", libc::SYS_unlinkat, ANY, 0, &[SHADOW]),
    ("capset", libc::SYS_capset, ANY, 0, &["capabilities"]),
    ("capget", libc::SYS_capget, ANY, 0, &["capabilities"]),
    ("prctl of ambient capabilities", libc::SYS_prctl, 0, 47, &["capabilities"]),
    ("prctl of the death signal", libc::SYS_prctl, 0, 1, &["start"]),
];

/// Those of L3 alone.
const WITH_NETWORK: &[Fault] = &[
    ("unshare of the network", libc::SYS_unshare, 0, 0x4000_0000, &["namespaces"]),
    ("socket of routes", libc::SYS_socket, 0, 16, &["loopback"]),
];

/// Those of a copy.
const WITH_A_COPY: &[Fault] = &[
    ("prctl of the subreaper", libc::SYS_prctl, 0, 36, &["stray processes"]),
    ("capset", libc::SYS_capset, ANY, 0, &["capabilities"]),
    ("prctl of the death signal", libc::SYS_prctl, 0, 1, &["start"]),
    ("socketpair", libc::SYS_socketpair, ANY, 0, &["start", "process 1"]),
];

/// What every level needs.
const EVERYWHERE: &[Fault] = &[
    ("landlock_create_ruleset", libc::SYS_landlock_create_ruleset, ANY, 0, &["Landlock"]),
    ("landlock_add_rule", libc::SYS_landlock_add_rule, ANY, 0, &["Landlock"]),
    ("landlock_restrict_self", libc::SYS_landlock_restrict_self, ANY, 0, &["Landlock"]),
    ("seccomp", libc::SYS_seccomp, ANY, 0, &["seccomp"]),
    ("prctl of new privileges", libc::SYS_prctl, 0, 38, &["no new privileges", "seccomp"]),
    ("setsid", libc::SYS_setsid, ANY, 0, &["start"]),
    ("prctl of dumps", libc::SYS_prctl, 0, 4, &["start"]),
    ("limits", libc::SYS_prlimit64, 1, 4, &["limits"]),
    ("limits of files", libc::SYS_prlimit64, 1, 1, &["limits"]),
    ("recvmsg", libc::SYS_recvmsg, ANY, 0, &["start"]),
    ("chdir", libc::SYS_chdir, ANY, 0, &["shell", "start", "process 1"]),
    ("threads", libc::SYS_clone3, ANY, 0, &[]),
    ("getdents64", libc::SYS_getdents64, ANY, 0, &["inherited files", "start"]),
];

fn wrapper(root: &Path, (_, number, index, value, _): &Fault) -> SandboxPaths {
    wrapped(root, &refusing(), &format!("{number} {index} {value}"))
}

/// Wall processes that a Python program starts: it gets `arguments`, then what it must become.
pub fn wrapped(root: &Path, filter: &str, arguments: &str) -> SandboxPaths {
    put(root, "wrapper/filter.py", filter);
    let script = format!(
        "#!/bin/sh\nexec /usr/bin/python3 -I {} {arguments} {} \"$@\"\n",
        root.join("wrapper/filter.py").display(),
        exe().display()
    );
    program(&root.join("wrapper/countersign"), script);
    SandboxPaths { exe: root.join("wrapper/countersign"), cache: root.join("cache") }
}

/// Runs a command that would leave a trace everywhere that it could.
pub async fn tried(
    root: &Path,
    out: &Path,
    paths: SandboxPaths,
    level: Level,
    said: &mut dyn OutputSink,
) -> Result<Option<i32>, SandboxError> {
    let sandbox = LinuxSandbox::with_environment(paths, environment(&root.join("home")));
    let session = sandbox.open_at(&spec(&root.join("w")), level).unwrap();
    let text = format!("echo ran; echo x > here; echo x >> {}/file", out.display());
    let command = Command { text, cwd: WsPath::root(), timeout: Duration::from_secs(5), network: Vec::new() };
    session.run(command, &Shadow::default(), said, &CancellationToken::new()).await.map(|outcome| outcome.exit)
}

async fn every(level: Level, faults: &[&[Fault]]) {
    let mut wrong = Vec::new();
    for fault in faults.iter().copied().flatten() {
        let (name, .., steps) = fault;
        let (root, out) = (folders(), visible());
        put(out.path(), "file", "victim\n");
        let begun = Instant::now();
        let mut said = Collect::default();
        let ran = tried(root.path(), out.path(), wrapper(root.path(), fault), level, &mut said).await;
        let output = said.text();
        match &ran {
            // Where the walls can do without the call, they stand all the same: the command could not do what it tried.
            Ok(_) if steps.is_empty() => {}
            Err(error) if steps.is_empty() || steps.contains(&error.step.as_str()) => {
                assert!(!error.why.is_empty() && !error.hint.is_empty(), "{name}: {error:?}");
                assert_eq!(output, "", "{name}: something ran");
            }
            other => wrong.push(format!("{level} {name}: {other:?} {output}")),
        }
        assert_eq!(fs::read_to_string(out.path().join("file")).unwrap(), "victim\n", "{name}");
        assert!(!root.path().join("w/here").exists(), "{name}");
        assert!(gets_empty(&root.path().join("cache")), "{name}: folders are left");
        assert!(begun.elapsed() < Duration::from_secs(25), "{name}: {:?}", begun.elapsed());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Control: the same wrapper, with a call that nothing needs.
    let (root, out) = (folders(), visible());
    put(out.path(), "file", "victim\n");
    let harmless = ("acct", libc::SYS_acct, ANY, 0, &[][..]);
    let mut said = Collect::default();
    let ran = tried(root.path(), out.path(), wrapper(root.path(), &harmless), level, &mut said).await;
    let output = said.text();
    assert_eq!(ran.unwrap(), Some(1), "the write outside is refused: {output}");
    assert!(output.starts_with("ran\n"), "{output}");
}

#[tokio::test]
async fn each_call_that_fails_is_a_refusal_at_l3() {
    every(Level::L3, &[WITH_NAMESPACES, WITH_NETWORK, EVERYWHERE]).await;
}

#[tokio::test]
async fn each_call_that_fails_is_a_refusal_at_l2() {
    every(Level::L2, &[WITH_NAMESPACES, EVERYWHERE]).await;
}

#[tokio::test]
async fn each_call_that_fails_is_a_refusal_at_l1() {
    every(Level::L1, &[WITH_A_COPY, EVERYWHERE]).await;
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_is_a_refusal() {
    let root = folders();
    let sandbox = sandbox_below(root.path(), Level::L1);
    // A shadow below its own workspace would be copied into itself.
    let refused = sandbox.open_at(&spec(&root.path().join("cache")), Level::L1).map(drop).unwrap_err();
    assert_eq!(refused.step, "shadow folders", "{refused}");
}

//! The calls that are made more than once on the way to standing walls, made to fail at one use of them: the first, the second,
//! the third, the last. Whichever it is, nothing runs with less than all walls, and nothing is left.
//!
//! The kernel asks a process of ours before each use (seccomp's user notification); that one counts, and refuses one.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use countersign::{
    sandbox::SandboxPaths,
    seams::{Level, OutputSink},
};
use nix::libc;

use super::{bench::*, faults::tried};

/// Counts the uses of call 1 whose argument 2 (-1 for whatever it is) has value 3, and refuses use 4; the number of uses goes
/// to file 6. 5 is the number of `seccomp` itself.
const COUNT: &str = r"
import array, ctypes, fcntl, os, select, socket, struct, sys
number, index, value, refused, seccomp = map(int, sys.argv[1:6])
one = lambda code, yes, no, k: struct.pack('HBBI', code, yes, no, k & 0xffffffff)
program = [one(0x20, 0, 0, 0)]
if index < 0:
    program += [one(0x15, 0, 1, number)]
else:
    program += [one(0x15, 0, 3, number), one(0x20, 0, 0, 16 + 8 * index), one(0x15, 0, 1, value)]
program += [one(0x06, 0, 0, 0x7fc00000), one(0x06, 0, 0, 0x7fff0000)]
text = ctypes.create_string_buffer(b''.join(program))
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
here, there = socket.socketpair()
def watch():
    listener = array.array('i', there.recvmsg(1, socket.CMSG_SPACE(4))[1][0][2])[0]
    there.close()
    out = os.open(sys.argv[6], os.O_CREAT | os.O_WRONLY, 0o600)
    uses, poll = 0, select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        events = poll.poll()[0][1]
        if not events & select.POLLIN:
            return
        asked = bytearray(80)
        try:
            fcntl.ioctl(listener, 0xc0502100, asked)
        except OSError:
            continue
        uses += 1
        os.pwrite(out, str(uses).encode(), 0)
        answer = (-28, 0) if uses == refused else (0, 1)
        try:
            fcntl.ioctl(listener, 0xc0182101, bytearray(struct.pack('QqiI', *struct.unpack_from('Q', asked), 0, *answer)))
        except OSError:
            pass
if os.fork() == 0:
    if os.fork() == 0:
        here.close()
        os.setsid()
        # The server must see the end of the wall processes.
        for fd in 0, 1, 2:
            os.close(fd)
        watch()
    os._exit(0)
os.wait()
there.close()
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
listener = libc.syscall(seccomp, 1, 8, ctypes.byref(Program(len(program), ctypes.addressof(text))))
if listener < 0:
    sys.exit('no filter')
here.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [listener]))])
here.close()
os.close(listener)
os.execv(sys.argv[7], sys.argv[7:])
";

/// A call, with the argument and the value that make it this one.
type Call = (&'static str, libc::c_long, i32, i64);

const ANY: i32 = -1;

/// Made by walls alone: the use that fails is always a refusal that names a step.
const WITH_NAMESPACES: &[Call] = &[
    ("mount", libc::SYS_mount, ANY, 0),
    ("fsopen", libc::SYS_fsopen, ANY, 0),
    ("fsconfig", libc::SYS_fsconfig, ANY, 0),
    ("fsmount", libc::SYS_fsmount, ANY, 0),
    ("open_tree", libc::SYS_open_tree, ANY, 0),
    ("move_mount", libc::SYS_move_mount, ANY, 0),
    ("unshare", libc::SYS_unshare, ANY, 0),
];
const EVERYWHERE: &[Call] = &[("landlock_add_rule", libc::SYS_landlock_add_rule, ANY, 0), ("capset", libc::SYS_capset, ANY, 0)];

/// Made by the command as well, and by walls where they can do without: it is refused, or runs behind all of them.
const SHARED: &[Call] = &[
    ("openat", libc::SYS_openat, ANY, 0),
    ("write", libc::SYS_write, ANY, 0),
    ("read", libc::SYS_read, ANY, 0),
    ("clone3", libc::SYS_clone3, ANY, 0),
    ("prctl", libc::SYS_prctl, ANY, 0),
    ("limits", libc::SYS_prlimit64, ANY, 0),
    ("getdents64", libc::SYS_getdents64, ANY, 0),
];

fn wrapper(root: &Path, (_, number, index, value): &Call, refused: usize) -> SandboxPaths {
    put(root, "wrapper/count.py", COUNT);
    let script = format!(
        "#!/bin/sh\nexec /usr/bin/python3 -I {} {number} {index} {value} {refused} {} {} {} \"$@\"\n",
        root.join("wrapper/count.py").display(),
        libc::SYS_seccomp,
        root.join("wrapper/uses").display(),
        exe().display()
    );
    program(&root.join("wrapper/countersign"), script);
    SandboxPaths { exe: root.join("wrapper/countersign"), cache: root.join("cache") }
}

/// Output, and how often the call had been used when it began: what comes later may be for the next command.
struct Heard {
    said: Collect,
    counter: PathBuf,
    uses: Option<usize>,
}

impl OutputSink for Heard {
    fn output(&mut self, bytes: &[u8]) {
        self.uses.get_or_insert_with(|| counted(&self.counter));
        self.said.output(bytes);
    }
}

fn counted(counter: &Path) -> usize {
    // It is there, and empty, before the first use.
    fs::read_to_string(counter).map_or(0, |uses| if uses.is_empty() { 0 } else { uses.parse().unwrap() })
}

/// How a run ended whose use number `refused` of a call failed, and how many uses there were.
async fn refusing(call: &Call, refused: usize, level: Level) -> (Result<Option<i32>, String>, usize) {
    let (root, out) = (folders(), visible());
    put(out.path(), "file", "victim\n");
    let begun = Instant::now();
    let mut heard = Heard { said: Collect::default(), counter: root.path().join("wrapper/uses"), uses: None };
    let ran = tried(root.path(), out.path(), wrapper(root.path(), call, refused), level, &mut heard).await;
    let output = heard.said.text();
    let place = format!("{level} {} at use {refused}", call.0);
    assert_eq!(fs::read_to_string(out.path().join("file")).unwrap(), "victim\n", "{place}");
    assert!(!root.path().join("w/here").exists(), "{place}");
    assert!(gets_empty(&root.path().join("cache")), "{place}: folders are left");
    assert!(begun.elapsed() < Duration::from_secs(60), "{place}: {:?}", begun.elapsed());
    if let Err(error) = &ran {
        assert!(!error.step.is_empty() && !error.why.is_empty() && !error.hint.is_empty(), "{place}: {error:?}");
        // The loader of a wall process may have had words of its own.
        assert!(!output.lines().any(|line| line == "ran"), "{place}: {output}");
    }
    let uses = heard.uses.unwrap_or_else(|| counted(&heard.counter));
    (ran.map_err(|error| error.to_string()), uses)
}

async fn each_use(level: Level, of_walls: &[&[Call]]) {
    let mut wrong = Vec::new();
    for call in of_walls.iter().copied().flatten() {
        // Control: all of them are let through. It may write in its shadow only, so that its last act fails.
        let (ran, uses) = refusing(call, 0, level).await;
        assert!(ran == Ok(Some(1)) && uses > 0, "{level} {}: {ran:?}, {uses} uses", call.0);
        let mut at: Vec<usize> = [1, 2, 3, uses].into_iter().filter(|use_| (1..=uses).contains(use_)).collect();
        at.dedup();
        for at in at {
            let (ran, _) = refusing(call, at, level).await;
            if ran.is_ok() {
                wrong.push(format!("{level} {} at use {at} of {uses}: {ran:?}", call.0));
            }
        }
    }
    for call in SHARED {
        let (ran, uses) = refusing(call, 0, level).await;
        assert!(ran == Ok(Some(1)) && uses > 0, "{level} {}: {ran:?}, {uses} uses", call.0);
        let mut at = vec![1, 2, uses / 4, uses / 2];
        at.retain(|use_| *use_ > 0);
        at.dedup();
        for at in at {
            let (ran, _) = refusing(call, at, level).await;
            // The last act of the command is refused, by walls or with them.
            assert_ne!(ran, Ok(Some(0)), "{level} {} at use {at} of {uses}", call.0);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn each_use_of_a_call_that_fails_is_a_refusal_at_l3() {
    each_use(Level::L3, &[WITH_NAMESPACES, EVERYWHERE]).await;
}

#[tokio::test]
async fn each_use_of_a_call_that_fails_is_a_refusal_at_l1() {
    each_use(Level::L1, &[EVERYWHERE]).await;
}

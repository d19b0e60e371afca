//! The calls that are made more than once on the way to standing walls, made to fail at one use of them: the first, the second,
//! the third, the last. Whichever it is, nothing runs with less than all walls, and nothing is left.
//!
//! The kernel asks a process of ours before each use (seccomp's user notification); that one counts, and refuses one.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use countersign::{
    path::WsPath,
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::{Command, Level, OutputSink, Shadow},
};
use nix::libc;
use tokio_util::sync::CancellationToken;

use super::{
    bench::*,
    faults::{filtering, tried, wrapped},
};

/// Counts the uses of the call, and refuses use 4; the number of uses goes to file 6. 5 is the number of `seccomp` itself.
const COUNT: &str = r"
import array, fcntl, select, socket
refused, seccomp = map(int, sys.argv[4:6])
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
listener = put_on(lambda program: libc.syscall(seccomp, 1, 8, program), 0x7fc00000)
here.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [listener]))])
here.close()
os.close(listener)
os.execv(sys.argv[7], sys.argv[7:])
";

/// A call, whatever its arguments.
type Call = (&'static str, libc::c_long);

/// Made by walls alone: the use that fails is always a refusal that names a step.
const WITH_NAMESPACES: &[Call] = &[
    ("mount", libc::SYS_mount),
    ("fsopen", libc::SYS_fsopen),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsmount", libc::SYS_fsmount),
    ("open_tree", libc::SYS_open_tree),
    ("move_mount", libc::SYS_move_mount),
    ("unshare", libc::SYS_unshare),
];
const EVERYWHERE: &[Call] = &[("landlock_add_rule", libc::SYS_landlock_add_rule), ("capset", libc::SYS_capset)];

/// Made by the command as well, and by walls where they can do without: it is refused, or runs behind all of them.
const SHARED: &[Call] = &[
    ("openat", libc::SYS_openat),
    ("write", libc::SYS_write),
    ("read", libc::SYS_read),
    ("clone3", libc::SYS_clone3),
    ("prctl", libc::SYS_prctl),
    ("limits", libc::SYS_prlimit64),
    ("getdents64", libc::SYS_getdents64),
];

fn wrapper(root: &Path, (_, number): &Call, refused: usize) -> SandboxPaths {
    let uses = root.join("wrapper/uses");
    wrapped(root, &filtering(COUNT), &format!("{number} -1 0 {refused} {} {}", libc::SYS_seccomp, uses.display()))
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

/// Each use of `those` of a call that fails, of how many uses: how the run ended.
async fn each_of(call: &Call, level: Level, those: impl Fn(usize) -> [usize; 4]) -> Vec<(String, Result<Option<i32>, String>)> {
    // Control: all of them are let through. It may write in its shadow only, so that its last act fails.
    let (ran, uses) = refusing(call, 0, level).await;
    assert!(ran == Ok(Some(1)) && uses > 0, "{level} {}: {ran:?}, {uses} uses", call.0);
    let mut ends = Vec::new();
    for at in BTreeSet::from(those(uses)).range(1..=uses) {
        ends.push((format!("{level} {} at use {at} of {uses}", call.0), refusing(call, *at, level).await.0));
    }
    ends
}

async fn each_use(level: Level, of_walls: &[&[Call]]) {
    let mut wrong = Vec::new();
    for call in of_walls.iter().copied().flatten() {
        let ends = each_of(call, level, |uses| [1, 2, 3, uses]).await;
        wrong.extend(ends.into_iter().filter(|(_, ran)| ran.is_ok()).map(|(place, ran)| format!("{place}: {ran:?}")));
    }
    for call in SHARED {
        for (place, ran) in each_of(call, level, |uses| [1, 2, uses / 4, uses / 2]).await {
            // The last act of the command is refused, by walls or with them.
            assert_ne!(ran, Ok(Some(0)), "{place}");
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

/// Whether commands of the only session left a file of this name.
fn left(root: &Path, name: &str) -> bool {
    let shadow = ["upper", "workspace/w"].map(|part| format!("{}/cache/shadow-*/{part}/{name}", root.display()));
    unwalled(&format!("ls {} 2>/dev/null | grep -q .", shadow.join(" ")), root).status.success()
}

/// A command that has begun is never begun again, whatever becomes of the word that it has: it is written to the server, or to
/// the process that says so, as the library writes.
#[tokio::test]
async fn what_has_begun_is_never_begun_again() {
    // Makes a second file where it finds the first, and writes nothing: writes are what fails.
    const TEXT: &str = "[ -e one ] && : > two; : > one; sleep 0.1";
    // There is time to begin before the call that fails comes back.
    let late = COUNT.replace("        uses += 1\n", "        uses += 1\n        if uses == refused: time.sleep(0.2)\n");
    let late = filtering(&format!("import time\n{late}"));
    let calls = [("write", libc::SYS_write), ("sendto", libc::SYS_sendto)];
    for (level, call) in [Level::L3, Level::L1].into_iter().flat_map(|level| calls.map(|call| (level, call))) {
        let (mut refused, mut uses, mut ran) = (0, 0..=0, 0);
        loop {
            let root = folders();
            let counter = root.path().join("wrapper/uses");
            let arguments = format!("{} -1 0 {refused} {} {}", call.1, libc::SYS_seccomp, counter.display());
            let paths = wrapped(root.path(), &late, &arguments);
            let sandbox = LinuxSandbox::with_environment(paths, environment(&root.path().join("home")));
            let session = sandbox.open_at(&spec(&root.path().join("w")), level).unwrap();
            let run = async |text: &str| {
                let timeout = Duration::from_secs(5);
                let command = Command { text: text.into(), cwd: WsPath::root(), timeout, network: Vec::new() };
                run_on(&session, command, &Shadow::default(), &CancellationToken::new()).await
            };
            // From then on a process 1 stands ready, and is replaced where its walls turn out to have failed.
            let first = run(":").await;
            let before = counted(&counter);
            let once = run(TEXT).await;
            if refused == 0 {
                uses = before + 1..=counted(&counter) + 2;
                run(TEXT).await.unwrap();
                assert!(left(root.path(), "two"), "{level}: the control is begun again");
            } else {
                assert!(!left(root.path(), "two"), "{level} {} at use {refused} of {uses:?}: {first:?} {once:?}", call.0);
                ran += usize::from(left(root.path(), "one"));
            }
            refused = if refused == 0 { *uses.start() } else { refused + 1 };
            if !uses.contains(&refused) {
                break;
            }
        }
        assert!(ran > 0, "{level} {}: it never ran", call.0);
    }
}

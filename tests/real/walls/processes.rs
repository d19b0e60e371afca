//! Privileges and the kernel's less trodden ground.

use countersign::seams::Level;

use super::bench::*;

#[tokio::test]
async fn privileges_are_gone() {
    let bench = Bench::new().await;
    let status = bench.must("cat /proc/self/status").await;
    for line in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.contains(line), "{line} is missing in {status}");
    }
    let same_user = bench.must("id -u").await;
    assert_eq!(same_user, String::from_utf8(unwalled("id -u", &bench.path("w")).stdout).unwrap());
    assert_eq!(bench.must("umask; tty || true; ulimit -c").await, "0022\nnot a tty\n0\n");
}

#[tokio::test]
async fn commands_inherit_three_open_files() {
    let bench = Bench::new().await;
    let script = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd')))";
    // The fourth is the listing itself.
    assert_eq!(bench.must(&format!("/usr/bin/python3 -I -c \"{script}\"")).await, "[0, 1, 2, 3]\n");
    assert_eq!(bench.must("readlink /proc/self/fd/0; cat; echo end").await, "/dev/null\nend\n");
}

#[tokio::test]
async fn no_way_to_more_rights() {
    let bench = Bench::new().await;
    for act in [
        "unshare -U true",
        "unshare -Ur true",
        "unshare -Urm mount -t tmpfs t /mnt",
        "unshare -n true",
        "unshare -p true",
        "mount -t tmpfs t .",
        "umount /tmp",
        "mount -o remount,rw /",
        "chroot . /bin/true",
        "su nobody -s /bin/true -c id </dev/null",
        "setpriv --reuid 12345 true",
        "nsenter -t 1 -m true",
        "dmesg",
        "hostname walls",
    ] {
        assert!(!bench.sh(act).await.ok(), "{act}");
    }
    bench
        .must("unshare --version && mount >/dev/null && chroot --version >/dev/null && setpriv --dump >/dev/null && hostname")
        .await;
}

/// Calls by number with harmless nonsense as arguments; prints the error's name.
const CALLS: &str = r#"
import ctypes, errno, platform, sys
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == 'x86_64'
def call(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in args])
    return 'made' if result >= 0 else errno.errorcode[ctypes.get_errno()]
numbers = {'mount': (165, 40), 'umount2': (166, 39), 'pivot_root': (155, 41), 'fsopen': (430, 430), 'fsmount': (432, 432),
  'fsconfig': (431, 431), 'fspick': (433, 433), 'open_tree': (428, 428), 'move_mount': (429, 429), 'mount_setattr': (442, 442),
  'open_tree_attr': (467, 467), 'setns': (308, 268), 'bpf': (321, 280), 'perf_event_open': (298, 241), 'userfaultfd': (323, 282),
  'io_uring_setup': (425, 425), 'io_uring_enter': (426, 426), 'io_uring_register': (427, 427), 'keyctl': (250, 219),
  'add_key': (248, 217), 'request_key': (249, 218), 'name_to_handle_at': (303, 264), 'open_by_handle_at': (304, 265),
  'kexec_load': (246, 104), 'init_module': (175, 105), 'finit_module': (313, 273), 'reboot': (169, 142), 'swapon': (167, 224),
  'syslog': (103, 116)}
for name, (a, b) in numbers.items():
    print(name, call(a if x86 else b, -1, -1, -1, -1, -1))
# Without walls the rest would do something.
if sys.argv[1:]:
    sys.exit()
print('clone3', call(435, 0, 0))
print('unshare user', call(272 if x86 else 97, 0x10000000))
print('clone user', call(56 if x86 else 220, 0x10000000 | 17, 0, 0, 0, 0))
print('unshare files', call(272 if x86 else 97, 0x400))
print('type into terminal', call(16 if x86 else 29, 0, 0x5412, 0))
print('getpid', call(39 if x86 else 172))
if x86:
    print('x32 getpid', call(0x40000000 + 39))
"#;

#[tokio::test]
async fn the_filter_refuses_what_no_build_needs() {
    for level in [Level::L3, Level::L2, Level::L1] {
        let Some(bench) = Bench::at(level).await else { continue };
        put(&bench.path("w"), "calls.py", CALLS);
        let seen = bench.must("/usr/bin/python3 -I calls.py").await;
        assert!(seen.lines().count() > 30, "{seen}");
        for line in seen.lines() {
            let (name, result) = line.rsplit_once(' ').unwrap();
            let expected = match name {
                "clone3" | "x32 getpid" => "ENOSYS",
                "getpid" | "unshare files" => "made",
                _ => "EPERM",
            };
            assert_eq!(result, expected, "{level} {name}");
        }
        // Control: without walls the kernel looks at the nonsense, where this user may ask at all.
        let free = String::from_utf8(unwalled("/usr/bin/python3 -I calls.py numbers", &bench.path("w")).stdout).unwrap();
        assert!(free.lines().count() > 25, "{free}");
        let refused: Vec<&str> = free.lines().filter(|line| line.ends_with("EPERM")).collect();
        let expected = if rustix::process::geteuid().is_root() { 0 } else { 20 };
        assert!(refused.len() <= expected, "{refused:?}");
    }
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn calls_of_a_foreign_architecture_end_the_process() {
    for level in [Level::L3, Level::L2, Level::L1] {
        let Some(bench) = Bench::at(level).await else { continue };
        let code =
            r#"int main(void) { int pid; __asm__ volatile ("int $0x80" : "=a"(pid) : "a"(20)); return pid <= 0; }"#.to_owned();
        put(&bench.path("w"), "foreign.c", &code);
        let built = unwalled("gcc -o foreign foreign.c", &bench.path("w"));
        assert!(built.status.success(), "{built:?}");
        assert!(unwalled("./foreign", &bench.path("w")).status.success(), "this kernel has no 32-bit calls to refuse");
        let ran = bench.sh("./foreign").await;
        assert_eq!(ran.outcome.signal.or(ran.outcome.exit.map(|code| code - 128)), Some(31), "{level} SIGSYS: {ran:?}");
    }
}

#[tokio::test]
async fn shared_memory_and_queues_are_private() {
    let bench = Bench::new().await;
    let made = unwalled("ipcmk -M 4096", &bench.path("w"));
    let id = String::from_utf8(made.stdout).unwrap().split_whitespace().last().unwrap().to_owned();
    let seen = bench.sh("ipcs -m | grep -c 0x").await;
    let own = bench.must("ipcmk -M 4096 && ipcs -m | grep -c 0x").await;
    let outside = unwalled(&format!("ipcs -m | grep -w {id}; ipcrm -m {id}"), &bench.path("w"));
    assert!(String::from_utf8_lossy(&outside.stdout).contains(&id), "{outside:?}");
    assert_eq!(seen.output, "0\n");
    assert!(own.ends_with("1\n"), "{own}");
}

#[tokio::test]
async fn a_crash_stays_behind_the_walls() {
    let bench = Bench::new().await;
    // Whatever is asked for: by any other limit the kernel would hand the crash to a program outside.
    let limits = "prlimit --core --noheadings -o SOFT,HARD | xargs";
    for asked in ["true", "ulimit -c 0", "prlimit --core=0:0 --pid $$", "ulimit -c unlimited"] {
        assert_eq!(bench.must(&format!("{asked} && {limits}")).await, "1 1\n", "{asked}");
    }
    let crashed = bench.sh("bash -c 'kill -SEGV $$'; echo $?; ls").await;
    assert!(crashed.output.contains("139\n") && crashed.outcome.changed.is_empty(), "{crashed:?}");
    // Control: the other limits are the command's own.
    assert_eq!(bench.must("ulimit -n 99 && prlimit --nofile --noheadings -o SOFT,HARD | xargs").await, "99 99\n");
}

//! The keeper of a session: nothing of one command is there for the next but the shadow, whatever happens to the keeper.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use countersign::{
    path::WsPath,
    seams::{Command, Sandbox, SandboxSession, Shadow, Stopped},
};
use rustix::process::{Pid, Signal, kill_process};
use tokio_util::sync::CancellationToken;

use super::{bench::*, ends::alive};

/// A running wall process.
struct Wall {
    pid: i32,
    keeper: bool,
}

/// The wall processes whose mounts name `cache`: those of one bench.
fn walls(cache: &Path) -> Vec<Wall> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let Some(stage) = line.split('\0').rfind(|word| !word.is_empty()) else { continue };
        let mounts = fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
        if ["keeper", "process-1"].contains(&stage) && mounts.contains(&cache.display().to_string()) {
            found.push(Wall { pid, keeper: stage == "keeper" });
        }
    }
    found
}

fn keeper_of(bench: &Bench) -> i32 {
    let found = || -> Vec<Wall> { walls(&bench.path("cache")).into_iter().filter(|wall| wall.keeper).collect() };
    // A process 1 bears its keeper's name for the moment before its exec.
    assert!(soon(|| found().len() == 1));
    found()[0].pid
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Leaves a trace wherever a command may write, and in every namespace.
const TRACES: &str = r#"
import os, socket, subprocess, sys
for folder in ('/tmp', '/var/tmp', '/dev/shm', os.environ['HOME']):
    open(folder + '/trace', 'w').close()
for address in (('127.0.0.1', 4711), ('::1', 4712)):
    server = socket.create_server(address, family=socket.AF_INET6 if ':' in address[0] else socket.AF_INET)
    if os.fork() == 0:
        peer = server.accept()[0]
        peer.recv(1)
        os._exit(0)
    # Whoever closes first leaves the port in TIME_WAIT for a minute.
    socket.create_connection(address).close()
    os.wait()
abstract = socket.socket(socket.AF_UNIX)
abstract.bind('\0walls-trace')
abstract.listen()
subprocess.run(['ipcmk', '-M', '4096', '-Q'], check=True, stdout=subprocess.DEVNULL)
if os.fork() == 0:
    os.setsid()
    abstract.accept()
os._exit(0)
"#;

/// Says what is left of them.
const LOOK: &str = r#"
import os, socket, subprocess
left = [f for f in ('/tmp', '/var/tmp', '/dev/shm', os.environ['HOME']) if os.path.exists(f + '/trace')]
for table in ('tcp', 'tcp6', 'udp', 'unix'):
    lines = open('/proc/net/' + table).read().splitlines()[1:]
    left += [table + line for line in lines]
left += subprocess.run(['ipcs', '-m', '-q'], check=True, capture_output=True, text=True).stdout.split('0x')[1:]
left += [pid for pid in os.listdir('/proc') if pid.isdigit() and int(pid) not in (1, os.getpid(), os.getppid())]
for address in (('127.0.0.1', 4711), ('127.0.0.1', 4712)):
    plain = socket.socket()
    plain.bind(address)
print(left)
"#;

#[tokio::test]
async fn a_command_leaves_nothing_but_its_shadow() {
    let bench = Bench::new().await;
    put(&bench.path("w"), "traces.py", TRACES);
    put(&bench.path("w"), "look.py", LOOK);
    assert_eq!(bench.must("exec /usr/bin/python3 -I look.py").await, "[]\n");
    // Control: the look sees them while they are there.
    let seen = bench
        .must("/usr/bin/python3 -I traces.py; sed -i '/plain/d; /^for address/d' look.py; /usr/bin/python3 -I look.py")
        .await;
    for trace in ["'/tmp'", "'/var/tmp'", "'/dev/shm'", "'tcp ", "'tcp6", "@walls-trace"] {
        assert!(seen.contains(trace), "{trace} is not in {seen}");
    }
    bench.must("exec /usr/bin/python3 -I traces.py").await;
    put(&bench.path("w"), "look2.py", LOOK);
    for _ in 0..3 {
        assert_eq!(bench.must("exec /usr/bin/python3 -I look2.py").await, "[]\n");
    }
}

#[tokio::test]
async fn the_network_and_its_rules_cannot_be_changed() {
    let bench = Bench::new().await;
    for act in [
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start",
        "ip link set lo down",
        "ip route add 10.0.0.0/8 dev lo",
        "/usr/bin/python3 -I -c \"import socket; socket.socket().bind(('127.0.0.1', 80))\"",
    ] {
        assert!(!bench.sh(act).await.ok(), "{act}");
    }
    // Control: in a namespace with rights over it, the same acts succeed.
    let free = "unshare -Urn sh -c 'echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start && \
                /usr/bin/python3 -I -c \"import socket; socket.socket().bind((\\\"0.0.0.0\\\", 80))\"'";
    let free = unwalled(free, &bench.path("w"));
    assert!(free.status.success(), "{free:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_and_secrets_that_appear_later_are_hidden_from_the_next_command() {
    let bench = Bench::new().await;
    bench.must("true").await;
    assert!(soon(|| waits(&bench.path(""))), "a process 1 that waits");
    let listener = std::os::unix::net::UnixListener::bind(bench.out.path().join("late")).unwrap();
    listener.set_nonblocking(true).unwrap();
    let connect = "/usr/bin/python3 -I -c \"import socket; socket.socket(socket.AF_UNIX).connect('$OUT/late')\"";
    assert!(!bench.sh(connect).await.ok());
    assert!(listener.accept().is_err());
    assert!(unwalled(&bench.filled(connect), &bench.path("w")).status.success(), "the control");
    put(&bench.path("w"), "late.env", CANARY);
    let masked = bench.with_shadow("cat late.env", &masking(&["late.env"])).await;
    assert!(!masked.ok() && !masked.output.contains(CANARY), "{masked:?}");
    assert!(bench.must("cat late.env").await.contains(CANARY), "the control");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_replaced_while_process_1_waits_are_seen_as_they_are_now() {
    let bench = Bench::new().await;
    assert_eq!(bench.must("cat a.txt").await, "alpha\n");
    assert!(soon(|| waits(&bench.path(""))), "a process 1 that waits");
    fs::rename(bench.path("w"), bench.path("old")).unwrap();
    put(&bench.path("w"), "a.txt", "another\n");
    assert_eq!(bench.must("cat a.txt").await, "another\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_on_the_disk_while_process_1_waits_is_seen() {
    let bench = Bench::new().await;
    let waits = || waits(&bench.path(""));
    put(&bench.path("w"), "gone", "");
    put(&bench.path("w"), "moved/inner", "inner\n");
    for round in 0..4 {
        assert!(soon(waits), "a process 1 that waits");
        let old = bench.must("cat a.txt; ls; echo own > d/own").await;
        assert!(soon(waits), "a process 1 that waits");
        let text = format!("{old}{round}");
        put(&bench.path("w"), "a.txt", &text);
        put(&bench.path("w"), &format!("new{round}/file"), "new\n");
        let _ = fs::remove_file(bench.path("w/gone"));
        let (from, to) = if round % 2 == 0 { ("moved", "there") } else { ("there", "moved") };
        fs::rename(bench.path("w").join(from), bench.path("w").join(to)).unwrap();
        let look = format!("cat a.txt; cat new{round}/file {to}/inner d/own; ls gone {from} 2>&1 | grep -c 'No such file'");
        assert_eq!(bench.must(&look).await, format!("{text}new\ninner\nown\n2\n"));
        // The folder's own rights are the only thing of it that process 1 has noted.
        let mode = [0o700, 0o755, 0o555, 0o1777][round];
        fs::set_permissions(bench.path("w"), fs::Permissions::from_mode(mode)).unwrap();
        // What its owner may not write takes writes in the shadow all the same.
        assert_eq!(bench.must("stat -c %a .").await, format!("{:o}\n", mode | 0o700));
        fs::set_permissions(bench.path("w"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Whether a process 1 stands ready, in a bench's root.
fn waits(root: &Path) -> bool {
    // One that had its command has the shadow over the folder, until it goes.
    let shadowed = format!(" {} ", root.join("w").display());
    let unused = |pid: i32| fs::read_to_string(format!("/proc/{pid}/mountinfo")).is_ok_and(|mounts| !mounts.contains(&shadowed));
    walls(&root.join("cache")).iter().any(|wall| !wall.keeper && state_of(wall.pid) == 'S' && unused(wall.pid))
}

/// The letter that the kernel has for what a process does.
fn state_of(pid: i32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('?')
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hidden_folder_that_is_replaced_while_process_1_waits_stays_hidden() {
    let (root, out) = (folders(), visible());
    let own = out.path().join("state");
    put(&own, "journal", CANARY);
    let session = sandbox(root.path()).hiding([own.clone()]).open_here(&spec(&root.path().join("w"))).unwrap();
    let text = format!("cat {}/state/*; grep -q root /etc/passwd && echo control", out.path().display());
    for round in 0..3 {
        let command = Command { text: text.clone(), cwd: WsPath::root(), timeout: Duration::from_secs(20), network: Vec::new() };
        let mut output = Collect::default();
        session.run(command, &Shadow::default(), &mut output, &CancellationToken::new()).await.unwrap();
        assert!(output.text().ends_with("control\n") && !output.text().contains(CANARY), "{round}: {}", output.text());
        assert!(soon(|| waits(root.path())), "a process 1 that waits");
        // Gone and made anew, as a server does that starts over: the kernel drops what was mounted on it.
        fs::remove_dir_all(&own).unwrap();
        put(&own, "journal", CANARY);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_keeper_is_replaced_and_its_commands_die_with_it() {
    let bench = Bench::new().await;
    bench.must("echo kept > kept").await;
    let first = keeper_of(&bench);
    signal(first, Signal::KILL);
    assert_eq!(bench.must("cat kept").await, "kept\n");
    assert_ne!(keeper_of(&bench), first);
    assert!(soon(|| walls(&bench.path("cache")).len() == 2), "a process 1 outlives its keeper");

    // While a command runs: it ends, and nobody takes it for a success.
    let kill = async {
        while !alive("98771") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        signal(keeper_of(&bench), Signal::KILL);
        Instant::now()
    };
    let (ran, killed) = tokio::join!(bench.sh("echo begun; sleep 98771; echo not reached"), kill);
    assert_eq!((ran.outcome.exit, ran.outcome.signal), (None, Some(9)), "{ran:?}");
    assert_eq!((ran.output.as_str(), ran.outcome.stopped), ("begun\n", Some(Stopped::Walls)), "{ran:?}");
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    assert_eq!(bench.must("cat kept").await, "kept\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_hangs_is_replaced() {
    let bench = Bench::new().await;
    bench.must("echo kept > kept").await;
    let first = keeper_of(&bench);
    assert!(soon(|| waits(&bench.path(""))), "a process 1 that waits");
    signal(first, Signal::STOP);
    // Process 1 stood ready, so this command runs; its keeper cannot see its end, and is given up.
    assert_eq!(bench.must("cat kept; echo two > two").await, "kept\n");
    assert_eq!(bench.must("cat two").await, "two\n");
    assert_ne!(keeper_of(&bench), first);
}

#[tokio::test]
async fn given_up_runs_do_not_disturb_the_next() {
    let bench = Bench::new().await;
    bench.must("true").await;
    for round in 0..5 {
        let run = bench.sh("while :; do echo x >> busy; done");
        let seen = tokio::time::sleep(Duration::from_millis(30 * round));
        tokio::select! {
            _ = run => panic!("it cannot end by itself"),
            () = seen => {}
        }
        bench.must("touch busy; cp busy a; sleep 0.1; cmp busy a").await;
    }
    let cancel = CancellationToken::new();
    cancel.cancel();
    let ran = bench.run("echo ran", &Shadow::default(), Duration::from_secs(5), &cancel).await.unwrap();
    assert_eq!(ran.outcome.exit, None);
    bench.must("true").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keeper_ends_with_its_session() {
    let bench = Bench::new().await;
    bench.must("true").await;
    let cache = bench.path("cache");
    assert!(soon(|| walls(&cache).len() == 2), "a keeper, and a process 1 that waits");
    let _root = bench.forget_session();
    assert!(soon(|| walls(&cache).is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_commands_at_once_leave_nothing() {
    let root = folders();
    let sandbox = std::sync::Arc::new(sandbox(root.path()));
    let mut running = tokio::task::JoinSet::new();
    for number in 0..50 {
        let (sandbox, folder) = (sandbox.clone(), root.path().join("w"));
        running.spawn(async move {
            let session = sandbox.open(spec(&folder)).await.unwrap();
            for round in 0..3 {
                let text = format!("echo {number} >> own; test $(wc -l < own) = {} && sleep 60 & cat own | tail -n 1", round + 1);
                let command = Command { text, cwd: WsPath::root(), timeout: Duration::from_secs(60), network: Vec::new() };
                let mut output = Collect::default();
                let ended = session.run(command, &Shadow::default(), &mut output, &CancellationToken::new()).await.unwrap();
                assert_eq!((ended.exit, output.text()), (Some(0), format!("{number}\n")));
            }
        });
    }
    while let Some(ran) = running.join_next().await {
        ran.unwrap();
    }
    let cache = root.path().join("cache");
    assert!(soon(|| walls(&cache).is_empty()), "processes are left");
    assert!(gets_empty(&cache), "folders are left");
    let ours = |of: &str| fs::read_to_string(of).unwrap().contains(&cache.display().to_string());
    assert!(!ours("/proc/self/mountinfo"), "mounts are left");
    let open = |link: fs::DirEntry| fs::read_link(link.path()).is_ok_and(|to| to.starts_with(&cache));
    assert!(soon(|| !fs::read_dir("/proc/self/fd").unwrap().flatten().any(open)), "files are left open");
}

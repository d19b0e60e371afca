//! The walls of weaker levels, on a machine whose kernel refuses the namespaces that the stronger ones need.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command as Process, Stdio},
    time::Duration,
};

use countersign::seams::{AtLeast, Level, Sandbox, SandboxSession, SandboxSpec, Shadow, Stopped};
use tokio_util::sync::CancellationToken;

use super::{
    bench::*,
    doors::{Doors, PYTHON},
};

/// `sandbox check --json` where the kernel has no more than this level.
fn check_below(root: &Path, level: Level) -> serde_json::Value {
    let mut command = Process::new("sh");
    command.args(["-c", &below(level, &exe()), "sh", "sandbox", "check", "--json"]).stdin(Stdio::null());
    command.env("HOME", root.join("home")).env("XDG_CACHE_HOME", root.join("checked"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_kernel_decides_the_level_and_every_check_of_it_holds() {
    for level in [Level::L2, Level::L1] {
        let root = folders();
        let sandbox = sandbox_below(root.path(), level);
        if !reaches(&sandbox, level).await {
            continue;
        }
        let (_, detail) = sandbox.level().await;
        assert!(detail.contains("not L3: namespaces: ") && detail.contains("user.max_user_namespaces"), "{detail}");
        let checked = check_below(root.path(), level);
        let rows = checked["checks"].as_array().unwrap();
        assert!(checked["level"] == level.to_string() && rows.len() > 15, "{checked}");
        for row in rows {
            assert_eq!(row["holds"], true, "{level}: {row}");
        }
        assert!(["number", "sockets"].iter().all(|wall| rows.iter().any(|row| row["wall"] == *wall)), "{checked}");
        assert!(checked["holds"] == true && checked["next"].as_str().unwrap().contains("countersign doctor"), "{checked}");
        assert!(gets_empty(&root.path().join("cache")), "traces are left");
        // Remembered with its reason; and proved anew for whoever tells people.
        let (again, detail) = sandbox_below(root.path(), level).level().await;
        assert!(again == level && detail.contains("earlier") && detail.contains("not L3"), "{detail}");
        assert!(!sandbox_below(root.path(), level).proved().await.1.contains("earlier"));
    }
}

/// Whoever runs one command is told what it lacks; nobody is where it lacks nothing.
#[tokio::test]
async fn a_command_line_tells_at_which_level_it_runs() {
    let root = folders();
    if !reaches(&sandbox_below(root.path(), Level::L1), Level::L1).await {
        return;
    }
    let run = |program: &str| {
        let mut command = Process::new("sh");
        command.args(["-c", program, "sh", "sandbox", "run", "-w", "w", "--", "cat a.txt"]).stdin(Stdio::null());
        command.current_dir(root.path()).env("HOME", root.path().join("home")).env("XDG_CACHE_HOME", root.path().join("line"));
        let output = command.output().unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"alpha\n"[..]), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let told = run(&below(Level::L1, &exe()));
    assert!(told.contains("Commands run at level L1, on a copy of the folder: ") && told.contains("doctor"), "{told}");
    let full = run(&format!("exec {} \"$@\"", exe().display()));
    assert!(!full.contains("level"), "{full}");
}

#[tokio::test]
async fn a_session_never_falls_to_a_weaker_level() {
    let root = folders();
    // The machine has L1; this session was to have more.
    for level in [Level::L3, Level::L2] {
        let session = sandbox_below(root.path(), Level::L1).open_at(&spec(&root.path().join("w")), level).unwrap();
        assert_eq!(session.level(), level);
        let bench_of = |text: &str| countersign::seams::Command {
            text: text.into(),
            cwd: countersign::path::WsPath::root(),
            timeout: Duration::from_secs(5),
            network: Vec::new(),
        };
        let mut output = Collect::default();
        let ran = session.run(bench_of("echo ran"), &Shadow::default(), &mut output, &CancellationToken::new()).await;
        assert_eq!(ran.unwrap_err().step, "namespaces");
        assert_eq!(output.text(), "");
    }
}

/// Whoever opens a session says what is enough, and gets nothing weaker, whatever was asked of the gate before.
#[tokio::test]
async fn no_session_is_weaker_than_its_opener_admits() {
    let root = folders();
    let sandbox = sandbox_below(root.path(), Level::L1);
    if !reaches(&sandbox, Level::L1).await {
        return;
    }
    let least = |level| SandboxSpec { min_level: AtLeast(level), ..spec(&root.path().join("w")) };
    // Who says nothing means the strongest.
    let silent = SandboxSpec { folder: root.path().join("w"), ..SandboxSpec::default() };
    for spec in [least(Level::L2), least(Level::L3), silent] {
        let told = spec.min_level.0;
        let Err(error) = sandbox.open(spec.clone()).await else { panic!("{told} was opened") };
        let words = format!("the policy asks for walls of level {told}, this machine reaches L1: ");
        assert!(error.step == "level" && error.why.starts_with(&words) && error.hint.contains("doctor"), "{error:?}");
        assert!(sandbox.open_at(&spec, Level::L1).is_err() && sandbox.open_at(&spec, Level::L0).is_err());
    }
    assert!(gets_empty(&root.path().join("cache")), "a shadow was made");
    for level in [Level::L1, Level::L1Weak] {
        assert_eq!(sandbox.open(least(level)).await.unwrap().level(), Level::L1, "the control");
    }
    assert!(sandbox.open_at(&least(Level::L1), Level::L1Weak).is_err());
    assert!(sandbox.open_at(&least(Level::L0), Level::L0).is_err(), "there are no walls to open");
}

#[tokio::test]
async fn what_commands_change_is_found_and_stays_theirs() {
    for level in [Level::L2, Level::L1] {
        let Some(bench) = Bench::at(level).await else { continue };
        assert_eq!(bench.must("cat a.txt d/b.txt").await, "alpha\nbeta\n");
        let before = bench.world();
        let ran = bench.sh("echo new > n; echo more >> a.txt; rm d/b.txt; mkdir -p x/y; echo 1 > x/y/z; touch d").await;
        assert_eq!(ran.outcome.changed, ["a.txt", "d/b.txt", "n", "x/y/z"], "{level} {ran:?}");
        assert_eq!(bench.must("cat a.txt n x/y/z; ls d").await, "alpha\nmore\nnew\n1\n");
        assert_eq!(bench.world(), before, "{level}");
    }
}

#[tokio::test]
async fn nothing_outside_the_copy_can_be_written() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    bench.must("true").await;
    let before = bench.world();
    let (home, w) = (bench.path("home"), bench.path("w"));
    let acts = [
        "echo x >> $OUT/file".to_owned(),
        "truncate -s 0 $OUT/file".to_owned(),
        "rm $OUT/file".to_owned(),
        "mv $OUT/file .".to_owned(),
        "mv a.txt $OUT/".to_owned(),
        "ln $OUT/file here".to_owned(),
        "ln a.txt $OUT/a".to_owned(),
        "mkdir $OUT/dir".to_owned(),
        "mkfifo $OUT/p".to_owned(),
        "ln -s a $OUT/l".to_owned(),
        "mknod node c 1 3".to_owned(),
        format!("{PYTHON}\"import os; os.setxattr('$OUT/file', 'user.x', b'1')\""),
        format!("echo x >> {}/.bashrc", home.display()),
        format!("echo x > {}/new", w.display()),
        "echo x > /tmp/countersign-weak".to_owned(),
        "echo x > /dev/shm/countersign-weak".to_owned(),
        "echo x > /usr/countersign-weak".to_owned(),
    ];
    for act in &acts {
        let ran = bench.sh(act).await;
        assert!(!ran.ok(), "{act}: {ran:?}");
        assert_eq!(bench.world(), before, "{act}");
    }
    assert!(!["/tmp", "/dev/shm", "/usr"].iter().any(|dir| fs::exists(format!("{dir}/countersign-weak")).unwrap()));
    // Control: the same tools inside, and where they may.
    bench
        .must(
            "echo x >> a.txt && truncate -s 0 a.txt && ln a.txt hard && mkdir dir && mkfifo p && ln -s a l && mv a.txt dir && \
             rm dir/a.txt && echo x > \"$TMPDIR/t\" && echo x > \"$HOME/h\" && echo x > /dev/null",
        )
        .await;
    for act in ["echo x >> $OUT/file", "mkdir $OUT/dir", "mkfifo $OUT/p"] {
        assert!(unwalled(&bench.filled(act), &w).status.success(), "{act}");
    }
}

#[tokio::test]
async fn secrets_are_out_of_reach() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    put(&bench.path("w"), ".env", CANARY);
    put(&bench.path("w"), ".gitignore", ".env\nnode_modules\n");
    put(&bench.path("w"), "node_modules/pkg/.env", CANARY);
    put(&bench.path("w"), "node_modules/pkg/index.js", "fine");
    let masks = masking(&[".env", "node_modules/pkg/.env"]);
    let (home, w) = (bench.path("home"), bench.path("w"));
    let mut acts: Vec<String> = CREDENTIALS.iter().map(|path| format!("cat {}/{path}", home.display())).collect();
    acts.extend(CREDENTIALS.iter().map(|path| format!("cat ~/{path}")));
    acts.extend([
        "cat .env".to_owned(),
        "cat node_modules/pkg/.env".to_owned(),
        format!("cat {}/.env", w.display()),
        format!("cat {}/node_modules/pkg/.env", w.display()),
        format!("cat {}/a.txt", w.display()),
        format!("ls {}", home.display()),
        "cat /etc/shadow".to_owned(),
        format!("cat /proc/{}/environ", std::process::id()),
        format!("ls /proc/{}/fd /proc/{}/root/ /proc/{}/cwd/", std::process::id(), std::process::id(), std::process::id()),
        "cd /proc/1/cwd && cat ../etc/shadow".to_owned(),
        "env | grep -iE 'api_key|token|secret|passw'".to_owned(),
        "ls /proc/self/fd | grep -vxE '0|1|2|3'".to_owned(),
    ]);
    for act in &acts {
        let ran = bench.with_shadow(act, &masks).await;
        assert!(!ran.ok() && !ran.output.contains(CANARY), "{act}: {ran:?}");
    }
    let ran = bench.with_shadow("test -e .env && ! test -s .env && cat node_modules/pkg/index.js ~/notes/n", &masks).await;
    assert!(ran.ok() && ran.output == "finereadable\n", "{ran:?}");
    assert_eq!(ran.outcome.hidden, [".env", "node_modules/pkg/.env"]);
    // Control: without the masks and walls.
    assert_eq!(bench.must("cat .env").await, CANARY);
    for act in [&acts[0], &acts[CREDENTIALS.len() * 2 + 2]] {
        assert!(unwalled(act, &w).status.success(), "{act}");
    }
    let left = bench.path("cache");
    let copies = unwalled(&format!("grep -rl --exclude-dir=node_modules {CANARY} {}", left.display()), &w);
    // Unmasked by the last command, the copy has it; masked, it is taken away again.
    assert!(!copies.stdout.is_empty());
    bench.with_shadow("true", &masks).await;
    let copies = unwalled(&format!("grep -rl {CANARY} {}", left.display()), &w);
    assert!(copies.stdout.is_empty(), "{copies:?}");
}

#[tokio::test]
async fn no_socket_leads_anywhere() {
    for level in [Level::L2, Level::L1] {
        let Some(bench) = Bench::at(level).await else { continue };
        let doors = Doors::open(&bench);
        for (number, act) in doors.acts().iter().enumerate() {
            let text = format!("{PYTHON}\"{act}\"");
            let walled = bench.sh(&text).await;
            assert!(!walled.ok(), "{level} {act}: {walled:?}");
            assert_eq!(doors.reached(), [false; 4], "{level} {act}");
            let free = unwalled(&bench.filled(&text), &bench.path("w"));
            assert!(free.status.success(), "{act} does not work without walls either: {free:?}");
            assert_eq!(doors.reached(), std::array::from_fn(|i| i == number), "{level} {act}");
        }
        // Not every kernel has it.
        let multipath =
            format!("{PYTHON}\"import socket; socket.socket(2, 1, 262).connect(('127.0.0.1', {}))\"", doors.tcp_port());
        assert!(!bench.sh(&multipath).await.ok() && doors.reached() == [false; 4], "{level}");
        for family in ["16, 3, 0", "17, 3, 0", "40, 1, 0", "38, 5, 0", "2, 3, 1", "2, 2, 1", "10, 1, 0"] {
            let ran = bench.sh(&format!("{PYTHON}'import socket; socket.socket({family})'")).await;
            assert!(!ran.ok() && ran.output.contains("rror"), "{level} {family}: {ran:?}");
        }
        let listen = format!("{PYTHON}'import socket; socket.create_server((\"127.0.0.1\", 0))'");
        assert!(bench.sh(&listen).await.output.contains("not permitted"));
        assert!(unwalled(&listen, &bench.path("w")).status.success());
        // Pairs are no way out, and event loops need them.
        let pair = "import asyncio, socket; a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1)); \
                    asyncio.run(asyncio.sleep(0))";
        assert_eq!(bench.must(&format!("{PYTHON}\"{pair}\"")).await, "b'x'\n");
    }
}

#[tokio::test]
async fn other_processes_cannot_be_touched() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    let mut victim = Process::new("/bin/sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    let pid = victim.id();
    let nice = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().split(' ').nth(18).unwrap().to_owned();
    let before = nice();
    let acts = [
        format!("kill -0 {pid}"),
        format!("kill -9 {pid}"),
        format!("renice -n 5 -p {pid}"),
        format!("taskset -p 1 {pid}"),
        format!("prlimit --nofile=10 --pid {pid}"),
        format!("echo 500 > /proc/{pid}/oom_score_adj"),
        format!("echo x > /proc/{pid}/mem"),
        format!("cat /proc/{pid}/environ"),
        format!("ls /proc/{pid}/cwd/"),
        format!("kill -9 {}", std::process::id()),
        "kill -9 $PPID".to_owned(),
    ];
    for act in &acts {
        let ran = bench.sh(act).await;
        assert!(!ran.ok() && ran.outcome.exit.is_some(), "{act}: {ran:?}");
        assert!(victim.try_wait().unwrap().is_none(), "{act} ended the victim");
        assert_eq!(nice(), before, "{act}");
    }
    bench.sh("renice -n 5 -u $(id -u); kill -9 -1").await;
    assert!(victim.try_wait().unwrap().is_none());
    assert_eq!(nice(), before);
    // Control: among their own, and without walls.
    bench.must("sleep 1000 & kill -0 $! && nice -n 5 true && kill -9 $!").await;
    for act in [&acts[0], &acts[2], &acts[3], &acts[4], &acts[7], &acts[8], &acts[1]] {
        let free = unwalled(act, &bench.path("w"));
        assert!(free.status.success(), "{act}: {free:?}");
    }
    victim.wait().unwrap();
}

#[tokio::test]
async fn the_kernels_less_trodden_ground_is_closed() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    let status = bench.must("cat /proc/self/status").await;
    for line in
        ["CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"]
    {
        assert!(status.contains(line), "{line} is missing in {status}");
    }
    assert_eq!(bench.must("umask; tty || true; ulimit -c").await, "0022\nnot a tty\n0\n");
    for act in ["unshare -Ur true", "unshare -n true", "mount -t tmpfs t .", "ipcmk -M 4096", "chroot . true", "ipcmk -Q"] {
        let ran = bench.sh(act).await;
        assert!(!ran.ok(), "{act}: {ran:?}");
    }
    let control = unwalled("ipcrm -m $(ipcmk -M 4096 | grep -o '[0-9]*$') && unshare -Ur true", &bench.path("w"));
    assert!(control.status.success(), "{control:?}");
}

/// How many programs run with this argument.
fn running(argument: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).split('\0').any(|word| word == argument)).count()
}

/// Requests that the owner of a file may make who has it open for reading: no wall of L1 is around them but the filter.
#[tokio::test]
async fn files_cannot_be_changed_by_requests() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    let requests = "/usr/bin/python3 -I -c \"
import errno, fcntl, os
for name in ('a.txt', 'd'):
    for request in (0x40806685, 0x800c6613, 0x4008941a, 0x50009401, 0x50009417, 0x5000940e, 0x50009418, 0x5000940f, 0x5000943f):
        try: fcntl.ioctl(os.open(name, 0), request, bytearray(4096))
        except OSError as e: print(errno.errorcode[e.errno])\"";
    let said = bench.must(requests).await;
    assert_eq!(said, "EPERM\n".repeat(18));
    // Control: the kernel itself says that these mean nothing to it, or that they make no sense.
    let free = String::from_utf8(unwalled(requests, &bench.path("w")).stdout).unwrap();
    assert!(free.lines().count() > 12 && !free.contains("EPERM"), "{free}");
}

#[tokio::test]
async fn strays_end_with_the_command() {
    // At `L1-weak` there is no signal that cannot leave: what remains is found by its parents.
    for (level, long) in [(Level::L1, "86417.25"), (Level::L1Weak, "86418.25")] {
        let bench = if level == Level::L1 { Bench::at(level).await } else { Some(Bench::forced(level).await) };
        let Some(bench) = bench else { continue };
        let stray =
            format!("(setsid sh -c 'setsid sleep {long} & setsid sleep {long}' >/dev/null 2>&1 &) ; sleep {long} & sleep 0.2");
        let ran = bench.sh(&stray).await;
        assert!(ran.ok(), "{ran:?}");
        assert_eq!(running(long), 0, "{level}: strays are left");
        let stuck = format!("echo begun; {stray}; sleep {long}");
        let ran = bench.run(&stuck, &Shadow::default(), Duration::from_millis(500), &CancellationToken::new()).await.unwrap();
        assert_eq!(ran.outcome.stopped, Some(Stopped::Timeout));
        assert!(ran.went_on() < Duration::from_secs(3) && running(long) == 0, "{level}: {:?}", ran.went_on());
        let (cancel, nothing) = (CancellationToken::new(), Shadow::default());
        let seen = async {
            while running(long) < 4 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            cancel.cancel();
        };
        let (ran, ()) = tokio::join!(bench.run(&stuck, &nothing, Duration::from_secs(60), &cancel), seen);
        assert_eq!(ran.unwrap().outcome.stopped, Some(Stopped::Cancelled));
        assert_eq!(running(long), 0, "{level}");
        // A pipe that is held open, and a writer that goes on.
        let ran = bench.sh("exec > >(tee log) 2>&1; echo out").await;
        assert!(ran.ok() && ran.output == "out\n", "{ran:?}");
    }
}

#[tokio::test]
async fn the_end_of_the_server_is_the_end_of_its_commands() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    let long = "86419.25";
    let command = bench.sh("(setsid sleep 86419.25 &) ; sleep 86419.25");
    let begun = async {
        while running(long) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Given up half-way, as when a server goes.
    tokio::select! {
        _ = command => panic!("it cannot end by itself"),
        () = begun => {}
    }
    let root = bench.forget_session();
    assert!(soon(|| running(long) == 0));
    assert!(gets_empty(&root.path().join("cache")));
}

#[tokio::test]
async fn limits_hold() {
    for level in [Level::L1, Level::L1Weak] {
        let bench = Bench::with_limits(level, |spec| {
            (spec.memory, spec.processes, spec.file_size, spec.shadow_size) = (200 * MIB, 100, 8 * MIB, 64 * MIB);
        })
        .await;
        let ran = bench.sh(&format!("{PYTHON}\"x = bytearray(900 << 20); import time; time.sleep(20)\"")).await;
        assert_eq!(ran.outcome.stopped, Some(Stopped::Memory), "{level} {ran:?}");
        // 511 processes at most, should nothing stop them.
        let ran = bench.sh("b() { if [ $1 -gt 0 ]; then b $(($1 - 1)) & b $(($1 - 1)) & fi; sleep 20; }; b 8").await;
        assert_eq!(ran.outcome.stopped, Some(Stopped::Processes), "{level} {ran:?}");
        let ran = bench.sh("head -c 9M /dev/zero > large").await;
        assert!(!ran.ok(), "{level} {ran:?}");
        let ran = bench.sh("for i in $(seq 40); do head -c 7M /dev/zero > f$i; done; sleep 15").await;
        assert_eq!(ran.outcome.stopped, Some(Stopped::Shadow), "{level} {ran:?}");
        // Control: what stays below, and a machine that is well.
        bench.must("rm -f f* large; head -c 7M /dev/zero > f1; for i in $(seq 20); do sleep 0.1 & done; wait").await;
    }
}

#[tokio::test]
async fn the_newest_text_of_the_users_side_wins() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    // A buffer, then saved: no change, and its time stays.
    let buffer = shadow([typed("a.txt", "typed\n")]);
    assert_eq!(bench.with_shadow("cat a.txt; stat -c %y a.txt > when", &buffer).await.output, "typed\n");
    fs::write(bench.path("w/a.txt"), "typed\n").unwrap();
    bench.must("test \"$(stat -c %y a.txt)\" = \"$(cat when)\"").await;
    // What commands wrote stays until the user's side says something else.
    bench.must("echo command > d/b.txt").await;
    assert_eq!(bench.must("cat d/b.txt").await, "command\n");
    fs::write(bench.path("w/d/b.txt"), "user\n").unwrap();
    assert_eq!(bench.must("cat d/b.txt").await, "user\n");
    // New, deleted and renamed on the disk.
    put(&bench.path("w"), "e/new", "1\n");
    fs::rename(bench.path("w/d"), bench.path("w/moved")).unwrap();
    assert_eq!(bench.must("cat e/new moved/b.txt; test ! -e d").await, "1\nuser\n");
    fs::remove_dir_all(bench.path("w/e")).unwrap();
    bench.must("test ! -e e").await;
    // Deleted by the proposal, and rejected.
    bench.with_shadow("test ! -e a.txt", &shadow([deleted("a.txt")])).await;
    assert_eq!(bench.must("cat a.txt").await, "typed\n");
    // A folder becomes a file and back.
    fs::remove_dir_all(bench.path("w/moved")).unwrap();
    put(&bench.path("w"), "moved", "file\n");
    assert_eq!(bench.must("cat moved").await, "file\n");
    fs::remove_file(bench.path("w/moved")).unwrap();
    put(&bench.path("w"), "moved/again", "in\n");
    assert_eq!(bench.must("cat moved/again").await, "in\n");
}

#[tokio::test]
async fn what_became_of_changes_is_noted() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    let ran = bench.sh("echo one > a.txt; echo new > made; rm -r d").await;
    assert_eq!(ran.outcome.changed, ["a.txt", "d", "made"]);
    let written = bench.session.written(ran.outcome.changed, MIB).await;
    let found: Vec<String> = written.iter().map(|one| format!("{:?}", one.found)).collect();
    assert!(found[0].starts_with("File") && found[1] == "Gone" && found[2].starts_with("File"), "{found:?}");
    bench.session.take(vec![ws("a.txt"), ws("made"), ws("d/b.txt")]).await.unwrap();
    let proposal = shadow([typed("a.txt", "one\n"), typed("made", "new\n"), deleted("d/b.txt")]);
    let ran = bench.with_shadow("cat a.txt made; ls -A d 2>/dev/null", &proposal).await;
    assert_eq!((ran.output.as_str(), ran.outcome.changed.as_slice()), ("one\nnew\n", &[][..]));
    // Rejected: gone for the next command.
    let ran = bench.sh("cat a.txt d/b.txt; test ! -e made").await;
    assert!(ran.ok() && ran.output == "alpha\nbeta\n" && ran.outcome.changed.is_empty(), "{ran:?}");
}

#[tokio::test]
async fn links_that_commands_plant_are_not_followed() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    bench.must("rm -r d; ln -s $OUT d; ln -s $OUT/file linked; ln -s $OUT dir").await;
    let before = picture(bench.out.path());
    put(&bench.path("w"), "d/b.txt", "user\n");
    put(&bench.path("w"), "d/file", "user\n");
    put(&bench.path("w"), "linked", "user\n");
    let ran = bench.sh("cat d/b.txt d/file linked").await;
    assert_eq!(ran.output, "user\nuser\nuser\n", "{ran:?}");
    assert_eq!(picture(bench.out.path()), before);
    bench.must("rm -r d; ln -s $OUT d").await;
    let ran = bench.with_shadow("true", &shadow([typed("dir/file", "typed\n"), deleted("d/file")])).await;
    assert!(ran.ok());
    assert_eq!(picture(bench.out.path()), before);
    let written = bench.session.written(vec!["d/file".into(), "dir/file".into(), "d".into()], MIB).await;
    assert!(!format!("{written:?}").contains("victim"), "{written:?}");
    let _ = symlink("x", bench.path("w/own"));
    assert_eq!(bench.must("readlink own").await, "x\n");
}

#[tokio::test]
async fn ignored_folders_are_readable_and_outputs_are_made_anew() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    put(&bench.path("w"), ".ignore", "node_modules\ntarget\nlocal.conf\n");
    put(&bench.path("w"), "node_modules/p/index.js", "module\n");
    put(&bench.path("w"), "target/old", "old\n");
    put(&bench.path("w"), "local.conf", "small\n");
    let before = bench.world();
    let ran = bench.sh("cat node_modules/p/index.js local.conf; test ! -e target && mkdir target && echo x > target/new").await;
    assert!(ran.ok() && ran.output == "module\nsmall\n", "{ran:?}");
    assert!(!bench.sh("echo x > node_modules/p/index.js").await.ok());
    bench.must("cat target/new; echo x > local.conf").await;
    // An open buffer in such a folder.
    let ran = bench.with_shadow("cat node_modules/p/index.js", &shadow([typed("node_modules/p/index.js", "typed\n")])).await;
    assert_eq!(ran.output, "typed\n", "{ran:?}");
    assert_eq!(bench.world(), before);
}

/// A commit that would write an object that is there already touches it instead, and no wall of L1 keeps times.
fn but_for_times_of_objects(world: Vec<String>) -> Vec<String> {
    let lines = world.into_iter();
    lines.map(|line| if line.contains("/.git/objects/") { line.split(' ').take(2).collect() } else { line }).collect()
}

#[tokio::test]
async fn git_reads_the_repository_and_its_writes_vanish() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    let made = "git init -q . && git add . && git -c user.name=A -c user.email=a@example.com commit -qm first && \
                git remote add origin https://me:canary-4711-do-not-leak@example.com/x && echo changed >> a.txt";
    assert!(unwalled(made, &bench.path("w")).status.success());
    let before = but_for_times_of_objects(bench.world());
    let said = bench.must("git status --porcelain && git log --oneline | cut -d' ' -f2 && git diff --stat | tail -n 1").await;
    assert_eq!(said, " M a.txt\nfirst\n 1 file changed, 1 insertion(+)\n");
    assert!(bench.must("git remote -v").await.contains("https://example.com/x"));
    let leaks = bench.sh(&format!("grep -r {CANARY} .git; git config -l | grep {CANARY}")).await;
    assert!(!leaks.output.contains(CANARY), "{leaks:?}");
    let ran = bench.sh("git -c user.name=B -c user.email=b@example.com commit -qam second && git log --oneline | wc -l").await;
    assert!(ran.ok() && ran.output == "2\n" && ran.outcome.git, "{ran:?}");
    assert_eq!(ran.outcome.changed, Vec::<String>::new());
    assert_eq!(but_for_times_of_objects(bench.world()), before);
    // What the user commits is seen.
    assert!(unwalled("git -c user.name=A -c user.email=a@example.com commit -qam mine", &bench.path("w")).status.success());
    assert!(bench.must("git log --oneline").await.contains("mine"));
    assert_eq!(bench.must("git status --porcelain").await, "");
}

#[tokio::test]
async fn builds_and_tests_work_in_the_copy() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    put(&bench.path("w"), "main.c", "#include <stdio.h>\nint main(void) { puts(\"built\"); return 0; }\n");
    put(&bench.path("w"), "Makefile", "all: one two\none two: main.c\n\tgcc -o $@ main.c\n");
    put(
        &bench.path("w"),
        "test_it.py",
        "import subprocess, tempfile, unittest\nclass T(unittest.TestCase):\n    def test(self):\n        with tempfile.NamedTemporaryFile() as f: f.write(b'x')\n        self.assertEqual(subprocess.check_output(['echo', 'x']), b'x\\n')\n",
    );
    let said = bench.must("make -j2 >/dev/null && ./one && ./two && make").await;
    assert!(said.starts_with("built\nbuilt\n") && said.contains("Nothing to be done"), "{said}");
    assert!(bench.must("/usr/bin/python3 -m unittest test_it 2>&1").await.contains("OK"));
    // Warm: only what changed is made again.
    assert!(bench.must("make").await.contains("Nothing to be done"));
    let edited = shadow([typed("main.c", "#include <stdio.h>\nint main(void) { puts(\"edited\"); return 0; }\n")]);
    assert!(bench.with_shadow("make >/dev/null && ./one", &edited).await.output.contains("edited"));
}

//! Every limit ends what goes beyond it, by its name and with the key that raises it; what stays below it runs.

use std::{
    fs,
    time::{Duration, Instant},
};

use countersign::{
    sandbox::LinuxSandbox,
    seams::{Level, Reached, Shadow, Stopped},
    tools::denial,
};
use tokio_util::sync::CancellationToken;

use super::{bench::*, ends::alive};

/// What is said of a command that came to a limit.
async fn said(bench: &Bench, text: &str) -> (Ran, String) {
    let ran = bench.sh(text).await;
    assert!(!ran.ok(), "{text}: {ran:?}");
    let ended = denial::ended(&ran.outcome);
    let reasons = denial::of_session(&*bench.session, text, &ran.output, &ran.outcome).await;
    let all = [ended, reasons].into_iter().flatten().collect::<Vec<_>>().join("\n");
    (ran, all)
}

/// Takes so much memory and holds it for a while.
fn eat(mib: u64, seconds: f32) -> String {
    format!("/usr/bin/python3 -I -c \"x = bytearray({mib} << 20); import time; time.sleep({seconds})\"")
}

#[tokio::test]
async fn the_limit_of_processes_is_named() {
    let bench = Bench::with(|_, spec| spec.processes = 64).await;
    let threads = "/usr/bin/python3 -I -c \"import threading, time\nfor i in range(500): threading.Thread(target=time.sleep, args=(5,), daemon=True).start()\"";
    let (_, said) = said(&bench, threads).await;
    assert!(said.contains("64") && said.contains("[run] processes"), "{said}");
    bench.must("for i in $(seq 20); do sleep 0.1 & done; wait").await;
}

#[tokio::test]
async fn memory_is_bounded_by_the_kernel_or_by_samples() {
    let bench = Bench::with(|_, spec| spec.memory = 200 * MIB).await;
    let (ran, said) = said(&bench, &format!("{}; echo went on", eat(3000, 30.0))).await;
    assert_eq!(ran.outcome.stopped, Some(Stopped::Memory), "{ran:?}");
    assert_eq!(said, "ended by the memory limit of 200 MiB ([run] memory_mb in policy.toml)");
    assert!(!ran.output.contains("went on"));
    bench.must(&eat(60, 0.3)).await;
    // Memory that no process maps: files in it, also where the process hides; and segments.
    let python =
        |text: &str| format!("/usr/bin/python3 -I -c \"import ctypes, os, time\n{text}\ntime.sleep(30)\" && echo went on");
    let file = |mib: u64| format!("f = os.memfd_create('f')\nfor i in range({mib}): os.write(f, bytes(1 << 20))");
    let hidden = format!("ctypes.CDLL(None).prctl(4, 0)\n{}", file(450));
    let segment = "c = ctypes.CDLL(None); c.shmat.restype = ctypes.c_void_p; c.shmdt.argtypes = [ctypes.c_void_p]
for i in range(6):
    a = c.shmat(c.shmget(0, 100 << 20, 0o1600), None, 0); ctypes.memset(a, 1, 100 << 20); c.shmdt(a)";
    // Shared by nobody, in eight processes of which each has less than the limit.
    let shared = "import mmap
for i in range(7):
    if os.fork() == 0: break
m = mmap.mmap(-1, 80 << 20)
for at in range(0, 80 << 20, 4096): m[at] = 1";
    for text in [file(450), hidden, segment.to_owned(), shared.to_owned()] {
        let ran = bench.sh(&python(&text)).await;
        assert_eq!(ran.outcome.stopped, Some(Stopped::Memory), "{text}: {ran:?}");
    }
    bench.must(&python(&file(100)).replace("sleep(30)", "sleep(0.2)")).await;
    // The same memory in all of them counts once.
    let together = "import mmap
m = mmap.mmap(-1, 80 << 20)
for at in range(0, 80 << 20, 4096): m[at] = 1
for i in range(7):
    if os.fork() == 0: break
sum(m[at] for at in range(0, 80 << 20, 4096))";
    bench.must(&python(together).replace("sleep(30)", "sleep(1)")).await;
    let kind = LinuxSandbox::memory_limit(Level::L3);
    assert!(kind.contains("control group") || kind.contains("sampled"), "{kind}");
}

#[tokio::test]
async fn processor_time_is_another_limit_than_time() {
    let bench = Bench::with(|_, spec| spec.cpu = 1).await;
    // Children that end count as well as those that run.
    let text = "for i in $(seq 1000); do timeout 0.3 sh -c 'while :; do :; done'; done";
    let (ran, said) = said(&bench, text).await;
    assert_eq!(ran.outcome.stopped, Some(Stopped::Cpu), "{ran:?}");
    assert_eq!(said, "ended by the limit of 1 s of processor time ([run] cpu_s in policy.toml)");
    bench.must("sleep 2.5").await;
    let spin = "while :; do :; done";
    let bench = Bench::with(|_, spec| spec.cpu = 0).await;
    let ran = bench.run(spin, &Shadow::default(), Duration::from_millis(1500), &CancellationToken::new()).await.unwrap();
    assert_eq!(ran.outcome.stopped, Some(Stopped::Timeout), "{ran:?}");
}

#[tokio::test]
async fn full_folders_and_large_files_are_named() {
    let bench = Bench::with(|_, spec| {
        spec.file_size = 2 * MIB;
        spec.tmp_size = 4 * MIB;
    })
    .await;
    let fill = "for i in 1 2 3 4 5 6; do head -c 1000000 /dev/zero > /tmp/$i || exit 1; done";
    let (ran, text) = said(&bench, fill).await;
    assert!(ran.outcome.reached.contains(&Reached::Full("/tmp".into())), "{ran:?}");
    assert!(text.starts_with("/tmp") && text.contains("full; private folders hold 4 MiB at most ([run] tmp_mb"), "{text}");
    // Whatever the program says of it, the wall has seen it.
    let (_, text) =
        said(&bench, "cd /tmp; { for i in 1 2 3 4 5; do head -c 1000000 /dev/zero > $i; done; } 2>/dev/null; false").await;
    assert!(text.starts_with("/tmp: full"), "{text}");
    for act in [
        "head -c 3000000 /dev/zero > big",
        "/usr/bin/python3 -I -c \"open('big', 'wb').write(bytes(3000000))\"",
        "node -e \"require('fs').writeFileSync('big', Buffer.alloc(3000000))\"",
    ] {
        let (_, text) = said(&bench, act).await;
        assert!(text.contains("a file came to the limit of 2 MiB ([run] file_mb"), "{act}: {text}");
    }
    bench.must("head -c 1900000 /dev/zero > big && head -c 1000000 /dev/zero > /tmp/1").await;
}

/// Many small files: their number is bounded like their size, and the changes are still listed.
#[tokio::test]
async fn a_hundred_thousand_files_are_survived() {
    let bench = Bench::with(|_, spec| spec.shadow_size = 200 * MIB).await;
    let make = |number: u32, seconds: u32| {
        format!(
            "/usr/bin/python3 -I -c \"import os\nos.mkdir('m')\nfor i in range({number}): os.close(os.open('m/%d' % i, os.O_CREAT))\nimport time; time.sleep({seconds})\""
        )
    };
    let begun = Instant::now();
    let (ran, said) = said(&bench, &make(100_000, 60)).await;
    assert_eq!(ran.outcome.stopped, Some(Stopped::Shadow), "{:?} {said}", ran.output);
    assert!(said.contains("200 MiB ([run] shadow_mb"), "{said}");
    assert!(ran.outcome.changed.len() > 1000 && begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    bench.must("rm -r m").await;
    bench.must(&make(2000, 1)).await;
}

/// The files are added up when the disk's own counters grew, whoever writes there.
#[tokio::test]
async fn what_is_too_much_may_be_deleted_while_other_programs_write() {
    for level in [Level::L3, Level::L1] {
        let bench = Bench::with_limits(level, |spec| spec.shadow_size = 64 * MIB).await;
        let write = |name: &str, files: u32| {
            format!("mkdir {name}; for i in $(seq {files}); do head -c 1M /dev/zero > {name}/$i; done; sleep 60")
        };
        for (name, files) in [("m", 100), ("more", 30)] {
            let ran = bench.sh(&write(name, files)).await;
            assert_eq!(ran.outcome.stopped, Some(Stopped::Shadow), "{level} {name}: {ran:?}");
        }
        let long = if level == Level::L3 { "2.753" } else { "2.751" };
        let elsewhere = async {
            while !alive(long) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            fs::write(bench.path("elsewhere"), vec![1; 48 << 20]).unwrap();
        };
        let delete = format!("sleep {long}; rm -r m more && ls");
        let (deleted, ()) = tokio::join!(bench.sh(&delete), elsewhere);
        assert_eq!((deleted.outcome.stopped, deleted.output.as_str()), (None, "a.txt\nd\n"), "{level}: {deleted:?}");
        bench.must("mkdir m; for i in $(seq 20); do head -c 1M /dev/zero > m/$i; done; sleep 0.5").await;
    }
}

/// What a command wrote is not synced in the time of the next: no wall unmounts by way of a sync.
#[tokio::test]
async fn nothing_is_synced_in_a_commands_time() {
    let bench = Bench::new().await;
    // What walls take on this machine as busy as it is.
    let mut usual = Duration::ZERO;
    for _ in 0..3 {
        usual = usual.max(bench.sh("true").await.outcome.duration);
    }
    bench.must("for i in 1 2; do head -c 300M /dev/zero > $i; done").await;
    let quick = bench.sh("true").await.outcome.duration;
    put(bench.out.path(), "elsewhere", "");
    let dirty = format!("head -c 400M /dev/zero > {}/elsewhere", bench.out.path().display());
    assert!(unwalled(&dirty, &bench.path("w")).status.success());
    let beside = bench.sh("true").await.outcome.duration;
    // A sync of so much takes seconds on the disks of most machines; the walls alone some milliseconds.
    assert!(quick.max(beside) < 2 * usual + Duration::from_millis(900), "{quick:?}, {beside:?}, before {usual:?}");
}

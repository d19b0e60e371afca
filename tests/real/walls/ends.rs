//! How commands end: by themselves, at a limit, cancelled; and what becomes of their strays and their output.

use std::time::{Duration, Instant};

use countersign::{
    seams::{Level, Shadow, Stopped},
    tools::denial,
};
use tokio_util::sync::CancellationToken;

use super::bench::*;

/// Whether any process of this machine has `marker` in its command line.
pub fn alive(marker: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).split('\0').any(|word| word == marker)
    })
}

#[tokio::test]
async fn exit_codes_and_signals_are_the_commands_own() {
    let bench = Bench::new().await;
    for code in [0, 1, 42, 125, 127, 255] {
        assert_eq!(bench.sh(&format!("exit {code}")).await.outcome.exit, Some(code));
    }
    let killed = bench.sh("kill -TERM $$").await.outcome;
    assert_eq!((killed.exit, killed.signal, killed.stopped), (None, Some(15), None));
    assert_eq!(bench.sh("no-such-program-here").await.outcome.exit, Some(127));
}

#[tokio::test]
async fn output_comes_raw_and_in_order() {
    let bench = Bench::new().await;
    let ran = bench.must("for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf 'no newline'").await;
    assert_eq!(ran, "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nno newline");
    let large = bench.sh("head -c 300000000 /dev/zero | tr '\\0' x | tail -c 20000000; yes | head -n 1").await;
    assert_eq!((large.outcome.exit, large.output.len()), (Some(0), 20_000_002));
}

#[tokio::test]
async fn time_runs_out_for_everything_at_once() {
    let bench = Bench::new().await;
    let text = "trap '' TERM INT HUP; setsid sleep 98761 & (sleep 98761 &) ; echo begun; while :; do :; done";
    let ran = bench.run(text, &Shadow::default(), Duration::from_millis(300), &CancellationToken::new()).await.unwrap();
    assert_eq!((ran.outcome.stopped, ran.outcome.exit), (Some(Stopped::Timeout), None));
    assert!(ran.went_on() < Duration::from_millis(1800), "{:?}", ran.went_on());
    assert!(!alive("98761"));
    let fifo = "mkfifo p; (while :; do echo c; sleep 98761; done) > p & cat p";
    let ran = bench.run(fifo, &Shadow::default(), Duration::from_secs(3), &CancellationToken::new()).await.unwrap();
    assert_eq!(ran.outcome.stopped, Some(Stopped::Timeout));
    assert_eq!(ran.output, "c\n");
}

/// The words of a process 1 come in several messages, the first with a socket beside it. A busy server finds them together.
#[tokio::test]
async fn words_that_came_while_the_server_was_busy_are_read() {
    for pause in [40, 200] {
        // Nothing stands ready for its first command.
        let bench = Bench::forced(Level::L3).await;
        let begun = Instant::now();
        let (nothing, never) = (Shadow::default(), CancellationToken::new());
        let run = bench.run("sleep 98766", &nothing, Duration::from_millis(300), &never);
        // Holds the only thread of the runtime up, as a machine with too much to do.
        let busy = async {
            loop {
                std::thread::sleep(Duration::from_millis(pause));
                tokio::task::yield_now().await;
            }
        };
        let ran = tokio::select! {
            ran = run => ran.unwrap(),
            () = busy => unreachable!(),
        };
        assert_eq!(ran.outcome.stopped, Some(Stopped::Timeout));
        // One whose word is not read ends with the time that walls may take to stand.
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn cancelling_ends_it_within_a_second() {
    let bench = Bench::new().await;
    let cancel = CancellationToken::new();
    let later = cancel.clone();
    let asked = tokio::spawn(async move {
        for _ in 0..2000 {
            if alive("98762") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        later.cancel();
        Instant::now()
    });
    let ran = bench.run("sleep 98762 & sleep 98762", &Shadow::default(), Duration::from_secs(60), &cancel).await.unwrap();
    assert_eq!(ran.outcome.stopped, Some(Stopped::Cancelled));
    assert!(asked.await.unwrap().elapsed() < Duration::from_secs(1));
    assert!(!alive("98762"));
    assert!(bench.sh("true").await.ok(), "the session goes on");
}

#[tokio::test]
async fn dropping_the_run_ends_its_processes() {
    let bench = Bench::new().await;
    let run = bench.sh("sleep 98763");
    let seen = async {
        while !alive("98763") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = run => panic!("it cannot end by itself"),
        () = seen => {}
    }
    let begun = Instant::now();
    while alive("98763") && begun.elapsed() < Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!alive("98763"));
}

#[tokio::test]
async fn strays_end_with_the_command_and_pipes_are_drained() {
    let bench = Bench::new().await;
    let ran = bench.sh("setsid sleep 98764 & exec > >(tee log) 2>&1; echo heard").await;
    assert_eq!((ran.outcome.exit, ran.output.as_str()), (Some(0), "heard\n"));
    assert!(ran.went_on() < Duration::from_secs(2), "{:?}", ran.went_on());
    assert!(!alive("98764"));
    assert_eq!(bench.must("cat log").await, "heard\n");
}

#[tokio::test]
async fn memory_is_limited() {
    let bench = Bench::with(|_, spec| spec.memory = 200 * MIB).await;
    let eat = |mib: u64, seconds: f32| {
        format!("/usr/bin/python3 -I -c \"x = bytearray({mib} << 20); import time; time.sleep({seconds}); print(len(x))\"")
    };
    let big = bench.sh(&eat(3000, 30.0)).await;
    assert_eq!((big.outcome.stopped, big.outcome.exit), (Some(Stopped::Memory), None), "{big:?}");
    let together = bench.sh(&format!("for i in 1 2 3 4; do {} & done; wait", eat(80, 30.0))).await;
    assert_eq!(together.outcome.stopped, Some(Stopped::Memory), "{together:?}");
    assert!(bench.sh(&eat(80, 0.3)).await.ok());
}

#[tokio::test]
async fn processes_and_file_sizes_are_limited() {
    let bench = Bench::with(|_, spec| {
        spec.processes = 64;
        spec.file_size = MIB;
        spec.tmp_size = 4 * MIB;
    })
    .await;
    let many = bench.sh("for i in $(seq 500); do sleep 98765 & done 2>/dev/null; jobs -p | wc -l; sleep 0.5; echo through").await;
    assert!(!many.ok() || many.output.lines().next().unwrap().parse::<u32>().unwrap() <= 64, "{many:?}");
    assert!(!alive("98765"));
    assert!(!bench.sh("head -c 2000000 /dev/zero > big").await.ok());
    assert!(!bench.sh("for i in 1 2 3 4 5 6; do head -c 1000000 /dev/zero > /tmp/$i || exit 1; done").await.ok());
    bench.must("head -c 1000000 /dev/zero > big; for i in 1 2 3; do head -c 1000000 /dev/zero > /tmp/$i || exit 1; done").await;
    bench.must("for i in $(seq 20); do sleep 0.2 & done; wait").await;
}

#[tokio::test]
async fn the_shadow_is_limited() {
    let bench = Bench::with(|_, spec| spec.shadow_size = 64 * MIB).await;
    let write = |files: u32, seconds: f32| {
        format!("mkdir -p m; for i in $(seq {files}); do head -c 1M /dev/zero > m/$i; done; sleep {seconds}")
    };
    let many = bench.sh(&write(400, 30.0)).await;
    assert_eq!((many.outcome.exit, many.outcome.stopped), (None, Some(Stopped::Shadow)), "{many:?}");
    assert!(denial::ended(&many.outcome).unwrap().contains("shadow, 64 MiB ([run] shadow_mb"), "{many:?}");
    assert!(!many.outcome.changed.is_empty());
    // What was left may be deleted, and then there is room again.
    bench.must("rm -r m").await;
    bench.must(&write(30, 0.5)).await;
    let text = "for d in $(seq 20); do mkdir l$d; for i in 1 2 3 4 5; do head -c 1M /dev/zero > l$d/$i; done; chmod 0 l$d; done; sleep 30";
    let locked = bench.sh(text).await;
    assert_eq!(locked.outcome.stopped, Some(Stopped::Shadow), "{locked:?}");
}

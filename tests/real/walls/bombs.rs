//! A command that multiplies. The bomb is bounded in itself: should nothing stop it, it is 2,048 processes that end soon.

use std::fs;

use countersign::seams::{Level, Stopped};

use super::bench::*;

/// Doubles so many times, eleven at most; a process that has a child notes that with one byte, and all wait.
const BOMB: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int main(int count, char **words) {
    int born = open("born", O_WRONLY | O_APPEND | O_CREAT, 0600), generations = count > 1 ? atoi(words[1]) : 0;
    if (born < 0 || write(born, "x", 1) != 1) return 1;
    for (int n = 0; n < generations && n < 11; n++)
        if (fork() > 0 && write(born, "x", 1) != 1) return 1;
    sleep(count > 2 ? atoi(words[2]) : 0);
    return 0;
}
"#;

/// What one comes to at most where the kernel counts. Below, a thread does, which is late on a busy machine: about a hundred on an
/// idle one, and no number that holds always.
fn most(level: Level) -> usize {
    if level >= Level::L2 { 1000 } else { usize::MAX }
}

async fn stopped(level: Level) {
    let bench = Bench::with_limits(level, |spec| spec.processes = 64).await;
    put(&bench.path("w"), "bomb.c", BOMB);
    let built = unwalled("gcc -O1 -o bomb bomb.c", &bench.path("w"));
    assert!(built.status.success(), "{built:?}");
    for round in 0..3 {
        let ran = bench.sh("rm -f born; ./bomb 11 5").await;
        let born = bench.must("wc -c < born").await.trim().parse::<usize>().unwrap();
        eprintln!("{level}, round {round}: {born} processes in {:?}, {:?}", ran.outcome.duration, ran.outcome.stopped);
        assert!(born < most(level), "{level}: {born} processes, {ran:?}");
        // Where the kernel itself starts no more of them, nothing need be ended.
        let refused = level >= Level::L2 && !rustix::process::geteuid().is_root();
        assert!(ran.outcome.stopped == Some(Stopped::Processes) || refused && born <= 64, "{level}: {born}, {ran:?}");
    }
    // Control: below the limit it multiplies, and is not ended.
    let ran = bench.sh("rm -f born; ./bomb 5 1; wc -c < born").await;
    assert!(ran.ok() && ran.output == "32\n", "{level}: {ran:?}");
}

#[tokio::test]
async fn what_multiplies_is_stopped_at_every_level() {
    for level in [Level::L3, Level::L2, Level::L1, Level::L1Weak] {
        stopped(level).await;
    }
    // Control: without walls it goes on.
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("bomb.c"), BOMB).unwrap();
    let free = unwalled("gcc -O1 -o bomb bomb.c && ./bomb 9 0; sleep 0.5; wc -c < born", place.path());
    assert_eq!(String::from_utf8_lossy(&free.stdout), "512\n");
}

//! The walls of weaker levels, on a machine whose kernel refuses the namespaces that the stronger ones need.

use std::fs;

use countersign::seams::{Level, Sandbox};

use super::bench::*;

#[tokio::test]
async fn the_kernel_decides_the_level() {
    for level in [Level::L2, Level::L1] {
        let root = folders();
        let (found, detail) = sandbox_below(root.path(), level).level().await;
        assert_eq!(found, level, "{detail}");
        assert!(detail.contains("not L3: namespaces: "), "{detail}");
    }
}

#[tokio::test]
async fn commands_run_at_every_level() {
    for level in [Level::L2, Level::L1] {
        let bench = Bench::at(level).await;
        assert_eq!(bench.must("cat a.txt d/b.txt").await, "alpha\nbeta\n");
        let ran = bench.sh("echo new > n; echo more >> a.txt; rm d/b.txt; pwd; env; ls -la").await;
        eprintln!("{level} {ran:?}");
        assert_eq!(ran.outcome.changed, ["a.txt", "d/b.txt", "n"]);
        assert_eq!(bench.must("cat a.txt n; ls d").await, "alpha\nmore\nnew\n");
        assert_eq!(fs::read_to_string(bench.path("w/a.txt")).unwrap(), "alpha\n");
    }
}

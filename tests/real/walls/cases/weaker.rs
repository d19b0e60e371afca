//! The lists of what must have no effect, at the levels below the highest. What such a level does not promise is named here, as
//! docs/sandbox.md has it, and must be true: an act that is named and holds all the same is a fault of this list.

use countersign::seams::Level;

use super::{Scene, allowed, denied};

/// The strongest level at which an act is not stopped, or its control has nothing to work on, and the act.
const NOT_PROMISED: &[(Level, &str)] = &[
    (Level::L1, "chmod 777 $OUT/file"),
    (Level::L1, "touch -d 1970-01-02 $OUT/file"),
    // Names and arguments of other programs, and the numbers of their open files.
    (Level::L1, "cat /proc/$SERVER/cmdline"),
    (Level::L1, "ps ax | grep '[h]old canary-in-memory /$NAME'"),
    (Level::L1, "ls /proc/$SERVER/fd/"),
    // There is no private /tmp, and no command may change a priority.
    (Level::L1, "mknod /tmp/dev b 7 0"),
    (Level::L1, "renice -n 5 -u $(id -u); kill -9 -1"),
];

async fn hold_at(level: Level) {
    let Some(scene) = Scene::at(level).await else { return };
    let mut failed = Vec::new();
    for case in denied::all() {
        let faults = case.faults(&scene).await;
        if !faults.is_empty() {
            failed.push((case.act, faults.join("\n\n")));
        }
    }
    fail_exactly(level, NOT_PROMISED, &failed);
}

/// What failed at a level is what a list names for it, by how it begins, and all of that.
fn fail_exactly(level: Level, named: &[(Level, &str)], failed: &[(&str, String)]) {
    let named: Vec<&str> = named.iter().filter(|(at, _)| level <= *at).map(|(_, start)| *start).collect();
    let more: Vec<_> = failed.iter().filter(|(act, _)| !named.iter().any(|start| act.starts_with(start))).collect();
    assert!(more.is_empty(), "{level}: {more:#?}");
    let fewer: Vec<_> = named.iter().filter(|start| !failed.iter().any(|(act, _)| act.starts_with(*start))).collect();
    assert!(fewer.is_empty(), "these do not fail at {level}: {fewer:#?}");
}

/// The strongest level at which a command of every day does not work, and how it begins.
const NOT_WORKING: &[(Level, &str)] = &[
    // No shared memory, no sockets but pairs.
    (Level::L1, "/usr/bin/python3 -m pytest -q -n 2"),
    (Level::L1, "/usr/bin/python3 socket_here.py"),
    // No private /tmp; $TMPDIR is another folder.
    (Level::L1, "javac -d /tmp"),
    (Level::L1, "git init -q sub && git init -q /tmp/repository"),
    // No terminals of its own.
    (Level::L1, "script -qc"),
    (Level::L1, "/usr/bin/python3 -c \"import pty"),
];

async fn works_at(level: Level) {
    let Some(scene) = Scene::at(level).await else { return };
    fail_exactly(level, NOT_WORKING, &allowed::failing(&scene).await);
}

#[tokio::test]
async fn everyday_tools_work_but_those_that_are_named() {
    works_at(Level::L2).await;
    works_at(Level::L1).await;
}

#[tokio::test]
async fn without_a_network_of_its_own_the_rest_holds() {
    hold_at(Level::L2).await;
}

#[tokio::test]
async fn without_namespaces_only_what_is_named_is_open() {
    hold_at(Level::L1).await;
}

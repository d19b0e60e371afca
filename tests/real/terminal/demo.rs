//! `demo` from its first to its last line.

use std::time::{Duration, Instant};

use super::bench::{Desk, said, text};
use crate::walls::faults::refusing;

/// What a newcomer waits for, at most.
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn the_demo_shows_everything_by_itself() {
    let desk = Desk::untrusted();
    let temporary = desk.beside("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let began = Instant::now();
    let output = desk.countersign(&["demo", "--yes"]).env("TMPDIR", &temporary).output().unwrap();
    let took = began.elapsed();
    let shown = said(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(took < MINUTE, "{took:?}");
    for text in [
        "Only the model is a recording",
        "I am a recording",
        "$ countersign trust add .",
        "tests.sh: 22 lines (unsaved in the editor)",
        "FAILED  ten pieces cost a tenth less",
        "denied by the policy, rule secret",
        "3 hunks pending review",
        "ok      ten pieces cost a tenth less",
        "denied by the policy, rule git-writes",
        "(nothing has changed)",
        "? n nobody asked for a new heading",
        "2 changes accepted, 1 change rejected",
        "1 file changed",
        "Commit receipt.sh to branch work?",
        "(HEAD -> work) Take a tenth off",
        "Push 1 commit to branch work of origin",
        "denied: the user rejected this",
        "(origin/work) A receipt for the corner shop",
        "Every chain holds",
        "countersign init",
    ] {
        let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let wanted = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(&wanted), "{text:?} is missing from:\n{shown}");
    }
    let wide = shown.lines().filter(|line| line.chars().count() > 80 && !line.contains("countersign-demo-")).collect::<Vec<_>>();
    assert!(wide.is_empty(), "wider than 80 columns: {wide:#?}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "nothing is left behind");
    assert!(!desk.home().join(".local").exists() && !desk.home().join(".config").exists(), "the user's folders are untouched");
}

#[test]
fn without_a_terminal_the_demo_says_how_to_play_it() {
    let desk = Desk::untrusted();
    let output = desk.countersign(&["demo"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("countersign demo --yes"));
}

#[test]
fn a_person_can_play_the_demo() {
    let desk = Desk::untrusted();
    let terminal = desk.terminal(&["demo"], &[]);
    for number in 1..=3 {
        terminal.until(&format!("({number}/3) accept this change"));
        terminal.line(if number == 3 { "n" } else { "y" });
    }
    terminal.until("c Commit");
    terminal.line("r");
    terminal.until("Every chain holds");
    assert_eq!(terminal.code(), 0);
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let desk = Desk::untrusted();
    let temporary = desk.beside("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let terminal = desk.terminal(&["demo"], &[("TMPDIR", text(&temporary))]);
    terminal.until("(1/3) accept this change");
    terminal.key("C-c");
    assert_eq!(terminal.code(), 130);
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}

/// The demo by itself, started by a program that becomes it.
fn started_by(desk: &Desk, program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let bare = desk.countersign(&[]);
    let mut command = std::process::Command::new(program);
    command.args(arguments).args([env!("CARGO_BIN_EXE_countersign"), "demo", "--yes"]).env_clear();
    command.envs(bare.get_envs().map(|(name, value)| (name, value.unwrap())));
    let output = command.current_dir(bare.get_current_dir().unwrap()).output().unwrap();
    (output.status.code(), said(&output))
}

/// Without Landlock there are no walls; the same demo with them is the first test of this file.
#[test]
fn without_walls_the_demo_goes_on_without_commands_and_says_so() {
    let call = nix::libc::SYS_landlock_create_ruleset.to_string();
    let (code, shown) = started_by(&Desk::untrusted(), "/usr/bin/python3", &["-I", "-c", &refusing(), &call, "-1", "0"]);
    assert_eq!(code, Some(3), "{shown}");
    assert!(shown.contains("Walls cannot be had on this machine"), "{shown}");
    assert!(shown.contains("nothing was checked"), "{shown}");
    assert!(!shown.contains("running sh tests.sh"), "{shown}");
    assert!(shown.contains("2 changes accepted, 1 change rejected"), "{shown}");
}

#[test]
fn without_namespaces_the_demo_asks_before_commands_run_in_a_copy() {
    let line = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    let (code, shown) = started_by(&Desk::untrusted(), "unshare", &["--user", "--map-root-user", "sh", "-c", line]);
    assert_eq!(code, Some(0), "{shown}");
    for text in ["Commands run at level L1", "Run sh tests.sh?", "FAILED  ten pieces", "ok      ten pieces"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

//! The weakest level that the policy admits, through everybody who starts commands.

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::json;

use super::bench::{Desk, call, said, two_hunks};

/// A machine that has L1 and no more: the kernel refuses user namespaces.
const WEAK: &str = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";

/// Runs the binary on such a machine, where the user's policy says this of `[run]`.
fn at_l1(run: &str, replies: &[serde_json::Value], arguments: &[&str]) -> Output {
    let desk = Desk::new();
    let config = desk.home().join(".config/countersign");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("config.toml"), "[checks]\ncommands = [\"echo checked-$((40 + 2))\"]\n").unwrap();
    fs::write(
        config.join("policy.toml"),
        format!("schema = 1\n[default]\nread = \"allow\"\nwrite = \"allow\"\nrun = \"allow\"\n[run]\n{run}\n"),
    )
    .unwrap();
    let model = desk.script(replies);
    let bare = desk.countersign(&[]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", WEAK, env!("CARGO_BIN_EXE_countersign")]).args(arguments);
    if arguments[0] == "ask" {
        command.args(["--model", &model]);
    }
    command.env_clear().envs(bare.get_envs().map(|(name, value)| (name, value.unwrap())));
    command.current_dir(desk.project()).stdin(std::process::Stdio::null()).output().unwrap()
}

const STRONG: &str = "min_level = \"L3\"";
const ENOUGH: &str = "min_level = \"L1\"\nask_below = \"L1\"";

#[test]
fn a_task_and_the_checks_of_its_receipts_run_nothing_below_it() {
    let run = call("run", json!({"command": "echo ran-$((40 + 2))"}));
    let replies = [run, two_hunks(), call("finish", json!({"summary": "Done."}))];
    let arguments = ["ask", "change the list", "--accept", "none", "--json"];
    let shown = said(&at_l1(STRONG, &replies, &arguments));
    assert!(!shown.contains("ran-42") && !shown.contains("checked-42"), "{shown}");
    let sentence = "the policy wants walls of level L3 and this machine has L1; `countersign doctor` tells how to raise it";
    assert!(shown.contains(sentence), "{shown}");
    assert!(shown.contains("not run: "), "the check says so: {shown}");
    // Control: where the policy is content with it, both run.
    let shown = said(&at_l1(ENOUGH, &replies, &arguments));
    assert!(shown.contains("ran-42") && shown.contains("checked-42"), "{shown}");
}

#[test]
fn the_command_line_runs_nothing_below_it() {
    let arguments = ["sandbox", "run", "--", "echo ran-$((40 + 2))"];
    let refused = at_l1(STRONG, &[], &arguments);
    let shown = said(&refused);
    assert_eq!(refused.status.code(), Some(3), "{shown}");
    assert!(!shown.contains("ran-42"), "{shown}");
    assert!(shown.contains("the policy asks for walls of level L3, this machine reaches L1: "), "{shown}");
    assert!(shown.contains("countersign doctor"), "the next step: {shown}");
    let control = at_l1(ENOUGH, &[], &arguments);
    assert!(control.status.success() && said(&control).contains("ran-42"), "{}", said(&control));
}

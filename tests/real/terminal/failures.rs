//! What goes wrong in the middle of a task: the sentence and the next step are told before the review, and nothing is lost.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use serde_json::{Value, json};

use super::bench::{Desk, LIST, said, text, two_hunks, wait, words};
use crate::support::model_double::{KEY, ModelDouble, SPEC, Turn};

fn edit() -> Turn {
    Turn::call("e", "edit_file", two_hunks()["content"][0]["input"].clone())
}

/// The one patch of what was left undecided.
fn kept(desk: &Desk) -> Option<PathBuf> {
    let folder = fs::read_dir(desk.home().join(".local/state/countersign/undecided")).ok()?;
    let files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() < 2, "{files:?}");
    files.into_iter().next()
}

/// What was kept belongs to its user alone, and brings the change back.
fn brings_back(desk: &Desk, wanted: &str) {
    let file = kept(desk).expect("something was kept");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    desk.git(&["apply", text(&file)]);
    assert_eq!(desk.read("list.txt"), wanted);
}

#[test]
fn a_failed_model_is_told_with_a_next_step_before_what_it_left_is_reviewed() {
    let desk = Desk::new();
    let double = ModelDouble::start([edit(), Turn::status(401)]);
    let (url, both) = (double.url(), LIST.replace("two", "TWO").replace("nine", "NINE"));
    let environment = [("ANTHROPIC_BASE_URL", url.as_str()), ("ANTHROPIC_API_KEY", KEY)];
    let terminal = desk.terminal(&["ask", "change the list", "--model", SPEC], &environment);
    let shown = terminal.until("(1/2) accept this change");
    let (error, review) = (shown.find("refused the key").expect(&shown), shown.find("(1/2)").unwrap());
    assert!(error < review && shown.contains("countersign init"), "{shown}");
    terminal.line("y");
    terminal.until("(2/2) accept this change");
    terminal.line("q");
    let shown = terminal.until("kept as a patch");
    assert!(shown.contains("1 change accepted, 1 change left undecided"), "{shown}");
    assert_eq!(shown.matches("refused the key").count(), 1, "{shown}");
    assert_eq!(terminal.code(), 1);
    assert_eq!(desk.read("list.txt"), LIST.replace("two", "TWO"));
    brings_back(&desk, &both);
}

#[test]
fn a_stream_that_breaks_off_is_tried_again_and_what_was_proposed_stays() {
    let desk = Desk::new();
    let broken = || Turn::say("And now I will").end_after(200);
    let double = ModelDouble::start([edit(), broken(), broken(), broken()]);
    let mut ask = desk.countersign(&["ask", "change the list", "--model", SPEC]);
    let output = ask.env("ANTHROPIC_BASE_URL", double.url()).env("ANTHROPIC_API_KEY", KEY).output().unwrap();
    let shown = said(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("ended its answer before it was complete. Tried 3 times. Ask again;"), "{shown}");
    assert!(shown.contains("again (2)") && !shown.contains("waiting 0 s"), "{shown}");
    assert!(shown.contains("+ TWO") && shown.contains("2 changes left undecided"), "{shown}");
    brings_back(&desk, &LIST.replace("two", "TWO").replace("nine", "NINE"));
}

#[test]
fn stopping_a_task_keeps_what_it_had_proposed() {
    let desk = Desk::new();
    let turns = desk.beside("turns");
    let model = format!("manual:{}", text(&turns));
    let terminal = desk.terminal(&["ask", "change the list", "--model", &model], &[]);
    terminal.until("1/20 thinking");
    fs::write(turns.join("1.tmp"), two_hunks().to_string()).unwrap();
    fs::rename(turns.join("1.tmp"), turns.join("1.answer.json")).unwrap();
    terminal.until("2/20 thinking");
    terminal.key("C-c");
    terminal.until("kept as a patch");
    assert_eq!(terminal.code(), 130);
    assert_eq!(desk.read("list.txt"), LIST);
    brings_back(&desk, &LIST.replace("two", "TWO").replace("nine", "NINE"));
}

#[test]
fn what_was_decided_or_not_wanted_is_not_kept() {
    for arguments in [&["--accept", "all"][..], &["--accept", "none"]] {
        let desk = Desk::new();
        let shown = said(&desk.ask(&[two_hunks(), words("Done.")], arguments));
        assert!(kept(&desk).is_none() && !shown.contains("kept as a patch"), "{arguments:?}: {shown}");
    }
    let desk = Desk::new();
    let output = desk.ask(&[two_hunks(), words("Done.")], &["--json"]);
    let last: Value = serde_json::from_str(said(&output).lines().last().unwrap()).unwrap();
    assert_eq!((&last["left"], &last["patch"]), (&json!(2), &json!(kept(&desk).unwrap())), "{last}");
}

#[test]
fn in_a_narrow_terminal_the_status_stays_one_line() {
    let desk = Desk::new();
    let model = format!("manual:{}", text(&desk.beside("turns")));
    let terminal = desk.terminal(&["ask", "think", "--model", &model], &[]);
    terminal.width(24);
    // Whatever second is on the screen when somebody looks.
    let seconds = |shown: &str| shown.rsplit_once("· ")?.1.split_once(" s")?.0.parse::<u32>().ok();
    let shown = wait("seconds", || terminal.shown(false), |shown| seconds(shown).is_some_and(|seconds| seconds > 2));
    assert_eq!(shown.matches("1/20 think").count(), 1, "{shown}");
    terminal.key("C-c");
    assert_eq!(terminal.code(), 130);
}

#[test]
fn without_a_place_for_the_record_nothing_begins() {
    let desk = Desk::new();
    let double = ModelDouble::start([]);
    let ask = |state: &str| {
        let mut ask = desk.countersign(&["ask", "hello", "--model", SPEC]);
        ask.env("ANTHROPIC_BASE_URL", double.url()).env("ANTHROPIC_API_KEY", KEY).env("XDG_STATE_HOME", desk.beside(state));
        ask.output().unwrap()
    };
    fs::write(desk.beside("file"), "").unwrap();
    let (none, some) = (ask("file"), ask("fresh"));
    assert_eq!(none.status.code(), Some(2));
    assert!(
        said(&none).contains("the journal cannot be written") && said(&none).contains("countersign doctor"),
        "{}",
        said(&none)
    );
    assert_eq!(said(&none).lines().count(), 2, "{}", said(&none));
    // The control comes as far as the question of trust.
    assert_eq!(some.status.code(), Some(4), "{}", said(&some));
}

#[test]
fn a_broken_configuration_sends_nothing_to_the_vendor() {
    let desk = Desk::new();
    let double = ModelDouble::start([Turn::say("Here I am.")]);
    let file = desk.home().join(".config/countersign/config.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let ask = |config: &str| {
        fs::write(&file, config).unwrap();
        let mut ask = desk.countersign(&["ask", "hello", "--model", SPEC]);
        ask.env("ANTHROPIC_BASE_URL", double.url()).env("ANTHROPIC_API_KEY", KEY).output().unwrap()
    };
    let broken = ask("[model.base_url]\nanthropic = \"https://gateway.example\"\n[git]\nbranhc = \"agent\"\n");
    assert_eq!(broken.status.code(), Some(2));
    assert!(said(&broken).contains("config.toml:4") && double.requests().is_empty(), "{}", said(&broken));
    let sound = ask("[git]\nbranch = \"agent\"\n");
    assert!(sound.status.success() && double.requests().len() == 1, "{}", said(&sound));
    wait("one request", || double.requests().len(), |count| *count == 1);
}

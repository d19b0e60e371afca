//! A typing storm in Neovim 0.10 and 0.12: thousands of random edits through keys, API, undo and redo while a scripted agent
//! stages hunks and the user decides at random, through the plugin and through plain LSP. `storm.lua` keeps account of every
//! step in the editor; here its account is compared with the journal.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::{Value, json};

use super::lab::{Desk, editor, repository};

const EDITS: usize = 3000;
const TASKS: usize = 6;
/// Places for the agent's edits in a file; the typing spoils many before their turn comes.
const SLOTS: usize = 120;
/// What each file is replaced by at last. (Not by nothing: Neovim shows no lines as one empty line.)
const LAST: &str = "☂ the end";
const FILES: [&str; 3] = ["lf.txt", "crlf.txt", "open.txt"];

/// Fillers with a slot for the agent now and then; one file with CRLF, one without a last line break.
fn text(file: usize) -> String {
    let words = ["alpha", "naïve", "漢字", "𝄞 clef", "tab\there", "zero", "", "}", "e\u{301}"];
    let ending = if file == 1 { "\r\n" } else { "\n" };
    let mut text = String::new();
    for slot in 0..SLOTS {
        for filler in 0..4 {
            let at = file * 7 + slot * 5 + filler * 3;
            text += &format!("{} {}{ending}", words[at % words.len()], words[(at / 2 + slot) % words.len()]);
        }
        text += &format!("slot {file}-{slot:03}{ending}");
    }
    if file == 2 { text.trim_end().to_owned() } else { text }
}

/// The agent: each task edits its share of the slots, twelve calls a turn; the last one replaces each file as a whole.
fn script() -> Vec<Value> {
    let slots: Vec<(usize, usize)> = (0..SLOTS).flat_map(|slot| (0..FILES.len()).map(move |file| (file, slot))).collect();
    let answer = |calls: Vec<(&str, Value)>| {
        let call = |(at, (name, input)): (usize, (&str, Value))| json!({"type": "tool_use", "id": format!("c{at}"), "name": name, "input": input});
        json!({"content": calls.into_iter().enumerate().map(call).collect::<Vec<_>>()})
    };
    let say = |text: &str| json!({"content": [{"type": "text", "text": text}]});
    let edit = |(file, slot): &(usize, usize)| {
        let old = format!("slot {file}-{slot:03}");
        let new = match (file + slot) % 3 {
            0 => format!("done {file}-{slot} 𝄞"),
            1 => format!("done {file}-{slot}\n  and a second line\n  and a third, naïve"),
            _ => format!("{old}\nbehind {file}-{slot}"),
        };
        ("edit_file", json!({"path": FILES[*file], "edits": [{"old": old, "new": new}]}))
    };
    let mut answers = Vec::new();
    for share in slots.chunks(slots.len().div_ceil(TASKS)) {
        answers.extend(share.chunks(12).map(|turn| answer(turn.iter().map(edit).collect())));
        answers.push(say("Done."));
    }
    let last = |file: &&'static str| ("write_file", json!({"path": file, "content": format!("{LAST}\n"), "overwrite": true}));
    answers.push(answer(FILES.iter().map(last).collect()));
    answers.push(say("Ended."));
    answers
}

/// `STORM_SEED` repeats a storm; how it meets the server's edits depends on the machine all the same.
fn storm(version: &str, seed: u64) {
    let seed = std::env::var("STORM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(seed);
    let desk = Desk::scripted(&script());
    for (at, name) in FILES.iter().enumerate() {
        fs::write(desk.path(name), text(at)).unwrap();
    }
    let told = desk.home("told.json");
    let mut command = desk.command(editor(version));
    command.args(["--headless", "-u"]).arg(repository("tests/real/editors/init.lua"));
    command.arg("-l").arg(repository("tests/real/editors/storm.lua"));
    command
        .env("STORM_SEED", seed.to_string())
        .env("STORM_EDITS", EDITS.to_string())
        .env("STORM_TASKS", TASKS.to_string())
        .env("STORM_LAST", LAST);
    let done = command.env("STORM_TOLD", &told).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    // Before the error stand the messages of the whole storm.
    let said = said.find("E5113").map_or(&*said, |at| &said[at..]);
    assert!(done.status.success(), "{version} with STORM_SEED={seed}: {said}");
    let told: Value = serde_json::from_str(&fs::read_to_string(told).unwrap()).unwrap();
    compare(&told, &desk.journal(), &format!("{version} with STORM_SEED={seed}"));
}

fn string(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// Compares the editor's account with the journal.
fn compare(told: &Value, journal: &str, which: &str) {
    let lines: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &'static str| lines.iter().filter(move |line| line["kind"] == kind);
    let id = |line: &Value| (string(&line["proposal"]), string(&line["hunk"]));

    // Each file was written anew by one last hunk, whose old text is what the server knew of it.
    let (last, accepted): (Vec<&Value>, Vec<&Value>) =
        of("hunk.accepted").partition(|line| string(&line["new"]).trim_end() == LAST);
    let known: BTreeMap<String, String> = last.iter().map(|line| (string(&line["path"]), string(&line["old"]))).collect();
    for file in FILES {
        let (theirs, ours) = (&known[file], string(&told["texts"][file]));
        // Neovim's client tells a last line break that is not there once the last line of such a file changed.
        let same = *theirs == ours || (file == "open.txt" && theirs.strip_suffix('\n') == Some(&ours));
        assert!(same, "{which}: the server has another text of {file} than Neovim:\n{theirs:?}\n{ours:?}");
    }
    assert_eq!(last.len(), FILES.len(), "{which}");

    // What the editor applied is what counts as accepted, each hunk once.
    let mut applied: Vec<(String, String, String)> = told["applied"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (string(&one["path"]), string(&one["old"]), string(&one["new"])))
        .collect();
    // A line at the end of a file is sent as an insertion before the last line break, which comes to the same text.
    for (_, _, new) in applied.iter_mut().filter(|(_, old, _)| old.is_empty()) {
        for line_break in ["\r\n", "\n"] {
            if let Some(line) = new.strip_prefix(line_break) {
                *new = format!("{line}{line_break}");
                break;
            }
        }
    }
    let mut recorded: Vec<(String, String, String)> =
        accepted.iter().map(|line| (string(&line["path"]), string(&line["old"]), string(&line["new"]))).collect();
    applied.sort();
    recorded.sort();
    assert_eq!(applied, recorded, "{which}: applied, and on record as accepted");

    let taken: BTreeSet<(String, String)> = of("hunk.accepted").map(id).collect();
    assert_eq!(taken.len(), accepted.len() + last.len(), "{which}: a hunk was accepted twice");
    let rejected: BTreeSet<(String, String)> = of("hunk.rejected").map(id).collect();
    assert!(taken.is_disjoint(&rejected), "{which}: a hunk was accepted and rejected");
    let stale: BTreeSet<(String, String)> = of("hunk.stale").map(id).collect();
    // All were decided in the end, but for those that went into later ones.
    let staged: BTreeSet<_> = taken.iter().chain(&rejected).chain(&stale).collect();
    println!(
        "{which}: {EDITS} edits, {} hunks, {} accepted, {} rejected, {} stale at a time, {} edits refused, {}",
        staged.len(),
        accepted.len(),
        rejected.len(),
        stale.len(),
        told["refused"],
        told["encoding"]
    );
    // How many depends on what the typing spoils before the agent gets there.
    assert!(staged.len() >= 150, "{which}: only {} hunks were staged", staged.len());
    assert!(accepted.len() >= 80, "{which}: only {} hunks were accepted", accepted.len());
}

#[test]
fn a_storm_in_0_10() {
    storm("nvim-0.10", 0x5eed_0010);
}

#[test]
fn a_storm_in_0_12() {
    storm("nvim-0.12", 0x5eed_0012);
}

//! Accepted lines followed through later edits, and receipts that tell whether the text is still the one that was checked.

use std::collections::BTreeSet;

use countersign::{
    proposal::{Receipt, result_line},
    text::{Encoding, Point},
    workspace::desk::DocChange,
};
use proptest::prelude::*;

use super::*;

const BASE: &str = "one\ntwo\nthree\nfour\nfive\nsix\n";
/// Three stretches: lines in place of one, lines between, a line at the end.
const STAGED: &str = "one\nagent1\nagent2\nthree\nfour\nagent3\nagent4\nfive\nsix\nagent5\n";

/// Accepts hunks of an open document as an editor does: one change, last edit first.
fn accept(desk: &mut Desk, name: &str, hunks: &[HunkId]) {
    accept_of(desk, &proposal(), name, hunks);
}

fn accept_of(desk: &mut Desk, id: &ProposalId, name: &str, hunks: &[HunkId]) {
    let plan = desk.plan(id, hunks).unwrap();
    let file = &plan.files[0];
    let version = file.version.unwrap() + 1;
    let mut text = file.base.clone();
    let mut changes = Vec::new();
    for (_, edit) in file.edits.iter().rev() {
        let points = (text.point(edit.range.start, Encoding::Utf8), text.point(edit.range.end, Encoding::Utf8));
        changes.push(DocChange { range: Some(points), text: edit.new.clone() });
        text = text.edited(edit);
    }
    desk.change(&path(name), version, &changes, Encoding::Utf8).unwrap();
    assert_eq!(desk.settle(id, hunks, Vec::new()).unwrap().refused, []);
}

fn accepted() -> Desk {
    let mut desk = desk();
    let hunks = opened(&mut desk, "a", BASE, STAGED);
    assert_eq!(hunks.len(), 3);
    accept(&mut desk, "a", &hunks);
    desk
}

fn text_of(desk: &Desk, name: &str) -> Text {
    desk.buffer(&path(name)).unwrap().text.clone()
}

fn lines(text: &Text) -> Vec<(usize, String)> {
    let line = |line| (text.line_start(line), text.slice(text.line_start(line)..text.line_start(line + 1)));
    (0..text.lines()).map(line).map(|(at, line)| (at, line.trim_end_matches(['\r', '\n']).to_owned())).collect()
}

/// The lines that have an origin.
fn theirs(desk: &Desk, text: &Text) -> BTreeSet<String> {
    let known = |(at, _): &(usize, String)| *at < text.len() && desk.origin(&path("a"), *at).is_some();
    lines(text).into_iter().filter(known).map(|(_, line)| line).collect()
}

fn all() -> BTreeSet<String> {
    (1..=5).map(|n| format!("agent{n}")).collect()
}

fn typed(desk: &mut Desk, version: i32, range: std::ops::Range<usize>, new: &str) {
    let text = text_of(desk, "a");
    let points = (text.point(range.start, Encoding::Utf8), text.point(range.end, Encoding::Utf8));
    let change = DocChange { range: Some(points), text: new.to_owned() };
    desk.change(&path("a"), version, &[change], Encoding::Utf8).unwrap();
}

proptest! {
    /// With every edit exactly those accepted lines lose their origin that are not there any more as they were.
    #[test]
    fn lines_keep_their_origin_exactly_while_they_stand(
        edits in proptest::collection::vec(
            (0..80usize, 0..14usize, prop::sample::select(vec!["", "x", "\n", "x\ny", "x\n", "\nx", "\r\n", "xy\nz\n\n"])), 1..12
        )
    ) {
        let mut desk = accepted();
        let mut stands = all();
        prop_assert_eq!(&theirs(&desk, &text_of(&desk, "a")), &stands);
        for (version, (start, length, new)) in (3..).zip(edits) {
            let length_of = text_of(&desk, "a").len();
            let start = start.min(length_of);
            typed(&mut desk, version, start..(start + length).min(length_of), new);
            let text = text_of(&desk, "a");
            let there: BTreeSet<String> = lines(&text).into_iter().map(|(_, line)| line).collect();
            stands.retain(|line| there.contains(line));
            prop_assert_eq!(&theirs(&desk, &text), &stands, "{:?}", text.to_string());
        }
    }
}

#[test]
fn a_new_acceptance_takes_lines_over() {
    let mut desk = accepted();
    let hunk_of = |desk: &Desk, line: usize| desk.origin(&path("a"), text_of(desk, "a").line_start(line)).map(|o| o.hunk.clone());
    let first = hunk_of(&desk, 1);
    let staged = modify(&mut desk, "a", STAGED, &STAGED.replace("agent1\n", "agent6\n"), None).unwrap();
    assert_eq!(hunk_of(&desk, 1), first, "a proposal alone changes nothing");
    accept(&mut desk, "a", &staged.hunks);
    assert_eq!(hunk_of(&desk, 1).as_ref(), staged.hunks.first());
    assert_eq!(hunk_of(&desk, 2), first);
}

#[test]
fn what_an_undo_puts_back_is_nobodys() {
    let mut desk = accepted();
    typed(&mut desk, 3, 0..0, "typed\n");
    let undo = desk.undo(&task(), ProposalId::from("u"), &[]);
    accept_of(&mut desk, &undo.proposal, "a", &undo.hunks);
    assert_eq!(text_of(&desk, "a"), Text::new(&format!("typed\n{BASE}")));
    assert_eq!(theirs(&desk, &text_of(&desk, "a")), BTreeSet::new());
}

#[test]
fn what_is_not_open_is_followed_by_what_the_disk_holds() {
    let mut desk = desk();
    let hunks = modify(&mut desk, "a", BASE, STAGED, disk(BASE)).unwrap().hunks;
    desk.plan(&proposal(), &hunks).unwrap();
    let settled = desk.settle(&proposal(), &hunks, vec![(path("a"), disk(STAGED))]).unwrap();
    assert_eq!(settled.accepted.len(), 3);
    desk.disk_changed(&path("a"), disk(&format!("above\n{}", STAGED.replace("agent2\n", "edited\n"))));
    desk.open(&path("a"), 1, Text::new(&format!("more above\nabove\n{}", STAGED.replace("agent2\n", "edited\n"))));
    let mut left = all();
    left.remove("agent2");
    assert_eq!(theirs(&desk, &text_of(&desk, "a")), left);
    // Closed without saving, the disk is the truth again.
    typed(&mut desk, 2, 0..0, "unsaved\n");
    desk.close(&path("a"));
    desk.disk_changed(&path("a"), disk(STAGED));
    desk.open(&path("a"), 1, Text::new(STAGED));
    assert_eq!(theirs(&desk, &text_of(&desk, "a")), left);
    desk.close(&path("a"));
    desk.disk_changed(&path("a"), None);
    desk.open(&path("a"), 1, Text::new(STAGED));
    assert_eq!(theirs(&desk, &text_of(&desk, "a")), BTreeSet::new(), "a file that was gone is another one");
}

fn check(desk: &mut Desk) -> String {
    let (_, digest) = desk.checkable(&task()).expect("something is proposed");
    let receipt = |digest: &str| Receipt {
        command: "cargo test".into(),
        exit: Some(0),
        ms: 1,
        digest: digest.into(),
        summary: "ok".into(),
        fetched: false,
    };
    desk.checked(&task(), receipt(&digest));
    desk.checked(&task(), receipt("another text"));
    assert_eq!(desk.receipts(&proposal()).0.len(), 1, "a receipt about another text is none of this round");
    assert!(is_fresh(desk));
    digest
}

fn is_fresh(desk: &Desk) -> bool {
    desk.receipts(&proposal()).1
}

#[test]
fn accepting_leaves_a_receipt_fresh_and_everything_else_does_not() {
    let mut desk = desk();
    assert!(desk.checkable(&task()).is_none(), "nothing is proposed");
    let hunks = opened(&mut desk, "a", BASE, STAGED);
    let digest = check(&mut desk);
    accept(&mut desk, "a", &hunks[..1]);
    assert!(is_fresh(&desk));
    desk.saved(&path("a"));
    assert!(is_fresh(&desk), "saving changes no text");
    typed(&mut desk, 9, 0..0, "x");
    assert!(!is_fresh(&desk));
    typed(&mut desk, 10, 0..1, "");
    assert!(is_fresh(&desk), "undone");
    desk.reject(&proposal(), &hunks[1..2], None).unwrap();
    assert!(!is_fresh(&desk));
    assert_ne!(check(&mut desk), digest, "another text has another digest");
    modify(&mut desk, "b", "", "new\n", disk("")).unwrap();
    assert!(!is_fresh(&desk), "the agent's own later edits count too");
}

#[test]
fn a_change_of_any_open_file_makes_it_stale_saved_or_not() {
    let mut desk = desk();
    opened(&mut desk, "a", BASE, STAGED);
    check(&mut desk);
    desk.open(&path("other"), 1, Text::new("clean\n"));
    desk.disk_changed(&path("other"), disk("clean\n"));
    assert!(is_fresh(&desk), "looking at a file changes nothing");
    let change = DocChange { range: Some((Point { line: 0, character: 0 }, Point { line: 0, character: 0 })), text: "x".into() };
    desk.change(&path("other"), 2, &[change], Encoding::Utf8).unwrap();
    assert!(!is_fresh(&desk));
    desk.saved(&path("other"));
    desk.disk_changed(&path("other"), disk("xclean\n"));
    assert!(!is_fresh(&desk), "saving it does not bring the checked text back");
    desk.close(&path("other"));
    desk.disk_changed(&path("other"), disk("xclean\n"));
    assert!(!is_fresh(&desk));
    desk.disk_changed(&path("other"), disk("clean\n"));
    assert!(is_fresh(&desk));
    // An editor that brings back unsaved text of an earlier day shows another text than the disk.
    desk.open(&path("hot"), 1, Text::new("unsaved\n"));
    desk.disk_changed(&path("hot"), disk("saved\n"));
    assert!(!is_fresh(&desk));
}

#[test]
fn files_that_are_not_open_are_compared_with_what_the_disk_is_said_to_hold() {
    let mut desk = desk();
    let hunks = modify(&mut desk, "a", BASE, STAGED, disk(BASE)).unwrap().hunks;
    check(&mut desk);
    desk.plan(&proposal(), &hunks).unwrap();
    desk.settle(&proposal(), &hunks, vec![(path("a"), disk(STAGED))]).unwrap();
    assert!(is_fresh(&desk));
    desk.disk_changed(&path("a"), disk(BASE));
    assert!(!is_fresh(&desk));

    let mut desk = super::desk();
    let hunks = modify(&mut desk, "a", BASE, STAGED, disk(BASE)).unwrap().hunks;
    check(&mut desk);
    desk.reject(&proposal(), &hunks, None).unwrap();
    assert!(!is_fresh(&desk));
}

#[test]
fn a_mode_is_a_part_of_what_was_checked() {
    let beneath = |executable| Some(Beneath { executable: Some(executable), ..Beneath::text(Text::new("x\n"), false) });
    let staged = |desk: &mut Desk, executable| {
        let request = request("run.sh", StageOp::Mode { executable });
        desk.stage(&task(), &request, beneath(false)).unwrap().hunks
    };
    // Checked with the change of the mode: accepting it changes nothing, rejecting it does, and so does the disk.
    let mut desk = desk();
    opened(&mut desk, "a", BASE, STAGED);
    let hunks = staged(&mut desk, true);
    check(&mut desk);
    let mut rejected = super::desk();
    opened(&mut rejected, "a", BASE, STAGED);
    let hunks_too = staged(&mut rejected, true);
    check(&mut rejected);
    rejected.reject(&proposal(), &hunks_too, None).unwrap();
    assert!(!is_fresh(&rejected));
    staged(&mut rejected, true);
    assert!(is_fresh(&rejected), "proposed again it is what was checked");
    desk.plan(&proposal(), &hunks).unwrap();
    desk.settle(&proposal(), &hunks, vec![(path("run.sh"), beneath(true))]).unwrap();
    assert!(is_fresh(&desk));
    desk.disk_changed(&path("run.sh"), beneath(false));
    assert!(!is_fresh(&desk));
    desk.disk_changed(&path("run.sh"), beneath(true));
    assert!(is_fresh(&desk));

    // Checked without it: proposed and accepted it is another file, until it is taken back.
    let mut desk = super::desk();
    opened(&mut desk, "a", BASE, STAGED);
    check(&mut desk);
    let hunks = staged(&mut desk, true);
    assert!(!is_fresh(&desk));
    desk.reject(&proposal(), &hunks, None).unwrap();
    assert!(is_fresh(&desk));
    let hunks = staged(&mut desk, true);
    desk.plan(&proposal(), &hunks).unwrap();
    desk.settle(&proposal(), &hunks, vec![(path("run.sh"), beneath(true))]).unwrap();
    assert!(!is_fresh(&desk));
}

/// What a check is remembered by tells of tests that ran, where any did.
#[test]
fn the_result_of_a_check_is_that_of_the_tests_that_ran() {
    let ran = "running 2 tests\n..\ntest result: ok. 2 passed; 0 failed; 0 ignored\n";
    let none = "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored\n\n";
    assert_eq!(result_line(&format!("{ran}\n{none}")), "test result: ok. 2 passed; 0 failed; 0 ignored");
    assert_eq!(result_line(none), "test result: ok. 0 passed; 0 failed; 0 ignored", "no tests at all is told as it is");
}

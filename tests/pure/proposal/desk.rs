//! The desk: buffers over the disk, one task's hunks over both, and what is told to whom.

use countersign::{
    event::{HunkId, ProposalId, TaskId},
    proposal::{HunkState, Why},
    seams::{Source, StageOp, WorkspaceError},
    text::{Encoding, Point, Text},
    workspace::desk::{Beneath, DeskError, DocChange, Seen, What},
};

use super::*;

fn point(line: u32, character: u32) -> Point {
    Point { line, character }
}

fn at(start: (u32, u32), end: (u32, u32), text: &str) -> DocChange {
    DocChange { range: Some((point(start.0, start.1), point(end.0, end.1))), text: text.to_owned() }
}

fn hunk(id: &str) -> HunkId {
    HunkId::from(id)
}

const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

fn ten(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(TEN.to_owned(), |text, (old, new)| text.replacen(old, new, 1))
}

#[test]
fn changes_count_in_the_negotiated_units() {
    for (encoding, x) in [(Encoding::Utf8, 6), (Encoding::Utf16, 3), (Encoding::Utf32, 2)] {
        let mut desk = desk();
        desk.open(&path("a"), 1, Text::new("é𝒳x\nb"));
        desk.change(&path("a"), 2, &[at((0, x), (0, x + 1), "y"), at((1, 0), (1, 0), "z")], encoding).unwrap();
        let buffer = desk.buffer(&path("a")).unwrap();
        assert_eq!((buffer.text.to_string().as_str(), buffer.version), ("é𝒳y\nzb", 2));
    }
}

#[test]
fn bad_changes_change_nothing() {
    let mut desk = desk();
    assert_eq!(desk.change(&path("a"), 1, &[], Encoding::Utf8), Err(DeskError::NotOpen(path("a"))));
    desk.open(&path("a"), 1, Text::new("a\nb\n"));
    let bad = desk.change(&path("a"), 2, &[at((0, 0), (0, 0), "x"), at((1, 1), (0, 0), "y")], Encoding::Utf8);
    assert_eq!(bad, Err(DeskError::BadRange(path("a"))));
    assert_eq!(desk.buffer(&path("a")).unwrap().text, Text::new("a\nb\n"));
    let far = at((7, 7), (u32::MAX, u32::MAX), "end");
    desk.change(&path("a"), 3, &[far], Encoding::Utf16).unwrap();
    assert_eq!(desk.buffer(&path("a")).unwrap().text, Text::new("a\nb\nend"), "beyond the text is its end");
}

#[test]
fn the_story_of_three_hunks() {
    let mut desk = desk();
    let hunks = opened(&mut desk, "a", TEN, &ten(&[("2\n", "two\n"), ("5\n", "five\n"), ("8\n", "eight\n")]));
    assert_eq!(hunks, [hunk("h1"), hunk("h2"), hunk("h3")]);
    // The user types between them.
    desk.change(&path("a"), 2, &[at((3, 0), (3, 0), "typed\n")], Encoding::Utf16).unwrap();
    let plan = desk.plan(&proposal(), &[hunk("h2")]).unwrap();
    let file = &plan.files[0];
    assert_eq!(file.version, Some(2));
    let (_, edit) = &file.edits[0];
    assert_eq!(file.base.point(edit.range.start, Encoding::Utf16), point(5, 0));
    desk.change(&path("a"), 3, &[at((5, 0), (6, 0), "five\n")], Encoding::Utf16).unwrap();
    assert_eq!(desk.settle(&proposal(), &[hunk("h2")], Vec::new()).unwrap().refused, []);
    desk.reject(&proposal(), &[hunk("h1")], Some("keep it")).unwrap();
    let user = TEN.replace("4\n", "typed\n4\n").replace("5\n", "five\n");
    assert_eq!(desk.buffer(&path("a")).unwrap().text, Text::new(&user));
    assert_eq!(staged_text(&desk, "a"), user.replace("8\n", "eight\n"));
    assert_eq!(
        desk.news(&task()),
        ["the user accepted hunk h2 of a (line 6)", "the user rejected hunk h1 of a: keep it", "the user changed line 4 of a"]
    );
    assert_eq!(desk.news(&task()), [""; 0], "told once");
    let events = whats(desk.take_events());
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(matches!(&events[0], What::Accepted { hunk, old, new, .. } if hunk.0 == "h2" && old == "5\n" && new == "five\n"));
    assert_eq!(events[1], What::Rejected { hunk: hunk("h1"), reason: Some("keep it".to_owned()) });
}

#[test]
fn typing_is_summed_up_and_undone_staleness_is_no_news() {
    let mut desk = desk();
    opened(&mut desk, "a", TEN, &ten(&[("5\n", "five\n")]));
    for (version, column) in (2..).zip(0..5) {
        desk.change(&path("a"), version, &[at((1, column + 1), (1, column + 1), "x")], Encoding::Utf16).unwrap();
    }
    desk.change(&path("a"), 9, &[at((4, 0), (4, 0), "y")], Encoding::Utf16).unwrap();
    assert_eq!(state(&desk, "h1"), HunkState::Stale);
    let (_, _, stale) = desk.hunk(&proposal(), &hunk("h1")).unwrap();
    assert_eq!((stale.why, stale.old.as_str(), stale.new.as_str()), (Some(Why::Edited), "5\n", "five\n"));
    desk.change(&path("a"), 10, &[at((4, 0), (4, 1), "")], Encoding::Utf16).unwrap();
    assert_eq!(state(&desk, "h1"), HunkState::Pending);
    assert_eq!(desk.news(&task()), ["the user changed lines 2, 5 of a"]);
}

#[test]
fn a_whole_document_change_touches_only_what_differs() {
    let mut desk = desk();
    opened(&mut desk, "a", TEN, &ten(&[("5\n", "five\n"), ("9\n", "nine\n")]));
    let formatted = TEN.replace("2\n", "2  \n").replace("9\n", "99\n");
    desk.change(&path("a"), 2, &[DocChange { range: None, text: formatted.clone() }], Encoding::Utf16).unwrap();
    assert_eq!(state(&desk, "h1"), HunkState::Pending);
    assert_eq!(state(&desk, "h2"), HunkState::Stale);
    assert_eq!(staged_text(&desk, "a"), formatted.replace("5\n", "five\n"));
}

#[test]
fn an_edit_made_against_an_older_text_is_carried_or_refused() {
    let mut desk = desk();
    desk.open(&path("a"), 1, Text::new(TEN));
    desk.change(&path("a"), 2, &[at((0, 0), (0, 0), "0\n")], Encoding::Utf16).unwrap();
    let staged = modify(&mut desk, "a", TEN, &ten(&[("5\n", "five\n")]), None).unwrap();
    assert_eq!(staged.text.to_string(), format!("0\n{}", ten(&[("5\n", "five\n")])));
    desk.change(&path("a"), 3, &[at((7, 0), (7, 1), "seven")], Encoding::Utf16).unwrap();
    let from = format!("0\n{}", ten(&[("5\n", "five\n")]));
    let refused = modify(&mut desk, "a", &from, &from.replace("7\n", "VII\n"), None);
    assert!(matches!(refused, Err(WorkspaceError::Moved(_))), "{refused:?}");
    assert_eq!(desk.proposal(&proposal()).unwrap().files[&path("a")].live().count(), 1, "nothing of it is staged");
}

#[test]
fn untouched_hunks_keep_their_ids_when_more_is_staged() {
    let mut desk = desk();
    let first = ten(&[("2\n", "two\n"), ("8\n", "eight\n")]);
    opened(&mut desk, "a", TEN, &first);
    let staged = modify(&mut desk, "a", &first, &first.replace("two\n", "TWO\n").replace("5\n", "five\n"), None).unwrap();
    assert_eq!(staged.hunks, [hunk("h3"), hunk("h4"), hunk("h2")]);
    let same = modify(&mut desk, "a", &staged.text.to_string(), &staged.text.to_string(), None).unwrap();
    assert_eq!(same.hunks, staged.hunks, "the same text makes no hunk");
    let undone = modify(&mut desk, "a", &staged.text.to_string(), TEN, None).unwrap();
    assert_eq!(undone.hunks, []);
}

#[test]
fn what_is_apart_stays_apart() {
    let mut desk = desk();
    desk.open(&path("a"), 1, Text::new("1\n2\n3\n"));
    let stage = |desk: &mut Desk, from: &str, to: &str, apart| {
        let op = StageOp::Modify { from: Text::new(from), to: Text::new(to) };
        desk.stage(&task(), &StageRequest { apart, ..request("a", op) }, None).unwrap()
    };
    stage(&mut desk, "1\n2\n3\n", "one\n2\n3\n", true);
    let staged = stage(&mut desk, "one\n2\n3\n", "ONE\n2\nthree\n", false);
    let apart: Vec<bool> = staged.hunks.iter().map(|id| desk.hunk(&proposal(), id).unwrap().2.apart).collect();
    assert_eq!(apart, [true, false]);
}

#[test]
fn a_task_sees_its_own_hunks_and_others_see_buffers() {
    let mut desk = desk();
    desk.begin(&TaskId::from("other"), ProposalId::from("q"));
    opened(&mut desk, "a", "1\n", "one\n");
    let buffer = |unsaved| Some(Seen::Text { text: Text::new("1\n"), source: Source::Buffer { version: 1, unsaved } });
    assert_eq!(desk.view(Some(&TaskId::from("other")), &path("a")), buffer(false));
    assert_eq!(desk.view(None, &path("a")), buffer(false));
    desk.disk_changed(&path("a"), disk("0\n"));
    assert_eq!(desk.view(None, &path("a")), buffer(true), "the disk is told to hold something else");
    desk.saved(&path("a"));
    assert_eq!(desk.view(None, &path("a")), buffer(false));
    assert_eq!(desk.view(None, &path("b")), None);
}

#[test]
fn two_proposals_on_one_file() {
    let mut desk = desk();
    let other = TaskId::from("other");
    desk.begin(&other, ProposalId::from("q"));
    opened(&mut desk, "a", TEN, &ten(&[("2\n", "two\n")]));
    let op = StageOp::Modify { from: Text::new(TEN), to: Text::new(&ten(&[("2\n", "zwei\n"), ("8\n", "acht\n")])) };
    desk.stage(&other, &request("a", op), None).unwrap();
    desk.plan(&proposal(), &[hunk("h1")]).unwrap();
    let busy = desk.plan(&ProposalId::from("q"), &[hunk("h2")]).unwrap();
    assert!(busy.files.is_empty() && busy.refused[0].1.contains("another change"), "{busy:?}");
    desk.change(&path("a"), 2, &[at((1, 0), (2, 0), "two\n")], Encoding::Utf16).unwrap();
    desk.settle(&proposal(), &[hunk("h1")], Vec::new()).unwrap();
    let states: Vec<_> = ["h1", "h2"].map(|id| desk.hunk(&ProposalId::from("q"), &hunk(id)).unwrap().2.state).to_vec();
    assert_eq!(states, [HunkState::Stale, HunkState::Pending]);
    assert_eq!(desk.news(&other)[1], "the user changed line 2 of a", "for the other task it is the user's doing");
}

#[test]
fn decided_hunks_are_not_decided_again() {
    let mut desk = desk();
    opened(&mut desk, "a", TEN, &ten(&[("2\n", "two\n"), ("5\n", "five\n")]));
    desk.plan(&proposal(), &[hunk("h1")]).unwrap();
    let again = desk.plan(&proposal(), &[hunk("h1"), hunk("h9")]).unwrap();
    assert_eq!(again.refused[0].1, "it is being accepted");
    assert!(again.refused[1].1.contains("no such hunk"));
    assert_eq!(desk.reject(&proposal(), &[hunk("h1")], None).unwrap().refused[0].1, "it is being accepted");
    let from = staged_text(&desk, "a");
    let busy = modify(&mut desk, "a", &from, TEN, None);
    assert!(matches!(busy, Err(WorkspaceError::Moved(_))), "the model may not pull it away now");
    desk.change(&path("a"), 2, &[at((1, 0), (1, 1), "two")], Encoding::Utf16).unwrap();
    assert_eq!(desk.plan(&proposal(), &[hunk("h1")]).unwrap().refused[0].1, "it was accepted before");
    assert_eq!(desk.plan(&ProposalId::from("x"), &[]).unwrap_err(), DeskError::NoProposal(ProposalId::from("x")));
}

#[test]
fn files_that_are_not_open_follow_the_disk() {
    let mut desk = desk();
    modify(&mut desk, "a", TEN, &ten(&[("5\n", "five\n")]), disk(TEN)).unwrap();
    desk.disk_changed(&path("a"), disk(&format!("0\n{TEN}")));
    assert_eq!(staged_text(&desk, "a"), format!("0\n{}", ten(&[("5\n", "five\n")])));
    // The next staging says what the disk holds, watcher or not.
    let now = format!("00\n0\n{TEN}");
    let to = format!("00\n0\n{}", ten(&[("5\n", "five\n"), ("9\n", "nine\n")]));
    let from = format!("0\n{}", ten(&[("5\n", "five\n")]));
    let staged = modify(&mut desk, "a", &from, &to[3..], disk(&now)).unwrap();
    assert_eq!(staged.text.to_string(), to);
    // Opened with other text, closed without saving.
    desk.open(&path("a"), 1, Text::new(&format!("{now}open\n")));
    assert_eq!(staged_text(&desk, "a"), format!("{to}open\n"));
    desk.close(&path("a"));
    desk.disk_changed(&path("a"), disk(&now));
    assert_eq!(staged_text(&desk, "a"), to);
}

#[test]
fn the_shadow_keeps_marks_and_breaks() {
    let mut desk = desk();
    let beneath = Some(Beneath::text(Text::new("a\r\nb\r\n"), true));
    modify(&mut desk, "bom", "a\r\nb\r\n", "a\r\nB\r\n", beneath).unwrap();
    desk.open(&path("clean"), 1, Text::new("x"));
    desk.disk_changed(&path("clean"), disk("x"));
    desk.open(&path("typed"), 1, Text::new("x"));
    let shadow: Vec<_> = desk.overlay(Some(&task())).iter().map(|file| (file.path.to_string(), file.bytes(false))).collect();
    let bytes = |bytes: &str| Some(bytes.as_bytes().to_vec());
    assert_eq!(shadow, [("bom".to_owned(), bytes("\u{feff}a\r\nB\r\n")), ("typed".to_owned(), bytes("x"))]);
    let others: Vec<_> = desk.overlay(None).iter().map(|file| file.path.to_string()).collect();
    assert_eq!(others, ["typed"], "another task does not see the proposal");
}

#[test]
fn discarding_rejects_and_keeps_the_record() {
    let mut desk = desk();
    opened(&mut desk, "a", TEN, &ten(&[("2\n", "two\n"), ("5\n", "five\n")]));
    desk.plan(&proposal(), &[hunk("h1")]).unwrap();
    desk.change(&path("a"), 2, &[at((1, 0), (1, 1), "two")], Encoding::Utf16).unwrap();
    desk.discard(&task());
    assert_eq!(staged_text(&desk, "a"), ten(&[("2\n", "two\n")]));
    assert_eq!(desk.accepted(&proposal())[0].1.len(), 1);
    assert_eq!(desk.news(&task()), [""; 0]);
}

#[test]
fn reading_a_file_makes_its_changes_news() {
    let mut desk = desk();
    desk.note_read(&task(), &path("read"));
    for name in ["read", "unread"] {
        desk.open(&path(name), 1, Text::new(TEN));
        desk.change(&path(name), 2, &[at((2, 0), (5, 0), "x\ny\n")], Encoding::Utf16).unwrap();
    }
    assert_eq!(desk.news(&task()), ["the user changed lines 3-4 of read"]);
    desk.note_read(&task(), &path("disk"));
    desk.disk_changed(&path("disk"), disk("new"));
    desk.disk_changed(&path("read"), disk(TEN));
    desk.close(&path("read"));
    desk.disk_changed(&path("read"), None);
    assert_eq!(desk.news(&task()), ["disk was changed outside this task", "read was deleted outside this task"]);
}

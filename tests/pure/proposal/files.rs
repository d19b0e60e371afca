//! Files that a proposal creates, deletes and moves.

use countersign::{
    event::HunkId,
    proposal::{FileOp, HunkKind, HunkState},
    seams::{Source, StageOp, WorkspaceError},
    text::{Encoding, Text},
    workspace::desk::{Desk, DocChange, Seen, What},
};

use super::*;

fn create(desk: &mut Desk, name: &str, text: &str) -> Result<Staged, WorkspaceError> {
    desk.stage(&task(), &request(name, StageOp::Create { text: Text::new(text) }), None)
}

fn delete(desk: &mut Desk, name: &str, beneath: &str) -> Result<Staged, WorkspaceError> {
    desk.stage(&task(), &request(name, StageOp::Delete), disk(beneath))
}

fn rename(desk: &mut Desk, name: &str, to: &str, beneath: &str) -> Result<Staged, WorkspaceError> {
    desk.stage(&task(), &request(name, StageOp::Move { to: path(to) }), disk(beneath))
}

fn ids(names: &[&str]) -> Vec<HunkId> {
    names.iter().map(|&name| HunkId::from(name)).collect()
}

fn seen(desk: &Desk, name: &str) -> Option<Seen> {
    desk.view(Some(&task()), &path(name))
}

#[test]
fn a_created_file_is_one_hunk_until_it_is_there() {
    let mut desk = desk();
    let staged = create(&mut desk, "new.rs", "fn a() {}\n").unwrap();
    assert_eq!(staged.hunks, ids(&["h1"]));
    assert_eq!(staged_text(&desk, "new.rs"), "fn a() {}\n");
    assert!(matches!(create(&mut desk, "new.rs", "again"), Err(WorkspaceError::Exists(_))));
    // Changing it makes another hunk of it; it is still one creation.
    let staged = modify(&mut desk, "new.rs", "fn a() {}\n", "fn b() {}\n", None).unwrap();
    assert_eq!(staged.hunks, ids(&["h2"]));
    let plan = desk.plan(&proposal(), &staged.hunks).unwrap();
    assert_eq!((&plan.files[0].op, plan.files[0].version), (&FileOp::Create, None));
    assert_eq!(plan.files[0].expected, Some(Text::new("fn b() {}\n")));
    // Nothing on disk: not accepted.
    let settled = desk.settle(&proposal(), &staged.hunks, vec![(path("new.rs"), None)]).unwrap();
    assert_eq!((settled.accepted.len(), settled.refused.len()), (0, 1));
    desk.plan(&proposal(), &staged.hunks).unwrap();
    let settled = desk.settle(&proposal(), &staged.hunks, vec![(path("new.rs"), disk("fn b() {}\n"))]).unwrap();
    assert_eq!(settled.accepted.len(), 1);
    let accepted = desk.accepted(&proposal());
    assert_eq!(accepted, [(path("new.rs"), vec![(Text::new(""), Text::new("fn b() {}\n"))])]);
    assert_eq!(seen(&desk, "new.rs"), None, "the disk knows it now");
}

#[test]
fn a_created_file_lands_in_a_document_that_the_editor_opens() {
    for first in ["", "text\n"] {
        let mut desk = desk();
        let staged = create(&mut desk, "new", "text\n").unwrap();
        desk.plan(&proposal(), &staged.hunks).unwrap();
        desk.open(&path("new"), 1, Text::new(first));
        if first.is_empty() {
            let whole = DocChange { range: None, text: "text\n".to_owned() };
            desk.change(&path("new"), 2, &[whole], Encoding::Utf16).unwrap();
        }
        let settled = desk.settle(&proposal(), &staged.hunks, Vec::new()).unwrap();
        assert_eq!(settled.refused, [], "opened with {first:?}");
    }
}

#[test]
fn a_file_that_appears_makes_its_creation_stale() {
    let mut desk = desk();
    create(&mut desk, "new", "mine\n").unwrap();
    desk.disk_changed(&path("new"), disk("the user's\n"));
    assert_eq!(state(&desk, "h1"), HunkState::Stale);
    let plan = desk.plan(&proposal(), &ids(&["h1"])).unwrap();
    assert!(plan.files.is_empty() && plan.refused[0].1.contains("exists now"), "{plan:?}");
    assert_eq!(desk.news(&task()), ["hunk h1 of new is stale: the file exists now", "new was changed outside this task"]);
}

/// From a list of problems a file can be opened that is not there yet. Some editors have a line break in such a document.
#[test]
fn a_document_without_text_is_in_no_creations_way() {
    for blank in ["", "\n", "\r\n"] {
        let mut desk = desk();
        let staged = create(&mut desk, "new", "text\nmore\n").unwrap();
        desk.open(&path("new"), 1, Text::new(blank));
        assert_eq!(state(&desk, "h1"), HunkState::Pending, "{blank:?}");
        assert_eq!(staged_text(&desk, "new"), "text\nmore\n", "{blank:?}");
        // Text of the user is, until it is gone again.
        let typed = |at: usize, old: usize, new: &str| {
            let place = |character: usize| countersign::text::Point { line: 0, character: u32::try_from(character).unwrap() };
            DocChange { range: Some((place(at), place(at + old))), text: new.to_owned() }
        };
        desk.change(&path("new"), 2, &[typed(0, 0, "x")], Encoding::Utf16).unwrap();
        assert_eq!(state(&desk, "h1"), HunkState::Stale, "{blank:?}");
        desk.change(&path("new"), 3, &[typed(0, 1, "")], Encoding::Utf16).unwrap();
        assert_eq!(state(&desk, "h1"), HunkState::Pending, "{blank:?}");
        // Closed again without a file, and opened once more.
        desk.close(&path("new"));
        desk.disk_changed(&path("new"), None);
        assert_eq!((state(&desk, "h1"), staged_text(&desk, "new")), (HunkState::Pending, "text\nmore\n".to_owned()));
        desk.open(&path("new"), 1, Text::new(blank));

        // Not taken over by the editor: pending as before. Taken over: nothing of the blank is left.
        let plan = desk.plan(&proposal(), &staged.hunks).unwrap();
        assert_eq!((&plan.files[0].op, plan.files[0].version), (&FileOp::Edit, Some(1)), "{blank:?}");
        assert_eq!(desk.settle(&proposal(), &staged.hunks, Vec::new()).unwrap().accepted.len(), 0);
        assert_eq!(state(&desk, "h1"), HunkState::Pending, "{blank:?}");
        let plan = desk.plan(&proposal(), &staged.hunks).unwrap();
        assert_eq!(plan.files[0].expected, Some(Text::new("text\nmore\n")), "{blank:?}");
        let whole = DocChange { range: None, text: "text\nmore\n".to_owned() };
        desk.change(&path("new"), 2, &[whole], Encoding::Utf16).unwrap();
        let settled = desk.settle(&proposal(), &staged.hunks, Vec::new()).unwrap();
        assert_eq!(settled.accepted.len(), 1, "{blank:?}: {:?}", settled.refused);
        let accepted = (path("new"), vec![(Text::new(""), Text::new("text\nmore\n"))]);
        assert_eq!(desk.accepted(&proposal()), [accepted], "a commit knows of no blank");
    }
}

#[test]
fn a_deletion_hides_the_file_and_lands_when_it_is_gone() {
    let mut desk = desk();
    let staged = delete(&mut desk, "old", "text\n").unwrap();
    assert_eq!(seen(&desk, "old"), Some(Seen::Gone));
    assert_eq!(desk.view(None, &path("old")), None, "for others nothing happened");
    assert!(matches!(modify(&mut desk, "old", "text\n", "x\n", disk("text\n")), Err(WorkspaceError::NotFound { .. })));
    let plan = desk.plan(&proposal(), &staged.hunks).unwrap();
    assert_eq!((&plan.files[0].op, &plan.files[0].expected), (&FileOp::Delete, &None));
    assert!(plan.files[0].edits.is_empty());
    let settled = desk.settle(&proposal(), &staged.hunks, vec![(path("old"), None)]).unwrap();
    assert_eq!(settled.accepted.len(), 1);
    assert_eq!(desk.accepted(&proposal()), [(path("old"), vec![(Text::new("text\n"), Text::new(""))])]);
}

#[test]
fn a_deletion_is_stale_once_the_file_changes() {
    let mut desk = desk();
    delete(&mut desk, "old", "text\n").unwrap();
    desk.disk_changed(&path("old"), disk("other\n"));
    assert_eq!(state(&desk, "h1"), HunkState::Stale);
    assert_eq!(seen(&desk, "old"), None, "the file is there for the task again");
}

#[test]
fn an_emptied_buffer_is_not_a_deletion() {
    let mut desk = desk();
    desk.open(&path("a"), 1, Text::new("text\n"));
    let staged = desk.stage(&task(), &request("a", StageOp::Delete), None).unwrap();
    desk.plan(&proposal(), &staged.hunks).unwrap();
    desk.change(&path("a"), 2, &[DocChange { range: None, text: String::new() }], Encoding::Utf8).unwrap();
    assert_eq!(desk.settle(&proposal(), &staged.hunks, Vec::new()).unwrap().accepted, []);
}

#[test]
fn a_deletion_can_become_a_rewrite() {
    let mut desk = desk();
    delete(&mut desk, "a", "a\nb\n").unwrap();
    let op = StageOp::Create { text: Text::new("a\nc\n") };
    let staged = desk.stage(&task(), &request("a", op), disk("a\nb\n")).unwrap();
    let (_, _, hunk) = desk.hunk(&proposal(), &staged.hunks[0]).unwrap();
    assert_eq!((hunk.kind, hunk.old.as_str(), hunk.new.as_str()), (HunkKind::Lines, "b\n", "c\n"));
}

#[test]
fn a_moved_file_is_edited_under_its_new_name() {
    let mut desk = desk();
    rename(&mut desk, "a", "b", "1\n2\n").unwrap();
    assert_eq!(seen(&desk, "a"), Some(Seen::Gone));
    assert_eq!(seen(&desk, "b"), Some(Seen::Text { text: Text::new("1\n2\n"), source: Source::Proposed }));
    let staged = modify(&mut desk, "b", "1\n2\n", "1\ntwo\n", None).unwrap();
    assert_eq!(staged.hunks, ids(&["h1", "h2"]));
    assert!(matches!(modify(&mut desk, "a", "1\n2\n", "x", disk("1\n2\n")), Err(WorkspaceError::NotFound { .. })));
    assert!(matches!(rename(&mut desk, "c", "b", "x"), Err(WorkspaceError::Exists(_))));
    let shadow: Vec<_> = desk.overlay(Some(&task())).into_iter().map(|file| (file.path.to_string(), file.bytes(false))).collect();
    assert_eq!(shadow, [("a".to_owned(), None), ("b".to_owned(), Some(b"1\ntwo\n".to_vec()))]);

    let plan = desk.plan(&proposal(), &staged.hunks).unwrap();
    assert_eq!(plan.files[0].op, FileOp::Move { to: path("b") });
    assert_eq!(plan.files[0].expected, Some(Text::new("1\ntwo\n")));
    // The watcher may see the old name go before the answer comes.
    desk.disk_changed(&path("a"), None);
    let observed = vec![(path("a"), None), (path("b"), disk("1\ntwo\n"))];
    let settled = desk.settle(&proposal(), &staged.hunks, observed).unwrap();
    assert_eq!(settled.refused, []);
    let accepted = desk.accepted(&proposal());
    assert_eq!(accepted[0].1[0], (Text::new(""), Text::new("1\n2\n")), "b comes to be");
    assert_eq!(accepted[0].1[1], (Text::new("1\n2\n"), Text::new("1\ntwo\n")), "and is changed");
    assert_eq!(accepted[1], (path("a"), vec![(Text::new("1\n2\n"), Text::new(""))]));
}

#[test]
fn text_hunks_follow_a_move_that_is_accepted_alone() {
    let mut desk = desk();
    rename(&mut desk, "a", "b", "1\n2\n").unwrap();
    modify(&mut desk, "b", "1\n2\n", "1\ntwo\n", None).unwrap();
    desk.plan(&proposal(), &ids(&["h1"])).unwrap();
    let observed = vec![(path("a"), None), (path("b"), disk("1\n2\n"))];
    assert_eq!(desk.settle(&proposal(), &ids(&["h1"]), observed).unwrap().refused, []);
    assert_eq!(state(&desk, "h2"), HunkState::Pending);
    assert_eq!(desk.hunk(&proposal(), &ids(&["h2"])[0]).unwrap().0, &path("b"));
    assert_eq!(staged_text(&desk, "b"), "1\ntwo\n");
}

#[test]
fn a_move_that_did_not_happen_is_pending_again() {
    let mut desk = desk();
    rename(&mut desk, "a", "b", "1\n").unwrap();
    desk.plan(&proposal(), &ids(&["h1"])).unwrap();
    let observed = vec![(path("a"), disk("1\n")), (path("b"), None)];
    let settled = desk.settle(&proposal(), &ids(&["h1"]), observed).unwrap();
    assert_eq!(settled.accepted, []);
    assert_eq!(state(&desk, "h1"), HunkState::Pending);
    desk.disk_changed(&path("b"), disk("in the way"));
    assert_eq!(state(&desk, "h1"), HunkState::Stale);
    assert_eq!(seen(&desk, "a"), None);
}

#[test]
fn moving_back_and_deleting_what_was_created_leave_nothing() {
    let mut desk = desk();
    rename(&mut desk, "a", "b", "1\n").unwrap();
    assert_eq!(rename(&mut desk, "b", "a", "").unwrap().hunks, []);
    create(&mut desk, "new", "x\n").unwrap();
    rename(&mut desk, "new", "newer", "").unwrap_err();
    let op = StageOp::Move { to: path("newer") };
    desk.stage(&task(), &request("new", op), None).unwrap();
    assert_eq!(staged_text(&desk, "newer"), "x\n");
    assert_eq!(seen(&desk, "new"), None);
    desk.stage(&task(), &request("newer", StageOp::Delete), None).unwrap();
    assert!(desk.overlay(Some(&task())).is_empty());
}

#[test]
fn a_file_that_goes_and_comes_back_keeps_its_hunks() {
    let mut desk = desk();
    modify(&mut desk, "a", "1\n2\n", "1\ntwo\n", disk("1\n2\n")).unwrap();
    desk.take_events();
    desk.disk_changed(&path("a"), None);
    assert_eq!(state(&desk, "h1"), HunkState::Stale);
    desk.disk_changed(&path("a"), disk("0\n1\n2\n"));
    assert_eq!(state(&desk, "h1"), HunkState::Pending);
    assert_eq!(staged_text(&desk, "a"), "0\n1\ntwo\n");
    let stale = What::Stale { hunk: HunkId::from("h1"), why: countersign::proposal::Why::Gone };
    assert_eq!(whats(desk.take_events()), [stale, What::Revived { hunk: HunkId::from("h1") }]);
}

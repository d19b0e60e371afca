//! Accepted hunks taken back on the desk, and pending ones kept and restored.

use countersign::{
    event::{HunkId, ProposalId},
    proposal::{FileOp, saved::SavedProposal},
    text::{Edit, Encoding},
    workspace::desk::{DocChange, Undo},
};

use super::*;

fn undo_id() -> ProposalId {
    ProposalId::from("p-undo")
}

/// Accepts hunks of a proposal; afterwards the disk holds this.
fn land(desk: &mut Desk, id: &ProposalId, hunks: &[HunkId], now: &[(&str, Option<&str>)]) {
    desk.plan(id, hunks).unwrap();
    let observed = now.iter().map(|(name, text)| (path(name), text.and_then(disk))).collect();
    let settled = desk.settle(id, hunks, observed).unwrap();
    assert_eq!(settled.refused, []);
}

fn undo(desk: &mut Desk, now: &[(&str, Option<&str>)]) -> Undo {
    let observed: Vec<_> = now.iter().map(|(name, text)| (path(name), text.and_then(disk))).collect();
    desk.undo(&task(), undo_id(), &observed)
}

fn typed(desk: &mut Desk, name: &str, version: i32, text: &str) {
    let whole = DocChange { range: None, text: text.to_owned() };
    desk.change(&path(name), version, &[whole], Encoding::Utf8).unwrap();
}

#[test]
fn created_deleted_and_moved_files_go_back() {
    let mut desk = desk();
    let created = desk.stage(&task(), &request("new", StageOp::Create { text: Text::new("fresh\n") }), None).unwrap();
    land(&mut desk, &proposal(), &created.hunks, &[("new", Some("fresh\n"))]);
    let deleted = desk.stage(&task(), &request("old", StageOp::Delete), disk("gone\n")).unwrap();
    land(&mut desk, &proposal(), &deleted.hunks, &[("old", None)]);
    desk.stage(&task(), &request("a", StageOp::Move { to: path("b") }), disk("1\n2\n")).unwrap();
    let moved = modify(&mut desk, "b", "1\n2\n", "1\ntwo\n", None).unwrap();
    land(&mut desk, &proposal(), &moved.hunks, &[("a", None), ("b", Some("1\ntwo\n"))]);

    let now = [("new", Some("fresh\n")), ("old", None), ("a", None), ("b", Some("1\ntwo\n"))];
    let undo = undo(&mut desk, &now);
    assert_eq!((undo.kept.len(), undo.takes.len()), (0, 4), "{undo:?}");
    assert_eq!(desk.proposals().count(), 1, "what takes hunks back is not shown");
    let plan = desk.plan(&undo_id(), &undo.hunks).unwrap();
    let told: Vec<_> = plan.files.iter().map(|file| (file.path.as_str(), file.op.clone(), file.expected.clone())).collect();
    assert_eq!(
        told,
        [
            ("b", FileOp::Move { to: path("a") }, Some(Text::new("1\n2\n"))),
            ("new", FileOp::Delete, None),
            ("old", FileOp::Create, Some(Text::new("gone\n"))),
        ]
    );
    let after = [("b", None), ("a", Some("1\n2\n")), ("new", None), ("old", Some("gone\n"))];
    let observed = after.iter().map(|(name, text)| (path(name), text.and_then(disk))).collect();
    assert_eq!(desk.settle(&undo_id(), &undo.hunks, observed).unwrap().refused, []);
    assert_eq!(desk.undone(&undo, false).len(), 4);
    assert_eq!(desk.uncommitted(None, &[]).files, [], "there is nothing left to commit");
    assert!(desk.news(&task()).iter().any(|news| news.contains("took the accepted hunk h1 of new back")));
}

#[test]
fn a_name_that_is_taken_again_stays_with_the_user() {
    let mut desk = desk();
    let deleted = desk.stage(&task(), &request("old", StageOp::Delete), disk("gone\n")).unwrap();
    land(&mut desk, &proposal(), &deleted.hunks, &[("old", None)]);
    desk.stage(&task(), &request("a", StageOp::Move { to: path("b") }), disk("1\n")).unwrap();
    land(&mut desk, &proposal(), &[HunkId::from("h2")], &[("a", None), ("b", Some("1\n"))]);
    let undo = undo(&mut desk, &[("old", Some("mine\n")), ("a", Some("mine\n")), ("b", Some("1\n"))]);
    assert!(undo.hunks.is_empty());
    assert!(undo.kept.iter().all(|kept| kept.why.contains("there is a file")), "{:?}", undo.kept);
    assert_eq!(undo.kept.len(), 2);
}

#[test]
fn lines_come_back_around_typing_and_never_into_it() {
    // Every single-line edit of the text after the acceptance: the hunk goes back exactly, or is kept with its place.
    let (base, to) = ("a\nb\nb\nc\nd\n", "a\nB\nx\nb\nc\n");
    let expected = |typed: &str| match typed {
        // Typed before and behind, in lines that the agent left alone.
        text if text.starts_with("a!") => Some("a!\nb\nb\nc\nd\n"),
        text if text.starts_with("0\na") => Some("0\na\nb\nb\nc\nd\n"),
        _ => None,
    };
    for text in ["a!\nB\nx\nb\nc\n", "0\na\nB\nx\nb\nc\n", "a\nB\nx!\nb\nc\n", "a\nb\nc\n", "a\nB\n", ""] {
        let mut desk = desk();
        let hunks = opened(&mut desk, "a", base, to);
        desk.plan(&proposal(), &hunks).unwrap();
        typed(&mut desk, "a", 2, to);
        assert_eq!(desk.settle(&proposal(), &hunks, Vec::new()).unwrap().refused, []);
        typed(&mut desk, "a", 3, text);
        let undo = undo(&mut desk, &[]);
        match expected(text) {
            Some(expected) => {
                assert_eq!(undo.kept, [], "{text:?}");
                let plan = desk.plan(&undo_id(), &undo.hunks).unwrap();
                assert_eq!(plan.files[0].expected, Some(Text::new(expected)), "{text:?}");
            }
            None => assert!(undo.kept.iter().any(|kept| kept.lines.is_some()), "{text:?}: {undo:?}"),
        }
    }
}

#[test]
fn what_a_commit_holds_is_forgotten_first_and_the_rest_never() {
    let big = "0123456789abcde\n".repeat(400_000);
    let mut desk = desk();
    let first = modify(&mut desk, "a", "a\n", &big, disk("a\n")).unwrap();
    land(&mut desk, &proposal(), &first.hunks, &[("a", Some(&big))]);
    let second = modify(&mut desk, "b", "b\n", &big, disk("b\n")).unwrap();
    land(&mut desk, &proposal(), &second.hunks, &[("b", Some(&big))]);
    assert_eq!(desk.uncommitted(None, &[]).hunks.len(), 2, "a commit can still be made of both");
    let all = desk.uncommitted(None, &[]).hunks;
    desk.commit(all);
    let undo = undo(&mut desk, &[("a", Some(&big)), ("b", Some(&big))]);
    assert_eq!((undo.kept.len(), undo.kept[0].path.as_str()), (1, "a"), "{:?}", undo.kept);
    assert!(undo.kept[0].why.contains("too much"), "{:?}", undo.kept);
    assert_eq!(undo.committed, second.hunks, "the other one goes back, and its commit stays");
}

#[test]
fn a_kept_proposal_comes_back_as_it_was() {
    let mut desk = desk();
    let base = "a\nb\nc\nd\ne\n";
    opened(&mut desk, "t", base, "a\nB\nc\nnew\nd\n");
    desk.stage(&task(), &request("new", StageOp::Create { text: Text::new("fresh\n") }), None).unwrap();
    desk.stage(&task(), &request("old", StageOp::Delete), disk("gone\n")).unwrap();
    desk.stage(&task(), &request("from", StageOp::Move { to: path("to") }), disk("m\n")).unwrap();
    let before = desk.proposal(&proposal()).unwrap();
    let saved = SavedProposal::of(before).unwrap();
    let text = serde_json::to_string(&saved).unwrap();
    assert_eq!(serde_json::from_str::<SavedProposal>(&text).unwrap(), saved);
    let now = |path: &WsPath| match path.as_str() {
        "t" => Some(Text::new(base)),
        "old" => Some(Text::new("gone\n")),
        "from" => Some(Text::new("m\n")),
        _ => None,
    };
    let restored = saved.restore(now).unwrap();
    assert_eq!((restored.dropped, restored.hunks), (Vec::new(), 6));
    for (name, file) in &before.files {
        let again = &restored.proposal.files[name];
        assert_eq!((again.staged(), &again.op, lives(again)), (file.staged(), &file.op, lives(file)), "{name}");
    }
    assert_eq!(restored.proposal.ids.last(), before.ids.last(), "no id is used again");
}

#[test]
fn restored_hunks_always_stand_where_their_lines_do() {
    let mut seed = 7u64;
    let mut roll = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let (mut all, mut back) = (0, 0);
    for _ in 0..400 {
        let ending = ["\n", "\r\n", "\r"][roll(3)];
        let lines: Vec<String> = (0..12).map(|_| format!("{}{ending}", ["a", "b", "é", "𝄞", "", "x"][roll(6)])).collect();
        let base: String = lines.concat();
        let mut to = lines.clone();
        for _ in 0..3 {
            let at = roll(to.len());
            match roll(3) {
                0 => to[at] = format!("new{ending}"),
                1 => to.insert(at, format!("more{ending}")),
                _ => drop(to.remove(at)),
            }
        }
        let (file, _) = file(&base, &to.concat());
        let mut whole = countersign::proposal::Proposal::new(proposal(), task());
        whole.ids = Ids::after(99);
        whole.files.insert(path("f"), file);
        let Some(saved) = SavedProposal::of(&whole) else { continue };
        let mut now = Text::new(&base);
        for _ in 0..roll(3) {
            let start = now.line_start(roll(now.lines()));
            let end = now.line_start(now.line_of(start) + roll(2));
            now = now.edited(&Edit { range: start..end.max(start), new: ["", "typed\n", "a"][roll(3)].to_owned() });
        }
        let same = now == Text::new(&base);
        let restored = saved.clone().restore(|_| Some(now.clone())).unwrap();
        let wanted = saved.files[0].hunks.len();
        assert_eq!(restored.hunks + restored.dropped.len(), wanted);
        (all, back) = (all + wanted, back + restored.hunks);
        if let Some(file) = restored.proposal.files.get(&path("f")) {
            assert_sound(file);
        }
        if same {
            assert_eq!(restored.hunks, wanted, "over the same text all come back");
        }
    }
    assert!(back * 3 > all, "only {back} of {all} came back");
}

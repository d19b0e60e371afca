//! Accepted hunks as values and back: the same records, whatever the user did in between; and parts of an acceptance that come
//! late, in one change.

use countersign::{
    event::{CallId, HunkId},
    proposal::{HunkKind, Ids, Proposal, Record, history::SavedHistory},
    text::{Edit, Encoding},
    workspace::desk::DocChange,
};

use super::*;
use crate::dice::Dice;

const PIECES: [&str; 8] = ["", "x", "é𝄞\n", "two\nlines\n", "\r\n", "}\n", "漢字\n漢字\n", "\n"];

/// An edit of whole lines.
fn lines(text: &Text, dice: &mut Dice) -> Edit {
    let first = dice.roll(text.lines());
    let last = (first + dice.roll(3)).min(text.lines());
    Edit { range: text.line_start(first)..text.line_start(last), new: PIECES[dice.roll(PIECES.len())].to_owned() }
}

/// A proposal with a random history of two files.
fn proposal_of(seed: u64) -> Proposal {
    let mut dice = Dice(seed);
    let mut of = Proposal::new(proposal(), task());
    let mut texts = [Text::new("one\ntwo\nthree\nfour\n"), Text::default()];
    let count = 1 + dice.roll(12);
    for n in 1..=count {
        let at = dice.roll(2);
        // What the user does in between.
        for _ in 0..dice.roll(3) {
            texts[at] = texts[at].edited(&lines(&texts[at], &mut dice));
        }
        let before = texts[at].clone();
        let edit = lines(&before, &mut dice);
        let after = before.edited(&edit);
        texts[at] = after.clone();
        let forgotten = dice.roll(9) == 0;
        let keep = |text: Text| if forgotten { Text::default() } else { text };
        of.accepted.push(Record {
            path: path(["a", "b"][at]),
            hunk: HunkId(format!("h{n}")),
            call: CallId::from("c"),
            kind: HunkKind::Lines,
            start: if forgotten { 0 } else { edit.range.start },
            lengths: if forgotten { (0, 0) } else { (edit.range.len(), edit.new.len()) },
            before: keep(before),
            after: keep(after),
            beside: Default::default(),
            image: None,
            forgotten,
        });
    }
    of.ids = Ids::after(count as u32);
    of
}

#[test]
fn a_history_comes_back_as_it_was() {
    for seed in 1..300 {
        let of = proposal_of(seed * 0x9e37_79b9);
        let saved = SavedHistory::of(&of, |record| record.hunk.0.ends_with('3')).unwrap();
        let read: SavedHistory = serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap();
        let back = read.restore(of.ids.last()).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert_eq!(back.len(), of.accepted.len());
        for ((back, committed), record) in back.iter().zip(&of.accepted) {
            assert_eq!(format!("{back:?}"), format!("{record:?}"), "seed {seed}");
            assert_eq!(*committed, record.hunk.0.ends_with('3'));
        }
    }
    assert_eq!(SavedHistory::of(&Proposal::new(proposal(), task()), |_| false), None);
}

#[test]
fn many_hunks_of_a_large_file_take_little_more_room_than_the_file() {
    let mut of = Proposal::new(proposal(), task());
    let mut text = Text::new(&"a line of some length, as in any file\n".repeat(10_000));
    for n in 1..=200 {
        let before = text.clone();
        let edit = Edit { range: before.line_start(n * 40)..before.line_start(n * 40 + 1), new: format!("changed {n}\n") };
        text = before.edited(&edit);
        of.accepted.push(Record {
            path: path("a"),
            hunk: HunkId(format!("h{n}")),
            call: CallId::from("c"),
            kind: HunkKind::Lines,
            start: edit.range.start,
            lengths: (edit.range.len(), edit.new.len()),
            before,
            after: text.clone(),
            beside: Default::default(),
            image: None,
            forgotten: false,
        });
    }
    let size = serde_json::to_string(&SavedHistory::of(&of, |_| false)).unwrap().len();
    assert!(size < text.len() + 200 * 400, "{size} bytes for a text of {}", text.len());
}

#[test]
fn whatever_is_changed_in_a_history_is_noticed_or_harmless() {
    let mut noticed = 0;
    for seed in 1..300 {
        let of = proposal_of(seed);
        let mut dice = Dice(seed);
        let saved = SavedHistory::of(&of, |_| false).unwrap();
        let mut value = serde_json::to_value(&saved).unwrap();
        let at = dice.roll(saved.records.len());
        let record = &mut value["records"][at];
        match dice.roll(5) {
            0 => record["start"] = serde_json::json!(dice.roll(1000)),
            1 => record["lengths"] = serde_json::json!([dice.roll(100), dice.roll(100)]),
            2 => record["did"] = serde_json::json!([{"range": {"start": dice.roll(50), "end": dice.roll(50)}, "new": "y"}]),
            3 => record["since"] = serde_json::json!([{"range": {"start": 5, "end": 2}, "new": ""}]),
            _ => record["hunk"] = serde_json::json!(["h0", "x1", "h99999", "h-1", ""][dice.roll(5)]),
        }
        let Ok(changed) = serde_json::from_value::<SavedHistory>(value) else { continue };
        match changed.restore(of.ids.last()) {
            Err(_) => noticed += 1,
            // Where a hunk began is not in the hash; its ranges still are ranges of its texts.
            Ok(back) => {
                for (record, _) in back {
                    assert!(record.start + record.lengths.0 <= record.before.len());
                    assert!(record.start + record.lengths.1 <= record.after.len());
                }
            }
        }
    }
    assert!(noticed > 150, "only {noticed} were noticed");
}

#[test]
fn any_part_of_an_acceptance_that_comes_late_in_one_change_is_known() {
    let text: String = (0..40).map(|n| format!("line {n}\n")).collect();
    let changed = |of: &dyn Fn(usize) -> bool| -> String {
        let line = |n: usize| match (n % 5 == 2 && of(n / 5), n / 5 % 3) {
            (false, _) => format!("line {n}\n"),
            (_, 0) => format!("agent {n}\n"),
            (_, 1) => format!("line {n}\nmore {n}\n"),
            _ => String::new(),
        };
        (0..40).map(line).collect()
    };
    for part in 1..256usize {
        let mut desk = desk();
        desk.open(&path("a"), 1, Text::new(&text));
        let staged = modify(&mut desk, "a", &text, &changed(&|_| true), None).unwrap();
        assert_eq!(staged.hunks.len(), 8);
        desk.plan(&proposal(), &staged.hunks).unwrap();
        let settled = desk.settle(&proposal(), &staged.hunks, Vec::new()).unwrap();
        assert_eq!(settled.refused.len(), 8, "given up");
        let taken = |n: usize| part >> n & 1 == 1;
        let whole = DocChange { range: None, text: changed(&taken) };
        desk.change(&path("a"), 2, &[whole], Encoding::Utf8).unwrap();
        let of = desk.proposal(&proposal()).unwrap();
        assert_eq!(of.accepted.len(), part.count_ones() as usize, "{part:b}");
        let left: Vec<HunkState> =
            of.files.get(&path("a")).into_iter().flat_map(FileProposal::all).map(|hunk| hunk.state).collect();
        assert_eq!(left, vec![HunkState::Pending; 8 - of.accepted.len()], "{part:b}");
        // What is left is accepted as ever.
        let rest: Vec<HunkId> =
            of.files.get(&path("a")).into_iter().flat_map(FileProposal::live).map(|hunk| hunk.id.clone()).collect();
        let plan = desk.plan(&proposal(), &rest).unwrap();
        let expected = plan.files.first().map(|file| file.expected.clone().unwrap().to_string());
        assert_eq!(expected.unwrap_or(changed(&|_| true)), changed(&|_| true), "{part:b}");
    }
}

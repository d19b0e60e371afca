//! Hunks follow the user's edits of the text beneath them.

use countersign::{
    proposal::{HunkState, Step},
    text::{Edit, Text, refine},
};
use proptest::prelude::*;

use super::{assert_sound, file, laws::commutes, lives, stage};
use crate::{
    cases,
    text::{any_text, edit_of, plain_text},
};

fn step(base: &Text, edit: &Edit) -> Step {
    Step { edit: edit.clone(), after: base.edited(edit), landed: None }
}

/// Applies the user's edit to a file with `to` staged over `base`, and gives the ids and states afterwards.
fn after(base: &str, to: &str, edits: &[Edit]) -> (String, Vec<(String, HunkState)>) {
    let (mut file, _) = file(base, to);
    for edit in edits {
        let step = step(&file.base, edit);
        file.step(&step, &mut Vec::new());
        assert_sound(&file);
    }
    (file.staged().unwrap().to_string(), file.all().map(|hunk| (hunk.id.to_string(), hunk.state)).collect())
}

fn ins(at: usize, new: &str) -> Edit {
    Edit { range: at..at, new: new.to_owned() }
}

fn del(range: std::ops::Range<usize>) -> Edit {
    Edit { range, new: String::new() }
}

fn pending(id: &str) -> (String, HunkState) {
    (id.to_owned(), HunkState::Pending)
}

fn stale(id: &str) -> (String, HunkState) {
    (id.to_owned(), HunkState::Stale)
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn staging_twice_gives_the_last_text(base in any_text(), first in any_text(), second in any_text()) {
        let (mut file, mut ids) = file(&base, &first);
        assert_sound(&file);
        prop_assert_eq!(file.staged().unwrap().to_string(), first);
        let before = lives(&file);
        stage(&mut file, &mut ids, &second);
        assert_sound(&file);
        prop_assert_eq!(file.staged().unwrap().to_string(), second);
        for hunk in file.live() {
            let same = before.iter().find(|old| old.id == hunk.id);
            prop_assert!(same.is_none_or(|old| old == hunk), "an id changed its hunk");
        }
        stage(&mut file, &mut ids, &base);
        prop_assert!(file.is_empty(), "the base staged is no change");
    }

    #[test]
    fn rebase_then_apply_is_apply_then_edit(base in any_text(), to in any_text(), at in 0usize..30, length in 0usize..12, new in any_text()) {
        let (mut file, _) = file(&base, &to);
        let (text, before) = (Text::new(&base), lives(&file));
        let edit = edit_of(&base, at, length, &new);
        // As the desk does it: the characters that differ, the last ones first.
        for edit in refine(&text, edit).into_iter().rev() {
            let (text, live) = (file.base.clone(), lives(&file));
            file.step(&step(&text, &edit), &mut Vec::new());
            assert_sound(&file);
            commutes(&text, &live, &edit, &file)?;
        }
        prop_assert_eq!(file.all().count(), before.len());
    }

    #[test]
    fn undo_brings_hunks_back_where_they_were(base in plain_text(), to in plain_text(), at in 0usize..30, length in 0usize..12, new in any_text()) {
        let (mut file, _) = file(&base, &to);
        let before = lives(&file);
        let text = Text::new(&base);
        let edit = edit_of(&base, at, length, &new);
        let back = Edit { range: edit.range.start..edit.range.start + edit.new.len(), new: text.slice(edit.range.clone()) };
        file.step(&step(&text, &edit), &mut Vec::new());
        let edited = file.base.clone();
        file.step(&step(&edited, &back), &mut Vec::new());
        assert_sound(&file);
        prop_assert_eq!(&file.base, &text);
        for hunk in before {
            let now = file.hunk(&hunk.id).unwrap();
            prop_assert!(!now.is_live() || (&now.range, &now.new) == (&hunk.range, &hunk.new), "{:?} came back as {:?}", hunk, now);
            let places = (0..=text.len()).filter(|&at| text.is_line_start(at) && text.holds(&(at..at + hunk.old.len()), &hunk.old));
            prop_assert!(now.is_live() || hunk.old.is_empty() || places.count() > 1, "{:?} stayed stale", now);
        }
    }

    #[test]
    fn many_edits_never_make_a_wrong_hunk(base in any_text(), to in any_text(), edits in proptest::collection::vec((0usize..30, 0usize..6, any_text()), 1..12)) {
        let (mut file, mut ids) = file(&base, &to);
        for (at, length, new) in edits {
            let text = file.base.to_string();
            let edit = edit_of(&text, at, length, &new);
            file.step(&step(&file.base.clone(), &edit), &mut Vec::new());
            assert_sound(&file);
            prop_assert_eq!(file.base.to_string(), Text::new(&text).edited(&edit).to_string());
            if at % 5 == 0 {
                stage(&mut file, &mut ids, &new);
                assert_sound(&file);
                prop_assert_eq!(file.staged().unwrap().to_string(), new);
            }
        }
    }
}

#[test]
fn typing_elsewhere_shifts() {
    let (text, states) = after("a\nb\nc\n", "a\nB\nc\n", &[ins(0, "x"), ins(1, "\n"), ins(7, "y")]);
    assert_eq!(text, "x\na\nB\ncy\n");
    assert_eq!(states, [pending("h1")]);
}

#[test]
fn typing_inside_turns_stale_and_undo_brings_back() {
    let typed = [ins(3, "x")];
    assert_eq!(after("a\nb\nc\n", "a\nB\nc\n", &typed), ("a\nbx\nc\n".to_owned(), vec![stale("h1")]));
    let undone = [ins(3, "x"), del(3..4)];
    assert_eq!(after("a\nb\nc\n", "a\nB\nc\n", &undone), ("a\nB\nc\n".to_owned(), vec![pending("h1")]));
}

#[test]
fn a_break_at_the_end_of_a_line_leaves_it_whole() {
    // Enter at the end of the hunk's last line, and the blank line deleted again.
    for (base, to, enter) in [("a\nb\nc\n", "a\nB\nc\n", "\n"), ("a\r\nb\r\nc\r\n", "a\r\nB\r\nc\r\n", "\r\n")] {
        let end = base.find('b').unwrap() + 1;
        let (text, states) = after(base, to, &[ins(end, enter)]);
        assert_eq!((text, states), (to.replace('c', &format!("{enter}c")), vec![pending("h1")]));
        let taken = [ins(end, enter), del(end..end + enter.len())];
        assert_eq!(after(base, to, &taken), (to.to_owned(), vec![pending("h1")]));
    }
    // With something of the line behind it, the line is not whole.
    assert_eq!(after("a\nbb\nc\n", "a\nB\nc\n", &[ins(3, "\n")]).1, [stale("h1")]);
}

#[test]
fn a_line_that_goes_or_comes_beside_a_hunk_may_be_reported_from_the_middle_of_both() {
    let (base, to) = ("let a;\nlet b;\nlet c;\n", "let a;\nlet B;\nlet c;\n");
    // The line above, without what it shares with the hunk's first line; then undone.
    let edits = [del(4..11), ins(4, "a;\nlet ")];
    assert_eq!(after(base, to, &edits[..1]), ("let B;\nlet c;\n".to_owned(), vec![pending("h1")]));
    assert_eq!(after(base, to, &edits), (to.to_owned(), vec![pending("h1")]));
    // The line below, with the end of the hunk's line in place of its own.
    let edits = [del(12..19), ins(12, ";\nlet c")];
    assert_eq!(after(base, to, &edits[..1]), ("let a;\nlet B;\n".to_owned(), vec![pending("h1")]));
    assert_eq!(after(base, to, &edits), (to.to_owned(), vec![pending("h1")]));
}

#[test]
fn typing_at_the_ends_of_a_hunk_stays_outside() {
    let (text, states) = after("a\nb\nc\n", "a\nB\nc\n", &[ins(2, "before\n")]);
    assert_eq!((text.as_str(), states), ("a\nbefore\nB\nc\n", vec![pending("h1")]));
    let (text, states) = after("a\nb\nc\n", "a\nB\nc\n", &[ins(4, "behind\n")]);
    assert_eq!((text.as_str(), states), ("a\nB\nbehind\nc\n", vec![pending("h1")]));
    // Not a line of its own: it is typed into the hunk's first line.
    assert_eq!(after("a\nb\nc\n", "a\nB\nc\n", &[ins(2, "x")]).1, [stale("h1")]);
}

#[test]
fn an_insertion_stays_behind_its_line() {
    // Deleting the line before it and taking that back.
    let edits = [del(2..4), ins(2, "b\n")];
    assert_eq!(after("a\nb\nc\n", "a\nb\nnew\nc\n", &edits), ("a\nb\nnew\nc\n".to_owned(), vec![pending("h1")]));
    // Deleting both lines around it and taking that back.
    let edits = [del(2..6), ins(2, "b\nc\n")];
    assert_eq!(after("a\nb\nc\n", "a\nb\nnew\nc\n", &edits[..1]).1, [stale("h1")]);
    assert_eq!(after("a\nb\nc\n", "a\nb\nnew\nc\n", &edits), ("a\nb\nnew\nc\n".to_owned(), vec![pending("h1")]));
    // Joining the lines around it and parting them.
    let edits = [del(3..4), ins(3, "\n")];
    assert_eq!(after("a\nb\nc\n", "a\nb\nnew\nc\n", &edits[..1]).1, [stale("h1")]);
    assert_eq!(after("a\nb\nc\n", "a\nb\nnew\nc\n", &edits), ("a\nb\nnew\nc\n".to_owned(), vec![pending("h1")]));
}

#[test]
fn the_end_of_a_text_without_final_newline() {
    assert_eq!(after("a\nb", "a\nB", &[ins(3, "x")]).1, [stale("h1")]);
    assert_eq!(after("a\nb", "a\nB", &[ins(0, "x\n")]), ("x\na\nB".to_owned(), vec![pending("h1")]));
    // The hunk takes the final newline away; with a line behind it that would glue.
    assert_eq!(after("a\nb\n", "a\nb", &[ins(4, "c\n")]).1, [stale("h1")]);
    assert_eq!(after("a\n", "a\nb\n", &[del(1..2)]).1, [stale("h1")], "there is no line to insert behind");
}

#[test]
fn crlf_is_one_break() {
    assert_eq!(after("a\r\nb\r\n", "a\r\nB\r\n", &[ins(2, "x")]), ("a\rx\nB\r\n".to_owned(), vec![pending("h1")]));
    assert_eq!(after("a\nb\r\n", "a\nb\r\nc\r\n", &[del(4..5)]).1, [pending("h1")], "\\r alone is a break, too");
    assert_eq!(after("a\nb\r\n", "a\nb\r\nc\r\n", &[del(3..5)]).1, [stale("h1")]);
    assert_eq!(after("a\r\nb\r\n", "a\r\nB\r\n", &[ins(1, "x")]), ("ax\r\nB\r\n".to_owned(), vec![pending("h1")]));
    assert_eq!(after("a\rb\r", "a\rB\r", &[ins(4, "\n")]).1, [stale("h1")], "b's break has become another one");
}

#[test]
fn one_edit_over_several_hunks() {
    let (text, states) = after("a\nb\nc\nd\ne\n", "a\nB\nc\nD\ne\nf\n", &[del(2..8)]);
    assert_eq!(text, "a\ne\nf\n");
    assert_eq!(states, [pending("h3"), stale("h1"), stale("h2")]);
}

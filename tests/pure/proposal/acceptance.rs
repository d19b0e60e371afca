//! Acceptance: a hunk is accepted when the user's text holds it, however the editor reports the edit.

use countersign::{
    event::HunkId,
    proposal::HunkState,
    text::{Edit, Encoding, Point, Text, changes, for_editors, refine},
    workspace::desk::{Desk, DocChange, Plan, What},
};
use proptest::prelude::*;

use super::*;
use crate::{
    cases,
    text::{any_text, edit_of, plain_text},
};

/// How editors report an edit that they applied.
#[derive(Clone, Copy, Debug)]
enum Client {
    /// One notification with one change a hunk, last one first.
    Batch,
    /// One notification a hunk, last one first.
    OneByOne,
    /// The whole text.
    Whole,
    /// One change from the first to the last byte that differs.
    Hull,
    /// The characters that differ, one notification each, last one first.
    Minimal,
}

const CLIENTS: [Client; 5] = [Client::Batch, Client::OneByOne, Client::Whole, Client::Hull, Client::Minimal];

fn doc_change(text: &Text, edit: &Edit) -> DocChange {
    let point = |at| text.point(at, Encoding::Utf16);
    DocChange { range: Some((point(edit.range.start), point(edit.range.end))), text: edit.new.clone() }
}

fn send(desk: &mut Desk, name: &str, changes: &[DocChange]) {
    let version = desk.buffer(&path(name)).unwrap().version + 1;
    desk.change(&path(name), version, changes, Encoding::Utf16).unwrap();
}

fn type_in(desk: &mut Desk, name: &str, edit: &Edit) {
    let change = doc_change(&desk.buffer(&path(name)).unwrap().text, edit);
    send(desk, name, &[change]);
}

fn text_of(desk: &Desk, name: &str) -> Text {
    desk.buffer(&path(name)).unwrap().text.clone()
}

/// Applies the edits as this client does, and tells the desk.
fn play(desk: &mut Desk, name: &str, client: Client, edits: &[Edit]) {
    let before = text_of(desk, name);
    let after = before.edited_by(edits);
    match client {
        Client::Batch => {
            let changes: Vec<_> = edits.iter().rev().map(|edit| doc_change(&before, edit)).collect();
            send(desk, name, &changes);
        }
        Client::OneByOne => edits.iter().rev().for_each(|edit| type_in(desk, name, edit)),
        Client::Whole => send(desk, name, &[DocChange { range: None, text: after.to_string() }]),
        Client::Hull => {
            let parts = changes(&before, &after);
            if let (Some(first), Some(last)) = (parts.first(), parts.last()) {
                let grown = after.len() as isize - before.len() as isize;
                let new = after.slice(first.range.start..last.range.end.checked_add_signed(grown).unwrap());
                type_in(desk, name, &Edit { range: first.range.start..last.range.end, new });
            }
        }
        Client::Minimal => {
            for edit in edits.iter().rev() {
                for part in refine(&text_of(desk, name), edit.clone()).iter().rev() {
                    type_in(desk, name, part);
                }
            }
        }
    }
    assert_eq!(text_of(desk, name), after, "the player is at fault");
}

fn bare(plan: &Plan) -> Vec<Edit> {
    for_editors(&plan.files[0].base, plan.files[0].edits.iter().map(|(_, edit)| edit.clone()).collect())
}

fn accepted_in(events: Vec<What>) -> Vec<HunkId> {
    events.into_iter().filter_map(|what| if let What::Accepted { hunk, .. } = what { Some(hunk) } else { None }).collect()
}

fn sorted(mut ids: Vec<HunkId>) -> Vec<HunkId> {
    ids.sort();
    ids
}

/// A text and what is proposed for it. Both have the same line breaks: positions inside a CRLF cannot be said in LSP.
fn lsp_texts() -> impl Strategy<Value = (String, String)> {
    let crlf = |text: String| text.replace('\n', "\r\n");
    let same = (plain_text(), plain_text());
    prop_oneof![same.clone(), same.prop_map(move |(base, to)| (crlf(base), crlf(to)))]
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn every_client_lands_what_it_applies((base, to) in lsp_texts(), mask in any::<u32>(), client in prop::sample::select(CLIENTS.to_vec())) {
        let mut desk = desk();
        let hunks = opened(&mut desk, "a", &base, &to);
        let chosen: Vec<HunkId> = hunks.iter().enumerate().filter(|(at, _)| mask >> (at % 32) & 1 == 1).map(|(_, id)| id.clone()).collect();
        let plan = desk.plan(&proposal(), &chosen).unwrap();
        if plan.files.is_empty() {
            prop_assert!(chosen.is_empty());
            return Ok(());
        }
        desk.take_events();
        play(&mut desk, "a", client, &bare(&plan));
        prop_assert_eq!(Some(text_of(&desk, "a")), plan.files[0].expected.clone());
        let settled = desk.settle(&proposal(), &chosen, Vec::new()).unwrap();
        prop_assert_eq!(settled.refused, vec![]);
        prop_assert_eq!(sorted(settled.accepted.into_iter().map(|taken| taken.hunk).collect()), sorted(chosen.clone()));
        let told = accepted_in(whats(desk.take_events()));
        prop_assert_eq!(sorted(told), sorted(chosen.clone()), "each is told once");
        // Nothing else moved: the rest is pending, and with it the text is what was proposed.
        prop_assert_eq!(staged_text(&desk, "a"), to);
        // The record leads from the base to the text that the user has.
        let record = desk.accepted(&proposal());
        let pairs = &record[0].1;
        prop_assert_eq!(pairs[0].0.to_string(), base);
        prop_assert_eq!(&pairs[pairs.len() - 1].1, &text_of(&desk, "a"));
        for pair in pairs.windows(2) {
            prop_assert_eq!(&pair[0].1, &pair[1].0);
        }
    }

    #[test]
    fn what_the_client_did_not_take_is_pending_again((base, to) in lsp_texts()) {
        let mut desk = desk();
        let hunks = opened(&mut desk, "a", &base, &to);
        desk.plan(&proposal(), &hunks).unwrap();
        let settled = desk.settle(&proposal(), &hunks, Vec::new()).unwrap();
        prop_assert_eq!(settled.accepted, vec![]);
        prop_assert_eq!(settled.refused.len(), hunks.len());
        for hunk in &hunks {
            prop_assert_eq!(state(&desk, &hunk.0), HunkState::Pending);
        }
        prop_assert_eq!(staged_text(&desk, "a"), to);
    }

    #[test]
    fn typing_beside_an_acceptance_is_neither_lost_nor_taken_for_it(
        (base, to) in lsp_texts(), at in 0usize..30, length in 0usize..3, new in prop::sample::select(vec!["x", "a\n", "b\n", ""]),
        merged in any::<bool>(), applied in any::<bool>(),
    ) {
        let mut desk = desk();
        let hunks = opened(&mut desk, "a", &base, &to);
        let plan = desk.plan(&proposal(), &hunks).unwrap();
        prop_assume!(!plan.files.is_empty());
        let before = text_of(&desk, "a");
        let between = if applied { before.edited_by(&bare(&plan)) } else { before.clone() };
        let edit = edit_of(&between.to_string(), at, length, new);
        let after = between.edited(&edit);
        if merged {
            send(&mut desk, "a", &[DocChange { range: None, text: after.to_string() }]);
        } else {
            send(&mut desk, "a", &[DocChange { range: None, text: between.to_string() }]);
            send(&mut desk, "a", &[DocChange { range: None, text: after.to_string() }]);
        }
        let settled = desk.settle(&proposal(), &hunks, Vec::new()).unwrap();
        prop_assert_eq!(text_of(&desk, "a"), after.clone());
        if !applied && new.is_empty() && length == 1 {
            // A client that did nothing gets nothing accepted, unless the user deleted just that.
            let same = hunks.iter().any(|id| plan.files[0].edits.iter().any(|(hunk, that)| hunk == id && before.edited(that) == after));
            prop_assert!(settled.accepted.is_empty() || same, "{:?}", settled);
        }
        if applied && !merged {
            prop_assert_eq!(settled.refused, vec![]);
        }
        for file in desk.proposal(&proposal()).unwrap().files.values() {
            assert_sound(file);
        }
    }

    #[test]
    fn rejecting_leaves_the_rest((base, to) in lsp_texts(), mask in any::<u32>()) {
        let mut desk = desk();
        let hunks = opened(&mut desk, "a", &base, &to);
        let file = desk.proposal(&proposal()).unwrap().files.get(&path("a")).cloned();
        let (gone, kept): (Vec<_>, Vec<_>) = hunks.iter().cloned().enumerate().partition(|(at, _)| mask >> (at % 32) & 1 == 1);
        let gone: Vec<HunkId> = gone.into_iter().map(|(_, id)| id).collect();
        let outcome = desk.reject(&proposal(), &gone, Some("no")).unwrap();
        prop_assert_eq!(outcome.rejected.len(), gone.len());
        let edits: Vec<Edit> = kept.iter().map(|(_, id)| file.as_ref().unwrap().hunk(id).unwrap().edit()).collect();
        prop_assert_eq!(staged_text(&desk, "a"), Text::new(&base).edited_by(&edits).to_string());
        prop_assert_eq!(text_of(&desk, "a").to_string(), base);
    }

    #[test]
    fn no_order_of_events_makes_a_wrong_hunk(base in any_text(), to in any_text(), events in proptest::collection::vec((0u8..8, 0usize..30, 0usize..5, any_text()), 1..20)) {
        let mut desk = desk();
        opened(&mut desk, "a", &base, &to);
        let mut mine = Text::new(&base);
        let mut planned: Vec<HunkId> = Vec::new();
        for (event, at, length, new) in events {
            let live: Vec<HunkId> = desk.proposal(&proposal()).unwrap().files.values().flat_map(|file| file.live()).map(|hunk| hunk.id.clone()).collect();
            match event {
                0..=2 => {
                    let edit = edit_of(&mine.to_string(), at, length, &new);
                    let change = doc_change(&mine, &edit);
                    let (start, end) = change.range.unwrap();
                    let said = Edit { range: mine.offset(start, Encoding::Utf16)..mine.offset(end, Encoding::Utf16), new };
                    mine = mine.edited(&said);
                    send(&mut desk, "a", &[change]);
                }
                3 => {
                    let from = staged_text(&desk, "a");
                    match modify(&mut desk, "a", &from, &new, None) {
                        Ok(staged) => prop_assert_eq!(staged.text.to_string(), new),
                        Err(error) => prop_assert!(!planned.is_empty(), "{error}"),
                    }
                }
                4 => {
                    let some: Vec<HunkId> = live.into_iter().skip(at % 2).collect();
                    let plan = desk.plan(&proposal(), &some).unwrap();
                    planned.extend(plan.hunks.clone());
                    for file in &plan.files {
                        prop_assert_eq!(&file.base, &mine);
                        let edits: Vec<Edit> = file.edits.iter().map(|(_, edit)| edit.clone()).take(length).collect();
                        mine = mine.edited_by(&edits);
                        play(&mut desk, "a", CLIENTS[at % 3], &edits);
                    }
                }
                5 => {
                    desk.settle(&proposal(), &planned, Vec::new()).unwrap();
                    planned.clear();
                }
                6 => {
                    desk.reject(&proposal(), &live[..live.len().min(1)], None).unwrap();
                }
                _ => {
                    mine = Text::new(&new);
                    desk.open(&path("a"), 1, mine.clone());
                }
            }
            prop_assert_eq!(text_of(&desk, "a"), mine.clone(), "the user's text is the user's");
            if let Some(file) = desk.proposal(&proposal()).unwrap().files.get(&path("a")) {
                prop_assert_eq!(&file.base, &mine);
                assert_sound(file);
            }
        }
    }
}

/// Two hundred hunks that an editor was given and never took may come at any time. Looking for them must not cost a keystroke
/// two hundred comparisons of whole texts: the factor was 177.
#[test]
fn hunks_that_may_still_come_do_not_slow_typing_down() {
    let line = |n: usize| format!("line number {n} of a text that is long enough to matter\n");
    let base: String = (0..20_000).map(line).collect();
    let to: String = (0..20_000).map(|n| if n % 100 == 50 { format!("LINE {n}\n") } else { line(n) }).collect();
    let mut desk = desk();
    let hunks = opened(&mut desk, "a", &base, &to);
    assert_eq!(hunks.len(), 200);
    let mut version = 1;
    let mut fastest = |desk: &mut Desk| {
        let strokes = (0..20u32).map(|n| {
            let at = Point { line: n * 997, character: 0 };
            let change = DocChange { range: Some((at, at)), text: "x".to_owned() };
            version += 1;
            let start = std::time::Instant::now();
            desk.change(&path("a"), version, &[change], Encoding::Utf8).unwrap();
            start.elapsed()
        });
        strokes.min().unwrap()
    };
    let before = fastest(&mut desk);
    desk.plan(&proposal(), &hunks).unwrap();
    assert_eq!(desk.settle(&proposal(), &hunks, Vec::new()).unwrap().refused.len(), 200, "the editor took none");
    let after = fastest(&mut desk);
    assert!(after < before * 30, "a keystroke took {before:?}, and {after:?} since hunks may still come");
}

//! What a command made of the text it saw, while the user went on typing.

use countersign::{
    event::HunkId,
    proposal::{HunkState, Step, Why},
    seams::StageOp,
    text::{Edit, Encoding, Text},
    workspace::desk::DocChange,
};
use proptest::prelude::*;

use super::*;

const BASE: &str = "one\ntwo\nthree\nfour\nfive\nsix\n";

fn merge(file: &mut FileProposal, from: &str, to: &str) -> Vec<HunkId> {
    let (call, mut ids) = (CallId::from("c1"), Ids::after(10));
    let mut origin = Origin { call: &call, apart: false, ids: &mut ids };
    file.stage_merged(&Text::new(from), &Text::new(to), &mut origin).unwrap()
}

#[test]
fn what_fits_is_pending_and_what_the_user_contradicts_is_stale() {
    let now = "zero\none\ntwo\nthree\nfour typed\nfive\nsix\n";
    let mut file = FileProposal::over(Text::new(now), None);
    let stale = merge(&mut file, BASE, "one\nTWO\nthree\nFOUR\nfive\nsix\n");
    assert_eq!(file.staged().unwrap().to_string(), "zero\none\nTWO\nthree\nfour typed\nfive\nsix\n");
    let hunk = file.hunk(&stale[0]).unwrap();
    assert_eq!((hunk.state, hunk.why), (HunkState::Stale, Some(Why::Edited)));
    assert_eq!((hunk.old.as_str(), hunk.new.as_str()), ("four\n", "FOUR\n"), "both texts are kept");
    assert_eq!(&now[hunk.range.clone()], "four typed\n");
    // The user takes the typing back: the hunk fits again.
    let (at, mut happened) = (now.find(" typed").unwrap(), Vec::new());
    let edit = Edit { range: at..at + " typed".len(), new: String::new() };
    let after = file.base.edited(&edit);
    file.step(&Step { edit, after, landed: None }, &mut happened);
    assert_eq!(file.staged().unwrap().to_string(), "zero\none\nTWO\nthree\nFOUR\nfive\nsix\n");
}

#[test]
fn what_the_user_typed_too_is_no_hunk() {
    let mut file = FileProposal::over(Text::new("one\nTWO\nthree\nfour\nfive\nsix\n"), None);
    assert!(merge(&mut file, BASE, "one\nTWO\nthree\nfour\nfive\nsix\n").is_empty());
    assert!(file.is_empty());
}

#[test]
fn a_stale_merge_is_told_to_the_model_and_keeps_pending_hunks() {
    let mut desk = desk();
    desk.open(&path("a"), 1, Text::new(BASE));
    let stage = |desk: &mut Desk, op| desk.stage(&task(), &request("a", op), None).unwrap();
    let edited = BASE.replace("one", "ONE");
    stage(&mut desk, StageOp::Modify { from: Text::new(BASE), to: Text::new(&edited) });
    let formatted = edited.replace("five", "FIVE").replace("three", "THREE");
    let typed = BASE.replace("five", "five typed");
    desk.change(&path("a"), 2, &[DocChange { range: None, text: typed }], Encoding::Utf8).unwrap();
    let staged = stage(&mut desk, StageOp::Merge { from: Text::new(&edited), to: Text::new(&formatted) });
    assert_eq!((staged.hunks.len(), staged.stale.len()), (2, 1));
    assert_eq!(staged.text.to_string(), "ONE\ntwo\nTHREE\nfour\nfive typed\nsix\n");
    let news = desk.news(&task()).join("\n");
    assert!(news.contains("is stale: the user edited the same lines"), "{news}");
    let events = desk.take_events();
    assert!(events.iter().any(|event| matches!(&event.what, What::Stale { hunk, .. } if *hunk == staged.stale[0])));
}

fn lines() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["a\n", "b\n", "c\n", "dd\n"], 0..8).prop_map(|lines| lines.concat())
}

proptest! {
    /// Whatever the command and the user did: the user's text is the base, nothing panics, and with nothing typed the staged
    /// text is the command's, byte for byte.
    #[test]
    fn merging_never_touches_the_users_text(from in lines(), to in lines(), now in lines()) {
        let mut file = FileProposal::over(Text::new(&now), None);
        let stale = merge(&mut file, &from, &to);
        prop_assert_eq!(file.base.to_string(), now.clone());
        for id in &stale {
            let hunk = file.hunk(id).unwrap();
            prop_assert!(hunk.range.end <= now.len());
        }
        let mut quiet = FileProposal::over(Text::new(&from), None);
        prop_assert!(merge(&mut quiet, &from, &to).is_empty());
        prop_assert_eq!(quiet.staged().unwrap().to_string(), to);
    }
}

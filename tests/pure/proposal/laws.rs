//! The four laws of the review, on hard texts: CRLF, tabs, astral and combining characters, no last line break, no text at all.
//! All hunks applied are the proposed text; rebasing commutes with applying; what is accepted is added to the base and what is
//! rejected is not; and nothing is ever applied but wrong, whatever the user types, undoes and redoes.

use std::collections::BTreeMap;

use countersign::{
    event::HunkId,
    proposal::{FileProposal, Hunk, HunkState, Step},
    text::{Edit, Encoding, Text, for_editors, refine, slack},
    workspace::desk::{Desk, DocChange},
};
use proptest::prelude::*;

use super::{assert_sound, desk, file, lives, opened, path, proposal, staged_text};
use crate::{
    cases,
    text::{any_text, edit_of},
};

const LINES: [&str; 9] = ["a", "b", "\tb", "é 𝒳", "e\u{301}", "👩\u{200d}💻 x", "", "  ", "}"];

/// Lines of both texts end in the same break: positions inside of a CRLF cannot be said in LSP. The second text is the first
/// with lines changed, or another one.
fn hard_pair() -> impl Strategy<Value = (String, String)> {
    let lines = || proptest::collection::vec(prop::sample::select(LINES.to_vec()), 0..14);
    let changed = proptest::collection::vec((0usize..5, prop::sample::select(LINES.to_vec())), 14);
    (lines(), lines(), changed, any::<bool>(), (any::<bool>(), any::<bool>()), prop::sample::select(vec!["\n", "\r\n"])).prop_map(
        |(base, other, changed, related, (base_open, to_open), ending)| {
            let to = if related {
                let line = |(line, (how, by)): (&&'static str, &(usize, &'static str))| match how {
                    0 => vec![*by],
                    1 => vec![],
                    2 => vec![*line, *by],
                    _ => vec![*line],
                };
                base.iter().zip(&changed).flat_map(line).collect()
            } else {
                other
            };
            let text = |lines: &[&str], open: bool| {
                let whole: String = lines.iter().flat_map(|line| [*line, ending]).collect();
                if open { whole.trim_end_matches(['\r', '\n']).to_owned() } else { whole }
            };
            (text(&base, base_open), text(&to, to_open))
        },
    )
}

fn type_in(desk: &mut Desk, edits: &[Edit]) {
    let buffer = desk.buffer(&path("a")).unwrap();
    let (version, text) = (buffer.version + 1, buffer.text.clone());
    let change = |edit: &Edit| {
        let point = |at| text.point(at, Encoding::Utf16);
        DocChange { range: Some((point(edit.range.start), point(edit.range.end))), text: edit.new.clone() }
    };
    let changes: Vec<DocChange> = edits.iter().rev().map(change).collect();
    desk.change(&path("a"), version, &changes, Encoding::Utf16).unwrap();
}

fn step(file: &mut FileProposal, edit: &Edit) {
    let step = Step { after: file.base.edited(edit), edit: edit.clone(), landed: None };
    file.step(&step, &mut Vec::new());
}

/// The edits that do the same to `text`: what repeats its surroundings may stand in several places.
fn readings(text: &Text, edit: &Edit) -> Vec<Edit> {
    let reach = slack(text, edit, 64);
    let (length, length_new) = (edit.range.len(), edit.new.len());
    let places = reach.start..=reach.end - length;
    let after = text.edited(edit);
    let read = |start: usize| Edit { range: start..start + length, new: after.slice(start..start + length_new) };
    let whole = |edit: &Edit| edit.new.len() == length_new && text.edited(edit) == after;
    places.map(read).filter(whole).collect()
}

/// Where `edit` of `text` is in the text that `hunks` make, in each of its readings that touches no hunk; before or behind an
/// insertion at its place.
fn mapped(text: &Text, hunks: &[Hunk], edit: &Edit) -> Vec<Edit> {
    let grown = |counts: &dyn Fn(&Hunk) -> bool| -> isize {
        hunks.iter().filter(|hunk| counts(hunk)).map(|hunk| hunk.new.len() as isize - hunk.old.len() as isize).sum()
    };
    let outside = |edit: &Edit, hunk: &Hunk| edit.range.end <= hunk.range.start || hunk.range.end <= edit.range.start;
    let mut all = Vec::new();
    for edit in readings(text, edit).into_iter().filter(|edit| hunks.iter().all(|hunk| outside(edit, hunk))) {
        let here = |hunk: &Hunk| hunk.range.is_empty() && hunk.range.start == edit.range.start;
        for by in
            [grown(&|hunk| hunk.range.end <= edit.range.start && !here(hunk)), grown(&|hunk| hunk.range.end <= edit.range.start)]
        {
            let shift = |at: usize| at.checked_add_signed(by).unwrap();
            all.push(Edit { range: shift(edit.range.start)..shift(edit.range.end), new: edit.new.clone() });
        }
    }
    all
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn all_hunks_are_the_proposed_text_and_some_are_what_they_say(
        (base, to) in hard_pair(), order in proptest::collection::vec((any::<u16>(), any::<bool>()), 32), keep in any::<bool>(),
    ) {
        let mut desk = desk();
        let hunks = opened(&mut desk, "a", &base, &to);
        let edits: BTreeMap<HunkId, Edit> = match desk.proposal(&proposal()).unwrap().files.get(&path("a")) {
            Some(file) => file.live().map(|hunk| (hunk.id.clone(), hunk.edit())).collect(),
            None => BTreeMap::new(),
        };
        let mut ordered: Vec<&HunkId> = edits.values().map(|edit| edit.range.start).zip(edits.keys()).collect::<BTreeMap<_, _>>().into_values().collect();
        let made = |of: &dyn Fn(&HunkId) -> bool| {
            let mut of: Vec<Edit> = edits.iter().filter(|(id, _)| of(id)).map(|(_, edit)| edit.clone()).collect();
            of.sort_by_key(|edit| (edit.range.start, edit.range.end));
            Text::new(&base).edited_by(&of).to_string()
        };
        prop_assert_eq!(made(&|_| true), to.clone());
        prop_assert_eq!(edits.len(), hunks.len());
        // One decision after the other, in any order; `keep` accepts all.
        ordered.sort_by_key(|id| order[hunks.iter().position(|other| other == *id).unwrap() % order.len()].0);
        let (mut accepted, mut open) = (Vec::new(), ordered.clone());
        for (at, id) in ordered.into_iter().enumerate() {
            open.retain(|other| *other != id);
            if keep || order[at % order.len()].1 {
                let plan = desk.plan(&proposal(), std::slice::from_ref(id)).unwrap();
                let bare: Vec<Edit> = plan.files[0].edits.iter().map(|(_, edit)| edit.clone()).collect();
                let now = desk.buffer(&path("a")).unwrap().text.clone();
                type_in(&mut desk, &for_editors(&now, bare));
                let settled = desk.settle(&proposal(), std::slice::from_ref(id), Vec::new()).unwrap();
                prop_assert_eq!(settled.accepted.len(), 1, "{:?}", settled);
                accepted.push(id.clone());
            } else {
                prop_assert_eq!(desk.reject(&proposal(), std::slice::from_ref(id), None).unwrap().rejected.len(), 1);
            }
            prop_assert_eq!(desk.buffer(&path("a")).unwrap().text.to_string(), made(&|id| accepted.contains(id)));
            prop_assert_eq!(staged_text(&desk, "a"), made(&|id| accepted.contains(id) || open.contains(&id)));
        }
        prop_assert!(desk.proposal(&proposal()).unwrap().files.is_empty());
        if keep {
            prop_assert_eq!(staged_text(&desk, "a"), to);
        }
    }

    #[test]
    fn rebasing_over_a_history_commutes_with_applying(
        (base, to) in hard_pair(), history in proptest::collection::vec((0usize..60, 0usize..6, any_text(), 0u8..4), 1..16),
    ) {
        let (mut file, _) = file(&base, &to);
        let mut undo: Vec<Edit> = Vec::new();
        for (at, length, new, kind) in history {
            let before = file.base.clone();
            let edit = match undo.pop().filter(|_| kind == 0) {
                Some(back) => back,
                None => {
                    let edit = edit_of(&before.to_string(), at, length, &new);
                    undo.push(Edit { range: edit.range.start..edit.range.start + edit.new.len(), new: before.slice(edit.range.clone()) });
                    edit
                }
            };
            let after = before.edited(&edit);
            // As the desk does it: the characters that differ, the last ones first.
            for edit in refine(&before, edit).into_iter().rev() {
                let (before, live) = (file.base.clone(), lives(&file));
                step(&mut file, &edit);
                assert_sound(&file);
                commutes(&before, &live, &edit, &file)?;
            }
            prop_assert_eq!(&file.base, &after);
        }
    }
}

/// The hunks that still live, on the edited text, make what they make of the text before, edited.
pub(super) fn commutes(before: &Text, live: &[Hunk], edit: &Edit, file: &FileProposal) -> Result<(), TestCaseError> {
    let both = |hunks: &[Hunk], others: &[Hunk]| -> Vec<Hunk> {
        hunks.iter().filter(|hunk| others.iter().any(|other| other.id == hunk.id)).cloned().collect()
    };
    let now = lives(file);
    let (kept, rebased) = (both(live, &now), both(&now, live));
    let apply = |text: &Text, hunks: &[Hunk]| text.edited_by(&hunks.iter().map(Hunk::edit).collect::<Vec<_>>());
    let (edit_first, hunks_first) = (apply(&file.base, &rebased), apply(before, &kept));
    let places = mapped(before, &kept, edit);
    let same = places.iter().any(|edit| hunks_first.edited(edit) == edit_first);
    prop_assert!(same, "{:?} over {:?} gives {:?}", edit, kept, edit_first);
    Ok(())
}

/// A file whose lines are all different, so that what stands where can be told without the rebase: a hunk waits exactly while
/// its lines stand whole.
#[derive(Clone, Debug)]
struct Numbered {
    base: String,
    to: String,
    ending: &'static str,
}

impl Numbered {
    /// `lines` with what is proposed for each: 0 changes it, 1 deletes it, 2 makes two of it.
    fn of(lines: &[(&'static str, u8)], open: bool, ending: &'static str) -> Self {
        let (mut base, mut to) = (String::new(), String::new());
        for (at, (line, how)) in lines.iter().enumerate() {
            base += &format!("#{at:02}: {line}{ending}");
            match how {
                0 => to += &format!("#{at:02}= {line}{ending}"),
                1 => {}
                2 => to += &format!("#{at:02}= one{ending}#{at:02}= two {line}{ending}"),
                _ => to += &format!("#{at:02}: {line}{ending}"),
            }
        }
        // The last line stays.
        let last = if open { "end" } else { "end\n" }.replace('\n', ending);
        Numbered { base: base + &last, to: to + &last, ending }
    }
}

fn numbered() -> impl Strategy<Value = Numbered> {
    let lines = proptest::collection::vec((prop::sample::select(LINES.to_vec()), 0u8..6), 1..14);
    (lines, any::<bool>(), prop::sample::select(vec!["\n", "\r\n"]))
        .prop_map(|(lines, open, ending)| Numbered::of(&lines, open, ending))
}

/// An edit where an editor can make it: on characters, and not inside of a CRLF.
fn typed(text: &str, at: usize, length: usize, new: String) -> Edit {
    let snap = |mut at: usize| {
        while !text.is_char_boundary(at) || (at > 0 && text[..at].ends_with('\r') && text[at..].starts_with('\n')) {
            at -= 1;
        }
        at
    };
    let start = snap(at % (text.len() + 1));
    Edit { range: start..snap((start + length).min(text.len())).max(start), new }
}

/// Whether these lines stand in the text, whole.
fn stands(text: &Text, lines: &str) -> bool {
    let whole = text.to_string();
    whole.match_indices(lines).any(|(at, _)| text.is_line_start(at) && text.is_line_start(at + lines.len()))
}

/// What the user does once: where, how many bytes go, which piece comes, and whether it is typed, undone or redone instead.
type Act = (usize, usize, usize, u8);

/// Plays a history over a proposal, and looks after each act whether a hunk waits exactly while its lines stand whole.
fn waits_exactly_while_whole(texts: &Numbered, history: &[Act]) -> Result<(), TestCaseError> {
    let (mut file, mut ids) = file(&texts.base, &texts.to);
    let hunks = lives(&file);
    prop_assert!(hunks.iter().all(|hunk| !hunk.old.is_empty()));
    // Where a stale hunk was proposed anew, no other one can wait.
    let taken = |file: &FileProposal, now: &Hunk| {
        let anew = |live: &&Hunk| hunks.iter().all(|hunk| hunk.id != live.id);
        file.live().filter(anew).any(|live| live.range.start < now.range.end && now.range.start < live.range.end)
    };
    let (mut undo, mut redo) = (Vec::<(Edit, Edit)>::new(), Vec::<(Edit, Edit)>::new());
    let mut log = Vec::new();
    for (n, &(at, length, piece, kind)) in history.iter().enumerate() {
        let before = file.base.to_string();
        let edit = match kind {
            0..=2 => undo.pop().map(|both| {
                redo.push(both.clone());
                both.1
            }),
            3 => redo.pop().map(|both| {
                undo.push(both.clone());
                both.0
            }),
            _ => {
                let pieces =
                    ["x", "é", "𝒳", "\u{301}", "\t", texts.ending, "", &format!("‹{n}›"), &format!("‹{n}›{}", texts.ending)];
                let edit = typed(&before, at, length, pieces[piece].to_owned());
                let back = Edit {
                    range: edit.range.start..edit.range.start + edit.new.len(),
                    new: before[edit.range.clone()].to_owned(),
                };
                redo.clear();
                undo.push((edit.clone(), back));
                Some(edit)
            }
        };
        let Some(edit) = edit else { continue };
        log.push((before, edit.clone()));
        let lived: Vec<HunkId> = file.live().map(|hunk| hunk.id.clone()).collect();
        make(&mut file, edit);
        for hunk in &hunks {
            if let Some(now) = file.hunk(&hunk.id) {
                // Lines that are typed again letter by letter may or may not be known for what they were.
                let (waits, stands) = (now.state == HunkState::Pending, stands(&file.base, &hunk.old) && !taken(&file, now));
                let right = if lived.contains(&hunk.id) || kind <= 3 { waits == stands } else { stands || !waits };
                prop_assert!(right, "{:?} in {:?} after {:#?}", now, file.base, log);
                prop_assert_eq!((&now.old, &now.new), (&hunk.old, &hunk.new));
            }
        }
        // Now and then the stale ones are proposed anew, on what the user made of their lines.
        if kind == 11 {
            let stale: Vec<HunkId> =
                file.all().filter(|hunk| hunk.state == HunkState::Stale).map(|hunk| hunk.id.clone()).collect();
            for id in stale {
                let _ = file.renew(&id, &mut ids);
                assert_sound(&file);
            }
        }
        // Nothing that the user typed goes with a hunk.
        let (base, staged) = (file.base.to_string(), file.staged().unwrap().to_string());
        for token in tokens(&base) {
            prop_assert!(staged.contains(&token), "{} is lost: {:?}", token, file.all().collect::<Vec<_>>());
        }
    }
    // Taken back to the beginning, all that was not proposed anew waits again.
    while let Some((_, back)) = undo.pop() {
        log.push((file.base.to_string(), back.clone()));
        make(&mut file, back);
    }
    prop_assert_eq!(file.base.to_string(), texts.base.clone());
    for hunk in &hunks {
        let now = file.hunk(&hunk.id);
        let waits = |now: &Hunk| now.state == HunkState::Pending && now.range == hunk.range;
        prop_assert!(now.is_none_or(|now| waits(now) || taken(&file, now)), "{:?} after {:#?}", now, log);
    }
    Ok(())
}

/// As the desk does it: the characters that differ, the last ones first.
fn make(file: &mut FileProposal, edit: Edit) {
    for part in refine(&file.base, edit).into_iter().rev() {
        step(file, &part);
        assert_sound(file);
    }
}

/// The whole tokens in a text; half of one and half of another are none.
fn tokens(text: &str) -> impl Iterator<Item = String> {
    let whole = |inner: &&str| inner.bytes().all(|byte| byte.is_ascii_digit());
    text.split('‹').skip(1).filter_map(|rest| Some(rest.split_once('›')?.0)).filter(whole).map(|inner| format!("‹{inner}›"))
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a_hunk_waits_exactly_while_its_lines_stand_whole(
        texts in numbered(),
        history in proptest::collection::vec((0usize..200, prop::sample::select(vec![0usize, 0, 0, 1, 2, 5, 20]), 0usize..9, 0u8..12), 1..40),
    ) {
        waits_exactly_while_whole(&texts, &history)?;
    }
}

/// Edits that repeat what is around them, and so have more than one reading.
#[test]
fn a_hunk_waits_after_what_has_no_single_place() {
    let holds = |lines: &[(&'static str, u8)], ending, history: &[Act]| {
        waits_exactly_while_whole(&Numbered::of(lines, false, ending), history).unwrap();
    };
    // The last sign typed again and a break between: the lines are whole, with the new sign, and the old one is behind the break.
    let lines = [("\tb", 0), ("é 𝒳", 0), ("  ", 0), ("a", 0), ("\tb", 0), ("👩\u{200d}💻 x", 2), ("  ", 2), ("é 𝒳", 0), ("a", 3)];
    holds(&lines, "\n", &[(79, 0, 2, 4), (83, 0, 5, 4)]);
    // Lines deleted from within the first sign that they share with the hunk's first line,
    let lines = [("  ", 0), ("a", 0), ("a", 0), ("", 3), ("a", 0), ("a", 3)];
    holds(&lines, "\n", &[(9, 20, 6, 4)]);
    // and from before the break that they share with its last one, together with another hunk.
    let lines = [("e\u{301}", 1), ("\tb", 0), ("e\u{301}", 3), ("e\u{301}", 0), ("a", 0)];
    holds(&lines, "\r\n", &[(17, 20, 6, 4)]);
}

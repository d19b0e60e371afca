//! Texts: positions, line diffs, and ranges carried over other people's edits.

use countersign::text::{Edit, Encoding, Point, Text, carry, changes, hunks, refine, seams_hold};
use proptest::prelude::*;

const ENCODINGS: [Encoding; 3] = [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32];

/// Small alphabets make repetitions, and so the hard cases.
pub fn any_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(vec!["a", "b", "\n", "\n", "\r\n", "\r", "é", "𝒳", "a\n", "b\n"]), 0..24)
        .prop_map(|parts| parts.concat())
}

/// Lines that end in `\n`, the last one perhaps not.
pub fn plain_text() -> impl Strategy<Value = String> + Clone {
    (proptest::collection::vec(prop::sample::select(vec!["a\n", "b\n", "c\n", "\n", "dd\n"]), 0..12), prop::bool::ANY)
        .prop_map(|(lines, open)| lines.concat() + if open { "end" } else { "" })
}

/// An edit of `text` on character boundaries, from two arbitrary numbers.
pub fn edit_of(text: &str, from: usize, length: usize, new: &str) -> Edit {
    let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let start = from % bounds.len();
    let end = (start + length).min(bounds.len() - 1);
    Edit { range: bounds[start]..bounds[end], new: new.to_owned() }
}

fn assert_whole_lines(base: &Text, found: &[Edit]) {
    for edit in found {
        assert!(base.is_line_start(edit.range.start), "{edit:?} of {base:?}");
        assert!(edit.range.end == base.len() || base.is_line_start(edit.range.end), "{edit:?} of {base:?}");
    }
    for pair in found.windows(2) {
        assert!(pair[0].range.end < pair[1].range.start, "{found:?} leave no line between them");
    }
}

proptest! {
    #[test]
    fn hunks_are_whole_lines_that_make_the_new_text(base in any_text(), new in any_text()) {
        let (base, new) = (Text::new(&base), Text::new(&new));
        let found = hunks(&base, &new);
        assert_whole_lines(&base, &found);
        prop_assert_eq!(base.edited_by(&found), new);
    }

    #[test]
    fn changes_make_the_new_text(old in any_text(), new in any_text()) {
        let (old, new) = (Text::new(&old), Text::new(&new));
        prop_assert_eq!(old.edited_by(&changes(&old, &new)), new);
    }

    #[test]
    fn a_refined_edit_does_the_same(text in any_text(), from in 0usize..30, length in 0usize..30, new in any_text()) {
        let edit = edit_of(&text, from, length, &new);
        let text = Text::new(&text);
        let parts = refine(&text, edit.clone());
        prop_assert!(parts.iter().all(|part| !(part.range.is_empty() && part.new.is_empty())));
        prop_assert_eq!(text.edited_by(&parts), text.edited(&edit));
    }

    #[test]
    fn a_carried_range_holds_the_same_bytes(text in any_text(), at in (0usize..30, 0usize..30), by in (0usize..30, 0usize..30), new in any_text()) {
        let range = edit_of(&text, at.0, at.1, "").range;
        let edit = edit_of(&text, by.0, by.1, &new);
        let text = Text::new(&text);
        let reaches_in = edit.range.start < range.end && range.start < edit.range.end;
        match carry(&range, &edit) {
            Some(carried) => prop_assert!(text.edited(&edit).holds(&carried, &text.slice(range))),
            None => prop_assert!(reaches_in),
        }
    }

    #[test]
    fn points_and_offsets_agree(text in any_text(), from in 0usize..30) {
        let at = edit_of(&text, from, 0, "").range.start;
        let text = Text::new(&text);
        // Between the halves of a CRLF there is no place of its own: it reads as the line's end.
        let in_break = at > 0 && text.byte(at - 1) == Some(b'\r') && text.byte(at) == Some(b'\n');
        for encoding in ENCODINGS {
            let back = text.offset(text.point(at, encoding), encoding);
            prop_assert_eq!(back, if in_break { at - 1 } else { at });
        }
    }
}

#[test]
fn points_count_in_the_units_of_the_encoding() {
    let text = Text::new("é𝒳x\nb");
    let x = "é𝒳".len();
    for (encoding, character) in [(Encoding::Utf8, 6), (Encoding::Utf16, 3), (Encoding::Utf32, 2)] {
        assert_eq!(text.point(x, encoding), Point { line: 0, character });
        assert_eq!(text.offset(Point { line: 0, character }, encoding), x);
    }
    assert_eq!(text.offset(Point { line: 0, character: u32::MAX }, Encoding::Utf16), x + 1, "beyond a line is its end");
    assert_eq!(text.offset(Point { line: 9, character: 0 }, Encoding::Utf16), text.len(), "beyond the text is its end");
}

#[test]
fn line_starts_know_all_three_breaks() {
    let text = Text::new("a\r\nb\rc\n");
    let starts: Vec<usize> = (0..=text.len()).filter(|&at| text.is_line_start(at)).collect();
    assert_eq!(starts, [0, 3, 5, 7]);
    assert!(!Text::new("a").is_line_start(1), "an unfinished line's end is no start");
}

#[test]
fn seams_refuse_what_would_glue_lines() {
    let text = Text::new("a\nb");
    assert!(seams_hold(&text, &(2..3), "x"), "the last line may stay unfinished");
    assert!(seams_hold(&text, &(2..2), "x\n"));
    assert!(!seams_hold(&text, &(0..2), "x"), "x would glue to b");
    assert!(!seams_hold(&text, &(3..3), "x\n"), "b would glue to x");
    assert!(!seams_hold(&Text::new("a\r\n"), &(0..2), "x\r"), "half a line break is no place");
    assert!(!seams_hold(&Text::new("a\rb\n\n"), &(2..4), ""), "\\r and \\n would become one break");
}

#[test]
fn a_digest_is_that_of_the_bytes() {
    assert_eq!(Text::new("").sha256(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(Text::new("abc").sha256(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn an_inserted_block_begins_where_a_reader_expects_it() {
    let old = "fn a() {\n    1\n}\n\nfn c() {\n    3\n}\n";
    let block = "fn b() {\n    2\n}\n\n";
    let new = old.replace("fn c", &format!("{block}fn c"));
    let found = hunks(&Text::new(old), &Text::new(&new));
    assert_eq!(found, [Edit { range: 18..18, new: block.to_owned() }]);
}

#[test]
fn a_diff_of_huge_unlike_texts_ends_soon() {
    let old: String = (0..60_000).map(|n| format!("{}\n", n % 7)).collect();
    let new: String = (0..60_000).map(|n| format!("{}\n", (n * 5 + n / 11) % 7)).collect();
    let (old, new) = (Text::new(&old), Text::new(&new));
    let found = hunks(&old, &new);
    assert_eq!(old.edited_by(&found), new);
}

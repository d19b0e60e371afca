//! Texts: positions, line diffs, and ranges carried over other people's edits.

use countersign::text::{
    Edit, Encoding, Point, Text, carry, changes, for_editors, hunks, line_changes, merged, refine, seams_hold, words,
};
use proptest::prelude::*;

const ENCODINGS: [Encoding; 3] = [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32];

/// Small alphabets make repetitions, and so the hard cases.
pub fn any_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop::sample::select(vec!["a", "b", "\n", "\n", "\r\n", "\r", "é", "𝒳", "\u{301}", "\t", "a\n", "b\n"]),
        0..24,
    )
    .prop_map(|parts| parts.concat())
}

/// Lines that end in `\n`, the last one perhaps not.
pub fn plain_text() -> impl Strategy<Value = String> + Clone {
    (proptest::collection::vec(prop::sample::select(vec!["a\n", "b\n", "c\n", "\n", "dd\n"]), 0..12), prop::bool::ANY)
        .prop_map(|(lines, open)| lines.concat() + if open { "end" } else { "" })
}

/// Blocks, brackets and blank lines at several indentations, so that much can slide and much may be joined.
fn code() -> impl Strategy<Value = String> {
    let lines = ["a {\n", "    b(x);\n", "        b(x);\n", "    }\n", "}\n", "\n", "    c(y, z)\n", "\tb(x);\n", "    b(w);\n"];
    (proptest::collection::vec(prop::sample::select(lines.to_vec()), 0..24), prop::bool::ANY)
        .prop_map(|(lines, open)| lines.concat() + if open { "}" } else { "" })
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
    fn hunks_of_code_hold_what_differs_line_by_line(base in code(), new in code()) {
        let (base, new) = (Text::new(&base), Text::new(&new));
        let (found, single) = (hunks(&base, &new), line_changes(&base, &new));
        assert_whole_lines(&base, &found);
        assert_whole_lines(&base, &single);
        prop_assert_eq!(&base.edited_by(&found), &new);
        prop_assert_eq!(base.edited_by(&single), new);
        for edit in &single {
            let around = |hunk: &&Edit| hunk.range.start <= edit.range.start && edit.range.end <= hunk.range.end;
            prop_assert_eq!(found.iter().filter(around).count(), 1, "{:?} is in no hunk of {:?}", edit, found);
        }
    }

    #[test]
    fn a_merge_takes_both_sides_or_none(base in code(), ours in code(), theirs in code()) {
        prop_assert_eq!(merged(&base, &ours, &base), Some(ours.clone()));
        prop_assert_eq!(merged(&base, &base, &theirs), Some(theirs.clone()));
        prop_assert_eq!(merged(&base, &ours, &ours), Some(ours.clone()));
        prop_assert_eq!(merged(&base, &ours, &theirs), merged(&base, &theirs, &ours));
    }

    #[test]
    fn changes_of_lines_apart_merge(before in plain_text(), behind in plain_text(), ours in plain_text(), theirs in plain_text()) {
        // One side changes what is before two lines that nothing else equals, the other what is behind.
        let text = |before: &str, behind: &str| format!("{before}\nfirst\nsecond\n{behind}");
        let whole = merged(&text(&before, &behind), &text(&ours, &behind), &text(&before, &theirs));
        prop_assert_eq!(whole, Some(text(&ours, &theirs)));
    }

    #[test]
    fn edits_for_editors_do_the_same(base in any_text(), new in any_text()) {
        let (base, new) = (Text::new(&base), Text::new(&new));
        let sent = for_editors(&base, hunks(&base, &new));
        for two in sent.windows(2) {
            let places = two[0].range.start < two[1].range.start || !two[1].range.is_empty();
            prop_assert!(places && two[0].range.end <= two[1].range.start, "{:?} have no order", two);
        }
        prop_assert_eq!(base.edited_by(&sent), new);
        let closed = base.byte(base.len().wrapping_sub(1)) == Some(b'\n');
        prop_assert!(sent.iter().all(|edit| !closed || edit.range.start < base.len()), "{:?} go behind {:?}", sent, base);
    }

    #[test]
    fn words_are_the_text(text in any_text()) {
        prop_assert_eq!(words(&text).concat(), text);
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

fn shown(old: &str, new: &str) -> Vec<(String, String)> {
    let text = Text::new(old);
    hunks(&text, &Text::new(new)).into_iter().map(|edit| (text.slice(edit.range), edit.new)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect()
}

#[test]
fn a_block_that_begins_like_its_neighbour_is_still_whole() {
    let case = |name: &str| format!("#[test]\nfn {name}() {{\n    run(\"{name}\");\n}}\n\n");
    let (old, new) = (case("a") + &case("c"), case("a") + &case("b") + &case("c"));
    assert_eq!(shown(&old, &new), pairs(&[("", &case("b"))]));
    assert_eq!(shown(&new, &old), pairs(&[(&case("b"), "")]));
    // At a text's end it begins with the blank line.
    let (old, new) = (case("a").trim_end().to_owned() + "\n", (case("a") + &case("b")).trim_end().to_owned() + "\n");
    assert_eq!(shown(&old, &new), pairs(&[("", &format!("\n{}\n", case("b").trim_end()))]));
    let method = |name: &str| format!("    def {name}(self):\n        return 1\n\n");
    let class = |methods: &[&str]| {
        format!("class A:\n{}\ndef f():\n    pass\n", methods.iter().map(|name| method(name)).collect::<String>())
    };
    assert_eq!(shown(&class(&["a", "c"]), &class(&["a", "b", "c"])), pairs(&[("", &method("b"))]));
    assert_eq!(shown(&class(&["a"]), &class(&["a", "b"])), pairs(&[("", &method("b"))]));
}

#[test]
fn the_end_of_a_block_and_the_next_block_are_two_decisions() {
    let old = "impl A {\n    fn a() {\n        one();\n    }\n}\n";
    let new = "impl A {\n    fn a() {\n        two();\n    }\n\n    fn b() {\n        three();\n    }\n}\n";
    let block = "\n    fn b() {\n        three();\n    }\n";
    assert_eq!(shown(old, new), pairs(&[("        one();\n", "        two();\n"), ("", block)]));
    assert_eq!(shown(new, old), pairs(&[("        two();\n", "        one();\n"), (block, "")]));
}

#[test]
fn what_is_indented_anew_is_one_hunk() {
    let old = "fn f() {\n    a();\n    b {\n        c();\n    }\n\n    d();\n    e();\n}\n";
    let new =
        "fn f() {\n    if x {\n        a();\n        b {\n            c();\n        }\n\n        d();\n        e();\n    }\n}\n";
    assert_eq!(shown(old, new).len(), 1, "{:?}", shown(old, new));
    assert_eq!(shown(new, old).len(), 1, "{:?}", shown(new, old));
}

#[test]
fn two_changes_are_one_only_where_they_belong_together() {
    // A name that is introduced above the blank line and used below it.
    let body = |first: &str, second: &str| format!("fn f() {{\n{first}\n{second}    end()\n}}\n");
    let (old, new) = (body("    let a = load();\n", "    show(a);\n"), body("    let table = load();\n", "    show(table);\n"));
    assert_eq!(shown(&old, &new).len(), 1);
    // Nothing in common.
    let new = body("    let a = load(1);\n", "    show(a, true);\n");
    assert_eq!(shown(&old, &new).len(), 2);
    // A passage written anew, in which one bracket happens to stand where one stood.
    let (old, new) = (
        body("    for a in b {\n        c(a);\n    }\n    d(e);\n", ""),
        body("    let mut it = iter();\n    while it.more() {\n        it.next();\n    }\n    it.finish()?;\n", ""),
    );
    assert_eq!(shown(&old, &new).len(), 1);
    // Two functions.
    let two = |a: &str, b: &str| format!("fn f() {{\n    {a}\n}}\n\nfn {b}() {{\n    2\n}}\n");
    assert_eq!(shown(&two("one", "g"), &two("other", "h")).len(), 2);
}

#[test]
fn words_of_one_line_merge_where_there_is_one_reading() {
    let merges = |base: &str, ours: &str, theirs: &str| merged(base, ours, theirs);
    assert_eq!(merges("f(a, b);\n", "f(x, b);\n", "f(a, y);\n").as_deref(), Some("f(x, y);\n"));
    assert_eq!(merges("    f(a);\n", "        f(a);\n", "    g(a);\n").as_deref(), Some("        g(a);\n"));
    let (base, ours) = ("fn f(a: u8) {\n", "pub fn f(a: u8) {\n");
    assert_eq!(merges(base, ours, "fn f(a: u8, b: u8) {\n    b;\n").as_deref(), Some("pub fn f(a: u8, b: u8) {\n    b;\n"));
    assert_eq!(merges("f(a);\n", "f(x);\n", "f(y);\n"), None, "the same word");
    assert_eq!(merges("f(a);\n", "f(a, b);\n", "f(a + c);\n"), None, "the same place");
    assert_eq!(merges("a, a, a\n", "a, a\n", "a, a, a, b\n"), None, "which a went?");
    assert_eq!(merges("a\n", "", "b\n"), None, "one of them is gone");
    assert_eq!(merges("a\nb\n", "x\na\nb\nz\n", "a\nb\nc\nd\n"), None, "both add at the end");
}

#[test]
fn a_diff_of_huge_unlike_texts_ends_soon() {
    let old: String = (0..60_000).map(|n| format!("{}\n", n % 7)).collect();
    let new: String = (0..60_000).map(|n| format!("{}\n", (n * 5 + n / 11) % 7)).collect();
    let (old, new) = (Text::new(&old), Text::new(&new));
    let found = hunks(&old, &new);
    assert_eq!(old.edited_by(&found), new);
}

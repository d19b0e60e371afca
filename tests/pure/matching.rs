//! The edit matcher: what it must apply, and above all what it must refuse.

use countersign::tools::matching::{Applied, Refusal, RefusalKind, Replacement, Stage, apply};
use proptest::prelude::*;

fn one(text: &str, old: &str, new: &str) -> Result<Applied, Refusal> {
    apply("f", text, &[Replacement { old: old.into(), new: new.into(), all: false }])
}

fn applied(text: &str, old: &str, new: &str) -> (String, Stage) {
    let applied = one(text, old, new).unwrap_or_else(|refusal| panic!("{refusal}"));
    (applied.text, applied.stage)
}

fn refused(text: &str, old: &str, new: &str) -> (RefusalKind, String) {
    let refusal = one(text, old, new).map(|applied| applied.text).unwrap_err();
    (refusal.kind, refusal.message)
}

#[test]
fn applies_in_each_stage() {
    let rows: &[(&str, &str, &str, &str, Stage)] = &[
        // exact
        ("a\nb\nc\n", "b", "B", "a\nB\nc\n", Stage::Exact),
        ("fn f(x: u8) {}\n", "x: u8", "y: u16", "fn f(y: u16) {}\n", Stage::Exact),
        ("a\nb\n", "a\n", "", "b\n", Stage::Exact),
        ("a\nb\n", "b\n", "b\nc\n", "a\nb\nc\n", Stage::Exact),
        ("", "", "new file\n", "new file\n", Stage::Exact),
        // the final line break counts as "whole lines" only
        ("a\nb", "b\n", "c\n", "a\nc", Stage::TrailingBlanks),
        ("x\nxy\n", "x\n", "z\n", "z\nxy\n", Stage::Exact),
        // trailing blanks, on either side; shared lines keep the file's
        ("a  \nb\t\nc\n", "a\nb\nc", "a\nB\nc", "a  \nB\nc\n", Stage::TrailingBlanks),
        ("a\nb\nc\n", "a \nb\nc", "a \nB\nc", "a\nB\nc\n", Stage::TrailingBlanks),
        ("a\n \nb\n", "a\n\nb\n", "a\n\nB\n", "a\n \nB\n", Stage::TrailingBlanks),
        // indentation: out-dented, in-dented, other steps, tabs
        ("  if x {\n    y();\n  }\n", "if x {\n  y();\n}", "if x {\n  z();\n}", "  if x {\n    z();\n  }\n", Stage::Indentation),
        (
            "if x {\n  y();\n}\n",
            "    if x {\n      y();\n    }",
            "    if x {\n      z();\n    }",
            "if x {\n  z();\n}\n",
            Stage::Indentation,
        ),
        (
            "if x:\n\ty()\n\tz()\n",
            "if x:\n    y()\n    z()",
            "if x:\n    y()\n    if z:\n        w()",
            "if x:\n\ty()\n\tif z:\n\t\tw()\n",
            Stage::Indentation,
        ),
        (
            "def f():\n    if a:\n        b()\n",
            "def f():\n  if a:\n    b()",
            "def f():\n  if a:\n    c()",
            "def f():\n    if a:\n        c()\n",
            Stage::Indentation,
        ),
        // typography: the file's own bytes stay where old and new agree
        ("say(“hi”, 1)\n", "say(\"hi\", 1)", "say(\"hi\", 2)", "say(“hi”, 2)\n", Stage::Typography),
        ("a – b\nnext’s\n", "a - b\nnext's\n", "a - c\nnext's\n", "a – c\nnext’s\n", Stage::Typography),
        ("x\u{a0}= 1;\n", "x = 1;", "x = 2;", "x\u{a0}= 2;\n", Stage::Typography),
    ];
    for (text, old, new, expected, stage) in rows {
        assert_eq!(applied(text, old, new), ((*expected).to_owned(), *stage), "{text:?} {old:?}");
    }
}

#[test]
fn refuses_what_is_not_clear() {
    let rows: &[(&str, &str, &str, RefusalKind)] = &[
        ("a\n", "a", "a", RefusalKind::Identical),
        ("a\r\n", "a\r\n", "a\n", RefusalKind::Identical),
        ("a\n", "", "b", RefusalKind::Empty),
        ("a\na\n", "a", "b", RefusalKind::Ambiguous),
        ("aaa", "aa", "b", RefusalKind::Ambiguous),
        ("a \na  \n", "a\t\n", "b\n", RefusalKind::Ambiguous),
        ("  x\n    x\n", "\tx", "\ty", RefusalKind::Ambiguous),
        ("“a”\n‘’“a”\n", "\"a\"", "b", RefusalKind::Ambiguous),
        ("new\n", "old", "new", RefusalKind::AlreadyApplied),
        ("one\ntwo\nthree\n", "one\nTWO\nthree", "1", RefusalKind::NotFound),
        ("one\ntwo\nthree\n", "one\nthree", "1", RefusalKind::NotFound),
        ("foobar\n", "foo\n", "bar\n", RefusalKind::NotFound),
        ("é foobar\n", "foo\n", "bar\n", RefusalKind::NotFound),
        ("say(\"hi\");\n", "say(\\\"hi\\\");", "x", RefusalKind::NotFound),
        // one line moved in, one moved out: not one map
        ("  a\nb\n", "a\n  b", "c", RefusalKind::NotFound),
        ("a\n  b\n    c\n", "a\nb\n  c", "d", RefusalKind::NotFound),
        // the new line's depth does not follow from what was seen
        ("\tx\n\ty\n", "    x\n    y", "    x\n      z\n    y", RefusalKind::Indentation),
        ("    a\n    b\n        c\n", "  a\n  b", "  a\n  b\n   d", RefusalKind::Indentation),
    ];
    for (text, old, new, kind) in rows {
        assert_eq!(refused(text, old, new).0, *kind, "{text:?} {old:?}");
    }
}

#[test]
fn line_ends_survive() {
    assert_eq!(applied("a\r\nb\r\nc\r\n", "a\nb\n", "a\nB\nB2\n").0, "a\r\nB\r\nB2\r\nc\r\n");
    assert_eq!(applied("a\nb\r\nc\n", "a\nb\nc", "a\nb\nC").0, "a\nb\r\nC\n");
    assert_eq!(applied("a\rb\r", "b", "c\nd").0, "a\rc\rd\r");
    assert_eq!(applied("a\nb\n", "a\r\nb", "a\r\nc").0, "a\nc\n");
}

#[test]
fn several_edits_are_one_change_matched_against_the_text_before() {
    let edit = |old: &str, new: &str| Replacement { old: old.into(), new: new.into(), all: false };
    let text = "one\ntwo\nthree\n";
    let done = apply("f", text, &[edit("three", "two"), edit("two", "three")]).unwrap();
    assert_eq!(done.text, "one\nthree\ntwo\n");
    let refusal = apply("f", text, &[edit("one", "1"), edit("four", "4")]).unwrap_err();
    assert_eq!((refusal.kind, refusal.edit), (RefusalKind::NotFound, 1));
    assert!(refusal.message.starts_with("edit 2 of 2:") && refusal.message.contains("no edit of this call was applied"));
    assert_eq!(apply("f", text, &[edit("one\ntwo", "x"), edit("two\nthree", "y")]).unwrap_err().kind, RefusalKind::Overlap);
    assert_eq!(apply("f", text, &[edit("two", "x"), edit("two", "y")]).unwrap_err().kind, RefusalKind::Overlap);
    assert_eq!(apply("f", text, &[]).unwrap_err().kind, RefusalKind::NoEdits);
}

#[test]
fn all_takes_every_exact_place_and_nothing_else() {
    let all = |old: &str, new: &str| [Replacement { old: old.into(), new: new.into(), all: true }];
    assert_eq!(apply("f", "a b a\na\n", &all("a", "aa")).unwrap().text, "aa b aa\naa\n");
    assert_eq!(apply("f", "a \n", &all("a\n", "b\n")).unwrap_err().kind, RefusalKind::NotFound);
}

#[test]
fn a_refusal_shows_what_the_model_needs() {
    let text = "fn a() {}\nfn b() {\n    one();\n    two();\n    three();\n}\n";
    let (_, message) = refused(text, "    one();\n    2();\n    three();", "x");
    for part in ["nearest place is line 3", "2 of 3 lines agree", "-    4|     two();", "+     |     2();"] {
        assert!(message.contains(part), "{part:?} in\n{message}");
    }
    let (_, message) = refused("x\nfoo(1)\ny\nfoo(1)\n", "foo(1)", "bar");
    assert!(message.contains("2 places") && message.contains("2| foo(1)") && message.contains("4| foo(1)"), "{message}");
    let (_, message) = refused("a\nb\n", "a\\nb", "c");
    assert!(message.contains("real line breaks"), "{message}");
    let (_, message) = refused(text, "3|    one();\n4|    two();", "x");
    assert!(message.ends_with("the numbers and bars of read_file; leave them out"), "{message}");
    let (_, message) = refused(text, "4|    2();\n5|    three();", "x");
    assert!(message.contains("leave them out. The nearest place is line 4") && message.contains("+     |     2();"), "{message}");
    // Braces are everywhere; the line with words in it tells the place.
    let twins = "int a(void)\n{\n\treturn 1;\n}\n\nint b(void)\n{\n\treturn 2;\n\tmore();\n}\n";
    let (_, message) = refused(twins, "int b(void)\n{\n\t...\n}", "x");
    assert!(message.contains("nearest place is line 6") && message.contains("... stands for no lines here"), "{message}");
    let (_, message) = refused("a\nb\n", "zzz", "c");
    assert!(message.contains("read the file again"), "{message}");
}

#[test]
fn hostile_sizes_are_refused_in_time() {
    let started = std::time::Instant::now();
    let quotes = "\"\n".repeat(20_000);
    assert_eq!(refused(&format!("é{quotes}"), "“", "x").0, RefusalKind::Ambiguous);
    let same = "same();\n".repeat(20_000);
    let (kind, message) = refused(&same, &format!("{}other();\n", "same();\n".repeat(100)), "x\n");
    assert_eq!(kind, RefusalKind::NotFound);
    assert!(message.len() < 20_000, "{}", message.len());
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

/// Files of distinct lines with some depth, as source code has.
fn source() -> impl Strategy<Value = Vec<(usize, String)>> {
    prop::collection::vec((0usize..4, "[a-z]{3,8}\\(\"[a-z]{1,4}\"\\)"), 6..30)
        .prop_map(|lines| lines.into_iter().enumerate().map(|(i, (depth, word))| (depth, format!("{word};{i}"))).collect())
}

fn write(lines: &[(usize, String)], unit: &str) -> String {
    lines.iter().map(|(depth, text)| format!("{}{text}\n", unit.repeat(*depth))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    /// A block and its replacement, perturbed as models perturb them, give the unperturbed result or a refusal.
    #[test]
    fn tolerated_perturbations_are_right_or_refused(lines in source(), at in 0usize..100, kind in 0usize..5, crlf: bool) {
        let start = at % (lines.len() - 4);
        let mut after = lines.clone();
        after[start + 1].1 = "changed(1)".into();
        let (text, expected) = (write(&lines, "    "), write(&after, "    "));
        let (mut old, mut new) = (write(&lines[start..start + 4], "    "), write(&after[start..start + 4], "    "));
        let mut text = text;
        let mut expected = expected;
        match kind {
            0 => {}
            1 => { // trailing blanks on a line that both share
                let shared = format!("{}\n", lines[start].1);
                old = old.replacen(&shared, &format!("{}  \n", lines[start].1), 1);
                new = new.replacen(&shared, &format!("{}  \n", lines[start].1), 1);
            }
            2 => { // out-dented by what all lines have
                let least = lines[start..start + 4].iter().map(|(depth, _)| *depth).min().unwrap() * 4;
                let cut = |text: &str| text.lines().map(|line| format!("{}\n", &line[least..])).collect::<String>();
                (old, new) = (cut(&old), cut(&new));
            }
            3 => { // tabs for four spaces
                (old, new) = (write(&lines[start..start + 4], "\t"), write(&after[start..start + 4], "\t"));
            }
            _ => { // the file has typographic quotes, the model writes plain ones
                let fancy = |text: &str| text.replace("(\"", "(“").replace("\")", "”)");
                (text, expected) = (fancy(&text), fancy(&expected));
            }
        }
        if crlf {
            (text, expected) = (text.replace('\n', "\r\n"), expected.replace('\n', "\r\n"));
        }
        match one(&text, &old, &new) {
            Ok(done) => prop_assert_eq!(done.text, expected),
            Err(refusal) => prop_assert!(kind == 3 && refusal.kind == RefusalKind::Indentation, "{}", refusal),
        }
    }

    /// A block that is not in the file is refused, however much of it is.
    #[test]
    fn wrong_blocks_are_refused(lines in source(), at in 0usize..100, kind in 0usize..3) {
        let start = at % (lines.len() - 4);
        let mut block = lines[start..start + 4].to_vec();
        match kind {
            0 => block[1].1 = "stale(\"line\");".into(),
            1 => { block.remove(1); }
            _ => block.insert(2, (0, "invented(\"x\");".into())),
        }
        let refusal = one(&write(&lines, "    "), &write(&block, "    "), "replacement(1)\n").unwrap_err();
        prop_assert_eq!(refusal.kind, RefusalKind::NotFound);
    }

    /// The edits of a result make its text, and no input panics.
    #[test]
    fn edits_and_text_agree(text in "[ab \r\n\t“]{0,30}", old in "[ab \r\n\t\"]{0,6}", new in "[ab \n]{0,6}", all: bool) {
        if let Ok(done) = apply("f", &text, &[Replacement { old, new, all }]) {
            let mut rebuilt = text.clone();
            for edit in done.edits.iter().rev() {
                rebuilt.replace_range(edit.range.clone(), &edit.new);
            }
            prop_assert_eq!(rebuilt, done.text);
        }
    }
}

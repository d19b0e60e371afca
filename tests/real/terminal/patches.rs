//! Patches of every shape, given to the real `git apply`.

use std::fs;

use countersign::text::{Side, unified};

use super::bench::{Desk, text};

fn side(path: &'static str, text: &'static str) -> Option<Side<'static>> {
    Some(Side { path, text, executable: false })
}

/// Applies a change to a repository that holds its old side, and compares with the new one.
fn check(old: Option<Side<'static>>, new: Option<Side<'static>>) {
    let desk = Desk::untrusted();
    if let Some(old) = old {
        desk.write(old.path, old.text);
        desk.commit();
    }
    let patch = unified(old, new);
    fs::write(desk.beside("p.diff"), &patch).unwrap();
    desk.git(&["apply", text(&desk.beside("p.diff"))]);
    let at = |side: Side<'_>| fs::read_to_string(desk.project().join(side.path)).ok();
    if let Some(new) = new {
        assert_eq!(at(new).as_deref(), Some(new.text), "{patch}");
    }
    if let Some(old) = old.filter(|old| new.is_none_or(|new| new.path != old.path)) {
        assert_eq!(at(old), None, "{patch}");
    }
}

#[test]
fn changed_files() {
    check(side("f", "a\nb\nc\n"), side("f", "a\nB\nc\n"));
    check(side("f", "a\nb\nc\n"), side("f", ""));
    check(side("f", ""), side("f", "a\n"));
    check(side("f", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n"), side("f", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n"));
}

#[test]
fn last_lines_without_an_end() {
    check(side("f", "a\nb"), side("f", "a\nc"));
    check(side("f", "a\nb\n"), side("f", "a\nb"));
    check(side("f", "a\nb"), side("f", "a\nb\n"));
    check(side("f", "a"), side("f", "b"));
}

#[test]
fn line_ends_and_marks_of_other_systems() {
    check(side("f", "a\r\nb\r\n"), side("f", "a\r\nc\r\n"));
    check(side("f", "a\r\nb\n"), side("f", "a\nb\r\n"));
    check(side("f", "\u{feff}a\nb\n"), side("f", "\u{feff}a\nc\n"));
    check(side("f", "a\rb\nc\n"), side("f", "a\rB\nc\n"));
}

#[test]
fn files_that_come_go_and_move() {
    check(None, side("new/deep", "a\n"));
    check(None, side("new", "no end"));
    check(None, side("empty", ""));
    check(side("old", "a\nb\n"), None);
    check(side("old", "no end"), None);
    check(side("old", ""), None);
    check(side("old", "a\nb\n"), side("moved/new", "a\nb\n"));
    check(side("old", "a\nb\nc\nd\n"), side("new", "a\nB\nc\nd\n"));
    check(None, Some(Side { path: "tool", text: "#!/bin/sh\n", executable: true }));
}

#[test]
fn names_that_need_care() {
    check(side("a name", "a\n"), side("a name", "b\n"));
    check(side("täg", "a\n"), side("täg", "b\n"));
    check(side("a\"b\\c", "a\n"), side("a\"b\\c", "b\n"));
    check(side("tab\there", "a\n"), side("tab\there", "b\n"));
    check(None, side("a name", "a\n"));
    check(side("-dash", "a\n"), side("-dash", "b\n"));
}

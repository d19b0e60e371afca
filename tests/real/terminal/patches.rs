//! Patches of every shape, given to the real `git apply`.

use std::fs;

use countersign::text::{Side, removed_bytes, unified};
use serde_json::json;

use super::bench::{Desk, call, said, text, words};

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

#[test]
fn modes_alone_and_beside_text_and_names() {
    for (from, to) in [(false, true), (true, false)] {
        let desk = Desk::untrusted();
        let cases = [("f", "a\n", "f", "a\n"), ("g", "a\n", "g", "b\n"), ("h", "a\n", "moved h", "a\n")];
        let mut patch = String::new();
        for (old, before, new, after) in cases {
            desk.write(old, before);
            desk.mode(old, if from { 0o755 } else { 0o644 });
            let old = Side { path: old, text: before, executable: from };
            patch += &unified(Some(old), Some(Side { path: new, text: after, executable: to }));
        }
        desk.commit();
        fs::write(desk.beside("p.diff"), &patch).unwrap();
        desk.git(&["apply", text(&desk.beside("p.diff"))]);
        for (old, _, new, after) in cases {
            assert_eq!((desk.read(new).as_str(), desk.runs(new)), (after, to), "{patch}");
            assert!(old == new || !desk.project().join(old).exists());
        }
    }
}

#[test]
fn files_that_are_no_text_go_whatever_their_bytes_are() {
    let all: Vec<u8> = (0..=255).collect();
    for (name, bytes) in [("a b.bin", &all[..]), ("end", b"\0\n"), ("crlf", b"\r\n\xff\r\n"), ("one", b"\0"), ("empty", b"")] {
        let desk = Desk::untrusted();
        desk.write(name, bytes);
        desk.commit();
        fs::write(desk.beside("p.diff"), removed_bytes(name, false, bytes)).unwrap();
        // The positive control: on other bytes it does not apply.
        if !bytes.is_empty() {
            desk.write(name, [bytes, b"more"].concat());
            desk.git_refuses(&["apply", text(&desk.beside("p.diff"))]);
            desk.write(name, bytes);
        }
        desk.git(&["apply", text(&desk.beside("p.diff"))]);
        assert!(!desk.project().join(name).exists(), "{name}");
    }
}

/// Modes, and a file that is no text moved and another deleted, beside a change of a text.
fn wishes() -> [serde_json::Value; 5] {
    [
        call("file_op", json!({"op": "chmod", "path": "run.sh", "executable": true})),
        call("file_op", json!({"op": "move", "path": "logo.png", "to": "img/logo.png"})),
        call("file_op", json!({"op": "delete", "path": "old.bin"})),
        call("edit_file", json!({"path": "list.txt", "edits": [{"old": "two", "new": "TWO"}]})),
        words("Done."),
    ]
}

fn prepared() -> Desk {
    let desk = Desk::new();
    desk.write("run.sh", "#!/bin/sh\n");
    desk.write("logo.png", PNG);
    desk.write("old.bin", b"\0\xff\nold");
    desk.commit();
    desk
}

const PNG: &[u8] = b"\x89PNG\0\r\n\x1a\xff";

fn assert_made(desk: &Desk) {
    assert!(desk.runs("run.sh") && !desk.project().join("logo.png").exists() && !desk.project().join("old.bin").exists());
    assert_eq!(fs::read(desk.project().join("img/logo.png")).unwrap(), PNG);
    assert!(desk.read("list.txt").contains("TWO"));
}

#[test]
fn a_proposal_with_all_of_these_is_a_patch_that_git_applies() {
    let desk = prepared();
    let patch = desk.beside("p.diff");
    let output = desk.ask(&wishes(), &["--patch", text(&patch)]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(desk.git(&["status", "--short"]), "", "nothing is changed by writing a patch");
    desk.git(&["apply", "--check", text(&patch)]);
    desk.git(&["apply", text(&patch)]);
    assert_made(&desk);
}

#[test]
fn the_same_is_accepted_in_the_terminal() {
    let desk = prepared();
    let output = desk.ask(&wishes(), &["--accept", "none"]);
    let shown = said(&output);
    assert!(
        shown.contains("mode of run.sh") && shown.contains("old mode 100644") && shown.contains("new mode 100755"),
        "{shown}"
    );
    assert!(shown.contains("delete old.bin") && shown.contains("binary, 6 bytes, sha256 "), "{shown}");
    assert_eq!(desk.git(&["status", "--short"]), "");
    let output = desk.ask(&wishes(), &["--accept", "all"]);
    assert!(output.status.success() && said(&output).contains("4 changes accepted"), "{}", said(&output));
    assert_made(&desk);
}

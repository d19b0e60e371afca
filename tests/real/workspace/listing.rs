//! Listings: what is shown, in which order, and what strange names do.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, process::Command};

use countersign::{
    seams::{ListQuery, Listing},
    workspace::{Over, Overlay, list},
};

use super::{Tree, at, put};

fn query(under: &str, glob: Option<&str>, depth: Option<usize>, limit: usize) -> ListQuery {
    ListQuery { under: at(under), glob: glob.map(str::to_owned), depth, limit }
}

fn lines(listing: &Listing) -> Vec<String> {
    let line = |entry: &countersign::seams::Listed| {
        let slash = if entry.is_dir { "/" } else { "" };
        format!("{}{slash}{}", entry.path, entry.note.map(|note| format!(" ({note})")).unwrap_or_default())
    };
    listing.entries.iter().map(line).collect()
}

#[test]
fn ignore_rules_hold_and_hidden_files_are_shown() {
    let tree = Tree::of(&[
        (".gitignore", "target\n*.log\n"),
        (".env", ""),
        ("src/lib.rs", ""),
        ("src/a.log", ""),
        ("target/x", ""),
        (".git/config", ""),
        ("sub/.git", "gitdir: ../x"),
    ]);
    fs::create_dir(tree.root.join("empty")).unwrap();
    tree.link("src", "link");
    let all = list(&tree.folder, &Overlay::new(), &query("", None, None, 100)).unwrap();
    assert_eq!(lines(&all), [".env", ".gitignore", "empty/", "link (symlink)", "src/lib.rs", "sub/"]);
    let top = list(&tree.folder, &Overlay::new(), &query("", None, Some(1), 100)).unwrap();
    assert_eq!(lines(&top), [".env", ".gitignore", "empty/", "link (symlink)", "src/", "sub/"]);
    // A folder that is named itself is shown although it is ignored; through a link it has its real name.
    assert_eq!(lines(&list(&tree.folder, &Overlay::new(), &query("target", None, None, 9)).unwrap()), ["target/x"]);
    assert_eq!(lines(&list(&tree.folder, &Overlay::new(), &query("link", None, None, 9)).unwrap()), ["src/lib.rs"]);
}

#[test]
fn outside_a_repository_a_gitignore_above_does_not_count() {
    let tree = Tree::of(&[("a.rs", ""), ("b.log", ""), (".gitignore", "*.log")]);
    fs::write(tree.root.parent().unwrap().join(".gitignore"), "*").unwrap();
    let all = list(&tree.folder, &Overlay::new(), &query("", None, None, 100)).unwrap();
    assert_eq!(lines(&all), [".gitignore", "a.rs"]);
}

#[test]
fn globs_select_files() {
    let tree = Tree::of(&[("a.rs", ""), ("x/b.rs", ""), ("x/y/c.rs", ""), ("x/y/d.md", "")]);
    let find = |under, glob| lines(&list(&tree.folder, &Overlay::new(), &query(under, Some(glob), None, 100)).unwrap());
    assert_eq!(find("", "*.rs"), ["a.rs", "x/b.rs", "x/y/c.rs"]);
    assert_eq!(find("", "x/*.rs"), ["x/b.rs"]);
    assert_eq!(find("x", "y/*.rs"), ["x/y/c.rs"]);
    assert_eq!(find("x", "x/**/*.{rs,md}"), ["x/b.rs", "x/y/c.rs", "x/y/d.md"]);
    assert_eq!(find("", "!*.rs"), ["x/y/d.md"]);
    assert_eq!(find("", "x/y/"), ["x/y/c.rs", "x/y/d.md"]);
    let error = list(&tree.folder, &Overlay::new(), &query("", Some("a{b"), None, 9)).unwrap_err().to_string();
    assert!(error.starts_with("\"a{b\" is not a glob: "), "{error}");
}

#[test]
fn a_limit_keeps_the_upper_levels() {
    let tree = Tree::of(&[("a/1", ""), ("a/2", ""), ("a/deep/3", ""), ("b/4", ""), ("z", "")]);
    let some = list(&tree.folder, &Overlay::new(), &query("", None, None, 5)).unwrap();
    assert_eq!((lines(&some), some.more), (vec!["a/1".into(), "a/2".into(), "b/".into(), "z".to_owned()], 3));
}

#[test]
fn the_task_s_own_files_are_merged() {
    let tree = Tree::of(&[("old", ""), ("gone", ""), ("dir/kept", "")]);
    let text = |note| Over::Text { text: "x".into(), note: Some(note) };
    let overlay = Overlay::from([(at("new/deep/file"), text("new")), (at("old"), text("unsaved")), (at("gone"), Over::Gone)]);
    let all = list(&tree.folder, &overlay, &query("", None, None, 100)).unwrap();
    assert_eq!(lines(&all), ["dir/kept", "gone (deleted)", "new/deep/file (new)", "old (unsaved)"]);
    let top = list(&tree.folder, &overlay, &query("", None, Some(1), 100)).unwrap();
    assert_eq!(lines(&top), ["dir/", "gone (deleted)", "new/", "old (unsaved)"]);
    let new = list(&tree.folder, &overlay, &query("new", None, None, 100)).unwrap();
    assert_eq!(lines(&new), ["new/deep/file (new)"]);
    assert!(list(&tree.folder, &overlay, &query("nothing", None, None, 100)).is_err());
}

#[test]
fn strange_names_are_shown_and_break_nothing() {
    let tree = Tree::of(&[("-rf", ""), ("a", "")]);
    put(&tree.root.join("new\nline"), b"");
    put(&tree.root.join(OsStr::from_bytes(b"bad\xff")), b"");
    assert!(Command::new("mkfifo").arg(tree.root.join("fifo")).status().unwrap().success());
    tree.link("../outside", "out");
    let all = list(&tree.folder, &Overlay::new(), &query("", None, None, 100)).unwrap();
    assert_eq!(
        lines(&all),
        [
            "-rf",
            "a",
            "bad\u{fffd} (its name cannot be used)",
            "fifo (not a regular file)",
            "new\u{fffd}line (its name cannot be used)",
            "out (symlink)"
        ]
    );
    assert!(list(&tree.folder, &Overlay::new(), &query("out", None, None, 9)).unwrap_err().to_string().contains("outside"));
}

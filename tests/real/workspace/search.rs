//! Search: what is found, what is never read, and in which form.

use std::{fs, sync::atomic::AtomicBool};

use countersign::{
    path::WsPath,
    seams::{SearchMode, SearchQuery, SearchResult, WorkspaceError},
    workspace::{Over, Overlay, search},
};

use super::{Tree, at, put};

fn query(pattern: &str) -> SearchQuery {
    SearchQuery {
        pattern: pattern.into(),
        literal: false,
        case_sensitive: true,
        under: WsPath::root(),
        glob: None,
        context: 0,
        mode: SearchMode::Lines,
        offset: 0,
        limit: 100,
    }
}

fn run(tree: &Tree, overlay: &Overlay, query: &SearchQuery) -> Result<SearchResult, WorkspaceError> {
    search(&tree.folder, overlay, &|path| path.file_name() == ".env", query, &AtomicBool::new(false))
}

fn lines(result: &SearchResult) -> Vec<String> {
    let mark = |is_match| if is_match { ':' } else { '-' };
    result.hits.iter().map(|hit| format!("{}:{}{}{}", hit.path, hit.line, mark(hit.is_match), hit.text)).collect()
}

#[test]
fn hits_come_in_the_order_of_their_paths() {
    let tree = Tree::of(&[("b", "one\ntwo\n"), ("a/c", "two\r\n"), ("a.txt", "Two"), (".hidden", "two\ntwo")]);
    let found = run(&tree, &Overlay::new(), &query("two$")).unwrap();
    assert_eq!(lines(&found), [".hidden:1:two", ".hidden:2:two", "a/c:1:two", "b:2:two"]);
    assert_eq!((found.total, found.files_searched, found.truncated), (4, 4, false));
    let any_case = run(&tree, &Overlay::new(), &SearchQuery { case_sensitive: false, ..query("TWO") }).unwrap();
    assert_eq!(any_case.total, 5);
}

#[test]
fn buffers_and_hunks_stand_in_place_of_the_disk() {
    let tree = Tree::of(&[("a", "disk needle"), ("b", "disk needle"), ("c", "disk needle")]);
    let text = |text: &str| Over::Text { text: text.into(), note: Some("unsaved") };
    let overlay = Overlay::from([
        (at("a"), text("buffer\nneedle")),
        (at("b"), Over::Gone),
        (at("new/d"), text("new needle")),
        (at(".env"), text("needle")),
    ]);
    let found = run(&tree, &overlay, &query("needle")).unwrap();
    assert_eq!(lines(&found), ["a:2:needle", "c:1:disk needle", "new/d:1:new needle"]);
    let below = run(&tree, &overlay, &SearchQuery { under: at("new"), ..query("needle") }).unwrap();
    assert_eq!(lines(&below), ["new/d:1:new needle"]);
}

#[test]
fn secrets_ignored_and_binary_files_are_not_read() {
    let tree = Tree::of(&[(".env", "KEY=needle"), (".gitignore", "out"), ("out/x", "needle"), ("a", "needle")]);
    put(&tree.root.join("binary"), b"needle\0");
    put(&tree.root.join("late"), &[b"needle\n".repeat(20_000), b"\0".to_vec()].concat());
    tree.link("../outside/secret.txt", "link");
    assert_eq!(lines(&run(&tree, &Overlay::new(), &query("needle|OUTSIDE")).unwrap()), ["a:1:needle"]);
    // The positive control: the same search finds each of them when nothing is hidden or ignored.
    let open = search(&tree.folder, &Overlay::new(), &|_| false, &query("needle"), &AtomicBool::new(false)).unwrap();
    assert_eq!(lines(&open), [".env:1:KEY=needle", "a:1:needle"]);
    let named = run(&tree, &Overlay::new(), &SearchQuery { under: at("out"), ..query("needle") }).unwrap();
    assert_eq!(lines(&named), ["out/x:1:needle"]);
    let secret = run(&tree, &Overlay::new(), &SearchQuery { under: at(".env"), ..query("needle") }).unwrap();
    assert_eq!((secret.total, secret.files_searched), (0, 0));
    let outside = run(&tree, &Overlay::new(), &SearchQuery { under: at("link"), ..query("OUTSIDE") });
    assert!(matches!(outside, Err(WorkspaceError::Outside(_))));
}

#[test]
fn pages_carry_their_context() {
    let tree = Tree::of(&[("a", "0\nx1\n2\n3\n4\nx5\n6\n"), ("b", "x7\n")]);
    let page = |offset, limit| {
        let query = SearchQuery { context: 1, offset, limit, ..query("x") };
        run(&tree, &Overlay::new(), &query).unwrap()
    };
    assert_eq!(lines(&page(0, 1)), ["a:1-0", "a:2:x1", "a:3-2"]);
    assert_eq!(lines(&page(1, 1)), ["a:5-4", "a:6:x5", "a:7-6"]);
    assert_eq!(lines(&page(2, 5)), ["b:1:x7"]);
    assert_eq!(page(0, 1).total, 3);
    assert_eq!(lines(&page(9, 5)), [""; 0]);
}

#[test]
fn files_and_counts() {
    let tree = Tree::of(&[("a", "x\nx\n"), ("b", "x\n"), ("c", "y\n")]);
    let found = run(&tree, &Overlay::new(), &SearchQuery { mode: SearchMode::Count, limit: 1, ..query("x") }).unwrap();
    assert_eq!((found.hits.len(), found.hits[0].path.as_str(), found.hits[0].count, found.total), (1, "a", 2, 2));
    let next = run(&tree, &Overlay::new(), &SearchQuery { mode: SearchMode::Files, offset: 1, ..query("x") }).unwrap();
    assert_eq!((next.hits.len(), next.hits[0].path.as_str(), next.hits[0].line), (1, "b", 0));
}

#[test]
fn bad_patterns_say_where() {
    let tree = Tree::of(&[("a", "foo(bar\n")]);
    let error = run(&tree, &Overlay::new(), &query("foo(bar")).unwrap_err().to_string();
    assert!(error.contains("unclosed group") && error.contains('^') && error.contains("set literal to true"), "{error}");
    let literal = run(&tree, &Overlay::new(), &SearchQuery { literal: true, ..query("foo(bar") }).unwrap();
    assert_eq!(literal.total, 1);
    assert!(run(&tree, &Overlay::new(), &query("(a{1000}){1000}")).unwrap_err().to_string().contains("size limit"));
}

#[test]
fn a_pattern_may_span_lines() {
    let tree = Tree::of(&[("a", "fn x()\n{\n}\n")]);
    let found = run(&tree, &Overlay::new(), &query("fn x\\(\\)\\n\\{")).unwrap();
    assert_eq!(lines(&found), ["a:1:fn x()", "a:2:{"]);
}

#[test]
fn long_lines_are_cut_around_the_match() {
    let tree = Tree::of(&[("a", &format!("{}needle{}", "x".repeat(5_000), "y".repeat(5_000)))]);
    let found = run(&tree, &Overlay::new(), &query("needle")).unwrap();
    let text = &found.hits[0].text;
    assert!(text.starts_with("...xxx") && text.contains("needle") && text.ends_with("[400 of 10006 characters]"), "{text}");
    assert!(text.len() < 450);
}

#[test]
fn utf16_and_broken_names_are_searched_or_left_without_harm() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let tree = Tree::of(&[]);
    put(&tree.root.join("wide"), b"\xff\xfen\0e\0e\0d\0l\0e\0");
    put(&tree.root.join(OsStr::from_bytes(b"bad\xff")), b"needle");
    put(&tree.root.join("-n\new"), b"needle");
    fs::write(tree.root.join("latin"), b"caf\xe9 needle").unwrap();
    let found = run(&tree, &Overlay::new(), &query("needle")).unwrap();
    assert_eq!(lines(&found), ["-n\u{fffd}ew:1:needle", "latin:1:caf\u{fffd} needle", "wide:1:needle"]);
}

#[test]
fn a_stopped_search_says_so() {
    let tree = Tree::of(&[("a", "needle")]);
    let stopped = search(&tree.folder, &Overlay::new(), &|_| false, &query("needle"), &AtomicBool::new(true)).unwrap();
    assert!(stopped.truncated && stopped.hits.is_empty());
}

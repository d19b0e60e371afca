//! Workspace paths: whatever is written, what comes out stays below the folder.

use countersign::path::{PathError, WsPath, hidden};
use proptest::prelude::*;

fn parsed(written: &str) -> String {
    WsPath::parse(written).unwrap().as_str().to_owned()
}

#[test]
fn written_paths_are_normalised() {
    for (written, path) in [
        ("src/lib.rs", "src/lib.rs"),
        ("./src//lib.rs/", "src/lib.rs"),
        ("a/./b/../c", "a/c"),
        ("a/..", ""),
        ("", ""),
        (".", ""),
        ("-rf", "-rf"),
        ("a b/\u{e9}", "a b/\u{e9}"),
        ("...", "..."),
        ("a\\..\\b", "a\\..\\b"),
        ("~/x", "~/x"),
    ] {
        assert_eq!(parsed(written), path, "{written:?}");
    }
}

#[test]
fn paths_that_lead_out_are_refused() {
    for written in ["/etc/passwd", "/", "..", "a/../..", "../workspace/a", "a/b/../../../c", "./.."] {
        assert!(matches!(WsPath::parse(written), Err(PathError::Outside(_))), "{written:?}");
    }
}

#[test]
fn characters_that_cannot_be_shown_are_refused() {
    for c in ['\0', '\n', '\u{1b}', '\u{ad}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{fe0f}', '\u{e0041}'] {
        assert!(hidden(c));
        let error = WsPath::parse(&format!("a{c}b")).unwrap_err();
        assert!(matches!(error, PathError::Hidden(_)), "{c:?}");
        // The sentence shows the character as an escape, not as itself.
        assert!(!error.to_string().contains(c), "{error}");
    }
    assert!(!hidden('\u{e9}') && !hidden(' ') && !hidden('\u{1f600}'));
}

#[test]
fn names_from_the_disk_are_kept_as_they_are() {
    for name in ["new\nline", "-rf", " a ", "a\u{202e}b", "*"] {
        assert_eq!(WsPath::from_disk(name).unwrap().as_str(), name);
    }
    for name in ["", "/a", "a//b", "a/../b", "./a", "a/", ".."] {
        assert_eq!(WsPath::from_disk(name), None, "{name:?}");
    }
}

#[test]
fn parts_of_a_path() {
    let path = WsPath::parse("a/b/c.rs").unwrap();
    assert_eq!((path.file_name(), path.parent().unwrap().as_str()), ("c.rs", "a/b"));
    assert_eq!(WsPath::parse("top").unwrap().parent(), Some(WsPath::root()));
    assert_eq!((WsPath::root().parent(), WsPath::root().file_name(), WsPath::root().to_string()), (None, "", ".".into()));
    assert_eq!(WsPath::root().join("a").join("b").as_str(), "a/b");
    for (path, folder, within) in
        [("a/b", "a", true), ("a", "a", true), ("ab", "a", false), ("a", "a/b", false), ("a", "", true), ("", "a", false)]
    {
        let (path, folder) = (WsPath::parse(path).unwrap(), WsPath::parse(folder).unwrap());
        assert_eq!(path.is_within(&folder), within, "{path} in {folder}");
    }
}

#[test]
fn records_hold_paths_as_text() {
    let path = WsPath::parse("a/b").unwrap();
    assert_eq!(serde_json::to_string(&path).unwrap(), "\"a/b\"");
    assert_eq!(serde_json::from_str::<WsPath>("\"a/b\"").unwrap(), path);
    assert_eq!(serde_json::from_str::<WsPath>("\"\"").unwrap(), WsPath::root());
    for hostile in ["\"../a\"", "\"/a\"", "\"a/../b\""] {
        assert!(serde_json::from_str::<WsPath>(hostile).is_err(), "{hostile}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_written_climbs_out(written in "([a-c]|\\.|/|\\\\|-| |\u{e9}){0,24}") {
        if let Ok(path) = WsPath::parse(&written) {
            prop_assert!(!path.as_str().starts_with('/') && !path.as_str().ends_with('/'));
            prop_assert!(path.is_root() || path.as_str().split('/').all(|part| !matches!(part, "" | "." | "..")));
            prop_assert_eq!(WsPath::parse(path.as_str()), Ok(path.clone()));
            prop_assert_eq!(WsPath::parse(&format!("./{path}/x/..")), Ok(path));
        }
    }

    #[test]
    fn any_text_is_a_path_or_an_error(written in any::<String>()) {
        if let Ok(path) = WsPath::parse(&written) {
            prop_assert!(!path.as_str().chars().any(hidden));
        }
    }
}

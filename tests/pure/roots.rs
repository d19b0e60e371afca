//! Names before paths: with one folder there are none, with several every path has exactly one place.

use countersign::path::{
    WsPath,
    roots::{Closed, Place, Root, RootError, Roots},
};
use proptest::prelude::*;

fn root(name: &str, path: &str) -> Root {
    Root { name: name.to_owned(), path: path.to_owned() }
}

fn path(text: &str) -> WsPath {
    WsPath::parse(text).unwrap()
}

fn three() -> Roots {
    let closed = Closed { name: "kept".to_owned(), why: "is not trusted by the user".to_owned() };
    Roots::new(root("app", "/w/app"), vec![root("lib", "/w/lib"), root("inner", "/w/app/inner")], vec![closed])
}

#[test]
fn one_folder_takes_every_path_as_it_is() {
    let one = Roots::new(root("app", "/w/app"), Vec::new(), Vec::new());
    assert!(!one.are_several() && !Roots::default().are_several());
    for text in ["a.txt", "app/a.txt", "app", ".", "lib/x"] {
        assert_eq!(one.split(&path(text)), Ok(Place::In(0, path(text))));
        assert_eq!(one.join(0, &path(text)), path(text));
        assert_eq!(one.own(&path(text), "commands run"), Ok(path(text)));
    }
    assert_eq!(one.below("/w/app/src/a.rs").as_deref(), Some("src/a.rs"));
    assert_eq!(one.below("/w/app").as_deref(), Some(""));
    assert_eq!(one.below("/w/apple/a.rs"), None);
}

#[test]
fn a_folder_that_is_closed_makes_two_as_well() {
    let closed = Closed { name: "lib".to_owned(), why: "is not there".to_owned() };
    let roots = Roots::new(root("app", "/w/app"), Vec::new(), vec![closed]);
    assert!(roots.are_several());
    assert_eq!(roots.split(&path("app/a")), Ok(Place::In(0, path("a"))));
    let error = roots.split(&path("lib/a")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the folder lib is not there, so lib/a is closed to you; go on without it and name it in finish"
    );
}

#[test]
fn with_several_the_first_component_names_the_folder() {
    let roots = three();
    for (text, place) in [
        (".", Place::All),
        ("app", Place::In(0, WsPath::root())),
        ("app/src/a.rs", Place::In(0, path("src/a.rs"))),
        ("app/app/a.rs", Place::In(0, path("app/a.rs"))),
        ("lib/a.rs", Place::In(1, path("a.rs"))),
        ("inner/a.rs", Place::In(2, path("a.rs"))),
        // The inner folder's file by the outer one's name.
        ("app/inner/a.rs", Place::In(2, path("a.rs"))),
        ("app/inner", Place::In(2, WsPath::root())),
        ("app/innermost/a.rs", Place::In(0, path("innermost/a.rs"))),
    ] {
        assert_eq!(roots.split(&path(text)), Ok(place), "{text}");
    }
    for text in ["a.rs", "src/app/a.rs", "App/a.rs", "app2/a.rs", "w/app/a.rs"] {
        let error = roots.split(&path(text)).unwrap_err();
        assert!(matches!(error, RootError::Bare { .. }), "{text}: {error}");
        assert!(error.to_string().contains("app/ (this task's own), lib/ or inner/ here, for example app/"), "{error}");
    }
    assert!(matches!(roots.split(&path("kept/a.rs")), Err(RootError::Closed { .. })));
    assert_eq!(roots.inner(0), [(2, path("inner"))]);
    assert_eq!((roots.inner(1), roots.inner(2)), (Vec::new(), Vec::new()));
}

#[test]
fn what_only_the_own_folder_has_is_refused_elsewhere() {
    let roots = three();
    assert_eq!(roots.own(&path("app/src"), "commands run"), Ok(path("src")));
    assert_eq!(roots.own(&path("."), "commands run"), Ok(WsPath::root()));
    let error = roots.own(&path("lib/src"), "commands run").unwrap_err();
    assert!(error.to_string().contains("not in app, this task's folder, where commands run"), "{error}");
    assert!(roots.own(&path("src"), "commands run").is_err());
}

#[test]
fn absolute_paths_are_named_by_their_innermost_folder() {
    let roots = three();
    for (absolute, named) in [
        ("/w/app/a.rs", Some("app/a.rs")),
        ("/w/lib", Some("lib")),
        ("/w/app/inner/a.rs", Some("inner/a.rs")),
        ("/w/kept/a.rs", None),
        ("/w/library/a.rs", None),
        ("/etc/passwd", None),
        ("", None),
    ] {
        assert_eq!(roots.below(absolute).as_deref(), named, "{absolute}");
    }
}

proptest! {
    /// A path that a folder gave a name to leads back to where it was, whatever stands there.
    #[test]
    fn names_lead_back(index in 0usize..3, parts in prop::collection::vec("[a-zA-Z0-9. _-]{1,6}", 0..4)) {
        let roots = three();
        let Ok(rest) = WsPath::parse(&parts.join("/")) else { return Ok(()) };
        let place = roots.split(&roots.join(index, &rest)).unwrap();
        let inner = index == 0 && rest.is_within(&path("inner"));
        if inner {
            prop_assert!(matches!(place, Place::In(2, _)));
        } else {
            prop_assert_eq!(place, Place::In(index, rest));
        }
    }

    /// No path leads anywhere by another folder's name, and none climbs out.
    #[test]
    fn nothing_else_leads_anywhere(text in "[a-z./]{1,24}") {
        let roots = three();
        let Ok(path) = WsPath::parse(&text) else { return Ok(()) };
        let first = path.as_str().split('/').next().unwrap_or_default().to_owned();
        match roots.split(&path) {
            Ok(Place::All) => prop_assert!(path.is_root()),
            Ok(Place::In(..)) => prop_assert!(["app", "lib", "inner"].contains(&first.as_str())),
            Err(_) => prop_assert!(!["app", "lib", "inner", ""].contains(&first.as_str())),
        }
    }
}

//! Broken files: the whole load fails, and the message names file, line and what is wrong.

use countersign::policy::{DEFAULT, LayerKind, Policy, READ_ONLY, STRICT, check};

use super::world::layer;

#[test]
fn a_broken_file_is_refused_with_its_line() {
    let run = "[[rule]]\nid = \"r\"\naction = \"run\"\nverdict = ";
    let cases: Vec<(String, usize, &str)> = vec![
        ("schema = 1\nsurprise = true\n".into(), 2, "surprise"),
        ("schema = 1\n[run]\n\ntimeout = 3\n".into(), 4, "timeout"),
        ("schema = 1\n[default]\nread = \"allow\"\nwalk = \"ask\"\n".into(), 4, "walk"),
        ("schema = 1\n[default]\nrun = \"maybe\"\n".into(), 3, "maybe"),
        ("schema = 1\n[budget]\niterations = \"many\"\n".into(), 3, "invalid type"),
        ("schema = 2\n".into(), 1, "schema 2"),
        ("schema = 1\n[paths\n".into(), 2, ""),
        ("schema = 1\n[paths]\nsecret = [\"[a\"]\n".into(), 3, "[a"),
        ("schema = 1\n[paths]\nsecret = [\"!a\"]\n".into(), 3, "negated"),
        (format!("schema = 1\n{run}\"allow\"\nhosts = [\"x:1\"]\n"), 3, "means nothing"),
        (format!("schema = 1\n{run}\"allow\"\nargv = [[]]\n"), 3, "empty place"),
        (format!("schema = 1\n{run}\"deny\"\ngrantable = true\n"), 3, "grantable"),
        (format!("schema = 1\n{}\"ask\"\ngrantable = true\n", run.replace("\"run\"", "\"run.net\"")), 3, "asked about each time"),
        (format!("schema = 1\n{run}\"deny\"\nargv = [\"x\"]\nmatch = [\"x\",\n\"y\"]\n"), 8, "does not match its example \"y\""),
        (format!("schema = 1\n{run}\"deny\"\nargv = [\"x\"]\nnot_match = [\"y | x\"]\n"), 7, "must not match"),
        (format!("schema = 1\n{run}\"deny\"\n{run}\"ask\"\n"), 7, "two rules"),
        (
            "schema = 1\n[[rule]]\nid = \"n\"\naction = \"net\"\nverdict = \"allow\"\nhosts = [\"*.x:1\"]\n".into(),
            3,
            "lower-case name:port",
        ),
        ("schema = 1\nname = \"a\u{202e}b\"\n".into(), 2, "U+202E"),
        ("schema = 1\n[budget]\ncost_usd = -1.0\n".into(), 3, "cost_usd"),
        ("schema = 1\n[run]\nmin_level = \"L0\"\n".into(), 3, "L0"),
        (format!("schema = 1\n{run}\"deny\"\n").replace("\"r\"", "\"say this\""), 3, "an id has"),
        ("name = \"x\"\n".into(), 1, "schema"),
    ];
    for (text, line, word) in &cases {
        for kind in [LayerKind::Organisation, LayerKind::User, LayerKind::Workspace] {
            let error = Policy::load(&[layer(kind, text)]).expect_err(text);
            let shown = error.to_string();
            assert!(shown.starts_with(&format!("{kind}.toml, line {line}: ")), "{text:?} gives {shown:?}");
            assert!(shown.contains(word) && !shown.contains('\n'), "{text:?} gives {shown:?}");
        }
    }
}

#[test]
fn the_built_in_files_are_sound() {
    for (name, text) in [("default.toml", DEFAULT), ("strict.toml", STRICT), ("readonly.toml", READ_ONLY)] {
        let report = check(name, text).unwrap();
        assert!(report.notes.is_empty(), "{name}: {:?}", report.notes);
        assert_eq!(report.sha.len(), 64);
    }
    assert!(check("default.toml", DEFAULT).unwrap().rules > 5);
}

#[test]
fn a_broad_allow_rule_is_remarked_on() {
    let text = "schema = 1\n[[rule]]\nid = \"forge\"\naction = \"run\"\nverdict = \"allow\"\nargv = [\"gh\"]\n";
    let report = check("mine.toml", text).unwrap();
    assert!(report.notes.iter().any(|note| note.contains("every use of \"gh\"")), "{:?}", report.notes);
    let narrow = text.replace("[\"gh\"]", "[\"gh\", \"status\"]");
    assert!(check("mine.toml", &narrow).unwrap().notes.is_empty());
}

//! `policy`: what is loaded, what it says, and why.

use super::*;

#[test]
fn policy_check_names_the_line_and_show_hashes_what_it_shows() {
    let user = User::new();
    let shown = user.run(["policy", "show", "--prompt"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    let sha = countersign::journal::digest(shown.out.as_bytes());
    let whole = user.run(["policy", "show"]);
    assert!(whole.out.contains(&sha) && whole.out.contains("built-in default"), "{}", whole.out);
    let checked = user.run(["policy", "check"]);
    assert!(checked.code == 0 && checked.out.contains(&sha), "{checked:?}");

    let bad = user.write("bad.toml", "schema = 1\n\n[defualt]\nread = \"allow\"\n");
    let checked = user.run(["policy", "check", "bad.toml"]);
    assert!(checked.code == 2 && checked.err.contains("bad.toml") && checked.err.contains('3'), "{checked:?}");
    let missing = user.run(["policy", "check", "nowhere.toml"]);
    assert!(missing.code == 2 && missing.err.contains("is not there"), "{missing:?}");

    fs::create_dir_all(user.path(".config/countersign")).unwrap();
    fs::rename(bad, user.path(".config/countersign/policy.toml")).unwrap();
    for arguments in [&["policy", "show"][..], &["policy", "check"], &["policy", "explain", "read", "a"]] {
        let broken = user.run(arguments);
        assert!(broken.code == 2 && broken.out.is_empty() && broken.err.contains("policy.toml:3"), "{arguments:?}: {broken:?}");
    }
    assert!(user.run(["doctor", "--offline"]).out.contains("FAILS  policy"));
}

#[test]
fn policy_explain_names_rule_and_layer() {
    let user = User::new();
    let folder = user.folder("w");
    user.write("w/.env", "SECRET=1\n");
    let explain = |words: &[&str]| {
        let mut arguments = vec!["policy", "explain", "-w", "w", "--level", "L3", "--json"];
        arguments.extend(words);
        let ran = user.run(arguments);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.err);
        ran.json().remove(0)["explanation"]["decision"].clone()
    };
    assert_eq!(explain(&["read", "src/lib.rs"])["verdict"], "allow");
    assert_eq!(explain(&["read", ".env"])["verdict"], "deny");
    // The folder itself is looked at: a link is judged by where it leads.
    std::os::unix::fs::symlink(".env", folder.join("notes.txt")).unwrap();
    assert_eq!(explain(&["read", "notes.txt"])["verdict"], "deny");
    assert_eq!(explain(&["git.push", "main", "force"])["verdict"], "deny");
    assert_eq!(explain(&["run", "cargo test"])["verdict"], "allow");
    assert_eq!(explain(&["run", "cargo test && sudo id"])["verdict"], "deny");
    for words in [&["fly", "x"][..], &["read"], &["git.push", "main", "sideways"]] {
        let ran = user.run(["policy", "explain"].iter().chain(words));
        assert!(ran.code == 2 && ran.err.contains("try:"), "{words:?}: {ran:?}");
    }
    // What a workspace tightens counts once it is trusted.
    user.write("w/.countersign/policy.toml", "schema = 1\n[[rule]]\nid = \"docs\"\naction = \"write\"\nverdict = \"deny\"\npaths = [\"docs/**\"]\nreason = \"docs are made elsewhere\"\n");
    assert_eq!(explain(&["write", "docs/a.md"])["verdict"], "allow");
    assert_eq!(user.run([OsStr::new("trust"), OsStr::new("add"), folder.as_os_str()]).code, 0);
    let decision = explain(&["write", "docs/a.md"]);
    assert_eq!(
        (&decision["verdict"], &decision["rule"], &decision["layer"]),
        (&json!("deny"), &json!("docs"), &json!("workspace"))
    );
    let text = user.run(["policy", "explain", "-w", "w", "write", "docs/a.md"]);
    assert!(text.out.contains("docs are made elsewhere"), "{}", text.out);
}

//! Hosts, documents, branches and pushes; actions as words and as JSON.

use countersign::policy::{
    Action, PushKind,
    Verdict::{Allow, Ask, Deny},
};

use super::world::{default_policy, judge, user};

const HOSTS: &str = r#"
schema = 1
[[rule]]
id = "docs"
action = "fetch"
verdict = "allow"
hosts = ["docs.rs:443", "10.0.0.7:8443"]
"#;

#[test]
fn a_host_is_its_exact_name_and_port() {
    let policy = user(HOSTS);
    let cases = [
        ("docs.rs:443", Allow),
        ("https://docs.rs/tokio", Allow),
        ("https://DOCS.rs/tokio?x=https://evil", Allow),
        ("https://docs.rs:443/x", Allow),
        ("http://docs.rs/tokio", Ask),
        ("https://docs.rs:8443/x", Ask),
        ("https://docs.rs.evil.io/x", Ask),
        ("https://evil-docs.rs/x", Ask),
        ("https://docs.rs@evil.io/x", Deny),
        ("https://docs.rs./x", Deny),
        ("https://docs.r\u{455}/x", Deny),
        ("DOCS.RS:443", Deny),
        ("docs.rs:0443", Deny),
        ("docs.rs", Deny),
        ("file:///etc/passwd", Deny),
        ("http://127.0.0.1/x", Deny),
        ("http://0x7f.1/x", Deny),
        ("http://2130706433/x", Deny),
        ("http://[::1]:80/x", Deny),
        ("https://10.0.0.7:8443/x", Allow),
        ("https://10.0.0.8:8443/x", Deny),
    ];
    for (address, verdict) in cases {
        let decision = judge(&policy, &Action::Fetch(address.to_owned()));
        assert_eq!(decision.verdict, verdict, "{address}: {}", decision.reason);
    }
}

fn push(branch: &str, kind: PushKind) -> Action {
    Action::GitPush { branch: branch.to_owned(), kind }
}

#[test]
fn a_push_always_asks_and_a_protected_branch_is_never_overwritten() {
    let policy = default_policy();
    for kind in [PushKind::Ff, PushKind::New] {
        let decision = judge(&policy, &push("agent/x", kind));
        assert_eq!((decision.verdict, decision.grantable), (Ask, false));
    }
    for branch in ["main", "refs/heads/main", "refs/heads/refs/heads/main", "Main", "\u{ff4d}ain", "release/1.2"] {
        assert_eq!(judge(&policy, &push(branch, PushKind::Ff)).verdict, Ask, "{branch}");
        for kind in [PushKind::Force, PushKind::Delete] {
            let decision = judge(&policy, &push(branch, kind));
            assert_eq!((decision.verdict, decision.rule.as_str()), (Deny, "protected"), "{branch}");
        }
    }
    assert_eq!(judge(&policy, &push("agent/x", PushKind::Force)).verdict, Ask);
    assert_eq!(judge(&policy, &Action::GitPr("agent/x".to_owned())).verdict, Ask);
    let eager = user("schema = 1\n[default]\n\"git.push\" = \"allow\"\n\"git.pr\" = \"allow\"\n");
    assert_eq!(judge(&eager, &push("agent/x", PushKind::Ff)).verdict, Ask);
    assert_eq!(judge(&eager, &Action::GitPr("agent/x".to_owned())).verdict, Ask);
    let never = user("schema = 1\n[default]\n\"git.push\" = \"deny\"\n");
    assert_eq!(judge(&never, &push("agent/x", PushKind::Ff)).verdict, Deny);
}

#[test]
fn names_that_git_would_misread_are_refused() {
    let policy = default_policy();
    assert_eq!(judge(&policy, &Action::GitBranch("agent/fix-1".to_owned())).verdict, Allow);
    for name in [
        "",
        ".git",
        "..",
        "-x",
        "a b",
        "x@{1}",
        "+main",
        ":main",
        "refs/heads/*",
        "a..b",
        "a.lock",
        "x/",
        "a\u{200b}b",
        "HEAD",
        "agent/-x",
    ] {
        let decision = judge(&policy, &Action::GitBranch(name.to_owned()));
        assert_eq!((decision.verdict, decision.rule.as_str()), (Deny, "branch-name"), "{name:?}");
    }
}

#[test]
fn actions_are_read_from_words_and_kept_as_json() {
    let action = Action::from_words(&["git.push", "main", "force"]).unwrap();
    assert_eq!(action, push("main", PushKind::Force));
    assert_eq!(action.to_string(), "git.push main (force)");
    let json = serde_json::to_string(&action).unwrap();
    assert_eq!(json, r#"{"git.push":{"branch":"main","kind":"force"}}"#);
    assert_eq!(serde_json::from_str::<Action>(&json).unwrap(), action);
    let errors: [(&[&str], &str); 5] = [
        (&[], "name an action"),
        (&["read"], "needs what it is about"),
        (&["walk", "x"], "there is no action"),
        (&["run", "git", "push"], "quote it"),
        (&["git.push", "main", "hard"], "ff, new, force or delete"),
    ];
    for (words, message) in errors {
        let error = Action::from_words(words).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}

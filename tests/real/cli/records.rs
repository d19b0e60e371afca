//! What is written down and shown: the journal, trusted folders, remembered answers.

use super::*;

fn scope(session: &str) -> Scope {
    Scope { session: Some(SessionId::from(session)), workspace: Some("/w".into()), ..Scope::default() }
}

/// A session with texts that would take over a terminal.
fn hostile_session(state: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let journal = FileJournal::open(state).unwrap();
    let evil = "title \u{1b}]0;owned\u{7}\u{9b}31m \u{202e}gnp.exe\r";
    let start = Event::TaskStart {
        title: evil.into(),
        mode: "edit".into(),
        prompt: format!("first\n{evil}\nlast"),
        system: "s".into(),
        tools_sha: "t".into(),
    };
    journal.append(Actor::Human, &scope("abc-1"), start);
    let result = Event::PolicyDecision {
        action: "run".into(),
        target: "curl x".into(),
        verdict: "deny".into(),
        rule: "no-net".into(),
        layer: "user".into(),
        reason: "no network".into(),
    };
    journal.append(Actor::Server, &scope("abc-1"), result);
    runtime
        .block_on(journal.append_durable(Actor::Human, &scope("abd-2"), Event::UserSteer { message: "go on".into() }))
        .unwrap();
}

fn harmless(text: &str) -> bool {
    !text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}')
}

#[test]
fn sessions_and_timelines_are_readable_and_harmless() {
    let user = User::new();
    assert!(user.run(["audit", "sessions"]).out.contains("no session yet"));
    hostile_session(&user.folders().state);

    let listed = user.run(["audit", "sessions"]);
    assert!(
        listed.code == 0 && listed.out.contains("abc-1") && listed.out.contains("1 task, 2 records, in /w"),
        "{}",
        listed.out
    );
    assert!(harmless(&listed.out), "{}", listed.out);
    let listed = user.run(["audit", "sessions", "--json"]);
    assert!(harmless(&listed.out));
    assert_eq!(listed.json().len(), 2);

    for session in ["abc-1", "abc"] {
        let shown = user.run(["audit", "show", session]);
        assert_eq!(shown.code, 0, "{}", shown.err);
        assert!(shown.out.contains("task.start") && shown.out.contains("\\u{1b}"), "{}", shown.out);
        assert!(shown.out.contains("deny by no-net of user: no network"), "{}", shown.out);
        assert!(harmless(&shown.out));
    }
    let full = user.run(["audit", "show", "abc", "--full"]);
    assert!(full.out.contains("prompt: first\n          title") && full.out.contains("\n          last\n"), "{}", full.out);
    assert!(harmless(&full.out));
    let raw = user.run(["audit", "show", "abc", "--json"]);
    assert!(harmless(&raw.out));
    assert!(raw.json()[0]["title"].as_str().unwrap().contains("\u{9b}31m \u{202e}"), "an escape that means the same");

    let ambiguous = user.run(["audit", "show", "ab"]);
    assert!(ambiguous.code == 2 && ambiguous.err.contains("several"), "{ambiguous:?}");
    assert!(user.run(["audit", "show", "last"]).out.contains("go on"));
    assert_eq!(user.run(["audit", "show", "../../etc/passwd"]).code, 2);
}

#[test]
fn verify_tells_whole_torn_and_changed_chains_apart() {
    let user = User::new();
    let state = user.folders().state;
    assert_eq!(user.run(["audit", "verify"]).code, 0);
    hostile_session(&state);
    let whole = user.run(["audit", "verify"]);
    assert!(
        whole.code == 0 && whole.out.contains("abc-1.jsonl  2 lines") && whole.out.contains("Every chain holds"),
        "{whole:?}"
    );

    let path = state.join("journal/abc-1.jsonl");
    let good = fs::read(&path).unwrap();
    fs::write(&path, [&good[..], b"{\"v\":1"].concat()).unwrap();
    let torn = user.run(["audit", "verify", "abc-1"]);
    assert!(torn.code == 0 && torn.out.contains("torn end of 6 bytes"), "{torn:?}");

    fs::write(&path, String::from_utf8(good).unwrap().replacen("edit", "plan", 1)).unwrap();
    let changed = user.run(["audit", "verify"]);
    assert!(changed.code == 1 && changed.out.contains("BAD  abc-1.jsonl  line 2"), "{changed:?}");
    let changed = user.run(["audit", "verify", "--json"]);
    assert_eq!((changed.code, &changed.json()[0]["ok"]), (1, &json!(false)));
    assert_eq!(user.run(["audit", "verify", "abd-2"]).code, 0, "the others hold");
}

#[test]
fn trust_is_added_listed_revoked_and_journalled() {
    let user = User::new();
    assert!(user.run(["trust", "list"]).out.contains("No folder is trusted"));
    let project = user.folder("project");
    let added = user.run(["trust", "add", "project"]);
    assert_eq!(added.code, 0, "{}", added.err);
    let journalled = |user: &User| user.run(["audit", "show", "server"]).out.matches("trusted ").count();
    let once = journalled(&user);
    assert!(user.run(["trust", "add", "project"]).out.starts_with("Trusted already: "));
    assert_eq!((once, journalled(&user)), (1, 1), "nothing changed");
    let listed = user.run(["trust", "list", "--json"]).json();
    assert_eq!((listed[0]["path"].as_str(), &listed[0]["holds"]), (fs::canonicalize(&project).unwrap().to_str(), &json!(true)));

    // Another folder by the same name is another folder.
    fs::remove_dir(&project).unwrap();
    user.folder("something-else-in-between");
    user.folder("project");
    let listed = user.run(["trust", "list", "--json"]).json();
    assert_eq!(listed[0]["holds"], json!(same_inode(&listed[0], &project)));

    assert_eq!(user.run(["trust", "revoke", "project"]).code, 0);
    let again = user.run(["trust", "revoke", "project"]);
    assert!(again.code == 2 && again.err.contains("is not trusted"), "{again:?}");
    for missing in ["nowhere", "/"] {
        assert_eq!(user.run(["trust", "add", missing]).code, 2);
    }
    let shown = user.run(["audit", "show", "server"]);
    assert!(shown.out.contains("trusted ") && shown.out.contains("no longer trusted "), "{}", shown.out);
    assert_eq!(user.run(["audit", "verify"]).code, 0);
}

/// Some file systems hand out the inode of a removed folder again.
fn same_inode(entry: &Value, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    entry["inode"] == json!(fs::metadata(path).unwrap().ino())
}

#[test]
fn grants_are_listed_and_revoked() {
    let user = User::new();
    assert!(user.run(["grants", "list"]).out.contains("No answer is remembered"));
    let grant = Grant {
        action: "run.net".into(),
        pattern: "cargo fetch \u{1b}[2J".into(),
        workspace: "/w".into(),
        contents: [("fetch.sh".to_owned(), "00".to_owned())].into(),
        since: "2026-01-01T00:00:00Z".into(),
    };
    GrantStore::new(&user.folders()).add(&grant).unwrap();
    let listed = user.run(["grants", "list"]);
    assert!(listed.out.contains(&grant.id()) && listed.out.contains("run.net") && harmless(&listed.out), "{}", listed.out);
    assert_eq!(user.run(["grants", "list", "--json"]).json()[0]["id"], json!(grant.id()));
    assert_eq!(user.run(["grants", "revoke", "ffffffff"]).code, 2);
    assert_eq!(user.run(["grants", "revoke", &grant.id()]).code, 0);
    assert!(user.run(["grants", "list"]).out.contains("No answer is remembered"));
    assert!(user.run(["audit", "show", "server"]).out.contains("grant.revoked"));
}

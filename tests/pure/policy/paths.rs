//! Paths: every name of a file counts, and the three lists say what they say.

use countersign::{
    path::WsPath,
    policy::{
        Action, PathClass, Secret,
        Verdict::{Allow, Ask, Deny},
    },
};

use super::world::{default_policy, judge, user};

fn verdicts(cases: &[(Action, countersign::policy::Verdict, &str)]) {
    let policy = default_policy();
    for (action, verdict, rule) in cases {
        let decision = judge(&policy, action);
        assert_eq!((decision.verdict, decision.rule.as_str()), (*verdict, *rule), "{action}: {}", decision.reason);
    }
}

fn read(path: &str) -> Action {
    Action::Read(path.to_owned())
}

fn write(path: &str) -> Action {
    Action::Write(path.to_owned())
}

#[test]
fn secrets_are_found_under_every_name() {
    verdicts(&[
        (read("src/lib.rs"), Allow, "default"),
        (read("/home/dev/w/src/lib.rs"), Allow, "default"),
        (read(".env.example"), Allow, "default"),
        (read(".env"), Deny, "secret"),
        (read("deep/down/.env.local"), Deny, "secret"),
        (read("./src/../.env"), Deny, "secret"),
        (read(".ENV"), Deny, "secret"),
        (read("notes.txt"), Deny, "secret"),
        (read("secrets/a/b"), Deny, "secret"),
        (read("src/secrets/mod.rs"), Allow, "default"),
        (read("x/.aws/credentials"), Deny, "secret"),
        (read("my-credentials.json"), Deny, "secret"),
        (read("certs/public.pem"), Deny, "secret"),
        (write("id_ed25519"), Deny, "secret"),
        (Action::Delete(".npmrc".to_owned()), Deny, "secret"),
        (read("caf\u{65}\u{301}/.env"), Deny, "secret"),
    ]);
}

#[test]
fn file_tools_never_leave_the_workspace() {
    verdicts(&[
        (read("/etc/passwd"), Deny, "outside"),
        (read("../w2/x"), Deny, "outside"),
        (read("/home/dev/w2/x"), Deny, "outside"),
        (read("/home/dev/w/../w2/x"), Deny, "outside"),
        (read("out/x"), Deny, "outside"),
        (write("out/new"), Deny, "outside"),
        (Action::Delete("out".to_owned()), Deny, "outside"),
        (read("src\u{200b}/lib.rs"), Deny, "hidden-characters"),
        (write("a\nb"), Deny, "hidden-characters"),
    ]);
}

#[test]
fn git_folders_belong_to_git() {
    verdicts(&[
        (write(".git/config"), Deny, "never_write"),
        (write("sub/.Git/hooks/x"), Deny, "never_write"),
        (write("g/config"), Deny, "never_write"),
        (read(".git/config"), Deny, "git-folder"),
        (read(".gitignore"), Allow, "default"),
        (write(".gitignore"), Allow, "default"),
    ]);
}

#[test]
fn steering_files_ask_and_say_that_they_steer() {
    let policy = default_policy();
    for path in [
        ".vscode/settings.json",
        ".VSCODE/x",
        "a/.vscode/x",
        "Makefile",
        "sub/package.json",
        "build.rs",
        "AGENTS.md",
        ".github/workflows/x.yml",
        ".gdbinit",
        "sub/.pdbrc",
        ".envrc",
        "bare.git/HEAD",
    ] {
        let decision = judge(&policy, &write(path));
        assert_eq!((decision.verdict, decision.steering, decision.grantable), (Ask, true, false), "{path}");
    }
    for path in ["src/lib.rs", "src/init", "a/rc", ".init.d/x"] {
        let plain = judge(&policy, &write(path));
        assert_eq!((plain.verdict, plain.steering), (Allow, false), "{path}");
    }
    assert_eq!(judge(&policy, &Action::Delete("Makefile".to_owned())).rule, "steering");
    assert_eq!(judge(&policy, &read("Makefile")).verdict, Allow);
}

#[test]
fn a_tracked_file_of_a_broad_pattern_stays_visible_to_commands() {
    let policy = default_policy();
    let class = |path: &str, tracked| policy.path_class(&WsPath::parse(path).unwrap(), tracked);
    let secret = |hide_from_commands| PathClass { secret: Some(Secret { hide_from_commands }), ..PathClass::default() };
    assert_eq!(class("a.pem", false), secret(true));
    assert_eq!(class("a.pem", true), secret(false));
    assert_eq!(class(".env", true), secret(true));
    assert_eq!(class("src/lib.rs", false), PathClass::default());
    assert!(class("Makefile", true).steering && class(".git/index", true).never_write);
}

#[test]
fn patterns_bind_as_gitignore_says() {
    let policy =
        user("schema = 1\n[paths]\nsecret = [\"a.txt\", \"/root.txt\", \"dir/\", \"x/*.k\", \"**/deep/y\", \"[ab].z\"]\n");
    let hidden = |path: &str| policy.path_class(&WsPath::parse(path).unwrap(), false).secret.is_some();
    for path in ["a.txt", "s/a.txt", "a.txt/below", "root.txt", "dir/x", "s/dir/x", "x/1.k", "deep/y", "s/t/deep/y", "s/a.z"] {
        assert!(hidden(path), "{path} should be secret");
    }
    for path in ["a.txt2", "s/root.txt", "x/s/1.k", "s/x/1.k", "deep/yy", "c.z"] {
        assert!(!hidden(path), "{path} should not be secret");
    }
}

//! Questions: hostile operands are refused, odd names work, answers are bounded, hidden files stay hidden.

use countersign::{
    seams::Vcs,
    vcs::{Git, GitSettings, check_branch, is_protected},
};

use super::lab::{Lab, path};

#[tokio::test]
async fn operands_never_become_options() {
    let lab = Lab::new();
    let git = lab.open();
    let leak = lab.root.join("leak").display().to_string();
    for rev in [
        "--output=x",
        "-O",
        &format!("--output={leak}"),
        "HEAD:story.txt",
        ":story.txt",
        "HEAD^{/x}",
        "a b",
        "",
        "HEAD\n",
        "x..-y",
        "..--output=x",
    ] {
        for op in ["log", "diff", "show"] {
            let refused = git.look(op, &[], Some(rev)).await;
            assert!(refused.is_err(), "{op} {rev:?}: {refused:?}");
        }
    }
    for op in ["push", "config", "!sh", "-c", "status --short", ""] {
        assert!(git.look(op, &[], None).await.is_err(), "{op}");
    }
    assert!(git.look("status", &[], Some("HEAD")).await.is_err());
    assert!(git.look("log", &[], Some("nowhere")).await.unwrap_err().message.contains("no revision"));
    assert!(!lab.root.join("leak").exists());
    for rev in ["HEAD", "topic", "main..topic", "HEAD~0", "main...topic"] {
        git.look("log", &[], Some(rev)).await.unwrap();
    }
}

#[tokio::test]
async fn names_with_newlines_dashes_stars_and_colons_are_literal() {
    let lab = Lab::new();
    let odd = ["--output=x", "na\nme", "*.txt", ":(top)story.txt", "ümlaut.txt"];
    for name in odd {
        lab.write(name, "odd\n");
    }
    lab.plain_ok(&["add", "-A", "."]);
    lab.plain_ok(&["commit", "-qm", "odd names"]);
    lab.write("story.txt", "changed\n");
    let git = lab.open();
    for name in odd {
        lab.write(name, "odder\n");
        let diff = git.look("diff", &[path(name)], None).await.unwrap();
        assert!(diff.contains("+odder") && !diff.contains("changed"), "{name:?}: {diff}");
        assert!(git.look("log", &[path(name)], None).await.unwrap().contains("odd names"));
        assert!(git.look("blame", &[path(name)], Some("HEAD")).await.unwrap().contains("odd"));
    }
}

#[tokio::test]
async fn hidden_files_are_left_out() {
    let lab = Lab::new();
    for name in [".env", "deep/.ENV", "secrets/key"] {
        lab.write(name, "token=1234\n");
    }
    lab.write("deep/code.rs", "code\n");
    lab.plain_ok(&["add", "-A"]);
    lab.plain_ok(&["commit", "-qm", "careless"]);
    let hidden = vec![".env".into(), "secrets/**".into()];
    let git = Git::open(&lab.ws, GitSettings { hidden, ..lab.settings() }).unwrap();
    for (op, paths, rev) in
        [("show", vec![], Some("HEAD")), ("show", vec![path(".env")], Some("HEAD")), ("diff", vec![], Some("main..topic"))]
    {
        let seen = git.look(op, &paths, rev).await.unwrap();
        assert!(!seen.contains("token"), "{op} {paths:?}: {seen}");
        assert_eq!(seen.contains("deep/code.rs"), paths.is_empty());
    }
    assert!(lab.open().look("show", &[], Some("HEAD")).await.unwrap().contains("token"), "the control");
}

#[tokio::test]
async fn long_answers_are_cut_and_replaced_objects_are_not_believed() {
    let lab = Lab::new();
    lab.write("long.txt", &"0123456789abcdef\n".repeat(200_000));
    lab.plain_ok(&["add", "long.txt"]);
    lab.plain_ok(&["commit", "-qm", "long"]);
    let git = lab.open();
    let seen = git.look("show", &[], Some("HEAD")).await.unwrap();
    assert!(seen.len() < 1_100_000 && seen.contains("cut at 1024 KiB"));
    let (real, fake) = (lab.plain_ok(&["rev-parse", "HEAD"]), lab.plain_ok(&["rev-parse", "main"]));
    lab.plain_ok(&["replace", &real, &fake]);
    assert!(lab.plain_ok(&["log", "-1", "--format=%s"]).contains("first"), "the control");
    assert!(git.look("log", &[], None).await.unwrap().contains("long"));
}

#[test]
fn branch_names() {
    for bad in [
        "HEAD:main",
        ":main",
        "+x",
        "+x:main",
        "main ",
        " main",
        "a b",
        "refs/heads/refs/heads/main",
        "refs/tags/x",
        "x*",
        "x..y",
        "x@{1}",
        "-x",
        ".git",
        "a/.git/b",
        "..",
        "x.lock",
        "a//b",
        "/a",
        "a/",
        "HEAD",
        "@",
        "",
        "x\u{200b}",
        "x\ny",
        "a\\b",
        "x~1",
        "x^",
    ] {
        assert!(check_branch(bad).is_err(), "{bad:?}");
    }
    for (good, name) in [("main", "main"), ("refs/heads/main", "main"), ("agent/fix-1", "agent/fix-1"), ("größe", "größe")] {
        assert_eq!(check_branch(good).unwrap(), name);
    }
    let protected = ["main".to_owned(), "release/*".to_owned()];
    for same in [
        "main",
        "MAIN",
        "mаin",
        "ｍain",
        "maın",
        "refs/heads/main",
        "maín",
        "release/1",
        "release/1/2",
        "Release/x",
        "main\u{200b}",
    ] {
        assert!(is_protected(&protected, same), "{same:?}");
    }
    for other in ["maintenance", "topic", "agent/main", "releases"] {
        assert!(!is_protected(&protected, other), "{other:?}");
    }
}

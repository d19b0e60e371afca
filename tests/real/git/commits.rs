//! Commits: the accepted text only, on the right branch, and nothing of the user's moved.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
};

use countersign::{
    seams::{Accepted, CommitSpec, Vcs, VcsError},
    vcs::{Git, GitSettings, HookOutcome, HookRun, HookRunner},
};

use super::lab::{Lab, STORY, pair, path, spec};
use crate::support::program::program;

#[tokio::test]
async fn holds_the_accepted_text_only_and_leaves_the_rest_as_it_was() {
    let lab = Lab::new();
    // the user: an unsaved-to-git edit below, one above in the same file, a staged change elsewhere, an untracked file
    lab.write("other.txt", "staged\n");
    lab.plain_ok(&["add", "other.txt"]);
    lab.write("untracked.txt", "mine\n");
    let before = STORY.replace("eight\n", "eight and a half\n");
    let after = before.replace("two\n", "TWO\n2b\n");
    lab.write("story.txt", &after);
    let git = lab.open();
    let plan = git.plan_commit(spec("story.txt", &before, &after)).await.unwrap();
    assert_eq!(
        (plan.branch.as_str(), plan.creates_branch, plan.files.as_slice()),
        ("topic", false, &["story.txt".to_owned()][..])
    );
    assert!(plan.diff.contains("+TWO") && !plan.diff.contains("half"), "{}", plan.diff);
    let id = git.commit(&plan).await.unwrap();
    assert_eq!(lab.plain_ok(&["rev-parse", "HEAD"]), id);
    assert_eq!(lab.plain_ok(&["show", "HEAD:story.txt"]) + "\n", STORY.replace("two\n", "TWO\n2b\n"));
    assert_eq!(lab.plain_ok(&["show", "HEAD:other.txt"]), "other");
    assert_eq!(lab.plain_ok(&["log", "-1", "--format=%an <%ae>|%B"]), "Ada <ada@example.org>|Change it");
    assert_eq!(lab.plain_ok(&["status", "--short"]), "M  other.txt\n M story.txt\n?? untracked.txt");
    assert_eq!(fs::read_to_string(lab.ws.join("story.txt")).unwrap(), after);
    assert!(lab.plain_ok(&["reflog", "-1"]).contains("commit: Change it"));
    assert!(lab.plain_ok(&["fsck", "--strict"]).is_empty());
    assert!(lab.scratch_is_empty());
}

#[tokio::test]
async fn a_change_that_stands_on_uncommitted_edits_is_left_out_with_a_word() {
    let lab = Lab::new();
    let before = STORY.replace("two\n", "deux\n");
    let mut both = spec("story.txt", &before, &before.replace("deux\n", "zwei\n"));
    both.accepted.push((path("other.txt"), vec![pair("other\n", "better\n")]));
    both.accepted.push((path("never-committed.txt"), vec![pair("a\n", "b\n")]));
    let git = lab.open();
    let plan = git.plan_commit(both.clone()).await.unwrap();
    assert_eq!(plan.files, ["other.txt"]);
    let names: Vec<&str> = plan.refused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["never-committed.txt", "story.txt"]);
    assert!(plan.refused[1].1.contains("not committed"), "{:?}", plan.refused);
    both.accepted.remove(1);
    let error = git.plan_commit(both).await.unwrap_err();
    assert!(error.message.contains("nothing to commit: never-committed.txt"), "{error}");
}

#[tokio::test]
async fn a_repeated_place_is_never_guessed() {
    let lab = Lab::new();
    lab.write("story.txt", "x\n}\n\nx\n}\n");
    lab.plain_ok(&["commit", "-qam", "repeats"]);
    // the user inserted a third, equal block; the agent changed that one
    let before = "x\n}\n\nx\n}\n\nx\n}\n";
    let after = "x\n}\n\nx\n}\n\ny\n}\n";
    let error = lab.open().plan_commit(spec("story.txt", before, after)).await.unwrap_err();
    assert!(error.message.contains("story.txt"), "{error}");
}

#[tokio::test]
async fn changes_follow_each_other_and_files_come_go_and_keep_their_mode() {
    let lab = Lab::new();
    for (name, mode) in [("run.sh", 0o755), ("tool.sh", 0o755)] {
        lab.write(name, "one\n");
        fs::set_permissions(lab.ws.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    lab.plain_ok(&["add", "run.sh"]);
    lab.plain_ok(&["commit", "-qm", "modes"]);
    let pairs = |steps: &[&str]| steps.windows(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned()).into()).collect::<Vec<_>>();
    let odd = "-dir/na\nme \"ü\".txt";
    lab.write(odd, "strange\n");
    lab.write("empty.txt", "");
    fs::remove_file(lab.ws.join("other.txt")).unwrap();
    let accepted = vec![
        (path("run.sh"), pairs(&["one\n", "two\n", "three\r\n"])),
        (path("tool.sh"), pairs(&["", "one\n"])),
        (path("other.txt"), pairs(&["other\n", ""])),
        (path(odd), pairs(&["", "strange\n"])),
        (path("empty.txt"), pairs(&["", ""])),
    ];
    let git = lab.open();
    let plan = git.plan_commit(CommitSpec { accepted, message: "All sorts".into(), branch: None }).await.unwrap();
    assert!(plan.refused.is_empty(), "{:?}", plan.refused);
    git.commit(&plan).await.unwrap();
    let listing = lab.plain_ok(&["ls-tree", "-r", "-z", "HEAD"]);
    let record = |record: &str| record.split_once('\t').map(|(head, path)| format!("{} {path}\0", &head[..6]));
    let listing: String = listing.split('\0').filter_map(record).collect();
    let wanted = format!("100644 {odd}\0100644 empty.txt\0100755 run.sh\0100644 story.txt\0100755 tool.sh\0");
    assert_eq!(listing, wanted);
    assert_eq!(lab.plain(&["cat-file", "blob", "HEAD:run.sh"]).stdout, b"three\r\n");
    lab.write("run.sh", "three\r\n");
    assert_eq!(lab.plain_ok(&["status", "--short"]), "", "the index follows");
}

/// The modes and names that a commit has.
fn tree(lab: &Lab) -> Vec<String> {
    let listing = lab.plain_ok(&["ls-tree", "-r", "HEAD"]);
    let row = |line: &str| line.split_once('\t').map(|(head, path)| format!("{} {path}", &head[..6]));
    listing.lines().filter_map(row).collect()
}

#[tokio::test]
async fn modes_and_files_that_are_no_text_are_committed_as_they_were_accepted() {
    let lab = Lab::new();
    let (logo, old): (&[u8], &[u8]) = (b"\x89PNG\0\r\n\xff", b"\0old");
    for (name, bytes) in [("logo.png", logo), ("old.bin", old), ("run.sh", b"#!/bin/sh\n"), ("both.sh", b"one\n")] {
        fs::write(lab.ws.join(name), bytes).unwrap();
    }
    lab.plain_ok(&["add", "."]);
    lab.plain_ok(&["commit", "-qm", "bytes"]);
    let sha = |bytes: &[u8]| Some(countersign::text::sha256(bytes));
    let bytes = |before: Option<String>, after: Option<String>| Accepted::Bytes { before, after };
    // What the acceptance did on the disk.
    fs::create_dir(lab.ws.join("img")).unwrap();
    fs::rename(lab.ws.join("logo.png"), lab.ws.join("img/logo.png")).unwrap();
    fs::remove_file(lab.ws.join("old.bin")).unwrap();
    let fresh: &[u8] = b"\0never committed";
    fs::write(lab.ws.join("fresh.bin"), fresh).unwrap();
    let accepted = |untracked: &[u8]| {
        vec![
            (path("img/logo.png"), vec![bytes(None, sha(logo))]),
            (path("logo.png"), vec![bytes(sha(logo), None)]),
            (path("old.bin"), vec![bytes(sha(old), None)]),
            (path("run.sh"), vec![Accepted::Mode { executable: true }]),
            (path("both.sh"), vec![pair("one\n", "two\n"), Accepted::Mode { executable: true }]),
            (path("fresh.bin"), vec![bytes(None, sha(untracked))]),
        ]
    };
    let spec = |accepted| CommitSpec { accepted, message: "Bytes".into(), branch: None };
    // Bytes that were not accepted are not committed, wherever they stand.
    let plan = lab.open().plan_commit(spec(accepted(b"\0others"))).await.unwrap();
    assert_eq!(plan.refused, [("fresh.bin".to_owned(), "its bytes are not the accepted ones any more".to_owned())]);
    let wrong = vec![(path("old.bin"), vec![bytes(sha(b"\0others"), None)])];
    let error = lab.open().plan_commit(spec(wrong)).await.unwrap_err();
    assert!(error.message.contains("other bytes"), "{error}");

    let git = lab.open();
    let plan = git.plan_commit(spec(accepted(fresh))).await.unwrap();
    assert_eq!(plan.refused, []);
    git.commit(&plan).await.unwrap();
    let wanted =
        ["100755 both.sh", "100644 fresh.bin", "100644 img/logo.png", "100644 other.txt", "100755 run.sh", "100644 story.txt"];
    assert_eq!(tree(&lab), wanted);
    assert_eq!(lab.plain(&["cat-file", "blob", "HEAD:img/logo.png"]).stdout, logo);
    assert_eq!(lab.plain(&["cat-file", "blob", "HEAD:fresh.bin"]).stdout, fresh);
    let story = lab.plain_ok(&["diff", "--summary", "-M", "HEAD~1", "HEAD"]);
    assert!(story.contains("mode change 100644 => 100755 run.sh"), "{story}");
    assert!(lab.plain_ok(&["diff", "--stat", "-M", "HEAD~1", "HEAD"]).contains("{ => img}/logo.png") || story.contains("rename"));
    for name in ["run.sh", "both.sh"] {
        fs::set_permissions(lab.ws.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    lab.write("both.sh", "two\n");
    assert_eq!(lab.plain_ok(&["status", "--short"]), "", "the index follows");
    let mode = vec![(path("nothing.sh"), vec![Accepted::Mode { executable: true }])];
    let error = lab.open().plan_commit(spec(mode)).await.unwrap_err();
    assert!(error.message.contains("only its mode"), "{error}");
}

#[tokio::test]
async fn line_ends_follow_the_committed_file() {
    let lab = Lab::new();
    let dos = STORY.replace('\n', "\r\n");
    let plan = lab.open().plan_commit(spec("story.txt", &dos, &dos.replace("two", "TWO"))).await.unwrap();
    assert_eq!(plan.diff.lines().filter(|line| line.starts_with(['+', '-'])).count(), 4, "{}", plan.diff);
    lab.open().commit(&plan).await.unwrap();
    assert_eq!(lab.plain_ok(&["show", "HEAD:story.txt"]) + "\n", STORY.replace("two", "TWO"));
}

#[tokio::test]
async fn files_that_are_no_text_files_in_head_are_refused() {
    let lab = Lab::new();
    std::os::unix::fs::symlink("other.txt", lab.ws.join("link")).unwrap();
    fs::write(lab.ws.join("bytes"), [0xff, 0xfe, 0]).unwrap();
    lab.plain_ok(&["add", "."]);
    lab.plain_ok(&["commit", "-qm", "odd"]);
    for (name, why) in
        [("link", "symbolic link"), ("bytes", "UTF-8"), ("other.txt/below", "not a folder"), (".git/config", "git does not take")]
    {
        let error = lab.open().plan_commit(spec(name, "", "text\n")).await.unwrap_err();
        assert!(error.message.contains(why), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_protected_branch_gets_a_branch_of_its_own() {
    let lab = Lab::new();
    lab.plain_ok(&["checkout", "-q", "main"]);
    let main = lab.plain_ok(&["rev-parse", "main"]);
    let git = lab.open();
    lab.plain_ok(&["branch", "agent/change-it"]);
    let plan = git.plan_commit(spec("other.txt", "other\n", "better\n")).await.unwrap();
    assert_eq!((plan.branch.as_str(), plan.creates_branch), ("agent/change-it-2", true));
    assert_eq!(plan.why_branch.as_deref(), Some("main is protected"));
    let id = git.commit(&plan).await.unwrap();
    assert_eq!(lab.plain_ok(&["symbolic-ref", "HEAD"]), "refs/heads/agent/change-it-2");
    assert_eq!((lab.plain_ok(&["rev-parse", "HEAD"]), lab.plain_ok(&["rev-parse", "main"])), (id, main));
    assert!(git.create_branch("release/1").await.unwrap_err().message.contains("protected"));
    let named = CommitSpec { branch: Some("MAIN".into()), ..spec("other.txt", "better\n", "best\n") };
    assert!(git.plan_commit(named).await.unwrap_err().message.contains("protected"));
}

#[tokio::test]
async fn what_moved_since_the_plan_stops_the_commit() {
    let lab = Lab::new();
    let git = lab.open();
    let plan = git.plan_commit(spec("other.txt", "other\n", "better\n")).await.unwrap();
    let mut forged = plan.clone();
    forged.message = "Another message\n".into();
    assert!(git.commit(&forged).await.unwrap_err().message.contains("changed since"));
    lab.plain_ok(&["config", "user.name", "Eve"]);
    assert!(git.commit(&plan).await.unwrap_err().message.contains("author"));
    lab.plain_ok(&["config", "--unset", "user.name"]);
    lab.plain_ok(&["checkout", "-qb", "elsewhere"]);
    assert!(git.commit(&plan).await.unwrap_err().message.contains("HEAD left"));
    lab.plain_ok(&["checkout", "-q", "topic"]);
    lab.plain_ok(&["commit", "-q", "--allow-empty", "-m", "meanwhile"]);
    let head = lab.plain_ok(&["rev-parse", "HEAD"]);
    assert!(git.commit(&plan).await.unwrap_err().message.contains("HEAD moved"));
    assert_eq!(lab.plain_ok(&["rev-parse", "HEAD"]), head);
    let plan = git.plan_commit(spec("other.txt", "other\n", "better\n")).await.unwrap();
    git.commit(&plan).await.expect("the control: nothing moved");
}

#[tokio::test]
async fn the_first_commit_a_sha256_repository_and_a_linked_worktree() {
    for format in ["sha1", "sha256"] {
        let lab = Lab::empty(format);
        lab.write("a", "a\n");
        let git = lab.open();
        assert!(git.look("status", &[], None).await.unwrap().contains("a"));
        let plan = git.plan_commit(spec("a", "", "a\n")).await.unwrap();
        assert_eq!((plan.branch.as_str(), &plan.parent), ("main", &None));
        let id = git.commit(&plan).await.unwrap();
        assert_eq!((lab.plain_ok(&["rev-parse", "main"]), lab.plain_ok(&["status", "--short"])), (id, String::new()));
        lab.plain_ok(&["worktree", "add", "-q", "-b", "side", "../side"]);
        let side = Git::open(&lab.root.join("side"), lab.settings()).unwrap();
        let plan = side.plan_commit(spec("a", "a\n", "side\n")).await.unwrap();
        let id = side.commit(&plan).await.unwrap();
        assert_eq!(lab.plain_ok(&["rev-parse", "side"]), id);
        assert_ne!(lab.plain_ok(&["rev-parse", "main"]), id);
        assert_eq!(lab.plain_at(&lab.root.join("side"), &["diff", "--cached", "--quiet"]).status.code(), Some(0));
    }
}

#[tokio::test]
async fn states_that_are_not_for_a_plain_commit() {
    let lab = Lab::new();
    let git = lab.open();
    lab.write(".git/MERGE_HEAD", &lab.plain_ok(&["rev-parse", "HEAD"]));
    assert!(git.plan_commit(spec("other.txt", "other\n", "x\n")).await.unwrap_err().message.contains("merge"));
    fs::remove_file(lab.ws.join(".git/MERGE_HEAD")).unwrap();
    lab.plain_ok(&["checkout", "-q", "--detach"]);
    assert!(git.plan_commit(spec("other.txt", "other\n", "x\n")).await.unwrap_err().message.contains("no branch"));
    let named = CommitSpec { branch: Some("agent/x".into()), ..spec("other.txt", "other\n", "x\n") };
    let plan = git.plan_commit(named).await.unwrap();
    git.commit(&plan).await.unwrap();
    assert_eq!(git.branch().await.unwrap().name.as_deref(), Some("agent/x"));
    lab.plain_ok(&["config", "core.repositoryformatversion", "1"]);
    lab.plain_ok(&["config", "extensions.refStorage", "reftable"]);
    assert!(git.branch().await.unwrap_err().message.contains("reftable"));
}

#[tokio::test]
async fn without_an_identity_the_user_is_told_what_to_do() {
    let lab = Lab::new();
    fs::write(lab.home.join(".gitconfig"), "").unwrap();
    let error = lab.open().plan_commit(spec("other.txt", "other\n", "x\n")).await.unwrap_err();
    assert!(error.hint.unwrap().contains("user.name"));
    // an identity by folder, as people keep it for work
    let text = format!("[includeIf \"gitdir:{}/\"]\n\tpath = work.cfg\n", lab.ws.display());
    fs::write(lab.home.join(".gitconfig"), text).unwrap();
    fs::write(lab.home.join("work.cfg"), "[user]\n\tname = Ada\n\temail = ada@work.example\n").unwrap();
    let plan = lab.open().plan_commit(spec("other.txt", "other\n", "x\n")).await.unwrap();
    lab.open().commit(&plan).await.unwrap();
    assert_eq!(lab.plain_ok(&["log", "-1", "--format=%ae"]), "ada@work.example");
}

#[tokio::test]
async fn the_users_own_signing_program_signs_and_the_repositorys_does_not() {
    let lab = Lab::new();
    lab.plain_ok(&["config", "commit.gpgsign", "true"]);
    let plan = lab.open().plan_commit(spec("other.txt", "other\n", "x\n")).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("not be signed")), "{:?}", plan.warnings);
    let signer = lab.home.join("signer");
    program(
        &signer,
        "#!/bin/sh\ncat >/dev/null\necho -----BEGIN PGP SIGNATURE-----\necho x\necho -----END PGP SIGNATURE-----\necho >&2\necho '[GNUPG:] SIG_CREATED ' >&2\n",
    );
    let mut text = fs::read_to_string(lab.home.join(".gitconfig")).unwrap();
    text += &format!("[commit]\n\tgpgsign = true\n[gpg]\n\tprogram = {}\n", signer.display());
    fs::write(lab.home.join(".gitconfig"), text).unwrap();
    lab.plain_ok(&["config", "gpg.program", "/bin/false"]);
    lab.open().commit(&plan).await.unwrap();
    assert!(lab.plain_ok(&["cat-file", "commit", "HEAD"]).contains("BEGIN PGP SIGNATURE"));
}

#[tokio::test]
async fn an_operation_that_is_given_up_leaves_no_process_and_no_commit() {
    let lab = Lab::new();
    let (signer, pid) = (lab.home.join("signer"), lab.root.join("pid"));
    program(&signer, format!("#!/bin/sh\necho $$ > {0}.tmp; mv {0}.tmp {0}\nsleep 300\n", pid.display()));
    lab.plain_ok(&["config", "--global", "commit.gpgsign", "true"]);
    lab.plain_ok(&["config", "--global", "gpg.program", signer.to_str().unwrap()]);
    let git = lab.open();
    let head = lab.plain_ok(&["rev-parse", "HEAD"]);
    let plan = git.plan_commit(spec("other.txt", "other\n", "x\n")).await.unwrap();
    tokio::select! {
        done = git.commit(&plan) => panic!("the signer never ends: {done:?}"),
        started = eventually(|| pid.exists()) => assert!(started, "the signer starts"),
    }
    let stat = format!("/proc/{}/stat", fs::read_to_string(&pid).unwrap().trim());
    let ended = || fs::read_to_string(&stat).map_or(true, |text| text.contains(") Z "));
    assert!(eventually(ended).await, "the signer is ended");
    assert_eq!(lab.plain_ok(&["rev-parse", "HEAD"]), head);
    assert!(lab.scratch_is_empty());
}

/// Whether it comes true within ten seconds.
async fn eventually(true_now: impl Fn() -> bool) -> bool {
    for _ in 0..1000 {
        if true_now() {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    false
}

#[derive(Default)]
struct Walls {
    seen: Mutex<Vec<HookRun>>,
    refuse: bool,
}

#[async_trait::async_trait]
impl HookRunner for Walls {
    async fn run(&self, run: HookRun) -> Result<HookOutcome, VcsError> {
        assert!(run.index.exists() && run.program.exists());
        let message = (run.hook == "commit-msg").then(|| format!("{}\nChange-Id: 1\n", run.message));
        self.seen.lock().unwrap().push(run);
        Ok(HookOutcome { passed: !self.refuse, output: "line too long".into(), message })
    }
}

#[tokio::test]
async fn hooks_go_to_the_walls_or_the_plan_says_that_they_do_not_run() {
    let lab = Lab::new();
    for hook in ["pre-commit", "commit-msg"] {
        lab.write(&format!(".git/hooks/{hook}"), "#!/bin/sh\nexit 1\n");
        fs::set_permissions(lab.ws.join(".git/hooks").join(hook), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let change = || spec("other.txt", "other\n", "x\n");
    let plan = lab.open().plan_commit(change()).await.unwrap();
    assert_eq!(plan.warnings.len(), 2, "{:?}", plan.warnings);
    let walls = Arc::new(Walls::default());
    let plan = lab.with_hooks(walls.clone()).plan_commit(change()).await.unwrap();
    assert!(plan.warnings.is_empty() && plan.message.ends_with("Change-Id: 1\n"), "{plan:?}");
    let seen = walls.seen.lock().unwrap().clone();
    assert_eq!(seen.iter().map(|run| run.hook.as_str()).collect::<Vec<_>>(), ["pre-commit", "commit-msg"]);
    assert_eq!((&seen[0].tree, &seen[0].changes), (&plan.tree, &vec![("other.txt".into(), Some(b"x\n".to_vec()))]));
    let refusing = lab.with_hooks(Arc::new(Walls { refuse: true, ..Walls::default() }));
    assert!(refusing.plan_commit(change()).await.unwrap_err().message.contains("line too long"));
}

#[tokio::test]
async fn a_folder_below_the_top_names_its_own_files() {
    let lab = Lab::new();
    lab.write("crates/a/lib.rs", "a\n");
    lab.plain_ok(&["add", "."]);
    lab.plain_ok(&["commit", "-qm", "crates"]);
    let git = Git::open(&lab.ws.join("crates/a"), lab.settings()).unwrap();
    lab.write("other.txt", "dirty\n");
    lab.write("crates/a/lib.rs", "b\n");
    let seen = git.look("diff", &[], None).await.unwrap();
    assert!(seen.contains("lib.rs") && !seen.contains("dirty"), "{seen}");
    let plan = git.plan_commit(spec("lib.rs", "a\n", "b\n")).await.unwrap();
    git.commit(&plan).await.unwrap();
    assert_eq!(lab.plain_ok(&["show", "HEAD:crates/a/lib.rs"]), "b");
}

#[tokio::test]
async fn no_repository_no_git_no_empty_message() {
    let lab = Lab::new();
    let error = Git::open(&lab.home, GitSettings::default()).err().unwrap();
    assert!(error.message.contains("no git repository") && error.hint.unwrap().contains("git init"));
    let message = CommitSpec { message: " \n\u{200b}\n".into(), ..spec("other.txt", "other\n", "x\n") };
    assert!(lab.open().plan_commit(message).await.unwrap_err().message.contains("empty"));
    let message = CommitSpec { message: "\n\nSub\u{202e}ject  \r\n\n\n\nBody\n\n".into(), ..spec("other.txt", "other\n", "x\n") };
    assert_eq!(lab.open().plan_commit(message).await.unwrap().message, "Subject\n\nBody\n");
}

//! Pushes: exactly what was planned arrives, or nothing does.

use std::fs;

use countersign::{
    seams::{PushSpec, Vcs},
    vcs::{Git, GitSettings},
};

use super::lab::{Lab, spec};

fn to(branch: &str) -> PushSpec {
    PushSpec { remote: None, branch: Some(branch.into()) }
}

async fn commit(git: &Git, before: &str, after: &str) -> String {
    let plan = git.plan_commit(spec("other.txt", before, after)).await.unwrap();
    git.commit(&plan).await.unwrap()
}

#[tokio::test]
async fn a_new_branch_then_a_fast_forward() {
    let lab = Lab::new();
    lab.plain_ok(&["tag", "v1"]);
    let git = lab.open();
    let first = commit(&git, "other\n", "better\n").await;
    let plan = git.plan_push(PushSpec::default()).await.unwrap();
    assert_eq!((plan.remote.as_str(), plan.branch.as_str(), &plan.old, &plan.new), ("origin", "topic", &None, &first));
    assert_eq!(plan.url, lab.remote.to_str().unwrap());
    assert_eq!(plan.commits.len(), 1, "main is there already: {:?}", plan.commits);
    assert!(plan.fast_forward && plan.diff.contains("+better") && !plan.diff.contains("story.txt"), "{}", plan.diff);
    assert_eq!(lab.remote_branch("topic"), None, "a plan pushes nothing");
    git.push(&plan).await.unwrap();
    assert_eq!(lab.remote_branch("topic"), Some(first.clone()));
    assert_eq!(lab.plain_ok(&["rev-parse", "origin/topic"]), first, "the tracking branch follows");
    assert!(!lab.plain_at(&lab.remote, &["rev-parse", "--verify", "-q", "v1"]).status.success(), "no tags");
    assert!(git.plan_push(PushSpec::default()).await.unwrap_err().message.contains("already"));
    let second = commit(&git, "better\n", "best\n").await;
    let plan = git.plan_push(to("refs/heads/topic")).await.unwrap();
    assert_eq!((plan.old.as_deref(), plan.fast_forward, plan.commits.len()), (Some(first.as_str()), true, 1));
    git.push(&plan).await.unwrap();
    assert_eq!(lab.remote_branch("topic"), Some(second));
    assert!(lab.scratch_is_empty());
}

#[tokio::test]
async fn what_moved_since_the_question_stops_the_push() {
    let lab = Lab::new();
    let git = lab.open();
    commit(&git, "other\n", "better\n").await;
    let plan = git.plan_push(PushSpec::default()).await.unwrap();
    let refused = async |what: &str, plan| {
        let error = git.push(plan).await.unwrap_err();
        assert!(error.message.contains("nothing was pushed") && error.message.contains(what), "{error}");
    };
    // the remote's branch appears
    lab.plain_ok(&["push", "-q", "origin", "main:refs/heads/topic"]);
    refused("origin/topic moved", &plan).await;
    lab.plain_ok(&["push", "-q", "origin", ":refs/heads/topic"]);
    // the URL changes, in each of the ways
    let other = lab.root.join("other.git").display().to_string();
    lab.plain_ok(&["init", "-q", "--bare", &other]);
    lab.plain_ok(&["config", "remote.origin.pushurl", &other]);
    refused("URL of origin changed", &plan).await;
    lab.plain_ok(&["config", "--unset", "remote.origin.pushurl"]);
    // the repository's own rewriting is not obeyed: the old URL still counts, so the plan stands
    lab.plain_ok(&["config", &format!("url.{other}.insteadOf"), lab.remote.to_str().unwrap()]);
    lab.plain_ok(&["config", "remote.origin.mirror", "true"]);
    // the local branch moves
    let approved = lab.plain_ok(&["rev-parse", "HEAD"]);
    lab.plain_ok(&["commit", "-q", "--allow-empty", "-m", "slipped in"]);
    refused("branch topic moved", &plan).await;
    assert_eq!(lab.remote_branch("topic"), None);
    lab.plain_ok(&["reset", "-q", "--soft", &approved]);
    git.push(&plan).await.expect("the control: nothing moved");
    assert_eq!(lab.remote_branch("topic"), Some(approved));
    assert_eq!(lab.plain_at(other.as_ref(), &["for-each-ref"]).stdout, b"");
}

#[tokio::test]
async fn rewriting_is_a_force_and_never_on_a_protected_branch() {
    let lab = Lab::new();
    let git = lab.open();
    let first = commit(&git, "other\n", "better\n").await;
    let plan = git.plan_push(PushSpec::default()).await.unwrap();
    git.push(&plan).await.unwrap();
    lab.plain_ok(&["commit", "-q", "--amend", "-m", "Amended"]);
    let plan = git.plan_push(PushSpec::default()).await.unwrap();
    assert_eq!((plan.fast_forward, plan.old.as_deref()), (false, Some(first.as_str())));
    git.push(&plan).await.unwrap();
    assert_eq!(lab.remote_branch("topic"), Some(plan.new));
    lab.plain_ok(&["checkout", "-qf", "main"]);
    lab.plain_ok(&["commit", "-q", "--amend", "-m", "Amended main"]);
    assert!(git.plan_push(to("main")).await.unwrap_err().message.contains("protected"));
}

#[tokio::test]
async fn commits_that_are_only_on_the_remote_are_not_thrown_away() {
    let lab = Lab::new();
    let git = lab.open();
    commit(&git, "other\n", "better\n").await;
    lab.plain_ok(&["clone", "-q", lab.remote.to_str().unwrap(), "../colleague"]);
    let colleague = lab.root.join("colleague");
    lab.plain_at(&colleague, &["commit", "-q", "--allow-empty", "-m", "theirs"]);
    lab.plain_at(&colleague, &["push", "-q", "origin", "HEAD:topic"]);
    assert!(lab.remote_branch("topic").is_some(), "the set-up");
    assert!(git.plan_push(PushSpec::default()).await.unwrap_err().message.contains("commits that are not here"));
}

#[tokio::test]
async fn remotes_and_urls_that_are_refused() {
    let lab = Lab::new();
    let strict = Git::open(&lab.ws, GitSettings { allow_file_remotes: false, ..lab.settings() }).unwrap();
    let error = strict.plan_push(PushSpec::default()).await.unwrap_err();
    assert!(error.hint.unwrap().contains("allow_file_remotes"));
    let git = lab.open();
    git.plan_push(PushSpec::default()).await.expect("the control");
    for remote in ["elsewhere", "--receive-pack=x", lab.remote.to_str().unwrap(), "countersign-target"] {
        let spec = PushSpec { remote: Some(remote.into()), branch: None };
        assert!(git.plan_push(spec).await.unwrap_err().message.contains("no remote"), "{remote}");
    }
    for branch in ["HEAD:main", ":topic", "+topic", "topic ", "refs/heads/refs/heads/topic", "*", "nowhere"] {
        assert!(git.plan_push(to(branch)).await.is_err(), "{branch}");
    }
    let inside = lab.ws.join("inside.git").display().to_string();
    lab.plain_ok(&["init", "-q", "--bare", &inside]);
    for (url, why) in [
        ("http://example.org/x.git", "only https and ssh"),
        ("git://example.org/x.git", "only https and ssh"),
        ("ext::sh -c x", "characters"),
        ("ext::sh", "only https and ssh"),
        ("-oProxyCommand=x:y", "characters"),
        ("ssh://-oProxyCommand=x/y", "no host"),
        ("x@-oProxyCommand=x:y", "no host"),
        (&inside, "inside the workspace"),
        ("./inside.git", "inside the workspace"),
        ("/nowhere.git", "no such folder"),
    ] {
        lab.plain_ok(&["config", "remote.origin.url", url]);
        let error = git.plan_push(PushSpec::default()).await.unwrap_err();
        assert!(error.message.contains(why), "{url}: {error}");
    }
    lab.plain_ok(&["config", "remote.origin.url", "https://ada:hunter2@127.0.0.1:1/x.git?private_token=hunter2"]);
    let error = git.plan_push(PushSpec::default()).await.unwrap_err();
    assert!(error.message.contains("https://127.0.0.1:1/x.git") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    lab.plain_ok(&["config", "--add", "remote.origin.url", lab.remote.to_str().unwrap()]);
    assert!(git.plan_push(PushSpec::default()).await.unwrap_err().message.contains("2 push URLs"));
}

#[tokio::test]
async fn the_users_own_rewriting_counts_and_is_shown() {
    let lab = Lab::new();
    let mut text = fs::read_to_string(lab.home.join(".gitconfig")).unwrap();
    text += &format!("[url \"{}/\"]\n\tinsteadOf = https://work.example/\n", lab.root.display());
    fs::write(lab.home.join(".gitconfig"), text).unwrap();
    lab.plain_ok(&["config", "remote.origin.url", "https://work.example/remote.git"]);
    let git = lab.open();
    let plan = git.plan_push(PushSpec::default()).await.unwrap();
    assert_eq!(plan.url, lab.remote.to_str().unwrap());
    git.push(&plan).await.unwrap();
    assert_eq!(lab.remote_branch("topic"), Some(plan.new));
}

#[tokio::test]
async fn a_server_that_refuses_is_reported_as_it_said() {
    let lab = Lab::new();
    let git = lab.open();
    commit(&git, "other\n", "better\n").await;
    lab.plain_at(&lab.remote, &["config", "receive.denyNonFastForwards", "true"]);
    lab.plain_at(&lab.remote, &["config", "transfer.hideRefs", "refs/heads/topic"]);
    let plan = git.plan_push(PushSpec::default()).await.unwrap();
    let error = git.push(&plan).await.unwrap_err();
    assert!(error.message.contains("nothing was pushed") && error.message.contains("hidden ref"), "{error}");
}

//! Every setting by which a repository makes plain git run a program: the server's git, doing all that it can do, never runs it.
//! Each test ends with its positive control: plain git, on the same repository, does.

use std::{
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use countersign::{
    seams::{PushSpec, Vcs, VcsError},
    vcs::{Git, GitSettings},
};

use super::lab::{Lab, STORY, path, spec};
use crate::support::program::copied;

/// Everything that the server's git can be asked, with all states of a file about.
async fn exercise(lab: &Lab, git: &Git) -> Result<(), VcsError> {
    lab.write("other.txt", "an uncommitted edit\n");
    lab.write("new.bin", "untracked\n");
    let story = [path("story.txt")];
    for (op, paths, rev) in [
        ("status", &[][..], None),
        ("diff", &[], None),
        ("diff", &[], Some("HEAD")),
        ("log", &[], None),
        ("log", &story, None),
        ("show", &[], Some("HEAD")),
        ("blame", &story, None),
        ("blame", &story, Some("HEAD")),
        ("branch", &[], None),
    ] {
        git.look(op, paths, rev).await?;
    }
    git.branch().await?;
    let plan = git.plan_commit(spec("story.txt", STORY, &STORY.replace("two", "TWO"))).await?;
    git.commit(&plan).await?;
    git.create_branch("agent/more").await?;
    let plan = git.plan_commit(spec("added.txt", "", "added\n")).await?;
    git.commit(&plan).await?;
    let plan = git.plan_push(PushSpec::default()).await?;
    git.push(&plan).await
}

/// Plants, exercises (which must work), and shows that plain git falls for it.
async fn vector(plant: impl Fn(&Lab, &str), control: impl Fn(&Lab)) {
    vector_that(true, plant, control).await;
}

async fn vector_that(works: bool, plant: impl Fn(&Lab, &str), control: impl Fn(&Lab)) {
    let lab = Lab::new();
    let script = lab.canary_script();
    plant(&lab, &script);
    let _ = fs::remove_file(lab.canary()); // planting may have set it off
    let done = exercise(&lab, &lab.open()).await;
    assert!(!lab.canary().exists(), "the server's git ran the planted program");
    assert!(lab.scratch_is_empty());
    assert_eq!(done.is_ok(), works, "{done:?}");
    lab.write("other.txt", "another uncommitted edit\n");
    control(&lab);
    assert!(lab.canary().exists(), "the control: plain git does not run the planted program");
}

fn config(lab: &Lab, key: &str, value: &str) {
    lab.plain_ok(&["config", key, value]);
}

fn hook(lab: &Lab, script: &str, name: &str) {
    let folder = lab.ws.join(".git/hooks");
    fs::create_dir_all(&folder).unwrap();
    copied(script.as_ref(), &folder.join(name));
}

macro_rules! vectors {
    ($($name:ident: |$lab:ident, $script:ident| $plant:expr => |$plain:ident| $control:expr;)*) => {
        $(#[tokio::test]
        async fn $name() {
            vector(|$lab, $script| { $plant; }, |$plain| { $control; }).await;
        })*
    };
}

vectors! {
    fsmonitor: |lab, script| config(lab, "core.fsmonitor", script) => |lab| lab.plain(&["status"]);
    hook_pre_commit: |lab, script| hook(lab, script, "pre-commit") => |lab| lab.plain(&["commit", "--allow-empty", "-m", "x"]);
    hook_prepare_commit_msg: |lab, script| hook(lab, script, "prepare-commit-msg") => |lab| lab.plain(&["commit", "--allow-empty", "-m", "x"]);
    hook_commit_msg: |lab, script| hook(lab, script, "commit-msg") => |lab| lab.plain(&["commit", "--allow-empty", "-m", "x"]);
    hook_post_commit_despite_no_verify: |lab, script| hook(lab, script, "post-commit")
        => |lab| lab.plain(&["commit", "--no-verify", "--allow-empty", "-m", "x"]);
    hook_post_index_change: |lab, script| hook(lab, script, "post-index-change") => |lab| lab.plain(&["add", "other.txt"]);
    hook_reference_transaction: |lab, script| hook(lab, script, "reference-transaction") => |lab| lab.plain(&["branch", "x"]);
    hook_post_checkout: |lab, script| hook(lab, script, "post-checkout") => |lab| lab.plain(&["checkout", "-b", "x"]);
    hook_pre_push: |lab, script| hook(lab, script, "pre-push") => |lab| lab.plain(&["push", "origin", "HEAD:refs/heads/x"]);
    hooks_path: |lab, script| {
        fs::create_dir(lab.ws.join("hooks")).unwrap();
        copied(script.as_ref(), &lab.ws.join("hooks/pre-commit"));
        config(lab, "core.hooksPath", "hooks")
    } => |lab| lab.plain(&["commit", "--allow-empty", "-m", "x"]);
    filter_clean_by_gitattributes: |lab, script| {
        lab.write(".gitattributes", "* filter=evil\n");
        config(lab, "filter.evil.clean", script)
    } => |lab| lab.plain(&["diff"]);
    filter_process_by_gitattributes: |lab, script| {
        lab.write(".gitattributes", "* filter=evil\n");
        config(lab, "filter.evil.process", script)
    } => |lab| lab.plain(&["add", "other.txt"]);
    filter_clean_by_info_attributes: |lab, script| {
        lab.write(".git/info/attributes", "* filter=evil\n");
        config(lab, "filter.evil.clean", script)
    } => |lab| lab.plain(&["add", "other.txt"]);
    filter_smudge: |lab, script| {
        lab.write(".git/info/attributes", "* filter=evil\n");
        config(lab, "filter.evil.smudge", script)
    } => |lab| lab.plain(&["checkout", "--", "other.txt"]);
    textconv: |lab, script| {
        lab.write(".gitattributes", "* diff=evil\n");
        config(lab, "diff.evil.textconv", script)
    } => |lab| lab.plain(&["log", "-p"]);
    diff_driver_command: |lab, script| {
        lab.write(".gitattributes", "* diff=evil\n");
        config(lab, "diff.evil.command", script)
    } => |lab| lab.plain(&["diff"]);
    diff_external: |lab, script| config(lab, "diff.external", script) => |lab| lab.plain(&["diff"]);
    alias: |lab, script| {
        config(lab, "alias.look", &format!("!{script}"));
        config(lab, "alias.status", &format!("!{script}"))
    } => |lab| lab.plain(&["look"]);
    gpg_program: |lab, script| {
        config(lab, "gpg.program", script);
        config(lab, "commit.gpgsign", "true")
    } => |lab| lab.plain(&["commit", "--allow-empty", "-m", "x"]);
    gpg_ssh_program: |lab, script| {
        config(lab, "gpg.format", "ssh");
        config(lab, "gpg.ssh.program", script);
        config(lab, "user.signingkey", "key::ssh-ed25519 AAAA");
        config(lab, "commit.gpgsign", "true")
    } => |lab| lab.plain(&["commit", "--allow-empty", "-m", "x"]);
    editor: |lab, script| config(lab, "core.editor", script) => |lab| lab.plain(&["commit", "--allow-empty"]);
    trailer_command: |lab, script| {
        config(lab, "trailer.sign.command", script);
        config(lab, "trailer.sign.ifexists", "add")
    } => |lab| lab.plain(&["commit", "--allow-empty", "--trailer", "sign=x", "-m", "x"]);
    include_path: |lab, script| {
        lab.write("evil.cfg", &format!("[core]\n\tfsmonitor = {script}\n"));
        config(lab, "include.path", "../evil.cfg")
    } => |lab| lab.plain(&["status"]);
    config_worktree: |lab, script| {
        config(lab, "core.repositoryformatversion", "1");
        config(lab, "extensions.worktreeConfig", "true");
        lab.write(".git/config.worktree", &format!("[core]\n\tfsmonitor = {script}\n"))
    } => |lab| lab.plain(&["status"]);
    receivepack: |lab, script| config(lab, "remote.origin.receivepack", script) => |lab| lab.plain(&["push", "origin", "HEAD:refs/heads/x"]);
    uploadpack: |lab, script| config(lab, "remote.origin.uploadpack", script) => |lab| lab.plain(&["ls-remote", "origin"]);
    ext_by_instead_of: |lab, script| {
        config(lab, "protocol.ext.allow", "always");
        config(lab, &format!("url.ext::{script} .insteadOf"), lab.root.to_str().unwrap())
    } => |lab| lab.plain(&["ls-remote", "origin"]);
    git_file_to_another_repository: |lab, script| {
        fs::rename(lab.ws.join(".git"), lab.ws.join("innocent")).unwrap();
        lab.write(".git", "gitdir: innocent\n");
        config(lab, "core.fsmonitor", script)
    } => |lab| lab.plain(&["status"]);
    submodule_with_its_own_config: |lab, script| {
        lab.plain_ok(&["clone", "-q", lab.remote.to_str().unwrap(), "sub"]);
        lab.plain_ok(&["add", "sub"]);
        lab.plain_ok(&["commit", "-qm", "sub"]);
        lab.plain_ok(&["-C", "sub", "config", "core.fsmonitor", script]);
        fs::write(lab.ws.join("sub/story.txt"), "changed\n").unwrap()
    } => |lab| lab.plain(&["status"]);
    embedded_repository: |lab, script| {
        lab.plain_ok(&["init", "-q", "sub"]);
        fs::rename(lab.ws.join("sub/.git"), lab.ws.join("sub/inner")).unwrap();
        for part in ["HEAD", "config", "objects", "refs"] {
            fs::rename(lab.ws.join("sub/inner").join(part), lab.ws.join("sub").join(part)).unwrap();
        }
        let text = format!("[core]\n\trepositoryformatversion = 0\n\tworktree = {}\n\tfsmonitor = {script}\n", lab.ws.join("sub").display());
        lab.write("sub/config", &text)
    } => |lab| lab.plain_at(&lab.ws.join("sub"), &["status"]);
    credential_helper: |lab, script| config(lab, "credential.helper", script) => |lab| {
        let mut child = Command::new("git").args(["credential", "fill"]).current_dir(&lab.ws).env_clear().envs(lab.env())
            .env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"protocol=https\nhost=example.org\n\n").unwrap();
        child.wait().unwrap()
    };
    pager: |lab, script| config(lab, "core.pager", script) => |lab| on_a_terminal(lab, &["log"]);
}

/// A pager runs only where git believes in a terminal.
fn on_a_terminal(lab: &Lab, args: &[&str]) {
    let pty = nix::pty::openpty(None, None).unwrap();
    let mut git = Command::new("git");
    git.args(args).current_dir(&lab.ws).env_clear().envs(lab.env()).env("TERM", "xterm").stdin(Stdio::null()).stdout(pty.slave);
    let mut child = git.spawn().unwrap();
    drop(git);
    let mut master = fs::File::from(pty.master);
    let mut chunk = [0; 4096];
    while matches!(master.read(&mut chunk), Ok(count) if count > 0) {}
    child.wait().unwrap();
}

#[tokio::test]
async fn ssh_command() {
    let plant = |lab: &Lab, script: &str| {
        config(lab, "core.sshCommand", script);
        config(lab, "remote.origin.url", "ssh://127.0.0.1:1/nowhere.git");
    };
    vector_that(false, plant, |lab| drop(lab.plain(&["ls-remote", "origin"]))).await;
}

#[tokio::test]
async fn lazy_fetch_of_a_partial_clone() {
    let plant = |lab: &Lab, script: &str| {
        let blob = lab.plain_ok(&["rev-parse", "HEAD:story.txt"]);
        config(lab, "core.repositoryformatversion", "1");
        config(lab, "extensions.partialClone", "origin");
        config(lab, "remote.origin.promisor", "true");
        config(lab, "remote.origin.uploadpack", script);
        fs::remove_file(lab.ws.join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    };
    vector_that(false, plant, |lab| drop(lab.plain(&["cat-file", "-p", "HEAD:story.txt"]))).await;
}

#[tokio::test]
async fn the_environment_that_a_workspace_may_set() {
    let lab = Lab::new();
    let script = lab.canary_script();
    fs::create_dir(lab.ws.join("bin")).unwrap();
    copied(script.as_ref(), &lab.ws.join("bin/git"));
    let mut folders = vec![lab.ws.join("bin"), "".into(), "bin".into()];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let path = std::env::join_paths(folders).unwrap();
    let mut env = lab.env();
    env.push(("PATH".into(), path));
    for (key, value) in [
        ("GIT_EXTERNAL_DIFF", script.as_str()),
        ("GIT_SSH_COMMAND", &script),
        ("GIT_ASKPASS", &script),
        ("GIT_EXEC_PATH", lab.ws.join("bin").to_str().unwrap()),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "core.fsmonitor"),
        ("GIT_CONFIG_VALUE_0", &script),
        ("GIT_CONFIG_GLOBAL", lab.ws.join("evil.cfg").to_str().unwrap()),
    ] {
        env.push((key.into(), value.into()));
    }
    lab.write("evil.cfg", &format!("[core]\n\tfsmonitor = {script}\n"));
    let git = Git::open(&lab.ws, GitSettings { env: env.clone(), ..lab.settings() }).unwrap();
    exercise(&lab, &git).await.unwrap();
    assert!(!lab.canary().exists());
    for reached_by in ["PATH", "GIT_CONFIG_GLOBAL"] {
        let mut plain = Command::new("/bin/sh");
        plain.args(["-c", "git status"]).current_dir(&lab.ws).env_clear().envs(lab.env());
        plain.envs(env.iter().rev().filter(|(key, _)| key == reached_by).take(1).cloned());
        plain.stdin(Stdio::null()).output().unwrap();
        assert!(fs::remove_file(lab.canary()).is_ok(), "the control: {reached_by}");
    }
}

#[tokio::test]
async fn the_users_own_filter_is_not_chosen_by_the_workspace() {
    let plant = |lab: &Lab, script: &str| {
        let home = lab.home.join(".gitconfig");
        let mut text = fs::read_to_string(&home).unwrap();
        text += &format!("[filter \"lfs\"]\n\tclean = {script}\n\trequired = true\n");
        fs::write(home, text).unwrap();
        lab.write(".gitattributes", "* filter=lfs\n");
    };
    vector(plant, |lab| drop(lab.plain(&["add", "other.txt"]))).await;
}

#[tokio::test]
async fn a_repository_exchanged_after_the_start_is_refused() {
    let lab = Lab::new();
    let git = lab.open();
    git.look("status", &[], None).await.unwrap();
    let evil = lab.ws.join("evil");
    copy_tree(&lab.ws.join(".git"), &evil);
    fs::rename(lab.ws.join(".git"), lab.root.join("kept")).unwrap();
    lab.write(".git", "gitdir: evil\n");
    let refused = git.look("status", &[], None).await.unwrap_err();
    assert!(refused.message.contains("exchanged"), "{refused}");
    fs::remove_file(lab.ws.join(".git")).unwrap();
    fs::rename(lab.root.join("kept"), lab.ws.join(".git")).unwrap();
    git.look("status", &[], None).await.unwrap();
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
}

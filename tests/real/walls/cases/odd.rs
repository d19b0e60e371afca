//! Odd places and names: links where nobody expects them, names that no shell likes, folders that are not there.

use std::{fs, os::unix::fs::symlink, path::Path};

use countersign::{
    sandbox::LinuxSandbox,
    seams::{Sandbox, SandboxError},
};

use super::{super::bench::*, Scene};

#[tokio::test]
async fn a_protected_path_that_is_a_link_opens_nothing() {
    let scene = Scene::open(|root, _| {
        put(root, "home/decoy/config", "[remote \"origin\"]\n\turl = https://me:canary-4711-do-not-leak@example.com/a\n");
        put(root, "w/real.txt", "plain\n");
        put(root, "w/other/settings.json", "{}\n");
        symlink(root.join("home/decoy"), root.join("w/.git")).unwrap();
        symlink("other", root.join("w/.vscode")).unwrap();
        symlink(root.join("home/.netrc"), root.join("w/.env")).unwrap();
        symlink("real.txt", root.join("w/.npmrc")).unwrap();
    })
    .await;
    let before = scene.picture("");
    let masked = masking(&[".env", ".npmrc"]);
    let ran = scene.walled_over("cat .env .npmrc .git/config; cat real.txt; echo x > .vscode/settings.json", &masked).await;
    assert!(!ran.output.contains(CANARY) && ran.output.contains("plain\n"), "{ran:?}");
    for act in ["echo x >> .git/config", "echo x > .git/hooks", "echo x >> .env", "rm .git && mkdir .git && echo x > .git/config"]
    {
        scene.walled_over(act, &masked).await;
        assert_eq!(scene.picture(""), before, "{act}");
    }
    assert!(scene.freely("cat .git/config .env").output.contains(CANARY), "the control");
}

/// Names that commands may give to files, as a shell writes them.
const NAMES: &[&str] = &[
    "'-rf'",
    "'--help'",
    "' '",
    "'a b'",
    "$'a\\nb'",
    "$'\\xff\\xfe'",
    "$'\\e[31m'",
    "'..x'",
    "'...'",
    "'*'",
    "'~'",
    "'$HOME'",
    "'a\\b'",
    "'%2e%2e'",
    "$'\\u202etxt'",
    "'countersign-proof'",
];

#[tokio::test]
async fn odd_names_are_handled_and_lead_nowhere() {
    let scene = Scene::open(|_, _| {}).await;
    let before = scene.picture("");
    for name in NAMES {
        let ran = scene
            .walled(&format!("rm -rf odd && mkdir odd && echo x > odd/{name} && mkdir odd/d && echo y > odd/d/{name}"))
            .await;
        assert!(ran.ok(), "{name}: {ran:?}");
        assert_eq!(ran.outcome.changed.len(), 2, "{name}: {:?}", ran.outcome.changed);
        let again = scene.walled(&format!("cat odd/{name} odd/d/{name}")).await;
        assert_eq!(again.output, "x\ny\n", "{name}");
        assert_eq!(scene.picture(""), before, "{name}");
    }
    // A working folder that is no plain path below the workspace cannot even be named.
    for cwd in ["..", "../w", "d/../..", "/etc", "d//b", "./d", ""] {
        let named = countersign::path::WsPath::from_disk(cwd);
        assert!(named.is_none_or(|path| path.is_root() || path.as_str() == "d"), "{cwd}");
    }
}

async fn refused(sandbox: &LinuxSandbox, folder: &Path) -> SandboxError {
    match sandbox.open(spec(folder)).await {
        Ok(_) => panic!("{} was opened", folder.display()),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_workspace_whose_name_cannot_be_told_is_refused_with_a_word() {
    use std::os::unix::ffi::OsStrExt;
    let root = folders();
    let folder = root.path().join(std::ffi::OsStr::from_bytes(b"not\xffutf8"));
    fs::create_dir(&folder).unwrap();
    let error = refused(&sandbox(root.path()), &folder).await;
    assert!(error.step == "workspace folder" && error.why.contains("UTF-8") && !error.hint.is_empty(), "{error:?}");
    sandbox(root.path()).open(spec(&root.path().join("w"))).await.unwrap();
}

#[tokio::test]
async fn files_of_somebody_else_are_read_and_replaced_and_never_silently_kept() {
    if !rustix::process::geteuid().is_root() {
        // Only root can plant them; an ordinary user's `/usr` is as good.
        let root = folders();
        let error = refused(&sandbox(root.path()), Path::new("/usr/share")).await;
        assert_eq!(error.step, "workspace owner", "{error}");
        return;
    }
    let scene = Scene::open(|root, _| {
        for path in ["theirs.txt", "d2/theirs.txt"] {
            put(&root.join("w"), path, "theirs\n");
            std::os::unix::fs::chown(root.join("w").join(path), Some(12345), Some(12345)).unwrap();
        }
    })
    .await;
    let before = scene.picture("");
    let ran = scene.walled("cat theirs.txt && echo x >> theirs.txt").await;
    assert!(!ran.ok() && ran.output.starts_with("theirs\n") && ran.output.len() > 10, "a refusal with a word: {ran:?}");
    let ran = scene.walled("rm theirs.txt && echo new > theirs.txt && cat theirs.txt").await;
    assert!(ran.ok() && ran.output == "new\n" && ran.outcome.changed == ["theirs.txt"], "{ran:?}");
    assert_eq!(scene.picture(""), before);
}

#[tokio::test]
async fn folders_of_the_policy_that_are_missing_or_forbidden_open_nothing() {
    let scene = Scene::open(|_, spec| {
        spec.home_read =
            ["~/missing", "~/notes", "~/../..", "/", "~", "", "~/.ssh/../.aws", "~/notes/../.ssh"].map(str::to_owned).to_vec();
    })
    .await;
    for act in ["ls ~/missing", "cat ~/.ssh/id_test", "cat ~/.aws/credentials", "echo x >> $OUT/file"] {
        assert!(!scene.walled(act).await.ok(), "{act}");
    }
    assert_eq!(scene.must("cat ~/notes/n").await, "readable\n", "the control");
    // One that comes later is not there for this session either.
    put(&scene.path("home"), "missing/x", "late\n");
    assert!(!scene.walled("cat ~/missing/x").await.ok());
}

/// Unmounting any other overlay would write everything that any program has pending on that file system.
#[tokio::test]
async fn the_shadow_is_mounted_so_that_no_command_syncs_the_file_system() {
    let scene = Scene::open(|_, _| {}).await;
    for _ in 0..2 {
        let mount = scene.must("grep -F \" $PWD \" /proc/self/mountinfo").await;
        assert!(mount.contains(" overlay ") && mount.contains("volatile"), "{mount}");
    }
}

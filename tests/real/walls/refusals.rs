//! Where a wall cannot be had, nothing runs, and the error says which and what to do.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt};

use countersign::{
    path::WsPath,
    sandbox::{LinuxSandbox, SandboxPaths, check},
    seams::{Command, Level, OutputSink, Sandbox, SandboxError, SandboxSession, Shadow},
};
use tokio_util::sync::CancellationToken;

use super::bench::*;

struct Nothing;
impl OutputSink for Nothing {
    fn output(&mut self, bytes: &[u8]) {
        panic!("something ran: {}", String::from_utf8_lossy(bytes));
    }
}

/// Opens and runs `echo ran`; the refusal.
async fn refused(sandbox: LinuxSandbox, folder: &std::path::Path, cwd: &str) -> SandboxError {
    let opened = sandbox.open(spec(folder)).await;
    let session = match opened {
        Ok(session) => session,
        Err(error) => return error,
    };
    refused_by(session.as_ref(), cwd).await
}

async fn refused_by(session: &dyn SandboxSession, cwd: &str) -> SandboxError {
    let cwd = if cwd.is_empty() { WsPath::root() } else { ws(cwd) };
    let command = Command {
        text: "echo ran > here; echo ran".into(),
        cwd,
        timeout: std::time::Duration::from_secs(5),
        network: Vec::new(),
    };
    let ran = session.run(command, &Shadow::default(), &mut Nothing, &CancellationToken::new()).await;
    ran.expect_err("it must be refused")
}

#[tokio::test]
async fn a_wall_process_that_is_missing_or_fails_is_a_refusal() {
    for (exe, step) in [("/nonexistent/countersign", "start"), ("/bin/true", "start")] {
        let root = folders();
        let paths = SandboxPaths { exe: exe.into(), cache: root.path().join("cache") };
        let error =
            refused(LinuxSandbox::with_environment(paths.clone(), environment(root.path())), &root.path().join("w"), "").await;
        assert_eq!(error.step, step, "{exe}: {error}");
        assert!(!error.hint.is_empty());
        let (level, detail) = LinuxSandbox::new(paths).level().await;
        assert_eq!(level, Level::L0);
        assert!(detail.contains(step), "{detail}");
    }
}

#[tokio::test]
async fn a_session_goes_on_after_a_refusal() {
    let root = folders();
    let session = sandbox(root.path()).open(spec(&root.path().join("w"))).await.unwrap();
    for (cwd, fine) in [("no/such", false), ("no/such", false), ("d", true), ("gone", false), ("d", true)] {
        let command = Command {
            text: "test -f b.txt".into(),
            cwd: ws(cwd),
            timeout: std::time::Duration::from_secs(5),
            network: Vec::new(),
        };
        let ran = session.run(command, &Shadow::default(), &mut Nothing, &CancellationToken::new()).await;
        assert_eq!(ran.is_ok_and(|outcome| outcome.exit == Some(0)), fine, "{cwd}");
    }
}

#[tokio::test]
async fn a_user_without_a_home_gets_a_private_one() {
    for home in ["/nonexistent", "/", "", "relative"] {
        let root = folders();
        let mut variables = environment(root.path());
        variables.insert("HOME".into(), home.into());
        let paths = SandboxPaths { exe: exe(), cache: root.path().join("cache") };
        for cargo in [None, Some("/nonexistent/cargo"), Some("relative"), Some("/")] {
            variables.extend(cargo.map(|cargo| ("CARGO_HOME".into(), cargo.into())));
            let (level, detail) = LinuxSandbox::with_environment(paths.clone(), variables.clone()).level().await;
            assert_eq!(level, Level::L3, "{home:?} {cargo:?}: {detail}");
        }
    }
}

/// Each makes one step impossible for the wall process that it starts (`$EXE "$@"`), with the step that must be named.
const FAULTS: &[(&str, &str)] = &[
    ("exec unshare -U $EXE \"$@\"", "namespaces"),
    ("exec unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; exec $EXE \"$@\"' sh \"$@\"", "namespaces"),
    ("exec unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_mnt_namespaces; exec $EXE \"$@\"' sh \"$@\"", "namespaces"),
    ("exec unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_pid_namespaces; exec $EXE \"$@\"' sh \"$@\"", "namespaces"),
    ("exec unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_net_namespaces; exec $EXE \"$@\"' sh \"$@\"", "namespaces"),
    ("exec unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_ipc_namespaces; exec $EXE \"$@\"' sh \"$@\"", "namespaces"),
    ("exec unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_uts_namespaces; exec $EXE \"$@\"' sh \"$@\"", "namespaces"),
    ("exec prlimit --nofile=6 $EXE \"$@\"", ""),
    ("exec prlimit --fsize=0 $EXE \"$@\"", ""),
    ("exec $EXE __wall process-1", "start"),
    ("exec $EXE __wall nonsense", "start"),
    ("exit 0", "start"),
];

#[tokio::test]
async fn a_step_that_fails_is_named_and_nothing_runs() {
    for (fault, step) in FAULTS {
        let root = folders();
        let script = format!("#!/bin/sh\n{}\n", fault.replace("$EXE", &exe().display().to_string()));
        program(&root.path().join("wrapper/countersign"), script);
        let paths = SandboxPaths { exe: root.path().join("wrapper/countersign"), cache: root.path().join("cache") };
        let sandbox = LinuxSandbox::with_environment(paths, environment(&root.path().join("home")));
        // At its own level: a weaker one may well be had.
        let session = sandbox.open_at(&spec(&root.path().join("w")), Level::L3).unwrap();
        let error = refused_by(&session, "").await;
        assert!(error.step == *step || step.is_empty(), "{fault}: {error}");
        assert!(!error.why.is_empty() && !error.hint.is_empty(), "{fault}: {error}");
        assert!(!root.path().join("w/here").exists());
    }
    // Control: a wrapper that takes nothing away.
    let root = folders();
    program(&root.path().join("wrapper/countersign"), format!("#!/bin/sh\nexec {} \"$@\"\n", exe().display()));
    let paths = SandboxPaths { exe: root.path().join("wrapper/countersign"), cache: root.path().join("cache") };
    let (level, detail) = LinuxSandbox::with_environment(paths, environment(&root.path().join("home"))).level().await;
    assert_eq!(level, Level::L3, "{detail}");
}

#[tokio::test]
async fn folders_that_hold_the_home_or_do_not_exist_are_refused() {
    let root = folders();
    for (folder, step) in
        [("home", "workspace folder"), ("", "workspace folder"), ("gone", "workspace folder"), ("/", "workspace")]
    {
        let error = refused(sandbox(root.path()), &root.path().join(folder), "").await;
        assert!(error.step.starts_with(step), "{folder}: {error}");
    }
    let error = refused(sandbox(root.path()), &root.path().join("w"), "no/such").await;
    assert_eq!(error.step, "working folder", "{error}");
    assert!(!root.path().join("w/here").exists());
}

#[tokio::test]
async fn a_folder_of_somebody_else_is_refused() {
    let root = folders();
    let theirs = if unwalled("test $(id -u) = 0", root.path()).status.success() {
        let folder = root.path().join("theirs");
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::chown(&folder, Some(12345), None).unwrap();
        folder
    } else {
        "/usr/share".into()
    };
    let error = refused(sandbox(root.path()), &theirs, "").await;
    assert_eq!(error.step, "workspace owner", "{error}");
    assert!(error.why.contains("belongs to user"));
}

#[tokio::test]
async fn a_cache_that_cannot_hold_shadows_is_refused() {
    let root = folders();
    for cache in ["/proc/self/cache", "/sys/cache", "/dev/null/x"] {
        let paths = SandboxPaths { exe: exe(), cache: cache.into() };
        let error = refused(LinuxSandbox::with_environment(paths, environment(root.path())), &root.path().join("w"), "").await;
        assert_eq!(error.step, "shadow folders", "{cache}: {error}");
        assert!(error.hint.contains("XDG_CACHE_HOME"), "{error}");
    }
    // A shadow inside its own workspace would lie over itself.
    let paths = SandboxPaths { exe: exe(), cache: root.path().join("w/cache") };
    let error =
        refused(LinuxSandbox::with_environment(paths, environment(&root.path().join("home"))), &root.path().join("w"), "").await;
    assert!(error.step.contains("shadow"), "{error}");
}

#[tokio::test]
async fn this_machine_reaches_the_highest_level_and_every_check_holds() {
    let root = folders();
    let sandbox = sandbox(root.path());
    let (level, detail) = sandbox.level().await;
    assert_eq!(level, Level::L3, "{detail}");
    let results = check::run(&sandbox).await.unwrap();
    let tried: BTreeSet<&str> = results.iter().map(|result| result.wall).collect();
    let walls = [
        "files",
        "secrets",
        "home",
        "network",
        "processes",
        "privileges",
        "namespaces",
        "Landlock",
        "seccomp",
        "open files",
        "memory",
        "number",
        "sockets",
        "file size",
        "/tmp size",
        "time",
    ];
    assert!(BTreeSet::from(walls).is_subset(&tried), "{tried:?}");
    for result in results {
        assert!(result.holds(), "{result:?}");
    }
    assert!(gets_empty(&root.path().join("cache")), "traces are left");
}

/// The row of the home holds only where a command that can look finds nothing there but what the walls show.
#[tokio::test]
async fn the_check_of_the_home_fails_when_more_is_found_there() {
    const FIND: &str = "exec /usr/bin/find \"$@\"";
    let planted = format!("echo x > \"$HOME/planted\"; {FIND}");
    for (level, find, denied, allowed) in [
        (Level::L3, FIND, true, true),
        (Level::L3, &planted, false, true),
        (Level::L3, "exit 127", true, false),
        (Level::L1, FIND, true, true),
        (Level::L1, &planted, false, true),
    ] {
        let (root, tools) = (folders(), visible());
        put(tools.path(), "find", &format!("#!/bin/sh\n{find}\n"));
        fs::set_permissions(tools.path().join("find"), fs::Permissions::from_mode(0o755)).unwrap();
        let mut exe = exe();
        if level < Level::L3 {
            if !reaches(&sandbox_below(root.path(), level), level).await {
                continue;
            }
            exe = root.path().join("wrapper/countersign");
        }
        let mut variables = environment(&root.path().join("home"));
        variables.insert("PATH".into(), format!("{}:{}", tools.path().display(), variables["PATH"]));
        let sandbox = LinuxSandbox::with_environment(SandboxPaths { exe, cache: root.path().join("cache") }, variables);
        let results = check::run(&sandbox).await.unwrap();
        let row = results.iter().find(|row| row.wall == "home").unwrap();
        assert_eq!((row.denied, row.allowed), (denied, allowed), "{level} {find}: {row:?}");
        assert_eq!(row.detail.contains("planted"), !denied, "{level} {find}: {row:?}");
    }
}

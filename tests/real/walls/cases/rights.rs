//! More rights than the user's own, and what the server holds: terminals, open files, programs of the workspace.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::{PermissionsExt, chown},
    process::{Command, Stdio},
    time::Duration,
};

use countersign::{
    path::WsPath,
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::{self, Sandbox, SandboxSession, Shadow},
};
use tokio_util::sync::CancellationToken;

use super::{super::bench::*, Scene};

#[tokio::test]
async fn a_set_user_id_program_gives_no_rights() {
    let scene = Scene::open(|_, _| {}).await;
    let program = scene.out().join("other");
    copied(&scene.out().join("probe"), &program);
    if rustix::process::geteuid().is_root() {
        chown(&program, Some(12345), None).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
        assert_eq!(scene.freely("$OUT/other user").output, "0 12345\n", "the control");
        assert_eq!(scene.must("$OUT/other user").await, "0 0\n");
    } else {
        // Only root makes such programs; one that every machine has says who it runs as while it waits for a password.
        let effective = "{ sleep 2 | su -c id; } >/dev/null 2>&1 & \
                         for n in $(seq 100); do ps -o euid= -C su && break; sleep 0.02; done | head -n 1 | tr -d ' '";
        assert_eq!(scene.freely(effective).output, "0\n", "the control");
        assert_eq!(scene.must(effective).await, format!("{}\n", rustix::process::geteuid().as_raw()));
    }
}

/// Runs `inner` on a terminal of its own, and the same by `countersign sandbox run` on that terminal.
fn on_a_terminal(scene: &Scene, inner: &str) -> (super::scene::Free, super::scene::Free) {
    let inner = scene.filled(inner);
    let plain = scene.freely(&format!("script -qec '{inner}' /dev/null"));
    let run = format!("{} sandbox run -w . -- \"{inner}\"", exe().display());
    let home = "XDG_CONFIG_HOME=$HOME/c XDG_STATE_HOME=$HOME/s XDG_CACHE_HOME=$CACHE";
    (plain, scene.freely(&format!("{home} script -qec '{run}' /dev/null")))
}

#[tokio::test]
async fn the_servers_terminal_is_out_of_reach() {
    let scene = Scene::open(|_, _| {}).await;
    let (plain, walled) = on_a_terminal(&scene, "echo typed > /dev/tty");
    assert!(plain.ok() && plain.output.contains("typed"), "{}", plain.output);
    assert!(!walled.ok() && walled.output.contains("/dev/tty: No such device"), "{}", walled.output);
    let (plain, walled) = on_a_terminal(&scene, "$PROBE type");
    let legacy = fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").map_or(true, |text| text.trim() == "1");
    assert_eq!(plain.ok(), legacy, "{}", plain.output);
    assert!(!walled.ok() && walled.output.contains("/dev/tty"), "{}", walled.output);
    // On a terminal of the command's own the call is refused, and all else works.
    let own = scene.walled("script -qec 'echo heard > /dev/tty; $PROBE type' /dev/null").await;
    assert!(!own.ok() && own.output.contains("heard") && own.output.contains("TIOCSTI: Operation not permitted"), "{own:?}");
}

#[tokio::test]
async fn a_connected_socket_that_the_server_forgot_to_close_is_not_passed_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).unwrap();
    let scene = Scene::open(|_, _| {}).await;
    let list = "for fd in /proc/self/fd/*; do readlink $fd; done | grep -c socket";
    assert_eq!(scene.walled(list).await.output, "0\n");
    let free: u32 = scene.freely(list).output.trim().parse().unwrap();
    assert!(free > 0, "the control");
}

#[tokio::test]
async fn programs_planted_in_the_workspace_are_not_found_by_name() {
    let (root, out) = (folders(), visible());
    let marker = out.path().join("marker");
    let planted = ["git", "bash", "sh", "env", "ls", "unshare", "setpriv", "countersign-wall"];
    for name in planted {
        program(&root.path().join("w/bin").join(name), format!("#!/bin/bash\necho planted > {}\n", marker.display()));
    }
    let mut variables = environment(&root.path().join("home"));
    let path = format!("{}/w/bin:bin:.::{}", root.path().display(), variables["PATH"]);
    variables.insert("PATH".into(), path.clone());
    let paths = SandboxPaths { exe: exe(), cache: root.path().join("cache") };
    let session = LinuxSandbox::with_environment(paths, variables).open(spec(&root.path().join("w"))).await.unwrap();
    let text = "echo $PATH; for name in git bash sh env ls; do command -v $name; done; ls /; git --version";
    let command =
        seams::Command { text: text.into(), cwd: WsPath::root(), timeout: Duration::from_secs(20), network: Vec::new() };
    let mut said = Collect::default();
    let ended = session.run(command, &Shadow::default(), &mut said, &CancellationToken::new()).await.unwrap();
    assert_eq!(ended.exit, Some(0), "{}", said.text());
    assert!(!said.text().contains(&root.path().join("w").display().to_string()), "{}", said.text());
    assert!(!marker.exists(), "the server ran a program of the workspace");
    // Control: who looks it up by that path, runs it.
    let mut plain = Command::new("/bin/bash");
    plain.args(["--noprofile", "--norc", "-c", "git --version"]).env("PATH", path).current_dir(root.path().join("w"));
    assert!(plain.stdin(Stdio::null()).status().unwrap().success() && marker.exists());
}

#[tokio::test]
async fn the_servers_journal_and_policy_can_be_neither_read_nor_written() {
    let (root, out) = (folders(), visible());
    put(out.path(), "state/journal/audit.jsonl", CANARY);
    put(out.path(), "config/policy.toml", CANARY);
    let session = sandbox(root.path())
        .hiding(["state", "config"].map(|name| out.path().join(name)))
        .open_here(&spec(&root.path().join("w")))
        .unwrap();
    let before = picture(out.path());
    for file in ["state/journal/audit.jsonl", "config/policy.toml"] {
        for act in ["cat", "stat", "echo x >>", "rm", "truncate -s 0"] {
            let text = format!("{act} {}/{file}", out.path().display());
            let command =
                seams::Command { text: text.clone(), cwd: WsPath::root(), timeout: Duration::from_secs(20), network: Vec::new() };
            let mut said = Collect::default();
            let ended = session.run(command, &Shadow::default(), &mut said, &CancellationToken::new()).await.unwrap();
            assert!(ended.exit != Some(0) && !said.text().contains(CANARY), "{text}: {}", said.text());
            assert_eq!(picture(out.path()), before, "{text}");
        }
    }
    let free =
        unwalled(&format!("cat {0}/state/journal/* && echo x >> {0}/config/policy.toml", out.path().display()), out.path());
    assert!(free.status.success() && picture(out.path()) != before, "the control");
}

/// Whatever the server makes in its cache is its user's alone.
#[tokio::test]
async fn shadows_are_their_users_alone() {
    let scene = Scene::open(|_, _| {}).await;
    scene.must("echo secret > made").await;
    let about = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for entry in fs::read_dir(scene.path("cache")).unwrap().map(|entry| entry.unwrap().path()) {
        let expected = if entry.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(about(&entry) & expected, about(&entry), "{} is open to others", entry.display());
    }
}

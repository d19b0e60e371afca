//! A command that fails at a wall is told which, by the real words of real programs; and nothing is said where none was in
//! the way. Beside each act stands its control: without the walls, or where it is allowed, it succeeds.

use std::{net::TcpListener, os::unix::net::UnixListener, path::Path};

use countersign::{
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::{Level, Sandbox, Shadow},
    tools::denial,
};

use super::bench::*;

const LAST: &str = "There is no other way past a wall: do without, and leave the rest to the user.";

/// What is said of a command, which must fail.
async fn told(bench: &Bench, text: &str, shadow: &Shadow) -> String {
    let ran = bench.with_shadow(text, shadow).await;
    assert!(!ran.ok(), "{text}: {ran:?}");
    let reasons = denial::of_session(&*bench.session, &bench.filled(text), &ran.output, &ran.outcome).await;
    let reasons = reasons.unwrap_or_else(|| panic!("nothing is said of {text}: {ran:?}"));
    assert!(
        reasons.lines().count() <= 5 && (reasons.ends_with(LAST) || reasons.contains("/tmp is private")),
        "{text}: {reasons}"
    );
    reasons
}

async fn refused(bench: &Bench, text: &str, part: &str) {
    let reasons = told(bench, text, &Shadow::default()).await;
    assert!(reasons.contains(&bench.filled(part)), "{text}: {part} is not in\n{reasons}");
}

/// Fails, and no wall is blamed.
async fn unexplained(bench: &Bench, text: &str) {
    let ran = bench.sh(text).await;
    assert!(!ran.ok(), "{text}");
    let reasons = denial::of_session(&*bench.session, text, &ran.output, &ran.outcome).await;
    assert_eq!(reasons, None, "{text}: {ran:?}");
}

#[tokio::test]
async fn files_outside() {
    let bench = Bench::new().await;
    let python = |act: &str| format!("/usr/bin/python3 -I -c \"{act}\"");
    let node = |act: &str| format!("node -e \"{act}\"");
    for (act, part) in [
        ("touch $OUT/evil".to_owned(), "$OUT/evil: everything outside the workspace is read-only"),
        ("echo x >> $OUT/file".into(), "$OUT/file: everything outside"),
        ("rm $OUT/file".into(), "$OUT/file: everything outside"),
        ("mkdir $OUT/d".into(), "$OUT/d: everything outside"),
        (python("open('$OUT/evil', 'w')"), "$OUT/evil: everything outside"),
        (node("require('fs').writeFileSync('$OUT/evil', 'x')"), "$OUT/evil: everything outside"),
        ("cat ~/.ssh/id_test".into(), ".ssh/id_test: outside the walls. The home and other disks are private"),
        (python("import os; open(os.path.expanduser('~/.aws/credentials'))"), ".aws/credentials: outside the walls"),
        (node("require('fs').readFileSync(process.env.HOME + '/.npmrc')"), ".npmrc: outside the walls"),
        ("echo x > ~/.cargo/bin/cargo".into(), "toolchains, caches and configuration of the home are read-only"),
        ("cat /etc/shadow".into(), "/etc/shadow: hidden from commands"),
        ("cat /tmp/of-an-earlier-command".into(), "/tmp is private, and empty for every command"),
    ] {
        refused(&bench, &act, part).await;
    }
    for act in ["touch $OUT/evil", "rm $OUT/evil", "cat $OUT/file", "mkdir $OUT/d", "cat /etc/shadow"] {
        let free = unwalled(&bench.filled(act), &bench.path("w"));
        // An ordinary user has no right to this one in any case.
        assert!(free.status.success() || act.contains("shadow"), "{act}: {free:?}");
    }
    assert_eq!(bench.read("home/.ssh/id_test"), CANARY);
    for act in ["cat missing.rs", "cat /usr/share/none", "false", "echo 'permission denied' >&2; exit 3", "ls missing/"] {
        unexplained(&bench, act).await;
    }
}

#[tokio::test]
async fn a_secret_that_a_test_suite_reads() {
    let bench = Bench::new().await;
    put(&bench.path("w"), ".env", CANARY);
    let suite =
        "import unittest\nclass T(unittest.TestCase):\n    def test_env(self):\n        self.assertTrue(open('.env').read())\n";
    put(&bench.path("w"), "test_env.py", suite);
    let run = "/usr/bin/python3 -m unittest test_env";
    let reasons = told(&bench, run, &masking(&[".env"])).await;
    assert!(reasons.starts_with(".env: hidden from commands as a secret of the workspace (policy: [paths] secret)"), "{reasons}");
    assert!(unwalled(run, &bench.path("w")).status.success());
}

#[tokio::test]
async fn the_network() {
    let bench = Bench::new().await;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    for act in [
        format!("curl -sS http://127.0.0.1:{port}/"),
        format!("/usr/bin/python3 -I -c \"import socket; socket.create_connection(('127.0.0.1', {port}))\""),
        format!("node -e \"require('net').connect({port}, '127.0.0.1')\""),
        format!("exec 3<>/dev/tcp/127.0.0.1/{port}"),
    ] {
        refused(&bench, &act, "probably a server outside the walls; a command has a loopback of its own").await;
        // The control reaches it.
        std::thread::scope(|scope| {
            let control =
                scope.spawn(|| unwalled(&format!("timeout 5 bash -c \"exec 3<>/dev/tcp/127.0.0.1/{port}\""), Path::new("/")));
            server.accept().unwrap();
            assert!(control.join().unwrap().status.success());
        });
    }
    put(&bench.path("w"), "package.json", r#"{"name": "x", "version": "1.0.0", "dependencies": {"left-pad": "1.3.0"}}"#);
    for (act, part) in [
        ("curl -sS https://example.com/", "example.com: cannot be reached; commands have no network"),
        ("wget -q -O- http://example.com/ || wget http://example.com/", "example.com: cannot be reached"),
        ("node -e \"require('https').get('https://api.example.com/')\"", "api.example.com: cannot be reached"),
        ("/usr/bin/python3 -I -c \"import urllib.request as r; r.urlopen('http://example.com')\"", "commands have no network"),
        (
            "npm install --no-audit --no-fund --fetch-retries=0 --registry=http://registry.example.com/",
            "name the hosts in `network` of run",
        ),
        ("git clone https://git.example.com/x.git y", "git.example.com: cannot be reached"),
        (
            "git init -q r && cd r && git -c user.name=T -c user.email=t@example.com commit -q --allow-empty -m x && git push ssh://git@git.example.com/x.git HEAD:main",
            "Pushing is the git tool's",
        ),
        (
            "git init -q s && cd s && git -c user.name=T -c user.email=t@example.com commit -q --allow-empty -m x; git push git@git.example.com:x.git HEAD",
            "git.example.com",
        ),
        ("ssh -o BatchMode=yes host.example.com true", "What goes over ssh is left to the user"),
    ] {
        refused(&bench, act, part).await;
    }
    // Its own server is nobody's wall.
    let own = "/usr/bin/python3 -I -m http.server -b 127.0.0.1 8791 >/dev/null 2>&1 & for i in $(seq 100); do curl -sf http://127.0.0.1:8791/ && exit 0; sleep 0.1; done; exit 1";
    bench.must(own).await;
}

#[tokio::test]
async fn rights_and_services() {
    let bench = Bench::new().await;
    let daemon = bench.out.path().join("docker.sock");
    let listening = UnixListener::bind(&daemon).unwrap();
    for (act, part) in [
        ("unshare -Ur true", "unshare: needs rights that no command has here"),
        ("unshare -n true", "unshare: needs rights"),
        ("ping -c 1 127.0.0.1", "needs rights"),
        ("curl -sS --unix-socket $OUT/docker.sock http://d/info", "docker: its daemon cannot be reached"),
        (
            "/usr/bin/python3 -I -c \"import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)\"",
            "only Unix, TCP and UDP sockets",
        ),
    ] {
        refused(&bench, act, part).await;
    }
    let control = bench.filled("curl -sS --max-time 5 --unix-socket $OUT/docker.sock http://d/info");
    // Without walls somebody answers.
    listening.set_nonblocking(true).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| unwalled(&control, Path::new("/")));
        assert!(soon(|| listening.accept().is_ok()));
    });
}

/// Without namespaces the same words are right: what is missing in the copy is no wall, and a port that cannot be opened is one.
#[tokio::test]
async fn at_the_weakest_level() {
    let Some(bench) = Bench::at(Level::L1).await else { return };
    for act in ["cat $PWD/none", "cat \"$PWD/d/none\"; cat none", "chmod 700 none", "kill -0 1"] {
        unexplained(&bench, act).await;
    }
    for (act, part) in [
        ("/usr/bin/python3 -m http.server --bind 127.0.0.1 8793", "probably a socket: commands have no sockets at this level"),
        ("node -e \"require('net').createServer().listen(8793, '127.0.0.1')\"", "commands have no sockets at this level"),
        ("nc -l -p 8793", "commands have no sockets at this level"),
        ("curl -sS http://127.0.0.1:1/", "127.0.0.1:1: commands have no sockets at this level"),
        ("/usr/bin/python3 -c 'import multiprocessing as m; m.Manager()'", "commands have no sockets at this level"),
        ("/usr/bin/python3 -c 'import multiprocessing as m; m.Pool(2)'", "shared memory: not there at this level"),
        ("script -qc 'echo x' /dev/null", "terminals: not there at this level"),
        ("cat ~/.ssh/id_test", "/home/.ssh/id_test: outside the walls"),
        ("cat $W/a.txt", "w/a.txt: at this level of walls commands work on a copy of the workspace at another place"),
    ] {
        let act = act.replace("$W", bench.path("w").to_str().unwrap());
        refused_or_hinted(&bench, &act, part).await;
    }
    // The copy itself is there, by its own name and by a relative one.
    assert_eq!(bench.must("cat $PWD/a.txt && cat a.txt").await, "alpha\nalpha\n");
}

async fn refused_or_hinted(bench: &Bench, act: &str, part: &str) {
    let ran = bench.sh(act).await;
    assert!(!ran.ok(), "{act}: {ran:?}");
    let reasons = denial::of_session(&*bench.session, act, &ran.output, &ran.outcome).await;
    let reasons = reasons.unwrap_or_else(|| panic!("nothing is said of {act}: {ran:?}"));
    assert!(reasons.contains(part) && !reasons.contains("shadow-"), "{act}: {reasons}");
    if part.contains("sockets") {
        assert!(reasons.contains("`countersign doctor` tells the user how to reach level L3"), "{reasons}");
    }
}

/// A program that the user has on their PATH, by a link to a place that commands cannot see.
#[tokio::test]
async fn a_program_that_is_hidden() {
    let (root, out) = (folders(), visible());
    let tool = root.path().join("home/apps/tool");
    program(&tool, "#!/bin/sh\necho works\n");
    std::fs::create_dir(out.path().join("bin")).unwrap();
    std::os::unix::fs::symlink(&tool, out.path().join("bin/tool-of-mine")).unwrap();
    let mut variables = environment(&root.path().join("home"));
    let path = format!("{}/bin:{}", out.path().display(), variables["PATH"]);
    variables.insert("PATH".into(), path.clone());
    let paths = SandboxPaths { exe: exe(), cache: root.path().join("cache") };
    let session = LinuxSandbox::with_environment(paths, variables).open(spec(&root.path().join("w"))).await.unwrap();
    let bench = Bench::of(root, out, session);
    let reasons = told(&bench, "tool-of-mine", &Shadow::default()).await;
    assert!(
        reasons.starts_with(&format!("tool-of-mine ({}): installed where commands cannot see it", tool.display())),
        "{reasons}"
    );
    assert_eq!(unwalled(&format!("PATH={path} tool-of-mine"), Path::new("/")).stdout, b"works\n");
    unexplained(&bench, "no-such-program").await;
}

/// In the shadow a repository takes every write, which vanishes; that of a linked work tree is read-only, and that is said.
#[tokio::test]
async fn hooks_of_git() {
    let root = folders();
    let git = |folder: &str, act: &str| {
        let made = unwalled(&format!("git -c user.name=T -c user.email=t@example.com {act}"), &root.path().join(folder));
        assert!(made.status.success(), "{act}: {made:?}");
    };
    git("w", "init -q");
    git("w", "commit -q --allow-empty -m x");
    git("w", "worktree add -q ../linked");
    let hook = root.path().join("w/.git/hooks/pre-commit");
    let sandbox = sandbox(root.path());
    let plain = sandbox.open(spec(&root.path().join("w"))).await.unwrap();
    let linked = sandbox.open(spec(&root.path().join("linked"))).await.unwrap();
    let bench = Bench::of(root, visible(), plain);
    bench.must("echo 'exit 1' > .git/hooks/pre-commit && test -s .git/hooks/pre-commit").await;
    assert!(!hook.exists());
    let bench = bench.with_session(linked);
    let reasons = told(&bench, &format!("echo 'exit 1' > {}", hook.display()), &Shadow::default()).await;
    assert!(reasons.contains("repository of a linked work tree is read-only"), "{reasons}");
    assert!(!hook.exists());
}

//! Why a command failed, by what programs of many languages print: each line with what is said of it, and lines of which
//! nothing may be said.

use std::{path::PathBuf, sync::Arc};

use countersign::{
    seams::{Facts, Outcome, Reach, Reached, SandboxSpec, Stopped},
    tools::{
        denial::{Seen, explain, missing_program},
        terminal::{Cleaner, clean},
    },
};

fn facts() -> Facts {
    let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect();
    Facts {
        spec: SandboxSpec {
            folder: "/home/me/work/shop".into(),
            memory: 64 << 20,
            processes: 99,
            file_size: 3 << 20,
            tmp_size: 5 << 20,
            ..SandboxSpec::default()
        },
        home: "/home/me".into(),
        covered: paths(&["/home", "/root", "/run", "/tmp", "/var/tmp"]),
        shown: paths(&["/home/me/.cargo/registry", "/home/me/.rustup", "/home/me/repo/.git"]),
        rebuilt: paths(&["/home/me/.gitconfig", "/etc/gitconfig"]),
        masked: paths(&["/etc/shadow", "/etc/ssl/private", "/srv/app/app.socket"]),
        moved: Vec::new(),
        reach: Reach::Loopback,
    }
}

fn failed() -> Outcome {
    Outcome { exit: Some(1), hidden: vec!["conf/.env".into()], facts: Arc::new(facts()), ..Outcome::default() }
}

fn told(command: &str, output: &str, outcome: &Outcome) -> Option<String> {
    explain(&Seen { command, output, outcome, unseen: None })
}

/// Output, and a part of what is said.
const REFUSED: &[(&str, &str)] = &[
    // coreutils and shells
    ("touch: cannot touch '/etc/evil': Read-only file system", "/etc/evil: everything outside the workspace is read-only"),
    ("bash: line 1: /usr/x: Read-only file system", "/usr/x: everything outside"),
    ("mkdir: cannot create directory ‘/opt/my app’: Read-only file system", "/opt/my app: everything outside"),
    ("mkdir: cannot create directory '/opt/x': Permission denied", "/opt/x: everything outside"),
    (
        "cat: /home/me/.ssh/id_ed25519: No such file or directory",
        "/home/me/.ssh/id_ed25519: outside the walls. The home and other disks are private",
    ),
    ("ls: cannot access '/home/me/../me/.aws': No such file or directory", ".aws: outside the walls"),
    ("cat: /etc/shadow: Permission denied", "/etc/shadow: hidden from commands"),
    ("cat: conf/.env: Permission denied", "conf/.env: hidden from commands as a secret of the workspace"),
    (
        "touch: cannot touch '/home/me/.cargo/registry/x': Read-only file system",
        "caches and configuration of the home are read-only",
    ),
    ("error: could not lock config file /home/me/.gitconfig: Read-only file system", "caches and configuration"),
    ("cat: /tmp/of-the-last-command: No such file or directory", "/tmp is private, and empty for every command"),
    ("touch: cannot touch '/home/me/repo/.git/hooks/pre-commit': Read-only file system", "linked work tree is read-only"),
    ("tee: /sys/kernel/x: Read-only file system", "/sys/kernel/x: everything outside"),
    // other languages
    ("PermissionError: [Errno 13] Permission denied: '.env'", "a secret of the workspace"),
    ("OSError: [Errno 30] Read-only file system: '/var/log/app.log'", "/var/log/app.log: everything outside"),
    ("FileNotFoundError: [Errno 2] No such file or directory: '/home/me/data.csv'", "/home/me/data.csv: outside the walls"),
    ("Error: EROFS: read-only file system, open '/etc/hosts'", "/etc/hosts: everything outside"),
    ("Error: EACCES: permission denied, open '/home/me/work/shop/conf/.env'", "a secret of the workspace"),
    ("Error: ENOENT: no such file or directory, open '/home/me/.npmrc'", "/home/me/.npmrc: outside the walls"),
    (
        r#"Error: Os { code: 30, kind: ReadOnlyFilesystem, message: "Read-only file system" } at "/opt/x""#,
        "/opt/x: everything outside",
    ),
    ("failed to open `/home/me/.rustup/toolchains/x`: Permission denied (os error 13)", "toolchains, caches"),
    ("panic: open /var/lib/x.db: read-only file system", "/var/lib/x.db: everything outside"),
    ("java.io.FileNotFoundException: /etc/app.conf (Read-only file system)", "/etc/app.conf: everything outside"),
    // network
    ("curl: (6) Could not resolve host: example.com", "example.com: cannot be reached; commands have no network"),
    (
        "curl: (7) Failed to connect to 127.0.0.1 port 5432 after 0 ms: Couldn't connect to server",
        "127.0.0.1:5432: probably a server outside",
    ),
    ("wget: unable to resolve host address ‘example.org’", "example.org: cannot be reached"),
    (
        "fatal: unable to access 'https://git.example.com/a.git/': Could not resolve host: git.example.com",
        "git.example.com: cannot be reached",
    ),
    (
        "ssh: Could not resolve hostname git.example.com: Temporary failure in name resolution",
        "git.example.com: cannot be reached",
    ),
    (
        "npm error request to https://registry.example.com/left-pad failed, reason: getaddrinfo EAI_AGAIN registry.example.com",
        "registry.example.com: cannot",
    ),
    ("Error: getaddrinfo ENOTFOUND api.example.com", "api.example.com: cannot be reached"),
    ("Error: connect ECONNREFUSED 127.0.0.1:3000", "127.0.0.1:3000: probably a server outside the walls"),
    ("Error: connect ENETUNREACH 93.184.216.34:443 - Local (0.0.0.0:0)", "93.184.216.34:443: cannot be reached"),
    ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "the host: cannot be reached"),
    (
        "nc: getaddrinfo for host \"example.com\" port 443: Temporary failure in name resolution",
        "example.com:443: cannot be reached",
    ),
    (
        "psql: error: could not translate host name \"db.example.com\" to address: Temporary failure in name resolution",
        "db.example.com: cannot be reached",
    ),
    ("ssh: Could not resolve hostname build: Temporary failure in name resolution", "build: cannot be reached"),
    ("ConnectionRefusedError: [Errno 111] Connection refused", "the local address: probably a server outside"),
    ("OSError: [Errno 101] Network is unreachable", "cannot be reached"),
    (
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.example.com', port=443): Failed to resolve (Name or service not known)",
        "api.example.com:443: cannot",
    ),
    ("dial tcp: lookup proxy.example.org: no such host", "proxy.example.org: cannot be reached"),
    ("java.net.UnknownHostException: repo.example.org", "repo.example.org: cannot be reached"),
    (
        "warning: spurious network error (3 tries remaining): [6] Could not resolve hostname (Could not resolve host: index.example.io)",
        "index.example.io",
    ),
    (
        "psql: error: connection to server at \"localhost\" (127.0.0.1), port 5432 failed: Connection refused",
        "localhost:5432: probably",
    ),
    // services and rights
    (
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "docker: its daemon cannot be reached",
    ),
    ("dial unix /run/user/1000/bus: connect: no such file or directory", "/run/user/1000/bus: sockets and services"),
    ("/bin/bash: line 1: /usr/bin/ping: Operation not permitted", "ping: needs rights that no command has"),
    ("/bin/bash: line 1: /opt/x/file: Read-only file system", "/opt/x/file: everything outside"),
    ("ping: socket: Operation not permitted", "ping: needs rights that no command has"),
    ("unshare: unshare failed: Operation not permitted", "unshare: needs rights"),
    ("mount: /mnt: must be superuser to use mount.", "mount: needs rights"),
    ("sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root.", "sudo: needs rights"),
    ("tar: x: Cannot change ownership to uid 1000, gid 1000: Invalid argument", "with tar use --no-same-owner"),
    ("OSError: [Errno 97] Address family not supported by protocol", "only Unix, TCP and UDP sockets"),
    ("io_uring_queue_init: Function not implemented", "probably refused by the system-call filter"),
    // limits
    ("cp: error writing '/tmp/big': No space left on device", "/tmp/big: full; private folders hold 5 MiB at most ([run] tmp_mb"),
    ("OSError: [Errno 28] No space left on device", "no space left: probably the private /tmp of 5 MiB"),
    ("OSError: [Errno 27] File too large", "a file came to the limit of 3 MiB ([run] file_mb"),
    ("bash: fork: retry: Resource temporarily unavailable", "the limit is 99 ([run] processes"),
    ("RuntimeError: can't start new thread", "the limit is 99"),
];

#[test]
fn each_refusal_is_named_in_the_shape_of_every_language() {
    for (line, part) in REFUSED {
        let text = told("make test", &format!("collecting\n{line}\nmake: *** [test] Error 1\n"), &failed());
        let text = text.unwrap_or_else(|| panic!("nothing is said of {line}"));
        assert!(text.contains(part), "{line}\n{text}");
        assert!(text.lines().count() <= 2, "{line}\n{text}");
    }
}

/// Errors that no wall explains, and words that are no errors.
#[test]
fn nothing_is_said_where_no_wall_is_the_cause() {
    for line in [
        "cat: src/missing.rs: No such file or directory",
        "cat: /home/me/work/shop/x: Permission denied",
        "error[E0432]: unresolved import `crate::x`",
        "./script.sh: Permission denied",
        "cat: /usr/share/nothing: No such file or directory",
        "cat: /etc/ssl/openssl.key: Permission denied",
        "assertion failed: permission denied must be shown",
        "see https://example.com/a/home/me for help",
        "3 tests failed, 1 could not be run",
        "chmod: changing permissions of 'x': Operation not permitted",
        "cat: environment: Permission denied",
        "",
    ] {
        assert_eq!(told("make test", line, &failed()), None, "{line}");
    }
    for (line, _) in REFUSED {
        assert_eq!(told("c", line, &Outcome { exit: Some(0), ..failed() }), None, "a command that ends well: {line}");
        assert_eq!(told("c", line, &Outcome { exit: None, stopped: Some(Stopped::Cancelled), ..failed() }), None);
    }
}

/// The exit code of a pipe is its last command's: what the first one ran into is told all the same, where the words are its own.
#[test]
fn a_pipe_hides_no_wall() {
    let well = Outcome { exit: Some(0), ..failed() };
    let line = "curl: (6) Could not resolve host: example.com";
    for command in
        ["curl -sS https://example.com 2>&1 | tail -3", "cd x && FOO=1 cargo fetch 2>&1 | grep -v warning", "make |& head"]
    {
        assert!(told(command, line, &well).is_some_and(|text| text.contains("example.com: cannot be reached")), "{command}");
    }
    let ends_by_itself = ["curl https://example.com", "make | tee log; true", "make || true", "echo '|' make"];
    let reads = ["cat log | tail -3", "rg resolve src | head", "cd src; git log | head", "/bin/grep x log | sort | head"];
    for command in ends_by_itself.iter().chain(&reads) {
        assert_eq!(told(command, line, &well), None, "{command}");
    }
}

/// Programs that print files say nothing of a wall but under their own name, about what they were asked for.
#[test]
fn a_reader_at_the_head_of_a_pipe_is_told_its_wall() {
    let well = Outcome { exit: Some(0), ..failed() };
    let secret = "cat: conf/.env: Permission denied";
    for (command, line, part) in [
        ("cat conf/.env | tail -3", secret, "conf/.env: hidden from commands as a secret of the workspace"),
        ("cd conf && cat .env 2>&1 | sort | head", "cat: .env: Permission denied", "conf/.env: hidden"),
        ("grep -r key . | wc -l", "grep: ./conf/.env: Permission denied", "conf/.env: hidden"),
        ("cat /etc/shadow | head -1", "cat: /etc/shadow: Permission denied", "/etc/shadow: hidden from commands"),
        ("/bin/ls ~/.ssh | head", "/bin/ls: cannot access '/home/me/.ssh': No such file or directory", ".ssh: outside the walls"),
    ] {
        let told = told(command, &format!("alpha\n{line}\n"), &well);
        assert!(told.as_deref().is_some_and(|text| text.contains(part) && text.ends_with("to the user.")), "{command}: {told:?}");
    }
    // The words of somebody else, in a file; about another file; under another name; of a program whose end is seen.
    for (command, line) in [
        ("cat log | tail -3", "touch: cannot touch '/etc/evil': Read-only file system"),
        ("cat log | tail -3", "cat: /etc/shadow: Permission denied"),
        ("grep Permission log | tail -3", secret),
        ("cat log | tail -3", "see cat: conf/.env: Permission denied"),
        ("cat conf/.env || true", secret),
        ("cat a.txt | tail -3", "cat: a.txt: Permission denied"),
    ] {
        assert_eq!(told(command, line, &well), None, "{command}: {line}");
    }
}

#[test]
fn five_lines_at_most_however_much_was_refused() {
    let all: String = REFUSED.iter().map(|(line, _)| format!("{line}\n")).collect();
    let text = told("make", &all, &failed()).unwrap();
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.ends_with("There is no other way past a wall: do without, and leave the rest to the user."), "{text}");
    let many: String = (0..30).map(|n| format!("touch: cannot touch '/etc/{n}': Read-only file system\n")).collect();
    let text = told("make", &many, &failed()).unwrap();
    assert!(text.starts_with("/etc/0, /etc/1, /etc/2 and 27 more: everything outside"), "{text}");
    let long = format!("cat: /home/me/{}: No such file or directory", "x".repeat(3000));
    assert!(told("c", &long, &failed()).unwrap().len() < 500);
}

/// What walls know needs no output.
#[test]
fn what_walls_saw_themselves_is_told_first() {
    let outcome = Outcome { reached: vec![Reached::Full("/tmp".into())], ..failed() };
    let text = told("c", "", &outcome).unwrap();
    assert!(text.starts_with("/tmp: full; private folders hold 5 MiB"), "{text}");
    let signalled = |signal: i32| told("c", "", &Outcome { exit: None, signal: Some(signal), ..failed() });
    assert!(signalled(31).unwrap().contains("32-bit"));
    assert!(signalled(25).unwrap().contains("[run] file_mb"));
    assert_eq!(signalled(11), None);
    assert!(told("c", "", &Outcome { exit: Some(159), ..failed() }).unwrap().contains("SIGSYS"));
    let seen = Seen { command: "c", output: "", outcome: &failed(), unseen: Some(("claude", "/home/me/.local/share/x/claude")) };
    assert!(
        explain(&seen).unwrap().starts_with("claude (/home/me/.local/share/x/claude): installed where commands cannot see it")
    );
}

#[test]
fn the_advice_fits_the_command_and_the_walls() {
    let unreached = "fatal: Could not resolve hostname git.example.com";
    assert!(told("git push origin main", unreached, &failed()).unwrap().contains("Pushing is the git tool's"));
    assert!(told("cd x && npm install", unreached, &failed()).unwrap().contains("name the hosts in `network`"));
    assert!(told("ssh host", unreached, &failed()).unwrap().contains("over ssh is left to the user"));
    let socket = told("curl --unix-socket /srv/x/docker.sock http://d/info", "curl: (7) Couldn't connect to server", &failed());
    assert!(socket.unwrap().starts_with("docker: its daemon cannot be reached"));
    let at = |reach: Reach| Outcome { facts: Arc::new(Facts { reach, ..facts() }), ..failed() };
    let named = told("c", unreached, &at(Reach::Hosts)).unwrap();
    assert!(named.contains("by way of a proxy") && named.contains("$https_proxy"), "{named}");
    let local = "curl: (7) Failed to connect to 127.0.0.1 port 80 after 0 ms: Couldn't connect to server";
    assert!(told("c", local, &at(Reach::Hosts)).unwrap().contains("by way of the proxy only"));
    assert!(!told("c", local, &at(Reach::Loopback)).unwrap().contains("proxy"));
    let refused = "OSError: [Errno 101] Network is unreachable";
    assert!(told("c", refused, &at(Reach::Nothing)).unwrap().contains("no sockets but Unix ones at this level"));
    let netlink = "Cannot open netlink socket: Operation not permitted";
    assert!(told("c", netlink, &at(Reach::Nothing)).unwrap().contains("no sockets but Unix ones at this level"));
}

/// Where no overlay can be mounted, commands see a copy, and have no sockets: what they print is told as the person knows it.
#[test]
fn below_the_overlay_copies_are_told_from_walls_and_missing_sockets_by_name() {
    let own = |seen: &str, own: &str| (PathBuf::from(format!("/home/me/.cache/c/shadow-1/{seen}")), PathBuf::from(own));
    let moved = vec![own("workspace/shop", "/home/me/work/shop"), own("home", "/home/me"), own("tmp", "/tmp")];
    let outcome = Outcome { facts: Arc::new(Facts { reach: Reach::Nothing, moved, ..facts() }), ..failed() };
    let at = |line: &str| told("make", line, &outcome);
    for line in [
        "cat: /home/me/.cache/c/shadow-1/workspace/shop/none: No such file or directory",
        "Error: ENOENT: no such file or directory, open '/home/me/.cache/c/shadow-1/workspace/shop/x.json'",
        "cat: /home/me/work/shop/none: No such file or directory",
        "chmod: changing permissions of 'x': Operation not permitted",
        "PermissionError: [Errno 1] Operation not permitted: 'x'",
        "bash: line 1: kill: (1) - Operation not permitted",
        "./script.sh: Permission denied",
    ] {
        assert_eq!(at(line), None, "{line}");
    }
    for (line, start) in [
        (
            "ls: cannot access '/home/me/.cache/c/shadow-1/home/.ssh': No such file or directory",
            "/home/me/.ssh: outside the walls",
        ),
        ("cat: /home/me/.cache/c/shadow-1/tmp/of-before: No such file or directory", "/tmp/of-before: probably expected from"),
        (
            "cat: /home/me/work/shop/a.txt: Permission denied",
            "/home/me/work/shop/a.txt: at this level of walls commands work on a copy",
        ),
        ("PermissionError: [Errno 1] Operation not permitted", "probably a socket: commands have no sockets at this level"),
        ("Error: listen EPERM: operation not permitted 127.0.0.1:8123", "probably a socket: commands have no sockets"),
        (r#"Os { code: 1, kind: PermissionDenied, message: "Operation not permitted" }"#, "probably a socket: commands have no"),
        ("nc: Operation not permitted", "probably a socket: commands have no sockets"),
        ("socket: Operation not permitted", "probably a socket: commands have no sockets"),
        (
            "curl: (7) Failed to connect to localhost port 1 after 0 ms: Couldn't connect to server",
            "localhost:1: commands have no",
        ),
        ("_multiprocessing.SemLock(\nPermissionError: [Errno 13] Permission denied", "shared memory: not there at this level"),
        ("script: failed to create pseudo-terminal: Permission denied", "terminals: not there at this level"),
    ] {
        let text = at(line).unwrap_or_else(|| panic!("nothing is said of {line}"));
        assert!(text.starts_with(start), "{line}\n{text}");
    }
    // With a loopback and an overlay none of this is a wall.
    for line in ["PermissionError: [Errno 1] Operation not permitted", "nc: Operation not permitted"] {
        assert_eq!(told("make", line, &failed()), None, "{line}");
    }
}

#[test]
fn programs_that_were_not_found() {
    for (output, program) in [
        ("bash: line 1: claude: command not found", Some("claude")),
        ("x\nsh: 1: tsc: not found\nnpm error", Some("tsc")),
        ("/usr/bin/env: ‘node’: No such file or directory", Some("node")),
        ("env: node: No such file or directory", Some("node")),
        ("make: gcc-99: No such file or directory", Some("gcc-99")),
        ("cat: x: No such file or directory", None),
        ("page: not found", None),
    ] {
        assert_eq!(missing_program(output), program, "{output}");
    }
}

/// However an output is cut into pieces, its text is the same.
#[test]
fn escapes_redraws_and_broken_characters_come_in_pieces() {
    for (raw, text) in [
        (&b"plain\n"[..], "plain\n"),
        (b"\x1b[1;31mred\x1b[0m\n", "red\n"),
        (b"\x1b]0;title\x07after", "after"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", "link\n"),
        (b"\x1b]0;never ended\nnext line\n", "\nnext line\n"),
        (b"\x1b(Bx", "x"),
        (b"a\x1b]52;c;c2VjcmV0\x1b\\b\n", "ab\n"),
        (b"\xc2\x9d52;c;x\xc2\x9cy\n", "52;c;xy\n"),
        (b"\x1bP1$r0m\x1b\\k\x1b_x\x07\x1b^y\x1b\\\x1b[?1049h\x1b[>c\x1bc.\n", "k.\n"),
        (b"\x1b]8;;file:///etc\x1b[31mred\nnext\n", "\nnext\n"),
        (b"\x1b[3\x00\x1b[2Jx\0y\n", "xy\n"),
        (b"caf\xc3\r\xa9 \xf0\x9f\x98\n", "\u{fffd} \u{fffd}\n"),
        (b"10%\r20%\r\x1b[K100%\ndone\r\n", "100%\ndone\n"),
        (b"50%\r", "50%"),
        (b"abc\x08\x08d\n", "ad\n"),
        (b"\x00\x01\x7fx\x9b\n", "x\u{fffd}\n"),
        (b"\xff\xfe caf\xc3\xa9 \xe2\x82", "\u{fffd}\u{fffd} caf\u{e9} \u{fffd}"),
        ("safe \u{202e}txt.exe\n".as_bytes(), "safe \\u{202e}txt.exe\n"),
    ] {
        assert_eq!(clean(raw), text, "{raw:?}");
        for size in 1..4 {
            let (mut cleaner, mut out) = (Cleaner::default(), String::new());
            raw.chunks(size).for_each(|piece| cleaner.push(piece, &mut out));
            cleaner.flush(&mut out);
            assert_eq!(out, text, "{raw:?} in pieces of {size}");
        }
    }
    // A line that is being drawn may be shown before it ends; what is drawn over it begins a new one then.
    let (mut cleaner, mut out) = (Cleaner::default(), String::new());
    for piece in ["10%", "\r20%", "\r30%\n"] {
        cleaner.push(piece.as_bytes(), &mut out);
        cleaner.flush(&mut out);
    }
    assert_eq!(out, "10%\n20%\n30%\n");
}

//! The binary as its user meets it: exit codes, what stands on stdout, and what is said when something is wrong.

mod init;
mod policy;
mod records;

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use countersign::{
    config::{Environment, Folders, Grant, GrantStore},
    event::{Actor, Event, Scope, SessionId},
    journal::FileJournal,
    seams::Journal,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A user with nothing but a home.
pub struct User {
    home: TempDir,
}

impl User {
    pub fn new() -> User {
        User { home: TempDir::new().unwrap() }
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    pub fn folders(&self) -> Folders {
        Folders::of(&[("HOME".into(), self.home.path().into())].into_iter().collect::<Environment>()).unwrap()
    }

    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments).env_clear().env("HOME", self.home.path()).env("PATH", std::env::var_os("PATH").unwrap());
        command.current_dir(self.home.path()).stdin(Stdio::null());
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code().expect("ended by itself"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The lines of stdout as JSON.
    fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn alone_it_says_what_it_is_and_where_to_begin() {
    let ran = User::new().run([""; 0]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for word in ["countersign demo", "countersign doctor", "countersign init", "trust add", "countersign lsp"] {
        assert!(ran.out.contains(word), "{word}: {}", ran.out);
    }
    assert!(!ran.out.contains('\u{1b}'), "no colours into a pipe");
}

#[test]
fn mistakes_end_with_2_and_help_with_0() {
    let user = User::new();
    assert_eq!(user.run(["--help"]).code, 0);
    assert_eq!(user.run(["--version"]).out, format!("countersign {}\n", env!("CARGO_PKG_VERSION")));
    for arguments in [&["nonsense"][..], &["audit"], &["audit", "show"], &["trust", "add"], &["doctor", "--loud"]] {
        let ran = user.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn what_is_not_built_says_so() {
    let user = User::new();
    for arguments in [
        &["dashboard", "--port", "1"][..],
        &["pilot", "run", "x"],
        &["retro"],
        &["replay", "s"],
        &["audit", "search", "q"],
        &["audit", "export"],
        &["audit", "purge", "--before", "2020"],
        &["audit", "verify", "--against", "w"],
        &["policy", "replay", "p.toml"],
    ] {
        let ran = user.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(ran.err.contains("not available yet"), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_way_out_is_an_exact_host_and_port() {
    let user = User::new();
    for net in ["example.org", "https://example.org", "*.example.org:443", "example.org:0443", ":443", "10.0.0.1", ""] {
        let ran = user.run(["sandbox", "run", "--net", net, "--", "true"]);
        assert!(
            ran.code == 2 && ran.err.contains("no exact host:port") && ran.err.contains("for example --net"),
            "{net}: {ran:?}"
        );
    }
}

#[test]
fn errors_are_one_sentence_and_a_next_step() {
    let user = User::new();
    let ran = user.run(["audit", "show", "nothing"]);
    assert_eq!(ran.code, 2);
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(lines, ["error: the journal has no session yet", "  try: countersign audit show server"]);
    let ran = Ran::of(user.command(["doctor"]).env("COUNTERSIGN_LOG", "=[").output().unwrap());
    assert!(ran.code == 2 && ran.err.contains("COUNTERSIGN_LOG"), "{ran:?}");
    let ran = Ran::of(user.command(["trust", "list"]).env_remove("HOME").output().unwrap());
    assert!(ran.code == 2 && ran.err.contains("set HOME"), "{ran:?}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let user = User::new();
    let mut child = user.command(["--help"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let mut child = user.command([""; 0]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn doctor_names_what_is_wrong_and_what_to_do() {
    let user = User::new();
    let bare = user.run(["doctor", "--offline", "--json"]);
    let report = &bare.json()[0];
    assert_eq!((bare.code, &report["ok"]), (1, &json!(false)));
    let check = |report: &Value, name: &str| {
        report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).cloned().expect(name)
    };
    assert_eq!(check(report, "model")["state"], "fails");
    assert_eq!(check(report, "git")["state"], "ok");
    assert_eq!(check(report, "journal")["state"], "ok");
    assert_eq!(check(report, "wall process")["state"], "ok");
    for check in report["checks"].as_array().unwrap() {
        assert_eq!(check["state"] == "ok", check["advice"].is_null(), "{check}");
    }

    user.write(".config/countersign/config.toml", "[model]\nname = \"anthropic:m\"\nnmae = 1\n");
    let broken = user.run(["doctor", "--offline", "--json"]).json().remove(0);
    let configuration = check(&broken, "configuration");
    assert_eq!(configuration["state"], "fails");
    assert!(configuration["found"].as_str().unwrap().contains("config.toml:3"), "{configuration}");

    assert_eq!(configuration["advice"], "repair that line; until then the server runs read-only");
    fs::remove_file(user.path(".config/countersign/config.toml")).unwrap();
    user.folder(".config/countersign/config.toml");
    let folder = check(&user.run(["doctor", "--offline", "--json"]).json()[0], "configuration");
    assert_eq!(folder["advice"], "repair that file; until then the server runs read-only");

    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let binary = folder.path().join("countersign");
    fs::hard_link(env!("CARGO_BIN_EXE_countersign"), &binary).unwrap();
    let mut doctor = Command::new(&binary);
    doctor.args(["doctor", "--offline", "--json"]).env_clear().env("HOME", user.path("")).env("PATH", "/usr/bin:/bin");
    let alone = Ran::of(doctor.output().unwrap()).json().remove(0);
    let process = check(&alone, "wall process");
    assert_eq!(process["state"], "weak", "{process}");
    assert!(process["advice"].as_str().unwrap().contains("countersign-wall"), "{process}");

    let no_git = Ran::of(user.command(["doctor", "--offline"]).env("PATH", "relative").output().unwrap());
    assert!(no_git.out.contains("FAILS  git") && no_git.out.contains("install git"), "{}", no_git.out);
}

#[test]
fn doctor_shows_what_listed_package_managers_stand_for() {
    let user = User::new();
    let report = |user: &User| {
        let report = user.run(["doctor", "--offline", "--json"]).json().remove(0);
        report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "registries").cloned()
    };
    assert_eq!(report(&user), None, "nothing is asked that the policy does not list");
    let policy = countersign::policy::DEFAULT.replace("\n[run]\n", "\n[run]\nregistries = [\"npm\", \"cargo\"]\n");
    user.write(".config/countersign/policy.toml", &policy);
    user.write(".npmrc", "registry=https://npm.example/\n//npm.example/:_authToken=canary\n");
    user.write(
        ".cargo/config.toml",
        "[source.crates-io]\nreplace-with = \"m\"\n[source.m]\nregistry = \"sparse+https://m.example/\"\n",
    );
    let check = report(&user).unwrap();
    assert_eq!((&check["state"], &check["found"]), (&json!("weak"), &json!("cargo: m.example:443; npm: npm.example:443")));
    assert!(check["advice"].as_str().unwrap().contains("m.example was not used here yet"), "{check}");
    assert!(!check.to_string().contains("canary"), "{check}");
}

#[test]
fn doctor_tries_the_endpoint_and_shows_no_key() {
    let user = User::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let doctor = |url: &str| {
        let mut command = user.command(["doctor"]);
        command.env("ANTHROPIC_API_KEY", "sk-ant-hidden").env("ANTHROPIC_BASE_URL", url).env("COUNTERSIGN_LOG", "trace");
        Ran::of(command.output().unwrap())
    };
    let up = doctor(&url);
    assert!(up.out.contains("answers") && up.out.contains("from ANTHROPIC_API_KEY"), "{}", up.out);
    drop(listener);
    let down = doctor(&url);
    assert!(down.code == 1 && down.out.contains("FAILS  endpoint"), "{}", down.out);
    let odd = doctor("https://user:pw@example.com");
    assert!(odd.code == 1 && odd.out.contains("a base URL has no user"), "{}", odd.out);
    for ran in [up, down, odd] {
        assert!(!ran.out.contains("hidden") && !ran.err.contains("hidden"));
    }
}

#[test]
fn doctor_sees_a_key_file_a_proxy_and_a_place_that_cannot_be_written() {
    let user = User::new();
    let key = user.write(".config/countersign/anthropic.key", "sk-ant-hidden\n");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let fine = user.run(["doctor", "--offline"]);
    assert!(
        fine.code == 0 && fine.out.contains("ok     model") && fine.out.contains("from the file anthropic.key"),
        "{}",
        fine.out
    );

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap().to_string();
    let by = Ran::of(user.command(["doctor"]).env("HTTPS_PROXY", format!("http://{proxy}")).output().unwrap());
    assert!(by.out.contains("through the proxy 127.0.0.1 answers"), "{}", by.out);
    drop(listener);
    let spared = [("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", "anthropic.com"), ("ANTHROPIC_BASE_URL", "https://127.0.0.1:1")];
    let spared = Ran::of(user.command(["doctor"]).envs(spared).output().unwrap());
    assert!(!spared.out.contains("through the proxy"), "{}", spared.out);

    let file = user.write("a-file", "");
    let nowhere = Ran::of(user.command(["doctor", "--offline"]).env("XDG_STATE_HOME", &file).output().unwrap());
    assert!(nowhere.code == 1 && nowhere.out.contains("FAILS  state folder"), "{}", nowhere.out);
    let nowhere = Ran::of(user.command(["doctor", "--offline"]).env("XDG_CACHE_HOME", &file).output().unwrap());
    assert!(nowhere.code == 1 && nowhere.out.contains("or set XDG_CACHE_HOME"), "{}", nowhere.out);
    assert!(!nowhere.out.contains("security-opt"), "no switch of the kernel helps there: {}", nowhere.out);
}

#[test]
fn sandbox_check_tries_every_wall() {
    let user = User::new();
    // Commands see these two, rebuilt, and nothing beside them.
    user.write(".npmrc", "fund=false\n");
    user.write(".config/pip/pip.conf", "[global]\nretries = 7\n");
    user.write(".config/other/token", "x\n");
    let ran = user.run(["sandbox", "check", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = &ran.json()[0];
    assert_eq!((&report["holds"], &report["level"]), (&json!(true), &json!("L3")));
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.len() >= 5 && checks.iter().filter(|check| check["wall"] == "proxy").count() == 4);
    for (wall, rows) in [("number", 1), ("sockets", 2)] {
        assert_eq!(checks.iter().filter(|check| check["wall"] == wall).count(), rows, "{wall}");
    }
    assert!(report["ms"].as_u64().is_some_and(|ms| ms > 0) && report["next"].is_null(), "{report}");
    let text = user.run(["sandbox", "check"]);
    assert!(text.out.contains("holds") && !text.out.contains("FAILS"), "{}", text.out);
    assert!(user.run(["doctor", "--offline"]).out.contains("level L3"));
}

/// A denial counts only with its control: where tools are missing, nothing is proved, and that is a failure.
#[test]
fn sandbox_check_fails_when_a_control_does() {
    let user = User::new();
    let mut command = user.command(["sandbox", "check", "--json"]);
    let ran = Ran::of(command.env("PATH", "/usr/lib").output().unwrap());
    assert_eq!(ran.code, 3, "{ran:?}");
    let report = &ran.json()[0];
    let rows = report["checks"].as_array().unwrap();
    let seccomp = rows.iter().find(|row| row["wall"] == "seccomp").unwrap();
    assert_eq!((&seccomp["denied"], &seccomp["allowed"], &seccomp["holds"]), (&json!(true), &json!(false), &json!(false)));
    assert!(seccomp["detail"].as_str().unwrap().contains("unshare"), "what is missing: {seccomp}");
    assert!(report["holds"] == false && report["next"].as_str().unwrap().contains("missing from PATH"), "{report}");
    let shown = Ran::of(user.command(["sandbox", "check"]).env("PATH", "/usr/lib").output().unwrap());
    assert!(shown.code == 3 && shown.out.contains("NOT ALLOWED") && shown.out.contains("What to do: "), "{}", shown.out);
}

#[test]
fn doctor_tells_of_files_with_other_names() {
    let user = User::new();
    let folder = user.folder("w");
    user.write("w/a.txt", "a\n");
    user.write("outside", "x\n");
    let doctor = || {
        let mut command = user.command(["doctor", "--offline"]);
        Ran::of(command.current_dir(&folder).output().unwrap()).out
    };
    assert!(!doctor().contains("hard links"), "nothing is said of folders that are not trusted");
    assert_eq!(user.run(["trust", "add", "w"]).code, 0);
    assert!(doctor().contains("no file of this folder has another name"));
    fs::hard_link(user.path("outside"), folder.join("h")).unwrap();
    let told = doctor();
    assert!(told.contains("weak   hard links") && told.contains("other names: h\n"), "{told}");
}

#[test]
fn sandbox_run_shows_a_command_its_shadow_and_throws_changes_away() {
    let user = User::new();
    let folder = user.folder("w");
    user.write("w/a.txt", "old\n");
    user.write("w/.env", "SECRET=1\n");
    user.write("outside.txt", "outside\n");
    let walled = |words: &[&str]| user.run(["sandbox", "run", "-w", "w", "--"].iter().chain(words));

    let ran = walled(&["echo new > a.txt; echo more > b.txt; cat a.txt"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "new\n"), "{}", ran.err);
    assert!(ran.err.contains("2 changed") && ran.err.contains("a.txt") && ran.err.contains("b.txt"), "{}", ran.err);
    assert_eq!(fs::read_to_string(folder.join("a.txt")).unwrap(), "old\n");
    assert!(!folder.join("b.txt").exists());

    // Several words are a program and its arguments: the shell takes none of them apart.
    let ran = walled(&["printf", "%s|", "a b", "$HOME", "it's", "*", ""]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "a b|$HOME|it's|*||"), "{}", ran.err);

    let control = walled(&["cat", "a.txt"]);
    assert_eq!(control.out, "old\n");
    let secret = walled(&["cat", ".env"]);
    assert!(secret.code == 1 && !secret.out.contains("SECRET") && secret.err.contains(".env"), "{secret:?}");
    let outside = walled(&["cat", user.path("outside.txt").to_str().unwrap()]);
    assert!(outside.code == 1 && !outside.out.contains("outside\n"), "{outside:?}");

    // A folder that nobody may write has a shadow that commands may.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let sealed = walled(&["stat -c %a .; echo c > c.txt; cat c.txt"]);
    assert_eq!((sealed.code, sealed.out.as_str()), (0, "755\nc\n"), "{}", sealed.err);
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o555);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();

    let failed = walled(&["exit 7"]);
    assert!(failed.code == 1 && failed.err.contains("exit code 7"), "{failed:?}");
    let late = user.run(["sandbox", "run", "-w", "w", "--timeout", "1", "--", "read x < <(tail -f /dev/null)"]);
    assert!(late.code == 1 && late.err.contains("after 1 s") && late.err.contains("--timeout"), "{late:?}");
    let commit = "git init -q && git -c user.name=T -c user.email=t@example.com commit -q --allow-empty -m x";
    let committed = walled(&[commit]);
    assert!(committed.code == 0 && committed.err.contains("in .git is thrown away"), "{committed:?}");
    assert!(!folder.join(".git").exists() && !control.err.contains(".git"), "{control:?}");
    let nowhere = user.run(["sandbox", "run", "-w", "nowhere", "--", "true"]);
    assert_eq!(nowhere.code, 2, "{nowhere:?}");
}

#[test]
fn sandbox_run_reaches_the_hosts_that_a_person_names_and_no_other() {
    let user = User::new();
    user.folder("w");
    let page = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = std::io::Read::read(&mut stream, &mut [0; 1024]);
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nserved";
                let _ = std::io::Write::write_all(&mut stream, answer);
            }
        });
        host
    };
    let (one, two, other) = (page(), page(), page());
    let text = format!("curl -sSf http://{one}/ && curl -sSf http://{two}/");
    let ran = user.run(["sandbox", "run", "-w", "w", "--net", &one, "--net", &two, "--", &text]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "servedserved"), "{}", ran.err);
    let text = format!("curl -sSf --noproxy '' http://{other}/");
    let ran = user.run(["sandbox", "run", "-w", "w", "--net", &one, "--", &text]);
    let why = format!("countersign: network: {other} is not among the hosts that this command was allowed ({one})");
    assert!(ran.code == 1 && !ran.out.contains("served") && ran.err.contains(&why), "{ran:?}");
    // Said once, and what a person does about it.
    let again = format!("for i in 1 2 3; do {text}; done");
    let ran = user.run(["sandbox", "run", "-w", "w", "--net", &one, "--", &again]);
    assert_eq!((ran.err.matches(&why).count(), ran.err.matches("yourself with --net HOST:PORT").count()), (1, 1), "{ran:?}");
    // A name is no word for the address behind it.
    let port = one.rsplit(':').next().unwrap();
    let named = format!("localhost:{port}");
    let text = format!("curl -sSf http://{named}/");
    let ran = user.run(["sandbox", "run", "-w", "w", "--net", &named, "--", &text]);
    assert!(ran.code == 1 && ran.err.contains("a loopback address: closed unless a rule"), "{ran:?}");
}

#[test]
fn sandbox_run_keeps_changes_as_a_patch_that_git_applies() {
    let user = User::new();
    let folder = user.folder("w");
    let git = |arguments: &[&str]| {
        let done = Command::new("git").current_dir(&folder).args(["-c", "core.autocrlf=false"]).args(arguments).output().unwrap();
        assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    for (path, text) in [
        ("a.txt", "one\ntwo\n"),
        ("dos.txt", "one\r\ntwo\r\n"),
        ("old name.txt", "moved\n"),
        ("dir/x", "x\n"),
        ("dir/y", "y"),
        ("run.sh", "#!/bin/sh\n"),
        (".gitignore", "*.o\n"),
    ] {
        user.write(&format!("w/{path}"), text);
    }
    fs::write(folder.join("raw"), b"\xff\x00raw").unwrap();
    git(&["init", "-q", "."]);
    git(&["add", "."]);
    let text = "sed -i s/two/TWO/ a.txt dos.txt; mv 'old name.txt' 'new name.txt'; rm -r dir raw; chmod +x run.sh; mkdir made; echo m \
                > made/m; printf '#!/bin/sh' > made/tool; chmod +x made/tool; echo o > a.o; echo k > .env; ln -s /etc/passwd link";
    let ran = user.run(["sandbox", "run", "-w", "w", "--patch", "out.diff", "--", text]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("kept in out.diff") && ran.err.contains("link: a symbolic link"), "{}", ran.err);
    assert!(ran.err.contains(".env: rule secret"), "{}", ran.err);
    assert_eq!(git(&["status", "--porcelain", "-uno"]).lines().filter(|line| !line.starts_with("A  ")).count(), 0, "untouched");
    git(&["apply", "--index", user.path("out.diff").to_str().unwrap()]);
    assert_eq!(fs::read_to_string(folder.join("a.txt")).unwrap(), "one\nTWO\n");
    assert_eq!(fs::read_to_string(folder.join("dos.txt")).unwrap(), "one\r\nTWO\r\n");
    assert_eq!(fs::read_to_string(folder.join("new name.txt")).unwrap(), "moved\n");
    assert_eq!(fs::read_to_string(folder.join("made/m")).unwrap(), "m\n");
    for gone in ["dir/x", "dir/y", "raw", "old name.txt", "a.o", ".env", "link"] {
        assert!(folder.join(gone).symlink_metadata().is_err(), "{gone}");
    }
    let modes = git(&["ls-files", "-s", "run.sh", "made/tool", "made/m"]);
    let modes: Vec<&str> = modes.lines().map(|line| &line[..6]).collect();
    assert_eq!(modes, ["100644", "100755", "100755"]);
    let nothing = user.run(["sandbox", "run", "-w", "w", "--patch", "none.diff", "--", "true"]);
    assert_eq!((nothing.code, fs::read(user.path("none.diff")).unwrap().len()), (0, 0), "{nothing:?}");
}

#[test]
fn at_a_terminal_there_are_colours_unless_unwanted() {
    let user = User::new();
    let (code, coloured) = init::at_terminal(user.command([""; 0]), &[]);
    assert!(code == 0 && coloured.contains("\u{1b}[1mcountersign"), "{coloured}");
    let mut command = user.command([""; 0]);
    command.env("NO_COLOR", "1");
    let (code, plain) = init::at_terminal(command, &[]);
    assert!(code == 0 && plain.contains("countersign demo") && !plain.contains('\u{1b}'), "{plain}");
}

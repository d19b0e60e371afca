//! The binary as its user meets it: exit codes, what stands on stdout, and what is said when something is wrong.

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

fn scope(session: &str) -> Scope {
    Scope { session: Some(SessionId::from(session)), workspace: Some("/w".into()), ..Scope::default() }
}

/// A session with texts that would take over a terminal.
fn hostile_session(state: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let journal = FileJournal::open(state).unwrap();
    let evil = "title \u{1b}]0;owned\u{7}\u{9b}31m \u{202e}gnp.exe\r";
    let start = Event::TaskStart {
        title: evil.into(),
        mode: "edit".into(),
        prompt: format!("first\n{evil}\nlast"),
        system: "s".into(),
        tools_sha: "t".into(),
    };
    journal.append(Actor::Human, &scope("abc-1"), start);
    let result = Event::PolicyDecision {
        action: "run".into(),
        target: "curl x".into(),
        verdict: "deny".into(),
        rule: "no-net".into(),
        layer: "user".into(),
        reason: "no network".into(),
    };
    journal.append(Actor::Server, &scope("abc-1"), result);
    runtime
        .block_on(journal.append_durable(Actor::Human, &scope("abd-2"), Event::UserSteer { message: "go on".into() }))
        .unwrap();
}

fn harmless(text: &str) -> bool {
    !text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}')
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
fn sessions_and_timelines_are_readable_and_harmless() {
    let user = User::new();
    assert!(user.run(["audit", "sessions"]).out.contains("no session yet"));
    hostile_session(&user.folders().state);

    let listed = user.run(["audit", "sessions"]);
    assert!(
        listed.code == 0 && listed.out.contains("abc-1") && listed.out.contains("1 task, 2 records, in /w"),
        "{}",
        listed.out
    );
    assert!(harmless(&listed.out), "{}", listed.out);
    let listed = user.run(["audit", "sessions", "--json"]);
    assert!(harmless(&listed.out));
    assert_eq!(listed.json().len(), 2);

    for session in ["abc-1", "abc"] {
        let shown = user.run(["audit", "show", session]);
        assert_eq!(shown.code, 0, "{}", shown.err);
        assert!(shown.out.contains("task.start") && shown.out.contains("\\u{1b}"), "{}", shown.out);
        assert!(shown.out.contains("deny by no-net of user: no network"), "{}", shown.out);
        assert!(harmless(&shown.out));
    }
    let full = user.run(["audit", "show", "abc", "--full"]);
    assert!(full.out.contains("prompt: first\n          title") && full.out.contains("\n          last\n"), "{}", full.out);
    assert!(harmless(&full.out));
    let raw = user.run(["audit", "show", "abc", "--json"]);
    assert!(harmless(&raw.out));
    assert!(raw.json()[0]["title"].as_str().unwrap().contains("\u{9b}31m \u{202e}"), "an escape that means the same");

    let ambiguous = user.run(["audit", "show", "ab"]);
    assert!(ambiguous.code == 2 && ambiguous.err.contains("several"), "{ambiguous:?}");
    assert!(user.run(["audit", "show", "last"]).out.contains("go on"));
    assert_eq!(user.run(["audit", "show", "../../etc/passwd"]).code, 2);
}

#[test]
fn verify_tells_whole_torn_and_changed_chains_apart() {
    let user = User::new();
    let state = user.folders().state;
    assert_eq!(user.run(["audit", "verify"]).code, 0);
    hostile_session(&state);
    let whole = user.run(["audit", "verify"]);
    assert!(
        whole.code == 0 && whole.out.contains("abc-1.jsonl  2 lines") && whole.out.contains("Every chain holds"),
        "{whole:?}"
    );

    let path = state.join("journal/abc-1.jsonl");
    let good = fs::read(&path).unwrap();
    fs::write(&path, [&good[..], b"{\"v\":1"].concat()).unwrap();
    let torn = user.run(["audit", "verify", "abc-1"]);
    assert!(torn.code == 0 && torn.out.contains("torn end of 6 bytes"), "{torn:?}");

    fs::write(&path, String::from_utf8(good).unwrap().replacen("edit", "plan", 1)).unwrap();
    let changed = user.run(["audit", "verify"]);
    assert!(changed.code == 1 && changed.out.contains("BAD  abc-1.jsonl  line 2"), "{changed:?}");
    let changed = user.run(["audit", "verify", "--json"]);
    assert_eq!((changed.code, &changed.json()[0]["ok"]), (1, &json!(false)));
    assert_eq!(user.run(["audit", "verify", "abd-2"]).code, 0, "the others hold");
}

#[test]
fn trust_is_added_listed_revoked_and_journalled() {
    let user = User::new();
    assert!(user.run(["trust", "list"]).out.contains("No folder is trusted"));
    let project = user.folder("project");
    let added = user.run(["trust", "add", "project"]);
    assert_eq!(added.code, 0, "{}", added.err);
    let listed = user.run(["trust", "list", "--json"]).json();
    assert_eq!((listed[0]["path"].as_str(), &listed[0]["holds"]), (fs::canonicalize(&project).unwrap().to_str(), &json!(true)));

    // Another folder by the same name is another folder.
    fs::remove_dir(&project).unwrap();
    user.folder("something-else-in-between");
    user.folder("project");
    let listed = user.run(["trust", "list", "--json"]).json();
    assert_eq!(listed[0]["holds"], json!(same_inode(&listed[0], &project)));

    assert_eq!(user.run(["trust", "revoke", "project"]).code, 0);
    let again = user.run(["trust", "revoke", "project"]);
    assert!(again.code == 2 && again.err.contains("is not trusted"), "{again:?}");
    for missing in ["nowhere", "/"] {
        assert_eq!(user.run(["trust", "add", missing]).code, 2);
    }
    let shown = user.run(["audit", "show", "server"]);
    assert!(shown.out.contains("trusted ") && shown.out.contains("no longer trusted "), "{}", shown.out);
    assert_eq!(user.run(["audit", "verify"]).code, 0);
}

/// Some file systems hand out the inode of a removed folder again.
fn same_inode(entry: &Value, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    entry["inode"] == json!(fs::metadata(path).unwrap().ino())
}

#[test]
fn grants_are_listed_and_revoked() {
    let user = User::new();
    assert!(user.run(["grants", "list"]).out.contains("No answer is remembered"));
    let grant = Grant {
        action: "run.net".into(),
        pattern: "cargo fetch \u{1b}[2J".into(),
        workspace: "/w".into(),
        contents: [("fetch.sh".to_owned(), "00".to_owned())].into(),
        since: "2026-01-01T00:00:00Z".into(),
    };
    GrantStore::new(&user.folders()).add(&grant).unwrap();
    let listed = user.run(["grants", "list"]);
    assert!(listed.out.contains(&grant.id()) && listed.out.contains("run.net") && harmless(&listed.out), "{}", listed.out);
    assert_eq!(user.run(["grants", "list", "--json"]).json()[0]["id"], json!(grant.id()));
    assert_eq!(user.run(["grants", "revoke", "ffffffff"]).code, 2);
    assert_eq!(user.run(["grants", "revoke", &grant.id()]).code, 0);
    assert!(user.run(["grants", "list"]).out.contains("No answer is remembered"));
    assert!(user.run(["audit", "show", "server"]).out.contains("grant.revoked"));
}

#[test]
fn init_without_a_terminal_needs_its_flags_and_overwrites_nothing() {
    let user = User::new();
    let ran = user.run(["init"]);
    assert!(ran.code == 2 && ran.err.contains("--model"), "{ran:?}");
    assert_eq!(user.run(["init", "--model", "script:x"]).code, 2);
    assert!(!user.path(".config").exists(), "nothing was written");

    let mut child = user.command(["init", "--model", "anthropic:some-model", "--key-stdin"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"sk-ant-0123\n").unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(!ran.out.contains("sk-ant") && !ran.err.contains("sk-ant"));
    let policy = user.path(".config/countersign/policy.toml");
    assert_eq!(user.run(["policy", "check", policy.to_str().unwrap()]).code, 0);
    let (config, key) = (user.path(".config/countersign/config.toml"), user.path(".config/countersign/anthropic.key"));
    for file in [&config, &key] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::read_to_string(&key).unwrap(), "sk-ant-0123\n");
    let doctor = user.run(["doctor", "--offline"]);
    assert!(doctor.out.contains("anthropic:some-model") && doctor.out.contains("from the file anthropic.key"), "{}", doctor.out);
    assert!(!doctor.out.contains("sk-ant"));

    fs::write(&config, "# mine\n").unwrap();
    let own = format!("# mine\n{}", fs::read_to_string(&policy).unwrap());
    fs::write(&policy, &own).unwrap();
    let ran = user.run(["init", "--model", "anthropic:other"]);
    assert!(ran.code == 2 && ran.err.contains("nothing was written") && ran.err.contains("--force"), "{ran:?}");
    assert_eq!(fs::read_to_string(&config).unwrap(), "# mine\n");
    let command = ["init", "--force", "--model", "anthropic:a\"b", "--key-command", "printf", "%s", "k-\"1\""];
    assert_eq!(user.run(command).code, 0);
    assert_eq!(fs::read_to_string(&policy).unwrap(), own, "a policy that is there is never replaced");
    let doctor = user.run(["doctor", "--offline"]);
    assert!(doctor.out.contains("anthropic:a\"b") && doctor.out.contains("from key_command"), "{}", doctor.out);
}

#[test]
fn a_model_that_cannot_be_reached_yet_is_neither_written_nor_called_fine() {
    let user = User::new();
    let config = user.path(".config/countersign/config.toml");
    for spec in ["openai:gpt-5", "ollama:x"] {
        let ran = user.run(["init", "--model", spec]);
        assert!(ran.code == 2 && ran.err.contains("not available yet") && !config.exists(), "{ran:?}");
    }
    assert_eq!(user.run(["init", "--model", "anthropic:x"]).code, 0);
    let doctor = |user: &User| {
        let report = user.run(["doctor", "--offline", "--json"]).json()[0].clone();
        report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "model").cloned().unwrap()
    };
    assert_eq!(doctor(&user)["state"], "ok");
    fs::write(&config, "[model]\nname = 'openai:gpt-5'\n").unwrap();
    let check = doctor(&user);
    assert!(check["state"] == "fails" && check["found"].as_str().unwrap().contains("not available yet"), "{check}");
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
    for check in report["checks"].as_array().unwrap() {
        assert_eq!(check["state"] == "ok", check["advice"].is_null(), "{check}");
    }

    user.write(".config/countersign/config.toml", "[model]\nname = \"anthropic:m\"\nnmae = 1\n");
    let broken = user.run(["doctor", "--offline", "--json"]).json().remove(0);
    let configuration = check(&broken, "configuration");
    assert_eq!(configuration["state"], "fails");
    assert!(configuration["found"].as_str().unwrap().contains("config.toml:3"), "{configuration}");

    let no_git = Ran::of(user.command(["doctor", "--offline"]).env("PATH", "relative").output().unwrap());
    assert!(no_git.out.contains("FAILS  git") && no_git.out.contains("install git"), "{}", no_git.out);
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
fn policy_check_names_the_line_and_show_hashes_what_it_shows() {
    let user = User::new();
    let shown = user.run(["policy", "show", "--prompt"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    let sha = countersign::journal::digest(shown.out.as_bytes());
    let whole = user.run(["policy", "show"]);
    assert!(whole.out.contains(&sha) && whole.out.contains("built-in default"), "{}", whole.out);
    let checked = user.run(["policy", "check"]);
    assert!(checked.code == 0 && checked.out.contains(&sha), "{checked:?}");

    let bad = user.write("bad.toml", "schema = 1\n\n[defualt]\nread = \"allow\"\n");
    let checked = user.run(["policy", "check", "bad.toml"]);
    assert!(checked.code == 2 && checked.err.contains("bad.toml") && checked.err.contains('3'), "{checked:?}");
    let missing = user.run(["policy", "check", "nowhere.toml"]);
    assert!(missing.code == 2 && missing.err.contains("is not there"), "{missing:?}");

    fs::create_dir_all(user.path(".config/countersign")).unwrap();
    fs::rename(bad, user.path(".config/countersign/policy.toml")).unwrap();
    for arguments in [&["policy", "show"][..], &["policy", "check"], &["policy", "explain", "read", "a"]] {
        let broken = user.run(arguments);
        assert!(broken.code == 2 && broken.out.is_empty() && broken.err.contains("policy.toml:3"), "{arguments:?}: {broken:?}");
    }
    assert!(user.run(["doctor", "--offline"]).out.contains("FAILS  policy"));
}

#[test]
fn policy_explain_names_rule_and_layer() {
    let user = User::new();
    let folder = user.folder("w");
    user.write("w/.env", "SECRET=1\n");
    let explain = |words: &[&str]| {
        let mut arguments = vec!["policy", "explain", "-w", "w", "--level", "L3", "--json"];
        arguments.extend(words);
        let ran = user.run(arguments);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.err);
        ran.json().remove(0)["explanation"]["decision"].clone()
    };
    assert_eq!(explain(&["read", "src/lib.rs"])["verdict"], "allow");
    assert_eq!(explain(&["read", ".env"])["verdict"], "deny");
    // The folder itself is looked at: a link is judged by where it leads.
    std::os::unix::fs::symlink(".env", folder.join("notes.txt")).unwrap();
    assert_eq!(explain(&["read", "notes.txt"])["verdict"], "deny");
    assert_eq!(explain(&["git.push", "main", "force"])["verdict"], "deny");
    assert_eq!(explain(&["run", "cargo test"])["verdict"], "allow");
    assert_eq!(explain(&["run", "cargo test && sudo id"])["verdict"], "deny");
    for words in [&["fly", "x"][..], &["read"], &["git.push", "main", "sideways"]] {
        let ran = user.run(["policy", "explain"].iter().chain(words));
        assert!(ran.code == 2 && ran.err.contains("try:"), "{words:?}: {ran:?}");
    }
    // What a workspace tightens counts once it is trusted.
    user.write("w/.countersign/policy.toml", "schema = 1\n[[rule]]\nid = \"docs\"\naction = \"write\"\nverdict = \"deny\"\npaths = [\"docs/**\"]\nreason = \"docs are made elsewhere\"\n");
    assert_eq!(explain(&["write", "docs/a.md"])["verdict"], "allow");
    assert_eq!(user.run([OsStr::new("trust"), OsStr::new("add"), folder.as_os_str()]).code, 0);
    let decision = explain(&["write", "docs/a.md"]);
    assert_eq!(
        (&decision["verdict"], &decision["rule"], &decision["layer"]),
        (&json!("deny"), &json!("docs"), &json!("workspace"))
    );
    let text = user.run(["policy", "explain", "-w", "w", "write", "docs/a.md"]);
    assert!(text.out.contains("docs are made elsewhere"), "{}", text.out);
}

#[test]
fn sandbox_check_tries_every_wall() {
    let user = User::new();
    let ran = user.run(["sandbox", "check", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = &ran.json()[0];
    assert_eq!((&report["holds"], &report["level"]), (&json!(true), &json!("L3")));
    assert!(report["checks"].as_array().unwrap().len() >= 5);
    let text = user.run(["sandbox", "check"]);
    assert!(text.out.contains("holds") && !text.out.contains("FAILS"), "{}", text.out);
    assert!(user.run(["doctor", "--offline"]).out.contains("level L3"));
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

    let failed = walled(&["exit 7"]);
    assert!(failed.code == 1 && failed.err.contains("exit code 7"), "{failed:?}");
    let late = user.run(["sandbox", "run", "-w", "w", "--timeout", "1", "--", "read x < <(tail -f /dev/null)"]);
    assert!(late.code == 1 && late.err.contains("after 1 s"), "{late:?}");
    let nowhere = user.run(["sandbox", "run", "-w", "nowhere", "--", "true"]);
    assert_eq!(nowhere.code, 2, "{nowhere:?}");
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

/// Runs a command at a terminal and types each answer when a question (a text that ends in a colon) waits for it.
fn at_terminal(mut command: Command, answers: &[&str]) -> (i32, String) {
    use std::io::Read;
    let pair = nix::pty::openpty(None, None).unwrap();
    for end in [&pair.master, &pair.slave] {
        // Children of other tests must not hold it open.
        rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC).unwrap();
    }
    let terminal = fs::File::from(pair.slave);
    command.env("TERM", "xterm").stdin(terminal.try_clone().unwrap()).stdout(terminal.try_clone().unwrap()).stderr(terminal);
    let mut child = command.spawn().unwrap();
    // The command holds the terminal's last handles: reading ends when it does.
    drop(command);
    let (mut master, mut said, mut block) = (fs::File::from(pair.master), String::new(), [0; 4096]);
    let mut answers = answers.iter();
    while let Ok(n @ 1..) = master.read(&mut block) {
        said.push_str(std::str::from_utf8(&block[..n]).unwrap());
        if said.ends_with(": ")
            && let Some(answer) = answers.next()
        {
            master.write_all(answer.as_bytes()).unwrap();
        }
    }
    (child.wait().unwrap().code().expect("ended by itself"), said)
}

#[test]
fn at_a_terminal_there_are_colours_unless_unwanted() {
    let user = User::new();
    let (code, coloured) = at_terminal(user.command([""; 0]), &[]);
    assert!(code == 0 && coloured.contains("\u{1b}[1mcountersign"), "{coloured}");
    let mut command = user.command([""; 0]);
    command.env("NO_COLOR", "1");
    let (code, plain) = at_terminal(command, &[]);
    assert!(code == 0 && plain.contains("countersign demo") && !plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn init_asks_at_a_terminal_and_never_shows_the_key() {
    let user = User::new();
    let (code, said) = at_terminal(user.command(["init"]), &["1\n", "my-model\n", "3\n", "sk-ant-typed\n"]);
    assert!(code == 0 && said.contains("Next: countersign doctor") && !said.contains("sk-ant"), "{said}");
    let folder = user.path(".config/countersign");
    assert_eq!(fs::read_to_string(folder.join("anthropic.key")).unwrap(), "sk-ant-typed\n");
    let before = fs::read_to_string(folder.join("config.toml")).unwrap();
    assert!(before.contains("name = \"anthropic:my-model\""), "{before}");

    let (code, said) = at_terminal(user.command(["init"]), &["1\n", "other\n", "1\n", "n\n"]);
    assert!(code == 0 && said.contains("Left alone"), "{said}");
    assert_eq!(fs::read_to_string(folder.join("config.toml")).unwrap(), before);
    let (code, said) = at_terminal(user.command(["init"]), &["9\n", "2\n", "1\n", "other\n", "2\n", "printf key\n", "y\n"]);
    assert!(code == 0 && said.contains("is none of 1, 2 and 3") && said.contains("not available yet"), "{said}");
    assert!(user.run(["doctor", "--offline"]).out.contains("from key_command"));
    // The end of input, as Ctrl-D types it.
    let (code, said) = at_terminal(user.command(["init"]), &["\u{4}"]);
    assert!(code == 130 && said.contains("nothing was written"), "{said}");
}

//! A user's desk with an editor on it: a workspace in git, folders of its own, a scripted model, a terminal to type into.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::model_double::{KEY, ModelDouble, SPEC};

/// Longest wait for an editor on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The start script of an editor; `.ci/editors` installs it when it is missing.
pub fn editor(name: &str) -> PathBuf {
    let build = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let folder = build.join("editors");
    let program = folder.join(name).join("run");
    if !program.exists() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/editors");
        let done = Command::new(&script).arg(&folder).arg(name).output().expect(".ci/editors starts");
        assert!(
            done.status.success() && program.exists(),
            "{name} is missing, and .ci/editors, which downloads it as a Debian package, failed:\n{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    program
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The n-th block of this language in `docs/editors.md`, so that what users copy is what is tested.
pub fn documented(language: &str, n: usize) -> String {
    let text = fs::read_to_string(repository("docs/editors.md")).unwrap();
    let fence = format!("```{language}\n");
    let block = text.split(&fence).nth(n + 1).and_then(|rest| rest.split("```").next());
    block.unwrap_or_else(|| panic!("docs/editors.md has no block {n} of {language}")).to_owned()
}

/// `line 1` to `line 30`.
pub fn lines() -> String {
    (1..=30).map(|n| format!("line {n}\n")).collect()
}

/// A desk; everything on it is thrown away.
pub struct Desk {
    home: TempDir,
    work: TempDir,
    model: String,
    double: Option<String>,
}

impl Desk {
    /// A trusted workspace whose model says these Messages bodies in every task.
    pub fn scripted(answers: &[Value]) -> Desk {
        let desk = Desk::new();
        let script = desk.home("script.jsonl");
        fs::write(&script, answers.iter().map(|answer| format!("{answer}\n")).collect::<String>()).unwrap();
        desk.trust();
        Desk { model: format!("script:{}", script.display()), ..desk }
    }

    /// A workspace that nobody trusts yet, whose model the test plays.
    pub fn manual() -> Desk {
        let desk = Desk::new();
        let folder = desk.home("model");
        fs::create_dir(&folder).unwrap();
        Desk { model: format!("manual:{}", folder.display()), ..desk }
    }

    /// What the model was told in its n-th request, once it came.
    pub fn request(&self, n: usize) -> String {
        let path = self.home("model").join(format!("{n}.request.json"));
        until(&format!("request {n}"), String::new, || fs::read_to_string(&path).ok())
    }

    /// What the model says to its n-th request.
    pub fn answer(&self, n: usize, content: &Value) {
        self.request(n);
        let folder = self.home("model");
        let usage = serde_json::json!({"input_tokens": 2100 * n, "output_tokens": 130});
        fs::write(folder.join("new"), serde_json::json!({"content": content, "usage": usage}).to_string()).unwrap();
        fs::rename(folder.join("new"), folder.join(format!("{n}.answer.json"))).unwrap();
    }

    /// A workspace that nobody trusts yet, with the model double.
    pub fn with_double(double: &ModelDouble) -> Desk {
        Desk { model: SPEC.to_owned(), double: Some(double.url()), ..Desk::new() }
    }

    fn new() -> Desk {
        let desk =
            Desk { home: tempfile::tempdir().unwrap(), work: tempfile::tempdir().unwrap(), model: String::new(), double: None };
        fs::write(desk.path("list.txt"), lines()).unwrap();
        fs::write(desk.path("list.md"), lines()).unwrap();
        fs::write(desk.path("other.txt"), "other\n").unwrap();
        // The tests answer as fast as they can, and say so.
        desk.configure("[approval]\nmin_seconds = 0.0\n");
        fs::write(desk.home(".gitconfig"), "[user]\n\tname = Tess Ter\n\temail = tess@example.org\n").unwrap();
        desk.git(&["init", "--quiet", "--initial-branch=work"]);
        desk.git(&["add", "."]);
        desk.git(&["commit", "--quiet", "--message=start"]);
        desk
    }

    /// Writes the user's `config.toml`.
    pub fn configure(&self, text: &str) {
        let folder = self.home("config/countersign");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.toml"), text).unwrap();
    }

    /// Writes the user's `policy.toml`: the default one with more behind it.
    pub fn policy(&self, more: &str) {
        let default = fs::read_to_string(repository("policies/default.toml")).unwrap();
        fs::write(self.home("config/countersign/policy.toml"), format!("{default}\n{more}")).unwrap();
    }

    pub fn trust(&self) {
        let mut command = self.command(env!("CARGO_BIN_EXE_countersign"));
        assert!(command.args(["trust", "add", "."]).output().unwrap().status.success());
    }

    /// A file of the workspace, as the disk knows it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.work.path().canonicalize().unwrap().join(name)
    }

    /// A file's text; empty in the moment in which an editor replaces it.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub fn home(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A command in the workspace that sees nothing of the tester's own settings.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let server = Path::new(env!("CARGO_BIN_EXE_countersign"));
        let path = format!("{}:{}", server.parent().unwrap().display(), std::env::var("PATH").unwrap());
        command.current_dir(self.path("")).env_clear().env("PATH", path).env("HOME", self.home.path());
        for (name, folder) in [
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_RUNTIME_DIR", "run"),
        ] {
            fs::create_dir_all(self.home(folder)).unwrap();
            command.env(name, self.home(folder));
        }
        command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").env("SHELL", "/bin/sh");
        command.env("LAB_PLUGIN", repository("editors/neovim")).env("LAB_SERVER", server).env("LAB_MODEL", &self.model);
        if let Some(url) = &self.double {
            command.env("ANTHROPIC_API_KEY", KEY).env("ANTHROPIC_BASE_URL", url);
        }
        command
    }

    /// Runs git as the user does.
    pub fn git(&self, arguments: &[&str]) -> String {
        let done = self.command("git").args(arguments).output().unwrap();
        assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// All journals as one text.
    pub fn journal(&self) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(self.home("state/countersign/journal")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "jsonl") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
        text
    }
}

/// Waits until `ready` answers something.
pub fn until<T>(what: &str, seen: impl Fn() -> String, ready: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}; seen:\n{}", seen());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A terminal with one program in it, ended with the test.
pub struct Screen {
    tmux: PathBuf,
    socket: PathBuf,
    _folder: TempDir,
}

impl Screen {
    /// Starts a program in a terminal of 110 columns and 36 lines.
    pub fn start(desk: &Desk, program: &Path, arguments: &[&OsStr]) -> Screen {
        let found = std::env::var_os("PATH")
            .and_then(|path| std::env::split_paths(&path).map(|folder| folder.join("tmux")).find(|program| program.exists()));
        let tmux = found.unwrap_or_else(|| editor("tmux"));
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let mut command = desk.command(&tmux);
        command.arg("-S").arg(&socket).args(["-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "36"]);
        let started = command.arg(program).args(arguments).output().unwrap();
        assert!(started.status.success(), "tmux: {}", String::from_utf8_lossy(&started.stderr));
        Screen { tmux, socket, _folder: folder }
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let done = Command::new(&self.tmux).arg("-S").arg(&self.socket).args(arguments).output().unwrap();
        assert!(done.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Presses keys, by tmux's names.
    pub fn press(&self, keys: &[&str]) {
        let mut arguments = vec!["send-keys", "-t", "0", "--"];
        arguments.extend(keys);
        self.tmux(&arguments);
    }

    /// Types a text as it is.
    pub fn type_text(&self, text: &str) {
        self.tmux(&["send-keys", "-t", "0", "-l", "--", text]);
    }

    /// The process id of the program.
    pub fn process(&self) -> String {
        self.tmux(&["display-message", "-p", "-t", "0", "#{pane_pid}"]).trim().to_owned()
    }

    /// What is on the screen, with its colours as a terminal writes them.
    pub fn coloured(&self) -> String {
        self.tmux(&["capture-pane", "-e", "-N", "-p", "-t", "0"])
    }

    /// What is on the screen.
    pub fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-t", "0"])
    }

    /// Waits until these words stand on the screen.
    pub fn shows(&self, words: &str) -> String {
        until(words, || self.text(), || Some(self.text()).filter(|text| text.contains(words)))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = Command::new(&self.tmux).arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

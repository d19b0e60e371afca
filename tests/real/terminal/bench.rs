//! A project, a home of its own, scripted models, and a real terminal (tmux) to type into.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The file that the scripts change.
pub const LIST: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n";

/// A project with its user.
pub struct Desk {
    tmp: TempDir,
}

impl Desk {
    /// A trusted git repository that holds `list.txt`.
    pub fn new() -> Desk {
        let desk = Desk::untrusted();
        let added = desk.countersign(&["trust", "add", "."]).output().unwrap();
        assert!(added.status.success(), "{}", said(&added));
        desk
    }

    /// The same, not trusted yet.
    pub fn untrusted() -> Desk {
        let desk = Desk { tmp: TempDir::new().unwrap() };
        for folder in [desk.project(), desk.home()] {
            fs::create_dir(folder).unwrap();
        }
        desk.write("list.txt", LIST);
        desk.git(&["init", "--quiet", "--initial-branch=work"]);
        desk.commit();
        desk
    }

    pub fn project(&self) -> PathBuf {
        self.tmp.path().join("project")
    }

    pub fn home(&self) -> PathBuf {
        self.tmp.path().join("home")
    }

    /// A path beside project and home.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.tmp.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let file = self.project().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.project().join(name)).unwrap()
    }

    pub fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.project().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Whether its owner may execute it.
    pub fn runs(&self, name: &str) -> bool {
        fs::metadata(self.project().join(name)).unwrap().permissions().mode() & 0o100 != 0
    }

    pub fn git_refuses(&self, arguments: &[&str]) {
        let output = self.clean(Command::new("git")).args(arguments).output().expect("git is there");
        assert!(!output.status.success(), "git {arguments:?} did it");
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let output = self.clean(Command::new("git")).args(arguments).output().expect("git is there");
        assert!(output.status.success(), "git {arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Commits everything.
    pub fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "--quiet", "--message", "m"]);
    }

    /// Writes a recorded model and returns its SPEC.
    pub fn script(&self, replies: &[Value]) -> String {
        let file = self.beside("script.jsonl");
        fs::write(&file, replies.iter().map(|reply| format!("{reply}\n")).collect::<String>()).unwrap();
        format!("script:{}", file.display())
    }

    /// The binary in the project, with nothing but a path and this home in its environment.
    pub fn countersign(&self, arguments: &[&str]) -> Command {
        let mut command = self.clean(Command::new(env!("CARGO_BIN_EXE_countersign")));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// `ask` with a scripted model, and nobody at a terminal.
    pub fn ask(&self, replies: &[Value], arguments: &[&str]) -> Output {
        let model = self.script(replies);
        self.countersign(&["ask", "change the list", "--model", &model]).args(arguments).output().unwrap()
    }

    fn clean(&self, mut command: Command) -> Command {
        command
            .current_dir(self.project())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home())
            .env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }

    /// Types into a real terminal that runs the binary.
    pub fn terminal(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Terminal {
        Terminal::start(self, arguments, environment)
    }
}

/// Everything that a command printed.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A model's answer that calls one tool.
pub fn call(tool: &str, input: Value) -> Value {
    json!({"content": [{"type": "tool_use", "id": format!("call-{tool}"), "name": tool, "input": input}]})
}

/// A model's answer in words, which ends the task.
pub fn words(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "usage": {"input_tokens": 1200, "output_tokens": 34}})
}

/// Two hunks in `list.txt`, far from each other.
pub fn two_hunks() -> Value {
    call(
        "edit_file",
        json!({"path": "list.txt", "edits": [{"old": "two\n", "new": "TWO\n"}, {"old": "nine\n", "new": "NINE\n"}]}),
    )
}

/// A tmux server of its own, 80 by 50.
pub struct Terminal {
    socket: PathBuf,
    exit: PathBuf,
}

impl Terminal {
    fn start(desk: &Desk, arguments: &[&str], environment: &[(&str, &str)]) -> Terminal {
        let terminal = Terminal { socket: desk.beside("tmux"), exit: desk.beside("exit") };
        let quote = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let words: Vec<String> = [env!("CARGO_BIN_EXE_countersign")].iter().chain(arguments).map(|word| quote(word)).collect();
        let set: String = environment.iter().map(|(name, value)| format!("export {name}={}; ", quote(value))).collect();
        // The pane stays, so that its last lines can be read after the end.
        let line = format!("{set}{}; echo $? >{}; exec sleep 60", words.join(" "), quote(&terminal.exit.display().to_string()));
        let mut tmux = desk.clean(Command::new("tmux"));
        tmux.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").arg("-S").arg(&terminal.socket);
        tmux.args(["-f", "/dev/null", "-u", "new-session", "-d", "-x", "80", "-y", "50", &line]);
        let output = tmux.output().expect("tmux is there");
        assert!(output.status.success(), "{}", said(&output));
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux").arg("-S").arg(&self.socket).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What stands on the screen and above it; `colours` keeps the escape sequences.
    pub fn shown(&self, colours: bool) -> String {
        self.tmux(&["capture-pane", "-p", "-S", "-", if colours { "-e" } else { "-p" }])
    }

    /// Waits until the screen shows this.
    pub fn until(&self, text: &str) -> String {
        wait(&format!("{text:?} on the screen"), || self.shown(false), |shown| shown.contains(text))
    }

    /// Types a line.
    pub fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.key("Enter");
    }

    /// Presses a key, as tmux calls it.
    pub fn key(&self, name: &str) {
        self.tmux(&["send-keys", name]);
    }

    /// Makes it narrower or wider.
    pub fn width(&self, columns: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", "50"]);
    }

    /// Waits for the program's end; its exit code.
    pub fn code(&self) -> i32 {
        let read = || fs::read_to_string(&self.exit).unwrap_or_default();
        wait(&format!("the end; the screen shows {}", self.shown(false)), read, |text| text.ends_with('\n'))
            .trim()
            .parse()
            .unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// Looks again and again, for a bounded time.
pub fn wait<T: std::fmt::Debug>(what: &str, look: impl Fn() -> T, fine: impl Fn(&T) -> bool) -> T {
    let began = Instant::now();
    loop {
        let now = look();
        if fine(&now) {
            return now;
        }
        assert!(began.elapsed() < PATIENCE, "waited for {what}; there is {now:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process runs whose command line has this word.
pub fn runs(word: &str) -> bool {
    let lines = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).any(|line| line.split('\0').any(|part| part == word))
}

/// The path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

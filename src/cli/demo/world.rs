//! The demo's own world: a temporary folder with a project in git, a home, and the user folders of a countersign of its own,
//! so that nothing of the real user is read or changed. It makes files and starts git and this program, so the bans are lifted
//! here.
#![allow(clippy::disallowed_methods)]

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::{
    cli::{CliError, Code},
    config::Environment,
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::{Level, Sandbox},
};

/// File system type of overlays; on one of them no shadow can lie.
const OVERLAY: u64 = 0x794c_7630;

/// Files of the project on the disk.
const FILES: &[(&str, &str)] = &[
    ("README.md", include_str!("project/README.md")),
    ("receipt.sh", include_str!("project/receipt.sh")),
    ("tests.sh", include_str!("project/tests.sh")),
];
/// What the editor has of `tests.sh`, unsaved.
pub const UNSAVED: &str = include_str!("project/tests.unsaved.sh");
const SECRET: &str = include_str!("project/dotenv");
/// The recording; a line that `needs` walls, or none, stands in for the other where they can or cannot be had.
const SCRIPT: &str = include_str!("script.jsonl");
const GITCONFIG: &str = "[user]\n\tname = You\n\temail = you@example.com\n[init]\n\tdefaultBranch = work\n";
/// A push to a folder is refused by default; the demo has no other remote.
const CONFIG: &str = "[git]\nallow_file_remotes = true\n";

/// The folder; gone when dropped, unless it is to be kept.
pub struct World {
    root: PathBuf,
    cache: PathBuf,
    program: PathBuf,
    environment: Environment,
    keep: bool,
}

impl World {
    /// Makes everything that the demo needs.
    ///
    /// # Errors
    /// When the folder cannot be made, or git is missing.
    pub fn create(environment: &Environment, keep: bool) -> Result<World, CliError> {
        let name = format!("countersign-demo-{}", uuid::Uuid::now_v7().simple());
        let root = environment.folder("TMPDIR").unwrap_or_else(|| "/tmp".into()).join(&name);
        let program = std::env::current_exe()
            .map_err(|error| CliError::new(Code::Failed, format_args!("this program does not find itself: {error}")))?;
        let failed = |error: std::io::Error| CliError::usage(format_args!("{}: {error}", root.display()));
        private(&root).map_err(failed)?;
        let root = root.canonicalize().map_err(failed)?;
        let cache = if on_overlay(&root) { Path::new("/dev/shm").join(&name) } else { root.join("cache") };
        let world = World { root, cache, program, environment: environment.clone(), keep };
        world.fill().map_err(failed)?;
        world.start_repository()?;
        Ok(world)
    }

    fn fill(&self) -> std::io::Result<()> {
        for folder in [self.project(), self.home(), self.home().join(".config/countersign"), self.cache.clone()] {
            private(&folder)?;
        }
        for (name, text) in FILES {
            fs::write(self.project().join(name), text)?;
        }
        fs::write(self.home().join(".gitconfig"), GITCONFIG)?;
        fs::write(self.home().join(".config/countersign/config.toml"), CONFIG)
    }

    /// Why no command can run here, if that is so. The recording is chosen by it.
    ///
    /// # Errors
    /// When the recording cannot be written.
    pub async fn walls(&self) -> Result<Option<String>, CliError> {
        let paths = SandboxPaths { exe: self.program.clone(), cache: self.cache.join("countersign") };
        let (level, about) = LinuxSandbox::new(paths).level().await;
        let (unfit, missing) =
            if level >= Level::L1 { (r#""needs": "no walls""#, None) } else { (r#""needs": "walls""#, Some(about)) };
        let lines: String = SCRIPT.split_inclusive('\n').filter(|line| !line.contains(unfit)).collect();
        fs::write(self.script(), lines)
            .map_err(|error| CliError::new(Code::Failed, format_args!("the recording cannot be written: {error}")))?;
        Ok(missing)
    }

    fn start_repository(&self) -> Result<(), CliError> {
        self.git(&["init", "--quiet"])?;
        self.git(&["add", "."])?;
        self.git(&["commit", "--quiet", "--message", "A receipt for the corner shop"])?;
        let origin = self.root.join("origin.git").display().to_string();
        self.git(&["init", "--quiet", "--bare", &origin])?;
        self.git(&["remote", "add", "origin", &origin])?;
        self.git(&["push", "--quiet", "--set-upstream", "origin", "HEAD"])?;
        // Not for git, as such files are.
        let written = fs::write(self.project().join(".env"), SECRET)
            .and_then(|()| fs::write(self.project().join(".git/info/exclude"), ".env\n"));
        written.map_err(|error| CliError::new(Code::Failed, format_args!("the project cannot be written: {error}")))
    }

    /// Everything lies below it, the shadows perhaps not.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The sample project.
    pub fn project(&self) -> PathBuf {
        self.root.join("receipt")
    }

    /// The state folder of the demo's countersign.
    pub fn state(&self) -> PathBuf {
        self.home().join(".local/state/countersign")
    }

    fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    fn script(&self) -> PathBuf {
        self.root.join("recording.jsonl")
    }

    /// The server, ready to start, with pipes.
    pub fn server(&self) -> Result<tokio::process::Command, CliError> {
        let log = fs::File::create(self.root.join("server.log"))
            .map_err(|error| CliError::new(Code::Failed, format_args!("no log for the server: {error}")))?;
        let mut command = tokio::process::Command::from(self.command(&self.program));
        command.arg("lsp").arg("--model").arg(format!("script:{}", self.script().display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        // Ctrl-C in the terminal is for the client; it tells the server what to do.
        command.process_group(0).kill_on_drop(true);
        Ok(command)
    }

    /// Runs this program; what it printed, or why it failed.
    ///
    /// # Errors
    /// When it does not start, or does not succeed.
    pub fn countersign(&self, arguments: &[&str]) -> Result<String, CliError> {
        said("countersign", arguments, self.command(&self.program).args(arguments).output())
    }

    /// Runs git in the project.
    ///
    /// # Errors
    /// When there is no git, or it fails.
    pub fn git(&self, arguments: &[&str]) -> Result<String, CliError> {
        said("git", arguments, self.command(Path::new("git")).args(arguments).output())
    }

    fn command(&self, program: &Path) -> Command {
        let home = self.home();
        let mut command = Command::new(program);
        command
            .current_dir(self.project())
            .env_clear()
            .envs(self.environment.only(["PATH", "LANG", "LC_ALL", "TERM", "TMPDIR", "COUNTERSIGN_LOG"]))
            .env("HOME", &home)
            .env("XDG_CACHE_HOME", &self.cache)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null());
        command
    }

    /// Removes the folder, for whoever leaves without dropping.
    pub fn broom(&self) -> impl Fn() + Send + 'static {
        let paths = [self.root.clone(), self.cache.clone()];
        let keep = self.keep;
        move || {
            if !keep {
                paths.iter().for_each(|path| drop(fs::remove_dir_all(path)));
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.broom()();
    }
}

fn private(folder: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn on_overlay(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|about| about.f_type as u64 == OVERLAY)
}

fn said(program: &str, arguments: &[&str], output: std::io::Result<Output>) -> Result<String, CliError> {
    let shown = arguments.first().copied().unwrap_or_default();
    let output = output.map_err(|error| {
        let error = CliError::usage(format_args!("the demo needs {program}, which does not start: {error}"));
        if program == "git" { error.hint("install git") } else { error }
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(CliError::new(Code::Failed, format_args!("{program} {shown} failed: {}", why.trim())))
}

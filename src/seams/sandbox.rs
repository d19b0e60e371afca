//! Walls for commands. A session object, so that walls can stay warm between the commands of a task.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{Facts, NoSpills, Reached, Spills};
use crate::{path::WsPath, policy::RunSettings};

pub use crate::policy::{Level, NetTerms};

/// Folders that package managers and interpreters fill, ignored or not. What commands write into them is nobody's work: it stays
/// in the shadow, and is not looked at file by file.
pub const FILLED: [&str; 6] = ["node_modules", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".venv"];
/// The file by which a program says that its folder is a cache; the same goes for those.
pub const CACHE_TAG: &str = "CACHEDIR.TAG";

/// What a session of commands may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxSpec {
    /// The workspace folder, canonical. Commands see a shadow of it at this very path.
    pub folder: PathBuf,
    /// The weakest walls that these commands may have.
    pub min_level: AtLeast,
    /// Variables of the server's environment that commands get.
    pub env_allow: Vec<String>,
    /// Folders below the user's home that commands may read besides the toolchains.
    pub home_read: Vec<String>,
    /// Bytes; 0 is no limit of ours.
    pub memory: u64,
    /// Processes and threads of one command.
    pub processes: u64,
    /// Processor time of one command, all of its processes together, seconds.
    pub cpu: u64,
    /// Largest file a command may write, bytes.
    pub file_size: u64,
    /// Size of the private `/tmp`, bytes.
    pub tmp_size: u64,
    /// What the session's commands together may leave in the shadow, bytes.
    pub shadow_size: u64,
    /// What another session's commands fetched ([`SandboxSession::packages`]): these find it in the package caches, read-only.
    pub packages: Option<PathBuf>,
    /// What the user's policy says of connections beyond the hosts that a command names.
    pub net: NetTerms,
}

/// The weakest level at which commands may run. Whoever names none gets the strongest walls or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtLeast(pub Level);

impl Default for AtLeast {
    fn default() -> Self {
        AtLeast(Level::L3)
    }
}

impl AtLeast {
    /// Why nothing may run behind walls of this level, if so; `detail` is why there are no better ones. `L0` is never enough.
    ///
    /// # Errors
    /// [`SandboxError`] of the step `level`.
    pub fn admit(self, level: Level, detail: &str) -> Result<(), SandboxError> {
        if level >= self.0 && level > Level::L0 {
            return Ok(());
        }
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        Err(SandboxError {
            step: "level".into(),
            why: format!("the policy asks for walls of level {}, this machine reaches {level}{detail}", self.0),
            hint: "`countersign doctor` tells how to raise it.".into(),
        })
    }
}

impl SandboxSpec {
    /// What the policy's `[run]` gives to the commands of a folder.
    pub fn under(folder: PathBuf, run: &RunSettings) -> Self {
        const MIB: u64 = 1 << 20;
        SandboxSpec {
            folder,
            min_level: AtLeast(run.min_level),
            env_allow: run.env_allow.clone(),
            home_read: run.home_read.clone(),
            memory: run.memory_mb * MIB,
            processes: run.processes,
            cpu: run.cpu_s,
            file_size: run.file_mb * MIB,
            tmp_size: run.tmp_mb * MIB,
            shadow_size: run.shadow_mb * MIB,
            packages: None,
            net: NetTerms::default(),
        }
    }

    /// The same with the policy's terms for connections; without them none leads to a private address.
    #[must_use]
    pub fn on_terms(self, net: NetTerms) -> Self {
        SandboxSpec { net, ..self }
    }
}

/// One file of a shadow; `None` content means that the file is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowFile {
    pub path: WsPath,
    pub content: Option<Vec<u8>>,
    /// Unix permission bits when the file is new to the disk or has others; `None` keeps those of the file beneath.
    pub mode: Option<u32>,
}

/// What lies over the disk when a command runs, and what is hidden from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shadow {
    pub files: Vec<ShadowFile>,
    /// Secret files: commands find them empty and unreadable.
    pub masked: Vec<WsPath>,
}

/// One command line for `bash -c`.
#[derive(Clone, Debug)]
pub struct Command {
    pub text: String,
    /// Folder below the workspace to start in.
    pub cwd: WsPath,
    pub timeout: Duration,
    /// What it may reach, through the proxy and at level L3 only: each an exact `host:port` ([`crate::policy::host_and_port`])
    /// that a person or the policy has approved for this command. Empty is no network at all.
    pub network: Vec<String>,
}

/// News of one connection that a command makes through the proxy. Every connection is either refused, or opened and closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Counts a command's connections from 1.
    pub number: u32,
    /// Where the command wants to go, as far as that could be read (escaped, at most 300 bytes); port 0 where there was none.
    pub host: String,
    pub port: u16,
    pub news: ConnectionNews,
}

/// See [`Connection`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionNews {
    /// One sentence says why. Nothing that the command said left this machine; a name may have been resolved, and a connection
    /// to its host opened and closed without a byte.
    Refused(String),
    /// It may be made, and the host could not be reached: one sentence says why.
    Failed(String),
    /// To this address with port; said before a byte of the command goes there.
    Opened(String),
    /// Bytes that the command sent and received, and why the proxy ended it, if it did.
    Closed { sent: u64, received: u64, why: Option<String> },
}

/// Why a command was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Its time.
    Timeout,
    /// Its processor time.
    Cpu,
    Cancelled,
    /// The memory limit.
    Memory,
    /// The limit of processes and threads.
    Processes,
    /// The limit of what commands may leave in the shadow.
    Shadow,
    /// The disk that holds the shadow is nearly full.
    Disk,
    /// The process that keeps its walls was ended from outside.
    Walls,
}

/// What became of a command.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Exit code; `None` when a signal or we ended it.
    pub exit: Option<i32>,
    pub signal: Option<i32>,
    pub stopped: Option<Stopped>,
    pub duration: Duration,
    /// Paths that stand changed by commands in the shadow and that nobody took ([`SandboxSession::take`]); the user's files
    /// stay as they are. A folder stands for everything that was in it: it is gone, or replaced.
    pub changed: Vec<String>,
    /// There are more than are listed: these are nearest to the root.
    pub unlisted: bool,
    /// It wrote to git's own folders (commits, branches, stashes; not merely the index): that vanishes with the shadow.
    pub git: bool,
    /// Secret files that were hidden while it ran.
    pub hidden: Vec<String>,
    /// What its walls are.
    pub facts: Arc<Facts>,
    /// Bounds that it came to, and that did not end it.
    pub reached: Vec<Reached>,
}

/// What commands left at a path of [`Outcome::changed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub path: String,
    pub found: Found,
    /// Another one when a command wrote there again.
    pub stamp: u64,
}

/// See [`Written`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A regular file with its permission bits.
    File { content: Vec<u8>, mode: u32 },
    /// A regular file of that many bytes, too many to be read.
    Large(u64),
    /// The file or folder that stood here was deleted.
    Gone,
    /// A folder that took the place of what stood here.
    Folder,
    /// Nothing that can be taken over; says what it is.
    Other(&'static str),
}

/// The step that fails where there is no folder for a command to start in.
pub const CWD: &str = "working folder";

/// Why no command ran. `step` names what failed, `hint` what the user can do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("commands cannot run here: {step}: {why}")]
pub struct SandboxError {
    pub step: String,
    pub why: String,
    pub hint: String,
}

/// What a package manager's name stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// Each an exact `host:port`; never empty.
    pub hosts: Vec<String>,
    /// What may be missing; a sentence each.
    pub notes: Vec<String>,
}

/// Receives a command's output (stdout and stderr in the order they came) as it comes. Must not block.
pub trait OutputSink: Send {
    /// A piece of output: raw bytes.
    fn output(&mut self, bytes: &[u8]);

    /// News of a connection through the proxy; for commands with network only.
    fn connection(&mut self, _: &Connection) {}

    /// The copy that stands in for an overlay takes its time; told once a second from the first second on, and once it is made.
    fn copying(&mut self, _: Copying) {}
}

/// How far a copy of the workspace is, files. As long as they are counted, `all` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copying {
    pub done: u64,
    pub all: u64,
}

impl std::fmt::Display for Copying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.done, self.all) {
            (_, 0) => f.write_str("looking through the workspace, to copy it"),
            (done, all) if done < all => write!(f, "copying the workspace: {done} of {all} files"),
            (_, all) => write!(f, "running in a copy of the workspace, {all} files"),
        }
    }
}

/// Makes walled sessions.
#[async_trait::async_trait]
pub trait Sandbox: Send + Sync {
    /// The level this machine reaches, proved by a real probe (cached), with what is missing for a higher one.
    async fn level(&self) -> (Level, String);

    /// The hosts that a name of [`crate::policy::REGISTRIES`] stands for, by the package manager's own configuration; nothing of
    /// the workspace `folder` counts.
    ///
    /// # Errors
    /// Why they cannot be told, and how to name them instead.
    async fn registry(&self, name: &str, folder: &Path) -> Result<Registry, String> {
        let _ = folder;
        Err(format!("the hosts of {name} cannot be told here. Name them as host:port"))
    }

    /// Opens a session: a shadow of the folder in which commands run one after the other.
    ///
    /// # Errors
    /// [`SandboxError`] when the walls cannot be had; nothing runs then.
    async fn open(&self, spec: SandboxSpec) -> Result<Box<dyn SandboxSession>, SandboxError>;
}

/// One task's walls and shadow.
#[async_trait::async_trait]
pub trait SandboxSession: Send + Sync {
    /// The level in force.
    fn level(&self) -> Level;

    /// Runs one command on the disk with `shadow` over it. All of its processes are gone when this returns; `cancel` ends
    /// them within a second.
    ///
    /// # Errors
    /// [`SandboxError`] when a wall could not be put up; the command did not run then.
    async fn run(
        &self,
        command: Command,
        shadow: &Shadow,
        sink: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Outcome, SandboxError>;

    /// Where that lies which commands with network put into package caches, once there was such a command; for
    /// [`SandboxSpec::packages`] of a session that ends before this one. What it holds is the commands' word.
    fn packages(&self) -> Option<PathBuf> {
        None
    }

    /// What commands left at these paths of [`Outcome::changed`], in their order; contents of files up to `most` bytes.
    async fn written(&self, paths: Vec<String>, most: u64) -> Vec<Written>;

    /// These paths are the proposal's from now on: later commands see what the shadow they are given says of them.
    ///
    /// # Errors
    /// [`SandboxError`] when the shadow's folders cannot be written; later commands may see the changes twice.
    async fn take(&self, paths: Vec<WsPath>) -> Result<(), SandboxError>;

    /// Where a program that the shell did not find stands on the machine, when it is the walls that keep it from being found.
    async fn unseen(&self, _program: &str) -> Option<String> {
        None
    }

    /// Room for long outputs of this session's commands.
    fn spills(&self) -> Arc<dyn Spills> {
        Arc::new(NoSpills)
    }
}

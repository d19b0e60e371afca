//! Walls for commands: the adapter of `seams::Sandbox` for Linux. `docs/sandbox.md` says what each wall is for.
//!
//! A command runs as `server -> keeper -> process 1 -> shell`; the keeper is one process for a session. The server makes
//! plans (`plan.rs`: what is visible, limits, filter) and a shadow of the workspace (`shadow.rs`); the wall processes
//! (`wall/`) put the walls up from inside and report over sockets. `net/` is the way out of commands that have one. Only level
//! L3 is built: everything less is a refusal.
//!
//! It owns the server's environment and folders as far as commands are concerned, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

mod changes;
pub mod check;
mod entry;
mod environment;
mod filter;
mod git;
mod hints;
mod keeper;
mod level;
pub mod net;
mod plan;
mod removals;
mod running;
mod session;
mod shadow;
mod taken;
mod view;
mod wall;

use std::{
    collections::BTreeMap,
    env,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Once},
    time::Duration,
};

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

pub use self::session::LinuxSession;
pub use self::wall::wall_main;
use self::{hints::refusal, removals::Removals, shadow::ShadowFolders};
use crate::{
    path::WsPath,
    seams::{Command, Level, NetTerms, OutputSink, Sandbox, SandboxError, SandboxSession, SandboxSpec, Shadow},
};

/// Where the sandbox finds its parts.
#[derive(Clone, Debug)]
pub struct SandboxPaths {
    /// The main binary; `countersign-wall` beside it is preferred as the image of the wall process, since it starts faster.
    pub exe: PathBuf,
    /// Holds the shadows (0700). On a file system with whiteouts and user attributes, which is not itself an overlay.
    pub cache: PathBuf,
}

/// Linux namespaces, overlay, Landlock and seccomp.
#[derive(Debug)]
pub struct LinuxSandbox {
    paths: SandboxPaths,
    home: PathBuf,
    variables: environment::Variables,
    hidden: Vec<PathBuf>,
    level: OnceCell<(Level, String)>,
    swept: Once,
    removals: Arc<Removals>,
    network: net::Network,
}

impl LinuxSandbox {
    /// A sandbox for the user who runs this process, with their environment.
    pub fn new(paths: SandboxPaths) -> Self {
        let variables = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::with_environment(paths, variables.collect())
    }

    /// The same with a given environment; `HOME` in it is the home.
    pub fn with_environment(paths: SandboxPaths, variables: BTreeMap<String, String>) -> Self {
        let home = variables.get("HOME").and_then(|home| Path::new(home).canonicalize().ok());
        // Services have no home, or the root folder for one: then it is a folder of the private /tmp.
        let home = home.filter(|home| home.is_dir() && home.parent().is_some()).unwrap_or_else(|| "/tmp/home".into());
        let hidden = vec![paths.cache.clone()];
        LinuxSandbox {
            paths,
            home,
            variables,
            hidden,
            level: OnceCell::new(),
            swept: Once::new(),
            removals: Arc::default(),
            network: net::Network::default(),
        }
    }

    /// Further folders that no command may see: the server's journal, policy and grants.
    pub fn hiding(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.hidden.extend(folders);
        self
    }

    /// With this way to the world for commands that have network.
    #[must_use]
    pub fn reaching(self, network: net::Network) -> Self {
        LinuxSandbox { network, ..self }
    }

    /// The image of the wall process and its arguments.
    fn wall(&self) -> (PathBuf, Vec<&'static str>) {
        match self.paths.exe.parent().map(|folder| folder.join("countersign-wall")) {
            Some(small) if small.is_file() => (small, vec![wall::KEEPER]),
            _ => (self.paths.exe.clone(), vec!["__wall", wall::KEEPER]),
        }
    }

    /// The level as [`Sandbox::level`] has it, but proved now, whatever was proved before.
    pub async fn proved(&self) -> (Level, String) {
        match self.prove().await {
            Ok(()) => {
                let detail = "namespaces, private network, overlay, Landlock and seccomp, proved by running a command";
                self.memory().inspect(|memory| memory.note(detail));
                (Level::L3, detail.into())
            }
            Err(SandboxError { step, why, hint }) => {
                level::forget(&self.paths.cache);
                (Level::L0, format!("{step}: {why}. {hint}"))
            }
        }
    }

    fn memory(&self) -> Option<level::Memory> {
        level::Memory::of(&self.paths.cache, &[&self.paths.exe, &self.wall().0])
    }

    /// Runs a command behind every wall, over a folder of our own.
    async fn prove(&self) -> Result<(), SandboxError> {
        let folder = self.paths.cache.join(format!("probe-{}", uuid::Uuid::now_v7()));
        make_private(&folder)?;
        // Held like a shadow's, so that a probe that is cut short is swept like one.
        let lock = removals::lock(&folder).ok();
        let proved = async {
            let session = self.open_here(&SandboxSpec::bare(folder.clone()))?;
            let command =
                Command { text: "exit 42".into(), cwd: WsPath::root(), timeout: Duration::from_secs(10), network: Vec::new() };
            session.run(command, &Shadow::default(), &mut Silent, &CancellationToken::new()).await
        };
        let outcome = proved.await;
        self.removals.start(folder, lock);
        match outcome?.exit {
            Some(42) => Ok(()),
            other => Err(refusal("probe", &format!("a test command ended with {other:?} instead of 42"))),
        }
    }

    /// Opens a session whose own type is known, so that what commands wrote can be read.
    ///
    /// # Errors
    /// [`SandboxError`] when the shadow cannot be made or the folder is not one that commands may be let into.
    pub fn open_here(&self, spec: &SandboxSpec) -> Result<LinuxSession, SandboxError> {
        let folder =
            spec.folder.canonicalize().map_err(|e| refusal("workspace folder", &format!("{}: {e}", spec.folder.display())))?;
        if folder.to_str().is_none() {
            let why = format!("{} has a name that is not UTF-8", folder.display());
            return Err(SandboxError { step: "workspace folder".into(), why, hint: "Rename the folder.".into() });
        }
        let spec = SandboxSpec { folder, ..spec.clone() };
        check_owner(&spec.folder)?;
        make_private(&self.paths.cache)?;
        let hidden: Vec<PathBuf> = self.hidden.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let view = view::of(&spec, &self.home, &self.variables, &hidden)?;
        let (shell, shell_args) = environment::shell(&self.variables, &spec.folder)
            .ok_or_else(|| refusal("shell", "there is neither bash nor sh on this machine"))?;
        self.swept.call_once(|| self.removals.sweep(self.paths.cache.clone()));
        let shadow = ShadowFolders::create(&self.paths.cache, self.removals.clone())
            .map_err(|e| refusal("shadow folders", &format!("{}: {e}", self.paths.cache.display())))?;
        shadow.probe().map_err(|why| refusal("shadow folders", &why))?;
        let env = environment::of_commands(&self.variables, &self.home, &spec);
        let trust = net::variables::of_trust(&self.variables, &spec.folder, &view.covered);
        LinuxSession::new(
            session::Parts {
                network: self.network.clone(),
                trust,
                wall: self.wall(),
                cache: self.paths.cache.clone(),
                home: self.home.clone(),
                spec,
                view,
                shell,
                shell_args,
                env,
            },
            shadow,
        )
    }
}

#[async_trait::async_trait]
impl Sandbox for LinuxSandbox {
    async fn level(&self) -> (Level, String) {
        let probe = async {
            match self.memory().and_then(|memory| memory.recall()) {
                Some(detail) => (Level::L3, format!("{detail} earlier")),
                None => self.proved().await,
            }
        };
        self.level.get_or_init(|| probe).await.clone()
    }

    async fn open(&self, spec: SandboxSpec) -> Result<Box<dyn SandboxSession>, SandboxError> {
        let session = self.open_here(&spec)?;
        session.stand_ready().await;
        Ok(Box::new(session))
    }
}

impl SandboxSpec {
    /// No variables, no folders of the home, modest limits: for probes and checks.
    pub(super) fn bare(folder: PathBuf) -> Self {
        const MIB: u64 = 1 << 20;
        SandboxSpec {
            folder,
            env_allow: Vec::new(),
            home_read: Vec::new(),
            memory: 1024 * MIB,
            processes: 512,
            file_size: 256 * MIB,
            tmp_size: 256 * MIB,
            shadow_size: 1024 * MIB,
            net: NetTerms::default(),
        }
    }
}

/// Output that nobody wants.
struct Silent;

impl OutputSink for Silent {
    fn output(&mut self, _: &[u8]) {}
}

/// The namespace maps one user only: over somebody else's folder the shadow could not be written.
fn check_owner(folder: &Path) -> Result<(), SandboxError> {
    let owner = std::fs::metadata(folder).map_err(|e| refusal("workspace folder", &format!("{}: {e}", folder.display())))?.uid();
    let us = rustix::process::geteuid().as_raw();
    if owner == us {
        return Ok(());
    }
    Err(refusal("workspace owner", &format!("{} belongs to user {owner}, the server runs as user {us}", folder.display())))
}

fn make_private(folder: &Path) -> Result<(), SandboxError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| refusal("shadow folders", &format!("{}: {e}", folder.display())))
}

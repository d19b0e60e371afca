//! Walls for commands: the adapter of `seams::Sandbox` for Linux. `docs/sandbox.md` says what each wall is for.
//!
//! A command runs as `server -> keeper -> process 1 -> shell`; the keeper is one process for a session. The server makes
//! plans (`plan.rs`: what is visible, limits, filter) and a shadow of the workspace (`shadow.rs`, or where no namespaces are
//! `copied/`); the wall processes (`wall/`) put the walls up from inside and report over sockets. `proof.rs` finds out which
//! level of them this machine can have; a session has it from its first command to its last. `net/` is the way out of commands
//! that have one.
//!
//! It owns the server's environment and folders as far as commands are concerned, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

mod changes;
pub mod check;
mod copied;
mod entry;
mod environment;
mod filter;
mod git;
mod group;
mod hints;
mod keeper;
mod level;
mod managers;
mod mountinfo;
pub mod net;
mod packages;
mod parts;
mod plan;
mod proof;
mod raise;
mod registries;
mod removals;
mod running;
mod session;
mod shadow;
mod sockets;
mod spills;
mod taken;
mod unseen;
mod view;
mod wall;
mod words;

use std::{
    collections::BTreeMap,
    env, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Once},
    time::Duration,
};

use tokio::sync::OnceCell;

pub use self::session::LinuxSession;
pub use self::wall::wall_main;
use self::{copied::CopiedShadow, hints::refusal, proof::Proof, removals::Removals, shadow::ShadowFolders};
use crate::seams::{AtLeast, Level, NetTerms, Registry, Sandbox, SandboxError, SandboxSession, SandboxSpec};

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
    level: OnceCell<Proof>,
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
        match self.small_wall() {
            Some(small) => (small, vec![wall::KEEPER]),
            None => (self.paths.exe.clone(), vec!["__wall", wall::KEEPER]),
        }
    }

    /// The small program that serves as the wall process, if it stands beside the main binary.
    pub fn small_wall(&self) -> Option<PathBuf> {
        self.paths.exe.parent().map(|folder| folder.join("countersign-wall")).filter(|small| small.is_file())
    }

    /// The level as [`Sandbox::level`] has it, but proved now, whatever was proved before.
    pub async fn proved(&self) -> (Level, String) {
        let proof = self.find_out().await;
        (proof.level, proof.detail)
    }

    /// Who sees to the memory limit at a level, in words: found out by trying.
    pub fn memory_limit(level: Level) -> &'static str {
        match level {
            _ if group::works() => "memory limited by the kernel (control group)",
            Level::L3 | Level::L2 => "memory sampled 25 times a second",
            _ => "memory sampled 5 times a second",
        }
    }

    /// Waits until the shadows of sessions that have ended are removed, for a program that ends with them.
    pub fn tidy(&self, most: Duration) {
        self.removals.wait(most);
    }

    fn memory(&self) -> Option<level::Memory> {
        level::Memory::of(&self.paths.cache, &[&self.paths.exe, &self.wall().0])
    }

    /// The level that this sandbox's sessions have: remembered or proved, once.
    async fn found(&self) -> &Proof {
        let find = async {
            match self.memory().and_then(|memory| memory.recall()) {
                Some((level, detail)) => {
                    Proof { level, detail: detail.replacen("running a command", "running a command earlier", 1), refusal: None }
                }
                None => self.find_out().await,
            }
        };
        self.level.get_or_init(|| find).await
    }

    /// Opens a session at the highest level.
    ///
    /// # Errors
    /// As [`Self::open_at`].
    pub fn open_here(&self, spec: &SandboxSpec) -> Result<LinuxSession, SandboxError> {
        self.open_at(spec, Level::L3)
    }

    /// Opens a session at a given level, whatever this machine's is: every wall of it stands, or nothing runs.
    ///
    /// # Errors
    /// [`SandboxError`] when the level is weaker than the spec admits, when the shadow cannot be made or the folder is not one that commands may be let into.
    pub fn open_at(&self, spec: &SandboxSpec, level: Level) -> Result<LinuxSession, SandboxError> {
        let detail = self.level.get().map_or("", |found| &found.detail);
        spec.min_level.admit(level, detail)?;
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
        let env = environment::of_commands(&self.variables, &self.home, &spec);
        let trust = net::variables::of_trust(&self.variables, &spec.folder, &view.covered, &view.shown);
        let (cache, home, wall) = (self.paths.cache.clone(), self.home.clone(), self.wall());
        let network = self.network.clone();
        let variables = self.variables.clone();
        let parts = parts::Parts { level, wall, cache, home, spec, view, shell, shell_args, env, variables, network, trust };
        let unmade = |e: io::Error| refusal("shadow folders", &format!("{}: {e}", self.paths.cache.display()));
        if self.paths.cache.canonicalize().is_ok_and(|cache| cache.starts_with(&parts.spec.folder)) {
            let why = format!("{} lies in the workspace, which cannot hold its own shadow", self.paths.cache.display());
            return Err(refusal("shadow folders", &why));
        }
        if level >= Level::L2 {
            let shadow = ShadowFolders::create(&self.paths.cache, self.removals.clone()).map_err(unmade)?;
            shadow.probe().map_err(|why| refusal("shadow folders", &why))?;
            return LinuxSession::overlaid(parts, shadow);
        }
        // Commands see where it lies: by the one name that it has.
        let cache = self.paths.cache.canonicalize().map_err(unmade)?;
        let shadow = CopiedShadow::create(&cache, &parts.spec.folder, self.removals.clone()).map_err(unmade)?;
        let mut parts = parts;
        parts.view.moved = vec![
            (shadow.copy().to_owned(), parts.spec.folder.clone()),
            (shadow.home(), parts.home.clone()),
            (shadow.temporary(), "/tmp".into()),
        ];
        LinuxSession::copied(parts, shadow, environment::cargo_home(&self.variables, &self.home))
    }
}

#[async_trait::async_trait]
impl Sandbox for LinuxSandbox {
    async fn level(&self) -> (Level, String) {
        let found = self.found().await;
        (found.level, found.detail.clone())
    }

    async fn registry(&self, name: &str, folder: &Path) -> Result<Registry, String> {
        let place = registries::Registries {
            home: self.home.clone(),
            variables: self.variables.clone(),
            folder: folder.to_owned(),
            cache: self.paths.cache.clone(),
        };
        place.told(name.to_owned()).await
    }

    async fn open(&self, spec: SandboxSpec) -> Result<Box<dyn SandboxSession>, SandboxError> {
        let found = self.found().await;
        if let Some(refusal) = &found.refusal {
            return Err(refusal.clone());
        }
        let session = self.open_at(&spec, found.level)?;
        session.make_ready(Duration::ZERO);
        Ok(Box::new(session))
    }
}

impl SandboxSpec {
    /// No variables, no folders of the home, modest limits: for probes and checks.
    pub(super) fn bare(folder: PathBuf) -> Self {
        const MIB: u64 = 1 << 20;
        SandboxSpec {
            folder,
            min_level: AtLeast(Level::L1Weak),
            env_allow: Vec::new(),
            home_read: Vec::new(),
            memory: 1024 * MIB,
            processes: 512,
            cpu: 600,
            file_size: 256 * MIB,
            tmp_size: 256 * MIB,
            shadow_size: 1024 * MIB,
            packages: None,
            net: NetTerms::default(),
        }
    }
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

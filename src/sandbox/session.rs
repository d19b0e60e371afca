//! One task's commands: each gets fresh walls over the same shadow, so that what a command changed is there for the next.
//!
//! It looks at the workspace folder, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    copied::{CopiedShadow, Reach},
    filter, git,
    hints::refusal,
    keeper::{Keeper, Unrun, Waiting},
    level,
    net::{Network, Proxy, variables},
    plan::{Ground, Limits, Plan, Report, frame},
    running::{Ended, attend},
    shadow::{PROOF, ShadowFolders},
    view::{self, View},
};
use crate::{
    path::WsPath,
    seams::{Command, Level, Outcome, OutputSink, SandboxError, SandboxSession, SandboxSpec, Shadow, Stopped, Written},
};

/// What a session is made of; the same for all of its commands.
pub(super) struct Parts {
    pub level: Level,
    /// Image and arguments of the wall process.
    pub wall: (PathBuf, Vec<&'static str>),
    /// Where a proof of these walls may be remembered.
    pub cache: PathBuf,
    pub home: PathBuf,
    pub spec: SandboxSpec,
    pub view: View,
    pub shell: PathBuf,
    pub shell_args: &'static [&'static str],
    pub env: Vec<(String, String)>,
    /// For commands that have network: the way out, and whom TLS may trust.
    pub network: Network,
    pub trust: Vec<(String, String)>,
}

impl Parts {
    /// What every form of shadow has in the ground.
    fn ground(&self, shadow: &Path) -> Ground {
        let spec = &self.spec;
        Ground {
            level: self.level,
            shadow: shadow.to_owned(),
            limits: Limits {
                memory: spec.memory,
                processes: spec.processes,
                file_size: spec.file_size,
                tmp_size: spec.tmp_size,
                shadow_size: spec.shadow_size,
            },
            filter: filter::program(self.level),
            ..Ground::default()
        }
    }

    /// What every command has in its plan, `folder` being where it sees the workspace.
    fn plan(&self, command: &Command, folder: &Path) -> Plan {
        let mut args: Vec<String> = self.shell_args.iter().map(ToString::to_string).collect();
        args.push(command.text.clone());
        let cwd = below(folder, command.cwd.as_str());
        Plan { cwd, shell: self.shell.clone(), args, env: self.env.clone(), ..Plan::default() }
    }
}

/// A session at one level, from its first command to its last.
pub struct LinuxSession {
    parts: Parts,
    /// A frame of the [`Ground`].
    ground: Vec<u8>,
    /// Also the lock that lets one command run at a time.
    warm: tokio::sync::Mutex<Warm>,
    state: Arc<Mutex<State>>,
}

/// What stands ready for the next command.
#[derive(Default)]
struct Warm {
    waiting: Option<Waiting>,
    keeper: Option<Keeper>,
}

/// The two forms of a shadow.
enum OnDisk {
    Overlay(ShadowFolders),
    Copy(CopiedShadow, Box<Reach>),
}

impl OnDisk {
    fn written(&self, paths: &[String], most: u64) -> Vec<Written> {
        match self {
            OnDisk::Overlay(overlay) => overlay.written(paths, most),
            OnDisk::Copy(copy, _) => copy.written(paths, most),
        }
    }

    fn take(&mut self, paths: &[WsPath]) -> io::Result<()> {
        match self {
            OnDisk::Overlay(overlay) => overlay.take(paths),
            OnDisk::Copy(copy, _) => copy.take(paths),
        }
    }
}

struct State {
    shadow: OnDisk,
    /// The first mount has been proved.
    proved: bool,
    /// What stood in git's own folders when the last command had ended.
    git: u64,
}

impl LinuxSession {
    /// # Errors
    /// [`SandboxError`] when what the session is made of cannot be told to a wall process.
    pub(super) fn overlaid(parts: Parts, shadow: ShadowFolders) -> Result<Self, SandboxError> {
        let Parts { spec, view, home, .. } = &parts;
        let ground = Ground {
            folder: spec.folder.clone(),
            layer: shadow.layer(),
            upper: shadow.upper(),
            work: shadow.work(),
            home: home.clone(),
            covered: view.covered.clone(),
            shown: view.shown.clone(),
            copies: view.copies.clone(),
            ..parts.ground(shadow.root())
        };
        Self::on(parts, &ground, OnDisk::Overlay(shadow))
    }

    /// The same over a copy of the workspace, where no namespaces are.
    pub(super) fn copied(parts: Parts, shadow: CopiedShadow, cargo: PathBuf) -> Result<Self, SandboxError> {
        let Parts { spec, view, home, .. } = &parts;
        let reach = Reach { view: view.clone(), folder: spec.folder.clone(), home: home.clone(), cargo };
        let ground = Ground { folder: shadow.copy().to_owned(), home: shadow.home(), ..parts.ground(shadow.root()) };
        Self::on(parts, &ground, OnDisk::Copy(shadow, Box::new(reach)))
    }

    fn on(parts: Parts, ground: &Ground, shadow: OnDisk) -> Result<Self, SandboxError> {
        let ground = frame(ground).map_err(|e| refusal("plan", &e.to_string()))?;
        let state = Arc::new(Mutex::new(State { shadow, proved: false, git: 0 }));
        Ok(LinuxSession { parts, ground, warm: tokio::sync::Mutex::default(), state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the keeper and a process 1, so that the first command finds them. Where that fails, the command says so.
    pub(super) async fn stand_ready(&self) {
        let mut warm = self.warm.lock().await;
        if let Ok((_, waiting)) = warm.ready(&self.parts.wall, &self.ground).await {
            warm.waiting = Some(waiting);
        }
    }

    /// Brings the shadow up to date and writes the plan down, a frame.
    fn prepare(&self, command: &Command, shadow: &Shadow, proxy: Option<&Proxy>) -> Result<(Vec<u8>, Vec<String>), SandboxError> {
        let mut state = self.state();
        let proved = state.proved;
        let (mut plan, hidden) = match &mut state.shadow {
            OnDisk::Overlay(overlay) => self.in_overlay(command, shadow, overlay, proved)?,
            OnDisk::Copy(copy, reach) => self.in_copy(command, shadow, copy, reach)?,
        };
        if let Some(proxy) = proxy {
            plan.env.extend(self.parts.trust.iter().cloned());
            plan.env.extend(variables::of_proxy(proxy.port(), &command.network));
        }
        Ok((frame(&plan).map_err(|e| refusal("plan", &e.to_string()))?, hidden))
    }

    /// The plan of a command in the overlay.
    fn in_overlay(
        &self,
        command: &Command,
        shadow: &Shadow,
        overlay: &mut ShadowFolders,
        proved: bool,
    ) -> Result<(Plan, Vec<String>), SandboxError> {
        let Parts { spec, view, .. } = &self.parts;
        let armed = if proved { Ok(()) } else { overlay.arm() };
        armed.map_err(|e| refusal("shadow folders", &e.to_string()))?;
        let hidden = overlay
            .sync(&spec.folder, shadow, &git::configs(&spec.folder))
            .map_err(|e| refusal("shadow folders", &format!("what the editor holds cannot be laid over the disk: {e}")))?;
        let about =
            fs::metadata(&spec.folder).map_err(|e| refusal("workspace folder", &format!("{}: {e}", spec.folder.display())))?;
        let mut masked = view.masked.clone();
        masked.extend(view::sockets(view, &spec.folder));
        let plan = Plan {
            proof: (!proved).then(|| PROOF.to_owned()),
            folder: (about.dev(), about.ino()),
            replaced: view.replaced.clone(),
            masked,
            ..self.parts.plan(command, &spec.folder)
        };
        Ok((plan, hidden))
    }

    /// The plan of a command in the copy.
    fn in_copy(
        &self,
        command: &Command,
        shadow: &Shadow,
        copy: &mut CopiedShadow,
        reach: &Reach,
    ) -> Result<(Plan, Vec<String>), SandboxError> {
        let failed = |e: io::Error| refusal("copy of the workspace", &e.to_string());
        let synced = copy.sync(shadow).map_err(failed)?;
        reach.furnish(copy).map_err(failed)?;
        let plan = self.parts.plan(command, copy.copy());
        let plan = Plan {
            readable: reach.readable(&synced),
            writable: vec![copy.copy().to_owned(), copy.home(), copy.temporary()],
            begun: copy.takes(),
            env: reach.environment(plan.env, copy),
            ..plan
        };
        Ok((plan, synced.hidden))
    }

    /// A proxy on the loopback of a process 1, for a command that may reach something.
    async fn proxy(&self, command: &Command, keeper: &mut Keeper, waiting: &mut Waiting) -> Result<Option<Proxy>, Unrun> {
        if command.network.is_empty() {
            return Ok(None);
        }
        if self.parts.level < Level::L3 {
            let why = format!("commands reach the network at level L3 only, and this machine's is {}", self.parts.level);
            let hint = "`countersign doctor` says what raises the level.".into();
            return Err(Unrun::Refused(SandboxError { step: "network".into(), why, hint }));
        }
        let listener = keeper.door(waiting).await?;
        let Parts { network, spec, .. } = &self.parts;
        let started = Proxy::start(listener, network.clone(), command.network.clone(), spec.net.clone());
        started.map(Some).map_err(|e| Unrun::Lost(format!("no proxy for the command: {e}")))
    }

    /// Runs it with what stands ready. What fails without a reason of the machine's is replaced once.
    async fn attempt(
        &self,
        command: &Command,
        shadow: &Shadow,
        sink: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<(Ended, Vec<String>), SandboxError> {
        let mut warm = self.warm.lock().await;
        let mut replaced = false;
        loop {
            // What it would report may be out of date by now.
            let ahead = warm.waiting.is_some();
            let tried = match warm.ready(&self.parts.wall, &self.ground).await {
                Ok((keeper, mut waiting)) => {
                    // Only now: nothing that an earlier command left can write to the shadow any more.
                    match self.proxy(command, keeper, &mut waiting).await {
                        Ok(proxy) => {
                            let (plan, hidden) = self.prepare(command, shadow, proxy.as_ref())?;
                            let attended = attend(keeper, waiting, &plan, command.timeout, proxy, sink, cancel).await;
                            attended.map(|ended| (ended, hidden))
                        }
                        Err(unrun) => Err(unrun),
                    }
                }
                Err(unrun) => Err(unrun),
            };
            if tried.as_ref().is_ok_and(|(ended, _)| !ended.lost) {
                // While the model thinks.
                warm.make_ready(&self.ground).await;
            } else {
                *warm = Warm::default();
            }
            match tried {
                Ok(done) => return Ok(done),
                Err(Unrun::Lost(_)) if !replaced => replaced = true,
                Err(Unrun::Refused(_)) if ahead && !replaced => replaced = true,
                Err(unrun) => {
                    level::forget(&self.parts.cache);
                    return Err(match unrun {
                        Unrun::Lost(why) => refusal("start", &format!("{why}, twice")),
                        Unrun::Refused(error) => error,
                    });
                }
            }
        }
    }

    /// What the command changed, and whether it wrote to git's own folders; found out off the runtime's threads.
    async fn changed(&self) -> Result<(Vec<String>, bool), SandboxError> {
        let state = self.state.clone();
        let scan = move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let proved = state.proved;
            let (paths, git) = match &state.shadow {
                OnDisk::Overlay(overlay) => {
                    if !proved {
                        overlay.proved()?;
                    }
                    overlay.changed()?
                }
                OnDisk::Copy(copy, _) => (copy.changed()?, 0),
            };
            state.proved = true;
            let before = std::mem::replace(&mut state.git, git);
            Ok((paths, git != 0 && git != before))
        };
        let scanned = tokio::task::spawn_blocking(scan).await.unwrap_or_else(|e| Err(io::Error::other(e)));
        scanned.map_err(|e| refusal("shadow folders", &format!("the changes of the command cannot be listed: {e}")))
    }
}

#[async_trait::async_trait]
impl SandboxSession for LinuxSession {
    fn level(&self) -> Level {
        self.parts.level
    }

    async fn run(
        &self,
        command: Command,
        shadow: &Shadow,
        sink: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Outcome, SandboxError> {
        let begun = Instant::now();
        let (ended, hidden) = self.attempt(&command, shadow, sink, cancel).await?;
        let mut outcome = Outcome { duration: begun.elapsed(), hidden, stopped: ended.stopped, ..Outcome::default() };
        match ended.report {
            Some(Report::Exited(code)) if ended.stopped.is_none() => outcome.exit = Some(code),
            Some(Report::Signalled(signal)) if ended.stopped.is_none() => outcome.signal = Some(signal),
            Some(Report::Processes) => {
                outcome.signal = Some(9);
                let most = self.parts.spec.processes;
                sink.output(format!("\n[ended: more than {most} processes and threads]\n").as_bytes());
            }
            Some(Report::Shadow) => {
                outcome.signal = Some(9);
                let most = self.parts.spec.shadow_size >> 20;
                sink.output(format!("\n[ended: commands left more than {most} MiB in the shadow]\n").as_bytes());
            }
            Some(Report::Disk) => {
                outcome.signal = Some(9);
                sink.output(b"\n[ended: the disk that holds the shadow is nearly full]\n");
            }
            Some(Report::Memory) => {
                outcome.signal = Some(9);
                outcome.stopped = Some(Stopped::Memory);
            }
            None if ended.lost && ended.stopped.is_none() => {
                outcome.signal = Some(9);
                sink.output(b"\n[ended: the process that keeps its walls was ended from outside]\n");
            }
            _ => outcome.signal = Some(9),
        }
        (outcome.changed, outcome.git) = self.changed().await?;
        Ok(outcome)
    }

    async fn written(&self, paths: Vec<String>, most: u64) -> Vec<Written> {
        let state = self.state.clone();
        let look = move || state.lock().unwrap_or_else(PoisonError::into_inner).shadow.written(&paths, most);
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    async fn take(&self, paths: Vec<WsPath>) -> Result<(), SandboxError> {
        let state = self.state.clone();
        let take = move || state.lock().unwrap_or_else(PoisonError::into_inner).shadow.take(&paths);
        let taken = tokio::task::spawn_blocking(take).await.unwrap_or_else(|e| Err(io::Error::other(e)));
        taken.map_err(|e| refusal("shadow folders", &format!("what became of changes cannot be noted: {e}")))
    }
}

impl Warm {
    /// A keeper and a process 1 that waits for its plan, made now where none does.
    async fn ready(&mut self, wall: &(PathBuf, Vec<&'static str>), ground: &[u8]) -> Result<(&mut Keeper, Waiting), Unrun> {
        if self.waiting.is_none()
            && let Some(keeper) = &mut self.keeper
            && !keeper.settle().await
        {
            self.keeper = None;
        }
        let keeper = match &mut self.keeper {
            Some(keeper) => keeper,
            none => none.insert(Keeper::start(wall, ground).await?),
        };
        let waiting = match self.waiting.take() {
            Some(waiting) => waiting,
            None => keeper.order(ground).await?,
        };
        Ok((keeper, waiting))
    }

    /// Orders the next process 1 ahead. Where that fails, the next command finds out.
    async fn make_ready(&mut self, ground: &[u8]) {
        if let Some(keeper) = &mut self.keeper {
            self.waiting = keeper.order(ground).await.ok();
        }
    }
}

/// `folder/path`, and `folder` itself for the root, without a trailing slash.
fn below(folder: &Path, path: &str) -> PathBuf {
    if path.is_empty() { folder.to_owned() } else { folder.join(path) }
}

//! One task's commands: each gets fresh walls over the same shadow, so that what a command changed is there for the next.
//!
//! It looks at the workspace folder, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    environment::Variables,
    filter, git, group,
    hints::refusal,
    keeper::{Keeper, Unrun, Waiting},
    level,
    net::{Network, Proxy, variables},
    plan::{Ground, Limits, Plan, Report, frame},
    removals,
    running::{Ended, attend},
    shadow::{PROOF, ShadowFolders},
    spills::Unnamed,
    unseen,
    view::{self, View},
};
use crate::{
    path::WsPath,
    seams::{
        Command, Facts, Level, Outcome, OutputSink, Reach, SandboxError, SandboxSession, SandboxSpec, Shadow, Spills, Stopped,
        Written,
    },
};

static FILTER: LazyLock<Vec<filter::Instruction>> = LazyLock::new(filter::program);

/// What a session is made of; the same for all of its commands.
pub(super) struct Parts {
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
    /// The server's own variables.
    pub variables: Variables,
    /// For commands that have network: the way out, and whom TLS may trust.
    pub network: Network,
    pub trust: Vec<(String, String)>,
}

/// A session at level L3.
pub struct LinuxSession {
    parts: Parts,
    /// A frame of the [`Ground`].
    ground: Vec<u8>,
    /// See [`Ground::group`].
    group: Option<PathBuf>,
    facts: Arc<Facts>,
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

struct State {
    shadow: ShadowFolders,
    /// The first mount has been proved.
    proved: bool,
    /// What stood in git's own folders when the last command had ended.
    git: u64,
}

impl LinuxSession {
    /// # Errors
    /// [`SandboxError`] when what the session is made of cannot be told to a wall process.
    pub(super) fn new(parts: Parts, shadow: ShadowFolders) -> Result<Self, SandboxError> {
        let Parts { spec, view, home, .. } = &parts;
        let limits = Limits {
            memory: spec.memory,
            processes: spec.processes,
            cpu: spec.cpu,
            file_size: spec.file_size,
            tmp_size: spec.tmp_size,
            shadow_size: spec.shadow_size,
        };
        let group = group::create(&limits);
        if let Some(group) = &group {
            removals::note_group(shadow.root(), group).map_err(|e| refusal("shadow folders", &e.to_string()))?;
        }
        let ground = Ground {
            folder: spec.folder.clone(),
            shadow: shadow.root().to_owned(),
            layer: shadow.layer(),
            upper: shadow.upper(),
            work: shadow.work(),
            home: home.clone(),
            covered: view.covered.clone(),
            shown: view.shown.clone(),
            copies: view.copies.clone(),
            limits,
            group: group.clone(),
            filter: FILTER.clone(),
        };
        let ground = frame(&ground).map_err(|e| refusal("plan", &e.to_string()))?;
        let facts = Arc::new(view.facts(spec.clone(), home.clone()));
        let state = Arc::new(Mutex::new(State { shadow, proved: false, git: 0 }));
        Ok(LinuxSession { parts, ground, group, facts, warm: tokio::sync::Mutex::default(), state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the keeper and a process 1, so that the first command finds them. Where that fails, the command says so.
    pub(super) async fn stand_ready(&self) {
        let mut warm = self.warm.lock().await;
        if let Ok((_, waiting)) = warm.ready(&self.parts.wall, &self.ground, self.group.as_deref()).await {
            warm.waiting = Some(waiting);
        }
    }

    /// Brings the shadow up to date and writes the plan down, a frame.
    fn prepare(&self, command: &Command, shadow: &Shadow, proxy: Option<&Proxy>) -> Result<(Vec<u8>, Vec<String>), SandboxError> {
        let Parts { spec, view, shell, shell_args, env, trust, .. } = &self.parts;
        let mut state = self.state();
        let armed = if state.proved { Ok(()) } else { state.shadow.arm() };
        armed.map_err(|e| refusal("shadow folders", &e.to_string()))?;
        let hidden = state
            .shadow
            .sync(&spec.folder, shadow, &git::configs(&spec.folder))
            .map_err(|e| refusal("shadow folders", &format!("what the editor holds cannot be laid over the disk: {e}")))?;
        let about =
            fs::metadata(&spec.folder).map_err(|e| refusal("workspace folder", &format!("{}: {e}", spec.folder.display())))?;
        let mut masked = view.masked.clone();
        masked.extend(view::sockets(view, &spec.folder));
        let mut args: Vec<String> = shell_args.iter().map(ToString::to_string).collect();
        args.push(command.text.clone());
        let mut env = env.clone();
        if let Some(proxy) = proxy {
            env.extend(trust.iter().cloned());
            env.extend(variables::of_proxy(proxy.port(), &command.network));
        }
        let plan = Plan {
            proof: (!state.proved).then(|| PROOF.to_owned()),
            folder: (about.dev(), about.ino()),
            replaced: view.replaced.clone(),
            masked,
            cwd: below(&spec.folder, command.cwd.as_str()),
            shell: shell.clone(),
            args,
            env,
        };
        Ok((frame(&plan).map_err(|e| refusal("plan", &e.to_string()))?, hidden))
    }

    /// A proxy on the loopback of a process 1, for a command that may reach something.
    async fn proxy(&self, command: &Command, keeper: &mut Keeper, waiting: &mut Waiting) -> Result<Option<Proxy>, Unrun> {
        if command.network.is_empty() {
            return Ok(None);
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
            let tried = match warm.ready(&self.parts.wall, &self.ground, self.group.as_deref()).await {
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
            if !state.proved {
                state.shadow.proved()?;
                state.proved = true;
            }
            let (paths, git) = state.shadow.changed()?;
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
        Level::L3
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
        let facts = match command.network.is_empty() {
            true => self.facts.clone(),
            false => Arc::new(Facts { reach: Reach::Hosts, ..Facts::clone(&self.facts) }),
        };
        let mut outcome = Outcome { duration: begun.elapsed(), hidden, facts, reached: ended.reached, ..Outcome::default() };
        let own = |stopped: Stopped| (None, Some(9), Some(stopped));
        (outcome.exit, outcome.signal, outcome.stopped) = match (ended.stopped, ended.report) {
            (Some(stopped), _) => own(stopped),
            (None, Some(Report::Exited(code))) => (Some(code), None, None),
            (None, Some(Report::Signalled(signal))) => (None, Some(signal), None),
            (None, Some(Report::Memory)) => own(Stopped::Memory),
            (None, Some(Report::Cpu)) => own(Stopped::Cpu),
            (None, Some(Report::Processes)) => own(Stopped::Processes),
            (None, Some(Report::Shadow)) => own(Stopped::Shadow),
            (None, Some(Report::Disk)) => own(Stopped::Disk),
            (None, _) => own(Stopped::Walls),
        };
        (outcome.changed, outcome.git) = self.changed().await?;
        Ok(outcome)
    }

    async fn written(&self, paths: Vec<String>, most: u64) -> Vec<Written> {
        let state = self.state.clone();
        let look = move || state.lock().unwrap_or_else(PoisonError::into_inner).shadow.written(&paths, most);
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    async fn unseen(&self, program: &str) -> Option<String> {
        let Parts { variables, view, spec, .. } = &self.parts;
        unseen::program(program, variables, view, &spec.folder).map(|path| path.display().to_string())
    }

    fn spills(&self) -> Arc<dyn Spills> {
        Arc::new(Unnamed(self.state().shadow.root().to_owned()))
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
    async fn ready(
        &mut self,
        wall: &(PathBuf, Vec<&'static str>),
        ground: &[u8],
        group: Option<&Path>,
    ) -> Result<(&mut Keeper, Waiting), Unrun> {
        if self.waiting.is_none()
            && let Some(keeper) = &mut self.keeper
            && !keeper.settle().await
        {
            self.keeper = None;
        }
        let keeper = match &mut self.keeper {
            Some(keeper) => keeper,
            none => none.insert(Keeper::start(wall, ground, group).await?),
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

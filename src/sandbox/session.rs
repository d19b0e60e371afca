//! One task's commands: each gets fresh walls over the same shadow, so that what a command changed is there for the next.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::unix::OwnedWriteHalf,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    copied::{self, CopiedShadow, Progress, Synced},
    group,
    hints::refusal,
    keeper::{Keeper, Unrun, Waiting},
    level,
    net::{Proxy, variables},
    parts::{COPY, Parts},
    plan::{Ground, Report, frame},
    removals,
    running::{Ended, attend},
    shadow::ShadowFolders,
    spills::Unnamed,
    unseen,
};
use crate::{
    path::WsPath,
    seams::{Command, Facts, Level, Outcome, OutputSink, Reach, SandboxError, SandboxSession, Shadow, Spills, Stopped, Written},
};

/// How often it is told how far a copy is.
const TELL: Duration = Duration::from_secs(1);
/// After a command the turn goes first: its result is on the way to the model before the next process 1 takes a processor.
const GIVE_WAY: Duration = Duration::from_millis(5);

/// A session at one level, from its first command to its last.
pub struct LinuxSession {
    parts: Parts,
    /// Frames of the [`Ground`]: with the mount's proof, and without once it was given.
    grounds: [Arc<[u8]>; 2],
    proved: AtomicBool,
    /// See [`Ground::group`].
    group: Option<PathBuf>,
    facts: Arc<Facts>,
    /// Also the lock that lets one command run at a time.
    warm: Arc<tokio::sync::Mutex<Warm>>,
    state: Arc<Mutex<State>>,
}

/// What stands ready for the next command.
#[derive(Default)]
struct Warm {
    waiting: Option<Waiting>,
    /// See [`Ended::leaving`].
    leaving: Option<OwnedWriteHalf>,
    keeper: Option<Keeper>,
}

/// The two forms of a shadow.
enum OnDisk {
    Overlay(ShadowFolders),
    Copy(CopiedShadow, Box<copied::Reach>),
}

impl OnDisk {
    fn root(&self) -> &Path {
        match self {
            OnDisk::Overlay(overlay) => overlay.root(),
            OnDisk::Copy(copy, _) => copy.root(),
        }
    }

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
    /// What stood in git's own folders when the last command had ended.
    git: u64,
    /// A command was ended because the shadow takes too much.
    exceeded: bool,
}

impl LinuxSession {
    /// # Errors
    /// [`SandboxError`] when what the session is made of cannot be told to a wall process.
    pub(super) fn overlaid(parts: Parts, shadow: ShadowFolders) -> Result<Self, SandboxError> {
        let Parts { spec, view, home, .. } = &parts;
        // A process 1 that waits has taken note of it.
        shadow.mirror_root(&spec.folder).map_err(|e| refusal("shadow folders", &e.to_string()))?;
        let ground = Ground {
            folder: spec.folder.clone(),
            layer: shadow.layer(),
            upper: shadow.upper(),
            work: shadow.work(),
            packages: spec.packages.clone().unwrap_or_else(|| shadow.root().to_owned()),
            home: home.clone(),
            covered: view.covered.clone(),
            shown: view.shown.clone(),
            copies: view.copies.clone(),
            ..parts.ground(shadow.root())
        };
        Self::on(parts, ground, OnDisk::Overlay(shadow))
    }

    /// The same over a copy of the workspace, where no namespaces are.
    pub(super) fn copied(parts: Parts, shadow: CopiedShadow, cargo: PathBuf) -> Result<Self, SandboxError> {
        let Parts { spec, view, home, .. } = &parts;
        let reach = copied::Reach { view: view.clone(), folder: spec.folder.clone(), home: home.clone(), cargo };
        let ground = Ground { folder: shadow.copy().to_owned(), home: shadow.home(), ..parts.ground(shadow.root()) };
        Self::on(parts, ground, OnDisk::Copy(shadow, Box::new(reach)))
    }

    fn on(parts: Parts, mut ground: Ground, shadow: OnDisk) -> Result<Self, SandboxError> {
        let group = group::create(&ground.limits);
        if let Some(group) = &group {
            removals::note_group(shadow.root(), group).map_err(|e| refusal("shadow folders", &e.to_string()))?;
        }
        ground.group.clone_from(&group);
        let facts = parts.view.facts(parts.spec.clone(), parts.home.clone());
        if parts.level >= Level::L2 {
            ground.replaced.clone_from(&parts.view.replaced);
            ground.masked = facts.masked.iter().map(|path| path.clone().into_os_string()).collect();
        }
        let frame = |prove: bool| frame(&Ground { prove, ..ground.clone() }).map_err(|e| refusal("plan", &e.to_string()));
        let grounds = [frame(true)?.into(), frame(false)?.into()];
        let reach = if parts.level < Level::L3 { Reach::Nothing } else { Reach::Loopback };
        let facts = Arc::new(Facts { reach, ..facts });
        let state = Arc::new(Mutex::new(State { shadow, git: 0, exceeded: false }));
        Ok(LinuxSession { parts, grounds, proved: AtomicBool::new(false), group, facts, warm: Arc::default(), state })
    }

    /// What the next process 1 is told.
    fn ground(&self) -> &Arc<[u8]> {
        &self.grounds[usize::from(self.proved.load(Ordering::Relaxed))]
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a keeper and the next process 1 made beside whatever goes on, after a while. Where that fails, the command says so.
    pub(super) fn make_ready(&self, after: Duration) {
        let (warm, ground) = (Arc::downgrade(&self.warm), self.ground().clone());
        let (wall, group) = (self.parts.wall.clone(), self.group.clone());
        tokio::spawn(async move {
            sleep(after).await;
            let Some(warm) = warm.upgrade() else { return };
            // A command that has begun meanwhile sees to that itself.
            let Ok(mut warm) = warm.try_lock() else { return };
            if warm.waiting.is_none()
                && let Ok((_, waiting)) = warm.ready(&wall, &ground, group.as_deref()).await
            {
                warm.waiting = Some(waiting);
            }
        });
    }

    /// Brings the shadow up to date and writes the plan down, a frame.
    fn prepare(
        &self,
        command: &Command,
        shadow: &Shadow,
        synced: Synced,
        proxy: Option<&Proxy>,
    ) -> Result<(Vec<u8>, Vec<String>), SandboxError> {
        let mut state = self.state();
        let exceeded = state.exceeded;
        let (mut plan, hidden) = match &mut state.shadow {
            OnDisk::Overlay(overlay) => self.parts.in_overlay(command, shadow, overlay)?,
            OnDisk::Copy(copy, reach) => self.parts.in_copy(command, copy, reach, synced)?,
        };
        plan.exceeded = exceeded;
        if let Some(proxy) = proxy {
            plan.env.extend(self.parts.trust.iter().cloned());
            plan.env.extend(variables::of_proxy(proxy.port(), &command.network));
        }
        Ok((frame(&plan).map_err(|e| refusal("plan", &e.to_string()))?, hidden))
    }

    /// Brings a copy up to date, off the runtime's threads: the first time it may take long, and is told. `None` when it was
    /// cancelled. Nothing for an overlay.
    async fn synced(
        &self,
        shadow: &Shadow,
        sink: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Option<Synced>, SandboxError> {
        // What was stopped before it began does not begin.
        if cancel.is_cancelled() {
            return Ok(None);
        }
        if self.parts.level >= Level::L2 {
            return Ok(Some(Synced::default()));
        }
        let (state, shadow, progress) = (self.state.clone(), shadow.clone(), Arc::new(Progress::default()));
        // Also where this is dropped.
        let waits = Waits(progress.clone());
        let sync = move || match &mut state.lock().unwrap_or_else(PoisonError::into_inner).shadow {
            OnDisk::Overlay(_) => Ok(Synced::default()),
            OnDisk::Copy(copy, _) => copy.sync(&shadow, &progress),
        };
        let mut work = tokio::task::spawn_blocking(sync);
        let (mut told, mut next) = (false, tokio::time::interval_at(tokio::time::Instant::now() + TELL, TELL));
        let synced = loop {
            tokio::select! {
                biased;
                // A disk that hangs holds it up for as long as it likes; it sees that nobody waits when it goes on.
                () = cancel.cancelled() => return Ok(None),
                synced = &mut work => break synced,
                _ = next.tick() => {
                    sink.copying(waits.0.now());
                    told = true;
                }
            }
        };
        if told {
            sink.copying(waits.0.now());
        }
        let synced = synced.unwrap_or_else(|e| Err(io::Error::other(e)));
        synced.map(Some).map_err(|e| refusal(COPY, &e.to_string()))
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
            let tried = match warm.ready(&self.parts.wall, self.ground(), self.group.as_deref()).await {
                Ok((keeper, mut waiting)) => {
                    // Only now: nothing that an earlier command left can write to the shadow any more.
                    match self.proxy(command, keeper, &mut waiting).await {
                        Ok(proxy) => {
                            let Some(synced) = self.synced(shadow, sink, cancel).await? else {
                                let stopped = Some(Stopped::Cancelled);
                                return Ok((Ended { stopped, unbegun: true, ..Ended::default() }, Vec::new()));
                            };
                            let (plan, hidden) = self.prepare(command, shadow, synced, proxy.as_ref())?;
                            let attended = attend(keeper, waiting, &plan, command.timeout, proxy, sink, cancel).await;
                            attended.map(|ended| (ended, hidden))
                        }
                        Err(unrun) => Err(unrun),
                    }
                }
                Err(unrun) => Err(unrun),
            };
            if !tried.as_ref().is_ok_and(|(ended, _)| !ended.lost) {
                *warm = Warm::default();
            }
            match tried {
                Ok((mut ended, hidden)) => {
                    warm.leaving = ended.leaving.take();
                    return Ok((ended, hidden));
                }
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

    /// What the command changed, whether that is not all, and whether it wrote to git's own folders; found out off the runtime's threads.
    async fn changed(&self) -> Result<(Vec<String>, bool, bool), SandboxError> {
        let state = self.state.clone();
        let scan = move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let (paths, unlisted, git) = match &mut state.shadow {
                OnDisk::Overlay(overlay) => overlay.changed()?,
                OnDisk::Copy(copy, _) => copy.changed()?,
            };
            let before = std::mem::replace(&mut state.git, git);
            Ok((paths, unlisted, git != 0 && git != before))
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
        if self.parts.level < Level::L3 && !command.network.is_empty() {
            let why = format!("at level {} a network cannot be kept to the hosts that were approved", self.parts.level);
            let hint = "`countersign doctor` says what raises the level.".into();
            return Err(SandboxError { step: "network".into(), why, hint });
        }
        let begun = Instant::now();
        let (ended, hidden) = self.attempt(&command, shadow, sink, cancel).await?;
        self.proved.fetch_or(ended.walled, Ordering::Relaxed);
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
        if outcome.stopped == Some(Stopped::Shadow) {
            self.state().exceeded = true;
        }
        if !ended.unbegun {
            (outcome.changed, outcome.unlisted, outcome.git) = self.changed().await?;
            self.make_ready(GIVE_WAY);
        }
        Ok(outcome)
    }

    fn packages(&self) -> Option<PathBuf> {
        match &self.state().shadow {
            OnDisk::Overlay(overlay) => overlay.has_packages().then(|| overlay.root().to_owned()),
            OnDisk::Copy(..) => None,
        }
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

/// Whoever waits for a copy; when that is nobody any more, it ends.
struct Waits(Arc<Progress>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.give_up();
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
        self.leaving = None;
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
}

//! One task's commands: each gets fresh walls over the same shadow, so that what a command changed is there for the next.
//!
//! It starts the wall process, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as Pair},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf, pipe},
    },
    process::{Child, Command as Process},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    filter, git,
    hints::refusal,
    plan::{Limits, Plan, Report},
    shadow::{PROOF, ShadowFolders},
    view::{self, View},
};
use crate::{
    path::WsPath,
    seams::{Command, Level, Outcome, OutputSink, SandboxError, SandboxSession, SandboxSpec, Shadow, Stopped, Written},
};

/// How long the walls may take to stand; the command's own time begins when they do.
const RAISING: Duration = Duration::from_secs(20);
/// How long the end of everything may take after the order to stop, before the wall process is killed from outside.
const GRACE: Duration = Duration::from_millis(500);
/// How long output is read after the command's end, should something outside its walls hold the pipe open.
const DRAIN: Duration = Duration::from_secs(2);
const BUFFER: usize = 32 << 10;

static FILTER: LazyLock<Vec<filter::Instruction>> = LazyLock::new(filter::program);

/// What a session is made of; the same for all of its commands.
pub(super) struct Parts {
    /// Image and arguments of the wall process.
    pub wall: (PathBuf, Vec<&'static str>),
    pub home: PathBuf,
    pub spec: SandboxSpec,
    pub view: View,
    pub shell: PathBuf,
    pub shell_args: &'static [&'static str],
    pub env: Vec<(String, String)>,
}

/// A session at level L3, started cold for each command.
pub struct LinuxSession {
    parts: Parts,
    /// Also the lock that lets one command run at a time.
    turn: tokio::sync::Mutex<()>,
    state: Arc<Mutex<State>>,
}

struct State {
    shadow: ShadowFolders,
    /// The first mount has been proved.
    proved: bool,
}

impl LinuxSession {
    pub(super) fn new(parts: Parts, shadow: ShadowFolders) -> Self {
        LinuxSession { parts, turn: tokio::sync::Mutex::new(()), state: Arc::new(Mutex::new(State { shadow, proved: false })) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the shadow up to date and writes the plan down.
    fn prepare(&self, command: &Command, shadow: &Shadow) -> Result<(Plan, Vec<String>), SandboxError> {
        let Parts { spec, view, home, shell, shell_args, env, .. } = &self.parts;
        let mut state = self.state();
        let armed = if state.proved { Ok(()) } else { state.shadow.arm() };
        armed.map_err(|e| refusal("shadow folders", &e.to_string()))?;
        let hidden = state
            .shadow
            .sync(&spec.folder, shadow, &git::configs(&spec.folder))
            .map_err(|e| refusal("shadow folders", &format!("what the editor holds cannot be laid over the disk: {e}")))?;
        let mut masked = view.masked.clone();
        masked.extend(view::sockets(view, &spec.folder));
        let limits =
            Limits { memory: spec.memory, processes: spec.processes, file_size: spec.file_size, tmp_size: spec.tmp_size };
        let mut args: Vec<String> = shell_args.iter().map(ToString::to_string).collect();
        args.push(command.text.clone());
        let plan = Plan {
            folder: spec.folder.clone(),
            layer: state.shadow.layer(),
            upper: state.shadow.upper(),
            work: state.shadow.work(),
            proof: (!state.proved).then(|| PROOF.to_owned()),
            home: home.clone(),
            covered: view.covered.clone(),
            shown: view.shown.clone(),
            copies: view.copies.clone(),
            replaced: view.replaced.clone(),
            masked,
            cwd: below(&spec.folder, command.cwd.as_str()),
            shell: shell.clone(),
            args,
            env: env.clone(),
            limits,
            filter: FILTER.clone(),
        };
        Ok((plan, hidden))
    }

    /// What the command changed; found out off the runtime's threads.
    async fn changed(&self) -> Result<Vec<String>, SandboxError> {
        let state = self.state.clone();
        let scan = move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if !state.proved {
                state.shadow.proved()?;
                state.proved = true;
            }
            state.shadow.changed()
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
        let _turn = self.turn.lock().await;
        let (plan, hidden) = self.prepare(&command, shadow)?;
        let started = Instant::now();
        let mut running = Running::start(&self.parts.wall, &plan)?;
        let ended = running.attend(&plan, command.timeout, sink, cancel).await?;
        let mut outcome = Outcome { duration: started.elapsed(), hidden, stopped: ended.stopped, ..Outcome::default() };
        match ended.report {
            Some(Report::Exited(code)) if ended.stopped.is_none() => outcome.exit = Some(code),
            Some(Report::Signalled(signal)) if ended.stopped.is_none() => outcome.signal = Some(signal),
            Some(Report::Processes) => {
                outcome.signal = Some(9);
                sink.output(format!("\n[ended: more than {} processes and threads]\n", plan.limits.processes).as_bytes());
            }
            Some(Report::Memory) => {
                outcome.signal = Some(9);
                outcome.stopped = Some(Stopped::Memory);
            }
            _ => outcome.signal = Some(9),
        }
        outcome.changed = self.changed().await?;
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

/// A wall process at work.
struct Running {
    child: Child,
    output: pipe::Receiver,
    reports: Lines<BufReader<OwnedReadHalf>>,
    /// Dropping it is the order to stop.
    orders: Option<OwnedWriteHalf>,
}

/// How it ended.
#[derive(Default)]
struct Ended {
    report: Option<Report>,
    stopped: Option<Stopped>,
}

impl Running {
    fn start(wall: &(PathBuf, Vec<&'static str>), plan: &Plan) -> Result<Self, SandboxError> {
        let start = || -> io::Result<Self> {
            let (ours, theirs) = Pair::pair()?;
            ours.set_nonblocking(true)?;
            let (reader, writer) = io::pipe()?;
            let mut process = Process::new(&wall.0);
            process.args(&wall.1).env_clear().current_dir("/").kill_on_drop(true);
            process.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(writer.try_clone()?).stderr(writer);
            let child = process.spawn()?;
            // The command builder holds our copies of the child's ends: gone with it, the pipe ends when the command does.
            drop(process);
            let (reports, orders) = UnixStream::from_std(ours)?.into_split();
            let output = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
            Ok(Running { child, output, reports: BufReader::new(reports).lines(), orders: Some(orders) })
        };
        start().map_err(|e| refusal("start", &format!("{}: {e} (for {})", wall.0.display(), plan.folder.display())))
    }

    /// Sends the plan, passes output on, and comes back when every process is gone.
    async fn attend(
        &mut self,
        plan: &Plan,
        timeout: Duration,
        sink: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Ended, SandboxError> {
        let json = serde_json::to_vec(plan).map_err(|e| refusal("plan", &e.to_string()))?;
        let length = u32::try_from(json.len()).map_err(|e| refusal("plan", &e.to_string()))?;
        if let Some(orders) = &mut self.orders {
            // A wall process that fails early hangs up; its report says why.
            let _ = tokio::time::timeout(RAISING, orders.write_all(&[&length.to_le_bytes()[..], &json].concat())).await;
        }
        let mut ended = Ended::default();
        let (mut running, mut reporting, mut flowing, mut walled) = (true, true, true, false);
        let mut buffer = vec![0u8; BUFFER];
        let deadline = sleep_until(Instant::now() + RAISING);
        // Set when an end is due; `hurried` says that it is.
        let patience = sleep_until(Instant::now());
        let mut hurried = false;
        tokio::pin!(deadline, patience);
        while running || reporting || flowing {
            tokio::select! {
                read = self.output.read(&mut buffer), if flowing => match read {
                    Ok(length) if length > 0 => sink.output(&buffer[..length]),
                    _ => flowing = false,
                },
                line = self.reports.next_line(), if reporting => match line {
                    Ok(Some(line)) => match serde_json::from_str(&line) {
                        Ok(Report::Started) => {
                            walled = true;
                            deadline.as_mut().reset(Instant::now() + timeout);
                        }
                        Ok(report) => ended.report = Some(report),
                        Err(_) => {}
                    },
                    _ => reporting = false,
                },
                _ = self.child.wait(), if running => {
                    (running, hurried) = (false, true);
                    patience.as_mut().reset(Instant::now() + DRAIN);
                }
                () = &mut deadline, if running && ended.stopped.is_none() => {
                    ended.stopped = Some(Stopped::Timeout);
                    (self.orders, hurried) = (None, true);
                    patience.as_mut().reset(Instant::now() + GRACE);
                }
                () = cancel.cancelled(), if running && ended.stopped.is_none() => {
                    ended.stopped = Some(Stopped::Cancelled);
                    (self.orders, hurried) = (None, true);
                    patience.as_mut().reset(Instant::now() + GRACE);
                }
                () = &mut patience, if hurried => {
                    if !running {
                        break;
                    }
                    // Its death is the death of process 1, and that the end of the namespace.
                    let _ = self.child.start_kill();
                    patience.as_mut().reset(Instant::now() + DRAIN);
                }
            }
        }
        match &ended.report {
            Some(Report::Failed { step, why }) => Err(refusal(step, why)),
            None if !walled && ended.stopped.is_none() => Err(refusal("start", "the wall process ended without a word")),
            None if !walled && ended.stopped == Some(Stopped::Timeout) => {
                Err(refusal("start", "the walls did not stand in time"))
            }
            _ => Ok(ended),
        }
    }
}

/// `folder/path`, and `folder` itself for the root, without a trailing slash.
fn below(folder: &Path, path: &str) -> PathBuf {
    if path.is_empty() { folder.to_owned() } else { folder.join(path) }
}

//! The server's hold on a session's keeper: the wall process that keeps what commands have in common, and makes a process 1
//! ahead of each of them.
//!
//! It starts the wall process, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream as Pair,
    },
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpListener, UnixStream,
        unix::{OwnedWriteHalf, pipe},
    },
    process::{Child, Command as Process},
    time::timeout,
};

use super::{group, hints::refusal, net, plan::Report, words::Words};
use crate::seams::SandboxError;

/// How long the end of a process 1 that was given up may take, before its keeper is.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the network of a process 1 may take to be there.
const DOOR: Duration = Duration::from_secs(10);

/// A keeper; dropping it ends it, and every process 1 with it.
pub(super) struct Keeper {
    child: Child,
    reports: Words,
    orders: OwnedWriteHalf,
    /// Both count up from 1: processes 1 ordered, and those of them that are gone.
    ordered: u32,
    gone: u32,
}

/// A process 1 that waits for its plan. Dropping it ends it.
pub(super) struct Waiting {
    pub number: u32,
    pub reports: Words,
    /// Takes the plan; dropping it is the order to stop.
    pub orders: OwnedWriteHalf,
    pub output: pipe::Receiver,
}

/// Why a command did not run.
pub(super) enum Unrun {
    /// A wall could not be put up.
    Refused(SandboxError),
    /// The keeper or process 1 failed without a reason of the machine's: worth another try with new ones.
    Lost(String),
}

/// What a keeper says.
pub(super) enum Word {
    /// Everything that lived under this process 1 is gone; with the step that failed where there never was one.
    Gone(u32, Option<(String, String)>),
    /// The ground could not be laid: the step, and why.
    Failed(String, String),
    /// It is no more, or talks nonsense.
    Lost,
}

impl Keeper {
    /// Starts one on a ground, a frame of [`super::plan::Ground`].
    pub(super) async fn start(
        (image, arguments): &(PathBuf, Vec<&'static str>),
        ground: &[u8],
        group: Option<&Path>,
    ) -> Result<Keeper, Unrun> {
        let started = Self::spawn(image, arguments);
        let mut keeper = started.map_err(|e| Unrun::Refused(refusal("start", &format!("{}: {e}", image.display()))))?;
        if let (Some(group), Some(process)) = (group, keeper.child.id()) {
            // Before it starts anything. A kernel that takes its time for this must not hold up others; where it refuses, memory
            // is sampled all the same.
            let group = group.to_owned();
            let _ = tokio::task::spawn_blocking(move || group::admit(&group, process)).await;
        }
        // One that fails early hangs up; its report says why.
        let _ = timeout(PATIENCE, keeper.orders.write_all(ground)).await;
        Ok(keeper)
    }

    fn spawn(image: &Path, arguments: &[&str]) -> io::Result<Keeper> {
        let (ours, theirs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        let mut process = Process::new(image);
        process.args(arguments).env_clear().current_dir("/").kill_on_drop(true);
        process.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
        let child = process.spawn()?;
        // The command builder holds our copy of the child's end.
        drop(process);
        let (reports, orders) = UnixStream::from_std(ours)?.into_split();
        Ok(Keeper { child, reports: Words::new(reports), orders, ordered: 0, gone: 0 })
    }

    /// Orders a process 1 on the same ground.
    pub(super) async fn order(&mut self, ground: &[u8]) -> Result<Waiting, Unrun> {
        match self.ask() {
            Ok(mut waiting) => {
                // It hangs up where it fails early, too.
                let _ = timeout(PATIENCE, waiting.orders.write_all(ground)).await;
                Ok(waiting)
            }
            Err(error) => Err(match timeout(PATIENCE, self.word()).await {
                Ok(Word::Failed(step, why)) => Unrun::Refused(refusal(&step, &why)),
                _ => Unrun::Lost(format!("the wall process takes no orders: {error}")),
            }),
        }
    }

    /// A listener on the loopback of a process 1 whose reports nobody has read yet.
    pub(super) async fn door(&mut self, waiting: &mut Waiting) -> Result<TcpListener, Unrun> {
        let channel = waiting.reports.channel();
        let error = match timeout(DOOR, net::take(channel)).await {
            Ok(Ok(listener)) => return Ok(listener),
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        Err(match timeout(PATIENCE, self.word()).await {
            Ok(Word::Failed(step, why) | Word::Gone(_, Some((step, why)))) => Unrun::Refused(refusal(&step, &why)),
            _ => Unrun::Lost(format!("the network of the command cannot be reached: {error}")),
        })
    }

    fn ask(&mut self) -> io::Result<Waiting> {
        let (ours, theirs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        let (reader, writer) = io::pipe()?;
        let number = self.ordered + 1;
        self.pass(number, &[theirs.as_fd(), writer.as_fd()])?;
        self.ordered = number;
        let (reports, orders) = UnixStream::from_std(ours)?.into_split();
        let output = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
        Ok(Waiting { number, reports: Words::new(reports), orders, output })
    }

    /// A few bytes at a time, and never before the last were answered: there is always room for them.
    fn pass(&self, number: u32, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        beside.push(SendAncillaryMessage::ScmRights(descriptors));
        let bytes = number.to_le_bytes();
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match sendmsg(self.orders.as_ref(), &[IoSlice::new(&bytes)], &mut beside, flags)? {
            4 => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// The next word. Nothing is lost when this is given up half-way.
    pub(super) async fn word(&mut self) -> Word {
        let Some(line) = self.reports.next().await else { return Word::Lost };
        match serde_json::from_str(&line) {
            Ok(Report::Gone { number, failed }) => {
                self.gone = self.gone.max(number);
                Word::Gone(number, failed)
            }
            Ok(Report::Failed { step, why }) => Word::Failed(step, why),
            _ => Word::Lost,
        }
    }

    /// Waits for the end of everything that was started and given up. Not `true` when it does not come.
    pub(super) async fn settle(&mut self) -> bool {
        let settled = async {
            while self.gone < self.ordered {
                if !matches!(self.word().await, Word::Gone(..)) {
                    return false;
                }
            }
            true
        };
        timeout(PATIENCE, settled).await.unwrap_or(false)
    }

    /// Ends it at once, and with it every process 1.
    pub(super) fn kill(&mut self) {
        let _ = self.child.start_kill();
    }
}

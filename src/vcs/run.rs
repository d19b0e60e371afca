//! One child process, bounded in time and bytes; its whole process group dies with it.

#![allow(clippy::disallowed_methods)] // starts git, nothing else

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::Stdio,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

use crate::seams::VcsError;

use super::words::{fail, fail_hint, redact, shown};

/// Longest time for a local operation.
pub(super) const LOCAL: Duration = Duration::from_secs(30);
/// Longest time for an operation over the network.
pub(super) const NETWORK: Duration = Duration::from_secs(120);
/// Bytes kept of a child's complaints.
const STDERR: usize = 64 * 1024;
/// How long pipes may stay open after the child has ended (a connection-sharing ssh keeps them).
const GRACE: Duration = Duration::from_secs(2);

/// Limits of one run.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub time: Duration,
    pub bytes: usize,
}

pub(super) struct Output {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// Whether the output was longer than allowed; the child was then ended.
    pub cut: bool,
}

impl Output {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// What git complained about, fit to be shown.
    pub fn complaint(&self) -> String {
        let text = shown(&redact(&self.stderr));
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(6).collect();
        lines.join("; ").trim_start_matches("fatal: ").trim_start_matches("error: ").to_owned()
    }
}

/// Kills the group unless the leader was reaped.
struct Group(Option<Pid>);

impl Group {
    fn kill(&self) {
        if let Some(pid) = self.0 {
            let _ = killpg(pid, Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `program` with exactly this environment. The exit code is the caller's to judge.
pub(super) async fn run(
    program: &Path,
    args: &[OsString],
    env: &[(OsString, OsString)],
    cwd: &Path,
    input: Option<&[u8]>,
    limits: Limits,
) -> Result<Output, VcsError> {
    let name = args.iter().map(|arg| arg.to_string_lossy()).find(|arg| !arg.starts_with('-') && !arg.contains('='));
    let name = name.unwrap_or_default().into_owned();
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(env.iter().map(|(key, value)| (key.as_os_str(), value.as_os_str()) as (&OsStr, &OsStr)));
    command.current_dir(cwd).process_group(0).kill_on_drop(true);
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() }).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| fail(format!("{} does not start: {error}", program.display())))?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut out, mut err, mut cut) = (Vec::new(), Vec::new(), false);
    let work = async {
        let pipes = async {
            let feed = async {
                if let (Some(mut pipe), Some(bytes)) = (stdin, input) {
                    let _ = pipe.write_all(bytes).await; // a child that stops reading says why on stderr
                }
            };
            let read_out = async {
                if let Some(pipe) = stdout {
                    cut = drain(pipe, &mut out, limits.bytes, Some(&group)).await;
                }
            };
            let read_err = async {
                if let Some(pipe) = stderr {
                    drain(pipe, &mut err, STDERR, None).await;
                }
            };
            tokio::join!(feed, read_out, read_err);
        };
        tokio::pin!(pipes);
        tokio::select! {
            () = &mut pipes => child.wait().await,
            status = child.wait() => {
                let _ = timeout(GRACE, &mut pipes).await;
                status
            }
        }
    };
    let status = match timeout(limits.time, work).await {
        Ok(status) => status.map_err(|error| fail(format!("git {name}: {error}")))?,
        Err(_) => {
            let seconds = limits.time.as_secs();
            return Err(fail_hint(format!("git {name} was stopped after {seconds} seconds"), "try it in a terminal"));
        }
    };
    group.0 = None;
    Ok(Output { code: status.code().unwrap_or(-1), stdout: out, stderr: String::from_utf8_lossy(&err).into_owned(), cut })
}

/// Reads to the end but keeps `cap` bytes only; ends `group` when there is more. Tells whether there was.
async fn drain(mut pipe: impl AsyncRead + Unpin, into: &mut Vec<u8>, cap: usize, group: Option<&Group>) -> bool {
    let mut chunk = vec![0; 16 * 1024];
    let mut over = false;
    loop {
        match pipe.read(&mut chunk).await {
            Ok(0) | Err(_) => return over,
            Ok(count) => {
                let room = cap - into.len();
                into.extend_from_slice(&chunk[..count.min(room)]);
                if count > room
                    && !std::mem::replace(&mut over, true)
                    && let Some(group) = group
                {
                    group.kill();
                }
            }
        }
    }
}

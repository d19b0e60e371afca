//! What the server tells the wall process, and what the wall process answers: both go over its standard input, a socket.
//!
//! Never through its arguments: those can be read by every user of the machine.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything that process 1 of a command needs to know. Built by the server, which is trusted; the command never sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The workspace folder: the lower layer, and the place where the shadow is mounted.
    pub folder: PathBuf,
    /// Newest content of single files: the layer between the folder and what commands wrote.
    pub layer: PathBuf,
    /// What commands wrote, kept from one command of a session to the next.
    pub upper: PathBuf,
    /// The overlay's own work folder, beside `upper`.
    pub work: PathBuf,
    /// A file at the root of `layer` by which the mount is proved once a session; the server removes its traces.
    pub proof: Option<String>,
    /// The user's home: private and empty but for `shown` and `copies`.
    pub home: PathBuf,
    /// Folders that become empty and private, parents before children.
    pub covered: Vec<PathBuf>,
    /// Below covered folders: visible again at their own path, read-only.
    pub shown: Vec<PathBuf>,
    /// Small private files below covered folders: rebuilt configuration.
    pub copies: Vec<(PathBuf, String)>,
    /// Files elsewhere that are replaced by a read-only text.
    pub replaced: Vec<(PathBuf, String)>,
    /// Files elsewhere that become empty and unreadable: system secrets and sockets.
    pub masked: Vec<PathBuf>,
    /// Where to start, absolute, below `folder`.
    pub cwd: PathBuf,
    pub shell: PathBuf,
    /// Arguments of the shell; the last is the command's text.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub limits: Limits,
    /// The system-call filter: one `(code, jump if true, jump if false, operand)` an instruction.
    pub filter: Vec<(u16, u8, u8, u32)>,
}

/// Bounds of one command; 0 is no limit of ours. Bytes where nothing else is said.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Limits {
    pub memory: u64,
    /// Processes and threads.
    pub processes: u64,
    pub file_size: u64,
    pub tmp_size: u64,
}

/// One line from the wall process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// A wall could not be put up; nothing ran.
    Failed {
        step: String,
        why: String,
    },
    /// Every wall stands and the command has started.
    Started,
    Exited(i32),
    Signalled(i32),
    /// Ended at the memory limit.
    Memory,
    /// Ended at the limit of processes.
    Processes,
}

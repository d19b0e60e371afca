//! What the server tells the wall processes, and what they answer: all of it over sockets, never through arguments, which every
//! user of the machine can read.
//!
//! The [`Ground`] holds for all commands of a session; the keeper and each process 1 get it when they start. The [`Plan`] is
//! one command's; process 1 waits for it.

use std::{
    ffi::OsString,
    io::{self, Read},
    path::PathBuf,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::policy::Level;

/// The largest frame that is read, bytes; a guard against nonsense on standard input.
const MAX_FRAME: u32 = 64 << 20;

/// What a session's commands have in common. Built by the server, which is trusted; commands never see it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ground {
    /// The walls to be put up: all of them and no others.
    pub level: Level,
    /// The workspace folder: the lower layer, and the place where the shadow is mounted.
    pub folder: PathBuf,
    /// Holds the next three; stays writable below the read-only file systems.
    pub shadow: PathBuf,
    /// Newest content of single files: the layer between the folder and what commands wrote.
    pub layer: PathBuf,
    /// What commands wrote, kept from one command of a session to the next.
    pub upper: PathBuf,
    /// The overlay's own work folder, beside `upper`.
    pub work: PathBuf,
    /// Holds the folder of what commands with network fetched: the session's own shadow, or another's.
    pub packages: PathBuf,
    /// The user's home: private and empty but for `shown` and `copies`.
    pub home: PathBuf,
    /// Folders that become empty and private, parents before children.
    pub covered: Vec<PathBuf>,
    /// Below covered folders: visible again at their own path, read-only.
    pub shown: Vec<PathBuf>,
    /// Small private files below covered folders: rebuilt configuration.
    pub copies: Vec<(PathBuf, String)>,
    /// Files outside the workspace that are replaced by a read-only text.
    pub replaced: Vec<(PathBuf, String)>,
    /// Files outside the workspace that become empty and unreadable: system secrets and sockets, whose names may hold any bytes.
    pub masked: Vec<OsString>,
    pub limits: Limits,
    /// The control group in which the session's processes live, if any.
    pub group: Option<PathBuf>,
    /// The mount is proved to be one that can be written: once a session.
    pub prove: bool,
    /// The system-call filter: one `(code, jump if true, jump if false, operand)` an instruction.
    pub filter: Vec<(u16, u8, u8, u32)>,
}

/// What a mount is proved by begins with this, at its root.
pub(super) const PROOF: &str = ".countersign-proof";

/// One command. Made when it is to run, so that nothing in it is older than that.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Device and inode of the workspace folder: what process 1 opened while it waited must still be it.
    pub folder: (u64, u64),
    /// Of the files that the ground names or others of that kind, those whose text is another one now.
    pub replaced: Vec<(PathBuf, String)>,
    /// Sockets that programs listen on now; those of the ground stay hidden.
    pub masked: Vec<OsString>,
    /// Without namespaces: what may be read, with all below it; folders that may be written; and the bytes that the shadow takes
    /// as it is.
    pub readable: Vec<PathBuf>,
    pub writable: Vec<PathBuf>,
    pub begun: u64,
    /// An earlier command was ended because the shadow takes too much.
    pub exceeded: bool,
    /// Caches of package managers with what was fetched; none where nothing was.
    pub packages: Option<Packages>,
    /// Where to start, absolute, below the workspace folder.
    pub cwd: PathBuf,
    pub shell: PathBuf,
    /// Arguments of the shell; the last is the command's text.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
}

/// Caches of package managers, as layers over the user's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Packages {
    /// Where commands find them, in the order of the numbered layers.
    pub caches: Vec<PathBuf>,
    /// The command may fetch.
    pub writable: bool,
}

/// Bounds of one command; 0 is no limit of ours. Bytes where nothing else is said.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Limits {
    pub memory: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Seconds of processor time, all processes together.
    pub cpu: u64,
    pub file_size: u64,
    pub tmp_size: u64,
    /// What may lie in `upper`.
    pub shadow_size: u64,
}

/// One line from a wall process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// A wall could not be put up; nothing ran.
    Failed {
        step: String,
        why: String,
    },
    /// What stood ready is out of date; nothing ran. A new process 1 will do.
    Stale(String),
    /// Every wall stands and the command starts: said before it does.
    Started,
    Exited(i32),
    Signalled(i32),
    /// Ended at the memory limit.
    Memory,
    /// Ended at the limit of processor time.
    Cpu,
    /// A bound was met; the command goes on.
    Reached(Met),
    /// Ended at the limit of processes.
    Processes,
    /// Ended at the limit of the shadow.
    Shadow,
    /// Ended since the file system of the shadow is nearly full.
    Disk,
    /// The last word of a process 1 that has reaped all that lived under it: nobody need wait for its own end.
    Empty,
    /// From the keeper: this process 1, and all that lived under it, is gone or could not be made.
    Gone {
        number: u32,
        failed: Option<(String, String)>,
    },
}

/// A bound that does not end a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Met {
    /// This private folder is full.
    Full(PathBuf),
    /// No further process could be started.
    Processes,
}

/// A length (4 bytes, little end first), then JSON.
pub(super) fn frame(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, value)?;
    let length = u32::try_from(bytes.len() - 4).ok().filter(|length| *length <= MAX_FRAME);
    let length = length.ok_or_else(|| io::Error::other("more than a plan may have"))?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// Reads one frame; `None` when the other side hung up before it.
pub(super) fn read_frame<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0u8; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_le_bytes(length);
    if length > MAX_FRAME {
        return Err(io::Error::other(format!("{length} bytes are more than a plan has")));
    }
    let mut json = vec![0u8; length as usize];
    from.read_exact(&mut json)?;
    Ok(Some(serde_json::from_slice(&json)?))
}

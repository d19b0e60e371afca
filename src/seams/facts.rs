//! What walls know about themselves and saw of a command: from it a failure is explained.

use std::path::PathBuf;

use super::SandboxSpec;

/// What the walls of a session are. Paths are absolute and without links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What was asked for: the folder, and every limit.
    pub spec: SandboxSpec,
    pub home: PathBuf,
    /// Folders that are private and, but for `shown`, empty.
    pub covered: Vec<PathBuf>,
    /// What of the machine is visible below them, read-only.
    pub shown: Vec<PathBuf>,
    /// Files outside the workspace that stand there as rebuilt copies, read-only.
    pub rebuilt: Vec<PathBuf>,
    /// Files and folders outside the workspace that are empty and unreadable: secrets of the machine, sockets.
    pub masked: Vec<PathBuf>,
    /// What commands see at another place than the person: where they see it, and where the person has it. The workspace, the
    /// home and the folder for temporary files, where no overlay can be mounted.
    pub moved: Vec<(PathBuf, PathBuf)>,
    pub reach: Reach,
}

/// How far a command's network goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// A loopback of its own, and nothing beyond.
    #[default]
    Loopback,
    /// The same, and the hosts that were asked for, by way of a proxy.
    Hosts,
    /// No sockets but pairs: weaker levels.
    Nothing,
}

/// A bound that a command came to without being ended for it, as the kernel counts it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reached {
    /// This private folder is full.
    Full(PathBuf),
    /// No further process or thread could be started.
    Processes,
}

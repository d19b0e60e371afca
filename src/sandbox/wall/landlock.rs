//! The second wall around files, and without namespaces the first: Landlock, which holds even where a mount was forgotten. Its
//! domain forbids later mounts.

use std::{
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::{io::Errno, process::test_kill_process};

use super::{Failure, Step};
use crate::policy::Level;

const STEP: &str = "Landlock";

/// The newest rights that we know; what the kernel does not have is left out.
const NEWEST: ABI = ABI::V7;

/// What may be done to files.
pub(super) struct Rights<'a> {
    /// May be read and executed, with all below it. What does not exist is left out, for it cannot be made either.
    pub readable: &'a [PathBuf],
    /// Folders that may be changed.
    pub writable: &'a [&'a Path],
    /// Files that may be written to. No right is ever given for making device nodes.
    pub devices: &'a [PathBuf],
}

/// Rules that restrict nobody yet.
pub(super) struct Rules(RulesetCreated);

impl Rules {
    /// This folder may be changed, too.
    pub(super) fn writable(self, folder: impl AsFd) -> Result<Rules, Failure> {
        Ok(Rules(self.0.add_rule(PathBeneath::new(folder, change())).step(STEP)?))
    }

    /// Restricts the calling thread, and what it starts, for good.
    pub(super) fn restrict(self) -> Result<(), Failure> {
        match self.0.restrict_self().step(STEP)?.ruleset {
            RulesetStatus::NotEnforced => Err("the kernel enforces none of it").step(STEP),
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        }
    }
}

/// What may be done to folders that may be changed.
fn change() -> BitFlags<AccessFs> {
    AccessFs::from_all(NEWEST) & !(AccessFs::MakeChar | AccessFs::MakeBlock)
}

/// Makes the rules.
///
/// # Errors
/// Where the kernel lacks what the level rests on: for L2 and L1 that it keeps signals and abstract sockets in, since no
/// namespace does.
pub(super) fn rules(level: Level, rights: &Rights<'_>) -> Result<Rules, Failure> {
    let everything = AccessFs::from_all(NEWEST);
    let device = AccessFs::from_file(NEWEST) & !AccessFs::Execute;
    let read = AccessFs::from_read(NEWEST);
    let least = if level == Level::L3 { ABI::V1 } else { ABI::V3 };
    let mut rules =
        Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::from_all(least)).step(STEP)?;
    if matches!(level, Level::L1 | Level::L2) {
        rules = rules.scope(Scope::from_all(NEWEST)).step(STEP)?;
    }
    rules = rules.set_compatibility(CompatLevel::BestEffort).handle_access(everything).step(STEP)?;
    rules = rules.scope(Scope::from_all(NEWEST)).step(STEP)?;
    if level != Level::L3 {
        // Sockets are refused before; this holds for one that comes in from elsewhere.
        rules = rules.handle_access(AccessNet::from_all(NEWEST)).step(STEP)?;
    }
    let mut rules = rules.create().step(STEP)?;
    for path in rights.readable {
        let Ok(place) = PathFd::new(path) else { continue };
        let read = if path.is_dir() { read } else { read & !AccessFs::ReadDir };
        rules = rules.add_rule(PathBeneath::new(place, read)).step(STEP)?;
    }
    for folder in rights.writable {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(folder).step(STEP)?, change())).step(STEP)?;
    }
    for file in rights.devices {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(file).step(STEP)?, device)).step(STEP)?;
    }
    Ok(Rules(rules))
}

/// Keeps the signals of the calling thread, and of what it starts, among themselves: then all of them can be ended in one
/// call. Proved on a process outside, the parent.
pub(super) fn keep_signals_in() -> Result<(), Failure> {
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    // Every domain forbids to move files between folders unless it says that they may be: where, is for the next to say.
    let rules = rules.scope(Scope::Signal).step(STEP)?.handle_access(AccessFs::Refer).step(STEP)?.create().step(STEP)?;
    let everywhere = PathBeneath::new(PathFd::new("/").step(STEP)?, AccessFs::Refer);
    rules.add_rule(everywhere).step(STEP)?.restrict_self().step(STEP)?;
    match rustix::process::getppid().map(test_kill_process) {
        Some(Err(Errno::PERM)) => Ok(()),
        _ => Err("signals reach programs outside").step(STEP),
    }
}

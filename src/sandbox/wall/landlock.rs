//! The second wall around files: Landlock, which holds even where a mount was forgotten. Its domain forbids later mounts.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope,
};

use super::{Failure, Step};

/// The newest rights that we know; what the kernel does not have is left out.
const NEWEST: ABI = ABI::V7;

/// Everything may be read and executed (the mounts decide what is there), `writable` folders may be changed, `devices`
/// written to. No device file or socket rule is given for making device nodes.
pub(super) fn restrict(writable: &[&Path], devices: &[PathBuf]) -> Result<(), Failure> {
    let everything = AccessFs::from_all(NEWEST);
    let change: BitFlags<AccessFs> = everything & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let device = AccessFs::from_file(NEWEST) & !AccessFs::Execute;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .step("Landlock")?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)
        .step("Landlock")?
        .scope(Scope::from_all(NEWEST))
        .step("Landlock")?
        .create()
        .step("Landlock")?;
    let read = AccessFs::from_read(NEWEST);
    rules = rules.add_rule(PathBeneath::new(PathFd::new("/").step("Landlock")?, read)).step("Landlock")?;
    for folder in writable {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(folder).step("Landlock")?, change)).step("Landlock")?;
    }
    for file in devices {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(file).step("Landlock")?, device)).step("Landlock")?;
    }
    match rules.restrict_self().step("Landlock")?.ruleset {
        RulesetStatus::NotEnforced => Err("the kernel enforces none of it").step("Landlock"),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

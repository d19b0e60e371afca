//! What a session is made of, and the plans that it makes of that: the same for every level where nothing else is said.
//!
//! It looks at the workspace folder, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    copied::{CopiedShadow, Reach, Synced},
    environment::Variables,
    filter, git,
    hints::refusal,
    net::Network,
    plan::{Ground, Limits, Packages, Plan},
    shadow::{PROOF, ShadowFolders},
    view::{self, View},
};
use crate::seams::{Command, Level, SandboxError, SandboxSpec, Shadow};

/// The step that copies the workspace.
pub(super) const COPY: &str = "copy of the workspace";

/// What a session is made of; the same for all of its commands.
pub(super) struct Parts {
    pub level: Level,
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

impl Parts {
    /// What every form of shadow has in the ground.
    pub(super) fn ground(&self, shadow: &Path) -> Ground {
        let spec = &self.spec;
        Ground {
            level: self.level,
            shadow: shadow.to_owned(),
            limits: Limits {
                memory: spec.memory,
                processes: spec.processes,
                cpu: spec.cpu,
                file_size: spec.file_size,
                tmp_size: spec.tmp_size,
                shadow_size: spec.shadow_size,
            },
            filter: filter::program(self.level),
            ..Ground::default()
        }
    }

    /// What every command has in its plan, `folder` being where it sees the workspace.
    fn plan(&self, command: &Command, folder: &Path) -> Plan {
        let mut args: Vec<String> = self.shell_args.iter().map(ToString::to_string).collect();
        args.push(command.text.clone());
        let cwd = below(folder, command.cwd.as_str());
        Plan { cwd, shell: self.shell.clone(), args, env: self.env.clone(), ..Plan::default() }
    }

    /// The plan of a command in the overlay.
    pub(super) fn in_overlay(
        &self,
        command: &Command,
        shadow: &Shadow,
        overlay: &mut ShadowFolders,
        proved: bool,
    ) -> Result<(Plan, Vec<String>), SandboxError> {
        let Parts { spec, view, .. } = self;
        let armed = if proved { Ok(()) } else { overlay.arm() };
        armed.map_err(|e| refusal("shadow folders", &e.to_string()))?;
        let hidden = overlay
            .sync(&spec.folder, shadow, &git::configs(&spec.folder))
            .map_err(|e| refusal("shadow folders", &format!("what the editor holds cannot be laid over the disk: {e}")))?;
        let about =
            fs::metadata(&spec.folder).map_err(|e| refusal("workspace folder", &format!("{}: {e}", spec.folder.display())))?;
        let fetches = !command.network.is_empty() && spec.packages.is_none();
        if fetches {
            let made = overlay.make_packages(view.caches.len());
            made.map_err(|e| refusal("shadow folders", &format!("no room for packages: {e}")))?;
        }
        let fetched = fetches || spec.packages.is_some() || overlay.has_packages();
        let packages = fetched.then(|| Packages { caches: view.caches.clone(), writable: fetches });
        // Git may have written to its own since the session began: the newest of it counts.
        let mut replaced: BTreeMap<PathBuf, String> = view.replaced.iter().cloned().collect();
        replaced.extend(git::configs_elsewhere(&spec.folder));
        let mut masked = view.masked.clone();
        masked.extend(view::sockets(view, &spec.folder));
        let plan = Plan {
            proof: (!proved).then(|| PROOF.to_owned()),
            folder: (about.dev(), about.ino()),
            replaced: replaced.into_iter().collect(),
            masked: masked.into_iter().map(PathBuf::into_os_string).collect(),
            packages,
            ..self.plan(command, &spec.folder)
        };
        Ok((plan, hidden))
    }

    /// The plan of a command in the copy.
    pub(super) fn in_copy(
        &self,
        command: &Command,
        copy: &CopiedShadow,
        reach: &Reach,
        synced: Synced,
    ) -> Result<(Plan, Vec<String>), SandboxError> {
        reach.furnish(copy).map_err(|e| refusal(COPY, &e.to_string()))?;
        let plan = self.plan(command, copy.copy());
        let plan = Plan {
            readable: reach.readable(&synced),
            writable: vec![copy.copy().to_owned(), copy.home(), copy.temporary()],
            begun: copy.takes(),
            env: reach.environment(plan.env, copy),
            ..plan
        };
        Ok((plan, synced.hidden))
    }
}

/// `folder/path`, and `folder` itself for the root, without a trailing slash.
fn below(folder: &Path, path: &str) -> PathBuf {
    if path.is_empty() { folder.to_owned() } else { folder.join(path) }
}

//! Which hosts a package manager fetches from: read when somebody asks, from the manager's own configuration and from what
//! its installation knows. No host is written down here.
//!
//! Only the user's and the system's configuration count, never the workspace's: the managers are asked with an environment
//! built from nothing in which no path leads there, in an empty folder, by programs that do not lie in the workspace.
//!
//! It reads that configuration and starts those programs, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

mod address;
mod asked;
mod cargo;
mod go;
mod npm;
mod pip;

use std::path::{Path, PathBuf};

use self::asked::Asker;
use super::environment::{self, Variables};
use crate::seams::{Registry, SandboxSpec};

/// Where the answers are found: the user's home and variables, as commands get them.
pub(super) struct Registries {
    pub home: PathBuf,
    pub variables: Variables,
    /// The workspace: no program below it is started.
    pub folder: PathBuf,
    /// Holds the empty folders in which programs are started.
    pub cache: PathBuf,
}

impl Registries {
    /// The same, with everything that waits for a disk off the runtime's threads.
    pub(super) async fn told(self, name: String) -> Result<Registry, String> {
        let runtime = tokio::runtime::Handle::current();
        let asking = tokio::task::spawn_blocking(move || runtime.block_on(self.hosts_of(&name)));
        asking.await.unwrap_or_else(|e| Err(format!("the package manager cannot be asked: {e}")))
    }

    /// The hosts that `name` (one of [`crate::policy::REGISTRIES`]) stands for now.
    ///
    /// # Errors
    /// Why they cannot be told, and how to name them instead.
    async fn hosts_of(&self, name: &str) -> Result<Registry, String> {
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        // Programs look for configuration in every folder above the one that they are started in.
        if let Some(place) = [&self.cache, &self.home].into_iter().find(|place| !is_apart(place, &folder)) {
            return Err(unknown(name, &format!("{} lies in the workspace", place.display())));
        }
        let variables = elsewhere(&self.variables, &folder);
        let env = environment::of_commands(&variables, &self.home, &SandboxSpec::bare(folder));
        let asker = Asker::new(&self.cache, env).map_err(|e| unknown(name, &format!("no folder to ask it in: {e}")))?;
        let cargo = environment::cargo_home(&variables, &self.home);
        let found = match name {
            "cargo" => cargo::found(&cargo, &asker).await,
            "npm" => npm::found(&self.home, &asker).await,
            "pip" => pip::found(&asker).await,
            "go" => go::found(&asker).await,
            _ => return Err(format!("{name:?} is no package manager that is known here")),
        };
        let found = found.map_err(|why| unknown(name, &why))?;
        match found.into_registry() {
            registry if registry.hosts.is_empty() => Err(unknown(name, &registry.notes.join("; "))),
            registry => Ok(registry),
        }
    }
}

/// Whether a path leads past the workspace, under its own name and behind its links.
fn is_apart(path: &Path, folder: &Path) -> bool {
    !path.starts_with(folder) && !path.canonicalize().is_ok_and(|real| real.starts_with(folder))
}

/// The variables without paths that lead into the workspace, or nobody knows where: an editor may have taken them from it, and
/// what they name (`RUSTUP_TOOLCHAIN`, `PYENV_ROOT`) would run outside the walls. PATH is seen to where it is read.
fn elsewhere(variables: &Variables, folder: &Path) -> Variables {
    let fine = |value: &str| {
        let path = Path::new(value);
        !value.contains('/') || path.is_absolute() && path.exists() && is_apart(path, folder)
    };
    variables.iter().filter(|(name, value)| *name == "PATH" || fine(value)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn unknown(name: &str, why: &str) -> String {
    let why = if why.is_empty() { "its configuration names none" } else { why };
    format!("the hosts of {name} cannot be told: {why}. Name them as host:port")
}

/// What one manager's configuration gave.
#[derive(Default)]
struct Found {
    hosts: Vec<String>,
    notes: Vec<String>,
}

impl Found {
    /// Takes the host of an address over; one that cannot be used becomes a note.
    fn address(&mut self, written: &str) {
        match address::host_of(written) {
            Ok(Some(host)) => self.hosts.push(host),
            Ok(None) => {}
            Err(why) => self.notes.push(why),
        }
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn into_registry(mut self) -> Registry {
        self.hosts.sort();
        self.hosts.dedup();
        Registry { hosts: self.hosts, notes: self.notes }
    }
}

/// The text of a configuration file of the user; small ones only.
fn small_file(path: PathBuf) -> Option<String> {
    const LARGEST: u64 = 1 << 20;
    let about = std::fs::metadata(&path).ok()?;
    (about.is_file() && about.len() <= LARGEST).then(|| std::fs::read_to_string(path).ok()).flatten()
}

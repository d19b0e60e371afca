//! What commands see of the machine besides the workspace: which folders become private, what of the user's home stays
//! visible read-only, and which files are hidden or rebuilt.
//!
//! The home is private and empty but for what is listed here: toolchains, package caches, what the policy names. A list of
//! what may be seen, never of what may not: no credential file can be forgotten on it.
//!
//! It owns the look at the user's folders, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use super::{
    environment::{self, Variables},
    git, managers, mountinfo, packages, sockets,
};
use crate::seams::{Facts, Reach, SandboxError, SandboxSpec};

/// Toolchains, package caches and their like below the home. Never a folder that also holds credentials: of cargo, npm and
/// maven only the parts.
const TOOLS: &[&str] = &[
    ".rustup",
    ".pyenv",
    ".nvm",
    ".volta/bin",
    ".volta/tools",
    ".asdf",
    ".sdkman/candidates",
    ".bun/bin",
    ".deno/bin",
    ".juliaup",
    ".npm/_cacache",
    ".cache/pip",
    ".m2/repository",
    ".gradle/wrapper",
    "go/bin",
    "go/pkg/mod",
    ".local/bin",
    ".local/lib",
    ".local/share/mise/installs",
    ".local/share/fnm",
    ".local/share/uv/python",
];

/// Always private, whoever the user is: other homes, other disks (which hold homes and copies of homes). `/dev` and `/proc` are
/// made anew besides.
const PRIVATE: [&str; 8] = ["/tmp", "/var/tmp", "/run", "/root", "/home", "/mnt", "/media", "/var/mail"];

/// Readable by a server that root runs, and nobody's business.
const SYSTEM_SECRETS: [&str; 9] = [
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssl/private",
    "/etc/ssh",
    "/etc/krb5.keytab",
];

/// The parts of a plan that stay the same for a session.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub covered: Vec<PathBuf>,
    /// Toolchains, caches and what the policy lets be read, covered or not.
    pub tools: Vec<PathBuf>,
    pub shown: Vec<PathBuf>,
    pub copies: Vec<(PathBuf, String)>,
    pub replaced: Vec<(PathBuf, String)>,
    pub masked: Vec<PathBuf>,
    /// Caches of package managers, there or not: what commands fetch lies over them.
    pub caches: Vec<PathBuf>,
    /// What commands see at another place, and its own.
    pub moved: Vec<(PathBuf, PathBuf)>,
}

impl View {
    /// What there is to know about these walls. Sockets that other programs make later are not in it.
    pub(super) fn facts(&self, spec: SandboxSpec, home: PathBuf) -> Facts {
        let rebuilt = self.copies.iter().chain(&self.replaced).map(|(path, _)| path.clone()).collect();
        let mut masked = self.masked.clone();
        masked.extend(sockets(self, &spec.folder));
        let (covered, shown, moved) = (self.covered.clone(), self.shown.clone(), self.moved.clone());
        Facts { spec, home, covered, shown, rebuilt, masked, moved, reach: Reach::Loopback }
    }
}

/// Computes the view. `hidden` are the server's own folders (shadows, journal, policy).
///
/// # Errors
/// [`SandboxError`] when the workspace folder is, or holds, the home or another folder that must be private.
pub(super) fn of(spec: &SandboxSpec, home: &Path, variables: &Variables, hidden: &[PathBuf]) -> Result<View, SandboxError> {
    // Some of them are links on some machines.
    let mut private: Vec<PathBuf> = PRIVATE.iter().filter_map(|path| Path::new(path).canonicalize().ok()).collect();
    private.retain(|path| path.is_dir() && path.parent().is_some());
    private.push(home.to_owned());
    private.extend(mountinfo::aliases([home].into_iter()));
    // Cargo writes its locks there; the parts that matter are shown below.
    let cargo = environment::cargo_home(variables, home);
    let apart = |path: &PathBuf| path.parent().is_some() && !path.starts_with(&spec.folder);
    private.extend(Some(cargo.clone()).filter(|path| is_real_folder(path) && apart(path)));
    if let Some(within) = private.iter().find(|path| path.starts_with(&spec.folder)) {
        return Err(SandboxError {
            step: "workspace folder".into(),
            why: if *within == spec.folder {
                format!("{} as a whole is nothing that commands may see", within.display())
            } else {
                format!("{} holds {}, which commands must not see", spec.folder.display(), within.display())
            },
            hint: "Open the folder of one project instead.".into(),
        });
    }
    // Inside the workspace they are left to the workspace's own rules.
    let elsewhere = mountinfo::aliases(hidden.iter().map(PathBuf::as_path));
    private.extend(hidden.iter().chain(&elsewhere).filter(|path| path.is_dir() && !path.starts_with(&spec.folder)).cloned());
    let covered = outermost(private);
    let is_covered = |path: &Path| covered.iter().any(|cover| path.starts_with(cover));

    let programs = environment::programs(variables, &spec.folder);
    let mut shown: Vec<PathBuf> = TOOLS.iter().map(|tool| home.join(tool)).collect();
    shown.extend(["bin", "registry", "git"].map(|part| cargo.join(part)));
    shown.extend(
        ["RUSTUP_HOME", "PYENV_ROOT", "NVM_DIR", "JAVA_HOME", "GOROOT"]
            .iter()
            .filter_map(|name| variables.get(*name))
            .map(PathBuf::from),
    );
    shown.extend(programs.split(':').map(PathBuf::from));
    shown.extend(spec.home_read.iter().filter_map(|path| readable(home, path)));
    let too_wide =
        |path: &Path| home.starts_with(path) || spec.folder.starts_with(path) || hidden.iter().any(|own| own.starts_with(path));
    // Also by where it leads: the workspace has its secrets unmasked anywhere but at its own path.
    let fits = |path: &Path, real: &Path| !too_wide(real) && (path.starts_with(&spec.folder) || !real.starts_with(&spec.folder));
    shown.retain(|path| path.is_absolute() && !too_wide(path) && path.canonicalize().is_ok_and(|real| fits(path, &real)));
    let tools = outermost(shown.clone());
    shown.retain(|path| is_covered(path));
    let mut replaced = replaced();
    replaced.extend(managers::replaced(&programs, home));
    replaced.extend(git::configs_elsewhere(&spec.folder));
    shown.extend(git::linked(&spec.folder).map(|work_tree| work_tree.common));
    let shown = outermost(shown.into_iter().filter(|path| is_covered(path)).collect());

    let masked = SYSTEM_SECRETS.iter().filter_map(|path| Path::new(path).canonicalize().ok()).collect();
    Ok(View {
        caches: packages::caches(home, &cargo).into_iter().filter(|path| is_covered(path)).collect(),
        copies: copies(home, &cargo).into_iter().filter(|(path, _)| is_covered(path)).collect(),
        replaced,
        covered,
        tools,
        shown,
        masked,
        moved: Vec::new(),
    })
}

/// Sockets with a name that other programs of this machine listen on: a read-only mount does not stop a connection to them.
/// Those below covered folders are gone anyway, and those in the workspace are not reachable through an overlay.
pub(super) fn sockets(view: &View, folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = sockets::named()
        .into_iter()
        .filter(|path| !path.starts_with(folder))
        .filter(|path| {
            !view.covered.iter().any(|cover| path.starts_with(cover)) || view.shown.iter().any(|shown| path.starts_with(shown))
        })
        .flat_map(sockets::standing)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// A path of the policy: `~/x` or `x` below the home, or an absolute one.
fn readable(home: &Path, written: &str) -> Option<PathBuf> {
    let relative = Path::new(written.strip_prefix("~/").unwrap_or(written));
    let plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    let absolute = relative.strip_prefix("/").is_ok_and(|rest| plain(rest) && !rest.as_os_str().is_empty());
    (absolute || plain(relative) && !written.is_empty()).then(|| home.join(relative))
}

/// Without those that lie below another, without links, parents first.
fn outermost(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    paths.dedup();
    let all = paths.clone();
    paths.retain(|path| !all.iter().any(|other| other != path && path.starts_with(other)));
    paths
}

fn is_real_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

/// Private copies below the home, rebuilt without credentials.
fn copies(home: &Path, cargo: &Path) -> Vec<(PathBuf, String)> {
    let mut copies = Vec::new();
    if let Ok(text) = fs::read_to_string(home.join(".gitconfig")) {
        copies.push((home.join(".gitconfig"), git::rebuilt(&text)));
    }
    copies.extend(managers::copies(home, cargo));
    copies
}

/// System-wide configuration that may hold credentials, rebuilt.
fn replaced() -> Vec<(PathBuf, String)> {
    let path = PathBuf::from("/etc/gitconfig");
    fs::read_to_string(&path).ok().map(|text| (path, git::rebuilt(&text))).into_iter().collect()
}

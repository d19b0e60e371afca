//! Which git, and the environment that it and its helpers get.

#![allow(clippy::disallowed_methods)] // looks for an executable

use std::{
    collections::BTreeSet,
    ffi::OsString,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use crate::seams::VcsError;

use super::{
    run::{LOCAL, Limits, run},
    words::{fail, fail_hint},
};

/// Variables that pass: who the user is, where agents and keyrings listen, proxies and certificates.
/// Nothing that names a program: an editor's direnv plug-in lets a workspace set the environment.
const PASSED: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "TZ",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "SSH_AUTH_SOCK",
    "GNUPGHOME",
    "GPG_TTY",
    "KRB5CCNAME",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
];

/// Folders looked into after those of the user's PATH.
const USUAL: &[&str] = &["/usr/local/bin", "/usr/bin", "/bin"];

/// The oldest git that has all the options used here.
const OLDEST: (u32, u32) = (2, 31);

pub(super) struct Program {
    git: PathBuf,
    env: Vec<(OsString, OsString)>,
}

impl Program {
    /// Takes the first git on the PATH's absolute folders outside `top`.
    pub fn find(env: &[(OsString, OsString)], top: &Path) -> Result<Program, VcsError> {
        let below = |path: &Path| {
            path != top
                && (path.starts_with(top) || std::fs::canonicalize(path).is_ok_and(|real| real != top && real.starts_with(top)))
        };
        let value = |name: &str| env.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value);
        let listed = value("PATH").map(|path| std::env::split_paths(path).collect::<Vec<_>>()).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let folders: Vec<PathBuf> = listed
            .into_iter()
            .chain(USUAL.iter().map(PathBuf::from))
            .filter(|dir| dir.is_absolute() && dir != top && !below(dir) && seen.insert(dir.clone()))
            .collect();
        let git = folders.iter().map(|dir| dir.join("git")).find(|file| {
            std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0) && !below(file)
        });
        let git = git.ok_or_else(|| fail_hint("there is no git on the PATH", "install git, then restart the server"))?;
        let path = std::env::join_paths(&folders).map_err(|_| fail("a folder on the PATH holds a colon"))?;
        let mut passed = vec![(OsString::from("PATH"), path)];
        for name in PASSED {
            if let Some(value) = value(name)
                && !(value.as_bytes().starts_with(b"/") && below(Path::new(value)))
            {
                passed.push((OsString::from(name), value.clone()));
            }
        }
        let fixed = [("LC_ALL", "C"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_OPTIONAL_LOCKS", "0"), ("GIT_ATTR_NOSYSTEM", "1")];
        let strict = [("GIT_NO_REPLACE_OBJECTS", "1"), ("GIT_NO_LAZY_FETCH", "1"), ("GIT_LITERAL_PATHSPECS", "1")];
        let plain = [("GIT_PAGER", "cat"), ("GIT_EDITOR", "false"), ("GIT_ALLOW_PROTOCOL", "")];
        passed.extend(fixed.iter().chain(&strict).chain(&plain).map(|(key, value)| (key.into(), value.into())));
        Ok(Program { git, env: passed })
    }

    pub fn git(&self) -> &Path {
        &self.git
    }

    pub fn env(&self) -> &[(OsString, OsString)] {
        &self.env
    }

    pub fn home(&self) -> Option<PathBuf> {
        self.env.iter().find(|(key, _)| key == "HOME").map(|(_, value)| PathBuf::from(value))
    }

    /// `2.47.3`, or why not.
    pub async fn version(&self, cwd: &Path) -> Result<String, VcsError> {
        let limits = Limits { time: LOCAL, bytes: 4096 };
        let output = run(&self.git, &["--version".into()], &self.env, cwd, None, limits).await?;
        let text = output.text();
        let version =
            text.trim().strip_prefix("git version ").unwrap_or_default().split(' ').next().unwrap_or_default().to_owned();
        let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if found < OLDEST {
            let (major, minor) = OLDEST;
            return Err(fail_hint(
                format!("{} is version {version:?}", self.git.display()),
                format!("install git {major}.{minor} or later, then restart the server"),
            ));
        }
        Ok(version)
    }
}

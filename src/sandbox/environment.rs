//! The environment that a command gets: built from nothing, never inherited.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::seams::SandboxSpec;

/// Taken over when the server has them: language and time, nothing that loads code or holds a secret.
const PASSED: [&str; 6] = ["LANG", "LC_ALL", "LC_CTYPE", "TZ", "RUSTUP_TOOLCHAIN", "PYENV_VERSION"];

/// Folders of programs where the server has no usable PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Never passed on, not even where the user's policy lists them: each makes a program load or run something.
const REFUSED: [&str; 10] =
    ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PROMPT_COMMAND", "IFS", "PS4"];

/// The server's variables by name.
pub(super) type Variables = BTreeMap<String, String>;

/// The variables of every command of a session.
pub(super) fn of_commands(server: &Variables, home: &Path, spec: &SandboxSpec) -> Vec<(String, String)> {
    let mut env = Variables::new();
    for name in PASSED.iter().copied().chain(spec.env_allow.iter().map(String::as_str)) {
        if let Some(value) = server.get(name).filter(|_| !REFUSED.contains(&name)) {
            env.insert(name.to_owned(), value.clone());
        }
    }
    let user = server.get("USER").or_else(|| server.get("LOGNAME")).cloned().unwrap_or_else(|| "user".into());
    let cargo = cargo_home(server, home).to_string_lossy().into_owned();
    let home = home.to_string_lossy().into_owned();
    let fixed = [
        ("PATH", programs(server, &spec.folder)),
        ("HOME", home.clone()),
        ("USER", user.clone()),
        ("LOGNAME", user),
        ("SHELL", "/bin/sh".into()),
        ("TERM", "dumb".into()),
        ("TMPDIR", "/tmp".into()),
        ("CARGO_HOME", cargo),
        ("GIT_TERMINAL_PROMPT", "0".into()),
        ("GIT_PAGER", "cat".into()),
        // The shadow is a mount of its own, and the repository may lie above it.
        ("GIT_DISCOVERY_ACROSS_FILESYSTEM", "1".into()),
        ("PAGER", "cat".into()),
    ];
    env.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
    if !["LANG", "LC_ALL", "LC_CTYPE"].iter().any(|name| env.contains_key(*name)) {
        // Text is UTF-8. The other categories would be those of C in either case, and each is a file that every program opens.
        env.insert("LC_CTYPE".into(), "C.UTF-8".into());
    }
    for (name, default) in [("RUSTUP_HOME", ".rustup"), ("PYENV_ROOT", ".pyenv"), ("NVM_DIR", ".nvm")] {
        let value = server.get(name).cloned().unwrap_or_else(|| format!("{home}/{default}"));
        if Path::new(&value).is_dir() {
            env.insert(name.to_owned(), value);
        }
    }
    env.into_iter().collect()
}

/// Cargo's own folder, without links where it exists.
pub(super) fn cargo_home(server: &Variables, home: &Path) -> PathBuf {
    let set = server.get("CARGO_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let path = set.unwrap_or_else(|| home.join(".cargo"));
    path.canonicalize().unwrap_or(path)
}

/// PATH without what is relative or lies in the workspace: no command of ours is looked up where the model writes.
pub(super) fn programs(server: &Variables, folder: &Path) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for entry in server.get("PATH").map_or("", String::as_str).split(':') {
        let path = Path::new(entry);
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if path.is_absolute() && !path.starts_with(folder) && !real.starts_with(folder) && !seen.contains(&entry) {
            seen.push(entry);
        }
    }
    if seen.is_empty() { DEFAULT_PATH.into() } else { seen.join(":") }
}

/// The shell: bash where there is one, else sh, by an absolute path outside the workspace.
pub(super) fn shell(server: &Variables, folder: &Path) -> Option<(PathBuf, &'static [&'static str])> {
    let programs = programs(server, folder);
    let find = |name: &str| {
        let system = ["/bin", "/usr/bin", "/usr/local/bin"].into_iter();
        system.chain(programs.split(':')).map(|dir| Path::new(dir).join(name)).find(|path| path.is_file())
    };
    let bash: &[&str] = &["--noprofile", "--norc", "-c"];
    find("bash").map(|path| (path, bash)).or_else(|| find("sh").map(|path| (path, &["-c"][..])))
}

//! Package managers' configuration rebuilt without what it may carry in secret: tokens, passwords, user-info in addresses,
//! and settings that run programs. Where packages come from stays.
//!
//! Only known keys are copied; whatever this reader does not understand is left out.
//!
//! It reads those files, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use toml::Value;

use super::git::without_userinfo;

/// npm's keys that commands may see; of scopes the registry besides.
const NPM: &[&str] = &[
    "registry",
    "replace-registry-host",
    "cafile",
    "strict-ssl",
    "ignore-scripts",
    "before",
    "min-release-age",
    "engine-strict",
    "save-exact",
    "save-prefix",
    "save",
    "package-lock",
    "lockfile-version",
    "omit-lockfile-registry-resolved",
    "legacy-peer-deps",
    "strict-peer-deps",
    "install-links",
    "install-strategy",
    "omit",
    "include",
    "fund",
    "audit",
    "update-notifier",
    "yes",
    "loglevel",
    "progress",
    "color",
    "nodedir",
];

/// pip's, in any of its sections.
const PIP: &[&str] = &[
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "trusted-host",
    "cert",
    "constraint",
    "require-hashes",
    "require-virtualenv",
    "only-binary",
    "no-binary",
    "prefer-binary",
    "pre",
    "timeout",
    "default-timeout",
    "retries",
    "no-cache-dir",
    "break-system-packages",
    "disable-pip-version-check",
    "uploaded-prior-to",
];

/// Go's.
const GO: &[&str] = &["GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOTOOLCHAIN"];

/// Private copies below the home and in cargo's folder; files of which nothing is left are not there at all.
pub(super) fn copies(home: &Path, cargo: &Path) -> Vec<(PathBuf, String)> {
    let of = |path: PathBuf, rebuilt: fn(&str) -> String| {
        let text = fs::read_to_string(&path).map(|text| rebuilt(&text)).unwrap_or_default();
        (!text.is_empty()).then_some((path, text))
    };
    let mut copies = vec![];
    copies.extend(of(home.join(".npmrc"), npm));
    copies.extend([".config/pip/pip.conf", ".pip/pip.conf"].into_iter().filter_map(|path| of(home.join(path), pip)));
    copies.extend(of(home.join(".config/go/env"), go));
    let config = ["config.toml", "config"].iter().find_map(|name| fs::read_to_string(cargo.join(name)).ok());
    // The folder must exist in any case: cargo writes its locks there.
    copies.push((cargo.join("config.toml"), config.map(|text| cargo_config(&text)).unwrap_or_default()));
    copies
}

/// Files that programs of `path` (folders joined by `:`) and the system have in visible places, where a secret may stand in
/// them: each with its rebuilt text.
pub(super) fn replaced(path: &str, home: &Path) -> Vec<(PathBuf, String)> {
    let mut npm_files = vec![PathBuf::from("/etc/npmrc")];
    let mut pip_files: Vec<PathBuf> = ["/etc/pip.conf", "/etc/xdg/pip/pip.conf"].map(PathBuf::from).into();
    for prefix in path.split(':').filter_map(|folder| Path::new(folder).parent()) {
        npm_files.push(prefix.join("etc/npmrc"));
        pip_files.push(prefix.join("pip.conf"));
    }
    for (versions, file, files) in
        [(".pyenv/versions", "pip.conf", &mut pip_files), (".nvm/versions/node", "etc/npmrc", &mut npm_files)]
    {
        let found = fs::read_dir(home.join(versions)).into_iter().flatten().flatten();
        files.extend(found.map(|version| version.path().join(file)));
    }
    let all = npm_files.into_iter().map(|path| (path, npm as fn(&str) -> String));
    let mut replaced: Vec<(PathBuf, String)> = all
        .chain(pip_files.into_iter().map(|path| (path, pip as fn(&str) -> String)))
        .filter_map(|(path, rebuilt)| {
            let text = fs::read_to_string(&path).ok()?;
            let rebuilt = rebuilt(&text);
            // Each costs a command a mount.
            (words(&text) != words(&rebuilt)).then_some((path, rebuilt))
        })
        .collect();
    replaced.sort();
    replaced.dedup();
    replaced
}

/// A text's meaning, comments and blanks apart.
fn words(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    lines.map(|line| line.split_whitespace().collect::<String>()).collect()
}

/// An `.npmrc`: `key = value` a line.
fn npm(text: &str) -> String {
    let known = |key: &str| {
        let key = key.trim_end_matches("[]");
        NPM.contains(&key) || key.starts_with('@') && key.ends_with(":registry") && !key.contains('/')
    };
    // A variable of the environment may stand for a token.
    let lines = text.lines().filter(|line| !line.contains("${"));
    lines.filter_map(|line| setting(line, &['='], known, &[])).collect()
}

/// A `pip.conf`: sections, and values that may go on in indented lines.
fn pip(text: &str) -> String {
    let (mut out, mut section, mut copied) = (String::new(), None, false);
    for line in text.lines() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with(char::is_whitespace) {
            if copied {
                out.push_str(&format!("    {}\n", addresses(bare, &[])));
            }
        } else if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = Some(name.to_owned());
            copied = false;
        } else {
            let kept = setting(bare, &['=', ':'], |key| PIP.contains(&key.replace('_', "-").as_str()), &[]);
            copied = kept.is_some();
            if let Some(kept) = kept {
                out.push_str(&section.take().map(|name| format!("[{name}]\n")).unwrap_or_default());
                out.push_str(&kept);
            }
        }
    }
    out
}

/// Go's own file of variables.
fn go(text: &str) -> String {
    text.lines().filter_map(|line| setting(line, &['='], |key| GO.contains(&key), &[',', '|'])).collect()
}

/// One line with a known key, without the user-info of the addresses in its value, which blanks and `between` separate.
fn setting(line: &str, signs: &[char], known: impl Fn(&str) -> bool, between: &[char]) -> Option<String> {
    let (key, value) = line.split_once(signs).map_or((line, None), |(key, value)| (key, Some(value.trim())));
    let key = key.trim();
    if !known(key) {
        return None;
    }
    Some(value.map_or_else(|| format!("{key}\n"), |value| format!("{key}={}\n", addresses(value, between))))
}

/// Each address of a list without its user-info; what might be one in another form is left out.
fn addresses(list: &str, between: &[char]) -> String {
    let ends = |c: char| c.is_whitespace() || between.contains(&c);
    let bare = |one: &str| match one {
        _ if one.contains("://") => without_userinfo(one),
        _ if one.contains('@') => String::new(),
        _ => one.to_owned(),
    };
    let one = |one: &str| {
        let end = one.find(ends).unwrap_or(one.len());
        format!("{}{}", bare(&one[..end]), &one[end..])
    };
    list.split_inclusive(ends).map(one).collect()
}

/// Cargo's configuration with nothing but what builds and fetches need: where crates come from, how targets link.
fn cargo_config(text: &str) -> String {
    let Ok(mut config) = text.parse::<toml::Table>() else { return String::new() };
    config.retain(|key, _| {
        matches!(
            key,
            "source" | "registries" | "registry" | "build" | "target" | "net" | "http" | "profile" | "patch" | "unstable"
        )
    });
    keep(&mut config, "net", &["offline", "retry"]);
    keep(&mut config, "registry", &["default"]);
    keep(&mut config, "http", &["cainfo", "check-revoke", "ssl-version", "timeout", "low-speed-limit", "multiplexing"]);
    if let Some(Value::Table(registries)) = config.get_mut("registries") {
        let names: Vec<String> = registries.keys().cloned().collect();
        names.iter().for_each(|name| keep(registries, name, &["index", "protocol"]));
    }
    if let Some(Value::Table(sources)) = config.get_mut("source") {
        const KEPT: [&str; 8] = ["replace-with", "directory", "local-registry", "registry", "git", "branch", "tag", "rev"];
        let names: Vec<String> = sources.keys().cloned().collect();
        names.iter().for_each(|name| keep(sources, name, &KEPT));
    }
    config.iter_mut().for_each(|(_, value)| bare(value));
    toml::to_string(&config).unwrap_or_default()
}

/// Keeps these keys of a table; what is no table goes whole.
fn keep(config: &mut toml::Table, name: &str, keys: &[&str]) {
    match config.get_mut(name) {
        Some(Value::Table(table)) => table.retain(|key, _| keys.contains(&key)),
        Some(_) => drop(config.remove(name)),
        None => {}
    }
}

/// Takes the user-info out of every address at any depth.
fn bare(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("://") => *text = without_userinfo(text),
        Value::Array(list) => list.iter_mut().for_each(bare),
        Value::Table(table) => {
            table.retain(|key, _| !(key.contains("://") && key.contains('@')));
            table.iter_mut().for_each(|(_, one)| bare(one));
        }
        _ => {}
    }
}

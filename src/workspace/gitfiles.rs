//! The few things that the policy must know of git, read from git's own files: which files it tracks, and its aliases.
//! Reading is all that happens here, and every byte is hostile: what cannot be read counts as untracked, the stricter case.
//!
//! The ban on `std::fs` is lifted: a repository may lie above the workspace folder, and its git folder anywhere.
#![allow(clippy::disallowed_methods)]

use std::{
    collections::{HashMap, HashSet},
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// A larger index is not read.
const INDEX_LIMIT: u64 = 512 << 20;
/// Configuration files beyond this are not read, bytes.
const CONFIG_LIMIT: u64 = 1 << 20;
/// How deep configuration files include others.
const INCLUDES: usize = 5;

/// What was read of the indexes of the repositories in and above a workspace.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    read: HashMap<PathBuf, Index>,
}

#[derive(Debug)]
struct Index {
    stamp: Stamp,
    paths: HashSet<Vec<u8>>,
}

type Stamp = (u64, u64, i64, i64);

impl Indexes {
    /// Whether the repository around an absolute path, if any, has it in its index.
    pub(super) fn tracks(&mut self, path: &Path) -> bool {
        let Some((tree, git)) = repository(path) else { return false };
        let Ok(name) = path.strip_prefix(&tree) else { return false };
        let file = git.join("index");
        let Ok(meta) = fs::metadata(&file) else { return false };
        let stamp = stamp(&meta);
        if self.read.get(&file).is_none_or(|index| index.stamp != stamp) {
            let readable = meta.is_file() && meta.len() <= INDEX_LIMIT;
            let bytes = if readable { fs::read(&file).unwrap_or_default() } else { Vec::new() };
            let hash = if sha256(&git) { 32 } else { 20 };
            self.read.insert(file.clone(), Index { stamp, paths: entries(&bytes, hash).unwrap_or_default() });
        }
        self.read.get(&file).is_some_and(|index| index.paths.contains(name.as_os_str().as_encoded_bytes()))
    }
}

fn stamp(meta: &Metadata) -> Stamp {
    (meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec())
}

/// Work tree and git folder of the nearest repository around a path.
pub(super) fn repository(path: &Path) -> Option<(PathBuf, PathBuf)> {
    path.ancestors().skip(1).find_map(|tree| {
        let git = tree.join(".git");
        let meta = fs::metadata(&git).ok()?;
        if meta.is_dir() {
            return Some((tree.to_owned(), git));
        }
        // A linked work tree or submodule: a file that names the folder.
        let text = small(&git)?;
        let named = text.strip_prefix("gitdir:")?.trim();
        Some((tree.to_owned(), tree.join(named)))
    })
}

/// The names in an index (versions 2 to 4); `None` when it is not one. Entries of a shared index are not seen.
fn entries(bytes: &[u8], hash: usize) -> Option<HashSet<Vec<u8>>> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    if bytes.get(..4)? != b"DIRC" {
        return None;
    }
    let (version, count) = (number(4)?, number(8)?);
    if !(2..=4).contains(&version) {
        return None;
    }
    let (mut paths, mut at, mut previous) = (HashSet::new(), 12, Vec::new());
    for _ in 0..count {
        let flags = at + 40 + hash;
        let extended = version >= 3 && bytes.get(flags)? & 0x40 != 0;
        let mut name = flags + if extended { 4 } else { 2 };
        let mut path = Vec::new();
        if version == 4 {
            let (strip, next) = offset(bytes, name)?;
            path.extend_from_slice(previous.get(..previous.len().checked_sub(strip)?)?);
            name = next;
        }
        let length = bytes.get(name..)?.iter().position(|byte| *byte == 0)?;
        path.extend_from_slice(&bytes[name..name + length]);
        at = match version {
            4 => name + length + 1,
            // Padded with one to eight zeros.
            _ => at + ((name + length - at) / 8 + 1) * 8,
        };
        previous.clone_from(&path);
        paths.insert(path);
    }
    Some(paths)
}

/// A number in git's variable-width encoding and where it ends.
fn offset(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut byte = *bytes.get(at)?;
    let mut value = usize::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        at += 1;
        byte = *bytes.get(at)?;
        value = value.checked_add(1)?.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
    }
    Some((value, at + 1))
}

fn sha256(git: &Path) -> bool {
    let mut values = Vec::new();
    config(&common(git).join("config"), None, 0, &mut values);
    values.iter().any(|(key, value)| key == "extensions.objectformat" && value.eq_ignore_ascii_case("sha256"))
}

/// The folder that the work trees of a repository share.
fn common(git: &Path) -> PathBuf {
    small(&git.join("commondir")).map_or_else(|| git.to_owned(), |text| git.join(text.trim()))
}

/// The text of a git alias as the repository around a folder, then the user, then the machine define it.
pub(super) fn alias(folder: &Path, home: Option<&Path>, config_home: Option<&Path>, name: &str) -> Option<String> {
    let wanted = name.to_lowercase();
    let keys = [format!("alias.{wanted}"), format!("alias.{wanted}.command")];
    let local = repository(&folder.join("x")).map(|(_, git)| git);
    let files = [
        local.as_ref().map(|git| git.join("config.worktree")),
        local.as_ref().map(|git| common(git).join("config")),
        home.map(|home| home.join(".gitconfig")),
        config_home.map(Path::to_owned).or_else(|| home.map(|home| home.join(".config"))).map(|dir| dir.join("git/config")),
        Some(PathBuf::from("/etc/gitconfig")),
    ];
    files.into_iter().flatten().find_map(|file| {
        let mut values = Vec::new();
        config(&file, home, 0, &mut values);
        // The last one of a file counts.
        values.into_iter().rev().find(|(key, _)| keys.contains(key)).map(|(_, value)| value)
    })
}

/// All `section.key` or `section.subsection.key` of a file with their values, keys in lower case, includes followed
/// whatever their condition.
fn config(file: &Path, home: Option<&Path>, depth: usize, values: &mut Vec<(String, String)>) {
    let Some(text) = small(file) else { return };
    let text = text.replace("\\\r\n", "").replace("\\\n", "");
    let mut section = String::new();
    for line in text.lines() {
        let mut line = line.trim();
        if let Some(rest) = line.strip_prefix('[') {
            let Some((head, after)) = rest.split_once(']') else { continue };
            section = match head.split_once('"') {
                Some((name, sub)) => format!("{}.{}", name.trim(), sub.trim_end_matches('"')),
                None => head.trim().to_owned(),
            }
            .to_lowercase();
            line = after.trim();
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';'])) else { continue };
        let (key, value) = (format!("{section}.{}", key.trim().to_lowercase()), value_of(value));
        if depth < INCLUDES && key.ends_with(".path") && (section == "include" || section.starts_with("includeif.")) {
            let target = match (value.strip_prefix("~/"), home) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => file.parent().unwrap_or(Path::new("/")).join(&value),
            };
            config(&target, home, depth + 1, values);
        }
        values.push((key, value));
    }
}

/// A value without its quotes, escapes and comment.
fn value_of(written: &str) -> String {
    let (mut value, mut quoted, mut chars) = (String::new(), false, written.trim().chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '#' | ';' if !quoted => break,
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(other) => value.push(other),
                None => {}
            },
            other => value.push(other),
        }
    }
    value.trim_end().to_owned()
}

/// A small regular file's text; `None` when it is missing, large or no file.
fn small(file: &Path) -> Option<String> {
    let meta = fs::metadata(file).ok()?;
    (meta.is_file() && meta.len() <= CONFIG_LIMIT)
        .then(|| fs::read(file).ok())?
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

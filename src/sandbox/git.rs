//! Git configuration rebuilt without what it may carry in secret: user-info in addresses, headers, credential helpers,
//! includes, and settings that run programs.
//!
//! Only known keys are copied; whatever this reader does not understand is left out. And reflogs without user-info, where
//! somebody pulled from an address with a token in it; and the folders of a linked work tree.
//!
//! It reads git's own files below a trusted workspace, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

use crate::path::WsPath;

/// Sections and the keys of them that commands may see. `*` is every key of a section that holds no secrets.
const KEYS: &[(&str, &[&str])] = &[
    (
        "core",
        &[
            "repositoryformatversion",
            "filemode",
            "bare",
            "logallrefupdates",
            "ignorecase",
            "precomposeunicode",
            "symlinks",
            "autocrlf",
            "eol",
            "worktree",
            "sharedrepository",
            "abbrev",
            "quotepath",
        ],
    ),
    ("extensions", &["objectformat", "refstorage", "partialclone", "worktreeconfig"]),
    ("user", &["name", "email"]),
    ("init", &["defaultbranch"]),
    ("branch", &["remote", "merge", "rebase"]),
    ("remote", &["url", "pushurl", "fetch"]),
    ("submodule", &["url", "active", "branch"]),
    ("safe", &["directory"]),
    ("pull", &["rebase", "ff"]),
    ("merge", &["conflictstyle", "ff"]),
    ("diff", &["algorithm", "renames"]),
];

/// The rebuilt text of a configuration file.
pub(super) fn rebuilt(text: &str) -> String {
    let mut out = String::new();
    let mut section: Option<&[&str]> = None;
    // A value that goes on in the next line is a rarity whose meaning depends on quoting: it is dropped whole.
    let mut continued = false;
    for line in text.lines() {
        let was_continued = std::mem::replace(&mut continued, line.ends_with('\\'));
        let line = line.trim();
        if was_continued || continued || line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') {
            section = header(line).inspect(|(header, _)| out.push_str(&format!("{header}\n"))).map(|(_, keys)| keys);
        } else if let (Some(keys), Some((key, value))) = (section, setting(line))
            && keys.contains(&key.as_str())
            && let Some(value) = harmless(&value)
        {
            out.push_str(&format!("\t{key} = {value}\n"));
        }
    }
    out
}

/// `[name]` or `[name "sub"]` on a line of its own, with the keys that may be copied from it.
fn header(line: &str) -> Option<(String, &'static [&'static str])> {
    let inner = line.strip_prefix('[')?.strip_suffix(']')?;
    let (name, sub) = match inner.split_once(char::is_whitespace) {
        Some((name, sub)) => (name, Some(sub.trim().strip_prefix('"')?.strip_suffix('"')?)),
        None => (inner, None),
    };
    let name = name.to_ascii_lowercase();
    let (_, keys) = KEYS.iter().find(|(known, _)| *known == name)?;
    match sub {
        Some(sub) if sub.contains(['"', '\\', ']', '[']) || sub.contains("://") => None,
        Some(sub) => Some((format!("[{name} \"{sub}\"]"), keys)),
        None => Some((format!("[{name}]"), keys)),
    }
}

/// `key = value`; a key alone means true.
fn setting(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once('=').map_or((line, "true"), |(key, value)| (key.trim(), value.trim()));
    let fine = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    fine.then(|| (key.to_ascii_lowercase(), value.to_owned()))
}

/// The value without user-info; `None` for what would need quoting or could hide something.
fn harmless(value: &str) -> Option<String> {
    if value.contains(['\\', '"', '#', ';']) || value.chars().any(char::is_control) {
        let bare = value.strip_prefix('"')?.strip_suffix('"')?;
        return (!bare.contains(['\\', '"']) && !bare.chars().any(char::is_control))
            .then(|| format!("\"{}\"", without_userinfo(bare)));
    }
    Some(without_userinfo(value))
}

/// `scheme://user:token@host/path?query` becomes `scheme://host/path`; anything else stays.
pub(super) fn without_userinfo(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// What a file is that has not changed: size, times and the file itself.
type State = (u64, u64, u64, i64, i64, i64, i64);

/// What reflogs were last shown as. All of them are looked at for each command, and hardly any ever changes.
static SHOWN: LazyLock<Mutex<Shown>> = LazyLock::new(Mutex::default);

type Shown = HashMap<PathBuf, (State, Option<String>)>;

/// The text of a reflog without the user-info of addresses in it; `None` when there is none, and it can be seen as it is.
pub(super) fn reflog(path: &Path) -> Option<String> {
    let shown = || SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let about = fs::metadata(path).ok()?;
    let times = (about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec());
    let state = (about.dev(), about.ino(), about.size(), times.0, times.1, times.2, times.3);
    if let Some((_, text)) = shown().get(path).filter(|(before, _)| *before == state) {
        return text.clone();
    }
    // One that changes meanwhile is of another state the next time.
    let text = without_userinfo_anywhere(&fs::read(path).ok()?);
    shown().insert(path.to_owned(), (state, text.clone()));
    text
}

fn without_userinfo_anywhere(log: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(log);
    if !text.contains("://") {
        return None;
    }
    let shown = |word: &str| {
        let (address, end) = word.split_at(word.trim_end().len());
        if address.contains('@') { without_userinfo(address) + end } else { word.to_owned() }
    };
    let bare: String = text.split_inclusive(char::is_whitespace).map(shown).collect();
    (bare != text).then_some(bare)
}

/// What commands see in place of files of the repository in `folder`, of its submodules and work trees: rebuilt configuration,
/// reflogs without user-info.
pub(super) fn configs(folder: &Path) -> Vec<(WsPath, String)> {
    let found = rebuilt_below(&folder.join(".git")).into_iter();
    found.filter_map(|(path, text)| Some((WsPath::from_disk(path.strip_prefix(folder).ok()?.to_str()?)?, text))).collect()
}

/// The same for repositories that the folder lies in, and for the one that a linked work tree belongs to: they are not part of
/// the shadow, but commands may see them.
pub(super) fn configs_elsewhere(folder: &Path) -> Vec<(PathBuf, String)> {
    let of = |top: &Path| match linked(top) {
        Some(work_tree) => work_tree.configs,
        None if top == folder => Vec::new(),
        None => rebuilt_below(&top.join(".git")),
    };
    folder.ancestors().flat_map(of).collect()
}

/// All of that below one of git's own folders.
fn rebuilt_below(git: &Path) -> Vec<(PathBuf, String)> {
    let (mut found, mut folders) = (Vec::new(), Vec::new());
    // Most folders above a workspace are no repositories, and each command asks.
    folders.extend(git.is_dir().then(|| git.to_owned()));
    while let Some(folder) = folders.pop() {
        for config in ["config", "config.worktree"].map(|name| folder.join(name)) {
            if let Ok(text) = fs::read_to_string(&config) {
                found.push((config, rebuilt(&text)));
            }
        }
        // Every one: a pull that leaves HEAD where it is, or is made in a linked work tree, is noted in a branch's log alone.
        found.extend(files_below(folder.join("logs")).filter_map(|log| reflog(&log).map(|text| (log, text))));
        // A submodule's name may hold slashes: folders in between are no repositories themselves.
        let within = if folder == git || folder.join("HEAD").exists() {
            vec![folder.join("modules"), folder.join("worktrees")]
        } else {
            vec![folder]
        };
        let entries = within.iter().filter_map(|within| fs::read_dir(within).ok()).flatten().flatten();
        folders.extend(entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()));
    }
    found
}

fn files_below(folder: PathBuf) -> impl Iterator<Item = PathBuf> {
    let mut folders = vec![folder];
    std::iter::from_fn(move || {
        let entries = fs::read_dir(folders.pop()?).into_iter().flatten().flatten();
        let (more, files): (Vec<_>, Vec<_>) = entries
            .filter_map(|entry| Some((entry.file_type().ok()?, entry.path())))
            .filter(|(kind, _)| kind.is_dir() || kind.is_file())
            .partition(|(kind, _)| kind.is_dir());
        folders.extend(more.into_iter().map(|(_, path)| path));
        Some(files.into_iter().map(|(_, path)| path))
    })
    .flatten()
}

/// What a work tree needs whose `.git` is a file that points to another repository.
pub(super) struct Linked {
    /// The repository's folder, to be seen read-only.
    pub common: PathBuf,
    /// What of it is this work tree's alone, in a folder below.
    pub own: PathBuf,
    /// Configuration files in it, rebuilt.
    pub configs: Vec<(PathBuf, String)>,
}

/// Follows `.git` where it is a file. Only where git's own folder names this work tree in turn: else a file with a few words
/// in it could show commands any folder of the home.
pub(super) fn linked(folder: &Path) -> Option<Linked> {
    let pointer = folder.join(".git");
    let text = fs::read_to_string(&pointer).ok()?;
    let own = folder.join(text.strip_prefix("gitdir:")?.trim()).canonicalize().ok()?;
    let back = fs::read_to_string(own.join("gitdir")).ok()?;
    if Path::new(back.trim()).canonicalize().ok()? != pointer.canonicalize().ok()? {
        return None;
    }
    let common = own.join(fs::read_to_string(own.join("commondir")).ok()?.trim()).canonicalize().ok()?;
    let is_repository = common.join("HEAD").is_file() && common.join("objects").is_dir() && own.starts_with(&common);
    is_repository.then(|| Linked { configs: rebuilt_below(&common), common, own })
}

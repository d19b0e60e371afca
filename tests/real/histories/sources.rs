//! Where real texts are: this repository's history, and the sources of the crates that it is built from.

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;

use super::Pair;

/// Larger texts are left out, bytes.
const MOST: usize = 64 * 1024;
/// Sources to be changed are not smaller or larger than this, bytes.
const SOURCE: std::ops::Range<u64> = 64..16 * 1024;
/// Sources of one crate, at most.
const OF_ONE_CRATE: usize = 40;

/// Files before and after commits, the newest first, at most `limit`.
pub fn from_git(limit: usize) -> Vec<Pair> {
    let args = ["log", "--no-merges", "--no-renames", "--diff-filter=M", "--raw", "--no-abbrev", "--format="];
    let log = Command::new("git").args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("git starts");
    assert!(log.status.success(), "git log: {}", String::from_utf8_lossy(&log.stderr));
    let mut seen = HashSet::new();
    let wanted: Vec<(String, String, String)> = String::from_utf8_lossy(&log.stdout)
        .lines()
        .filter_map(|line| {
            // `:mode mode blob blob M<tab>path`
            let (about, path) = line.strip_prefix(':')?.split_once('\t')?;
            let mut about = about.split(' ').skip(2);
            Some((about.next()?.to_owned(), about.next()?.to_owned(), path.to_owned()))
        })
        .filter(|(old, new, _)| old != new && seen.insert((old.clone(), new.clone())))
        .take(limit)
        .collect();
    let texts = blobs(wanted.iter().flat_map(|(old, new, _)| [old.clone(), new.clone()]).collect());
    let pairs = wanted.into_iter().zip(texts.chunks(2)).filter_map(|((_, new_id, path), texts)| {
        let (old, new) = (texts[0].clone()?, texts[1].clone()?);
        Some(Pair { name: format!("{path} at {new_id}"), old, new })
    });
    pairs.collect()
}

/// The texts of blobs in one go; `None` for what is no text, or too large.
fn blobs(ids: Vec<String>) -> Vec<Option<String>> {
    let mut git = Command::new("git");
    git.args(["cat-file", "--batch"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let mut git = git.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git starts");
    let mut asking = git.stdin.take().unwrap();
    let count = ids.len();
    let asker = thread::spawn(move || ids.iter().for_each(|id| writeln!(asking, "{id}").unwrap()));
    let mut answers = BufReader::new(git.stdout.take().unwrap());
    let texts = (0..count).map(|_| {
        let mut head = String::new();
        answers.read_line(&mut head).unwrap();
        let size: usize = head.trim().rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("git cat-file: {head}"));
        let mut bytes = vec![0; size + 1];
        answers.read_exact(&mut bytes).unwrap();
        bytes.pop();
        String::from_utf8(bytes).ok().filter(|text| is_text(text))
    });
    let texts = texts.collect();
    asker.join().unwrap();
    git.wait().unwrap();
    texts
}

/// Texts of the crates that are built in here, in an order that is the same on every machine.
pub fn texts() -> Vec<String> {
    let host = Command::new("rustc").args(["--print", "host-tuple"]).output().expect("rustc starts");
    let host = String::from_utf8(host.stdout).unwrap();
    // Crates of other platforms may not be here.
    let args = ["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", host.trim()];
    let output = Command::new(env!("CARGO")).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo starts");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let folders = packages.iter().filter(|package| !package["source"].is_null());
    let mut folders: Vec<(String, PathBuf)> = folders
        .map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str().unwrap());
            (format!("{} {}", package["name"], package["version"]), manifest.parent().unwrap().to_owned())
        })
        .collect();
    folders.sort();
    let files = folders.iter().flat_map(|(_, folder)| {
        let mut files = Vec::new();
        collect(folder, &mut files);
        files.sort();
        files.truncate(OF_ONE_CRATE);
        files
    });
    files.filter_map(|file| fs::read_to_string(file).ok()).filter(|text| is_text(text)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, Ok(about)) = (entry.path(), entry.metadata()) else { continue };
        let known = path
            .extension()
            .is_some_and(|end| ["rs", "md", "toml", "c", "h", "py", "js", "json", "yml"].iter().any(|known| end == *known));
        if about.is_dir() {
            collect(&path, files);
        } else if known && SOURCE.contains(&about.len()) {
            files.push(path);
        }
    }
}

fn is_text(text: &str) -> bool {
    text.len() <= MOST && !text.contains('\0')
}

//! From accepted texts to a tree: in an index of its own, from HEAD, with nothing of the working tree in it.

#![allow(clippy::disallowed_methods)] // asks whether a file exists and is executable

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use crate::path::WsPath;
use crate::seams::VcsError;

use super::{
    desk::Desk,
    merge,
    words::{fail, fail_hint},
};

/// Largest text that is committed.
const TEXT: usize = 8 << 20;
/// Paths on one command line.
const PATHS: usize = 400;

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeEntry {
    pub mode: String,
    pub id: String,
}

pub(super) struct Built {
    pub tree: String,
    /// The temporary index, in the desk.
    pub index: PathBuf,
    /// Repository path and new content of every file that differs from the parent.
    pub changes: Vec<(String, Option<Vec<u8>>)>,
    /// Workspace path and reason of every file left out.
    pub refused: Vec<(String, String)>,
}

/// Applies the accepted hunks to the parent's texts and writes blobs and tree.
pub(super) async fn build(
    desk: &Desk<'_>,
    parent: Option<&str>,
    accepted: &[(WsPath, Vec<(String, String)>)],
) -> Result<Built, VcsError> {
    let mut steps: BTreeMap<&WsPath, Vec<&(String, String)>> = BTreeMap::new();
    for (path, pairs) in accepted {
        steps.entry(path).or_default().extend(pairs);
    }
    let base = parent_entries(desk, parent, steps.keys().map(|path| desk.place.in_repo(path))).await?;
    let (mut lines, mut changes, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (path, pairs) in steps {
        let full = desk.place.in_repo(path);
        match one(desk, &full, &base, &pairs).await? {
            Ok(None) => {}
            Ok(Some((line, content))) => {
                lines.extend_from_slice(line.as_bytes());
                lines.push(0);
                changes.push((full, content));
            }
            Err(why) => refused.push((path.to_string(), why)),
        }
    }
    let index = desk.file("index");
    let env: [(&str, OsString); 1] = [("GIT_INDEX_FILE", index.clone().into())];
    desk.git_with(&["read-tree", parent.unwrap_or("--empty")], None, &env).await?;
    desk.git_with(&["update-index", "-z", "--index-info"], Some(&lines), &env).await?;
    let tree = desk.git_with(&["write-tree"], None, &env).await?.text().trim().to_owned();
    let wanted: BTreeSet<&str> = changes.iter().map(|(path, _)| path.as_str()).collect();
    let touched = changed(desk, parent.unwrap_or(desk.empty_tree()), &tree).await?;
    if let Some(stray) = touched.keys().find(|path| !wanted.contains(path.as_str())) {
        return Err(fail(format!("the commit would also change {stray:?}, which nobody accepted")));
    }
    // git passes over `.git/x` and the like without an error
    let untaken = |path: &String| !touched.contains_key(path);
    refused.extend(
        changes.iter().filter(|(path, _)| untaken(path)).map(|(path, _)| (path.clone(), "git does not take this path".into())),
    );
    changes.retain(|(path, _)| !untaken(path));
    Ok(Built { tree, index, changes, refused })
}

type Change = (String, Option<Vec<u8>>);

/// What becomes of one file: an index line and its content, nothing, or the word of refusal.
async fn one(
    desk: &Desk<'_>,
    full: &str,
    base: &BTreeMap<String, TreeEntry>,
    pairs: &[&(String, String)],
) -> Result<Result<Option<Change>, String>, VcsError> {
    let above = full.match_indices('/').map(|(at, _)| &full[..at]);
    if let Some(file) = above.into_iter().find(|dir| base.get(*dir).is_some_and(|entry| entry.mode != "040000")) {
        return Ok(Err(format!("{file:?} is not a folder in HEAD")));
    }
    let entry = base.get(full);
    let mut text = match entry {
        None => String::new(),
        Some(entry) => match entry.mode.as_str() {
            "100644" | "100755" => {
                match desk.git(&["cat-file", "blob", &entry.id]).await.map(|output| String::from_utf8(output.stdout)) {
                    Ok(Ok(text)) if text.len() <= TEXT => text,
                    Ok(Ok(_)) => return Ok(Err("it is larger than 8 MiB in HEAD".into())),
                    Ok(Err(_)) => return Ok(Err("it is not UTF-8 in HEAD".into())),
                    Err(error) => return Ok(Err(error.message)),
                }
            }
            "120000" => return Ok(Err("it is a symbolic link in HEAD".into())),
            "160000" => return Ok(Err("it is a submodule in HEAD".into())),
            _ => return Ok(Err("it is a folder in HEAD".into())),
        },
    };
    let found = text.clone();
    for (before, after) in pairs {
        if entry.is_none() && text.is_empty() && !before.is_empty() {
            return Ok(Err(
                "HEAD does not have the file, and only a change to it was accepted: commit the file itself first".into()
            ));
        }
        text = match merge::apply(&text, before, after) {
            Some(text) => text,
            None => return Ok(Err("the accepted change stands on edits that are not committed: commit those first".into())),
        };
    }
    let meta = fs::symlink_metadata(desk.place.top.join(full)).ok();
    let change = if text.is_empty() && meta.is_none() {
        // an empty text whose file is gone is a deletion
        entry.map(|_| (format!("0 {}\t{full}", desk.no_id()), None))
    } else if entry.is_some() && text == found {
        None
    } else if text.len() > TEXT {
        return Ok(Err("it is larger than 8 MiB".into()));
    } else {
        let runs = meta.is_some_and(|meta| meta.is_file() && meta.permissions().mode() & 0o100 != 0)
            && desk.flag("core", "filemode") != Some(false);
        let mode = entry.map_or(if runs { "100755" } else { "100644" }, |entry| entry.mode.as_str());
        let id = desk.git_with(&["hash-object", "-w", "--no-filters", "--stdin"], Some(text.as_bytes()), &[]).await?.text();
        Some((format!("{mode} {}\t{full}", id.trim()), Some(text.into_bytes())))
    };
    Ok(Ok(change))
}

/// The parent's entries of these paths and of every folder above them.
async fn parent_entries(
    desk: &Desk<'_>,
    parent: Option<&str>,
    paths: impl Iterator<Item = String>,
) -> Result<BTreeMap<String, TreeEntry>, VcsError> {
    let mut entries = BTreeMap::new();
    let Some(parent) = parent else { return Ok(entries) };
    let mut wanted = BTreeSet::new();
    for path in paths {
        if path.is_empty() {
            return Err(fail_hint("the folder itself cannot be committed", "give files"));
        }
        wanted.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
        wanted.insert(path);
    }
    let wanted: Vec<String> = wanted.into_iter().collect();
    for chunk in wanted.chunks(PATHS) {
        let mut args = vec!["ls-tree", "-z", "-t", "--full-tree", parent, "--"];
        args.extend(chunk.iter().map(String::as_str));
        for record in desk.git(&args).await?.text().split('\0') {
            if let Some((head, path)) = record.split_once('\t')
                && let [mode, _, id] = head.split(' ').collect::<Vec<_>>()[..]
            {
                entries.insert(path.to_owned(), TreeEntry { mode: mode.to_owned(), id: id.to_owned() });
            }
        }
    }
    Ok(entries)
}

/// Old and new entry of every path that differs between two trees; `None` where it is absent.
pub(super) async fn changed(
    desk: &Desk<'_>,
    old: &str,
    new: &str,
) -> Result<BTreeMap<String, (Option<TreeEntry>, Option<TreeEntry>)>, VcsError> {
    let listing = desk
        .git(&["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none", old, new])
        .await?
        .text();
    let mut fields = listing.split('\0');
    let mut all = BTreeMap::new();
    while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
        let [old_mode, new_mode, old_id, new_id, _] = head.trim_start_matches(':').split(' ').collect::<Vec<_>>()[..] else {
            continue;
        };
        let entry = |mode: &str, id: &str| (mode != "000000").then(|| TreeEntry { mode: mode.to_owned(), id: id.to_owned() });
        all.insert(path.to_owned(), (entry(old_mode, old_id), entry(new_mode, new_id)));
    }
    Ok(all)
}

/// The user's own index entries of these paths: `None` for a path in conflict, absent paths are absent.
pub(super) async fn staged(desk: &Desk<'_>, paths: &[&str]) -> Result<BTreeMap<String, Option<TreeEntry>>, VcsError> {
    let mut all = BTreeMap::new();
    for chunk in paths.chunks(PATHS) {
        let mut args = vec!["ls-files", "--stage", "-z", "--"];
        args.extend(chunk);
        for record in desk.git(&args).await?.text().split('\0') {
            if let Some((head, path)) = record.split_once('\t')
                && let [mode, id, stage] = head.split(' ').collect::<Vec<_>>()[..]
            {
                let entry = (stage == "0").then(|| TreeEntry { mode: mode.to_owned(), id: id.to_owned() });
                all.insert(path.to_owned(), entry);
            }
        }
    }
    Ok(all)
}

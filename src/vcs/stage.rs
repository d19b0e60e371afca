//! From accepted changes to a tree: in an index of its own, from HEAD, with nothing of the working tree in it but bytes that are
//! exactly the accepted ones.

#![allow(clippy::disallowed_methods)] // asks whether a file exists and is executable, and reads accepted bytes

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    io::Read,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::PathBuf,
};

use rustix::fs::OFlags;

use crate::{
    path::WsPath,
    proposal::{Blob, mode_word},
    seams::{Accepted, VcsError},
};

use super::{
    desk::Desk,
    merge,
    words::{fail, fail_hint},
};

/// Largest text that is committed.
const TEXT: usize = 8 << 20;
/// Largest file that is no text and is committed.
const BYTES: u64 = 16 << 20;
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
    accepted: &[(WsPath, Vec<Accepted>)],
) -> Result<Built, VcsError> {
    let mut steps: BTreeMap<&WsPath, Vec<&Accepted>> = BTreeMap::new();
    for (path, taken) in accepted {
        steps.entry(path).or_default().extend(taken);
    }
    let base = parent_entries(desk, parent, steps.keys().map(|path| desk.place.in_repo(path))).await?;
    let (mut lines, mut changes, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (path, taken) in steps {
        let full = desk.place.in_repo(path);
        match one(desk, &full, &base, &taken).await? {
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

/// A file on its way from HEAD to the commit.
enum File {
    /// With an empty text where there is none: the working tree tells the two apart.
    Text(String),
    /// A file that is no text, by the SHA-256 of its bytes.
    Bytes(String),
    Gone,
}

/// What becomes of one file: an index line and its content, nothing, or the word of refusal.
async fn one(
    desk: &Desk<'_>,
    full: &str,
    base: &BTreeMap<String, TreeEntry>,
    steps: &[&Accepted],
) -> Result<Result<Option<Change>, String>, VcsError> {
    let above = full.match_indices('/').map(|(at, _)| &full[..at]);
    if let Some(file) = above.into_iter().find(|dir| base.get(*dir).is_some_and(|entry| entry.mode != "040000")) {
        return Ok(Err(format!("{file:?} is not a folder in HEAD")));
    }
    let entry = base.get(full);
    let found = match entry {
        None => Vec::new(),
        Some(entry) => match entry.mode.as_str() {
            "100644" | "100755" => match desk.git(&["cat-file", "blob", &entry.id]).await {
                Ok(output) => output.stdout,
                Err(error) => return Ok(Err(error.message)),
            },
            "120000" => return Ok(Err("it is a symbolic link in HEAD".into())),
            "160000" => return Ok(Err("it is a submodule in HEAD".into())),
            _ => return Ok(Err("it is a folder in HEAD".into())),
        },
    };
    let (file, mode) = match walked(entry.is_some(), &found, steps) {
        Ok(walked) => walked,
        Err(why) => return Ok(Err(why.into())),
    };
    let meta = fs::symlink_metadata(desk.place.top.join(full)).ok();
    let content = match file {
        File::Gone => None,
        // an empty text whose file is gone is a deletion
        File::Text(text) if text.is_empty() && meta.is_none() => None,
        File::Text(text) if text.len() > TEXT => return Ok(Err("it is larger than 8 MiB".into())),
        File::Text(text) => Some(text.into_bytes()),
        File::Bytes(sha256) if entry.is_some() && Blob::of(&found).sha256 == sha256 => Some(found.clone()),
        File::Bytes(sha256) => match bytes(desk, full, &sha256) {
            Ok(bytes) => Some(bytes),
            Err(why) => return Ok(Err(why)),
        },
    };
    let Some(content) = content else {
        return Ok(Ok(entry.map(|_| (format!("0 {}\t{full}", desk.no_id()), None))));
    };
    let runs = || {
        meta.is_some_and(|meta| meta.is_file() && meta.permissions().mode() & 0o100 != 0)
            && desk.flag("core", "filemode") != Some(false)
    };
    let mode = match (mode, entry) {
        (Some(executable), _) => mode_word(executable),
        (None, Some(entry)) => entry.mode.as_str(),
        (None, None) => mode_word(runs()),
    };
    let same = entry.filter(|_| content == found);
    let id = match same {
        Some(entry) if entry.mode == mode => return Ok(Ok(None)),
        Some(entry) => entry.id.clone(),
        None => {
            let written = desk.git_with(&["hash-object", "-w", "--no-filters", "--stdin"], Some(&content), &[]).await?.text();
            written.trim().to_owned()
        }
    };
    Ok(Ok(Some((format!("{mode} {id}\t{full}"), Some(content)))))
}

/// What the accepted changes make of a file that HEAD has (`exists`) with these bytes, and the mode that they give it.
fn walked(exists: bool, found: &[u8], steps: &[&Accepted]) -> Result<(File, Option<bool>), &'static str> {
    const OTHER: &str = "HEAD has other bytes there than the accepted change was made from: commit those first";
    let is = |sha256: &String| Blob::of(found).sha256 == *sha256;
    let mut mode = None;
    // Bytes that are no text become a state of their own with the first change that is about them.
    let mut file: Option<File> = None;
    for step in steps {
        let next = match (step, file.take()) {
            (Accepted::Mode { executable }, now) => {
                if !exists && steps.iter().all(|step| matches!(step, Accepted::Mode { .. })) {
                    return Err("HEAD does not have the file, and only its mode was accepted: commit the file itself first");
                }
                mode = Some(*executable);
                file = now;
                continue;
            }
            (Accepted::Text { before, after }, now) => {
                let text = match now {
                    Some(File::Text(text)) => text,
                    Some(File::Gone) => String::new(),
                    Some(File::Bytes(_)) => return Err("it is no text"),
                    None => in_head(found)?,
                };
                if !exists && text.is_empty() && !before.is_empty() {
                    return Err(
                        "HEAD does not have the file, and only a change to it was accepted: commit the file itself first",
                    );
                }
                let text = merge::apply(&text, before, after);
                File::Text(text.ok_or("the accepted change stands on edits that are not committed: commit those first")?)
            }
            (Accepted::Bytes { before, after }, now) => {
                let stands = match (&now, before) {
                    (None, Some(before)) => !exists || is(before),
                    (None, None) => !exists,
                    (Some(File::Bytes(now)), Some(before)) => now == before,
                    (Some(File::Gone), None) => true,
                    (Some(File::Text(text)), None) => text.is_empty(),
                    _ => false,
                };
                if !stands {
                    return Err(OTHER);
                }
                after.as_ref().map_or(File::Gone, |after| File::Bytes(after.clone()))
            }
        };
        file = Some(next);
    }
    Ok(match file {
        Some(file) => (file, mode),
        // Only the mode: whatever the bytes are.
        None => (File::Bytes(Blob::of(found).sha256), mode),
    })
}

fn in_head(found: &[u8]) -> Result<String, &'static str> {
    match String::from_utf8(found.to_vec()) {
        Ok(text) if text.len() <= TEXT => Ok(text),
        Ok(_) => Err("it is larger than 8 MiB in HEAD"),
        Err(_) => Err("it is not UTF-8 in HEAD"),
    }
}

/// The working tree's file, if its bytes are exactly the accepted ones.
fn bytes(desk: &Desk<'_>, full: &str, sha256: &str) -> Result<Vec<u8>, String> {
    let file = desk.place.top.join(full);
    let open = || {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&file)
    };
    let mut found = Vec::new();
    let read = open().and_then(|file| file.take(BYTES + 1).read_to_end(&mut found));
    match read {
        Err(error) => Err(format!("it cannot be read: {error}")),
        Ok(_) if found.len() as u64 > BYTES => Err("it is larger than 16 MiB".into()),
        Ok(_) if Blob::of(&found).sha256 != sha256 => Err("its bytes are not the accepted ones any more".into()),
        Ok(_) => Ok(found),
    }
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

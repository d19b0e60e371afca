//! What a command wrote in the shadow, as changes of what the task saw when it began: texts line by line, modes, new, deleted
//! and moved files. What cannot be proposed is named with the reason.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Mutex,
    time::{Duration, SystemTime},
};

use ignore::WalkState;
use rustix::fs::FileType;

use crate::{
    event::TaskId,
    path::WsPath,
    policy::Surroundings,
    seams::{CACHE_TAG, FILLED, FileKind, Found, Merge, Merges, Moment, StageOp, Stood, Written},
    text::{self, Text},
};

use super::{
    decode::decode,
    desk::{Desk, Seen},
    disk::Folder,
    surroundings::World,
    walk::{Rules, VERSION_CONTROL, below, walk},
};

/// The most files of a deleted folder that are looked for.
const MOST: usize = 2_000;

/// Leaves out what the ignore rules leave out and git does not track all the same, and what is no work of anybody where a project
/// has no such rules.
pub(super) fn sources(world: &World, mut changed: Vec<String>) -> Vec<String> {
    let folder = world.disk();
    let tagged = changed.iter().filter_map(|path| path.strip_suffix(CACHE_TAG)?.strip_suffix('/'));
    // Of folders, whether they are caches, as far as it is known.
    let mut caches: HashMap<String, bool> = tagged.map(|folder| (folder.to_owned(), true)).collect();
    let mut is_cache = |path: &str| match caches.get(path) {
        Some(known) => *known,
        None => {
            let found = folder.root().join(path).join(CACHE_TAG).exists();
            caches.insert(path.to_owned(), found);
            found
        }
    };
    let mut rules = Rules::new(folder);
    changed.retain(|path| {
        let filled = path.split('/').any(|part| FILLED.contains(&part) || VERSION_CONTROL.contains(&part));
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        !filled
            && !ends.map(|end| &path[..end]).any(&mut is_cache)
            && (!rules.ignore(path) || WsPath::from_disk(path).is_some_and(|path| world.tracked(&path)))
    });
    changed
}

/// What the desk knows better than the disk, or may soon: open files, and all with hunks of the task.
pub(super) fn over(desk: &Desk, task: &TaskId) -> BTreeMap<WsPath, Stood> {
    let hunks = desk.overlay(Some(task));
    let executable: BTreeMap<&WsPath, Option<bool>> = hunks.iter().map(|over| (&over.path, over.executable)).collect();
    let paths = desk.buffers().map(|(path, _)| path).chain(hunks.iter().map(|over| &over.path));
    let stood = |path: &WsPath| {
        let (text, is_blob) = match desk.view(Some(task), path)? {
            Seen::Text { text, .. } => (Some(text), false),
            Seen::Bytes { .. } => (Some(Text::default()), true),
            Seen::Gone => (None, false),
        };
        Some(Stood { text, is_blob, executable: executable.get(path).copied().flatten() })
    };
    paths.filter_map(|path| Some((path.clone(), stood(path)?))).collect()
}

/// See [`Merges`]; `inner` are folders of the workspace that lie in this one, `now` is what the task sees after the command.
pub(super) fn compare(folder: &Folder, inner: &[WsPath], began: Moment, now: Moment, written: Vec<Written>) -> Merges {
    let [began, now] = &[began, now].map(|moment| real(folder, moment));
    let mut this = Comparison { folder, began, now, found: Merges::default(), gone: BTreeSet::new(), made: Vec::new() };
    let files: BTreeSet<WsPath> =
        written.iter().filter(|one| !is_gone(&one.found)).filter_map(|one| WsPath::from_disk(&one.path)).collect();
    for one in written {
        let Some(path) = WsPath::from_disk(&one.path) else { continue };
        if inner.iter().any(|folder| path.is_within(folder)) {
            this.keep(&path, "it lies in another folder of the workspace");
            continue;
        }
        match one.found {
            Found::Other(what) => this.keep(&path, what),
            Found::Large(size) => this.keep(&path, &format!("{size} bytes are too many")),
            Found::File { content, mode } => this.file(&path, content, mode & 0o100 != 0),
            Found::Gone | Found::Folder => this.deleted(&path, &files),
        }
    }
    this.moves();
    this.the_rest();
    this.found.merges.sort_by(|a, b| a.path.cmp(&b.path));
    this.found
}

/// Files that the editor opened through a link stand under their own names in the shadow.
fn real(folder: &Folder, mut moment: Moment) -> Moment {
    let linked = moment.over.iter().filter_map(|(path, stood)| {
        let real = folder.resolve(path).ok().filter(|real| real != path)?;
        Some((real, stood.clone()))
    });
    for (path, stood) in linked.collect::<Vec<_>>() {
        moment.over.entry(path).or_insert(stood);
    }
    moment
}

fn is_gone(found: &Found) -> bool {
    matches!(found, Found::Gone | Found::Folder)
}

/// What stood at a path when the command began.
enum Before {
    Absent,
    Folder,
    Text {
        text: Text,
        executable: bool,
        /// Whether it begins with a byte order mark, where that is known.
        bom: Option<bool>,
    },
    Bytes {
        bytes: Vec<u8>,
        executable: bool,
    },
    /// It cannot be compared with, for this reason.
    Not(&'static str),
    /// The disk changed meanwhile, and nobody knows what stood there.
    Newer,
}

/// A file that a command made.
struct Made {
    path: WsPath,
    content: Vec<u8>,
    executable: bool,
}

struct Comparison<'a> {
    folder: &'a Folder,
    began: &'a Moment,
    now: &'a Moment,
    found: Merges,
    gone: BTreeSet<WsPath>,
    made: Vec<Made>,
}

impl Comparison<'_> {
    fn keep(&mut self, path: &WsPath, why: &str) {
        self.found.kept.push((path.clone(), why.to_owned()));
    }

    fn before(&self, path: &WsPath) -> Before {
        if !self.folder.resolve(path).is_ok_and(|real| real == *path) {
            return Before::Not("a symbolic link leads there");
        }
        match self.began.over.get(path) {
            None => self.on_disk(path),
            Some(Stood { text: None, .. }) => Before::Absent,
            Some(Stood { is_blob: true, .. }) => Before::Not("it is not text and only moved here by the proposal"),
            Some(Stood { text: Some(text), executable, .. }) => {
                let there = || {
                    matches!(self.on_disk(path), Before::Text { executable: true, .. } | Before::Bytes { executable: true, .. })
                };
                Before::Text { text: text.clone(), executable: executable.unwrap_or_else(there), bom: None }
            }
        }
    }

    fn on_disk(&self, path: &WsPath) -> Before {
        let stat = match self.folder.stat(path) {
            Ok(Some(stat)) => stat,
            Ok(None) => return Before::Absent,
            Err(_) => return Before::Not("what stands there on the disk cannot be read"),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Before::Folder,
            _ => return Before::Not("no regular file stands there on the disk"),
        }
        let since = u64::try_from(stat.st_ctime).unwrap_or_default();
        let changed = SystemTime::UNIX_EPOCH + Duration::new(since, u32::try_from(stat.st_ctime_nsec).unwrap_or_default());
        if changed > self.began.at && !self.began.over.contains_key(path) {
            return Before::Newer;
        }
        let Ok(file) = self.folder.read(path) else { return Before::Not("what stands there on the disk cannot be read") };
        let (decoded, executable) = (file.decode(), file.executable());
        match decoded.kind {
            FileKind::Text => Before::Text { text: decoded.text, executable, bom: Some(decoded.bom) },
            FileKind::Binary | FileKind::NotUtf8 => Before::Bytes { bytes: file.bytes, executable },
        }
    }

    /// A file that a command wrote, or only touched.
    fn file(&mut self, path: &WsPath, content: Vec<u8>, executable: bool) {
        let (mut ops, mut lines) = (Vec::new(), (0, 0));
        let was = match self.before(path) {
            Before::Not(why) => return self.keep(path, why),
            Before::Newer => return self.drop(path),
            Before::Absent => return self.made.push(Made { path: path.clone(), content, executable }),
            Before::Folder => return self.keep(path, "a folder stands there on the disk"),
            Before::Bytes { bytes, executable } if bytes == content => executable,
            Before::Bytes { .. } => return self.keep(path, "it is not UTF-8 text"),
            Before::Text { text, executable, bom } => {
                let decoded = decode(&content);
                if decoded.kind != FileKind::Text {
                    return self.keep(path, "it is not UTF-8 text any more");
                }
                if bom.is_some_and(|bom| bom != decoded.bom) {
                    self.keep(path, "a byte order mark that comes or goes is no change of the text");
                }
                if decoded.text != text {
                    lines = counts(&text, &decoded.text);
                    ops.push((path.clone(), StageOp::Merge { from: text, to: decoded.text }));
                }
                executable
            }
        };
        if was != executable {
            ops.push((path.clone(), StageOp::Mode { executable }));
        }
        if !ops.is_empty() {
            let path = path.clone();
            self.found.merges.push(Merge { takes: vec![path.clone()], path, ops, lines });
        }
    }

    fn drop(&mut self, path: &WsPath) {
        self.keep(path, "the user changed it on the disk while the command ran; the command's change is given up");
        self.found.dropped.push(path.clone());
    }

    /// A file or a folder went, or a folder took its place; `files` are what commands wrote.
    fn deleted(&mut self, path: &WsPath, files: &BTreeSet<WsPath>) {
        match self.before(path) {
            Before::Not(why) => return self.keep(path, why),
            Before::Newer => return self.drop(path),
            Before::Text { .. } | Before::Bytes { .. } => {
                self.gone.insert(path.clone());
            }
            Before::Absent => {}
            Before::Folder => {
                let below = self.files_below(path);
                if below.len() > MOST {
                    return self.keep(path, &format!("more than {MOST} files were in it"));
                }
                self.gone.extend(below.into_iter().filter(|file| !files.contains(file)));
            }
        }
        let staged = self.began.over.iter().filter(|(at, stood)| *at != path && at.is_within(path) && stood.text.is_some());
        self.gone.extend(staged.map(|(at, _)| at.clone()).filter(|at| !files.contains(at)));
    }

    /// The files that the disk has below a folder and that the ignore rules do not leave out.
    fn files_below(&self, under: &WsPath) -> Vec<WsPath> {
        let all = Mutex::new(Vec::new());
        walk(self.folder, under, None).run(|| {
            Box::new(|entry| {
                let Ok(entry) = entry else { return WalkState::Continue };
                let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
                let path = below(self.folder, entry.path()).and_then(|path| WsPath::from_disk(path.to_str()?));
                let Some(path) = path.filter(|_| !is_dir) else { return WalkState::Continue };
                let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                all.push(path);
                if all.len() > MOST { WalkState::Quit } else { WalkState::Continue }
            })
        });
        let mut rules = Rules::new(self.folder);
        let all = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.into_iter().filter(|path| !rules.ignore(path.as_str())).collect()
    }

    /// What went and came to be elsewhere with the very same content has moved.
    fn moves(&mut self) {
        if self.made.is_empty() {
            return;
        }
        let mut by_content: BTreeMap<Vec<u8>, Vec<(WsPath, bool)>> = BTreeMap::new();
        for path in &self.gone {
            let (content, executable) = match self.before(path) {
                Before::Text { text, executable, .. } => (text.to_string().into_bytes(), executable),
                Before::Bytes { bytes, executable } => (bytes, executable),
                _ => continue,
            };
            if !content.is_empty() {
                by_content.entry(content).or_default().push((path.clone(), executable));
            }
        }
        for made in std::mem::take(&mut self.made) {
            let content = made.content.strip_prefix(super::decode::BOM).unwrap_or(&made.content);
            let sources = by_content.get_mut(content).filter(|_| !self.began.over.contains_key(&made.path));
            let source = sources.and_then(|sources| {
                let named = sources.iter().position(|(path, _)| path.file_name() == made.path.file_name());
                (!sources.is_empty()).then(|| sources.remove(named.unwrap_or(0)))
            });
            let Some((path, was)) = source else {
                self.made.push(made);
                continue;
            };
            self.gone.remove(&path);
            let mut ops = vec![(path.clone(), StageOp::Move { to: made.path.clone() })];
            if was != made.executable {
                ops.push((made.path.clone(), StageOp::Mode { executable: made.executable }));
            }
            self.found.merges.push(Merge { takes: vec![path.clone(), made.path], path, ops, lines: (0, 0) });
        }
    }

    /// Files that came to be, and files that went.
    fn the_rest(&mut self) {
        for Made { path, content, executable } in std::mem::take(&mut self.made) {
            let Some(text) = String::from_utf8(content).ok().filter(|text| decode(text.as_bytes()).kind == FileKind::Text) else {
                self.keep(&path, "it is not UTF-8 text");
                continue;
            };
            let lines = (0, text.lines().count());
            let mut ops = vec![(path.clone(), StageOp::Create { text: Text::new(&text) })];
            if executable {
                ops.push((path.clone(), StageOp::Mode { executable }));
            }
            self.found.merges.push(Merge { takes: vec![path.clone()], path, ops, lines });
        }
        for path in std::mem::take(&mut self.gone) {
            let lines = match self.before(&path) {
                Before::Text { text, .. } => (text.to_string().lines().count(), 0),
                Before::Bytes { .. } => (0, 0),
                Before::Not(why) => {
                    self.keep(&path, why);
                    continue;
                }
                Before::Newer => {
                    self.drop(&path);
                    continue;
                }
                Before::Absent | Before::Folder => continue,
            };
            let texts = [self.began, self.now].map(|moment| moment.over.get(&path).map(|stood| &stood.text));
            if texts[0] != texts[1] {
                self.keep(&path, "the user changed it while the command ran; its deletion is given up");
                self.found.dropped.push(path);
                continue;
            }
            let ops = vec![(path.clone(), StageOp::Delete)];
            self.found.merges.push(Merge { takes: vec![path.clone()], path, ops, lines });
        }
    }
}

/// Lines that go, and lines that come.
fn counts(from: &Text, to: &Text) -> (usize, usize) {
    let lines = |text: &str| text.lines().count();
    text::line_changes(from, to)
        .iter()
        .fold((0, 0), |(minus, plus), edit| (minus + lines(&from.slice(edit.range.clone())), plus + lines(&edit.new)))
}

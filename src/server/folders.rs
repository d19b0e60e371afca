//! The workspace folders of the editor, and which file is where.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tower_lsp::lsp_types::{Url, WorkspaceFolder};

use crate::{
    event::{ProposalId, TaskId},
    path::{self, WsPath},
    proposal::HunkState,
    workspace::desk::Desk,
};

/// One workspace folder: its open buffers and pending proposals, and who works in it.
pub struct Folder {
    /// As the editor spells it; URIs that go to the editor begin with it.
    pub root: PathBuf,
    /// With symbolic links resolved: trust, journal and walls go by this one.
    pub canonical: PathBuf,
    /// The last component of the root, for people and the model. No other folder of this server has it, and it never changes.
    pub name: String,
    pub desk: Desk,
    /// Whether the editor still has it. What was proposed there stays either way.
    open: Arc<AtomicBool>,
    /// The task that edits here now; at most one.
    pub running: Option<TaskId>,
    /// Asks that wait for it, oldest first.
    pub queue: VecDeque<TaskId>,
}

impl Folder {
    fn new(root: PathBuf, name: String) -> Folder {
        let canonical = root.canonicalize().unwrap_or_else(|_| root.clone());
        let open = Arc::new(AtomicBool::new(true));
        Folder { root, canonical, name, desk: Desk::default(), open, running: None, queue: VecDeque::new() }
    }

    /// Whether the editor still has it.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// The same for those who look later.
    pub fn openness(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.open)
    }

    /// Hunks of a proposal that wait for the user.
    pub fn pending(&self, proposal: &ProposalId) -> usize {
        let files = self.desk.proposal(proposal).into_iter().flat_map(|proposal| proposal.files.values());
        files.flat_map(|file| file.all()).filter(|hunk| hunk.state == HunkState::Pending).count()
    }

    /// Where the editor finds a file of this folder.
    pub fn uri(&self, path: &WsPath) -> Option<Url> {
        Url::from_file_path(self.root.join(path.as_str())).ok()
    }

    /// The path of a document in this folder; `file` as the editor spells it and as it is with the links above resolved.
    fn path_of(&self, file: &Path, real: &Path) -> Option<WsPath> {
        below(file, &self.root).or_else(|| below(real, &self.canonical))
    }
}

/// All folders, in the editor's order.
#[derive(Default)]
pub struct Folders(Vec<Folder>);

impl Folders {
    /// The folders of `initialize`.
    pub fn new(folders: &[WorkspaceFolder]) -> Folders {
        let mut all = Folders::default();
        for folder in folders {
            all.add(&folder.uri);
        }
        all
    }

    /// Adds a folder, or opens it again; what is no local folder is left alone. Documents that are open there are known at
    /// once, from the folders around it.
    pub fn add(&mut self, uri: &Url) {
        let Some(root) = local(uri) else { return };
        if let Some(folder) = self.0.iter().find(|folder| folder.root == root) {
            folder.open.store(true, Ordering::Relaxed);
            return;
        }
        let name = self.free_name(&root);
        let mut new = Folder::new(root, name);
        for folder in &self.0 {
            for (path, buffer) in folder.desk.buffers() {
                let (file, real) = (folder.root.join(path.as_str()), folder.canonical.join(path.as_str()));
                if let Some(path) = new.path_of(&file, &real).filter(|path| new.desk.buffer(path).is_none()) {
                    new.desk.adopt(&path, buffer);
                }
            }
        }
        self.0.push(new);
    }

    /// The editor closed a folder: nothing new is asked there. Its number, name, texts and proposals stay. The numbers of the
    /// folders that were closed.
    pub fn remove(&mut self, uri: &Url) -> Vec<usize> {
        let root = local(uri);
        let that = |folder: &Folder| Some(&folder.root) == root.as_ref() && folder.open.swap(false, Ordering::Relaxed);
        self.0.iter().enumerate().filter(|(_, folder)| that(folder)).map(|(index, _)| index).collect()
    }

    /// The folder with this number; numbers never change while the server runs.
    pub fn get(&self, index: usize) -> Option<&Folder> {
        self.0.get(index)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Folder> {
        self.0.get_mut(index)
    }

    /// All folders with their numbers, closed ones too.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Folder)> {
        self.0.iter().enumerate()
    }

    /// The folders that the editor has, each tree once: beside `own` (which counts in any case) those that are not the same
    /// folder by another name.
    pub fn beside(&self, own: usize) -> Vec<usize> {
        let mut known: Vec<&Path> = self.get(own).map(|folder| folder.canonical.as_path()).into_iter().collect();
        let mut found = Vec::new();
        for (index, folder) in self.iter().filter(|(index, folder)| *index != own && folder.is_open()) {
            if !known.contains(&folder.canonical.as_path()) {
                known.push(&folder.canonical);
                found.push(index);
            }
        }
        found
    }

    /// The folder and path of a document; the innermost folder where they nest, one that the editor has before one that it
    /// closed, `None` outside all of them.
    pub fn find(&self, uri: &Url) -> Option<(usize, WsPath)> {
        self.find_all(uri).into_iter().next()
    }

    /// Every folder that a document lies in, with its path there, the one that it belongs to first.
    pub fn find_all(&self, uri: &Url) -> Vec<(usize, WsPath)> {
        let Some(file) = local(uri) else { return Vec::new() };
        let real = self.real(&file);
        let length = |folder: &Folder| folder.root.as_os_str().len();
        let mut found: Vec<(usize, WsPath)> =
            self.iter().filter_map(|(index, folder)| Some((index, folder.path_of(&file, &real)?))).collect();
        found.sort_by_key(|(index, _)| {
            let folder = &self.0[*index];
            std::cmp::Reverse((folder.is_open(), below(&file, &folder.root).is_some(), length(folder), std::cmp::Reverse(*index)))
        });
        found
    }

    /// The path of a document in the folder of this number.
    pub fn path_in(&self, index: usize, uri: &Url) -> Option<WsPath> {
        let file = local(uri)?;
        self.get(index)?.path_of(&file, &self.real(&file))
    }

    /// A file's path with the links above its folder resolved.
    fn real(&self, file: &Path) -> PathBuf {
        let around = self.0.iter().filter(|folder| file.starts_with(&folder.root));
        let innermost = around.max_by_key(|folder| folder.root.as_os_str().len());
        let moved = innermost.and_then(|folder| Some(folder.canonical.join(file.strip_prefix(&folder.root).ok()?)));
        moved.unwrap_or_else(|| file.to_owned())
    }

    /// The folder that an ask about `uri` belongs to: the document's, else the first open one.
    pub fn for_ask(&self, uri: Option<&Url>) -> Option<usize> {
        let found = uri.and_then(|uri| self.find(uri)).map(|(index, _)| index);
        found.filter(|index| self.0[*index].is_open()).or_else(|| self.0.iter().position(Folder::is_open))
    }

    /// A name for a folder that no other has: its last component, `-2` and so on behind it where that is taken.
    fn free_name(&self, root: &Path) -> String {
        let last = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_else(|| "root".to_owned());
        // The name stands in prompts and before paths: what could be taken for markup or for a path is not among it.
        let odd = |c: char| path::hidden(c) || matches!(c, '/' | '\\' | '"' | '\'' | '`' | '<' | '>' | '*' | '?' | '[' | '{');
        let last: String = last.chars().map(|c| if odd(c) { '_' } else { c }).collect();
        let taken = |name: &str| self.0.iter().any(|folder| folder.name == name);
        let numbered = (2..).map(|number: usize| format!("{last}-{number}"));
        std::iter::once(last.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(last)
    }
}

/// The path of a `file:` URI: `git:/x` is another document than the file `/x`.
fn local(uri: &Url) -> Option<PathBuf> {
    uri.to_file_path().ok().filter(|_| uri.scheme() == "file")
}

fn below(file: &Path, root: &Path) -> Option<WsPath> {
    WsPath::from_disk(file.strip_prefix(root).ok()?.to_str()?)
}

//! The workspace folders of the editor, and which file is where.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use tower_lsp::lsp_types::{Url, WorkspaceFolder};

use crate::{
    event::{ProposalId, TaskId},
    path::WsPath,
    proposal::HunkState,
    workspace::desk::Desk,
};

/// One workspace folder: its open buffers and pending proposals, and who works in it.
pub struct Folder {
    /// As the editor spells it; URIs that go to the editor begin with it.
    pub root: PathBuf,
    /// With symbolic links resolved: trust, journal and walls go by this one.
    pub canonical: PathBuf,
    /// The last component of the root, for people and the model.
    pub name: String,
    pub desk: Desk,
    /// Whether the editor still has it; its tasks go on either way.
    pub open: bool,
    /// The task that edits here now; at most one.
    pub running: Option<TaskId>,
    /// Asks that wait for it, oldest first.
    pub queue: VecDeque<TaskId>,
}

impl Folder {
    fn new(root: PathBuf) -> Folder {
        let canonical = root.canonicalize().unwrap_or_else(|_| root.clone());
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_else(|| "/".to_owned());
        Folder { root, canonical, name, desk: Desk::default(), open: true, running: None, queue: VecDeque::new() }
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

    /// Adds a folder, or opens it again; what is no local folder is left alone.
    pub fn add(&mut self, uri: &Url) {
        let Some(root) = local(uri) else { return };
        match self.0.iter_mut().find(|folder| folder.root == root) {
            Some(folder) => folder.open = true,
            None => self.0.push(Folder::new(root)),
        }
    }

    /// The editor closed a folder: nothing new is asked there. Its number, tasks and proposals stay.
    pub fn remove(&mut self, uri: &Url) {
        let root = local(uri);
        self.0.iter_mut().filter(|folder| Some(&folder.root) == root.as_ref()).for_each(|folder| folder.open = false);
    }

    /// The folder with this number; numbers never change while the server runs.
    pub fn get(&self, index: usize) -> Option<&Folder> {
        self.0.get(index)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Folder> {
        self.0.get_mut(index)
    }

    /// All folders with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Folder)> {
        self.0.iter().enumerate()
    }

    /// The folder and path of a document; the innermost folder where they nest, `None` outside all of them.
    pub fn find(&self, uri: &Url) -> Option<(usize, WsPath)> {
        let file = local(uri)?;
        self.0
            .iter()
            .enumerate()
            .filter_map(|(index, folder)| {
                let below = below(&file, &folder.root).or_else(|| below(&file, &folder.canonical))?;
                Some((index, below, folder.root.as_os_str().len()))
            })
            .max_by_key(|(_, _, length)| *length)
            .map(|(index, path, _)| (index, path))
    }

    /// The folder that an ask about `uri` belongs to: the document's, else the first open one.
    pub fn for_ask(&self, uri: Option<&Url>) -> Option<usize> {
        uri.and_then(|uri| self.find(uri)).map(|(index, _)| index).or_else(|| self.0.iter().position(|folder| folder.open))
    }
}

/// The path of a `file:` URI: `git:/x` is another document than the file `/x`.
fn local(uri: &Url) -> Option<PathBuf> {
    uri.to_file_path().ok().filter(|_| uri.scheme() == "file")
}

fn below(file: &Path, root: &Path) -> Option<WsPath> {
    WsPath::from_disk(file.strip_prefix(root).ok()?.to_str()?)
}

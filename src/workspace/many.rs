//! The workspace of a task whose editor has several folders: each path begins with a folder's name and is handed to that
//! folder's own workspace. Commands and checks see the task's own folder only.

use super::view::TaskWorkspace;
use crate::{
    path::{
        WsPath,
        roots::{Place, RootError, Roots},
    },
    proposal::Receipt,
    seams::{
        Checkable, ListQuery, Listed, Listing, Merges, Moment, SearchMode, SearchQuery, SearchResult, Shadow, StageOp,
        StageRequest, Staged, View, Workspace, WorkspaceError, Written,
    },
};

/// All folders of one task.
pub struct ManyFolders {
    roots: Roots,
    /// In the order of the roots: the task's own first.
    all: Vec<TaskWorkspace>,
}

impl ManyFolders {
    /// The workspaces `others` are those of the roots after the first.
    pub fn new(roots: Roots, own: TaskWorkspace, others: Vec<TaskWorkspace>) -> Self {
        let mut all: Vec<TaskWorkspace> = std::iter::once(own).chain(others).collect();
        for index in 0..all.len() {
            let inner = roots.inner(index).into_iter().filter_map(|(other, path)| Some((path, all.get(other)?.clone())));
            let inner = inner.collect();
            all[index].set_inner(inner);
        }
        ManyFolders { roots, all }
    }

    fn own(&self) -> &TaskWorkspace {
        &self.all[0]
    }

    /// The folder of a path that names a file.
    fn file(&self, path: &WsPath) -> Result<(usize, WsPath), WorkspaceError> {
        match self.roots.split(path) {
            Ok(Place::In(index, rest)) if index < self.all.len() => Ok((index, rest)),
            Ok(Place::All) => Err(WorkspaceError::IsDir(path.clone())),
            Ok(Place::In(..)) => Err(WorkspaceError::Closed),
            Err(error) => Err(nowhere(path, &error)),
        }
    }

    /// The folders that a query is about, each with the path and glob in it. A glob may begin with a folder's name as paths do.
    fn places(&self, under: &WsPath, glob: Option<&str>) -> Result<Vec<(usize, WsPath, Option<String>)>, WorkspaceError> {
        let place = self.roots.split(under).map_err(|error| nowhere(under, &error))?;
        let whole = |index| (index, WsPath::root(), glob.map(str::to_owned));
        Ok(match place {
            Place::In(index, rest) => vec![(index, rest, glob.map(str::to_owned))],
            Place::All => {
                let named = glob.and_then(|glob| glob.trim_start_matches('/').split_once('/'));
                let named =
                    named.and_then(|(name, rest)| Some((self.roots.all().iter().position(|root| root.name == name)?, rest)));
                match named {
                    Some((index, rest)) => vec![(index, WsPath::root(), Some(format!("/{rest}")))],
                    None => (0..self.all.len()).map(whole).collect(),
                }
            }
        })
    }

    /// An error of one folder in the words of all.
    fn told(&self, index: usize, error: WorkspaceError) -> WorkspaceError {
        let named = |path: &WsPath| self.roots.join(index, path);
        match error {
            WorkspaceError::NotFound { path, near } => {
                let near = near.iter().map(|near| format!("{}/{near}", self.roots.name(index))).collect();
                WorkspaceError::NotFound { path: named(&path), near }
            }
            WorkspaceError::IsDir(path) => WorkspaceError::IsDir(named(&path)),
            WorkspaceError::Exists(path) => WorkspaceError::Exists(named(&path)),
            WorkspaceError::Outside(path) => WorkspaceError::Outside(named(&path)),
            WorkspaceError::Special(path) => WorkspaceError::Special(named(&path)),
            WorkspaceError::TooBig { path, size, limit } => WorkspaceError::TooBig { path: named(&path), size, limit },
            WorkspaceError::NotEditable(path) => WorkspaceError::NotEditable(named(&path)),
            WorkspaceError::Moved(path) => WorkspaceError::Moved(named(&path)),
            WorkspaceError::Io { path, why } => WorkspaceError::Io { path: named(&path), why },
            // The door of another folder closes when the editor closes the folder.
            WorkspaceError::Closed if index > 0 => {
                let why = "the user closed this folder in the editor; go on without it".to_owned();
                WorkspaceError::Io { path: named(&WsPath::root()), why }
            }
            other => other,
        }
    }
}

fn nowhere(path: &WsPath, error: &RootError) -> WorkspaceError {
    WorkspaceError::Io { path: path.clone(), why: error.to_string() }
}

#[async_trait::async_trait]
impl Workspace for ManyFolders {
    async fn read(&self, path: &WsPath) -> Result<View, WorkspaceError> {
        let (index, rest) = self.file(path)?;
        let mut view = self.all[index].read(&rest).await.map_err(|error| self.told(index, error))?;
        view.path = self.roots.join(index, &view.path);
        Ok(view)
    }

    async fn list(&self, query: ListQuery) -> Result<Listing, WorkspaceError> {
        let mut all = Listing::default();
        let folders = query.under.is_root();
        for (index, under, glob) in self.places(&query.under, query.glob.as_deref())? {
            if folders && glob.is_none() {
                let path = self.roots.name(index).to_owned();
                all.entries.push(Listed {
                    path,
                    is_dir: true,
                    note: Some(if index == 0 { "this task's folder" } else { "folder" }),
                });
            }
            // The folders' own names are the first level.
            let depth = query.depth.map(|depth| if folders { depth - 1 } else { depth });
            if depth == Some(0) {
                continue;
            }
            let limit = query.limit.saturating_sub(all.entries.len()).max(1);
            let found = self.all[index].list(ListQuery { under, glob, depth, limit }).await;
            let found = found.map_err(|error| self.told(index, error))?;
            let name = self.roots.name(index);
            all.entries.extend(found.entries.into_iter().map(|entry| Listed { path: format!("{name}/{}", entry.path), ..entry }));
            all.more += found.more;
        }
        if folders && query.glob.is_none() {
            let closed = self.roots.closed().iter();
            let row = |name: &str| Listed { path: name.to_owned(), is_dir: true, note: Some("folder, closed to you") };
            all.entries.extend(closed.map(|closed| row(&closed.name)));
        }
        Ok(all)
    }

    async fn search(&self, query: SearchQuery) -> Result<SearchResult, WorkspaceError> {
        let mut all = SearchResult::default();
        let (mut offset, mut limit) = (query.offset, query.limit);
        for (index, under, glob) in self.places(&query.under, query.glob.as_deref())? {
            // Where the page is full only the number counts.
            let part = SearchQuery { under, glob, offset, limit: limit.max(1), ..query.clone() };
            let found = self.all[index].search(part).await.map_err(|error| self.told(index, error))?;
            let name = self.roots.name(index);
            let hits = found.hits.into_iter().filter(|_| limit > 0);
            let before = all.hits.len();
            all.hits.extend(hits.map(|mut hit| {
                hit.path = format!("{name}/{}", hit.path);
                hit
            }));
            let shown = all.hits[before..].iter().filter(|hit| hit.is_match || query.mode != SearchMode::Lines).count();
            limit = limit.saturating_sub(shown);
            offset = offset.saturating_sub(usize::try_from(found.total).unwrap_or(usize::MAX));
            all.total += found.total;
            all.files_searched += found.files_searched;
            all.truncated |= found.truncated;
        }
        Ok(all)
    }

    async fn stage(&self, mut request: StageRequest) -> Result<Staged, WorkspaceError> {
        let (index, rest) = self.file(&request.path)?;
        if let StageOp::Move { to } = &mut request.op {
            let (other, target) = self.file(to)?;
            if other != index {
                let why = "a file cannot be moved from one folder to another; write it there and delete it here".to_owned();
                return Err(WorkspaceError::Io { path: request.path, why });
            }
            *to = target;
        }
        request.path = rest;
        self.all[index].stage(request).await.map_err(|error| self.told(index, error))
    }

    async fn shadow(&self) -> Result<Shadow, WorkspaceError> {
        self.own().shadow().await
    }

    async fn checkable(&self) -> Result<Option<Checkable>, WorkspaceError> {
        self.own().checkable().await
    }

    async fn checked(&self, receipt: Receipt) {
        self.own().checked(receipt).await;
    }

    async fn revision(&self) -> u64 {
        let mut sum = 0u64;
        for folder in &self.all {
            sum = sum.wrapping_add(folder.revision().await);
        }
        sum
    }

    async fn news(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (index, folder) in self.all.iter().enumerate() {
            let name = self.roots.name(index);
            all.extend(folder.news().await.into_iter().map(|news| format!("in the folder {name}: {news}")));
        }
        all
    }

    async fn unignored(&self, paths: Vec<String>) -> Vec<String> {
        self.own().unignored(paths).await
    }

    async fn moment(&self) -> Result<Moment, WorkspaceError> {
        self.own().moment().await
    }

    /// Named as all paths are, but for those of the shadow.
    async fn merges(&self, began: Moment, written: Vec<Written>) -> Result<Merges, WorkspaceError> {
        let mut found = self.own().merges(began, written).await.map_err(|error| self.told(0, error))?;
        let named = |path: &mut WsPath| *path = self.roots.join(0, path);
        for merge in &mut found.merges {
            named(&mut merge.path);
            for (path, op) in &mut merge.ops {
                named(path);
                if let StageOp::Move { to } = op {
                    named(to);
                }
            }
        }
        found.kept.iter_mut().for_each(|(path, _)| named(path));
        Ok(found)
    }

    async fn resolve(&self, path: &WsPath) -> Result<WsPath, WorkspaceError> {
        let (index, rest) = self.file(path)?;
        let real = self.all[index].resolve(&rest).await.map_err(|error| self.told(index, error))?;
        Ok(self.roots.join(index, &real))
    }
}

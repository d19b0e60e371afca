//! The workspace as one task sees it: what the desk knows, then the disk. Everything that touches the disk runs on a thread
//! for that, never inside the desk's door.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use rustix::fs::FileType;

use crate::{
    event::{ProposalId, TaskId},
    path::WsPath,
    proposal::Receipt,
    seams::{
        Checkable, FileKind, ListQuery, Listing, Merges, Moment, SearchQuery, SearchResult, Shadow, Source, StageOp,
        StageRequest, Staged, View, Workspace, WorkspaceError, Written,
    },
};

use super::{
    again::Looks,
    desk::{self, Beneath, Seen},
    disk::Folder,
    door::{DeskDoor, call},
    listing, merging,
    near::near,
    overlay::overlay,
    search,
    shadow::shadow,
    surroundings::{Secrecy, World},
};

/// One task's workspace. Cheap to clone.
#[derive(Clone)]
pub struct TaskWorkspace {
    task: TaskId,
    door: Arc<dyn DeskDoor>,
    world: Arc<World>,
    secrecy: Secrecy,
    looks: Arc<Looks>,
    /// The proposal that the task gets here with its first edit, where it has none yet.
    proposal: Option<ProposalId>,
    /// Folders of the workspace that lie in this one, with their paths: their files are theirs.
    inner: Arc<[(WsPath, TaskWorkspace)]>,
}

impl TaskWorkspace {
    /// The workspace of `task`, for which the desk has a proposal. The first search for secret files begins at once, so that
    /// the first command does not wait for it.
    pub fn new(task: TaskId, door: Arc<dyn DeskDoor>, world: Arc<World>, secrecy: Secrecy) -> Self {
        let (warm, known) = (Arc::clone(&world), Arc::clone(&secrecy));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Whoever needs the answer asks again and is told what went wrong.
            runtime.spawn_blocking(move || drop(warm.masked(known.as_ref())));
        }
        TaskWorkspace { task, door, world, secrecy, looks: Arc::default(), proposal: None, inner: Arc::new([]) }
    }

    /// The same in a folder that is not the task's own: a proposal of this id is begun with the first edit.
    #[must_use]
    pub fn proposing(self, id: ProposalId) -> Self {
        TaskWorkspace { proposal: Some(id), ..self }
    }

    /// Leaves the files of these folders to their own workspaces.
    pub(super) fn set_inner(&mut self, inner: Vec<(WsPath, TaskWorkspace)>) {
        self.inner = inner.into();
    }

    /// What lies over the disk for commands: also what the task proposes in folders within this one.
    async fn all_over(&self, mut over: Vec<desk::Overlay>) -> Result<Vec<desk::Overlay>, WorkspaceError> {
        for (folder, inner) in self.inner.iter() {
            for one in inner.overlay().await? {
                let Some(path) = WsPath::from_disk(&format!("{}/{}", folder.as_str(), one.path.as_str())) else { continue };
                over.retain(|known| known.path != path);
                over.push(desk::Overlay { path, ..one });
            }
        }
        Ok(over)
    }

    /// Tells the desk what changed on disk of the files that the task read or has hunks in.
    async fn look_again(&self) {
        let Ok(unopened) = self.desk(|desk, task| desk.unopened(task)).await else { return };
        if unopened.is_empty() {
            return;
        }
        let looks = Arc::clone(&self.looks);
        let changed = self.disk(move |world| Ok(looks.changed(world.disk(), unopened))).await.unwrap_or_default();
        if !changed.is_empty() {
            let tell = move |desk: &mut desk::Desk, _: &TaskId| {
                changed.into_iter().for_each(|(path, now)| desk.disk_changed(&path, now));
            };
            // A desk that is gone has nobody to tell.
            let _ = self.desk(tell).await;
        }
    }

    async fn desk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut desk::Desk, &TaskId) -> T + Send + 'static,
    ) -> Result<T, WorkspaceError> {
        let task = self.task.clone();
        call(self.door.as_ref(), move |desk| work(desk, &task)).await
    }

    /// Does something with the disk on a thread of its own.
    async fn disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&World) -> Result<T, WorkspaceError> + Send + 'static,
    ) -> Result<T, WorkspaceError> {
        let world = Arc::clone(&self.world);
        let failed = |_| WorkspaceError::Io { path: WsPath::root(), why: "an internal error, see the log".into() };
        tokio::task::spawn_blocking(move || work(&world)).await.map_err(failed)?
    }

    /// The name under which the desk or the disk has a file: as it is named where the editor opened it so, else with
    /// symbolic links followed.
    async fn find(&self, path: &WsPath) -> Result<(WsPath, Option<Seen>), WorkspaceError> {
        let asked = path.clone();
        let real = self.disk(move |world| world.disk().resolve(&asked)).await?;
        let asked = path.clone();
        self.desk(move |desk, task| {
            let (path, seen) = match desk.view(Some(task), &asked) {
                Some(seen) => (asked, Some(seen)),
                None => {
                    let seen = desk.view(Some(task), &real);
                    (real, seen)
                }
            };
            desk.note_read(task, &path);
            (path, seen)
        })
        .await
    }

    async fn overlay(&self) -> Result<Vec<desk::Overlay>, WorkspaceError> {
        self.desk(|desk, task| desk.overlay(Some(task))).await
    }

    /// Adds the names that were perhaps meant to a `NotFound`.
    async fn with_near<T>(&self, result: Result<T, WorkspaceError>) -> Result<T, WorkspaceError> {
        let path = match result {
            Err(WorkspaceError::NotFound { path, .. }) => path,
            other => return other,
        };
        let over = self.overlay().await?;
        let asked = path.clone();
        let near = self.disk(move |world| Ok(near(world.disk(), &overlay(world.disk(), over), &asked))).await?;
        Err(WorkspaceError::NotFound { path, near })
    }

    async fn read_any(&self, path: &WsPath) -> Result<View, WorkspaceError> {
        match self.find(path).await? {
            (_, Some(Seen::Gone)) => Err(WorkspaceError::NotFound { path: path.clone(), near: Vec::new() }),
            (path, Some(Seen::Text { text, source })) => {
                let size = text.len() as u64;
                Ok(View { path, text, kind: FileKind::Text, source, size })
            }
            (path, seen) => {
                let at = if let Some(Seen::Bytes { at }) = seen { at } else { path.clone() };
                let looks = Arc::clone(&self.looks);
                self.disk(move |world| {
                    looks.note(world.disk(), &path);
                    let file = world.disk().read(&at)?;
                    let decoded = file.decode();
                    let size = file.bytes.len() as u64;
                    Ok(View { path, text: decoded.text, kind: decoded.kind, source: Source::Disk, size })
                })
                .await
            }
        }
    }

    async fn stage_any(&self, mut request: StageRequest) -> Result<Staged, WorkspaceError> {
        let (path, seen) = self.find(&request.path).await?;
        request.path = path.clone();
        if let StageOp::Move { to } = &mut request.op {
            let (target, there) = self.find(to).await?;
            *to = target.clone();
            let named = target.clone();
            let on_disk = self.disk(move |world| Ok(room(world.disk(), &named)?.is_some())).await?;
            if on_disk && there != Some(Seen::Gone) {
                return Err(WorkspaceError::Exists(target));
            }
        }
        let open = path.clone();
        let open = self.desk(move |desk, _| desk.buffer(&open).is_some()).await?;
        let known = open || matches!(seen, Some(Seen::Text { .. } | Seen::Bytes { .. }));
        let op = request.op.clone();
        let beneath = self.disk(move |world| beneath(world.disk(), &path, known, &op)).await?;
        let begun = self.proposal.clone();
        self.desk(move |desk, task| {
            if let Some(id) = begun {
                desk.begin(task, id);
            }
            desk.stage(task, &request, beneath)
        })
        .await?
    }
}

/// What the disk holds below an edit. Where the desk knows the text, the disk's only tells about the byte order mark and the
/// mode. A file that is no text can be moved, deleted and made executable, not edited.
fn beneath(folder: &Folder, path: &WsPath, known: bool, op: &StageOp) -> Result<Option<Beneath>, WorkspaceError> {
    let creates = matches!(op, StageOp::Create { .. });
    if creates {
        room(folder, path)?;
    }
    let file = match folder.read(path) {
        Ok(file) => file,
        Err(WorkspaceError::NotFound { .. }) => return Ok(None),
        Err(_) if known => return Ok(None),
        Err(error) => return Err(error),
    };
    let now = file.beneath();
    match op {
        _ if now.blob.is_none() => Ok(Some(now)),
        _ if known => Ok(None),
        StageOp::Create { .. } => Err(WorkspaceError::Exists(path.clone())),
        StageOp::Modify { .. } | StageOp::Merge { .. } => Err(WorkspaceError::NotEditable(path.clone())),
        StageOp::Delete | StageOp::Move { .. } | StageOp::Mode { .. } => Ok(Some(now)),
    }
}

/// Whether a file can stand at a path: every folder on the way is one, or is missing. The answer is what stands there now.
fn room(folder: &Folder, path: &WsPath) -> Result<Option<FileType>, WorkspaceError> {
    let kind = |path: &WsPath| Ok(folder.stat(path)?.map(|stat| FileType::from_raw_mode(stat.st_mode)));
    let mut above = path.parent();
    while let Some(parent) = above {
        match kind(&parent)? {
            None => above = parent.parent(),
            Some(FileType::Directory) => break,
            Some(_) => {
                let why = format!("{parent} is a file, not a folder");
                return Err(WorkspaceError::Io { path: path.clone(), why });
            }
        }
    }
    kind(path)
}

/// Whether a listed path lies in this folder.
fn is_below(path: &str, folder: &WsPath) -> bool {
    path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

/// Ends a search when the one who asked for it does not wait any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait::async_trait]
impl Workspace for TaskWorkspace {
    async fn read(&self, path: &WsPath) -> Result<View, WorkspaceError> {
        let view = self.read_any(path).await;
        self.with_near(view).await
    }

    async fn list(&self, query: ListQuery) -> Result<Listing, WorkspaceError> {
        let over = self.overlay().await?;
        let listing = self.disk(move |world| listing::list(world.disk(), &overlay(world.disk(), over), &query)).await;
        let mut listing = self.with_near(listing).await?;
        listing.entries.retain(|entry| !self.inner.iter().any(|(folder, _)| is_below(&entry.path, folder)));
        Ok(listing)
    }

    async fn search(&self, query: SearchQuery) -> Result<SearchResult, WorkspaceError> {
        let over = self.overlay().await?;
        let secrecy = Arc::clone(&self.secrecy);
        let stop = Arc::new(AtomicBool::new(false));
        let _guard = StopOnDrop(Arc::clone(&stop));
        let inner: Vec<WsPath> = self.inner.iter().map(|(folder, _)| folder.clone()).collect();
        let found = self.disk(move |world| {
            // Whether a file is secret at all does not depend on git.
            let elsewhere = |path: &WsPath| inner.iter().any(|folder| path.is_within(folder));
            let hidden = |path: &WsPath| secrecy(path, false).is_some() || elsewhere(path);
            search::search(world.disk(), &overlay(world.disk(), over), &hidden, &query, &stop)
        });
        let found = found.await;
        self.with_near(found).await
    }

    async fn stage(&self, request: StageRequest) -> Result<Staged, WorkspaceError> {
        let staged = self.stage_any(request).await;
        self.with_near(staged).await
    }

    async fn shadow(&self) -> Result<Shadow, WorkspaceError> {
        let over = self.overlay().await?;
        let over = self.all_over(over).await?;
        let secrecy = Arc::clone(&self.secrecy);
        self.disk(move |world| shadow(world, over, secrecy.as_ref())).await
    }

    async fn checkable(&self) -> Result<Option<Checkable>, WorkspaceError> {
        let Some((over, digest)) = self.desk(|desk, task| desk.checkable(task)).await? else { return Ok(None) };
        let over = self.all_over(over).await?;
        let secrecy = Arc::clone(&self.secrecy);
        let shadow = self.disk(move |world| shadow(world, over, secrecy.as_ref())).await?;
        Ok(Some(Checkable { shadow, digest }))
    }

    async fn checked(&self, receipt: Receipt) {
        // A server that goes away has nobody to show it to.
        let _ = self.desk(move |desk, task| desk.checked(task, receipt)).await;
    }

    async fn revision(&self) -> u64 {
        self.desk(|desk, _| desk.revision()).await.unwrap_or_default()
    }

    async fn news(&self) -> Vec<String> {
        self.look_again().await;
        self.desk(|desk, task| desk.news(task)).await.unwrap_or_default()
    }

    async fn unignored(&self, paths: Vec<String>) -> Vec<String> {
        let (world, all) = (Arc::clone(&self.world), paths.clone());
        let sift = move || merging::sources(&world, all);
        // Telling too much is no harm.
        tokio::task::spawn_blocking(sift).await.unwrap_or(paths)
    }

    async fn moment(&self) -> Result<Moment, WorkspaceError> {
        let over = self.desk(|desk, task| merging::over(desk, task)).await?;
        Ok(Moment { at: SystemTime::now(), over })
    }

    async fn merges(&self, began: Moment, written: Vec<Written>) -> Result<Merges, WorkspaceError> {
        let now = self.moment().await?;
        let inner: Vec<WsPath> = self.inner.iter().map(|(folder, _)| folder.clone()).collect();
        self.disk(move |world| Ok(merging::compare(world.disk(), &inner, began, now, written))).await
    }

    async fn resolve(&self, path: &WsPath) -> Result<WsPath, WorkspaceError> {
        let path = path.clone();
        self.disk(move |world| world.disk().resolve(&path)).await
    }
}

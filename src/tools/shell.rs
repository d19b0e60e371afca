//! A task's walled session, opened while the model thinks or at the first command, and kept warm until its end.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError},
};

use futures_util::lock::Mutex;
use tokio_util::sync::CancellationToken;

use super::denial;
use crate::{
    path::WsPath,
    seams::{Command, Found, Outcome, OutputSink, Sandbox, SandboxError, SandboxSession, SandboxSpec, Shadow, Spills, Written},
};

/// Runs a task's commands, one after the other.
pub struct Shell {
    sandbox: Arc<dyn Sandbox>,
    spec: SandboxSpec,
    session: Mutex<Option<Box<dyn SandboxSession>>>,
    told: std::sync::Mutex<Told>,
}

/// What results have said already, so that none repeats it.
#[derive(Default)]
struct Told {
    /// Paths that stand changed in the shadow, with their stamps.
    changed: HashMap<String, u64>,
    secrets: HashSet<String>,
    /// What the level in force lacks.
    level: bool,
    /// Not everything that stands changed is listed.
    bound: bool,
}

impl Shell {
    /// A shell that has not opened its session yet.
    pub fn new(sandbox: Arc<dyn Sandbox>, spec: SandboxSpec) -> Self {
        Shell { sandbox, spec, session: Mutex::new(None), told: Default::default() }
    }

    /// Opens the session, so that the first command finds it open. Where that fails, the command says so.
    pub async fn open_ahead(&self) {
        let mut open = self.session.lock().await;
        if open.is_none() {
            *open = self.sandbox.open(self.spec.clone()).await.ok();
        }
    }

    /// Runs one command on the disk with `shadow` over it.
    ///
    /// # Errors
    /// [`SandboxError`] when the walls cannot be had; the command did not run then.
    pub async fn run(
        &self,
        command: Command,
        shadow: &Shadow,
        sink: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Outcome, SandboxError> {
        let mut open = self.session.lock().await;
        let session = match &mut *open {
            Some(session) => session,
            none => none.insert(self.sandbox.open(self.spec.clone()).await?),
        };
        session.run(command, shadow, sink, cancel).await
    }

    /// Where the package caches lie that commands with network wrote to, if there was such a command; see
    /// [`SandboxSpec::packages`].
    pub async fn packages(&self) -> Option<std::path::PathBuf> {
        self.session.lock().await.as_ref()?.packages()
    }

    /// Room for the session's long outputs; opens the session where it is not open yet.
    ///
    /// # Errors
    /// [`SandboxError`] when the walls cannot be had.
    pub(super) async fn spills(&self) -> Result<Arc<dyn Spills>, SandboxError> {
        let mut open = self.session.lock().await;
        let session = match &mut *open {
            Some(session) => session,
            none => none.insert(self.sandbox.open(self.spec.clone()).await?),
        };
        Ok(session.spills())
    }

    /// Why a command failed, where a wall or a limit is the cause.
    pub async fn explained(&self, command: &str, output: &str, outcome: &Outcome) -> Option<String> {
        match &*self.session.lock().await {
            Some(session) => denial::of_session(&**session, command, output, outcome).await,
            None => None,
        }
    }

    /// Of the paths that stand changed in the shadow now, those that commands wrote to since this was asked last.
    pub(super) async fn fresh(&self, changed: Vec<String>) -> Vec<String> {
        // Their names and stamps; nothing is read.
        let written = self.written(changed, 0).await;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = |one: &Written| told.changed.get(&one.path) != Some(&one.stamp);
        // A folder that took the place of what stood there says only with all that is in it what went.
        let folders: HashSet<&str> =
            written.iter().filter(|one| one.found == Found::Folder && is_news(one)).map(|one| one.path.as_str()).collect();
        let is_below = |path: &str| path.match_indices('/').any(|(end, _)| folders.contains(&path[..end]));
        let news = written.iter().filter(|one| is_news(one) || is_below(&one.path));
        let mut news: Vec<String> = news.map(|one| one.path.clone()).collect();
        news.sort();
        let stamps = written.into_iter().map(|one| (one.path, one.stamp)).collect();
        told.changed = stamps;
        news
    }

    /// What commands left at these paths, with files of up to `most` bytes.
    pub(super) async fn written(&self, paths: Vec<String>, most: u64) -> Vec<Written> {
        match &*self.session.lock().await {
            Some(session) if !paths.is_empty() => session.written(paths, most).await,
            _ => Vec::new(),
        }
    }

    /// These paths are the proposal's from now on.
    ///
    /// # Errors
    /// [`SandboxError`] when the shadow cannot be told.
    pub(super) async fn take(&self, paths: Vec<WsPath>) -> Result<(), SandboxError> {
        match &*self.session.lock().await {
            Some(session) if !paths.is_empty() => session.take(paths).await,
            _ => Ok(()),
        }
    }

    /// What commands find otherwise at the level in force than at the highest; once.
    pub(super) async fn untold_differences(&self) -> Option<&'static str> {
        let words = self.session.lock().await.as_ref()?.level().for_the_model()?;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        (!std::mem::replace(&mut told.level, true)).then_some(words)
    }

    /// Whether no result has said that not everything that stands changed is listed.
    pub(super) fn untold_bound(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut told.bound, true)
    }

    /// Of the hidden files, those that no result has named.
    pub(super) fn untold_secrets(&self, hidden: &[String]) -> Vec<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.iter().filter(|path| told.secrets.insert((*path).clone())).cloned().collect()
    }
}

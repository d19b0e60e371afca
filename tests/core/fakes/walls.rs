//! Walls whose commands are known by name.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use countersign::{path::WsPath, seams::*};
use tokio_util::sync::CancellationToken;

use super::Hook;

/// Commands by their text: what they print and how they end. `hang` ends only when cancelled; unknown ones print their name.
#[derive(Default)]
pub struct Walls {
    pub ends: Mutex<BTreeMap<String, (Vec<u8>, Outcome)>>,
    pub ran: Arc<Mutex<Vec<String>>>,
    /// Called when a command has started.
    pub at_run: Arc<Mutex<Option<Hook>>>,
    /// What commands left in the shadow, with a stamp; a path that is not here is a file `left`.
    pub left: Arc<Mutex<BTreeMap<String, (Found, u64)>>>,
    /// What was taken of it.
    pub taken: Arc<Mutex<Vec<String>>>,
    pub broken: AtomicBool,
    pub opened: AtomicU64,
    /// What each command was allowed to reach, and what becomes of the connections of one that may reach something.
    pub networks: Arc<Mutex<Vec<Vec<String>>>>,
    /// What package managers' names stand for; one whose name stands for nothing never answers.
    pub registries: Mutex<BTreeMap<String, Registry>>,
    /// Called when one is asked.
    pub at_registry: Mutex<Option<Hook>>,
    /// Where sessions have what commands fetched, and what sessions were opened on.
    pub packages: Mutex<Option<PathBuf>>,
    pub opened_on: Mutex<Vec<Option<PathBuf>>>,
    pub connections: Arc<Mutex<Vec<Connection>>>,
    /// The terms of the last session.
    pub terms: Mutex<NetTerms>,
}

struct Session {
    packages: Option<PathBuf>,
    networks: Arc<Mutex<Vec<Vec<String>>>>,
    connections: Arc<Mutex<Vec<Connection>>>,
    ends: BTreeMap<String, (Vec<u8>, Outcome)>,
    ran: Arc<Mutex<Vec<String>>>,
    at_run: Arc<Mutex<Option<Hook>>>,
    left: Arc<Mutex<BTreeMap<String, (Found, u64)>>>,
    taken: Arc<Mutex<Vec<String>>>,
}

#[async_trait::async_trait]
impl Sandbox for Walls {
    async fn level(&self) -> (Level, String) {
        (Level::L3, "fake".into())
    }
    async fn open(&self, spec: SandboxSpec) -> Result<Box<dyn SandboxSession>, SandboxError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(SandboxError { step: "namespaces".into(), why: "not permitted".into(), hint: "".into() });
        }
        self.opened.fetch_add(1, Ordering::SeqCst);
        *self.terms.lock().unwrap() = spec.net;
        self.opened_on.lock().unwrap().push(spec.packages);
        let packages = self.packages.lock().unwrap().clone();
        let (networks, connections) = (self.networks.clone(), self.connections.clone());
        let (left, taken) = (self.left.clone(), self.taken.clone());
        let ends = self.ends.lock().unwrap().clone();
        Ok(Box::new(Session {
            ends,
            ran: self.ran.clone(),
            at_run: self.at_run.clone(),
            left,
            taken,
            packages,
            networks,
            connections,
        }))
    }
    async fn registry(&self, name: &str, _: &Path) -> Result<Registry, String> {
        if let Some(hook) = &mut *self.at_registry.lock().unwrap() {
            hook();
        }
        let found = self.registries.lock().unwrap().get(name).cloned().ok_or_else(|| format!("{name} is not installed"));
        if found.as_ref().is_ok_and(|found| found.hosts.is_empty()) {
            std::future::pending::<()>().await;
        }
        found
    }
}

#[async_trait::async_trait]
impl SandboxSession for Session {
    fn level(&self) -> Level {
        Level::L3
    }
    async fn run(
        &self,
        command: Command,
        _: &Shadow,
        sink: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Outcome, SandboxError> {
        self.ran.lock().unwrap().push(command.text.clone());
        if !command.network.is_empty() {
            self.connections.lock().unwrap().iter().for_each(|news| sink.connection(news));
        }
        self.networks.lock().unwrap().push(command.network.clone());
        if command.text == "hang" {
            sink.output(b"half a line");
            if let Some(hook) = &mut *self.at_run.lock().unwrap() {
                hook();
            }
            cancel.cancelled().await;
            return Ok(Outcome { stopped: Some(Stopped::Cancelled), ..Outcome::default() });
        }
        let (out, outcome) = self
            .ends
            .get(&command.text)
            .cloned()
            .unwrap_or_else(|| (command.text.clone().into_bytes(), Outcome { exit: Some(0), ..Outcome::default() }));
        sink.output(&out);
        Ok(outcome)
    }
    fn packages(&self) -> Option<PathBuf> {
        self.packages.clone()
    }
    async fn written(&self, paths: Vec<String>, _: u64) -> Vec<Written> {
        let left = self.left.lock().unwrap();
        let found = |path: &str| left.get(path).cloned().unwrap_or((Found::File { content: b"left".into(), mode: 0o644 }, 1));
        paths.into_iter().map(|path| Written { found: found(&path).0, stamp: found(&path).1, path }).collect()
    }
    fn spills(&self) -> Arc<dyn Spills> {
        Arc::new(Memory)
    }
    async fn take(&self, paths: Vec<WsPath>) -> Result<(), SandboxError> {
        self.taken.lock().unwrap().extend(paths.iter().map(ToString::to_string));
        Ok(())
    }
}

/// Long outputs, kept in memory.
struct Memory;

impl Spills for Memory {
    fn create(&self) -> std::io::Result<Box<dyn Spill>> {
        Ok(Box::new(Bytes(Vec::new())))
    }
}

struct Bytes(Vec<u8>);

impl Spill for Bytes {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
    fn read(&self, at: u64, most: usize) -> std::io::Result<Vec<u8>> {
        Ok(self.0.iter().skip(at as usize).take(most).copied().collect())
    }
}

//! The test bench: a workspace, a home with planted secrets, a victim folder outside, and a session behind the walls.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use countersign::{
    path::WsPath,
    sandbox::{LinuxSandbox, SandboxPaths},
    seams::{Command, Outcome, OutputSink, Sandbox, SandboxError, SandboxSession, SandboxSpec, Shadow},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Folders of one test; gone when it ends.
pub struct Bench {
    pub root: TempDir,
    session: Box<dyn SandboxSession>,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub outcome: Outcome,
    pub output: String,
}

impl Ran {
    pub fn ok(&self) -> bool {
        self.outcome.exit == Some(0)
    }
}

struct Collect(Vec<u8>);

impl OutputSink for Collect {
    fn output(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

pub const MIB: u64 = 1 << 20;

pub fn spec(folder: &Path) -> SandboxSpec {
    SandboxSpec {
        folder: folder.to_owned(),
        env_allow: vec!["ALLOWED".into()],
        home_read: Vec::new(),
        memory: 2048 * MIB,
        processes: 512,
        file_size: 512 * MIB,
        tmp_size: 256 * MIB,
    }
}

pub fn environment(home: &Path) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = std::env::vars().collect();
    let real = PathBuf::from(variables.get("HOME").cloned().unwrap_or_default());
    variables.entry("RUSTUP_HOME".into()).or_insert_with(|| real.join(".rustup").display().to_string());
    variables.insert("HOME".into(), home.display().to_string());
    variables
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A bench whose spec is changed first.
    pub async fn with(change: impl FnOnce(&mut SandboxSpec)) -> Self {
        let root = tempfile::Builder::new().prefix("walls-").tempdir().unwrap();
        for folder in ["w", "out", "home", "cache"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("w/a.txt"), "alpha\n").unwrap();
        fs::write(root.path().join("out/file"), "victim\n").unwrap();
        let mut spec = spec(&root.path().join("w"));
        change(&mut spec);
        let session = sandbox(root.path()).open(spec).await.unwrap();
        Bench { root, session }
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    pub fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap()
    }

    pub async fn sh(&self, text: &str) -> Ran {
        self.run(text, &Shadow::default(), Duration::from_secs(60), &CancellationToken::new()).await.unwrap()
    }

    pub async fn run(
        &self,
        text: &str,
        shadow: &Shadow,
        timeout: Duration,
        cancel: &CancellationToken,
    ) -> Result<Ran, SandboxError> {
        let text =
            text.replace("$OUT", &self.path("out").display().to_string()).replace("$W", &self.path("w").display().to_string());
        let mut sink = Collect(Vec::new());
        let command = Command { text, cwd: WsPath::root(), timeout };
        let outcome = self.session.run(command, shadow, &mut sink, cancel).await?;
        Ok(Ran { outcome, output: String::from_utf8_lossy(&sink.0).into_owned() })
    }
}

pub fn sandbox(root: &Path) -> LinuxSandbox {
    let paths = SandboxPaths { exe: env!("CARGO_BIN_EXE_countersign").into(), cache: root.join("cache") };
    LinuxSandbox::with_environment(paths, environment(&root.join("home")))
}

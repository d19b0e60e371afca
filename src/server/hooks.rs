//! The repository's commit hooks, run inside the walls on a shadow that holds what is to be committed. What a hook writes is lost:
//! a commit holds exactly what the user accepted. A hook can refuse the commit, and commit-msg can change the message.
//!
//! It reads the private index that git made, hence the lifted ban.
#![allow(clippy::disallowed_methods)]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    path::WsPath,
    policy::Policy,
    seams::{Command, OutputSink, Sandbox, SandboxSpec, Shadow, ShadowFile, VcsError},
    vcs::{HookOutcome, HookRun, HookRunner},
    workspace::{Folder, World},
};

/// Longest time for one hook.
const PATIENCE: Duration = Duration::from_secs(120);
/// Most output that is kept of a hook, bytes.
const OUTPUT: usize = 64 * 1024;
/// Where the shadow's git folder holds what the hook needs. Nothing of it is ever on the disk.
const INDEX: &str = ".git/countersign-index";
const MESSAGE: &str = ".git/COMMIT_EDITMSG";

/// Runs hooks of one folder.
pub struct WalledHooks {
    sandbox: Arc<dyn Sandbox>,
    policy: Arc<Policy>,
    folder: PathBuf,
    home: Option<PathBuf>,
}

impl WalledHooks {
    /// Hooks of this folder, for the user with this home.
    pub fn new(sandbox: Arc<dyn Sandbox>, policy: Arc<Policy>, folder: PathBuf, home: Option<PathBuf>) -> Self {
        WalledHooks { sandbox, policy, folder, home }
    }

    /// The secret files, which a hook finds empty as every command does.
    async fn masked(&self) -> Result<Vec<WsPath>, VcsError> {
        let (policy, folder, home) = (self.policy.clone(), self.folder.clone(), self.home.clone());
        let look = move || {
            let world = World::new(Folder::open(&folder)?, home, None);
            world.masked(&|path, tracked| policy.path_class(path, tracked).secret)
        };
        let unknown = |why: String| fail(format!("the hooks cannot run: where the secret files are is not known: {why}"));
        let found = tokio::task::spawn_blocking(look).await.map_err(|error| unknown(error.to_string()))?;
        found.map_err(|error| unknown(error.to_string()))
    }
}

#[async_trait::async_trait]
impl HookRunner for WalledHooks {
    async fn run(&self, run: HookRun) -> Result<HookOutcome, VcsError> {
        let program = self.inside(&run.program).ok_or_else(|| {
            fail(format!("the hook {} lies outside of the workspace folder, where the walls hide it", run.program.display()))
        })?;
        if !self.folder.join(".git").is_dir() {
            return Err(fail(format!("the {} hook cannot run: the folder's .git is no folder of its own", run.hook)));
        }
        let index = std::fs::read(&run.index).map_err(|error| fail(format!("the private index cannot be read: {error}")))?;
        let mut files = vec![file(INDEX, Some(index)), file(MESSAGE, Some(run.message.clone().into_bytes()))];
        files.extend(run.changes.iter().map(|(path, content)| file(path, content.clone())));
        let shadow = Shadow { files: files.into_iter().flatten().collect(), masked: self.masked().await? };
        // Behind the marker stands the message as the hook left it.
        let marker = uuid::Uuid::new_v4().simple().to_string();
        let argument = if run.hook == "commit-msg" { format!(" {MESSAGE}") } else { String::new() };
        let text = format!(
            "export GIT_INDEX_FILE=\"$PWD/{INDEX}\" GIT_DIR=\"$PWD/.git\"\n{}{argument}\ncode=$?\nprintf '\\n{marker}\\n'\ncat {MESSAGE}\nexit $code",
            quoted(&program)
        );
        let session = self
            .sandbox
            .open(SandboxSpec::under(self.folder.clone(), self.policy.run()))
            .await
            .map_err(|error| refused(&run.hook, &error))?;
        let command = Command { text, cwd: WsPath::root(), timeout: PATIENCE, network: Vec::new() };
        let mut kept = Kept(Vec::new());
        let outcome = session
            .run(command, &shadow, &mut kept, &CancellationToken::new())
            .await
            .map_err(|error| refused(&run.hook, &error))?;
        let said = String::from_utf8_lossy(&kept.0).into_owned();
        let (output, message) = match said.split_once(&format!("\n{marker}\n")) {
            Some((output, message)) => (output.to_owned(), Some(message.to_owned())),
            None => (said, None),
        };
        let message = message.filter(|message| run.hook == "commit-msg" && *message != run.message);
        Ok(HookOutcome { passed: outcome.exit == Some(0), output, message })
    }
}

impl WalledHooks {
    /// The hook's path below the folder.
    fn inside(&self, program: &Path) -> Option<String> {
        let program = program.canonicalize().ok()?;
        program.strip_prefix(&self.folder).ok()?.to_str().map(|path| format!("./{path}"))
    }
}

struct Kept(Vec<u8>);

impl OutputSink for Kept {
    fn output(&mut self, bytes: &[u8]) {
        // The end holds the marker and the message: the middle may go, the end may not.
        self.0.extend_from_slice(bytes);
        if self.0.len() > 2 * OUTPUT {
            self.0.drain(..self.0.len() - OUTPUT);
        }
    }
}

fn file(path: &str, content: Option<Vec<u8>>) -> Option<ShadowFile> {
    Some(ShadowFile { path: WsPath::from_disk(path)?, content, mode: None })
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn refused(hook: &str, error: &crate::seams::SandboxError) -> VcsError {
    VcsError { message: format!("the {hook} hook cannot run: {error}"), hint: Some(error.hint.clone()) }
}

fn fail(message: String) -> VcsError {
    VcsError { message, hint: Some("Move the hook into the repository, or remove it.".to_owned()) }
}

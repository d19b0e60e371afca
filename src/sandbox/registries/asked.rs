//! Asks an installed program: in an empty folder, with an environment built from nothing, for a few seconds at most.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

use crate::sandbox::removals;

/// A cold interpreter on a slow disk takes a second or two; the user waits for it.
const PATIENCE: Duration = Duration::from_secs(20);
/// An answer is a few lines; more is nonsense, bytes.
const LONGEST: usize = 256 << 10;

/// Asks programs in a folder of its own, which goes with it.
pub(super) struct Asker {
    folder: PathBuf,
    /// What a crash leaves is swept like a shadow.
    _lock: fs::File,
    env: Vec<(String, String)>,
}

impl Asker {
    pub(super) fn new(cache: &Path, env: Vec<(String, String)>) -> io::Result<Asker> {
        let folder = cache.join(format!("asking-{}", uuid::Uuid::now_v7()));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(cache)?;
        let lock = removals::lock(&folder)?;
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Asker { folder, _lock: lock, env })
    }

    /// The folder, empty but for what the asker's user put into it.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the program prints.
    ///
    /// # Errors
    /// It is not there, failed, or took too long.
    pub(super) async fn ask(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let process = self.command(program, arguments)?.stdout(Stdio::piped()).output();
        let ended = tokio::time::timeout(PATIENCE, process).await;
        let output = ended.map_err(|_| format!("{program} did not answer"))?.map_err(|e| format!("{program}: {e}"))?;
        if !output.status.success() {
            return Err(format!("{program} {}: {}", arguments.first().unwrap_or(&""), output.status));
        }
        match String::from_utf8(output.stdout) {
            Ok(said) if said.len() <= LONGEST => Ok(said),
            _ => Err(format!("{program} answers something else than a few lines")),
        }
    }

    /// The program, to be started with nothing to read and nothing to say.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn command(&self, program: &str, arguments: &[&str]) -> Result<Command, String> {
        let path = self.env.iter().find(|(name, _)| name == "PATH").map_or("", |(_, path)| path.as_str());
        let found = path.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.is_file());
        let mut command = Command::new(found.ok_or_else(|| format!("{program} is not installed (not found on PATH)"))?);
        command.args(arguments).current_dir(&self.folder).env_clear().envs(self.env.iter().map(|(k, v)| (k, v)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_file(removals::lock_of(&self.folder));
    }
}

//! The probes of `doctor` that start a program or open a connection: git, and the model's endpoint. They touch nothing of the
//! user's, and only here the ban on starting programs is lifted.
#![allow(clippy::disallowed_methods)]

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::config::Environment;

/// Longest wait for an endpoint.
const PATIENCE: Duration = Duration::from_secs(3);

/// A program by its name, on the absolute folders of `PATH`.
pub fn find_program(environment: &Environment, name: &str) -> Option<PathBuf> {
    environment.path().into_iter().map(|folder| folder.join(name)).find(|path| {
        let meta = std::fs::metadata(path);
        meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

/// What `git --version` says, run with an empty environment in the root folder: no configuration is read.
pub fn git_version(git: &Path) -> Result<String, String> {
    let output = Command::new(git).arg("--version").env_clear().current_dir("/").stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("it ended with {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The kernel's release.
pub fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Whether something answers at the host and port of a URL. Nothing is sent.
pub async fn reach(url: &reqwest::Url) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().ok_or("it has no port")?;
    match tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{host}:{port}: {error}")),
        Err(_) => Err(format!("{host}:{port}: no answer within {} seconds", PATIENCE.as_secs())),
    }
}

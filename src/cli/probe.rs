//! The probes that start a program, open a connection or look at a folder: git, the model's endpoint, room for what is kept. They
//! touch nothing of the user's, and only here the ban on starting programs is lifted.
#![allow(clippy::disallowed_methods)]

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use reqwest::Url;
use rustix::fs::Access;

use crate::config::{Environment, model::is_loopback};

/// Longest wait for an endpoint.
const PATIENCE: Duration = Duration::from_secs(3);
/// Less free room than this is none, bytes.
const ROOM: u64 = 1 << 20;

/// Whether files can be written below a folder, which need not exist yet.
///
/// # Errors
/// A sentence without its end: which folder, and why not.
pub fn room(folder: &Path) -> Result<(), String> {
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
    let shown = there.display();
    if !there.is_dir() {
        return Err(format!("{shown} is no folder"));
    }
    rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| format!("{shown}: {error}"))?;
    let disk = rustix::fs::statvfs(there).map_err(|error| format!("{shown}: {error}"))?;
    // Some file systems count no blocks.
    if disk.f_blocks > 0 && disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM {
        return Err(format!("{shown}: the disk is full"));
    }
    Ok(())
}

/// The proxy that requests to a URL go through by the environment, as the HTTP client reads it. Exceptions by address ranges
/// are not looked at.
pub fn proxy(environment: &Environment, url: &Url) -> Option<Url> {
    let variable = |name: &str| environment.os(name).and_then(|value| value.to_str()).filter(|value| !value.trim().is_empty());
    let host = url.host_str()?;
    if is_loopback(url) {
        return None;
    }
    let except = ["NO_PROXY", "no_proxy"].into_iter().find_map(variable).unwrap_or_default();
    let spared = |name: &str| name == "*" || host == name || host.ends_with(&format!(".{name}"));
    if except.split(',').map(|name| name.trim().trim_start_matches('.')).filter(|name| !name.is_empty()).any(spared) {
        return None;
    }
    let names = if url.scheme() == "https" { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
    let proxy = names.into_iter().chain(["ALL_PROXY", "all_proxy"]).find_map(variable)?.trim();
    let proxy = if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
    Url::parse(&proxy).ok()
}

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
pub async fn reach(url: &Url) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().ok_or("it has no port")?;
    match tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{host}:{port}: {error}")),
        Err(_) => Err(format!("{host}:{port}: no answer within {} seconds", PATIENCE.as_secs())),
    }
}

//! Where a push goes: one remote, one URL, of a kind that is allowed.

#![allow(clippy::disallowed_methods)] // resolves a remote that is a path

use std::{fs, io::Read, path::Path};

use crate::path::hidden;
use crate::seams::VcsError;

use super::{
    Git,
    desk::{Desk, REMOTE},
    words::{fail, fail_hint, redact, shown},
};

/// Most of a configuration file that is looked at, bytes.
const LARGEST: u64 = 1024 * 1024;

/// A URL that may be pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// As git gets it, user-info included: never shown, never journalled.
    pub url: String,
    /// Without user-info and query.
    pub display: String,
    /// For `GIT_ALLOW_PROTOCOL`.
    pub protocol: &'static str,
}

/// The remote to push `branch` to: as asked, as configured for the branch, or the only one.
pub(super) fn choose(desk: &Desk<'_>, wanted: Option<&str>, branch: &str) -> Result<String, VcsError> {
    let config = desk.repo_config();
    let mut known: Vec<&str> = Vec::new();
    for entry in config {
        if let ("remote", Some(name), "url" | "pushurl") = (entry.section.as_str(), entry.sub.as_deref(), entry.name.as_str())
            && !known.contains(&name)
        {
            known.push(name);
        }
    }
    let configured = || {
        desk.repo_value("branch", Some(branch), "pushremote")
            .or_else(|| desk.repo_value("remote", None, "pushdefault"))
            .or_else(|| desk.repo_value("branch", Some(branch), "remote"))
    };
    let only = || if known.len() == 1 { known.first().copied() } else { known.iter().find(|name| **name == "origin").copied() };
    let list = if known.is_empty() { "there is no remote".to_owned() } else { format!("there is {}", known.join(", ")) };
    let name = wanted.or_else(configured).or_else(only);
    let name = name.ok_or_else(|| fail_hint("no remote to push to", format!("name a configured remote: {list}")))?;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if !known.contains(&name) || name.starts_with(['-', '.']) || name == REMOTE || !name.chars().all(plain) {
        return Err(fail_hint(
            format!("{:?} is no remote of this repository", shown(name)),
            format!("name a configured remote: {list}"),
        ));
    }
    Ok(name.to_owned())
}

/// Whether a repository can have a remote: its configuration names one, or says that more stands elsewhere. Reads that one file of
/// the common git directory, so that a menu may ask for it.
pub fn may_have_remote(common: &Path) -> bool {
    let mut text = String::new();
    let read = fs::File::open(common.join("config")).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
    let says = |line: &str| {
        let line = line.trim_start().to_ascii_lowercase();
        line.starts_with("[remote") || line.starts_with("[include") || line.starts_with("worktreeconfig")
    };
    read.is_err() || text.lines().any(says)
}

/// The one push URL of a remote, rewritten by the user's own `url.*.insteadOf` only, and checked.
pub(super) async fn url(git: &Git, desk: &Desk<'_>, remote: &str) -> Result<Target, VcsError> {
    let urls = push_urls(desk, remote).await?;
    match urls.as_slice() {
        [url] => check(git, url),
        [] => Err(fail(format!("the remote {remote:?} has no URL"))),
        many => Err(fail_hint(
            format!("the remote {remote:?} has {} push URLs", many.len()),
            "name a remote with one: a push goes to one place",
        )),
    }
}

/// The push URLs of a remote of the desk's configuration, as git would use them.
pub(super) async fn push_urls(desk: &Desk<'_>, remote: &str) -> Result<Vec<String>, VcsError> {
    let text = desk.git(&["remote", "get-url", "--push", "--all", remote]).await?.text();
    Ok(text.lines().map(str::to_owned).collect())
}

fn check(git: &Git, url: &str) -> Result<Target, VcsError> {
    let display = display(url);
    let refuse = |why: &str, hint: &str| Err(fail_hint(format!("nothing is pushed to {display}: {why}"), hint.to_owned()));
    if url.chars().any(|c| hidden(c) || c == ' ') || url.is_empty() || url.starts_with('-') {
        return refuse("the URL holds characters that cannot be shown", "correct the remote's URL");
    }
    if let Some(rest) = url.strip_prefix("https://") {
        return match host(rest) {
            Some(_) => Ok(Target { url: url.to_owned(), display, protocol: "https" }),
            None => refuse("it names no host", "correct the remote's URL"),
        };
    }
    let ssh = url.strip_prefix("ssh://").or_else(|| url.strip_prefix("git+ssh://")).or_else(|| url.strip_prefix("ssh+git://"));
    if let Some(rest) = ssh {
        return match host(rest) {
            Some(_) => Ok(Target { url: url.to_owned(), display, protocol: "ssh" }),
            None => refuse("it names no host", "correct the remote's URL"),
        };
    }
    if url.contains("::") || (url.contains("://") && !url.starts_with("file://")) {
        return refuse("only https and ssh are allowed", "give the remote an https or ssh URL");
    }
    let path = match url.strip_prefix("file://") {
        Some(path) => path,
        // `host:path`, unless a slash stands before the colon
        None => match url.split_once(':') {
            Some((before, _)) if !before.contains('/') => {
                return match host(before) {
                    Some(_) => Ok(Target { url: url.to_owned(), display, protocol: "ssh" }),
                    None => refuse("it names no host", "correct the remote's URL"),
                };
            }
            _ => url,
        },
    };
    if !git.settings.allow_file_remotes {
        return refuse("it is a path on this machine", "use an https or ssh remote, or set `[git] allow_file_remotes = true`");
    }
    let Ok(real) = fs::canonicalize(git.place.top.join(path)) else {
        return refuse("there is no such folder", "correct the remote's URL");
    };
    let inside = |folder: &Path| real.starts_with(folder);
    if inside(&git.place.top) || inside(&git.place.common) {
        return refuse("it lies inside the workspace, whose hooks must not run", "use a remote outside the workspace");
    }
    match real.to_str() {
        Some(path) => Ok(Target { url: path.to_owned(), display: path.to_owned(), protocol: "file" }),
        None => refuse("its path is not UTF-8", "move it"),
    }
}

/// The host of `user@host:port/path`; never something that ssh would take for an option.
fn host(rest: &str) -> Option<&str> {
    let authority = rest.split('/').next()?;
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    (!host.is_empty() && !host.starts_with(['-', ':']) && !user.starts_with('-')).then_some(host)
}

fn display(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let url = redact(url);
    let bare = match url.split_once(':') {
        Some((before, path)) if !before.contains('/') && !url.contains("://") => {
            format!("{}:{path}", before.rsplit('@').next().unwrap_or(before))
        }
        _ => url,
    };
    shown(&bare)
}

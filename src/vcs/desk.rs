//! The desk: a private common directory at which one operation is done.
//!
//! Git takes HEAD and index from `GIT_DIR`, which is the repository's own, and everything else from `GIT_COMMON_DIR`, which is
//! a fresh directory with links to the repository's objects, refs and logs, no hooks, no `info/attributes`, and a
//! configuration of ours. So there is nothing of the workspace's to override: git never opens it.

#![allow(clippy::disallowed_methods)] // builds and removes the private directory

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    os::unix::fs::{DirBuilderExt, symlink},
    path::{Path, PathBuf},
};

use crate::seams::VcsError;

use super::{
    config::{self, Entry},
    program::Program,
    repo::Place,
    run::{LOCAL, Limits, Output, run},
    words::{fail, fail_hint},
};

/// The remote under which a resolved URL stands in a desk's configuration; git never pushes to a name of the workspace's.
pub(super) const REMOTE: &str = "countersign-target";

/// Stands above every configuration: nothing of the user's own runs unasked either, and output does not depend on taste.
const FIXED: &[&str] = &[
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.pager=cat",
    "core.quotePath=false",
    "core.bare=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "diff.submodule=short",
    "diff.ignoreSubmodules=all",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "push.followTags=false",
    "push.pushOption=",
    "http.followRedirects=false",
    "safe.bareRepository=explicit",
    "user.useConfigOnly=true",
    "i18n.commitEncoding=UTF-8",
    "i18n.logOutputEncoding=UTF-8",
    "log.showSignature=false",
    "color.ui=false",
    "advice.detachedHead=false",
];

/// Most bytes of any output that is not a diff or a listing for people.
const BYTES: usize = 16 << 20;

/// Where HEAD stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub branch: Option<String>,
    pub commit: Option<String>,
}

pub(super) struct Desk<'a> {
    pub place: &'a Place,
    pub program: &'a Program,
    dir: PathBuf,
    env: Vec<(OsString, OsString)>,
    /// The workspace's own configuration, to be read as data.
    repo: Vec<Entry>,
    /// The configuration that git sees here.
    seen: Vec<Entry>,
    sha256: bool,
}

impl Drop for Desk<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "a private git directory stays behind");
        }
    }
}

impl<'a> Desk<'a> {
    /// Sets a desk up; with `url` the remote [`REMOTE`] has it.
    pub async fn set(place: &'a Place, program: &'a Program, scratch: &Path, url: Option<&str>) -> Result<Desk<'a>, VcsError> {
        place.check()?;
        let failed = |error: &dyn std::fmt::Display| fail(format!("no private directory below {}: {error}", scratch.display()));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(scratch).map_err(|error| failed(&error))?;
        let dir = nix::unistd::mkdtemp(&scratch.join("countersign-git-XXXXXX")).map_err(|error| failed(&error))?;
        let mut env = program.env().to_vec();
        env.push(("GIT_DIR".into(), place.git_dir.clone().into()));
        env.push(("GIT_COMMON_DIR".into(), dir.clone().into()));
        env.push(("GIT_WORK_TREE".into(), place.top.clone().into()));
        let mut desk = Desk { place, program, dir, env, repo: Vec::new(), seen: Vec::new(), sha256: false };
        desk.furnish().map_err(|error| fail(format!("the private git directory cannot be made: {error}")))?;
        desk.read_repo().await?;
        let mut ours: Vec<Entry> = desk.repo.iter().filter(|entry| config::harmless(entry)).cloned().collect();
        ours.retain(|entry| !(entry.section == "remote" && entry.sub.as_deref() == Some(REMOTE)));
        if let Some(url) = url {
            ours.push(Entry::new("remote", Some(REMOTE), "url", url));
        }
        desk.write_config(&ours)?;
        desk.seen = desk.list(&["--list", "-z", "--includes"]).await?;
        let filters: BTreeSet<&str> =
            desk.seen.iter().filter(|e| e.section == "filter").filter_map(|e| e.sub.as_deref()).collect();
        if !filters.is_empty() {
            // the user's own filters (git-lfs): attributes of the workspace would choose the files they run on
            for filter in filters {
                ours.extend(["clean", "smudge", "process"].map(|name| Entry::new("filter", Some(filter), name, "")));
                ours.push(Entry::new("filter", Some(filter), "required", "false"));
            }
            desk.write_config(&ours)?;
        }
        let empty = desk.empty_tree().into();
        desk.env.push(("GIT_ATTR_SOURCE".into(), empty));
        Ok(desk)
    }

    fn furnish(&self) -> std::io::Result<()> {
        for folder in ["hooks", "info", "logs"] {
            fs::create_dir(self.dir.join(folder))?;
        }
        for shared in ["objects", "refs", "packed-refs", "shallow", "logs/refs", "info/exclude"] {
            symlink(self.place.common.join(shared), self.dir.join(shared))?;
        }
        fs::write(self.dir.join("config"), "[core]\n\trepositoryformatversion = 0\n")
    }

    async fn read_repo(&mut self) -> Result<(), VcsError> {
        self.repo = self.list_file(&self.place.common.join("config")).await?;
        if self.repo_flag("extensions", "worktreeconfig") == Some(true) {
            let more = self.list_file(&self.place.git_dir.join("config.worktree")).await?;
            self.repo.extend(more);
        }
        if let Some(what) = self.repo.iter().find_map(config::unsupported) {
            return Err(fail_hint(
                format!("the repository uses something that is not understood here: {what}"),
                "work with it in a terminal",
            ));
        }
        self.sha256 = self.repo_value("extensions", None, "objectformat").is_some_and(|format| format == "sha256");
        Ok(())
    }

    async fn list_file(&self, file: &Path) -> Result<Vec<Entry>, VcsError> {
        match fs::metadata(file) {
            Ok(meta) if meta.is_file() && meta.len() <= 1 << 20 => {}
            Ok(_) => return Err(fail(format!("{} is no plain file of at most 1 MiB", file.display()))),
            Err(_) => return Ok(Vec::new()),
        }
        let file = file.to_str().ok_or_else(|| fail("the repository's path is not UTF-8"))?;
        self.list(&["--file", file, "--no-includes", "--list", "-z"]).await
    }

    async fn list(&self, args: &[&str]) -> Result<Vec<Entry>, VcsError> {
        let mut all = vec!["config"];
        all.extend(args);
        Ok(config::parse(&self.git(&all).await?.stdout))
    }

    fn write_config(&self, entries: &[Entry]) -> Result<(), VcsError> {
        let version = if self.sha256 { "1" } else { "0" };
        let mut all = entries.to_vec();
        all.push(Entry::new("core", None, "repositoryformatversion", version));
        fs::write(self.dir.join("config"), config::write(&all)).map_err(|error| fail(format!("git configuration: {error}")))
    }

    /// A path in the private directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The workspace's own settings, as data.
    pub fn repo_config(&self) -> &[Entry] {
        &self.repo
    }

    /// The workspace's own setting, last one first.
    pub fn repo_value(&self, section: &str, sub: Option<&str>, name: &str) -> Option<&str> {
        self.repo.iter().rev().find(|entry| entry.is(section, sub, name))?.value.as_deref()
    }

    pub fn repo_flag(&self, section: &str, name: &str) -> Option<bool> {
        self.repo.iter().rev().find(|entry| entry.is(section, None, name))?.truth()
    }

    /// The setting that git sees here.
    pub fn value(&self, section: &str, sub: Option<&str>, name: &str) -> Option<&str> {
        let seen = |entry: &&Entry| entry.is(section, sub, name) && entry.value.as_deref() != Some("/dev/null");
        self.seen.iter().rev().find(seen)?.value.as_deref()
    }

    pub fn flag(&self, section: &str, name: &str) -> Option<bool> {
        self.seen.iter().rev().find(|entry| entry.is(section, None, name))?.truth()
    }

    pub fn empty_tree(&self) -> &'static str {
        if self.sha256 {
            "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
        } else {
            "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        }
    }

    /// The id that stands for "does not exist".
    pub fn no_id(&self) -> String {
        "0".repeat(if self.sha256 { 64 } else { 40 })
    }

    /// Runs git with more than the usual; the exit code is the caller's to judge.
    pub async fn raw(
        &self,
        args: &[&str],
        input: Option<&[u8]>,
        env: &[(&str, OsString)],
        limits: Limits,
    ) -> Result<Output, VcsError> {
        let mut all: Vec<OsString> = Vec::with_capacity(args.len() + 2 * FIXED.len() + 1);
        for setting in FIXED {
            all.extend(["-c".into(), OsString::from(setting)]);
        }
        all.push("--no-pager".into());
        all.extend(args.iter().map(OsString::from));
        let mut vars = self.env.clone();
        vars.extend(env.iter().map(|(key, value)| (OsString::from(key), value.clone())));
        run(self.program.git(), &all, &vars, &self.place.top, input, limits).await
    }

    /// Runs a local git command that must succeed with bounded output.
    pub async fn git(&self, args: &[&str]) -> Result<Output, VcsError> {
        self.git_with(args, None, &[]).await
    }

    pub async fn git_with(&self, args: &[&str], input: Option<&[u8]>, env: &[(&str, OsString)]) -> Result<Output, VcsError> {
        let output = self.raw(args, input, env, Limits { time: LOCAL, bytes: BYTES }).await?;
        let name = args.first().copied().unwrap_or_default();
        if output.cut {
            return Err(fail(format!("git {name} said more than {} MiB", BYTES >> 20)));
        }
        if output.code != 0 {
            return Err(fail(format!("git {name}: {}", output.complaint())));
        }
        Ok(output)
    }

    /// Output of a command that answers one line; `None` where it fails (it had nothing to answer).
    pub async fn line(&self, args: &[&str]) -> Result<Option<String>, VcsError> {
        let output = self.raw(args, None, &[], Limits { time: LOCAL, bytes: BYTES }).await?;
        Ok((output.code == 0).then(|| output.text().trim_end_matches('\n').to_owned()))
    }

    pub async fn head(&self) -> Result<Head, VcsError> {
        let full = self.line(&["symbolic-ref", "--quiet", "HEAD"]).await?;
        let branch = full.and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
        let commit = self.line(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).await?;
        Ok(Head { branch, commit })
    }

    /// Commit of a local branch; `None` when there is no such branch.
    pub async fn branch_commit(&self, branch: &str) -> Result<Option<String>, VcsError> {
        self.line(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}^{{commit}}")]).await
    }

    /// A diff of two trees or commits for people, cut at `bytes` with a line that says so.
    pub async fn diff(&self, old: &str, new: &str, bytes: usize) -> Result<String, VcsError> {
        let args = [
            "diff-tree",
            "-r",
            "-p",
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
            "--no-renames",
            "--src-prefix=a/",
            "--dst-prefix=b/",
        ];
        let mut args = args.to_vec();
        args.extend(["--submodule=short", "--ignore-submodules=none", "--end-of-options", old, new]);
        let output = self.raw(&args, None, &[], Limits { time: LOCAL, bytes }).await?;
        if output.code != 0 && !output.cut {
            return Err(fail(format!("git diff-tree: {}", output.complaint())));
        }
        let mut text = output.text();
        if output.cut {
            text += &format!("\n[the diff is longer than {} KiB; the rest is not shown]\n", bytes >> 10);
        }
        Ok(text)
    }
}

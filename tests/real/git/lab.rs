//! A workspace with history, a home with a user's gitconfig, and a bare remote, all in one temporary folder.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use countersign::{
    path::WsPath,
    seams::{Accepted, CommitSpec},
    vcs::{Git, GitSettings, HookRunner},
};

use crate::support::program::program;

pub struct Lab {
    _dir: tempfile::TempDir,
    pub root: PathBuf,
    pub ws: PathBuf,
    pub home: PathBuf,
    pub remote: PathBuf,
}

pub const STORY: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n";

impl Lab {
    /// On branch `topic`, which is at `main`; both files committed and `main` on the remote.
    pub fn new() -> Lab {
        let lab = Lab::empty("sha1");
        lab.write("story.txt", STORY);
        lab.write("other.txt", "other\n");
        lab.plain_ok(&["add", "."]);
        lab.plain_ok(&["commit", "-qm", "first"]);
        lab.plain_ok(&["push", "-q", "origin", "main"]);
        lab.plain_ok(&["checkout", "-qb", "topic"]);
        lab
    }

    pub fn empty(format: &str) -> Lab {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let [ws, home, remote] = ["ws", "home", "remote.git"].map(|name| root.join(name));
        [&ws, &home, &root.join("scratch")].iter().for_each(|dir| fs::create_dir(dir).unwrap());
        fs::write(home.join(".gitconfig"), "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n")
            .unwrap();
        let lab = Lab { _dir: dir, root, ws, home, remote };
        let format = format!("--object-format={format}");
        lab.plain_ok(&["init", "-q", "-b", "main", &format, "."]);
        lab.plain_ok(&["init", "-q", "--bare", "-b", "main", &format, lab.remote.to_str().unwrap()]);
        lab.plain_ok(&["remote", "add", "origin", lab.remote.to_str().unwrap()]);
        lab
    }

    pub fn env(&self) -> Vec<(OsString, OsString)> {
        vec![("PATH".into(), std::env::var_os("PATH").unwrap()), ("HOME".into(), self.home.clone().into())]
    }

    pub fn settings(&self) -> GitSettings {
        GitSettings { allow_file_remotes: true, env: self.env(), scratch: self.root.join("scratch"), ..GitSettings::default() }
    }

    pub fn open(&self) -> Git {
        Git::open(&self.ws, self.settings()).unwrap()
    }

    pub fn with_hooks(&self, hooks: Arc<dyn HookRunner>) -> Git {
        Git::open(&self.ws, GitSettings { hooks: Some(hooks), ..self.settings() }).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        let file = self.ws.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Plain git, as a user types it in the workspace.
    pub fn plain(&self, args: &[&str]) -> Output {
        self.plain_at(&self.ws, args)
    }

    pub fn plain_at(&self, cwd: &Path, args: &[&str]) -> Output {
        let mut git = Command::new("git");
        git.args(args)
            .current_dir(cwd)
            .env_clear()
            .envs(self.env())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(std::process::Stdio::null());
        git.output().unwrap()
    }

    pub fn plain_ok(&self, args: &[&str]) -> String {
        let output = self.plain(args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    pub fn remote_branch(&self, branch: &str) -> Option<String> {
        let name = format!("refs/heads/{branch}");
        let output = self.plain_at(&self.remote, &["rev-parse", "--verify", "--quiet", &name]);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// A program that touches the canary and says nothing.
    pub fn canary_script(&self) -> String {
        let file = self.ws.join("canary.sh");
        let script = format!("#!/bin/sh\n: > '{}'\nexit 0\n", self.canary().display());
        program(&file, script);
        file.to_str().unwrap().to_owned()
    }

    pub fn canary(&self) -> PathBuf {
        self.root.join("CANARY")
    }

    /// No private directory is left behind.
    pub fn scratch_is_empty(&self) -> bool {
        fs::read_dir(self.root.join("scratch")).unwrap().next().is_none()
    }
}

pub fn path(text: &str) -> WsPath {
    WsPath::from_disk(text).unwrap()
}

/// One accepted change of a text.
pub fn pair(before: &str, after: &str) -> Accepted {
    (before.to_owned(), after.to_owned()).into()
}

/// A commit of one accepted change to one file.
pub fn spec(file: &str, before: &str, after: &str) -> CommitSpec {
    CommitSpec { accepted: vec![(path(file), vec![pair(before, after)])], message: "Change it".into(), branch: None }
}

//! A folder to work in and a home for the server's own files, on a real disk: where temporary folders stand in memory, a sync
//! would cost nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// The server's binary: the one just built, or `COUNTERSIGN_BENCH_BINARY`, to compare builds.
pub fn binary() -> String {
    std::env::var("COUNTERSIGN_BENCH_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_countersign").to_owned())
}

pub struct Place {
    home: TempDir,
    work: TempDir,
}

impl Place {
    /// A trusted folder with these files.
    pub fn with(files: &[(&str, &str)]) -> Place {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let place = Place { home: TempDir::new_in(target).unwrap(), work: TempDir::new_in(target).unwrap() };
        for (name, text) in files {
            fs::write(place.folder().join(name), text).unwrap();
        }
        let mut trust = Command::new(binary());
        place.environ(&mut trust);
        assert!(trust.args(["trust", "add"]).arg(place.folder()).stdout(Stdio::null()).status().unwrap().success());
        place
    }

    pub fn folder(&self) -> PathBuf {
        self.work.path().canonicalize().unwrap()
    }

    /// A file of the bench itself, outside of the folder.
    pub fn own(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Gives a process this home and nothing of the caller's settings.
    pub fn environ(&self, command: &mut Command) {
        let keep = ["PATH", "HOME", "USER"];
        command.env_clear().envs(std::env::vars().filter(|(name, _)| keep.contains(&name.as_str())));
        for (name, folder) in [("XDG_CONFIG_HOME", "config"), ("XDG_STATE_HOME", "state"), ("XDG_CACHE_HOME", "cache")] {
            command.env(name, self.home.path().join(folder));
        }
    }
}

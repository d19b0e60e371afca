//! What commands with network fetched: kept beside the session's shadow, in layers over the user's own package caches. They go
//! with the session.
//!
//! It owns those folders, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::shadow::ShadowFolders;

/// Below the folder of a shadow: one numbered folder a cache, with these in it.
pub(super) const FOLDER: &str = "packages";
pub(super) const UPPER: &str = "upper";
pub(super) const WORK: &str = "work";

/// The caches of the package managers, as commands find them; `cargo` is cargo's own folder.
pub(super) fn caches(home: &Path, cargo: &Path) -> Vec<PathBuf> {
    let mut caches: Vec<PathBuf> = ["registry", "git"].iter().map(|part| cargo.join(part)).collect();
    caches.extend([".npm/_cacache", ".cache/pip", "go/pkg/mod"].iter().map(|part| home.join(part)));
    caches
}

impl ShadowFolders {
    /// Makes room for so many caches, once.
    pub(super) fn make_packages(&self, caches: usize) -> io::Result<()> {
        if self.has_packages() {
            return Ok(());
        }
        // Under another name until all of it is there: a part of it must not pass for the whole.
        let unfinished = self.root().join("packages-new");
        for number in 0..caches {
            for part in [UPPER, WORK] {
                let folder = unfinished.join(number.to_string()).join(part);
                fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
            }
        }
        fs::rename(unfinished, self.root().join(FOLDER))
    }

    /// Whether a command of this session had network.
    pub(super) fn has_packages(&self) -> bool {
        self.root().join(FOLDER).is_dir()
    }
}

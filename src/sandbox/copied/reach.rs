//! What commands may read where no mounts decide it: a list of what may be seen, never of what may not. And their private home,
//! made anew for each, with links to the toolchains and caches of the real one.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{DirBuilderExt, symlink},
    path::{Path, PathBuf},
};

use super::{CopiedShadow, Synced};
use crate::sandbox::{entry, view::View};

/// What programs need of a system. `/proc` is all of it: other programs' names and arguments are in it, which every user may
/// read; what they hold is not readable across walls.
const SYSTEM: &[&str] = &[
    "/bin",
    "/sbin",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix/store",
    "/gnu/store",
    "/snap",
    "/proc",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/sys/kernel/mm",
    "/var/lib/ca-certificates",
    "/var/lib/dpkg",
    "/var/cache/fontconfig",
];

/// Configuration of git for all users, rebuilt in the private home.
const SYSTEM_GIT: (&str, &str) = ("/etc/gitconfig", ".cache/countersign-gitconfig");

/// What a session's commands reach besides the copy.
pub(in crate::sandbox) struct Reach {
    pub view: View,
    pub folder: PathBuf,
    /// The user's home and cargo's folder.
    pub home: PathBuf,
    pub cargo: PathBuf,
}

impl Reach {
    /// What a command may read, with all below it.
    pub(in crate::sandbox) fn readable(&self, synced: &Synced) -> Vec<PathBuf> {
        let secrets = self.view.masked.iter().chain(self.view.replaced.iter().map(|(path, _)| path));
        // By where they are: what a link leads to has another name.
        let secrets = secrets.filter(|path| fs::File::open(path).is_ok()).filter_map(|path| path.canonicalize().ok());
        let secrets: Vec<PathBuf> = secrets.collect();
        let mut closed: Vec<&Path> = secrets.iter().map(PathBuf::as_path).collect();
        closed.extend(self.view.covered.iter().map(PathBuf::as_path));
        closed.push(&self.folder);
        let hidden: Vec<&Path> = synced.secret.iter().map(PathBuf::as_path).collect();
        let mut readable = Vec::new();
        for place in SYSTEM {
            carve(Path::new(place), &closed, &mut readable);
        }
        for place in synced.linked.iter().chain(&synced.objects) {
            carve(place, &hidden, &mut readable);
        }
        // Toolchains may hold configuration of package managers, tokens and all.
        let hidden: Vec<&Path> = hidden.into_iter().chain(secrets.iter().map(PathBuf::as_path)).collect();
        for place in &self.view.tools {
            carve(place, &hidden, &mut readable);
        }
        readable
    }

    /// Makes the private folders of the next command; what the last left in them goes.
    pub(in crate::sandbox) fn furnish(&self, shadow: &CopiedShadow) -> io::Result<()> {
        for folder in [shadow.home(), shadow.temporary()] {
            entry::remove(&folder)?;
            fs::DirBuilder::new().mode(0o700).create(folder)?;
        }
        for tool in &self.view.tools {
            if let Some(place) = self.moved(tool, shadow).filter(|place| place_in(&shadow.home(), place)) {
                symlink(tool, place)?;
            }
        }
        let for_git = self.view.replaced.iter().filter(|(path, _)| path == Path::new(SYSTEM_GIT.0));
        for (path, text) in self.view.copies.iter().chain(for_git) {
            if let Some(place) = self.moved(path, shadow).filter(|place| place_in(&shadow.home(), place)) {
                fs::write(place, text)?;
            }
        }
        Ok(())
    }

    /// The environment of commands, with the private folders in place of the real ones.
    pub(in crate::sandbox) fn environment(&self, env: Vec<(String, String)>, shadow: &CopiedShadow) -> Vec<(String, String)> {
        let mut env: BTreeMap<String, String> = env.into_iter().collect();
        let cargo = self.moved(&self.cargo, shadow).unwrap_or_else(|| shadow.home().join(".cargo"));
        let own = [
            ("HOME", shadow.home()),
            ("TMPDIR", shadow.temporary()),
            ("CARGO_HOME", cargo),
            ("GIT_CONFIG_SYSTEM", shadow.home().join(SYSTEM_GIT.1)),
        ];
        env.extend(own.map(|(name, path)| (name.to_owned(), path.to_string_lossy().into_owned())));
        env.into_iter().collect()
    }

    fn moved(&self, path: &Path, shadow: &CopiedShadow) -> Option<PathBuf> {
        place_of(path, &self.home, &self.cargo).map(|place| shadow.home().join(place))
    }
}

/// The place in the private home, relative to it, of a path in the user's home or in cargo's folder, and of git's configuration
/// for all users.
pub(in crate::sandbox) fn place_of(path: &Path, home: &Path, cargo: &Path) -> Option<PathBuf> {
    if path == Path::new(SYSTEM_GIT.0) {
        return Some(SYSTEM_GIT.1.into());
    }
    let below_home = path.strip_prefix(home).ok().map(Path::to_owned);
    below_home.or_else(|| Some(Path::new(".cargo").join(path.strip_prefix(cargo).ok()?)))
}

/// Makes the folders above a place below `home`. Where one of them is a link to the real one, or something stands at the place
/// already, nothing may be put there.
fn place_in(home: &Path, place: &Path) -> bool {
    let between = place.ancestors().skip(1).take_while(|folder| *folder != home);
    let is_free = |folder: &Path| !folder.symlink_metadata().is_ok_and(|about| !about.is_dir());
    place.starts_with(home)
        && between.clone().all(is_free)
        && place.symlink_metadata().is_err()
        && place.parent().is_some_and(|folder| fs::create_dir_all(folder).is_ok())
}

/// `place`, or where something in it is closed, everything in it but that. Links below it are left out then: what they lead
/// to is open by its own name or not at all.
fn carve(place: &Path, closed: &[&Path], readable: &mut Vec<PathBuf>) {
    if closed.iter().any(|closed| place.starts_with(closed)) {
        return;
    }
    if !closed.iter().any(|closed| closed.starts_with(place)) {
        readable.push(place.to_owned());
        return;
    }
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
            carve(&entry.path(), closed, readable);
        }
    }
}

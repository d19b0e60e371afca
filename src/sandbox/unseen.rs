//! Programs that the user has and commands do not: looked for when a shell did not find one.
//!
//! It looks at folders of programs, hence the lifted bans.
#![allow(clippy::disallowed_methods)]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{environment::Variables, view::View};

/// Where a program stands for the user, when commands cannot see it there. Only on the user's PATH, where every name is free to
/// be known: what else the home holds is nobody's business.
pub(super) fn program(name: &str, variables: &Variables, view: &View, folder: &Path) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let entries = variables.get("PATH")?.split(':').map(Path::new).filter(|entry| entry.is_absolute());
    entries.map(|entry| entry.join(name)).find_map(|path| {
        let real = path.canonicalize().ok()?;
        let about = fs::metadata(&real).ok()?;
        let runs = about.is_file() && about.permissions().mode() & 0o111 != 0;
        (runs && (is_covered(&path, view, folder) || is_covered(&real, view, folder) || real.starts_with(folder))).then_some(real)
    })
}

fn is_covered(path: &Path, view: &View, folder: &Path) -> bool {
    let below = |folders: &[PathBuf]| folders.iter().any(|cover| path.starts_with(cover));
    !path.starts_with(folder) && below(&view.covered) && !below(&view.shown)
}

//! Names to offer when a file does not exist: the model most often has the right name and the wrong folder, else a slip.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ignore::WalkState;

use crate::path::WsPath;

use super::{
    disk::Folder,
    overlay::{Over, Overlay},
    walk::{Deadline, below, plain, walk},
};

/// Names to look at and time to spend: a hint may not cost more than the call.
const MOST: usize = 50_000;
const TIME: Duration = Duration::from_millis(250);
/// Names to offer.
const OFFERED: usize = 3;

/// Up to three files of the workspace with a name similar to a path that does not exist, best first.
pub(super) fn near(folder: &Folder, overlay: &Overlay, path: &WsPath) -> Vec<String> {
    let wanted = path.as_str().to_lowercase();
    let mut best: Vec<(usize, String)> =
        names(folder, overlay).into_iter().filter_map(|name| Some((rank(&wanted, &name.to_lowercase())?, name))).collect();
    best.sort();
    best.into_iter().take(OFFERED).map(|(_, name)| name).collect()
}

fn names(folder: &Folder, overlay: &Overlay) -> BTreeSet<String> {
    let (count, deadline) = (AtomicUsize::new(0), Deadline::after(TIME));
    let all = Mutex::new(BTreeSet::new());
    walk(folder, &WsPath::root(), None).run(|| {
        let (all, count) = (&all, &count);
        Box::new(move |entry| {
            let seen = count.fetch_add(1, Ordering::Relaxed);
            if seen > MOST || ((seen + 1) % 256 == 0 && deadline.passed()) {
                return WalkState::Quit;
            }
            if let Ok(entry) = entry
                && entry.file_type().is_some_and(|kind| !kind.is_dir())
                && let Some(name) = below(folder, entry.path()).and_then(|path| path.to_str())
                && plain(name)
            {
                all.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
            }
            WalkState::Continue
        })
    });
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (path, over) in overlay {
        match over {
            Over::Text { .. } => all.insert(path.as_str().to_owned()),
            Over::Gone => all.remove(path.as_str()),
        };
    }
    all
}

/// How far a name is from the wanted one, lower is nearer; `None` when they have nothing in common. Both in lower case.
fn rank(wanted: &str, name: &str) -> Option<usize> {
    let (folder, base) = wanted.rsplit_once('/').unwrap_or(("", wanted));
    let (its_folder, its_base) = name.rsplit_once('/').unwrap_or(("", name));
    if wanted == name {
        return Some(0);
    }
    if wanted.ends_with(&format!("/{name}")) || name.ends_with(&format!("/{wanted}")) {
        return Some(1);
    }
    // The same name elsewhere: the folders' difference decides.
    if base == its_base {
        return Some(2 + distance(folder, its_folder, 40).unwrap_or(40));
    }
    let slips = distance(base, its_base, (base.chars().count() / 3).max(1))?;
    let folders = distance(folder, its_folder, 40).unwrap_or(40);
    Some(50 * slips + folders)
}

/// Edit distance of two names, if at most `most`.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = corner + usize::from(from != to);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
        if row.iter().min().is_some_and(|least| *least > most) {
            return None;
        }
    }
    row.last().copied().filter(|distance| *distance <= most)
}

//! The self-test of the home: what a command finds there must be what the walls themselves show and rebuild, and nothing else.

use std::path::{Path, PathBuf};

use super::{CheckResult, Scratch};
use crate::{
    sandbox::copied,
    seams::{Facts, Level, SandboxError, SandboxSession},
};

/// Finds its own file in the home; so whatever else is there would be found too.
const CONTROL: &str =
    "echo x > \"$HOME/countersign-control\" && cd \"$HOME\" && find . -mindepth 1 -name countersign-control -print | grep -q .";

/// `cargo` is cargo's folder.
pub(super) async fn run(scratch: &Scratch, session: &dyn SandboxSession, cargo: &Path) -> Result<CheckResult, SandboxError> {
    let (control, allowed) = scratch.sh(session, CONTROL, 0).await?;
    let text = list_but(&places(&control.facts, session.level(), cargo), &control.facts.home);
    let (denial, seen) = scratch.sh(session, &text, 0).await?;
    let result = CheckResult {
        wall: "home",
        denial: "find anything in the home but toolchains, caches and configuration without secrets",
        denied: denial.exit != Some(0),
        control: "find a file that it wrote there itself",
        allowed: control.exit == Some(0),
        detail: String::new(),
    };
    let detail = if result.holds() { String::new() } else { format!("{seen}{allowed}") };
    Ok(CheckResult { detail, ..result })
}

/// What stands in the home that commands have, relative to it.
fn places(facts: &Facts, level: Level, cargo: &Path) -> Vec<PathBuf> {
    let seen = facts.shown.iter().chain(&facts.rebuilt);
    if level >= Level::L2 {
        // The workspace may lie in it.
        let below = |path: &PathBuf| path.strip_prefix(&facts.home).ok().map(Path::to_owned);
        return seen.chain([&facts.spec.folder]).filter_map(below).collect();
    }
    seen.filter_map(|path| copied::place_of(path, &facts.home, cargo)).collect()
}

/// A command that lists the home that it has without these places, their contents and the folders that lead to them; and the
/// user's own, `home`, where that is another one. It fails where there is nothing to list.
fn list_but(places: &[PathBuf], home: &Path) -> String {
    let shown: String = places.iter().map(|place| format!("-path {} -prune -o ", pattern(place))).collect();
    let above = places.iter().flat_map(|place| place.ancestors().skip(1)).filter(|folder| !folder.as_os_str().is_empty());
    let above: String = above.map(|folder| format!("-path {} -o ", pattern(folder))).collect();
    let home = quoted(&home.to_string_lossy());
    format!(
        "{{ cd \"$HOME\" && find . -mindepth 1 {shown}{above}-print; test \"$HOME\" = {home} || find {home} -mindepth 1; }} | grep ."
    )
}

/// For `find`, which reads a pattern, and the shell before it.
fn pattern(place: &Path) -> String {
    let mut pattern = String::from("./");
    for letter in place.to_string_lossy().chars() {
        if matches!(letter, '*' | '?' | '[' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    quoted(&pattern)
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

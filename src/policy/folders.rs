//! Where commands run and where their operands lead: `cd` followed through a text, and paths sorted into inside, outside
//! and harmless.

use super::{
    decide::below_folder,
    shell::{Join, Part, Word, word::braces},
    surroundings::{Resolved, Surroundings},
};
use crate::path::{PathError, WsPath};

/// Folders that are followed at once.
const MAX_FOLDERS: usize = 8;
/// Texts that one word's braces may stand for; more are not looked at.
const MAX_CHOICES: usize = 32;

/// A folder in which a command may find itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Folder {
    Inside(WsPath),
    /// Absolute, below the home, or climbing out of the workspace.
    Outside(String),
}

/// All folders in which a command may find itself after the `cd`s before it.
#[derive(Clone, Debug)]
pub(super) struct Folders {
    all: Vec<Folder>,
    /// Where it surely is as long as every command before it succeeded.
    sure: Option<Vec<Folder>>,
}

impl Folders {
    /// At the start of a text.
    pub(super) fn at(cwd: &WsPath) -> Folders {
        Folders { all: vec![Folder::Inside(cwd.clone())], sure: None }
    }

    /// Before a command: what came of the ones before is known only behind `&&`.
    pub(super) fn reach(&mut self, join: Join) {
        if join == Join::Other {
            self.sure = None;
        }
    }

    pub(super) fn current(&self) -> &[Folder] {
        self.sure.as_deref().unwrap_or(&self.all)
    }

    /// Follows `cd`: after `&&` it has surely happened, else it may have.
    pub(super) fn follow(&mut self, part: &Part, around: &dyn Surroundings) {
        let Some((program, args)) = part.words.split_first() else { return };
        if !matches!(program.text.as_str(), "cd" | "pushd") {
            return;
        }
        let home = Word { home: true, ..Word::literal("~") };
        let to = args.iter().find(|word| !word.is_option()).unwrap_or(&home);
        let there: Vec<Folder> = match to {
            word if word.home => vec![Folder::Outside(word.text.clone())],
            word if word.computed => Vec::new(),
            word => self.current().iter().map(|folder| folder.join(below_folder(&word.text, around))).collect(),
        };
        self.all.extend(there.iter().cloned());
        self.all.sort();
        self.all.dedup();
        self.all.truncate(MAX_FOLDERS);
        self.sure = Some(there);
    }
}

impl Folder {
    pub(super) fn join(&self, text: &str) -> Folder {
        if text.starts_with('/') {
            return Folder::Outside(text.to_owned());
        }
        let joined = match self {
            Folder::Outside(folder) => return Folder::Outside(format!("{folder}/{text}")),
            Folder::Inside(folder) if folder.is_root() => text.to_owned(),
            Folder::Inside(folder) => format!("{folder}/{text}"),
        };
        match WsPath::parse(&joined) {
            Ok(path) => Folder::Inside(path),
            Err(PathError::Outside(_) | PathError::Hidden(_)) => Folder::Outside(joined),
        }
    }
}

/// Every place that a word may name, from the folders in which the command may find itself.
pub(super) fn places(word: &Word, folders: &Folders, around: &dyn Surroundings) -> Vec<Place> {
    if word.home {
        return vec![Place::Outside(word.text.clone())];
    }
    if word.computed || word.text.is_empty() || word.text == "-" {
        return Vec::new();
    }
    let mut found = Vec::new();
    let texts = if word.glob { braces(&word.text, MAX_CHOICES) } else { vec![word.text.clone()] };
    for text in &texts {
        let text = below_folder(text, around);
        if text.starts_with('/') {
            found.push(absolute(text));
            continue;
        }
        for folder in folders.current() {
            if let Folder::Inside(folder) = folder
                && word.glob
            {
                found.extend(around.glob(text, folder).into_iter().map(|path| resolve(path, around)));
            }
            found.push(match folder.join(text) {
                Folder::Inside(path) => resolve(path, around),
                Folder::Outside(path) if path.starts_with('/') => absolute(&path),
                Folder::Outside(path) => Place::Outside(path),
            });
        }
    }
    found
}

fn resolve(requested: WsPath, around: &dyn Surroundings) -> Place {
    match around.resolve(&requested) {
        Resolved::Inside(resolved) => Place::Inside { requested, resolved },
        Resolved::Outside => Place::Outside(requested.to_string()),
    }
}

/// Where an operand leads.
pub(super) enum Place {
    Inside {
        requested: WsPath,
        resolved: WsPath,
    },
    Outside(String),
    /// Private to the walls, or a device without content.
    Harmless,
}

/// An absolute path that is not below the workspace.
fn absolute(path: &str) -> Place {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    let clean = format!("/{}", parts.join("/"));
    let devices = [
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/dev/random",
        "/dev/urandom",
        "/dev/stdin",
        "/dev/stdout",
        "/dev/stderr",
        "/dev/tty",
    ];
    let scratch = clean == "/tmp" || clean.starts_with("/tmp/") || clean.starts_with("/dev/fd/");
    if scratch || devices.contains(&clean.as_str()) { Place::Harmless } else { Place::Outside(clean) }
}

//! Documents that are answered by ticking one box and saving, for editors without dialogs.
//!
//! The boxes stand at the end, below a line with a code that only this document holds; what stands above (a diff, the model's
//! words) may look like boxes and never counts. The file is watched here, so this module touches the disk. A file that others
//! could have written answers nothing.
#![allow(clippy::disallowed_methods)]

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    time::{Duration, Instant},
};

/// How often a document is looked at.
const WATCH: Duration = Duration::from_millis(150);
/// A file may be away for this long while an editor replaces it.
const REPLACING: Duration = Duration::from_secs(3);
/// A document longer than this is not read: a question's text is at most a few hundred KiB.
const LONGEST: u64 = 4 * 1024 * 1024;

/// The boxes of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boxes {
    /// Known to this document alone.
    pub code: String,
    /// What can be ticked, each on one line.
    pub choices: Vec<String>,
}

/// What came of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ticked {
    /// Exactly one box was ticked.
    Chose(String),
    /// Another user of this machine can write it, or owns it.
    NotYours,
    /// It is gone, or nobody ticked anything in time.
    Nothing,
}

impl Boxes {
    /// The end of a document with these boxes.
    pub fn text(&self) -> String {
        let mut text = format!("<!-- {} -->\n", self.code);
        for choice in &self.choices {
            text.push_str(&format!("[ ] {choice}\n"));
        }
        text
    }

    /// The choice of a saved document: the code stands where it stood, every box is there once, and exactly one is ticked. A
    /// half-written document has no choice.
    pub fn read(&self, text: &str) -> Option<String> {
        let (_, below) = text.rsplit_once(&format!("<!-- {} -->", self.code))?;
        let mut rows = below.lines().filter_map(boxed);
        let mut chosen = None;
        for choice in &self.choices {
            let (ticked, name) = rows.next()?;
            if name != choice.trim() || (ticked && chosen.is_some()) {
                return None;
            }
            if ticked {
                chosen = Some(choice.clone());
            }
        }
        rows.next().is_none().then_some(chosen).flatten()
    }

    /// Waits until a box is ticked, at most for this long.
    pub async fn ticked(&self, path: &Path, patience: Duration) -> Ticked {
        let (start, mut seen, mut last) = (Instant::now(), Instant::now(), None);
        let mut ticks = tokio::time::interval(WATCH);
        while start.elapsed() < patience {
            ticks.tick().await;
            let Ok(about) = fs::symlink_metadata(path) else {
                if seen.elapsed() > REPLACING {
                    return Ticked::Nothing;
                }
                continue;
            };
            seen = Instant::now();
            let stamp = (about.modified().ok(), about.len(), about.ino());
            if last == Some(stamp) {
                continue;
            }
            last = Some(stamp);
            match read_own(path) {
                Ok(text) => {
                    if let Some(choice) = self.read(&text) {
                        return Ticked::Chose(choice);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ticked::NotYours,
                // Being replaced, or no text for the moment.
                Err(_) => {}
            }
        }
        Ticked::Nothing
    }

    /// Whether somebody wrote into the boxes, and no choice came of it.
    pub fn are_spoilt_in(&self, path: &Path) -> bool {
        read_own(path).is_ok_and(|text| !text.contains(&self.text()) && self.read(&text).is_none())
    }

    /// Whether the document still holds its boxes, so that it can be shown again.
    pub fn stand_in(&self, path: &Path) -> bool {
        read_own(path).is_ok_and(|text| text.contains(&self.text()))
    }
}

/// Reads a document that belongs to the user of this process, in a folder of theirs, that no other user can write.
///
/// # Errors
/// `PermissionDenied` when others could have written it; else what the disk says.
pub fn read_own(path: &Path) -> io::Result<String> {
    let own = |about: &fs::Metadata| about.uid() == rustix::process::geteuid().as_raw() && about.mode() & 0o022 == 0;
    let folder = path.parent().ok_or_else(|| io::Error::other("a document stands in a folder"))?;
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file = fs::OpenOptions::new().read(true).custom_flags(no_follow).open(path)?;
    let about = file.metadata()?;
    if !own(&about) || !own(&fs::symlink_metadata(folder)?) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others can write it"));
    }
    if !about.is_file() || about.len() > LONGEST {
        return Err(io::Error::other("it is no document"));
    }
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, LONGEST), &mut text)?;
    Ok(text)
}

/// `(ticked, name)` of a line such as `[x] send` or `- [ ] refactor`.
pub fn boxed(line: &str) -> Option<(bool, &str)> {
    let line = line.trim().trim_start_matches("- ");
    let rest = line.strip_prefix('[')?;
    let (mark, name) = rest.split_once(']')?;
    let ticked = match mark.trim() {
        "" => false,
        "x" | "X" => true,
        _ => return None,
    };
    Some((ticked, name.trim()))
}

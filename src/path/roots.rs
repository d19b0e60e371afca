//! The workspace folders of one task, and the names that stand before their paths when there are several.

use super::WsPath;

/// One folder that the task may work in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// One path component, unlike all others of the workspace.
    pub name: String,
    /// Canonical absolute path; empty where it does not matter.
    pub path: String,
}

/// A folder of the workspace that is closed to the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub name: String,
    /// What follows "the folder NAME": `is not trusted by the user`.
    pub why: String,
}

/// All folders of a task's workspace, the task's own first. With a single one paths have no prefix; with more each begins
/// with a folder's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    all: Vec<Root>,
    closed: Vec<Closed>,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// To the list of all folders, which is no folder itself.
    All,
    /// Into the folder of this number, 0 being the task's own.
    In(usize, WsPath),
}

/// Why a path leads nowhere. The sentence is written for the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    #[error("{path} begins with no workspace folder's name; paths begin with {names} here, for example {example}")]
    Bare { path: WsPath, names: String, example: String },
    #[error("the folder {name} {why}, so {path} is closed to you; go on without it and name it in finish")]
    Closed { path: WsPath, name: String, why: String },
    #[error("{path} is not in {own}, this task's folder, where {what}; leave it to a task that the user starts there")]
    Elsewhere { path: WsPath, own: String, what: &'static str },
}

impl Roots {
    /// The folders that can be reached, the task's own first, and those that are closed.
    pub fn new(own: Root, others: Vec<Root>, closed: Vec<Closed>) -> Self {
        Roots { all: std::iter::once(own).chain(others).collect(), closed }
    }

    /// Whether paths begin with a folder's name.
    pub fn are_several(&self) -> bool {
        self.all.len() + self.closed.len() > 1
    }

    /// The folders that can be reached, the task's own first.
    pub fn all(&self) -> &[Root] {
        &self.all
    }

    /// The folders that cannot.
    pub fn closed(&self) -> &[Closed] {
        &self.closed
    }

    /// The folder and the path in it that a tool's path means. A file of two nested folders belongs to the inner one.
    ///
    /// # Errors
    /// [`RootError`] for a path without a folder's name, and for folders that are closed.
    pub fn split(&self, path: &WsPath) -> Result<Place, RootError> {
        if !self.are_several() {
            return Ok(Place::In(0, path.clone()));
        }
        if path.is_root() {
            return Ok(Place::All);
        }
        let (name, rest) = path.as_str().split_once('/').unwrap_or((path.as_str(), ""));
        if let Some(index) = self.all.iter().position(|root| root.name == name) {
            return Ok(self.innermost(index, rest));
        }
        if let Some(closed) = self.closed.iter().find(|closed| closed.name == name) {
            return Err(RootError::Closed { path: path.clone(), name: name.to_owned(), why: closed.why.clone() });
        }
        Err(RootError::Bare { path: path.clone(), names: self.names(), example: self.join(0, path).to_string() })
    }

    /// The same for what only the task's own folder has; `what` says what: `commands run`.
    ///
    /// # Errors
    /// [`RootError`], also for the other folders.
    pub fn own(&self, path: &WsPath, what: &'static str) -> Result<WsPath, RootError> {
        match self.split(path)? {
            Place::In(0, rest) => Ok(rest),
            Place::All => Ok(WsPath::root()),
            Place::In(..) => Err(RootError::Elsewhere { path: path.clone(), own: self.name(0).to_owned(), what }),
        }
    }

    /// The path as tools name it.
    pub fn join(&self, index: usize, path: &WsPath) -> WsPath {
        match self.all.get(index) {
            Some(root) if self.are_several() && path.is_root() => WsPath(root.name.clone()),
            Some(root) if self.are_several() => WsPath(format!("{}/{path}", root.name)),
            _ => path.clone(),
        }
    }

    /// An absolute path below a folder as tools name it; `None` when it lies below none.
    pub fn below(&self, absolute: &str) -> Option<String> {
        let found = self.all.iter().enumerate().filter_map(|(index, root)| Some((index, root, within(absolute, &root.path)?)));
        let (index, root, rest) = found.max_by_key(|(_, root, _)| root.path.len())?;
        let several = self.are_several();
        Some(match rest {
            "" if several => self.name(index).to_owned(),
            rest if several => format!("{}/{rest}", root.name),
            rest => rest.to_owned(),
        })
    }

    /// The folders that lie in the folder of this number, with their paths in it.
    pub fn inner(&self, index: usize) -> Vec<(usize, WsPath)> {
        let Some(outer) = self.all.get(index) else { return Vec::new() };
        let found = self.all.iter().enumerate().filter(|(other, _)| *other != index);
        found.filter_map(|(other, root)| Some((other, WsPath::from_disk(within(&root.path, &outer.path)?)?))).collect()
    }

    /// The name of the folder of this number.
    pub fn name(&self, index: usize) -> &str {
        self.all.get(index).map(|root| root.name.as_str()).unwrap_or_default()
    }

    /// `A/ (this task's own), B/ or C/`
    fn names(&self) -> String {
        let mut names: Vec<String> = self.all.iter().map(|root| format!("{}/", root.name)).collect();
        if let Some(own) = names.first_mut().filter(|_| self.all.len() > 1) {
            own.push_str(" (this task's own)");
        }
        let last = names.pop().unwrap_or_default();
        if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) }
    }

    fn innermost(&self, index: usize, rest: &str) -> Place {
        let outer = &self.all[index];
        let absolute = format!("{}/{rest}", outer.path);
        let mut found = (index, rest);
        let mut length = outer.path.len();
        for (other, root) in self.all.iter().enumerate() {
            if let Some(inner) = within(&absolute, &root.path).filter(|_| root.path.len() > length && !outer.path.is_empty()) {
                (found, length) = ((other, inner), root.path.len());
            }
        }
        Place::In(found.0, WsPath(found.1.to_owned()))
    }
}

/// The rest of `path` below `folder`, empty for the folder itself.
fn within<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    if folder.is_empty() {
        return None;
    }
    let rest = path.strip_prefix(folder.trim_end_matches('/'))?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix('/').map(|rest| rest.trim_start_matches('/')) }
}

//! The `[paths]` lists: secrets, steering files, and what is never written.

use super::{
    file::{PathsTable, Patterns, Source},
    globs::{PathList, fold_path},
    verdict::{LayerKind, PolicyError},
};

/// The lists of one layer.
#[derive(Clone, Debug)]
pub struct LayerPaths {
    pub layer: LayerKind,
    pub secret: List,
    pub secret_untracked: List,
    /// Narrows the two lists of the same layer.
    pub secret_except: List,
    pub steering: List,
    pub never_write: List,
}

/// Patterns as written and as compiled.
#[derive(Clone, Debug)]
pub struct List {
    pub patterns: Vec<String>,
    compiled: PathList,
}

impl List {
    fn compile(source: &Source, key: &str, patterns: Patterns) -> Result<List, PolicyError> {
        let at = patterns.as_ref().map(|patterns| patterns.span().start);
        let mut patterns = patterns.map(toml::Spanned::into_inner).unwrap_or_default();
        patterns.sort();
        patterns.dedup();
        let compiled = PathList::compile(&patterns).map_err(|why| source.error_at(at, format!("paths.{key}: {why}")))?;
        Ok(List { patterns, compiled })
    }

    fn has(&self, folded: &str) -> bool {
        self.compiled.has(folded)
    }
}

impl LayerPaths {
    /// Compiles the table. A workspace's exceptions are left out: they would loosen.
    ///
    /// # Errors
    /// The pattern that cannot be used, with its line.
    pub fn compile(source: &Source, layer: LayerKind, table: PathsTable) -> Result<LayerPaths, PolicyError> {
        let except = if layer == LayerKind::Workspace { None } else { table.secret_except };
        Ok(LayerPaths {
            layer,
            secret: List::compile(source, "secret", table.secret)?,
            secret_untracked: List::compile(source, "secret_untracked", table.secret_untracked)?,
            secret_except: List::compile(source, "secret_except", except)?,
            steering: List::compile(source, "steering", table.steering)?,
            never_write: List::compile(source, "never_write", table.never_write)?,
        })
    }

    /// How this layer sees a path, given as its folded name.
    fn class(&self, folded: &str, tracked: bool) -> PathClass {
        let excepted = self.secret_except.has(folded);
        let listed = !excepted && self.secret.has(folded);
        let broadly = !excepted && self.secret_untracked.has(folded);
        let secret = (listed || broadly).then_some(Secret { hide_from_commands: listed || !tracked });
        PathClass { secret, steering: self.steering.has(folded), never_write: self.never_write.has(folded) }
    }
}

/// A path that the model never sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Commands find it empty as well. False for a tracked file that only a broad pattern names: builds may need it.
    pub hide_from_commands: bool,
}

/// What the lists say about a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathClass {
    pub secret: Option<Secret>,
    /// It later runs or steers a tool: changes to it are always shown apart.
    pub steering: bool,
    /// Only the server's own git touches it.
    pub never_write: bool,
}

/// The lists of all layers.
#[derive(Clone, Debug, Default)]
pub struct PathLists {
    pub layers: Vec<LayerPaths>,
}

/// Which layer puts a path into which class; the most trusted one of those that do.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassBy {
    pub secret: Option<(Secret, LayerKind)>,
    pub steering: Option<LayerKind>,
    pub never_write: Option<LayerKind>,
}

impl PathLists {
    /// The class of a path under all of its names.
    pub fn class_by(&self, names: &[String], tracked: bool) -> ClassBy {
        let mut by = ClassBy::default();
        for lists in &self.layers {
            for name in names {
                let class = lists.class(name, tracked);
                if let Some(secret) = class.secret {
                    let hide = secret.hide_from_commands || by.secret.is_some_and(|(before, _)| before.hide_from_commands);
                    let layer = by.secret.map_or(lists.layer, |(_, layer)| layer);
                    by.secret = Some((Secret { hide_from_commands: hide }, layer));
                }
                if class.steering {
                    by.steering.get_or_insert(lists.layer);
                }
                if class.never_write {
                    by.never_write.get_or_insert(lists.layer);
                }
            }
        }
        by
    }

    /// The secret globs of all layers.
    pub fn secret_patterns(&self) -> Vec<String> {
        let lists = self.layers.iter().flat_map(|lists| [&lists.secret, &lists.secret_untracked]);
        let mut patterns: Vec<String> = lists.flat_map(|list| list.patterns.iter().cloned()).collect();
        patterns.sort();
        patterns.dedup();
        patterns
    }

    /// Whether a path outside the workspace (absolute, or `~/...`) bears a secret name. Only the exact list counts there,
    /// and every tail of the path is tried, because the folder that the patterns start from is not known.
    pub fn secret_outside(&self, path: &str) -> bool {
        let folded = fold_path(path);
        let parts: Vec<&str> = folded.split('/').filter(|part| !part.is_empty()).collect();
        let tails = (0..parts.len()).map(|from| parts[from..].join("/"));
        tails.into_iter().any(|tail| self.layers.iter().any(|lists| lists.secret.has(&tail) && !lists.secret_except.has(&tail)))
    }
}

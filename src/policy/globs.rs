//! Pattern lists: gitignore-style globs for paths, simple globs for branches and words. All are folded before matching.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use unicode_normalization::UnicodeNormalization;

/// The form in which path names are compared: composed and lower case, so that `.ENV` is `.env` on every file system.
pub fn fold_path(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfc().collect::<String>().to_lowercase()
}

/// The form in which branch names are compared: compatibility forms folded too, so that look-alikes of a protected name
/// written in full-width letters count as that name.
pub fn fold_branch(text: &str) -> String {
    let text = text.trim();
    let mut name = text;
    while let Some(rest) = name.strip_prefix("refs/heads/") {
        name = rest;
    }
    name.nfkc().collect::<String>().to_lowercase()
}

/// A compiled list of path patterns. Without an inner slash a pattern binds at any depth, else from the workspace folder;
/// a folder that matches takes all that is below it along.
#[derive(Clone, Debug)]
pub struct PathList {
    set: GlobSet,
}

impl PathList {
    /// # Errors
    /// The first pattern that cannot be used, and why.
    pub fn compile(patterns: &[String]) -> Result<PathList, String> {
        let mut builder = GlobSetBuilder::new();
        for pattern in patterns {
            builder.add(compile_glob(&rooted(pattern)?, pattern)?);
        }
        let set = builder.build().map_err(|error| format!("the path patterns cannot be compiled: {error}"))?;
        Ok(PathList { set })
    }

    /// Whether a path, relative to the workspace and already folded, or a folder above it is on the list.
    pub fn has(&self, folded: &str) -> bool {
        let above = folded.match_indices('/').map(|(at, _)| &folded[..at]);
        !self.set.is_empty() && (self.set.is_match(folded) || above.into_iter().any(|folder| self.set.is_match(folder)))
    }
}

/// The pattern as it reads from the workspace folder.
fn rooted(written: &str) -> Result<String, String> {
    let pattern = fold_path(written);
    if pattern.starts_with('!') {
        return Err(format!("the pattern {written:?} is negated; exceptions have a list of their own"));
    }
    let anchored = pattern.trim_end_matches('/').contains('/');
    let body = pattern.trim_start_matches('/').trim_end_matches('/');
    if body.is_empty() {
        return Err(format!("the pattern {written:?} names nothing"));
    }
    Ok(if anchored { body.to_owned() } else { format!("**/{body}") })
}

fn compile_glob(glob: &str, written: &str) -> Result<globset::Glob, String> {
    GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .map_err(|error| format!("the pattern {written:?} cannot be used: {}", error.kind()))
}

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters and nothing else is special.
pub fn wild(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(head) else { return false };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return left.ends_with(piece);
        }
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    true
}

/// Whether a branch name is one of the patterns, after folding both.
pub fn branch_in(patterns: &[String], branch: &str) -> bool {
    let folded = fold_branch(branch);
    patterns.iter().any(|pattern| wild(&fold_branch(pattern), &folded))
}

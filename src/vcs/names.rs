//! Names from outside: branches, revisions, and which names count as protected.

use globset::GlobBuilder;
use unicode_normalization::UnicodeNormalization;

use crate::path::hidden;
use crate::seams::VcsError;

use super::words::{fail_hint, shown};

/// Letters of other alphabets that look like the Latin letter beside them.
const LOOKALIKES: &[(char, char)] = &[
    ('а', 'a'),
    ('в', 'b'),
    ('с', 'c'),
    ('ԁ', 'd'),
    ('е', 'e'),
    ('ɡ', 'g'),
    ('һ', 'h'),
    ('н', 'h'),
    ('і', 'i'),
    ('ј', 'j'),
    ('к', 'k'),
    ('ӏ', 'l'),
    ('м', 'm'),
    ('п', 'n'),
    ('ո', 'n'),
    ('о', 'o'),
    ('р', 'p'),
    ('ԛ', 'q'),
    ('г', 'r'),
    ('ѕ', 's'),
    ('т', 't'),
    ('ս', 'u'),
    ('ѵ', 'v'),
    ('ԝ', 'w'),
    ('х', 'x'),
    ('у', 'y'),
    ('α', 'a'),
    ('ϲ', 'c'),
    ('ε', 'e'),
    ('η', 'n'),
    ('ι', 'i'),
    ('κ', 'k'),
    ('ν', 'v'),
    ('ο', 'o'),
    ('ρ', 'p'),
    ('σ', 'o'),
    ('τ', 't'),
    ('υ', 'u'),
    ('χ', 'x'),
    ('ı', 'i'),
    ('ɑ', 'a'),
    ('ɩ', 'i'),
    ('ℓ', 'l'),
    ('∕', '/'),
    ('⁄', '/'),
    ('ſ', 's'),
];

/// A plain branch name (`topic`, `agent/fix-1`; a leading `refs/heads/` is taken off), or why it is none.
///
/// # Errors
/// When it is a refspec, a revision, holds blanks or hidden characters, or git would not take it.
pub fn check_branch(written: &str) -> Result<String, VcsError> {
    let name = written.strip_prefix("refs/heads/").unwrap_or(written);
    let part =
        |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock") || part.eq_ignore_ascii_case(".git");
    let bad_char = |c: char| c.is_whitespace() || hidden(c) || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    let bad = name.len() > 200
        || name.starts_with(['-', '+'])
        || name.ends_with('.')
        || name.contains("..")
        || name.contains("@{")
        || name.chars().any(bad_char)
        || name.split('/').any(part)
        || matches!(name, "@" | "HEAD")
        || name.starts_with("refs/");
    if bad {
        return Err(fail_hint(
            format!("\"{}\" is not a plain branch name", shown(written).replace('\n', "\\n")),
            "give one branch by its short name, such as agent/topic: no refspec, revision, blank or pattern",
        ));
    }
    Ok(name.to_owned())
}

/// A revision that may stand on a command line: names, ids, `~`, `^`, and one `..` or `...`; never an option or a path.
pub(super) fn check_rev(rev: &str) -> Result<(), VcsError> {
    let fine = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '_' | '.' | '/' | '-' | '~' | '^' | '@')
            || (!c.is_ascii() && c.is_alphanumeric())
    };
    if rev.is_empty() || rev.len() > 200 || rev.starts_with('-') || !rev.chars().all(fine) {
        return Err(fail_hint(
            format!("\"{}\" is not a revision", shown(rev).replace('\n', "\\n")),
            "give a branch, tag or commit id, optionally with ~N or ^, or two of them joined by ..",
        ));
    }
    Ok(())
}

/// Whether `branch` matches one of the globs, by itself or as a person might read it: folded to lower case, compatibility forms
/// and look-alike letters resolved, accents and hidden characters dropped.
pub fn is_protected(patterns: &[String], branch: &str) -> bool {
    let short = |name: &str| {
        let mut name = name;
        while let Some(rest) = name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("heads/")) {
            name = rest;
        }
        name.to_owned()
    };
    let folded = short(&fold(branch));
    patterns.iter().any(|pattern| {
        let wanted = short(&fold(pattern));
        // a pattern that cannot be read protects everything: better asked too often
        wanted == folded || GlobBuilder::new(&wanted).build().map_or(true, |glob| glob.compile_matcher().is_match(&folded))
    })
}

fn fold(name: &str) -> String {
    let resolve = |c: char| LOOKALIKES.iter().find(|(odd, _)| *odd == c).map_or(c, |(_, plain)| *plain);
    name.chars()
        .flat_map(char::to_lowercase)
        .map(resolve)
        .nfkd()
        .filter(|c| !hidden(*c) && !matches!(c, '\u{0300}'..='\u{036f}') && !c.is_whitespace())
        .flat_map(char::to_lowercase)
        .map(resolve)
        .collect()
}

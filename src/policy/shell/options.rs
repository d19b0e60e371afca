//! Options of programs: how a rule's words meet a command's words, and whether a refused option is among them.

use super::{Word, base_name, is_system_program};
use crate::policy::globs::wild;

/// Options that take the next word as their value, for programs whose subcommand stands behind options of their own.
const VALUES: [(&str, &[&str]); 17] = [
    ("aws", &["--profile", "--region", "--endpoint-url", "--output", "--query", "--ca-bundle", "--color", "--cli-read-timeout"]),
    ("az", &["--subscription", "--output", "-o", "--query"]),
    ("cargo", &["-C", "-Z", "--color", "--config"]),
    ("docker", &["-H", "--host", "-c", "--context", "--config", "-l", "--log-level", "--tlscacert", "--tlscert", "--tlskey"]),
    ("gcloud", &["--project", "--account", "--configuration", "--format", "--verbosity", "--impersonate-service-account"]),
    ("gh", &["-R", "--repo", "--hostname"]),
    ("glab", &["-R", "--repo"]),
    ("gradle", &["-p", "--project-dir", "-g", "-b", "-c", "-I"]),
    ("helm", &["-n", "--namespace", "--kube-context", "--kubeconfig", "--kube-apiserver", "--kube-token", "--registry-config"]),
    ("mvn", &["-f", "--file", "-s", "--settings", "-pl", "-P"]),
    ("npm", &["--prefix", "-C", "--registry", "-w", "--workspace", "--userconfig", "--cache", "--loglevel", "--tag"]),
    ("pnpm", &["--prefix", "-C", "--dir", "--registry", "--filter", "-F"]),
    ("podman", &["-H", "--url", "-c", "--connection", "--log-level", "--root"]),
    ("poetry", &["-C", "--directory", "-P", "--project"]),
    ("uv", &["--directory", "--project", "--color", "--config-file", "--cache-dir"]),
    ("yarn", &["--cwd", "--registry"]),
    ("terraform", &[]),
];

/// Whether the words are what an allow rule names: the places in order from the start, the program by its bare name or in a
/// system folder.
pub fn allowed_by(places: &[Vec<String>], words: &[Word]) -> bool {
    if words.len() < places.len() {
        return false;
    }
    places.iter().zip(words).enumerate().all(|(at, (place, word))| {
        let text = if at == 0 { base_name(&word.text) } else { &word.text };
        !word.computed && !word.glob && (at > 0 || is_system_program(&word.text)) && place.iter().any(|want| wild(want, text))
    })
}

/// Whether a stricter rule speaks about the words: the program by its own name wherever it lies, the other places in order
/// with the program's options skipped.
pub fn meant_by(places: &[Vec<String>], words: &[Word]) -> bool {
    let Some((first, places)) = places.split_first() else { return true };
    let Some((program, words)) = words.split_first() else { return false };
    let name = base_name(&program.text);
    first.iter().any(|want| wild(want, name)) && !program.computed && follows(name, places, words)
}

fn follows(program: &str, places: &[Vec<String>], words: &[Word]) -> bool {
    let Some((place, later)) = places.split_first() else { return true };
    let Some((word, rest)) = words.split_first() else { return false };
    if place.iter().any(|want| wild(want, &word.text)) && follows(program, later, rest) {
        return true;
    }
    let toolchain = program == "cargo" && word.text.starts_with('+');
    if !word.is_option() && !toolchain {
        return false;
    }
    let skipped = match VALUES.iter().find(|(name, _)| *name == program) {
        Some((_, values)) => usize::from(values.contains(&word.text.as_str())),
        None => 0,
    };
    follows(program, places, rest.get(skipped..).unwrap_or_default())
}

/// The first word that is one of the refused options in any spelling: as written, abbreviated, bundled with other short
/// options, or with its value glued to it.
pub fn refused<'a>(refuse: &[String], words: &'a [Word]) -> Option<&'a Word> {
    words.iter().skip(1).find(|word| refuse.iter().any(|pattern| is_refused(pattern, &word.text)))
}

fn is_refused(pattern: &str, word: &str) -> bool {
    if wild(pattern, word) {
        return true;
    }
    let name = pattern.trim_end_matches('*').trim_end_matches('=');
    if let Some(long) = name.strip_prefix("--") {
        let Some(written) = word.strip_prefix("--") else { return false };
        let written = written.split('=').next().unwrap_or_default();
        return !written.is_empty() && long.starts_with(written);
    }
    let mut letters = name.strip_prefix('-').unwrap_or_default().chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else { return false };
    word.strip_prefix('-').is_some_and(|bundle| !bundle.starts_with('-') && bundle.contains(letter))
}

/// Splits a text into words as git does for aliases: blanks separate, quotes group, a backslash takes the next character.
pub fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            (_, '\\') if quote != Some('\'') => word.get_or_insert_default().extend(chars.next()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

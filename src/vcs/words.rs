//! Small texts: errors, clean messages, redacted URLs, digests.

use sha2::{Digest, Sha256};

use crate::path::hidden;
use crate::seams::VcsError;

pub(super) fn fail(message: impl Into<String>) -> VcsError {
    VcsError { message: message.into(), hint: None }
}

pub(super) fn fail_hint(message: impl Into<String>, hint: impl Into<String>) -> VcsError {
    VcsError { message: message.into(), hint: Some(hint.into()) }
}

/// A commit message as it will stand: no hidden characters, no trailing blanks, one blank line at most between paragraphs.
pub(super) fn clean_message(raw: &str) -> Result<String, VcsError> {
    let shown: String = raw.replace("\r\n", "\n").chars().filter(|c| matches!(c, '\n' | '\t') || !hidden(*c)).collect();
    let mut clean = String::new();
    let mut blank = false;
    for line in shown.lines().map(str::trim_end) {
        if line.is_empty() {
            blank = !clean.is_empty();
            continue;
        }
        if std::mem::take(&mut blank) {
            clean.push('\n');
        }
        clean.push_str(line);
        clean.push('\n');
    }
    if clean.is_empty() {
        return Err(fail_hint("the commit message is empty", "give a subject line that says what the change does"));
    }
    Ok(clean)
}

/// `text` with every hidden character but newline and tab written as `\u{..}`.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) && !matches!(c, '\n' | '\t') { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// `text` with the user-info and the query of every URL in it removed.
pub(super) fn redact(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let (url, after) = tail.split_at(tail.find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"')).unwrap_or(tail.len()));
        let bare = url.split(['?', '#']).next().unwrap_or_default();
        let authority = bare.split('/').next().unwrap_or_default();
        out.push_str(&bare[authority.rfind('@').map_or(0, |at| at + 1)..]);
        rest = after;
    }
    out + rest
}

/// Lower-case hex SHA-256 over the fields, each with its length before it, so that no two lists share a digest.
pub(super) fn digest(fields: &[&str]) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A branch name's last part from a commit subject: lower-case words joined by dashes, at most 40 characters.
pub(super) fn slug(message: &str) -> String {
    let subject = message.lines().next().unwrap_or_default().to_lowercase();
    let mut slug = String::new();
    for word in subject.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if slug.len() + word.len() >= 40 {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(word);
    }
    if slug.is_empty() { "change".into() } else { slug }
}

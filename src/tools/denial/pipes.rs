//! Commands whose exit code tells nothing of what went wrong: `cargo fetch 2>&1 | tail`.

/// Programs that print what stands in files: an error in their output is somebody's text, not theirs.
const READERS: &[&str] = &[
    "cat",
    "head",
    "tail",
    "grep",
    "egrep",
    "fgrep",
    "rg",
    "ag",
    "sed",
    "awk",
    "cut",
    "sort",
    "uniq",
    "tr",
    "wc",
    "nl",
    "tac",
    "jq",
    "yq",
    "strings",
    "xxd",
    "od",
    "less",
    "more",
    "bat",
    "find",
    "fd",
    "ls",
    "tree",
    "diff",
    "git",
    "echo",
    "printf",
    "zcat",
    "journalctl",
];

/// Whether the command ends with a pipe, whose exit code says nothing about its start. Where quotes do not tell for sure, the
/// code is told as it is.
pub fn ends_in_pipe(command: &str) -> bool {
    let (mut quote, mut piped) = (None, false);
    let mut chars = command.trim_end().chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('"') | None, '\\') => drop(chars.next()),
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '`' | '{') => return false,
            (None, '<') if chars.peek() == Some(&'<') => return false,
            // `|&` takes the errors along.
            (None, '|') => {
                piped = chars.next_if_eq(&'|').is_none();
                let _ = chars.next_if_eq(&'&');
            }
            // `2>&1` and `&>` end no command.
            (None, '>') => drop(chars.next_if_eq(&'&')),
            (None, '&') if chars.peek() == Some(&'>') => {}
            (None, ';' | '\n' | '&') => piped = false,
            _ => {}
        }
    }
    piped && quote.is_none()
}

/// Whether a pipe hid how the command ended, and what it printed is its own words.
pub(super) fn hides_the_end(command: &str) -> bool {
    ends_in_pipe(command) && readers(command).is_empty()
}

/// Where a pipe hid how the command ended: its programs that print what stands in files.
pub(super) fn readers(command: &str) -> Vec<&str> {
    if !ends_in_pipe(command) {
        return Vec::new();
    }
    let parts = command.split(['|', ';', '&', '\n']);
    let mut programs: Vec<&str> =
        parts.map(|part| part.split_whitespace().find(|word| !word.contains('=')).unwrap_or_default()).collect();
    // The last one only passes on what the others said.
    programs.pop();
    programs.retain(|program| READERS.contains(&program.rsplit('/').next().unwrap_or_default()));
    programs
}

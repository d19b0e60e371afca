//! The files that known programs touch, told from their arguments. Not knowing a program only means that nothing is raised:
//! the walls hold for all.

use super::{Word, base_name, git};

/// What a program does with an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    Look,
    Read,
    Write,
    Delete,
    /// Not known to be a file; only a secret's name counts.
    Perhaps,
}

/// One operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    pub touch: Touch,
    pub word: Word,
}

const LOOK: [&str; 14] =
    ["[", "[[", "cd", "du", "exa", "eza", "find", "ls", "pushd", "readlink", "realpath", "stat", "test", "tree"];
const READ: [&str; 50] = [
    "b2sum",
    "base32",
    "base64",
    "bat",
    "batcat",
    "cat",
    "cksum",
    "cmp",
    "column",
    "comm",
    "cut",
    "diff",
    "expand",
    "file",
    "fmt",
    "fold",
    "head",
    "hexdump",
    "iconv",
    "jless",
    "join",
    "less",
    "md5sum",
    "mapfile",
    "more",
    "nl",
    "od",
    "paste",
    "pr",
    "rev",
    "sha1sum",
    "sha224sum",
    "sha256sum",
    "sha384sum",
    "sha512sum",
    "shuf",
    "sort",
    "split",
    "strings",
    "sum",
    "tac",
    "tail",
    "tsort",
    "unexpand",
    "uniq",
    "view",
    "wc",
    "xxd",
    "zcat",
    "zless",
];
/// Their first operand is a pattern or script unless an option brings it.
const PATTERN_FIRST: [&str; 15] =
    ["ack", "ag", "awk", "egrep", "fgrep", "gawk", "grep", "jq", "mawk", "nawk", "rg", "sed", "yq", "zgrep", "perl"];
const WRITE: [&str; 10] = ["chgrp", "chmod", "chown", "mkdir", "mkfifo", "mknod", "setfacl", "tee", "touch", "truncate"];
const DELETE: [&str; 4] = ["rm", "rmdir", "shred", "unlink"];
/// All but the last are sources; the last is the target.
const COPY: [&str; 5] = ["cp", "install", "ln", "mv", "rsync"];
/// Their words are texts and names, not files that they open.
const NO_FILES: [&str; 23] = [
    "alias", "basename", "date", "dirname", "echo", "eval", "exit", "export", "false", "kill", "printf", "pwd", "read", "return",
    "seq", "set", "sleep", "trap", "true", "type", "unset", "which", "whoami",
];
/// Options that name files to leave out or patterns to look for.
const NOT_READ: [&str; 8] = ["exclude", "glob", "iglob", "ignore", "include", "regexp", "skip", "type"];

/// The operands of a command. `words` begins with the program.
pub fn of(words: &[Word]) -> Vec<Operand> {
    let Some((program, args)) = words.split_first() else { return Vec::new() };
    let name = base_name(&program.text);
    if name == "git" {
        return git_operands(words);
    }
    let (plain, mut found) = split(args);
    if name == "find" {
        let starts = args.iter().take_while(|word| !word.text.starts_with(['-', '(', '!'])).collect();
        return all(Touch::Look, starts);
    }
    if name == "dd" {
        found.extend(args.iter().filter_map(dd));
    } else if NO_FILES.contains(&name) {
        return Vec::new();
    } else if LOOK.contains(&name) {
        return all(Touch::Look, plain);
    } else if READ.contains(&name) {
        found.extend(all(Touch::Read, plain));
    } else if PATTERN_FIRST.contains(&name) {
        let brought = args.iter().any(|word| brings_pattern(name, &word.text));
        let touch = if name == "sed" && args.iter().any(|word| in_place(&word.text)) { Touch::Write } else { Touch::Read };
        found.extend(all(touch, plain.into_iter().skip(usize::from(!brought)).collect()));
    } else if WRITE.contains(&name) {
        let skip = usize::from(matches!(name, "chmod" | "chown" | "chgrp"));
        found.extend(all(Touch::Write, plain.into_iter().skip(skip).collect()));
    } else if DELETE.contains(&name) {
        found.extend(all(Touch::Delete, plain));
    } else if COPY.contains(&name) {
        let mut sources = plain;
        let target = sources.pop();
        let touch = match name {
            "mv" => Touch::Delete,
            "ln" => Touch::Look,
            _ => Touch::Read,
        };
        found.extend(all(touch, sources));
        found.extend(target.map(|word| Operand { touch: Touch::Write, word: word.clone() }));
    } else {
        found.extend(all(Touch::Perhaps, plain));
    }
    found
}

fn all(touch: Touch, words: Vec<&Word>) -> Vec<Operand> {
    words.into_iter().map(|word| Operand { touch, word: word.clone() }).collect()
}

/// Operands, and what options may hold: values after `=` and texts glued to short options.
fn split(args: &[Word]) -> (Vec<&Word>, Vec<Operand>) {
    let mut plain = Vec::new();
    let mut values = Vec::new();
    let mut only_operands = false;
    for word in args {
        if only_operands || !word.is_option() {
            plain.push(word);
        } else if word.text == "--" {
            only_operands = true;
        } else if let Some(long) = word.text.strip_prefix("--") {
            if let Some((option, value)) = long.split_once('=')
                && !NOT_READ.iter().any(|name| option.starts_with(name))
            {
                values.push(perhaps(value, word));
            }
        } else {
            let tails = word.text.char_indices().skip(2).map(|(at, _)| &word.text[at..]);
            values.extend(tails.take(8).map(|tail| perhaps(tail, word)));
        }
    }
    (plain, values)
}

fn perhaps(text: &str, word: &Word) -> Operand {
    Operand { touch: Touch::Perhaps, word: Word { text: text.to_owned(), home: text.starts_with('~'), ..word.clone() } }
}

fn brings_pattern(name: &str, option: &str) -> bool {
    let short = match name {
        "jq" | "yq" => "f",
        "awk" | "gawk" | "mawk" | "nawk" => "f",
        _ => "ef",
    };
    match option.strip_prefix("--") {
        Some(long) => ["regexp", "file", "from-file", "expression", "files"].iter().any(|known| long.starts_with(known)),
        None => option.len() > 1 && option.starts_with('-') && option.chars().skip(1).any(|c| short.contains(c)),
    }
}

fn in_place(option: &str) -> bool {
    option.starts_with("--in-place") || (option.starts_with("-i") || option.starts_with("-ni") || option.starts_with("-Ei"))
}

fn dd(word: &Word) -> Option<Operand> {
    let (key, value) = word.text.split_once('=')?;
    let touch = match key {
        "if" => Touch::Read,
        "of" => Touch::Write,
        _ => return None,
    };
    Some(Operand { touch, word: Word { text: value.to_owned(), ..word.clone() } })
}

/// Folders of `-C`, and paths whose text a subcommand shows, also as `REV:path`.
fn git_operands(words: &[Word]) -> Vec<Operand> {
    let call = git::parse(words);
    let mut found: Vec<Operand> = call.folders.into_iter().map(|word| Operand { touch: Touch::Look, word }).collect();
    let shows = ["annotate", "archive", "blame", "cat-file", "diff", "difftool", "grep", "log", "show", "whatchanged"];
    let Some((verb, args)) = call.words.split_first() else { return found };
    if shows.contains(&verb.text.as_str()) {
        for word in args.iter().filter(|word| !word.is_option()) {
            let path = word.text.split_once(':').map_or(word.text.as_str(), |(_, path)| path);
            found.push(perhaps(path, word));
        }
    }
    found
}

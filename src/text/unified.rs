//! Two texts of a file as a part of a patch, as git writes and reads it. Lines end at `\n` only, as git sees them.

use std::fmt::Write as _;

use similar::{Algorithm, DiffTag, capture_diff_slices, group_diff_ops};

/// Lines of context.
const AROUND: usize = 3;

/// One side of a file's change.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    pub path: &'a str,
    pub text: &'a str,
    /// Whether the file may be executed.
    pub executable: bool,
}

/// One file's part of a patch; `None` where the file is not there before or after.
pub fn unified(old: Option<Side<'_>>, new: Option<Side<'_>>) -> String {
    let (Some(from), Some(to)) = (old.or(new), new.or(old)) else { return String::new() };
    let mut out = format!("diff --git {} {}\n", quoted("a/", from.path), quoted("b/", to.path));
    let mode = |side: Side<'_>| mode(side.executable);
    match (old, new) {
        (None, Some(new)) => _ = writeln!(out, "new file mode {}", mode(new)),
        (Some(old), None) => _ = writeln!(out, "deleted file mode {}", mode(old)),
        _ => {
            if from.executable != to.executable {
                _ = writeln!(out, "old mode {}\nnew mode {}", mode(from), mode(to));
            }
            if from.path != to.path {
                _ = writeln!(out, "rename from {}\nrename to {}", quoted("", from.path), quoted("", to.path));
            }
        }
    }
    let (before, after) = (old.map_or("", |side| side.text), new.map_or("", |side| side.text));
    if before == after {
        if old.is_none() || new.is_none() {
            // Nothing but this line tells git that an empty file comes or goes.
            out.push_str("index 0000000..e69de29\n");
        }
        return out;
    }
    let name = |prefix: &str, side: Option<Side<'_>>| match side {
        None => "/dev/null".to_owned(),
        // Git ends a name at its first blank unless a tab follows.
        Some(side) if side.path.contains(' ') => format!("{}\t", quoted(prefix, side.path)),
        Some(side) => quoted(prefix, side.path),
    };
    _ = write!(out, "--- {}\n+++ {}\n", name("a/", old), name("b/", new));
    out.push_str(&hunks(before, after));
    out
}

fn mode(executable: bool) -> &'static str {
    if executable { "100755" } else { "100644" }
}

/// The part of a patch that deletes a file whatever its bytes are: git reads them as they stand, line by line.
pub fn removed_bytes(path: &str, executable: bool, bytes: &[u8]) -> Vec<u8> {
    let (from, to) = (quoted("a/", path), quoted("b/", path));
    let mut out = format!("diff --git {from} {to}\ndeleted file mode {}\n", mode(executable)).into_bytes();
    if bytes.is_empty() {
        out.extend_from_slice(b"index 0000000..e69de29\n");
        return out;
    }
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let tab = if path.contains(' ') { "\t" } else { "" };
    out.extend_from_slice(format!("--- {from}{tab}\n+++ /dev/null\n@@ -1,{} +0,0 @@\n", lines.len()).as_bytes());
    for line in lines {
        out.push(b'-');
        out.extend_from_slice(line);
    }
    if !bytes.ends_with(b"\n") {
        out.extend_from_slice(b"\n\\ No newline at end of file\n");
    }
    out
}

fn hunks(before: &str, after: &str) -> String {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let mut out = String::new();
    for group in group_diff_ops(capture_diff_slices(Algorithm::Myers, &old, &new), AROUND) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let (a, b) = (first.old_range().start..last.old_range().end, first.new_range().start..last.new_range().end);
        _ = writeln!(out, "@@ -{} +{} @@", span(&a), span(&b));
        for op in &group {
            if op.tag() == DiffTag::Equal {
                old[op.old_range()].iter().for_each(|text| line(&mut out, ' ', text));
            } else {
                old[op.old_range()].iter().for_each(|text| line(&mut out, '-', text));
                new[op.new_range()].iter().for_each(|text| line(&mut out, '+', text));
            }
        }
    }
    out
}

fn line(out: &mut String, sign: char, text: &str) {
    out.push(sign);
    out.push_str(text);
    if !text.ends_with('\n') {
        out.push_str("\n\\ No newline at end of file\n");
    }
}

/// `start,count`, from 1; an empty range stands behind the line before it.
fn span(lines: &std::ops::Range<usize>) -> String {
    format!("{},{}", if lines.is_empty() { lines.start } else { lines.start + 1 }, lines.len())
}

/// A name as git quotes it.
fn quoted(prefix: &str, name: &str) -> String {
    if !name.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')) {
        return format!("{prefix}{name}");
    }
    let mut out = format!("\"{prefix}");
    for c in name.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes).bytes().for_each(|byte| _ = write!(out, "\\{byte:03o}"));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

//! A proposal's file as a unified diff, for people and for `git apply`.

use crate::{
    path::WsPath,
    proposal::{FileOp, FileProposal},
    text::Text,
};

/// The diff of one file: its base against its text with all pending hunks.
pub fn of_file(path: &WsPath, file: &FileProposal) -> String {
    let staged = file.staged();
    let (old, new) = match &file.op {
        FileOp::Create => (None, Some(path.clone())),
        FileOp::Delete => (Some(path.clone()), None),
        FileOp::Move { to } => (Some(path.clone()), Some(to.clone())),
        FileOp::Edit => (Some(path.clone()), Some(path.clone())),
    };
    unified(old.as_ref(), new.as_ref(), &file.base, &staged.unwrap_or_default())
}

/// A git-style unified diff; `None` for the side where the file is not.
pub fn unified(old: Option<&WsPath>, new: Option<&WsPath>, before: &Text, after: &Text) -> String {
    let name =
        |side: &str, path: Option<&WsPath>| path.map_or_else(|| "/dev/null".to_owned(), |path| quoted(&format!("{side}/{path}")));
    let (a, b) = (old.or(new), new.or(old));
    let mut out = format!("diff --git {} {}\n", name("a", a), name("b", b));
    match (old, new) {
        (None, Some(_)) => out.push_str("new file mode 100644\n"),
        (Some(_), None) => out.push_str("deleted file mode 100644\n"),
        (Some(from), Some(to)) if from != to => {
            out.push_str(&format!("rename from {}\nrename to {}\n", quoted(from.as_str()), quoted(to.as_str())));
        }
        _ => {}
    }
    let (before, after) = (before.to_string(), after.to_string());
    if before != after {
        let diff = similar::TextDiff::from_lines(before.as_str(), after.as_str());
        let mut unified = diff.unified_diff();
        out.push_str(&unified.context_radius(3).header(&name("a", old), &name("b", new)).to_string());
    }
    out
}

/// Names with characters that would break a line are quoted as git does.
fn quoted(name: &str) -> String {
    if !name.chars().any(|c| c.is_control() || c == '"' || c == '\\') {
        return name.to_owned();
    }
    let escaped: String = name
        .chars()
        .map(|c| match c {
            '\n' => "\\n".to_owned(),
            '\t' => "\\t".to_owned(),
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            c if c.is_control() => format!("\\{:03o}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

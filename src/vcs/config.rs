//! Git configuration as data: what `git config --list -z` says, what of the workspace's may pass, and how it is written.

/// One setting. Section and name are lower case, as git prints them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub section: String,
    pub sub: Option<String>,
    pub name: String,
    /// `None` for a bare name, which git reads as true.
    pub value: Option<String>,
}

impl Entry {
    pub fn new(section: &str, sub: Option<&str>, name: &str, value: &str) -> Entry {
        Entry { section: section.into(), sub: sub.map(Into::into), name: name.into(), value: Some(value.into()) }
    }

    pub fn is(&self, section: &str, sub: Option<&str>, name: &str) -> bool {
        self.section == section && self.sub.as_deref() == sub && self.name == name
    }

    /// Git's reading of a boolean; `None` for anything else.
    pub fn truth(&self) -> Option<bool> {
        match self.value.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("true" | "yes" | "on" | "1") => Some(true),
            Some("" | "false" | "no" | "off" | "0") => Some(false),
            Some(_) => None,
        }
    }
}

/// Reads `git config --list -z`. Settings that are not UTF-8 are left out: none of those that matter can be.
pub(super) fn parse(listing: &[u8]) -> Vec<Entry> {
    listing.split(|byte| *byte == 0).filter(|record| !record.is_empty()).filter_map(entry).collect()
}

fn entry(record: &[u8]) -> Option<Entry> {
    let text = std::str::from_utf8(record).ok()?;
    let (key, value) = match text.split_once('\n') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (text, None),
    };
    let (section, rest) = key.split_once('.')?;
    let (sub, name) = match rest.rsplit_once('.') {
        Some((sub, name)) => (Some(sub.to_owned()), name),
        None => (None, rest),
    };
    Some(Entry { section: section.to_owned(), sub, name: name.to_owned(), value })
}

/// Whether a setting of the workspace's configuration is plain data that git may see. A closed list: everything else, known or
/// not yet invented, is left behind, because a name more or less here decides what runs.
pub(super) fn harmless(entry: &Entry) -> bool {
    match (entry.section.as_str(), entry.sub.is_some(), entry.name.as_str()) {
        ("core", false, name) => matches!(
            name,
            "repositoryformatversion"
                | "filemode"
                | "symlinks"
                | "ignorecase"
                | "precomposeunicode"
                | "autocrlf"
                | "eol"
                | "sparsecheckout"
                | "sparsecheckoutcone"
                | "sharedrepository"
                | "logallrefupdates"
                | "abbrev"
        ),
        ("extensions", false, name) => name == "objectformat",
        ("user" | "author" | "committer", false, name) => matches!(name, "name" | "email"),
        ("remote", true, name) => matches!(name, "url" | "pushurl"),
        ("remote", false, name) => name == "pushdefault",
        ("branch", true, name) => matches!(name, "remote" | "merge" | "pushremote"),
        _ => false,
    }
}

/// An extension without which the repository would be misread, and which is not supported.
pub(super) fn unsupported(entry: &Entry) -> Option<String> {
    if entry.section != "extensions" || entry.sub.is_some() {
        return None;
    }
    let value = entry.value.as_deref().unwrap_or("true");
    match entry.name.as_str() {
        "objectformat" => (!matches!(value, "sha1" | "sha256")).then(|| format!("object format {value}")),
        "refstorage" => (value != "files").then(|| format!("ref storage {value}")),
        "worktreeconfig" | "relativeworktrees" | "preciousobjects" | "partialclone" | "noop" | "submodulepathconfig" => None,
        other => Some(format!("extension {other}")),
    }
}

/// The settings as a configuration file.
pub(super) fn write(entries: &[Entry]) -> String {
    let mut out = String::new();
    for Entry { section, sub, name, value } in entries {
        match sub {
            Some(sub) => out += &format!("[{section} \"{}\"]\n", sub.replace('\\', "\\\\").replace('"', "\\\"")),
            None => out += &format!("[{section}]\n"),
        }
        match value {
            Some(value) => out += &format!("\t{name} = \"{}\"\n", quoted(value)),
            None => out += &format!("\t{name}\n"),
        }
    }
    out
}

fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t")
}

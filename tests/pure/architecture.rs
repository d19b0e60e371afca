//! The laws of ARCHITECTURE.md that a program can check: who imports whom, what the core never names, file heads and sizes,
//! the lint switches, and that every test file is part of its ring.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A module: what it may import of ours, and which crates from outside. A module imports only modules above it in this table.
struct Room {
    name: &'static str,
    inner: &'static [&'static str],
    outer: &'static [&'static str],
}

const fn room(name: &'static str, inner: &'static [&'static str], outer: &'static [&'static str]) -> Room {
    Room { name, inner, outer }
}

const VALUES: &[&str] = &["event", "path", "policy", "proposal", "text"];
const WITH_SEAMS: &[&str] = &["event", "path", "policy", "proposal", "text", "seams"];

const ROOMS: &[Room] = &[
    // Floor 0: values
    room("path", &[], &["serde", "thiserror"]),
    room("event", &[], &["serde", "serde_json"]),
    room("text", &[], &["ropey", "serde", "similar", "sha2"]),
    room(
        "policy",
        &["path"],
        &["serde", "toml", "globset", "sha2", "thiserror", "tree_sitter", "tree_sitter_bash", "unicode_normalization"],
    ),
    room("proposal", &["event", "path", "text"], &["serde", "thiserror"]),
    // Floor 1: seams
    room("seams", VALUES, &["async_trait", "serde", "serde_json", "thiserror", "tokio_util"]),
    // Floor 2: the agent
    room(
        "tools",
        WITH_SEAMS,
        &["async_trait", "futures_util", "schemars", "serde", "serde_json", "similar", "thiserror", "tokio_util"],
    ),
    room(
        "agent",
        &["event", "path", "policy", "proposal", "text", "seams", "tools"],
        &["async_trait", "futures_util", "minijinja", "serde", "serde_json", "sha2", "thiserror", "tokio_util"],
    ),
    // Floor 3: adapters
    room(
        "llm",
        WITH_SEAMS,
        &[
            "async_trait",
            "backon",
            "futures_util",
            "jiff",
            "reqwest",
            "rustls",
            "serde",
            "serde_json",
            "sha2",
            "sse_stream",
            "thiserror",
            "tokio",
            "tokio_util",
            "tracing",
        ],
    ),
    room(
        "sandbox",
        WITH_SEAMS,
        &[
            "async_trait",
            "httparse",
            "ignore",
            "landlock",
            "nix",
            "rustix",
            "seccompiler",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "toml",
            "tokio",
            "tokio_util",
            "tracing",
            "uuid",
        ],
    ),
    room(
        "workspace",
        WITH_SEAMS,
        &[
            "async_trait",
            "globset",
            "grep_matcher",
            "grep_regex",
            "grep_searcher",
            "ignore",
            "rustix",
            "serde",
            "thiserror",
            "tokio",
            "tracing",
            "uuid",
        ],
    ),
    room(
        "journal",
        WITH_SEAMS,
        &["async_trait", "jiff", "rustix", "nix", "serde", "serde_json", "sha2", "thiserror", "tokio", "tracing"],
    ),
    room(
        "vcs",
        WITH_SEAMS,
        &[
            "async_trait",
            "globset",
            "nix",
            "rustix",
            "serde",
            "serde_json",
            "sha2",
            "similar",
            "thiserror",
            "tokio",
            "tracing",
            "unicode_normalization",
            "uuid",
        ],
    ),
];

/// Doors may use every floor below them and any crate that the manifest names.
const DOORS: &[&str] = &["config", "server", "cli"];
/// Floors 0 to 2 touch nothing outside but through a seam.
const CORE: &[&str] = &["path", "event", "text", "policy", "proposal", "seams", "tools", "agent"];
const CORE_FORBIDS: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "std::os",
    "tokio::fs",
    "tokio::net",
    "tokio::process",
    "tower_lsp",
    "lsp_types",
    "reqwest",
    "landlock",
    "nix::",
    "rustix::",
];
const MOST_LINES: usize = 500;

/// Breaches of the rules in files given as (path below src, text).
fn breaches(files: &BTreeMap<String, String>, crates: &BTreeSet<String>) -> Vec<String> {
    let mut out = Vec::new();
    for (path, text) in files {
        if !text.starts_with("//!") {
            out.push(format!("{path}: does not begin with a //! line that says what it is for"));
        }
        let code = code(text);
        let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
        if lines > MOST_LINES {
            out.push(format!("{path}: {lines} lines of code, at most {MOST_LINES}"));
        }
        let module = path.split('/').next().unwrap().trim_end_matches(".rs");
        if ["lib", "main", "bin"].contains(&module) {
            continue;
        }
        let inner = inner_imports(path, &code);
        if DOORS.contains(&module) {
            continue;
        }
        let Some(room) = ROOMS.iter().find(|room| room.name == module) else {
            out.push(format!("{path}: module {module} has no room in this table"));
            continue;
        };
        for import in inner.iter().filter(|import| *import != module && !room.inner.contains(&import.as_str())) {
            out.push(format!("{path}: {module} may not import {import}"));
        }
        for outer in crates.iter().filter(|name| names(&code, &format!("{name}::")) && !room.outer.contains(&name.as_str())) {
            out.push(format!("{path}: {module} may not use the crate {outer}"));
        }
        if CORE.contains(&module) {
            for forbidden in CORE_FORBIDS.iter().filter(|name| names(&code, name) || grouped(&code, name)) {
                out.push(format!("{path}: the core names {forbidden}"));
            }
        }
    }
    out
}

/// Whether `word` stands in the code and is not the tail of a longer name or path.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

/// Whether `std::fs` is imported as `std::{fs, ...}`.
fn grouped(code: &str, path: &str) -> bool {
    let Some((head, tail)) = path.split_once("::") else { return false };
    code.match_indices(&format!("{head}::{{"))
        .any(|(at, opener)| group_heads(&code[at + opener.len()..]).iter().any(|name| name == tail))
}

/// The code without comments and string contents.
fn code(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let (mut in_string, mut previous) = (false, ' ');
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            if !in_string && c == '/' && chars.peek() == Some(&'/') {
                break;
            }
            if c == '"' && previous != '\\' && previous != '\'' {
                in_string = !in_string;
                out.push(c);
            } else if !in_string {
                out.push(c);
            }
            previous = if previous == '\\' && c == '\\' { ' ' } else { c };
        }
        out.push('\n');
    }
    out
}

/// The first components of a use group's branches: `x` and `y` of `{x, y::z}`, given what follows the brace.
fn group_heads(after: &str) -> Vec<String> {
    let (mut depth, mut word, mut heads) = (0, String::new(), Vec::new());
    for c in after.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(std::mem::take(&mut word)),
            c if depth == 0 => word.push(c),
            _ => {}
        }
    }
    heads.push(word);
    heads.iter().map(|word| word.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()).collect()
}

/// Our modules that a file names, by `crate::` or by climbing to the root with `super::`.
fn inner_imports(path: &str, code: &str) -> BTreeSet<String> {
    // `src/a.rs` and `src/a/mod.rs` are one level deep, `src/a/b.rs` two.
    let depth = path.trim_end_matches("/mod.rs").split('/').count();
    let climb = "super::".repeat(depth);
    let mut found = BTreeSet::new();
    for root in ["crate::", climb.as_str(), "countersign::"] {
        for (at, _) in code.match_indices(root) {
            if code[..at].ends_with("super::") && root != "crate::" {
                continue;
            }
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(group) => found.extend(group_heads(group)),
                None => {
                    found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
                }
            }
        }
    }
    found.remove("");
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

fn sources(below: &str) -> BTreeMap<String, String> {
    let folder = root().join(below);
    let mut files = Vec::new();
    rust_files(&folder, &mut files);
    files
        .iter()
        .map(|path| (path.strip_prefix(&folder).unwrap().display().to_string(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn manifest_crates() -> BTreeSet<String> {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}

#[test]
fn imports_follow_the_floors() {
    assert_eq!(breaches(&sources("src"), &manifest_crates()), Vec::<String>::new());
}

#[test]
fn the_table_has_no_cycle() {
    for (at, room) in ROOMS.iter().enumerate() {
        for import in room.inner {
            assert!(
                ROOMS[..at].iter().any(|above| above.name == *import),
                "{} imports {import}, which is not above it",
                room.name
            );
        }
    }
}

#[test]
fn the_check_bites() {
    let crates = BTreeSet::from(["reqwest".to_owned(), "serde".to_owned()]);
    let check = |path: &str, text: &str| breaches(&BTreeMap::from([(path.to_owned(), text.to_owned())]), &crates);
    let fine: [String; 0] = [];
    assert_eq!(check("agent/mod.rs", "//! x\nuse crate::tools;"), fine);
    assert_eq!(check("agent/a.rs", "//! speaks of crate::server\n// crate::cli\nlet s = \"crate::llm::x\";"), fine);
    assert_eq!(check("agent/a.rs", "//! x\nuse crate::server::Foo;"), ["agent/a.rs: agent may not import server"]);
    assert_eq!(
        check("agent/a.rs", "//! x\nuse crate::{tools, workspace::{a, b}};"),
        ["agent/a.rs: agent may not import workspace"]
    );
    assert_eq!(check("agent/a.rs", "//! x\nuse super::super::llm::Foo;"), ["agent/a.rs: agent may not import llm"]);
    assert_eq!(check("agent/mod.rs", "//! x\nuse super::llm::Foo;"), ["agent/mod.rs: agent may not import llm"]);
    assert_eq!(check("llm/a.rs", "//! x\nuse crate::workspace;"), ["llm/a.rs: llm may not import workspace"]);
    assert_eq!(check("text/a.rs", "//! x\nfn f() { reqwest::get(); }").len(), 2);
    assert_eq!(check("tools/a.rs", "//! x\nuse std::{fmt, fs};"), ["tools/a.rs: the core names std::fs"]);
    assert_eq!(check("tools/a.rs", "//! x\nuse std::process::Command;"), ["tools/a.rs: the core names std::process"]);
    assert_eq!(check("text/a.rs", "fn f() {}"), ["text/a.rs: does not begin with a //! line that says what it is for"]);
    assert_eq!(check("misc.rs", "//! x"), ["misc.rs: module misc has no room in this table"]);
    let long = format!("//! x\n{}", "fn f() {}\n".repeat(MOST_LINES + 1));
    assert_eq!(check("text/a.rs", &long), [format!("text/a.rs: {} lines of code, at most {MOST_LINES}", MOST_LINES + 1)]);
}

#[test]
fn the_switches_stay_on() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    assert_eq!(manifest["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    assert_eq!(manifest["lints"]["clippy"]["disallowed_methods"].as_str(), Some("deny"));
    let clippy = fs::read_to_string(root().join("clippy.toml")).unwrap();
    for banned in ["std::fs::read", "std::env::var", "std::process::Command::new", "tokio::time::sleep"] {
        assert!(clippy.contains(&format!("\"{banned}\"")), "clippy.toml no longer bans {banned}");
    }
}

/// A file that no `mod` line names is never compiled, and its tests never run.
#[test]
fn no_test_file_is_forgotten() {
    let files = sources("tests");
    for path in files.keys().filter(|path| !path.starts_with("support/") && !path.ends_with("main.rs")) {
        let (folder, file) = path.rsplit_once('/').unwrap();
        let (parent, name) =
            if file == "mod.rs" { folder.rsplit_once('/').unwrap() } else { (folder, file.trim_end_matches(".rs")) };
        let candidates = [format!("{parent}/main.rs"), format!("{parent}/mod.rs"), format!("{parent}.rs")];
        let declared = candidates.iter().filter_map(|file| files.get(file)).any(|text| text.contains(&format!("mod {name};")));
        assert!(declared, "tests/{path} is declared nowhere");
    }
}

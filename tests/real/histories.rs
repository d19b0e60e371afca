//! Thousands of changes as people and programs make them, cut into hunks, sent as LSP edits in every encoding, and applied by
//! implementations that are not ours: the `TextDocument` of VS Code's own language servers, and Neovim.
//!
//! `vscode-languageserver-textdocument` counts in UTF-16 only; Neovim does all three encodings, but keeps one kind of line
//! break per file, so that files with several kinds go through the other one alone.

#[path = "histories/mutate.rs"]
mod mutate;
#[path = "histories/sources.rs"]
mod sources;

use std::{
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use countersign::text::{Edit, Encoding, Text, changes, for_editors, hunks};
use serde_json::{Value, json};

use crate::editors::lab::{editor, repository};

/// Changes in all: what the histories here do not have, the mutator makes.
const PAIRS: usize = 3000;
/// Of them from git, at most.
const FROM_GIT: usize = 1500;

const ENCODINGS: [(Encoding, &str); 3] = [(Encoding::Utf8, "utf-8"), (Encoding::Utf16, "utf-16"), (Encoding::Utf32, "utf-32")];

/// A text before and after a change.
pub struct Pair {
    pub name: String,
    pub old: String,
    pub new: String,
}

#[test]
fn hunks_of_real_changes_are_applied_byte_exactly_by_others() {
    let mut pairs = sources::from_git(FROM_GIT);
    let real = pairs.len();
    pairs.extend(mutate::pairs(&sources::texts(), PAIRS - real));
    assert_eq!(pairs.len(), PAIRS);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs.jsonl");
    let mut out = BufWriter::new(fs::File::create(&file).unwrap());
    let (mut of_git, mut of_mutator) = (0, 0);
    for (at, pair) in pairs.iter().enumerate() {
        let (old, new) = (Text::new(&pair.old), Text::new(&pair.new));
        let found = hunks(&old, &new);
        assert_hunks(pair, &old, &found);
        *if at < real { &mut of_git } else { &mut of_mutator } += found.len();
        // Places inside lines, where the encodings differ; between a `\r` and its `\n` there is no place.
        let fine = if breaks(pair).is_some() { changes(&old, &new) } else { Vec::new() };
        let line = json!({
            "name": pair.name, "old": pair.old, "new": pair.new, "breaks": breaks(pair),
            "hunks": edits(&old, &found), "changes": (!fine.is_empty()).then(|| edits(&old, &fine)),
        });
        writeln!(out, "{line}").unwrap();
    }
    out.into_inner().unwrap();
    eprintln!("{real} changes from git: {of_git} hunks; {} made: {of_mutator} hunks", PAIRS - real);

    // Both at once: each is one process on one core.
    let (node, neovim) = thread::scope(|scope| {
        let node = scope.spawn(|| text_document(&file));
        let neovim = scope.spawn(|| neovim(&file));
        (node.join().unwrap(), neovim.join().unwrap())
    });
    assert!(node >= PAIRS, "TextDocument applied {node} lists of edits only");
    assert!(neovim >= PAIRS * 3, "Neovim applied {neovim} lists of edits only");
    eprintln!("lists of edits applied: {node} by TextDocument, {neovim} by Neovim");
}

fn assert_hunks(pair: &Pair, old: &Text, found: &[Edit]) {
    assert_eq!(old.edited_by(found).to_string(), pair.new, "{}", pair.name);
    for edit in found {
        let ends = edit.range.end == old.len() || old.is_line_start(edit.range.end);
        assert!(old.is_line_start(edit.range.start) && ends, "{}: {edit:?} is not of whole lines", pair.name);
    }
    let apart = found.windows(2).all(|two| two[0].range.end < two[1].range.start);
    assert!(apart, "{}: no line between two hunks", pair.name);
}

/// The one kind of line break of both texts; `None` where there are several.
fn breaks(pair: &Pair) -> Option<&'static str> {
    let count = |wanted: &str| pair.old.matches(wanted).count() + pair.new.matches(wanted).count();
    match (count("\r"), count("\n"), count("\r\n")) {
        (0, ..) => Some("\n"),
        (cr, lf, both) if cr == both && lf == both => Some("\r\n"),
        _ => None,
    }
}

/// LSP edits with a range in each encoding: start line, start character, end line, end character.
fn edits(old: &Text, edits: &[Edit]) -> Value {
    let place = |edit: &Edit| {
        let range = |encoding| {
            let (start, end) = (old.point(edit.range.start, encoding), old.point(edit.range.end, encoding));
            json!([start.line, start.character, end.line, end.character])
        };
        let ranges = ENCODINGS.map(|(encoding, name)| (name.to_owned(), range(encoding)));
        json!({"newText": edit.new, "range": Value::Object(ranges.into_iter().collect())})
    };
    for_editors(old, edits.to_vec()).iter().map(place).collect()
}

/// Runs a program that applies all edits; the answer is how many lists of edits it applied. It names what came out wrong.
fn applied(program: &mut Command, what: &str) -> usize {
    let output = program.output().unwrap_or_else(|error| panic!("{what} does not start: {error}"));
    let (said, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}:\n{said}{complaints}");
    let count = said.lines().last().and_then(|line| line.strip_prefix("applied ")?.parse().ok());
    count.unwrap_or_else(|| panic!("{what} said nothing of its work:\n{said}{complaints}"))
}

fn text_document(pairs: &Path) -> usize {
    let script = repository("tests/real/histories/apply.cjs");
    applied(Command::new("node").arg(script).arg(pairs).env("NODE_PATH", node_modules()), "TextDocument in node")
}

fn neovim(pairs: &Path) -> usize {
    let script = repository("tests/real/histories/apply.lua");
    let home = tempfile::tempdir().unwrap();
    let mut program = Command::new(editor("nvim-0.10"));
    program.args(["--headless", "-u", "NONE", "-i", "NONE", "-l"]).arg(script).arg(pairs);
    applied(program.env("HOME", home.path()).env("XDG_STATE_HOME", home.path()), "Neovim")
}

/// The packages that node loads, installed by npm from wherever this machine has it set to look.
fn node_modules() -> PathBuf {
    const PACKAGE: &str = "vscode-languageserver-textdocument";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("npm");
    let modules = folder.join("node_modules");
    let mut said = String::new();
    for attempt in 0..3 {
        if modules.join(PACKAGE).join("package.json").exists() {
            return modules;
        }
        thread::sleep(Duration::from_secs(attempt * 2));
        fs::create_dir_all(&folder).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(&folder);
        let output = npm.arg(format!("{PACKAGE}@1.0.12")).output().expect("npm is there");
        said = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    assert!(
        modules.join(PACKAGE).join("package.json").exists(),
        "npm could not download {PACKAGE}, which this test needs:\n{said}"
    );
    modules
}

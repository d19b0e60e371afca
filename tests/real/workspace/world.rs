//! What the policy asks: tracked files, aliases, shell globs, and where the secrets are.

use std::{fs, path::Path, process::Command};

use countersign::{
    path::WsPath,
    policy::{Resolved, Secret, Surroundings},
    workspace::World,
};

use super::{Tree, at, put};

fn git(dir: &Path, args: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]).args(args).current_dir(dir);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = git.output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn world(tree: &Tree) -> World {
    World::new(tree.folder.clone(), Some(tree.outside.clone()), None)
}

fn names(paths: &[WsPath]) -> Vec<&str> {
    paths.iter().map(WsPath::as_str).collect()
}

/// Exact names are kept from commands too, `*.key` only where git does not track it.
fn secrecy(path: &WsPath, tracked: bool) -> Option<Secret> {
    let exact = path.file_name() == ".env";
    (exact || path.file_name().ends_with(".key")).then_some(Secret { hide_from_commands: exact || !tracked })
}

#[test]
fn tracked_files_are_known_in_every_index_version() {
    let long = "long/".repeat(60) + "name";
    for version in ["2", "3", "4"] {
        let tree = Tree::of(&[("a", ""), ("dir/b c", ""), (&long, ""), ("dir/b cd", ""), ("new", ""), ("added", "")]);
        git(&tree.root, &["init", "-q"]);
        git(&tree.root, &["add", "a", "dir", "long"]);
        if version == "3" {
            // An entry with extended flags makes it version 3.
            git(&tree.root, &["add", "-N", "added"]);
        }
        git(&tree.root, &["update-index", "--index-version", version]);
        let world = world(&tree);
        let index = fs::read(tree.root.join(".git/index")).unwrap();
        assert_eq!(index[7], version.as_bytes()[0] - b'0', "git wrote another version");
        for path in ["a", "dir/b c", "dir/b cd", &long] {
            assert!(world.tracked(&at(path)), "{path} in version {version}");
        }
        assert!(!world.tracked(&at("new")) && !world.tracked(&at("dir")) && !world.tracked(&at("missing")));
        git(&tree.root, &["add", "new"]);
        assert!(world.tracked(&at("new")), "the index is read again when it changes");
        // Every broken index counts as an empty one, and nothing panics.
        for cut in (0..index.len()).step_by(7) {
            fs::write(tree.root.join(".git/index"), &index[..cut]).unwrap();
            assert!(!world.tracked(&at("missing")));
        }
        fs::write(tree.root.join(".git/index"), &index[..60]).unwrap();
        assert!(!world.tracked(&at("a")));
    }
}

#[test]
fn repositories_above_below_and_elsewhere_are_found() {
    let tree = Tree::of(&[("sub/x", ""), ("nested/y", "")]);
    let above = tree.root.parent().unwrap();
    git(above, &["init", "-q", "--object-format=sha256"]);
    git(above, &["add", "workspace/sub/x"]);
    git(&tree.root.join("nested"), &["init", "-q"]);
    git(&tree.root.join("nested"), &["add", "y"]);
    let world = world(&tree);
    assert!(world.tracked(&at("sub/x")) && world.tracked(&at("nested/y")));
    git(&tree.root.join("nested"), &["commit", "-qm", "y"]);
    git(&tree.root.join("nested"), &["worktree", "add", "-q", "../linked", "-b", "other"]);
    assert!(world.tracked(&at("linked/y")) && !world.tracked(&at("linked/z")));
}

#[test]
fn aliases_are_read_as_git_reads_them() {
    let tree = Tree::of(&[]);
    git(&tree.root, &["init", "-q"]);
    git(&tree.root, &["config", "alias.p", "push --force"]);
    git(&tree.root, &["config", "alias.Sh", "!f() { echo \"a;b\" # c\n}; f"]);
    let included = "[alias] hid = !curl x\n[ALIAS]\n\tst = status -sb ; comment\n";
    put(&tree.outside.join("more"), included.as_bytes());
    put(&tree.outside.join(".gitconfig"), b"[include]\n\tpath = ~/more\n[alias]\n  p = pull\n  two = log \\\n --oneline\n");
    let world = world(&tree);
    assert_eq!(world.git_alias("p").as_deref(), Some("push --force"), "the repository's own comes first");
    assert_eq!(world.git_alias("sh").as_deref(), Some("!f() { echo \"a;b\" # c\n}; f"));
    assert_eq!(world.git_alias("hid").as_deref(), Some("!curl x"));
    assert_eq!(world.git_alias("ST").as_deref(), Some("status -sb"));
    assert_eq!(world.git_alias("two").as_deref(), Some("log  --oneline"));
    assert_eq!(world.git_alias("none"), None);
}

#[test]
fn globs_name_what_the_shell_would_name() {
    let tree = Tree::of(&[(".env", ""), ("a.rs", ""), ("b.rs", ""), ("x/.env", ""), ("x/c.rs", ""), ("[odd", "")]);
    tree.link("../outside", "out");
    let world = world(&tree);
    for pattern in ["*.rs", "*", ".*", ".e??", "[ab].rs", "[!a].rs", "*/*", "x/../*.rs", "**", "a*b", "[odd", "*/.e*"] {
        let script = format!("shopt -s nullglob; printf '%s\\n' {pattern}");
        let shell = Command::new("bash").args(["-c", &script]).current_dir(&tree.root).output().unwrap();
        let mut expected: Vec<String> = String::from_utf8(shell.stdout)
            .unwrap()
            .lines()
            .filter(|line| !line.is_empty() && *line != "out/secret.txt" && *line != "." && *line != "..")
            .map(|line| at(line).to_string())
            .collect();
        expected.sort();
        assert_eq!(names(&world.glob(pattern, &WsPath::root())), expected, "{pattern}");
    }
    assert_eq!(names(&world.glob("*.rs", &at("x"))), ["x/c.rs"]);
    let absolute = format!("{}/x/*", tree.root.display());
    assert_eq!(names(&world.glob(&absolute, &at("x"))), ["x/c.rs"]);
    assert!(world.glob("/etc/*", &WsPath::root()).is_empty() && world.glob("../*", &WsPath::root()).is_empty());
}

#[test]
fn secrets_are_found_wherever_they_are() {
    let tree = Tree::of(&[
        (".gitignore", "node_modules"),
        (".env", ""),
        ("node_modules/deep/.env", ""),
        (".git/.env", ""),
        ("a.key", ""),
    ]);
    put(&tree.root.join("real/config"), b"");
    tree.link("config", "real/.env");
    tree.link("../outside/secret.txt", "x/.env");
    fs::create_dir(tree.root.join("y")).unwrap();
    fs::create_dir(tree.root.join("y/.env")).unwrap();
    let world = world(&tree);
    let masked = || world.masked(&secrecy).unwrap();
    assert_eq!(names(&masked()), [".env", "a.key", "node_modules/deep/.env", "real/config"]);
    // A file that is new since the last look, in a folder that was seen before; and one that git tracks now.
    put(&tree.root.join("node_modules/deep/new/.env"), b"");
    fs::remove_file(tree.root.join(".env")).unwrap();
    fs::remove_dir_all(tree.root.join(".git")).unwrap();
    git(&tree.root, &["init", "-q"]);
    git(&tree.root, &["add", "a.key"]);
    assert_eq!(names(&masked()), ["node_modules/deep/.env", "node_modules/deep/new/.env", "real/config"]);
    git(&tree.root, &["rm", "-q", "--cached", "a.key"]);
    assert_eq!(masked()[0], at("a.key"));
}

#[test]
fn paths_are_resolved_for_the_policy() {
    let tree = Tree::of(&[("src/lib.rs", "")]);
    tree.link("src", "alias");
    tree.link("../outside", "out");
    tree.link("loop", "loop");
    let world = world(&tree);
    assert_eq!(world.resolve(&at("alias/new")), Resolved::Inside(at("src/new")));
    assert_eq!(world.resolve(&at("out/secret.txt")), Resolved::Outside);
    assert_eq!(world.resolve(&at("loop")), Resolved::Outside);
    assert_eq!(world.folder(), tree.root.to_str().unwrap());
}

//! Changing the user's files: exactly where and what was expected, else nothing.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use countersign::seams::WorkspaceError;
use rustix::fs::{RenameFlags, renameat_with};

use super::{Tree, at, rounds};

/// Names in the workspace folder, to see that nothing was left behind.
fn names(tree: &Tree) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(&tree.root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_with_its_mode() {
    let tree = Tree::of(&[("run.sh", "old")]);
    fs::set_permissions(tree.root.join("run.sh"), fs::Permissions::from_mode(0o750)).unwrap();
    let written = tree.folder.write_atomically(&at("run.sh"), Some(b"old"), b"\xef\xbb\xbfnew\r\n").unwrap();
    assert_eq!((written.path, written.notes), (at("run.sh"), Vec::new()));
    assert_eq!(tree.bytes("run.sh"), b"\xef\xbb\xbfnew\r\n");
    assert_eq!(fs::metadata(tree.root.join("run.sh")).unwrap().mode() & 0o7777, 0o750);
    assert_eq!(names(&tree), ["run.sh"]);
}

#[test]
fn a_file_that_moved_is_left_alone() {
    let tree = Tree::of(&[("a", "theirs")]);
    let error = tree.folder.write_atomically(&at("a"), Some(b"ours"), b"new").unwrap_err();
    assert!(matches!(error, WorkspaceError::Moved(_)), "{error}");
    assert!(matches!(tree.folder.delete(&at("a"), b"ours"), Err(WorkspaceError::Moved(_))));
    assert!(matches!(tree.folder.rename(&at("a"), &at("b"), b"ours"), Err(WorkspaceError::Moved(_))));
    assert!(matches!(tree.folder.write_atomically(&at("a"), None, b"new"), Err(WorkspaceError::Exists(_))));
    assert!(matches!(tree.folder.write_atomically(&at("gone"), Some(b""), b"new"), Err(WorkspaceError::NotFound { .. })));
    assert_eq!((tree.bytes("a"), names(&tree)), (b"theirs".to_vec(), vec!["a".to_owned()]));
}

#[test]
fn a_mode_changes_for_those_who_may_read() {
    let tree = Tree::of(&[("run.sh", "x"), ("there", "y")]);
    let mode = |name: &str| fs::metadata(tree.root.join(name)).unwrap().mode() & 0o7777;
    fs::set_permissions(tree.root.join("run.sh"), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(tree.folder.set_executable(&at("run.sh"), false), Err(WorkspaceError::Moved(_))), "it is so already");
    tree.folder.set_executable(&at("run.sh"), true).unwrap();
    assert_eq!((mode("run.sh"), tree.bytes("run.sh")), (0o750, b"x".to_vec()));
    tree.folder.set_executable(&at("run.sh"), false).unwrap();
    assert_eq!(mode("run.sh"), 0o640);
    // Neither links nor folders nor what is not there; the link's own target stays as it is.
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("target"), "z").unwrap();
    let before = fs::metadata(outside.path().join("target")).unwrap().mode();
    std::os::unix::fs::symlink(outside.path().join("target"), tree.root.join("out")).unwrap();
    std::os::unix::fs::symlink("there", tree.root.join("in")).unwrap();
    fs::create_dir(tree.root.join("dir")).unwrap();
    for name in ["out", "in", "dir", "none"] {
        assert!(tree.folder.set_executable(&at(name), true).is_err(), "{name}");
    }
    assert_eq!((mode("there") & 0o111, fs::metadata(outside.path().join("target")).unwrap().mode()), (0, before));
    fs::hard_link(tree.root.join("run.sh"), tree.root.join("twin")).unwrap();
    let written = tree.folder.set_executable(&at("run.sh"), true).unwrap();
    assert!(written.notes[0].contains("1 more hard link"), "{written:?}");
}

#[test]
fn files_are_made_deleted_and_renamed() {
    let tree = Tree::of(&[]);
    tree.folder.write_atomically(&at("new/deep/a"), None, b"").unwrap();
    assert_eq!(tree.bytes("new/deep/a"), b"");
    tree.folder.rename(&at("new/deep/a"), &at("other/b"), b"").unwrap();
    assert!(!tree.root.join("new/deep/a").exists());
    tree.folder.write_atomically(&at("c"), None, b"c").unwrap();
    assert!(matches!(tree.folder.rename(&at("c"), &at("other/b"), b"c"), Err(WorkspaceError::Exists(_))));
    assert_eq!((tree.bytes("c"), tree.bytes("other/b")), (b"c".to_vec(), Vec::new()));
    tree.folder.delete(&at("c"), b"c").unwrap();
    assert_eq!(names(&tree), ["new", "other"]);
    assert!(matches!(tree.folder.write_atomically(&at("other/b/c"), None, b""), Err(WorkspaceError::Io { .. })));
}

#[test]
fn links_are_followed_inside_only_and_hard_links_are_told() {
    let tree = Tree::of(&[("real", "old")]);
    tree.link("real", "link");
    tree.link("../outside/secret.txt", "out");
    tree.link("../outside", "dir");
    let written = tree.folder.write_atomically(&at("link"), Some(b"old"), b"new").unwrap();
    assert_eq!((written.path, written.notes.len()), (at("real"), 1));
    assert!(tree.root.join("link").is_symlink());
    assert_eq!(tree.bytes("real"), b"new");
    for name in ["out", "dir/secret.txt"] {
        assert!(matches!(tree.folder.write_atomically(&at(name), Some(b"OUTSIDE"), b"x"), Err(WorkspaceError::Outside(_))));
    }
    assert!(matches!(tree.folder.write_atomically(&at("dir/new"), None, b"x"), Err(WorkspaceError::Outside(_))));
    assert!(matches!(tree.folder.delete(&at("dir/secret.txt"), b"OUTSIDE"), Err(WorkspaceError::Outside(_))));
    assert!(tree.folder.delete(&at("link"), b"new").unwrap_err().to_string().contains("symbolic link"));

    fs::hard_link(tree.root.join("real"), tree.outside.join("twin")).unwrap();
    let written = tree.folder.write_atomically(&at("real"), Some(b"new"), b"newer").unwrap();
    assert!(written.notes[0].contains("hard link"), "{:?}", written.notes);
    assert_eq!(fs::read(tree.outside.join("twin")).unwrap(), b"new");
    assert_eq!(fs::read(tree.outside.join("secret.txt")).unwrap(), b"OUTSIDE");
}

/// Two thousand writes into a folder that is a folder and a link to the outside in turn.
#[test]
fn a_swapped_folder_is_never_written_through() {
    let tree = Tree::of(&[("dir/file", "0")]);
    fs::write(tree.outside.join("file"), "0").unwrap();
    tree.link(&tree.outside, "out");
    let done = AtomicBool::new(false);
    let (written, made) = (Cell::new(0_u32), Cell::new(0_u32));
    let mut unclear: Vec<WorkspaceError> = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| tree.swap("dir", "out", &done));
        for round in rounds(2_000, || written.get() > 0 && made.get() > 0) {
            let (before, after) = (written.get().to_string(), (written.get() + 1).to_string());
            match tree.folder.write_atomically(&at("dir/file"), Some(before.as_bytes()), after.as_bytes()) {
                Ok(_) => written.set(written.get() + 1),
                Err(WorkspaceError::Outside(_) | WorkspaceError::NotFound { .. } | WorkspaceError::Moved(_)) => {}
                Err(other) => unclear.push(other),
            }
            if round % 4 == 0 {
                let done = tree.folder.write_atomically(&at(&format!("dir/new{round}")), None, b"new").is_ok();
                made.set(made.get() + u32::from(done));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(unclear.is_empty(), "{unclear:?}");
    let inside = if tree.root.join("dir").is_symlink() { "out" } else { "dir" };
    let (written, made) = (written.get(), made.get());
    assert!(written > 0 && made > 0, "{written} written, {made} made");
    assert_eq!(tree.bytes(&format!("{inside}/file")), written.to_string().as_bytes());
    assert_eq!(fs::read_dir(tree.root.join(inside)).unwrap().count(), made as usize + 1);
    let mut outside: Vec<_> = fs::read_dir(&tree.outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    outside.sort();
    assert_eq!(outside, ["file", "secret.txt"]);
    assert_eq!(fs::read(tree.outside.join("file")).unwrap(), b"0");
}

/// A second writer who replaces the file as editors do. Every version was seen by the one who replaced it, or is kept.
#[test]
fn a_second_writer_loses_nothing() {
    let tree = Tree::of(&[("file", "start"), ("next", "")]);
    let root = fs::File::open(&tree.root).unwrap();
    let done = AtomicBool::new(false);
    let (mut written, mut seen) = (BTreeSet::from(["start".to_owned()]), BTreeSet::new());
    let (mut refused, mut tried) = (0, 0);
    thread::scope(|scope| {
        let editor = scope.spawn(|| {
            let (mut written, mut seen) = (BTreeSet::new(), BTreeSet::new());
            while !done.load(Ordering::Relaxed) {
                let text = format!("theirs {}", written.len());
                fs::write(tree.root.join("next"), &text).unwrap();
                renameat_with(&root, "next", &root, "file", RenameFlags::EXCHANGE).unwrap();
                seen.insert(fs::read_to_string(tree.root.join("next")).unwrap());
                written.insert(text);
                // Now and then a pause in which the other one gets through.
                thread::sleep(std::time::Duration::from_micros(if written.len() % 4 == 0 { 1500 } else { 50 }));
            }
            (written, seen)
        });
        let mut ours = BTreeSet::new();
        let got_through = Cell::new(0);
        for round in rounds(200, || got_through.get() > 0) {
            tried += 1;
            let Ok(now) = tree.folder.read(&at("file")) else { continue };
            let text = format!("ours {round}");
            match tree.folder.write_atomically(&at("file"), Some(&now.bytes), text.as_bytes()) {
                Ok(_) => {
                    ours.insert(text);
                    got_through.set(ours.len());
                    seen.insert(String::from_utf8(now.bytes).unwrap());
                }
                Err(_) => refused += 1,
            }
        }
        done.store(true, Ordering::Relaxed);
        let theirs = editor.join().unwrap();
        written.extend(ours);
        written.extend(theirs.0);
        seen.extend(theirs.1);
    });
    for name in names(&tree).iter().filter(|name| *name != "next") {
        seen.insert(String::from_utf8(tree.bytes(name)).unwrap());
    }
    let lost: Vec<_> = written.difference(&seen).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(refused < tried && written.len() > 2, "the two writers really met: {refused} of {tried} refused");
}

//! Reading: what stays inside, what a file is, and words that help.

use std::{
    cell::Cell,
    fs,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use countersign::{
    path::WsPath,
    seams::{FileKind, WorkspaceError},
    workspace::decode,
};

use super::{Tree, at, put, rounds};

#[test]
fn links_inside_are_followed() {
    let tree = Tree::of(&[("src/lib.rs", "inside")]);
    tree.link("src/lib.rs", "file");
    tree.link("src", "dir");
    tree.link("../dir/lib.rs", "deep/chain");
    tree.link(tree.root.join("src/lib.rs"), "absolute");
    for name in ["file", "dir/lib.rs", "deep/chain", "absolute"] {
        assert_eq!(tree.folder.read(&at(name)).unwrap().bytes, b"inside", "{name}");
        assert_eq!(tree.folder.resolve(&at(name)).unwrap(), at("src/lib.rs"), "{name}");
    }
    assert_eq!(tree.folder.resolve(&at("dir/new/file.rs")).unwrap(), at("src/new/file.rs"));
}

#[test]
fn links_that_lead_out_are_refused() {
    let tree = Tree::of(&[("a.txt", "a"), ("deep/b", "")]);
    tree.link("../outside/secret.txt", "file");
    tree.link("../outside", "dir");
    tree.link("file", "chain");
    tree.link(tree.outside.join("secret.txt"), "absolute");
    tree.link("deep/../../outside/secret.txt", "climbs");
    tree.link("/proc/self/root", "magic");
    for name in ["file", "dir/secret.txt", "chain", "absolute", "climbs", "magic/etc/passwd", "dir/new.txt"] {
        let error = tree.folder.read(&at(name)).unwrap_err();
        assert!(matches!(error, WorkspaceError::Outside(_)), "{name}: {error}");
        assert!(matches!(tree.folder.resolve(&at(name)), Err(WorkspaceError::Outside(_))), "{name}");
    }
    // The positive control: the same handle reads what is inside.
    assert_eq!(tree.folder.read(&at("a.txt")).unwrap().bytes, b"a");
}

#[test]
fn a_circle_of_links_is_named() {
    let tree = Tree::of(&[]);
    tree.link("b", "a");
    tree.link("a", "b");
    let error = tree.folder.read(&at("a")).unwrap_err().to_string();
    assert_eq!(error, "a cannot be used: its symbolic links lead in a circle");
    assert!(tree.folder.resolve(&at("a")).is_err());
}

#[test]
fn only_regular_files_are_opened() {
    let tree = Tree::of(&[("dir/a", "")]);
    assert!(Command::new("mkfifo").arg(tree.root.join("fifo")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(tree.root.join("socket")).unwrap();
    // Returning at all is the point: opening a fifo would wait for its writer.
    assert!(matches!(tree.folder.read(&at("fifo")), Err(WorkspaceError::Special(_))));
    assert!(matches!(tree.folder.read(&at("socket")), Err(WorkspaceError::Special(_))));
    assert!(matches!(tree.folder.read(&at("dir")), Err(WorkspaceError::IsDir(_))));
    assert!(matches!(tree.folder.read(&at("dir/a/b")), Err(WorkspaceError::NotFound { .. })));
    assert!(matches!(tree.folder.read(&WsPath::root()), Err(WorkspaceError::IsDir(_))));
}

#[test]
fn a_big_file_is_refused_by_its_size() {
    let tree = Tree::of(&[]);
    fs::File::create(tree.root.join("big")).unwrap().set_len(50 << 20).unwrap();
    let error = tree.folder.read(&at("big")).unwrap_err();
    assert!(matches!(error, WorkspaceError::TooBig { size: 52_428_800, .. }), "{error}");
    assert_eq!(tree.folder.read_up_to(&at("big"), 50 << 20).unwrap().bytes.len(), 50 << 20);
}

#[test]
fn bytes_survive_reading_and_encoding() {
    for bytes in [
        &b""[..],
        b"a",
        b"a\n",
        b"a\r\nb\r\n",
        b"a\rb\n\r\n",
        b"\xef\xbb\xbfa\r\n",
        b"\xef\xbb\xbf",
        "\u{e9}\u{1f600}\n".as_bytes(),
    ] {
        let decoded = decode(bytes);
        assert_eq!(decoded.kind, FileKind::Text, "{bytes:?}");
        assert_eq!(decoded.encode(&decoded.text), bytes);
        assert!(!decoded.text.to_string().starts_with('\u{feff}'));
    }
}

#[test]
fn what_is_not_utf8_is_shown_but_not_text() {
    let latin = decode(b"caf\xe9\n");
    assert_eq!((latin.kind, latin.text.to_string().as_str()), (FileKind::NotUtf8, "caf\u{fffd}\n"));
    let wide = decode(b"\xff\xfeh\0i\0\n\0");
    assert_eq!((wide.kind, wide.text.to_string().as_str()), (FileKind::NotUtf8, "hi\n"));
    for bytes in [&b"\x7fELF\x02\x01\0"[..], b"\x01\x02\x03\x04ab", b"text\0text"] {
        let binary = decode(bytes);
        assert_eq!((binary.kind, binary.text.len()), (FileKind::Binary, 0), "{bytes:?}");
    }
}

#[test]
fn strange_names_can_be_read() {
    let tree = Tree::of(&[]);
    for name in ["-rf", "a b", "new\nline", "--help", "*", "\u{e9}"] {
        put(&tree.root.join(name), name.as_bytes());
        let path = WsPath::from_disk(name).unwrap();
        assert_eq!(tree.folder.read(&path).unwrap().bytes, name.as_bytes());
    }
}

#[test]
fn a_folder_that_is_swapped_for_a_link_never_gives_what_is_outside() {
    let tree = Tree::of(&[("dir/secret.txt", "INSIDE")]);
    tree.link(&tree.outside, "out");
    let done = AtomicBool::new(false);
    let read: Vec<_> = thread::scope(|scope| {
        scope.spawn(|| tree.swap("dir", "out", &done));
        let mut read = Vec::new();
        let found = Cell::new(0);
        for _ in rounds(10_000, || found.get() > 0) {
            read.extend(tree.folder.read(&at("dir/secret.txt")));
            found.set(read.len());
        }
        done.store(true, Ordering::Relaxed);
        read
    });
    assert!(!read.is_empty(), "the swapping was never between two reads");
    assert!(read.iter().all(|file| file.bytes == b"INSIDE"));
}

//! Texts of every kind: line ends, marks, wide characters, nothing at all. Each as a file that is open and as one that is not;
//! what is accepted is exactly what was proposed, and what was not touched is as it was.

use serde_json::json;

use crate::{
    lsp::Editor,
    room::{Room, ask, calls, edit, say},
};

/// Name, what the disk holds, what the model changes, and the text afterwards (without the byte order mark, which editors keep
/// to themselves).
type Kind = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

const KINDS: [Kind; 14] = [
    ("crlf", "one\r\ntwo\r\nthree\r\n", &[("two\n", "TWO\nand more\n")], "one\r\nTWO\r\nand more\r\nthree\r\n"),
    ("mixed", "one\r\ntwo\nthree\r\n", &[("two\n", "TWO\n")], "one\r\nTWO\nthree\r\n"),
    ("bom", "\u{feff}one\ntwo\n", &[("one\n", "ONE\n")], "ONE\ntwo\n"),
    ("bom-crlf", "\u{feff}one\r\ntwo\r\n", &[("one\n", "zero\none\n")], "zero\r\none\r\ntwo\r\n"),
    ("no-end", "one\ntwo", &[("two", "TWO")], "one\nTWO"),
    ("no-end-crlf", "one\r\ntwo", &[("two", "two\nthree")], "one\r\ntwo\r\nthree"),
    ("gets-end", "one\ntwo", &[("one\ntwo", "one\ntwo\n")], "one\ntwo\n"),
    ("one-line", "alone", &[("alone", "together")], "together"),
    ("astral", "a 🦀 b\n𝒳 = 𝒴 🧑‍🚀\n", &[("𝒳 = 𝒴 🧑‍🚀", "𝒳 = 𝒵 🧑‍🚀🦀")], "a 🦀 b\n𝒳 = 𝒵 🧑‍🚀🦀\n"),
    ("astral-end", "é🦀", &[("é🦀", "🦀é")], "🦀é"),
    ("tabs", "if x:\n\ty\t= 1\n\tz = 2\n", &[("\ty\t= 1\n", "\tif y:\n\t\ty\t= 1\n")], "if x:\n\tif y:\n\t\ty\t= 1\n\tz = 2\n"),
    ("combining", "e\u{301}tat\nplain\n", &[("plain\n", "plai\u{302}n\n")], "e\u{301}tat\nplai\u{302}n\n"),
    ("odd-breaks", "a\u{2028}b\u{85}c\u{b}d\ne\n", &[("e\n", "E\n")], "a\u{2028}b\u{85}c\u{b}d\nE\n"),
    ("blank-end", "one  \n\n\ntwo\n", &[("two\n", "2\n")], "one  \n\n\n2\n"),
];

fn body(disk: &str) -> &str {
    disk.strip_prefix('\u{feff}').unwrap_or(disk)
}

async fn through(open: bool) {
    let files: Vec<(String, &str)> = KINDS.iter().map(|(name, disk, ..)| (format!("{name}.txt"), *disk)).collect();
    let room = Room::with(&files.iter().map(|(name, disk)| (name.as_str(), *disk)).collect::<Vec<_>>());
    let all: Vec<_> = KINDS.iter().map(|(name, _, edits, _)| edit(&format!("{name}.txt"), edits)).collect();
    let editor = room.editor(&[calls(&all), say("Done.")]).await;
    if open {
        KINDS.iter().for_each(|(name, disk, ..)| editor.open(&format!("{name}.txt"), body(disk)));
    }
    let (task, proposal) = ask(&editor, "crlf.txt").await;
    for (name, ..) in KINDS {
        let uri = editor.uri(&format!("{name}.txt"));
        editor.until(name, |seen| (!seen.diagnostics(&uri).is_empty()).then_some(())).await;
    }
    let answer = editor.command("accept", json!({"proposal": proposal})).await.unwrap();
    assert_eq!(answer["refused"], json!([]), "{answer}");
    for (name, disk, _, expected) in KINDS {
        assert_eq!(editor.text(&format!("{name}.txt")), expected, "{name}, open: {open}");
        let bytes = std::fs::read(room.path(&format!("{name}.txt"))).unwrap();
        assert_eq!(bytes, disk.as_bytes(), "{name}: the disk is the editor's matter");
    }
    let answer = editor.command("undo", json!({"task": task})).await.unwrap();
    assert_eq!(answer["refused"], json!([]), "{answer}");
    for (name, disk, ..) in KINDS {
        assert_eq!(editor.text(&format!("{name}.txt")), body(disk), "{name} taken back, open: {open}");
    }
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_text_is_changed_exactly_where_it_is_open() {
    through(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_text_is_changed_exactly_where_it_is_not_open() {
    through(false).await;
}

async fn empty(editor: &Editor) {
    let uri = editor.uri("empty.txt");
    let shown = editor.until("a hunk", |seen| seen.diagnostics(&uri).first().cloned()).await;
    let answer = editor.command("accept", json!({"proposal": shown["data"]["proposal"]})).await.unwrap();
    assert_eq!(answer["refused"], json!([]), "{answer}");
    assert_eq!(editor.text("empty.txt"), "first\nsecond");
    assert_eq!(editor.text("emptied.txt"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_a_byte_are_filled_and_others_emptied() {
    for open in [true, false] {
        let room = Room::with(&[("empty.txt", ""), ("emptied.txt", "all\nof it\n")]);
        let fill = ("write_file", json!({"path": "empty.txt", "content": "first\nsecond", "overwrite": true}));
        let clear = ("write_file", json!({"path": "emptied.txt", "content": "", "overwrite": true}));
        let editor = room.editor(&[calls(&[fill, clear]), say("Done.")]).await;
        if open {
            editor.open("empty.txt", "");
            editor.open("emptied.txt", "all\nof it\n");
        }
        ask(&editor, "emptied.txt").await;
        empty(&editor).await;
        assert_eq!(editor.quit().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_utf8_is_shown_and_never_edited() {
    let room = Room::with(&[("a.txt", "one\n")]);
    let bytes: [(&str, &[u8]); 3] =
        [("latin.txt", b"caf\xe9\nplain\n"), ("wide.txt", b"\xff\xfeo\0n\0e\0\n\0"), ("raw.bin", b"\x7fELF\0\x01\x02")];
    for (name, bytes) in bytes {
        std::fs::write(room.path(name), bytes).unwrap();
    }
    let refused = calls(&[
        edit("latin.txt", &[("plain\n", "PLAIN\n")]),
        edit("wide.txt", &[("one\n", "two\n")]),
        ("write_file", json!({"path": "raw.bin", "content": "x", "overwrite": true})),
        edit("a.txt", &[("one\n", "ONE\n")]),
    ]);
    let editor = room.editor(&[refused, say("Done.")]).await;
    ask(&editor, "a.txt").await;
    for (name, held) in bytes {
        assert!(editor.hunks(name).is_empty(), "{name}");
        assert_eq!(std::fs::read(room.path(name)).unwrap(), held);
    }
    assert_eq!(editor.quit().await, Some(0));
}

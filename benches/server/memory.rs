//! Memory of a large review: a thousand hunks in a hundred files, in open buffers and in files that are not open. What a
//! task over the same files costs that proposes nothing is measured beside it.

use std::fs;

use serde_json::{Value, json};

use super::{figures::number, on_one_thread, place::Place, server::Server, session::answer};

const FILES: usize = 100;
/// Hunks of one file; twenty lines lie between two.
const HUNKS: usize = 10;
const APART: usize = 20;

pub fn measure() {
    let names: Vec<String> = (0..FILES).map(|n| format!("f{n}.rs")).collect();
    let texts: Vec<String> = (0..FILES).map(text).collect();
    let files: Vec<(&str, &str)> = names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    println!("memory: {} hunks in {FILES} files of {} KiB in all", FILES * HUNKS, bytes / 1024);
    on_one_thread(async {
        for (what, open) in [("closed files", false), ("open buffers", true)] {
            let place = Place::with(&files);
            let before = staged(&place, &files, open, 0).await;
            let after = staged(&place, &files, open, HUNKS).await;
            number(&format!("RSS of a task over {what} that proposes nothing"), before, "MiB", None);
            number("  that proposes 1,000 hunks", after, "MiB", None);
            number("  a hunk", (after - before) * 1024.0 / (FILES * HUNKS) as f64, "KiB", None);
        }
    });
}

/// Memory at rest after a task that read every file and changed `hunks` places of each.
async fn staged(place: &Place, files: &[(&str, &str)], open: bool, hunks: usize) -> f64 {
    let call = |(name, _): &(&str, &str)| {
        if hunks == 0 {
            return ("read_file", json!({"path": name, "start_line": 1, "end_line": 2}));
        }
        let edit = |at: usize| {
            let line = at * APART + APART / 2;
            json!({"old": format!("let value_{line} ="), "new": format!("let renamed_{line} =")})
        };
        ("edit_file", json!({"path": name, "edits": (0..hunks).map(edit).collect::<Vec<_>>()}))
    };
    // Ten files a turn, so that the default limit of iterations is enough.
    let turn = |files: &[(&str, &str)]| {
        let one = |(at, file): (usize, &(&str, &str))| answer(at, &Some(call(file)))["content"][0].clone();
        json!({"content": files.iter().enumerate().map(one).collect::<Vec<Value>>(), "stop_reason": "tool_use"})
    };
    let script: String = files.chunks(10).map(turn).chain([answer(0, &None)]).map(|answer| format!("{answer}\n")).collect();
    let file = place.own(&format!("script-{open}-{hunks}.jsonl"));
    fs::write(&file, script).unwrap();
    let mut server = Server::spawn(place, &["--model", &format!("script:{}", file.display())], &[]);
    server.initialize().await;
    for (name, text) in files.iter().filter(|_| open) {
        server.open(name, text);
    }
    server.ask("Do it all.").await;
    let closing = server.closing().await;
    let wanted = if hunks == 0 { "All is done.".to_owned() } else { format!("{} changes to review", hunks * files.len()) };
    assert!(closing.contains(&wanted), "{closing}");
    // What is still being told is not at rest.
    server.peer.command("status", json!({})).await.unwrap();
    server.settle();
    let memory = server.memory("VmRSS");
    if hunks > 0 {
        number(
            &format!("  at its highest, {}", if open { "open buffers" } else { "closed files" }),
            server.memory("VmHWM"),
            "MiB",
            None,
        );
    }
    server.leave().await;
    memory
}

/// Some two hundred lines of something like code, no two alike.
fn text(file: usize) -> String {
    (0..APART * HUNKS)
        .map(|line| format!("    let value_{line} = compute(argument_{file}, {line}); // line {line} of {file}\n"))
        .collect()
}

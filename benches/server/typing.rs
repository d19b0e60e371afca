//! Typing into a file of 10,000 lines: a burst and then a request, and a code action after each key; by itself, and while a
//! task runs that has 50 pending hunks in that file.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    figures::{Samples, ratio, times},
    on_one_thread,
    place::Place,
    sample::long_text,
    server::Server,
};

const FILE: &str = "long.rs";
const HUNKS: usize = 50;
const BURST: u32 = 2_000;
const BURSTS: usize = 15;
const KEYS: u32 = 500;
/// Between two keys of a fast typist's burst, shortened so that a run stays short.
const PAUSE: Duration = Duration::from_millis(4);

pub fn measure() {
    let text = long_text();
    let plain = Place::with(&[(FILE, &text)]);
    let working = Place::with(&[(FILE, &text)]);
    on_one_thread(async {
        let mut one = Server::spawn(&plain, &[], &[]);
        one.initialize().await;
        one.open(FILE, &text);
        let mut other = with_hunks(&working, &text).await;
        let (mut alone, mut beside) = Default::default();
        for _ in 0..BURSTS {
            burst(&mut one, &mut alone).await;
            burst(&mut other, &mut beside).await;
        }
        times("2,000 edits on 10,000 lines, then a request", &alone, Some(60.0));
        times("  the same, a task running, 50 pending hunks there", &beside, Some(60.0));
        let (mut floor, mut lightbulb, mut menu, mut on_hunks) = Default::default();
        echo(&mut floor).await;
        keys(&mut one, &mut lightbulb, false).await;
        keys(&mut one, &mut menu, true).await;
        keys(&mut other, &mut on_hunks, false).await;
        times("floor: one frame to `cat` and back", &floor, None);
        times("code action under typing, lightbulb", &lightbulb, Some(0.8));
        ratio("  over the floor of `cat`", &lightbulb, &floor, None);
        times("  menu invoked", &menu, Some(0.8));
        times("  lightbulb, a task running, 50 pending hunks there", &on_hunks, Some(0.8));
        one.leave().await;
        other.leave().await;
    });
}

/// A server whose task has staged its hunks and waits for the model's next answer; the bench plays the model.
async fn with_hunks(place: &Place, text: &str) -> Server {
    let dir = place.own("manual");
    fs::create_dir(&dir).unwrap();
    let mut server = Server::spawn(place, &["--model", &format!("manual:{}", dir.display())], &[]);
    server.initialize().await;
    server.open(FILE, text);
    server.ask("Rename some.").await;
    appears(&dir.join("1.request.json")).await;
    let edits: Vec<_> = (0..HUNKS)
        .map(|n| json!({"old": format!("fn name_{}(argument", n * 200), "new": format!("fn renamed_{n}(argument")}))
        .collect();
    let call = json!({"type": "tool_use", "id": "e", "name": "edit_file", "input": {"path": FILE, "edits": edits}});
    let answer = json!({"content": [call], "stop_reason": "tool_use"});
    fs::write(dir.join("answer"), answer.to_string()).unwrap();
    fs::rename(dir.join("answer"), dir.join("1.answer.json")).unwrap();
    appears(&dir.join("2.request.json")).await;
    let request = fs::read_to_string(dir.join("2.request.json")).unwrap();
    assert!(server.actions(FILE, 200, false).await > 0, "the second hunk is pending: {request}");
    assert!(server.actions(FILE, 9_800, false).await > 0, "the last hunk is pending");
    assert_eq!(server.actions(FILE, 9_803, false).await, 0, "there is none on other lines");
    server
}

async fn appears(file: &std::path::Path) {
    let start = Instant::now();
    while !file.exists() {
        assert!(start.elapsed() < Duration::from_secs(20), "{} does not come", file.display());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Letters here and there between the hunks; the request's answer is the proof that all were applied.
async fn burst(server: &mut Server, samples: &mut Samples) {
    let start = Instant::now();
    for n in 0..BURST {
        server.letter(FILE, (n * 7) % 2_000 * 5 + 3, 0);
    }
    server.actions(FILE, 3, false).await;
    samples.add(start.elapsed());
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.settle();
}

async fn keys(server: &mut Server, samples: &mut Samples, invoked: bool) {
    for n in 0..KEYS {
        server.letter(FILE, 4_003, n);
        let start = Instant::now();
        server.actions(FILE, 4_000, invoked).await;
        samples.add(start.elapsed());
        server.settle();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn echo(samples: &mut Samples) {
    let mut server = Server::cat();
    for _ in 0..KEYS {
        let start = Instant::now();
        server.peer.start("textDocument/codeAction", server.hello());
        server.incoming.recv().await.unwrap();
        samples.add(start.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    server.kill().await;
}

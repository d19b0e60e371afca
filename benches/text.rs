//! Text on the typing path: diff into hunks, rebase of pending hunks over a keystroke, a burst of edits. The peers of the diff
//! (`diff -u`, `git diff --no-index`) run in the same call; they pay for a process and two files as well.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "sample.rs"]
mod sample;

use std::process::Command;

use countersign::{
    event::{CallId, ProposalId, TaskId},
    path::WsPath,
    seams::{StageOp, StageRequest},
    text::{Encoding, Point, Text, hunks},
    workspace::desk::{Desk, DocChange},
};
use divan::{Bencher, black_box};
use sample::long_text;

const LINES: usize = 10_000;
const CHANGED: [usize; 3] = [4, 200, 5_000];

fn main() {
    divan::main();
}

/// The same with `count` lines changed, evenly spread.
fn changed(count: usize) -> String {
    let every = LINES / count;
    let lines = long_text().lines().map(str::to_owned).collect::<Vec<_>>();
    lines
        .iter()
        .enumerate()
        .map(|(n, line)| if n % every == every / 2 { format!("{line} // {n}\n") } else { format!("{line}\n") })
        .collect()
}

#[divan::bench(args = CHANGED)]
fn diff_into_hunks(bencher: Bencher, count: usize) {
    let (old, new) = (Text::new(&long_text()), Text::new(&changed(count)));
    assert_eq!(hunks(&old, &new).len(), count);
    bencher.bench(|| hunks(black_box(&old), black_box(&new)));
}

/// Every line is another one, in an order without a pattern, out of few kinds.
#[divan::bench]
fn diff_of_unlike_texts(bencher: Bencher) {
    let text = |factor: usize| (0..LINES).map(|n| format!("{}\n", n * n * factor % 97)).collect::<String>();
    let (old, new) = (Text::new(&text(3)), Text::new(&text(5)));
    bencher.bench(|| hunks(black_box(&old), black_box(&new)));
}

fn peer(bencher: Bencher, count: usize, program: &str, args: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("old"), long_text()).unwrap();
    std::fs::write(folder.path().join("new"), changed(count)).unwrap();
    bencher.bench(|| {
        let output = Command::new(program).args(args).args(["old", "new"]).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{program} finds a difference");
        output.stdout.len()
    });
}

#[divan::bench(args = CHANGED)]
fn peer_diff_u(bencher: Bencher, count: usize) {
    peer(bencher, count, "diff", &["-u"]);
}

#[divan::bench(args = CHANGED)]
fn peer_git(bencher: Bencher, count: usize) {
    peer(bencher, count, "git", &["diff", "--no-index"]);
}

/// A desk with the file open and `count` pending hunks in it.
fn desk(count: usize) -> (Desk, WsPath) {
    let (mut desk, path, task) = (Desk::new(), WsPath::parse("src/file.rs").unwrap(), TaskId::from("t"));
    desk.begin(&task, ProposalId::from("p"));
    desk.open(&path, 1, Text::new(&long_text()));
    if count > 0 {
        let op = StageOp::Modify { from: Text::new(&long_text()), to: Text::new(&changed(count)) };
        let request = StageRequest { path: path.clone(), op, call: CallId::from("c"), apart: false };
        assert_eq!(desk.stage(&task, &request, None).unwrap().hunks.len(), count);
    }
    (desk, path)
}

fn typed(line: u32, character: u32) -> [DocChange; 1] {
    let at = Point { line, character };
    [DocChange { range: Some((at, at)), text: "x".to_owned() }]
}

/// One keystroke before all of the hunks.
#[divan::bench(args = [0, 200])]
fn keystroke(bencher: Bencher, pending: usize) {
    let (mut desk, path) = desk(pending);
    let mut version = 1;
    bencher.bench_local(|| {
        version += 1;
        desk.change(&path, version, &typed(3, 0), Encoding::Utf16).unwrap();
    });
    assert_eq!(desk.take_events().len().min(1), pending.min(1));
}

/// Two thousand keystrokes here and there between the hunks.
#[divan::bench(args = [0, 50])]
fn burst_of_2000(bencher: Bencher, pending: usize) {
    bencher.with_inputs(|| desk(pending)).bench_local_values(|(mut desk, path)| {
        for n in 0..2_000u32 {
            let line = (n * 7) % LINES as u32 / 5 * 5 + 3;
            desk.change(&path, n as i32, &typed(line, 0), Encoding::Utf16).unwrap();
        }
        desk.take_events();
        desk
    });
}

#[divan::bench(args = [4, 200])]
fn stage(bencher: Bencher, count: usize) {
    let (from, to) = (Text::new(&long_text()), Text::new(&changed(count)));
    bencher.with_inputs(|| desk(0)).bench_local_values(|(mut desk, path)| {
        let op = StageOp::Modify { from: from.clone(), to: to.clone() };
        desk.stage(&TaskId::from("t"), &StageRequest { path, op, call: CallId::from("c"), apart: false }, None).unwrap()
    });
}

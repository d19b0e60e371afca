//! Coming and going: spawn to the answer of `initialize`, memory at rest, leaving.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use super::{
    figures::{Samples, number, ratio, times},
    on_one_thread,
    place::Place,
    server::{Server, bounded},
};

const ROUNDS: usize = 60;

pub fn measure() {
    let place = Place::with(&[("main.rs", "fn main() {}\n")]);
    let (mut spawn, mut cat, mut first, mut leave) = Default::default();
    let mut memory = Vec::new();
    let mut settled = Vec::new();
    on_one_thread(async {
        for round in 0..ROUNDS {
            nothing(&mut spawn);
            echo(&mut cat).await;
            answer(&place, &mut first, &mut leave, &mut memory, &mut settled, round < 10).await;
        }
    });
    memory.sort_by(f64::total_cmp);
    settled.sort_by(f64::total_cmp);
    times("floor: posix_spawn and wait for `true`", &spawn, None);
    times("floor: spawn `cat` -> one frame back", &cat, None);
    times("spawn -> initialize response", &first, Some(8.0));
    ratio("  over the floor of `cat`", &first, &cat, None);
    times("shutdown + exit, input left open", &leave, Some(10.0));
    number("RSS after initialize", memory[memory.len() / 2], "MiB", Some(14.0));
    number("RSS 300 ms after initialized", settled[settled.len() / 2], "MiB", Some(14.0));
}

fn nothing(spawn: &mut Samples) {
    let start = Instant::now();
    assert!(Command::new("true").status().unwrap().success());
    spawn.add(start.elapsed());
}

async fn echo(cat: &mut Samples) {
    let start = Instant::now();
    let mut server = Server::cat();
    server.peer.start("initialize", server.hello());
    bounded(server.incoming.recv()).await.unwrap();
    cat.add(start.elapsed());
    server.kill().await;
}

async fn answer(
    place: &Place,
    first: &mut Samples,
    leave: &mut Samples,
    memory: &mut Vec<f64>,
    settled: &mut Vec<f64>,
    rest: bool,
) {
    let start = Instant::now();
    let server = Server::spawn(place, &[], &[]);
    bounded(server.peer.request("initialize", server.hello())).await.unwrap();
    first.add(start.elapsed());
    memory.push(server.memory("VmRSS"));
    server.peer.notify("initialized", serde_json::json!({}));
    tokio::time::sleep(Duration::from_millis(if rest { 300 } else { 30 })).await;
    if rest {
        settled.push(server.memory("VmRSS"));
    }
    leave.add(server.leave().await);
}

//! The bounds of a command's connections.

use std::{
    io::{Read, Write},
    net::TcpListener,
    time::Duration,
};

use countersign::{
    sandbox::net::Caps,
    seams::{Connection, ConnectionNews},
};

use super::proxy::{Names, Site, bench, refusals, speak};

/// Why the proxy ended connections.
fn endings(news: &[Connection]) -> Vec<&str> {
    news.iter()
        .filter_map(|one| match &one.news {
            ConnectionNews::Closed { why: Some(why), .. } => Some(why.as_str()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn bytes_are_counted_over_all_connections_of_a_command() {
    let long: &'static [u8] =
        Box::leak([b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice(), &[b'x'; 6000]].concat().into_boxed_slice());
    let site = Site::new(long);
    let caps = Caps { received: 10_000, ..Caps::default() };
    let bench = bench(Names::of(&[("open.test", &["127.0.0.1"])]), vec![site.private()], caps).await;
    let host = site.host("open.test");
    let twice = format!("curl -sS http://{host}/ | wc -c; curl -sS http://{host}/ | wc -c");
    for _ in 0..2 {
        // Each command has its own count.
        let ran = bench.net(&twice, std::slice::from_ref(&host)).await;
        assert!(ran.output.starts_with("6000\n") && !ran.output.ends_with("\n6000\n"), "{ran:?}");
        assert_eq!(endings(&ran.news), ["a command may send 67108864 bytes and receive 10000 over the network"], "{ran:?}");
    }
}

#[tokio::test]
async fn what_is_sent_has_a_bound_of_its_own() {
    let site = Site::page();
    let caps = Caps { sent: 500, ..Caps::default() };
    let bench = bench(Names::of(&[("open.test", &["127.0.0.1"])]), vec![site.private()], caps).await;
    let host = site.host("open.test");
    let long = bench.net(&format!("curl -sS http://{host}/{}", "a".repeat(600)), std::slice::from_ref(&host)).await;
    assert!(!long.ok(), "{long:?}");
    assert_eq!(endings(&long.news).len(), 1, "{long:?}");
    assert_eq!(site.taken().concat(), "", "nothing of it went out");
    assert_eq!(bench.net(&format!("curl -sS http://{host}/"), std::slice::from_ref(&host)).await.output, "served");
}

#[tokio::test]
async fn connections_are_counted() {
    let site = Site::page();
    let caps = Caps { in_all: 2, ..Caps::default() };
    let bench = bench(Names::of(&[("open.test", &["127.0.0.1"])]), vec![site.private()], caps).await;
    let host = site.host("open.test");
    let ran = bench.net(&format!("for i in 1 2 3; do curl -sS http://{host}/; echo; done"), std::slice::from_ref(&host)).await;
    assert!(ran.output.starts_with("served\nserved\ncountersign: a command may make 2 connections"), "{ran:?}");
    assert_eq!(refusals(&ran.news).len(), 1, "{ran:?}");
}

#[tokio::test]
async fn more_at_once_wait_for_their_turn() {
    let site = Site::page();
    let caps = Caps { at_once: 1, ..Caps::default() };
    let bench = bench(Names::of(&[("open.test", &["127.0.0.1"])]), vec![site.private()], caps).await;
    let host = site.host("open.test");
    let text = format!("for i in 1 2 3 4 5 6 7 8; do curl -sS --max-time 30 http://{host}/ & done; wait");
    let ran = bench.net(&text, std::slice::from_ref(&host)).await;
    assert_eq!(ran.output, "served".repeat(8), "{ran:?}");
    let opened = |one: &Connection| matches!(one.news, ConnectionNews::Opened(_));
    // Each was over before the next began.
    assert!(ran.news.chunks(2).all(|two| opened(&two[0]) && !opened(&two[1])), "{ran:?}");
}

/// A server that keeps its connection open holds up nobody: the next one takes its place when the command hangs up.
#[tokio::test]
async fn a_connection_that_the_command_has_done_with_makes_room() {
    let lasting = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = lasting.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = lasting.accept() {
            let _ = stream.read(&mut [0u8; 1000]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nserved");
            kept.push(stream);
        }
    });
    let caps = Caps { at_once: 1, ..Caps::default() };
    let bench = bench(Names::of(&[("open.test", &["127.0.0.1"])]), vec![format!("127.0.0.1:{port}")], caps).await;
    let host = format!("open.test:{port}");
    let text = format!("for i in 1 2 3; do curl -sS --max-time 20 http://{host}/; done");
    let ran = bench.net(&text, std::slice::from_ref(&host)).await;
    assert!(ran.ok() && ran.output == "served".repeat(3), "{ran:?}");
    assert!(endings(&ran.news).is_empty() && refusals(&ran.news).is_empty(), "{ran:?}");
}

#[tokio::test]
async fn a_silent_connection_ends() {
    let quiet = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = quiet.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = quiet.accept() {
            let mut some = [0u8; 10];
            let _ = stream.read(&mut some);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
            kept.push(stream);
        }
    });
    let caps = Caps { idle: Duration::from_millis(300), patience: Duration::from_millis(300), ..Caps::default() };
    let bench = bench(Names::of(&[("quiet.test", &["127.0.0.1"])]), vec![format!("127.0.0.1:{port}")], caps).await;
    let host = format!("quiet.test:{port}");
    let named = std::slice::from_ref(&host);
    let ran = bench.net(&format!("curl -sS --max-time 20 http://{host}/"), named).await;
    assert!(!ran.ok() && ran.outcome.duration < Duration::from_secs(10), "{ran:?}");
    assert_eq!(endings(&ran.news), ["it carried nothing for 0 s"], "{ran:?}");
    // A request that never gets whole, and a tunnel without a hello.
    let late = speak(&bench, "GET http://", named).await;
    assert!(late.output.starts_with("HTTP/1.1 408"), "{late:?}");
    let mute = speak(&bench, &format!(r"CONNECT {host} HTTP/1.1\r\n\r\n"), named).await;
    assert!(mute.output.starts_with("HTTP/1.1 200"), "{mute:?}");
    assert_eq!(refusals(&mute.news), ["no TLS hello came in time; a tunnel carries TLS only"], "{mute:?}");
}

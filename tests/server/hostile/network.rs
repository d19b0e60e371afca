//! A command with network through the whole server: the question, what its yes opens, and what a no leaves closed.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use super::lab::{Lab, ask};
use crate::{
    lsp::Choice,
    support::model_double::{ModelDouble, Turn},
};

/// A page on this machine, and how often it was asked for.
fn page() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let asked: Arc<AtomicUsize> = Arc::default();
    let count = asked.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 2048]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nthe page\n");
        }
    });
    (host, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_opens_the_named_host_for_one_command_and_a_no_nothing() {
    let (named, asked) = page();
    let (other, other_asked) = page();
    let lab = Lab::new();
    // The user's own rule names the address; without it an address is refused before anybody is asked.
    let policy = format!(
        "{}\n[[rule]]\nid = \"here\"\naction = \"net\"\nverdict = \"allow\"\nhosts = [{named:?}]\n",
        include_str!("../../../policies/default.toml")
    );
    fs::write(lab.path("home/config/countersign/policy.toml"), policy).unwrap();
    lab.file("a.txt", "one\n");
    lab.trust();
    let curl = |id: &str, hosts: &[&String], words: &str| {
        Turn::call(id, "run", json!({"command": format!("curl -sS --max-time 20 {words}"), "network": hosts}))
    };
    let double = ModelDouble::start([
        curl("a", &[&named], &format!("http://{named}/yes")),
        curl("b", &[&named], &format!("http://{named}/no")),
        curl("c", &[&named], &format!("http://{other}/elsewhere")),
        curl("d", &[&other], &format!("http://{other}/address")),
        curl("e", &[], &format!("http://{named}/none")),
        Turn::say("Tried."),
    ]);
    let editor = lab.editor(&double).await;
    for (part, choice) in [("/yes", "Network"), ("/no", "Reject"), ("/elsewhere", "Network")] {
        editor.answer(part, Duration::ZERO, Choice::Title(choice));
    }
    ask(&editor, "Fetch.").await;
    let questions = editor.seen().questions;
    assert_eq!(questions.len(), 3, "{questions:?}");
    let start = format!("Network curl -sS --max-time 20 http://{named}/yes to {named}?");
    assert!(questions[0].starts_with(&start), "{}", questions[0]);
    let results: Vec<String> = double.requests()[1..].iter().map(|request| request.results()[0].1.clone()).collect();
    assert!(results[0].contains("the page"), "{}", results[0]);
    assert!(results[1].contains("rejected") && results[1].contains("nothing was done"), "{}", results[1]);
    let closed = format!("{other} is not among the hosts that this command was allowed ({named})");
    assert!(results[2].contains(&closed) && results[2].contains("there is no other way out"), "{}", results[2]);
    assert!(results[3].contains("is an address"), "{}", results[3]);
    assert!(!results[4].contains("the page"), "{}", results[4]);
    assert_eq!((asked.load(Ordering::SeqCst), other_asked.load(Ordering::SeqCst)), (1, 0));
    let journal = lab.journal();
    let port = named.rsplit(':').next().unwrap();
    let line = format!("\"host\":\"127.0.0.1\",\"port\":{port},\"allowed\":true");
    assert!(journal.contains(&line), "the connection is not on record");
    assert_eq!(journal.matches("\"kind\":\"net.close\"").count(), 1);
    assert_eq!(journal.matches("\"allowed\":false").count(), 1);
    assert_eq!(editor.quit().await, Some(0));
    double.assert_clean();
}

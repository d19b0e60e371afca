//! Commands with network in the loop: the question, what it opens, what is told and what is on record.

use countersign::{
    event::{Event, StopReason, ToolCallStatus},
    seams::{AnswerKind, Connection, ConnectionNews, QuestionKind},
};
use serde_json::json;

use crate::fakes::*;

fn fetch(hosts: &[&str]) -> Step {
    call("run", json!({"command": "cargo fetch", "network": hosts}))
}

fn yes() -> AnswerKind {
    AnswerKind::Approved("Network".into())
}

#[test]
fn the_question_names_command_and_hosts_and_opens_exactly_those() {
    let world = World::new([fetch(&["https://Index.Example.org/x", "files.example.org", "files.example.org:443"]), finish()]);
    world.person.answers.lock().unwrap().push_back(yes());
    assert_eq!(world.run().stop, StopReason::EndTurn);
    let questions = world.person.questions.lock().unwrap();
    let question = &questions[0];
    assert_eq!(
        (questions.len(), question.kind, question.titles.as_slice()),
        (1, QuestionKind::Network, &["Network".to_owned()][..])
    );
    let start = "Network cargo fetch to index.example.org:443, files.example.org:443?";
    assert!(question.text.starts_with(start), "{}", question.text);
    assert!(question.document.contains("may reach `files.example.org:443`"), "{}", question.document);
    let networks = world.walls.networks.lock().unwrap();
    assert_eq!(*networks, [["index.example.org:443", "files.example.org:443"]]);
}

#[test]
fn without_a_yes_nothing_runs_and_a_command_without_hosts_has_none() {
    for answer in [AnswerKind::Rejected, AnswerKind::Dismissed, AnswerKind::Expired] {
        let world = World::new([
            fetch(&["index.example.org:443"]),
            fetch(&["index.example.org:443"]),
            call("run", json!({"command": "cargo test", "network": []})),
            finish(),
        ]);
        world.person.answers.lock().unwrap().extend([answer, yes()]);
        world.run();
        assert_eq!(world.person.questions.lock().unwrap().len(), 1, "the same is not asked twice");
        let results = world.log.results();
        assert!(results[..2].iter().all(|(status, _)| *status == ToolCallStatus::Denied), "{results:?}");
        assert_eq!(*world.walls.ran.lock().unwrap(), ["cargo test"]);
        assert_eq!(*world.walls.networks.lock().unwrap(), [Vec::<String>::new()]);
    }
}

#[test]
fn what_the_policy_denies_is_not_asked() {
    let rule = "[[rule]]\nid = \"no-evil\"\naction = \"net\"\nverdict = \"deny\"\nhosts = [\"evil.example.org:443\"]\n\
                reason = \"never talk to it\"\n";
    for (hosts, why) in [
        (&["index.example.org:443", "evil.example.org:443"][..], "no-evil"),
        (&["127.0.0.1:80"], "is an address"),
        (&["10.1.2.3:80"], "is an address"),
        (&["*.example.org:443"], "not an exact"),
        (&["exa\u{202e}mple.org:443"], "not an exact"),
    ] {
        let world = World::under(rule, [fetch(hosts), finish()]);
        world.person.answers.lock().unwrap().push_back(yes());
        world.run();
        let (status, text) = world.log.results()[0].clone();
        assert!(status == ToolCallStatus::Denied && text.contains(why), "{hosts:?}: {text}");
        assert!(world.person.questions.lock().unwrap().is_empty() && world.walls.ran.lock().unwrap().is_empty());
    }
}

#[test]
fn a_rule_that_allows_command_and_host_asks_nobody_and_its_address_is_a_term_of_the_walls() {
    let rules = "[[rule]]\nid = \"fetch\"\naction = \"run.net\"\nverdict = \"allow\"\nargv = [\"cargo\", \"fetch\"]\n\
                 hosts = [\"10.1.2.3:443\"]\n[[rule]]\nid = \"mirror\"\naction = \"net\"\nverdict = \"allow\"\n\
                 hosts = [\"10.1.2.3:443\"]\nmethods = [\"POST\"]\n";
    let world = World::under(rules, [fetch(&["10.1.2.3:443"]), finish()]);
    world.run();
    assert!(world.person.questions.lock().unwrap().is_empty());
    assert_eq!(*world.walls.networks.lock().unwrap(), [["10.1.2.3:443"]]);
    let terms = world.walls.terms.lock().unwrap();
    assert_eq!(terms.private, ["10.1.2.3:443"]);
    assert_eq!(terms.methods, [("10.1.2.3:443".to_owned(), "POST".to_owned())]);
}

#[test]
fn connections_are_on_record_and_what_was_closed_is_told() {
    let world = World::new([fetch(&["index.example.org:443"]), finish()]);
    let news = |number, host: &str, news| Connection { number, host: host.into(), port: 443, news };
    world.walls.connections.lock().unwrap().extend([
        news(1, "index.example.org", ConnectionNews::Opened("192.0.2.1:443".into())),
        news(2, "other.example.org", ConnectionNews::Refused("other.example.org:443 is not open".into())),
        news(3, "other.example.org", ConnectionNews::Refused("other.example.org:443 is not open".into())),
        news(1, "index.example.org", ConnectionNews::Closed { sent: 7, received: 9, why: Some("a cap".into()) }),
    ]);
    world.person.answers.lock().unwrap().push_back(yes());
    world.run();
    let (_, text) = world.log.results()[0].clone();
    let told = "[network: other.example.org:443 is not open; the connection to index.example.org:443 was ended: a cap; there is no \
                other way out]";
    assert!(text.ends_with(told), "{text}");
    let events: Vec<_> = world.log.events().into_iter().filter(|(_, event)| is_net(event)).collect();
    assert!(events.iter().all(|(scope, _)| scope.call_id.is_some() && scope.task.is_some()));
    let events: Vec<Event> = events.into_iter().map(|(_, event)| event).collect();
    let (host, other) = ("index.example.org".to_owned(), "other.example.org".to_owned());
    let refused = |connection| Event::NetConnect {
        host: other.clone(),
        port: 443,
        allowed: false,
        connection,
        address: None,
        why: Some("other.example.org:443 is not open".into()),
    };
    let opened = Event::NetConnect {
        host: host.clone(),
        port: 443,
        allowed: true,
        connection: 1,
        address: Some("192.0.2.1:443".into()),
        why: None,
    };
    let closed = Event::NetClose { connection: 1, host, port: 443, sent: 7, received: 9, why: Some("a cap".into()) };
    assert_eq!(events, [opened, refused(2), refused(3), closed]);
}

fn is_net(event: &Event) -> bool {
    matches!(event, Event::NetConnect { .. } | Event::NetClose { .. })
}

#[test]
fn checks_never_have_network() {
    let mut world = World::new([call("edit_file", json!({"path": "a", "edits": [{"old": "v0", "new": "v1"}]})), finish()]);
    world.spec.checks = vec!["cargo test".into()];
    world.files.put("a", "v0\n");
    world.run();
    assert_eq!(*world.walls.networks.lock().unwrap(), [Vec::<String>::new()]);
    assert_eq!(*world.walls.ran.lock().unwrap(), ["cargo test"]);
}

/// A command of which a few characters would be hidden stands whole in its question; a long one says how much is missing.
#[test]
fn a_question_hides_nothing_that_it_takes_more_words_to_hide() {
    for (length, whole) in [(60, true), (75, true), (140, false)] {
        let text = format!("printf {}", "x".repeat(length - 7));
        let step = call("run", json!({"command": text, "network": ["index.example.org"]}));
        let world = World::new([step, finish()]);
        world.run();
        let asked = world.person.questions.lock().unwrap()[0].text.clone();
        assert_eq!(asked.contains(&text), whole, "{asked}");
        assert_eq!(asked.contains("more characters…]"), !whole, "{asked}");
    }
}

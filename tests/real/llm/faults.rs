//! What the service does wrong: which failures are tried again, how long they wait, and what the user is told.

use std::{collections::HashSet, sync::Arc, time::Duration};

use countersign::{
    llm::{self, Limits, Secret, Settings},
    seams::{Block, ErrorClass, Model},
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Hourglass, ask, question, settings};
use crate::support::model_double::{KEY, ModelDouble, SPEC, Turn};

/// A kind of damage with its name, or the words that tell of it.
type Damage = (&'static str, fn() -> Turn);

fn timed(double: &ModelDouble) -> (Arc<dyn Model>, Arc<Hourglass>) {
    limited(double, Limits::default())
}

/// One that gives up a silent stream, though not where a busy machine takes a moment to answer.
fn impatient(double: &ModelDouble) -> (Arc<dyn Model>, Arc<Hourglass>) {
    limited(double, Limits { idle: Duration::from_secs(3), ..Limits::default() })
}

fn limited(double: &ModelDouble, limits: Limits) -> (Arc<dyn Model>, Arc<Hourglass>) {
    let clock = Arc::new(Hourglass::default());
    (llm::build(Settings { limits, ..settings(double) }, clock.clone()).unwrap(), clock)
}

fn within(wait: Duration, low: f64, high: f64) -> bool {
    (low..=high).contains(&wait.as_secs_f64())
}

#[tokio::test]
async fn what_may_pass_is_tried_three_times() {
    let cases = [
        (429, ErrorClass::RateLimited),
        (529, ErrorClass::Overloaded),
        (500, ErrorClass::Unavailable),
        (504, ErrorClass::Unavailable),
        (408, ErrorClass::Unavailable),
    ];
    let mut first_waits = HashSet::new();
    for (status, class) in cases {
        let double = ModelDouble::start((0..3).map(|_| Turn::status(status)));
        let (model, clock) = timed(&double);
        let (outcome, told) = ask(&model, &question("Go")).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.class, class, "{status}");
        assert!(error.message.contains(&status.to_string()) && error.message.ends_with("Tried 3 times."), "{}", error.message);
        assert!(error.hint.is_some_and(|hint| hint.contains("ask again")), "{status}: there is a next step");
        assert_eq!(error.request_id.as_deref(), Some("req_double"));
        let slept = clock.slept();
        assert_eq!(slept.len(), 2, "{status}");
        assert!(within(slept[0], 0.5, 1.0) && within(slept[1], 1.0, 2.0), "{slept:?}");
        assert_eq!(told.retries, [(1, slept[0]), (2, slept[1])]);
        first_waits.insert(slept[0]);
        double.assert_clean();
    }
    assert!(first_waits.len() > 1, "all clients come back at the same time");
}

#[tokio::test]
async fn what_cannot_pass_is_told_at_once() {
    let cases = [
        (400, ErrorClass::BadRequest),
        (401, ErrorClass::Auth),
        (402, ErrorClass::Billing),
        (403, ErrorClass::Auth),
        (404, ErrorClass::BadRequest),
        (413, ErrorClass::ContextTooLong),
        (307, ErrorClass::BadRequest),
    ];
    for (status, class) in cases {
        let turn = Turn::status(status).header("x-should-retry", "true").header("location", "http://127.0.0.1:9/");
        let double = ModelDouble::start([turn]);
        let (model, clock) = timed(&double);
        let error = ask(&model, &question("Go")).await.0.unwrap_err();
        assert_eq!(error.class, class, "{status}");
        assert_eq!((clock.slept().len(), double.requests().len()), (0, 1), "{status}");
        assert!(error.hint.is_some(), "{status}: there is a next step");
        double.assert_clean();
    }
}

#[tokio::test]
async fn a_port_without_tls_is_told_at_once() {
    // What a plain web server says to a TLS hello.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    });
    let clock = Arc::new(Hourglass::default());
    for (scheme, told) in [("https", "does not speak TLS at that port."), ("http", "(status 400).")] {
        let settings = Settings {
            anthropic_key: Secret::new(KEY),
            anthropic_base_url: Some(format!("{scheme}://{place}")),
            ..Settings::new(SPEC)
        };
        let model = llm::build(settings, clock.clone()).unwrap();
        let error = ask(&model, &question("Go")).await.0.unwrap_err();
        assert!(error.message.ends_with(told), "{}", error.message);
        assert!(error.hint.is_some());
        assert!(clock.slept().is_empty(), "it does not pass by waiting");
    }
}

#[tokio::test]
async fn the_service_says_when_to_come_back() {
    let dated = "Sun, 01 Mar 2026 12:00:07 GMT";
    let cases = [
        (vec![("retry-after", "3")], 3.0, 3.0),
        (vec![("retry-after-ms", "250"), ("retry-after", "30")], 0.25, 0.25),
        (vec![("retry-after", dated)], 7.0, 7.0),
        (vec![("retry-after", "0")], 0.5, 1.0),
        (vec![("retry-after", "-4")], 0.5, 1.0),
        (vec![("retry-after", "soon")], 0.5, 1.0),
        (vec![("retry-after", "Sun, 01 Mar 2026 11:59:00 GMT")], 0.5, 1.0),
    ];
    for (headers, low, high) in cases {
        let turn = headers.iter().fold(Turn::status(429), |turn, (name, value)| turn.header(name, value));
        let double = ModelDouble::start([turn, Turn::say("Here.")]);
        let (model, clock) = timed(&double);
        let (reply, told) = ask(&model, &question("Go")).await;
        assert_eq!(reply.unwrap().content, [Block::text("Here.")]);
        assert!(within(clock.slept()[0], low, high), "{headers:?}: {:?}", clock.slept());
        assert_eq!(told.retries.len(), 1);
        double.assert_clean();
    }
}

#[tokio::test]
async fn a_long_wait_is_the_users_decision() {
    let double = ModelDouble::start([Turn::status(429).header("retry-after", "300")]);
    let (model, clock) = timed(&double);
    let error = ask(&model, &question("Go")).await.0.unwrap_err();
    assert_eq!((error.class, error.retry_after), (ErrorClass::RateLimited, Some(Duration::from_secs(300))));
    assert!(error.hint.unwrap().contains("300 s"));
    assert!(clock.slept().is_empty());
    double.assert_clean();
}

#[tokio::test]
async fn x_should_retry_decides() {
    let double = ModelDouble::start([
        Turn::status(529).header("x-should-retry", "false"),
        Turn::status(418).header("x-should-retry", "true"),
        Turn::say("Here."),
    ]);
    let (model, clock) = timed(&double);
    assert_eq!(ask(&model, &question("Go")).await.0.unwrap_err().class, ErrorClass::Overloaded);
    assert!(clock.slept().is_empty());
    ask(&model, &question("Go")).await.0.unwrap();
    assert_eq!(clock.slept().len(), 1);
    double.assert_clean();
}

#[tokio::test]
async fn broken_streams_are_tried_again() {
    let damaged: [Damage; 7] = [
        ("error", || Turn::say("Half of it").error_event("api_error", "boom")),
        ("early end", || Turn::say("Half of it").end_after(500)),
        ("cut", || Turn::say("Half of it").cut_after(500)),
        ("nothing", || Turn::say("Half of it").cut_after(0)),
        ("hangup", || Turn::Hangup),
        ("stall", || Turn::say("Half of it").stall_after(500)),
        ("overloaded", || Turn::say("Half of it").error_event("overloaded_error", "Overloaded")),
    ];
    for (name, turn) in damaged {
        let double = ModelDouble::start([turn(), Turn::say("Whole.")]);
        let (model, clock) = impatient(&double);
        let (reply, told) = ask(&model, &question("Go")).await;
        assert_eq!(reply.expect(name).content, [Block::text("Whole.")], "{name}: nothing of the first attempt counts");
        assert_eq!((told.retries.len(), clock.slept().len()), (1, 1), "{name}");
        double.assert_clean();
    }
}

#[tokio::test]
async fn a_stream_that_stays_broken_is_cut() {
    let broken: [Damage; 4] = [
        ("broke the connection", || Turn::say("Half").cut_after(400)),
        ("ended its answer before it was complete", || Turn::say("Half").end_after(400)),
        ("silent for 3 s", || Turn::say("Half").stall_after(400)),
        ("broke off its answer with an error: boom", || Turn::say("Half").error_event("api_error", "boom")),
    ];
    for (words, turn) in broken {
        let double = ModelDouble::start((0..3).map(|_| turn()));
        let (model, _) = impatient(&double);
        let error = ask(&model, &question("Go")).await.0.unwrap_err();
        assert_eq!(error.class, ErrorClass::Cut);
        assert!(error.message.contains(words), "{}", error.message);
        assert!(error.hint.is_some());
        double.assert_clean();
    }
}

#[tokio::test]
async fn error_events_that_cannot_pass_are_told_at_once() {
    for (kind, class) in [("invalid_request_error", ErrorClass::BadRequest), ("billing_error", ErrorClass::Billing)] {
        let double = ModelDouble::start([Turn::say("Half").error_event(kind, "no")]);
        let (model, clock) = timed(&double);
        assert_eq!(ask(&model, &question("Go")).await.0.unwrap_err().class, class);
        assert!(clock.slept().is_empty());
        double.assert_clean();
    }
}

#[tokio::test]
async fn one_attempt_ends_at_the_wall() {
    let double = ModelDouble::start([Turn::say("Half").stall_after(400)]);
    let (model, _) = limited(&double, Limits { wall: Duration::from_millis(1500), ..Limits::default() });
    let error = ask(&model, &question("Go")).await.0.unwrap_err();
    assert_eq!(error.class, ErrorClass::Cut);
    assert!(error.message.contains("within 1.5 s"), "{}", error.message);
    double.assert_clean();
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let clock = Arc::new(Hourglass::default());
    let settings = Settings { anthropic_base_url: Some(format!("http://{address}")), ..Settings::new("anthropic:m") };
    let model = llm::build(settings, clock.clone()).unwrap();
    let error = ask(&model, &question("Go")).await.0.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unavailable);
    assert!(error.message.contains(&format!("{address} cannot be reached (Connection refused")), "{}", error.message);
    assert_eq!(clock.slept().len(), 2);
}

#[tokio::test]
async fn a_conversation_that_is_too_long_has_its_own_class() {
    let body = json!({"type": "error", "error": {"type": "invalid_request_error",
        "message": "prompt is too long: 210000 tokens > 200000 maximum"}});
    let double = ModelDouble::start([Turn::status(400).body(&body.to_string())]);
    let (model, _) = timed(&double);
    let error = ask(&model, &question("Go")).await.0.unwrap_err();
    assert_eq!(error.class, ErrorClass::ContextTooLong);
    assert!(error.message.contains("210000"), "{}", error.message);
    double.assert_clean();
}

#[tokio::test]
async fn an_answer_that_is_no_stream_says_so() {
    let double =
        ModelDouble::start([Turn::status(200).body("{}"), Turn::status(502).body("<html><body>Bad gateway</body></html>")]);
    for _ in 0..2 {
        double.push(Turn::status(502).body("<html>"));
    }
    let (model, _) = timed(&double);
    let error = ask(&model, &question("Go")).await.0.unwrap_err();
    assert_eq!(error.class, ErrorClass::Protocol);
    assert!(error.message.contains("application/json"), "{}", error.message);
    let error = ask(&model, &question("Go")).await.0.unwrap_err();
    assert!(error.class == ErrorClass::Unavailable && !error.message.contains('<'), "{}", error.message);
    double.assert_clean();
}

#[tokio::test]
async fn the_key_stays_in_its_header() {
    let echo =
        json!({"type": "error", "error": {"message": format!("bad key {KEY}\u{1b}[31m\n{}", "x".repeat(900))}}).to_string();
    let double = ModelDouble::start([
        Turn::status(401).body(&echo),
        Turn::status(400).body(&format!("plain {KEY}")),
        Turn::new().error_event("api_error", KEY),
        Turn::new().error_event("api_error", KEY),
        Turn::new().error_event("api_error", KEY),
    ]);
    let (model, _) = timed(&double);
    for _ in 0..3 {
        let error = ask(&model, &question("Go")).await.0.unwrap_err();
        assert!(error.message.contains("[key]"), "{}", error.message);
        assert!(!format!("{error:?}").contains(KEY));
        assert!(!error.message.contains(char::is_control) && error.message.len() < 500, "{}", error.message);
    }
    assert!(!format!("{:?}", settings(&double)).contains(KEY));
    assert!(!String::from_utf8_lossy(&double.last().bytes).contains(KEY));
    assert_eq!(double.last().headers["x-api-key"], KEY);

    let wrong = Settings { anthropic_key: Secret::new("sk-wrong"), ..settings(&double) };
    let error = ask(&llm::build(wrong, Arc::new(Hourglass::default())).unwrap(), &question("Go")).await.0.unwrap_err();
    assert_eq!(error.class, ErrorClass::Auth);
    double.assert_clean();
}

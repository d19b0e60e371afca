//! Faults of the model, through the whole server: each ends in the right state, the person is told, and the conversation goes on
//! from there in a form that the API accepts.

use serde_json::{Value, json};

use super::lab::Lab;
use crate::{
    lsp::Editor,
    support::model_double::{ModelDouble, Turn},
};

type Fault = (&'static str, fn() -> Turn);

/// The phases of a turn in which a fault may come: at the first request, or when a call has been answered.
const PHASES: [bool; 2] = [false, true];

fn lab() -> Lab {
    let lab = Lab::new();
    lab.file("a.txt", "one\n");
    lab.trust();
    lab
}

fn read(id: &str) -> Turn {
    Turn::call(id, "read_file", json!({"path": "a.txt"}))
}

/// Asks in a session (or a new one) and returns it with the closing message.
async fn ask(editor: &Editor, session: &Value) -> (Value, String) {
    let closing = |message: &String| message.starts_with("countersign ");
    let before = editor.seen().messages().iter().filter(|message| closing(message)).count();
    let mut argument = json!({"prompt": "Do it."});
    if !session.is_null() {
        argument["session"] = session.clone();
    }
    let started = editor.command("ask", argument).await.unwrap();
    let message = editor.until("the end of the task", |seen| seen.messages().into_iter().filter(closing).nth(before)).await;
    (started["session"].clone(), message)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_again_and_the_person_sees_it() {
    // Beside each other, since each waits as long as a person's server would.
    tokio::join!(tried_again(PHASES[0]), tried_again(PHASES[1]));
}

async fn tried_again(called: bool) {
    let faults: Vec<Fault> = vec![
        ("429, soon", || Turn::status(429).header("retry-after", "0")),
        ("429", || Turn::status(429)),
        ("529", || Turn::status(529)),
        ("529, soon", || Turn::status(529).header("retry-after", "0")),
        ("500", || Turn::status(500)),
        ("no answer", || Turn::Hangup),
        ("cut at once", || read("x").cut_after(0)),
        ("cut in the arguments", || read("x").cut_after(560)),
        ("ended without an end", || read("x").end_after(560)),
        ("overloaded in the middle", || Turn::say("Half an ans").error_event("overloaded_error", "Overloaded")),
    ];
    let (lab, double) = (lab(), ModelDouble::start([]));
    let editor = lab.editor(&double).await;
    let mut session = Value::Null;
    for (n, (name, fault)) in faults.iter().enumerate() {
        if called {
            double.push(read("r"));
        }
        double.push(fault());
        double.push(Turn::say(&format!("Recovered {n}.")));
        let (same, closing) = ask(&editor, &session).await;
        assert!(closing.contains(&format!("Recovered {n}.")), "{name} {called}: {closing}");
        session = same;
    }
    let told = editor
        .seen()
        .find("$/progress", |params| params["value"]["message"].as_str().is_some_and(|line| line.contains("try again")));
    assert!(told.is_some(), "a plain client sees that it is tried again");
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
    lab.journal();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_ends_the_task_in_words_and_not_the_session() {
    let thrice = |turn: fn() -> Turn| vec![turn(), turn(), turn()];
    let faults: Vec<(&str, Vec<Turn>, Vec<Turn>, &str)> = vec![
        (
            "529",
            thrice(|| Turn::status(529).header("retry-after", "0")),
            thrice(|| Turn::status(529).header("retry-after", "0")),
            "Tried 3 times",
        ),
        ("cut", thrice(|| read("x").cut_after(300)), thrice(|| read("x").cut_after(300)), "Tried 3 times"),
        ("401", vec![Turn::status(401)], vec![Turn::status(401)], "key"),
        ("402", vec![Turn::status(402)], vec![Turn::status(402)], "payment"),
        ("400", vec![Turn::status(400)], vec![Turn::status(400)], "refused"),
        ("404", vec![Turn::status(404)], vec![Turn::status(404)], "model"),
        ("413", vec![Turn::status(413)], vec![Turn::status(413)], "too"),
        ("refusal", vec![Turn::say("No.").refusal("not this")], vec![Turn::say("No.").refusal("not this")], "refused"),
        ("empty", vec![Turn::new(), Turn::new()], vec![Turn::new(), Turn::new()], "without a word"),
    ];
    let (lab, double) = (lab(), ModelDouble::start([]));
    let editor = lab.editor(&double).await;
    let mut session = Value::Null;
    for (name, first, second, words) in faults {
        for (called, turns) in PHASES.into_iter().zip([first, second]) {
            if called {
                double.push(read("r"));
            }
            turns.into_iter().for_each(|turn| double.push(turn));
            let (same, closing) = ask(&editor, &session).await;
            assert!(closing.contains(words), "{name} {called}: {words:?} is not in {closing:?}");
            assert!(closing.len() < 600, "{closing}");
            // The session goes on.
            double.push(Turn::say("On we go."));
            let (_, next) = ask(&editor, &same).await;
            assert!(next.contains("On we go."), "{name}: {next}");
            session = same;
        }
    }
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
    lab.journal();
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_from_the_model_gets_one_clear_result_a_call() {
    let (lab, double) = (
        lab(),
        ModelDouble::start([
            // Repeated ids, in one answer and across answers, and what we would make of them.
            read("a").tool("a", "read_file", json!({"path": "a.txt", "start_line": 1})).tool("a_3", "list_files", json!({})),
            read("a"),
            // Unknown tools, malformed and wrong arguments.
            Turn::call("b", "rm", json!({"path": "/"})).tool("c", "no such tool", json!({})).tool(
                "d",
                "read_file",
                json!({"file": 7, "x": []}),
            ),
            Turn::new()
                .tool_text("e", "read_file", "{\"path\": \"a.t")
                .tool_text("f", "read_file", "[1, 2]")
                .tool_text("g", "run", "null"),
            Turn::new().tool_text("h", "edit_file", "\"text\"").tool("i", "edit_file", json!({"path": "a.txt", "edits": []})),
            Turn::call(&"j".repeat(300), &"k".repeat(300), json!({})).tool("ö ü", "réad", json!({})),
            Turn::call("l", "read_file", json!({"path": "a.txt\u{202e}"})).tool(
                "m",
                "run",
                json!({"command": "x".repeat(100_000)}),
            ),
            Turn::say("Enough."),
        ]),
    );
    let editor = lab.editor(&double).await;
    let (_, closing) = ask(&editor, &Value::Null).await;
    assert!(closing.contains("Enough."), "{closing}");
    let requests = double.requests();
    for (request, calls) in requests[1..].iter().zip([3, 1, 3, 3, 2, 2, 2]) {
        let results = request.results();
        assert_eq!(results.len(), calls, "{results:#?}");
        for (_, text, is_error) in &results {
            assert!(!text.trim().is_empty() && text.len() < 10_000, "{text}");
            assert!(!text.contains("panicked"), "{text}");
            // Of all these only the looks at the file and the folder were fine.
            assert!(*is_error || text.contains("one") || text.contains("a.txt"), "{text}");
        }
    }
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
    lab.journal();
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_identical_calls_and_endless_work_come_to_an_end() {
    let (lab, double) = (lab(), ModelDouble::start((0..5).map(|_| read("a"))));
    let editor = lab.editor(&double).await;
    let (session, closing) = ask(&editor, &Value::Null).await;
    assert!(closing.contains("no progress"), "{closing}");
    let refused: Vec<bool> = double.requests()[1..].iter().map(|request| request.results()[0].2).collect();
    assert_eq!(refused, [false, false, true, true]);
    // Twenty iterations, each with another call, then one request without tools.
    for n in 0..20 {
        double.push(Turn::call("n", "search", json!({"pattern": format!("x{n}")})));
    }
    double.push(Turn::say("Half is done."));
    let (_, closing) = ask(&editor, &session).await;
    assert!(closing.contains("iteration limit") && closing.contains("Half is done."), "{closing}");
    assert_eq!(double.last().body["tool_choice"]["type"], "none");
    double.push(Turn::say("On we go."));
    assert!(ask(&editor, &session).await.1.contains("On we go."));
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
    lab.journal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_one_conversation_in_one_folder() {
    let (lab, double) = (lab(), ModelDouble::start([]));
    let editor = lab.editor(&double).await;
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let held = Turn::with(move |_| {
        wait.recv_timeout(crate::lsp::PATIENCE).expect("the test lets it go");
        Turn::say("First.")
    });
    double.push(held);
    double.push(Turn::say("Second."));
    let first = editor.command("ask", json!({"prompt": "One."})).await.unwrap();
    editor.bounded(double.requested(1)).await;
    // Explaining runs beside other sessions, but not beside its own conversation.
    let second = editor.command("ask", json!({"prompt": "Two.", "mode": "explain", "session": first["session"]})).await.unwrap();
    let status = editor.command("status", json!({})).await.unwrap();
    assert_eq!(status["queued"], 1, "{status}");
    // Words that come while the task ends are not lost.
    editor.command("steer", json!({"task": first["task"], "message": "and mind the gap"})).await.unwrap();
    editor.command("stop", json!({"task": first["task"]})).await.unwrap();
    go.send(()).unwrap();
    editor.until("the second", |seen| seen.messages().into_iter().find(|message| message.contains("Second."))).await;
    let body = double.last().body.to_string();
    for part in ["One.", "Two.", "mind the gap"] {
        assert!(body.contains(part), "{part:?} is not in {body}");
    }
    assert_ne!(first["task"], second["task"]);
    let unknown = editor.command("ask", json!({"prompt": "x", "session": "guess"})).await.unwrap_err();
    assert!(unknown.message.contains("session"), "{unknown}");
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
    lab.journal();
}

//! Models that live in files: scripts, people, recordings.

use std::{fs, path::Path, sync::Arc, time::Duration};

use countersign::{
    llm::{self, Settings},
    seams::{Block, ErrorClass, Model, ModelError, ModelEvent, Stop},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Hourglass, answered, ask, question, settings};
use crate::support::{
    anthropic_rules,
    model_double::{ModelDouble, Turn},
};

fn build(spec: String) -> Result<Arc<dyn Model>, ModelError> {
    llm::build(Settings::new(spec), Arc::new(Hourglass::default()))
}

fn script(folder: &Path, lines: &str) -> Result<Arc<dyn Model>, ModelError> {
    let file = folder.join("script.jsonl");
    fs::write(&file, lines).unwrap();
    build(format!("script:{}", file.display()))
}

#[tokio::test]
async fn a_script_is_served_in_order_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        json!({"note": "a comment", "content": [{"type": "text", "text": "I read the file, as asked, piece by piece."},
            {"type": "tool_use", "id": "t1", "name": "read_file", "input": {"path": "a"}}]}),
        json!({"error": 529, "retry_after": 2.5}),
        json!({"type": "message", "id": "m3", "model": "x", "content": [{"type": "text", "text": "Done."}], "stop_reason": "max_tokens",
            "usage": {"input_tokens": 3, "output_tokens": 4}}),
        json!({"content": [{"type": "tool_use", "id": "t1", "name": "read_file", "input": "{\"path\": \"a"}]}),
    ];
    let model = script(folder.path(), &lines.map(|line| line.to_string()).join("\n\n")).unwrap();
    let mut request = question("Go");
    let (reply, told) = ask(&model, &request).await;
    let reply = reply.unwrap();
    assert_eq!((&reply.stop, reply.id.as_str()), (&Stop::ToolUse, "script-1"));
    assert_eq!(told.text, "I read the file, as asked, piece by piece.");
    assert!(told.pieces > 2 && told.calls == ["read_file"]);
    let failed = ask(&model, &request).await.0.unwrap_err();
    assert_eq!((failed.class, failed.retry_after), (ErrorClass::Overloaded, Some(Duration::from_millis(2500))));
    let third = ask(&model, &request).await.0.unwrap();
    assert_eq!((third.stop, third.id.as_str(), third.usage.output), (Stop::MaxTokens, "m3", 4));
    answered(&mut request, &reply);
    let fourth = ask(&model, &request).await.0.unwrap();
    assert_eq!(fourth.content[0].cut_arguments(), Some("{\"path\": \"a"));
    assert_eq!(fourth.content[0].as_tool_use().unwrap().0, "t1_2");
    let ended = ask(&model, &request).await.0.unwrap_err();
    assert_eq!(ended.class, ErrorClass::ScriptEnded);
    assert!(ended.message.contains("holds 4"), "{}", ended.message);
    let body: Value = serde_json::from_slice(&model.body(&request)).unwrap();
    anthropic_rules::validate(&body, None).unwrap();
}

#[test]
fn a_broken_script_names_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    for (lines, words) in [
        ("{\"content\": []}\n{\"content\": [", "line 2 is not JSON"),
        ("\n[1]", "line 2 is no answer: it is no JSON object"),
        ("{\"comment\": 1}", "line 1 is no answer: it has no array `content`"),
        ("{\"content\": [{\"type\": \"tool_use\", \"name\": \"x\"}]}", "without `id` or `name`"),
        ("{\"error\": 200}", "a status from 300 to 599"),
        ("{\"error\": \"tired\"}", "or \"cut\""),
    ] {
        let error = script(folder.path(), lines).err().expect(words);
        assert!(error.message.contains("script.jsonl") && error.message.contains(words), "{}", error.message);
    }
    let missing = build(format!("script:{}", folder.path().join("none").display())).err().unwrap();
    assert!(missing.message.contains("cannot be read"), "{}", missing.message);
}

#[tokio::test]
async fn a_person_plays_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("new/folder");
    let spec = format!("manual:{}", place.display());
    let model = build(spec.clone()).unwrap();
    let request = question("Go");
    let person = async {
        let asked = place.join("1.request.json");
        while !asked.exists() {
            tokio::task::yield_now().await;
        }
        assert_eq!(fs::read(&asked).unwrap(), model.body(&request), "the request is the body");
        fs::write(place.join("answer.new"), json!({"content": [{"type": "text", "text": "By hand."}]}).to_string()).unwrap();
        fs::rename(place.join("answer.new"), place.join("1.answer.json")).unwrap();
    };
    let ((reply, told), ()) = tokio::join!(ask(&model, &request), person);
    assert_eq!((reply.unwrap().content, told.text.as_str()), (vec![Block::text("By hand.")], "By hand."));

    fs::write(place.join("7.request.json"), "{}").unwrap();
    fs::write(place.join("8.answer.json"), "{\"content\": [").unwrap();
    let next = build(spec).unwrap();
    let error = ask(&next, &request).await.0.unwrap_err();
    assert!(place.join("8.request.json").exists(), "numbers go on");
    assert!(error.message.contains("8.answer.json is not JSON"), "{}", error.message);
    fs::write(place.join("9.answer.json"), "{\"error\": 429}").unwrap();
    assert_eq!(ask(&next, &request).await.0.unwrap_err().class, ErrorClass::RateLimited);

    let cancel = CancellationToken::new();
    let stop = async {
        while !place.join("10.request.json").exists() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let mut on = |_: ModelEvent<'_>| {};
    let (outcome, ()) = tokio::join!(next.reply(&request, &mut on, &cancel), stop);
    assert_eq!(outcome.unwrap_err().class, ErrorClass::Cancelled);
}

#[tokio::test]
async fn a_recording_is_a_script() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("record.jsonl");
    let double = ModelDouble::start([
        Turn::new().thinking("Hm.", "c2ln").tool("t1", "search", json!({"path": "é"})).usage(1, 2, 3, 4),
        Turn::status(529),
        Turn::say("After a retry."),
        Turn::status(400).body("{\"error\": {\"message\": \"no\"}}"),
        Turn::new().text("No.").refusal("Because."),
    ]);
    let recorded =
        llm::build(Settings { record: Some(file.clone()), ..settings(&double) }, Arc::new(Hourglass::default())).unwrap();
    let replayed = |folder: &Path| build(format!("script:{}", folder.join("record.jsonl").display())).unwrap();
    let request = question("Go");
    let mut first = Vec::new();
    for _ in 0..4 {
        first.push(ask(&recorded, &request).await.0.map_err(|error| error.class));
    }
    let again = replayed(folder.path());
    for expected in first {
        assert_eq!(ask(&again, &request).await.0.map_err(|error| error.class), expected);
    }
    let line: Value = serde_json::from_str(fs::read_to_string(&file).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!(line["request_sha256"].as_str().unwrap().len(), 64);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let refused = llm::build(
        Settings { record: Some(folder.path().join("no/such/folder")), ..settings(&double) },
        Arc::new(Hourglass::default()),
    );
    assert!(refused.err().unwrap().message.contains("cannot be opened"));
    double.assert_clean();
}

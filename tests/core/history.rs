//! Law 8: every prefix of the events folds to a conversation that the model's API accepts.

use countersign::{
    agent::History,
    event::{CallId, Event, Scope, ToolCallStatus, Usage},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::anthropic_rules;

fn accepted(history: &History) {
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let tool = |name: &str| json!({"name": name, "description": "d", "input_schema": schema});
    let body = json!({"model": "m", "max_tokens": 10, "tools": [tool("read_file"), tool("run")], "messages": history.messages()});
    anthropic_rules::validate(&body, None).unwrap_or_else(|why| panic!("{why}\n{body:#}"));
}

fn start(prompt: &str) -> Event {
    Event::TaskStart { title: "t".into(), mode: "edit".into(), prompt: prompt.into(), system: "s".into(), tools_sha: "x".into() }
}

fn response(content: Vec<Value>, stop: &str, error: Option<String>) -> Event {
    Event::LlmResponse { id: "m".into(), model: "m".into(), stop: stop.into(), content, usage: Usage::default(), ms: 0, error }
}

fn result(content: &str) -> Event {
    Event::ToolResult { tool: "run".into(), model_id: "x".into(), status: ToolCallStatus::Ok, content: content.into(), ms: 0 }
}

fn scope(call: u32) -> Scope {
    Scope { call_id: Some(CallId(format!("c{call}"))), ..Scope::default() }
}

fn content() -> impl Strategy<Value = Vec<Value>> {
    let block = prop_oneof![
        "[a-z ]{0,5}".prop_map(|text| json!({"type": "text", "text": text})),
        Just(json!({"type": "thinking", "thinking": "hm", "signature": "s"})),
        ("[a-c]{0,2}|call 1|é", prop_oneof!["run", "read_file", "no such tool", ""])
            .prop_map(|(id, name)| json!({"type": "tool_use", "id": id, "name": name, "input": {"a": 1}})),
        Just(json!({"type": "tool_use", "id": "x", "name": "run", "input": "cut {"})),
    ];
    prop::collection::vec(block, 0..4)
}

fn events() -> impl Strategy<Value = Vec<(Scope, Event)>> {
    let stops = prop_oneof![Just("end_turn"), Just("tool_use"), Just("pause_turn"), Just("max_tokens")];
    let event = prop_oneof![
        2 => "[a-z]{0,4}".prop_map(|prompt| (Scope::default(), start(&prompt))),
        5 => (content(), stops).prop_map(|(content, stop)| (Scope::default(), response(content, stop, None))),
        1 => Just((Scope::default(), response(vec![], "error", Some("cut".into())))),
        6 => (1u32..12).prop_map(|call| (scope(call), result("r"))),
        3 => (1u32..12).prop_map(|call| (scope(call), Event::ToolIntent { tool: "run".into(), input: json!({}) })),
        1 => "[a-z]{0,4}".prop_map(|message| (Scope::default(), Event::UserSteer { message })),
    ];
    prop::collection::vec(event, 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_prefix_of_any_log_is_accepted(events in events()) {
        for end in 0..=events.len() {
            let fold = || History::from_events(events[..end].iter().map(|(scope, event)| (scope, event)));
            let history = fold();
            accepted(&history);
            prop_assert_eq!(history.messages(), fold().messages());
        }
    }
}

#[test]
fn an_interrupted_effect_says_that_its_outcome_is_unknown() {
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "run", "input": {}});
    let events = [
        (Scope::default(), start("go")),
        (Scope::default(), response(vec![call("a"), call("b")], "tool_use", None)),
        (scope(1), Event::ToolIntent { tool: "run".into(), input: json!({}) }),
    ];
    let history = History::from_events(events.iter().map(|(scope, event)| (scope, event)));
    let messages = history.messages();
    let told: Vec<&str> = messages[2].content.iter().map(|block| block.0["content"].as_str().unwrap()).collect();
    assert!(told[0].contains("outcome unknown") && told[1].contains("nothing happened"), "{told:?}");
    assert_eq!(history.open_calls().len(), 2);
    accepted(&history);
}

#[test]
fn a_word_of_the_user_survives_a_crash_before_its_result() {
    let call = json!({"type": "tool_use", "id": "a", "name": "run", "input": {}});
    let events = [
        (Scope::default(), start("go")),
        (Scope::default(), response(vec![call], "tool_use", None)),
        (Scope::default(), Event::UserSteer { message: "stop that".into() }),
    ];
    let history = History::from_events(events.iter().map(|(scope, event)| (scope, event)));
    let told = history.messages()[2].content[0].0["content"].as_str().unwrap().to_owned();
    assert!(told.contains("<countersign:user>stop that</countersign:user>"), "{told}");
}

//! The double itself: each thing that the API refuses is refused, beside the sound request that it came from.

use serde_json::{Value, json};

use crate::support::anthropic_rules::validate;

fn sound() -> Value {
    let tool =
        |name: &str| json!({"name": name, "description": "Does it.", "input_schema": {"type": "object", "properties": {}}});
    json!({
        "model": "m", "max_tokens": 100, "stream": true,
        "system": [{"type": "text", "text": "Be good.", "cache_control": {"type": "ephemeral"}}],
        "tools": [tool("a"), tool("b")],
        "tool_choice": {"type": "auto"},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Go."}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "text", "text": "Both."},
                {"type": "tool_use", "id": "t1", "name": "a", "input": {}},
                {"type": "tool_use", "id": "t2", "name": "b", "input": {"x": 1}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t2", "content": ""},
                {"type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": true},
                {"type": "text", "text": "And quick."},
            ]},
        ],
    })
}

/// Sets what `pointer` names, or removes it for null.
fn with(pointer: &str, value: Value) -> Value {
    let mut request = sound();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let parent = request.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(object), Value::Null) => _ = object.shift_remove(last).unwrap(),
        (Value::Object(object), value) => _ = object.insert(last.to_owned(), value),
        (Value::Array(list), Value::Null) => _ = list.remove(last.parse().unwrap()),
        (Value::Array(list), value) => list[last.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer} leads nowhere"),
    }
    request
}

#[test]
fn a_sound_request_is_taken() {
    validate(&sound(), None).unwrap();
    validate(&sound(), Some(&sound())).unwrap();
}

#[test]
fn each_fault_is_refused() {
    let text = |text: &str| json!({"type": "text", "text": text});
    let marked = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "x"});
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "a", "input": {}});
    let cases = [
        ("/model", json!(null), "model: field required"),
        ("/max_tokens", json!(0), "max_tokens: field required"),
        ("/messages", json!([]), "at least one message"),
        ("/extra", json!(1), "Extra inputs"),
        ("/system", json!([]), "system: must be"),
        ("/system/0/text", json!(" "), "non-whitespace"),
        ("/system/0/cache_control", json!({"type": "forever"}), "must be ephemeral"),
        ("/tools", json!(null), "while providing tools"),
        ("/tools/1/name", json!("a"), "must be unique"),
        ("/tools/1/name", json!("a b"), "should match pattern"),
        ("/tools/1/description", json!(null), "says nothing"),
        ("/tools/1/input_schema/type", json!("array"), "should be 'object'"),
        ("/tools/1/input_schema/anyOf", json!([]), "does not support anyOf"),
        ("/tool_choice", json!({"type": "maybe"}), "does not match any"),
        ("/tool_choice", json!({"type": "none", "disable_parallel_tool_use": true}), "Extra inputs"),
        ("/tool_choice", json!({"type": "tool", "name": "c"}), "no such tool"),
        ("/thinking", json!({"type": "enabled", "budget_tokens": 2000}), "less than max_tokens"),
        ("/messages/0", json!(null), "first message must use"),
        ("/messages/0/content", json!([]), "non-empty content"),
        ("/messages/0/content/0", text(""), "must be non-empty"),
        ("/messages/0/content/0", text(" \n"), "non-whitespace"),
        ("/messages/0/content/0", call("t0"), "may not stand in a message of role user"),
        ("/messages/0/content/0/time", json!(1), "Extra inputs"),
        ("/messages/1/role", json!("system"), "must be user or assistant"),
        ("/messages/1/role", json!("user"), "roles must alternate"),
        ("/messages/1/content/0/signature", json!(""), "Invalid `signature`"),
        ("/messages/1/content/0/cache_control", json!({"type": "ephemeral"}), "Extra inputs"),
        ("/messages/1/content/2/input", json!("{}"), "valid dictionary"),
        ("/messages/1/content/2/id", json!("t:1"), "should match pattern"),
        ("/messages/1/content/2/id", json!("t2"), "ids must be unique"),
        ("/messages/1/content/2", json!(null), "unexpected `tool_use_id`"),
        ("/messages/2", json!(null), "without `tool_result` blocks immediately after"),
        ("/messages/2/content/0", json!(null), "without `tool_result` blocks immediately after"),
        ("/messages/2/content/0", result("t1"), "unexpected `tool_use_id`"),
        ("/messages/2/content/0", text("First this."), "must come before"),
        ("/messages/2/content/1/content", json!(""), "cannot be empty if `is_error`"),
        ("/messages/2/content/1/content", json!([text("")]), "must be non-empty"),
        ("/messages/0/content", json!([marked, marked, marked, marked]), "maximum of 4"),
    ];
    for (pointer, value, words) in cases {
        let refused = validate(&with(pointer, value.clone()), None).expect_err(pointer);
        assert!(refused.contains(words), "{pointer} = {value}: {refused}");
    }
}

#[test]
fn a_conversation_only_grows() {
    for (pointer, value, words) in [
        ("/system/0/text", json!("Be better."), "system: changed"),
        ("/tools/0/description", json!("Does more."), "tools: changed"),
        ("/messages/1/content/1/text", json!("One."), "block 2 changed"),
    ] {
        let refused = validate(&with(pointer, value), Some(&sound())).unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
    let mut moved = with("/messages/2/content/2/cache_control", json!({"type": "ephemeral"}));
    validate(&moved, Some(&sound())).unwrap();
    moved["messages"].as_array_mut().unwrap().push(json!({"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}));
    validate(&moved, Some(&sound())).unwrap();
    assert!(validate(&sound(), Some(&moved)).is_err());
}

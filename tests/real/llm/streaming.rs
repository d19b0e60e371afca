//! Whole answers: what arrives, what goes back, and what the wire may do to it.

use countersign::{
    event::Usage,
    llm::{self, Limits, Settings, Thinking},
    seams::{Block, ErrorClass, ModelEvent, Stop, ToolChoice},
};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

use super::{Hourglass, answered, ask, model, question, settings};
use crate::support::model_double::{ModelDouble, Turn};

#[tokio::test]
async fn a_text_streams_and_comes_whole() {
    let double = ModelDouble::start([Turn::say("Grüße aus dem Modell, in Stücken.").usage(7, 100, 20, 42)]);
    let model = model(&double);
    let request = question("Hello");
    let (reply, told) = ask(&model, &request).await;
    let reply = reply.unwrap();
    assert_eq!(reply.content, [Block::text("Grüße aus dem Modell, in Stücken.")]);
    assert_eq!(reply.stop, Stop::EndTurn);
    assert_eq!(reply.usage, Usage { input: 7, cache_read: 100, cache_creation: 20, output: 42 });
    assert_eq!((reply.id.as_str(), reply.model.as_str()), ("msg_1", "double-1"));
    assert_eq!(told.text, "Grüße aus dem Modell, in Stücken.");
    assert!(told.pieces > 1, "it came in one piece");
    assert_eq!(double.last().bytes, model.body(&request), "what is digested is what is sent");
    double.assert_clean();
}

#[tokio::test]
async fn thinking_and_parallel_calls_go_back_unchanged() {
    let double = ModelDouble::start([
        Turn::new()
            .thinking("Both files matter.", "c2lnbmF0dXJl")
            .raw(json!({"type": "redacted_thinking", "data": "b3BhcXVl"}))
            .text("I look at both.")
            .tool("toolu_1", "read_file", json!({"path": "ä.rs", "lines": [1, {"deep": null}]}))
            .tool("toolu_2", "search", json!({}))
            .raw(json!({"type": "oracle_result", "verdict": {"kept": true}})),
        Turn::say("Done."),
    ]);
    let model = model(&double);
    let mut request = question("Look");
    let (reply, told) = ask(&model, &request).await;
    let reply = reply.unwrap();
    assert_eq!(reply.stop, Stop::ToolUse);
    assert_eq!(told.calls, ["read_file", "search"]);
    assert_eq!(told.thinking, "Both files matter.");
    assert_eq!(reply.content.len(), 6);
    assert_eq!(reply.content[0].0, json!({"type": "thinking", "thinking": "Both files matter.", "signature": "c2lnbmF0dXJl"}));
    assert_eq!(reply.content[3].as_tool_use().unwrap().2, &json!({"path": "ä.rs", "lines": [1, {"deep": null}]}));
    assert_eq!(reply.content[4].as_tool_use().unwrap().2, &json!({}), "no argument text means no arguments");
    assert_eq!(reply.content[5].0, json!({"type": "oracle_result", "verdict": {"kept": true}}));
    answered(&mut request, &reply);
    ask(&model, &request).await.0.unwrap();
    let sent = &double.last().body["messages"][1]["content"];
    assert_eq!(sent, &json!(reply.content), "blocks of the model go back as they came");
    assert_eq!(double.requests().iter().map(|request| request.connection).max(), Some(0), "one connection is kept");
    double.assert_clean();
}

#[tokio::test]
async fn an_altered_thought_is_refused_by_the_double() {
    let turn = || Turn::new().thinking("True.", "c2ln").tool("toolu_1", "search", json!({}));
    let double = ModelDouble::start([turn(), Turn::say("never served")]);
    let model = model(&double);
    let mut request = question("Look");
    let reply = ask(&model, &request).await.0.unwrap();
    answered(&mut request, &reply);
    request.messages[1].content[0].0["thinking"] = json!("False.");
    assert_eq!(ask(&model, &request).await.0.unwrap_err().class, ErrorClass::BadRequest);
    assert!(double.violations()[0].contains("cannot be modified"));
}

#[tokio::test]
async fn oddities_of_the_wire_change_nothing() {
    let turn = || {
        Turn::new().thinking("Hm… 思考", "c2ln").text("日本語 and 🦀 text").tool("toolu_1", "search", json!({"path": "straße"}))
    };
    let variants = [turn(), turn().crlf(), turn().bytewise(), turn().noise(), turn().noise().crlf().bytewise()];
    let count = variants.len();
    let double = ModelDouble::start(variants);
    let model = model(&double);
    let mut replies = Vec::new();
    for _ in 0..count {
        let (reply, told) = ask(&model, &question("Look")).await;
        replies.push((reply.unwrap().content, told.text, told.thinking));
    }
    assert_eq!(replies[0].1, "日本語 and 🦀 text");
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:#?}");
    double.assert_clean();
}

#[tokio::test]
async fn stop_reasons_are_told_apart() {
    let expected = [
        ("max_tokens", Stop::MaxTokens),
        ("stop_sequence", Stop::StopSequence),
        ("pause_turn", Stop::PauseTurn),
        ("model_context_window_exceeded", Stop::ContextExceeded),
        ("sunset", Stop::Other("sunset".to_owned())),
    ];
    let mut turns: Vec<Turn> = expected.iter().map(|(reason, _)| Turn::say("So.").stop(reason)).collect();
    turns.push(Turn::new().refusal("Not this."));
    let double = ModelDouble::start(turns);
    let model = model(&double);
    for (_, stop) in expected {
        assert_eq!(ask(&model, &question("Go")).await.0.unwrap().stop, stop);
    }
    let refused = ask(&model, &question("Go")).await.0.unwrap();
    assert_eq!((refused.stop, refused.content.len()), (Stop::Refusal("Not this.".to_owned()), 0));
    double.assert_clean();
}

#[tokio::test]
async fn cut_arguments_stay_valid_and_are_marked() {
    let double = ModelDouble::start([
        Turn::new().tool_text("toolu_1", "read_file", "{\"path\": \"src/li").stop("max_tokens"),
        Turn::new().tool_text("toolu_2", "read_file", "[1, 2]").tool("toolu_3", "search", json!({"path": "a"})),
        Turn::say("Done."),
    ]);
    let model = model(&double);
    let mut request = question("Look");
    let reply = ask(&model, &request).await.0.unwrap();
    assert_eq!(reply.content[0].cut_arguments(), Some("{\"path\": \"src/li"));
    answered(&mut request, &reply);
    let reply = ask(&model, &request).await.0.unwrap();
    assert_eq!(reply.content[0].cut_arguments(), Some("[1, 2]"), "arguments must be an object");
    assert_eq!(reply.content[1].cut_arguments(), None);
    answered(&mut request, &reply);
    ask(&model, &request).await.0.unwrap();
    double.assert_clean();
}

#[tokio::test]
async fn repeated_ids_and_blank_texts_never_enter_a_history() {
    let double = ModelDouble::start([
        Turn::new().text(" \n").tool("call-1", "search", json!({})).tool("call-1", "read_file", json!({})),
        Turn::new().tool("call-1", "search", json!({})).tool("call:é", "search", json!({})),
        Turn::say("Done."),
    ]);
    let model = model(&double);
    let mut request = question("Look");
    for expected in [["call-1", "call-1_2"], ["call-1_3", "call__"]] {
        let reply = ask(&model, &request).await.0.unwrap();
        assert_eq!(reply.content.iter().map(|block| block.as_tool_use().unwrap().0).collect::<Vec<_>>(), expected);
        answered(&mut request, &reply);
    }
    ask(&model, &request).await.0.unwrap();
    double.assert_clean();
}

#[tokio::test]
async fn the_cache_breaks_at_most_four_times_and_the_last_turn_is_tool_less() {
    let double = ModelDouble::start([
        Turn::call("toolu_1", "search", json!({})),
        Turn::call("toolu_2", "search", json!({})),
        Turn::say("Summary."),
    ]);
    let model = model(&double);
    let mut request = question("Look");
    for _ in 0..2 {
        let reply = ask(&model, &request).await.0.unwrap();
        answered(&mut request, &reply);
    }
    request.tool_choice = ToolChoice::None;
    ask(&model, &request).await.0.unwrap();
    let body = double.last().body;
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
    assert_eq!(body["tools"][1]["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(body["tools"][0].get("cache_control"), None);
    assert_eq!(body["system"][0]["cache_control"], json!({"type": "ephemeral"}));
    let marked = |at: usize| body["messages"][at]["content"][0].get("cache_control").is_some();
    assert_eq!([0, 1, 2, 3, 4].map(marked), [false, false, true, false, true]);
    double.assert_clean();
}

#[tokio::test]
async fn tokens_and_thinking_are_asked_for_as_configured() {
    let double = ModelDouble::start([Turn::say("a"), Turn::say("b"), Turn::say("c")]);
    let build = |thinking, max_tokens| {
        let settings = Settings { thinking, max_tokens, ..settings(&double) };
        llm::build(settings, Arc::new(Hourglass::default())).unwrap()
    };
    let mut request = question("Go");
    request.max_tokens = 9000;
    ask(&build(Thinking::Adaptive, 4000), &request).await.0.unwrap();
    assert_eq!(
        (&double.last().body["thinking"], &double.last().body["max_tokens"]),
        (&json!({"type": "adaptive"}), &json!(4000))
    );
    ask(&build(Thinking::Budget(2000), 20_000), &request).await.0.unwrap();
    assert_eq!(double.last().body["thinking"], json!({"type": "enabled", "budget_tokens": 2000}));
    ask(&build(Thinking::Budget(2000), 1000), &request).await.0.unwrap();
    assert_eq!(double.last().body.get("thinking"), None, "a budget beyond max_tokens would be refused");
    double.assert_clean();
}

#[tokio::test]
async fn cancel_drops_the_connection_at_once() {
    let double = ModelDouble::start([Turn::say(&"word ".repeat(200)).stall_after(900), Turn::say("Still there.")]);
    let model = model(&double);
    let (cancel, request) = (CancellationToken::new(), question("Go"));
    let mut fire = Some(cancel.clone());
    let mut fired = Instant::now();
    let mut on = |event: ModelEvent<'_>| {
        if let (ModelEvent::Text(_), Some(cancel)) = (event, fire.take()) {
            fired = Instant::now();
            cancel.cancel();
        }
    };
    let error = model.reply(&request, &mut on, &cancel).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Cancelled);
    double.dropped(1).await;
    assert!(fired.elapsed() < Duration::from_secs(1), "{:?}", fired.elapsed());
    assert_eq!(ask(&model, &request).await.0.unwrap().content, [Block::text("Still there.")]);
    double.assert_clean();
}

#[tokio::test]
async fn oversized_answers_are_cut_off() {
    let double = ModelDouble::start([
        Turn::say("short"),
        Turn::call("toolu_1", "search", json!({"path": "x".repeat(300)})),
        Turn::new().raw(json!({"type": "oracle", "text": "x".repeat(9000)})),
        Turn::say(&"long ".repeat(2000)),
    ]);
    let limits = Limits { arguments: 200, event: 8000, reply: 20_000, ..Limits::default() };
    let model = llm::build(Settings { limits, ..settings(&double) }, Arc::new(Hourglass::default())).unwrap();
    ask(&model, &question("Go")).await.0.unwrap();
    for what in ["tool arguments of more than 200 ", "an event of more than 8000", "an answer of more than 20000"] {
        let error = ask(&model, &question("Go")).await.0.unwrap_err();
        assert_eq!(error.class, ErrorClass::Protocol);
        assert!(error.message.contains(what), "{}", error.message);
    }
    double.assert_clean();
}

/// The environment of this process cannot change safely, so the first test of this file runs again in a child.
#[test]
fn proxies_of_the_environment_do_not_matter_on_loopback() {
    let dead = "http://127.0.0.1:9";
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["llm::streaming::a_text_streams_and_comes_whole", "--exact"])
        .envs(["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, dead)))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn cancel_before_the_first_byte_drops_the_connection_too() {
    let double = ModelDouble::start([Turn::say("Late.").delay(Duration::from_secs(60))]);
    let (model, cancel, request) = (model(&double), CancellationToken::new(), question("Go"));
    let mut on = |_: ModelEvent<'_>| {};
    let stop = async {
        double.requested(1).await;
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(model.reply(&request, &mut on, &cancel), stop);
    assert_eq!(outcome.unwrap_err().class, ErrorClass::Cancelled);
    double.dropped(1).await;
    double.assert_clean();
}

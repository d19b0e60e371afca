//! What the client does about each message of the server: it keeps it, and answers as the test chose.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign::server::peer::{Incoming, Peer, Refused};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Choice, Habit, Known, State, edits::apply};

pub(super) async fn pump(
    peer: Peer,
    mut incoming: tokio::sync::mpsc::UnboundedReceiver<Incoming>,
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
) {
    while let Some(message) = incoming.recv().await {
        match message {
            Incoming::Notification { method, params } => state.lock().unwrap().notifications.push((method, params)),
            Incoming::Request { id, method, params } => {
                state.lock().unwrap().requests.push((method.clone(), params.clone()));
                match method.as_str() {
                    "workspace/applyEdit" => {
                        let mut locked = state.lock().unwrap();
                        locked.edits.push(params["edit"].clone());
                        let habit = locked.habit;
                        if habit == Habit::Held {
                            locked.held.push_back((id, params));
                        } else {
                            drop(locked);
                            apply(&peer, id, &params, &state, habit);
                        }
                    }
                    "countersign/save" => save(&peer, id, &params, &state),
                    "window/showMessageRequest" => answer(&peer, id, &params, &state),
                    "window/showDocument" => {
                        state.lock().unwrap().documents.push(params["uri"].as_str().unwrap_or_default().to_owned());
                        peer.respond(id, Ok(json!({"success": true})));
                    }
                    "window/workDoneProgress/create"
                    | "client/registerCapability"
                    | "workspace/codeLens/refresh"
                    | "workspace/textDocumentContent/refresh" => {
                        peer.respond(id, Ok(Value::Null));
                    }
                    "countersign/query" if query(&peer, &id, &params, &state) => {}
                    other => {
                        state.lock().unwrap().unexpected.push(other.to_owned());
                        peer.respond(id, Err(Refused { code: -32601, message: "not here".to_owned() }));
                    }
                }
            }
        }
        news.notify_waiters();
    }
}

fn answer(peer: &Peer, id: Value, params: &Value, state: &Arc<Mutex<State>>) {
    let text = params["message"].as_str().unwrap_or_default().to_owned();
    let mut locked = state.lock().unwrap();
    locked.questions.push(text.clone());
    let chosen = locked.choices.iter().position(|(part, ..)| text.contains(part)).and_then(|at| locked.choices.remove(at));
    let otherwise = locked.otherwise.clone().map(|choice| ("", Duration::ZERO, choice));
    let Some((_, delay, choice)) = chosen.or(otherwise) else {
        locked.unexpected.push(format!("question: {text}"));
        return;
    };
    if let Choice::Held(title) = choice {
        return locked.undecided.push((id, title));
    }
    drop(locked);
    let peer = peer.clone();
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        match choice {
            Choice::Title(title) => peer.respond(id, Ok(json!({"title": title}))),
            Choice::Null => peer.respond(id, Ok(Value::Null)),
            Choice::Error(code) => peer.respond(id, Err(Refused { code, message: "no".to_owned() })),
            Choice::Never | Choice::Held(_) => {}
        }
    });
}

/// Whether the test knows an answer.
fn query(peer: &Peer, id: &Value, params: &Value, state: &Arc<Mutex<State>>) -> bool {
    let known = state.lock().unwrap().known.get(params["kind"].as_str().unwrap_or_default()).cloned();
    match &known {
        Some(Known::Tells(answer)) => peer.respond(id.clone(), Ok(answer.clone())),
        Some(Known::Error(code)) => {
            peer.respond(id.clone(), Err(Refused { code: *code, message: "no such luck".to_owned() }));
        }
        Some(Known::Silent) => {}
        None => return false,
    }
    true
}

/// Saves documents as a rich client does.
fn save(peer: &Peer, id: Value, params: &Value, state: &Arc<Mutex<State>>) {
    let state = state.lock().unwrap();
    let (mut saved, mut failed) = (Vec::new(), Vec::new());
    for uri in params["uris"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let path = reqwest::Url::parse(uri).unwrap().to_file_path().unwrap();
        match state.docs.get(uri).map(|(_, text)| std::fs::write(path, text.to_string())) {
            Some(Ok(())) => {
                peer.notify("textDocument/didSave", json!({"textDocument": {"uri": uri}}));
                saved.push(uri);
            }
            Some(Err(error)) => failed.push(json!({"uri": uri, "why": error.to_string()})),
            None => failed.push(json!({"uri": uri, "why": "it is not open"})),
        }
    }
    peer.respond(id, Ok(json!({"saved": saved, "failed": failed})));
}

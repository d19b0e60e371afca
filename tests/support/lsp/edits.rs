//! Edits of the texts that the client has: the server's by the habit that the test chose, and what is told of any.

use std::sync::{Arc, Mutex};

use countersign::{
    server::peer::{Peer, Refused},
    text::{Edit, Point, Text},
};
use serde_json::{Value, json};

use super::{Habit, State};

impl State {
    /// Applies edits (in the old text's offsets) and makes the didChange for them, last edit first.
    pub(super) fn change(&mut self, uri: &str, edits: &[Edit]) -> Value {
        let encoding = self.encoding;
        let (version, text) = self.docs.get_mut(uri).expect("the document is open");
        let mut edits = edits.to_vec();
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.range.start));
        *version += 1;
        let mut changes = Vec::new();
        for edit in &edits {
            let (start, end) = (text.point(edit.range.start, encoding), text.point(edit.range.end, encoding));
            changes.push(json!({"range": {"start": start, "end": end}, "text": edit.new}));
            *text = text.edited(edit);
        }
        json!({"textDocument": {"uri": uri, "version": *version}, "contentChanges": changes})
    }
}

/// Makes an edit of the server's, or does not, tells it and answers.
pub(super) fn apply(peer: &Peer, id: Value, params: &Value, state: &Arc<Mutex<State>>, habit: Habit) {
    let mut state = state.lock().unwrap();
    let applied = |applied: bool| Ok(json!({"applied": applied}));
    match habit {
        Habit::Liar => return peer.respond(id, applied(true)),
        Habit::Refuses => return peer.respond(id, applied(false)),
        Habit::Silent | Habit::Held => return,
        Habit::Fails => return peer.respond(id, Err(Refused { code: -32603, message: "cannot".to_owned() })),
        Habit::Honest | Habit::AnswersFirst | Habit::Late(_) | Habit::Slow(_) | Habit::Half => {}
        Habit::Untold | Habit::Mute | Habit::Breaks | Habit::Unasked => {}
    }
    let mut notifications = Vec::new();
    let mut fine = true;
    let most = if habit == Habit::Breaks { 1 } else { usize::MAX };
    for change in params["edit"]["documentChanges"].as_array().into_iter().flatten().take(most) {
        let uri = change["textDocument"]["uri"].as_str().or(change["uri"].as_str()).unwrap_or_default().to_owned();
        let encoding = state.encoding;
        match change["kind"].as_str() {
            // `ignoreIfExists`
            Some("create") if state.docs.contains_key(&uri) => {}
            Some("create") => {
                state.docs.insert(uri.clone(), (0, Text::default()));
                notifications.push((
                    "textDocument/didOpen",
                    json!({"textDocument": {"uri": uri, "languageId": "x", "version": 0, "text": ""}}),
                ));
            }
            Some("delete") => {
                let _ = std::fs::remove_file(reqwest::Url::parse(&uri).unwrap().to_file_path().unwrap());
                if state.docs.remove(&uri).is_some() {
                    notifications.push(("textDocument/didClose", json!({"textDocument": {"uri": uri}})));
                }
            }
            Some("rename") => {
                let side = |name: &str| reqwest::Url::parse(change[name].as_str().unwrap()).unwrap().to_file_path().unwrap();
                let open = state.docs.contains_key(change["oldUri"].as_str().unwrap_or_default());
                fine &= !open && std::fs::rename(side("oldUri"), side("newUri")).is_ok();
            }
            Some(_) => fine = false,
            None => {
                if let (Some((version, _)), Some(wanted)) = (state.docs.get(&uri), change["textDocument"]["version"].as_i64())
                    && i64::from(*version) != wanted
                {
                    if habit == Habit::Unasked {
                        continue;
                    }
                    fine = false;
                    break;
                }
                if !state.docs.contains_key(&uri) {
                    // An editor opens the file, dirty.
                    let path = reqwest::Url::parse(&uri).unwrap().to_file_path().unwrap();
                    let text = std::fs::read_to_string(path).unwrap_or_default();
                    // The byte order mark is the file's, not the text's.
                    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
                    state.docs.insert(uri.clone(), (0, Text::new(&text)));
                    notifications.push((
                        "textDocument/didOpen",
                        json!({"textDocument": {"uri": uri, "languageId": "x", "version": 0, "text": text}}),
                    ));
                }
                let text = state.docs[&uri].1.clone();
                let edits: Vec<Edit> = change["edits"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .take(if habit == Habit::Half { 1 } else { usize::MAX })
                    .map(|edit| {
                        let point = |key: &str| serde_json::from_value::<Point>(edit["range"][key].clone()).unwrap();
                        Edit {
                            range: text.offset(point("start"), encoding)..text.offset(point("end"), encoding),
                            new: edit["newText"].as_str().unwrap().to_owned(),
                        }
                    })
                    .collect();
                notifications.push(("textDocument/didChange", state.change(&uri, &edits)));
            }
        }
    }
    // The lock is held until the changes are told, so that nobody types in between.
    if !fine {
        return peer.respond(id, applied(false));
    }
    if matches!(habit, Habit::AnswersFirst | Habit::Late(_) | Habit::Untold) {
        peer.respond(id.clone(), applied(true));
    }
    if habit == Habit::Untold {
        return state.untold.append(&mut notifications);
    }
    if let Habit::Late(delay) | Habit::Slow(delay) = habit {
        let peer = peer.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            notifications.into_iter().for_each(|(method, params)| peer.notify(method, params));
            if matches!(habit, Habit::Slow(_)) {
                peer.respond(id, Ok(json!({"applied": true})));
            }
        });
        return;
    }
    for (method, params) in notifications {
        peer.notify(method, params);
    }
    match habit {
        Habit::Honest | Habit::Half => peer.respond(id, applied(true)),
        Habit::Breaks => {
            peer.respond(id, Ok(json!({"applied": false, "failedChange": 1, "failureReason": "the disk is full"})));
        }
        _ => {}
    }
}

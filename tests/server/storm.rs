//! A typing storm: a client types thousands of random edits while the agent stages hunks and the user accepts and rejects at
//! random. Afterwards the server's texts are the client's, byte for byte, and what was accepted is what was applied, no more, no
//! less. The client keeps its texts as plain strings and counts UTF-16 units itself, so that it shares nothing with the server.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use countersign::{
    config::{Config, Environment, Folders, Policies},
    sandbox::{LinuxSandbox, SandboxPaths},
    server::{
        self, Setup, SystemClock,
        peer::{Incoming, Peer, Refused},
    },
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::{
    room::{Room, calls, edit, say},
    support::dice::Dice,
};

const FILES: usize = 10;
/// Places for the agent's edits in a file; the typing spoils many before their turn comes.
const SLOTS: usize = 36;
const TASKS: usize = 6;
const PATIENCE: Duration = Duration::from_secs(60);

struct Doc {
    uri: String,
    version: i64,
    text: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Pending {
    proposal: String,
    hunk: String,
    state: String,
    uri: String,
    old: String,
}

#[derive(Default)]
struct State {
    docs: Vec<Doc>,
    /// What edits of the server replaced by what: file, old, new.
    applied: Vec<(String, String, String)>,
    refused: usize,
    proposals: BTreeMap<String, Vec<Pending>>,
    /// Every hunk that was ever shown.
    shown: BTreeSet<(String, String)>,
    messages: Vec<String>,
}

impl State {
    /// Replaces a byte range of a document and tells the server, in one.
    fn change(&mut self, peer: &Peer, doc: usize, edits: &[(usize, usize, String)]) {
        let doc = &mut self.docs[doc];
        doc.version += 1;
        let mut changes = Vec::new();
        for (start, end, new) in edits {
            changes.push(json!({"range": {"start": point(&doc.text, *start), "end": point(&doc.text, *end)}, "text": new}));
            doc.text.replace_range(*start..*end, new);
        }
        let document = json!({"uri": doc.uri, "version": doc.version});
        peer.notify("textDocument/didChange", json!({"textDocument": document, "contentChanges": changes}));
    }

    /// Applies an edit of the server if its versions are those of now.
    fn apply(&mut self, peer: &Peer, edit: &Value) -> bool {
        let (mut wanted, mut applied) = (Vec::new(), Vec::new());
        for change in edit["documentChanges"].as_array().expect("versioned edits") {
            let uri = change["textDocument"]["uri"].as_str().expect("only texts are edited");
            let at = self.docs.iter().position(|doc| doc.uri == uri).expect("all files are open");
            let doc = &self.docs[at];
            if change["textDocument"]["version"] != doc.version {
                self.refused += 1;
                return false;
            }
            let mut edits: Vec<(usize, usize, String)> = Vec::new();
            for edit in change["edits"].as_array().unwrap() {
                let (start, end) = (offset(&doc.text, &edit["range"]["start"]), offset(&doc.text, &edit["range"]["end"]));
                let new = edit["newText"].as_str().unwrap().to_owned();
                let path = uri.rsplit('/').next().unwrap().to_owned();
                applied.push((path, doc.text[start..end].to_owned(), new.clone()));
                edits.push((start, end, new));
            }
            // Last first, so that the others keep their places; of two at one place the later stands behind.
            edits.reverse();
            wanted.push((at, edits));
        }
        for (at, edits) in wanted {
            self.change(peer, at, &edits);
        }
        self.applied.extend(applied);
        true
    }
}

/// LSP's position of a byte offset: lines end at `\n`, `\r\n` and `\r`.
fn point(text: &str, offset: usize) -> Value {
    let (mut line, mut start) = (0, 0);
    for (at, byte) in text.bytes().enumerate().take(offset) {
        let next_is_newline = text.as_bytes().get(at + 1) == Some(&b'\n');
        if byte == b'\n' || (byte == b'\r' && !next_is_newline) {
            (line, start) = (line + 1, at + 1);
        }
    }
    json!({"line": line, "character": text[start..offset].encode_utf16().count()})
}

/// The byte offset of a position.
fn offset(text: &str, at: &Value) -> usize {
    let (mut line, mut start) = (at["line"].as_u64().unwrap(), 0);
    let bytes = text.as_bytes();
    while line > 0 {
        let end = start + bytes[start..].iter().position(|byte| matches!(byte, b'\n' | b'\r')).expect("the line is there");
        start = if bytes[end..].starts_with(b"\r\n") { end + 2 } else { end + 1 };
        line -= 1;
    }
    let mut units = at["character"].as_u64().unwrap() as usize;
    let rest = text[start..].char_indices().find(|(_, c)| {
        let here = units == 0;
        units = units.saturating_sub(c.len_utf16());
        here
    });
    rest.map_or(text.len(), |(at, _)| start + at)
}

#[derive(Clone)]
struct Client {
    peer: Peer,
    state: Arc<Mutex<State>>,
}

impl Client {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn command(&self, name: &str, argument: Value) -> Value {
        let answer = tokio::time::timeout(PATIENCE, self.peer.command(name, argument)).await;
        answer.expect("the server answers").unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn start(&self, name: &str, argument: Value) -> oneshot::Receiver<Result<Value, Refused>> {
        let params = json!({"command": format!("countersign.{name}"), "arguments": [argument]});
        self.peer.start("workspace/executeCommand", params).1
    }

    async fn pump(self, mut incoming: mpsc::UnboundedReceiver<Incoming>) {
        while let Some(message) = incoming.recv().await {
            match message {
                Incoming::Request { id, method, params } => {
                    // Edit, its change and the answer in one step: nobody types in between.
                    let mut state = self.state();
                    let answer = match method.as_str() {
                        "workspace/applyEdit" => json!({"applied": state.apply(&self.peer, &params["edit"])}),
                        _ => Value::Null,
                    };
                    self.peer.respond(id, Ok(answer));
                }
                Incoming::Notification { method, params } => match method.as_str() {
                    "countersign/proposal" => self.state().learn(&params),
                    "window/showMessage" => {
                        let said = params["message"].as_str().unwrap_or_default().to_owned();
                        self.state().messages.push(said);
                    }
                    _ => {}
                },
            }
        }
    }

    /// Waits until every task has ended.
    async fn idle(&self) {
        let start = Instant::now();
        loop {
            let status = self.command("status", json!({})).await;
            let over = |task: &Value| matches!(task["state"].as_str(), Some("ended" | "failed" | "cancelled"));
            if status["tasks"].as_array().unwrap().iter().all(over) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "tasks do not end: {status}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl State {
    fn learn(&mut self, params: &Value) {
        let proposal = params["proposal"].as_str().unwrap().to_owned();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut hunks = Vec::new();
        for file in params["files"].as_array().unwrap() {
            for hunk in file["hunks"].as_array().unwrap() {
                self.shown.insert((proposal.clone(), text(&hunk["id"])));
                hunks.push(Pending {
                    proposal: proposal.clone(),
                    hunk: text(&hunk["id"]),
                    state: text(&hunk["state"]),
                    uri: text(&file["uri"]),
                    old: text(&hunk["old_text"]),
                });
            }
        }
        self.proposals.insert(proposal, hunks);
    }

    fn pending(&self) -> Vec<Pending> {
        self.proposals.values().flatten().filter(|hunk| hunk.state == "pending").cloned().collect()
    }
}

/// The texts: unicode fillers with a slot for the agent now and then; every third file with CRLF, every fourth without a last
/// line break.
fn texts(dice: &mut Dice) -> Vec<(String, String)> {
    let words = ["alpha", "naïve", "漢字", "𝄞 clef", "tab\there", "zero", "", "}", "e\u{301}"];
    let file = |at: usize, dice: &mut Dice| {
        let ending = if at.is_multiple_of(3) { "\r\n" } else { "\n" };
        let mut text = String::new();
        for slot in 0..SLOTS {
            for _ in 0..12 {
                text += &format!("{} {}{ending}", words[dice.roll(words.len())], words[dice.roll(words.len())]);
            }
            text += &format!("slot {at}-{slot:02}{ending}");
        }
        if at.is_multiple_of(4) { text.trim_end().to_owned() } else { text }
    };
    (0..FILES).map(|at| (format!("f{at}.txt"), file(at, dice))).collect()
}

/// The agent: each task edits its share of the slots, twelve calls a turn.
fn script() -> Vec<Value> {
    let slots: Vec<(usize, usize)> = (0..SLOTS).flat_map(|slot| (0..FILES).map(move |file| (file, slot))).collect();
    let mut answers = Vec::new();
    for share in slots.chunks(slots.len().div_ceil(TASKS)) {
        for turn in share.chunks(12) {
            let of = |(file, slot): &(usize, usize)| {
                let old = format!("slot {file}-{slot:02}");
                let new = match (file + slot) % 3 {
                    0 => format!("done {file}-{slot} 𝄞"),
                    1 => format!("done {file}-{slot}\n  and a second line\n  and a third, naïve"),
                    _ => format!("slot {file}-{slot:02}\nbehind {file}-{slot}"),
                };
                edit(&format!("f{file}.txt"), &[(&old, &new)])
            };
            answers.push(calls(&turn.iter().map(of).collect::<Vec<_>>()));
        }
        answers.push(say("Done."));
    }
    // At last every file is emptied: the old text of that hunk is the text that the server knows.
    let empty = |file: usize| ("write_file", json!({"path": format!("f{file}.txt"), "content": "", "overwrite": true}));
    answers.push(calls(&(0..FILES).map(empty).collect::<Vec<_>>()));
    answers.push(say("Emptied."));
    answers
}

/// A random edit of a text: start, end, new. Never between the two halves of a CRLF, where no editor puts the cursor.
fn typed(text: &str, dice: &mut Dice) -> (usize, usize, String) {
    let snap = |mut at: usize| {
        while !text.is_char_boundary(at)
            || (at > 0 && text.as_bytes()[at - 1] == b'\r' && text.as_bytes().get(at) == Some(&b'\n'))
        {
            at -= 1;
        }
        at
    };
    let pieces = ["x", "é", "漢", "𝄞", " ", "\n", "\r\n", "\t", "word", "two\nlines\n", "\u{301}", "\r\nthree\r\nlines\r\n"];
    let start = snap(dice.roll(text.len() + 1));
    let length = match dice.roll(12) {
        0..=6 => 0,
        7..=10 => dice.roll(8),
        _ => dice.roll(60),
    };
    let end = snap((start + length).min(text.len())).max(start);
    let new = if length > 0 && dice.one_in(2) { String::new() } else { pieces[dice.roll(pieces.len())].to_owned() };
    (start, end, new)
}

async fn storm(client: &Client, room: &Room, edits: usize, seed: u64) {
    let mut dice = Dice(seed);
    let files = texts(&mut dice);
    let uri = |name: &str| reqwest::Url::from_file_path(room.path(name)).unwrap().to_string();
    for (name, text) in &files {
        let document = json!({"uri": uri(name), "languageId": "x", "version": 0, "text": text});
        client.peer.notify("textDocument/didOpen", json!({"textDocument": document}));
        client.state().docs.push(Doc { uri: uri(name), version: 0, text: text.clone() });
    }
    let (mut answers, mut later) = (Vec::new(), Vec::new());
    let mut undo: Vec<(usize, (usize, usize, String), i64)> = Vec::new();
    for n in 0..edits {
        if n % (edits / TASKS) == 0 && n / (edits / TASKS) < TASKS {
            client.command("ask", json!({"prompt": "go"})).await;
        }
        {
            let mut state = client.state();
            let back = undo.pop().filter(|(doc, _, version)| state.docs[*doc].version == *version && dice.one_in(4));
            match back {
                Some((doc, edit, _)) => state.change(&client.peer, doc, &[edit]),
                None => {
                    let doc = dice.roll(FILES);
                    let (start, end, new) = typed(&state.docs[doc].text, &mut dice);
                    let old = state.docs[doc].text[start..end].to_owned();
                    let inverse = (start, start + new.len(), old);
                    state.change(&client.peer, doc, &[(start, end, new)]);
                    undo.push((doc, inverse, state.docs[doc].version));
                }
            }
        }
        if n % 16 == 0 {
            let pending = client.state().pending();
            if !pending.is_empty() {
                let one = &pending[dice.roll(pending.len())];
                let some: Vec<&str> = pending
                    .iter()
                    .filter(|hunk| hunk.proposal == one.proposal && (*hunk == one || dice.one_in(40)))
                    .map(|hunk| hunk.hunk.as_str())
                    .collect();
                let verb = if dice.one_in(6) { "reject" } else { "accept" };
                let answer = client.start(verb, json!({"proposal": one.proposal, "hunks": some}));
                // Now and then the user waits for what they decided; else they type on.
                if dice.one_in(2) { answers.push(answered(answer).await) } else { later.push(answer) }
            }
        }
        if n % 50 == 0 {
            client.command("status", json!({})).await;
        }
    }
    for answer in later {
        answers.push(answered(answer).await);
    }
    client.idle().await;
    // The rest, in one go for each task; then the stale ones.
    let proposals: Vec<String> = client.state().proposals.keys().cloned().collect();
    for proposal in proposals {
        answers.push(client.command("accept", json!({"proposal": proposal})).await);
        client.command("reject", json!({"proposal": proposal})).await;
    }
    let accepted: usize = answers.iter().filter_map(|answer| answer["accepted"].as_array()).map(Vec::len).sum();
    let before: Vec<(String, String)> = client.state().docs.iter().map(|doc| (doc.uri.clone(), doc.text.clone())).collect();

    client.command("ask", json!({"prompt": "empty"})).await;
    client.idle().await;
    let wait = async {
        loop {
            let known: BTreeMap<String, String> = {
                let state = client.state();
                let mut known = BTreeMap::<String, String>::new();
                for hunk in state.pending() {
                    known.entry(hunk.uri).or_default().push_str(&hunk.old);
                }
                known
            };
            if known.len() == FILES {
                return known;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let known = tokio::time::timeout(PATIENCE, wait).await.expect("every file is emptied");
    for (uri, text) in before {
        assert_eq!(known[&uri], text, "the server has another text of {uri} than the client");
    }
    let state = client.state();
    let staged = state.shown.len() - FILES;
    assert!(staged >= 200, "only {staged} hunks were staged");
    assert!(accepted >= 100, "only {accepted} hunks were accepted");
    assert_eq!(state.applied.len(), accepted, "what was applied and what counts as accepted differ");
    println!("{edits} edits, {staged} hunks, {accepted} accepted, {} edits refused for their version", state.refused);
}

async fn answered(answer: oneshot::Receiver<Result<Value, Refused>>) -> Value {
    let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer comes").expect("the server is there");
    answer.unwrap_or_else(|error| panic!("a decision is refused: {error}"))
}

/// What was applied, and what the record says was accepted.
fn compare(client: &Client, room: &Room) {
    let mut applied = client.state().applied.clone();
    // A line at the end of a file is sent as an insertion before the last line break, which comes to the same text.
    for (_, _, new) in applied.iter_mut().filter(|(_, old, _)| old.is_empty()) {
        for line_break in ["\r\n", "\n"] {
            if let Some(line) = new.strip_prefix(line_break) {
                *new = format!("{line}{line_break}");
                break;
            }
        }
    }
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let accepted = room.journal().into_iter().filter(|line| line["kind"] == "hunk.accepted");
    let mut accepted: Vec<_> = accepted.map(|line| (text(&line["path"]), text(&line["old"]), text(&line["new"]))).collect();
    applied.sort();
    accepted.sort();
    assert_eq!(applied, accepted);
}

fn client(peer: Peer, incoming: mpsc::UnboundedReceiver<Incoming>) -> Client {
    let client = Client { peer, state: Arc::default() };
    tokio::spawn(client.clone().pump(incoming));
    client
}

async fn initialize(client: &Client, folder: &Path) {
    let uri = reqwest::Url::from_file_path(folder).unwrap().to_string();
    let params = json!({
        "capabilities": {
            "general": {"positionEncodings": ["utf-16"]},
            "workspace": {"applyEdit": true, "workspaceEdit": {"documentChanges": true}, "workspaceFolders": true},
        },
        "initializationOptions": {"countersign": {"rich": true, "trusted": true}},
        "workspaceFolders": [{"uri": uri, "name": "w"}],
    });
    tokio::time::timeout(PATIENCE, client.peer.request("initialize", params)).await.unwrap().unwrap();
    client.peer.notify("initialized", json!({}));
}

/// A room whose files are on disk, and the SPEC of its model.
fn room(seed: u64) -> (Room, String) {
    let files = texts(&mut Dice(seed));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let room = Room::with(&files);
    let path = room.home.path().join("script.jsonl");
    std::fs::write(&path, script().iter().map(|answer| format!("{answer}\n")).collect::<String>()).unwrap();
    (room, format!("script:{}", path.display()))
}

async fn leave(client: &Client) {
    tokio::time::timeout(PATIENCE, client.peer.request("shutdown", Value::Null)).await.unwrap().unwrap();
    client.peer.notify("exit", Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_edits_in_memory() {
    const SEED: u64 = 0x5eed_0001;
    let (room, model) = room(SEED);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (from_client, to_client) = tokio::io::split(far);
    let state = |name: &str| room.home.path().join(name).join("countersign");
    let folders = Folders { config: state("config"), state: state("state"), cache: state("cache") };
    let paths = SandboxPaths { exe: env!("CARGO_BIN_EXE_countersign").into(), cache: folders.cache.clone() };
    let setup = Setup {
        environment: Environment::capture(),
        folders,
        config: Config::default().into(),
        model: Some(model),
        policy: None,
        record: None,
        max_iterations: None,
        sandbox: Arc::new(LinuxSandbox::new(paths)),
        clock: Arc::new(SystemClock::default()),
        policies: Policies::default(),
        keep_pending: true,
        watch_editor: false,
        pipe: None,
    };
    let serving = tokio::spawn(server::serve(from_client, to_client, setup));
    let (from_server, to_server) = tokio::io::split(near);
    let (peer, incoming) = Peer::connect(from_server, to_server);
    let client = client(peer, incoming);
    initialize(&client, &room.folder()).await;
    storm(&client, &room, 5000, SEED).await;
    leave(&client).await;
    tokio::time::timeout(PATIENCE, serving).await.expect("the server leaves").unwrap();
    compare(&client, &room);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_over_stdio() {
    const SEED: u64 = 0x5eed_0002;
    let (room, model) = room(SEED);
    let (mut child, to, from) = room.server(&["--model", &model]);
    let (peer, incoming) = Peer::connect(from, to);
    let client = client(peer, incoming);
    initialize(&client, &room.folder()).await;
    storm(&client, &room, 5000, SEED).await;
    leave(&client).await;
    assert_eq!(tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap().code(), Some(0));
    compare(&client, &room);
}

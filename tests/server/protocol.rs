//! What the server answers to clients that are wrong, rude, poor or lying, and what it does when it is badly set up.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use countersign::{server::peer::Peer, text::Edit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::lsp::{Choice, Editor, Habit, PATIENCE, able};

/// A home, a folder and scripted answers.
struct Lab {
    home: tempfile::TempDir,
    work: tempfile::TempDir,
}

impl Lab {
    fn new() -> Lab {
        let lab = Lab { home: tempfile::tempdir().unwrap(), work: tempfile::tempdir().unwrap() };
        fs::create_dir_all(lab.home.path().join("config/countersign")).unwrap();
        lab
    }

    fn folder(&self) -> PathBuf {
        self.work.path().canonicalize().unwrap()
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.folder().join(name), text).unwrap();
    }

    fn config(&self, name: &str, text: &str) {
        fs::write(self.home.path().join("config/countersign").join(name), text).unwrap();
    }

    fn script(&self, answers: &[Value]) -> String {
        let path = self.home.path().join("script.jsonl");
        fs::write(&path, answers.iter().map(|answer| format!("{answer}\n")).collect::<String>()).unwrap();
        format!("script:{}", path.display())
    }

    fn trust(&self) {
        let status = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["trust", "add"])
            .arg(self.folder())
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("XDG_STATE_HOME", self.home.path().join("state"))
            .output()
            .unwrap();
        assert!(status.status.success());
    }

    async fn editor(&self, arguments: &[&str]) -> Editor {
        Editor::spawn(self.home.path(), &self.folder(), arguments, &[]).await
    }
}

fn edit_turn(path: &str, old: &str, new: &str) -> Value {
    let call =
        json!({"type": "tool_use", "id": "e", "name": "edit_file", "input": {"path": path, "edits": [{"old": old, "new": new}]}});
    json!({"content": [call], "stop_reason": "tool_use"})
}

fn say(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"})
}

/// The first hunk of a file, once it is shown.
async fn hunk(editor: &Editor, path: &str) -> Value {
    let uri = editor.uri(path);
    let shown = editor.until("a hunk", |seen| seen.diagnostics(&uri).first().cloned()).await;
    json!({"proposal": shown["data"]["proposal"], "hunks": [shown["data"]["hunk"]]})
}

async fn ended(editor: &Editor) -> String {
    editor
        .until("the end of the task", |seen| seen.messages().into_iter().find(|message| message.starts_with("countersign ")))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_get_an_error_and_the_server_goes_on() {
    let lab = Lab::new();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_countersign"))
        .arg("lsp")
        .env("XDG_STATE_HOME", lab.home.path().join("state"))
        .env("XDG_CONFIG_HOME", lab.home.path().join("config"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let cases = [
        ("{not json", -32700),
        ("[1]", -32600),
        (r#"{"jsonrpc":"2.0","id":7}"#, -32600),
        (r#"{"jsonrpc":"1.0","id":8,"method":"x"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":9,"method":"textDocument/hover"}"#, -32002),
    ];
    for (body, code) in cases {
        to.write_all(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
        let answer = read(&mut from).await;
        assert_eq!(answer["error"]["code"], code, "{body} got {answer}");
    }
    let fine = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}"#;
    to.write_all(format!("Content-Length: {}\r\n\r\n{fine}", fine.len()).as_bytes()).await.unwrap();
    assert_eq!(read(&mut from).await["result"]["serverInfo"]["name"], "countersign");
    // Something that is no LSP at all ends the conversation with a word.
    to.write_all(b"GET / HTTP/1.1\r\nno colon here\r\n\r\n").await.unwrap();
    assert_eq!(read(&mut from).await["error"]["code"], -32700);
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(1));
}

async fn read(from: &mut tokio::process::ChildStdout) -> Value {
    let mut header = Vec::new();
    while !header.ends_with(b"\r\n\r\n") {
        header.push(tokio::time::timeout(PATIENCE, from.read_u8()).await.unwrap().unwrap());
    }
    let header = String::from_utf8(header).unwrap();
    let mut body = vec![0; header.trim().trim_start_matches("Content-Length: ").parse().unwrap()];
    from.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_commands_name_the_field() {
    let lab = Lab::new();
    let editor = lab.editor(&[]).await;
    editor.initialize(able(), Value::Null).await;
    let cases = [
        ("nothing", json!({}), "no command"),
        ("accept", json!({}), "proposal"),
        ("accept", json!({"proposal": 5}), "proposal"),
        ("accept", json!({"proposal": "p9"}), "p9"),
        ("accept", json!({"proposal": "p9", "hunk": "h1"}), "`hunk`"),
        ("reject", json!({"proposal": "p9", "hunks": "h1"}), "hunks"),
        ("ask", json!({"prompt": ""}), "prompt"),
        ("ask", json!({"prompt": "x", "mode": "destroy"}), "mode"),
        ("ask", json!({"prompt": "x", "session": "nope"}), "session"),
        ("runTask", json!({"name": "nope"}), "name"),
        ("steer", json!({"task": "t9", "message": "x"}), "task"),
        ("stop", json!({"task": "t9"}), "task"),
        ("showDiff", json!({"proposal": "p9"}), "proposal"),
        ("answer", json!({"code": "x", "choice": "y"}), "message requests"),
        ("undo", json!({"task": "t9"}), "t9"),
        ("dashboard", json!({}), "not available yet"),
    ];
    for (name, argument, part) in cases {
        let refused = editor.command(name, argument.clone()).await.expect_err("it is wrong");
        assert!(refused.message.contains(part), "{name} {argument}: {part:?} is not in {:?}", refused.message);
    }
    // The positive control.
    assert_eq!(editor.command("status", json!({})).await.unwrap()["tasks"], json!([]));
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_before_trust() {
    let lab = Lab::new();
    lab.file("a.txt", "one\n");
    let script = lab.script(&[edit_turn("a.txt", "one\n", "two\n"), say("Done.")]);
    let editor = lab.editor(&["--model", &script]).await;
    editor.initialize(able(), json!({"countersign": {"trusted": true}})).await;
    for (choice, part) in [
        (Choice::Title("Reject"), "did not trust"),
        (Choice::Null, "not trusted yet"),
        (Choice::Error(-32603), "not trusted yet"),
    ] {
        let before = editor.seen().messages().len();
        editor.answer("Trust", Duration::ZERO, choice);
        editor.command("ask", json!({"prompt": "go"})).await.unwrap();
        let said = editor.until("a refusal", |seen| seen.messages().get(before).cloned()).await;
        assert!(said.contains(part), "{said}");
        assert!(editor.hunks("a.txt").is_empty());
    }
    // Too fast is asked again; slow enough counts, and is remembered.
    editor.answer("Trust", Duration::ZERO, Choice::Title("Trust"));
    editor.answer("faster than it can be read", Duration::from_millis(1100), Choice::Title("Trust"));
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    hunk(&editor, "a.txt").await;
    assert_eq!(editor.seen().questions.len(), 5);
    assert_eq!(editor.quit().await, Some(0));
    let list = fs::read_to_string(lab.home.path().join("state/countersign/trust.json")).unwrap();
    assert!(list.contains(&lab.folder().display().to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_dialogs_is_told_the_command() {
    let lab = Lab::new();
    let script = lab.script(&[say("Done.")]);
    let editor = lab.editor(&["--model", &script]).await;
    editor.initialize(able(), Value::Null).await;
    editor.answer("Trust", Duration::ZERO, Choice::Error(-32601));
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let document = editor.until("the question's document", |seen| seen.documents.first().cloned()).await;
    let text = fs::read_to_string(reqwest::Url::parse(&document).unwrap().to_file_path().unwrap()).unwrap();
    assert!(text.contains("countersign trust add"), "{text}");
    assert!(!text.contains("countersign.answer"), "trust is never given by a code: {text}");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_policy_leaves_reading_and_says_the_line() {
    for (file, text, line) in
        [("policy.toml", "schema = 1\n\n[paths]\nsecrets = []\n", 3), ("config.toml", "[model]\nnam = \"x\"\n", 1)]
    {
        let lab = Lab::new();
        lab.file("a.txt", "one\n");
        lab.config(file, text);
        lab.trust();
        let script = lab.script(&[
            json!({"content": [
                {"type": "tool_use", "id": "r", "name": "read_file", "input": {"path": "a.txt"}},
                {"type": "tool_use", "id": "e", "name": "edit_file", "input": {"path": "a.txt", "edits": [{"old": "one", "new": "two"}]}},
                {"type": "tool_use", "id": "c", "name": "run", "input": {"command": "echo ran"}},
            ], "stop_reason": "tool_use"}),
            say("Done."),
        ]);
        if file == "config.toml" {
            // It may say where the model is, so no other one is asked in its place.
            let editor = lab.editor(&[]).await;
            editor.initialize(able(), Value::Null).await;
            editor.command("ask", json!({"prompt": "go"})).await.unwrap();
            let end = ended(&editor).await;
            assert!(end.contains("config.toml:2") && end.contains("no model is called"), "{end}");
            assert_eq!(editor.quit().await, Some(0));
        }
        let editor = lab.editor(&["--model", &script]).await;
        editor.initialize(able(), Value::Null).await;
        let said = editor.until("the problem", |seen| seen.messages().into_iter().find(|said| said.contains("read-only"))).await;
        assert!(said.contains(file) && said.contains(&format!("{}", line + 1)), "{said}");
        let shown = editor
            .until("the diagnostic", |seen| {
                seen.find("textDocument/publishDiagnostics", |params| params["uri"].as_str().unwrap().ends_with(file))
            })
            .await;
        assert_eq!(shown["diagnostics"][0]["range"]["start"]["line"], line, "{shown}");
        editor.command("ask", json!({"prompt": "go"})).await.unwrap();
        let end =
            editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.ends_with(": done. Done."))).await;
        assert!(!end.contains("to review"), "{end}");
        assert!(end.starts_with("countersign is read-only (") && end.contains(file), "why nothing came of it: {end}");
        assert!(editor.hunks("a.txt").is_empty());
        assert_eq!(editor.quit().await, Some(0));
        let journal = journal(&lab);
        assert!(journal.contains("1|one"), "reading still works: {journal}");
        assert!(!journal.contains("ran\\n"), "nothing runs: {journal}");
    }
}

fn journal(lab: &Lab) -> String {
    let folder = lab.home.path().join("state/countersign/journal");
    fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_offers_to_set_one_up_or_the_demo() {
    let lab = Lab::new();
    lab.trust();
    let editor = lab.editor(&[]).await;
    editor.initialize(able(), Value::Null).await;
    editor.answer("Setup", Duration::from_millis(1100), Choice::Title("Set up"));
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let end = ended(&editor).await;
    assert!(end.contains("set up"), "{end}");
    assert!(editor.seen().questions[0].contains("countersign demo"));
    let document = editor.until("the steps", |seen| seen.documents.last().cloned()).await;
    assert!(document.ends_with("setup.md"), "{document}");
    // What the steps say, and the same ask: nothing has to be started again.
    let script = lab.script(&[say("At your service.")]);
    lab.config("config.toml", &format!("[model]\nname = \"{script}\"\n"));
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    editor.until("the answer", |seen| seen.messages().into_iter().find(|said| said.contains("At your service."))).await;
    assert_eq!(editor.quit().await, Some(0));
}

/// Without dialogs the steps are the question: once they are done, its box lets the agent go on with what was asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_set_up_while_the_question_is_open_is_taken() {
    let lab = Lab::new();
    lab.trust();
    lab.config("config.toml", "[approval]\nmin_seconds = 0.0\n");
    let editor = lab.editor(&[]).await;
    editor.initialize(able(), Value::Null).await;
    editor.answer_all(Choice::Error(-32601));
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let document = editor.until("the question", |seen| seen.documents.last().cloned()).await;
    let path = reqwest::Url::parse(&document).unwrap().to_file_path().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("> Set a model up as it stands below. Then tick `Set up`"), "{text}");
    let script = lab.script(&[say("At your service.")]);
    lab.config("config.toml", &format!("[model]\nname = \"{script}\"\n[approval]\nmin_seconds = 0.0\n"));
    fs::write(&path, text.replace("[ ] Set up", "[x] Set up")).unwrap();
    editor.until("the answer", |seen| seen.messages().into_iter().find(|said| said.contains("At your service."))).await;
    assert_eq!(editor.quit().await, Some(0));
}

/// A typo is said when it is met, and nothing but reading is left until it is mended.
#[tokio::test(flavor = "multi_thread")]
async fn a_config_that_breaks_and_is_mended_counts_at_once() {
    let lab = Lab::new();
    lab.file("a.txt", "one\n");
    lab.trust();
    let edit = || edit_turn("a.txt", "one\n", "two\n");
    let script = lab.script(&[edit(), say("One."), edit(), say("Two.")]);
    let editor = lab.editor(&["--model", &script]).await;
    editor.initialize(able(), Value::Null).await;
    let ask = async |words: &str| {
        editor.command("ask", json!({"prompt": "go"})).await.unwrap();
        editor.until(words, |seen| seen.messages().into_iter().find(|said| said.contains(words))).await;
    };
    lab.config("config.toml", "[git]\nbrunch = \"agent\"\n");
    ask("One.").await;
    let said = editor.seen().messages().into_iter().find(|said| said.contains("read-only")).expect("it is said");
    assert!(said.contains("config.toml") && said.contains("brunch"), "{said}");
    assert!(editor.hunks("a.txt").is_empty());
    lab.config("config.toml", "[git]\nbranch = \"agent\"\n");
    ask("Two.").await;
    hunk(&editor, "a.txt").await;
    let seen = editor.seen();
    let about = |params: &Value| params["uri"].as_str().unwrap_or_default().ends_with("config.toml");
    let shown = seen.find("textDocument/publishDiagnostics", about).expect("it was shown");
    assert_eq!(seen.diagnostics(shown["uri"].as_str().unwrap()), Vec::<Value>::new(), "what is mended is shown no more");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acceptance_is_believed_when_the_text_shows_it() {
    for habit in [Habit::Honest, Habit::AnswersFirst, Habit::Liar, Habit::Refuses, Habit::Silent, Habit::Fails] {
        let lab = Lab::new();
        lab.file("a.txt", "one\n");
        lab.trust();
        let script = lab.script(&[edit_turn("a.txt", "one\n", "two\n"), say("Done.")]);
        let editor = lab.editor(&["--model", &script]).await;
        editor.initialize(able(), Value::Null).await;
        editor.open("a.txt", "one\n");
        editor.command("ask", json!({"prompt": "go"})).await.unwrap();
        let chosen = hunk(&editor, "a.txt").await;
        ended(&editor).await;
        editor.habit(habit);
        let answer = editor.command("accept", chosen.clone()).await.unwrap();
        let taken = matches!(habit, Habit::Honest | Habit::AnswersFirst);
        assert_eq!(answer["accepted"].as_array().unwrap().len(), usize::from(taken), "{habit:?}: {answer}");
        assert_eq!(answer["refused"].as_array().unwrap().len(), usize::from(!taken), "{habit:?}: {answer}");
        assert_eq!(editor.text("a.txt"), if taken { "two\n" } else { "one\n" }, "{habit:?}");
        let uri = editor.uri("a.txt");
        editor.until("what is pending", |seen| (seen.diagnostics(&uri).len() == usize::from(!taken)).then_some(())).await;
        if !taken {
            // It is pending again, and an honest client can take it.
            editor.habit(Habit::Honest);
            assert_eq!(editor.command("accept", chosen).await.unwrap()["refused"], json!([]), "{habit:?}");
            assert_eq!(editor.text("a.txt"), "two\n");
        }
        assert_eq!(editor.quit().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunk_whose_lines_the_user_edits_turns_stale() {
    let lab = Lab::new();
    lab.file("a.txt", "one\ntwo\n");
    lab.trust();
    let script = lab.script(&[edit_turn("a.txt", "two\n", "TWO\n"), say("Done.")]);
    let editor = lab.editor(&["--model", &script]).await;
    editor.initialize(able(), Value::Null).await;
    editor.open("a.txt", "one\ntwo\n");
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let chosen = hunk(&editor, "a.txt").await;
    ended(&editor).await;
    editor.replace("a.txt", "two", "two and a half");
    let uri = editor.uri("a.txt");
    editor
        .until("it says so", |seen| {
            seen.diagnostics(&uri).first().filter(|shown| shown["message"].as_str().unwrap().contains("stale")).cloned()
        })
        .await;
    let answer = editor.command("accept", chosen.clone()).await.unwrap();
    assert!(answer["refused"][0]["why"].as_str().unwrap().contains("stale"), "{answer}");
    assert_eq!(editor.text("a.txt"), "one\ntwo and a half\n");
    assert!(editor.seen().edits.is_empty(), "no edit was sent");
    // Both changed the same line: it cannot be proposed again, and says why.
    let again = editor.command("renew", chosen.clone()).await.unwrap();
    assert_eq!(again["renewed"], json!([]), "{again}");
    assert!(!again["refused"][0]["why"].as_str().unwrap().is_empty());
    assert_eq!(editor.command("reject", chosen).await.unwrap()["refused"], json!([]));
    assert_eq!(editor.quit().await, Some(0));
}

/// Where the user's words and the agent's are different ones, the stale hunk is proposed anew with both.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_hunk_is_proposed_again_on_the_users_lines() {
    let text = "start\none(a);\ntwo(b);\nend\n";
    let lab = Lab::new();
    lab.file("a.txt", text);
    lab.trust();
    let script = lab.script(&[edit_turn("a.txt", "one(a);\ntwo(b);\n", "ONE(a);\nTWO(b);\n"), say("Done.")]);
    let editor = lab.editor(&["--model", &script]).await;
    editor.initialize(able(), Value::Null).await;
    editor.open("a.txt", text);
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    let chosen = hunk(&editor, "a.txt").await;
    ended(&editor).await;
    editor.replace("a.txt", "two(b)", "two(bbb)");
    let uri = editor.uri("a.txt");
    editor
        .until("it is stale", |seen| {
            seen.diagnostics(&uri).into_iter().find(|shown| shown["message"].as_str().unwrap().contains("stale"))
        })
        .await;
    let again = editor.command("renew", chosen.clone()).await.unwrap();
    assert_eq!(again["refused"], json!([]), "{again}");
    let answer = json!({"proposal": chosen["proposal"], "hunks": [again["renewed"][0]["new"]]});
    assert_eq!(editor.command("accept", answer).await.unwrap()["refused"], json!([]));
    assert_eq!(editor.text("a.txt"), "start\nONE(a);\nTWO(bbb);\nend\n");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lightbulb_shows_hunks_and_questions_only() {
    let lab = Lab::new();
    lab.file("a.txt", "one\ntwo\nthree\n");
    let editor = lab.editor(&[]).await;
    editor.initialize(able(), Value::Null).await;
    editor.open("a.txt", "one\n// agent: do a thing\nthree\n");
    let at = |line: u32, trigger: u32, only: Value| {
        let range = json!({"start": {"line": line, "character": 0}, "end": {"line": line, "character": 3}});
        let mut context = json!({"diagnostics": [], "triggerKind": trigger});
        if !only.is_null() {
            context["only"] = only;
        }
        let request = json!({"textDocument": {"uri": editor.uri("a.txt")}, "range": range, "context": context});
        let (editor, request) = (&editor, request);
        async move {
            let actions = editor.bounded(editor.peer.request("textDocument/codeAction", request)).await.unwrap();
            let actions = actions.as_array().unwrap().clone();
            for action in &actions {
                assert!(action["isPreferred"].is_null() && action["edit"].is_null(), "{action}");
                assert!(!action["kind"].as_str().unwrap().starts_with("source"), "{action}");
            }
            actions.iter().map(|action| action["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(at(0, 2, Value::Null).await, Vec::<String>::new());
    assert_eq!(at(0, 1, json!(["source.fixAll"])).await, Vec::<String>::new());
    assert_eq!(at(0, 1, json!(["source.organizeImports"])).await, Vec::<String>::new());
    let invoked = at(1, 1, Value::Null).await;
    assert_eq!(invoked[0], "Do: do a thing");
    assert_eq!(invoked[invoked.len() - 2..], ["Ask agent...", "More tasks..."]);
    assert!(invoked.len() <= 7, "{invoked:?}");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_document_asks_without_a_plug_in() {
    let lab = Lab::new();
    lab.file("a.txt", "one\n");
    lab.trust();
    let script = lab.script(&[say("Here is what I think.")]);
    let editor = lab.editor(&["--model", &script]).await;
    editor.initialize(able(), Value::Null).await;
    let opened = editor.command("ask", json!({"uri": editor.uri("a.txt")})).await.unwrap();
    let path = reqwest::Url::parse(opened["document"].as_str().unwrap()).unwrap().to_file_path().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("[ ] send\n"), "{text}");
    let shown = editor.until("the document is opened", |seen| seen.documents.first().cloned()).await;
    assert_eq!(opened["document"], shown);
    // An empty text is not sent, an unticked one neither.
    fs::write(&path, text.replace("[ ] send", "[x] send")).unwrap();
    fs::write(&path, text.replace("[ ] send", "What is this?\n[ ] send")).unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(editor.command("status", json!({})).await.unwrap()["tasks"], json!([]));
    fs::write(&path, text.replace("[ ] send", "What is this?\n\n[x] send")).unwrap();
    assert!(ended(&editor).await.contains("Here is what I think."));
    assert!(path.exists(), "sent prompts are kept");
    assert_eq!(editor.quit().await, Some(0));
}

/// "Always" answers the same question again, until what the command would do changes; it is listed and can be revoked.
#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_answer_covers_exactly_what_was_granted() {
    let lab = Lab::new();
    lab.file("go.sh", "echo went\n");
    lab.trust();
    lab.config("policy.toml", "schema = 1\n[default]\nrun = \"ask\"\nwrite = \"allow\"\nread = \"allow\"\n");
    lab.config("config.toml", "[approval]\nmin_seconds = 0.0\n");
    let run = |id: &str, command: &str| json!({"content": [{"type": "tool_use", "id": id, "name": "run", "input": {"command": command}}], "stop_reason": "tool_use"});
    let script = lab.script(&[
        run("a", "sh go.sh"),
        run("b", "sh go.sh; true"),
        say("One."),
        run("c", "sh go.sh"),
        say("Two."),
        edit_turn("go.sh", "went", "came"),
        run("d", "sh go.sh"),
        say("Three."),
    ]);
    let editor = lab.editor(&["--model", &script]).await;
    editor.initialize(able(), Value::Null).await;
    let ask = async |part: &'static str| {
        editor.command("ask", json!({"prompt": "go"})).await.unwrap();
        editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.contains(part))).await;
        editor.seen().questions.len()
    };
    editor.answer("sh go.sh?", Duration::ZERO, Choice::Title("Always"));
    editor.answer("sh go.sh; true", Duration::ZERO, Choice::Title("Reject"));
    assert_eq!(ask("One.").await, 2, "another command is another question");
    assert_eq!(ask("Two.").await, 2, "the same command is not asked about again");
    editor.answer("sh go.sh?", Duration::ZERO, Choice::Title("Reject"));
    assert_eq!(ask("Three.").await, 3, "the script has changed");
    assert_eq!(editor.quit().await, Some(0));
    let grants = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"))
            .arg("grants")
            .args(arguments)
            .env("XDG_STATE_HOME", lab.home.path().join("state"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let list = grants(&["list"]);
    assert!(list.contains("sh go.sh"), "{list}");
    let journal = journal(&lab);
    assert!(journal.contains("\"kind\":\"grant.added\"") && journal.contains("\"kind\":\"grant.used\""));
    let id = list.split_whitespace().find(|word| word.len() == 8 && word.bytes().all(|b| b.is_ascii_hexdigit())).unwrap();
    grants(&["revoke", id]);
    assert!(!grants(&["list"]).contains("sh go.sh"));
}

/// The order of messages is kept however slow the requests between them are.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_edits_arrives_in_order() {
    let lab = Lab::new();
    lab.file("a.txt", "");
    lab.trust();
    let script = lab.script(&[
        json!({"content": [{"type": "tool_use", "id": "r", "name": "search", "input": {"pattern": "number", "mode": "count"}}], "stop_reason": "tool_use"}),
        json!({"content": [{"type": "tool_use", "id": "s", "name": "read_file", "input": {"path": "a.txt", "start_line": 1990}}], "stop_reason": "tool_use"}),
        say("Done."),
    ]);
    let editor = lab.editor(&["--model", &script]).await;
    editor.initialize(able(), Value::Null).await;
    editor.open("a.txt", "");
    for n in 0..2000 {
        let end = editor.text("a.txt").len();
        editor.edit("a.txt", Edit { range: end..end, new: format!("number {n}\n") });
        if n % 50 == 0 {
            // Requests in between, unanswered for now.
            drop(editor.peer.start(
                "textDocument/codeAction",
                json!({
                    "textDocument": {"uri": editor.uri("a.txt")}, "context": {"diagnostics": []},
                    "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}},
                }),
            ));
        }
    }
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    ended(&editor).await;
    assert_eq!(editor.quit().await, Some(0));
    let journal = journal(&lab);
    assert!(journal.contains("2000|number 1999"), "the last line is where it belongs");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_always_leaves() {
    // exit without shutdown, a closed stream, and the editor's death.
    let lab = Lab::new();
    for way in ["exit", "close"] {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_countersign"))
            .arg("lsp")
            .env("XDG_STATE_HOME", lab.home.path().join("state"))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (peer, _incoming) = Peer::connect(child.stdout.take().unwrap(), child.stdin.take().unwrap());
        tokio::time::timeout(PATIENCE, peer.request("initialize", json!({"capabilities": {}}))).await.unwrap().unwrap();
        if way == "exit" {
            peer.notify("exit", Value::Null);
        } else {
            peer.close();
        }
        let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it leaves").unwrap();
        assert_eq!(status.code(), Some(1), "{way}");
    }
}

/// An ask belongs to the folder of its file, else to the first that is open.
#[tokio::test(flavor = "multi_thread")]
async fn several_folders_come_and_go() {
    let lab = Lab::new();
    lab.trust();
    lab.file("a.txt", "one\n");
    let other = tempfile::tempdir().unwrap();
    let root = other.path().canonicalize().unwrap();
    fs::write(root.join("b.txt"), "two\n").unwrap();
    let trusted = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["trust", "add"])
        .arg(&root)
        .env("XDG_STATE_HOME", lab.home.path().join("state"))
        .output()
        .unwrap();
    assert!(trusted.status.success());
    // With two folders a path begins with its folder's name.
    let named = |folder: &Path, file: &str| format!("{}/{file}", folder.file_name().unwrap().to_str().unwrap());
    let (b, a) = (named(&root, "b.txt"), named(&lab.folder(), "a.txt"));
    let script = lab.script(&[edit_turn(&b, "two\n", "TWO\n"), say("One."), edit_turn(&a, "one\n", "ONE\n"), say("Two.")]);
    let editor = lab.editor(&["--model", &script]).await;
    editor.initialize(able(), Value::Null).await;
    let uri = |path: PathBuf| reqwest::Url::from_file_path(path).unwrap().to_string();
    let folder = json!({"uri": uri(root.clone()), "name": "other"});
    let event = |added: Value, removed: Value| json!({"event": {"added": added, "removed": removed}});
    editor.peer.notify("workspace/didChangeWorkspaceFolders", event(json!([folder]), json!([])));
    editor.command("ask", json!({"prompt": "go", "uri": uri(root.join("b.txt"))})).await.unwrap();
    let b = uri(root.join("b.txt"));
    editor.until("a hunk in the second folder", |seen| seen.diagnostics(&b).first().cloned()).await;
    editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.contains("One."))).await;
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    hunk(&editor, "a.txt").await;
    editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.contains("Two."))).await;
    // Without its only open folder there is nowhere to work.
    let first = json!({"uri": uri(lab.folder()), "name": "w"});
    editor.peer.notify("workspace/didChangeWorkspaceFolders", event(json!([]), json!([folder, first])));
    let refused = editor.command("ask", json!({"prompt": "go"})).await.expect_err("no folder is open");
    assert!(refused.message.contains("no folder is open"), "{refused}");
    assert_eq!(editor.quit().await, Some(0));
}

//! The ways to ask: the menu, a document, an answer that is remembered, a folder that came later.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use super::{ended, hunk, journal};
use crate::{
    lsp::Choice,
    room::{Room, calls, edit, say},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_lightbulb_shows_hunks_and_questions_only() {
    let room = Room::untrusted(&[("a.txt", "one\ntwo\nthree\n")]);
    let editor = room.modelless().await;
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
    let room = Room::with(&[("a.txt", "one\n")]);
    let editor = room.editor(&[say("Here is what I think.")]).await;
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
    let room = Room::with(&[("go.sh", "echo went\n")]);
    room.config("policy.toml", "schema = 1\n[default]\nrun = \"ask\"\nwrite = \"allow\"\nread = \"allow\"\n");
    room.config("config.toml", "[approval]\nmin_seconds = 0.0\n");
    let run = |command: &str| calls(&[("run", json!({"command": command}))]);
    let editor = room
        .editor(&[
            run("sh go.sh"),
            run("sh go.sh; true"),
            say("One."),
            run("sh go.sh"),
            say("Two."),
            calls(&[edit("go.sh", &[("went", "came")])]),
            run("sh go.sh"),
            say("Three."),
        ])
        .await;
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
            .env("XDG_STATE_HOME", room.home.path().join("state"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let list = grants(&["list"]);
    assert!(list.contains("sh go.sh"), "{list}");
    let journal = journal(&room);
    assert!(journal.contains("\"kind\":\"grant.added\"") && journal.contains("\"kind\":\"grant.used\""));
    let id = list.split_whitespace().find(|word| word.len() == 8 && word.bytes().all(|b| b.is_ascii_hexdigit())).unwrap();
    grants(&["revoke", id]);
    assert!(!grants(&["list"]).contains("sh go.sh"));
}

/// The same words in another folder are another command; and its files are those of that folder.
#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_answer_is_about_one_folder() {
    let room = Room::with(&[]);
    for name in ["one", "two"] {
        fs::create_dir(room.folder().join(name)).unwrap();
        fs::write(room.folder().join(name).join("go.sh"), format!("echo {name}\n")).unwrap();
    }
    room.config("policy.toml", "schema = 1\n[default]\nrun = \"ask\"\nwrite = \"allow\"\nread = \"allow\"\n");
    room.config("config.toml", "[approval]\nmin_seconds = 0.0\n");
    let run = |cwd: &str| calls(&[("run", json!({"command": "sh go.sh", "cwd": cwd}))]);
    let whole = format!("sh {}", room.folder().join("one/go.sh").display());
    let editor = room
        .editor(&[
            run("one"),
            run("two"),
            say("One."),
            run("one"),
            say("Two."),
            calls(&[("run", json!({"command": whole}))]),
            say("Three."),
            calls(&[edit("one/go.sh", &[("one", "ONE")])]),
            run("one"),
            calls(&[("run", json!({"command": whole}))]),
            say("Four."),
        ])
        .await;
    let ask = async |part: &'static str| {
        editor.command("ask", json!({"prompt": "go"})).await.unwrap();
        editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.contains(part))).await;
        editor.seen().questions.len()
    };
    editor.answer("sh go.sh in one?", Duration::ZERO, Choice::Title("Always"));
    editor.answer("sh go.sh in two?", Duration::ZERO, Choice::Title("Reject"));
    assert_eq!(ask("One.").await, 2, "another folder is another question");
    assert_eq!(ask("Two.").await, 2, "the same command is not asked about again");
    editor.answer("one/go.sh?", Duration::ZERO, Choice::Title("Always"));
    assert_eq!(ask("Three.").await, 3, "its whole path is another one");
    editor.answer("sh go.sh in one?", Duration::ZERO, Choice::Title("Reject"));
    editor.answer("one/go.sh?", Duration::ZERO, Choice::Title("Reject"));
    assert_eq!(ask("Four.").await, 5, "the script has changed, however it is named");
    assert_eq!(editor.quit().await, Some(0));
}

/// An ask belongs to the folder of its file, else to the first that is open.
#[tokio::test(flavor = "multi_thread")]
async fn several_folders_come_and_go() {
    let room = Room::with(&[("a.txt", "one\n")]);
    let other = tempfile::tempdir().unwrap();
    let root = other.path().canonicalize().unwrap();
    fs::write(root.join("b.txt"), "two\n").unwrap();
    room.trusts("add", &root);
    // With two folders a path begins with its folder's name.
    let named = |folder: &Path, file: &str| format!("{}/{file}", folder.file_name().unwrap().to_str().unwrap());
    let (b, a) = (named(&root, "b.txt"), named(&room.folder(), "a.txt"));
    let (first, second) = (calls(&[edit(&b, &[("two\n", "TWO\n")])]), calls(&[edit(&a, &[("one\n", "ONE\n")])]));
    let editor = room.editor(&[first, say("One."), second, say("Two.")]).await;
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
    let first = json!({"uri": uri(room.folder()), "name": "w"});
    editor.peer.notify("workspace/didChangeWorkspaceFolders", event(json!([]), json!([folder, first])));
    let refused = editor.command("ask", json!({"prompt": "go"})).await.expect_err("no folder is open");
    assert!(refused.message.contains("no folder is open"), "{refused}");
    assert_eq!(editor.quit().await, Some(0));
}

//! Checks and provenance with the whole server: what checks see, receipts that turn stale with the text, and hovers on accepted
//! lines that stand only as long as the lines do.

use std::{fs, path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{
    lsp::{Editor, Seen, able},
    support::model_double::{KEY, ModelDouble, SPEC, Turn},
};

const FILE: &str = "list.txt";
/// Passes on the user's unsaved text with both hunks, and only where no other command left its traces.
const CHECK: &str = "grep -q 'two, proposed' list.txt && grep -q 'nine, unsaved' list.txt && test ! -e out/made && \
                     grep -q untouched out/kept && echo '3 passed'\n";

struct Lab {
    root: tempfile::TempDir,
}

impl Lab {
    /// A trusted folder with two files, and a check in the user's configuration.
    fn new() -> Lab {
        let lab = Lab { root: tempfile::tempdir().unwrap() };
        for folder in ["w/out", "home/config/countersign"] {
            fs::create_dir_all(lab.path(folder)).unwrap();
        }
        fs::write(lab.path("home/config/countersign/config.toml"), "[checks]\ncommands = [\"sh check.sh\"]\n").unwrap();
        fs::write(lab.path("w/check.sh"), CHECK).unwrap();
        fs::write(lab.path("w/list.txt"), lines()).unwrap();
        fs::write(lab.path("w/other.txt"), "untouched\n").unwrap();
        // Of what commands write only this is no proposal, and stays for later commands.
        fs::write(lab.path("w/.gitignore"), "/out\n").unwrap();
        fs::write(lab.path("w/out/kept"), "untouched\n").unwrap();
        let mut trust = Command::new(env!("CARGO_BIN_EXE_countersign"));
        trust.env("XDG_CONFIG_HOME", lab.path("home/config")).env("XDG_STATE_HOME", lab.path("home/state"));
        assert!(trust.args(["trust", "add"]).arg(lab.path("w")).status().unwrap().success());
        lab
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(below)
    }

    /// An editor with unsaved text, after a task that proposes two hunks and whose own command left traces.
    async fn proposed(&self, options: Value) -> (Editor, ModelDouble) {
        let edits =
            json!([{"old": "two\n", "new": "two, proposed\ntwo and a half\n"}, {"old": "six\n", "new": "six, proposed\n"}]);
        let double = ModelDouble::start([
            Turn::call("r", "run", json!({"command": "touch out/made; echo gone > out/kept"})),
            Turn::call("s", "run", json!({"command": "test -e out/made && grep -q gone out/kept"})),
            Turn::new().text("The list lacks [a half](https://evil.example), so I add it.").tool(
                "e",
                "edit_file",
                json!({"path": FILE, "edits": edits}),
            ),
            Turn::call("f", "finish", json!({"summary": "Added a half."})),
        ]);
        let url = double.url();
        let environment = [("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", url.as_str())];
        let editor = Editor::spawn(&self.path("home"), &self.path("w"), &["--model", SPEC], &environment).await;
        let mut able = able();
        able["textDocument"]["hover"] = json!({"contentFormat": ["markdown", "plaintext"]});
        editor.initialize(able, options).await;
        editor.open(FILE, &lines());
        editor.open("other.txt", "untouched\n");
        editor.replace(FILE, "nine\n", "nine, unsaved\n");
        editor.command("ask", json!({"prompt": "Add _half_ of it.", "uri": editor.uri(FILE)})).await.unwrap();
        editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.contains("Added a half"))).await;
        let results = double.last().results();
        assert!(
            double.requests()[2].results()[0].1.starts_with("exit code 0"),
            "control: the model's own walls keep it: {results:?}"
        );
        (editor, double)
    }
}

fn lines() -> String {
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"].map(|line| format!("{line}\n")).concat()
}

fn rich() -> Value {
    json!({"countersign": {"rich": true}})
}

/// The newest proposal that a rich client was told.
fn proposal(seen: &Seen) -> Option<Value> {
    seen.notifications.iter().rev().find(|(method, _)| method == "countersign/proposal").map(|(_, params)| params.clone())
}

async fn until_fresh(editor: &Editor, fresh: bool) -> Value {
    editor.until("the receipt's state", |seen| proposal(seen).filter(|now| now["receipts"][0]["fresh"] == fresh)).await
}

async fn hover(editor: &Editor, line: usize) -> Value {
    let params = json!({"textDocument": {"uri": editor.uri(FILE)}, "position": {"line": line, "character": 1}});
    editor.bounded(editor.peer.request("textDocument/hover", params)).await.unwrap()
}

async fn lens(editor: &Editor) -> Vec<String> {
    let params = json!({"textDocument": {"uri": editor.uri(FILE)}});
    let lenses = editor.bounded(editor.peer.request("textDocument/codeLens", params)).await.unwrap();
    let titles = lenses.as_array().unwrap().iter().map(|lens| lens["command"]["title"].as_str().unwrap().to_owned());
    titles.filter(|title| title.contains("check.sh")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_run_on_exactly_the_proposed_text_and_go_stale_with_it() {
    let lab = Lab::new();
    let (editor, double) = lab.proposed(rich()).await;
    let told = until_fresh(&editor, true).await;
    let receipt = &told["receipts"][0];
    assert_eq!(
        (&receipt["command"], &receipt["exit"], &receipt["summary"]),
        (&json!("sh check.sh"), &json!(0), &json!("3 passed"))
    );
    assert_eq!(receipt["digest"].as_str().unwrap().len(), 64);
    assert_eq!(told["files"][0]["hunks"].as_array().unwrap().len(), 2, "the hunks are still pending");

    // Typing anywhere makes it stale, undoing makes it true again.
    editor.replace("other.txt", "untouched", "touched");
    until_fresh(&editor, false).await;
    editor.replace("other.txt", "touched", "untouched");
    until_fresh(&editor, true).await;
    editor.replace(FILE, "ten\n", "ten, typed\n");
    until_fresh(&editor, false).await;
    editor.replace(FILE, "ten, typed\n", "ten\n");
    let now = until_fresh(&editor, true).await;
    // So does a rejected hunk.
    let hunk = now["files"][0]["hunks"][1]["id"].clone();
    editor.command("reject", json!({"proposal": now["proposal"], "hunks": [hunk]})).await.unwrap();
    until_fresh(&editor, false).await;
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
    let journal: String = fs::read_dir(lab.path("home/state/countersign/journal"))
        .unwrap()
        .filter_map(|file| fs::read_to_string(file.unwrap().path()).ok())
        .collect();
    assert!(journal.contains("\"kind\":\"check.result\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_in_words_and_provenance_on_hover() {
    let lab = Lab::new();
    let (editor, _double) = lab.proposed(Value::Null).await;
    let closing = editor.seen().messages().into_iter().find(|message| message.contains("Added a half")).unwrap();
    assert!(closing.contains("sh check.sh: ok in ") && closing.contains(" s on exactly this text"), "{closing}");
    let shown = lens(&editor).await;
    assert!(matches!(&shown[..], [one] if one.contains("on exactly this text")), "one lens: {shown:?}");
    let pending = hover(&editor, 1).await["contents"]["value"].as_str().unwrap().to_owned();
    assert!(pending.starts_with("Pending change -1 +2") && !pending.contains("Accepted by"), "{pending}");
    assert!(pending.contains("\n-two\n+two, proposed\n+two and a half\n"), "{pending}");
    assert_eq!(hover(&editor, 3).await, Value::Null, "the user's own line");

    // Accepting one of two hunks leaves the text that was checked.
    let uri = editor.uri(FILE);
    let hunks = editor.until("two hunks", |seen| Some(seen.diagnostics(&uri)).filter(|all| all.len() == 2)).await;
    let data = &hunks[0]["data"];
    let diff = editor.command("showDiff", json!({"proposal": data["proposal"]})).await.unwrap();
    let diff = reqwest::Url::parse(diff["document"].as_str().unwrap()).unwrap().to_file_path().unwrap();
    let diff = fs::read_to_string(diff).unwrap();
    let head = diff.lines().nth(1).unwrap();
    assert!(head.starts_with("# sh check.sh: ok in") && head.ends_with("on exactly this text [3 passed]"), "{diff}");
    editor.command("accept", json!({"proposal": data["proposal"], "hunks": [data["hunk"]]})).await.unwrap();
    assert!(lens(&editor).await[0].contains("on exactly this text"));

    // Both accepted lines tell where they come from; their neighbours do not.
    let told = hover(&editor, 1).await["contents"].clone();
    assert_eq!(told["kind"], "markdown");
    let words = told["value"].as_str().unwrap().replace('\\', "");
    for part in [
        "Add _half_ of it.",
        "The list lacks [a half]",
        "sh check.sh: ok in",
        "on exactly this text",
        "Accepted by ",
        "UTC",
        "Model: ",
    ] {
        assert!(words.contains(part), "{part:?} is not in {words}");
    }
    assert!(told["value"].as_str().unwrap().contains(r"\[a half\]\(https\://evil.example)"), "no link: {told}");
    assert_eq!(hover(&editor, 2).await["contents"], told);
    let pending = hover(&editor, 6).await["contents"]["value"].as_str().unwrap().to_owned();
    assert!(pending.contains("\n```diff\n-six\n+six, proposed\n```\n") && !pending.contains("](https"), "{pending}");
    for line in [0, 3, 5, 11, 400] {
        assert_eq!(hover(&editor, line).await, Value::Null, "line {line}");
    }

    // They follow typing above, and typing beside them at their ends.
    editor.replace(FILE, "one\n", "zero\none\n");
    editor.replace(FILE, "two and a half\n", "two and a half\ntyped below\n");
    for (line, stands) in [(1, false), (2, true), (3, true), (4, false)] {
        assert_eq!(!hover(&editor, line).await.is_null(), stands, "line {line}");
    }
    let value = hover(&editor, 2).await["contents"]["value"].as_str().unwrap().replace('\\', "");
    assert!(value.contains("(older than the text)"), "{value}");
    assert!(lens(&editor).await[0].contains("(older than the text)"));

    // A line that the user edits is the user's; the other one stays. Undoing does not make it the agent's again.
    editor.replace(FILE, "two, proposed\n", "two, edited\n");
    assert_eq!(hover(&editor, 2).await, Value::Null);
    assert!(!hover(&editor, 3).await.is_null());
    assert_eq!(editor.quit().await, Some(0));
}

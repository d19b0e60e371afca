//! What stands in the menu, and when nothing does: no lightbulb where nothing is to decide, no run that nobody chose.

use std::fs;

use serde_json::{Value, json};

use super::desk::{Bare, Desk, FILE, TEXT, read, tick, titles};
use crate::support::model_double::{ModelDouble, Turn};

fn diagnostic() -> Value {
    let range = json!({"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 3}});
    json!({"range": range, "severity": 1, "source": "somebody", "message": "wrong"})
}

/// What choosing an entry starts at once.
fn starts_a_run(action: &Value) -> bool {
    let (name, argument) = (action["command"]["command"].as_str().unwrap(), &action["command"]["arguments"][0]);
    match name.trim_start_matches("countersign.") {
        "ask" => !argument["prompt"].is_null(),
        "runTask" => argument["name"] != "more",
        "continue" | "retry" | "queue" => true,
        _ => false,
    }
}

/// Every filter that editors send by themselves, and some that people type.
const KINDS: &[&str] = &[
    "",
    "quickfix",
    "quickfix.biome",
    "refactor",
    "refactor.extract",
    "refactor.countersign",
    "refactor.countersign.ask",
    "refactor.countersign.explain",
    "refactor.countersign.continue",
    "source",
    "source.fixAll",
    "source.fixAll.eslint",
    "source.organizeImports",
    "notebook",
];

async fn nothing_starts_by_itself(bare: &Bare, lines: u32) {
    let ranges = (0..lines).flat_map(|line| {
        [0, 3].map(|end| json!({"start": {"line": line, "character": 0}, "end": {"line": line, "character": end}}))
    });
    let all = json!({"start": {"line": 0, "character": 0}, "end": {"line": lines, "character": 0}});
    for range in ranges.chain([all]) {
        for diagnostics in [json!([]), json!([diagnostic()])] {
            let ask = async |mut extra: Value| {
                extra["diagnostics"] = diagnostics.clone();
                bare.menu_over(range.clone(), extra).await
            };
            let lightbulb = ask(json!({"triggerKind": 2})).await;
            assert!(!lightbulb.iter().any(starts_a_run), "{:?}", titles(&lightbulb));
            for kind in KINDS {
                // On save.
                let found = ask(json!({"triggerKind": 2, "only": [kind]})).await;
                assert_eq!(titles(&found), Vec::<String>::new(), "on save with {kind:?}");
                // `apply = true` takes what stands alone.
                let found = ask(json!({"only": [kind]})).await;
                assert!(found.len() != 1 || !starts_a_run(&found[0]), "{kind:?} leaves {:?} alone", titles(&found));
                if kind.starts_with("source") || ["quickfix.biome", "refactor.extract", "notebook"].contains(kind) {
                    assert_eq!(titles(&found), Vec::<String>::new(), "{kind:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_state_has_a_short_menu_and_no_run_starts_by_itself() {
    let desk = Desk::new();
    let double = ModelDouble::start([
        Turn::call(
            "e",
            "edit_file",
            json!({"path": FILE, "edits": [{"old": "two\n", "new": "TWO\n"}, {"old": "six\n", "new": "SIX\n"}]}),
        ),
        Turn::say("Two changes."),
        Turn::call("r", "run", json!({"command": "sleep 60"})),
    ]);
    let bare = desk.bare(&double, true).await;
    let none = Vec::<String>::new();
    let lightbulb = async |line: u32| titles(&bare.menu(line, json!({"triggerKind": 2})).await);
    let selected = json!({"start": {"line": 0, "character": 0}, "end": {"line": 1, "character": 0}});

    // Nobody trusts the folder yet.
    assert_eq!(bare.titles(0).await, ["Trust this folder...", "Ask agent...", "More tasks..."]);
    assert_eq!(lightbulb(0).await, none);
    desk.trust();

    // Nothing has happened. A client that names no trigger is a person's.
    assert_eq!(bare.titles(0).await, ["Ask agent...", "More tasks..."]);
    assert_eq!(titles(&bare.menu(0, json!({"triggerKind": null})).await), ["Ask agent...", "More tasks..."]);
    let with_selection = ["Add unit tests", "Document", "Explain", "Refactor", "Ask agent...", "More tasks..."];
    assert_eq!(titles(&bare.menu_over(selected.clone(), json!({})).await), with_selection);
    let with_diagnostic = titles(&bare.menu(0, json!({"diagnostics": [diagnostic()]})).await);
    assert_eq!(with_diagnostic, ["Fix this problem", "Ask agent...", "More tasks..."]);
    let fixes = titles(&bare.menu(0, json!({"diagnostics": [diagnostic()], "only": ["quickfix"]})).await);
    assert_eq!(fixes, ["Fix this problem", "Ask agent..."], "never alone");
    nothing_starts_by_itself(&bare, 3).await;

    // Two hunks wait.
    bare.editor.command("ask", json!({"prompt": "Shout."})).await.unwrap();
    bare.says("countersign done").await;
    bare.hunks(2).await;
    let decide = ["Accept change", "Reject change", "Reject with a reason...", "Show diff", "Accept file", "Reject file"];
    assert_eq!(lightbulb(1).await, decide);
    assert_eq!(lightbulb(0).await, none);
    let on_hunk = bare.titles(1).await;
    assert_eq!(on_hunk[..6], decide);
    let both = json!({"start": {"line": 1, "character": 0}, "end": {"line": 5, "character": 1}});
    let over_both = titles(&bare.menu_over(both, json!({})).await);
    assert_eq!(over_both[..2], ["Accept changes (2)", "Reject changes (2)"], "{over_both:?}");
    assert_eq!(on_hunk[6..], ["Retry with a note...", "Show transcript", "Agent: more...", "Ask agent...", "More tasks..."]);
    nothing_starts_by_itself(&bare, 6).await;

    // One is accepted: a commit is the next step. The other stands alone in its file, so there is no "file".
    bare.choose(1, "Accept change").await.unwrap();
    bare.hunks(1).await;
    let after = [
        "Commit accepted changes...",
        "Retry with a note...",
        "Take back accepted changes",
        "Show transcript",
        "Agent: more...",
        "Ask agent...",
        "More tasks...",
    ];
    assert_eq!(bare.titles(0).await, after);
    // Taken back with the editor's undo there is nothing to commit, until it is done again.
    bare.editor.replace(FILE, "TWO\n", "two\n");
    let taken_back = bare.titles(0).await;
    assert!(taken_back[0] == after[1] && !taken_back.contains(&after[0].to_owned()), "{taken_back:?}");
    bare.editor.replace(FILE, "two\n", "TWO\n");
    assert_eq!(bare.titles(0).await, after);
    assert_eq!(lightbulb(5).await, ["Accept change", "Reject change", "Reject with a reason...", "Show diff"]);
    let full = titles(&bare.menu_over(selected.clone(), json!({})).await);
    assert_eq!(full[..3], ["Add unit tests", "Document", "Explain"], "{full:?}");
    assert_eq!(full[3..], ["Refactor", "Commit accepted changes...", "Agent: more...", "Ask agent...", "More tasks..."]);
    assert_eq!(lightbulb(0).await, none);

    // A task runs.
    bare.editor.command("ask", json!({"prompt": "Wait."})).await.unwrap();
    bare.editor.bounded(double.requested(3)).await;
    let running = bare.titles(0).await;
    assert_eq!(running[..3], ["Stop the agent", "Tell the agent...", "Commit accepted changes..."], "{running:?}");
    assert!(running.len() <= 8, "{running:?}");
    assert_eq!(lightbulb(0).await, none);

    // A question is open, too: in every file, also on the lightbulb.
    bare.choose(0, "Commit accepted changes...").await.unwrap();
    bare.document().await;
    let question = lightbulb(0).await;
    assert!(question.len() == 1 && question[0].starts_with("Show question: Commit a.txt to branch work?"), "{question:?}");
    let fullest = bare.titles(5).await;
    assert!(fullest[4].starts_with("Show question") && fullest.len() <= 10, "{fullest:?}");
    nothing_starts_by_itself(&bare, 6).await;
    bare.choose(0, "Stop the agent").await.unwrap();
    bare.says("countersign stopped").await;
    assert_eq!(double.requests().len(), 3, "no menu started a run");
    assert_eq!(bare.editor.text(FILE), TEXT.replace("two", "TWO"));
    assert_eq!(bare.editor.quit().await, Some(0));
}

/// Two tasks want the same line: each entry says whose change it is about. Where only one has a change nothing is added.
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_two_tasks_on_one_line_are_told_apart() {
    let desk = Desk::trusted();
    let edit = |id, old, new| {
        let edits = json!([{"old": "two\n", "new": new}, {"old": old, "new": "changed\n"}]);
        Turn::call(id, "edit_file", json!({"path": FILE, "edits": edits}))
    };
    let double =
        ModelDouble::start([edit("a", "four\n", "TWO\n"), Turn::say("Loud."), edit("b", "six\n", "2\n"), Turn::say("Short.")]);
    let bare = desk.bare(&double, true).await;
    bare.editor.command("ask", json!({"prompt": "Shout."})).await.unwrap();
    bare.says("Loud.").await;
    bare.hunks(2).await;
    assert_eq!(bare.titles(1).await[..2], ["Accept change", "Reject change"]);
    let second = bare.editor.command("ask", json!({"prompt": "Count."})).await.unwrap()["task"].as_str().unwrap().to_owned();
    bare.says("Short.").await;
    bare.hunks(4).await;
    let (here, alone) = (bare.titles(1).await, bare.titles(5).await);
    for title in ["Accept change", "Reject change", "Reject with a reason", "Show diff", "Accept file"] {
        assert!(here.contains(&format!("{title}: Count. ({second})")), "{title}: {here:?}");
        let of_first = here.iter().filter(|entry| entry.starts_with(&format!("{title}: Shout. (t"))).count();
        assert_eq!((of_first, here.iter().any(|entry| entry == title)), (1, false), "{title}: {here:?}");
    }
    assert_eq!(alone[..2], ["Accept change", "Reject change"], "{alone:?}");
    bare.choose(1, "Accept change: Count.").await.unwrap();
    assert!(bare.editor.text(FILE).starts_with("one\n2\nthree\n"), "{}", bare.editor.text(FILE));
    assert_eq!(bare.editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rich_client_has_its_own_places_for_tasks() {
    let desk = Desk::trusted();
    let double = ModelDouble::start([Turn::say("Done.")]);
    let url = double.url();
    let home = desk.path("home");
    let environment = [
        ("HOME", home.to_str().unwrap()),
        ("ANTHROPIC_API_KEY", crate::support::model_double::KEY),
        ("ANTHROPIC_BASE_URL", &url),
    ];
    let arguments = ["--model", crate::support::model_double::SPEC];
    let editor = crate::lsp::Editor::spawn(&home, &desk.path("w"), &arguments, &environment).await;
    editor.initialize(crate::lsp::able(), json!({"countersign": {"rich": true, "protocol": 1}})).await;
    editor.open(FILE, TEXT);
    editor.command("ask", json!({"prompt": "go"})).await.unwrap();
    editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.starts_with("countersign done"))).await;
    let range = json!({"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}});
    let request =
        json!({"textDocument": {"uri": editor.uri(FILE)}, "range": range, "context": {"diagnostics": [], "triggerKind": 1}});
    let menu = editor.bounded(editor.peer.request("textDocument/codeAction", request)).await.unwrap();
    assert_eq!(titles(menu.as_array().unwrap()), ["Ask agent...", "More tasks..."]);
    assert_eq!(editor.quit().await, Some(0));
}

/// Changes of files that no cursor can stand in (a new one, one to delete, one that steers tools) are told, and decided in the
/// document of `Agent: more...`.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_place_for_a_cursor_is_decided_in_the_document() {
    let desk = Desk::trusted();
    fs::write(desk.path("w/old.txt"), "old\n").unwrap();
    let write = |turn: Turn, id: &str, path: &str| turn.tool(id, "write_file", json!({"path": path, "content": "new\n"}));
    let propose = || {
        let turn = write(write(Turn::new(), "a", "new.txt"), "b", "Makefile");
        turn.tool("c", "file_op", json!({"op": "delete", "path": "old.txt"}))
    };
    let double = ModelDouble::start([propose(), Turn::say("Proposed."), propose(), Turn::say("Again.")]);
    let bare = desk.bare(&double, true).await;
    let more = async || {
        bare.choose(0, "Agent: more...").await.unwrap();
        bare.document().await
    };
    let take = |path: &std::path::Path, words: &str| {
        let text = read(path);
        let line = text.lines().find_map(|line| line.strip_prefix("[ ] ").filter(|line| line.starts_with(words)));
        tick(path, line.unwrap_or_else(|| panic!("no {words:?} in {text}")));
    };
    let there = |name: &str| desk.path("w").join(name).exists();
    let until = async |done: &dyn Fn() -> bool| {
        bare.editor
            .bounded(async {
                while !done() {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await
                }
            })
            .await;
    };
    for (words, said) in [("One.", "Proposed."), ("Two.", "Again.")] {
        bare.ask(words).await;
        let told = bare.says(said).await;
        assert!(told.contains("3 changes to review in Makefile, new.txt and 1 more."), "{told}");
        let path = more().await;
        assert!(read(&path).contains("  - new.txt: 1 to review\n"), "{}", read(&path));
        if said == "Proposed." {
            take(&path, "Reject all");
            until(&|| desk.journal().matches("\"kind\":\"hunk.rejected\"").count() == 3).await;
            assert!(!there("new.txt") && !there("Makefile") && there("old.txt"));
        } else {
            take(&path, "Accept all");
            until(&|| there("new.txt") && !there("old.txt")).await;
            assert!(!there("Makefile"), "what steers tools is accepted by itself");
            take(&more().await, "Accept h2 of Makefile");
            until(&|| there("Makefile")).await;
        }
    }
    assert_eq!(bare.editor.quit().await, Some(0));
}

//! A command of the agent changes files while the user types: hunks, stale ones, what is denied, and what the next command sees.

use std::{fs, process::Command};

use serde_json::json;

use crate::{
    lsp::{Editor, able},
    support::{
        model_double::{KEY, ModelDouble, SPEC, Turn},
        visible,
    },
};

fn lines() -> String {
    (1..=30).map(|n| format!("line {n}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_command_are_hunks_that_follow_typing_and_the_policy() {
    let (home, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Commands see it, read-only: here the test says when the user has typed.
    let outside = tempfile::tempdir_in(visible::place()).unwrap();
    let folder = work.path().canonicalize().unwrap();
    for (path, text) in
        [("list.txt", lines().as_str()), ("old.txt", "moved\n"), ("run.sh", "#!/bin/sh\n"), (".gitignore", "*.o\n")]
    {
        fs::write(folder.join(path), text).unwrap();
    }
    let trusted = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .env("XDG_CONFIG_HOME", home.path().join("config"))
        .env("XDG_STATE_HOME", home.path().join("state"))
        .args(["trust", "add"])
        .arg(&folder)
        .status();
    assert!(trusted.unwrap().success());

    fs::write(
        folder.join("change.sh"),
        "echo started\nwhile [ ! -e \"$1\" ]; do sleep 0.05; done\n\
         sed -i 's/^line 3$/line three/; s/^line 20$/line twenty/' list.txt\n\
         mv old.txt new.txt; chmod +x run.sh; echo made > made.txt; echo o > made.o\n\
         mkdir -p .vscode .git/hooks; echo '{}' > .vscode/tasks.json; echo K=1 > .env; echo evil > .git/hooks/pre-commit\n\
         mkfifo pipe; ln -s /etc/passwd link; exit 3\n",
    )
    .unwrap();
    let go_file = outside.path().join("go");
    let look = |id: &str| Turn::call(id, "run", json!({"command": "cat list.txt; ls; cat made.o"}));
    let (second, go_second) = Turn::held(look("b"));
    let (third, go_third) = Turn::held(look("c"));
    let double = ModelDouble::start([
        Turn::call("a", "run", json!({"command": format!("sh change.sh {}", go_file.display())})),
        second,
        third,
        Turn::say("Done."),
    ]);
    let url = double.url();
    let editor =
        Editor::spawn(home.path(), &folder, &["--model", SPEC], &[("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", &url)])
            .await;
    editor.initialize(able(), json!({"countersign": {"rich": true, "protocol": 1}})).await;
    editor.open("list.txt", &lines());
    let uri = editor.uri("list.txt");
    editor.command("ask", json!({"prompt": "Change things.", "uri": uri})).await.unwrap();

    // The command runs; the user types next to one of its changes and into the other.
    editor
        .until("the command runs", |seen| {
            seen.find("countersign/update", |data| data["kind"] == "tool_output" && data.to_string().contains("started"))
        })
        .await;
    editor.replace("list.txt", "line 2\n", "line 2\nline 2 and a half\n");
    editor.replace("list.txt", "line 20\n", "line 20 typed\n");
    fs::write(&go_file, "").unwrap();

    editor.bounded(double.requested(2)).await;
    let result = double.requests()[1].results()[0].1.clone();
    for part in [
        "exit code 3",
        "list.txt (-2 +2) h",
        "(stale, since the user edited the same lines meanwhile: h",
        "old.txt -> new.txt (moved) h",
        "run.sh (executable) h",
        "made.txt (new +1) h",
        ".vscode/tasks.json (new +1) h",
        "(one by one: the policy asks)",
        ".env: denied by the policy, rule secret",
        "pipe: a pipe",
        "link: a symbolic link",
        "is stale: the user edited the same lines",
    ] {
        assert!(result.contains(part), "{part:?} is not in {result}");
    }
    assert!(!result.contains("made.o") && !result.contains("hooks"), "{result}");
    let (proposal, hunk) = editor
        .until("the hunk in the open file", |seen| {
            let told = seen.find("countersign/proposal", |told| told.to_string().contains("line three"))?;
            let hunks = told["files"].as_array()?.iter().flat_map(|file| file["hunks"].as_array().cloned().unwrap_or_default());
            let hunk = hunks.into_iter().find(|hunk| hunk["new_text"] == "line three\n")?;
            Some((told["proposal"].clone(), hunk["id"].clone()))
        })
        .await;

    // The next command sees each change once, and the user's text where both changed it.
    go_second.send(()).unwrap();
    editor.bounded(double.requested(3)).await;
    let seen = double.requests()[2].results()[0].1.clone();
    for part in ["line 2 and a half\nline three\n", "line 20 typed\n", "\nnew.txt\n", "\nmade.txt\n", "\no\n"] {
        assert!(seen.contains(part), "{part:?} is not in {seen}");
    }
    assert!(!seen.contains("line twenty") && !seen.contains("old.txt") && !seen.contains("proposed"), "{seen}");

    // A rejected change is gone from the shadow.
    editor.command("reject", json!({"proposal": proposal, "hunks": [hunk]})).await.unwrap();
    go_third.send(()).unwrap();
    editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.contains("Done"))).await;
    let seen = double.requests()[3].results()[0].1.clone();
    assert!(seen.contains("line 2 and a half\nline 3\n") && seen.contains("line 20 typed\n"), "{seen}");
    assert_eq!(fs::read_to_string(folder.join("list.txt")).unwrap(), lines(), "the disk is the user's");
    assert!(folder.join("old.txt").exists() && !folder.join("made.txt").exists());
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
}

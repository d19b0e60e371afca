//! Commit and push: a person decides on exactly what runs, a no is remembered, and what moved is not pushed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    lsp::{Choice, Editor, able},
    support::model_double::{KEY, ModelDouble, SPEC, Turn},
};

/// Longer than the time in which an approval is not believed.
const READING: Duration = Duration::from_millis(250);

struct Lab {
    root: tempfile::TempDir,
}

impl Lab {
    /// A repository on branch `work` with a bare remote, trusted, and a user's configuration.
    fn new() -> Lab {
        let lab = Lab { root: tempfile::tempdir().unwrap() };
        for folder in ["w", "home/config/countersign", "home/config/git"] {
            fs::create_dir_all(lab.path(folder)).unwrap();
        }
        fs::write(lab.path("home/config/git/config"), "[user]\n\tname = Test\n\temail = test@example.org\n").unwrap();
        fs::write(
            lab.path("home/config/countersign/config.toml"),
            "[git]\nallow_file_remotes = true\n[approval]\nmin_seconds = 0.2\n",
        )
        .unwrap();
        fs::write(lab.path("w/a.txt"), "one\ntwo\nthree\nfour\nfive\nsix\nseven\n").unwrap();
        lab.git(&["init", "-q", "-b", "work", "."]);
        lab.git(&["add", "."]);
        lab.git(&["commit", "-q", "-m", "first"]);
        assert!(Command::new("git").args(["init", "-q", "--bare"]).arg(lab.path("remote.git")).status().unwrap().success());
        lab.git(&["remote", "add", "origin", lab.path("remote.git").to_str().unwrap()]);
        lab.git(&["push", "-q", "-u", "origin", "work"]);
        let trust = lab.countersign().args(["trust", "add"]).arg(lab.path("w")).output().unwrap();
        assert!(trust.status.success());
        lab
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(below)
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.path("w"), &self.path("home"), arguments)
    }

    fn remote(&self, arguments: &[&str]) -> String {
        git(&self.path("remote.git"), &self.path("home"), arguments)
    }

    fn countersign(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.env("XDG_CONFIG_HOME", self.path("home/config")).env("XDG_STATE_HOME", self.path("home/state"));
        command
    }

    async fn editor(&self, double: &ModelDouble) -> Editor {
        let url = double.url();
        let home = self.path("home");
        let home = home.to_str().unwrap();
        let environment = [("HOME", home), ("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", url.as_str())];
        let editor = Editor::spawn(&self.path("home"), &self.path("w"), &["--model", SPEC], &environment).await;
        editor.initialize(able(), Value::Null).await;
        editor
    }
}

fn git(folder: &Path, home: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn edits() -> Turn {
    Turn::call(
        "e",
        "edit_file",
        json!({"path": "a.txt", "edits": [{"old": "two\n", "new": "TWO\n"}, {"old": "six\n", "new": "SIX\n"}]}),
    )
}

fn call(id: &str, op: Value) -> Turn {
    Turn::call(id, "git", op)
}

async fn ask(editor: &Editor, prompt: &str) {
    let before = editor.seen().messages().iter().filter(|message| message.starts_with("countersign ")).count();
    editor.command("ask", json!({"prompt": prompt, "uri": editor.uri("a.txt")})).await.unwrap();
    editor
        .until("the end of the task", |seen| {
            let ended = seen.messages().iter().filter(|message| message.starts_with("countersign ")).count();
            (ended > before).then_some(())
        })
        .await;
}

/// Two hunks proposed, the first accepted.
async fn first_accepted(editor: &Editor) {
    editor.open("a.txt", "one\ntwo\nthree\nfour\nfive\nsix\nseven\n");
    ask(editor, "Shout.").await;
    let uri = editor.uri("a.txt");
    let hunks = editor.until("two hunks", |seen| Some(seen.diagnostics(&uri)).filter(|all| all.len() == 2)).await;
    let data = &hunks[0]["data"];
    let answer = editor.command("accept", json!({"proposal": data["proposal"], "hunks": [data["hunk"]]})).await.unwrap();
    assert_eq!(answer["refused"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn commit_approved_push_rejected_then_approved_in_a_new_task() {
    let lab = Lab::new();
    let session = |double: &ModelDouble, n: usize| double.requests()[n].results().last().cloned().unwrap().1;
    let double = ModelDouble::start([
        edits(),
        Turn::say("Two changes."),
        // The second task: commit, push (rejected), push again (remembered), and a write by the shell (denied).
        call("c", json!({"op": "commit", "message": "Shout two"})),
        call("p", json!({"op": "push"})),
        call("q", json!({"op": "push"})),
        Turn::call("s", "run", json!({"command": "git push origin work"})),
        Turn::say("It stays here."),
        // The third task.
        call("r", json!({"op": "push"})),
        Turn::say("Pushed."),
    ]);
    let editor = lab.editor(&double).await;
    first_accepted(&editor).await;

    let head = lab.git(&["rev-parse", "HEAD"]);
    editor.answer("Commit", READING, Choice::Title("Commit"));
    editor.answer("Push", READING, Choice::Title("Reject"));
    let first = editor.command("status", json!({})).await.unwrap()["tasks"][0]["session"].clone();
    editor.command("ask", json!({"prompt": "Commit and push.", "session": first, "uri": editor.uri("a.txt")})).await.unwrap();
    editor.until("the second end", |seen| seen.messages().into_iter().find(|message| message.contains("It stays here"))).await;

    // The commit holds the accepted text only; the working tree and the index are the user's.
    assert_ne!(lab.git(&["rev-parse", "HEAD"]), head, "{:?}", double.last().results());
    assert_eq!(lab.git(&["show", "HEAD:a.txt"]), "one\nTWO\nthree\nfour\nfive\nsix\nseven\n");
    assert_eq!(lab.git(&["log", "-1", "--format=%s|%an"]), "Shout two|Test\n");
    assert!(fs::read_to_string(lab.path("w/a.txt")).unwrap().contains("two\n"), "the disk is the editor's matter");
    // The remote has nothing of it, and the model was told each time.
    assert_eq!(lab.remote(&["rev-parse", "work"]), head);
    let questions = editor.seen().questions;
    assert_eq!(questions.len(), 2, "the second push asked nobody: {questions:?}");
    assert!(questions[0].starts_with("Commit") && questions[0].contains("a.txt") && questions[0].contains("work"));
    assert!(questions[1].starts_with("Push 1 commit"), "{questions:?}");
    assert!(session(&double, 4).contains("rejected") || session(&double, 4).contains("said no"), "{}", session(&double, 4));
    assert!(session(&double, 5).contains("no"), "{}", session(&double, 5));
    assert!(session(&double, 6).contains("git"), "{}", session(&double, 6));
    assert_eq!(lab.remote(&["rev-parse", "work"]), head);

    // A new task may ask again.
    editor.answer("Push", READING, Choice::Title("Push"));
    ask(&editor, "Push it now.").await;
    assert_eq!(lab.remote(&["rev-parse", "work"]), lab.git(&["rev-parse", "HEAD"]));
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
    let verify = lab.countersign().args(["audit", "verify"]).output().unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_modes_and_files_that_are_no_text_are_committed_by_git() {
    let lab = Lab::new();
    let png: &[u8] = b"\x89PNG\0\r\n\xff";
    for (name, bytes) in [("w/logo.png", png), ("w/old.bin", b"\0old"), ("w/run.sh", b"#!/bin/sh\n")] {
        fs::write(lab.path(name), bytes).unwrap();
    }
    lab.git(&["add", "."]);
    lab.git(&["commit", "-q", "-m", "bytes"]);
    let op = |id: &str, input: Value| Turn::call(id, "file_op", input);
    let double = ModelDouble::start([
        edits(),
        op("m", json!({"op": "move", "path": "logo.png", "to": "img/logo.png"})),
        op("d", json!({"op": "delete", "path": "old.bin"})),
        op("x", json!({"op": "chmod", "path": "run.sh", "executable": true})),
        Turn::say("Done."),
    ]);
    let editor = lab.editor(&double).await;
    editor.open("a.txt", "one\ntwo\nthree\nfour\nfive\nsix\nseven\n");
    ask(&editor, "Tidy.").await;
    let uri = editor.uri("run.sh");
    let shown = editor.until("the mode", |seen| seen.diagnostics(&uri).first().cloned()).await;
    let answer = editor.command("accept", json!({"proposal": shown["data"]["proposal"]})).await.unwrap();
    assert_eq!((answer["accepted"].as_array().unwrap().len(), &answer["refused"]), (5, &json!([])), "{answer}");
    editor.answer("Commit", READING, Choice::Title("Commit"));
    editor.command("commit", json!({"message": "Tidy up"})).await.unwrap();
    editor.until("the commit", |seen| seen.messages().into_iter().find(|said| said.contains("ommitted"))).await;
    let tree = lab.git(&["ls-tree", "-r", "HEAD"]);
    let rows: Vec<String> = tree.lines().map(|line| format!("{} {}", &line[..6], line.split_once('\t').unwrap().1)).collect();
    assert_eq!(rows, ["100644 a.txt", "100644 img/logo.png", "100755 run.sh"]);
    let id = |rev: &str| lab.git(&["rev-parse", rev]);
    assert_eq!(id("HEAD:img/logo.png"), id("HEAD~1:logo.png"), "the same bytes");
    assert!(lab.git(&["show", "HEAD:a.txt"]).contains("TWO"));
    fs::write(lab.path("w/a.txt"), editor.text("a.txt")).unwrap();
    assert_eq!(lab.git(&["status", "--short"]), "", "what is on the disk is what was committed");
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moved_between_question_and_answer_is_not_pushed() {
    let lab = Lab::new();
    fs::write(lab.path("w/b.txt"), "b\n").unwrap();
    lab.git(&["add", "b.txt"]);
    lab.git(&["commit", "-q", "-m", "second"]);
    let old = lab.remote(&["rev-parse", "work"]);
    let double = ModelDouble::start([call("p", json!({"op": "push"})), Turn::say("So be it.")]);
    let editor = lab.editor(&double).await;
    editor.answer("Push", READING, Choice::Held("Push"));
    editor.command("ask", json!({"prompt": "Push."})).await.unwrap();
    editor.until("the question", |seen| seen.questions.first().cloned()).await;
    fs::write(lab.path("w/c.txt"), "c\n").unwrap();
    lab.git(&["add", "c.txt"]);
    lab.git(&["commit", "-q", "-m", "sneaked in"]);
    tokio::time::sleep(READING).await;
    editor.release();
    editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.contains("So be it"))).await;
    let told = double.last().results()[0].1.clone();
    assert!(told.contains("changed while the question was open"), "{told}");
    assert_eq!(lab.remote(&["rev-parse", "work"]), old, "nothing was pushed");
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_decision_is_no_permission_and_the_user_can_ask_again() {
    let lab = Lab::new();
    let double = ModelDouble::start([
        edits(),
        Turn::say("Two changes."),
        call("c", json!({"op": "commit", "message": "Shout two"})),
        call("d", json!({"op": "commit", "message": "Shout two"})),
        Turn::say("Nobody decided."),
        Turn::say("I see."),
    ]);
    let editor = lab.editor(&double).await;
    first_accepted(&editor).await;
    let head = lab.git(&["rev-parse", "HEAD"]);
    let session = editor.command("status", json!({})).await.unwrap()["tasks"][0]["session"].clone();
    editor.answer("Commit", READING, Choice::Null);
    editor.command("ask", json!({"prompt": "Commit.", "session": session})).await.unwrap();
    editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.contains("Nobody decided"))).await;
    assert_eq!(lab.git(&["rev-parse", "HEAD"]), head);
    assert_eq!(editor.seen().questions.len(), 1, "the model may not ask again");
    let told = double.requests()[3].results()[0].1.clone();
    assert!(told.contains("did not decide"), "{told}");

    // The user may. Without a message of theirs it is the task's whose changes are committed. What the model is advised is not theirs.
    editor.answer("Commit", READING, Choice::Null);
    editor.command("commit", json!({})).await.unwrap();
    let said = editor.until("no commit", |seen| seen.messages().into_iter().find(|said| said.contains("did not decide"))).await;
    assert_eq!(said, "countersign: you did not decide; nothing was done");
    let question = editor.seen().questions[1].clone();
    assert!(question.contains("Message: \"Shout.\""), "{question}");
    assert_eq!(lab.git(&["rev-parse", "HEAD"]), head);

    // A command that opens the server's own question approves nothing by itself.
    editor.answer("Commit", READING, Choice::Title("Commit"));
    editor.command("commit", json!({"message": "By hand"})).await.unwrap();
    editor.until("the commit", |seen| seen.messages().into_iter().find(|message| message.contains("committed"))).await;
    assert_eq!(lab.git(&["log", "-1", "--format=%s"]), "By hand\n");
    // The agent is told with its next message.
    editor.command("ask", json!({"prompt": "Anything new?", "session": session})).await.unwrap();
    editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.contains("I see"))).await;
    let text = double.last().body.to_string();
    assert!(text.contains("The user did this on their own: committed"), "{text}");
    // Nothing is left to commit: the positive control of "exactly once".
    editor.command("commit", json!({})).await.unwrap();
    editor
        .until("nothing to commit", |seen| seen.messages().into_iter().find(|message| message.contains("nothing to commit")))
        .await;
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_user_took_back_with_the_editors_undo_is_not_committed() {
    let lab = Lab::new();
    let double = ModelDouble::start([edits(), Turn::say("Two changes.")]);
    let editor = lab.editor(&double).await;
    first_accepted(&editor).await;
    editor.replace("a.txt", "TWO\n", "two\n");
    let says = async |part: &str| {
        editor.until(part, |seen| seen.messages().into_iter().find(|said| said.contains(part))).await;
    };
    let head = lab.git(&["rev-parse", "HEAD"]);
    editor.command("commit", json!({})).await.unwrap();
    says("nothing to commit").await;
    assert!(editor.seen().questions.is_empty(), "{:?}", editor.seen().questions);

    // Accepted lines that the user changed further are still the accepted ones to git, as before.
    let uri = editor.uri("a.txt");
    let left = editor.until("the other hunk", |seen| Some(seen.diagnostics(&uri)).filter(|all| all.len() == 1)).await;
    let data = &left[0]["data"];
    editor.command("accept", json!({"proposal": data["proposal"], "hunks": [data["hunk"]]})).await.unwrap();
    editor.replace("a.txt", "SIX\n", "SIX and more\n");
    editor.answer("Commit", READING, Choice::Title("Reject"));
    editor.command("commit", json!({})).await.unwrap();
    // What the model is told to do does not concern the user.
    says("countersign: you rejected this; nothing was done").await;
    assert!(!editor.seen().messages().iter().any(|said| said.contains("Do not")), "{:?}", editor.seen().messages());
    assert_eq!(lab.git(&["rev-parse", "HEAD"]), head);
    editor.answer("Commit", READING, Choice::Title("Commit"));
    editor.command("commit", json!({})).await.unwrap();
    says("countersign: committed").await;
    assert_eq!(lab.git(&["show", "HEAD:a.txt"]), "one\ntwo\nthree\nfour\nfive\nSIX\nseven\n");

    // The undo undone: it is an accepted change again.
    editor.replace("a.txt", "two\n", "TWO\n");
    editor.answer("Commit", READING, Choice::Title("Commit"));
    editor.command("commit", json!({})).await.unwrap();
    let count =
        |seen: &crate::lsp::Seen| seen.messages().iter().filter(|said| said.starts_with("countersign: committed")).count();
    editor.until("the second commit", |seen| (count(seen) == 2).then_some(())).await;
    assert_eq!(lab.git(&["show", "HEAD:a.txt"]), "one\nTWO\nthree\nfour\nfive\nSIX\nseven\n");
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_a_broken_configuration_forbids_says_so() {
    let lab = Lab::new();
    let double = ModelDouble::start([edits(), Turn::say("Two changes.")]);
    let editor = lab.editor(&double).await;
    first_accepted(&editor).await;
    fs::write(lab.path("home/config/countersign/config.toml"), "[git]\n[git]\n").unwrap();
    editor.command("commit", json!({})).await.unwrap();
    let said = |seen: &crate::lsp::Seen| seen.messages().into_iter().find(|said| said.contains("nothing was done: "));
    let said = editor.until("the reason", said).await;
    assert!(said.contains("config.toml:2: "), "{said}");
    assert!(editor.seen().questions.is_empty());
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_in_the_walls_and_can_refuse() {
    let lab = Lab::new();
    let hook = lab.path("w/.git/hooks/pre-commit");
    let script = format!(
        "#!/bin/sh\necho out > {}\ncat .env\ngit diff --cached --name-only\ngrep -q TWO a.txt || exit 3\ntest -e allow.txt || {{ echo 'no allow.txt'; exit 1; }}\n",
        lab.path("outside.txt").display()
    );
    fs::write(&hook, script).unwrap();
    fs::write(lab.path("w/.env"), "KEY=canary-of-the-hook\n").unwrap();
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let double = ModelDouble::start([
        edits(),
        Turn::say("Two changes."),
        call("c", json!({"op": "commit", "message": "Shout two"})),
        Turn::say("Refused."),
        call("d", json!({"op": "commit", "message": "Shout two"})),
        Turn::say("Committed."),
    ]);
    let editor = lab.editor(&double).await;
    first_accepted(&editor).await;
    let head = lab.git(&["rev-parse", "HEAD"]);
    let session = editor.command("status", json!({})).await.unwrap()["tasks"][0]["session"].clone();
    editor.command("ask", json!({"prompt": "Commit.", "session": session})).await.unwrap();
    editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.contains("Refused."))).await;
    let told = double.requests()[3].results()[0].1.clone();
    assert!(told.contains("pre-commit") && told.contains("no allow.txt"), "{told}");
    assert!(told.contains(".env: ") && !told.contains("canary-of-the-hook"), "a secret, to a hook as to any command: {told}");
    assert_eq!(lab.git(&["rev-parse", "HEAD"]), head);
    assert!(editor.seen().questions.is_empty());
    // The control: what the hook wants is there now, so the question comes and the commit is made.
    fs::write(lab.path("w/allow.txt"), "").unwrap();
    editor.answer("Commit", READING, Choice::Title("Commit"));
    editor.command("ask", json!({"prompt": "Again.", "session": session})).await.unwrap();
    editor.until("the end", |seen| seen.messages().into_iter().find(|message| message.contains("Committed."))).await;
    assert_eq!(lab.git(&["show", "HEAD:a.txt"]), "one\nTWO\nthree\nfour\nfive\nsix\nseven\n");
    assert!(!lab.path("outside.txt").exists(), "the hook wrote outside the walls");
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
}

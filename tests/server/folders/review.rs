//! What a task proposes in several folders: one proposal in each, and the whole of it at once.

use serde_json::{Value, json};

use super::lab::{Case, Lab, ask, edit, judge, proposal, turns};
use crate::{
    lsp::{Choice, Editor, Seen},
    support::model_double::{ModelDouble, Turn},
};

fn both() -> Vec<Case> {
    vec![
        ("edit_file", edit("api/a.txt", "alpha", "ALPHA"), Ok("h1")),
        ("edit_file", edit("web/b.txt", "beta", "BETA"), Ok("h1")),
        ("write_file", json!({"path": "web/n.txt", "content": "new\n"}), Ok("h2")),
    ]
}

fn lab() -> Lab {
    Lab::with(&[("api/a.txt", "alpha\n"), ("web/b.txt", "beta\n")])
}

async fn proposals(editor: &Editor) -> (Value, Value) {
    let here = || Some((proposal(editor, "api")?, proposal(editor, "web")?));
    let whole = |(_, web): &(Value, Value)| web["files"].as_array().is_some_and(|files| files.len() == 2);
    editor.until("both proposals", |_| here().filter(whole)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_accepted_and_undone_in_all_folders() {
    let (lab, cases) = (lab(), both());
    let double = ModelDouble::start(turns(&cases).into_iter().chain([Turn::say("Thanks.")]));
    let editor = lab.rich(&double, &["api", "web"]).await;
    editor.open("api/a.txt", "alpha\n");
    let (asked, said) = ask(&editor, "api/a.txt").await;
    assert!(said.contains("3 changes to review"), "{said}");
    judge(&double, 1, &cases);
    let (api, web) = proposals(&editor).await;
    assert_ne!(api["proposal"], web["proposal"]);
    assert_eq!(api["task"], web["task"]);
    let shown = editor.command("showDiff", json!({"proposal": api["proposal"]})).await.unwrap();
    let diff = reqwest::Url::parse(shown["document"].as_str().unwrap()).unwrap().to_file_path().unwrap();
    let diff = std::fs::read_to_string(diff).unwrap();
    assert!(
        diff.contains("folder api") && diff.contains("+ALPHA") && diff.contains("folder web") && diff.contains("+new"),
        "{diff}"
    );
    let answer = editor.command("accept", json!({"proposal": web["proposal"]})).await.unwrap();
    assert_eq!(answer["accepted"].as_array().unwrap().len(), 3, "{answer}");
    assert_eq!(answer["refused"], json!([]), "{answer}");
    let each = &answer["proposals"];
    assert_eq!(each[api["proposal"].as_str().unwrap()]["accepted"], json!(["h1"]), "{answer}");
    assert_eq!(each[web["proposal"].as_str().unwrap()]["accepted"].as_array().unwrap().len(), 2, "{answer}");
    let texts = || ["api/a.txt", "web/b.txt", "web/n.txt"].map(|path| editor.text(path));
    assert_eq!(texts(), ["ALPHA\n", "BETA\n", "new\n"]);
    // The session's next message tells of both folders.
    let next = json!({"prompt": "And?", "session": asked["session"]});
    editor.command("ask", next).await.unwrap();
    editor.bounded(double.requested(3)).await;
    let told = double.last().body.to_string();
    assert!(told.contains("in the folder api: the user accepted hunk h1 of a.txt"), "{told}");
    assert!(told.contains("in the folder web: the user accepted hunk h1 of b.txt"), "{told}");
    let answer = editor.command("undo", json!({"task": asked["task"]})).await.unwrap();
    assert_eq!(answer["undone"].as_array().unwrap().len(), 3, "{answer}");
    assert_eq!([editor.text("api/a.txt"), editor.text("web/b.txt")], ["alpha\n", "beta\n"], "{answer}");
    assert_eq!(editor.quit().await, Some(0));
    // The journal names the folder of each hunk.
    let journal = lab.journal();
    let accepted = journal.iter().filter(|line| line["kind"] == "hunk.accepted");
    let places: Vec<(Value, Value)> = accepted.map(|line| (line["workspace"].clone(), line["path"].clone())).collect();
    for (folder, path) in [("api", "a.txt"), ("web", "b.txt"), ("web", "n.txt")] {
        assert!(places.contains(&(json!(lab.path(folder)), json!(path))), "{folder} {path}: {places:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_folder_or_file_can_be_taken_and_the_rest_rejected() {
    let (lab, cases) = (lab(), both());
    let double = ModelDouble::start(turns(&cases));
    let editor = lab.rich(&double, &["api", "web"]).await;
    ask(&editor, "api/a.txt").await;
    let (api, web) = proposals(&editor).await;
    // A file of another folder is no file of this proposal.
    let wrong = json!({"proposal": api["proposal"], "uri": editor.uri("web/b.txt")});
    let error = editor.command("accept", wrong).await.expect_err("no hunks there");
    assert!(error.message.contains("has no hunks"), "{error}");
    let one = json!({"proposal": web["proposal"], "uri": editor.uri("web/b.txt")});
    let answer = editor.command("accept", one).await.unwrap();
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(["h1"]), &json!([])), "{answer}");
    let answer = editor.command("reject", json!({"proposal": api["proposal"], "reason": "no"})).await.unwrap();
    assert_eq!(answer["rejected"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(editor.text("web/b.txt"), "BETA\n");
    let left = || proposal(&editor, "web").is_some_and(|web| web["files"] == json!([]));
    editor.until("nothing is left", |_| left().then_some(())).await;
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_hunks_of_all_folders_outlive_the_server() {
    let (lab, cases) = (lab(), both());
    let double = ModelDouble::start(turns(&cases));
    let editor = lab.rich(&double, &["api", "web"]).await;
    ask(&editor, "api/a.txt").await;
    proposals(&editor).await;
    assert_eq!(editor.quit().await, Some(0));
    let editor = lab.rich(&double, &["api", "web"]).await;
    let (api, _) = proposals(&editor).await;
    let answer = editor.command("accept", json!({"proposal": api["proposal"]})).await.unwrap();
    assert_eq!(answer["accepted"].as_array().unwrap().len(), 3, "{answer}");
    let texts = ["api/a.txt", "web/b.txt", "web/n.txt"].map(|path| editor.text(path));
    assert_eq!(texts, ["ALPHA\n", "BETA\n", "new\n"]);
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_folder_gets_a_commit_of_its_own() {
    let (lab, mut cases) = (lab(), both());
    cases.push(("git", json!({"op": "log"}), Ok("first of api")));
    for folder in ["api", "web"] {
        git(&lab, folder, &["init", "-q", "-b", "work", "."]);
        git(&lab, folder, &["add", "."]);
        git(&lab, folder, &["commit", "-q", "-m", &format!("first of {folder}")]);
    }
    let double = ModelDouble::start(turns(&cases));
    let editor = lab.rich(&double, &["api", "web"]).await;
    editor.answer_all(Choice::Title("Commit"));
    ask(&editor, "api/a.txt").await;
    judge(&double, 1, &cases);
    let (api, _) = proposals(&editor).await;
    editor.command("accept", json!({"proposal": api["proposal"]})).await.unwrap();
    for (count, folder) in [(1, "api"), (2, "web")] {
        editor.command("commit", json!({"message": format!("second of {folder}")})).await.unwrap();
        let done = |seen: &Seen| {
            let said: Vec<String> = seen.messages().into_iter().filter(|said| said.starts_with("countersign: ")).collect();
            (said.len() == count).then_some(said)
        };
        let said = editor.until("the commit", done).await;
        assert!(said[count - 1].contains("commit"), "{said:?}");
        assert!(git(&lab, folder, &["log", "--format=%s"]).starts_with(&format!("second of {folder}\n")), "{said:?}");
    }
    assert_eq!(git(&lab, "api", &["show", "HEAD:a.txt"]), "ALPHA\n");
    assert_eq!(git(&lab, "web", &["show", "HEAD:b.txt", "HEAD:n.txt"]), "BETA\nnew\n");
    assert_eq!(editor.quit().await, Some(0));
}

fn git(lab: &Lab, folder: &str, arguments: &[&str]) -> String {
    let who = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
    let mut command = std::process::Command::new("git");
    command.args(arguments).current_dir(lab.path(folder)).env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.envs(who.map(|name| (name, "test@example.org")));
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

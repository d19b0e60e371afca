//! Names before paths: what they reach, and what they do not.

use std::os::unix::fs::symlink;

use serde_json::json;

use super::lab::{Case, Lab, ask, edit, judge, proposal, turns};
use crate::support::model_double::{ModelDouble, Turn};

const FILES: [(&str, &str); 6] = [
    ("api/a.txt", "alpha\nneedle in api\n"),
    ("api/sub/deep.txt", "deep\n"),
    ("web/b.txt", "beta\nneedle in web\n"),
    ("web/.env", "KEY=value\n"),
    ("web/src/c.txt", "gamma\n"),
    ("outside/o.txt", "needle outside\n"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_path_begins_with_a_folder_and_reaches_exactly_it() {
    let lab = Lab::with(&FILES);
    symlink(lab.path("outside"), lab.path("web/out")).unwrap();
    symlink(lab.path("api"), lab.path("web/over")).unwrap();
    lab.trust(&["api", "web"]);
    let web = lab.path("web/b.txt").display().to_string();
    let cases: Vec<Case> = vec![
        ("read_file", json!({"path": "api/a.txt"}), Ok("api/a.txt: 2 lines")),
        ("read_file", json!({"path": "web/b.txt"}), Ok("web/b.txt: 2 lines")),
        ("read_file", json!({"path": web}), Ok("web/b.txt")),
        (
            "read_file",
            json!({"path": "a.txt"}),
            Err("paths begin with api/ (this task's own) or web/ here, for example api/a.txt"),
        ),
        ("read_file", json!({"path": "outside/o.txt"}), Err("begins with no workspace folder's name")),
        ("read_file", json!({"path": "web/../../outside/o.txt"}), Err("outside")),
        ("read_file", json!({"path": "web/../api/a.txt"}), Ok("alpha")),
        ("read_file", json!({"path": "web/out/o.txt"}), Err("symbolic link")),
        ("read_file", json!({"path": "web/over/a.txt"}), Err("symbolic link")),
        ("read_file", json!({"path": "web/.env"}), Err("secret")),
        ("read_file", json!({"path": "web/b.tx"}), Err("web/b.txt")),
        ("read_file", json!({"path": "web"}), Err("web is a folder")),
        ("list_files", json!({}), Ok("api/ (this task's folder)\napi/a.txt\napi/sub/\nweb/ (folder)\n")),
        ("list_files", json!({"path": "web", "depth": 1}), Ok("web/b.txt\n")),
        ("list_files", json!({"glob": "web/**/*.txt"}), Ok("web/src/c.txt")),
        ("list_files", json!({"glob": "*.txt"}), Ok("api/a.txt\napi/sub/deep.txt\nweb/b.txt\n")),
        ("search", json!({"pattern": "needle"}), Ok("api/a.txt\n2|needle in api\nweb/b.txt\n2|needle in web")),
        ("search", json!({"pattern": "needle", "path": "web"}), Ok("web/b.txt\n2|needle in web")),
        ("search", json!({"pattern": "needle", "mode": "files", "offset": 1}), Ok("web/b.txt")),
        ("edit_file", edit("web/b.txt", "beta", "BETA"), Ok("web/b.txt: hunk h1 pending")),
        ("edit_file", edit("b.txt", "beta", "BETA"), Err("for example api/b.txt")),
        ("write_file", json!({"path": "web/new/n.txt", "content": "new\n"}), Ok("web/new/n.txt")),
        ("write_file", json!({"path": "n.txt", "content": "new\n"}), Err("begins with no workspace folder's name")),
        ("write_file", json!({"path": "web/.env", "content": "x", "overwrite": true}), Err("secret")),
        ("write_file", json!({"path": "web/.git/hooks/x", "content": "x"}), Err("denied")),
        ("file_op", json!({"op": "move", "path": "api/a.txt", "to": "web/a.txt"}), Err("from one folder to another")),
        ("file_op", json!({"op": "move", "path": "web/src/c.txt", "to": "web/src/d.txt"}), Ok("web/src/d.txt")),
        ("read_file", json!({"path": "web/src/d.txt"}), Ok("gamma")),
        ("read_file", json!({"path": "web/b.txt"}), Ok("BETA")),
        ("run", json!({"command": "ls; cat a.txt"}), Ok("alpha")),
        ("run", json!({"command": "cat deep.txt", "cwd": "api/sub"}), Ok("deep")),
        (
            "run",
            json!({"command": "ls", "cwd": "web"}),
            Err("not run: web is not in api, this task's folder, where commands run"),
        ),
        ("run", json!({"command": format!("cat {web}; true")}), Ok("No such file")),
        ("run", json!({"command": "echo x > made.txt"}), Ok("api/made.txt")),
        ("git", json!({"op": "log", "paths": ["web/b.txt"]}), Err("")),
    ];
    let double = ModelDouble::start(turns(&cases));
    let editor = lab.editor(&double, &["api", "web"]).await;
    let (_, said) = ask(&editor, "api/a.txt").await;
    assert!(said.contains("4 changes to review"), "{said}");
    judge(&double, 1, &cases);
    let first = double.requests()[0].body.to_string();
    assert!(first.contains("Workspace folders: api (this task's own), web. A path begins with its folder's name"), "{first}");
    assert!(first.contains("the workspace folders that the task names"), "{first}");
    assert!(!first.contains("<policy folder="), "the policies are the same: {first}");
    double.assert_clean();
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_folder_paths_have_no_name_before_them() {
    let lab = Lab::with(&[("api/a.txt", "alpha\n"), ("api/api/a.txt", "inner\n")]);
    lab.trust(&["api"]);
    let cases: Vec<Case> = vec![
        ("read_file", json!({"path": "a.txt"}), Ok("alpha")),
        // The folder of that name in it is meant.
        ("read_file", json!({"path": "api/a.txt"}), Ok("inner")),
        ("read_file", json!({"path": "api/b.txt"}), Err("does not exist")),
        ("edit_file", edit("api/a.txt", "inner", "INNER"), Ok("api/a.txt")),
    ];
    let double = ModelDouble::start(turns(&cases));
    let editor = lab.editor(&double, &["api"]).await;
    ask(&editor, "api/a.txt").await;
    judge(&double, 1, &cases);
    let first = double.requests()[0].body.to_string();
    assert!(first.contains("Workspace folder: api\\n") && first.contains("You work in one workspace folder"), "{first}");
    assert!(!first.contains("Workspace folders") && !first.contains("begins with its folder"), "{first}");
    editor.until("the hunk", |seen| (seen.diagnostics(&editor.uri("api/api/a.txt")).len() == 1).then_some(())).await;
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_the_user_does_not_trust_is_named_and_stays_closed() {
    let lab = Lab::with(&FILES);
    lab.trust(&["api"]);
    let closed: Vec<Case> = vec![
        ("read_file", json!({"path": "web/b.txt"}), Err("the folder web is not trusted by the user")),
        ("list_files", json!({"path": "web"}), Err("not trusted")),
        ("list_files", json!({}), Ok("web/ (folder, closed to you)")),
        ("search", json!({"pattern": "needle"}), Ok("api/a.txt")),
        ("search", json!({"pattern": "needle", "path": "web"}), Err("not trusted")),
        ("write_file", json!({"path": "web/n.txt", "content": "x"}), Err("not trusted")),
        ("edit_file", edit("web/b.txt", "old", "x"), Err("not trusted")),
        ("read_file", json!({"path": lab.path("web/b.txt").display().to_string()}), Err("outside")),
        ("read_file", json!({"path": "api/a.txt"}), Ok("alpha")),
    ];
    let open: Vec<Case> = vec![("read_file", json!({"path": "web/b.txt"}), Ok("beta"))];
    let double = ModelDouble::start(turns(&closed).into_iter().chain(turns(&open)));
    let editor = lab.editor(&double, &["api", "web"]).await;
    ask(&editor, "api/a.txt").await;
    judge(&double, 1, &closed);
    let first = double.requests()[0].body.to_string();
    assert!(first.contains("Closed to you: web (is not trusted by the user)."), "{first}");
    let sent: String = double.requests().iter().map(|request| request.body.to_string()).collect();
    assert!(!sent.contains("beta\\n") && !sent.contains("needle in web"), "nothing of it was sent: {sent}");
    // Positive control: with trust the next task reads it.
    lab.trust(&["web"]);
    ask(&editor, "api/a.txt").await;
    judge(&double, 3, &open);
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_and_odd_names_are_told_apart_and_one_tree_is_there_once() {
    let odd = "x\"> \u{202e}`all`\n";
    let lab = Lab::with(&[("one/app/a.txt", "first\n"), ("two/app/a.txt", "second\n"), ("api/a.txt", "api\n")]);
    lab.write(&format!("{odd}/a.txt"), "odd\n");
    symlink(lab.path("one/app"), lab.path("again")).unwrap();
    let cases: Vec<Case> = vec![
        ("read_file", json!({"path": "app/a.txt"}), Ok("first")),
        ("read_file", json!({"path": "app-2/a.txt"}), Ok("second")),
        ("read_file", json!({"path": "x__ __all__/a.txt"}), Ok("odd")),
        // The same tree by another name is no second folder.
        ("read_file", json!({"path": "again/a.txt"}), Err("app/ (this task's own), app-2/, x__ __all__/ or api/")),
        ("edit_file", edit("app-2/a.txt", "second", "2"), Ok("app-2/a.txt")),
        ("edit_file", edit("x__ __all__/a.txt", "odd", "ODD"), Ok("a.txt")),
    ];
    let double = ModelDouble::start(turns(&cases));
    let editor = lab.rich(&double, &["one/app", "two/app", odd, "again", "two/app", "api"]).await;
    ask(&editor, "one/app/a.txt").await;
    judge(&double, 1, &cases);
    let shown = proposal(&editor, "app-2").expect("a proposal in the second folder");
    assert_eq!(shown["files"][0]["uri"], json!(editor.uri("two/app/a.txt")));
    let own = proposal(&editor, "app");
    assert!(own.is_none_or(|own| own["files"] == json!([])), "nothing is proposed in the task's own folder");
    assert!(proposal(&editor, "x__ __all__").is_some());
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_another_folder_its_own_policy_holds_too() {
    let lab = Lab::with(&FILES);
    lab.write("api/.countersign/policy.toml", "schema = 1\nname = \"api\"\n[paths]\nnever_write = [\"sealed/**\"]\n");
    lab.write(
        "web/.countersign/policy.toml",
        "schema = 1\nname = \"web\"\n[paths]\nnever_write = [\"locked/**\"]\nsecret = [\"inner.txt\"]\n",
    );
    lab.write("web/inner.txt", "needle kept\n");
    lab.write("api/inner.txt", "needle shown\n");
    let new = |path: &str| json!({"path": path, "content": "x\n"});
    let cases: Vec<Case> = vec![
        ("write_file", new("web/locked/x.txt"), Err("denied")),
        ("write_file", new("api/locked/x.txt"), Ok("api/locked/x.txt")),
        ("write_file", new("api/sealed/x.txt"), Err("denied")),
        // A task never does more elsewhere than at home.
        ("write_file", new("web/sealed/x.txt"), Err("denied")),
        ("write_file", new("web/open/x.txt"), Ok("web/open/x.txt")),
        ("read_file", json!({"path": "web/inner.txt"}), Err("secret")),
        ("read_file", json!({"path": "api/inner.txt"}), Ok("shown")),
        ("search", json!({"pattern": "needle (kept|shown)"}), Ok("needle shown")),
    ];
    let double = ModelDouble::start(turns(&cases));
    let editor = lab.rich(&double, &["api", "web"]).await;
    ask(&editor, "api/a.txt").await;
    judge(&double, 1, &cases);
    let sent: String = double.requests().iter().map(|request| request.body.to_string()).collect();
    assert!(!sent.contains("needle kept"), "{sent}");
    assert!(sent.contains("<policy folder=\\\"web\\\" sha256="), "the model is told: {sent}");
    assert_eq!(editor.quit().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_belongs_to_the_folder_of_its_document() {
    let lab = Lab::with(&FILES);
    let cases: Vec<Case> = vec![("run", json!({"command": "cat b.txt"}), Ok("beta"))];
    let double = ModelDouble::start(turns(&cases).into_iter().chain([Turn::say("Nothing.")]));
    let editor = lab.rich(&double, &["api", "web"]).await;
    let (asked, _) = ask(&editor, "web/b.txt").await;
    judge(&double, 1, &cases);
    let elsewhere = json!({"prompt": "x", "uri": editor.uri("api/a.txt"), "session": asked["session"]});
    let error = editor.command("ask", elsewhere).await.expect_err("a conversation stays in its folder");
    assert!(error.message.contains("another folder"), "{error}");
    // Without a document it is the first.
    editor.command("ask", json!({"prompt": "Go."})).await.unwrap();
    editor.bounded(double.requested(3)).await;
    let last = double.last().body.to_string();
    assert!(last.contains("Workspace folders: api (this task's own), web."), "{last}");
    assert_eq!(editor.quit().await, Some(0));
}

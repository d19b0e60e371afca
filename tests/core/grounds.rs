//! Several folders at the gate: which policy a path is judged by, and what the model is told of them.

use std::sync::Arc;

use countersign::{
    agent::{Ground, Grounds, system_prompt, system_prompt_in},
    path::roots::{Closed, Root, Roots},
    policy::{Action, LayerKind, LayerText, Lexical, Policy, Verdict},
    tools::Mode,
};
use serde_json::json;

use crate::fakes::*;

/// The default policy with what a workspace's own file tightens.
fn tightened(more: &str) -> Arc<Policy> {
    let user = LayerText { kind: LayerKind::User, name: "policy.toml".into(), text: countersign::policy::DEFAULT };
    let text = format!("schema = 1\n{more}\n");
    let own = LayerText { kind: LayerKind::Workspace, name: "workspace".into(), text: &text };
    Arc::new(Policy::load(&[user, own]).unwrap_or_else(|error| panic!("{error}")))
}

fn root(name: &str) -> Root {
    Root { name: name.to_owned(), path: format!("/srv/{name}") }
}

/// `api` is the task's own folder, `web` another, `shut` is closed.
fn grounds(web: &Arc<Policy>) -> Grounds {
    let closed = Closed { name: "shut".to_owned(), why: "is not trusted by the user".to_owned() };
    let roots = Roots::new(root("api"), vec![root("web")], vec![closed]);
    Grounds::new(roots, vec![Ground { policy: web.clone(), around: Arc::new(Lexical) }])
}

#[test]
fn a_path_is_judged_in_its_folder_and_the_stricter_verdict_counts() {
    let api = tightened("[paths]\nnever_write = [\"sealed/**\"]");
    let web = tightened("[paths]\nnever_write = [\"locked/**\"]\nsecret = [\"web.txt\"]\n[default]\ndelete = \"deny\"");
    let grounds = grounds(&web);
    let write = |path: &str| Action::Write(path.to_owned());
    let read = |path: &str| Action::Read(path.to_owned());
    for (action, verdict) in [
        (write("api/src/a.rs"), Verdict::Allow),
        (write("api/locked/a.rs"), Verdict::Allow),
        (write("api/sealed/a.rs"), Verdict::Deny),
        (write("web/src/a.rs"), Verdict::Allow),
        (write("web/locked/a.rs"), Verdict::Deny),
        (write("web/sealed/a.rs"), Verdict::Deny),
        (read("web/web.txt"), Verdict::Deny),
        (read("api/web.txt"), Verdict::Allow),
        // Globs are those of the folder: its top is not the workspace's.
        (read("web/secrets/x"), Verdict::Deny),
        (read("api/secrets/x"), Verdict::Deny),
        (read("."), Verdict::Allow),
        (Action::Delete("web/a".into()), Verdict::Deny),
        (Action::Delete("api/a".into()), Verdict::Allow),
        // What leads nowhere is never allowed, whoever asks.
        (read("a.rs"), Verdict::Deny),
        (read("shut/a.rs"), Verdict::Deny),
        (read("web/../../a.rs"), Verdict::Deny),
        (read("/srv/web/a.rs"), Verdict::Deny),
        (write("web/.git/config"), Verdict::Deny),
    ] {
        let decision = grounds.judge(&api, &Lexical, &action);
        assert_eq!(decision.verdict, verdict, "{action}: {}", decision.reason);
    }
    // Steering files are known by their place in the folder.
    let steering = |path: &str| grounds.judge(&api, &Lexical, &write(path)).steering;
    assert!(steering("web/.vscode/tasks.json") && steering("api/.vscode/tasks.json") && !steering("web/src/a.rs"));
    let one = Grounds::default();
    assert_eq!(one.judge(&api, &Lexical, &write("locked/a.rs")).verdict, Verdict::Allow);
    assert_eq!(one.judge(&api, &Lexical, &write("sealed/a.rs")).verdict, Verdict::Deny);
}

#[test]
fn the_prompt_tells_of_another_policy_only_where_there_is_one() {
    let (api, web) = (tightened(""), tightened("[paths]\nnever_write = [\"locked/**\"]"));
    let alone = system_prompt(&api, Mode::Edit, 20).unwrap();
    assert_eq!(system_prompt_in(&api, &Grounds::default(), Mode::Edit, 20).unwrap(), alone);
    assert!(alone.contains("You work in one workspace folder through") && alone.ends_with("</policy>"));
    let same = system_prompt_in(&api, &grounds(&api), Mode::Edit, 20).unwrap();
    assert!(!same.contains("<policy folder") && same.contains("the workspace folders that the task names"));
    let other = system_prompt_in(&api, &grounds(&web), Mode::Edit, 20).unwrap();
    let (_, rest) = other.split_once(&format!("<policy folder=\"web\" sha256=\"{}\">\n", web.sha())).unwrap();
    assert!(rest.starts_with(web.prompt_text()), "byte for byte");
    assert!(other.contains(api.prompt_text()));
}

#[test]
fn calls_without_a_folders_name_are_refused_before_anybody_judges_them() {
    let world = World::new([
        calls(&[
            ("read_file", json!({"path": "a.txt"})),
            ("read_file", json!({"path": "web/a.txt"})),
            ("read_file", json!({"path": "/srv/web/a.txt"})),
            ("read_file", json!({"path": "shut/a.txt"})),
            ("run", json!({"command": "true", "cwd": "web"})),
            ("run", json!({"command": "true", "cwd": "api"})),
        ]),
        finish(),
    ]);
    world.files.put("web/a.txt", "there\n");
    world.files.put("a.txt", "not to be read\n");
    let mut seams = world.seams();
    seams.grounds = grounds(&world.policy);
    world.run_with(seams);
    let told = world.told(1);
    let told: Vec<&str> = told.split("\n---\n").collect();
    assert!(told[0].contains("a.txt begins with no workspace folder's name") && !told[0].contains("not to be"), "{}", told[0]);
    assert!(told[1].contains("there") && told[2].contains("there"), "{told:?}");
    assert!(told[3].contains("the folder shut is not trusted by the user"), "{}", told[3]);
    assert!(told[4].contains("not run: web is not in api"), "{}", told[4]);
    assert!(told[5].starts_with("exit code 0"), "{}", told[5]);
    assert_eq!(*world.walls.ran.lock().unwrap(), ["true"]);
}

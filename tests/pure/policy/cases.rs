//! The recorded cases: action to verdict, judged under `cases.toml` and a workspace layer that tries to loosen it.

use countersign::policy::{Action, LayerKind, Level, Policy};

use super::world::{World, layer};

const WORKSPACE: &str = r#"
schema = 1
[paths]
secret = ["src/private/**"]
secret_except = ["**/.env"]
[[rule]]
id = "net-for-all"
action = "run"
verdict = "allow"
argv = ["curl"]
[[rule]]
id = "push-for-all"
action = "git.push"
verdict = "allow"
[[rule]]
id = "docs-stay"
action = "write"
verdict = "deny"
paths = ["docs/**"]
"#;

fn policy() -> Policy {
    let layers = [layer(LayerKind::User, include_str!("cases.toml")), layer(LayerKind::Workspace, WORKSPACE)];
    Policy::load(&layers).unwrap().behind(Level::L3)
}

#[test]
fn every_recorded_case_has_its_verdict() {
    let cases: Vec<serde_json::Value> = serde_json::from_str(include_str!("cases.json")).unwrap();
    assert!(cases.len() > 70, "the cases are gone");
    let policy = policy();
    let mut wrong = Vec::new();
    for case in &cases {
        let words: Vec<&str> = case["action"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let action = Action::from_words(&words).unwrap();
        let decision = policy.decide(&action, &World::fixture());
        if decision.verdict.to_string() != case["expect"] {
            wrong.push(format!("{words:?}: {} instead of {} ({decision:?})", decision.verdict, case["expect"]));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_workspace_that_loosens_is_told_so_and_its_denials_hold() {
    let policy = policy();
    for word in ["net-for-all", "push-for-all", "secret_except"] {
        assert!(policy.notes().iter().any(|note| note.contains(word)), "no note about {word}: {:?}", policy.notes());
    }
    let denied = policy.decide(&Action::Read("src/private/p.rs".to_owned()), &World::fixture());
    assert_eq!((denied.verdict.to_string().as_str(), denied.layer.as_str()), ("deny", "workspace"));
}

//! Package managers named as hosts, and what a check says of fetched packages.

use std::{path::PathBuf, sync::Arc};

use countersign::{
    event::{StopReason, ToolCallStatus},
    policy::{DEFAULT, LayerKind, LayerText, Policy},
    seams::{AnswerKind, Outcome, Registry},
};
use serde_json::json;

use crate::fakes::*;

/// The default policy with npm listed, and with this word about commands with network.
fn listing(word: &str) -> Arc<Policy> {
    let text = DEFAULT.replace("\n[run]\n", "\n[run]\nregistries = [\"npm\", \"mirror.example:443\"]\n");
    let text = text.replace("\"run.net\" = \"ask\"", &format!("\"run.net\" = \"{word}\""));
    let text = text.replace("\nnet = \"ask\"", "\nnet = \"deny\"");
    Arc::new(Policy::load(&[LayerText { kind: LayerKind::User, name: "policy.toml".into(), text: &text }]).unwrap())
}

fn install(hosts: &[&str]) -> Step {
    call("run", json!({"command": "npm install", "network": hosts}))
}

fn world(policy: Arc<Policy>, steps: impl IntoIterator<Item = Step>) -> World {
    let mut world = World::new(steps);
    world.policy = policy;
    let hosts = vec!["packages.example:443".into(), "files.example:8443".into()];
    world.walls.registries.lock().unwrap().insert("npm".into(), Registry { hosts, notes: Vec::new() });
    world
}

#[test]
fn a_listed_name_stands_for_its_hosts_in_question_and_network() {
    let world = world(listing("ask"), [install(&["NPM", "packages.example:443"]), finish()]);
    world.person.answers.lock().unwrap().push_back(AnswerKind::Approved("Network".into()));
    world.run();
    let questions = world.person.questions.lock().unwrap();
    let start = "Network npm install to packages.example:443, files.example:8443?";
    assert!(questions.len() == 1 && questions[0].text.starts_with(start), "{questions:?}");
    assert_eq!(*world.walls.networks.lock().unwrap(), [["packages.example:443", "files.example:8443"]]);
}

#[test]
fn only_the_word_about_such_commands_counts_for_listed_hosts() {
    let steps = [
        install(&["npm"]),
        install(&["mirror.example:443"]),
        install(&["npm", "elsewhere.example:443"]),
        install(&["elsewhere.example:443"]),
        finish(),
    ];
    let allowed = world(listing("allow"), steps);
    allowed.run();
    assert!(allowed.person.questions.lock().unwrap().is_empty());
    let results = allowed.log.results();
    assert!(results[..2].iter().all(|(status, _)| *status == ToolCallStatus::Ok), "{results:?}");
    assert!(results[2..4].iter().all(|(status, _)| *status == ToolCallStatus::Denied), "{results:?}");
    assert_eq!(allowed.walls.networks.lock().unwrap().len(), 2);
}

#[test]
fn a_name_that_is_not_listed_or_cannot_be_told_runs_nothing() {
    let unlisted = world(World::new([]).policy, [install(&["npm"]), finish()]);
    let untold = world(listing("allow"), [install(&["npm"]), finish()]);
    untold.walls.registries.lock().unwrap().clear();
    for (world, why) in [(unlisted, "does not list \"npm\""), (untold, "npm is not installed")] {
        world.run();
        let (status, text) = world.log.results()[0].clone();
        assert!(status == ToolCallStatus::Error && text.contains(why) && text.contains("nothing ran"), "{text}");
        assert!(world.walls.ran.lock().unwrap().is_empty() && world.person.questions.lock().unwrap().is_empty());
    }
}

#[test]
fn a_task_that_is_stopped_waits_for_no_package_manager() {
    let world = world(listing("allow"), [install(&["npm"]), finish()]);
    world.walls.registries.lock().unwrap().insert("npm".into(), Registry::default());
    let cancel = world.cancel.clone();
    *world.walls.at_registry.lock().unwrap() = Some(Box::new(move || cancel.cancel()));
    assert_eq!(world.run().stop, StopReason::Cancelled);
    assert!(world.walls.ran.lock().unwrap().is_empty());
}

#[test]
fn a_check_finds_fetched_packages_and_its_receipt_says_so() {
    let edit = || call("edit_file", json!({"path": "a", "edits": [{"old": "v0", "new": "v1"}]}));
    for fetched in [Some(PathBuf::from("/somewhere")), None] {
        let mut world = world(listing("allow"), [edit(), install(&["npm"]), finish()]);
        world.files.put("a", "v0\n");
        world.spec.checks = vec!["npm test".into()];
        *world.walls.packages.lock().unwrap() = fetched.clone();
        let outcome = Outcome { exit: Some(0), ..Outcome::default() };
        world.walls.ends.lock().unwrap().insert("npm test".into(), (b"ok".to_vec(), outcome));
        world.run();
        assert_eq!(world.walls.opened_on.lock().unwrap().last(), Some(&fetched));
        let receipts = world.files.receipts.lock().unwrap();
        let words = receipts[0].words(true);
        assert_eq!(words.ends_with("on exactly this text, with packages that the task fetched"), fetched.is_some(), "{words}");
    }
}

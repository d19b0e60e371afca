//! Commit and push: planned, asked, planned again, recorded, done; and never otherwise.

use std::sync::{Arc, Mutex};

use countersign::{
    event::{Event, StopReason, ToolCallStatus},
    path::WsPath,
    seams::*,
    tools::Mode,
};
use serde_json::json;

use crate::fakes::*;

/// A repository as far as plans go: its head moves when it is told.
#[derive(Default)]
struct Repository {
    head: Mutex<u32>,
    done: Mutex<Vec<String>>,
    /// Times that the remote was looked at.
    looks: Mutex<u32>,
    force: bool,
    nothing_accepted: bool,
    left_out: Vec<(String, String)>,
    /// Why a commit goes to a branch of its own, if it does.
    new_branch: Option<&'static str>,
}

#[async_trait::async_trait]
impl Vcs for Repository {
    async fn look(&self, op: &str, paths: &[WsPath], _: Option<&str>) -> Result<String, VcsError> {
        Ok(format!("{op} of {} paths\n", paths.len()))
    }
    async fn branch(&self) -> Result<Branch, VcsError> {
        Ok(Branch { name: Some("topic".into()), head: Some(format!("head{}", self.head.lock().unwrap())) })
    }
    async fn create_branch(&self, name: &str) -> Result<(), VcsError> {
        self.done.lock().unwrap().push(format!("branch {name}"));
        Ok(())
    }
    async fn plan_commit(&self, spec: CommitSpec) -> Result<CommitPlan, VcsError> {
        assert!(spec.accepted.is_empty(), "the model has no say in what is committed");
        if self.nothing_accepted {
            return Err(VcsError { message: "there is nothing to commit".into(), hint: Some("accept first".into()) });
        }
        let head = *self.head.lock().unwrap();
        Ok(CommitPlan {
            branch: spec.branch.unwrap_or("topic".into()),
            creates_branch: self.new_branch.is_some(),
            why_branch: self.new_branch.map(str::to_owned),
            parent: Some(format!("head{head}")),
            tree: "tree".into(),
            files: vec!["src/a.rs".into()],
            diff: "+``` fence\n".into(),
            refused: self.left_out.clone(),
            digest: format!("commit-{head}-{}", spec.message),
            message: spec.message,
            warnings: vec!["a hook does not run".into()],
        })
    }
    async fn commit(&self, plan: &CommitPlan) -> Result<String, VcsError> {
        self.done.lock().unwrap().push(format!("commit {}", plan.digest));
        Ok("c0ffee".into())
    }
    async fn plan_push(&self, spec: PushSpec) -> Result<PushPlan, VcsError> {
        *self.looks.lock().unwrap() += 1;
        let head = *self.head.lock().unwrap();
        Ok(PushPlan {
            remote: spec.remote.unwrap_or("origin".into()),
            url: "https://example.org/r.git".into(),
            branch: spec.branch.unwrap_or("topic".into()),
            old: Some("0123456789abcdef".into()),
            new: format!("head{head}"),
            fast_forward: !self.force,
            commits: vec!["abc one".into()],
            diff: "+x\n".into(),
            digest: format!("push-{head}"),
        })
    }
    async fn push(&self, plan: &PushPlan) -> Result<(), VcsError> {
        self.done.lock().unwrap().push(format!("push {}", plan.digest));
        Ok(())
    }
}

fn world(repository: &Arc<Repository>, steps: Vec<Step>, answers: &[AnswerKind]) -> World {
    world_under("", repository, steps, answers)
}

/// With more rules in the user's policy.
fn world_under(rules: &str, repository: &Arc<Repository>, steps: Vec<Step>, answers: &[AnswerKind]) -> World {
    let mut world = World::under(rules, steps.into_iter().chain([finish()]));
    world.vcs = Some(repository.clone());
    world.person.answers.lock().unwrap().extend(answers.iter().cloned());
    world
}

fn yes(title: &str) -> AnswerKind {
    AnswerKind::Approved(title.into())
}

fn commit(message: &str) -> Step {
    call("git", json!({"op": "commit", "message": message}))
}

#[test]
fn the_question_says_how_many_files_a_commit_leaves_out() {
    let left_out = vec![("notes.md".to_owned(), "it is not clean in HEAD".to_owned())];
    let repository = Arc::new(Repository { left_out, ..Repository::default() });
    let world = world(&repository, vec![commit("Fix it")], &[yes("Commit")]);
    assert_eq!(world.run().stop, StopReason::EndTurn);
    let questions = world.person.questions.lock().unwrap();
    assert_eq!(questions[0].text, "Commit src/a.rs (1 more left out, see Show) to branch topic? Message: \"Fix it\"");
    assert!(questions[0].document.contains("- left out: notes.md: it is not clean in HEAD"), "{}", questions[0].document);
}

#[test]
fn the_question_says_why_a_commit_goes_to_a_branch_of_its_own() {
    let repository = Arc::new(Repository { new_branch: Some("main is protected"), ..Repository::default() });
    let world = world(&repository, vec![commit("Fix it")], &[yes("Commit")]);
    assert_eq!(world.run().stop, StopReason::EndTurn);
    let questions = world.person.questions.lock().unwrap();
    assert_eq!(questions[0].text, "Commit src/a.rs to the new branch topic (main is protected)? Message: \"Fix it\"");
    let why = "- new branch because main is protected: you are switched to it, and no file changes by that\n";
    assert!(questions[0].document.contains(why), "{}", questions[0].document);
}

fn push() -> Step {
    call("git", json!({"op": "push"}))
}

#[test]
fn an_approved_commit_and_push_happen_once_with_their_record() {
    let repository = Arc::new(Repository::default());
    let world = world(&repository, vec![commit("Fix it"), push()], &[yes("Commit"), yes("Push")]);
    assert_eq!(world.run().stop, StopReason::EndTurn);
    assert_eq!(*repository.done.lock().unwrap(), ["commit commit-0-Fix it", "push push-0"]);
    assert!(world.log.results()[0].1.starts_with("committed c0ffee on topic: src/a.rs"), "{:?}", world.log.results());
    let lines = world.log.lines.lock().unwrap();
    let kinds: Vec<(&str, bool)> = lines
        .iter()
        .filter_map(|(_, _, event, durable)| match event {
            Event::EffectStart { effect, .. } => Some((effect.as_str(), *durable)),
            Event::EffectResult { ok, .. } => Some(("result", *ok)),
            Event::GitCommit { .. } => Some(("commit", true)),
            Event::GitPush { .. } => Some(("push", true)),
            _ => None,
        })
        .collect();
    let t = true;
    assert_eq!(kinds, [("git.commit", t), ("result", t), ("commit", t), ("git.push", t), ("result", t), ("push", t)]);
    let questions = world.person.questions.lock().unwrap();
    assert_eq!(questions[0].text, "Commit src/a.rs to branch topic? Message: \"Fix it\"");
    assert_eq!((questions[0].digest.as_str(), questions[0].titles.as_slice()), ("commit-0-Fix it", &["Commit".to_owned()][..]));
    assert!(
        questions[0].document.contains("````diff\n+``` fence\n````") && questions[0].document.contains("a hook does not run")
    );
    assert!(
        questions[1]
            .text
            .starts_with("Push 1 commit to branch topic of origin (https://example.org/r.git), 0123456789 to head0?")
    );
}

#[test]
fn a_moved_repository_voids_the_approval() {
    for step in [commit("Fix it"), push(), call("git", json!({"op": "branch", "branch": "topic/two"}))] {
        let repository = Arc::new(Repository::default());
        let world = world(&repository, vec![step], &[yes("Commit")]);
        let moving = repository.clone();
        *world.person.while_open.lock().unwrap() = Some(Box::new(move || *moving.head.lock().unwrap() += 1));
        world.run();
        assert!(repository.done.lock().unwrap().is_empty());
        let (status, text) = world.log.results()[0].clone();
        assert!(status == ToolCallStatus::Error && text.contains("approval is void"), "{text}");
        assert!(!world.log.events().iter().any(|(_, event)| matches!(event, Event::EffectStart { .. })));
    }
}

#[test]
fn no_answer_publishes_nothing_and_bars_the_next_try() {
    for answer in [AnswerKind::Rejected, AnswerKind::Dismissed, AnswerKind::Expired] {
        let repository = Arc::new(Repository::default());
        let steps = vec![push(), commit("a"), push(), commit("a"), commit("b")];
        let world = world(&repository, steps, &[answer.clone(), answer, yes("Commit"), yes("Push")]);
        world.run();
        // The second push and the same commit are barred; another commit is another question.
        assert_eq!(*repository.done.lock().unwrap(), ["commit commit-0-b"]);
        assert_eq!(world.person.questions.lock().unwrap().len(), 3);
        let denied = world.log.results().iter().filter(|(status, _)| *status == ToolCallStatus::Denied).count();
        assert_eq!(denied, 4);
    }
}

#[test]
fn force_pushes_to_protected_branches_are_denied_without_a_question() {
    let repository = Arc::new(Repository { force: true, ..Repository::default() });
    let to_main = call("git", json!({"op": "push", "branch": "main"}));
    let world = world(&repository, vec![to_main], &[yes("Push")]);
    world.run();
    assert_eq!(world.log.results()[0].0, ToolCallStatus::Denied);
    assert!(world.person.questions.lock().unwrap().is_empty() && repository.done.lock().unwrap().is_empty());
}

#[test]
fn a_push_that_is_denied_in_every_case_does_not_reach_the_remote() {
    let rules =
        "[[rule]]\nid = \"frozen\"\naction = \"git.push\"\nverdict = \"deny\"\nbranch = [\"release/*\"]\nreason = \"frozen\"\n";
    let to = |branch: &str| call("git", json!({"op": "push", "branch": branch}));
    for (branch, looks, status) in [("release/1", 0, ToolCallStatus::Denied), ("topic", 2, ToolCallStatus::Ok)] {
        let repository = Arc::new(Repository::default());
        let world = world_under(rules, &repository, vec![to(branch)], &[yes("Push")]);
        world.run();
        assert_eq!(world.log.results()[0].0, status, "{:?}", world.log.results());
        assert_eq!(*repository.looks.lock().unwrap(), looks, "{branch}: planned, and planned again before the effect");
        assert_eq!(world.person.questions.lock().unwrap().len(), usize::from(looks > 0));
    }
    // Without a branch it is the one of HEAD.
    let repository = Arc::new(Repository::default());
    let world = world_under(&rules.replace("release/*", "topic"), &repository, vec![push()], &[yes("Push")]);
    world.run();
    assert_eq!(world.log.results()[0].0, ToolCallStatus::Denied);
    assert_eq!(*repository.looks.lock().unwrap(), 0);
}

#[test]
fn an_effect_without_a_record_does_not_happen() {
    let repository = Arc::new(Repository::default());
    let world = world(&repository, vec![push()], &[yes("Push")]);
    // Durable so far: the task's start and the call's intent.
    world.log.durable_left.store(2, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(world.run().stop, StopReason::Error);
    assert!(repository.done.lock().unwrap().is_empty());
}

#[test]
fn nothing_accepted_is_nothing_to_commit() {
    let repository = Arc::new(Repository { nothing_accepted: true, ..Repository::default() });
    let world = world(&repository, vec![commit("x")], &[]);
    world.run();
    assert!(world.log.results()[0].1.contains("nothing to commit; accept first"));
    assert!(world.person.questions.lock().unwrap().is_empty());
}

#[test]
fn looking_asks_nobody_and_explain_can_only_look() {
    let repository = Arc::new(Repository::default());
    let steps = vec![call("git", json!({"op": "log", "path": "src"})), push(), call("git", json!({"op": "open_pull_request"}))];
    let mut world = world(&repository, steps, &[yes("Push")]);
    world.spec.mode = Mode::Explain;
    world.run();
    let results = world.log.results();
    assert_eq!(results[0].1, "log of 1 paths\n");
    assert!(results[1].1.contains("only looks") && results[2].1.contains("not available yet"), "{results:?}");
    assert!(repository.done.lock().unwrap().is_empty() && world.person.questions.lock().unwrap().is_empty());
}

#[test]
fn no_repository_is_said() {
    let world = World::new([call("git", json!({"op": "status"})), commit("x"), finish()]);
    world.run();
    assert!(world.log.results()[..2].iter().all(|(_, text)| text == "this folder is in no git repository"));
}

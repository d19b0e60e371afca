//! The whole world of a task, made of the fakes.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use countersign::{
    agent::{History, Seams, TaskEnd, TaskSpec, run_task},
    event::Event,
    policy::{LayerKind, LayerText, Lexical, Policy},
    seams::*,
    tools::Mode,
};
use tokio_util::sync::CancellationToken;

use super::{Files, Log, Person, Script, Step, Ticks, Walls};

/// The default policy with more rules in the user's layer. Loading runs its examples, so each is loaded once.
fn policy(rules: &str) -> Arc<Policy> {
    static LOADED: Mutex<BTreeMap<String, Arc<Policy>>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap();
    let load = || {
        let text = format!("{}\n{rules}", countersign::policy::DEFAULT);
        let layer = LayerText { kind: LayerKind::User, name: "policy.toml".into(), text: &text };
        Arc::new(Policy::load(&[layer]).unwrap_or_else(|error| panic!("{error}")))
    };
    loaded.entry(rules.to_owned()).or_insert_with(load).clone()
}

/// The whole world of a task.
pub struct World {
    pub model: Arc<Script>,
    pub files: Arc<Files>,
    pub walls: Arc<Walls>,
    pub person: Arc<Person>,
    pub log: Arc<Log>,
    pub clock: Arc<Ticks>,
    pub policy: Arc<Policy>,
    pub vcs: Option<Arc<dyn Vcs>>,
    pub spec: TaskSpec,
    pub cancel: CancellationToken,
}

impl World {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> World {
        Self::under("", steps)
    }

    /// A world under the default policy with more rules in the user's layer.
    pub fn under(rules: &str, steps: impl IntoIterator<Item = Step>) -> World {
        let clock = Arc::new(Ticks::default());
        World {
            model: Arc::new(Script {
                steps: Mutex::new(steps.into_iter().collect()),
                requests: Mutex::default(),
                judges: AtomicBool::new(true),
                at_request: Mutex::default(),
            }),
            files: Arc::new(Files::default()),
            walls: Arc::new(Walls::default()),
            person: Arc::new(Person { clock: clock.clone(), ..Person::default() }),
            log: Arc::new(Log { durable_left: AtomicU64::new(u64::MAX), ..Log::default() }),
            clock,
            policy: policy(rules),
            vcs: None,
            spec: TaskSpec {
                session: "s1".into(),
                task: "t1".into(),
                folder: PathBuf::from("/srv/space"),
                mode: Mode::Edit,
                title: "Test".into(),
                prompt: "Do it.".into(),
                iterations: None,
                reply_tokens: 0,
                prices: None,
                checks: Vec::new(),
                history: History::default(),
            },
            cancel: CancellationToken::new(),
        }
    }

    pub fn seams(&self) -> Seams {
        Seams {
            grants: None,
            model: self.model.clone(),
            workspace: self.files.clone(),
            sandbox: self.walls.clone(),
            editor: self.person.clone(),
            journal: self.log.clone(),
            vcs: self.vcs.clone(),
            clock: self.clock.clone(),
            policy: self.policy.clone(),
            around: Arc::new(Lexical),
            grounds: Default::default(),
        }
    }

    /// Runs the task to its end; a task that does not end within a minute fails the test. Whatever happened, every call
    /// must have one result, and the journal must fold to the task's own history.
    pub fn run(&self) -> TaskEnd {
        self.run_with(self.seams())
    }

    /// The same with these seams.
    pub fn run_with(&self, seams: Seams) -> TaskEnd {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let task = run_task(self.spec.clone(), seams, self.cancel.clone());
        let end = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), task).await }).expect("the task ends");
        self.check(&end);
        end
    }

    fn check(&self, end: &TaskEnd) {
        let events = self.log.events();
        let folded = History::from_events(events.iter().map(|(scope, event)| (scope, event)));
        if self.spec.history.is_empty() && self.log.durable_left.load(Ordering::SeqCst) == u64::MAX {
            assert_eq!(folded.messages(), end.history.messages(), "the journal folds to the live history");
        }
        assert!(end.history.open_calls().is_empty(), "every call has a result");
        let mut results = BTreeMap::<String, usize>::new();
        for (scope, event) in &events {
            if let Event::ToolResult { .. } = event {
                *results.entry(scope.call_id.clone().unwrap().0).or_default() += 1;
            }
        }
        assert!(results.values().all(|count| *count == 1), "{results:?}");
    }

    /// The text of the last result that the model was told in request `index` (from 0).
    pub fn told(&self, index: usize) -> String {
        let requests = self.model.requests.lock().unwrap();
        let last = requests[index]["messages"].as_array().unwrap().last().unwrap().clone();
        last["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["content"].as_str().or(block["text"].as_str()).unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n---\n")
    }

    pub fn requests(&self) -> usize {
        self.model.requests.lock().unwrap().len()
    }
}

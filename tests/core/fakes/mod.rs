//! The seams as small fakes: a scripted model that judges each request as the API would, files in a map, commands by name, a
//! person with prepared answers, a journal in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use countersign::{
    agent::{History, Seams, TaskEnd, TaskSpec, run_task},
    event::{Actor, ApprovalId, Event, HunkId, ProposalId, Scope, ToolCallStatus, Usage},
    path::WsPath,
    policy::{LayerKind, LayerText, Lexical, Policy},
    proposal::Receipt,
    seams::*,
    text::Text,
    tools::Mode,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::anthropic_rules;

/// What the scripted model does at one request.
pub enum Step {
    Reply(Reply),
    Fail(ErrorClass),
    /// Answers only when it is cancelled.
    Hang,
}

/// An answer that calls tools.
pub fn calls(calls: &[(&str, Value)]) -> Step {
    let content = calls.iter().enumerate().map(|(i, (name, input))| call_block(&format!("toolu_{i}"), name, input.clone()));
    reply(content.collect(), Stop::ToolUse)
}

pub fn call(name: &str, input: Value) -> Step {
    calls(&[(name, input)])
}

pub fn call_block(id: &str, name: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}

pub fn text(text: &str) -> Step {
    reply(vec![json!({"type": "text", "text": text})], Stop::EndTurn)
}

pub fn finish() -> Step {
    call("finish", json!({"summary": "all done"}))
}

pub fn reply(content: Vec<Value>, stop: Stop) -> Step {
    let usage = Usage { input: 1000, output: 10, ..Usage::default() };
    Step::Reply(Reply { id: "msg".into(), model: "fake".into(), content: content.into_iter().map(Block).collect(), stop, usage })
}

pub type Hook = Box<dyn FnMut() + Send>;
pub type AtRequest = Box<dyn FnMut(usize) + Send>;

pub struct Script {
    steps: Mutex<VecDeque<Step>>,
    pub requests: Mutex<Vec<Value>>,
    /// Whether each request is judged as the API would.
    pub judges: AtomicBool,
    /// Called at each request, before the answer.
    pub at_request: Mutex<Option<AtRequest>>,
}

fn wire(request: &ModelRequest) -> Value {
    json!({
        "model": "fake", "max_tokens": request.max_tokens, "system": &*request.system,
        "tools": request.tools.iter().map(|tool| json!(tool)).collect::<Vec<_>>(),
        "tool_choice": {"type": if request.tool_choice == ToolChoice::Auto { "auto" } else { "none" }},
        "messages": request.messages,
    })
}

#[async_trait::async_trait]
impl Model for Script {
    fn name(&self) -> &str {
        "script:fake"
    }
    fn body(&self, request: &ModelRequest) -> Vec<u8> {
        wire(request).to_string().into_bytes()
    }
    async fn reply(
        &self,
        request: &ModelRequest,
        on: &mut (dyn for<'a> FnMut(ModelEvent<'a>) + Send),
        cancel: &CancellationToken,
    ) -> Result<Reply, ModelError> {
        let body = wire(request);
        let count = {
            let mut requests = self.requests.lock().unwrap();
            if self.judges.load(Ordering::SeqCst) {
                anthropic_rules::validate(&body, requests.last()).unwrap_or_else(|why| panic!("{why}\n{body:#}"));
            }
            requests.push(body);
            requests.len()
        };
        if let Some(hook) = &mut *self.at_request.lock().unwrap() {
            hook(count);
        }
        let step = self.steps.lock().unwrap().pop_front();
        let error = |class| ModelError {
            class,
            message: format!("{class:?} happened."),
            hint: None,
            request_id: None,
            retry_after: None,
        };
        match step {
            Some(Step::Reply(reply)) => {
                on(ModelEvent::Text("streamed"));
                Ok(reply)
            }
            Some(Step::Fail(class)) => Err(error(class)),
            Some(Step::Hang) => {
                cancel.cancelled().await;
                Err(error(ErrorClass::Cancelled))
            }
            None => Err(error(ErrorClass::ScriptEnded)),
        }
    }
}

#[derive(Default)]
pub struct Files {
    pub files: Mutex<BTreeMap<String, String>>,
    pub staged: Mutex<Vec<StageRequest>>,
    pub news: Mutex<Vec<String>>,
    pub receipts: Mutex<Vec<Receipt>>,
    pub revision: AtomicU64,
}

impl Files {
    pub fn put(&self, path: &str, text: &str) {
        self.files.lock().unwrap().insert(path.into(), text.into());
        self.revision.fetch_add(1, Ordering::SeqCst);
    }
    pub fn get(&self, path: &str) -> Option<String> {
        self.files.lock().unwrap().get(path).cloned()
    }
}

#[async_trait::async_trait]
impl Workspace for Files {
    async fn read(&self, path: &WsPath) -> Result<View, WorkspaceError> {
        let text = self.get(path.as_str()).ok_or_else(|| WorkspaceError::NotFound { path: path.clone(), near: vec![] })?;
        Ok(View {
            path: path.clone(),
            size: text.len() as u64,
            text: Text::new(&text),
            kind: FileKind::Text,
            source: Source::Disk,
        })
    }
    async fn list(&self, query: ListQuery) -> Result<Listing, WorkspaceError> {
        let entries = self
            .files
            .lock()
            .unwrap()
            .keys()
            .map(|path| Listed { path: path.clone(), is_dir: false, note: None })
            .collect::<Vec<_>>();
        let more = entries.len().saturating_sub(query.limit);
        Ok(Listing { entries: entries.into_iter().take(query.limit).collect(), more })
    }
    async fn search(&self, query: SearchQuery) -> Result<SearchResult, WorkspaceError> {
        let files = self.files.lock().unwrap();
        let hits: Vec<Hit> = files
            .iter()
            .flat_map(|(path, text)| text.lines().enumerate().map(move |(line, text)| (path, line, text)))
            .filter(|(_, _, text)| text.contains(&query.pattern))
            .map(|(path, line, text)| Hit {
                path: path.clone(),
                line: line as u64 + 1,
                text: text.into(),
                is_match: true,
                count: 1,
            })
            .collect();
        let total = hits.len() as u64;
        let hits = hits.into_iter().skip(query.offset).take(query.limit).collect();
        Ok(SearchResult { hits, total, files_searched: files.len() as u64, truncated: false })
    }
    async fn stage(&self, request: StageRequest) -> Result<Staged, WorkspaceError> {
        let path = request.path.to_string();
        let text = match &request.op {
            StageOp::Modify { from, to } | StageOp::Merge { from, to } => {
                if self.get(&path) != Some(from.to_string()) {
                    return Err(WorkspaceError::Moved(request.path));
                }
                self.put(&path, &to.to_string());
                to.clone()
            }
            StageOp::Create { text } => {
                if self.get(&path).is_some() {
                    return Err(WorkspaceError::Exists(request.path));
                }
                self.put(&path, &text.to_string());
                text.clone()
            }
            StageOp::Delete => {
                self.files.lock().unwrap().remove(&path);
                Text::default()
            }
            StageOp::Move { to } => {
                let text = self.files.lock().unwrap().remove(&path).unwrap_or_default();
                self.put(to.as_str(), &text);
                Text::new(&text)
            }
            StageOp::Mode { .. } => Text::new(&self.get(&path).unwrap_or_default()),
        };
        let mut staged = self.staged.lock().unwrap();
        staged.push(request);
        let hunks = vec![HunkId(format!("h{}", staged.len()))];
        Ok(Staged { proposal: ProposalId::from("p1"), hunks, stale: vec![], text })
    }
    async fn shadow(&self) -> Result<Shadow, WorkspaceError> {
        Ok(Shadow::default())
    }
    async fn checkable(&self) -> Result<Option<Checkable>, WorkspaceError> {
        let revision = self.revision.load(Ordering::SeqCst);
        let checkable = || Checkable { shadow: Shadow::default(), digest: format!("text {revision}") };
        Ok((!self.staged.lock().unwrap().is_empty()).then(checkable))
    }
    async fn checked(&self, receipt: Receipt) {
        self.receipts.lock().unwrap().push(receipt);
    }
    async fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }
    async fn news(&self) -> Vec<String> {
        std::mem::take(&mut self.news.lock().unwrap())
    }
    async fn moment(&self) -> Result<Moment, WorkspaceError> {
        Ok(Moment { at: SystemTime::now(), over: BTreeMap::new() })
    }
    /// Texts and deletions only: the comparison itself is the real workspace's.
    async fn merges(&self, _: Moment, written: Vec<Written>) -> Result<Merges, WorkspaceError> {
        let mut found = Merges::default();
        for one in written {
            let path = WsPath::from_disk(&one.path).unwrap();
            let op = match (one.found, self.get(&one.path)) {
                (Found::File { content, .. }, from) => {
                    let to = Text::new(&String::from_utf8(content).unwrap());
                    from.map_or(StageOp::Create { text: to.clone() }, |from| StageOp::Merge { from: Text::new(&from), to })
                }
                (Found::Gone, _) => StageOp::Delete,
                (other, _) => {
                    found.kept.push((path, format!("{other:?}")));
                    continue;
                }
            };
            found.merges.push(Merge { ops: vec![(path.clone(), op)], takes: vec![path.clone()], path, lines: (1, 2) });
        }
        Ok(found)
    }
    async fn resolve(&self, path: &WsPath) -> Result<WsPath, WorkspaceError> {
        Ok(path.clone())
    }
}

/// Commands by their text: what they print and how they end. `hang` ends only when cancelled; unknown ones print their name.
#[derive(Default)]
pub struct Walls {
    pub ends: Mutex<BTreeMap<String, (Vec<u8>, Outcome)>>,
    pub ran: Arc<Mutex<Vec<String>>>,
    /// Called when a command has started.
    pub at_run: Arc<Mutex<Option<Hook>>>,
    /// What commands left in the shadow, with a stamp; a path that is not here is a file `left`.
    pub left: Arc<Mutex<BTreeMap<String, (Found, u64)>>>,
    /// What was taken of it.
    pub taken: Arc<Mutex<Vec<String>>>,
    pub broken: AtomicBool,
    pub opened: AtomicU64,
    /// What each command was allowed to reach, and what becomes of the connections of one that may reach something.
    pub networks: Arc<Mutex<Vec<Vec<String>>>>,
    /// What package managers' names stand for.
    pub registries: Mutex<BTreeMap<String, Registry>>,
    /// Where sessions have what commands fetched, and what sessions were opened on.
    pub packages: Mutex<Option<PathBuf>>,
    pub opened_on: Mutex<Vec<Option<PathBuf>>>,
    pub connections: Arc<Mutex<Vec<Connection>>>,
    /// The terms of the last session.
    pub terms: Mutex<NetTerms>,
}

struct Session {
    packages: Option<PathBuf>,
    networks: Arc<Mutex<Vec<Vec<String>>>>,
    connections: Arc<Mutex<Vec<Connection>>>,
    ends: BTreeMap<String, (Vec<u8>, Outcome)>,
    ran: Arc<Mutex<Vec<String>>>,
    at_run: Arc<Mutex<Option<Hook>>>,
    left: Arc<Mutex<BTreeMap<String, (Found, u64)>>>,
    taken: Arc<Mutex<Vec<String>>>,
}

#[async_trait::async_trait]
impl Sandbox for Walls {
    async fn level(&self) -> (Level, String) {
        (Level::L3, "fake".into())
    }
    async fn open(&self, spec: SandboxSpec) -> Result<Box<dyn SandboxSession>, SandboxError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(SandboxError { step: "namespaces".into(), why: "not permitted".into(), hint: "".into() });
        }
        self.opened.fetch_add(1, Ordering::SeqCst);
        *self.terms.lock().unwrap() = spec.net;
        self.opened_on.lock().unwrap().push(spec.packages);
        let packages = self.packages.lock().unwrap().clone();
        let (networks, connections) = (self.networks.clone(), self.connections.clone());
        let (left, taken) = (self.left.clone(), self.taken.clone());
        let ends = self.ends.lock().unwrap().clone();
        Ok(Box::new(Session {
            ends,
            ran: self.ran.clone(),
            at_run: self.at_run.clone(),
            left,
            taken,
            packages,
            networks,
            connections,
        }))
    }
    async fn registry(&self, name: &str, _: &Path) -> Result<Registry, String> {
        self.registries.lock().unwrap().get(name).cloned().ok_or_else(|| format!("{name} is not installed"))
    }
}

#[async_trait::async_trait]
impl SandboxSession for Session {
    fn level(&self) -> Level {
        Level::L3
    }
    async fn run(
        &self,
        command: Command,
        _: &Shadow,
        sink: &mut dyn OutputSink,
        cancel: &CancellationToken,
    ) -> Result<Outcome, SandboxError> {
        self.ran.lock().unwrap().push(command.text.clone());
        if !command.network.is_empty() {
            self.connections.lock().unwrap().iter().for_each(|news| sink.connection(news));
        }
        self.networks.lock().unwrap().push(command.network.clone());
        if command.text == "hang" {
            sink.output(b"half a line");
            if let Some(hook) = &mut *self.at_run.lock().unwrap() {
                hook();
            }
            cancel.cancelled().await;
            return Ok(Outcome { stopped: Some(Stopped::Cancelled), ..Outcome::default() });
        }
        let (out, outcome) = self
            .ends
            .get(&command.text)
            .cloned()
            .unwrap_or_else(|| (command.text.clone().into_bytes(), Outcome { exit: Some(0), ..Outcome::default() }));
        sink.output(&out);
        Ok(outcome)
    }
    fn packages(&self) -> Option<PathBuf> {
        self.packages.clone()
    }
    async fn written(&self, paths: Vec<String>, _: u64) -> Vec<Written> {
        let left = self.left.lock().unwrap();
        let found = |path: &str| left.get(path).cloned().unwrap_or((Found::File { content: b"left".into(), mode: 0o644 }, 1));
        paths.into_iter().map(|path| Written { found: found(&path).0, stamp: found(&path).1, path }).collect()
    }
    fn spills(&self) -> Arc<dyn Spills> {
        Arc::new(Memory)
    }
    async fn take(&self, paths: Vec<WsPath>) -> Result<(), SandboxError> {
        self.taken.lock().unwrap().extend(paths.iter().map(ToString::to_string));
        Ok(())
    }
}

/// Long outputs, kept in memory.
struct Memory;

impl Spills for Memory {
    fn create(&self) -> std::io::Result<Box<dyn Spill>> {
        Ok(Box::new(Bytes(Vec::new())))
    }
}

struct Bytes(Vec<u8>);

impl Spill for Bytes {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
    fn read(&self, at: u64, most: usize) -> std::io::Result<Vec<u8>> {
        Ok(self.0.iter().skip(at as usize).take(most).copied().collect())
    }
}

#[derive(Default)]
pub struct Person {
    pub updates: Mutex<Vec<Update>>,
    pub answers: Mutex<VecDeque<AnswerKind>>,
    pub questions: Mutex<Vec<Question>>,
    pub said: Mutex<Vec<String>>,
    /// Never answers.
    pub away: AtomicBool,
    pub clock: Arc<Ticks>,
    /// Seconds that an answer takes.
    pub takes: AtomicU64,
    /// Called while a question is open.
    pub while_open: Mutex<Option<Hook>>,
    /// What their editor knows besides texts.
    pub knows: OnceLock<Box<dyn Insight>>,
}

#[async_trait::async_trait]
impl Editor for Person {
    fn show(&self, update: Update) {
        self.updates.lock().unwrap().push(update);
    }
    async fn ask(&self, _: &Scope, question: Question) -> Answer {
        self.questions.lock().unwrap().push(question);
        if let Some(hook) = &mut *self.while_open.lock().unwrap() {
            hook();
        }
        self.clock.pass(Duration::from_secs(self.takes.load(Ordering::SeqCst)));
        if self.away.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let kind = self.answers.lock().unwrap().pop_front().unwrap_or(AnswerKind::Dismissed);
        Answer { approval: ApprovalId::from("a1"), kind, by: "user".into() }
    }
    async fn ask_text(&self, _: &Scope, question: &str, _: &[String]) -> Option<String> {
        (question != "unanswered").then(|| format!("answer to {question}"))
    }
    fn insight(&self) -> Option<&dyn Insight> {
        self.knows.get().map(|knows| &**knows)
    }
    fn steering(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap())
    }
}

#[derive(Default)]
pub struct Log {
    pub lines: Mutex<Vec<(Actor, Scope, Event, bool)>>,
    /// Durable appends that still succeed; `u64::MAX` for all.
    pub durable_left: AtomicU64,
}

#[async_trait::async_trait]
impl Journal for Log {
    fn append(&self, actor: Actor, scope: &Scope, event: Event) {
        self.lines.lock().unwrap().push((actor, scope.clone(), event, false));
    }
    async fn append_durable(&self, actor: Actor, scope: &Scope, event: Event) -> Result<(), JournalError> {
        let left = self.durable_left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(JournalError("disk full".into()));
        }
        if left != u64::MAX {
            self.durable_left.store(left - 1, Ordering::SeqCst);
        }
        self.lines.lock().unwrap().push((actor, scope.clone(), event, true));
        Ok(())
    }
}

impl Log {
    /// Every event as (scope, event).
    pub fn events(&self) -> Vec<(Scope, Event)> {
        self.lines.lock().unwrap().iter().map(|(_, scope, event, _)| (scope.clone(), event.clone())).collect()
    }
    /// Status and text of every result, in the order of the journal.
    pub fn results(&self) -> Vec<(ToolCallStatus, String)> {
        let result = |event: Event| match event {
            Event::ToolResult { status, content, .. } => Some((status, content)),
            _ => None,
        };
        self.events().into_iter().filter_map(|(_, event)| result(event)).collect()
    }
}

/// A clock that only moves when told.
#[derive(Default)]
pub struct Ticks(AtomicU64);

impl Ticks {
    pub fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Clock for Ticks {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
    fn utc(&self) -> String {
        "2026-01-01T00:00:00.000Z".into()
    }
    async fn sleep(&self, _: Duration) {}
}

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

    /// Runs the task to its end; a task that does not end within five seconds fails the test. Whatever happened, every call
    /// must have one result, and the journal must fold to the task's own history.
    pub fn run(&self) -> TaskEnd {
        self.run_with(self.seams())
    }

    /// The same with these seams.
    pub fn run_with(&self, seams: Seams) -> TaskEnd {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let task = run_task(self.spec.clone(), seams, self.cancel.clone());
        let end = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), task).await }).expect("the task ends");
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

//! A task's life outside of the actor: trust, policy, model, workspace, then the agent's loop.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Setup,
    actor::Actor,
    caps::Client,
    editor::{Steering, TaskEditor, ask},
    effective::{Effective, effective_policy},
    grants::FolderGrants,
    input::Input,
    neighbours::{self, Neighbour, Own, Surroundings, Whole},
    query::EditorInsight,
    task::{Asked, State},
    versioning::{self, ActorDesk},
};
use crate::{
    agent::{self, History, TaskSpec},
    config::{self, ConfigError, EndpointStore, GrantStore, TrustStore, keys, tasks},
    event::{Actor as By, Event, Scope, SessionId, StopReason, TaskId},
    journal::FileJournal,
    llm,
    path::{WsPath, roots::Roots},
    policy::{Action, Policy, Verdict},
    seams::{AnswerKind, Editor, Journal, Model, Question, QuestionKind, Workspace},
    text::{Encoding, Text},
    tools::Mode,
    workspace::{self, TaskWorkspace, World},
};

/// Longest selection that is put into a prompt, bytes; the model reads the rest itself.
const SELECTION: usize = 16 * 1024;

/// Scripted models by their SPEC: a task goes on where the one before left the script.
pub type Scripts = Arc<Mutex<HashMap<String, Arc<dyn Model>>>>;

/// How a task's life ended.
pub struct Finished {
    pub state: State,
    pub summary: String,
    /// The conversation for the session, if there was one.
    pub history: Option<History>,
    /// Exit code for a terminal (CONTRACT: "Exit codes").
    pub code: u8,
}

impl Finished {
    /// It could not be done; one sentence for the user.
    pub fn failed(why: impl Into<String>) -> Finished {
        Finished::with_code(why, 1)
    }

    fn with_code(why: impl Into<String>, code: u8) -> Finished {
        let why = why.into();
        Finished { state: State::Failed(why.clone()), summary: why, history: None, code }
    }

    /// Stopped before it began.
    pub fn cancelled() -> Finished {
        Finished::put_off("It had not begun.", 130)
    }

    /// It did not begin, and nothing went wrong.
    fn put_off(summary: &str, code: u8) -> Finished {
        Finished { state: State::Ended(StopReason::Cancelled), summary: summary.to_owned(), history: None, code }
    }
}

/// Everything that a task's life needs, taken out of the actor at its start.
pub struct Job {
    setup: Arc<Setup>,
    mailbox: mpsc::UnboundedSender<Input>,
    journal: Arc<FileJournal>,
    client: Client,
    session: SessionId,
    task: TaskId,
    folder: usize,
    /// The other folders that the editor has.
    neighbours: Vec<Neighbour>,
    canonical: PathBuf,
    name: String,
    asked: Asked,
    mode: Mode,
    title: String,
    history: History,
    new_session: bool,
    cancel: CancellationToken,
    steering: Steering,
    /// The session's tasks: a commit of the model takes their hunks.
    tasks: Vec<TaskId>,
    /// What the user did since the session's last task.
    notes: Vec<String>,
    scripts: Scripts,
    insight: Option<EditorInsight>,
    /// Path, text (of the buffer, if open) and encoding of what the ask is about.
    about: Option<(WsPath, Option<Text>)>,
}

impl Job {
    /// The job of a task.
    pub fn of(actor: &mut Actor, id: &TaskId) -> Option<Job> {
        let neighbours = actor.neighbours(id, actor.tasks.get(id)?.folder);
        let task = actor.tasks.get(id)?;
        let folder = actor.folders.get(task.folder)?;
        let about = task.asked.ask.uri.as_ref().and_then(|uri| actor.folders.path_in(task.folder, uri)).map(|path| {
            let text = folder.desk.buffer(&path).map(|buffer| buffer.text.clone());
            (path, text)
        });
        let session = actor.sessions.get(&task.session)?;
        Some(Job {
            setup: actor.setup.clone(),
            mailbox: actor.mailbox.clone(),
            journal: actor.journal.clone(),
            client: actor.client.clone(),
            session: task.session.clone(),
            task: id.clone(),
            folder: task.folder,
            neighbours,
            notes: session.notes.clone(),
            canonical: folder.canonical.clone(),
            name: folder.name.clone(),
            asked: task.asked.clone(),
            mode: task.mode,
            title: task.title.clone(),
            history: session.history.clone(),
            new_session: session.history.is_empty(),
            cancel: task.cancel.clone(),
            steering: task.steering.clone(),
            tasks: actor.tasks.values().filter(|other| other.session == task.session).map(|task| task.id.clone()).collect(),
            scripts: actor.scripts.clone(),
            insight: EditorInsight::of(actor, id, task.folder),
            about,
        })
    }

    /// Lives it.
    pub async fn run(self) -> Finished {
        match self.live().await {
            Ok(finished) | Err(finished) => finished,
        }
    }

    async fn live(mut self) -> Result<Finished, Finished> {
        self.trust().await?;
        self.prove_walls();
        let policy = self.policy().await;
        let model = self.model().await?;
        if self.cancel.is_cancelled() {
            return Err(Finished::cancelled());
        }
        let disk = workspace::Folder::open(&self.canonical).map_err(|error| Finished::failed(error.to_string()))?;
        let world = Arc::new(World::new(disk, self.setup.environment.home(), self.setup.environment.folder("XDG_CONFIG_HOME")));
        let (name, canonical) = (self.name.clone(), self.canonical.clone());
        let own = Own { name, canonical, policy: policy.clone(), world: world.clone(), insight: self.insight.take() };
        let neighbours = std::mem::take(&mut self.neighbours);
        let around = Surroundings { setup: &self.setup, mailbox: &self.mailbox, task: &self.task, trusted: self.client.trusted };
        let door = ActorDesk::new(self.mailbox.clone(), self.folder);
        let Whole { own: view, all, grounds, insight } = around.workspace(own, door, neighbours);
        let prompt = self.prompt(&view, &policy, &world, grounds.roots()).await?;
        if self.new_session {
            let start = Event::SessionStart {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                model: model.name().to_owned(),
                client: Some(self.client.name.clone()),
            };
            self.record(start);
        }
        let timeout = Duration::from_secs(self.setup.config.now().approval.timeout_s);
        let editor: Arc<dyn Editor> = Arc::new(
            TaskEditor::new(self.mailbox.clone(), self.task.clone(), self.steering.clone(), timeout).with_insight(insight),
        );
        let spec = TaskSpec {
            session: self.session.clone(),
            task: self.task.clone(),
            folder: self.canonical.clone(),
            mode: self.mode,
            title: self.title.clone(),
            prompt,
            iterations: self.asked.iterations,
            reply_tokens: self.setup.config.now().model.max_tokens.unwrap_or(0),
            prices: prices(&self.setup.config.now(), model.name()),
            checks: self.setup.config.now().checks.commands.clone(),
            history: std::mem::take(&mut self.history),
        };
        let desk = ActorDesk::new(self.mailbox.clone(), self.folder);
        let vcs = versioning::git(&self.setup, &self.canonical, &policy, desk, Some(self.tasks.clone()));
        let store = GrantStore::new(&self.setup.folders);
        let grants = FolderGrants::new(store, self.canonical.clone(), Arc::new(view), self.setup.clock.clone());
        let seams = agent::Seams {
            model,
            workspace: all,
            sandbox: self.setup.sandbox.clone(),
            editor,
            journal: self.journal.clone(),
            vcs,
            grants: Some(Arc::new(grants)),
            clock: self.setup.clock.clone(),
            policy,
            around: world,
            grounds,
        };
        let end = agent::run_task(spec, seams, self.cancel.clone()).await;
        Ok(Finished {
            code: match end.stop {
                StopReason::EndTurn => 0,
                StopReason::Cancelled => 130,
                _ => 1,
            },
            state: match end.error {
                Some(error) => State::Failed(with_hint(&error.message, error.hint.as_deref())),
                None => State::Ended(end.stop),
            },
            summary: end.summary,
            history: Some(end.history),
        })
    }

    /// Before trust nothing runs, no model is called, nothing is committed.
    async fn trust(&self) -> Result<(), Finished> {
        let store = TrustStore::new(&self.setup.folders);
        if self.client.trusted || store.is_trusted(&self.canonical).map_err(|error| Finished::with_code(error.to_string(), 2))? {
            return Ok(());
        }
        let answer = ask(&self.mailbox, &self.scope(), trust_question(&self.canonical, self.timeout())).await;
        let next = format!("run: countersign trust add {}", self.canonical.display());
        match answer.kind {
            AnswerKind::Approved(_) => {
                store.add(&self.canonical).map_err(|error| Finished::with_code(error.to_string(), 2))?;
                let folder = self.canonical.display().to_string();
                self.record(Event::TrustChanged { folder, trusted: true, by: answer.by });
                let _ = self.mailbox.send(Input::LookForKept);
                Ok(())
            }
            AnswerKind::Rejected => {
                Err(Finished::with_code(format!("you did not trust {}; nothing ran", self.canonical.display()), 4))
            }
            AnswerKind::Dismissed | AnswerKind::Expired => {
                let why = format!("{} is not trusted yet, so nothing ran; ask again, or {next}", self.canonical.display());
                Err(Finished::with_code(why, 4))
            }
        }
    }

    /// Finds the walls' level out beside everything else that a task needs first; it is found out once a server.
    fn prove_walls(&self) {
        if self.mode == Mode::Edit {
            let (sandbox, mailbox) = (self.setup.sandbox.clone(), self.mailbox.clone());
            tokio::spawn(async move {
                let (level, _) = sandbox.level().await;
                let _ = mailbox.send(Input::Level(level));
            });
        }
    }

    /// The effective policy; a broken file leaves only reading.
    async fn policy(&self) -> Arc<Policy> {
        let Effective { policy, layers, problem } = effective_policy(&self.setup, &self.canonical, true);
        let told = match &problem {
            Some(problem) => problem.input(&self.canonical),
            None => Input::Sound(self.canonical.clone()),
        };
        let _ = self.mailbox.send(told);
        let event = Event::PolicyLoaded {
            sha: policy.sha().to_owned(),
            layers,
            problems: problem.iter().map(|problem| problem.message.clone()).chain(policy.notes().iter().cloned()).collect(),
        };
        self.record(event);
        policy
    }

    /// The model; without a key the user is asked to set one up, and what they did is looked for once more.
    async fn model(&self) -> Result<Arc<dyn Model>, Finished> {
        let why = match self.look_for_model().await {
            Ok(model) => return Ok(model),
            Err(NoModel::Ends(finished)) => return Err(finished),
            Err(NoModel::NoKey(why)) => why,
        };
        if !self.offer_setup(&why).await {
            return Err(Finished::with_code(
                format!("{why}; run `countersign init` to set one up, or try `countersign demo`"),
                2,
            ));
        }
        match self.look_for_model().await {
            Ok(model) => Ok(model),
            Err(NoModel::Ends(finished)) => Err(finished),
            Err(NoModel::NoKey(_)) => {
                let _ = self.mailbox.send(Input::SetUp);
                Err(Finished::put_off(
                    "Ask again once a model is set up: `countersign init` does it, or follow the opened document.",
                    2,
                ))
            }
        }
    }

    async fn look_for_model(&self) -> Result<Arc<dyn Model>, NoModel> {
        let setup = &self.setup;
        let (now, broken) = setup.config.look();
        let (environment, config) = (&setup.environment, now.as_ref());
        let chosen = setup.model.as_deref().or(self.client.model.as_deref());
        let usage = |error: ConfigError| Finished::with_code(error.to_string(), 2);
        let local = chosen.is_some_and(|spec| config::model::Provider::of_spec(spec).is_none());
        if let Some(broken) = broken.filter(|_| !local) {
            // The file may name another address: neither key nor code goes to the vendor for want of it.
            return Err(Finished::with_code(format!("{broken}; no model is called until this is mended"), 2).into());
        }
        let owner = config::model::spec(chosen, environment, config);
        let spec = match owner {
            Ok(spec) => spec,
            Err(error) => match keys::find(config::model::Provider::Anthropic, environment, &setup.folders, config).await {
                Ok(Some(_)) => config::model::Provider::Anthropic.default_model().unwrap_or_default().to_owned(),
                _ => return Err(NoModel::NoKey(error.message)),
            },
        };
        let script = spec.starts_with("script:").then(|| spec.clone());
        if let Some(model) =
            script.as_ref().and_then(|spec| self.scripts.lock().unwrap_or_else(PoisonError::into_inner).get(spec).cloned())
        {
            return Ok(model);
        }
        let mut settings = llm::Settings::new(spec.clone());
        settings.record = setup.record.clone();
        if let Some(max) = config.model.max_tokens {
            settings.max_tokens = max;
        }
        // Nobody is asked for the key of a model that cannot be reached; `build` below says so.
        let reachable = llm::Spec::parse(&spec).is_ok_and(|spec| spec.is_available());
        if let Some(provider) = config::model::Provider::of_spec(&spec).filter(|_| reachable) {
            let endpoint = config::model::endpoint(provider, environment, config).map_err(usage)?;
            let key = keys::find(provider, environment, &setup.folders, config).await.map_err(usage)?;
            match key {
                Some((key, _)) => settings.anthropic_key = llm::Secret::new(key.expose()),
                None if provider.key_variable().is_some() => {
                    return Err(NoModel::NoKey(format!("no key for {spec} was found")));
                }
                None => {}
            }
            settings.anthropic_base_url = Some(endpoint.url.to_string());
            if endpoint.foreign {
                self.endpoint(&endpoint).await?;
                settings.confirmed_origin = Some(endpoint.url.origin().ascii_serialization());
            }
        }
        let model = llm::build(settings, setup.clock.clone())
            .map_err(|error| Finished::with_code(with_hint(&error.message, error.hint.as_deref()), 2))?;
        if let Some(spec) = script {
            self.scripts.lock().unwrap_or_else(PoisonError::into_inner).insert(spec, model.clone());
        }
        Ok(model)
    }

    /// A base URL that is neither the vendor's nor loopback is confirmed once before a key goes there.
    async fn endpoint(&self, endpoint: &config::model::Endpoint) -> Result<(), Finished> {
        let origin = endpoint.url.origin().ascii_serialization();
        let store = EndpointStore::new(&self.setup.folders);
        let usage = |error: ConfigError| Finished::with_code(error.to_string(), 2);
        if store.is_confirmed(&origin).map_err(usage)? {
            return Ok(());
        }
        let question = Question {
            kind: QuestionKind::Endpoint,
            text: format!(
                "Endpoint · send your API key and code to {origin}? It is not the vendor's ({} says so).",
                endpoint.source
            ),
            titles: vec!["Use it".to_owned()],
            document: format!(
                "# Endpoint\n\nThe base URL of the model is `{}`, set by {}. That is neither the vendor's host nor this machine.\n\nApproving \
                 it sends your API key and what the agent reads to that host, now and in later tasks.\n",
                endpoint.url, endpoint.source
            ),
            digest: sha(&origin),
            timeout: self.timeout(),
            reading: Duration::ZERO,
        };
        match ask(&self.mailbox, &self.scope(), question).await.kind {
            AnswerKind::Approved(_) => store.confirm(&origin).map_err(usage),
            _ => {
                let other = match endpoint.source {
                    "config.toml" => "take [model.base_url] out of config.toml".to_owned(),
                    variable => format!("unset {variable}"),
                };
                let why = format!("{origin} was not confirmed, so no key went there; confirm it when you are asked, or {other}");
                Err(Finished::with_code(why, 4))
            }
        }
    }

    /// No key: offer to set one up, or the demo. Whether the user wants to, or has done it by now.
    async fn offer_setup(&self, why: &str) -> bool {
        let question = Question {
            kind: QuestionKind::Setup,
            text: format!("Setup · {why}. Set a key up now? (Without one, `countersign demo` shows everything.)"),
            titles: vec!["Set up".to_owned()],
            document: SETUP.to_owned(),
            digest: String::new(),
            timeout: self.timeout(),
            reading: Duration::ZERO,
        };
        matches!(ask(&self.mailbox, &self.scope(), question).await.kind, AnswerKind::Approved(_))
    }

    /// The task prompt with the user's words and what they point at.
    async fn prompt(&self, view: &TaskWorkspace, policy: &Policy, around: &World, roots: &Roots) -> Result<String, Finished> {
        let found = tasks::Tasks::load(&self.setup.folders, Some(&self.canonical), true);
        let name = &self.asked.prompt_name;
        let task = found.tasks.get(name).ok_or_else(|| Finished::with_code(format!("there is no task prompt {name:?}"), 2))?;
        let ask = &self.asked.ask;
        let (mut file, mut range, mut selection) = (String::new(), String::new(), String::new());
        let mut kept = None;
        if let Some((path, open)) = &self.about {
            file = roots.join(0, path).to_string();
            let read = policy.decide(&Action::Read(path.to_string()), around);
            // What no tool may read does not leave by way of a selection either.
            kept = (read.verdict == Verdict::Deny).then_some(read.reason);
            if let Some(chosen) = ask.range {
                // A selection of whole lines ends before the first character of the next one.
                let whole = chosen.end.character == 0 && chosen.end.line > chosen.start.line;
                range = format!("{}-{}", chosen.start.line + 1, chosen.end.line + u32::from(!whole));
            }
            if let Some(chosen) = ask.range.filter(|_| kept.is_none()) {
                let text = match open {
                    Some(text) => Some(text.clone()),
                    None => view.read(path).await.ok().map(|view| view.text),
                };
                selection = text.map(|text| selected(&text, chosen, self.client.encoding)).unwrap_or_default();
            }
        }
        let diagnostics = diagnostics(ask.diagnostics.as_deref().filter(|_| kept.is_none()).unwrap_or_default());
        let variables = tasks::Variables {
            file: &file,
            range: &range,
            selection: &selection,
            diagnostics: &diagnostics,
            prompt: ask.prompt.as_deref().unwrap_or_default(),
        };
        let text = task.render(&variables).map_err(|why| Finished::with_code(why, 2))?;
        let notes: String = self.notes.iter().map(|note| format!("{note}\n\n")).collect();
        let kept = kept.map(|why| format!("\n\nNothing of that file is shown: {why}.")).unwrap_or_default();
        let folders = neighbours::told(&self.name, roots);
        Ok(format!("{folders}\n\n{notes}{}{kept}", text.trim()))
    }

    fn scope(&self) -> Scope {
        Scope {
            session: Some(self.session.clone()),
            task: Some(self.task.clone()),
            workspace: Some(self.canonical.display().to_string()),
            ..Scope::default()
        }
    }

    fn record(&self, event: Event) {
        self.journal.append(By::Server, &self.scope(), event);
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.setup.config.now().approval.timeout_s)
    }
}

/// The question of trust in a folder.
pub fn trust_question(folder: &std::path::Path, timeout: Duration) -> Question {
    let shown = folder.display().to_string();
    Question {
        kind: QuestionKind::Trust,
        text: format!(
            "Trust · let the agent work in {}? It may read these files, send them to the model and run commands in walls.",
            agent::brief(&shown, 100)
        ),
        titles: vec!["Trust".to_owned()],
        document: format!(
            "# Trust\n\nFolder: `{shown}`\n\nWith your trust the agent may\n\n- read the files of this folder (not the secret ones) and send\n  \
             what it reads to the model,\n- run commands on a shadow of it, inside walls,\n- use the task prompts and the (only tightening) policy \
             that the folder brings\n  in `.countersign/`.\n\nIt still changes no file that you do not accept, and asks before each commit and \
             push.\n\nTake it back with: countersign trust revoke {shown}\n"
        ),
        digest: sha(&shown),
        timeout,
        reading: Duration::ZERO,
    }
}

fn selected(text: &Text, range: tower_lsp::lsp_types::Range, encoding: Encoding) -> String {
    let (start, end) = (text.offset(super::point(range.start), encoding), text.offset(super::point(range.end), encoding));
    let mut chosen = text.slice(start..end.max(start));
    if chosen.len() > SELECTION {
        let cut = (0..=SELECTION).rev().find(|at| chosen.is_char_boundary(*at)).unwrap_or(0);
        chosen.truncate(cut);
        chosen.push_str("\n(the selection goes on; read the file for the rest)");
    }
    chosen
}

fn diagnostics(all: &[tower_lsp::lsp_types::Diagnostic]) -> String {
    let line = |diagnostic: &tower_lsp::lsp_types::Diagnostic| {
        let message: String = diagnostic.message.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("line {}: {message}", diagnostic.range.start.line + 1)
    };
    all.iter().filter(|one| one.source.as_deref() != Some(super::display::SOURCE)).map(line).collect::<Vec<_>>().join("\n")
}

fn prices(config: &config::Config, model: &str) -> Option<agent::Prices> {
    let price = config.model.prices.get(model).or_else(|| config.model.prices.get(model.split_once(':')?.1))?;
    Some(agent::Prices {
        input: price.input,
        output: price.output,
        cache_read: price.cache_read.unwrap_or(price.input * 0.1),
        cache_write: price.cache_write.unwrap_or(price.input * 1.25),
    })
}

fn with_hint(message: &str, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{} {hint}", ended(message)),
        None => message.to_owned(),
    }
}

fn ended(message: &str) -> String {
    if message.ends_with(['.', '!', '?']) { message.to_owned() } else { format!("{message}.") }
}

fn sha(text: &str) -> String {
    Text::new(text).sha256()
}

/// Why there is no model.
enum NoModel {
    NoKey(String),
    Ends(Finished),
}

impl From<Finished> for NoModel {
    fn from(finished: Finished) -> Self {
        NoModel::Ends(finished)
    }
}

/// How to set up a model.
pub const SETUP: &str = include_str!("setup.md");

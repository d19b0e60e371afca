//! The one owner of the server's state: it takes one input after the other and never waits.
//!
//! What takes time (disk, model, commands, dialogs) runs in tasks of its own and comes back as another input. The parts of its
//! work stand in files of their own: `text_sync`, `asking`, `running`, `review`, `display`, `offers`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::sync::{mpsc, oneshot};
use tower_lsp::{
    jsonrpc,
    lsp_types::{MessageType, Url, WorkspaceFolder},
};

use super::{
    Setup,
    caps::Client,
    commands::{Command, failed},
    content::Contents,
    display::Display,
    documents::Documents,
    folders::Folders,
    hover::Stories,
    input::{Input, Reply},
    life,
    outgoing::Outgoing,
    problems::Problem,
    prompting::{OpenBallot, OpenPrompt},
    questions::Questions,
    recent::Recent,
    restore::Keeper,
    review::Review,
    task::Task,
};
use crate::{
    agent::History,
    config::tasks::TaskPrompt,
    event::{Actor as By, Event, Scope, SessionId, TaskId},
    journal::FileJournal,
    path::WsPath,
    seams::Journal,
};

/// A conversation: what later asks in it build on.
#[derive(Default)]
pub struct Session {
    pub history: History,
    /// What the user did on their own since the last task; told with the next message.
    pub notes: Vec<String>,
}

/// The server's state.
pub struct Actor {
    pub setup: Arc<Setup>,
    pub mailbox: mpsc::UnboundedSender<Input>,
    pub out: Outgoing,
    pub journal: Arc<FileJournal>,
    pub client: Client,
    pub folders: Folders,
    pub sessions: HashMap<SessionId, Session>,
    pub tasks: BTreeMap<TaskId, Task>,
    pub questions: Questions,
    pub documents: Documents,
    /// Documents without a file that the client has read.
    pub contents: Contents,
    pub prompts: HashMap<u64, OpenPrompt>,
    /// Prompt documents that were sent.
    pub sent: HashSet<Url>,
    /// Documents with boxes that are open.
    pub ballots: HashMap<u64, OpenBallot>,
    pub review: Review,
    pub display: Display,
    pub keeper: Keeper,
    /// What is told about accepted lines.
    pub stories: Stories,
    /// Lines with `agent:` that the user typed: folder, file, line.
    pub typed: Vec<(usize, WsPath, String)>,
    /// What the user typed last.
    pub recent: Arc<Mutex<Recent>>,
    /// Task prompts as last read.
    pub prompt_cache: HashMap<Option<usize>, (Instant, Arc<[TaskPrompt]>)>,
    /// Broken files that the user has been told about.
    pub problems: Vec<Problem>,
    pub scripts: life::Scripts,
    /// Level of the walls, once known.
    pub level: Option<String>,
    /// Numbers prompt documents and proposals.
    pub counter: u64,
    /// Answered when the last task is gone.
    pub leaving: Option<oneshot::Sender<()>>,
}

impl Actor {
    /// The state of a server whose client has just said who it is.
    pub fn new(
        setup: Arc<Setup>,
        mailbox: mpsc::UnboundedSender<Input>,
        out: Outgoing,
        journal: Arc<FileJournal>,
        client: Client,
        folders: &[WorkspaceFolder],
    ) -> Actor {
        let documents = Documents::below(&setup.folders.state);
        let keeper = Keeper::below(&setup.folders.state);
        Actor {
            setup,
            mailbox,
            out,
            journal,
            client,
            folders: Folders::new(folders),
            documents,
            contents: Contents::default(),
            sessions: HashMap::new(),
            tasks: BTreeMap::new(),
            questions: Questions::default(),
            prompts: HashMap::new(),
            sent: HashSet::new(),
            ballots: HashMap::new(),
            review: Review::default(),
            display: Display::default(),
            keeper,
            stories: Stories::default(),
            typed: Vec::new(),
            recent: Arc::default(),
            prompt_cache: HashMap::new(),
            problems: Vec::new(),
            scripts: life::Scripts::default(),
            level: None,
            counter: 0,
            leaving: None,
        }
    }

    /// Takes inputs until every sender is gone.
    pub async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<Input>) {
        while let Some(input) = inputs.recv().await {
            self.take(input);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Initialized => self.on_initialized(),
            Input::Opened(params) => self.on_opened(params),
            Input::Changed(params) => self.on_changed(params),
            Input::Saved(params) => self.on_saved(params),
            Input::Closed(params) => self.on_closed(params),
            Input::Folders(params) => self.on_folders(params),
            Input::Watched(params) => self.on_watched(params),
            Input::OnDisk { folder, path, now } => self.on_disk(folder, path, now),
            Input::Command(command, reply) => self.on_client_command(command, reply),
            Input::CodeActions(params, reply) => {
                let _ = reply.send(Ok(self.code_actions(params)));
            }
            Input::Lenses(uri, reply) => {
                let _ = reply.send(Ok(self.lenses(&uri)));
            }
            Input::Hover(params, reply) => {
                let _ = reply.send(Ok(self.hover(&params)));
            }
            Input::Content(uri, reply) => {
                let _ = reply.send(self.on_content(&uri));
            }
            Input::CancelProgress(task) => self.stop(Some(&task)),
            Input::Desk { folder, op } => self.on_desk(folder, op),
            Input::ProgressReady(task) => self.on_progress_ready(&task),
            Input::Update(task, update) => self.on_update(&task, update),
            Input::Ask { scope, question, reply } => self.on_ask(scope, question, reply),
            Input::AskText { task, question, reply } => self.on_ask_text(&task, &question, reply),
            Input::Dialog { approval, nonce, shown } => self.on_dialog(&approval, nonce, shown),
            Input::Expired(approval) => self.on_expired(&approval),
            Input::Landed(landed) => self.on_landed(landed),
            Input::PromptSent { id, sent } => self.on_prompt(id, sent),
            Input::Ticked { id, ticked } => self.on_ticked(id, ticked),
            Input::Remind(approval) => self.on_remind(&approval),
            Input::Trusted(approval) => self.on_trusted(&approval),
            Input::Refresh => self.refresh(),
            Input::SetUp => self.on_set_up(true),
            Input::Level(level) => self.on_level(level),
            Input::Problem(problem) => self.on_problem(problem),
            Input::Sound(root) => self.on_sound(&root),
            Input::Published { folder, fine, text } => self.on_published(folder, fine, &text),
            Input::Keep => self.keep(),
            Input::LookForKept => self.look_for_kept(),
            Input::Left(all) => self.on_left(all),
            Input::TaskDone(task, end) => self.on_task_done(&task, *end),
            Input::Shutdown(done) => self.on_shutdown(done),
        }
    }

    /// Runs a command of the client and answers it. The user is told of an error where the client shows none.
    pub fn on_client_command(&mut self, command: jsonrpc::Result<Command>, reply: Reply<serde_json::Value>) {
        if !self.client.hides_errors {
            return self.run_parsed(command, reply);
        }
        let (out, (told, answer)) = (self.out.clone(), oneshot::channel::<jsonrpc::Result<serde_json::Value>>());
        tokio::spawn(async move {
            let Ok(answer) = answer.await else { return };
            if let Err(error) = &answer {
                out.message(MessageType::WARNING, &error.message);
            }
            let _ = reply.send(answer);
        });
        self.run_parsed(command, told);
    }

    fn run_parsed(&mut self, command: jsonrpc::Result<Command>, reply: Reply<serde_json::Value>) {
        match command {
            Ok(command) => self.on_command(command, reply),
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    /// Runs a command and answers it.
    pub fn on_command(&mut self, command: Command, reply: Reply<serde_json::Value>) {
        let answer = match command {
            Command::Ask(ask) => self.on_ask_command(ask),
            Command::RunTask(run) => self.on_run_task(run),
            Command::Steer(say) => self.on_steer(say),
            Command::Queue(say) => self.on_queue(say),
            Command::Stop(stop) => match &stop.task {
                Some(task) if !self.tasks.contains_key(task) => Err(unknown("task", task)),
                task => {
                    self.stop(task.as_ref());
                    Ok(serde_json::Value::Null)
                }
            },
            Command::Continue(more) => self.on_continue(more),
            Command::Retry(retry) => self.on_retry(retry),
            Command::RetryWithNote(of) => self.on_retry_with_note(&of.task),
            Command::Tell(of) => self.on_tell(&of.task),
            Command::More(args) => self.on_more(args.uri.as_ref()),
            // Answered when the client's text has been compared.
            Command::Accept(review) => return self.on_accept(review, reply),
            Command::Undo(of) => return self.on_undo(&of.task, reply),
            Command::Reject(review) => self.on_reject(review),
            Command::RejectWithReason(hunks) => self.on_reject_with_reason(hunks),
            Command::Renew(hunks) => self.on_renew(hunks),
            Command::ShowDiff(show) => self.on_show_diff(show),
            Command::Approvals => self.on_approvals(),
            Command::Answer(answer) => self.on_answer_code(answer),
            Command::Commit(args) => self.on_user_commit(args),
            Command::Push => self.on_user_push(),
            Command::TrustWorkspace => self.on_trust_workspace(),
            Command::Status(wanted) => {
                if wanted.proposals == Some(true) {
                    self.send_proposals_again();
                }
                Ok(self.status())
            }
            Command::Transcript(of) => self.on_transcript(&of.task),
            Command::OpenPullRequest => Err(failed("opening pull requests is not available yet")),
            Command::Dashboard => {
                Err(failed("the dashboard is not available yet; `countersign audit sessions` lists what happened"))
            }
        };
        let _ = reply.send(answer);
    }

    /// Appends to the journal in the task's scope.
    pub fn record(&self, by: By, scope: &Scope, event: Event) {
        self.journal.append(by, scope, event);
    }

    /// The scope of a task's events.
    pub fn scope(&self, task: &TaskId) -> Scope {
        let task = self.tasks.get(task);
        Scope {
            session: task.map(|task| task.session.clone()),
            task: task.map(|task| task.id.clone()),
            iteration: None,
            call_id: None,
            workspace: task.and_then(|task| self.folders.get(task.folder)).map(|folder| folder.canonical.display().to_string()),
            policy_sha: None,
        }
    }

    fn on_shutdown(&mut self, done: oneshot::Sender<()>) {
        self.stop(None);
        self.dismiss_all_questions("the server is shutting down");
        self.leaving = Some(done);
        self.leave_when_idle();
    }

    /// Answers `shutdown` once no task runs any more.
    pub fn leave_when_idle(&mut self) {
        if self.tasks.values().all(|task| task.state.is_over())
            && let Some(done) = self.leaving.take()
        {
            let kept = self.keep_all();
            tokio::spawn(async move {
                let _ = kept.await;
                let _ = done.send(());
            });
        }
    }
}

/// An `InvalidParams` error for an id that is not there.
pub fn unknown(what: &str, id: impl std::fmt::Display) -> tower_lsp::jsonrpc::Error {
    super::commands::invalid(format!("`{what}`: there is no {what} {id}"))
}

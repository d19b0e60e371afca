//! `commit {}` and `push {}`: the user's own commit and push. The same plan, question and record as for the agent's, with the
//! folder's accepted hunks.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower_lsp::{jsonrpc, lsp_types::MessageType};

use super::{
    Setup,
    actor::Actor,
    commands::{CommitArgs, failed},
    editor::TaskEditor,
    effective::{Effective, effective_policy},
    input::Input,
    task::Task,
    versioning::{self, ActorDesk},
};
use crate::{
    agent::{Budget, Gate, Publisher, for_the_user},
    config::TrustStore,
    event::{Scope, TaskId, ToolCallStatus},
    journal::FileJournal,
    seams::PushSpec,
    tools::Publication,
    vcs::ALREADY,
    workspace::{self, World},
};

impl Actor {
    /// `commit`
    pub fn on_user_commit(&mut self, args: CommitArgs) -> jsonrpc::Result<Value> {
        let folder = self.committing_folder()?;
        let message = match args.message.map(|message| message.trim().to_owned()).filter(|message| !message.is_empty()) {
            Some(message) => message,
            None => {
                let desk = self.folders.get(folder).map(|folder| &folder.desk);
                // The newest whose changes are in it.
                let waiting = desk.map(|desk| desk.uncommitted(None, &[]).hunks).unwrap_or_default();
                let of = |task: &Task| desk.and_then(|desk| desk.proposal_of(&task.id));
                let worked =
                    |task: &&Task| of(task).is_some_and(|mine| waiting.iter().any(|(proposal, ..)| *proposal == mine.id));
                let latest = self.tasks.values().filter(worked).max_by_key(|task| task.started);
                latest.map_or_else(|| "Apply accepted changes".to_owned(), |task| task.title.clone())
            }
        };
        self.publish_as_user(folder, Publication::Commit { message, branch: None })
    }

    /// `push`
    pub fn on_user_push(&mut self) -> jsonrpc::Result<Value> {
        let folder = self.publishing_folder()?;
        self.publish_as_user(folder, Publication::Push { remote: None, branch: None })
    }

    /// The folder of the latest task, else the first.
    pub fn publishing_folder(&self) -> jsonrpc::Result<usize> {
        let latest = self.tasks.values().max_by_key(|task| task.started).map(|task| task.folder);
        latest.or_else(|| self.folders.for_ask(None)).ok_or_else(|| failed("no folder is open"))
    }

    /// The same where something waits for a commit; a task's work in other folders is committed there, one commit a folder.
    pub fn committing_folder(&self) -> jsonrpc::Result<usize> {
        let own = self.publishing_folder()?;
        let waits = |index: &usize| {
            let folder = self.folders.get(*index);
            folder.is_some_and(|folder| !folder.desk.uncommitted(None, &[]).hunks.is_empty())
        };
        let all = self.folders.iter().map(|(index, _)| index);
        Ok(std::iter::once(own).chain(all).find(waits).unwrap_or(own))
    }

    fn publish_as_user(&mut self, index: usize, what: Publication) -> jsonrpc::Result<Value> {
        let Some(folder) = self.folders.get(index) else { return Err(failed("no folder is open")) };
        let job = Job {
            setup: self.setup.clone(),
            mailbox: self.mailbox.clone(),
            journal: self.journal.clone(),
            folder: index,
            root: folder.canonical.clone(),
            trusted: self.client.trusted,
        };
        tokio::spawn(async move {
            let mailbox = job.mailbox.clone();
            let (fine, text) = job.run(what).await.unwrap_or_else(|why| (false, why));
            let _ = mailbox.send(Input::Published { folder: index, fine, text });
        });
        Ok(Value::Null)
    }

    /// The user's own commit or push is over: the user is told, and the agent with its next message.
    pub fn on_published(&mut self, folder: usize, fine: bool, text: &str) {
        // The user has pushed it by hand.
        let already = text.ends_with(ALREADY);
        if let Some(folder) = self.folders.get_mut(folder).filter(|_| already) {
            folder.desk.pushed();
        }
        let typ = if fine || already { MessageType::INFO } else { MessageType::WARNING };
        self.out.message(typ, &format!("countersign: {text}"));
        if !fine {
            return;
        }
        let note = format!("(The user did this on their own: {text})");
        for task in self.tasks.values().filter(|task| task.folder == folder) {
            if task.state.is_over() {
                if let Some(session) = self.sessions.get_mut(&task.session)
                    && !session.notes.contains(&note)
                {
                    session.notes.push(note.clone());
                }
            } else {
                task.steering.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(note.clone());
            }
        }
    }
}

struct Job {
    setup: Arc<Setup>,
    mailbox: mpsc::UnboundedSender<Input>,
    journal: Arc<FileJournal>,
    folder: usize,
    root: std::path::PathBuf,
    trusted: bool,
}

impl Job {
    async fn run(&self, what: Publication) -> Result<(bool, String), String> {
        let setup = &self.setup;
        let trusted =
            self.trusted || TrustStore::new(&setup.folders).is_trusted(&self.root).map_err(|error| error.to_string())?;
        if !trusted {
            return Err(format!("{} is not trusted; run: countersign trust add {0}", self.root.display()));
        }
        let Effective { policy, problem, .. } = effective_policy(setup, &self.root, trusted);
        if let Some(problem) = problem {
            // It is shown at its line as well.
            let _ = self.mailbox.send(problem.input(&self.root));
            return Err(format!("nothing was done: {problem}"));
        }
        let desk = ActorDesk::new(self.mailbox.clone(), self.folder);
        let Some(vcs) = versioning::git(setup, &self.root, &policy, desk, None) else {
            return Err(format!("{} is in no git repository", self.root.display()));
        };
        let disk = workspace::Folder::open(&self.root).map_err(|error| error.to_string())?;
        let world = Arc::new(World::new(disk, setup.environment.home(), setup.environment.folder("XDG_CONFIG_HOME")));
        let task = TaskId::from("user");
        let timeout = Duration::from_secs(setup.config.now().approval.timeout_s);
        let editor = Arc::new(TaskEditor::new(self.mailbox.clone(), task, Default::default(), timeout));
        let mut gate = Gate::new(policy.clone(), world, editor, self.journal.clone(), setup.clock.clone());
        let mut budget = Budget::new(policy.budget().clone(), None, setup.clock.now());
        let scope = Scope {
            workspace: Some(self.root.display().to_string()),
            policy_sha: Some(policy.sha().to_owned()),
            ..Scope::default()
        };
        let cancel = CancellationToken::new();
        let mut publisher = Publisher { gate: &mut gate, budget: &mut budget, vcs: vcs.as_ref(), scope: &scope, cancel: &cancel };
        let pushes = matches!(what, Publication::Push { .. });
        match publisher.publish(what).await {
            // Closed, after it was pushed by hand as the document says?
            Ok(result) if pushes && result.status != ToolCallStatus::Ok => match vcs.plan_push(PushSpec::default()).await {
                Err(error) if error.message.ends_with(ALREADY) => Ok((true, error.message)),
                _ => Ok((false, for_the_user(&result.text))),
            },
            Ok(result) => Ok((result.status == ToolCallStatus::Ok, for_the_user(&result.text))),
            Err(ending) => Err(ending.summary.filter(|why| !why.is_empty()).unwrap_or_else(|| "it was stopped".to_owned())),
        }
    }
}

//! The language server: LSP on one side, tasks of the agent on the other. LSP types stand only here.

mod accepting;
mod actor;
mod answers;
mod applying;
mod asking;
mod backend;
mod beyond;
mod boxes;
mod caps;
mod clock;
pub mod commands;
mod content;
mod controls;
mod diff;
mod display;
mod documents;
mod edit;
mod editor;
mod effective;
mod folders;
pub mod framing;
mod grants;
mod hands;
mod hooks;
mod hover;
mod hover_pending;
mod input;
mod insights;
mod kept;
mod late;
mod life;
mod neighbours;
mod observing;
mod offers;
mod offers_asks;
mod offers_hunks;
mod outbox;
mod outgoing;
pub mod peer;
mod problems;
mod prompting;
mod publishing;
mod query;
mod question_documents;
mod questions;
mod receipts;
mod recent;
mod renewing;
mod requests;
mod restore;
mod retrying;
mod review;
mod running;
mod saving;
mod sheet;
mod task;
mod telling;
mod text_sync;
mod transport;
mod undo;
mod versioning;
mod whole;

use std::{
    os::fd::BorrowedFd,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader},
    sync::{Notify, mpsc, oneshot},
};
use tower_lsp::{LspService, lsp_types::Position};

pub use clock::SystemClock;
pub use commands::NAMES as COMMANDS;
pub use transport::Ending;

use crate::{
    config::{Environment, Live, Policies},
    event::{Actor as By, Event, Scope},
    journal::FileJournal,
    seams::{Clock, Journal, Sandbox},
    text::Point,
};

/// Longest time that leaving may take.
const LEAVING: Duration = Duration::from_millis(1500);

/// What a server is started with.
pub struct Setup {
    pub environment: Environment,
    pub folders: crate::config::Folders,
    /// While its file is broken the server is read-only.
    pub config: Live,
    /// Model SPEC from the command line.
    pub model: Option<String>,
    /// A policy file in place of the user's.
    pub policy: Option<PathBuf>,
    /// Where to record the model's answers.
    pub record: Option<PathBuf>,
    /// Iterations in place of the policy's.
    pub max_iterations: Option<u32>,
    pub sandbox: Arc<dyn Sandbox>,
    pub clock: Arc<dyn Clock>,
    pub policies: Policies,
    /// Whether pending changes are kept over a restart, and those of servers that are gone are shown.
    pub keep_pending: bool,
    /// Whether to end when the editor's process is gone.
    pub watch_editor: bool,
    /// The pipe to the client, where the output is one.
    pub pipe: Option<BorrowedFd<'static>>,
}

/// Serves one client until it leaves.
pub async fn serve<R, W>(input: R, output: W, setup: Setup) -> Ending
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let outbox = outbox::Outbox::default();
    let mut writer = tokio::spawn(outbox.clone().write_to(output));
    let mut written = false;
    let (mailbox, inputs) = mpsc::unbounded_channel();
    let setup = Arc::new(setup);
    let journal = match FileJournal::open(&setup.folders.state) {
        Ok(journal) => journal,
        Err(error) => {
            eprintln!("countersign cannot start: {error}. Set XDG_STATE_HOME to an absolute path.");
            return Ending::Abrupt;
        }
    };
    let editor_gone = Arc::new(Notify::new());
    let inputs = Mutex::new(Some(inputs));
    let beyond = beyond::Beyond::default();
    let requests = requests::Requests::default();
    // Nothing is sent by tower-lsp's own client, so its socket stays empty.
    let (service, _socket) = LspService::build(|_| {
        let out = outgoing::Outgoing::new(requests.clone(), outbox.clone());
        let (setup, journal, to_actor, gone) = (setup.clone(), journal.clone(), mailbox.clone(), editor_gone.clone());
        let start: backend::Start = Box::new(move |client, folders| {
            // tower-lsp lets only one `initialize` through.
            let Some(inputs) = inputs.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
            if let Some(pipe) = setup.pipe.filter(|_| client.drops_behind_answers) {
                out.answer_apart(pipe);
            }
            if setup.watch_editor
                && let Some(process) = client.process
            {
                tokio::spawn(watch(process, setup.clock.clone(), gone.clone()));
            }
            let start = Event::ServerStart {
                version: env!("CARGO_PKG_VERSION").into(),
                pid: std::process::id(),
                client: Some(client.name.clone()),
            };
            journal.append(By::Server, &Scope::default(), start);
            let actor = actor::Actor::new(setup.clone(), to_actor.clone(), out.clone(), journal.clone(), client, &folders);
            tokio::spawn(actor.run(inputs));
        });
        backend::Backend::new(mailbox.clone(), beyond.clone(), start)
    })
    .custom_method("window/workDoneProgress/cancel", backend::Backend::cancel_progress)
    .custom_method("workspace/textDocumentContent", backend::Backend::text_document_content)
    .finish();
    let service = beyond::Extended { inner: service, beyond };
    let serving = transport::serve(BufReader::new(input), service, requests, outbox.clone());
    let ending = tokio::select! {
        ending = serving => ending,
        () = editor_gone.notified() => Ending::Abrupt,
        // Whoever cannot hear cannot decide either.
        _ = &mut writer => {
            written = true;
            Ending::Abrupt
        }
    };
    let leave = async {
        if ending == Ending::Abrupt {
            let (done, gone) = oneshot::channel();
            let _ = mailbox.send(input::Input::Shutdown(done));
            let _ = gone.await;
        }
        let stop = Event::ServerStop { reason: format!("{ending:?}").to_lowercase() };
        journal.append(By::Server, &Scope::default(), stop);
        if let Err(error) = journal.flush().await {
            tracing::error!(%error, "the end of the server is not on record");
        }
        if !written {
            outbox.flushed().await;
            outbox.close();
            let _ = writer.await;
        }
    };
    let _ = tokio::time::timeout(LEAVING, leave).await;
    ending
}

/// Returns and tells when the process is gone.
async fn watch(process: u32, clock: Arc<dyn Clock>, gone: Arc<Notify>) {
    let Some(pid) = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw) else { return };
    while rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH) {
        clock.sleep(Duration::from_secs(2)).await;
    }
    gone.notify_one();
}

fn point(position: Position) -> Point {
    Point { line: position.line, character: position.character }
}

fn position(point: Point) -> Position {
    Position { line: point.line, character: point.character }
}

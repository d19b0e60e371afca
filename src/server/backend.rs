//! The LSP methods. Each handler's first act is a send into the actor's mailbox; none waits for a person, a model or a child.

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tower_lsp::{LanguageServer, async_trait, jsonrpc::Result, lsp_types::*};

use super::{
    beyond::Beyond,
    caps,
    commands::{self, Command},
    content::{ContentParams, ContentResult},
    input::{Input, Reply},
};
use crate::event::TaskId;

/// Called once with what `initialize` said; starts the actor.
pub type Start = Box<dyn Fn(caps::Client, Vec<WorkspaceFolder>) + Send + Sync>;

/// The face towards tower-lsp.
pub struct Backend {
    mailbox: mpsc::UnboundedSender<Input>,
    beyond: Beyond,
    start: Start,
}

impl Backend {
    /// A backend that sends to `mailbox` and calls `start` at `initialize`.
    pub fn new(mailbox: mpsc::UnboundedSender<Input>, beyond: Beyond, start: Start) -> Self {
        Backend { mailbox, beyond, start }
    }

    fn tell(&self, input: Input) {
        // The actor outlives the transport; if it is gone, so are we.
        let _ = self.mailbox.send(input);
    }

    async fn call<T>(&self, input: impl FnOnce(Reply<T>) -> Input) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.tell(input(reply));
        answer.await.unwrap_or_else(|_| Err(commands::failed("the server is shutting down")))
    }

    /// `workspace/textDocumentContent`, which tower-lsp does not know yet.
    pub async fn text_document_content(&self, params: ContentParams) -> Result<ContentResult> {
        self.call(|reply| Input::Content(params.uri, reply)).await
    }

    /// `window/workDoneProgress/cancel`, which tower-lsp does not route.
    pub async fn cancel_progress(&self, params: WorkDoneProgressCancelParams) {
        if let NumberOrString::String(token) = params.token {
            self.tell(Input::CancelProgress(TaskId(token)));
        }
    }
}

#[async_trait]
impl LanguageServer for Backend {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let client = caps::Client { text_content: self.beyond.text_content(), ..caps::Client::of(&params) };
        let encoding = client.encoding_kind();
        #[allow(deprecated)] // Old clients send only `rootUri`.
        let root = params.root_uri.map(|uri| WorkspaceFolder { name: String::new(), uri });
        let folders =
            params.workspace_folders.filter(|folders| !folders.is_empty()).unwrap_or_else(|| root.into_iter().collect());
        (self.start)(client, folders);
        Ok(InitializeResult {
            server_info: Some(ServerInfo { name: "countersign".to_owned(), version: Some(env!("CARGO_PKG_VERSION").to_owned()) }),
            capabilities: ServerCapabilities {
                position_encoding: Some(encoding),
                text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
                    open_close: Some(true),
                    change: Some(TextDocumentSyncKind::INCREMENTAL),
                    save: Some(TextDocumentSyncSaveOptions::Supported(true)),
                    ..Default::default()
                })),
                code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
                    code_action_kinds: Some(vec![CodeActionKind::QUICKFIX, CodeActionKind::REFACTOR]),
                    ..Default::default()
                })),
                hover_provider: Some(HoverProviderCapability::Simple(true)),
                code_lens_provider: Some(CodeLensOptions { resolve_provider: Some(false) }),
                execute_command_provider: Some(ExecuteCommandOptions {
                    commands: commands::NAMES.iter().map(|name| format!("{}{name}", commands::PREFIX)).collect(),
                    ..Default::default()
                }),
                workspace: Some(WorkspaceServerCapabilities {
                    workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                        supported: Some(true),
                        change_notifications: Some(OneOf::Left(true)),
                    }),
                    file_operations: None,
                }),
                experimental: Some(json!({
                    "countersign": {"protocol": caps::PROTOCOL, "version": env!("CARGO_PKG_VERSION")},
                })),
                ..Default::default()
            },
        })
    }

    async fn initialized(&self, _: InitializedParams) {
        self.tell(Input::Initialized);
    }

    async fn shutdown(&self) -> Result<()> {
        let (done, wait) = oneshot::channel();
        self.tell(Input::Shutdown(done));
        let _ = wait.await;
        Ok(())
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        self.tell(Input::Opened(params));
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        self.tell(Input::Changed(params));
    }

    async fn did_save(&self, params: DidSaveTextDocumentParams) {
        self.tell(Input::Saved(params));
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.tell(Input::Closed(params));
    }

    async fn did_change_workspace_folders(&self, params: DidChangeWorkspaceFoldersParams) {
        self.tell(Input::Folders(params));
    }

    async fn did_change_watched_files(&self, params: DidChangeWatchedFilesParams) {
        self.tell(Input::Watched(params));
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        self.call(|reply| Input::CodeActions(params, reply)).await.map(Some)
    }

    async fn code_lens(&self, params: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        self.call(|reply| Input::Lenses(params.text_document.uri, reply)).await.map(Some)
    }

    async fn hover(&self, params: HoverParams) -> Result<Option<Hover>> {
        self.call(|reply| Input::Hover(params, reply)).await
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<Value>> {
        let command = Command::parse(&params.command, params.arguments);
        self.call(|reply| Input::Command(command, reply)).await.map(Some)
    }
}

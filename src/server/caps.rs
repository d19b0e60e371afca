//! What the client said it can do, reduced to what the server decides by.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use serde_json::Value;
use tower_lsp::lsp_types::{ClientCapabilities, InitializeParams, MarkupKind, PositionEncodingKind, ResourceOperationKind};

use crate::text::Encoding;

/// Version of everything under `countersign/`. It goes up when a client that was right would be wrong.
pub const PROTOCOL: u64 = 1;

/// What an editor has for the answer of a query, unless it asks for more.
const QUERY_TIME: Duration = Duration::from_secs(2);

/// A client's abilities, fixed at `initialize`.
#[derive(Clone, Debug)]
pub struct Client {
    /// Name and version, as it calls itself.
    pub name: String,
    pub encoding: Encoding,
    /// Speaks the notifications and requests under `countersign/`, in the version that this server speaks.
    pub rich: bool,
    /// Why a client that called itself rich is served as a plain one, for the user.
    pub mismatch: Option<String>,
    /// Answers `countersign/query`: a rich client that does not say otherwise. Cleared when it answers "method not found".
    pub queries: Arc<AtomicBool>,
    /// How long it has for the answer of one.
    pub query_time: Duration,
    /// A rich client that knows nothing besides texts, as a terminal.
    pub silent: bool,
    /// The editor vouches for the workspace; believed from rich clients only.
    pub trusted: bool,
    /// Model SPEC from the editor's user settings.
    pub model: Option<String>,
    /// `window/showMessageRequest` with actions. False when the user wants questions in documents; cleared when the client answers "method not found".
    pub questions: bool,
    pub apply_edit: bool,
    pub document_changes: bool,
    pub create: bool,
    pub rename: bool,
    pub delete: bool,
    pub progress: bool,
    pub show_document: bool,
    /// Moves the keyboard into a document that it opens, even where it is asked not to: Helix, and lsp-mode in Emacs.
    pub steals_focus: bool,
    /// Makes the folders that a file which it moves needs. Helix does not, and fails.
    pub makes_folders: bool,
    /// Shows nobody that a command was answered by an error: Helix writes it into its log.
    pub hides_errors: bool,
    /// Asks for documents of ours by `workspace/textDocumentContent` (LSP 3.18).
    pub text_content: bool,
    pub refresh_lenses: bool,
    /// Shows hovers as Markdown.
    pub hover_markdown: bool,
    pub watch_files: bool,
    /// Reports no text before the command that it sent is answered: Eglot waits for the answer and sends changes when idle.
    pub silent_while_waiting: bool,
    /// Loses messages that it reads together with an answer: lsp-mode up to 9.0 leaves its reader by a `throw`.
    pub drops_behind_answers: bool,
    /// The editor's process, watched so that the server never outlives it.
    pub process: Option<u32>,
}

impl Client {
    /// Reads `initialize`.
    pub fn of(params: &InitializeParams) -> Client {
        let caps = &params.capabilities;
        let own = own_options(params.initialization_options.as_ref());
        let workspace = caps.workspace.as_ref();
        let edit = workspace.and_then(|w| w.workspace_edit.as_ref());
        let resource = |kind: ResourceOperationKind| {
            edit.and_then(|edit| edit.resource_operations.as_ref()).is_some_and(|kinds| kinds.contains(&kind))
        };
        let window = caps.window.as_ref();
        let named = |name: &str| params.client_info.as_ref().is_some_and(|info| info.name.eq_ignore_ascii_case(name));
        let wants_rich = own["rich"].as_bool().unwrap_or(false);
        let mismatch = if wants_rich { mismatch(&own["protocol"]) } else { None };
        let rich = wants_rich && mismatch.is_none();
        let silent = rich && own["queries"] == Value::Bool(false);
        Client {
            name: params.client_info.as_ref().map_or_else(
                || "an editor".to_owned(),
                |info| format!("{} {}", info.name, info.version.as_deref().unwrap_or("")).trim().to_owned(),
            ),
            encoding: encoding(caps),
            rich,
            mismatch,
            queries: Arc::new(AtomicBool::new(rich && !silent)),
            query_time: own["queries"].as_u64().map_or(QUERY_TIME, |seconds| Duration::from_secs(seconds.clamp(1, 30))),
            silent,
            trusted: rich && own["trusted"].as_bool().unwrap_or(false),
            model: own["model"].as_str().map(str::to_owned),
            // The request is older than its capability: a client that says nothing may well answer. -32601 tells, or the user,
            // who may want no dialogs.
            questions: own["dialogs"].as_bool().unwrap_or(true),
            apply_edit: workspace.and_then(|w| w.apply_edit).unwrap_or(false),
            document_changes: edit.and_then(|edit| edit.document_changes).unwrap_or(false),
            // lsp-mode visits the file before it makes it, and asks whether to read it again: the command's answer takes that
            // question away, and an empty file is left.
            create: resource(ResourceOperationKind::Create) && !named("emacs"),
            rename: resource(ResourceOperationKind::Rename),
            delete: resource(ResourceOperationKind::Delete),
            progress: window.and_then(|w| w.work_done_progress).unwrap_or(false),
            // Helix opens documents and does not announce it.
            show_document: window.and_then(|w| w.show_document.as_ref()).is_some_and(|show| show.support) || named("helix"),
            steals_focus: named("helix") || named("emacs"),
            makes_folders: !named("helix"),
            hides_errors: named("helix"),
            // Not in these types: see `beyond`.
            text_content: false,
            refresh_lenses: workspace.and_then(|w| w.code_lens.as_ref()).and_then(|lens| lens.refresh_support).unwrap_or(false),
            hover_markdown: caps
                .text_document
                .as_ref()
                .and_then(|text| text.hover.as_ref()?.content_format.as_ref())
                .is_some_and(|formats| formats.contains(&MarkupKind::Markdown)),
            watch_files: workspace
                .and_then(|w| w.did_change_watched_files.as_ref())
                .and_then(|watch| watch.dynamic_registration)
                .unwrap_or(false),
            silent_while_waiting: named("eglot"),
            drops_behind_answers: named("emacs"),
            process: params.process_id,
        }
    }

    /// The encoding as LSP spells it.
    pub fn encoding_kind(&self) -> PositionEncodingKind {
        match self.encoding {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
            Encoding::Utf32 => PositionEncodingKind::UTF32,
        }
    }
}

/// The sentence for a client of another version; one that names none speaks the first.
fn mismatch(protocol: &Value) -> Option<String> {
    let version = env!("CARGO_PKG_VERSION");
    let named = if protocol.is_null() { Some(1) } else { protocol.as_u64() };
    let (theirs, next) = match named {
        Some(PROTOCOL) => return None,
        Some(newer) if newer > PROTOCOL => (newer.to_string(), "update countersign"),
        Some(older) => (older.to_string(), "update the extension"),
        None => ("one without a number".to_owned(), "update the extension"),
    };
    Some(format!(
        "countersign {version} speaks protocol {PROTOCOL}, your editor's extension {theirs}: {next}. Until then it works as in \
         an editor without extension."
    ))
}

fn own_options(options: Option<&Value>) -> Value {
    options.and_then(|options| options.get("countersign")).cloned().unwrap_or(Value::Null)
}

/// Of several offered encodings utf-8 is taken; without an offer it is utf-16, as LSP says.
fn encoding(caps: &ClientCapabilities) -> Encoding {
    let offered = caps.general.as_ref().and_then(|general| general.position_encodings.as_deref()).unwrap_or_default();
    if offered.contains(&PositionEncodingKind::UTF8) {
        Encoding::Utf8
    } else if offered.contains(&PositionEncodingKind::UTF16) || !offered.contains(&PositionEncodingKind::UTF32) {
        Encoding::Utf16
    } else {
        Encoding::Utf32
    }
}

//! What the model can do: the `Tool` trait, the registry, and one file per tool.
//!
//! A tool is its arguments: a struct whose doc comments are the model's description and whose fields are the schema. Read into
//! that struct, a call can say what it is (`title`), which policy actions it needs (`actions`) and what it may touch (`effect`)
//! before anything happens. Adding a tool is one file here and one line in `registry.rs`.

mod ask_user;
mod collector;
mod connections;
mod context;
pub mod denial;
mod diagnostics;
mod edit_file;
mod editor;
mod file_op;
mod finish;
mod git;
mod kept;
mod lenient;
mod list_files;
pub mod matching;
mod merge;
mod output;
mod quoted;
mod read_file;
mod registry;
mod run;
mod schema;
mod search;
mod shell;
mod symbols;
pub mod terminal;
mod write_file;

pub use connections::untold;
pub use context::{Context, Effect, Mode, Publication, Tool, ToolResult};
pub use output::Outputs;
pub use registry::{Parsed, Registry};
pub use shell::Shell;

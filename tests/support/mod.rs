//! What the server and real rings share.

pub mod anthropic_rules;
pub mod lsp;
pub mod model_double;

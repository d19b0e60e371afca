//! What the server and real rings share.

pub mod anthropic_rules;
pub mod dice;
pub mod model_double;
pub mod program;
pub mod visible;

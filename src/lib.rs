//! countersign: a language server whose language is a coding agent. ARCHITECTURE.md is the map of these modules.

// Floor 0: values
pub mod event;
pub mod path;
pub mod policy;
pub mod proposal;
pub mod text;

// Floor 1: seams
pub mod seams;

// Floor 2: the agent
pub mod agent;
pub mod tools;

// Floor 3: adapters
pub mod journal;
pub mod llm;
pub mod sandbox;
pub mod vcs;
pub mod workspace;

// Floor 4: doors
pub mod cli;
pub mod config;
pub mod server;

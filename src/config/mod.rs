//! What the user set: environment, folders, `config.toml`, keys, policy files, trust, grants and task prompts
//! (docs/configuration.md). Everything that is read here from a workspace is hostile until checked.

pub mod endpoints;
pub mod environment;
mod error;
mod file;
pub mod folders;
pub mod grants;
pub mod keys;
mod live;
pub mod model;
pub mod policy;
mod store;
pub mod tasks;
pub mod trust;

pub use endpoints::EndpointStore;
pub use environment::{Environment, Secret};
pub use error::ConfigError;
pub use file::{
    Approval, BaseUrls, Capabilities, Checks, Config, Diagnostics, Git, GitBranch, JournalSection, Model, Price, Review, Save,
};
pub use folders::Folders;
pub use grants::{Grant, GrantStore};
pub use live::Live;
pub use policy::{LayerFile, Policies, policy_layers};
pub use trust::{TrustStore, Trusted};
